package lab

import (
	"fmt"
	"maps"
	"slices"

	"enshu/sim/distro"
	"enshu/sim/kernel"
)

// hidden is what hosts must not see of the machine's /usr, beyond the Programs
// of the distribution: other software that would answer for it.
var hidden = []string{
	"/usr/lib/systemd", "/usr/lib/firewalld", "/usr/share/firewalld", "/usr/libexec/postfix", "/usr/lib/postfix",
	"/usr/sbin/exim4", "/usr/sbin/exim", "/usr/sbin/sendmail", "/usr/sbin/syslog-ng", "/usr/sbin/ntpd",
	"/usr/bin/apt", "/usr/bin/apt-get", "/usr/bin/dpkg", "/usr/bin/docker",
}

// layers turns the packages of a distribution into layers of a root file system.
func layers(d *distro.Distro) ([]kernel.Layer, error) {
	var layers []kernel.Layer
	for _, p := range d.All() {
		l := kernel.Layer{Name: p.Name, Programs: slices.Sorted(maps.Keys(p.Programs))}
		tree, err := p.Tree()
		if err != nil {
			return nil, err
		}
		l.Tree = tree
		for _, name := range slices.Sorted(maps.Keys(p.Files)) {
			f := p.Files[name]
			uid, gid, err := d.Owner(f.User, f.Group)
			if err != nil {
				return nil, fmt.Errorf("package %s: %s: %w", p.Name, name, err)
			}
			mode := f.Mode
			if mode == 0 {
				mode = 0o644
			}
			l.Entries = append(l.Entries, kernel.Entry{Path: name, Mode: mode, UID: uid, GID: gid, Link: f.Link})
		}
		layers = append(layers, l)
	}
	return layers, nil
}
