// Package hostnamectl is hostnamectl, with what systemd-hostnamed does for it on a
// real system: the host's name and what kind of machine it is.
package hostnamectl

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/tool"
	"enshu/sim/systemd/unitfile"
)

// Command is /usr/bin/hostnamectl.
func Command(ctx context.Context, p *host.Proc) int {
	s := screen.New(p)
	var which []string
	args, over, status := tool.Tool{Name: "hostnamectl", Help: hostnamectlHelp, Short: "H:M:", Long: []libc.LongOption{
		{Name: "transient"}, {Name: "static"}, {Name: "pretty"}, {Name: "no-ask-password"}, {Name: "host", Arg: libc.RequiredArgument, Short: "H"},
		{Name: "machine", Arg: libc.RequiredArgument, Short: "M"}, {Name: "json", Arg: libc.RequiredArgument},
	}}.Options(p, func(o libc.Option) (over bool, status int) {
		switch o.Name {
		case "transient", "static", "pretty":
			which = append(which, o.Name)
		}
		return false, 0
	})
	if over {
		return status
	}
	verb := "status"
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	names := map[string]string{"hostname": "PRETTY_HOSTNAME", "set-hostname": "PRETTY_HOSTNAME", "chassis": "CHASSIS", "set-chassis": "CHASSIS", "icon-name": "ICON_NAME",
		"set-icon-name": "ICON_NAME", "deployment": "DEPLOYMENT", "set-deployment": "DEPLOYMENT", "location": "LOCATION", "set-location": "LOCATION"}
	switch {
	case verb == "status":
		if len(which) > 0 {
			fmt.Fprintln(p.Stdout, hostnameOf(p, which[0]))
			return 0
		}
		hostStatus(s, p)
		return 0
	case names[verb] == "":
		s.Fail("Unknown command verb %s.", verb)
		return 1
	case len(args) > 1:
		s.Fail("Too many arguments.")
		return 1
	case len(args) == 0 && strings.HasPrefix(verb, "set-"):
		s.Fail("Too few arguments.")
		return 1
	case len(args) == 0 && verb == "hostname":
		kind := "hostname"
		if len(which) > 0 {
			kind = which[0]
		}
		fmt.Fprintln(p.Stdout, hostnameOf(p, kind))
		return 0
	case len(args) == 0:
		fmt.Fprintln(p.Stdout, machineInfo(p)[names[verb]])
		return 0
	}
	if strings.HasSuffix(verb, "hostname") {
		return setHostname(ctx, s, p, args[0], which)
	}
	if err := setMachineInfo(p, names[verb], args[0]); err != nil {
		return denied(s, "Could not set "+strings.TrimPrefix(verb, "set-"), err)
	}
	return 0
}

// denied reports that a change failed, in polkit's words when rights lack.
func denied(s *screen.Screen, what string, err error) int {
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		s.Fail("%s: Interactive authentication required.", what)
	} else {
		s.Fail("%s: %s", what, libc.Strerror(err))
	}
	return 1
}

func hostnameOf(p *host.Proc, kind string) string {
	switch kind {
	case "pretty":
		return machineInfo(p)["PRETTY_HOSTNAME"]
	case "static":
		data, _ := libc.ReadFile(p, "/etc/hostname")
		return strings.TrimSpace(string(data))
	}
	return machine.Hostname(p)
}

// validHostname: labels of letters, digits and inner hyphens, 64 bytes in all.
func validHostname(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if c != '-' && c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}

func setHostname(ctx context.Context, s *screen.Screen, p *host.Proc, name string, which []string) int {
	if slices.Equal(which, []string{"pretty"}) {
		if err := setMachineInfo(p, "PRETTY_HOSTNAME", name); err != nil {
			return denied(s, "Could not set pretty hostname", err)
		}
		return 0
	}
	plain := strings.TrimSuffix(name, ".")
	if !validHostname(plain) && plain != "" {
		if len(which) > 0 {
			s.Fail("Could not set %s hostname: Invalid %s hostname '%s'", which[0], which[0], name)
			return 1
		}
		// A name that no host may have is a pretty one; the rest is derived from it.
		if err := setMachineInfo(p, "PRETTY_HOSTNAME", name); err != nil {
			return denied(s, "Could not set pretty hostname", err)
		}
		plain = simplified(name)
	}
	if !slices.Equal(which, []string{"transient"}) {
		err := libc.WriteFile(p, "/etc/hostname", []byte(plain+"\n"), 0o644)
		if err != nil {
			return denied(s, "Could not set static hostname", err)
		}
	}
	if found, err := p.LookPath("hostname"); err == nil && plain != "" {
		p.Exec(ctx, found, plain)
	}
	return 0
}

// simplified makes a host name of a pretty one (hostname_cleanup): what may
// not stand in one is left out.
func simplified(s string) string {
	var b strings.Builder
	dot, hyphen := true, true // as if a dot stood before the first label
	for _, c := range s {
		switch {
		case c == '.':
			if dot || hyphen {
				continue
			}
			dot, hyphen = true, false
		case c == '-':
			if dot {
				continue
			}
			dot, hyphen = false, true
		case c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			dot, hyphen = false, false
		default:
			continue
		}
		b.WriteRune(c)
	}
	return strings.Trim(b.String(), "-.")
}

func machineInfo(p *host.Proc) map[string]string {
	data, _ := libc.ReadFile(p, "/etc/machine-info")
	values := map[string]string{}
	for _, e := range unitfile.ParseEnv(data) {
		name, value, _ := strings.Cut(e, "=")
		values[name] = value
	}
	return values
}

func setMachineInfo(p *host.Proc, name, value string) error {
	info := machineInfo(p)
	info[name] = value
	if value == "" {
		delete(info, name)
	}
	if len(info) == 0 {
		err := p.Sys.Remove("/etc/machine-info")
		if errors.Is(err, syscall.ENOENT) {
			err = nil
		}
		return err
	}
	keys := make([]string, 0, len(info))
	for k := range info {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		v := info[k]
		if strings.ContainsAny(v, " \t\"'\\$`") {
			v = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(v) + `"`
		}
		b.WriteString(k + "=" + v + "\n")
	}
	return libc.WriteFile(p, "/etc/machine-info", []byte(b.String()), 0o644)
}

func hostStatus(s *screen.Screen, p *host.Proc) {
	var lines [][2]string
	width := 0
	line := func(label, value string) {
		if value != "" {
			lines = append(lines, [2]string{label, value})
			width = max(width, len(label))
		}
	}
	info, release := machineInfo(p), machine.OSRelease(p)
	line("Static hostname", hostnameOf(p, "static"))
	line("Pretty hostname", info["PRETTY_HOSTNAME"])
	chassis := info["CHASSIS"]
	if chassis == "" {
		chassis = "vm"
	}
	icon := info["ICON_NAME"]
	if icon == "" {
		icon = "computer-" + chassis
	}
	line("Icon name", icon)
	mark := map[string]string{"vm": " 🖴", "container": " ☐", "server": " 🖳", "laptop": " 💻", "desktop": " 🖥️"}[chassis]
	if !s.UTF8 {
		mark = ""
	}
	line("Chassis", chassis+mark)
	line("Deployment", info["DEPLOYMENT"])
	line("Location", info["LOCATION"])
	line("Machine ID", machine.ID(p))
	line("Boot ID", machine.BootID(p).String())
	line("Virtualization", "kvm")
	line("Operating System", s.Link(release["HOME_URL"], release["PRETTY_NAME"]))
	line("CPE OS Name", release["CPE_NAME"])
	kernel, _ := libc.ReadFile(p, "/proc/sys/kernel/osrelease")
	if k := strings.TrimSpace(string(kernel)); k != "" {
		line("Kernel", "Linux "+k)
	}
	line("Architecture", map[string]string{"amd64": "x86-64", "arm64": "arm64"}[runtime.GOARCH])
	for _, l := range lines {
		fmt.Fprintf(s.Out, "%*s: %s\n", width, l[0], l[1])
	}
}

const hostnamectlHelp = `hostnamectl [OPTIONS...] COMMAND ...

Query or change system hostname.

Commands:
  status                 Show current hostname settings
  hostname [NAME]        Get/set system hostname
  icon-name [NAME]       Get/set icon name for host
  chassis [NAME]         Get/set chassis type for host
  deployment [NAME]      Get/set deployment environment for host
  location [NAME]        Get/set location for host

Options:
  -h --help              Show this help
     --version           Show package version
     --no-ask-password   Do not prompt for password
     --transient         Only set transient hostname
     --static            Only set static hostname
     --pretty            Only set pretty hostname

See the hostnamectl(1) man page for details.
`
