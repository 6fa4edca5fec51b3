package systemd

import (
	"path"
	"slices"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/unitfile"
)

const (
	etcUnits = "/etc/systemd/system"
	runUnits = "/run/systemd/system"
)

// installer changes which units are enabled and masked (systemctl(1)). Nothing
// but links is changed; what was done, and what went wrong, stands in changes.
type installer struct {
	p       *host.Proc
	l       *loader
	runtime bool
	force   bool
	mode    string // --preset-mode=
	dry     bool   // only say which links would be removed
	unread  bool   // what stands in unit files is of no interest
	changes []change
	// noInstall: there was nothing to do for lack of an [Install] section.
	noInstall bool
}

// installInfo is a unit as an installer sees it.
type installInfo struct {
	name   string
	path   string // of the unit file, behind links
	masked bool
	config installConfig
}

// rules reports whether enabling the unit makes links.
func (i *installInfo) rules() bool {
	return len(i.config.alias)+len(i.config.wantedBy)+len(i.config.requiredBy) > 0
}

// configDir is where links go.
func (i *installer) configDir() string {
	if i.runtime {
		return runUnits
	}
	return etcUnits
}

// do carries out one operation; its error is the last one among the changes.
func (i *installer) do(method string, units []string) error {
	switch method {
	case "Enable":
		return i.enable(units)
	case "Disable":
		return i.disable(units)
	case "Reenable":
		names := slices.Clone(units)
		for n, u := range names {
			names[n] = path.Base(u)
		}
		if err := i.disable(names); err != nil {
			if c, _ := changeOf(err); c.Kind == errKindName {
				return err
			}
		}
		i.l = newLoader(i.p)
		return i.enable(units)
	case "Mask":
		return i.mask(units)
	case "Unmask":
		return i.unmask(units)
	case "Preset":
		return i.preset(units)
	case "PresetAll":
		return i.presetAll()
	case "SetDefault":
		return i.setDefault(units[0])
	case "Revert":
		return i.revert(units)
	case "Link":
		return i.link(units)
	case "AddWants", "AddRequires":
		return i.addDependency(units[0], units[1:], method == "AddRequires")
	}
	return syscall.EINVAL
}

// bad notes a failure.
func (i *installer) bad(kind, path, source string) error {
	c := change{kind, path, source}
	i.changes = append(i.changes, c)
	return c
}

// discover finds the unit file that a name means. Links inside of the load path
// are aliases; those of the configuration are followed only where follow says so.
func (i *installer) discover(name string, follow bool) (*installInfo, error) {
	if strings.HasPrefix(name, "/") {
		return i.discoverPath(name)
	}
	if !unitfile.ValidName(name) {
		return nil, i.bad(errKindName, name, "")
	}
	asked := name
	for range 64 {
		file, target, ok := i.l.look(name)
		if !ok {
			if _, _, instance, _ := unitfile.SplitName(name); instance {
				file, target, ok = i.l.look(unitfile.TemplateOf(name))
			}
		}
		switch {
		case !ok && name != asked:
			return nil, i.bad(errKindDangling, asked, "")
		case !ok:
			return nil, i.bad(errKindNone, asked, "")
		}
		if target == "/dev/null" || i.empty(file) {
			return &installInfo{name: name, path: file, masked: true}, nil
		}
		if target != "" {
			if !strings.HasPrefix(target, "/") {
				target = path.Join(path.Dir(file), target)
			}
			next := path.Base(target)
			if i.l.inPath(file, target) && next != name && next != path.Base(file) {
				if !follow && inConfig(file) {
					return nil, i.bad(errKindLoop, asked, "")
				}
				if prefix, _, _, template := unitfile.SplitName(next); template {
					if _, instance, is, _ := unitfile.SplitName(name); is {
						next = prefix + "@" + instance + "." + unitfile.Type(next)
					}
				}
				if next != name {
					name = next
					continue
				}
			}
			file = i.origin(target)
		}
		return i.read(name, file, asked)
	}
	return nil, i.bad(errKindLoop, asked, "")
}

// inConfig reports whether a file stands where links are made.
func inConfig(file string) bool {
	return path.Dir(file) == etcUnits || path.Dir(file) == runUnits
}

// inLoadPath reports whether a file stands where units are looked for.
func inLoadPath(file string) bool {
	return slices.Contains(unitDirs, path.Dir(file)) || path.Dir(file) == "/lib/systemd/system"
}

// discoverPath is discover for the path of a unit file.
func (i *installer) discoverPath(file string) (*installInfo, error) {
	name := path.Base(file)
	if !unitfile.ValidName(name) {
		return nil, i.bad(errKindInvalid, file, "")
	}
	if _, err := i.p.Sys.Stat(file); err != nil {
		return nil, i.bad(errKindNone, file, "")
	}
	if inLoadPath(file) {
		return i.read(name, file, file)
	}
	f := i.l.loadFile(name, file)
	if f.state == loadError {
		return nil, i.bad(errKindContent, file, "")
	}
	return &installInfo{name: name, path: file, config: f.config.install}, nil
}

// read loads the [Install] section of a unit file.
func (i *installer) read(name, file, asked string) (*installInfo, error) {
	if i.unread {
		return &installInfo{name: name, path: file}, nil
	}
	f := i.l.load(name)
	if f.state == loadError {
		return nil, i.bad(errKindContent, asked, "")
	}
	return &installInfo{name: name, path: file, config: f.config.install}, nil
}

// empty: an empty file masks, too.
func (i *installer) empty(file string) bool {
	info, err := i.p.Sys.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// origin is the file behind links.
func (i *installer) origin(file string) string {
	for range 8 {
		target, err := i.p.Sys.Readlink(file)
		if err != nil {
			return file
		}
		if !strings.HasPrefix(target, "/") {
			target = path.Join(path.Dir(file), target)
		}
		file = target
	}
	return file
}

// usable is discover for a unit that must not be masked.
func (i *installer) usable(name string) (*installInfo, error) {
	info, err := i.discover(name, true)
	if err == nil && info.masked {
		return nil, i.bad(errKindMasked, info.path, "")
	}
	return info, err
}

func (i *installer) enable(units []string) error {
	for _, u := range units {
		if _, err := i.usable(u); err != nil {
			return err
		}
	}
	n, err := i.apply(units, false)
	i.noInstall = n == 0 && err == nil
	return err
}

// apply makes the links that the [Install] sections of units and of those in
// their Also= ask for. n counts them, made now or there before.
func (i *installer) apply(units []string, preset bool) (n int, err error) {
	done, auxiliary := map[string]bool{}, map[string]bool{}
	for todo := slices.Clone(units); len(todo) > 0; todo = todo[1:] {
		name := todo[0]
		if done[name] {
			continue
		}
		done[name] = true
		before := len(i.changes)
		info, bad := i.discover(name, false)
		switch {
		case bad != nil && auxiliary[name]:
			i.changes = append(i.changes[:before], change{changeAuxiliary, name, ""})
			continue
		case bad != nil:
			return n, bad
		case info.name != name && done[info.name] && !strings.HasPrefix(name, "/"):
			continue
		case info.masked:
			i.changes = append(i.changes, change{changeMasked, info.path, ""})
			n++
			continue
		}
		done[info.name] = true
		for _, a := range info.config.also {
			todo = append(todo, a)
			auxiliary[a] = true
		}
		made, bad := i.applyOne(info, preset)
		n += made
		if err == nil {
			err = bad
		}
	}
	return n, err
}

// applyOne makes the links of one unit. A failure counts when nothing succeeded.
func (i *installer) applyOne(info *installInfo, preset bool) (n int, err error) {
	if !inLoadPath(info.path) {
		if err := i.symlink(info.path, path.Join(i.configDir(), info.name), i.force); err != nil {
			return 0, err
		}
	}
	for _, a := range info.config.alias {
		made, bad := i.alias(info, a)
		n += made
		if bad != nil {
			n, err = 0, bad
		}
	}
	for _, l := range []struct {
		targets []string
		suffix  string
	}{{info.config.wantedBy, ".wants"}, {info.config.requiredBy, ".requires"}} {
		made, bad := i.wants(info, l.targets, l.suffix, preset)
		if n == 0 && err == nil {
			n, err = made, bad
		}
	}
	return n, err
}

func (i *installer) disable(units []string) error {
	something := false
	for _, u := range units {
		if !unitfile.ValidName(u) {
			return i.bad(errKindName, u, "")
		}
		info, err := i.discover(u, true)
		if err != nil {
			return err
		}
		something = something || info.rules() || len(info.config.also) > 0
	}
	before := len(i.changes)
	i.remove(i.marked(units))
	i.noInstall = !something && len(i.changes) == before
	return nil
}

// marked are the names whose links a disable of units removes: theirs, and
// those of the units in their Also=.
func (i *installer) marked(units []string) map[string]bool {
	names, seen := map[string]bool{}, map[string]bool{}
	for todo := slices.Clone(units); len(todo) > 0; todo = todo[1:] {
		name := todo[0]
		if seen[name] {
			continue
		}
		seen[name] = true
		before := len(i.changes)
		info, err := i.discover(name, true)
		switch {
		case err != nil && !slices.Contains(units, name):
			i.changes = i.changes[:before]
		case err != nil:
		case info.masked:
			i.changes = append(i.changes, change{changeMasked, info.path, ""})
		default:
			names[info.name] = true
			todo = append(todo, info.config.also...)
		}
	}
	return names
}

// remove removes the links of the configuration that bear one of the names or
// lead to one, and then those that lead to these.
func (i *installer) remove(names map[string]bool) {
	for again := len(names) > 0; again; {
		again = i.removeIn(i.configDir(), names) && !i.dry
	}
}

func (i *installer) removeIn(dir string, names map[string]bool) (again bool) {
	in, _ := libc.ReadDir(i.p, dir)
	for _, n := range in {
		link := path.Join(dir, n)
		target, err := i.p.Sys.Readlink(link)
		if err != nil {
			if info, err := i.p.Sys.Lstat(link); err == nil && info.IsDir() {
				again = i.removeIn(link, names) || again
				if rest, err := libc.ReadDir(i.p, link); err == nil && len(rest) == 0 {
					i.p.Sys.Remove(link)
				}
			}
			continue
		}
		_, _, instance, _ := unitfile.SplitName(n)
		if !unitfile.ValidName(n) || !names[n] && !(instance && names[unitfile.TemplateOf(n)]) && !names[path.Base(i.origin(link))] && !names[path.Base(target)] {
			continue
		}
		i.unlink(link)
		if !names[n] {
			names[n] = true
			again = true
		}
	}
	return again
}

func (i *installer) unlink(name string) {
	if i.dry || i.p.Sys.Remove(name) == nil {
		i.changes = append(i.changes, change{changeUnlink, name, ""})
	}
}

func (i *installer) mask(units []string) error {
	var err error
	for _, u := range units {
		bad := error(syscall.EINVAL)
		if unitfile.ValidName(u) {
			bad = i.symlink("/dev/null", path.Join(i.configDir(), u), i.force)
		}
		if err == nil {
			err = bad
		}
	}
	return err
}

func (i *installer) unmask(units []string) error {
	for _, u := range units {
		if !unitfile.ValidName(u) {
			return syscall.EINVAL
		}
		link := path.Join(i.configDir(), u)
		target, err := i.p.Sys.Readlink(link)
		if err == nil && target == "/dev/null" || err != nil && i.empty(link) {
			i.unlink(link)
		}
	}
	return nil
}

func (i *installer) setDefault(name string) error {
	if unitfile.Type(name) != "target" || name == "default.target" || !unitfile.ValidName(name) {
		return syscall.EINVAL
	}
	info, err := i.discover(name, true)
	if err != nil {
		return err
	}
	return i.symlink(info.path, path.Join(etcUnits, "default.target"), true)
}

// link makes unit files from outside of the load path known.
func (i *installer) link(files []string) error {
	var todo []string
	for _, f := range files {
		if !unitfile.ValidName(path.Base(f)) {
			return i.bad(errKindName, f, "")
		}
		info, err := i.p.Sys.Lstat(f)
		if err != nil {
			return i.bad(errKindNone, f, "")
		}
		if !info.Mode().IsRegular() {
			return syscall.EINVAL
		}
		if !inLoadPath(f) {
			todo = append(todo, f)
		}
	}
	for _, f := range todo {
		if err := i.symlink(f, path.Join(i.configDir(), path.Base(f)), i.force); err != nil {
			return err
		}
	}
	return nil
}

// addDependency is add-wants and add-requires.
func (i *installer) addDependency(target string, units []string, require bool) error {
	i.unread = true
	to, err := i.usable(target)
	if err != nil {
		return err
	}
	var infos []*installInfo
	for _, u := range units {
		info, err := i.usable(u)
		if err != nil {
			return err
		}
		info.config = installConfig{wantedBy: []string{to.name}}
		if require {
			info.config = installConfig{requiredBy: []string{to.name}}
		}
		infos = append(infos, info)
	}
	for _, info := range infos {
		if _, bad := i.applyOne(info, false); bad != nil {
			err = bad
		}
	}
	return err
}

// revert removes what /etc and /run add to a unit of the vendor.
func (i *installer) revert(units []string) error {
	for _, name := range units {
		_, vendor := i.p.Sys.Stat(path.Join("/usr/lib/systemd/system", name))
		for _, dir := range []string{etcUnits, runUnits} {
			d := path.Join(dir, name+".d")
			if in, err := libc.ReadDir(i.p, d); err == nil {
				for _, n := range in {
					i.unlink(path.Join(d, n))
				}
				i.unlink(d)
			}
			file := path.Join(dir, name)
			if info, err := i.p.Sys.Lstat(file); err == nil && !info.IsDir() && vendor == nil {
				i.unlink(file)
				i.danglers(name, file)
			}
		}
	}
	return nil
}

// danglers removes the links to a file that is gone.
func (i *installer) danglers(name, file string) {
	dirs, _ := libc.ReadDir(i.p, etcUnits)
	for _, d := range dirs {
		link := path.Join(etcUnits, d, name)
		if target, err := i.p.Sys.Readlink(link); err == nil && target == file {
			i.unlink(link)
		}
	}
}
