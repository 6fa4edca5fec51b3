package lab

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"

	"enshu/sim/distro"
	"enshu/sim/dnf"
	"enshu/sim/host"
	"enshu/sim/kernel"
	"enshu/sim/libc"
)

// repo is what dnf(8) on a running host has: the distribution's packages, and
// the way their files get there. Everything is done as the process of dnf.
type repo struct {
	distro *distro.Distro
	fresh  map[string][]string // by host: what it was installed with
}

func newRepo(d *distro.Distro) *repo { return &repo{distro: d, fresh: map[string][]string{}} }

// tools are the packages of dnf and rpm themselves.
func (r *repo) tools() []distro.Package {
	return []distro.Package{
		{Name: "rpm", Version: "4.16.1.3", Release: "29.el9", Arch: "x86_64", Base: true, Summary: "The RPM package management system",
			Programs: map[string]host.Program{"/usr/bin/rpm": dnf.Rpm(r)}},
		{Name: "dnf", Version: "4.14.0", Release: "9.el9.alma.1", Arch: "noarch", Base: true, Summary: "Package manager", Requires: []string{"rpm"},
			Programs: map[string]host.Program{"/usr/bin/dnf": dnf.New(r)},
			Files:    map[string]distro.File{"/usr/bin/yum": {Link: "dnf"}}},
	}
}

// appStream are the packages that EL 9 does not have in BaseOS.
var appStream = []string{"bind", "httpd", "postfix", "rsyslog", "s-nail"}

// programSize stands for the size of an executable, in bytes: those of the lab
// are all one.
const programSize = 300 << 10

// Packages implements [dnf.Repo].
func (r *repo) Packages(p *host.Proc) []dnf.Package {
	var all []dnf.Package
	for _, d := range r.distro.All() {
		k := dnf.Package{Name: d.Name, Version: d.Version, Release: d.Release, Arch: d.Arch, Repo: "baseos", Summary: d.Summary, Requires: d.Requires,
			Preinstalled: slices.Contains(r.fresh[p.Host.Name], d.Name), InstalledSize: int64(len(d.Programs)) * programSize}
		if slices.Contains(appStream, d.Name) {
			k.Repo = "appstream"
		}
		files, err := contents(&d)
		if err != nil {
			continue // the lab would not have started
		}
		for name, data := range files {
			k.InstalledSize += int64(len(data))
			k.Files = append(k.Files, name)
			if isConfig(name) {
				k.Config = append(k.Config, name)
			}
		}
		k.Files = append(slices.AppendSeq(k.Files, maps.Keys(d.Programs)), slices.Collect(maps.Keys(d.Files))...)
		slices.Sort(k.Files)
		slices.Sort(k.Config)
		k.Files = slices.Compact(k.Files)
		k.Size = k.InstalledSize / 3
		hasUnits := len(units(files)) > 0
		k.Before, k.After, k.BeforeRemove, k.AfterRemove = len(d.Users) > 0, hasUnits, hasUnits, hasUnits
		all = append(all, k)
	}
	return all
}

// contents returns the regular files of a package, by path.
func contents(d *distro.Package) (map[string][]byte, error) {
	tree, err := d.Tree()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	err = fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == ".keep" {
			return err
		}
		files["/"+name], err = fs.ReadFile(tree, name)
		return err
	})
	return files, err
}

func isConfig(name string) bool { return strings.HasPrefix(name, "/etc/") }

// units returns the names of the units among a package's files.
func units(files map[string][]byte) []string {
	var names []string
	for name := range files {
		if dir, unit := path.Split(name); dir == "/"+unitDir+"/" && !strings.Contains(unit, "@.") {
			names = append(names, unit)
		}
	}
	slices.Sort(names)
	return names
}

// Install implements [dnf.Repo]: the package's users and groups, its files, and
// what its scriptlets do. A changed configuration file is kept, and the
// package's put next to it as .rpmnew.
func (r *repo) Install(ctx context.Context, p *host.Proc, name string) error {
	d, ok := r.distro.Find(name)
	if !ok {
		return syscall.ENOENT
	}
	files, err := contents(d)
	if err != nil {
		return err
	}
	if err := addAccounts(p, d); err != nil {
		return err
	}
	// Directories come before what is in them.
	for _, name := range slices.Sorted(maps.Keys(d.Files)) {
		f := d.Files[name]
		switch {
		case f.Mode.IsDir():
			err = libc.MkdirAll(p, name, 0o755)
		case f.Link != "":
			err = symlink(p, f.Link, name)
		case files[name] == nil && d.Programs[name] == nil && !libc.Exists(p, name):
			files[name] = []byte{}
		}
		if err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		to := name
		if old, err := libc.ReadFile(p, name); err == nil && isConfig(name) && string(old) != string(files[name]) {
			to += ".rpmnew"
		}
		if err := libc.MkdirAll(p, path.Dir(to), 0o755); err != nil {
			return err
		}
		if err := libc.WriteFile(p, to, files[name], 0o644); err != nil {
			return err
		}
	}
	for name := range d.Programs {
		if err := symlink(p, kernel.ProgramsDir+name, name); err != nil {
			return err
		}
	}
	for name, f := range d.Files {
		if f.Link != "" || d.Programs[name] != nil {
			continue
		}
		if err := r.own(p, name, f); err != nil {
			return err
		}
	}
	if len(units(files)) > 0 {
		systemctl(ctx, p, "daemon-reload")
		systemctl(ctx, p, "enable", d.Enable...)
	}
	return nil
}

// own gives a file its owner and mode.
func (r *repo) own(p *host.Proc, name string, f distro.File) error {
	uid, gid, err := r.distro.Owner(f.User, f.Group)
	if err != nil {
		return err
	}
	// A lab of a single id has nobody else to own it.
	if err := p.Sys.Chown(name, uid, gid); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	if f.Mode == 0 {
		return nil
	}
	return p.Sys.Chmod(name, f.Mode&^fs.ModeType)
}

// symlink makes a symbolic link in the place of whatever file is there.
func symlink(p *host.Proc, target, name string) error {
	if err := libc.MkdirAll(p, path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := p.Sys.Remove(name); err != nil && !errors.Is(err, syscall.ENOENT) {
		return err
	}
	return p.Sys.Symlink(target, name)
}

// addAccounts adds a package's users and groups to the host's, unless they are
// there. They stay when the package goes, as real ones do.
func addAccounts(p *host.Proc, d *distro.Package) error {
	for _, line := range d.Groups {
		group, _, _ := strings.Cut(line, ":")
		if _, ok := libc.GroupByName(p, group); !ok {
			if err := libc.AppendFile(p, "/etc/group", []byte(line+"\n"), 0o644); err != nil {
				return err
			}
		}
	}
	for _, line := range d.Users {
		user, _, _ := strings.Cut(line, ":")
		if _, ok := libc.UserByName(p, user); ok {
			continue
		}
		if err := libc.AppendFile(p, "/etc/passwd", []byte(line+"\n"), 0o644); err != nil {
			return err
		}
		if err := libc.AppendFile(p, "/etc/shadow", []byte(user+":!!:19700::::::\n"), 0); err != nil {
			return err
		}
	}
	return nil
}

// systemctl does what the scriptlets of packages with units do. That it fails,
// say because systemd runs nothing of the kind, does not stop rpm either.
func systemctl(ctx context.Context, p *host.Proc, verb string, units ...string) {
	if verb != "daemon-reload" && len(units) == 0 {
		return
	}
	child, err := p.Start(host.Cmd{Path: "/usr/bin/systemctl", Args: append(append([]string{"systemctl", "-q"}, strings.Fields(verb)...), units...)})
	if err == nil {
		_, _ = child.Wait(ctx)
	}
}

// Remove implements [dnf.Repo]: the services stop, and the files go, but for
// directories that hold more; a changed configuration file stays as .rpmsave.
func (r *repo) Remove(ctx context.Context, p *host.Proc, name string) error {
	d, ok := r.distro.Find(name)
	if !ok {
		return syscall.ENOENT
	}
	files, err := contents(d)
	if err != nil {
		return err
	}
	systemctl(ctx, p, "disable --now", units(files)...)
	all := slices.Collect(maps.Keys(files))
	all = append(slices.AppendSeq(all, maps.Keys(d.Programs)), slices.Collect(maps.Keys(d.Files))...)
	slices.Sort(all)
	all = slices.Compact(all)
	// What is in a directory goes before it.
	for _, name := range slices.Backward(all) {
		if old, err := libc.ReadFile(p, name); err == nil && isConfig(name) && files[name] != nil && string(old) != string(files[name]) {
			err = p.Sys.Rename(name, name+".rpmsave")
			if err != nil {
				return err
			}
			continue
		}
		err := p.Sys.Remove(name)
		if err != nil && !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EBUSY) {
			return err
		}
	}
	if len(units(files)) > 0 {
		systemctl(ctx, p, "daemon-reload")
	}
	return nil
}
