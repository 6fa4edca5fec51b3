package grader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// view is the lab as one check sees it.
type view struct {
	lab     Lab
	spec    *scenario.Lab
	check   *scenario.Check
	token   string // a text that occurs nowhere yet
	start   uint64 // the last event before the check began
	waiting func(left time.Duration)
}

// within returns how long the check may wait, or d when the lab does not say.
func (v *view) within(d time.Duration) time.Duration {
	if v.check.Within > 0 {
		return time.Duration(v.check.Within)
	}
	return d
}

// sh runs a script as root.
func (v *view) sh(ctx context.Context, host, script string) (Output, error) {
	return v.as(ctx, host, "root", script)
}

// as runs a script as a user. An error says on which host it could not be run.
func (v *view) as(ctx context.Context, host, user, script string) (Output, error) {
	out, err := v.lab.Exec(ctx, host, user, script)
	if err != nil {
		err = fmt.Errorf("%s: %w", host, err)
	}
	return out, err
}

// read returns a file, "" when there is none.
func (v *view) read(host, name string) (string, error) {
	b, err := v.lab.ReadFile(host, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", host, err)
	}
	return string(b), nil
}

// until waits until done reports true, looking whenever something happened in
// the lab and at least five times a second of the lab's time, at most for d.
func (v *view) until(ctx context.Context, host string, d time.Duration, done func() (bool, error)) (bool, error) {
	line := v.lab.Clock(host).Timeline()
	end := line.Now().Add(d)
	log := v.lab.Trace()
	for {
		seen := log.Last()
		if ok, err := done(); ok || err != nil {
			return ok, err
		}
		left := end.Sub(line.Now())
		if left <= 0 || ctx.Err() != nil {
			return false, nil
		}
		if v.waiting != nil {
			v.waiting(left)
		}
		wait, cancel := context.WithCancel(ctx)
		t := line.AfterFunc(min(left, 200*time.Millisecond), cancel)
		log.Wait(wait, seen) // an error means that it is time to look
		t.Stop()
		cancel()
	}
}

// about returns the events since the check began whose text holds the token.
func (v *view) about() []trace.Event {
	var out []trace.Event
	for _, e := range v.lab.Trace().Since(v.start) {
		if strings.Contains(e.Attrs["text"], v.token) {
			out = append(out, e)
		}
	}
	return out
}

// pick returns the events of a host and kind.
func pick(events []trace.Event, host string, kind trace.Kind) []trace.Event {
	var out []trace.Event
	for _, e := range events {
		if e.Host == host && e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// quote makes one word of the shell out of a text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// lines splits a text, without an empty last line.
func lines(s string) []string {
	s = strings.TrimSuffix(s, "\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// clip shortens what a report quotes.
func clip(s string) string {
	s = strings.TrimSpace(s)
	if first, _, more := strings.Cut(s, "\n"); more {
		s = first + " …"
	}
	if r := []rune(s); len(r) > 120 {
		s = string(r[:120]) + "…"
	}
	return s
}
