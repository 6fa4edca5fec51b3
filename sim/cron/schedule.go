package cron

import (
	"errors"
	"strings"
	"time"
)

// schedule says at which minutes a job runs (crontab(5)).
type schedule struct {
	minute, hour, dom, month, dow uint64 // bit n is value n
	anyDom, anyDow                bool   // the field began with *
	wild                          bool   // * in minute or hour: such jobs follow the clock
	reboot                        bool   // @reboot
}

// unit is one field of a schedule.
type unit struct {
	name     string
	from, to int
	names    []string // of from, from+1 …
}

var units = [5]unit{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day-of-month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day-of-week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"}},
}

// nicknames stand for five fields.
var nicknames = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// parseSchedule reads the fields of a line and returns the rest of it. Its
// errors are those of crontab(1): "bad minute".
func parseSchedule(line string) (schedule, string, error) {
	if strings.HasPrefix(line, "@") {
		nick, rest := cutField(line)
		if nick == "@reboot" {
			return schedule{reboot: true}, rest, nil
		}
		fields, ok := nicknames[nick]
		if !ok {
			return schedule{}, "", errors.New("bad time specifier")
		}
		s, _, err := parseSchedule(fields)
		return s, rest, err
	}
	var s schedule
	sets := [5]*uint64{&s.minute, &s.hour, &s.dom, &s.month, &s.dow}
	for i, u := range units {
		var field string
		field, line = cutField(line)
		set, ok := u.parse(field)
		if !ok {
			return schedule{}, "", errors.New("bad " + u.name)
		}
		*sets[i] = set
		star := strings.HasPrefix(field, "*")
		switch i {
		case 0, 1:
			s.wild = s.wild || star
		case 2:
			s.anyDom = star
		case 4:
			s.anyDow = star
		}
	}
	if s.dow&(1|1<<7) != 0 { // Sunday is 0 and 7
		s.dow |= 1 | 1<<7
	}
	return s, line, nil
}

func cutField(line string) (field, rest string) {
	line = strings.TrimLeft(line, " \t")
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], strings.TrimLeft(line[i:], " \t")
	}
	return line, ""
}

// parse reads a list of values, ranges and steps.
func (u unit) parse(field string) (uint64, bool) {
	var set uint64
	for _, part := range strings.Split(field, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		from, to := u.from, u.to
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			var ok bool
			if from, ok = u.value(first); !ok {
				return 0, false
			}
			to = from
			if ranged {
				if to, ok = u.value(last); !ok || to < from {
					return 0, false
				}
			} else if stepped {
				return 0, false // a step needs a range
			}
		}
		step := 1
		if stepped {
			var ok bool
			if step, ok = number(stepText); !ok || step == 0 {
				return 0, false
			}
		}
		for v := from; v <= to; v += step {
			set |= 1 << v
		}
	}
	return set, true
}

func (u unit) value(s string) (int, bool) {
	for i, name := range u.names {
		if strings.EqualFold(name, s) {
			return u.from + i, true
		}
	}
	v, ok := number(s)
	return v, ok && v >= u.from && v <= u.to
}

func number(s string) (int, bool) {
	if s == "" || len(s) > 4 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// at reports whether the job runs in the minute of t. Of day of month and day
// of week either is enough when neither began with a *.
func (s schedule) at(t time.Time) bool {
	if s.reboot || s.minute>>t.Minute()&1 == 0 || s.hour>>t.Hour()&1 == 0 || s.month>>int(t.Month())&1 == 0 {
		return false
	}
	dom, dow := s.dom>>t.Day()&1 != 0, s.dow>>int(t.Weekday())&1 != 0
	if s.anyDom || s.anyDow {
		return dom && dow
	}
	return dom || dow
}

// tick is a minute whose jobs are to be run.
type tick struct {
	minute      time.Time
	wild, fixed bool // which jobs: those with a * in hour or minute, and the others
}

// Jumps of the clock (crond(8)).
const (
	smallJump = 5 * time.Minute // as after a busy while: every minute is made up
	bigJump   = 3 * time.Hour   // beyond, the clock was set: nothing is made up
)

// ticks returns the minutes to run now, when all up to and with done have been
// run. done and now are whole minutes. ahead reports that the clock was set back
// a little and done is still to be reached.
func ticks(done, now time.Time) (run []tick, ahead bool) {
	gap := now.Sub(done)
	switch {
	case gap == 0:
		return nil, false
	case gap > 0 && gap < smallJump:
		for t := done.Add(time.Minute); !t.After(now); t = t.Add(time.Minute) {
			run = append(run, tick{t, true, true})
		}
		return run, false
	case gap > 0 && gap < bigJump:
		run = append(run, tick{now, true, false})
		for t := done.Add(time.Minute); !t.After(now); t = t.Add(time.Minute) {
			run = append(run, tick{t, false, true})
		}
		return run, false
	case gap < 0 && gap > -bigJump:
		return []tick{{now, true, false}}, true
	}
	return []tick{{now, true, true}}, false
}
