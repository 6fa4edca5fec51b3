package lab

import (
	"os"
	"os/exec"
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
}

// MissingTools returns the tools that hosts will lack because this machine
// lacks them, and the command that installs them; it is "" when none are.
func MissingTools() (names []string, install string) {
	_, err := os.Stat("/usr/bin/apt-get")
	debian := err == nil
	var packages []string
	for _, t := range tools {
		if _, err := exec.LookPath(t.name); err == nil {
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
