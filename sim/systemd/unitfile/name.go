package unitfile

import (
	"path"
	"slices"
	"strings"
)

// Types are the suffixes of units, in the order in which lists sort them.
var Types = []string{"automount", "mount", "path", "scope", "service", "slice", "socket", "swap", "target", "timer", "device"}

// Type returns the suffix of a unit name, "" when it has none.
func Type(name string) string {
	t := name[strings.LastIndexByte(name, '.')+1:]
	if len(t) < len(name) && slices.Contains(Types, t) {
		return t
	}
	return ""
}

// Mangle makes a unit name of what a user typed (unit_name_mangle): ".service"
// is added, a path becomes a mount or device.
func Mangle(s string) string {
	if Type(s) != "" && !strings.HasPrefix(s, "/") {
		return s
	}
	if strings.HasPrefix(s, "/dev/") {
		return escapePath(s) + ".device"
	}
	if strings.HasPrefix(s, "/") {
		return escapePath(s) + ".mount"
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '/':
			b.WriteByte('-')
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(":-_.\\@", c) >= 0, strings.IndexByte("*?[]", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString("\\x" + hex2(c))
		}
	}
	if IsGlob(s) {
		return b.String()
	}
	return b.String() + ".service"
}

// IsGlob reports whether a word is a pattern of units.
func IsGlob(s string) bool { return strings.ContainsAny(s, "*?[") }

func hex2(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// escapePath is unit_name_path_escape.
func escapePath(p string) string {
	p = strings.Trim(path.Clean(p), "/")
	if p == "" {
		return "-"
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case c == '/':
			b.WriteByte('-')
		case c == '.' && i == 0, c == '-', c == '\\':
			b.WriteString("\\x" + hex2(c))
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(":_.", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString("\\x" + hex2(c))
		}
	}
	return b.String()
}

// UnescapeName turns an escaped instance back (%I).
func UnescapeName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '-' {
			b.WriteByte('/')
			continue
		}
		if s[i] == '\\' && i+3 < len(s)+0 && s[i+1] == 'x' {
			if n, r, ok := unescape(s[i+1:]); ok {
				b.WriteString(r)
				i += n
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// SplitName parts "prefix@instance.type". isTemplate reports "prefix@.type".
func SplitName(name string) (prefix, instance string, isInstance, isTemplate bool) {
	stem := strings.TrimSuffix(name, "."+Type(name))
	prefix, instance, ok := strings.Cut(stem, "@")
	return prefix, instance, ok && instance != "", ok && instance == ""
}

// TemplateOf returns the template of an instance.
func TemplateOf(name string) string {
	prefix, _, _, _ := SplitName(name)
	return prefix + "@." + Type(name)
}

// ValidName reports whether a unit may be called so.
func ValidName(name string) bool {
	if len(name) > 255 || Type(name) == "" || name == "."+Type(name) || name[0] == '@' {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(":-_.\\@", c) < 0 {
			return false
		}
	}
	return true
}
