package systemd

import (
	"enshu/sim/libc"
	"enshu/sim/systemd/unitfile"
	"errors"
	"path"
	"syscall"
)

// alias makes the link of a word of Alias=.
func (i *installer) alias(info *installInfo, alias string) (n int, err error) {
	_, instance, isInstance, template := unitfile.SplitName(info.name)
	prefix, _, aliasInstance, aliasTemplate := unitfile.SplitName(alias)
	if aliasTemplate && isInstance {
		alias = prefix + "@" + instance + "." + unitfile.Type(alias)
		aliasTemplate, aliasInstance = false, true
	}
	switch {
	case alias == info.name:
		return 0, nil
	case unitfile.Type(alias) != unitfile.Type(info.name), template != aliasTemplate && !(template && aliasInstance), isInstance != aliasInstance && !template:
		return 0, i.bad(errKindAlias, alias, info.name)
	}
	link := path.Join(i.configDir(), alias)
	target, linkErr := i.p.Sys.Readlink(link)
	broken := linkErr == nil && !libc.Exists(i.p, target)
	if err := i.symlink(info.path, link, i.force || broken); err != nil {
		return 0, err
	}
	return 1, nil
}

// wants makes the links in the .wants or .requires directories of targets.
func (i *installer) wants(info *installInfo, targets []string, suffix string, preset bool) (n int, err error) {
	name := info.name
	prefix, _, _, template := unitfile.SplitName(name)
	if template && info.config.defaultInstance != "" {
		name, template = prefix+"@"+info.config.defaultInstance+"."+unitfile.Type(name), false
	}
	for _, t := range targets {
		_, _, isInstance, isTemplate := unitfile.SplitName(t)
		if !unitfile.ValidName(t) || template && !isInstance && !isTemplate {
			switch {
			case preset:
			case unitfile.ValidName(t):
				err = i.bad(errKindPlain, t, name)
			default:
				err = i.bad(errKindName, t, "")
			}
			continue
		}
		bad := i.symlink(info.path, path.Join(i.configDir(), t+suffix, name), true)
		if bad == nil {
			n++
		} else if err == nil {
			err = bad
		}
		if !i.l.found(t) {
			i.changes = append(i.changes, change{changeAbsent, t, info.path})
		}
	}
	return n, err
}

// symlink makes a link. One that leads to the same file stays; another is
// replaced by force alone.
func (i *installer) symlink(target, name string, force bool) error {
	if err := libc.MkdirAll(i.p, path.Dir(name), 0o755); err != nil {
		return err
	}
	err := i.p.Sys.Symlink(target, name)
	if err == nil {
		i.changes = append(i.changes, change{changeSymlink, name, target})
		return nil
	}
	if !errors.Is(err, syscall.EEXIST) {
		return err
	}
	old, err := i.p.Sys.Readlink(name)
	switch {
	case err != nil:
		return i.bad(errKindExists, name, "")
	case old == target || target != "/dev/null" && i.origin(name) == i.origin(target):
		return nil
	case !force:
		return i.bad(errKindExists, name, old)
	}
	if err := i.p.Sys.Remove(name); err != nil {
		return err
	}
	if err := i.p.Sys.Symlink(target, name); err != nil {
		return err
	}
	i.changes = append(i.changes, change{changeUnlink, name, ""}, change{changeSymlink, name, target})
	return nil
}
