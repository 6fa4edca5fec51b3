package journald

import (
	"fmt"
	"math/bits"
	"time"

	"enshu/sim/wire/syslog"
)

// rateLimits counts messages by unit and gravity (RateLimitBurst=).
type rateLimits map[string]*rateLimit

type rateLimit struct {
	begin      time.Duration
	n          int
	suppressed int
}

// test counts a message; one that is not ok is the nth over the limit in this
// interval. lost is how many were dropped before, told with the first message of
// a new interval.
func (l rateLimits) test(key string, sev syslog.Severity, now, interval time.Duration, burst int) (ok bool, nth, lost int) {
	key = fmt.Sprint(key, [8]int{0, 0, 0, 1, 2, 3, 3, 4}[sev&7])
	r := l[key]
	if r == nil {
		if len(l) > 2047 {
			for k := range l {
				delete(l, k)
			}
		}
		r = &rateLimit{begin: now}
		l[key] = r
	}
	if now-r.begin > interval {
		lost = r.suppressed
		*r = rateLimit{begin: now}
	}
	if r.n < burst {
		r.n++
		return true, 0, lost
	}
	r.suppressed++
	return false, r.suppressed, lost
}

// burstFor lets more through where there is more room.
func burstFor(burst int, available int64) int {
	k := bits.Len64(uint64(available)) - 1
	if k <= 20 {
		return burst
	}
	return burst * (k - 16) / 4
}
