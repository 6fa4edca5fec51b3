// Package analyze is systemd-analyze: what can be said of a boot, of unit files
// and of times without changing anything.
package analyze

import (
	"context"
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/tool"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
)

const analyzeHelp = `systemd-analyze [OPTIONS...] COMMAND ...

Profile systemd, show unit dependencies, check unit files.

Commands:
  [time]                     Print time required to boot the machine
  blame                      Print list of running units ordered by
                             time to init
  critical-chain [UNIT...]   Print a tree of the time critical chain
                             of units
  cat-config                 Show configuration file and drop-ins
  unit-paths                 List load directories for units
  exit-status [STATUS...]    List exit status definitions
  condition CONDITION...     Evaluate conditions and asserts
  verify FILE...             Check unit files for correctness
  calendar SPEC...           Validate repetitive calendar time
                             events
  timestamp TIMESTAMP...     Validate a timestamp
  timespan SPAN...           Validate a time span

Options:
     --recursive-errors=MODE Control which units are verified
     --no-pager              Do not pipe output into a pager
     --man[=BOOL]            Do [not] check for existence of man pages
     --iterations=N          Show the specified number of iterations
     --base-time=TIMESTAMP   Calculate calendar times relative to
                             specified time
  -h --help                  Show this help
     --version               Show package version

See the systemd-analyze(1) man page for details.
`

// analysis is one run of the tool.
type analysis struct {
	p *host.Proc
	*screen.Screen
	bus    *bus.Conn
	loader *units.Loader

	base       time.Time // --base-time=
	iterations int
}

// Command is /usr/bin/systemd-analyze with the commands of its help text.
func Command(ctx context.Context, p *host.Proc) int {
	s := &analysis{p: p, Screen: screen.New(p), loader: units.NewLoader(p), iterations: 1}
	var err error
	args, over, status := tool.Tool{Name: "systemd-analyze", Help: analyzeHelp, Long: []libc.LongOption{{Name: "no-pager"},
		{Name: "man", Arg: libc.OptionalArgument}, {Name: "recursive-errors", Arg: libc.RequiredArgument},
		{Name: "iterations", Arg: libc.RequiredArgument}, {Name: "base-time", Arg: libc.RequiredArgument}, {Name: "fuzz", Arg: libc.RequiredArgument},
		{Name: "system"}}}.Options(p, func(o libc.Option) (over bool, status int) {
		switch o.Name {
		case "iterations":
			if s.iterations, err = strconv.Atoi(o.Value); err != nil || s.iterations < 0 {
				s.Fail("Failed to parse iterations: %s", o.Value)
				return true, 1
			}
		case "base-time":
			ok := false
			now := s.now()
			if s.base, ok = calendar.ParseTimestamp(o.Value, now, calendar.Zones(now)); !ok {
				s.Fail("Failed to parse --base-time= parameter: %s", o.Value)
				return true, 1
			}
		}
		return false, 0
	})
	if over {
		return status
	}
	all := verbs()
	name, args, err := tool.Verb(args, "time", func(name string) (least, most int, ok bool) {
		v, ok := all[name]
		return v.least, v.most, ok
	})
	if err != nil {
		s.Fail("%s", err)
		return 1
	}
	v := all[name]
	if v.asks {
		if s.bus, err = bus.Dial(ctx, p); err != nil {
			s.Fail("%s", err)
			return 1
		}
		defer s.bus.Close()
	}
	return v.run(s, args)
}

// verb is one of the tool's commands.
type verb struct {
	least, most int  // operands; -1 is any number
	asks        bool // PID 1
	run         func(*analysis, []string) int
}

func verbs() map[string]verb {
	return map[string]verb{
		"time":           {0, 0, true, func(s *analysis, _ []string) int { return s.bootTime() }},
		"blame":          {0, 0, true, func(s *analysis, _ []string) int { return s.blame() }},
		"critical-chain": {0, -1, true, (*analysis).criticalChain},
		"verify":         {1, -1, false, (*analysis).verify}, "cat-config": {1, -1, false, (*analysis).catConfig},
		"unit-paths": {0, 0, false, func(s *analysis, _ []string) int {
			fmt.Fprintln(s.Out, strings.Join(units.SearchPath, "\n"))
			return 0
		}},
		"calendar": {1, -1, false, (*analysis).calendar}, "timespan": {1, -1, false, (*analysis).timespan},
		"timestamp": {1, -1, false, (*analysis).timestamp}, "exit-status": {0, -1, false, (*analysis).exitStatus},
		"condition": {1, -1, false, (*analysis).condition},
	}
}

// verify loads units as PID 1 would and says what PID 1 would say.
func (s *analysis) verify(args []string) int {
	status := 0
	for _, a := range args {
		var f *units.Fragment
		if strings.Contains(a, "/") {
			file := libc.Abs(s.p, a)
			if _, err := s.p.Sys.Stat(file); err != nil {
				s.Fail("Failed to prepare filename %s: %s", a, libc.Strerror(err))
				return 1
			}
			f = s.loader.CheckFile(path.Base(file), file)
		} else {
			f = s.loader.Load(unitfile.Mangle(a))
		}
		for _, p := range f.Problems {
			s.Note("%s", p)
		}
		if f.State != units.Loaded {
			s.Note("%s", f.Reason)
			status = 1
			continue
		}
		if v := f.Config.Service; v != nil {
			for _, kind := range bus.ExecKinds {
				for _, c := range v.Exec[kind] {
					if !s.executable(f.Name, c) {
						status = 1
					}
				}
			}
		}
	}
	return status
}

// executable says of a command that cannot be run why.
func (s *analysis) executable(unit string, c unitfile.Command) bool {
	file, err := s.p.LookPath(c.Path)
	if err == nil {
		var info interface{ IsDir() bool }
		info, err = s.p.Sys.Stat(file)
		if err == nil && !info.IsDir() {
			return true
		}
	}
	s.Note("%s: Command %s is not executable: %s", unit, c.Path, libc.Strerror(err))
	return false
}

// catConfig shows a configuration file of systemd and its drop-ins.
func (s *analysis) catConfig(args []string) int {
	for i, a := range args {
		files := machine.ConfFiles(s.p, strings.TrimPrefix(strings.TrimPrefix(a, "/etc/"), "systemd/"))
		if len(files) == 0 {
			s.Fail("Failed to cat %s: No such file or directory", a)
			return 1
		}
		for k, file := range files {
			data, err := libc.ReadFile(s.p, file)
			if err != nil {
				s.Fail("Failed to open %s: %s", file, libc.Strerror(err))
				return 1
			}
			if i+k > 0 {
				fmt.Fprintln(s.Out)
			}
			fmt.Fprintf(s.Out, "# %s\n%s", file, data)
		}
	}
	return 0
}

// bootTime tells how long the boot took.
func (s *analysis) bootTime() int {
	r, err := s.bus.Call(bus.Request{Method: "List"})
	if err != nil {
		s.Fail("Failed to list units: %s", err)
		return 1
	}
	var kernel, end time.Duration
	target := ""
	real, _, _ := s.loader.Find("default.target")
	for _, u := range r.Units {
		switch u.Name {
		case "init.scope":
			kernel = u.ActiveEnter.Mono
		case real:
			target, end = u.Name, u.ActiveEnter.Mono
		}
	}
	if end <= kernel {
		s.Fail("Bootup is not yet finished. Please try again later.\nHint: Use 'systemctl list-jobs' to see active jobs")
		return 1
	}
	span := func(d time.Duration) string { return calendar.FormatSpan(d, time.Millisecond) }
	fmt.Fprintf(s.Out, "Startup finished in %s (kernel) + %s (userspace) = %s \n", span(kernel), span(end-kernel), span(end))
	fmt.Fprintf(s.Out, "%s reached after %s in userspace.\n", target, span(end-kernel))
	return 0
}

// blame lists the units by how long their start took.
func (s *analysis) blame() int {
	r, err := s.bus.Call(bus.Request{Method: "List"})
	if err != nil {
		s.Fail("Failed to list units: %s", err)
		return 1
	}
	type row struct {
		took time.Duration
		unit string
	}
	var rows []row
	width := 0
	for _, u := range r.Units {
		if d := u.ActiveEnter.Mono - u.InactiveExit.Mono; d > 0 && u.Service != nil && u.Active == bus.Active {
			rows = append(rows, row{d, u.Name})
			width = max(width, len(calendar.FormatSpan(d, time.Millisecond)))
		}
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].took > rows[j].took })
	for _, r := range rows {
		fmt.Fprintf(s.Out, "%*s %s\n", width, calendar.FormatSpan(r.took, time.Millisecond), r.unit)
	}
	return 0
}
