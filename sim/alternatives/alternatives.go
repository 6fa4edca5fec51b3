package alternatives

import (
	"bufio"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
)

const (
	stateDir = "/var/lib/alternatives"
	linkDir  = "/etc/alternatives"
	version  = "1.24"
)

const usageText = `alternatives version ` + version + ` - Copyright (C) 2001 Red Hat, Inc.
This may be freely redistributed under the terms of the GNU Public License.

usage: alternatives --install <link> <name> <path> <priority>
                    [--initscript <service>]
                    [--family <family>]
                    [--slave <slave_link> <slave_name> <slave_path>]*
       alternatives --remove <name> <path>
       alternatives --auto <name>
       alternatives --config <name>
       alternatives --display <name>
       alternatives --set <name> <name/path>
       alternatives --list
       alternatives --remove-all <name>
       alternatives --add-slave <name> <path> <slave_link> <slave_name> <slave_path>
       alternatives --remove-slave <name> <path> <slave_name>

common options: --verbose --test --help --usage --version --keep-missing
                --keep-foreign --altdir <directory> --admindir <directory>
`

// run is one run of the program.
type run struct{ p *host.Proc }

// Alternatives is /usr/sbin/alternatives (alternatives(8)).
func Alternatives(_ context.Context, p *host.Proc) int {
	r := &run{p}
	args := slices.DeleteFunc(slices.Clone(p.Args[1:]), func(a string) bool {
		return a == "--verbose" || a == "--keep-missing" || a == "--keep-foreign"
	})
	if len(args) == 0 {
		return r.usage()
	}
	action, args := args[0], args[1:]
	want, ok := map[string]int{"--display": 1, "--config": 1, "--auto": 1, "--set": 2, "--list": 0, "--remove": 2, "--remove-all": 1, "--version": 0, "--help": 0, "--usage": 0}[action]
	switch {
	case action == "--install":
		return r.install(args)
	case !ok || len(args) != want:
		return r.usage()
	}
	switch action {
	case "--version":
		fmt.Fprintf(p.Stdout, "alternatives version %s\n", version)
		return 0
	case "--help", "--usage":
		fmt.Fprint(p.Stdout, usageText)
		return 0
	case "--list":
		return r.list()
	}
	s, problem := r.read(args[0])
	if problem != "" {
		// What is not there is told in another way by the commands that change something.
		if action == "--display" || action == "--config" {
			return 2
		}
		fmt.Fprintln(p.Stderr, problem)
		return 2
	}
	switch action {
	case "--display":
		r.display(s)
		return 0
	case "--config":
		return r.config(s)
	case "--auto":
		s.manual = false
		return r.choose(s, s.best())
	case "--set":
		i := s.of(args[1])
		if i < 0 {
			fmt.Fprintf(p.Stderr, "%s has not been configured as an alternative for %s\n", args[1], args[0])
			return 2
		}
		s.manual = true
		return r.choose(s, i)
	case "--remove":
		return r.remove(s, args[1])
	}
	s.candidates = nil // --remove-all
	return r.drop(s)
}

func (r *run) usage() int {
	fmt.Fprint(r.p.Stderr, usageText)
	return 2
}

// read reads what is known of a name.
func (r *run) read(name string) (s set, problem string) {
	file := path.Join(stateDir, path.Base(name))
	data, err := libc.ReadFile(r.p, file)
	if err != nil {
		return s, fmt.Sprintf("cannot access %s: %s", file, libc.Strerror(err))
	}
	s, err = parse(name, string(data))
	if err != nil {
		return s, fmt.Sprintf("%s: %v", file, err)
	}
	return s, ""
}

// current is what the link of a title leads to.
func (r *run) current(title string) string {
	target, err := r.p.Sys.Readlink(path.Join(linkDir, title))
	if err != nil {
		return ""
	}
	return target
}

func (r *run) display(s set) {
	w, mode := r.p.Stdout, "auto"
	if s.manual {
		mode = "manual"
	}
	fmt.Fprintf(w, "%s - status is %s.\n link currently points to %s\n", s.master.title, mode, r.current(s.master.title))
	for _, c := range s.candidates {
		fmt.Fprintf(w, "%s - priority %d\n", c.target, c.priority)
		for i, l := range s.slaves {
			target := c.slaves[i]
			if target == "" {
				target = "(null)"
			}
			fmt.Fprintf(w, " slave %s: %s\n", l.title, target)
		}
	}
	if best := s.best(); best >= 0 {
		fmt.Fprintf(w, "Current `best' version is %s.\n", s.candidates[best].target)
	}
}

func (r *run) list() int {
	names, err := libc.ReadDir(r.p, stateDir)
	if err != nil {
		fmt.Fprintf(r.p.Stderr, "cannot open directory %s: %s\n", stateDir, libc.Strerror(err))
		return 2
	}
	slices.Sort(names)
	wide := 0
	for _, name := range names {
		wide = max(wide, len(name))
	}
	for _, name := range names {
		s, problem := r.read(name)
		if problem != "" {
			fmt.Fprintln(r.p.Stderr, problem)
			continue
		}
		mode := "auto"
		if s.manual {
			mode = "manual"
		}
		fmt.Fprintf(r.p.Stdout, "%-*s\t%-6s\t%s\n", wide, name, mode, r.current(name))
	}
	return 0
}

// config asks which one to take.
func (r *run) config(s set) int {
	w := r.p.Stdout
	n := len(s.candidates)
	if n == 0 {
		return 2
	}
	programs := fmt.Sprintf("There are %d programs which provide '%s'.", n, s.master.title)
	if n == 1 {
		programs = fmt.Sprintf("There is 1 program that provides '%s'.", s.master.title)
	}
	fmt.Fprintf(w, "\n%s\n\n  Selection    Command\n-----------------------------------------------\n", programs)
	current, best := r.current(s.master.title), s.best()
	for i, c := range s.candidates {
		star, plus := ' ', ' '
		if i == best {
			star = '*'
		}
		if c.target == current {
			plus = '+'
		}
		fmt.Fprintf(w, "%c%c %-10d %s\n", star, plus, i+1, c.target)
	}
	fmt.Fprint(w, "\nEnter to keep the current selection[+], or type selection number: ")
	line, _ := bufio.NewReader(r.p.Stdin).ReadString('\n')
	line = strings.TrimSpace(line)
	if line == "" {
		return 0
	}
	i, err := strconv.Atoi(line)
	if err != nil || i < 1 || i > n {
		return r.config(s)
	}
	s.manual = true
	return r.choose(s, i-1)
}

// choose makes the links lead to a candidate and notes it.
func (r *run) choose(s set, i int) int {
	if i < 0 {
		return 2
	}
	c := s.candidates[i]
	if status := r.write(s); status != 0 {
		return status
	}
	if status := r.point(s.master, c.target); status != 0 {
		return status
	}
	for k, l := range s.slaves {
		if c.slaves[k] == "" {
			// A name that the choice does not have goes; it may never have been there.
			_ = r.p.Sys.Remove(path.Join(linkDir, l.title))
			_ = r.p.Sys.Remove(l.file)
			continue
		}
		if status := r.point(l, c.slaves[k]); status != 0 {
			return status
		}
	}
	return 0
}

// point makes a generic name lead to a target.
func (r *run) point(l link, target string) int {
	inner := path.Join(linkDir, l.title)
	for _, step := range []struct{ target, name string }{{target, inner}, {inner, l.file}} {
		if old, err := r.p.Sys.Readlink(step.name); err == nil && old == step.target {
			continue
		} else if err != nil {
			if info, serr := r.p.Sys.Lstat(step.name); serr == nil && info.Mode().IsRegular() {
				fmt.Fprintf(r.p.Stderr, "failed to link %s -> %s: %s exists and it is not a symlink\n", step.name, step.target, step.name)
				return 2
			}
		}
		fresh := step.name + ".new"
		// The link is replaced in one step; a stale new one would be in the way.
		_ = r.p.Sys.Remove(fresh)
		err := libc.MkdirAll(r.p, path.Dir(step.name), 0o755)
		if err == nil {
			err = r.p.Sys.Symlink(step.target, fresh)
		}
		if err == nil {
			err = r.p.Sys.Rename(fresh, step.name)
		}
		if err != nil {
			fmt.Fprintf(r.p.Stderr, "failed to link %s -> %s: %s\n", step.name, step.target, libc.Strerror(err))
			return 2
		}
	}
	return 0
}

func (r *run) write(s set) int {
	file := path.Join(stateDir, s.master.title)
	err := libc.MkdirAll(r.p, stateDir, 0o755)
	if err == nil {
		err = libc.WriteFile(r.p, file, []byte(s.String()), 0o644)
	}
	if err != nil {
		fmt.Fprintf(r.p.Stderr, "failed to create %s: %s\n", file, libc.Strerror(err))
		return 2
	}
	return 0
}

// install adds a candidate, or changes the one of that target.
func (r *run) install(args []string) int {
	if len(args) < 4 {
		return r.usage()
	}
	file, name, target, rest := args[0], args[1], args[2], args[4:]
	priority, err := strconv.Atoi(args[3])
	if err != nil || priority < 0 {
		return r.usage()
	}
	s, problem := r.read(name)
	if problem != "" {
		s = set{master: link{name, file}}
	}
	c := candidate{target: target, priority: priority, slaves: make([]string, len(s.slaves))}
	for len(rest) > 0 {
		switch {
		case rest[0] == "--slave" && len(rest) >= 4:
			l := link{rest[2], rest[1]}
			i := slices.Index(s.slaves, l)
			if i < 0 {
				i = len(s.slaves)
				s.slaves, c.slaves = append(s.slaves, l), append(c.slaves, "")
				for k := range s.candidates {
					s.candidates[k].slaves = append(s.candidates[k].slaves, "")
				}
			}
			c.slaves[i] = rest[3]
			rest = rest[4:]
		case rest[0] == "--initscript" && len(rest) >= 2:
			c.initscript, rest = rest[1], rest[2:]
		case rest[0] == "--family" && len(rest) >= 2:
			rest = rest[2:]
		default:
			return r.usage()
		}
	}
	if i := s.of(target); i >= 0 {
		s.candidates[i] = c
	} else {
		s.candidates = append(s.candidates, c)
	}
	if s.manual {
		if i := s.of(r.current(name)); i >= 0 {
			return r.choose(s, i)
		}
		s.manual = false
	}
	return r.choose(s, s.best())
}

// remove takes a candidate away.
func (r *run) remove(s set, target string) int {
	i := s.of(target)
	if i < 0 {
		fmt.Fprintf(r.p.Stderr, "%s has not been configured as an alternative for %s\n", target, s.master.title)
		return 2
	}
	s.candidates = slices.Delete(s.candidates, i, i+1)
	if len(s.candidates) == 0 {
		return r.drop(s)
	}
	if s.manual && r.current(s.master.title) != target {
		return r.write(s)
	}
	s.manual = false
	return r.choose(s, s.best())
}

// drop forgets a name.
func (r *run) drop(s set) int {
	for _, l := range append([]link{s.master}, s.slaves...) {
		// Either may be gone already.
		_ = r.p.Sys.Remove(path.Join(linkDir, l.title))
		_ = r.p.Sys.Remove(l.file)
	}
	if err := r.p.Sys.Remove(path.Join(stateDir, s.master.title)); err != nil {
		fmt.Fprintf(r.p.Stderr, "failed to remove %s: %s\n", path.Join(stateDir, s.master.title), libc.Strerror(err))
		return 2
	}
	return 0
}
