package logrotate

import (
	"fmt"
	"strconv"
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
		at, n := moment(f[1])
		if n < 3 {
			return fmt.Errorf("bad line %d in state file %s", number, file)
		}
		year, month, day, hour, minute, second := at[0], at[1], at[2], at[3], at[4], at[5]
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

// between is what stands before each number of a time.
const between = " ---::"

// moment reads the numbers of a time, year first, and returns how many there
// are. Without those of the clock it is midnight.
func moment(text string) (at [6]int, n int) {
	for n < len(at) {
		text = strings.TrimLeft(text, " \t\n\v\f\r")
		end := 0
		for end < len(text) && (text[end] >= '0' && text[end] <= '9' || end == 0 && (text[0] == '-' || text[0] == '+')) {
			end++
		}
		v, err := strconv.Atoi(text[:end])
		if err != nil {
			return at, n
		}
		at[n], n = v, n+1
		if n == len(at) || end == len(text) || text[end] != between[n] {
			return at, n
		}
		text = text[end+1:]
	}
	return at, n
}

var escape = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`)

// line is how the entry stands in the file. As with the original, backslashes and
// line feeds of a name are not what is read back.
func (e *entry) line() string {
	t := e.last
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	line := append(make([]byte, 0, len(e.name)+32), '"')
	line = append(append(line, escape.Replace(e.name)...), '"')
	for i, v := range [...]int{year, int(month), day, hour, minute, second} {
		line = strconv.AppendInt(append(line, between[i]), int64(v), 10)
	}
	return string(append(line, '\n'))
}

// stale reports whether an entry is to be forgotten: its log is no longer in the
// configuration, or gone. The message about it says that it is gone either way.
func (e *entry) stale(now time.Time) bool { return !e.used && now.Sub(e.last) > 365*day }
