package login

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// sudoers is the policy of sudo (sudoers(5)).
type sudoers struct {
	defaults []setting
	aliases  map[string][]string // "User_Alias NAME" to its list
	rules    []rule
	bad      []badLine
}

// setting is one option of a Defaults line.
type setting struct {
	scope string // "" for all, ":user", "@host" …
	name  string
	op    string // "", "!", "=", "+=", "-="
	value string
}

// rule lets users run a command on hosts.
type rule struct {
	users, hosts []string
	asUsers      []string // nil: as root
	asGroups     []string
	noPassword   bool
	deny         bool
	command      string
}

// badLine is a line that is no policy.
type badLine struct {
	file string
	line int
}

// parser reads the policy of several files.
type parser struct {
	*sudoers
	read  func(file string) (string, error)
	list  func(dir string) ([]string, error)
	depth int
}

// parseSudoers reads a policy with what it includes.
func parseSudoers(file, text string, read func(string) (string, error), list func(string) ([]string, error)) *sudoers {
	p := &parser{sudoers: &sudoers{aliases: map[string][]string{}}, read: read, list: list}
	p.file(file, text)
	return p.sudoers
}

func (p *parser) file(name, text string) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		for strings.HasSuffix(line, `\`) && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + lines[i]
		}
		line = strings.TrimSpace(line)
		if what, arg, ok := include(line); ok {
			p.include(what, arg, name)
			continue
		}
		if at := strings.IndexByte(line, '#'); at >= 0 {
			line = strings.TrimSpace(line[:at])
		}
		if line != "" && !p.line(line) {
			p.bad = append(p.bad, badLine{name, i + 1})
		}
	}
}

func include(line string) (what, arg string, ok bool) {
	f := strings.Fields(line)
	if len(f) == 2 && (f[0][0] == '#' || f[0][0] == '@') && (f[0][1:] == "include" || f[0][1:] == "includedir") {
		return f[0][1:], strings.Trim(f[1], `"`), true
	}
	return "", "", false
}

// maxIncludes is how deep includes may go.
const maxIncludes = 128

func (p *parser) include(what, arg, from string) {
	if p.depth >= maxIncludes {
		return
	}
	if !strings.HasPrefix(arg, "/") {
		arg = path.Join(path.Dir(from), arg)
	}
	p.depth++
	defer func() { p.depth-- }()
	files := []string{arg}
	if what == "includedir" {
		files = nil
		names, err := p.list(arg)
		if err != nil {
			return
		}
		for _, n := range names {
			// Names with a point or a ~ at the end are editors' and packages'.
			if !strings.Contains(n, ".") && !strings.HasSuffix(n, "~") {
				files = append(files, path.Join(arg, n))
			}
		}
	}
	for _, f := range files {
		if text, err := p.read(f); err == nil {
			p.file(f, text)
		}
	}
}

// line reads one statement and reports whether it was one.
func (p *parser) line(line string) bool {
	word, rest, _ := strings.Cut(line, " ")
	if w, r, ok := strings.Cut(line, "\t"); ok && len(w) < len(word) {
		word, rest = w, r
	}
	switch {
	case strings.HasPrefix(word, "Defaults"):
		return p.defaultsLine(word[len("Defaults"):], strings.TrimSpace(rest))
	case slices.Contains([]string{"User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias"}, word):
		for _, def := range strings.Split(rest, ":") {
			name, list, ok := strings.Cut(def, "=")
			name = strings.TrimSpace(name)
			if !ok || !aliasName(name) {
				return false
			}
			p.aliases[word+" "+name] = splitList(list)
		}
		return true
	}
	return p.ruleLine(line)
}

func aliasName(s string) bool {
	if s == "" || s[0] < 'A' || s[0] > 'Z' || s == "ALL" {
		return false
	}
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

func (p *parser) defaultsLine(scope, rest string) bool {
	if scope != "" && !strings.ContainsRune(":@>!", rune(scope[0])) || rest == "" {
		return false
	}
	for _, item := range splitList(rest) {
		s := setting{scope: scope}
		if name, value, ok := strings.Cut(item, "="); ok {
			s.name, s.op, s.value = strings.TrimSpace(name), "=", strings.Trim(strings.TrimSpace(value), `"`)
			for _, op := range []string{"+", "-"} {
				if n, ok := strings.CutSuffix(s.name, op); ok {
					s.name, s.op = strings.TrimSpace(n), op+"="
				}
			}
		} else {
			s.name = strings.TrimLeft(item, "! ")
			if strings.HasPrefix(item, "!") {
				s.op = "!"
			}
		}
		if s.name == "" || strings.ContainsAny(s.name, " \t") {
			return false
		}
		p.defaults = append(p.defaults, s)
	}
	return true
}

// tags stand before commands; those that are not here have no effect.
var tags = []string{"NOPASSWD", "PASSWD", "SETENV", "NOSETENV", "NOEXEC", "EXEC", "LOG_INPUT", "NOLOG_INPUT", "LOG_OUTPUT", "NOLOG_OUTPUT", "MAIL", "NOMAIL", "FOLLOW", "NOFOLLOW"}

// ruleLine reads "USERS HOSTS = (RUNAS) TAG: COMMAND, COMMAND".
func (p *parser) ruleLine(line string) bool {
	left, right, ok := strings.Cut(line, "=")
	if !ok {
		return false
	}
	who := strings.Fields(strings.Join(splitList(left), ","))
	if len(who) != 2 {
		return false
	}
	r := rule{users: splitList(who[0]), hosts: splitList(who[1])}
	items := splitList(right)
	if len(items) == 0 {
		return false
	}
	for _, item := range items {
		if strings.HasPrefix(item, "(") {
			as, rest, ok := strings.Cut(item[1:], ")")
			if !ok {
				return false
			}
			users, groups, _ := strings.Cut(as, ":")
			r.asUsers, r.asGroups = splitList(users), splitList(groups)
			item = strings.TrimSpace(rest)
		}
		for {
			tag, rest, ok := strings.Cut(item, ":")
			if !ok || !slices.Contains(tags, strings.TrimSpace(tag)) {
				break
			}
			switch strings.TrimSpace(tag) {
			case "NOPASSWD":
				r.noPassword = true
			case "PASSWD":
				r.noPassword = false
			}
			item = strings.TrimSpace(rest)
		}
		r.deny = false
		for strings.HasPrefix(item, "!") {
			r.deny = !r.deny
			item = strings.TrimSpace(item[1:])
		}
		if item == "" || item[0] != '/' && item != "ALL" && item != "sudoedit" && !aliasName(item) {
			return false
		}
		r.command = item
		p.rules = append(p.rules, r)
	}
	return true
}

// splitList splits at commas that are not in parentheses or quotes or behind a
// backslash.
func splitList(s string) []string {
	var list []string
	depth, quoted, from := 0, false, 0
	add := func(item string) {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ',' && depth == 0:
			add(s[from:i])
			from = i + 1
		}
	}
	add(s[from:])
	return list
}

// request is what someone wants to run.
type request struct {
	user     string
	groups   []string // names
	host     string
	as       string // target user
	command  string // absolute; "" asks for anything at all (sudo -v, -l)
	args     []string
	whatever bool // any command will do
}

// answer is what the policy says.
type answer struct {
	known      bool // the user is in the policy for this host
	allowed    bool
	noPassword bool
}

// ask finds the last rule that matches.
func (s *sudoers) ask(q request) answer {
	var a answer
	for _, r := range s.rules {
		if !s.in("User_Alias", r.users, 0, func(item string) bool {
			group, isGroup := strings.CutPrefix(item, "%")
			return isGroup && slices.Contains(q.groups, group) || item == q.user
		}) || !s.in("Host_Alias", r.hosts, 0, func(item string) bool { return item == q.host }) {
			continue
		}
		a.known = true
		if q.whatever {
			a.allowed = a.allowed || !r.deny
			a.noPassword = a.noPassword || r.noPassword
			continue
		}
		as := r.asUsers
		if as == nil {
			as = []string{"root"}
		}
		if !s.in("Runas_Alias", as, 0, func(item string) bool { return item == q.as }) {
			continue
		}
		if s.in("Cmnd_Alias", []string{r.command}, 0, func(item string) bool { return matchCommand(item, q.command, q.args) }) {
			a.allowed, a.noPassword = !r.deny, r.noPassword
		}
	}
	return a
}

// in reports whether the last item of a list that fits does so without a "!".
func (s *sudoers) in(kind string, list []string, depth int, fits func(string) bool) bool {
	found := false
	for _, item := range list {
		not := false
		for strings.HasPrefix(item, "!") {
			not = !not
			item = strings.TrimSpace(item[1:])
		}
		members, isAlias := s.aliases[kind+" "+item]
		hit := item == "ALL" || fits(item)
		if isAlias && depth < 16 {
			hit = s.in(kind, members, depth+1, fits)
		}
		if hit {
			found = !not
		}
	}
	return found
}

// matchCommand matches a command of the policy: a path, a directory, both with
// wildcards, and the arguments if the policy has any.
func matchCommand(pattern, command string, args []string) bool {
	file, wantArgs, hasArgs := strings.Cut(pattern, " ")
	file, command = merged(file), merged(command)
	switch {
	case strings.HasSuffix(file, "/"):
		return path.Dir(command)+"/" == file
	case !matchText(file, command, false):
		return false
	case !hasArgs:
		return true
	case strings.TrimSpace(wantArgs) == `""`:
		return len(args) == 0
	}
	return matchText(strings.TrimSpace(wantArgs), strings.Join(args, " "), true)
}

// merged gives a path its one name: /bin and /sbin are links into /usr, and the
// original compares what paths lead to.
func merged(file string) string {
	if strings.HasPrefix(file, "/bin/") || strings.HasPrefix(file, "/sbin/") {
		return "/usr" + file
	}
	return file
}

// matchText is fnmatch(3); in arguments a * goes over slashes too.
func matchText(pattern, text string, slashes bool) bool {
	if slashes {
		pattern, text = strings.ReplaceAll(pattern, "/", "\x01"), strings.ReplaceAll(text, "/", "\x01")
	}
	ok, err := path.Match(pattern, text)
	return ok && err == nil
}

// flag returns a boolean option as it holds for a user.
func (s *sudoers) flag(name string, preset bool, user string) bool {
	for _, d := range s.forUser(user) {
		if d.name == name && (d.op == "" || d.op == "!") {
			preset = d.op == ""
		}
	}
	return preset
}

// text returns a text option as it holds for a user.
func (s *sudoers) text(name, preset, user string) string {
	for _, d := range s.forUser(user) {
		if d.name != name {
			continue
		}
		switch d.op {
		case "=":
			preset = d.value
		case "+=":
			preset += " " + d.value
		case "!":
			preset = ""
		}
	}
	return preset
}

// number returns a whole number.
func (s *sudoers) number(name string, preset int, user string) int {
	if n, err := strconv.Atoi(s.text(name, strconv.Itoa(preset), user)); err == nil {
		return n
	}
	return preset
}

func (s *sudoers) forUser(user string) []setting {
	var list []setting
	for _, d := range s.defaults {
		if d.scope == "" || d.scope == ":"+user {
			list = append(list, d)
		}
	}
	return list
}

// String is how sudo -l shows a rule.
func (r rule) String() string {
	as := "root"
	if r.asUsers != nil {
		as = strings.Join(r.asUsers, ", ")
	}
	if len(r.asGroups) > 0 {
		as += " : " + strings.Join(r.asGroups, ", ")
	}
	tag, not := "", ""
	if r.noPassword {
		tag = "NOPASSWD: "
	}
	if r.deny {
		not = "!"
	}
	return fmt.Sprintf("    (%s) %s%s%s", as, tag, not, r.command)
}

// String is how sudo -l shows an option.
func (d setting) String() string {
	switch d.op {
	case "":
		return d.name
	case "!":
		return "!" + d.name
	}
	value := d.value
	if strings.ContainsAny(value, " \t") {
		value = `"` + value + `"`
	}
	return d.name + d.op + strings.NewReplacer(":", `\:`).Replace(value)
}
