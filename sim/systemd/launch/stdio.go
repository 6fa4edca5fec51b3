package launch

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"

	"enshu/sim/host"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// Stdio opens what StandardInput=, StandardOutput= and StandardError= say, and
// returns what is to be closed once the process has its own, however it ends.
func (u Unit) Stdio(ctx context.Context, p *host.Proc, cmd *host.Cmd, ident string) ([]io.Closer, error) {
	v := u.Config.Service
	var closers []io.Closer
	open := func(spec string) (io.Writer, error) {
		kind, arg, _ := strings.Cut(spec, ":")
		switch kind {
		case "null":
			return nil, nil
		case "file", "append", "truncate":
			flag := map[string]int{"file": 0, "append": os.O_APPEND, "truncate": os.O_TRUNC}[kind]
			f, err := p.Sys.OpenFile(arg, os.O_WRONLY|os.O_CREATE|flag, 0o644)
			if err != nil {
				return nil, err
			}
			closers = append(closers, f)
			return f, nil
		case "tty":
			f, err := p.Sys.OpenFile("/dev/console", os.O_WRONLY, 0)
			if err != nil {
				return nil, nil
			}
			closers = append(closers, f)
			return f, nil
		}
		c, err := dialStream(ctx, p, ident, u.Name, v)
		if err != nil {
			return nil, nil // no journal, no output
		}
		closers = append(closers, c)
		return c, nil
	}
	if name, ok := strings.CutPrefix(v.Stdin, "file:"); ok {
		f, err := p.Sys.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		closers = append(closers, f)
		cmd.Stdin = f
	}
	if v.Stdin == "data" || v.Stdin == "" && len(v.StdinData) > 0 {
		cmd.Stdin = bytes.NewReader(v.StdinData)
	}
	out := v.Stdout
	if out == "" || out == "inherit" {
		out = "journal"
	}
	var err error
	if cmd.Stdout, err = open(out); err != nil {
		return closers, err
	}
	if v.Stderr == "" || v.Stderr == "inherit" || unitfile.OutputOf(v.Stderr) == out {
		cmd.Stderr = cmd.Stdout
		return closers, nil
	}
	cmd.Stderr, err = open(v.Stderr)
	return closers, err
}

// dialStream connects a service's output to the journal. What the stream is
// about stands in its first lines.
func dialStream(ctx context.Context, p *host.Proc, ident, unit string, v *unitfile.Service) (io.WriteCloser, error) {
	// Which process writes is known only once it runs; journald waits for it.
	p.Sys.Remove(machine.ExecLink(unit, ident))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := p.Sys.Dial(ctx, "unix", sdjournal.StdoutSocket)
	if err != nil {
		return nil, err
	}
	level := syslog.Info
	if l, ok := syslog.ParseSeverity(v.Level); ok {
		level = l
	}
	facility := syslog.Daemon
	if f, ok := syslog.ParseFacility(v.Facility); ok {
		facility = f
	}
	if _, err := c.Write(journal.StreamHeader{Ident: ident, Unit: unit, Priority: int(syslog.Make(facility, level)), Prefix: !v.PlainOutput}.Encode()); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
