package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// Where sudo has its things.
const (
	sudoersFile = "/etc/sudoers"
	stampDir    = "/run/sudo/ts"
	lectureDir  = "/var/db/sudo/lectured"
)

// sudo is one run of sudo(8).
type sudo struct {
	*session
	policy  *sudoers
	target  libc.User
	command string // path of the executable, as it is logged
	args    []string
	vars    []string // VAR=value before the command

	prompting          string
	stdin, noInput     bool
	login, shell, keep bool
}

const sudoUsage = `usage: sudo -h | -K | -k | -V
usage: sudo -v [-AknS] [-g group] [-h host] [-p prompt] [-u user]
usage: sudo -l [-AknS] [-g group] [-h host] [-p prompt] [-U user] [-u user] [command]
usage: sudo [-AbEHknPS] [-r role] [-t type] [-C num] [-D directory] [-g group] [-h host] [-p prompt] [-R directory] [-T timeout] [-u user] [VAR=value] [-i|-s] [<command>]
usage: sudo -e [-AknS] [-r role] [-t type] [-C num] [-D directory] [-g group] [-h host] [-p prompt] [-R directory] [-T timeout] [-u user] file ...
`

var sudoLong = []libc.LongOption{
	{Name: "user", Short: "u", Arg: libc.RequiredArgument}, {Name: "login", Short: "i"}, {Name: "shell", Short: "s"}, {Name: "list", Short: "l"},
	{Name: "reset-timestamp", Short: "k"}, {Name: "remove-timestamp", Short: "K"}, {Name: "validate", Short: "v"},
	{Name: "non-interactive", Short: "n"}, {Name: "preserve-env", Short: "E", Arg: libc.OptionalArgument}, {Name: "set-home", Short: "H"},
	{Name: "stdin", Short: "S"}, {Name: "prompt", Short: "p", Arg: libc.RequiredArgument}, {Name: "version", Short: "V"}, {Name: "help", Short: "h"},
}

// Sudo is /usr/bin/sudo. Its executable is set-user-ID root.
func Sudo(ctx context.Context, p *host.Proc) int {
	given, words, err := libc.Getopt(p.Args[1:], "+u:isklKvnEHSp:VhbeAPg:r:t:C:D:R:T:U:", sudoLong)
	if err != nil {
		fmt.Fprintf(p.Stderr, "sudo: %s\n%s", err, sudoUsage)
		return 1
	}
	s := &sudo{session: newSession(p, "sudo", "sudo")}
	as, mode, forget := "root", "", false
	for _, o := range given {
		switch o.Name {
		case "u":
			as = o.Value
		case "i":
			s.login = true
		case "s":
			s.shell = true
		case "l", "v":
			mode = o.Name
		case "k":
			forget = true
		case "K":
			forget, mode = true, "K"
		case "n":
			s.noInput = true
		case "E":
			s.keep = true
		case "S":
			s.stdin = true
		case "p":
			s.prompting = o.Value
		case "H", "A", "P":
		case "V":
			fmt.Fprintln(p.Stdout, "Sudo version 1.9.5p2\nSudoers policy plugin version 1.9.5p2\nSudoers file grammar version 48\nSudoers I/O plugin version 1.9.5p2\nSudoers audit plugin version 1.9.5p2")
			return 0
		case "h":
			fmt.Fprint(p.Stdout, "sudo - execute a command as another user\n\n"+sudoUsage)
			return 0
		default:
			fmt.Fprintf(p.Stderr, "sudo: option -%s is not modelled in this lab\n", o.Name)
			return 1
		}
	}
	for len(words) > 0 && mode == "" {
		name, _, ok := strings.Cut(words[0], "=")
		if !ok || name == "" || strings.Contains(name, "/") {
			break
		}
		s.vars = append(s.vars, words[0])
		words = words[1:]
	}
	if forget {
		// There may be none.
		_ = p.Sys.Remove(s.stampFile())
		if mode == "K" || len(words) == 0 && mode == "" && !s.login && !s.shell {
			return 0
		}
	}
	if len(words) == 0 && mode == "" && !s.login && !s.shell {
		io.WriteString(p.Stderr, sudoUsage)
		return 1
	}
	if !s.load() {
		return 1
	}
	var ok bool
	if s.target, ok = s.findUser(as); !ok {
		fmt.Fprintf(p.Stderr, "sudo: unknown user: %s\nsudo: error initializing audit plugin sudoers_audit\n", as)
		return 1
	}
	switch mode {
	case "l":
		return s.list(ctx)
	case "v":
		if !s.check(ctx, s.policy.ask(s.request(true))) {
			return 1
		}
		return 0
	}
	return s.execute(ctx, words)
}

func (s *sudo) findUser(name string) (libc.User, bool) {
	if number, ok := strings.CutPrefix(name, "#"); ok {
		if uid, err := strconv.Atoi(number); err == nil {
			return libc.UserByID(s.p, uid)
		}
	}
	return libc.UserByName(s.p, name)
}

// load reads the policy.
func (s *sudo) load() bool {
	quit := func(format string, args ...any) bool {
		fmt.Fprintf(s.p.Stderr, "sudo: "+format+"\nsudo: no valid sudoers sources found, quitting\nsudo: error initializing audit plugin sudoers_audit\n", args...)
		return false
	}
	info, err := s.p.Sys.Stat(sudoersFile)
	if err != nil {
		return quit("unable to open %s: %s", sudoersFile, libc.Strerror(err))
	}
	if uid, gid := libc.Owner(info); uid != 0 {
		return quit("%s is owned by uid %d, should be 0", sudoersFile, uid)
	} else if info.Mode()&0o002 != 0 {
		return quit("%s is world writable", sudoersFile)
	} else if info.Mode()&0o020 != 0 && gid != 0 {
		return quit("%s is owned by gid %d, should be 0", sudoersFile, gid)
	}
	read := func(file string) (string, error) {
		data, err := libc.ReadFile(s.p, file)
		return string(data), err
	}
	text, err := read(sudoersFile)
	if err != nil {
		return quit("unable to read %s: %s", sudoersFile, libc.Strerror(err))
	}
	s.policy = parseSudoers(sudoersFile, text, read, func(dir string) ([]string, error) { return libc.ReadDir(s.p, dir) })
	for _, b := range s.policy.bad {
		fmt.Fprintf(s.p.Stderr, ">>> %s: syntax error near line %d <<<\n", b.file, b.line)
	}
	return true
}

func (s *sudo) request(whatever bool) request {
	q := request{user: s.caller.Name, host: s.shortHost(), as: s.target.Name, command: s.command, args: s.args, whatever: whatever}
	for _, g := range libc.Groups(s.p) {
		if g.GID == s.caller.GID || slices.Contains(g.Members, s.caller.Name) {
			q.groups = append(q.groups, g.Name)
		}
	}
	return q
}

func (s *sudo) shortHost() string {
	short, _, _ := strings.Cut(hostname(s.p), ".")
	return short
}

// audit logs a request, with what was wrong about it.
func (s *sudo) audit(sev syslog.Severity, wrong string) {
	if wrong != "" {
		wrong += " ; "
	}
	command := s.command
	if len(s.args) > 0 {
		command += " " + strings.Join(s.args, " ")
	}
	if command == "" {
		command = "validate"
	}
	s.log(syslog.Authpriv, sev, "%8s : %sTTY=%s ; PWD=%s ; USER=%s ; COMMAND=%s",
		s.caller.Name, wrong, s.line("unknown"), s.p.Dir, s.target.Name, command)
}

// check asks for the password and tells what the policy says.
func (s *sudo) check(ctx context.Context, a answer) bool {
	if s.caller.UID == 0 {
		return true
	}
	need := s.policy.flag("authenticate", true, s.caller.Name) && !(a.allowed && a.noPassword)
	if need && !s.fresh() && !s.authenticate(ctx) {
		return false
	}
	switch {
	case !a.known:
		s.audit(syslog.Alert, "user NOT in sudoers")
		fmt.Fprintf(s.p.Stderr, "%s is not in the sudoers file.\n", s.caller.Name)
		return false
	case !a.allowed:
		s.audit(syslog.Alert, "command not allowed")
		fmt.Fprintf(s.p.Stderr, "Sorry, user %s is not allowed to execute '%s' as %s on %s.\n",
			s.caller.Name, strings.Join(append([]string{s.command}, s.args...), " "), s.target.Name, s.shortHost())
		return false
	}
	if need {
		s.refresh()
	}
	return true
}

const lecture = `
We trust you have received the usual lecture from the local System
Administrator. It usually boils down to these three things:

    #1) Respect the privacy of others.
    #2) Think before you type.
    #3) With great power comes great responsibility.

`

// authenticate asks for the caller's password, or root's or the target's where
// the policy says so.
func (s *sudo) authenticate(ctx context.Context) bool {
	switch {
	case s.noInput:
		fmt.Fprintln(s.p.Stderr, "sudo: a password is required")
		return false
	case s.tty == "" && !s.stdin:
		fmt.Fprintln(s.p.Stderr, "sudo: a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper\nsudo: a password is required")
		return false
	}
	of := s.caller.Name
	switch {
	case s.policy.flag("rootpw", false, s.caller.Name):
		of = "root"
	case s.policy.flag("targetpw", false, s.caller.Name):
		of = s.target.Name
	}
	s.lecture()
	prompt := s.prompting
	if prompt == "" {
		prompt = s.policy.text("passprompt", "[sudo] password for %p: ", s.caller.Name)
	}
	prompt = strings.NewReplacer("%p", of, "%u", s.caller.Name, "%U", s.target.Name, "%h", s.shortHost(), "%%", "%").Replace(prompt)
	tries := max(s.policy.number("passwd_tries", 3, s.caller.Name), 1)
	for try := 1; try <= tries; try++ {
		password, ok := s.prompt(s.p.Stderr, prompt)
		if !ok {
			if try == 1 {
				fmt.Fprintln(s.p.Stderr, "sudo: no password was provided\nsudo: a password is required")
				s.pam(syslog.Crit, "auth", "auth could not identify password for [%s]", of)
				return false
			}
			tries = try - 1
			break
		}
		if sh, known := libc.ShadowByName(s.p, of); known && sh.Matches(password) {
			if s.expired(s.caller) {
				fmt.Fprintln(s.p.Stderr, "sudo: Account expired or PAM config lacks an \"account\" section for sudo, contact your system administrator\nsudo: a password is required")
				return false
			}
			return true
		}
		s.wrongPassword(of)
		if s.p.Sleep(ctx, failDelay) != nil {
			return false
		}
		if try < tries {
			fmt.Fprintln(s.p.Stderr, s.policy.text("badpass_message", "Sorry, try again.", s.caller.Name))
		}
	}
	plural := "s"
	if tries == 1 {
		plural = ""
	}
	wrong := fmt.Sprintf("%d incorrect password attempt%s", tries, plural)
	s.audit(syslog.Alert, wrong)
	fmt.Fprintln(s.p.Stderr, "sudo: "+wrong)
	return false
}

// lecture is given once to each user.
func (s *sudo) lecture() {
	when := s.policy.text("lecture", "once", s.caller.Name)
	if !s.policy.flag("lecture", true, s.caller.Name) {
		when = "never"
	}
	mark := path.Join(lectureDir, strconv.Itoa(s.caller.UID))
	if when == "never" || s.noInput || when == "once" && libc.Exists(s.p, mark) {
		return
	}
	io.WriteString(s.p.Stderr, lecture)
	if libc.MkdirAll(s.p, lectureDir, 0o700) == nil {
		// Given again, it does no harm.
		_ = libc.WriteFile(s.p, mark, nil, 0o600)
	}
}

func (s *sudo) stampFile() string { return path.Join(stampDir, s.caller.Name) }

// fresh reports whether the password was given on this terminal a little while ago.
func (s *sudo) fresh() bool {
	minutes := s.policy.number("timestamp_timeout", 5, s.caller.Name)
	data, err := libc.ReadFile(s.p, s.stampFile())
	if err != nil || minutes == 0 {
		return false
	}
	now := s.p.Clock.Monotonic()
	for _, line := range libc.Lines(data) {
		tty, at, _ := strings.Cut(line, " ")
		if tty != s.line("unknown") {
			continue
		}
		then, err := time.ParseDuration(at)
		return err == nil && then <= now && (minutes < 0 || now-then < time.Duration(minutes)*time.Minute)
	}
	return false
}

// refresh notes that the password was given.
func (s *sudo) refresh() {
	if libc.MkdirAll(s.p, stampDir, 0o700) != nil {
		return
	}
	tty := s.line("unknown")
	lines := []string{tty + " " + s.p.Clock.Monotonic().String()}
	data, err := libc.ReadFile(s.p, s.stampFile())
	if err == nil {
		for _, line := range libc.Lines(data) {
			if !strings.HasPrefix(line, tty+" ") {
				lines = append(lines, line)
			}
		}
	}
	// Without it the password is asked for again.
	_ = libc.WriteFile(s.p, s.stampFile(), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// list is sudo -l.
func (s *sudo) list(ctx context.Context) int {
	s.command = "list"
	a := s.policy.ask(s.request(true))
	if s.caller.UID != 0 && !a.known {
		if !a.noPassword && !s.fresh() && !s.authenticate(ctx) {
			return 1
		}
		fmt.Fprintf(s.p.Stderr, "Sorry, user %s may not run sudo on %s.\n", s.caller.Name, s.shortHost())
		return 1
	}
	if !s.check(ctx, a) {
		return 1
	}
	if d := s.policy.forUser(s.caller.Name); len(d) > 0 {
		var items []string
		for _, x := range d {
			items = append(items, x.String())
		}
		fmt.Fprintf(s.p.Stdout, "Matching Defaults entries for %s on %s:\n%s\n\n", s.caller.Name, s.shortHost(), wrap(items, 80))
	}
	fmt.Fprintf(s.p.Stdout, "User %s may run the following commands on %s:\n", s.caller.Name, s.shortHost())
	q := s.request(true)
	for _, r := range s.policy.rules {
		one := &sudoers{aliases: s.policy.aliases, rules: []rule{r}}
		if one.ask(q).known {
			fmt.Fprintln(s.p.Stdout, r)
		}
	}
	return 0
}

// wrap puts items in lines of a width, with commas.
func wrap(items []string, width int) string {
	var b strings.Builder
	column := 0
	for i, item := range items {
		if i < len(items)-1 {
			item += ","
		}
		switch {
		case column == 0:
			b.WriteString("    ")
			column = 4
		case column+1+len(item) > width:
			b.WriteString("\n    ")
			column = 4
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(item)
		column += len(item)
	}
	return b.String()
}

// execute runs the command, or a shell with -s and -i.
func (s *sudo) execute(ctx context.Context, words []string) int {
	p := s.p
	search := s.policy.text("secure_path", "/sbin:/bin:/usr/sbin:/usr/bin", s.caller.Name)
	env := s.environment(search)
	c := host.Cmd{Env: env, Dir: p.Dir, Cred: libc.CredOf(p, s.target)}
	switch {
	case s.login || s.shell:
		sh := s.target.Shell
		if s.shell && !s.login {
			if v := p.Getenv("SHELL"); v != "" {
				sh = v
			}
		}
		s.command = sh
		c.Path, c.Args = sh, []string{path.Base(sh)}
		if s.login {
			c.Args[0] = "-" + c.Args[0]
			if enter(p, s.target.Dir) == nil {
				c.Dir = s.target.Dir
			} else {
				fmt.Fprintf(p.Stderr, "sudo: unable to change directory to %s: No such file or directory\n", s.target.Dir)
			}
		}
		if len(words) > 0 {
			quoted := make([]string, len(words))
			for i, w := range words {
				quoted[i] = escape(w)
			}
			s.args = []string{"-c", strings.Join(quoted, " ")}
			c.Args = append(c.Args, s.args...)
		}
	default:
		s.args = words[1:]
		found, err := (&host.Proc{Sys: p.Sys, Env: []string{"PATH=" + search}}).LookPath(words[0])
		if err == nil && strings.Contains(words[0], "/") {
			found = libc.Abs(p, words[0])
			var info os.FileInfo
			if info, err = p.Sys.Stat(found); err == nil && (info.IsDir() || info.Mode()&0o111 == 0) {
				err = syscall.EACCES
			}
		}
		s.command = found
		if err != nil {
			s.command = words[0]
			// Who may not run anything is told that first.
			if !s.check(ctx, s.policy.ask(s.request(true))) {
				return 1
			}
			fmt.Fprintf(p.Stderr, "sudo: %s: command not found\n", words[0])
			return 1
		}
		c.Path, c.Args = found, append([]string{words[0]}, s.args...)
	}
	if !s.check(ctx, s.policy.ask(s.request(false))) {
		return 1
	}
	s.audit(syslog.Notice, "")
	full := s.command
	if len(s.args) > 0 {
		full += " " + strings.Join(s.args, " ")
	}
	c.Env = setenv(c.Env, "SUDO_COMMAND="+full)
	s.opened(s.target)
	defer s.closed(s.target)
	st, err := s.run(ctx, c)
	if errors.Is(err, syscall.EINVAL) { // the kernel knows no such id here
		uid := c.Cred.UID
		fmt.Fprintf(p.Stderr, "sudo: unable to change to runas uid (%d, %d): %s\n", uid, uid, libc.Strerror(syscall.EINVAL))
		fmt.Fprintln(p.Stderr, "sudo: this lab has one user id only, root's (`enshu doctor` on the machine says why)")
		return 1
	}
	if err != nil {
		fmt.Fprintf(p.Stderr, "sudo: unable to execute %s: %s\n", s.command, libc.Strerror(err))
		if errors.Is(err, syscall.ENOENT) {
			return 127
		}
		return 126
	}
	return st.Shell()
}

// escape puts a backslash before what a shell would take for its own, as sudo -s does.
func escape(word string) string {
	var b strings.Builder
	for _, c := range []byte(word) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '$' || c >= 0x80) {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// kept are variables that go over by themselves (sudoers(5), env_reset).
var kept = []string{"TERM", "COLORTERM", "DISPLAY", "HOSTNAME", "HISTSIZE", "LS_COLORS", "PS1", "PS2", "LANG", "LC_ADDRESS", "LC_CTYPE",
	"LC_COLLATE", "LC_IDENTIFICATION", "LC_MEASUREMENT", "LC_MESSAGES", "LC_MONETARY", "LC_NAME", "LC_NUMERIC", "LC_PAPER", "LC_TELEPHONE",
	"LC_TIME", "LC_ALL", "LANGUAGE", "XAUTHORITY", "TZ"}

// environment is what the command is given.
func (s *sudo) environment(search string) []string {
	var env []string
	if s.keep || !s.policy.flag("env_reset", true, s.caller.Name) {
		env = append(env, s.p.Env...)
	} else {
		names := append(kept[:len(kept):len(kept)], strings.Fields(s.policy.text("env_keep", "", s.caller.Name))...)
		for _, name := range names {
			if v := s.p.Getenv(name); v != "" {
				env = setenv(env, name+"="+v)
			}
		}
	}
	shell := s.target.Shell
	if v := s.p.Getenv("SHELL"); v != "" && !s.login {
		shell = v
	}
	env = setenv(env, "PATH="+search, "MAIL=/var/mail/"+s.target.Name, "LOGNAME="+s.target.Name, "USER="+s.target.Name,
		"HOME="+s.target.Dir, "SHELL="+shell)
	env = setenv(env, s.vars...)
	return setenv(env, "SUDO_USER="+s.caller.Name, "SUDO_UID="+strconv.Itoa(s.caller.UID), "SUDO_GID="+strconv.Itoa(s.caller.GID))
}
