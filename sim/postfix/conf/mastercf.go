package conf

import (
	"fmt"
	"strconv"
	"strings"
)

// Service is one service of master.cf (master(5)).
type Service struct {
	Name, Kind              string
	Private, Unprivileged   string // y, n or -
	chroot, wakeup, maxproc string
	Command                 string
	args                    []string
	Overrides               []string // of -o
	Line, Last              int      // its first and last line in the file
	Fields                  []string // as written
}

// ParseMaster reads master.cf.
func ParseMaster(path string, data []byte) ([]Service, error) {
	var out []Service
	seen := map[string]bool{}
	for _, l := range Lines(data) {
		f := masterFields(l.Text)
		if len(f) < 8 {
			return out, fmt.Errorf("%s: line %d: bad field count", path, l.First)
		}
		e := Service{Name: f[0], Kind: f[1], Private: f[2], Unprivileged: f[3], chroot: f[4], wakeup: f[5], maxproc: f[6],
			Command: f[7], args: f[8:], Line: l.First, Last: l.Last, Fields: f}
		switch e.Kind {
		case "inet", "unix", "fifo", "pass", "unix-dgram":
		default:
			return out, fmt.Errorf("%s: line %d: bad transport type: %s", path, l.First, e.Kind)
		}
		for i, v := range []string{e.Private, e.Unprivileged, e.chroot} {
			if v != "y" && v != "n" && v != "-" {
				return out, fmt.Errorf("%s: line %d: field \"%s\": bad value: \"%s\"", path, l.First, []string{"private", "unprivileged", "chroot"}[i], v)
			}
		}
		if e.Kind == "inet" && e.Private == "y" {
			return out, fmt.Errorf("%s: line %d: inet service cannot be private", path, l.First)
		}
		if e.maxproc != "-" {
			if n, err := strconv.Atoi(e.maxproc); err != nil || n < 0 {
				return out, fmt.Errorf("%s: line %d: field \"%s\": bad value: \"%s\"", path, l.First, "max_proc", e.maxproc)
			}
		}
		for i := 0; i < len(e.args); i++ {
			if e.args[i] == "-o" && i+1 < len(e.args) {
				i++
				e.Overrides = append(e.Overrides, strings.Trim(e.args[i], "{}"))
			} else if strings.HasPrefix(e.args[i], "-o") && len(e.args[i]) > 2 {
				e.Overrides = append(e.Overrides, strings.Trim(e.args[i][2:], "{}"))
			}
		}
		key := e.Name + "/" + e.Kind
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
			if end := Matching(s, 0); end > 0 {
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

// Ports are the names of /etc/services that master.cf uses.
var Ports = map[string]int{"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465, "lmtp": 24, "qmqp": 628}

// ListenAddress splits the name of an inet service into host ("" for all of
// inet_interfaces) and port.
func ListenAddress(name string) (host string, port int, ok bool) {
	if strings.HasPrefix(name, "[") {
		end := strings.IndexByte(name, ']')
		if end < 0 {
			return "", 0, false
		}
		host, name = name[1:end], strings.TrimPrefix(name[end+1:], ":")
	} else if at := strings.LastIndexByte(name, ':'); at >= 0 {
		host, name = name[:at], name[at+1:]
	}
	if p, ok := Ports[name]; ok {
		return host, p, true
	}
	port, err := strconv.Atoi(name)
	return host, port, err == nil && port > 0 && port < 65536
}

// Field returns a column as postconf -F shows it.
func (e Service) Field(i int) string {
	if i == 7 {
		return strings.Join(e.Fields[7:], " ")
	}
	return e.Fields[i]
}

// Format writes an entry as postconf(1) does, its options on lines of their own
// when fold is set.
func (e Service) Format(fold bool) string {
	f := e.Fields
	line := fmt.Sprintf("%-10s %-5s %-7s %-7s %-7s %-7s %-7s %s", f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7])
	for i := 8; i < len(f); i++ {
		sep := " "
		if fold && strings.HasPrefix(f[i], "-") {
			sep = "\n    "
		}
		line += sep + f[i]
	}
	return line
}

// SetOverride gives an entry an -o option, "" removes it. It reports whether
// there was one.
func (e *Service) SetOverride(name string, value *string) bool {
	found := false
	var kept []string
	for i := 8; i < len(e.Fields); i++ {
		if e.Fields[i] != "-o" || i+1 == len(e.Fields) {
			kept = append(kept, e.Fields[i])
			continue
		}
		i++
		n, _, _ := SplitNameValue(strings.Trim(e.Fields[i], "{}"))
		switch {
		case n != name:
			kept = append(kept, "-o", e.Fields[i])
		case value != nil && !found:
			kept = append(kept, "-o", overrideText(name, *value))
		}
		found = found || n == name
	}
	if !found && value != nil {
		kept = append(kept, "-o", overrideText(name, *value))
	}
	e.Fields = append(e.Fields[:8:8], kept...)
	return found
}

func overrideText(name, value string) string {
	if strings.ContainsAny(value, " \t") {
		return "{ " + name + " = " + value + " }"
	}
	return name + "=" + value
}
