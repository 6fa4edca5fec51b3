package units

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
	Etc      = "/etc/systemd/system"
	runUnits = "/run/systemd/system"

	// Where systemctl set-property keeps what it sets.
	etcControl = "/etc/systemd/system.control"
	runControl = "/run/systemd/system.control"
)

// Installer changes which units are enabled and masked (systemctl(1)). Nothing
// but links is changed; what was done, and what went wrong, stands in changes.
type Installer struct {
	Proc    *host.Proc
	Loader  *Loader
	Runtime bool
	Force   bool
	Mode    string // --preset-mode=
	Dry     bool   // only say which links would be removed
	unread  bool   // what stands in unit files is of no interest
	Changes []Change
	// NoInstall: there was nothing to do for lack of an [Install] section.
	NoInstall bool
}

// installInfo is a unit as an installer sees it.
type installInfo struct {
	name   string
	path   string // of the unit file, behind links
	masked bool
	config unitfile.Install
}

// rules reports whether enabling the unit makes links.
func (i *installInfo) rules() bool {
	return len(i.config.Alias)+len(i.config.WantedBy)+len(i.config.RequiredBy) > 0
}

// configDir is where links go.
func (i *Installer) configDir() string {
	if i.Runtime {
		return runUnits
	}
	return Etc
}

// Do carries out one operation; its error is the last one among the changes.
func (i *Installer) Do(method string, units []string) error {
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
			if c, _ := ChangeOf(err); c.Kind == ErrKindName {
				return err
			}
		}
		i.Loader = NewLoader(i.Proc)
		return i.enable(units)
	case "Mask":
		return i.mask(units)
	case "Unmask":
		return i.unmask(units)
	case "Preset":
		return i.Preset(units)
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

// SetProperty keeps assignments of resource control as drop-ins of a unit, one file
// for each (systemctl set-property).
func SetProperty(p *host.Proc, name string, assignments []string, runtime bool) error {
	dir := etcControl
	if runtime {
		dir = runControl
	}
	dir = path.Join(dir, name+".d")
	if err := libc.MkdirAll(p, dir, 0o755); err != nil {
		return err
	}
	kind := unitfile.Type(name)
	for _, a := range assignments {
		key, value, _ := strings.Cut(a, "=")
		section := strings.ToUpper(kind[:1]) + kind[1:]
		if key == "Description" {
			section = "Unit"
		}
		value, _ = unitfile.PropertyValue(key, value)
		text := "# This is a drop-in unit file extension, created via \"systemctl set-property\"\n" +
			"# or an equivalent operation. Do not edit.\n[" + section + "]\n" + key + "=" + value + "\n"
		if err := libc.WriteFile(p, path.Join(dir, "50-"+key+".conf"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// bad notes a failure.
func (i *Installer) bad(kind, path, source string) error {
	c := Change{kind, path, source}
	i.Changes = append(i.Changes, c)
	return c
}

// discover finds the unit file that a name means. Links inside of the load path
// are aliases; those of the configuration are followed only where follow says so.
func (i *Installer) discover(name string, follow bool) (*installInfo, error) {
	if strings.HasPrefix(name, "/") {
		return i.discoverPath(name)
	}
	if !unitfile.ValidName(name) {
		return nil, i.bad(ErrKindName, name, "")
	}
	asked := name
	for range 64 {
		file, target, ok := i.Loader.look(name)
		if !ok {
			if _, _, instance, _ := unitfile.SplitName(name); instance {
				file, target, ok = i.Loader.look(unitfile.TemplateOf(name))
			}
		}
		switch {
		case !ok && name != asked:
			return nil, i.bad(errKindDangling, asked, "")
		case !ok:
			return nil, i.bad(ErrKindNone, asked, "")
		}
		if target == "/dev/null" || i.empty(file) {
			return &installInfo{name: name, path: file, masked: true}, nil
		}
		if target != "" {
			if !strings.HasPrefix(target, "/") {
				target = path.Join(path.Dir(file), target)
			}
			next := path.Base(target)
			if i.Loader.inPath(file, target) && next != name && next != path.Base(file) {
				if !follow && inConfig(file) {
					return nil, i.bad(ErrKindLoop, asked, "")
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
	return nil, i.bad(ErrKindLoop, asked, "")
}

// inConfig reports whether a file stands where links are made.
func inConfig(file string) bool {
	return path.Dir(file) == Etc || path.Dir(file) == runUnits
}

// inLoadPath reports whether a file stands where units are looked for.
func inLoadPath(file string) bool {
	return slices.Contains(Path, path.Dir(file)) || path.Dir(file) == "/lib/systemd/system"
}

// discoverPath is discover for the path of a unit file.
func (i *Installer) discoverPath(file string) (*installInfo, error) {
	name := path.Base(file)
	if !unitfile.ValidName(name) {
		return nil, i.bad(errKindInvalid, file, "")
	}
	if _, err := i.Proc.Sys.Stat(file); err != nil {
		return nil, i.bad(ErrKindNone, file, "")
	}
	if inLoadPath(file) {
		return i.read(name, file, file)
	}
	f := i.Loader.loadFile(name, file)
	if f.State == LoadError {
		return nil, i.bad(ErrKindContent, file, "")
	}
	return &installInfo{name: name, path: file, config: f.Config.Install}, nil
}

// read loads the [Install] section of a unit file.
func (i *Installer) read(name, file, asked string) (*installInfo, error) {
	if i.unread {
		return &installInfo{name: name, path: file}, nil
	}
	f := i.Loader.Load(name)
	if f.State == LoadError {
		return nil, i.bad(ErrKindContent, asked, "")
	}
	return &installInfo{name: name, path: file, config: f.Config.Install}, nil
}

// empty: an empty file masks, too.
func (i *Installer) empty(file string) bool {
	info, err := i.Proc.Sys.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// origin is the file behind links.
func (i *Installer) origin(file string) string {
	for range 8 {
		target, err := i.Proc.Sys.Readlink(file)
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
func (i *Installer) usable(name string) (*installInfo, error) {
	info, err := i.discover(name, true)
	if err == nil && info.masked {
		return nil, i.bad(ErrKindMasked, info.path, "")
	}
	return info, err
}

func (i *Installer) enable(units []string) error {
	for _, u := range units {
		if _, err := i.usable(u); err != nil {
			return err
		}
	}
	n, err := i.apply(units, false)
	i.NoInstall = n == 0 && err == nil
	return err
}

// apply makes the links that the [Install] sections of units and of those in
// their Also= ask for. n counts them, made now or there before.
func (i *Installer) apply(units []string, preset bool) (n int, err error) {
	done, auxiliary := map[string]bool{}, map[string]bool{}
	for todo := slices.Clone(units); len(todo) > 0; todo = todo[1:] {
		name := todo[0]
		if done[name] {
			continue
		}
		done[name] = true
		before := len(i.Changes)
		info, bad := i.discover(name, false)
		switch {
		case bad != nil && auxiliary[name]:
			i.Changes = append(i.Changes[:before], Change{ChangeAuxiliary, name, ""})
			continue
		case bad != nil:
			return n, bad
		case info.name != name && done[info.name] && !strings.HasPrefix(name, "/"):
			continue
		case info.masked:
			i.Changes = append(i.Changes, Change{ChangeMasked, info.path, ""})
			n++
			continue
		}
		done[info.name] = true
		for _, a := range info.config.Also {
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
func (i *Installer) applyOne(info *installInfo, preset bool) (n int, err error) {
	if !inLoadPath(info.path) {
		if err := i.symlink(info.path, path.Join(i.configDir(), info.name), i.Force); err != nil {
			return 0, err
		}
	}
	for _, a := range info.config.Alias {
		made, bad := i.alias(info, a)
		n += made
		if bad != nil {
			n, err = 0, bad
		}
	}
	for _, l := range []struct {
		targets []string
		suffix  string
	}{{info.config.WantedBy, ".wants"}, {info.config.RequiredBy, ".requires"}} {
		made, bad := i.wants(info, l.targets, l.suffix, preset)
		if n == 0 && err == nil {
			n, err = made, bad
		}
	}
	return n, err
}

func (i *Installer) disable(units []string) error {
	something := false
	for _, u := range units {
		if !unitfile.ValidName(u) {
			return i.bad(ErrKindName, u, "")
		}
		info, err := i.discover(u, true)
		if err != nil {
			return err
		}
		something = something || info.rules() || len(info.config.Also) > 0
	}
	before := len(i.Changes)
	i.Remove(i.Marked(units))
	i.NoInstall = !something && len(i.Changes) == before
	return nil
}

// Marked are the names whose links a disable of units removes: theirs, and
// those of the units in their Also=.
func (i *Installer) Marked(units []string) map[string]bool {
	names, seen := map[string]bool{}, map[string]bool{}
	for todo := slices.Clone(units); len(todo) > 0; todo = todo[1:] {
		name := todo[0]
		if seen[name] {
			continue
		}
		seen[name] = true
		before := len(i.Changes)
		info, err := i.discover(name, true)
		switch {
		case err != nil && !slices.Contains(units, name):
			i.Changes = i.Changes[:before]
		case err != nil:
		case info.masked:
			i.Changes = append(i.Changes, Change{ChangeMasked, info.path, ""})
		default:
			names[info.name] = true
			todo = append(todo, info.config.Also...)
		}
	}
	return names
}

// Remove removes the links of the configuration that bear one of the names or
// lead to one, and then those that lead to these.
func (i *Installer) Remove(names map[string]bool) {
	for again := len(names) > 0; again; {
		again = i.removeIn(i.configDir(), names) && !i.Dry
	}
}

func (i *Installer) removeIn(dir string, names map[string]bool) (again bool) {
	in, _ := libc.ReadDir(i.Proc, dir)
	for _, n := range in {
		link := path.Join(dir, n)
		target, err := i.Proc.Sys.Readlink(link)
		if err != nil {
			if info, err := i.Proc.Sys.Lstat(link); err == nil && info.IsDir() {
				again = i.removeIn(link, names) || again
				if rest, err := libc.ReadDir(i.Proc, link); err == nil && len(rest) == 0 {
					i.Proc.Sys.Remove(link)
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

func (i *Installer) unlink(name string) {
	if i.Dry || i.Proc.Sys.Remove(name) == nil {
		i.Changes = append(i.Changes, Change{ChangeUnlink, name, ""})
	}
}

func (i *Installer) mask(units []string) error {
	var err error
	for _, u := range units {
		bad := error(syscall.EINVAL)
		if unitfile.ValidName(u) {
			bad = i.symlink("/dev/null", path.Join(i.configDir(), u), i.Force)
		}
		if err == nil {
			err = bad
		}
	}
	return err
}

func (i *Installer) unmask(units []string) error {
	for _, u := range units {
		if !unitfile.ValidName(u) {
			return syscall.EINVAL
		}
		link := path.Join(i.configDir(), u)
		target, err := i.Proc.Sys.Readlink(link)
		if err == nil && target == "/dev/null" || err != nil && i.empty(link) {
			i.unlink(link)
		}
	}
	return nil
}

func (i *Installer) setDefault(name string) error {
	if unitfile.Type(name) != "target" || name == "default.target" || !unitfile.ValidName(name) {
		return syscall.EINVAL
	}
	info, err := i.discover(name, true)
	if err != nil {
		return err
	}
	return i.symlink(info.path, path.Join(Etc, "default.target"), true)
}

// link makes unit files from outside of the load path known.
func (i *Installer) link(files []string) error {
	var todo []string
	for _, f := range files {
		if !unitfile.ValidName(path.Base(f)) {
			return i.bad(ErrKindName, f, "")
		}
		info, err := i.Proc.Sys.Lstat(f)
		if err != nil {
			return i.bad(ErrKindNone, f, "")
		}
		if !info.Mode().IsRegular() {
			return syscall.EINVAL
		}
		if !inLoadPath(f) {
			todo = append(todo, f)
		}
	}
	for _, f := range todo {
		if err := i.symlink(f, path.Join(i.configDir(), path.Base(f)), i.Force); err != nil {
			return err
		}
	}
	return nil
}

// addDependency is add-wants and add-requires.
func (i *Installer) addDependency(target string, units []string, require bool) error {
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
		info.config = unitfile.Install{WantedBy: []string{to.name}}
		if require {
			info.config = unitfile.Install{RequiredBy: []string{to.name}}
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
func (i *Installer) revert(units []string) error {
	for _, name := range units {
		_, vendor := i.Proc.Sys.Stat(path.Join("/usr/lib/systemd/system", name))
		for _, dir := range []string{etcControl, runControl, Etc, runUnits} {
			d := path.Join(dir, name+".d")
			if in, err := libc.ReadDir(i.Proc, d); err == nil {
				for _, n := range in {
					i.unlink(path.Join(d, n))
				}
				i.unlink(d)
			}
			file := path.Join(dir, name)
			if info, err := i.Proc.Sys.Lstat(file); err == nil && !info.IsDir() && vendor == nil {
				i.unlink(file)
				i.danglers(name, file)
			}
		}
	}
	return nil
}

// danglers removes the links to a file that is gone.
func (i *Installer) danglers(name, file string) {
	dirs, _ := libc.ReadDir(i.Proc, Etc)
	for _, d := range dirs {
		link := path.Join(Etc, d, name)
		if target, err := i.Proc.Sys.Readlink(link); err == nil && target == file {
			i.unlink(link)
		}
	}
}
