package units

import (
	"path"
	"slices"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
)

// presetDirs hold the files that say which units are to be enabled
// (systemd.preset(5)).
var presetDirs = []string{"/etc/systemd/system-preset", "/run/systemd/system-preset", "/usr/lib/systemd/system-preset"}

// PresetRule is a line of a preset file.
type PresetRule struct {
	pattern   string
	enable    bool
	instances []string // of a template
}

func PresetRules(p *host.Proc) []PresetRule {
	var rules []PresetRule
	for _, file := range machine.Merged(p, presetDirs, ".preset") {
		data, _ := libc.ReadFile(p, file)
		for _, line := range libc.Lines(data) {
			f := strings.Fields(line)
			if len(f) >= 2 && (f[0] == "enable" || f[0] == "disable") {
				rules = append(rules, PresetRule{f[1], f[0] == "enable", f[2:]})
			}
		}
	}
	return rules
}

// Preset reports whether a unit is to be enabled, and for a template which
// instances.
func Preset(rules []PresetRule, name string) (enable bool, instances []string) {
	_, instance, isInstance, _ := unitfile.SplitName(name)
	for _, r := range rules {
		if ok, _ := path.Match(r.pattern, name); ok {
			if r.enable {
				instances = r.instances
			}
			return r.enable, instances
		}
		if isInstance && slices.Contains(r.instances, instance) {
			if ok, _ := path.Match(r.pattern, unitfile.TemplateOf(name)); ok {
				return r.enable, nil
			}
		}
	}
	return true, nil
}

// PresetWord is the preset that status and list-unit-files show.
func PresetWord(rules []PresetRule, name, state string) string {
	switch state {
	case "alias", "static", "generated", "transient", "":
		return ""
	}
	if enable, _ := Preset(rules, name); enable {
		return "enabled"
	}
	return "disabled"
}

// Preset makes units enabled or disabled as the presets say.
func (i *Installer) Preset(units []string) error {
	i.unread = true
	plus, minus, err := i.sort(units, false)
	if err != nil {
		return err
	}
	return i.execute(plus, minus)
}

// presetAll is preset for every unit that there is.
func (i *Installer) presetAll() error {
	i.unread = true
	plus, minus, _ := i.sort(Names(i.Proc, i.Loader), true)
	return i.execute(plus, minus)
}

// sort parts units into those that are to be enabled and the others.
func (i *Installer) sort(units []string, all bool) (plus, minus []string, err error) {
	rules := PresetRules(i.Proc)
	for _, u := range units {
		info, err := i.discover(u, true)
		switch {
		case err != nil && all:
			continue
		case err != nil:
			return nil, nil, err
		case info.name != u:
			continue // an alias, or a path
		}
		enable, instances := Preset(rules, info.name)
		switch {
		case !enable:
			minus = append(minus, u)
		case info.masked && all:
			i.bad(ErrKindMasked, info.path, "")
		case info.masked:
			return nil, nil, i.bad(ErrKindMasked, info.path, "")
		case len(instances) == 0:
			plus = append(plus, u)
		default:
			prefix, _, _, _ := unitfile.SplitName(info.name)
			for _, in := range instances {
				plus = append(plus, prefix+"@"+in+"."+unitfile.Type(info.name))
			}
		}
	}
	return plus, minus, nil
}

// execute enables and disables as --preset-mode= wants it.
func (i *Installer) execute(plus, minus []string) error {
	if i.Mode != "enable-only" {
		i.Remove(i.Marked(minus))
	}
	if i.Mode == "disable-only" {
		return nil
	}
	i.unread = false
	_, err := i.apply(plus, true)
	return err
}
