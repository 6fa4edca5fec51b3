package machine

import (
	"path"
	"sort"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// ConfFiles returns a configuration file of systemd and its drop-ins, in the
// order in which they are read.
func ConfFiles(p *host.Proc, name string) []string {
	var files []string
	for _, dir := range []string{"/etc/systemd", "/run/systemd", "/usr/lib/systemd"} {
		if f := path.Join(dir, name); libc.Exists(p, f) {
			files = append(files, f)
			break
		}
	}
	found := map[string]string{}
	for _, dir := range []string{"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"} {
		d := path.Join(dir, name+".d")
		names, _ := libc.ReadDir(p, d)
		for _, n := range names {
			if strings.HasSuffix(n, ".conf") && found[n] == "" {
				found[n] = path.Join(d, n)
			}
		}
	}
	names := make([]string, 0, len(found))
	for n := range found {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		files = append(files, found[n])
	}
	return files
}
