package systemd

import (
	"enshu/sim/systemd/unitfile"
	"strings"
)

// hostNames is what specifiers tell of the host; each is asked for when a
// specifier wants it.
type hostNames struct {
	hostname, machineID, bootID func() string
}

// specifiers resolves %n and its kin (systemd.unit(5)) in a setting of the unit
// called name. In commands what is unknown stays; elsewhere it is returned as bad.
func (m hostNames) specifiers(s, name string, command bool) (resolved, bad string) {
	if !strings.Contains(s, "%") {
		return s, ""
	}
	prefix, instance, _, _ := unitfile.SplitName(name)
	stem := strings.TrimSuffix(name, "."+unitfile.Type(name))
	last := prefix[strings.LastIndexByte(prefix, '-')+1:]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case '%':
			b.WriteByte('%')
		case 'n':
			b.WriteString(name)
		case 'N':
			b.WriteString(stem)
		case 'p':
			b.WriteString(prefix)
		case 'P':
			b.WriteString(unitfile.UnescapeName(prefix))
		case 'i':
			b.WriteString(instance)
		case 'I':
			b.WriteString(unitfile.UnescapeName(instance))
		case 'j':
			b.WriteString(last)
		case 'J':
			b.WriteString(unitfile.UnescapeName(last))
		case 'f':
			if instance != "" {
				b.WriteString("/" + unitfile.UnescapeName(instance))
			} else {
				b.WriteString("/" + unitfile.UnescapeName(prefix))
			}
		case 'H':
			b.WriteString(m.hostname())
		case 'l':
			short, _, _ := strings.Cut(m.hostname(), ".")
			b.WriteString(short)
		case 'm':
			b.WriteString(m.machineID())
		case 'b':
			b.WriteString(m.bootID())
		case 't':
			b.WriteString("/run")
		case 'S':
			b.WriteString("/var/lib")
		case 'C':
			b.WriteString("/var/cache")
		case 'L':
			b.WriteString("/var/log")
		case 'E':
			b.WriteString("/etc")
		case 'T':
			b.WriteString("/tmp")
		case 'V':
			b.WriteString("/var/tmp")
		case 'h':
			b.WriteString("/root")
		case 'u', 'g':
			b.WriteString("root")
		case 'U', 'G':
			b.WriteString("0")
		case 's':
			b.WriteString("/bin/sh")
		default:
			if !command {
				return "", s[i-1 : i+1]
			}
			b.WriteString(s[i-1 : i+1])
		}
	}
	return b.String(), ""
}
