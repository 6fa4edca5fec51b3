package units

import (
	"enshu/sim/libc"
	"enshu/sim/systemd/unitfile"
	"errors"
	"path"
	"syscall"
)

// alias makes the link of a word of Alias=.
func (i *Installer) alias(info *installInfo, alias string) (n int, err error) {
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
		return 0, i.bad(ErrKindAlias, alias, info.name)
	}
	link := path.Join(i.configDir(), alias)
	target, linkErr := i.Proc.Sys.Readlink(link)
	broken := linkErr == nil && !libc.Exists(i.Proc, target)
	if err := i.symlink(info.path, link, i.Force || broken); err != nil {
		return 0, err
	}
	return 1, nil
}

// wants makes the links in the .wants or .requires directories of targets.
func (i *Installer) wants(info *installInfo, targets []string, suffix string, preset bool) (n int, err error) {
	name := info.name
	prefix, _, _, template := unitfile.SplitName(name)
	if template && info.config.DefaultInstance != "" {
		name, template = prefix+"@"+info.config.DefaultInstance+"."+unitfile.Type(name), false
	}
	for _, t := range targets {
		_, _, isInstance, isTemplate := unitfile.SplitName(t)
		if !unitfile.ValidName(t) || template && !isInstance && !isTemplate {
			switch {
			case preset:
			case unitfile.ValidName(t):
				err = i.bad(ErrKindPlain, t, name)
			default:
				err = i.bad(ErrKindName, t, "")
			}
			continue
		}
		bad := i.symlink(info.path, path.Join(i.configDir(), t+suffix, name), true)
		if bad == nil {
			n++
		} else if err == nil {
			err = bad
		}
		if !i.Loader.Found(t) {
			i.Changes = append(i.Changes, Change{ChangeAbsent, t, info.path})
		}
	}
	return n, err
}

// symlink makes a link. One that leads to the same file stays; another is
// replaced by force alone.
func (i *Installer) symlink(target, name string, force bool) error {
	if err := libc.MkdirAll(i.Proc, path.Dir(name), 0o755); err != nil {
		return err
	}
	err := i.Proc.Sys.Symlink(target, name)
	if err == nil {
		i.Changes = append(i.Changes, Change{ChangeSymlink, name, target})
		return nil
	}
	if !errors.Is(err, syscall.EEXIST) {
		return err
	}
	old, err := i.Proc.Sys.Readlink(name)
	switch {
	case err != nil:
		return i.bad(ErrKindExists, name, "")
	case old == target || target != "/dev/null" && i.origin(name) == i.origin(target):
		return nil
	case !force:
		return i.bad(ErrKindExists, name, old)
	}
	if err := i.Proc.Sys.Remove(name); err != nil {
		return err
	}
	if err := i.Proc.Sys.Symlink(target, name); err != nil {
		return err
	}
	i.Changes = append(i.Changes, Change{ChangeUnlink, name, ""}, Change{ChangeSymlink, name, target})
	return nil
}
