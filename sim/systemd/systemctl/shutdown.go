package systemctl

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

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
	if len(p.Args) > 1 && p.Args[1] == "--help" {
		fmt.Fprint(p.Stdout, legacyHelp("runlevel"))
		return 0
	}
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
	short := "hpfwdnirHP"
	if name == "shutdown" {
		short, kind = "HPrhkcfFaKt:", "poweroff"
	}
	options, operands, err := libc.Getopt(args, short, []libc.LongOption{
		{Name: "help"}, {Name: "halt", Short: "H"}, {Name: "poweroff", Short: "P"}, {Name: "reboot", Short: "r"}, {Name: "force", Short: "f"},
		{Name: "wtmp-only", Short: "w"}, {Name: "no-wtmp", Short: "d"}, {Name: "no-wall"}, {Name: "no-sync", Short: "n"}, {Name: "show"},
	})
	if err != nil {
		fmt.Fprintln(s.Err, name+": "+err.Error())
		return 1
	}
	var plan bus.Shutdown
	cancel, show := false, false
	for _, o := range options {
		switch o.Name {
		case "help":
			fmt.Fprint(s.Out, legacyHelp(name))
			return 0
		case "H":
			kind = "halt"
		case "P", "p":
			kind = "poweroff"
		case "h":
			if name == "shutdown" && kind != "halt" {
				kind = "poweroff"
			}
		case "r":
			kind = "reboot"
		case "k":
			plan.Dry = true
		case "no-wall":
			plan.Quiet = true
		case "f":
			s.force = name != "shutdown"
		case "w":
			return 0
		case "c":
			cancel = true
		case "show":
			show = true
		}
	}
	if name == "telinit" || name == "init" {
		switch {
		case len(operands) == 0:
			s.Fail("%s: required argument missing.", name)
			return 1
		case len(operands) > 1:
			s.Fail("Too many arguments.")
			return 1
		}
		return s.telinit(operands[0])
	}
	if plan.When, err = shutdownTime(s.p.Now(), libc.Zone(s.p), operands); name == "shutdown" && err != nil && !cancel {
		s.Fail("Failed to parse time specification: %s", operands[0])
		return 1
	}
	if s.bus, err = bus.Dial(s.ctx, s.p); err != nil {
		s.Fail("%s", err)
		return 1
	}
	defer s.bus.Close()
	plan.Kind = kind
	if name == "shutdown" {
		if len(operands) > 1 {
			plan.Wall = strings.Join(operands[1:], " ")
		}
		switch {
		case show:
			return s.showSchedule()
		case cancel:
			return s.unschedule(plan.Quiet)
		case !plan.When.IsZero():
			return s.schedule(plan)
		case plan.Dry:
			return 0
		}
	}
	return s.shutdown(kind)
}

// shutdownTime reads the time of shutdown(8): minutes from now, an hour and
// minute, or now, which is the zero time. Without one it is a minute from now.
func shutdownTime(now time.Time, zone *time.Location, operands []string) (time.Time, error) {
	when := "+1"
	if len(operands) > 0 {
		when = operands[0]
	}
	if when == "now" || when == "+0" || when == "0" {
		return time.Time{}, nil
	}
	hour, minute, clock := strings.Cut(when, ":")
	if !clock {
		n, err := strconv.ParseUint(strings.TrimPrefix(when, "+"), 10, 32)
		return now.Add(time.Duration(n) * time.Minute), err
	}
	h, err := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if err != nil || err2 != nil || h > 23 || m > 59 {
		return time.Time{}, strconv.ErrRange
	}
	local := now.In(zone)
	at := time.Date(local.Year(), local.Month(), local.Day(), int(h), int(m), 0, 0, zone)
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at, nil
}

func (s *systemctl) schedule(plan bus.Shutdown) int {
	if _, err := s.bus.Call(bus.Request{Method: "Schedule", Shutdown: &plan}); err != nil {
		s.Fail("Failed to set wall message, ignoring: %s", err)
		s.Fail("Failed to schedule shutdown: %s", err)
		return 1
	}
	return s.showSchedule()
}

// showSchedule tells of the shutdown that is scheduled.
func (s *systemctl) showSchedule() int {
	r, err := s.bus.Call(bus.Request{Method: "Scheduled"})
	switch {
	case err != nil:
		s.Fail("Failed to query scheduled shutdown: %s", err)
		return 1
	case r.Shutdown == nil:
		s.Fail("No scheduled shutdown.")
		return 1
	}
	what := "Shutdown"
	if r.Shutdown.Kind == "reboot" {
		what = "Reboot"
	}
	s.Note("%s scheduled for %s, use 'shutdown -c' to cancel.", what, s.stamp(r.Shutdown.When))
	return 0
}

func (s *systemctl) unschedule(quiet bool) int {
	r := bus.Request{Method: "Unschedule", Kind: "wall"}
	if quiet {
		r.Kind = ""
	}
	if _, err := s.bus.Call(r); err != nil {
		s.Fail("Failed to set wall message, ignoring: %s", err)
		s.Fail("Failed to talk to logind, shutdown hasn't been cancelled: %s", err)
		return 1
	}
	return 0
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
	s.Fail("Unknown command '%s'.", level)
	return 1
}
