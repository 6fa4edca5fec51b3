package dnf

import (
	"fmt"
	"slices"
	"strings"
)

// selected returns the packages that arguments name, all without any.
func selected(list []Package, args []string) []Package {
	if len(args) == 0 {
		return list
	}
	var hits []Package
	for _, p := range list {
		if slices.ContainsFunc(args, p.is) {
			hits = append(hits, p)
		}
	}
	return hits
}

// which splits the arguments of list and info into a kind and names.
func which(args []string) (kind string, names []string) {
	kind = "all"
	for _, a := range args {
		switch a {
		case "installed", "--installed":
			kind = "installed"
		case "available", "--available":
			kind = "available"
		case "all", "--all":
			kind = "all"
		default:
			names = append(names, a)
		}
	}
	return kind, names
}

// found returns installed and available packages.
func (r *run) found(args []string) (here, there []Package, ok bool) {
	kind, names := which(args)
	if kind != "installed" && !r.metadata(r.p.Stdout) {
		return nil, nil, false
	}
	if kind != "available" {
		here = selected(r.here(), names)
	}
	if kind != "installed" {
		for _, p := range selected(r.all, names) {
			if r.entry(p.Name) == nil && r.available(p) {
				there = append(there, p)
			}
		}
	}
	return here, there, true
}

func (r *run) list(args []string) int {
	here, there, ok := r.found(args)
	if !ok {
		return 1
	}
	if len(here)+len(there) == 0 {
		return r.error("No matching Packages to list")
	}
	var values [3][]string
	var lines [][]string
	for i, p := range append(slices.Clone(here), there...) {
		repo := p.Repo
		if i < len(here) {
			repo = "@System"
			if e := r.entry(p.Name); e.repo != "" {
				repo = "@" + e.repo
			}
		}
		line := []string{p.Name + "." + p.Arch, p.evr(), repo}
		for c := range line {
			values[c] = append(values[c], line[c])
		}
		lines = append(lines, line)
	}
	wide := columns(values[:], nil, r.width, 1)
	for i, line := range lines {
		switch {
		case i == 0 && len(here) > 0:
			fmt.Fprintln(r.p.Stdout, "Installed Packages")
		case i == len(here):
			fmt.Fprintln(r.p.Stdout, "Available Packages")
		}
		fmt.Fprintln(r.p.Stdout, row(wide, line...))
	}
	return 0
}

func (r *run) info(args []string) int {
	here, there, ok := r.found(args)
	if !ok {
		return 1
	}
	if len(here)+len(there) == 0 {
		return r.error("No matching Packages to list")
	}
	for i, list := range [][]Package{here, there} {
		if len(list) > 0 {
			fmt.Fprintln(r.p.Stdout, []string{"Installed Packages", "Available Packages"}[i])
		}
		for _, p := range list {
			r.details(p, i == 0)
		}
	}
	return 0
}

func (r *run) details(p Package, here bool) {
	w := r.p.Stdout
	field := func(name, value string) { fmt.Fprintf(w, "%-13s: %s\n", name, value) }
	field("Name", p.Name)
	if p.Epoch > 0 {
		field("Epoch", fmt.Sprint(p.Epoch))
	}
	field("Version", p.Version)
	field("Release", p.Release)
	field("Architecture", p.Arch)
	if here {
		field("Size", human(p.InstalledSize))
	} else {
		field("Size", human(p.Size))
	}
	field("Source", p.Name+"-"+p.Version+"-"+p.Release+".src.rpm")
	if here {
		field("Repository", "@System")
		if e := r.entry(p.Name); e.repo != "" {
			field("From repo", e.repo)
		}
	} else {
		field("Repository", p.Repo)
	}
	field("Summary", p.Summary)
	if p.URL != "" {
		field("URL", p.URL)
	}
	field("License", p.License)
	fmt.Fprintf(w, "%-13s: %s.\n\n", "Description", p.Summary)
}

// search looks for words in names and summaries.
func (r *run) search(args []string) int {
	if !r.metadata(r.p.Stderr) {
		return 1
	}
	titles := []string{"Name Exactly Matched", "Name & Summary Matched", "Name Matched", "Summary Matched"}
	groups := make([][]string, len(titles))
	for _, p := range r.all {
		if r.entry(p.Name) == nil && !r.available(p) {
			continue
		}
		name, summary, exact := true, true, false
		for _, a := range args {
			word := strings.ToLower(a)
			name = name && strings.Contains(strings.ToLower(p.Name), word)
			summary = summary && strings.Contains(strings.ToLower(p.Summary), word)
			exact = exact || p.Name == a
		}
		line := p.Name + "." + p.Arch + " : " + p.Summary
		switch {
		case exact:
			groups[0] = append(groups[0], line)
		case name && summary:
			groups[1] = append(groups[1], line)
		case name:
			groups[2] = append(groups[2], line)
		case summary:
			groups[3] = append(groups[3], line)
		}
	}
	any := false
	for i, g := range groups {
		if len(g) == 0 {
			continue
		}
		any = true
		fmt.Fprintln(r.p.Stdout, banner(titles[i]+": "+strings.Join(args, ", "), r.width))
		for _, line := range g {
			fmt.Fprintln(r.p.Stdout, line)
		}
	}
	if !any {
		fmt.Fprintln(r.p.Stderr, "No matches found.")
	}
	return 0
}

// banner centres a title in a line of "=".
func banner(title string, width int) string {
	left := max(width-len(title)-2, 0)
	return strings.Repeat("=", left-left/2-left%2) + " " + title + " " + strings.Repeat("=", left/2+left%2)
}

func (r *run) provides(args []string) int {
	if !r.metadata(r.p.Stdout) {
		return 1
	}
	any := false
	for _, p := range r.all {
		for _, a := range args {
			var from string
			if i := slices.IndexFunc(p.Files, func(f string) bool { return match(a, f) }); i >= 0 {
				from = "Filename    : " + p.Files[i]
			} else if p.is(a) {
				from = "Provide    : " + p.Name + " = " + p.evr()
			} else {
				continue
			}
			any = true
			repo := p.Repo
			if r.entry(p.Name) != nil {
				repo = "@System"
			}
			fmt.Fprintf(r.p.Stdout, "%s : %s\nRepo        : %s\nMatched from:\n%s\n\n", p.nevra(), p.Summary, repo, from)
		}
	}
	if !any {
		return r.error(`No matches found. If searching for a file, try specifying the full path or using a wildcard prefix ("*/") at the beginning.`)
	}
	return 0
}

func (r *run) repoquery(args []string) int {
	if !r.metadata(r.p.Stderr) {
		return 1
	}
	files := slices.Contains(args, "-l") || slices.Contains(args, "--list")
	requires := slices.Contains(args, "--requires")
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "-") })
	for _, p := range selected(r.all, args) {
		switch {
		case files:
			for _, f := range p.Files {
				fmt.Fprintln(r.p.Stdout, f)
			}
		case requires:
			for _, q := range p.Requires {
				fmt.Fprintln(r.p.Stdout, q)
			}
		default:
			fmt.Fprintln(r.p.Stdout, p.Name+"-"+fmt.Sprint(p.Epoch)+":"+p.Version+"-"+p.Release+"."+p.Arch)
		}
	}
	return 0
}
