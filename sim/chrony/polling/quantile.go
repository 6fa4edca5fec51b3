package polling

import "slices"

// delayQuantile remembers delays for the option maxdelayquant.
type delayQuantile struct {
	last []float64 // ring of the newest
	next int       // the oldest once it is full
}

// quantileDelays is how many delays the quantile is taken of: many polls, so that
// a change of the network is followed slowly.
const quantileDelays = 256

// Quantiles outside of these are taken for the nearest.
const (
	leastQuantile = 0.05
	mostQuantile  = 0.95
)

// accepts takes in a delay and reports whether it is no longer than the p-quantile
// of the last ones.
func (q *delayQuantile) accepts(delay, p float64) bool {
	if len(q.last) < quantileDelays {
		q.last = append(q.last, delay)
	} else {
		q.last[q.next] = delay
		q.next = (q.next + 1) % quantileDelays
	}
	sorted := slices.Sorted(slices.Values(q.last))
	p = min(max(p, leastQuantile), mostQuantile)
	return delay <= sorted[int(p*float64(len(sorted)-1))]
}
