package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// channel answers the opening of a channel (RFC 4254 section 5.1).
func (c *client) channel(ctx context.Context, n ssh.NewChannel) {
	if n.ChannelType() != "session" {
		if n.ChannelType() == "direct-tcpip" {
			c.log(syslog.Info, "refused local port forward: originator %s port %d, target not modelled", c.addr, c.port)
		}
		_ = n.Reject(ssh.Prohibited, "open failed") // the peer may be gone
		return
	}
	if int(c.sessions.Add(1)) > c.set.number("maxsessions") {
		c.sessions.Add(-1)
		c.log(syslog.Err, "error: no more sessions")
		_ = n.Reject(ssh.ResourceShortage, "open failed")
		return
	}
	ch, requests, err := n.Accept()
	if err != nil {
		c.sessions.Add(-1)
		return
	}
	s := &session{client: c, ch: ch, started: clock.NewQueue[host.Cmd](c.p.Clock.Timeline(), 0)}
	c.p.Go(func() { // runs what is asked for
		defer c.sessions.Add(-1)
		if cmd, err := s.started.Get(ctx); err == nil {
			s.run(ctx, cmd)
		}
		s.end()
	})
	c.p.Go(func() { // takes requests as long as the channel is open
		line := c.p.Clock.Timeline()
		line.Release()
		for r := range requests {
			line.Hold()
			ok := s.request(r)
			if r.WantReply {
				_ = r.Reply(ok, nil) // the peer may be gone
			}
			line.Release()
		}
		line.Hold()
		if s.pty != nil {
			s.pty.Far.Close() // the peer is gone: who works at the terminal is hung up
		}
		s.started.Close()
	})
}

// session is a channel on which a shell or a command runs.
type session struct {
	*client
	ch      ssh.Channel
	env     []string
	term    string
	pty     *libc.Pty
	running bool
	started *clock.Queue[host.Cmd] // what is to be run: at most one
}

// request answers a request on the channel (RFC 4254 section 6).
func (s *session) request(r *ssh.Request) bool {
	switch r.Type {
	case "env":
		var m struct{ Name, Value string }
		if ssh.Unmarshal(r.Payload, &m) != nil {
			return false
		}
		for _, pattern := range s.set.all("acceptenv") {
			if matchPattern(m.Name, pattern) && len(s.env) < 128 {
				s.env = append(s.env, m.Name+"="+m.Value)
				return true
			}
		}
		return false
	case "pty-req":
		var m struct {
			Term                   string
			Cols, Rows, Wide, High uint32
			Modes                  string
		}
		if ssh.Unmarshal(r.Payload, &m) != nil || s.pty != nil || s.running || s.noPty || !s.set.yes("permittty") {
			return false
		}
		t, err := libc.OpenPty(s.p, s.account.UID)
		if err != nil {
			s.log(syslog.Err, "error: openpty: %s", libc.Strerror(err))
			return false
		}
		s.pty, s.term = t, m.Term
		_ = t.Resize(int(m.Rows), int(m.Cols)) // a size of nothing is one too
		return true
	case "window-change":
		var m struct{ Cols, Rows, Wide, High uint32 }
		if ssh.Unmarshal(r.Payload, &m) != nil || s.pty == nil {
			return false
		}
		return s.pty.Resize(int(m.Rows), int(m.Cols)) == nil
	case "shell":
		return s.start("")
	case "exec":
		var m struct{ Command string }
		return ssh.Unmarshal(r.Payload, &m) == nil && s.start(m.Command)
	case "subsystem":
		var m struct{ Name string }
		if ssh.Unmarshal(r.Payload, &m) != nil {
			return false
		}
		known := s.set.all("subsystem")
		for i := 0; i+1 < len(known); i += 2 {
			if known[i] == m.Name && libc.Exists(s.p, strings.Fields(known[i+1])[0]) {
				s.log(syslog.Info, "subsystem request for %s by user %s", m.Name, s.user)
				return s.start(known[i+1])
			}
		}
		s.log(syslog.Info, "subsystem request for %s by user %s failed, subsystem not found", m.Name, s.user)
		return false
	}
	return false
}

// start has the user's shell started, with a command or for a login.
func (s *session) start(command string) bool {
	if s.running {
		return false
	}
	s.running = true
	original := command
	if force := s.set.one("forcecommand"); force != "none" && force != "" {
		command = force
	} else if s.forced != "" {
		command = s.forced
	}
	shell := s.shell()
	args := []string{"-" + path.Base(shell)}
	if command != "" {
		args = []string{path.Base(shell), "-c", command}
	}
	search := "/usr/local/bin:/usr/bin:/usr/local/sbin:/usr/sbin"
	env := []string{
		"USER=" + s.user, "LOGNAME=" + s.user, "HOME=" + s.account.Dir, "PATH=" + search, "SHELL=" + shell, "MAIL=/var/spool/mail/" + s.user,
		fmt.Sprintf("SSH_CLIENT=%s %d %d", s.addr, s.port, s.here.Port()),
		fmt.Sprintf("SSH_CONNECTION=%s %d %s %d", s.addr, s.port, s.here.Addr().Unmap(), s.here.Port()),
	}
	if original != command {
		env = append(env, "SSH_ORIGINAL_COMMAND="+original)
	}
	c := host.Cmd{Path: shell, Args: args, Dir: s.account.Dir, Cred: libc.CredOf(s.p, s.account), Session: true, Umask: 0o022, Terms: &host.Terms{LoginUID: &s.account.UID}}
	if info, err := s.p.Sys.Stat(c.Dir); err != nil || !info.IsDir() {
		fmt.Fprintf(s.ch.Stderr(), "Could not chdir to home directory %s: %s\r\n", c.Dir, libc.Strerror(errors.Join(err)))
		c.Dir = "/"
	}
	if s.pty != nil {
		env = append(env, "TERM="+s.term, "SSH_TTY="+s.pty.Name)
	}
	c.Env = append(env, s.env...)
	return s.started.TryPut(c)
}

// run runs the command, tells the peer how it ended, and closes the channel.
func (s *session) run(ctx context.Context, c host.Cmd) {
	var st host.Status
	var err error
	if s.pty != nil {
		st, err = s.onTerminal(ctx, c)
	} else {
		c.Stdin, c.Stdout, c.Stderr = s.ch, s.ch, s.ch.Stderr()
		var child *host.Process
		if child, err = s.p.Start(c); err == nil {
			st, err = child.Wait(ctx)
		}
	}
	switch {
	case err != nil:
		fmt.Fprintf(s.ch.Stderr(), "%s: %s\r\n", c.Path, libc.Strerror(err))
		_, _ = s.ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{1}))
	case st.Signal != 0:
		_, _ = s.ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Name       string
			Core       bool
			Text, Lang string
		}{signalNames[st.Signal], false, "", ""}))
	default:
		_, _ = s.ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(st.Code)}))
	}
}

// signalNames are the signals that RFC 4254 section 6.10 names.
var signalNames = map[syscall.Signal]string{
	syscall.SIGABRT: "ABRT", syscall.SIGALRM: "ALRM", syscall.SIGFPE: "FPE", syscall.SIGHUP: "HUP", syscall.SIGILL: "ILL", syscall.SIGINT: "INT",
	syscall.SIGKILL: "KILL", syscall.SIGPIPE: "PIPE", syscall.SIGQUIT: "QUIT", syscall.SIGSEGV: "SEGV", syscall.SIGTERM: "TERM",
	syscall.SIGUSR1: "USR1", syscall.SIGUSR2: "USR2",
}

// leftOver is how long output is waited for whose writer has outlived the shell.
const leftOver = 100 * time.Millisecond

// onTerminal runs the command on the session's terminal.
func (s *session) onTerminal(ctx context.Context, c host.Cmd) (host.Status, error) {
	t := s.pty
	if len(c.Args) == 1 && s.set.yes("printlastlog") {
		io.WriteString(s.ch, s.lastLogin(t.Name))
	} else {
		s.lastLogin(t.Name)
	}
	if len(c.Args) == 1 && s.set.yes("printmotd") {
		if motd, err := libc.ReadFile(s.p, "/etc/motd"); err == nil {
			io.WriteString(s.ch, strings.ReplaceAll(string(motd), "\n", "\r\n"))
		}
	}
	c.Stdin, c.Stdout, c.Stderr = t.Near, t.Near, t.Near
	child, err := s.p.Start(c)
	t.Near.Close()
	if err != nil {
		return host.Status{}, err
	}
	s.login(t.Name, child.PID)
	defer s.logout(t.Name, child.PID)
	said := clock.NewQueue[struct{}](s.p.Clock.Timeline(), 0)
	s.p.Go(func() {
		s.away(func() { _, _ = io.Copy(s.ch, t.Far) }) // until nobody works at it
		said.Close()
	})
	s.p.Go(func() {
		s.away(func() { _, _ = io.Copy(t.Far, s.ch) }) // the end of what is typed is no hang-up
	})
	st, err := child.Wait(ctx)
	_, _ = said.GetBefore(ctx, s.p.Clock, s.p.Now().Add(leftOver))
	t.Far.Close()
	return st, err
}

// end closes the channel, and the terminal where nothing was run on it.
func (s *session) end() {
	if s.pty != nil {
		s.pty.Close()
	}
	s.ch.Close()
}
