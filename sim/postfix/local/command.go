package local

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/service"
	"enshu/sim/trace"
)

// Exit statuses of commands that say more than failure (sysexits(3)).
var sysexits = map[int]struct{ dsn, text string }{
	64: {"5.3.0", "command line usage error"},
	65: {"5.6.0", "data format error"},
	66: {"5.3.0", "cannot open input"},
	67: {"5.1.1", "user unknown"},
	68: {"5.1.2", "host name unknown"},
	69: {"5.3.0", "service unavailable"},
	70: {"5.3.0", "internal software error"},
	71: {"4.3.0", "system resource problem"},
	72: {"5.3.0", "critical OS file missing"},
	73: {"5.2.0", "can't create user output file"},
	74: {"5.3.0", "input/output error"},
	75: {"4.3.0", "temporary failure"},
	76: {"5.5.0", "remote error in protocol"},
	77: {"5.7.0", "permission denied"},
	78: {"5.3.5", "local configuration error"},
}

// commandBytes are those of a command that needs no shell.
const commandBytes = "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \t"

var shellBuiltins = map[string]bool{".": true, "!": true, "alias": true, "case": true, "cd": true, "command": true, "eval": true, "exec": true,
	"exit": true, "export": true, "for": true, "if": true, "kill": true, "read": true, "set": true, "shift": true, "test": true, "trap": true,
	"ulimit": true, "umask": true, "unset": true, "while": true, "until": true, "wait": true}

// toCommand pipes the message into a command.
func (l *localAgent) toCommand(ctx context.Context, s localState, command string) service.Fate {
	if s.Req.Flags&service.FlagVerify != 0 {
		return service.Fate{Status: "2.0.0", Text: "delivers to command: " + command}
	}
	_, cred := l.rights(s)
	local, domain, _ := mailaddr.Split(s.delivered)
	user, extension, _ := mailaddr.SplitExtension(local, l.Conf.Get("recipient_delimiter"))
	name := user
	env := []string{"PATH=/usr/bin:/bin", "LOCAL=" + local, "DOMAIN=" + domain, "RECIPIENT=" + s.delivered, "SENDER=" + s.sender,
		"ORIGINAL_RECIPIENT=" + s.queued.Original}
	if s.user != nil && (s.kind == fromForward || s.kind == fromQueue || s.user.Dir != "") {
		name = s.user.Name
		env = append(env, "HOME="+s.user.Dir, "SHELL="+s.user.Shell)
	}
	env = append(env, "USER="+name, "LOGNAME="+name)
	if extension != "" {
		env = append(env, "EXTENSION="+extension)
	}
	for _, item := range l.Conf.List("export_environment") {
		n, v, set := strings.Cut(item, "=")
		if !set {
			v = l.Proc.Getenv(n)
		}
		if v != "" {
			env = append(env, n+"="+v)
		}
	}
	text := append([]byte(s.fromLine()), s.copyOf(true)...)
	words := strings.Fields(command)
	direct := strings.Trim(command, commandBytes) == "" && len(words) > 0 && !shellBuiltins[words[0]]
	cmd := host.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", command}}
	if direct {
		cmd = host.Cmd{Path: words[0], Args: words}
	}
	var output bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Cred, cmd.Umask = env, l.Conf.Get("queue_directory"), cred, 0o077
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &output, &output
	child, err := l.startAs(cmd)
	if err != nil {
		said := fmt.Sprintf("local: fatal: execvp %s: %s", words[0], libc.Strerror(err))
		(&maillog.Logger{Proc: l.Proc, Tag: "local"}).Fatal("execvp %s: %s", words[0], libc.Strerror(err))
		return service.Fate{Status: "4.3.0", Text: "temporary failure. Command output: " + said + " ", DiagType: "x-unix", DiagText: said}
	}
	timer := l.Proc.Clock.AfterFunc(l.Conf.Time("command_time_limit"), func() { child.Signal(syscall.SIGKILL) })
	began := l.Proc.Clock.Monotonic()
	st, err := child.Wait(ctx)
	timer.Stop()
	if err != nil {
		child.Signal(syscall.SIGKILL)
		return service.Fate{Status: "4.3.0", Text: "temporary failure"}
	}
	said := maillog.Printable(strings.ReplaceAll(output.String(), "\n", " "))
	if len(said) > 512 {
		said = said[:512]
	}
	tail := ""
	if said != "" {
		tail = ". Command output: " + said
	}
	switch {
	case st.Signal == syscall.SIGKILL && l.Proc.Clock.Monotonic()-began >= l.Conf.Time("command_time_limit"):
		return service.Fate{Status: "5.3.0", Text: fmt.Sprintf("Command time limit exceeded: \"%s\"%s", command, tail)}
	case st.Signal != 0:
		return service.Fate{Status: "4.3.0", Text: fmt.Sprintf("Command died with signal %d: \"%s\"%s", int(st.Signal), command, tail)}
	case st.Code == 0:
		l.Log.Emit(trace.MailDelivered, trace.Attrs{"id": s.Req.ID, "to": s.rcpt.Address, "mailbox": "|" + command})
		return service.Fate{Status: "2.0.0", Text: "delivered to command: " + command}
	}
	if status, text := service.SplitFate(said, ""); status != "" { // the command says it itself
		return service.Fate{Status: status, Text: text, DiagType: "x-unix", DiagText: strings.TrimSpace(text)}
	}
	diag := strings.TrimSpace(said)
	if e, ok := sysexits[st.Code]; ok {
		if diag == "" {
			diag = e.text
		}
		return service.Fate{Status: e.dsn, Text: e.text + tail, DiagType: "x-unix", DiagText: diag}
	}
	if diag == "" {
		diag = fmt.Sprintf("unknown mail system error %d", st.Code)
	}
	return service.Fate{Status: "5.3.0", Text: fmt.Sprintf("Command died with status %d: \"%s\"%s", st.Code, command, tail), DiagType: "x-unix", DiagText: diag}
}

// startAs looks the command up in the PATH that it gets.
func (l *localAgent) startAs(cmd host.Cmd) (*host.Process, error) {
	if !strings.Contains(cmd.Path, "/") {
		for _, dir := range []string{"/usr/bin", "/bin"} {
			if libc.Exists(l.Proc, dir+"/"+cmd.Path) {
				cmd.Path = dir + "/" + cmd.Path
				break
			}
		}
	}
	if !strings.Contains(cmd.Path, "/") {
		return nil, syscall.ENOENT
	}
	return l.Proc.Start(cmd)
}
