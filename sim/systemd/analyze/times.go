package analyze

import (
	"fmt"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/systemd/calendar"
)

// now is the time in the user's zone.
func (s *analysis) now() time.Time { return s.p.Now().In(libc.Zone(s.p)) }

const stampLayout = "Mon 2006-01-02 15:04:05 MST"

// labels stand right-aligned before the values.
func (s *analysis) label(width int, name, format string, args ...any) {
	fmt.Fprintf(s.Out, "%*s: %s\n", width, name, fmt.Sprintf(format, args...))
}

// moment prints a point of time, in UTC as well where that is another zone.
func (s *analysis) moment(width int, name string, t time.Time) {
	s.label(width, name, "%s", t.Format(stampLayout))
	if zone, _ := t.Zone(); zone != "UTC" {
		s.label(width, "(in UTC)", "%s", t.UTC().Format(stampLayout))
	}
}

// hint tells what else an expression can be read as.
func (s *analysis) hint(expression string, kinds ...string) {
	for _, kind := range kinds {
		ok := false
		switch kind {
		case "timespan":
			_, ok = calendar.ParseSpan(expression, time.Second)
		case "timestamp":
			now := s.now()
			_, ok = calendar.ParseTimestamp(expression, now, calendar.Zones(now))
		case "calendar specification":
			_, ok = calendar.ParseEvent(expression)
		}
		if ok {
			verb, _, _ := strings.Cut(kind, " ")
			s.Note("Hint: this expression is a valid %s. Use 'systemd-analyze %s \"%s\"' instead?", kind, verb, expression)
		}
	}
}

// calendar says when calendar events elapse next.
func (s *analysis) calendar(args []string) int {
	status := 0
	for i, a := range args {
		e, ok := calendar.ParseEvent(a)
		if !ok {
			s.Fail("Failed to parse calendar specification '%s': Invalid argument", a)
			s.hint(a, "timespan", "timestamp")
			status = 1
			continue
		}
		const width = 15
		if normal := e.String(); normal != a {
			s.label(width, "Original form", "%s", a)
			s.label(width, "Normalized form", "%s", normal)
		} else {
			s.label(width, "Normalized form", "%s", normal)
		}
		at := s.base
		if at.IsZero() {
			at = s.now()
		}
		for n := range s.iterations {
			next, ok := e.Next(at.In(libc.Zone(s.p)))
			if !ok {
				if n == 0 {
					s.label(width, "Next elapse", "%s", s.Paint("", "never"))
				}
				break
			}
			next = next.In(libc.Zone(s.p))
			name := "Next elapse"
			if n > 0 {
				name = fmt.Sprintf("Iter. #%d", n+1)
			}
			s.moment(width, name, next)
			s.label(width, "From now", "%s", calendar.FormatAgo(s.p.Now().Sub(next)))
			at = next
		}
		if i < len(args)-1 {
			fmt.Fprintln(s.Out)
		}
	}
	return status
}

// timespan says how long spans are.
func (s *analysis) timespan(args []string) int {
	micro := "μs"
	if !s.UTF8 {
		micro = "us"
	}
	for i, a := range args {
		d, ok := calendar.ParseSpan(a, time.Second)
		if !ok {
			s.Fail("Failed to parse time span '%s': Invalid argument", a)
			s.hint(a, "calendar specification", "timestamp")
			return 1
		}
		s.label(8, "Original", "%s", a)
		us := fmt.Sprint(d.Microseconds())
		if d == calendar.Forever {
			us = "18446744073709551615"
		}
		// The label is padded by bytes, of which μ has two.
		s.label(8, micro, "%s", us)
		s.label(8, "Human", "%s", calendar.FormatSpan(d, time.Microsecond))
		if i < len(args)-1 {
			fmt.Fprintln(s.Out)
		}
	}
	return 0
}

// timestamp says what points of time are.
func (s *analysis) timestamp(args []string) int {
	status := 0
	const width = 15
	for i, a := range args {
		now := s.now()
		t, ok := calendar.ParseTimestamp(a, now, calendar.Zones(now))
		if !ok {
			s.Fail("Failed to parse \"%s\": Invalid argument", a)
			s.hint(a, "calendar specification", "timespan")
			status = 1
		} else {
			s.label(width, "Original form", "%s", a)
			t = t.In(libc.Zone(s.p))
			if t.Unix() == 0 {
				s.label(width, "Normalized form", "-")
			} else {
				s.moment(width, "Normalized form", t)
			}
			unix := fmt.Sprintf("@%d", t.Unix())
			if us := t.Nanosecond() / 1000; us > 0 {
				unix += fmt.Sprintf(".%06d", us)
			}
			s.label(width, "UNIX seconds", "%s", unix)
			ago := "-"
			if t.Unix() != 0 {
				ago = calendar.FormatAgo(s.p.Now().Sub(t))
			}
			s.label(width, "From now", "%s", ago)
		}
		if i < len(args)-1 {
			fmt.Fprintln(s.Out)
		}
	}
	return status
}
