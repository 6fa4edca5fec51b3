package systemd

import (
	"errors"
	"path"
	"slices"
	"sort"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// change is what an operation on unit files did.
type change struct {
	Kind string // "symlink", "unlink", "note"
	Path string
	To   string
}

// installer changes which units are enabled and masked (systemctl(1)).
type installer struct {
	p         *host.Proc
	l         *loader
	runtime   bool
	force     bool
	changes   []change
	noInstall bool
}

// dir is where links go.
func (i *installer) dir() string {
	if i.runtime {
		return "/run/systemd/system"
	}
	return "/etc/systemd/system"
}

func (i *installer) do(method string, units []string) error {
	switch method {
	case "Enable":
		return i.enable(units)
	case "Disable":
		return i.disable(units, true)
	case "Reenable":
		for _, u := range units {
			if _, err := i.unitFile(u); err != nil {
				return err
			}
		}
		if err := i.disable(units, true); err != nil {
			return err
		}
		i.noInstall = false
		return i.enable(units)
	case "Mask":
		return i.mask(units)
	case "Unmask":
		return i.unmask(units)
	case "Preset":
		for _, u := range units {
			if _, err := i.unitFile(u); err != nil {
				return err
			}
			var err error
			if presetOf(i.p, u) {
				err = i.enable([]string{u})
			} else {
				err = i.disable([]string{u}, true)
			}
			i.noInstall = false
			if err != nil {
				return err
			}
		}
		return nil
	case "SetDefault":
		f, err := i.unitFile(units[0])
		if err != nil {
			return err
		}
		link := path.Join("/etc/systemd/system", "default.target")
		if old, err := i.p.Sys.Readlink(link); err == nil {
			if old == f.path {
				return nil
			}
			i.unlink(link)
		}
		return i.symlink(f.path, link)
	case "Revert":
		return i.revert(units)
	}
	return syscall.EINVAL
}

// unitFile finds the file of a unit that may be enabled.
func (i *installer) unitFile(name string) (*fragment, error) {
	real, file, masked := i.l.find(name)
	_, _, instance, _ := splitName(name)
	switch {
	case masked && file != "":
		return nil, &errUnit{errMasked, "Unit file " + file + " is masked."}
	case file == "":
		if instance && i.l.found(templateOf(name)) {
			break
		}
		return nil, &errUnit{errNoSuchUnit, "Unit file " + name + " does not exist."}
	}
	f := i.l.load(real)
	if f.state == loadError {
		return nil, &errUnit{errLoadFailed, "File " + name + ": Bad message"}
	}
	f.path = i.origin(f.path)
	return f, nil
}

// origin is the unit file behind links, in the load path.
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

func (i *installer) enable(units []string) error {
	todo := slices.Clone(units)
	seen := map[string]bool{}
	something := false
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		f, err := i.unitFile(name)
		if err != nil {
			return err
		}
		in := f.config.install
		something = something || in.present
		todo = append(todo, in.also...)
		target := name
		if _, _, _, template := splitName(f.name); template && in.defaultInstance != "" {
			prefix, _, _, _ := splitName(f.name)
			target = prefix + "@" + in.defaultInstance + "." + unitType(f.name)
		}
		if f.name != name {
			target = f.name
		}
		for _, a := range in.alias {
			if a == f.name {
				continue
			}
			if err := i.symlink(f.path, path.Join(i.dir(), a)); err != nil {
				return err
			}
		}
		for _, w := range in.wantedBy {
			if err := i.symlink(f.path, path.Join(i.dir(), w+".wants", target)); err != nil {
				return err
			}
		}
		for _, w := range in.requiredBy {
			if err := i.symlink(f.path, path.Join(i.dir(), w+".requires", target)); err != nil {
				return err
			}
		}
	}
	i.noInstall = !something
	return nil
}

// symlink makes a link; one that leads elsewhere is replaced.
func (i *installer) symlink(target, name string) error {
	old, err := i.p.Sys.Readlink(name)
	switch {
	case err == nil && i.origin(name) == target:
		return nil
	case err == nil && (path.Base(old) == path.Base(target) || i.force || strings.Contains(name, ".wants/")):
		i.unlink(name)
	case err == nil, libc.Exists(i.p, name):
		return &errUnit{errFileExists, "File " + name + " already exists" + existsTail(old)}
	}
	if err := libc.MkdirAll(i.p, path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := i.p.Sys.Symlink(target, name); err != nil {
		return err
	}
	i.changes = append(i.changes, change{"symlink", name, target})
	return nil
}

func existsTail(old string) string {
	if old == "" {
		return "."
	}
	return " and is a symlink to " + old + "."
}

func (i *installer) unlink(name string) {
	if i.p.Sys.Remove(name) == nil {
		i.changes = append(i.changes, change{"unlink", name, ""})
	}
}

// disable removes every link to a unit, whatever its [Install] section says now.
func (i *installer) disable(units []string, must bool) error {
	names := map[string]bool{}
	todo := slices.Clone(units)
	something := false
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if names[name] {
			continue
		}
		f, err := i.unitFile(name)
		var e *errUnit
		switch {
		case errors.As(err, &e) && e.name == errMasked:
			f = i.l.load(name)
		case err != nil && must:
			return err
		case err != nil:
			continue
		}
		names[name] = true
		names[f.name] = true
		something = something || f.config.install.present
		todo = append(todo, f.config.install.also...)
	}
	for _, dir := range []string{"/etc/systemd/system", "/run/systemd/system"} {
		if i.runtime && dir != "/run/systemd/system" {
			continue
		}
		i.removeLinks(dir, names)
	}
	i.noInstall = !something && len(i.changes) == 0
	return nil
}

// removeLinks removes the links in dir and its .wants and .requires that bear
// one of the names or lead to one.
func (i *installer) removeLinks(dir string, names map[string]bool) {
	in, _ := libc.ReadDir(i.p, dir)
	for _, n := range in {
		if !strings.HasSuffix(n, ".wants") && !strings.HasSuffix(n, ".requires") {
			continue
		}
		links, _ := libc.ReadDir(i.p, path.Join(dir, n))
		for _, l := range links {
			link := path.Join(dir, n, l)
			if target, err := i.p.Sys.Readlink(link); err == nil && (names[l] || i.meant(names, l) || names[path.Base(target)]) {
				i.unlink(link)
			}
		}
		i.p.Sys.Remove(path.Join(dir, n)) // only when it is empty
	}
	for _, n := range in {
		link := path.Join(dir, n)
		target, err := i.p.Sys.Readlink(link)
		if err == nil && target != "/dev/null" && n != "default.target" && names[path.Base(target)] {
			i.unlink(link)
		}
	}
}

// meant: a template's name stands for its instances.
func (i *installer) meant(names map[string]bool, link string) bool {
	_, _, instance, _ := splitName(link)
	return instance && names[templateOf(link)]
}

func (i *installer) mask(units []string) error {
	for _, name := range units {
		link := path.Join(i.dir(), name)
		if target, err := i.p.Sys.Readlink(link); err == nil && target == "/dev/null" {
			continue
		}
		if !i.l.found(name) {
			i.changes = append(i.changes, change{"note", "Unit " + name + " does not exist, proceeding anyway.", ""})
		}
		if _, err := i.p.Sys.Readlink(link); err == nil && i.force {
			i.unlink(link)
		}
		if _, err := i.p.Sys.Lstat(link); err == nil {
			return &errUnit{errFileExists, "File " + link + " already exists."}
		}
		if err := i.p.Sys.Symlink("/dev/null", link); err != nil {
			return err
		}
		i.changes = append(i.changes, change{"symlink", link, "/dev/null"})
	}
	return nil
}

func (i *installer) unmask(units []string) error {
	for _, name := range units {
		for _, dir := range []string{"/etc/systemd/system", "/run/systemd/system"} {
			link := path.Join(dir, name)
			if target, err := i.p.Sys.Readlink(link); err == nil && target == "/dev/null" {
				i.unlink(link)
			}
		}
	}
	return nil
}

// revert removes what /etc and /run add to a unit of the vendor.
func (i *installer) revert(units []string) error {
	for _, name := range units {
		_, vendor := i.p.Sys.Stat(path.Join("/usr/lib/systemd/system", name))
		for _, dir := range []string{"/etc/systemd/system", "/run/systemd/system"} {
			d := path.Join(dir, name+".d")
			if in, err := libc.ReadDir(i.p, d); err == nil {
				for _, n := range in {
					i.unlink(path.Join(d, n))
				}
				i.unlink(d)
			}
			file := path.Join(dir, name)
			if _, err := i.p.Sys.Lstat(file); err == nil && vendor == nil {
				i.unlink(file)
				i.danglers(name, file)
			}
		}
	}
	return nil
}

// danglers removes the links to a file that is gone.
func (i *installer) danglers(name, file string) {
	dirs, _ := libc.ReadDir(i.p, "/etc/systemd/system")
	for _, d := range dirs {
		link := path.Join("/etc/systemd/system", d, name)
		if target, err := i.p.Sys.Readlink(link); err == nil && target == file {
			i.unlink(link)
		}
	}
}

// fileState is what is-enabled says of a unit; "" when there is no such unit.
func fileState(p *host.Proc, l *loader, name string) string {
	real, file, masked := l.find(name)
	if file == "" {
		return ""
	}
	if masked {
		if strings.HasPrefix(file, "/run/") {
			return "masked-runtime"
		}
		return "masked"
	}
	if real != name {
		_, instance, is, _ := splitName(name)
		_, other, _, _ := splitName(real)
		if !is || instance == other {
			return "alias"
		}
	}
	f := l.load(real)
	if f.state == loadError {
		return "bad"
	}
	for _, dir := range []string{"/etc/systemd/system", "/run/systemd/system"} {
		on, alias := linked(p, l, dir, real)
		suffix := ""
		if strings.HasPrefix(dir, "/run/") {
			suffix = "-runtime"
		}
		switch {
		case on:
			return "enabled" + suffix
		case alias && f.config.install.present:
			return "enabled" + suffix
		case alias:
			return "indirect"
		}
	}
	_, _, _, template := splitName(real)
	in := f.config.install
	switch {
	case len(in.alias)+len(in.wantedBy)+len(in.requiredBy) > 0:
		if template && len(in.alias) == 0 && in.defaultInstance == "" {
			return "disabled"
		}
		return "disabled"
	case len(in.also) > 0:
		return "indirect"
	case path.Base(originOf(p, file)) != real && strings.HasPrefix(file, "/etc/"):
		return "linked"
	}
	return "static"
}

// linked reports whether a .wants or .requires directory of dir has the unit,
// and whether an alias there leads to it.
func linked(p *host.Proc, l *loader, dir, name string) (on, alias bool) {
	l.has(dir, "")
	_, _, instance, template := splitName(name)
	for n := range l.index[dir] {
		if strings.HasSuffix(n, ".wants") || strings.HasSuffix(n, ".requires") {
			sub := path.Join(dir, n)
			if l.has(sub, name) || instance && l.has(sub, templateOf(name)) {
				return true, alias
			}
			if template {
				prefix, _, _, _ := splitName(name)
				for m := range l.index[sub] {
					if q, _, is, _ := splitName(m); is && q == prefix && unitType(m) == unitType(name) {
						return true, alias
					}
				}
			}
			continue
		}
		if n != name && unitType(n) == unitType(name) {
			if target, err := p.Sys.Readlink(path.Join(dir, n)); err == nil && path.Base(target) == name {
				alias = true
			}
		}
	}
	return false, alias
}

// originOf follows links to their end.
func originOf(p *host.Proc, file string) string {
	in := installer{p: p}
	return in.origin(file)
}

// unitFiles lists the names of all unit files.
func unitFiles(p *host.Proc, l *loader) []string {
	seen := map[string]bool{}
	var names []string
	for _, dir := range unitDirs {
		l.has(dir, "")
		for n := range l.index[dir] {
			if !seen[n] && unitType(n) != "" {
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
		a, b := unitType(names[i]), unitType(names[j])
		if a != b {
			return a < b
		}
		return strings.ToLower(names[i]) < strings.ToLower(names[j])
	})
}

// presetDirs hold the files that say which units are to be enabled
// (systemd.preset(5)).
var presetDirs = []string{"/etc/systemd/system-preset", "/run/systemd/system-preset", "/usr/lib/systemd/system-preset"}

// presetRule is a line of a preset file.
type presetRule struct {
	pattern string
	enable  bool
}

func presetRules(p *host.Proc) []presetRule {
	found := map[string]string{}
	for _, dir := range presetDirs {
		names, _ := libc.ReadDir(p, dir)
		for _, n := range names {
			if strings.HasSuffix(n, ".preset") && found[n] == "" {
				found[n] = path.Join(dir, n)
			}
		}
	}
	names := make([]string, 0, len(found))
	for n := range found {
		names = append(names, n)
	}
	sort.Strings(names)
	var rules []presetRule
	for _, n := range names {
		data, _ := libc.ReadFile(p, found[n])
		for _, line := range libc.Lines(data) {
			f := strings.Fields(line)
			if len(f) >= 2 && (f[0] == "enable" || f[0] == "disable") {
				rules = append(rules, presetRule{f[1], f[0] == "enable"})
			}
		}
	}
	return rules
}

func presetOf(p *host.Proc, name string) bool { return presetIn(presetRules(p), name) }

func presetIn(rules []presetRule, name string) bool {
	for _, r := range rules {
		if ok, _ := path.Match(r.pattern, name); ok {
			return r.enable
		}
	}
	return true
}

// presetWord is the preset that status and list-unit-files show.
func presetWord(rules []presetRule, name, state string) string {
	switch state {
	case "alias", "static", "generated", "transient", "bad", "":
		return ""
	}
	if presetIn(rules, name) {
		return "enabled"
	}
	return "disabled"
}

// applyPresets enables units as the presets say when /etc was never populated
// (first boot): it holds no link at all.
func (m *manager) applyPresets() {
	names, _ := libc.ReadDir(m.p, "/etc/systemd/system")
	for _, n := range names {
		if strings.HasSuffix(n, ".wants") {
			return
		}
	}
	rules := presetRules(m.p)
	op := installer{p: m.p, l: m.loader}
	for _, n := range unitFiles(m.p, m.loader) {
		if presetIn(rules, n) && fileState(m.p, m.loader, n) == "disabled" {
			op.enable([]string{n})
		}
	}
	if len(op.changes) > 0 {
		m.loader = newLoader(m.p)
		m.log(6, "Populated /etc with preset unit settings.")
	}
}
