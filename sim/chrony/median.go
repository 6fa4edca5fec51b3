package chrony

import (
	"cmp"
	"slices"
)

// medianSample returns the sample with the median offset; of an even number
// the one of the middle two with the shorter delay.
func medianSample(s []sample) sample {
	sorted := slices.Clone(s)
	slices.SortFunc(sorted, func(a, b sample) int { return cmp.Compare(a.offset, b.offset) })
	m := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		if o := sorted[len(sorted)/2-1]; o.peerDelay < m.peerDelay {
			m = o
		}
	}
	return m
}
