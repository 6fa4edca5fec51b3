// Package link says what happens to packets on their way between two hosts. It
// is values: sim/memnet and sim/kernel carry packets by it.
package link

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Link is one direction of the way from a host to a neighbour. The zero value
// carries every packet at once.
type Link struct {
	Delay  time.Duration
	Jitter time.Duration // up to this is added to Delay, evenly distributed
	Loss   float64       // probability that a packet is lost
	Down   bool          // every packet is lost
}

// Impaired reports whether the link does anything to packets.
func (l Link) Impaired() bool { return l != Link{} }

// Then is the way of a packet that passes l and after it m. What takes less
// than no time takes none.
func (l Link) Then(m Link) Link {
	return Link{
		Delay:  max(0, l.Delay+m.Delay),
		Jitter: l.Jitter + m.Jitter,
		Loss:   1 - (1-l.Loss)*(1-m.Loss),
		Down:   l.Down || m.Down,
	}
}

// Fate draws what becomes of one packet: how long it takes, or that it is lost.
func (l Link) Fate(r *rand.Rand) (delay time.Duration, lost bool) {
	delay = l.Delay
	if l.Jitter > 0 {
		delay += time.Duration(r.Int64N(int64(l.Jitter) + 1))
	}
	return delay, l.Down || l.Loss > 0 && r.Float64() < l.Loss
}

// Rand returns the randomness of one direction. Each has its own, so that what
// one link loses does not depend on which of two links was used first.
func Rand(seed uint64, from, to string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(from + ">" + to))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
