// Package lab makes a running lab of a scenario and a distribution: the
// networks and hosts, their files, their boot; and what its owner does with it:
// commands, terminals, time, reset, reboot. It has no logic of its own beyond
// the order of building.
package lab

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"enshu/sim/clock"
	"enshu/sim/distro"
	"enshu/sim/kernel"
	"enshu/sim/lang"
	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// Config is what a lab is made of.
type Config struct {
	Name     string // of the running lab
	Scenario *scenario.Lab
	Distro   *distro.Distro
	Seed     uint64
	Start    time.Time // true time at the start; the zero Time is the machine's
	Log      *slog.Logger
	Cache    string // folder for unpacked packages
	SingleID bool
	Group    kernel.Group // the lab's control group, if it has one
	// Extra are Programs of every host that the lab's owner adds, such as check
	// and hint, by path.
	Extra []distro.Package
}

// Lab is a running lab. Its methods may be called from any goroutine.
type Lab struct {
	Config
	Timeline *clock.Timeline
	trace    *trace.Log
	kernel   *kernel.Kernel
	login    keyPair
	ctx      context.Context
	end      context.CancelFunc
	hosts    []*Host // in the order of the scenario
	advance  sync.Mutex
}

// Start makes the lab and boots its hosts, side by side. It returns once every
// host has booted and its set-up has run; on an error nothing is left.
func Start(ctx context.Context, c Config) (*Lab, error) {
	repo := newRepo(c.Distro)
	for _, p := range append(repo.tools(), c.Extra...) {
		if err := c.Distro.Add(p); err != nil {
			return nil, err
		}
	}
	layers, err := layers(c.Distro)
	if err != nil {
		return nil, err
	}
	login, err := newKeyPair(c.Seed, c.Name)
	if err != nil {
		return nil, err
	}
	k, err := kernel.Setup(kernel.Config{Cache: c.Cache, Layers: layers, Hidden: hidden, SingleID: c.SingleID, Group: c.Group})
	if err != nil {
		return nil, err
	}
	line := clock.New(c.Start)
	l := &Lab{Config: c, Timeline: line, trace: trace.NewLog(line), kernel: k, login: login}
	l.ctx, l.end = context.WithCancel(context.Background())
	index := map[string]int{}
	for i, n := range c.Scenario.Networks {
		index[n.Name] = i
		if impaired(c.Scenario, n.Name) {
			k.AddRelay(i, line, l.seedOf("network "+n.Name), between(c.Scenario, n.Name))
			continue
		}
		if err := k.AddNetwork(i); err != nil {
			return nil, err
		}
	}
	for i := range c.Scenario.Hosts {
		h, err := l.newHost(&c.Scenario.Hosts[i], index)
		if err != nil {
			return nil, err
		}
		repo.fresh[h.Name()] = h.packages
		l.hosts = append(l.hosts, h)
	}
	if err := l.bootAll(ctx); err != nil {
		l.Stop()
		return nil, err
	}
	// A host's set-up may need the other hosts.
	if err := l.each(func(h *Host) error { return h.setup(ctx) }); err != nil {
		l.Stop()
		return nil, err
	}
	return l, nil
}

// bootAll boots the hosts, the name server before those who will ask it.
func (l *Lab) bootAll(ctx context.Context) error {
	for _, first := range []bool{true, false} {
		err := l.each(func(h *Host) error {
			if h.servesNames() != first {
				return nil
			}
			return h.boot(ctx, false)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// each runs f for every host at once and returns the errors.
func (l *Lab) each(f func(h *Host) error) error {
	errs := make([]error, len(l.hosts))
	var wg sync.WaitGroup
	for i, h := range l.hosts {
		wg.Go(func() { errs[i] = f(h) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Stop ends the lab: every process, namespace and interface is gone afterwards.
func (l *Lab) Stop() {
	l.end()
	for _, h := range l.hosts {
		h.destroy()
	}
}

// Hosts returns the hosts in the order of the scenario.
func (l *Lab) Hosts() []*Host { return l.hosts }

// Host returns a host by its name.
func (l *Lab) Host(name string) (*Host, error) {
	var names []string
	for _, h := range l.hosts {
		if h.Name() == name {
			return h, nil
		}
		names = append(names, h.Name())
	}
	return nil, lang.Errorf("このラボにホスト %q はありません: あるのは %s です", "the lab has no host %q: it has %s", name, strings.Join(names, ", "))
}

// Trace returns the record of what happened.
func (l *Lab) Trace() *trace.Log { return l.trace }

// Now returns true time.
func (l *Lab) Now() time.Time { return l.Timeline.Now() }

// Sleep waits for d of true time.
func (l *Lab) Sleep(ctx context.Context, d time.Duration) error {
	done := make(chan struct{})
	t := l.Timeline.AfterFunc(d, func() { close(done) })
	defer t.Stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Advance moves the lab d ahead in time, from event to event.
func (l *Lab) Advance(ctx context.Context, d time.Duration) error {
	if d < 0 {
		return lang.Errorf("真の時刻は前にしか進みません (%v は指定できません)", "true time only goes forward, not by %v", d)
	}
	l.advance.Lock()
	defer l.advance.Unlock()
	if err := l.Timeline.Advance(ctx, d); err != nil {
		return fmt.Errorf("advance: %w", err)
	}
	l.trace.Append("", "", 0, trace.Warped, trace.Attrs{"by": d.String()})
	return nil
}

// Hurry lets true time pass about rate times as fast until ctx ends. It goes from
// event to event: what software measures, such as the way of a packet, is not
// stretched as with a faster pace, on which the time that this machine takes for
// its work counts rate times.
func (l *Lab) Hurry(ctx context.Context, rate float64) {
	const step = time.Second
	pause := time.NewTicker(time.Duration(float64(step) / rate))
	defer pause.Stop()
	for {
		l.advance.Lock()
		err := l.Timeline.Advance(ctx, step)
		l.advance.Unlock()
		if err != nil {
			return
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// Address returns a host's address on a network; "" is its first network.
func (l *Lab) Address(host, network string) (netip.Addr, error) {
	h, err := l.Host(host)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, n := range h.scenario.Networks {
		if network == "" || string(n.Network) == network {
			return n.Address, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%s is not on the network %q", host, network)
}

// seedOf draws a host's seed from the lab's.
func (l *Lab) seedOf(host string) uint64 {
	f := fnv.New64a()
	fmt.Fprintf(f, "%s %d", host, l.Seed)
	return f.Sum64()
}
