package unitfile

import (
	"strings"
)

// HostNames is what specifiers tell of the host; each is asked for when a
// specifier wants it.
type HostNames struct {
	Hostname, MachineID, BootID func() string
}

// Specifiers resolves %n and its kin (systemd.unit(5)) in a setting of the unit
// called name. A letter or digit that is none is returned as bad; any other
// character stays as it is, with its percent sign.
func (m HostNames) Specifiers(s, name string) (resolved, bad string) {
	if !strings.Contains(s, "%") {
		return s, ""
	}
	prefix, instance, _, _ := SplitName(name)
	stem := strings.TrimSuffix(name, "."+Type(name))
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
			b.WriteString(UnescapeName(prefix))
		case 'i':
			b.WriteString(instance)
		case 'I':
			b.WriteString(UnescapeName(instance))
		case 'j':
			b.WriteString(last)
		case 'J':
			b.WriteString(UnescapeName(last))
		case 'f':
			if instance != "" {
				b.WriteString("/" + UnescapeName(instance))
			} else {
				b.WriteString("/" + UnescapeName(prefix))
			}
		case 'H':
			b.WriteString(m.Hostname())
		case 'l':
			short, _, _ := strings.Cut(m.Hostname(), ".")
			b.WriteString(short)
		case 'm':
			b.WriteString(m.MachineID())
		case 'b':
			b.WriteString(m.BootID())
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
			b.WriteString("/bin/bash")
		default:
			if c := s[i] | 0x20; c >= 'a' && c <= 'z' || s[i] >= '0' && s[i] <= '9' {
				return "", s[i-1 : i+1]
			}
			b.WriteString(s[i-1 : i+1])
		}
	}
	return b.String(), ""
}
