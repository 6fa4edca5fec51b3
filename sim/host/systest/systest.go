// Package systest is the conformance suite of host.Sys: what a Program may rely
// on, whichever implementation is below it. An implementation calls [Test] from
// a test of its own with an [Arm].
//
// Every check runs inside processes of two hosts in a fresh [World]. What a
// check expects is what Linux does; it was written from the man pages and holds
// in real namespaces.
package systest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"enshu/sim/host"
)

// Arm is an implementation under test.
type Arm struct {
	// Run calls check with a world of two fresh hosts that have the Programs, and
	// takes the world down afterwards. In virtual time it does so in a bubble.
	Run func(t *testing.T, programs map[string]host.Program, check func(t *testing.T, w *World))
	// Skip has the checks that the arm is known to fail, with the reason. One
	// that passes all the same is an error of the table, not of the arm.
	Skip map[string]string
}

// World is two hosts on one network, which has no other host and no route out.
// Both have /etc, /run and a sticky /tmp of mode 1777; uid 1000 exists for the
// kernel, if not in /etc/passwd.
type World struct {
	A, B Host
}

// Host is a host as the suite uses it.
type Host struct {
	Name         string
	Addr4, Addr6 netip.Addr // on the common network
	// Unused4 is an address of the network that no host has.
	Unused4 netip.Addr
	// Start runs f as a process with an identity (nil is root) and umask 022.
	Start func(cred *host.Cred, f host.Program) *host.Process
	// Wait waits for a process as the test, which is no process of the lab.
	Wait func(p *host.Process) host.Status
}

// Do runs f as a process and waits for its end.
func (h *Host) Do(cred *host.Cred, f func(ctx context.Context, p *host.Proc)) host.Status {
	return h.Wait(h.Start(cred, func(ctx context.Context, p *host.Proc) int {
		f(ctx, p)
		return 0
	}))
}

// usera is an ordinary user in group 1000 and 50.
var usera = &host.Cred{UID: 1000, GID: 1000, Groups: []int{1000, 50}}

type check struct {
	name string
	run  func(t *testing.T, w *World)
}

// Test runs the suite on an arm.
func Test(t *testing.T, arm Arm) {
	seen := map[string]bool{}
	for _, group := range []struct {
		name   string
		checks []check
	}{{"files", files}, {"sockets", sockets}, {"unix", unixSockets}, {"processes", processes}} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.checks {
				name := group.name + "/" + c.name
				seen[name] = true
				t.Run(c.name, func(t *testing.T) {
					if why := arm.Skip[name]; why != "" {
						t.Skip(why)
					}
					arm.Run(t, programs, c.run)
				})
			}
		})
	}
	for name := range arm.Skip {
		if !seen[name] {
			t.Errorf("the table of known failures names %s, which is no check", name)
		}
	}
}

// programs are those that the checks start.
var programs = map[string]host.Program{
	"/usr/bin/systest-report": report,
	"/usr/bin/systest-cat":    cat,
	"/usr/bin/systest-wait":   wait,
	"/usr/bin/systest-exit":   exit,
	"/usr/bin/systest-leave":  leave,
	"/usr/bin/systest-crash":  func(context.Context, *host.Proc) int { panic("a bug of ours") },
}

// wantErrno reports an error that does not hold the errno; 0 is no error.
func wantErrno(t *testing.T, what string, err error, want syscall.Errno) {
	t.Helper()
	switch {
	case want == 0 && err != nil:
		t.Errorf("%s: %v", what, err)
	case want != 0 && !errors.Is(err, want):
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// wantErr reports an error that is not the given one.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func wantEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, show(got), show(want))
	}
}

func show(v any) string {
	if s, ok := v.(string); ok && len(s) > 200 {
		return fmt.Sprintf("%q… (%d bytes)", s[:200], len(s))
	}
	return fmt.Sprintf("%#v", v)
}
