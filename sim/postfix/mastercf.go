package postfix

import (
	"fmt"
	"strconv"
	"strings"
)

// masterEntry is one service of master.cf (master(5)).
type masterEntry struct {
	name, kind              string
	private, unprivileged   string // y, n or -
	chroot, wakeup, maxproc string
	command                 string
	args                    []string
	overrides               []string // of -o
	line, last              int      // its first and last line in the file
	fields                  []string // as written
}

// parseMasterCf reads master.cf.
func parseMasterCf(path string, data []byte) ([]masterEntry, error) {
	var out []masterEntry
	seen := map[string]bool{}
	for _, l := range logicalLines(data) {
		f := masterFields(l.text)
		if len(f) < 8 {
			return out, fmt.Errorf("%s: line %d: bad field count", path, l.first)
		}
		e := masterEntry{name: f[0], kind: f[1], private: f[2], unprivileged: f[3], chroot: f[4], wakeup: f[5], maxproc: f[6],
			command: f[7], args: f[8:], line: l.first, last: l.last, fields: f}
		switch e.kind {
		case "inet", "unix", "fifo", "pass", "unix-dgram":
		default:
			return out, fmt.Errorf("%s: line %d: bad transport type: %s", path, l.first, e.kind)
		}
		for i, v := range []string{e.private, e.unprivileged, e.chroot} {
			if v != "y" && v != "n" && v != "-" {
				return out, fmt.Errorf("%s: line %d: field \"%s\": bad value: \"%s\"", path, l.first, []string{"private", "unprivileged", "chroot"}[i], v)
			}
		}
		if e.kind == "inet" && e.private == "y" {
			return out, fmt.Errorf("%s: line %d: inet service cannot be private", path, l.first)
		}
		if e.maxproc != "-" {
			if n, err := strconv.Atoi(e.maxproc); err != nil || n < 0 {
				return out, fmt.Errorf("%s: line %d: field \"%s\": bad value: \"%s\"", path, l.first, "max_proc", e.maxproc)
			}
		}
		for i := 0; i < len(e.args); i++ {
			if e.args[i] == "-o" && i+1 < len(e.args) {
				i++
				e.overrides = append(e.overrides, strings.Trim(e.args[i], "{}"))
			} else if strings.HasPrefix(e.args[i], "-o") && len(e.args[i]) > 2 {
				e.overrides = append(e.overrides, strings.Trim(e.args[i][2:], "{}"))
			}
		}
		key := e.name + "/" + e.kind
		if seen[key] {
			continue
		}
		seen[key] = true
		out = append(out, e)
	}
	return out, nil
}

// masterFields splits a line at white space; text in braces is one field.
func masterFields(s string) []string {
	var out []string
	for s = strings.TrimLeft(s, " \t"); s != ""; s = strings.TrimLeft(s, " \t") {
		if s[0] == '{' {
			if end := matching(s, 0); end > 0 {
				out = append(out, s[:end+1])
				s = s[end+1:]
				continue
			}
		}
		end := strings.IndexAny(s, " \t")
		if end < 0 {
			end = len(s)
		}
		out = append(out, s[:end])
		s = s[end:]
	}
	return out
}

// servicePorts are the names of /etc/services that master.cf uses.
var servicePorts = map[string]int{"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465, "lmtp": 24, "qmqp": 628}

// listenAddress splits the name of an inet service into host ("" for all of
// inet_interfaces) and port.
func listenAddress(name string) (host string, port int, ok bool) {
	if strings.HasPrefix(name, "[") {
		end := strings.IndexByte(name, ']')
		if end < 0 {
			return "", 0, false
		}
		host, name = name[1:end], strings.TrimPrefix(name[end+1:], ":")
	} else if at := strings.LastIndexByte(name, ':'); at >= 0 {
		host, name = name[:at], name[at+1:]
	}
	if p, ok := servicePorts[name]; ok {
		return host, p, true
	}
	port, err := strconv.Atoi(name)
	return host, port, err == nil && port > 0 && port < 65536
}
