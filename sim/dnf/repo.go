package dnf

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// Package is one that the distribution has.
type Package struct {
	Name, Version, Release, Arch string
	Epoch                        int
	Repo                         string // id of its repository
	Summary, License, URL        string
	Size, InstalledSize          int64 // bytes, of the file and on the disk
	Requires                     []string
	Files                        []string // absolute names
	Config                       []string // those of Files that are configuration
	// Before and After tell at which places scriptlets run: around the
	// installation and around the removal.
	Before, After             bool
	BeforeRemove, AfterRemove bool
	Preinstalled              bool // on every new host
}

// Repo is the distribution, and the hand of the lab on a running host.
type Repo interface {
	// Packages returns all packages, as the host of p was new.
	Packages(p *host.Proc) []Package
	// Install puts the files of a package on the host of p.
	Install(ctx context.Context, p *host.Proc, name string) error
	// Remove takes them away.
	Remove(ctx context.Context, p *host.Proc, name string) error
}

// evr is [epoch:]version-release.
func (p Package) evr() string {
	if p.Epoch > 0 {
		return fmt.Sprintf("%d:%s-%s", p.Epoch, p.Version, p.Release)
	}
	return p.Version + "-" + p.Release
}

// nevra is name-[epoch:]version-release.arch.
func (p Package) nevra() string { return p.Name + "-" + p.evr() + "." + p.Arch }

// nvra leaves the epoch out, as rpm and file names do.
func (p Package) nvra() string { return p.Name + "-" + p.Version + "-" + p.Release + "." + p.Arch }

// is reports whether an argument of the command line names the package.
func (p Package) is(arg string) bool {
	return slices.ContainsFunc([]string{p.Name, p.Name + "." + p.Arch, p.nvra(), p.nevra(), p.Name + "-" + p.Version, p.Name + "-" + p.Version + "-" + p.Release},
		func(s string) bool { return match(arg, s) })
}

// StateFile is where a host notes what is installed.
const StateFile = "/var/lib/rpm/packages"

// installed is one entry of the state file.
type installed struct {
	name       string
	repo       string // "" for the image
	dependency bool
	at         time.Time
}

// parseState reads the state file: a line a package, "NAME REPO user|dependency
// SECONDS".
func parseState(text string) []installed {
	var all []installed
	for _, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if len(f) != 4 {
			continue
		}
		sec, err := strconv.ParseInt(f[3], 10, 64)
		if err != nil {
			continue
		}
		all = append(all, installed{f[0], strings.TrimPrefix(f[1], "@System"), f[2] == "dependency", time.Unix(sec, 0)})
	}
	return all
}

func formatState(all []installed) string {
	var b strings.Builder
	for _, i := range all {
		repo, why := i.repo, "user"
		if repo == "" {
			repo = "@System"
		}
		if i.dependency {
			why = "dependency"
		}
		fmt.Fprintf(&b, "%s %s %s %d\n", i.name, repo, why, i.at.Unix())
	}
	return b.String()
}

// system is a host's packages.
type system struct {
	p    *host.Proc
	repo Repo
	all  []Package // by name
	have []installed
}

func newSystem(p *host.Proc, repo Repo) *system {
	s := &system{p: p, repo: repo, all: slices.Clone(repo.Packages(p))}
	slices.SortFunc(s.all, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	text, err := libc.ReadFile(p, StateFile)
	if err == nil {
		s.have = parseState(string(text))
		return s
	}
	for _, pk := range s.all {
		if pk.Preinstalled {
			s.have = append(s.have, installed{name: pk.Name, at: p.Now()})
		}
	}
	return s
}

func (s *system) save() error {
	if err := libc.MkdirAll(s.p, "/var/lib/rpm", 0o755); err != nil {
		return err
	}
	return libc.WriteFile(s.p, StateFile, []byte(formatState(s.have)), 0o644)
}

func (s *system) find(name string) (Package, bool) {
	i, ok := slices.BinarySearchFunc(s.all, name, func(p Package, n string) int { return strings.Compare(p.Name, n) })
	if !ok {
		return Package{}, false
	}
	return s.all[i], true
}

func (s *system) entry(name string) *installed {
	for i := range s.have {
		if s.have[i].name == name {
			return &s.have[i]
		}
	}
	return nil
}

// here returns the installed packages, by name.
func (s *system) here() []Package {
	var list []Package
	for _, p := range s.all {
		if s.entry(p.Name) != nil {
			list = append(list, p)
		}
	}
	return list
}

// needs returns what a package requires that is not installed, itself left out,
// in the order in which it is to be installed.
func (s *system) needs(name string, seen map[string]bool) []string {
	var list []string
	p, _ := s.find(name)
	for _, r := range p.Requires {
		if seen[r] || s.entry(r) != nil {
			continue
		}
		if _, ok := s.find(r); !ok {
			continue
		}
		seen[r] = true
		list = append(append(list, s.needs(r, seen)...), r)
	}
	return list
}

// neededBy returns the installed packages that require one, except those in gone.
func (s *system) neededBy(name string, gone map[string]bool) []string {
	var list []string
	for _, p := range s.here() {
		if !gone[p.Name] && slices.Contains(p.Requires, name) {
			list = append(list, p.Name)
		}
	}
	return list
}

// match is a shell pattern of * and ?.
func match(pattern, s string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == s
	}
	star, again, i, j := -1, 0, 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, again = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[j]):
			i++
			j++
		case star >= 0:
			again++
			i, j = star+1, again
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}
