package units

import (
	"path"
	"slices"
	"sort"
	"strings"

	"enshu/sim/host"
	"enshu/sim/systemd/unitfile"
)

// FileState is what is-enabled says of a unit; "" when there is no such unit.
func FileState(p *host.Proc, l *Loader, name string) string {
	in := Installer{Proc: p, Loader: l}
	info, err := in.discover(name, true)
	if c, ok := ChangeOf(err); ok && c.Kind == ErrKindContent {
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
	case len(info.config.Also) > 0:
		return "indirect"
	}
	return "static"
}

// linkState is what the links to a unit make of it, "" where they make nothing.
// With known, only those count that the [Install] section asks for.
func (i *Installer) linkState(info *installInfo, known bool) string {
	var runtime, elsewhere, linkedEtc, linkedRun, below bool
	for _, dir := range Path {
		found, same := i.linksIn(dir, info, known, below)
		switch {
		case found && dir == Etc:
			return "enabled"
		case found && dir == runUnits:
			runtime = true
		case found:
			elsewhere = true
		case same && dir == Etc:
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
func (i *Installer) linksIn(dir string, info *installInfo, known, below bool) (found, same bool) {
	i.Loader.has(dir, "")
	for n := range i.Loader.index[dir] {
		if strings.HasSuffix(n, ".wants") || strings.HasSuffix(n, ".requires") {
			sub := path.Join(dir, n)
			i.Loader.has(sub, "")
			for m := range i.Loader.index[sub] {
				if i.stands(info, m, known) {
					return true, same
				}
				if target, err := i.Proc.Sys.Readlink(path.Join(sub, m)); !known && err == nil && path.Base(target) == info.name {
					return true, same
				}
			}
			continue
		}
		if unitfile.Type(n) != unitfile.Type(info.name) {
			continue
		}
		target, err := i.Proc.Sys.Readlink(path.Join(dir, n))
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
func (i *Installer) stands(info *installInfo, name string, known bool) bool {
	if name == info.name || slices.Contains(info.config.Alias, name) {
		return true
	}
	prefix, _, _, template := unitfile.SplitName(info.name)
	return template && info.config.DefaultInstance != "" && name == prefix+"@"+info.config.DefaultInstance+"."+unitfile.Type(name)
}

// Names lists the names of all unit files.
func Names(p *host.Proc, l *Loader) []string {
	seen := map[string]bool{}
	var names []string
	for _, dir := range Path {
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
	Sort(names)
	return names
}

// Sort sorts by type, then by name.
func Sort(names []string) {
	sort.Slice(names, func(i, j int) bool {
		a, b := unitfile.Type(names[i]), unitfile.Type(names[j])
		if a != b {
			return a < b
		}
		return strings.ToLower(names[i]) < strings.ToLower(names[j])
	})
}
