package lab

import (
	"os"
	"slices"
	"strings"
)

// tools are programs that a learner finds on every host because the machine
// has them, with their packages in Debian and in Fedora's family.
var tools = []struct{ name, debian, fedora string }{
	{"vi", "vim", "vim"},
	{"less", "less", "less"},
	{"ps", "procps", "procps-ng"},
	{"ip", "iproute2", "iproute"},
	{"ss", "iproute2", "iproute"},
	{"ping", "iputils-ping", "iputils"},
	{"nft", "nftables", "nftables"},
	{"traceroute", "traceroute", "traceroute"},
	{"telnet", "inetutils-telnet", "telnet"},
	{"tcpdump", "tcpdump", "tcpdump"},
	{"dig", "bind9-dnsutils", "bind-utils"},
	{"lsof", "lsof", "lsof"},
	{"curl", "curl", "curl"},
}

// inHosts reports whether a program of the machine is one of its hosts too.
func inHosts(name string) bool {
	return slices.ContainsFunc([]string{"/usr/bin/", "/usr/sbin/"}, func(dir string) bool {
		_, err := os.Stat(dir + name)
		return err == nil
	})
}

// MissingTools returns the tools that hosts will lack because this machine
// lacks them, and the command that installs them; it is "" when none are.
func MissingTools() (names []string, install string) {
	_, err := os.Stat("/usr/bin/apt-get")
	debian := err == nil
	var packages []string
	for _, t := range tools {
		if inHosts(t.name) {
			continue
		}
		names = append(names, t.name)
		p := t.fedora
		if debian {
			p = t.debian
		}
		if !slices.Contains(packages, p) {
			packages = append(packages, p)
		}
	}
	if len(names) == 0 {
		return nil, ""
	}
	if debian {
		return names, "sudo apt-get install " + strings.Join(packages, " ")
	}
	return names, "sudo dnf install " + strings.Join(packages, " ")
}
