package nflog

import (
	"fmt"
	"time"
)

// Ratelimit is the kernel's limit of messages from one place (lib/ratelimit.c,
// as printk_ratelimit(9) describes it): at most Burst in an Interval, and a
// line that tells how many were left out once the next interval begins. It is
// for one goroutine at a time.
type Ratelimit struct {
	Interval time.Duration // since boot, as all times here
	Burst    int

	begin   time.Duration
	started bool
	printed int
	missed  int
}

// Allow reports whether a message at the time now may be printed, and the line
// to print before it when earlier ones were left out. name is who prints.
func (r *Ratelimit) Allow(now time.Duration, name string) (ok bool, before string) {
	if !r.started || now >= r.begin+r.Interval {
		if r.missed > 0 {
			before = fmt.Sprintf("%s: %d callbacks suppressed", name, r.missed)
		}
		r.begin, r.started, r.printed, r.missed = now, true, 0, 0
	}
	if r.printed < r.Burst {
		r.printed++
		return true, before
	}
	r.missed++
	return false, before
}
