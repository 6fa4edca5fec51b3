package lab

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"enshu/sim/distro"
	"enshu/sim/kernel"
	"enshu/sim/scenario"
)

// Learner is the ordinary user that every host has; it may use sudo.
const Learner = "linuc"

const (
	firstUID = 1000
	firstGID = 1000
)

// addUsers gives the host's ordinary users their numbers.
func (h *Host) addUsers() {
	for i, name := range append([]string{Learner}, h.scenario.Users...) {
		id := firstUID + i
		dir := "/home/" + name
		h.accounts = append(h.accounts, distro.Account{Name: name, UID: id, GID: id, Dir: dir,
			Line: fmt.Sprintf("%s:x:%d:%d::%s:/bin/bash", name, id, id, dir)})
	}
}

func number(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n < 1<<16
}

// parseAccount finds a user in the text of /etc/passwd.
func parseAccount(passwd, user string) (distro.Account, bool) {
	for line := range strings.Lines(passwd) {
		line = strings.TrimSuffix(line, "\n")
		f := strings.Split(line, ":")
		if len(f) == 7 && f[0] == user {
			uid, ok1 := number(f[2])
			gid, ok2 := number(f[3])
			return distro.Account{Name: user, UID: uid, GID: gid, Dir: f[5], Line: line}, ok1 && ok2
		}
	}
	return distro.Account{}, false
}

// writeFiles puts what is this host's own over the files of its packages.
func (h *Host) writeFiles(m *kernel.Machine) error {
	var passwd, shadow strings.Builder
	groups := h.lab.Distro.GroupLines(h.packages)
	for _, a := range h.accounts {
		fmt.Fprintln(&passwd, a.Line)
		password := "*"
		if a.Name == "root" || a.UID >= firstUID && a.UID < 60000 {
			password = passwordHash
		}
		fmt.Fprintf(&shadow, "%s:%s:19700:0:99999:7:::\n", a.Name, password)
		if a.UID >= firstUID && a.UID < 60000 {
			groups = append(groups, fmt.Sprintf("%s:x:%d:", a.Name, a.GID))
		}
	}
	for i, g := range groups {
		if strings.HasPrefix(g, "wheel:") || strings.HasPrefix(g, "systemd-journal:") {
			groups[i] = g + Learner
		}
	}
	hostname := h.config.Hostname
	files := []struct {
		name, data string
		mode       fs.FileMode
	}{
		{"/etc/passwd", passwd.String(), 0o644},
		{"/etc/group", strings.Join(groups, "\n") + "\n", 0o644},
		{"/etc/shadow", shadow.String(), 0},
		{"/etc/hostname", hostname + "\n", 0o644},
		{"/etc/hosts", h.hostsFile(), 0o644},
		{"/etc/resolv.conf", h.resolvConf(), 0o644},
	}
	for _, f := range files {
		if err := m.WriteFile(f.name, []byte(f.data), f.mode, 0, 0); err != nil {
			return err
		}
	}
	if zone := string(h.scenario.Timezone); zone != "" {
		if err := m.Symlink("../usr/share/zoneinfo/"+zone, "/etc/localtime"); err != nil {
			return err
		}
	}
	if err := h.writeHomes(m); err != nil {
		return err
	}
	if err := h.writeKeys(m); err != nil {
		return err
	}
	if err := h.enableUnits(m); err != nil {
		return err
	}
	if h.servesNames() {
		if err := h.writeNameServer(m); err != nil {
			return err
		}
	}
	if h.scenario.Refclock != nil {
		conf, err := h.chronyConf()
		if err != nil {
			return err
		}
		if err := m.WriteFile("/etc/chrony.conf", conf, 0o644, 0, 0); err != nil {
			return err
		}
	}
	for _, f := range h.scenario.Files {
		if err := h.writeFile(m, f); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return nil
}

func (h *Host) writeFile(m *kernel.Machine, f scenario.File) error {
	if f.Link != "" {
		return m.Symlink(f.Link, string(f.Path))
	}
	mode := fs.FileMode(f.Mode)
	if mode == 0 {
		mode = 0o644
	}
	uid, gid := 0, 0
	if f.Owner != "" {
		user, group, both := strings.Cut(f.Owner, ":")
		i := slices.IndexFunc(h.accounts, func(a distro.Account) bool { return a.Name == user })
		if i < 0 {
			return fmt.Errorf("no user %q", user)
		}
		uid, gid = h.accounts[i].UID, h.accounts[i].GID
		if both {
			i := slices.IndexFunc(h.accounts, func(a distro.Account) bool { return a.Name == group })
			if i >= 0 {
				gid = h.accounts[i].GID
			} else if _, g, err := h.lab.Distro.Owner("", group); err == nil {
				gid = g
			} else {
				return err
			}
		}
	}
	return m.WriteFile(string(f.Path), []byte(f.Content), mode, uid, gid)
}

// hostsFile names the hosts of the lab, unless a name server does.
func (h *Host) hostsFile() string {
	var b strings.Builder
	b.WriteString("127.0.0.1   localhost localhost.localdomain localhost4 localhost4.localdomain4\n" +
		"::1         localhost localhost.localdomain localhost6 localhost6.localdomain6\n")
	for i := range h.lab.Config.Scenario.Hosts {
		other := &h.lab.Config.Scenario.Hosts[i]
		if h.lab.Config.Scenario.DNS != nil && other != h.scenario {
			continue
		}
		// The addresses on networks of our own come first, as programs try
		// them in order.
		var near, far []scenario.Interface
		for _, n := range other.Networks {
			if slices.ContainsFunc(h.scenario.Networks, func(own scenario.Interface) bool { return own.Network == n.Network }) {
				near = append(near, n)
			} else {
				far = append(far, n)
			}
		}
		for _, n := range append(near, far...) {
			names := other.Name
			if other.Hostname != "" && other.Hostname != other.Name {
				names = other.Hostname + " " + other.Name
			}
			fmt.Fprintf(&b, "%-11s %s\n", n.Address, names)
		}
	}
	return b.String()
}

func (h *Host) resolvConf() string {
	dns := h.lab.Config.Scenario.DNS
	if dns == nil {
		return ""
	}
	server := h.lab.Config.Scenario.Host(string(dns.Host))
	if server == nil || len(server.Networks) == 0 {
		return ""
	}
	address := server.Networks[0].Address
	for _, n := range server.Networks { // on a network of our own, if there is one
		for _, mine := range h.scenario.Networks {
			if n.Network == mine.Network {
				address = n.Address
			}
		}
	}
	var b strings.Builder
	if _, domain, ok := strings.Cut(h.config.Hostname, "."); ok {
		fmt.Fprintf(&b, "search %s\n", domain)
	}
	fmt.Fprintf(&b, "nameserver %s\n", address)
	return b.String()
}

// hasHome reports whether a user is a person who can log in here.
func (h *Host) hasHome(a distro.Account) bool {
	return a.Name == "root" || a.UID >= firstUID && a.UID < 60000 && a.Dir != "/" && !h.lab.SingleID
}

// writeHomes makes the home directories from /etc/skel.
func (h *Host) writeHomes(m *kernel.Machine) error {
	setup, ok := h.lab.Distro.Find("setup")
	if !ok {
		return nil
	}
	tree, err := setup.Tree()
	if err != nil {
		return err
	}
	skel, err := fs.ReadDir(tree, "etc/skel")
	if err != nil {
		return err
	}
	for _, a := range h.accounts {
		if !h.hasHome(a) {
			continue
		}
		mode := os.FileMode(0o700)
		if a.Name == "root" {
			mode = 0o550
		}
		if err := m.Mkdir(a.Dir, mode, a.UID, a.GID); err != nil {
			return err
		}
		for _, e := range skel {
			data, err := fs.ReadFile(tree, path.Join("etc/skel", e.Name()))
			if err != nil {
				return err
			}
			if err := m.WriteFile(path.Join(a.Dir, e.Name()), data, 0o644, a.UID, a.GID); err != nil {
				return err
			}
		}
		if err := m.WriteFile("/var/spool/mail/"+a.Name, nil, 0o660, a.UID, mailGID); err != nil {
			return err
		}
	}
	return nil
}

// mailGID is the group mail of package setup, whose mailboxes are.
const mailGID = 12

// passwordHash is the password "enshu" (crypt(5), sha512crypt), which root and
// ordinary users of every host have.
const passwordHash = "$6$enshuenshu$Sns7dG61cYSvKjc/VDl2v/uOIYtLLgdajFh8ek19mjfFi37vryJB3sNzmUEpQBEdQYMhQRGYgScU7aiwFNtte1"

// unitDir is where packages keep their units.
const unitDir = "usr/lib/systemd/system"

// enableUnits makes the links of `systemctl enable` for the packages' units, as
// the lab file changes them: a unit that is to be stopped is not started at boot.
func (h *Host) enableUnits(m *kernel.Machine) error {
	want := map[string]bool{}
	var order []string
	for _, name := range h.packages {
		p, _ := h.lab.Distro.Find(name)
		for _, u := range p.Enable {
			want[u] = true
			order = append(order, u)
		}
	}
	if h.servesNames() {
		want[nameServerUnit] = true
		order = append(order, nameServerUnit)
	}
	for _, s := range h.scenario.Services {
		unit := unitName(string(s.Unit))
		if _, known := want[unit]; !known {
			order = append(order, unit)
		}
		want[unit] = s.State == scenario.Enabled || s.State == scenario.Started && want[unit]
		if s.State == scenario.Masked {
			if err := m.Symlink("/dev/null", "/etc/systemd/system/"+unit); err != nil {
				return err
			}
		}
	}
	for _, unit := range order {
		if !want[unit] {
			continue
		}
		for _, link := range h.installLinks(unit) {
			if err := m.Symlink("/"+unitDir+"/"+unit, "/etc/systemd/system/"+link); err != nil {
				return err
			}
		}
	}
	return nil
}

func unitName(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return name + ".service"
}

// installLinks returns the links that a unit's [Install] section asks for.
func (h *Host) installLinks(unit string) []string {
	for _, name := range h.packages {
		p, _ := h.lab.Distro.Find(name)
		tree, err := p.Tree()
		if err != nil {
			continue
		}
		data, err := fs.ReadFile(tree, path.Join(unitDir, unit))
		if err != nil {
			continue
		}
		var links []string
		for line := range strings.Lines(string(data)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			for _, v := range strings.Fields(value) {
				switch key {
				case "WantedBy":
					links = append(links, v+".wants/"+unit)
				case "RequiredBy":
					links = append(links, v+".requires/"+unit)
				case "Alias":
					links = append(links, v)
				}
			}
		}
		return links
	}
	return nil
}

// setup does what needs a running host: services that were kept from the boot
// or are not enabled, and the lab file's own script.
func (h *Host) setup(ctx context.Context) error {
	var script strings.Builder
	for _, s := range h.scenario.Services {
		unit := unitName(string(s.Unit))
		switch s.State {
		case scenario.Stopped:
			if h.enabledByDefault(unit) {
				fmt.Fprintf(&script, "systemctl enable -q %s\n", unit)
			}
		case scenario.Started, scenario.Enabled:
			fmt.Fprintf(&script, "systemctl start %s\n", unit)
		}
	}
	script.WriteString(h.scenario.Setup)
	if script.Len() == 0 {
		return nil
	}
	out, err := h.Exec(ctx, "root", "set -e\n"+script.String(), nil)
	if err != nil {
		return fmt.Errorf("host %s: setup: %w", h.Name(), err)
	}
	if !out.Status.Success() {
		return fmt.Errorf("host %s: setup: %v: %s", h.Name(), out.Status, strings.TrimSpace(out.Stderr+out.Stdout))
	}
	return nil
}

func (h *Host) enabledByDefault(unit string) bool {
	for _, name := range h.packages {
		if p, ok := h.lab.Distro.Find(name); ok && slices.Contains(p.Enable, unit) {
			return true
		}
	}
	return false
}
