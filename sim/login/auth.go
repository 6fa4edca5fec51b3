package login

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
	"enshu/sim/wire/utmp"
)

// failDelay is what a wrong password costs (pam_faildelay(8)).
const failDelay = 2 * time.Second

// session is who asks, and where.
type session struct {
	p       *host.Proc
	program string // "su", "sudo"
	service string // of PAM: "su-l"
	caller  libc.User
	tty     string // "/dev/pts/0", "" without a terminal
}

func newSession(p *host.Proc, program, service string) *session {
	s := &session{p: p, program: program, service: service}
	var ok bool
	if s.caller, ok = libc.UserByID(p, p.RUID); !ok {
		s.caller = libc.User{Name: fmt.Sprint(p.RUID), UID: p.RUID, GID: p.GID, Dir: "/"}
	}
	for _, stream := range []any{p.Stdin, p.Stdout, p.Stderr} {
		if t, ok := libc.Terminal(stream); ok {
			s.tty = t.Name()
			break
		}
	}
	return s
}

// line is the terminal as utmp names it, or none.
func (s *session) line(none string) string {
	if s.tty == "" {
		return none
	}
	return strings.TrimPrefix(s.tty, "/dev/")
}

// loginName is who logged in on the terminal, "" when nobody did.
func (s *session) loginName() string {
	if s.tty == "" {
		return ""
	}
	data, err := libc.ReadFile(s.p, utmp.File)
	if err != nil {
		return ""
	}
	for _, r := range utmp.Sessions(data) {
		if r.Line == s.line("") {
			return r.User
		}
	}
	return ""
}

func (s *session) log(f syslog.Facility, sev syslog.Severity, format string, args ...any) {
	// A host without a log goes on.
	_ = libc.Syslog(s.p, syslog.Make(f, sev), s.program, s.p.PID, fmt.Sprintf(format, args...))
}

// pam logs as a module of PAM does.
func (s *session) pam(sev syslog.Severity, kind, format string, args ...any) {
	s.log(syslog.Authpriv, sev, "pam_unix(%s:%s): %s", s.service, kind, fmt.Sprintf(format, args...))
}

func (s *session) opened(u libc.User) {
	s.pam(syslog.Info, "session", "session opened for user %s(uid=%d) by %s(uid=%d)", u.Name, u.UID, s.loginName(), s.caller.UID)
}

func (s *session) closed(u libc.User) {
	s.pam(syslog.Info, "session", "session closed for user %s", u.Name)
}

func (s *session) wrongPassword(of string) {
	s.pam(syslog.Notice, "auth", "authentication failure; logname=%s uid=%d euid=0 tty=%s ruser=%s rhost=  user=%s",
		s.loginName(), s.caller.UID, s.tty, s.caller.Name, of)
}

// expired reports whether an account has ended, and logs it.
func (s *session) expired(u libc.User) bool {
	sh, ok := libc.ShadowByName(s.p, u.Name)
	today := int(s.p.Now().Unix() / 86400)
	if !ok || sh.Expire < 0 || today < sh.Expire {
		return false
	}
	s.pam(syslog.Notice, "account", "account %s has expired (account expired)", u.Name)
	return true
}

// prompt asks for a password. ok is false when there is nothing more to read.
func (s *session) prompt(w io.Writer, text string) (password string, ok bool) {
	t, terminal := libc.Terminal(s.p.Stdin)
	if terminal {
		// A terminal that cannot be told shows what is typed; so be it.
		_ = t.SetEcho(false)
		defer func() {
			_ = t.SetEcho(true)
			fmt.Fprintln(w)
		}()
	}
	io.WriteString(w, text)
	var line []byte
	var b [1]byte
	for len(line) <= 512 {
		n, err := s.p.Stdin.Read(b[:])
		if n == 1 {
			if b[0] == '\n' {
				return string(line), true
			}
			line = append(line, b[0])
		}
		if err != nil {
			return string(line), len(line) > 0
		}
	}
	return string(line), true
}

// run runs a command as another user on the caller's terminal and returns its
// status as a shell shows it. The command is in the foreground; what is typed
// interrupts it and not us.
func (s *session) run(ctx context.Context, c host.Cmd) (host.Status, error) {
	s.p.Catch(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP)
	c.Stdin, c.Stdout, c.Stderr = s.p.Stdin, s.p.Stdout, s.p.Stderr
	child, err := s.p.Start(c)
	if err != nil {
		return host.Status{}, err
	}
	st, err := child.Wait(ctx)
	if err == nil {
		return st, nil
	}
	// We were told to end: so is the command, first kindly.
	fmt.Fprint(s.p.Stderr, "\nSession terminated, killing shell...")
	// It may have ended by itself.
	_ = child.Signal(syscall.SIGTERM)
	end, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := s.p.Clock.AfterFunc(2*time.Second, func() { _ = child.Signal(syscall.SIGKILL) })
	defer stop.Stop()
	st, err = child.Wait(end)
	fmt.Fprintln(s.p.Stderr, " ...killed.")
	return st, err
}

// signalTexts are glibc's words for signals that end processes (strsignal(3)).
var signalTexts = map[syscall.Signal]string{
	syscall.SIGHUP: "Hangup", syscall.SIGINT: "Interrupt", syscall.SIGQUIT: "Quit", syscall.SIGILL: "Illegal instruction",
	syscall.SIGABRT: "Aborted", syscall.SIGFPE: "Floating point exception", syscall.SIGKILL: "Killed", syscall.SIGSEGV: "Segmentation fault",
	syscall.SIGPIPE: "Broken pipe", syscall.SIGALRM: "Alarm clock", syscall.SIGTERM: "Terminated", syscall.SIGUSR1: "User defined signal 1",
	syscall.SIGUSR2: "User defined signal 2", syscall.SIGBUS: "Bus error", syscall.SIGTRAP: "Trace/breakpoint trap",
}

// hostname is what gethostname(2) says.
func hostname(p *host.Proc) string {
	for _, file := range []string{"/proc/sys/kernel/hostname", "/etc/hostname"} {
		if text, err := libc.ReadFile(p, file); err == nil && len(bytes.TrimSpace(text)) > 0 {
			return string(bytes.TrimSpace(text))
		}
	}
	return p.Host.Name
}

// setenv sets values in an environment.
func setenv(env []string, values ...string) []string {
	for _, v := range values {
		name, _, _ := strings.Cut(v, "=")
		kept := make([]string, 0, len(env)+1)
		for _, e := range env {
			if !strings.HasPrefix(e, name+"=") {
				kept = append(kept, e)
			}
		}
		env = append(kept, v)
	}
	return env
}
