package systemctl

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
)

const noInstallText = `The unit files have no installation config (WantedBy=, RequiredBy=, Also=,
Alias= settings in the [Install] section, and DefaultInstance= for template
units). This means they are not meant to be enabled using systemctl.
 
Possible reasons for having this kind of units are:
• A unit may be statically enabled by being symlinked from another unit's
  .wants/ or .requires/ directory.
• A unit's purpose may be to act as a helper for some other unit which has
  a requirement dependency on it.
• A unit may be started when needed via activation (socket, path, timer,
  D-Bus, udev, scripted systemctl call, ...).
• In case of template units, the unit is meant to be enabled with some
  instance name specified.`

// verbOfMethod is what an operation is called in what is said of it.
var verbOfMethod = map[string]string{"Enable": "enable", "Disable": "disable", "Reenable": "reenable", "Preset": "preset", "PresetAll": "preset",
	"Mask": "mask", "Unmask": "unmask", "Link": "link", "Revert": "revert", "SetDefault": "set default",
	"AddWants": "add dependency on", "AddRequires": "add dependency on"}

// change makes an operation on unit files: PID 1 does it, or, without one,
// systemctl itself. status is not 0 after a failure, which has been told.
func (s *systemctl) change(method string, names []string) (noInstall bool, changed bool, status int) {
	verb := verbOfMethod[method]
	if s.bus != nil {
		r, err := s.bus.Call(bus.Request{Method: method, Units: names, Runtime: s.runtime, Force: s.force, Mode: s.presetMode})
		if err != nil {
			switch method {
			case "SetDefault":
				s.Fail("Failed to set default target: %s", err)
			case "AddWants", "AddRequires":
				s.Fail("Failed to add dependency: %s", err)
			case "PresetAll":
				s.Fail("Failed to preset all units: %s", err)
			default:
				s.Fail("Failed to %s unit: %s", verb, err)
			}
			return false, false, 1
		}
		s.tellChanges(r.Changes, verb)
		return r.NoInstall, len(r.Changes) > 0, 0
	}
	op := units.Installer{Proc: s.files, Loader: s.loader, Runtime: s.runtime, Force: s.force, Mode: s.presetMode}
	err := op.Do(method, names)
	s.tellLoaded()
	s.tellChanges(op.Changes, verb)
	s.loader = units.NewLoader(s.files)
	c, told := units.ChangeOf(err)
	switch {
	case err == nil:
		return op.NoInstall && method != "Disable", len(op.Changes) > 0, 0
	case !told:
		s.Fail("Failed to %s: %s.", strings.Replace(verb, " on", "", 1), libc.Strerror(err))
	case method == "Disable" && c.Kind != units.ErrKindName:
		return false, false, 0
	}
	return false, false, 1
}

// unitFiles are enable, disable, mask and so on.
func (s *systemctl) unitFiles(method string, args []string) int {
	names, ok := s.fileNames(method, args)
	if !ok {
		return 1
	}
	noInstall, _, status := s.change(method, names)
	if status != 0 {
		return status
	}
	if s.bus != nil && !s.noReload {
		s.bus.Call(bus.Request{Method: "Reload"})
	}
	if noInstall && !s.quiet && (method == "Enable" || method == "Disable" || method == "Reenable") {
		s.Note("%s", noInstallText)
	}
	if s.now && s.bus != nil {
		for n, u := range names {
			names[n] = path.Base(u)
		}
		switch method {
		case "Enable", "Reenable":
			return s.jobs(bus.JobStart, names)
		case "Disable", "Mask":
			var loaded []string
			for _, u := range names {
				if r, err := s.bus.Call(bus.Request{Method: "Show", Unit: u}); err == nil && r.Unit.Active != bus.Inactive {
					loaded = append(loaded, u)
				}
			}
			if len(loaded) > 0 {
				return s.jobs(bus.JobStop, loaded)
			}
		}
	}
	return 0
}

// fileNames turns operands into names or paths of unit files.
func (s *systemctl) fileNames(method string, args []string) (names []string, ok bool) {
	for _, a := range args {
		switch {
		case a == "":
			s.Fail("Failed to mangle unit name or path '': Invalid argument")
			return nil, false
		case strings.Contains(a, "/"):
			a = libc.Abs(s.p, a)
			switch {
			case method == "Disable":
				s.Note("Warning: Can't execute disable on the unit file path. Proceeding with the unit name.")
				a = path.Base(a)
			}
		default:
			name := unitfile.Mangle(a)
			if !unitfile.IsGlob(a) {
				s.tellEscaped(a, name)
			}
			if method == "Link" {
				s.Fail("Link argument must contain at least one directory separator.")
				s.Fail("If you intended to link a file in the current directory, try ./%s instead.", name)
				return nil, false
			}
			a = name
		}
		names = append(names, a)
	}
	if (method == "Mask" || method == "Unmask") && s.bus != nil {
		for _, u := range names {
			s.bus.Call(bus.Request{Method: "Show", Unit: u})
			if !s.loader.Found(u) {
				s.Note("Unit %s does not exist, proceeding anyway.", u)
			}
		}
	}
	return names, true
}

// tellEscaped says that a name was typed which had to be escaped.
func (s *systemctl) tellEscaped(typed, name string) {
	if strings.Contains(name, "\\x") && !strings.Contains(typed, "\\x") && !strings.HasPrefix(typed, "/") {
		s.Note("Invalid unit name \"%s\" escaped as \"%s\" (maybe you should use systemd-escape?).", typed, strings.TrimSuffix(name, ".service"))
	}
}

func (s *systemctl) isEnabled(args []string) int {
	status := 1
	names, ok := s.fileNames("", args)
	if !ok {
		return 1
	}
	for _, name := range names {
		state := ""
		why := "No such file or directory"
		if strings.Contains(name, "/") {
			why = "Invalid argument"
		} else {
			state = s.fileState(name)
		}
		if state == "bad" {
			state, why = "", "Bad message"
		}
		if state == "" {
			s.Fail("Failed to get unit file state for %s: %s", name, why)
			return 1
		}
		switch state {
		case "enabled", "enabled-runtime", "static", "alias", "indirect", "generated":
			status = 0
		}
		if !s.quiet {
			fmt.Fprintln(s.Out, state)
		}
		if s.full && !s.quiet {
			s.installTargets(name)
		}
	}
	return status
}

// fileState is what is-enabled says of a unit: PID 1 says it, or the disk.
func (s *systemctl) fileState(name string) string {
	if s.bus != nil {
		if r, err := s.bus.Call(bus.Request{Method: "FileState", Unit: name}); err == nil {
			return r.State
		}
	}
	state := units.FileState(s.files, s.loader, name)
	s.tellLoaded()
	return state
}

// installTargets lists the links that disabling a unit would remove.
func (s *systemctl) installTargets(name string) {
	for _, runtime := range []bool{false, true} {
		op := units.Installer{Proc: s.files, Loader: s.loader, Runtime: runtime, Dry: true}
		op.Remove(op.Marked([]string{name}))
		for _, c := range op.Changes {
			if c.Kind == units.ChangeUnlink {
				fmt.Fprintln(s.Out, "  "+s.root+c.Path)
			}
		}
	}
}

// tellLoaded prints what is wrong with the files that systemctl read itself, in place
// of PID 1, which logs it: of [Install] sections, for the rest it does not read.
func (s *systemctl) tellLoaded() {
	told := s.loader.TakeTold()
	if s.bus != nil {
		return
	}
	for _, p := range told {
		s.Note("%s", p)
	}
}

func (s *systemctl) getDefault([]string) int {
	real, file, _ := s.loader.Find("default.target")
	if file == "" {
		s.Fail("Failed to get default target: No such file or directory")
		return 1
	}
	fmt.Fprintln(s.Out, real)
	return 0
}

func (s *systemctl) setDefault(args []string) int {
	name := args[0]
	if unitfile.Type(name) == "" {
		name += ".target"
	}
	if _, _, status := s.change("SetDefault", []string{name}); status != 0 {
		return status
	}
	if s.bus != nil {
		s.bus.Call(bus.Request{Method: "Reload"})
	}
	return 0
}

// addDependency is add-wants and add-requires.
func (s *systemctl) addDependency(method string, args []string) int {
	target := args[0]
	if unitfile.Type(target) == "" {
		target += ".target"
	}
	names, ok := s.fileNames(method, args[1:])
	if !ok {
		return 1
	}
	_, changed, status := s.change(method, append([]string{target}, names...))
	if status == 0 && changed && s.bus != nil && !s.noReload {
		s.bus.Call(bus.Request{Method: "Reload"})
	}
	return status
}

// cat shows the files of units.
func (s *systemctl) cat(args []string) int {
	first := true
	for _, a := range args {
		name := unitfile.Mangle(a)
		real, file, masked := s.loader.Find(name)
		drops := s.loader.DropIns(real)
		if s.bus != nil {
			// What PID 1 has loaded, which may not be what is on disk by now.
			// It is asked for one property after the other.
			var r bus.Reply
			var err error
			for range 3 {
				if r, err = s.bus.Call(bus.Request{Method: "Get", Unit: name}); err != nil || r.Unit.Load == units.LoadError {
					break
				}
			}
			if err == nil && r.Unit.Fragment != "" {
				file, drops = r.Unit.Fragment, r.Unit.DropIns
				masked = r.Unit.Load == units.Masked
				if r.Unit.NeedReload {
					s.warnReload(r.Unit.Name)
				}
			}
		}
		if file == "" && len(drops) == 0 {
			s.Fail("No files found for %s.", name)
			return 1
		}
		for _, f := range append([]string{file}, drops...) {
			if f == "" {
				continue
			}
			if !first {
				fmt.Fprintln(s.Out)
			}
			first = false
			fmt.Fprintln(s.Out, s.Paint("\x1b[0;38;5;69m", "# "+s.Link("file://"+machine.Hostname(s.p)+f, f)))
			if masked && f == file {
				continue
			}
			data, err := libc.ReadFile(s.p, f)
			if err != nil {
				s.Fail("Failed to open %s: %s", f, libc.Strerror(err))
				return 1
			}
			s.Out.Write(data)
			if len(data) > 0 && data[len(data)-1] != '\n' {
				fmt.Fprintln(s.Out)
			}
		}
	}
	return 0
}

// edit lets the user write a drop-in, or with --full the unit file.
func (s *systemctl) edit(args []string) int {
	if _, ok := libc.Terminal(s.p.Stdin); !ok {
		s.Fail("Cannot edit units if not on a tty.")
		return 1
	}
	editor := ""
	for _, name := range []string{"SYSTEMD_EDITOR", "EDITOR", "VISUAL"} {
		if editor = s.p.Getenv(name); editor != "" {
			break
		}
	}
	words, _ := unitfile.SplitWords(editor)
	if len(words) == 0 {
		for _, e := range []string{"nano", "vim", "vi"} {
			if found, err := s.p.LookPath(e); err == nil {
				words = []string{found}
				break
			}
		}
	}
	if len(words) == 0 {
		s.Fail("Cannot edit unit(s), no editor available. Please set either $SYSTEMD_EDITOR, $EDITOR or $VISUAL.")
		return 1
	}
	for _, a := range args {
		name := unitfile.Mangle(a)
		_, file, _ := s.loader.Find(name)
		if file == "" && !s.force {
			s.Fail("No files found for %s.", name)
			s.Note("Run 'systemctl edit --force --full %s' to create a new unit.", name)
			return 1
		}
		target := path.Join("/etc/systemd/system", name+".d", "override.conf")
		var before []byte
		if s.full {
			target = path.Join("/etc/systemd/system", name)
			before, _ = libc.ReadFile(s.p, file)
		} else {
			before, _ = libc.ReadFile(s.p, target)
		}
		if err := s.editFile(words, target, before); err != nil {
			s.Fail("Failed to edit %s: %s", target, libc.Strerror(err))
			return 1
		}
	}
	if s.bus != nil {
		return s.simple("Reload", "Reload daemon failed")
	}
	return 0
}

var errEditor = errors.New("Editor failed.") //nolint:staticcheck // the real text

func (s *systemctl) editFile(editor []string, target string, before []byte) error {
	if err := libc.MkdirAll(s.p, path.Dir(target), 0o755); err != nil {
		return err
	}
	tmp := path.Join(path.Dir(target), ".#"+path.Base(target)+machine.DrawID(s.p, target, s.p.PID).String()[:16])
	if err := libc.WriteFile(s.p, tmp, before, 0o644); err != nil {
		return err
	}
	defer s.p.Sys.Remove(tmp)
	if st := s.p.Exec(s.ctx, append(editor, tmp)...); st != 0 {
		return errEditor
	}
	after, err := libc.ReadFile(s.p, tmp)
	if err != nil {
		return err
	}
	if len(strings.TrimSpace(string(after))) == 0 {
		s.Note("Editing \"%s\" canceled: temporary file is empty.", target)
		return nil
	}
	if string(after) == string(before) {
		return nil
	}
	return s.p.Sys.Rename(tmp, target)
}

// told is the change in the words of systemctl, whose verb it was.
func (s *systemctl) told(c units.Change, verb string) (text string, failed bool) {
	verb = "Failed to " + verb
	if strings.HasPrefix(c.Path, "/") && c.Kind != units.ErrKindNone {
		c.Path = s.root + c.Path
	}
	switch c.Kind {
	case units.ChangeSymlink:
		return "Created symlink " + c.Path + " " + s.Glyph("arrow") + " " + c.Source + ".", false
	case units.ChangeUnlink:
		return "Removed \"" + c.Path + "\".", false
	case units.ChangeMasked:
		return "Unit " + c.Path + " is masked, ignoring.", false
	case units.ChangeAbsent:
		return "Unit " + c.Source + " is added as a dependency to a non-existent unit " + c.Path + ".", false
	case units.ChangeAuxiliary:
		return "Failed to enable auxiliary unit " + c.Path + ", ignoring.", false
	case units.ErrKindExists:
		if c.Source == "" {
			return verb + " unit, file \"" + c.Path + "\" already exists.", true
		}
		return verb + " unit, file \"" + c.Path + "\" already exists and is a symlink to \"" + c.Source + "\".", true
	case units.ErrKindMasked:
		return verb + " unit, unit " + c.Path + " is masked.", true
	case units.ErrKindPlain:
		return verb + " " + c.Source + ", destination unit " + c.Path + " is a non-template unit.", true
	case units.ErrKindName:
		return verb + " unit, \"" + c.Path + "\" is not a valid unit name.", true
	case units.ErrKindLoop:
		return verb + " unit, refusing to operate on linked unit file " + c.Path + ".", true
	case units.ErrKindAlias:
		return verb + " unit, cannot alias " + c.Source + " as " + c.Path + ".", true
	case units.ErrKindNone:
		return verb + " unit, unit " + c.Path + " does not exist.", true
	}
	return verb + " unit, file \"" + c.Path + "\": " + units.ErrnoText[c.Kind], true
}

// tellChanges says what was done to links, and what could not be.
func (s *systemctl) tellChanges(list []units.Change, verb string) {
	for _, c := range list {
		text, failed := s.told(c, verb)
		switch {
		case failed:
			s.Fail("%s", text)
		case s.quiet:
		default:
			s.Note("%s", text)
		}
	}
}
