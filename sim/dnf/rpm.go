package dnf

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// Rpm returns the queries of rpm(8), and -e, over a distribution; it is
// /usr/bin/rpm.
func Rpm(repo Repo) host.Program {
	return func(ctx context.Context, p *host.Proc) int {
		r := &rpm{system: newSystem(p, repo), ctx: ctx}
		var names []string
		for _, a := range p.Args[1:] {
			switch {
			case strings.HasPrefix(a, "--"):
				letter, ok := longLetters[a]
				if !ok {
					fmt.Fprintf(p.Stderr, "rpm: %s: unknown option\n", a)
					return 1
				}
				r.options += letter
			case len(a) > 1 && a[0] == '-':
				r.options += a[1:]
			default:
				names = append(names, a)
			}
		}
		return r.run(names)
	}
}

// longLetters are the letters that long options stand for; some have none of
// their own in rpm(8).
var longLetters = map[string]string{"--query": "q", "--all": "a", "--info": "i", "--list": "l", "--file": "f", "--configfiles": "c", "--docfiles": "d",
	"--requires": "R", "--erase": "e", "--version": "v", "--last": "L", "--verify": "V", "--install": "I", "--upgrade": "U", "--whatrequires": "W",
	"--whatprovides": "P", "--provides": "O", "--nodeps": "N", "--test": "T", "--hash": "h", "--force": "F", "--state": "s", "--import": "M", "--quiet": "Q"}

// rpm is one run of rpm(8).
type rpm struct {
	*system
	ctx     context.Context
	options string // letters, those of longLetters included
}

func (r *rpm) has(letter string) bool { return strings.Contains(r.options, letter) }

func (r *rpm) run(names []string) int {
	switch {
	case r.has("q"):
	case r.has("V"):
		return r.verify(names)
	case r.has("e"):
		return r.erase(names)
	case r.has("U"), r.has("i"), r.has("I"), r.has("F"):
		return r.installFiles(names)
	case r.has("M"):
		return 0
	case r.options == "v":
		fmt.Fprintln(r.p.Stdout, "RPM version 4.16.1.3")
		return 0
	default:
		fmt.Fprintln(r.p.Stdout, "RPM version 4.16.1.3\nUsage: rpm [OPTION...]")
		return 1
	}
	return r.query(names)
}

// query shows the packages that a query is about.
func (r *rpm) query(names []string) int {
	here := r.here()
	if r.has("p") {
		return r.installFiles(names)
	}
	if r.has("a") || r.has("L") {
		list := selected(here, names)
		if r.has("L") { // the newest first
			slices.SortStableFunc(list, func(a, b Package) int { return r.entry(b.Name).at.Compare(r.entry(a.Name).at) })
		}
		for _, p := range list {
			r.show(p)
		}
		return 0
	}
	if r.has("W") || r.has("P") {
		return r.related(here, names)
	}
	if len(names) == 0 {
		fmt.Fprintln(r.p.Stderr, "rpm: no arguments given for query")
		return 1
	}
	status := 0
	for _, name := range names {
		i := -1
		if r.has("f") {
			full := libc.Abs(r.p, name)
			i = slices.IndexFunc(here, func(p Package) bool { return slices.Contains(p.Files, full) })
			if i < 0 {
				status = 1
				if _, err := r.p.Sys.Lstat(full); err != nil {
					fmt.Fprintf(r.p.Stderr, "error: file %s: %s\n", name, libc.Strerror(err))
				} else {
					fmt.Fprintf(r.p.Stdout, "file %s is not owned by any package\n", full)
				}
				continue
			}
		} else if i = slices.IndexFunc(here, func(p Package) bool { return p.is(name) && !strings.ContainsAny(name, "*?") }); i < 0 {
			status = 1
			fmt.Fprintf(r.p.Stdout, "package %s is not installed\n", name)
			continue
		}
		r.show(here[i])
	}
	return status
}

func (r *rpm) show(p Package) {
	w := r.p.Stdout
	switch {
	case r.has("L"):
		fmt.Fprintf(w, "%-45s %s\n", p.nvra(), r.entry(p.Name).at.In(libc.Zone(r.p)).Format("Mon 02 Jan 2006 03:04:05 PM MST"))
	case r.has("O"):
		fmt.Fprintf(w, "%s = %s\n%s(x86-64) = %s\n", p.Name, p.evr(), p.Name, p.evr())
	case r.has("i"):
		r.info(p)
	case r.has("l"):
		if len(p.Files) == 0 {
			fmt.Fprintln(w, "(contains no files)")
		}
		for _, f := range p.Files {
			fmt.Fprintln(w, f)
		}
	case r.has("d"):
		for _, f := range p.Files {
			if strings.HasPrefix(f, "/usr/share/doc/") || strings.HasPrefix(f, "/usr/share/man/") {
				fmt.Fprintln(w, f)
			}
		}
	case r.has("c"):
		for _, f := range p.Config {
			fmt.Fprintln(w, f)
		}
	case r.has("R"):
		for _, q := range append(slices.Clone(p.Requires), "rpmlib(CompressedFileNames) <= 3.0.4-1", "rpmlib(FileDigests) <= 4.6.0-1", "rpmlib(PayloadFilesHavePrefix) <= 4.0-1") {
			fmt.Fprintln(w, q)
		}
	default:
		fmt.Fprintln(w, p.nvra())
	}
}

func (r *rpm) info(p Package) {
	at := r.p.Now()
	if e := r.entry(p.Name); e != nil {
		at = e.at
	}
	fmt.Fprintf(r.p.Stdout, "Name        : %s\n", p.Name)
	if p.Epoch > 0 {
		fmt.Fprintf(r.p.Stdout, "Epoch       : %d\n", p.Epoch)
	}
	fmt.Fprintf(r.p.Stdout, "Version     : %s\nRelease     : %s\nArchitecture: %s\nInstall Date: %s\nGroup       : Unspecified\nSize        : %d\nLicense     : %s\nSignature   : (none)\nSource RPM  : %s-%s-%s.src.rpm\n",
		p.Version, p.Release, p.Arch, at.In(libc.Zone(r.p)).Format(time.ANSIC), p.InstalledSize, p.License, p.Name, p.Version, p.Release)
	if p.URL != "" {
		fmt.Fprintf(r.p.Stdout, "URL         : %s\n", p.URL)
	}
	fmt.Fprintf(r.p.Stdout, "Summary     : %s\nDescription :\n%s.\n", p.Summary, p.Summary)
}

// related shows the installed packages that require or provide something.
func (r *rpm) related(here []Package, names []string) int {
	status := 0
	for _, name := range names {
		any := false
		for _, p := range here {
			if r.has("W") && slices.Contains(p.Requires, name) || r.has("P") && (p.Name == name || slices.Contains(p.Files, name)) {
				any = true
				fmt.Fprintln(r.p.Stdout, p.nvra())
			}
		}
		if !any {
			verb := "requires"
			if r.has("P") {
				verb = "provides"
			}
			fmt.Fprintf(r.p.Stdout, "no package %s %s\n", verb, name)
			status = 1
		}
	}
	return status
}

// verify compares configuration files with what the package brought: the lab
// keeps no digests of the others, which only may be missing.
func (r *rpm) verify(names []string) int {
	list := r.here()
	status := 0
	if !r.has("a") {
		list = nil
		for _, name := range names {
			p, ok := r.find(name)
			if !ok || r.entry(p.Name) == nil {
				fmt.Fprintf(r.p.Stdout, "package %s is not installed\n", name)
				status = 1
				continue
			}
			list = append(list, p)
		}
	}
	for _, p := range list {
		for _, f := range p.Files {
			kind := " "
			if slices.Contains(p.Config, f) {
				kind = "c"
			}
			info, err := r.p.Sys.Lstat(f)
			if err != nil {
				fmt.Fprintf(r.p.Stdout, "missing   %s %s\n", kind, f)
				status = 1
				continue
			}
			// Files of the package have its time of installation; what was written later was changed.
			if e := r.entry(p.Name); kind == "c" && info.Mode().IsRegular() && info.ModTime().After(e.at.Add(time.Minute)) {
				fmt.Fprintf(r.p.Stdout, "S.5....T.  %s %s\n", kind, f)
				status = 1
			}
		}
	}
	return status
}

// installFiles answers for packages in files, of which a lab has none.
func (r *rpm) installFiles(names []string) int {
	if len(names) == 0 {
		fmt.Fprintln(r.p.Stderr, "rpm: no packages given for install")
		return 1
	}
	status := 0
	for _, name := range names {
		if _, err := r.p.Sys.Stat(libc.Abs(r.p, name)); err != nil {
			fmt.Fprintf(r.p.Stderr, "error: open of %s failed: %s\n", name, libc.Strerror(err))
			status++
			continue
		}
		fmt.Fprintf(r.p.Stderr, "error: %s: not an rpm package (or package manifest)\n", name)
		status++
	}
	return status
}

func (r *rpm) erase(names []string) int {
	status := 0
	gone := map[string]bool{}
	for _, name := range names {
		if p, ok := r.find(name); ok && r.entry(p.Name) != nil {
			gone[p.Name] = true
			continue
		}
		fmt.Fprintf(r.p.Stderr, "error: package %s is not installed\n", name)
		status = 1
	}
	if status != 0 {
		return status
	}
	if r.p.UID != 0 {
		fmt.Fprintln(r.p.Stderr, "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Permission denied)")
		return 1
	}
	for name := range gone {
		for _, other := range r.neededBy(name, gone) {
			if status == 0 {
				fmt.Fprintln(r.p.Stderr, "error: Failed dependencies:")
			}
			o, _ := r.find(other)
			fmt.Fprintf(r.p.Stderr, "\t%s is needed by (installed) %s\n", name, o.nvra())
			status = 1
		}
	}
	if status != 0 {
		return status
	}
	for _, name := range names {
		if err := r.repo.Remove(r.ctx, r.p, name); err != nil {
			fmt.Fprintf(r.p.Stderr, "error: %s: %s\n", name, libc.Strerror(err))
			return 1
		}
		r.have = slices.DeleteFunc(r.have, func(i installed) bool { return i.name == name })
	}
	if err := r.save(); err != nil {
		fmt.Fprintf(r.p.Stderr, "error: %s: %s\n", StateFile, libc.Strerror(err))
		return 1
	}
	return 0
}
