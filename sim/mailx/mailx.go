package mailx

import (
	"bufio"
	"context"
	"fmt"
	"path"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// version is what EL9 has.
const version = "v14.9.22"

// Exit statuses: 1 for no mail and bad input, exUsage for bad options, exSend
// when a message could not be sent.
const (
	exUsage = 64
	exSend  = 4
)

// program is one run of s-nail.
type program struct {
	p     *host.Proc
	in    *bufio.Reader
	tty   bool // standard input is a terminal
	name  string
	user  libc.User
	home  string
	vars  map[string]string
	set   map[string]bool
	alias map[string][]string

	errors int // told so far; the hint about the error ring comes with the first
	loop   bool

	subject              string
	hasSubject           bool
	cc, bcc, attachments []string
	fromHeader           bool // -t
	skipEmpty            bool // -E
	verbose              int
	sendOnly             bool
}

// Mail is /usr/bin/s-nail, also called mail and mailx (s-nail(1)).
func Mail(ctx context.Context, p *host.Proc) int {
	m := &program{p: p, vars: map[string]string{}, set: map[string]bool{}, alias: map[string][]string{}, name: path.Base(p.Args[0])}
	if p.Stdin == nil {
		p.Stdin = strings.NewReader("")
	}
	m.in = bufio.NewReader(p.Stdin)
	_, in := libc.Terminal(p.Stdin)
	_, out := libc.Terminal(p.Stdout)
	m.tty = in && out
	m.user, _ = libc.UserByID(p, p.UID)
	m.home = p.Getenv("HOME")
	if m.home == "" {
		m.home = m.user.Dir
	}
	return m.run(ctx, p.Args[1:])
}

func (m *program) complain(format string, args ...any) {
	fmt.Fprintf(m.p.Stderr, "s-nail: "+format+"\n", args...)
	if m.tty && m.loop && m.errors == 0 {
		fmt.Fprintf(m.p.Stderr, "s-nail: There are messages in the error ring, manageable via `errors' command\n")
	}
	m.errors++
}

func (m *program) usage(problem string) int {
	fmt.Fprintf(m.p.Stderr, "s-nail: %s\n", problem)
	fmt.Fprintf(m.p.Stderr, usageText, m.name, version)
	return exUsage
}

// isSet reports whether a boolean variable is set.
func (m *program) isSet(name string) bool { return m.set[name] }

func (m *program) setVar(text string) {
	name, value, has := strings.Cut(text, "=")
	if rest, ok := strings.CutPrefix(name, "no"); ok && !has && rest != "" {
		delete(m.set, rest)
		delete(m.vars, rest)
		return
	}
	if name == "from" && has && value != "" && !strings.Contains(addressOf(value), "@") {
		m.complain("*from* / *sender*: invalid  address(es): %s", value)
		m.complain("Assignment of variable aborted: from")
		return
	}
	m.set[name] = true
	m.vars[name] = value
}

func (m *program) run(ctx context.Context, args []string) int {
	options, rest, err := libc.Getopt(args, "A:a:Bb:C:c:DdEeFfHhiL:M:m:NnO:q:Rr:S:s:tu:VvX:Y:~#.", nil)
	if err != nil {
		text := err.Error()
		switch {
		case strings.HasPrefix(text, "option requires"):
			return m.usage("option requires argument: " + strings.Trim(text[strings.Index(text, "'"):], "'"))
		default:
			return m.usage("invalid option: " + strings.Trim(text[strings.Index(text, "'"):], "'"))
		}
	}
	var opt struct{ file, headers, check, noRC, noSummary bool }
	var who, spec, from string
	var sets []string
	for _, o := range options {
		switch o.Name {
		case "s":
			m.subject, m.hasSubject, m.sendOnly = o.Value, true, true
		case "c":
			m.cc, m.sendOnly = append(m.cc, o.Value), true
		case "b":
			m.bcc, m.sendOnly = append(m.bcc, o.Value), true
		case "a":
			m.attachments, m.sendOnly = append(m.attachments, o.Value), true
		case "r":
			from = o.Value
		case "S":
			sets = append(sets, o.Value)
		case "t":
			m.fromHeader, m.sendOnly = true, true
		case "E":
			m.skipEmpty = true
		case "u":
			who = o.Value
		case "f":
			opt.file = true
		case "H":
			opt.headers = true
		case "L":
			spec = o.Value
		case "e":
			opt.check = true
		case "N":
			opt.noSummary = true
		case "n":
			opt.noRC = true
		case "V":
			fmt.Fprintf(m.p.Stdout, "s-nail %s, 2022-03-26 (built for Linux)\n", version)
			return 0
		}
	}
	if !opt.noRC {
		m.readRC("/etc/s-nail.rc")
	}
	m.readRC(m.home + "/.mailrc")
	for _, s := range sets {
		m.setVar(s)
	}
	if from != "" {
		m.setVar("from=" + from)
	}
	receiving := opt.file || opt.headers || opt.check || spec != "" || who != ""
	var to []string
	for _, a := range rest {
		if strings.TrimSpace(a) != "" {
			to = append(to, a)
		}
	}
	switch {
	case !receiving && (len(to) > 0 || m.fromHeader):
		return m.sendMode(ctx, to)
	case m.sendOnly || !receiving && len(rest) > 0:
		return m.usage("Send options without primary recipient specified.")
	}
	file := m.p.Getenv("MAIL")
	switch {
	case who != "":
		file = "/var/spool/mail/" + who
	case opt.file && len(rest) > 0:
		file = libc.Abs(m.p, rest[0])
	case opt.file:
		file = m.home + "/mbox"
	case file == "":
		file = "/var/mail/" + m.user.Name
	}
	owner := m.user.Name
	if who != "" {
		owner = who
	}
	s := &session{program: m, file: file, system: !opt.file, owner: owner, quiet: opt.noSummary}
	return s.run(ctx, opt.headers, opt.check, spec)
}

// readRC reads a resource file: set, unset, alias and what we need not know.
func (m *program) readRC(name string) {
	data, err := libc.ReadFile(m.p, name)
	if err != nil {
		return
	}
	joined := strings.ReplaceAll(string(data), "\\\n", " ")
	for _, line := range strings.Split(joined, "\n") {
		words := shellWords(strings.TrimSpace(line))
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		switch words[0] {
		case "set":
			for _, w := range words[1:] {
				if strings.HasPrefix(w, "#") {
					break
				}
				m.setVar(w)
			}
		case "unset":
			for _, w := range words[1:] {
				delete(m.set, w)
				delete(m.vars, w)
			}
		case "alias", "group", "a", "g":
			if len(words) > 2 {
				m.alias[words[1]] = append(m.alias[words[1]], words[2:]...)
			}
		}
	}
}

// shellWords splits a line at blanks; quotes group.
func shellWords(s string) []string {
	var out []string
	var b strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
			in = true
		case c == ' ' || c == '\t':
			if in {
				out = append(out, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if in {
		out = append(out, b.String())
	}
	return out
}

const usageText = `%[1]s (s-nail %[2]s): send and receive Internet mail
Send-only mode: send mail "to-addr"(ess) receiver(s):
  %[1]s [-DdEFinv~#] [-: spec] [-A account] [:-C "field: body":]
       [:-a attachment:] [:-b bcc-addr:] [:-c cc-addr:]
       [-M type | -m file | -q file | -t] [-r from-addr] [:-S var[=value]:]
       [-s subject] [-T "arget: addr"] [:-X/Y cmd:] [-.] :to-addr:
"Receive" mode, starting on [-u user], primary *inbox* or [$MAIL]:
  %[1]s [-DdEeHiNnRv~#] [-: spec] [-A account] [:-C "field: body":]
       [-L spec] [-r from-addr] [:-S var[=value]:] [-u user] [:-X/Y cmd:]
"Receive" mode, starting on -f (secondary $MBOX or [file]):
  %[1]s [-DdEeHiNnRv~#] [-: spec] [-A account] [:-C "field: body":] -f
       [-L spec] [-r from-addr] [:-S var[=value]:] [:-X/Y cmd:] [file]
. -d sandbox, -:/ no .rc files, -. end options and force send-mode
. -a attachment[=input-charset[#output-charset]]
. -b, -c, -r, -T, to-addr: ex@am.ple or '(Lovely) Ex <am@p.le>'
. -M, -m, -q, -t: special input (-t: template message on stdin)
. -e only mail check, -H header summary; both: message specification via -L
. -S (un)sets variable, -X/-Y execute commands pre/post startup, -#: batch mode
. Features via "$ %[1]s -Xversion -Xx"; there is --long-help
. Bugs/Contact via "$ %[1]s -Sexpandaddr=shquote '\$contact-mail'"
`
