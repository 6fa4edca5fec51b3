package unitfile

import (
	"strings"
)

// ParseEnv is ParseEnvFile for files of which nobody tells what is wrong.
func ParseEnv(data []byte) []string {
	env, _ := ParseEnvFile(data)
	return env
}

// ParseEnvFile reads the lines of EnvironmentFile=: NAME=value, shell quotes
// around the value, comments. bad are the assignments to what can be no variable.
func ParseEnvFile(data []byte) (env, bad []string) {
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " \t")
		for TrailingBackslashes(line) && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + lines[i]
		}
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			continue
		}
		if !IsName(name) {
			bad = append(bad, name+"="+unquoteEnv(strings.TrimSpace(value)))
			continue
		}
		env = append(env, name+"="+unquoteEnv(strings.TrimSpace(value)))
	}
	return env, bad
}

func unquoteEnv(s string) string {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == '\'' && c != '\'':
			b.WriteByte(c)
		case c == '\\' && i+1 < len(s) && (quote == 0 || strings.IndexByte("\"\\`$", s[i+1]) >= 0):
			i++
			b.WriteByte(s[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Expand resolves $NAME as a word of its own, which may become several, and
// ${NAME} anywhere; "$$" is a dollar sign (systemd.service(5)).
func Expand(argv, env []string) []string {
	get := func(name string) string {
		for i := len(env) - 1; i >= 0; i-- {
			if v, ok := strings.CutPrefix(env[i], name+"="); ok {
				return v
			}
		}
		return ""
	}
	var out []string
	for i, a := range argv {
		if i > 0 && len(a) > 1 && a[0] == '$' && a[1] != '{' && a[1] != '$' && IsName(a[1:]) {
			words, _ := SplitWords(get(a[1:]))
			out = append(out, words...)
			continue
		}
		var b strings.Builder
		for j := 0; j < len(a); j++ {
			if a[j] != '$' || j+1 == len(a) {
				b.WriteByte(a[j])
				continue
			}
			switch {
			case a[j+1] == '$':
				b.WriteByte('$')
				j++
			case a[j+1] == '{' && strings.IndexByte(a[j:], '}') > 0:
				end := j + strings.IndexByte(a[j:], '}')
				b.WriteString(get(a[j+2 : end]))
				j = end
			default:
				n := j + 1
				for n < len(a) && IsName(a[j+1:n+1]) {
					n++
				}
				if n == j+1 {
					b.WriteByte('$')
					continue
				}
				b.WriteString(get(a[j+1 : n]))
				j = n - 1
			}
		}
		out = append(out, b.String())
	}
	return out
}

// IsName reports whether s can be the name of a variable.
func IsName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
