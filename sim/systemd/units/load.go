// Package units is the units as the disk has them: where their files and
// drop-ins stand ([Loader]), which are enabled, masked and preset ([FileState],
// [PresetRules]), and how systemctl changes that ([Installer]). PID 1 and
// systemctl both read and change them this way.
package units

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
)

// Path are the load path, what comes first wins.
var Path = []string{etcControl, runControl, Etc, runUnits, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"}

// SearchPath is the load path as it is told to those who ask: with the directories
// of generators and of transient units, of which a host has none.
var SearchPath = []string{etcControl, runControl, "/run/systemd/transient", "/run/systemd/generator.early", Etc, "/etc/systemd/system.attached",
	runUnits, "/run/systemd/system.attached", "/run/systemd/generator", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
	"/run/systemd/generator.late"}

// Load states of a unit.
const (
	Loaded     = "loaded"
	NotFound   = "not-found"
	BadSetting = "bad-setting"
	LoadError  = "error"
	Masked     = "masked"
)

// Fragment is what the disk has for a unit.
type Fragment struct {
	Name     string // the unit's own name, aliases resolved
	Aliases  []string
	Path     string // of its unit file, "" when none
	DropIns  []string
	Stamps   map[string]time.Time // of the files it was read from
	dropDirs []string             // where drop-ins were looked for: those that were there
	State    string
	Reason   string
	Config   *unitfile.Config
	Problems []unitfile.Problem
	later    []unitfile.Problem // those below one that made the unit useless
}

// InstallProblems are what is wrong with the file as far as enabling the unit is
// concerned, which is read on its own.
func (f *Fragment) InstallProblems() []unitfile.Problem {
	var list []unitfile.Problem
	for _, p := range slices.Concat(f.Problems, f.later) {
		if f.State == LoadError || p.OfInstall() {
			list = append(list, p)
		}
	}
	return list
}

// Loader reads units from disk, as the disk is when the first is looked up.
type Loader struct {
	p *host.Proc
	// index has the names in the directories of the load path, so that most
	// questions need no call of the kernel.
	index  map[string]map[string]bool
	stated map[string]host.Stated
	plain  map[string]bool // names in them that are no links
	// read are the units that were read, told what is to be said of their
	// [Install] sections.
	seen map[string]*Fragment
	told []string

	names unitfile.HostNames
}

func NewLoader(p *host.Proc) *Loader {
	return &Loader{p: p, index: map[string]map[string]bool{}, stated: map[string]host.Stated{}, plain: map[string]bool{}, seen: map[string]*Fragment{}, names: unitfile.HostNames{
		Hostname:  func() string { return machine.Hostname(p) },
		MachineID: func() string { return machine.ID(p) },
		BootID:    func() string { return machine.BootID(p).String() },
	}}
}

// has reports whether a directory of the load path has a name.
func (l *Loader) has(dir, name string) bool {
	in, ok := l.index[dir]
	if !ok {
		in = map[string]bool{}
		names, _ := libc.ReadDir(l.p, dir)
		files := make([]string, len(names))
		for i, n := range names {
			in[n] = true
			files[i] = path.Join(dir, n)
		}
		l.index[dir] = in
		// What is no link needs no other question.
		for i, s := range host.Lstats(l.p.Sys, files) {
			if s.Err == nil && s.Info.Mode()&fs.ModeSymlink == 0 {
				l.stated[files[i]], l.plain[files[i]] = s, true
			}
		}
	}
	return in[name]
}

// Find looks a unit's file up along the load path. Links inside of it make the
// name an alias. masked is a link to /dev/null or an empty file.
func (l *Loader) Find(name string) (real, file string, masked bool) {
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
		if info, err := l.stat(file); err == nil && info.Size() == 0 && info.Mode().IsRegular() {
			return name, file, true
		}
		return name, file, false
	}
	return name, "", false
}

// inPath reports whether the target of a link at file is a place of the load path.
func (l *Loader) inPath(file, target string) bool {
	if !strings.HasPrefix(target, "/") {
		target = path.Join(path.Dir(file), target)
	}
	return slices.Contains(Path, path.Dir(target)) || path.Dir(target) == "/lib/systemd/system"
}

func (l *Loader) look(name string) (file, target string, ok bool) {
	for _, dir := range Path {
		if !l.has(dir, name) {
			continue
		}
		file := path.Join(dir, name)
		if !l.plain[file] {
			if target, err := l.p.Sys.Readlink(file); err == nil {
				return file, target, true
			}
		}
		if info, err := l.stat(file); err == nil && !info.IsDir() {
			return file, "", true
		}
	}
	return "", "", false
}

// stat is what a name leads to, asked once.
func (l *Loader) stat(file string) (fs.FileInfo, error) {
	s, ok := l.stated[file]
	if !ok {
		s.Info, s.Err = l.p.Sys.Stat(file)
		l.stated[file] = s
	}
	return s.Info, s.Err
}

// Load reads a unit and its drop-ins.
func (l *Loader) Load(name string) *Fragment {
	if f := l.seen[name]; f != nil {
		return f
	}
	f := l.loadNew(name)
	l.note(f)
	l.seen[name] = f
	return f
}

// note keeps what is wrong with the [Install] section of a unit, or with the whole.
func (l *Loader) note(f *Fragment) {
	for _, p := range f.InstallProblems() {
		l.told = append(l.told, p.String())
	}
}

// TakeTold returns what is to be said of the [Install] sections read since it
// was last asked.
func (l *Loader) TakeTold() []string {
	told := l.told
	l.told = nil
	return told
}

func (l *Loader) loadNew(name string) *Fragment {
	real, file, masked := l.Find(name)
	f := &Fragment{Name: real, Path: file, Stamps: map[string]time.Time{}, State: Loaded}
	kind := unitfile.Type(real)
	f.Config = unitfile.NewConfig(kind)
	if real != name {
		f.Aliases = append(f.Aliases, name)
	}
	switch {
	case masked:
		f.State, f.Reason = Masked, "Unit "+real+" is masked."
		f.stamp(l, file)
		return f
	case file == "":
		if builtin(f) {
			break
		}
		f.State, f.Reason = NotFound, "Unit "+real+" not found."
		return f
	}
	f.dropDirs = l.dropDirs(real)
	f.DropIns = l.dropInsIn(f.dropDirs)
	files := f.DropIns
	if file != "" {
		files = append([]string{file}, f.DropIns...)
	}
	for _, name := range files {
		if err := l.read(f, name, kind); errors.Is(err, errFatal) {
			f.refuse("Unit configuration has fatal error, unit will not be started.")
			break
		} else if err != nil {
			f.State = LoadError
			f.Reason = "Unit " + real + " failed to load properly, please adjust/correct and reload service manager: " + libc.Strerror(err)
			return f
		}
	}
	l.links(f)
	if why := f.Config.Check(real); why != "" && f.State == Loaded {
		f.refuse(why)
	}
	f.Config.Defaults(real)
	return f
}

// refuse makes the unit one that is not started, and says why.
func (f *Fragment) refuse(why string) {
	f.Problems = append(f.Problems, unitfile.Problem{File: f.Name, Text: why})
	f.State, f.Reason = BadSetting, "Unit "+f.Name+" has a bad unit file setting."
}

// loadFile reads a unit from a file outside of the load path.
func (l *Loader) loadFile(name, file string) *Fragment {
	f := &Fragment{Name: name, Path: file, Stamps: map[string]time.Time{}, State: Loaded, Config: unitfile.NewConfig(unitfile.Type(name))}
	if err := l.read(f, file, unitfile.Type(name)); errors.Is(err, errFatal) {
		f.refuse("Unit configuration has fatal error, unit will not be started.")
	} else if err != nil {
		f.State = LoadError
	}
	return f
}

func (f *Fragment) stamp(l *Loader, file string) {
	if info, err := l.stat(file); err == nil {
		f.Stamps[file] = info.ModTime()
	}
}

func (l *Loader) read(f *Fragment, file, kind string) error {
	data, err := libc.ReadFile(l.p, file)
	if errors.Is(err, syscall.ENOENT) && file != f.Path {
		return nil
	}
	if err != nil {
		return err
	}
	f.stamp(l, file)
	settings, problems, err := unitfile.Parse(file, data, unitfile.SectionsOf(kind))
	expand := func(text string) (string, string) { return l.names.Specifiers(text, f.Name) }
	for i, s := range settings {
		v := f.Config.Assign(s, expand)
		for _, why := range v.Problems {
			problems = append(problems, s.Wrong(why))
		}
		if v.Fatal {
			// Here PID 1 ends; who enables the unit reads its [Install] section.
			f.later = slices.Clone(problems)
			for _, s := range settings[i+1:] {
				if s.Section == "Install" {
					for _, why := range f.Config.Assign(s, expand).Problems {
						f.later = append(f.later, s.Wrong(why))
					}
				}
			}
			f.later = slices.DeleteFunc(f.later, func(p unitfile.Problem) bool { return !p.After(s) })
			problems = slices.DeleteFunc(problems, func(p unitfile.Problem) bool { return p.After(s) })
			err = errFatal
			break
		}
	}
	unitfile.Order(problems)
	f.Problems = append(f.Problems, problems...)
	return err
}

// errFatal: a setting is wrong in a way that leaves the unit without use.
var errFatal = errors.New("unit configuration has fatal error")

// DropIns lists the *.conf files for a unit, by their names, the earlier
// directory winning.
func (l *Loader) DropIns(name string) []string { return l.dropInsIn(l.dropDirs(name)) }

// dropDirs are the directories of drop-ins that a unit has.
func (l *Loader) dropDirs(name string) []string {
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
	var present []string
	for _, d := range dirs {
		for _, base := range Path {
			if l.has(base, d) {
				present = append(present, path.Join(base, d))
			}
		}
	}
	return present
}

func (l *Loader) dropInsIn(present []string) []string {
	var files []string
	for _, f := range machine.Merged(l.p, present, ".conf") {
		if target, err := l.p.Sys.Readlink(f); err == nil && target == "/dev/null" {
			continue
		}
		files = append(files, f)
	}
	return files
}

// links adds what stands in NAME.wants and NAME.requires.
func (l *Loader) links(f *Fragment) {
	names := []string{f.Name}
	if _, _, instance, _ := unitfile.SplitName(f.Name); instance {
		names = append(names, unitfile.TemplateOf(f.Name))
	}
	for _, name := range names {
		for suffix, kind := range map[string]unitfile.Dep{".wants": unitfile.Wants, ".requires": unitfile.Requires} {
			for _, dir := range Path {
				if !l.has(dir, name+suffix) {
					continue
				}
				in, _ := libc.ReadDir(l.p, path.Join(dir, name+suffix))
				for _, n := range in {
					if unitfile.ValidName(n) && !slices.Contains(f.Config.Deps[kind], n) {
						f.Config.Deps[kind] = append(f.Config.Deps[kind], n)
					}
				}
			}
		}
	}
}

// Changed reports whether the files a unit was loaded from are no longer the
// same (NeedDaemonReload).
func (l *Loader) Changed(f *Fragment) bool {
	for file, at := range f.Stamps {
		info, err := l.p.Sys.Stat(file)
		if err != nil || !info.ModTime().Equal(at) {
			return true
		}
	}
	// A directory of drop-ins that is new is found at the next reload only.
	if len(f.dropDirs) > 0 && !slices.Equal(l.dropInsIn(f.dropDirs), f.DropIns) {
		return true
	}
	return f.Path == "" && f.State == NotFound && l.Found(f.Name)
}

func (l *Loader) Found(name string) bool {
	_, file, _ := l.Find(name)
	return file != ""
}

// builtin gives the units that exist without a file their description.
func builtin(f *Fragment) bool {
	texts := map[string]string{
		"-.slice": "Root Slice", "system.slice": "System Slice", "user.slice": "User and Session Slice",
		"init.scope": "System and Service Manager", "-.mount": "Root Mount",
	}
	text, ok := texts[f.Name]
	if stem, slice := strings.CutSuffix(f.Name, ".slice"); !ok && slice {
		text, ok = "Slice /"+unitfile.UnescapeName(stem), true
	}
	if !ok {
		return false
	}
	f.Config.Description = text
	f.Config.NoDefaults = true
	switch f.Name {
	case "-.slice", "system.slice", "user.slice":
		f.Config.Documentation = []string{"man:systemd.special(7)"}
	case "init.scope":
		f.Config.Documentation = []string{"man:systemd(1)"}
	}
	return true
}

// CheckFile is load for a unit file wherever it stands.
func (l *Loader) CheckFile(name, file string) *Fragment {
	f := l.loadFile(name, file)
	if f.State == LoadError {
		f.Reason = "Unit " + name + " failed to load properly, please adjust/correct and reload service manager: Bad message"
		return f
	}
	if why := f.Config.Check(unitfile.Type(name)); why != "" && f.State == Loaded {
		f.refuse(why)
	}
	return f
}
