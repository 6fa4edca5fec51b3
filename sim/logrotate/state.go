package logrotate

import (
	"fmt"
	"strings"
	"time"
)

// stateTop is the first line of a state file.
const stateTop = "logrotate state -- version 2\n"

// entry is what is known of one log.
type entry struct {
	name string
	last time.Time // when it was rotated, or first seen
	used bool      // it is in the configuration and there
	due  bool
	fact fact
	info logInfo
}

// state is the state file in memory.
type state struct {
	entries []*entry
	byName  map[string]*entry
	note    func(format string, args ...any)
}

func newState(note func(string, ...any)) *state {
	return &state{byName: map[string]*entry{}, note: note}
}

// find returns the entry of a log. A log that is not known is taken to have
// been rotated in the hour of now.
func (s *state) find(name string, now time.Time) *entry {
	if e, ok := s.byName[name]; ok {
		return e
	}
	s.note("Creating new state\n")
	e := &entry{name: name, last: time.Date(now.Year(), now.Month(), now.Day(), now.Hour(), 0, 0, 0, now.Location())}
	s.entries = append(s.entries, e)
	s.byName[name] = e
	return e
}

// parse takes in a state file; file is its name. The error is a message.
func (s *state) parse(file, text string, now time.Time) error {
	top, rest, _ := strings.Cut(text, "\n")
	if top+"\n" != stateTop && top != "logrotate state -- version 1" {
		return fmt.Errorf("bad top line in state file %s", file)
	}
	number := 1
	for rest != "" {
		line, more, ended := strings.Cut(rest, "\n")
		rest = more
		number++
		if !ended {
			return fmt.Errorf("line %d too long in state file %s", number, file)
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		f, ok := words(line)
		if !ok || len(f) != 2 {
			return fmt.Errorf("bad line %d in state file %s", number, file)
		}
		var year, month, day, hour, minute, second int
		n, _ := fmt.Sscanf(f[1], "%d-%d-%d-%d:%d:%d", &year, &month, &day, &hour, &minute, &second)
		if n < 3 {
			return fmt.Errorf("bad line %d in state file %s", number, file)
		}
		for _, c := range []struct {
			what           string
			is, from, upto int
		}{
			{"year", year, 1970, 2100}, {"month", month, 1, 12}, {"day", day, 0, 31},
			{"hour", hour, 0, 23}, {"minute", minute, 0, 59}, {"second", second, 0, 59},
		} {
			// 1900 is what an old version wrote by mistake.
			if (c.is < c.from || c.is > c.upto) && !(c.what == "year" && c.is == 1900) {
				return fmt.Errorf("bad %s %d for file %s in state file %s", c.what, c.is, f[0], file)
			}
		}
		e := s.find(f[0], now)
		e.last = time.Date(year, time.Month(month), day, hour, minute, second, 0, now.Location())
	}
	return nil
}

var escape = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`)

// line is how the entry stands in the file. As with the original, backslashes and
// line feeds of a name are not what is read back.
func (e *entry) line() string {
	t := e.last
	return fmt.Sprintf("\"%s\" %d-%d-%d-%d:%d:%d\n", escape.Replace(e.name), t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second())
}

// stale reports whether an entry is to be forgotten: its log is no longer in the
// configuration, or gone. The message about it says that it is gone either way.
func (e *entry) stale(now time.Time) bool { return !e.used && now.Sub(e.last) > 365*day }
