package systemd

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"enshu/sim/libc"
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

// change makes an operation on unit files: PID 1 does it, or, without one,
// systemctl itself.
func (s *systemctl) change(method string, units []string) (reply, error) {
	if s.bus != nil {
		return s.bus.call(request{Method: method, Units: units, Runtime: s.runtime, Force: s.force})
	}
	op := installer{p: s.p, l: s.loader, runtime: s.runtime, force: s.force}
	err := op.do(method, units)
	return reply{Changes: op.changes, NoInstall: op.noInstall}, err
}

// tellChanges says what was done to links.
func (s *systemctl) tellChanges(list []change) {
	if s.quiet {
		return
	}
	for _, c := range list {
		switch c.Kind {
		case "symlink":
			s.note("Created symlink %s %s %s.", c.Path, s.glyph("arrow"), c.To)
		case "unlink":
			s.note("Removed \"%s\".", c.Path)
		default:
			s.note("%s", c.Path)
		}
	}
}

// unitFiles are enable, disable, mask and so on.
func (s *systemctl) unitFiles(method string, args []string) int {
	units := make([]string, len(args))
	for i, a := range args {
		if strings.HasPrefix(a, "/") {
			a = path.Base(a)
		}
		units[i] = mangle(a)
	}
	verb := strings.ToLower(method)
	r, err := s.change(method, units)
	s.tellChanges(r.Changes)
	if err != nil {
		s.fail("Failed to %s unit: %s", verb, err)
		return 1
	}
	if s.bus != nil && !s.noReload && len(r.Changes) > 0 {
		s.bus.call(request{Method: "Reload"})
	}
	if r.NoInstall && !s.quiet && (method == "Enable" || method == "Disable" || method == "Reenable") {
		s.note("%s", noInstallText)
	}
	if s.now && s.bus != nil {
		switch method {
		case "Enable":
			return s.jobs(jobStart, args)
		case "Disable", "Mask":
			var loaded []string
			for _, u := range units {
				if r, err := s.bus.call(request{Method: "Show", Unit: u}); err == nil && r.Unit.Active != inactive {
					loaded = append(loaded, u)
				}
			}
			if len(loaded) > 0 {
				return s.jobs(jobStop, loaded)
			}
		}
	}
	return 0
}

func (s *systemctl) isEnabled(args []string) int {
	status := 1
	for _, a := range args {
		name := mangle(a)
		state := fileState(s.p, s.loader, name)
		if state == "" {
			s.fail("Failed to get unit file state for %s: No such file or directory", name)
			return 1
		}
		switch state {
		case "enabled", "enabled-runtime", "static", "alias", "indirect", "generated":
			status = 0
		}
		if !s.quiet {
			fmt.Fprintln(s.out, state)
		}
	}
	return status
}

func (s *systemctl) getDefault([]string) int {
	real, file, _ := s.loader.find("default.target")
	if file == "" {
		s.fail("Failed to get default target: No such file or directory")
		return 1
	}
	fmt.Fprintln(s.out, real)
	return 0
}

func (s *systemctl) setDefault(args []string) int {
	name := args[0]
	if unitType(name) == "" {
		name += ".target"
	}
	if unitType(name) != "target" {
		name = strings.TrimSuffix(name, "."+unitType(name)) + ".target"
	}
	r, err := s.change("SetDefault", []string{name})
	s.tellChanges(r.Changes)
	if err != nil {
		s.fail("Failed to set default target: %s", err)
		return 1
	}
	if s.bus != nil {
		s.bus.call(request{Method: "Reload"})
	}
	return 0
}

// cat shows the files of units.
func (s *systemctl) cat(args []string) int {
	first := true
	for _, a := range args {
		name := mangle(a)
		real, file, masked := s.loader.find(name)
		drops := s.loader.dropIns(real)
		if s.bus != nil {
			// What PID 1 has loaded, which may not be what is on disk by now.
			if r, err := s.bus.call(request{Method: "Show", Unit: name}); err == nil && r.Unit.Fragment != "" {
				file, drops = r.Unit.Fragment, r.Unit.DropIns
				masked = r.Unit.Load == loadMasked
				if r.Unit.NeedReload {
					s.warnReload(r.Unit.Name)
				}
			}
		}
		if file == "" && len(drops) == 0 {
			s.fail("No files found for %s.", name)
			return 1
		}
		for _, f := range append([]string{file}, drops...) {
			if f == "" {
				continue
			}
			if !first {
				fmt.Fprintln(s.out)
			}
			first = false
			fmt.Fprintln(s.out, s.paint("\x1b[0;38;5;69m", "# "+s.link("file://"+hostname(s.p)+f, f)))
			if masked && f == file {
				continue
			}
			data, err := libc.ReadFile(s.p, f)
			if err != nil {
				s.fail("Failed to open %s: %s", f, libc.Strerror(err))
				return 1
			}
			s.out.Write(data)
			if len(data) > 0 && data[len(data)-1] != '\n' {
				fmt.Fprintln(s.out)
			}
		}
	}
	return 0
}

// edit lets the user write a drop-in, or with --full the unit file.
func (s *systemctl) edit(args []string) int {
	if _, ok := libc.Terminal(s.p.Stdin); !ok {
		s.fail("Cannot edit units if not on a tty.")
		return 1
	}
	editor := ""
	for _, name := range []string{"SYSTEMD_EDITOR", "EDITOR", "VISUAL"} {
		if editor = s.p.Getenv(name); editor != "" {
			break
		}
	}
	words, _ := splitWords(editor)
	if len(words) == 0 {
		for _, e := range []string{"nano", "vim", "vi"} {
			if found, err := s.p.LookPath(e); err == nil {
				words = []string{found}
				break
			}
		}
	}
	if len(words) == 0 {
		s.fail("Cannot edit unit(s), no editor available. Please set either $SYSTEMD_EDITOR, $EDITOR or $VISUAL.")
		return 1
	}
	for _, a := range args {
		name := mangle(a)
		_, file, _ := s.loader.find(name)
		if file == "" && !s.force {
			s.fail("No files found for %s.", name)
			s.note("Run 'systemctl edit --force --full %s' to create a new unit.", name)
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
			s.fail("Failed to edit %s: %s", target, libc.Strerror(err))
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
	tmp := path.Join(path.Dir(target), ".#"+path.Base(target)+drawID(s.p, target, s.p.PID).String()[:16])
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
		s.note("Editing \"%s\" canceled: temporary file is empty.", target)
		return nil
	}
	if string(after) == string(before) {
		return nil
	}
	return s.p.Sys.Rename(tmp, target)
}
