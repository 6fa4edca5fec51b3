package systemd

import (
	"errors"
	"path"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
)

// unitDirs are the load path, what comes first wins.
var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"}

// Load states of a unit.
const (
	loadOK       = "loaded"
	loadNotFound = "not-found"
	loadBad      = "bad-setting"
	loadError    = "error"
	loadMasked   = "masked"
)

// fragment is what the disk has for a unit.
type fragment struct {
	name     string // the unit's own name, aliases resolved
	aliases  []string
	path     string // of its unit file, "" when none
	dropIns  []string
	stamps   map[string]time.Time // of the files it was read from
	state    string
	reason   string
	config   *config
	problems []unitfile.Problem
}

// loader reads units from disk, as the disk is when the first is looked up.
type loader struct {
	p *host.Proc
	// index has the names in the directories of the load path, so that most
	// questions need no call of the kernel.
	index map[string]map[string]bool
	// read are the units that were read, told what is to be said of their
	// [Install] sections.
	seen map[string]*fragment
	told []string

	names hostNames
}

func newLoader(p *host.Proc) *loader {
	return &loader{p: p, index: map[string]map[string]bool{}, seen: map[string]*fragment{}, names: hostNames{
		hostname:  func() string { return machine.Hostname(p) },
		machineID: func() string { return machine.ID(p) },
		bootID:    func() string { return machine.BootID(p).String() },
	}}
}

// has reports whether a directory of the load path has a name.
func (l *loader) has(dir, name string) bool {
	in, ok := l.index[dir]
	if !ok {
		in = map[string]bool{}
		names, _ := libc.ReadDir(l.p, dir)
		for _, n := range names {
			in[n] = true
		}
		l.index[dir] = in
	}
	return in[name]
}

// find looks a unit's file up along the load path. Links inside of it make the
// name an alias. masked is a link to /dev/null or an empty file.
func (l *loader) find(name string) (real, file string, masked bool) {
	seen := map[string]bool{}
	for !seen[name] {
		seen[name] = true
		file, target, ok := l.look(name)
		if !ok {
			_, _, instance, _ := unitfile.SplitName(name)
			if !instance {
				return name, "", false
			}
			file, target, ok = l.look(unitfile.TemplateOf(name))
			if !ok {
				return name, "", false
			}
		}
		if target == "/dev/null" {
			return name, file, true
		}
		if target != "" && unitfile.Type(path.Base(target)) != "" && l.inPath(file, target) {
			next := path.Base(target)
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
		if info, err := l.p.Sys.Stat(file); err == nil && info.Size() == 0 && info.Mode().IsRegular() {
			return name, file, true
		}
		return name, file, false
	}
	return name, "", false
}

// inPath reports whether the target of a link at file is a place of the load path.
func (l *loader) inPath(file, target string) bool {
	if !strings.HasPrefix(target, "/") {
		target = path.Join(path.Dir(file), target)
	}
	return slices.Contains(unitDirs, path.Dir(target)) || path.Dir(target) == "/lib/systemd/system"
}

func (l *loader) look(name string) (file, target string, ok bool) {
	for _, dir := range unitDirs {
		if !l.has(dir, name) {
			continue
		}
		file := path.Join(dir, name)
		info, err := l.p.Sys.Lstat(file)
		if err != nil || info.IsDir() {
			continue
		}
		if target, err := l.p.Sys.Readlink(file); err == nil {
			return file, target, true
		}
		return file, "", true
	}
	return "", "", false
}

// load reads a unit and its drop-ins.
func (l *loader) load(name string) *fragment {
	if f := l.seen[name]; f != nil {
		return f
	}
	f := l.loadNew(name)
	l.note(f)
	l.seen[name] = f
	return f
}

// note keeps what is wrong with the [Install] section of a unit, or with the whole.
func (l *loader) note(f *fragment) {
	for _, p := range f.problems {
		if f.state == loadError || strings.Contains(p.Text, "[Install]") {
			l.told = append(l.told, p.String())
		}
	}
}

// takeTold returns what is to be said of the [Install] sections read since it
// was last asked.
func (l *loader) takeTold() []string {
	told := l.told
	l.told = nil
	return told
}

func (l *loader) loadNew(name string) *fragment {
	real, file, masked := l.find(name)
	f := &fragment{name: real, path: file, stamps: map[string]time.Time{}, state: loadOK}
	kind := unitfile.Type(real)
	f.config = newConfig(kind)
	if real != name {
		f.aliases = append(f.aliases, name)
	}
	switch {
	case masked:
		f.state, f.reason = loadMasked, "Unit "+real+" is masked."
		f.stamp(l, file)
		return f
	case file == "":
		if builtin(f) {
			break
		}
		f.state, f.reason = loadNotFound, "Unit "+real+" not found."
		return f
	}
	f.dropIns = l.dropIns(real)
	files := f.dropIns
	if file != "" {
		files = append([]string{file}, f.dropIns...)
	}
	for _, name := range files {
		if err := l.read(f, name, kind); err != nil {
			f.state = loadError
			f.reason = "Unit " + real + " failed to load properly, please adjust/correct and reload service manager: " + libc.Strerror(err)
			return f
		}
	}
	l.links(f)
	if why := f.config.check(kind); why != "" {
		f.problems = append(f.problems, unitfile.Problem{File: real, Text: why})
		f.state, f.reason = loadBad, "Unit "+real+" has a bad unit file setting."
	}
	f.config.defaults(real)
	return f
}

// loadFile reads a unit from a file outside of the load path.
func (l *loader) loadFile(name, file string) *fragment {
	f := &fragment{name: name, path: file, stamps: map[string]time.Time{}, state: loadOK, config: newConfig(unitfile.Type(name))}
	if err := l.read(f, file, unitfile.Type(name)); err != nil {
		f.state = loadError
	}
	return f
}

func (f *fragment) stamp(l *loader, file string) {
	if info, err := l.p.Sys.Stat(file); err == nil {
		f.stamps[file] = info.ModTime()
	}
}

func (l *loader) read(f *fragment, file, kind string) error {
	data, err := libc.ReadFile(l.p, file)
	if errors.Is(err, syscall.ENOENT) && file != f.path {
		return nil
	}
	if err != nil {
		return err
	}
	f.stamp(l, file)
	settings, problems, err := unitfile.Parse(file, data, sectionsOf(kind))
	f.problems = append(f.problems, problems...)
	if err != nil {
		return err
	}
	for _, s := range settings {
		v, bad := l.names.specifiers(s.Value, f.name, strings.HasPrefix(s.Key, "Exec"))
		if bad != "" {
			f.problems = append(f.problems, s.Wrong("Failed to resolve unit specifiers in "+s.Value+", ignoring: Invalid slot"))
			continue
		}
		s.Value = v
		if why := f.config.assign(s); why != "" {
			f.problems = append(f.problems, s.Wrong(why))
		}
	}
	return nil
}

// dropIns lists the *.conf files for a unit, by their names, the earlier
// directory winning.
func (l *loader) dropIns(name string) []string {
	kind := unitfile.Type(name)
	var dirs []string
	add := func(n string) { dirs = append(dirs, n+".d") }
	add(name)
	if _, _, instance, _ := unitfile.SplitName(name); instance {
		add(unitfile.TemplateOf(name))
	}
	stem := strings.TrimSuffix(name, "."+kind)
	for i := strings.LastIndexByte(stem, '-'); i > 0; i = strings.LastIndexByte(stem[:i], '-') {
		add(stem[:i+1] + "." + kind)
	}
	add(kind)
	found := map[string]string{}
	for _, d := range dirs {
		for _, base := range unitDirs {
			if !l.has(base, d) {
				continue
			}
			dir := path.Join(base, d)
			names, _ := libc.ReadDir(l.p, dir)
			for _, n := range names {
				if strings.HasSuffix(n, ".conf") && found[n] == "" {
					found[n] = path.Join(dir, n)
				}
			}
		}
	}
	names := make([]string, 0, len(found))
	for n := range found {
		names = append(names, n)
	}
	sort.Strings(names)
	var files []string
	for _, n := range names {
		if target, err := l.p.Sys.Readlink(found[n]); err == nil && target == "/dev/null" {
			continue
		}
		files = append(files, found[n])
	}
	return files
}

// links adds what stands in NAME.wants and NAME.requires.
func (l *loader) links(f *fragment) {
	names := []string{f.name}
	if _, _, instance, _ := unitfile.SplitName(f.name); instance {
		names = append(names, unitfile.TemplateOf(f.name))
	}
	for _, name := range names {
		for suffix, kind := range map[string]dep{".wants": wants, ".requires": requires} {
			for _, dir := range unitDirs {
				if !l.has(dir, name+suffix) {
					continue
				}
				in, _ := libc.ReadDir(l.p, path.Join(dir, name+suffix))
				for _, n := range in {
					if unitfile.ValidName(n) && !slices.Contains(f.config.deps[kind], n) {
						f.config.deps[kind] = append(f.config.deps[kind], n)
					}
				}
			}
		}
	}
}

// changed reports whether the files a unit was loaded from are no longer the
// same (NeedDaemonReload).
func (l *loader) changed(f *fragment) bool {
	for file, at := range f.stamps {
		info, err := l.p.Sys.Stat(file)
		if err != nil || !info.ModTime().Equal(at) {
			return true
		}
	}
	return f.path == "" && f.state == loadNotFound && l.found(f.name)
}

func (l *loader) found(name string) bool {
	_, file, _ := l.find(name)
	return file != ""
}

// builtin gives the units that exist without a file their description.
func builtin(f *fragment) bool {
	texts := map[string]string{
		"-.slice": "Root Slice", "system.slice": "System Slice", "user.slice": "User and Session Slice",
		"init.scope": "System and Service Manager", "-.mount": "Root Mount",
	}
	text, ok := texts[f.name]
	if stem, slice := strings.CutSuffix(f.name, ".slice"); !ok && slice {
		text, ok = "Slice /"+unitfile.UnescapeName(stem), true
	}
	if !ok {
		return false
	}
	f.config.description = text
	f.config.noDefaults = true
	switch f.name {
	case "-.slice", "system.slice", "user.slice":
		f.config.documentation = []string{"man:systemd.special(7)"}
	case "init.scope":
		f.config.documentation = []string{"man:systemd(1)"}
	}
	return true
}

// checkFile is load for a unit file wherever it stands.
func (l *loader) checkFile(name, file string) *fragment {
	f := l.loadFile(name, file)
	if f.state == loadError {
		f.reason = "Unit " + name + " failed to load properly, please adjust/correct and reload service manager: Bad message"
		return f
	}
	if why := f.config.check(unitfile.Type(name)); why != "" {
		f.problems = append(f.problems, unitfile.Problem{File: name, Text: why})
		f.state, f.reason = loadBad, "Unit "+name+" has a bad unit file setting."
	}
	return f
}
