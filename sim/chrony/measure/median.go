package measure

import (
	"cmp"
	"slices"
)

// Median returns the sample with the median offset; of an even number
// the one of the middle two with the shorter delay.
func Median(s []Sample) Sample {
	sorted := slices.Clone(s)
	slices.SortFunc(sorted, func(a, b Sample) int { return cmp.Compare(a.Offset, b.Offset) })
	m := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		if o := sorted[len(sorted)/2-1]; o.PeerDelay < m.PeerDelay {
			m = o
		}
	}
	return m
}
