// Package analyze is systemd-analyze: what can be said of a boot, of unit files
// and of times without changing anything.
package analyze

import (
	"context"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
)

const analyzeHelp = `systemd-analyze [OPTIONS...] COMMAND ...

Profile systemd, show unit dependencies, check unit files.

Commands:
  [time]                     Print time required to boot the machine
  blame                      Print list of running units ordered by
                             time to init
  unit-paths                 List load directories for units
  cat-config NAME|PATH...    Show configuration file and drop-ins
  verify FILE...             Check unit files for correctness

See the systemd-analyze(1) man page for details.
`

// analysis is one run of the tool.
type analysis struct {
	p *host.Proc
	*screen.Screen
	bus    *bus.Conn
	loader *units.Loader
}

// Command is /usr/bin/systemd-analyze with the commands of its help text.
func Command(ctx context.Context, p *host.Proc) int {
	s := &analysis{p: p, Screen: screen.New(p), loader: units.NewLoader(p)}
	options, args, err := libc.Getopt(p.Args[1:], "h", []libc.LongOption{{Name: "help", Short: "h"}, {Name: "version"}, {Name: "no-pager"},
		{Name: "man", Arg: libc.OptionalArgument}, {Name: "recursive-errors", Arg: libc.RequiredArgument}})
	if err != nil {
		fmt.Fprintln(p.Stderr, "systemd-analyze: "+err.Error())
		return 1
	}
	for _, o := range options {
		switch o.Name {
		case "h":
			io.WriteString(p.Stdout, analyzeHelp)
			return 0
		case "version":
			io.WriteString(p.Stdout, "systemd "+machine.Version+"\n"+machine.Features+"\n")
			return 0
		}
	}
	verb := "time"
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	switch verb {
	case "verify":
		return s.verify(args)
	case "unit-paths":
		fmt.Fprintln(s.Out, strings.Join(units.Path, "\n"))
		return 0
	case "cat-config":
		return s.catConfig(args)
	case "time", "blame":
		if s.bus, err = bus.Dial(ctx, p); err != nil {
			s.Fail("%s", err)
			return 1
		}
		defer s.bus.Close()
		if verb == "blame" {
			return s.blame()
		}
		return s.bootTime()
	}
	s.Fail("Unknown command verb %s.", verb)
	return 1
}

// verify loads units as PID 1 would and says what PID 1 would say.
func (s *analysis) verify(args []string) int {
	if len(args) == 0 {
		s.Fail("Too few arguments.")
		return 1
	}
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
