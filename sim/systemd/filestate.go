package systemd

import (
	"path"
	"slices"
	"sort"
	"strings"

	"enshu/sim/host"
	"enshu/sim/systemd/unitfile"
)

// fileState is what is-enabled says of a unit; "" when there is no such unit.
func fileState(p *host.Proc, l *loader, name string) string {
	in := installer{p: p, l: l}
	info, err := in.discover(name, true)
	if c, ok := changeOf(err); ok && c.Kind == errKindContent {
		return "bad"
	}
	if err != nil {
		return ""
	}
	if info.masked {
		if strings.HasPrefix(info.path, "/run/") {
			return "masked-runtime"
		}
		return "masked"
	}
	if _, _, instance, _ := unitfile.SplitName(info.name); name != path.Base(info.path) && !instance {
		return "alias"
	}
	if state := in.linkState(info, true); state != "" {
		return state
	}
	switch {
	case in.linkState(info, false) != "":
		return "indirect"
	case info.rules():
		return "disabled"
	case len(info.config.also) > 0:
		return "indirect"
	}
	return "static"
}

// linkState is what the links to a unit make of it, "" where they make nothing.
// With known, only those count that the [Install] section asks for.
func (i *installer) linkState(info *installInfo, known bool) string {
	var runtime, elsewhere, linkedEtc, linkedRun, below bool
	for _, dir := range unitDirs {
		found, same := i.linksIn(dir, info, known, below)
		switch {
		case found && dir == etcUnits:
			return "enabled"
		case found && dir == runUnits:
			runtime = true
		case found:
			elsewhere = true
		case same && dir == etcUnits:
			linkedEtc = true
		case same && dir == runUnits:
			linkedRun = true
		}
		// Below the unit file itself a link of its name does not count.
		below = below || path.Dir(info.path) == dir
	}
	_, _, instance, _ := unitfile.SplitName(info.name)
	switch {
	case runtime:
		return "enabled-runtime"
	case elsewhere && instance:
		return "static"
	case linkedEtc:
		return "linked"
	case linkedRun:
		return "linked-runtime"
	}
	return ""
}

// linksIn looks for links to a unit in a directory of the load path. same
// means that one of its own name stands there.
func (i *installer) linksIn(dir string, info *installInfo, known, below bool) (found, same bool) {
	i.l.has(dir, "")
	for n := range i.l.index[dir] {
		if strings.HasSuffix(n, ".wants") || strings.HasSuffix(n, ".requires") {
			sub := path.Join(dir, n)
			i.l.has(sub, "")
			for m := range i.l.index[sub] {
				if i.stands(info, m, known) {
					return true, same
				}
				if target, err := i.p.Sys.Readlink(path.Join(sub, m)); !known && err == nil && path.Base(target) == info.name {
					return true, same
				}
			}
			continue
		}
		if unitfile.Type(n) != unitfile.Type(info.name) {
			continue
		}
		target, err := i.p.Sys.Readlink(path.Join(dir, n))
		switch {
		case err != nil:
		case n == info.name:
			same = same || !below && path.Base(target) == n
		case path.Base(target) != info.name:
		case !known, i.stands(info, n, known):
			return true, same
		}
	}
	return false, same
}

// stands reports whether a link's name is one that enabling the unit makes.
func (i *installer) stands(info *installInfo, name string, known bool) bool {
	if name == info.name || slices.Contains(info.config.alias, name) {
		return true
	}
	prefix, _, _, template := unitfile.SplitName(info.name)
	return template && info.config.defaultInstance != "" && name == prefix+"@"+info.config.defaultInstance+"."+unitfile.Type(name)
}

// unitFiles lists the names of all unit files.
func unitFiles(p *host.Proc, l *loader) []string {
	seen := map[string]bool{}
	var names []string
	for _, dir := range unitDirs {
		l.has(dir, "")
		for n := range l.index[dir] {
			if !seen[n] && unitfile.Type(n) != "" {
				if info, err := p.Sys.Lstat(path.Join(dir, n)); err == nil && !info.IsDir() {
					seen[n] = true
					names = append(names, n)
				}
			}
		}
	}
	sortUnits(names)
	return names
}

// sortUnits sorts by type, then by name.
func sortUnits(names []string) {
	sort.Slice(names, func(i, j int) bool {
		a, b := unitfile.Type(names[i]), unitfile.Type(names[j])
		if a != b {
			return a < b
		}
		return strings.ToLower(names[i]) < strings.ToLower(names[j])
	})
}
