package named

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/miekg/dns"
)

type cacheKey struct {
	name  string
	qtype uint16
}

type cached struct {
	m     *dns.Msg
	since time.Duration // monotonic
	until time.Duration
}

// cache holds what forwarders said, for as long as they said it holds. It also
// has what the threads of named share of randomness.
type cache struct {
	mu      sync.Mutex
	entries map[cacheKey]cached
	rand    *rand.Rand
}

// cacheLimit is how many answers are kept; a full cache is emptied.
const cacheLimit = 10000

func newCache(r *rand.Rand) *cache { return &cache{entries: map[cacheKey]cached{}, rand: r} }

// id draws the id of a query.
func (c *cache) id() uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint16(c.rand.Uint32())
}

// put keeps an answer until the first of its records expires.
func (c *cache) put(k cacheKey, m *dns.Msg, now time.Duration) {
	ttl := uint32(3600)
	records := 0
	for _, rr := range append(append([]dns.RR(nil), m.Answer...), m.Ns...) {
		ttl = min(ttl, rr.Header().Ttl)
		records++
	}
	if records == 0 || ttl == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= cacheLimit {
		clear(c.entries)
	}
	c.entries[k] = cached{m.Copy(), now, now + time.Duration(ttl)*time.Second}
}

// get returns an answer with the time that is left to it, nil when there is none.
func (c *cache) get(k cacheKey, now time.Duration) *dns.Msg {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok || now >= e.until {
		delete(c.entries, k)
		return nil
	}
	m := e.m.Copy()
	age := uint32((now - e.since) / time.Second)
	for _, list := range [][]dns.RR{m.Answer, m.Ns} {
		for _, rr := range list {
			rr.Header().Ttl -= min(age, rr.Header().Ttl)
		}
	}
	return m
}
