package format

import (
	"strings"

	"golang.org/x/net/idna"
)

// AddressOf takes the address out of "Name <address>".
func AddressOf(s string) string {
	if open := strings.IndexByte(s, '<'); open >= 0 {
		if end := strings.IndexByte(s[open:], '>'); end > 0 {
			return s[open+1 : open+end]
		}
	}
	if open := strings.IndexByte(s, '('); open > 0 {
		s = s[:open]
	}
	return strings.TrimSpace(s)
}

// NameOf takes the display name out of an address, "" when there is none.
func NameOf(s string) string {
	if open := strings.IndexByte(s, '<'); open > 0 {
		name := strings.TrimSpace(s[:open])
		if strings.HasPrefix(name, "\"") {
			return strings.Trim(name, "\"")
		}
		return strings.NewReplacer("(", "", ")", "").Replace(name) // a comment is part of the name
	}
	if open := strings.IndexByte(s, '('); open >= 0 {
		if end := strings.IndexByte(s[open:], ')'); end > 0 {
			return s[open+1 : open+end]
		}
	}
	return ""
}

// NameOrAddress is what a list shows of an address.
func NameOrAddress(raw string) string {
	s := DecodeHeader(raw)
	if name := NameOf(s); name != "" {
		return name
	}
	return AddressOf(s)
}

// BareSubject is a subject without what answers put before it.
func BareSubject(s string) string {
	s = strings.ToLower(DecodeHeader(s))
	for strings.HasPrefix(s, "re:") {
		s = strings.TrimSpace(s[3:])
	}
	return s
}

// SplitAddresses splits a list at commas outside of quotes and brackets.
func SplitAddresses(s string) []string {
	var out []string
	depth, quoted, start := 0, false, 0
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == ',' && depth == 0 && !quoted {
			if item := strings.TrimSpace(s[start:i]); item != "" {
				out = append(out, item)
			}
			start = i + 1
			continue
		}
		switch s[i] {
		case '"':
			quoted = !quoted
		case '<', '(':
			depth++
		case '>', ')':
			depth--
		}
	}
	return out
}

// displayed is an address as it goes into a header: names are encoded, or
// quoted when they need it, and a comment becomes a name.
func displayed(a string) string {
	open := strings.IndexByte(a, '<')
	name := ""
	switch {
	case open > 0:
		name = strings.TrimSpace(a[:open])
	case open < 0 && strings.Contains(a, "("):
		name = "(" + NameOf(a) + ")"
	default:
		return a
	}
	switch {
	case !ASCII(name):
		name = strings.TrimSpace(strings.TrimPrefix(EncodeHeader("", name), ":"))
	case name[0] != '"' && name[0] != '(' && strings.ContainsAny(name, ".,;:@[]\\"):
		name = `"` + name + `"`
	}
	return name + " <" + AddressOf(a) + ">"
}

// AddressLine writes an address header, folded after 70 or so columns.
func AddressLine(name string, list []string) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(name + ":")
	col := len(name) + 1
	for i, a := range list {
		word := displayed(a)
		if i < len(list)-1 {
			word += ","
		}
		if i > 0 && col+1+len(word) > 72 {
			b.WriteString("\n ")
			col = 1
		} else {
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col += len(word)
	}
	b.WriteByte('\n')
	return b.String()
}

// InASCII writes the domain of an address as DNS has it (RFC 5891). It returns
// the whole and the bare address.
func InASCII(a string) (whole, address string) {
	address = AddressOf(a)
	local, domain, ok := strings.Cut(address, "@")
	if !ok || ASCII(domain) {
		return a, address
	}
	name, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return a, address
	}
	return strings.Replace(a, address, local+"@"+name, 1), local + "@" + name
}
