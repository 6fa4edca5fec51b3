package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"enshu/sim/clock"
	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// Lab is a running lab as checks need it. Implementations: sim/lab, over
// namespaces, and the tests of package grader, in memory.
type Lab interface {
	// Exec runs a shell script on a host. An error means that it could not be
	// run at all; a script that fails is an Output.
	Exec(ctx context.Context, host, user, script string) (Output, error)
	// ReadFile returns a file of a host as root sees it.
	ReadFile(host, name string) ([]byte, error)
	// Stat describes a file of a host; Sys() is a *syscall.Stat_t.
	Stat(host, name string) (fs.FileInfo, error)
	// Clock returns the clock of a host.
	Clock(host string) *clock.Local
	Trace() *trace.Log
}

// Output is what a command printed and how it ended.
type Output struct {
	Stdout, Stderr string
	Status         int // as a shell's $? shows it
}

// View is the lab as one check sees it.
type View struct {
	Lab     Lab
	Spec    *scenario.Lab
	Check   *scenario.Check
	Token   string                   // a text that occurs nowhere yet
	Start   uint64                   // the last event before the check began
	Waiting func(left time.Duration) // told how much longer it waits at most; may be nil
}

// Within returns how long the check may wait, or d when the lab does not say.
func (v *View) Within(d time.Duration) time.Duration {
	if v.Check.Within > 0 {
		return time.Duration(v.Check.Within)
	}
	return d
}

// Sh runs a script as root.
func (v *View) Sh(ctx context.Context, host, script string) (Output, error) {
	return v.As(ctx, host, "root", script)
}

// As runs a script as a user. An error says on which host it could not be run.
func (v *View) As(ctx context.Context, host, user, script string) (Output, error) {
	out, err := v.Lab.Exec(ctx, host, user, script)
	if err != nil {
		err = fmt.Errorf("%s: %w", host, err)
	}
	return out, err
}

// Read returns a file, "" when there is none.
func (v *View) Read(host, name string) (string, error) {
	b, err := v.Lab.ReadFile(host, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", host, err)
	}
	return string(b), nil
}

// MayTake tells whoever waits for the check that it may take so long yet, in the
// lab's time, which can then be made to pass faster.
func (v *View) MayTake(d time.Duration) {
	if v.Waiting != nil && d > 0 {
		v.Waiting(d)
	}
}

// Until waits until done reports true, looking whenever something happened in
// the lab and at least five times a second of the lab's time, at most for d.
func (v *View) Until(ctx context.Context, host string, d time.Duration, done func() (bool, error)) (bool, error) {
	line := v.Lab.Clock(host).Timeline()
	end := line.Now().Add(d)
	log := v.Lab.Trace()
	v.MayTake(d)
	for {
		seen := log.Last()
		if ok, err := done(); ok || err != nil {
			return ok, err
		}
		left := end.Sub(line.Now())
		if left <= 0 || ctx.Err() != nil {
			return false, nil
		}
		v.MayTake(left)
		wait, cancel := context.WithCancel(ctx)
		t := line.AfterFunc(min(left, 200*time.Millisecond), cancel)
		log.Wait(wait, seen) // an error means that it is time to look
		t.Stop()
		cancel()
	}
}

// Settle looks until what is seen is as the lab wants it, that is, all holds or,
// for a check with not, something is broken; at most as long as the check may
// wait, and once when it does not say. It returns what was seen last.
func (v *View) Settle(ctx context.Context, host string, look func() (Verdict, error)) Verdict {
	var got Verdict
	_, err := v.Until(ctx, host, v.Within(0), func() (bool, error) {
		var err error
		got, err = look()
		return (got.Broken == "") != v.Check.Not, err
	})
	got.Err = err
	return got
}

// About returns the events since the check began whose text holds the token.
func (v *View) About() []trace.Event {
	var out []trace.Event
	for _, e := range v.Lab.Trace().Since(v.Start) {
		if strings.Contains(e.Attrs["text"], v.Token) {
			out = append(out, e)
		}
	}
	return out
}

// AddressFor returns the address by which another host reaches a host.
func (v *View) AddressFor(host, other string) string {
	h, o := v.Spec.Host(host), v.Spec.Host(other)
	for _, a := range h.Networks {
		for _, b := range o.Networks {
			if a.Network == b.Network {
				return a.Address.String()
			}
		}
	}
	if len(h.Networks) > 0 {
		return h.Networks[0].Address.String()
	}
	return "127.0.0.1"
}

// Pick returns the events of a host and kind.
func Pick(events []trace.Event, host string, kind trace.Kind) []trace.Event {
	var out []trace.Event
	for _, e := range events {
		if e.Host == host && e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}
