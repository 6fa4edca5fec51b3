package systemctl

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"enshu/sim/host"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
)

// statesText is what --state=help prints, recorded.
//
//go:embed states.txt
var statesText string

// logging is log-level and log-target: what PID 1 logs, and where to. It keeps
// the words; what it logs is always the same.
func (s *systemctl) logging(property string, args []string) int {
	r := bus.Request{Method: property}
	if len(args) > 0 {
		r = bus.Request{Method: "Set" + property, Kind: args[0]}
		known := map[string]string{
			"LogLevel":  "emerg alert crit err warning notice info debug 0 1 2 3 4 5 6 7",
			"LogTarget": "console console-prefixed kmsg journal journal-or-kmsg syslog syslog-or-kmsg auto null",
		}[property]
		if !strings.Contains(" "+known+" ", " "+args[0]+" ") {
			s.Fail("%q is not a valid log %s.", args[0], strings.ToLower(strings.TrimPrefix(property, "Log")))
			return 1
		}
	}
	answer, err := s.bus.Call(r)
	if denied(err) {
		s.Fail("Failed to set log %s of org.freedesktop.systemd1 to %s: Access denied", strings.ToLower(strings.TrimPrefix(property, "Log")), args[0])
		return 1
	}
	if err != nil {
		s.Fail("Failed to set log %s: %s", strings.ToLower(strings.TrimPrefix(property, "Log")), err)
		return 1
	}
	if len(args) == 0 {
		fmt.Fprintln(s.Out, answer.State)
	}
	return 0
}

// serviceLog is service-log-level and -target, which ask the service itself.
func (s *systemctl) serviceLog(args []string) int {
	name := unitfile.Mangle(args[0])
	r, err := s.bus.Call(bus.Request{Method: "Show", Unit: name})
	switch {
	case err != nil:
		s.Fail("Failed to get properties: %s", err)
	case r.Unit.Load == units.NotFound:
		s.Fail("Unit %s not found.", name)
	case r.Unit.Active == bus.Active && r.Unit.Service != nil && r.Unit.Service.Type == "dbus":
		return s.unsupported("the log level of a service")
	default:
		s.Fail("Unit %s doesn't declare BusName=.", name)
		s.Note("Hint: the service must declare BusName= and implement the appropriate D-Bus interface.\n      See the org.freedesktop.LogControl1(5) man page for details.")
	}
	return 1
}

// denied reports whether PID 1 does not take something from this user.
func denied(err error) bool {
	var e *bus.Error
	return errors.As(err, &e) && e.Name == bus.ErrAuth
}

func (s *systemctl) watchdogs(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(s.Out, "yes")
		return 0
	}
	if _, ok := unitfile.ParseBool(args[0]); !ok {
		s.Fail("Failed to parse service-watchdogs argument: Invalid argument")
		return 1
	}
	return s.simple("Nothing", "Failed to set service-watchdog state")
}

// listMachines lists this host: there are no containers on it.
func (s *systemctl) listMachines([]string) int {
	st, err := s.bus.Call(bus.Request{Method: "State"})
	if err != nil {
		s.Fail("%s", err)
		return 1
	}
	list, _ := s.bus.Call(bus.Request{Method: "List"})
	jobs, _ := s.bus.Call(bus.Request{Method: "Jobs"})
	bad := 0
	for _, u := range list.Units {
		if u.Active == bus.Failed {
			bad++
		}
	}
	dot, color := s.Glyph("black"), screen.Green
	if st.State != "running" {
		color = screen.Red
	}
	row := []cell{{dot, color}, {machine.Hostname(s.p) + " (host)", ""}, {st.State, color}, {strconv.Itoa(bad), ""}, {strconv.Itoa(len(jobs.Jobs)), ""}}
	if bad > 0 {
		row[3].color = screen.Red
	}
	s.table([]string{" ", "NAME", "STATE", "FAILED", "JOBS"}, [][]cell{row}, !s.noLegend, false)
	if !s.noLegend {
		fmt.Fprintln(s.Out, "\n1 machines listed.")
	}
	return 0
}

// listAutomounts: a host has none.
func (s *systemctl) listAutomounts([]string) int {
	if !s.noLegend {
		s.table([]string{"WHAT", "WHERE", "MOUNTED", "IDLE TIMEOUT", "UNIT"}, nil, true, false)
		fmt.Fprintln(s.Out, "\n0 automounts listed.")
		if !s.all {
			fmt.Fprintln(s.Out, "Pass --all to see loaded but inactive automounts, too.")
		}
	}
	return 0
}

// cancel takes jobs back: those with the numbers, or all.
func (s *systemctl) cancel(args []string) int {
	if len(args) == 0 {
		return s.simple("CancelAll", "Failed to execute operation")
	}
	status := 0
	for _, a := range args {
		id, err := strconv.ParseUint(a, 10, 31)
		if err != nil {
			s.Fail("Failed to parse job id \"%s\": Invalid argument", a)
			return 1
		}
		if _, err := s.bus.Call(bus.Request{Method: "Cancel", PID: int(id)}); err != nil {
			s.Fail("Failed to cancel job %d: %s", id, err)
			status = 1
		}
	}
	return status
}

// exists tells of a unit that is not there, for verbs that want a loaded one.
func (s *systemctl) exists(name string) bool {
	r, err := s.bus.Call(bus.Request{Method: "Show", Unit: name})
	if err == nil && r.Unit.Load == units.NotFound {
		s.Fail("Failed to add reference to unit %s: Unit %s not found.", name, name)
		return false
	}
	return err == nil
}

// clean removes the directories that a service keeps (StateDirectory= and kin).
func (s *systemctl) clean(args []string) int {
	for _, name := range s.names(args) {
		if !s.exists(name) {
			return 1
		}
		for _, w := range s.what {
			if !strings.Contains(" runtime state cache logs configuration fdstore all ", " "+w+" ") {
				s.Fail("Failed to clean unit %s: Invalid resource type: %s", name, w)
				return 1
			}
		}
		if _, err := s.bus.Call(bus.Request{Method: "Clean", Unit: name, Units: s.what}); err != nil {
			what := "clean"
			if denied(err) {
				what = "add reference to" // which is the first that is asked for
			}
			s.Fail("Failed to %s unit %s: %s", what, name, err)
			return 1
		}
	}
	return 0
}

// freeze is freeze and thaw, which take a control group.
func (s *systemctl) freeze(args []string) int {
	for _, name := range s.names(args) {
		if !s.exists(name) {
			return 1
		}
		s.Fail("Failed to %s unit %s: Unit '%s' does not support freezing.", s.verb, name, name)
	}
	return 1
}

// help shows the manual pages that a unit names.
func (s *systemctl) help(args []string) int {
	status := 0
	for _, name := range s.names(args) {
		r, err := s.bus.Call(bus.Request{Method: "Show", Unit: name})
		if err != nil {
			s.Fail("Failed to get properties: %s", err)
			return 1
		}
		u := r.Unit
		if u.Load == units.NotFound {
			s.Fail("Unit %s could not be found.", name)
			return 1
		}
		if len(u.Documentation) == 0 {
			s.Note("Documentation for %s not known.", name)
		}
		for _, d := range u.Documentation {
			page, ok := strings.CutPrefix(d, "man:")
			if !ok {
				s.Note("Can't show: %s", d)
				continue
			}
			title, section, _ := strings.Cut(strings.TrimSuffix(page, ")"), "(")
			child, err := s.p.Start(host.Cmd{Args: []string{"man", section, title}, Stdin: s.p.Stdin, Stdout: s.Out, Stderr: s.Err})
			if err != nil {
				s.Fail("Failed to execute man: No such file or directory")
				return 1
			}
			if st, err := child.Wait(s.ctx); err == nil && st.Code != 0 {
				status = st.Code
			}
		}
	}
	return status
}

// warnTriggers tells which units may start a unit again that is being stopped.
func (s *systemctl) warnTriggers(name string) {
	r, err := s.bus.Call(bus.Request{Method: "Get", Unit: name})
	if err != nil || r.Unit.Load == units.Masked {
		return
	}
	// What triggers it is asked for in a second question.
	if r, err = s.bus.Call(bus.Request{Method: "Get", Unit: name}); err != nil {
		return
	}
	told := false
	for _, by := range r.Unit.Deps[string(unitfile.Triggered)] {
		if r.Unit.DepsActive[by] != bus.Active {
			continue
		}
		if !told {
			s.Warn("Warning: Stopping %s, but it can still be activated by:", name)
			told = true
		}
		s.Note("  %s", by)
	}
}

// setProperty sets properties of a unit, now and, without --runtime, for good.
func (s *systemctl) setProperty(args []string) int {
	name := unitfile.Mangle(args[0])
	for _, a := range args[1:] {
		key, value, ok := strings.Cut(a, "=")
		if !ok {
			s.Fail("Not an assignment: %s", a)
			return 1
		}
		if !unitfile.KnownProperty(key) {
			s.Fail("Unknown assignment: %s", a)
			return 1
		}
		if _, ok := unitfile.PropertyValue(key, value); !ok {
			s.Fail("Failed to parse %s: Invalid argument", a)
			return 1
		}
	}
	if _, err := s.bus.Call(bus.Request{Method: "SetProperty", Unit: name, Env: args[1:], Runtime: s.runtime}); err != nil {
		s.Fail("Failed to set unit properties on %s: %s", name, err)
		return 1
	}
	return 0
}
