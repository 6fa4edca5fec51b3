package distro

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Packages is the table: everything that a host may have, the base first.
func Packages() []Package {
	return []Package{
		filesystemPackage(),
		setupPackage(),
		releasePackage(),
		systemdPackage(),
		coreutilsPackage(),
		utilLinuxPackage(),
		alternativesPackage(),
		passwdPackage(),
		sudoPackage(),
		tcpdumpPackage(),
		opensshServerPackage(),
		opensshClientsPackage(),
		chronyPackage(),
		loggerPackage(),
		rsyslogPackage(), rsyslogLogrotatePackage(),
		croniePackage(),
		cronieAnacronPackage(),
		crontabsPackage(),
		logrotatePackage(),
		firewalldPackage(),
		postfixPackage(),
		cyrusSASLPackage(),
		snailPackage(),
		httpdPackage(),
		bindPackage(),
	}
}

// Distro is the table, ready to be asked.
type Distro struct {
	packages []Package
	byName   map[string]*Package
}

// New returns the distribution that hosts have by default.
func New() *Distro {
	d := &Distro{packages: Packages(), byName: map[string]*Package{}}
	for i := range d.packages {
		d.byName[d.packages[i].Name] = &d.packages[i]
	}
	return d
}

// Add puts a package into the table that is not the distribution's own.
func (d *Distro) Add(p Package) error {
	if _, ok := d.byName[p.Name]; ok {
		return fmt.Errorf("there is a package %q already", p.Name)
	}
	d.packages = append(d.packages, p)
	for i := range d.packages { // the slice may have moved
		d.byName[d.packages[i].Name] = &d.packages[i]
	}
	return nil
}

// All returns every package, the base first.
func (d *Distro) All() []Package { return d.packages }

// Find returns a package by its name.
func (d *Distro) Find(name string) (*Package, bool) {
	p, ok := d.byName[name]
	return p, ok
}

// Installed returns the names of the packages of a host that has the base and
// extra, with all that they require, in the order of the table.
func (d *Distro) Installed(extra []string) ([]string, error) {
	want := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		if want[name] {
			return nil
		}
		p, ok := d.byName[name]
		if !ok {
			return fmt.Errorf("no package %q", name)
		}
		want[name] = true
		for _, r := range p.Requires {
			if err := add(r); err != nil {
				return fmt.Errorf("%s requires %w", name, err)
			}
		}
		return nil
	}
	for i := range d.packages {
		if d.packages[i].Base {
			if err := add(d.packages[i].Name); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range extra {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	var names []string
	for i := range d.packages {
		if want[d.packages[i].Name] {
			names = append(names, d.packages[i].Name)
		}
	}
	return names, nil
}

// Names returns the names of all packages, sorted.
func (d *Distro) Names() []string { return slices.Sorted(maps.Keys(d.byName)) }

// ProgramNames returns the names of all Programs, without their folders, sorted.
func (d *Distro) ProgramNames() []string {
	names := map[string]bool{}
	for i := range d.packages {
		for p := range d.packages[i].Programs {
			names[path.Base(p)] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Units returns the services that some package has, without ".service", sorted.
func (d *Distro) Units() []string {
	units := map[string]bool{}
	for i := range d.packages {
		tree, err := d.packages[i].Tree()
		if err != nil {
			continue
		}
		names, _ := fs.Glob(tree, "usr/lib/systemd/system/*.service")
		for _, n := range names {
			units[strings.TrimSuffix(path.Base(n), ".service")] = true
		}
	}
	return slices.Sorted(maps.Keys(units))
}

// Account is a user that a package brings, or that a lab adds.
type Account struct {
	Name     string
	UID, GID int
	Dir      string
	Line     string // of /etc/passwd
}

// Accounts returns the users of the given packages by name.
func (d *Distro) Accounts(packages []string) ([]Account, error) {
	var accounts []Account
	for _, name := range packages {
		p, ok := d.byName[name]
		if !ok {
			return nil, fmt.Errorf("no package %q", name)
		}
		for _, line := range p.Users {
			f := strings.Split(line, ":")
			if len(f) != 7 {
				return nil, fmt.Errorf("package %s: user %q has not seven fields", name, line)
			}
			uid, err1 := strconv.Atoi(f[2])
			gid, err2 := strconv.Atoi(f[3])
			if err1 != nil || err2 != nil {
				return nil, fmt.Errorf("package %s: user %q has no numbers", name, line)
			}
			accounts = append(accounts, Account{f[0], uid, gid, f[5], line})
		}
	}
	return accounts, nil
}

// GroupLines returns the lines of /etc/group of the given packages.
func (d *Distro) GroupLines(packages []string) []string {
	var lines []string
	for _, name := range packages {
		lines = append(lines, d.byName[name].Groups...)
	}
	return lines
}

// Owner returns the numbers of a user and a group that some package has; ""
// is root.
func (d *Distro) Owner(user, group string) (uid, gid int, err error) {
	find := func(kind, name string, lines func(*Package) []string) (int, error) {
		if name == "" {
			return 0, nil
		}
		for i := range d.packages {
			for _, line := range lines(&d.packages[i]) {
				if f := strings.Split(line, ":"); len(f) > 2 && f[0] == name {
					return strconv.Atoi(f[2])
				}
			}
		}
		return 0, fmt.Errorf("no package has the %s %q", kind, name)
	}
	uid, err = find("user", user, func(p *Package) []string { return p.Users })
	if err == nil {
		gid, err = find("group", group, func(p *Package) []string { return p.Groups })
	}
	return uid, gid, err
}
