// Package systemctl is the commands that speak to PID 1: systemctl and the old
// names it goes by (reboot, shutdown, telinit …), service, runlevel and
// systemd-notify.
package systemctl

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/journalctl"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/tool"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
)

// systemctl is one run of the tool.
type systemctl struct {
	ctx context.Context
	p   *host.Proc
	*screen.Screen
	bus *bus.Conn

	types, states, properties                                     []string
	all, quiet, full, noLegend, plain, now, runtime, force, value bool
	noBlock, recursive, reverse, after, before, noPager, dry      bool
	noReload                                                      bool
	lines                                                         int
	output                                                        string
	signal                                                        syscall.Signal
	whom, presetMode, jobMode, verb                               string
	what                                                          []string // of clean
	rules                                                         []units.PresetRule
	loader                                                        *units.Loader

	root  string     // --root=
	files *host.Proc // the host as its files are below root
}

// verb is one of systemctl's commands.
type verb struct {
	least, most int  // operands; -1 is any number
	offline     bool // PID 1 need not be there
	run         func(s *systemctl, args []string) int
}

// verbTable has every command of systemctl(1) that is modelled.
func verbTable() map[string]verb {
	job := func(kind string) verb {
		return verb{1, -1, false, func(s *systemctl, args []string) int { return s.jobs(kind, args) }}
	}
	files := func(method string) verb {
		return verb{1, -1, true, func(s *systemctl, args []string) int { return s.unitFiles(method, args) }}
	}
	down := func(kind string) verb {
		return verb{0, 1, false, func(s *systemctl, args []string) int { return s.shutdown(kind) }}
	}
	return map[string]verb{
		"start": job(bus.JobStart), "stop": job(bus.JobStop), "restart": job(bus.JobRestart), "reload": job(bus.JobReload),
		"try-restart": job(bus.JobTryRestart), "condrestart": job(bus.JobTryRestart), "reload-or-restart": job(bus.JobReloadOr),
		"try-reload-or-restart": job(bus.JobReloadOrTry), "reload-or-try-restart": job(bus.JobReloadOrTry), "force-reload": job(bus.JobReloadOrTry),
		"condreload": job(bus.JobReloadOrTry), "condstop": job(bus.JobStop),
		"isolate": {1, 1, false, (*systemctl).isolate}, "kill": {1, -1, false, (*systemctl).kill},
		"is-active": {1, -1, false, (*systemctl).isActive}, "check": {1, -1, false, (*systemctl).isActive},
		"is-failed": {1, -1, false, (*systemctl).isFailed}, "is-enabled": {1, -1, true, (*systemctl).isEnabled},
		"status": {0, -1, false, (*systemctl).status}, "show": {0, -1, false, (*systemctl).show}, "cat": {1, -1, true, (*systemctl).cat},
		"help": {1, -1, false, (*systemctl).help}, "edit": {1, -1, true, (*systemctl).edit},
		"daemon-reload":   {0, 0, false, func(s *systemctl, _ []string) int { return s.simple("Reload", "Reload daemon failed") }},
		"daemon-reexec":   {0, 0, false, func(s *systemctl, _ []string) int { return s.simple("Reload", "Reload daemon failed") }},
		"reset-failed":    {0, -1, false, (*systemctl).resetFailed},
		"list-units":      {0, -1, false, (*systemctl).listUnits},
		"list-unit-files": {0, -1, true, (*systemctl).listUnitFiles}, "list-jobs": {0, -1, false, (*systemctl).listJobs},
		"list-sockets": {0, -1, false, (*systemctl).listSockets}, "list-timers": {0, -1, false, (*systemctl).listTimers},
		"list-dependencies": {0, -1, false, (*systemctl).listDependencies},
		"is-system-running": {0, 0, false, (*systemctl).systemRunning},
		"get-default":       {0, 0, true, (*systemctl).getDefault}, "set-default": {1, 1, true, (*systemctl).setDefault},
		"enable": files("Enable"), "disable": files("Disable"), "reenable": files("Reenable"), "preset": files("Preset"),
		"mask": files("Mask"), "unmask": files("Unmask"), "revert": files("Revert"), "link": files("Link"),
		"preset-all":        {0, 0, true, func(s *systemctl, _ []string) int { return s.unitFiles("PresetAll", nil) }},
		"add-wants":         {2, -1, true, func(s *systemctl, a []string) int { return s.addDependency("AddWants", a) }},
		"add-requires":      {2, -1, true, func(s *systemctl, a []string) int { return s.addDependency("AddRequires", a) }},
		"show-environment":  {0, 0, false, (*systemctl).showEnvironment},
		"set-environment":   {1, -1, false, func(s *systemctl, a []string) int { return s.environment("SetEnvironment", a) }},
		"unset-environment": {1, -1, false, func(s *systemctl, a []string) int { return s.environment("UnsetEnvironment", a) }},
		"reboot":            down("reboot"), "poweroff": down("poweroff"), "halt": down("halt"),
		"default":            {0, 0, false, func(s *systemctl, _ []string) int { return s.isolate([]string{"default.target"}) }},
		"rescue":             {0, 0, false, func(s *systemctl, _ []string) int { return s.isolate([]string{"rescue.target"}) }},
		"emergency":          {0, 0, false, func(s *systemctl, _ []string) int { return s.isolate([]string{"emergency.target"}) }},
		"import-environment": {0, -1, false, (*systemctl).importEnvironment},
		"log-level":          {0, 1, false, func(s *systemctl, a []string) int { return s.logging("LogLevel", a) }},
		"log-target":         {0, 1, false, func(s *systemctl, a []string) int { return s.logging("LogTarget", a) }},
		"service-log-level":  {1, 2, false, (*systemctl).serviceLog}, "service-log-target": {1, 2, false, (*systemctl).serviceLog},
		"service-watchdogs": {0, 1, false, (*systemctl).watchdogs},
		"set-property":      {2, -1, false, (*systemctl).setProperty},
		"list-machines":     {0, -1, false, (*systemctl).listMachines}, "list-automounts": {0, -1, false, (*systemctl).listAutomounts},
		"cancel": {0, -1, false, (*systemctl).cancel},
		"clean":  {1, -1, false, (*systemctl).clean}, "freeze": {1, -1, false, (*systemctl).freeze}, "thaw": {1, -1, false, (*systemctl).freeze},
	}
}

var systemctlLong = []libc.LongOption{
	{Name: "type", Arg: libc.RequiredArgument, Short: "t"},
	{Name: "property", Arg: libc.RequiredArgument, Short: "p"}, {Name: "all", Short: "a"}, {Name: "reverse"}, {Name: "after"}, {Name: "before"},
	{Name: "show-types"}, {Name: "failed"}, {Name: "full", Short: "l"}, {Name: "job-mode", Arg: libc.RequiredArgument}, {Name: "fail"},
	{Name: "ignore-inhibitors"}, {Name: "check-inhibitors", Arg: libc.RequiredArgument}, {Name: "value"}, {Name: "user"}, {Name: "system"},
	{Name: "global"}, {Name: "wait"}, {Name: "no-block"}, {Name: "no-legend"}, {Name: "legend", Arg: libc.RequiredArgument}, {Name: "no-pager"},
	{Name: "no-wall"}, {Name: "dry-run"}, {Name: "quiet", Short: "q"}, {Name: "root", Arg: libc.RequiredArgument}, {Name: "force", Short: "f"},
	{Name: "no-reload"}, {Name: "kill-whom", Arg: libc.RequiredArgument}, {Name: "kill-who", Arg: libc.RequiredArgument, Short: "kill-whom"},
	{Name: "signal", Arg: libc.RequiredArgument, Short: "s"}, {Name: "no-ask-password"}, {Name: "host", Arg: libc.RequiredArgument, Short: "H"},
	{Name: "machine", Arg: libc.RequiredArgument, Short: "M"}, {Name: "runtime"}, {Name: "lines", Arg: libc.RequiredArgument, Short: "n"},
	{Name: "output", Arg: libc.RequiredArgument, Short: "o"}, {Name: "plain"}, {Name: "state", Arg: libc.RequiredArgument}, {Name: "recursive", Short: "r"},
	{Name: "with-dependencies"}, {Name: "preset-mode", Arg: libc.RequiredArgument}, {Name: "message", Arg: libc.RequiredArgument}, {Name: "now"},
	{Name: "show-transaction", Short: "T"}, {Name: "timestamp", Arg: libc.RequiredArgument}, {Name: "mkdir"}, {Name: "marked"}, {Name: "read-only"},
	{Name: "what", Arg: libc.RequiredArgument}, {Name: "reboot-argument", Arg: libc.RequiredArgument}, {Name: "boot-loader-menu", Arg: libc.RequiredArgument},
	{Name: "firmware-setup"},
}

// Command is /usr/bin/systemctl, and reboot, poweroff, halt, shutdown and
// telinit, which are links to it.
func Command(ctx context.Context, p *host.Proc) int {
	s := &systemctl{ctx: ctx, p: p, Screen: screen.New(p), files: p, lines: 10, output: "short", signal: syscall.SIGTERM, whom: "all", loader: units.NewLoader(p)}
	switch name := path.Base(p.Args[0]); name {
	case "reboot", "poweroff", "halt", "shutdown", "telinit", "init":
		return s.legacy(name)
	}
	legend := false
	args, over, status := tool.Tool{Name: "systemctl", Help: systemctlHelp, Short: "t:p:P:alqfs:H:M:n:o:iTr.::", Long: systemctlLong}.Options(p, func(o libc.Option) (bool, int) {
		legend = legend || o.Name == "legend"
		return s.option(o)
	})
	if over {
		return status
	}
	if s.quiet && !legend {
		s.noLegend = true
	}
	table := verbTable()
	name, args, err := tool.Verb(args, "list-units", func(name string) (least, most int, ok bool) {
		v, ok := table[name]
		return v.least, v.most, ok
	})
	s.verb = name
	if err != nil {
		s.Fail("%s", err)
		return 1
	}
	v := table[name]
	if s.root != "" {
		return s.below(v, args)
	}
	s.bus, err = bus.Dial(ctx, p)
	if err != nil && !v.offline {
		s.Fail("%s", err)
		return 1
	}
	if s.bus != nil {
		defer s.bus.Close()
	}
	stop := s.page(name)
	return stop(v.run(s, args))
}

// below runs a verb on the system whose files are below --root=.
func (s *systemctl) below(v verb, args []string) int {
	if s.verb == "is-system-running" {
		if !s.quiet {
			fmt.Fprintln(s.Out, "offline")
		}
		return 1
	}
	if !v.offline || s.verb == "cat" || s.verb == "edit" {
		s.Fail("Verb '%s' cannot be used with --root= or --image=.", s.verb)
		return 1
	}
	if info, err := s.p.Sys.Stat(s.root); err != nil || !info.IsDir() {
		s.Fail("Failed to initialize unit search paths for root directory %s: No such file or directory", s.root)
		return 1
	}
	s.files = units.Rooted(s.p, s.root)
	s.loader = units.NewLoader(s.files)
	return v.run(s, args)
}

// option applies one option; done means that nothing else is to do.
func (s *systemctl) option(o libc.Option) (done bool, status int) {
	switch o.Name {
	case "t":
		for _, t := range strings.Split(o.Value, ",") {
			switch {
			case t == "help":
				fmt.Fprintln(s.Out, "Available unit types:\nservice\nmount\nswap\nsocket\ntarget\ndevice\nautomount\ntimer\npath\nslice\nscope")
				return true, 0
			case slices.Contains(unitfile.Types, t):
				s.types = append(s.types, t)
			case slices.Contains(loadStates, t):
				s.states = append(s.states, t)
			default:
				s.Fail("Unknown unit type or load state '%s'.", t)
				s.Note("Use -t help to see a list of allowed values.")
				return true, 1
			}
		}
	case "state":
		if o.Value == "help" {
			fmt.Fprint(s.Out, statesText)
			return true, 0
		}
		s.states = append(s.states, strings.Split(o.Value, ",")...)
	case "failed":
		s.states = append(s.states, "failed")
	case "p", "P":
		s.properties = append(s.properties, strings.Split(o.Value, ",")...)
		s.value = s.value || o.Name == "P"
	case "value":
		s.value = true
	case "a":
		s.all = true
	case "q":
		s.quiet = true
	case "l":
		s.full = true
	case "no-legend":
		s.noLegend = true
	case "legend":
		b, _ := unitfile.ParseBool(o.Value)
		s.noLegend = !b
	case "no-pager":
		s.noPager = true
	case "plain":
		s.plain = true
	case "now":
		s.now = true
	case "runtime":
		s.runtime = true
	case "f":
		s.force = true
	case "no-block":
		s.noBlock = true
	case "no-reload":
		s.noReload = true
	case "reverse":
		s.reverse = true
	case "after":
		s.after = true
	case "before":
		s.before = true
	case "r":
		s.recursive = true
	case "dry-run":
		s.dry = true
	case "user":
		s.Fail("Failed to connect to bus: No medium found")
		return true, 1
	case "n":
		n, err := strconv.Atoi(o.Value)
		if err != nil || n < 0 {
			s.Fail("Failed to parse lines '%s'", o.Value)
			return true, 1
		}
		s.lines = n
	case "o":
		if !slices.Contains(journalctl.OutputModes, o.Value) {
			s.Fail("Unknown output '%s'.", o.Value)
			return true, 1
		}
		s.output = o.Value
	case "job-mode":
		s.jobMode = o.Value
	case "fail":
		s.jobMode = bus.ModeFail
	case "s":
		if o.Value == "help" {
			fmt.Fprint(s.Out, unitfile.SignalsHelp())
			return true, 0
		}
		sig, ok := unitfile.ParseSignal(o.Value)
		if !ok {
			s.Fail("Failed to parse signal string \"%s\".", o.Value)
			return true, 1
		}
		s.signal = sig
	case "preset-mode":
		if !slices.Contains([]string{"full", "enable-only", "disable-only"}, o.Value) {
			s.Fail("Failed to parse preset mode: %s.", o.Value)
			return true, 1
		}
		s.presetMode = o.Value
	case "root":
		if s.root = ""; o.Value != "" {
			s.root = path.Clean(libc.Abs(s.p, o.Value))
		}
	case "what":
		s.what = append(s.what, strings.Split(o.Value, ",")...)
	case "kill-whom":
		s.whom = o.Value
	}
	return false, 0
}

// page sends what follows through a pager, for the verbs that have much to say.
func (s *systemctl) page(name string) func(status int) int {
	plain := func(status int) int { return status }
	if s.noPager || s.Width == 0 || !slices.Contains([]string{"status", "show", "cat", "list-units", "list-unit-files", "list-dependencies",
		"list-timers", "list-sockets", "list-jobs"}, name) {
		return plain
	}
	pg := screen.StartPager(s.ctx, s.p)
	if pg == nil {
		return plain
	}
	s.Out = pg
	return func(status int) int {
		pg.Finish(s.ctx)
		return status
	}
}

// names turns operands into unit names; patterns match the units in memory.
func (s *systemctl) names(args []string) []string {
	var list []string
	for _, a := range args {
		n := unitfile.Mangle(a)
		if !unitfile.IsGlob(n) {
			s.tellEscaped(a, n)
			list = append(list, n)
			continue
		}
		r, err := s.bus.Call(bus.Request{Method: "List"})
		if err != nil {
			continue
		}
		for _, u := range r.Units {
			if ok, _ := path.Match(n, u.Name); ok && u.Load != units.NotFound {
				list = append(list, u.Name)
			}
		}
	}
	return list
}

var verbOfJob = map[string]string{bus.JobStart: "start", bus.JobStop: "stop", bus.JobRestart: "restart", bus.JobReload: "reload",
	bus.JobTryRestart: "try-restart", bus.JobReloadOr: "reload-or-restart", bus.JobReloadOrTry: "reload-or-try-restart"}

// jobs are start, stop and so on.
func (s *systemctl) jobs(kind string, args []string) int {
	if slices.Contains(args, "") {
		s.Fail("Failed to mangle name: Invalid argument\nFailed to expand names: Invalid argument")
		return 1
	}
	status := 0
	var queued []string // the units that got a job
	for _, name := range s.names(args) {
		if s.needsReload(name) {
			s.warnReload(name)
		}
		if _, err := s.bus.Call(bus.Request{Method: "Job", Unit: name, Kind: kind, Mode: s.jobMode}); err != nil {
			status = s.jobError(kind, name, err)
			continue
		}
		queued = append(queued, name)
	}
	if s.noBlock {
		return status
	}
	if st := s.wait(); st != 0 && status == 0 {
		status = st
	}
	if kind == bus.JobStop && !s.quiet {
		for _, name := range queued {
			s.warnTriggers(name)
		}
	}
	return status
}

// jobError tells why no job was made and returns the exit status for that.
func (s *systemctl) jobError(kind, name string, err error) int {
	var e *bus.Error
	if !errors.As(err, &e) {
		e = &bus.Error{Text: libc.Strerror(err)}
	}
	s.Fail("Failed to %s %s: %s", verbWord(kind), name, e.Text)
	switch e.Name {
	case bus.ErrNoSuchUnit:
		return 5
	case bus.ErrNotApplicable:
		return 3
	case bus.ErrMasked:
		return 1
	case bus.ErrNoIsolation, bus.ErrDestructive, bus.ErrOnlyDependency:
		s.Fail("See system logs and 'systemctl status %s' for details.", name)
		return 4
	}
	s.Fail("See system logs and 'systemctl status %s' for details.", name)
	return 1
}

func verbWord(kind string) string {
	if kind == bus.JobReloadOrTry {
		return "reload-or-try-restart"
	}
	return verbOfJob[kind]
}

// wait waits for the jobs of this run and tells of those that failed.
func (s *systemctl) wait() int {
	r, err := s.bus.Call(bus.Request{Method: "Wait"})
	if err != nil {
		return 0 // PID 1 went away: a shutdown
	}
	status := 0
	for _, j := range r.Results {
		if st := s.jobResult(j); st != 0 {
			status = st
		}
	}
	return status
}

func (s *systemctl) jobResult(j bus.JobResult) int {
	if t := unitfile.Type(j.Unit); j.Result == bus.ResultFailed && t != "service" {
		s.Fail("Job failed. See \"journalctl -xe\" for details.")
		return 1
	}
	see := fmt.Sprintf("See \"systemctl status %s\" and \"journalctl -xeu %s\" for details.", j.Unit, j.Unit)
	switch j.Result {
	case bus.ResultDone, bus.ResultSkipped:
		return 0
	case bus.ResultInvalid:
		s.Fail("%s is not active, cannot reload.", j.Unit)
	case bus.ResultCanceled:
		s.Fail("Job for %s canceled.", j.Unit)
	case bus.ResultDependency:
		s.Fail("A dependency job for %s failed. See 'journalctl -xe' for details.", j.Unit)
	case bus.ResultAssert:
		s.Fail("Assertion failed on job for %s.", j.Unit)
	default:
		why := map[string]string{
			bus.ResultNoFiles:  "of unavailable resources or another system error",
			bus.ResultProtocol: "the service did not take the steps required by its unit configuration",
			bus.ResultTimeout:  "a timeout was exceeded",
			bus.ResultExit:     "the control process exited with error code",
			bus.ResultSignal:   "a fatal signal was delivered to the control process",
			bus.ResultCore:     "a fatal signal was delivered causing the control process to dump core",
			bus.ResultLimit:    "start of the service was attempted too often",
		}[j.UnitResult]
		if why == "" {
			s.Fail("Job for %s failed.\n%s", j.Unit, see)
			return 1
		}
		s.Fail("Job for %s failed because %s.", j.Unit, why)
		s.Fail("%s", see)
		if j.UnitResult == bus.ResultLimit {
			s.Fail("To force a start use \"systemctl reset-failed %s\"", j.Unit)
			s.Fail("followed by \"systemctl start %s\" again.", j.Unit)
		}
	}
	return 1
}

func (s *systemctl) needsReload(name string) bool {
	r, err := s.bus.Call(bus.Request{Method: "Get", Unit: name})
	return err == nil && r.Unit.NeedReload
}

func (s *systemctl) warnReload(name string) {
	s.Warn("Warning: The unit file, source configuration file or drop-ins of %s changed on disk. Run 'systemctl daemon-reload' to reload units.", name)
}

func (s *systemctl) isolate(args []string) int {
	name := args[0]
	if unitfile.Type(name) == "" {
		name += ".target"
	}
	if _, err := s.bus.Call(bus.Request{Method: "Job", Unit: name, Kind: bus.JobStart, Mode: bus.ModeIsolate}); err != nil {
		return s.jobError(bus.JobStart, name, err)
	}
	if s.noBlock {
		return 0
	}
	return s.wait()
}

func (s *systemctl) kill(args []string) int {
	status := 0
	for _, name := range s.names(args) {
		if _, err := s.bus.Call(bus.Request{Method: "Kill", Unit: name, Signal: int(s.signal), Whom: s.whom}); err != nil {
			s.Fail("Failed to kill unit %s: %s", name, err)
			status = 1
		}
	}
	return status
}

func (s *systemctl) isActive(args []string) int { return s.isState(args, 3, bus.Active, bus.Reloading) }

func (s *systemctl) isFailed(args []string) int { return s.isState(args, 1, bus.Failed) }

// isState prints the active state of units; one of them in one of the states
// is success.
func (s *systemctl) isState(args []string, no int, good ...string) int {
	status := no
	for _, name := range s.names(args) {
		r, err := s.bus.Call(bus.Request{Method: "Get", Unit: name})
		if err != nil {
			continue
		}
		if slices.Contains(good, r.Unit.Active) {
			status = 0
		}
		if !s.quiet {
			fmt.Fprintln(s.Out, r.Unit.Active)
		}
	}
	return status
}

// simple calls a method that has no arguments.
func (s *systemctl) simple(method, what string) int {
	if _, err := s.bus.Call(bus.Request{Method: method}); err != nil {
		s.Fail("%s: %s", what, err)
		return 1
	}
	return 0
}

func (s *systemctl) resetFailed(args []string) int {
	if len(args) == 0 {
		return s.simple("ResetFailed", "Failed to execute operation")
	}
	status := 0
	for _, name := range s.names(args) {
		if _, err := s.bus.Call(bus.Request{Method: "ResetFailed", Unit: name}); err != nil {
			s.Fail("Failed to reset failed state of unit %s: %s", name, err)
			status = 1
		}
	}
	return status
}

func (s *systemctl) systemRunning([]string) int {
	r, err := s.bus.Call(bus.Request{Method: "State"})
	if err != nil {
		s.Fail("%s", err)
		return 1
	}
	if !s.quiet {
		fmt.Fprintln(s.Out, r.State)
	}
	if r.State == "running" {
		return 0
	}
	return 1
}

// unsupported is for what a real system does and this one cannot.
func (s *systemctl) unsupported(what string) int {
	s.Fail("%s: not modelled in this lab.", what)
	return 1
}

var loadStates = []string{"stub", "loaded", "not-found", "bad-setting", "error", "merged", "masked"}
