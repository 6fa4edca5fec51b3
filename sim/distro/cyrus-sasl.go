package distro

import (
	"io/fs"

	"enshu/sim/host"
	"enshu/sim/saslauthd"
)

func cyrusSASLPackage() Package {
	return Package{
		Name: "cyrus-sasl", Version: saslauthd.Version, Release: "21.el9", Arch: "x86_64",
		Summary: "The Cyrus SASL library",
		Programs: map[string]host.Program{
			"/usr/sbin/saslauthd":     saslauthd.Daemon,
			"/usr/sbin/testsaslauthd": saslauthd.Test,
		},
		Files:  map[string]File{"/run/saslauthd": {Mode: fs.ModeDir | 0o755}},
		Users:  []string{"saslauth:x:990:76:Saslauthd user:/run/saslauthd:/sbin/nologin"},
		Groups: []string{"saslauth:x:76:"},
	}
}
