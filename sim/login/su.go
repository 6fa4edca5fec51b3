package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

var suLong = []libc.LongOption{
	{Name: "command", Short: "c", Arg: libc.RequiredArgument}, {Name: "session-command", Arg: libc.RequiredArgument},
	{Name: "fast", Short: "f"}, {Name: "login", Short: "l"}, {Name: "preserve-environment", Short: "p"}, {Name: "pty", Short: "P"},
	{Name: "shell", Short: "s", Arg: libc.RequiredArgument}, {Name: "group", Short: "g", Arg: libc.RequiredArgument},
	{Name: "supp-group", Short: "G", Arg: libc.RequiredArgument}, {Name: "whitelist-environment", Short: "w", Arg: libc.RequiredArgument},
	{Name: "help", Short: "h"}, {Name: "version", Short: "V"},
}

// Paths that a login shell begins with (login.defs(5)).
const (
	userPath = "/usr/local/bin:/usr/bin"
	rootPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
)

// Su is /usr/bin/su. Its executable is set-user-ID root.
func Su(ctx context.Context, p *host.Proc) int {
	given, operands, err := libc.Getopt(p.Args[1:], "c:fg:G:lmpPs:hVw:", suLong)
	if err != nil {
		fmt.Fprintf(p.Stderr, "su: %s\nTry 'su --help' for more information.\n", err)
		return 1
	}
	var command, shell string
	login, preserve, fast, withCommand := false, false, false, false
	for _, o := range given {
		switch o.Name {
		case "c", "session-command":
			command, withCommand = o.Value, true
		case "l":
			login = true
		case "m", "p":
			preserve = true
		case "f":
			fast = true
		case "s":
			shell = o.Value
		case "h":
			io.WriteString(p.Stdout, suHelp)
			return 0
		case "V":
			fmt.Fprintln(p.Stdout, "su from util-linux 2.37.4")
			return 0
		default:
			fmt.Fprintf(p.Stderr, "su: option -%s is not modelled in this lab\n", o.Name)
			return 1
		}
	}
	if len(operands) > 0 && operands[0] == "-" {
		login = true
		operands = operands[1:]
	}
	name := "root"
	if len(operands) > 0 {
		name, operands = operands[0], operands[1:]
	}
	u, ok := libc.UserByName(p, name)
	if !ok {
		fmt.Fprintf(p.Stderr, "su: user %s does not exist or the user entry does not contain all the required fields\n", name)
		return 1
	}
	service := "su"
	if login {
		service = "su-l"
	}
	s := newSession(p, "su", service)
	if !s.maySu(ctx, u) {
		s.log(syslog.Auth, syslog.Notice, "FAILED SU (to %s) %s on %s", u.Name, s.caller.Name, s.line("none"))
		fmt.Fprintln(p.Stderr, "su: Authentication failure")
		return 1
	}
	s.log(syslog.Auth, syslog.Notice, "(to %s) %s on %s", u.Name, s.caller.Name, s.line("none"))
	s.opened(u)
	defer s.closed(u)

	if shell == "" && preserve {
		shell = p.Getenv("SHELL")
	}
	if shell == "" {
		shell = u.Shell
	}
	if shell == "" {
		shell = "/bin/sh"
	}
	arg0 := path.Base(shell)
	if login {
		arg0 = "-" + arg0
	}
	args := []string{arg0}
	if fast {
		args = append(args, "-f")
	}
	if withCommand {
		args = append(args, "-c", command)
	}
	c := host.Cmd{Path: shell, Args: append(args, operands...), Env: suEnv(p, u, shell, login, preserve), Dir: p.Dir, Cred: libc.CredOf(p, u)}
	if login {
		if err := enter(p, u.Dir); err != nil {
			fmt.Fprintf(p.Stderr, "su: warning: cannot change directory to %s: %s\n", u.Dir, libc.Strerror(err))
		} else {
			c.Dir = u.Dir
		}
	}
	st, err := s.run(ctx, c)
	switch {
	case errors.Is(err, syscall.EINVAL): // the kernel knows no such id here
		fmt.Fprintf(p.Stderr, "su: cannot set user id %d: this lab has one user id only, root's (`enshu doctor` on the machine says why)\n", u.UID)
		return 126
	case err != nil:
		fmt.Fprintf(p.Stderr, "su: failed to execute %s: %s\n", shell, libc.Strerror(err))
		if errors.Is(err, syscall.ENOENT) {
			return 127
		}
		return 126
	case st.Signal != 0:
		fmt.Fprintln(p.Stderr, signalTexts[st.Signal])
	}
	return st.Shell()
}

// enter reports why a directory cannot be the working directory.
func enter(p *host.Proc, dir string) error {
	info, err := p.Sys.Stat(dir)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	return err
}

// maySu asks for the password of u, unless root asks, and looks at the account.
func (s *session) maySu(ctx context.Context, u libc.User) bool {
	if s.caller.UID != 0 {
		password, ok := s.prompt(s.p.Stderr, "Password: ")
		if !ok {
			s.pam(syslog.Crit, "auth", "auth could not identify password for [%s]", u.Name)
			return false
		}
		if sh, known := libc.ShadowByName(s.p, u.Name); !known || !sh.Matches(password) {
			s.wrongPassword(u.Name)
			// Interrupted or not, the answer is no.
			_ = s.p.Sleep(ctx, failDelay)
			return false
		}
	}
	if s.expired(u) {
		fmt.Fprintln(s.p.Stderr, "Your account has expired; please contact your system administrator.")
		return false
	}
	return true
}

// suEnv is the environment of the new shell (su(1), "-").
func suEnv(p *host.Proc, u libc.User, shell string, login, preserve bool) []string {
	switch {
	case login:
		var env []string
		for _, keep := range []string{"TERM", "COLORTERM", "NO_COLOR"} {
			if v := p.Getenv(keep); v != "" {
				env = append(env, keep+"="+v)
			}
		}
		search := userPath
		if u.UID == 0 {
			search = rootPath
		}
		return append(env, "HOME="+u.Dir, "SHELL="+shell, "USER="+u.Name, "LOGNAME="+u.Name, "PATH="+search)
	case preserve:
		return p.Env
	}
	env := setenv(p.Env, "HOME="+u.Dir, "SHELL="+shell)
	if u.UID != 0 {
		env = setenv(env, "USER="+u.Name, "LOGNAME="+u.Name)
	}
	return env
}

const suHelp = `
Usage:
 su [options] [-] [<user> [<argument>...]]

Change the effective user ID and group ID to that of <user>.
A mere - implies -l.  If <user> is not given, root is assumed.

Options:
 -m, -p, --preserve-environment      do not reset environment variables
 -w, --whitelist-environment <list>  don't reset specified variables

 -g, --group <group>             specify the primary group
 -G, --supp-group <group>        specify a supplemental group

 -, -l, --login                  make the shell a login shell
 -c, --command <command>         pass a single command to the shell with -c
 --session-command <command>     pass a single command to the shell with -c
                                   and do not create a new session
 -f, --fast                      pass -f to the shell (for csh or tcsh)
 -s, --shell <shell>             run <shell> if /etc/shells allows it
 -P, --pty                       create a new pseudo-terminal

 -h, --help                      display this help
 -V, --version                   display version

For more details see su(1).
`
