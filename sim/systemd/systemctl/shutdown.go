package systemctl

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/unitfile"
)

const serviceUsage = "Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]"

// Service is /usr/sbin/service of EL9, which hands over to systemctl.
func Service(ctx context.Context, p *host.Proc) int {
	say := func(text string) { fmt.Fprintln(p.Stderr, text) }
	args := p.Args[1:]
	if len(args) == 0 {
		say(serviceUsage)
		return 1
	}
	switch args[0] {
	case "--help", "-h":
		say(serviceUsage)
		return 0
	case "--version", "-V":
		say("service ver. 1.1")
		return 0
	case "--status-all":
		if len(args) == 1 {
			return p.Exec(ctx, "/usr/bin/systemctl", "status", "--no-pager", "--type=service", "*")
		}
		say(serviceUsage)
		return 1
	}
	name := args[0]
	action := ""
	if len(args) > 1 {
		action = args[1]
	}
	switch action {
	case "--full-restart":
		say("Support for initscripts isn't installed")
		return 4
	case "start", "stop", "restart", "try-restart", "reload", "reload-or-restart", "try-reload-or-restart", "force-reload", "status", "condrestart":
	default:
		say("The service command supports only basic LSB actions (start, stop, restart, try-restart, reload, reload-or-restart, try-reload-or-restart, force-reload, status, condrestart). For other actions, please try to use systemctl.")
		return 2
	}
	if unitfile.Type(name) == "" {
		name += ".service"
	}
	say("Redirecting to /bin/systemctl " + action + " " + name)
	return p.Exec(ctx, append([]string{"/usr/bin/systemctl", action, name}, args[2:]...)...)
}

// Runlevel is /usr/sbin/runlevel: the previous and the present one.
func Runlevel(ctx context.Context, p *host.Proc) int {
	b, err := bus.Dial(ctx, p)
	if err != nil {
		fmt.Fprintln(p.Stdout, "unknown")
		return 1
	}
	defer b.Close()
	for _, t := range []struct{ target, level string }{{"graphical.target", "5"}, {"multi-user.target", "3"}, {"rescue.target", "1"}} {
		if r, err := b.Call(bus.Request{Method: "Show", Unit: t.target}); err == nil && r.Unit.Active == bus.Active {
			fmt.Fprintln(p.Stdout, "N "+t.level)
			return 0
		}
	}
	fmt.Fprintln(p.Stdout, "unknown")
	return 1
}

// shutdown is systemctl reboot and its kin.
func (s *systemctl) shutdown(kind string) int {
	r := bus.Request{Method: "Shutdown", Kind: kind, Force: s.force}
	if s.dry {
		return 0
	}
	_, err := s.bus.Call(r)
	var e *bus.Error
	if errors.As(err, &e) {
		s.Fail("Failed to set wall message, ignoring: %s", e.Text)
		s.Fail("Call to %s failed: %s", map[string]string{"reboot": "Reboot", "poweroff": "PowerOff", "halt": "Halt"}[kind], e.Text)
		return 1
	}
	return 0 // PID 1 may have gone before it answered
}

// legacy are the old names of the shutdown commands.
func (s *systemctl) legacy(name string) int {
	kind, args := name, s.p.Args[1:]
	options, operands, err := libc.Getopt(args, "hpfwdnirHPcakt:", []libc.LongOption{
		{Name: "help"}, {Name: "halt", Short: "H"}, {Name: "poweroff", Short: "P"}, {Name: "reboot", Short: "r"}, {Name: "force", Short: "f"},
		{Name: "wtmp-only", Short: "w"}, {Name: "no-wtmp", Short: "d"}, {Name: "no-wall"}, {Name: "no-sync", Short: "n"}, {Name: "show"},
	})
	if err != nil {
		fmt.Fprintln(s.Err, name+": "+err.Error())
		return 1
	}
	if name == "shutdown" {
		kind = "poweroff"
	}
	for _, o := range options {
		switch o.Name {
		case "help":
			fmt.Fprintf(s.Out, "%s [OPTIONS...]\n", name)
			return 0
		case "H":
			kind = "halt"
		case "P", "p":
			kind = "poweroff"
		case "h":
			if name == "shutdown" {
				kind = "poweroff"
			}
		case "r":
			kind = "reboot"
		case "f":
			s.force = true
		case "w":
			return 0
		case "c":
			return s.unsupported("a scheduled shutdown")
		}
	}
	if name == "telinit" || name == "init" {
		if len(operands) != 1 {
			s.Fail("Too few arguments.")
			return 1
		}
		return s.telinit(operands[0])
	}
	if s.bus, err = bus.Dial(s.ctx, s.p); err != nil {
		s.Fail("%s", err)
		return 1
	}
	defer s.bus.Close()
	if name == "shutdown" {
		when := "+1"
		if len(operands) > 0 {
			when = operands[0]
		}
		if n, err := strconv.Atoi(strings.TrimPrefix(when, "+")); when != "now" && (err != nil || n != 0) {
			return s.unsupported("a scheduled shutdown (use \"now\")")
		}
	}
	return s.shutdown(kind)
}

func (s *systemctl) telinit(level string) int {
	var err error
	if s.bus, err = bus.Dial(s.ctx, s.p); err != nil {
		s.Fail("%s", err)
		return 1
	}
	defer s.bus.Close()
	switch level {
	case "0":
		return s.shutdown("poweroff")
	case "6":
		return s.shutdown("reboot")
	case "1", "s", "S":
		return s.isolate([]string{"rescue.target"})
	case "2", "3", "4":
		return s.isolate([]string{"multi-user.target"})
	case "5":
		return s.isolate([]string{"graphical.target"})
	case "q", "Q", "u", "U":
		return s.simple("Reload", "Reload daemon failed")
	}
	s.Fail("Invalid runlevel.")
	return 1
}
