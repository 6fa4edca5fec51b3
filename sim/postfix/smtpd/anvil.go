package smtpd

import (
	"context"
	"sync"
	"time"

	"enshu/sim/host"
	"enshu/sim/postfix/service"
)

// An anvilQuestion reports that a client of a service came or went.
type anvilQuestion struct {
	Ident string // service:address
	End   bool
}

type anvilAnswer struct{ Count, Rate int }

// Anvil is /usr/libexec/postfix/anvil (anvil(8)): it counts the clients of
// smtpd(8), and logs the highest numbers when it leaves.
func Anvil(ctx context.Context, p *host.Proc) int {
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "anvil", a, "anvil_rate_time_unit")
	if err != nil {
		return 1
	}
	s := &anvilState{Daemon: d, clients: map[string]*anvilClient{}}
	status := d.Serve(ctx, a.Socket, service.Answers(func(_ context.Context, q anvilQuestion) anvilAnswer { return s.note(q) }))
	s.report()
	return status
}

type anvilClient struct {
	count, rate int
	since       time.Duration // start of the rate interval
}

type anvilPeak struct {
	value int
	ident string
	at    time.Time
}

type anvilState struct {
	*service.Daemon
	mu          sync.Mutex
	clients     map[string]*anvilClient
	rate, count anvilPeak
	cache       anvilPeak
}

func (s *anvilState) note(q anvilQuestion) anvilAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[q.Ident]
	if c == nil {
		c = &anvilClient{since: s.Proc.Clock.Monotonic()}
		s.clients[q.Ident] = c
	}
	if q.End {
		if c.count--; c.count <= 0 && s.Proc.Clock.Monotonic()-c.since > s.Conf.Time("anvil_rate_time_unit") {
			delete(s.clients, q.Ident)
		}
		return anvilAnswer{}
	}
	if s.Proc.Clock.Monotonic()-c.since > s.Conf.Time("anvil_rate_time_unit") {
		c.since, c.rate = s.Proc.Clock.Monotonic(), 0
	}
	c.count++
	c.rate++
	now := s.Proc.Now().In(s.Log.Zone())
	for _, pair := range []struct {
		peak  *anvilPeak
		value int
	}{{&s.rate, c.rate}, {&s.count, c.count}, {&s.cache, len(s.clients)}} {
		if pair.value > pair.peak.value {
			*pair.peak = anvilPeak{pair.value, q.Ident, now}
		}
	}
	return anvilAnswer{c.count, c.rate}
}

func (s *anvilState) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp := func(p anvilPeak) string { return p.at.Format("Jan _2 15:04:05") }
	if s.rate.value > 0 {
		s.Log.Info("statistics: max connection rate %d/%ds for (%s) at %s", s.rate.value, int(s.Conf.Time("anvil_rate_time_unit").Seconds()), s.rate.ident, stamp(s.rate))
	}
	if s.count.value > 0 {
		s.Log.Info("statistics: max connection count %d for (%s) at %s", s.count.value, s.count.ident, stamp(s.count))
	}
	if s.cache.value > 0 {
		s.Log.Info("statistics: max cache size %d at %s", s.cache.value, stamp(s.cache))
	}
}
