package conf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Service is one service of master.cf (master(5)).
type Service struct {
	Name, Kind            string
	Private, Unprivileged string // y, n or -
	Command               string
	Overrides             []string // of -o, name=value
	Line, Last            int      // its first and last line in the file
	Fields                []string // the columns, then what follows the command: "-o" and its value are two
}

// MasterFieldNames are the columns of master.cf.
var MasterFieldNames = []string{"service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command"}

// ParseMaster reads master.cf as master(8) does; its errors are what it dies of.
func ParseMaster(path string, data []byte) ([]Service, error) {
	var out []Service
	seen := map[string]bool{}
	for _, l := range Lines(data) {
		e, err := parseService(l, fmt.Sprintf("%s: line %d", path, l.First))
		var bad *badField
		switch {
		case errors.As(err, &bad) && bad.name == "type":
			return out, fmt.Errorf("%s: line %d: bad transport type: %s", path, l.First, bad.value)
		case errors.As(err, &bad):
			name := map[string]string{"process_limit": "max_proc"}[bad.name]
			if name == "" {
				name = bad.name
			}
			return out, fmt.Errorf("%s: line %d: field \"%s\": bad value: \"%s\"", path, l.First, name, bad.value)
		case err != nil:
			return out, err
		case e.Kind == "inet" && e.Private == "y":
			return out, fmt.Errorf("%s: line %d: inet service cannot be private", path, l.First)
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

// EditMaster reads master.cf as postconf(1) does, which has its own words for
// what is wrong and takes more for right.
func EditMaster(path string, data []byte) ([]Service, error) {
	var out []Service
	for _, l := range Lines(data) {
		e, err := parseService(l, fmt.Sprintf("file %s: line %d", path, l.First))
		if err != nil {
			return out, err
		}
		out = append(out, e)
	}
	return out, nil
}

// badField says that a column of master.cf has no meaning.
type badField struct{ name, value, line string }

func (b *badField) Error() string {
	return fmt.Sprintf("invalid %s field \"%s\" in \"%s\"", b.name, b.value, b.line)
}

// ParseEntry reads the text of one service, as postconf -M -e has it.
func ParseEntry(text string) (Service, error) { return parseService(Line{Text: text}, "") }

// parseService reads one service; where is how the error of a line that is too
// short begins.
func parseService(l Line, where string) (Service, error) {
	f := masterFields(l.Text)
	if len(f) < 8 {
		return Service{}, fmt.Errorf("%s: bad field count", where)
	}
	e := Service{Name: f[0], Kind: f[1], Private: f[2], Unprivileged: f[3], Command: f[7], Line: l.First, Last: l.Last, Fields: f[:8:8]}
	bad := func(i int) error { return &badField{MasterFieldNames[i], f[i], l.Text} }
	switch e.Kind {
	case "inet", "unix", "fifo", "pass", "unix-dgram":
	default:
		return e, bad(1)
	}
	for i := 2; i < 5; i++ {
		if f[i] != "y" && f[i] != "n" && f[i] != "-" {
			return e, bad(i)
		}
	}
	if w := strings.TrimSuffix(f[5], "?"); f[5] != "-" && strings.Trim(w, "0123456789") != "" {
		return e, bad(5)
	}
	if n, err := strconv.Atoi(f[6]); f[6] != "-" && (err != nil || n < 0) {
		return e, bad(6)
	}
	for args := f[8:]; len(args) > 0; args = args[1:] {
		option, ok := strings.CutPrefix(args[0], "-o")
		if !ok || option == "" && len(args) == 1 {
			e.Fields = append(e.Fields, args[0])
			continue
		}
		if option == "" {
			args = args[1:]
			option = args[0]
		}
		name, value, problem := SplitNameValue(strings.Trim(strings.TrimSuffix(strings.TrimPrefix(option, "{"), "}"), " \t"))
		if problem != "" {
			e.Fields = append(e.Fields, "-o", option)
			continue
		}
		e.Overrides = append(e.Overrides, name+"="+value)
		e.Fields = append(e.Fields, "-o", overrideText(name, value))
	}
	return e, nil
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

// columns are where the fields begin in what postconf(1) writes, when there is room.
var columns = []int{0, 11, 17, 25, 33, 41, 49, 57}

// foldWidth is how long a line of postconf -f may be.
const foldWidth = 80

// Format writes an entry as postconf(1) does. With fold, options stand on lines
// of their own, and lines are broken that would be too long.
func (e Service) Format(fold bool) string {
	var b strings.Builder
	width := 0
	put := func(text string) { b.WriteString(text); width += len(text) }
	for i, at := range columns {
		if i > 0 {
			put(strings.Repeat(" ", max(1, at-width)))
		}
		put(e.Fields[i])
	}
	alone := false // what stands on the line stands there alone
	for f := e.Fields[8:]; len(f) > 0; f = f[1:] {
		word, option := f[0], f[0] == "-o" && len(f) > 1
		if option {
			f = f[1:]
			word += " " + f[0]
		}
		if fold && (option || alone || word == "-o" || width+1+len(word) > foldWidth) {
			b.WriteString("\n    ")
			width = 4
		} else {
			put(" ")
		}
		put(word)
		alone = option
	}
	return b.String()
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
		n, _, _ := SplitNameValue(strings.Trim(e.Fields[i], "{} \t"))
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
		return "{" + name + "=" + value + "}"
	}
	return name + "=" + value
}
