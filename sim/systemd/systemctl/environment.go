package systemctl

import (
	"fmt"
	"strings"

	"enshu/sim/systemd/bus"
)

func (s *systemctl) showEnvironment([]string) int {
	r, err := s.bus.Call(bus.Request{Method: "Environment"})
	if err != nil {
		s.Fail("Failed to get environment: %s", err)
		return 1
	}
	for _, e := range r.Env {
		name, value, _ := strings.Cut(e, "=")
		fmt.Fprintln(s.Out, name+"="+shellQuote(value))
	}
	return 0
}

// shellQuote writes a value so that a shell reads it as one word: as it is, or
// as $'…'.
func shellQuote(value string) string {
	if !strings.ContainsAny(value, " \t\n\r\"\\`$*?['()<>|&;!\x07\x08\x0b\x0c\x1b") {
		return value
	}
	var b strings.Builder
	b.WriteString("$'")
	escapes := map[byte]string{'\a': `\a`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\v': `\v`, '\\': `\\`, '\'': `\'`, 0x1b: `\033`}
	for i := range len(value) {
		if e, ok := escapes[value[i]]; ok {
			b.WriteString(e)
			continue
		}
		b.WriteByte(value[i])
	}
	return b.String() + "'"
}

func (s *systemctl) environment(method string, args []string) int {
	if _, err := s.bus.Call(bus.Request{Method: method, Env: args}); denied(err) {
		s.Fail("Failed to set environment: Access denied")
		return 1
	} else if err != nil {
		s.Fail("Failed to set environment: %s", err)
		return 1
	}
	return 0
}

// importEnvironment hands variables of the user's environment to PID 1: those
// named, or all.
func (s *systemctl) importEnvironment(args []string) int {
	var env []string
	if len(args) == 0 {
		s.Warn("Calling import-environment without a list of variable names is deprecated.")
		env = s.p.Env
	}
	for _, name := range args {
		for _, e := range s.p.Env {
			if strings.HasPrefix(e, name+"=") {
				env = append(env, e)
			}
		}
	}
	if len(env) == 0 {
		return 0
	}
	if _, err := s.bus.Call(bus.Request{Method: "SetEnvironment", Env: env}); denied(err) {
		s.Fail("Failed to import environment: Access denied")
		return 1
	} else if err != nil {
		s.Fail("Failed to import environment: %s", err)
		return 1
	}
	return 0
}
