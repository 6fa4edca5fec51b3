package journalctl

import (
	"context"
	"fmt"
	"io"
	"path"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

const systemdCatHelp = `systemd-cat [OPTIONS...] COMMAND ...

Execute process with stdout/stderr connected to the journal.

  -h --help                      Show this help
     --version                   Show package version
  -t --identifier=STRING         Set syslog identifier
  -p --priority=PRIORITY         Set priority value (0..7)
     --stderr-priority=PRIORITY  Set priority value (0..7) used for stderr
     --level-prefix=BOOL         Control whether level prefix shall be parsed

See the systemd-cat(1) man page for details.
`

// Cat is /usr/bin/systemd-cat: a command whose output goes to the
// journal, or what comes on standard input.
func Cat(ctx context.Context, p *host.Proc) int {
	fail := func(format string, args ...any) int {
		fmt.Fprintf(p.Stderr, format+"\n", args...)
		return 1
	}
	options, args, err := libc.Getopt(p.Args[1:], "+ht:p:", []libc.LongOption{
		{Name: "help", Short: "h"}, {Name: "version"}, {Name: "identifier", Arg: libc.RequiredArgument, Short: "t"},
		{Name: "priority", Arg: libc.RequiredArgument, Short: "p"}, {Name: "stderr-priority", Arg: libc.RequiredArgument},
		{Name: "level-prefix", Arg: libc.RequiredArgument},
	})
	if err != nil {
		return fail("systemd-cat: %s", err)
	}
	h := journal.StreamHeader{Priority: int(syslog.Info), Prefix: true}
	forErrors := syslog.Severity(-1)
	for _, o := range options {
		switch o.Name {
		case "h":
			io.WriteString(p.Stdout, systemdCatHelp)
			return 0
		case "version":
			io.WriteString(p.Stdout, "systemd "+machine.Version+"\n"+machine.Features+"\n")
			return 0
		case "t":
			h.Ident = o.Value
		case "p", "stderr-priority":
			l, ok := catPriority(o.Value)
			if !ok && o.Name == "p" {
				return fail("Failed to parse priority value.")
			}
			if !ok {
				return fail("Failed to parse stderr priority value.")
			}
			if o.Name == "p" {
				h.Priority = int(l)
			} else {
				forErrors = l
			}
		case "level-prefix":
			b, ok := unitfile.ParseBool(o.Value)
			if !ok {
				return fail("Failed to parse level prefix value.")
			}
			h.Prefix = b
		}
	}
	if h.Ident == "" && len(args) > 0 {
		h.Ident = path.Base(args[0])
	}
	open := func(h journal.StreamHeader) (io.WriteCloser, error) {
		c, err := p.Sys.Dial(ctx, "unix", sdjournal.StdoutSocket)
		if err != nil {
			return nil, err
		}
		_, err = c.Write(h.Encode())
		return c, err
	}
	out, err := open(h)
	if err != nil {
		return fail("Failed to create stream fd: %s", libc.Strerror(err))
	}
	defer out.Close()
	if len(args) == 0 {
		if _, err := io.Copy(out, p.Stdin); err != nil {
			return fail("Failed to copy: %s", libc.Strerror(err))
		}
		return 0
	}
	errs := out
	if forErrors >= 0 {
		h.Priority = int(forErrors)
		if errs, err = open(h); err != nil {
			return fail("Failed to create stream fd: %s", libc.Strerror(err))
		}
		defer errs.Close()
	}
	child, err := p.Start(host.Cmd{Args: args, Stdin: p.Stdin, Stdout: out, Stderr: errs})
	if err != nil {
		return fail("Failed to execute process: %s", libc.Strerror(err))
	}
	st, err := child.Wait(ctx)
	if err != nil {
		return 1
	}
	return st.Shell()
}

// catPriority reads a level as log_level_from_string does.
func catPriority(s string) (syslog.Severity, bool) {
	if len(s) == 1 && s[0] >= '0' && s[0] <= '7' {
		return syslog.Severity(s[0] - '0'), true
	}
	for l := syslog.Emerg; l <= syslog.Debug; l++ {
		if l.String() == s {
			return l, true
		}
	}
	return 0, false
}
