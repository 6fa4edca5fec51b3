package machine

import (
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/unitfile"
	"strings"
)

// OSRelease reads os-release(5).
func OSRelease(p *host.Proc) map[string]string {
	data, err := libc.ReadFile(p, "/etc/os-release")
	if err != nil {
		data, _ = libc.ReadFile(p, "/usr/lib/os-release")
	}
	values := map[string]string{}
	for _, e := range unitfile.ParseEnv(data) {
		name, value, _ := strings.Cut(e, "=")
		values[name] = value
	}
	return values
}
