package logrotate

import (
	"sort"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// glob returns the names that a pattern matches, sorted, or the pattern as it is
// written when there is none (glob(3) with GLOB_NOCHECK and GLOB_TILDE).
func glob(p *host.Proc, pattern string) []string {
	if found := matches(p, tilde(p, pattern)); len(found) > 0 {
		return found
	}
	return []string{pattern}
}

func tilde(p *host.Proc, pattern string) string {
	rest, ok := strings.CutPrefix(pattern, "~")
	if !ok {
		return pattern
	}
	name, rest, slash := strings.Cut(rest, "/")
	if slash {
		rest = "/" + rest
	}
	if name == "" {
		if home := p.Getenv("HOME"); home != "" {
			return home + rest
		}
		if u, ok := libc.UserByID(p, p.UID); ok {
			return u.Dir + rest
		}
	} else if u, ok := libc.UserByName(p, name); ok {
		return u.Dir + rest
	}
	return pattern
}

// matches returns the names that a pattern matches, sorted.
func matches(p *host.Proc, pattern string) []string {
	found := []string{""}
	if strings.HasPrefix(pattern, "/") {
		found[0] = "/"
	}
	parts := strings.FieldsFunc(pattern, func(r rune) bool { return r == '/' })
	for i, part := range parts {
		var next []string
		for _, dir := range found {
			if !strings.ContainsAny(part, `*?[`) {
				name := dir + unescape(part)
				if _, err := p.Sys.Lstat(libc.Abs(p, name)); err == nil {
					next = append(next, name)
				}
				continue
			}
			names, err := libc.ReadDir(p, libc.Abs(p, dir))
			if err != nil {
				continue
			}
			for _, n := range names {
				if match(part, n) && (n[0] != '.' || part[0] == '.') {
					next = append(next, dir+n)
				}
			}
		}
		if found = next; i < len(parts)-1 {
			for j := range found {
				found[j] += "/"
			}
		}
	}
	if len(parts) == 0 {
		return nil
	}
	sort.Strings(found)
	return found
}

func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// match reports whether a name fits a pattern of *, ?, [...] and backslashes
// (fnmatch(3)).
func match(pattern, name string) bool {
	// One way back suffices: to the last star.
	star, again := -1, 0
	p, n := 0, 0
	for {
		if p < len(pattern) && pattern[p] == '*' {
			star, again = p, n
			p++
			continue
		}
		if n == len(name) {
			return p == len(pattern)
		}
		if width, ok := matchOne(pattern[p:], name[n]); ok {
			p += width
			n++
			continue
		}
		if star < 0 || again >= len(name) {
			return false
		}
		again++
		p, n = star+1, again
	}
}

// matchOne matches one character against the beginning of a pattern.
func matchOne(pattern string, c byte) (width int, ok bool) {
	if pattern == "" {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '\\':
		if len(pattern) > 1 {
			return 2, pattern[1] == c
		}
	case '[':
		i, not, hit := 1, false, false
		if i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^') {
			not = true
			i++
		}
		for first := true; i < len(pattern); first = false {
			lo := pattern[i]
			if lo == ']' && !first {
				return i + 1, hit != not
			}
			if lo == '\\' && i+1 < len(pattern) {
				i++
				lo = pattern[i]
			}
			hi := lo
			if i+2 < len(pattern) && pattern[i+1] == '-' && pattern[i+2] != ']' {
				hi = pattern[i+2]
				i += 2
			}
			if lo <= c && c <= hi {
				hit = true
			}
			i++
		}
		return 1, c == '[' // not closed: it stands for itself
	}
	return 1, pattern[0] == c
}
