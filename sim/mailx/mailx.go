package mailx

import (
	"context"
	_ "embed"
	"fmt"
	"path"
	"strings"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
)

// version and versionDate are of what EL9 has.
const (
	version     = "v14.9.22"
	versionDate = "2022-03-26"
)

// Exit statuses: 1 for no mail and bad input; the others are of sysexits.h, and
// exSend when a message could not be sent.
const (
	exSend   = 4
	exUsage  = 64
	exNoHost = 68 // also for what the configuration does not allow
)

//go:embed usage.txt
var usageText string

//go:embed longopts.txt
var longOptionsText string

// program is one run of s-nail.
type program struct {
	p     *host.Proc
	in    *input
	tty   bool // standard input and output are a terminal
	utf8  bool // the locale's characters
	name  string
	user  libc.User
	home  string
	vars  map[string]string // the set ones; a boolean one is ""
	alias map[string][]string
	// accounts are the blocks of the command account, macros those of define.
	accounts, macros map[string][]string
	params           []string // of the macro that runs
	calls            int      // how many of them do
	sending          bool     // not reading a mailbox
	// The header fields that print shows (retain) or does not (ignore).
	shown, hidden map[string]bool

	session    *session // whose command composes a message
	ended      bool     // the last prompt was answered by the end of the input
	killed     bool     // ^C ended the input of lines
	ring       ring
	allWords   bool // a # begins no comment: of the command set
	complaints int  // how many there were
	status     int  // of the last command: $?
	failed     int  // the exit status that a letter which was not sent left, for the end of the input
	hinted     bool // the first error has been followed by the hint about the ring

	envelope     string // of -r: the sender for the mail system
	envelopeName string // of -r: its display name
	verbose      int    // -v
	debug        bool   // -d: nothing is sent, and every step told
	commands     bool   // -~: tilde escapes also when not at a terminal
}

// invocation is what the command line says beside variables.
type invocation struct {
	subject                     string
	hasSubject                  bool
	cc, bcc, attachments, extra []string
	template                    bool   // -t
	skipEmpty                   bool   // -E
	quote                       string // -q
	kind                        string // -M: media type of the body
	whole                       string // -m: the file that is the body
	who, spec, account          string // -u, -L, -A
	file, headers, check        bool   // -f, -H, -e
	noHeaders, readOnly         bool   // -N, -R
	batch                       bool   // -#
	startup, normal             []string
	sendOnly                    bool // an option that only makes sense for sending was given
	args                        []string
}

// Mail is /usr/bin/s-nail, also called mail and mailx (s-nail(1)).
func Mail(ctx context.Context, p *host.Proc) int {
	m := &program{p: p, vars: map[string]string{}, alias: map[string][]string{}, accounts: map[string][]string{}, macros: map[string][]string{}, shown: map[string]bool{}, hidden: map[string]bool{}, name: path.Base(p.Args[0])}
	if p.Stdin == nil {
		p.Stdin = strings.NewReader("")
	}
	_, in := libc.Terminal(p.Stdin)
	_, out := libc.Terminal(p.Stdout)
	m.tty = in && out
	m.in = newInput(p, clock.NewQueue[event](p.Clock.Timeline(), 0))
	m.user, _ = libc.UserByID(p, p.UID)
	m.home = p.Getenv("HOME")
	if m.home == "" {
		m.home = m.user.Dir
	}
	m.utf8 = strings.Contains(strings.ToUpper(locale(p)), "UTF")
	return m.run(ctx, p.Args[1:])
}

// locale is the name of the locale for characters (setlocale(3)).
func locale(p *host.Proc) string {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := p.Getenv(name); v != "" {
			return v
		}
	}
	return "C"
}

// usage complains of a command line.
func (m *program) usage(problem string) int {
	m.complain("%s", problem)
	// Without the empty lines of --help, and aligned to the length of the name.
	for _, line := range strings.SplitAfter(m.help(), "\n") {
		if line != "\n" {
			fmt.Fprint(m.p.Stderr, line)
		}
	}
	return exUsage
}

func (m *program) help() string {
	text := strings.ReplaceAll(usageText, "%v", version)
	text = strings.ReplaceAll(text, "\n       ", "\n"+strings.Repeat(" ", len(m.name)+3))
	return strings.ReplaceAll(text, "%s", m.name)
}

// longOptions are the names of longopts.txt.
func longOptions() []libc.LongOption {
	out := []libc.LongOption{{Name: "long-help"}}
	for _, line := range strings.Split(longOptionsText, "\n") {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "--"), ", -")
		if !ok {
			continue
		}
		name, _, arg := strings.Cut(name, "=")
		o := libc.LongOption{Name: name, Short: rest[:1]}
		if arg {
			o.Arg = libc.RequiredArgument
		}
		out = append(out, o)
	}
	return out
}

// hostname is the name of the host, with its domain (gethostname(2)).
func (m *program) hostname() string {
	for _, file := range []string{"/proc/sys/kernel/hostname", "/etc/hostname"} {
		if data, err := libc.ReadFile(m.p, file); err == nil {
			return strings.TrimSpace(string(data))
		}
	}
	return "localhost"
}
