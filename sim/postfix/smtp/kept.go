package smtp

import (
	"sync"
	"time"

	"enshu/sim/host"
)

// kept are the connections that wait for another mail to the same next hop
// (CONNECTION_CACHE_README): when qmgr(8) has much mail for it.
type kept struct {
	p *host.Proc

	mu   sync.Mutex // guards idle
	idle map[string][]*session
}

// put keeps a connection for a while.
func (k *kept) put(nexthop string, s *session, limit time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.idle[nexthop] = append(k.idle[nexthop], s)
	s.timer = k.p.Clock.AfterFunc(limit, func() { k.drop(nexthop, s) })
}

// take returns a connection to a next hop, nil when none waits.
func (k *kept) take(nexthop string) *session {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := k.idle[nexthop]
	if len(list) == 0 {
		return nil
	}
	s := list[0] // the one that waits for longest, so that none is forgotten
	k.idle[nexthop] = list[1:]
	s.timer.Stop()
	return s
}

// drop ends a connection that nobody wanted.
func (k *kept) drop(nexthop string, s *session) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, other := range k.idle[nexthop] {
		if other == s {
			k.idle[nexthop] = append(k.idle[nexthop][:i:i], k.idle[nexthop][i+1:]...)
			k.p.Go(func() {
				s.conn.Write([]byte("QUIT\r\n"))
				s.conn.Close()
			})
			return
		}
	}
}
