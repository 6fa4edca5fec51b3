package cron

import (
	"strings"
	"time"
)

// job is one line of a crontab.
type job struct {
	schedule
	user    string // of a system crontab
	command string
	input   string
	env     []string       // settings before it in the file
	quiet   bool           // CMD is not logged
	zone    *time.Location // of CRON_TZ; nil is the host's
}

// tableError is a mistake in a crontab.
type tableError struct {
	line int
	what string
}

// parseTable reads a crontab. A system crontab has a user in each line. Bad
// lines are told and left out.
func parseTable(text string, system bool) (jobs []job, bad []tableError) {
	var env []string
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		if name, value, ok := parseSetting(line); ok {
			env = append(env[:len(env):len(env)], name+"="+value)
			continue
		}
		quiet := line[0] == '-'
		s, rest, err := parseSchedule(strings.TrimPrefix(line, "-"))
		if err != nil {
			bad = append(bad, tableError{i + 1, err.Error()})
			continue
		}
		j := job{schedule: s, env: env, quiet: quiet}
		if system {
			if j.user, rest = cutField(rest); j.user == "" {
				bad = append(bad, tableError{i + 1, "bad username"})
				continue
			}
		}
		if rest == "" {
			bad = append(bad, tableError{i + 1, "bad command"})
			continue
		}
		if i == len(lines)-1 {
			bad = append(bad, tableError{i + 1, "missing newline before EOF"})
			continue
		}
		j.command, j.input = parseCommand(rest)
		jobs = append(jobs, j)
	}
	return jobs, bad
}

// parseSetting reads NAME = VALUE; both may be in quotes.
func parseSetting(line string) (name, value string, ok bool) {
	name, rest, ok := cutQuoted(line, "= \t")
	if !ok || name == "" {
		return "", "", false
	}
	rest = strings.TrimLeft(rest, " \t")
	rest, ok = strings.CutPrefix(rest, "=")
	if !ok {
		return "", "", false
	}
	rest = strings.Trim(rest, " \t")
	if rest == "" {
		return name, "", true
	}
	if rest[0] == '"' || rest[0] == '\'' {
		value, rest, ok = cutQuoted(rest, "")
		return name, value, ok && strings.TrimSpace(rest) == ""
	}
	return name, rest, true
}

// cutQuoted cuts a word in quotes, or one that ends before any of stop.
func cutQuoted(s, stop string) (word, rest string, ok bool) {
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		word, rest, ok = strings.Cut(s[1:], s[:1])
		return word, rest, ok
	}
	i := strings.IndexAny(s, stop)
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i:], true
}

// parseCommand splits a command at the first % that no backslash stands before:
// what follows is its input, with further % as line feeds.
func parseCommand(s string) (command, input string) {
	var b strings.Builder
	split := -1
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && s[i+1] == '%':
			i++
			b.WriteByte('%')
		case c == '%' && split < 0:
			split = b.Len()
		case c == '%':
			b.WriteByte('\n')
		default:
			b.WriteByte(c)
		}
	}
	all := b.String()
	if split < 0 {
		return all, ""
	}
	return all[:split], all[split:] + "\n"
}

// delay is the most minutes that RANDOM_DELAY lets a job wait.
func (j job) delay() int {
	text, _ := setting(j.env, "RANDOM_DELAY")
	n, ok := number(text)
	if !ok || n > 24*60 {
		return 0
	}
	return n
}

// setting returns the last value of a name in an environment.
func setting(env []string, name string) (string, bool) {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], name+"="); ok {
			return v, true
		}
	}
	return "", false
}
