package machine

import (
	"maps"
	"path"
	"slices"
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
	var dirs []string
	for _, dir := range []string{"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"} {
		dirs = append(dirs, path.Join(dir, name+".d"))
	}
	return append(files, Merged(p, dirs, ".conf")...)
}

// Merged returns the files of directories whose names end so, in the order of
// their names; of files of one name the one of the first directory counts, as
// systemd.unit(5) has it of drop-ins.
func Merged(p *host.Proc, dirs []string, suffix string) []string {
	found := map[string]string{}
	for _, dir := range dirs {
		names, _ := libc.ReadDir(p, dir)
		for _, n := range names {
			if strings.HasSuffix(n, suffix) && found[n] == "" {
				found[n] = path.Join(dir, n)
			}
		}
	}
	var files []string
	for _, n := range slices.Sorted(maps.Keys(found)) {
		files = append(files, found[n])
	}
	return files
}
