package measure

import (
	"cmp"
	"slices"
)

// Median returns the sample with the median offset; of an even number the mean of
// the middle two.
func Median(s []Sample) Sample {
	sorted := slices.Clone(s)
	slices.SortFunc(sorted, func(a, b Sample) int { return cmp.Compare(a.Offset, b.Offset) })
	m := sorted[len(sorted)/2]
	if len(sorted)%2 == 1 {
		return m
	}
	o := sorted[len(sorted)/2-1]
	return Sample{
		At:     o.At.Add(m.At.Sub(o.At) / 2),
		Offset: (o.Offset + m.Offset) / 2, PeerDelay: (o.PeerDelay + m.PeerDelay) / 2, PeerDispersion: (o.PeerDispersion + m.PeerDispersion) / 2,
		RootDelay: (o.RootDelay + m.RootDelay) / 2, RootDispersion: (o.RootDispersion + m.RootDispersion) / 2,
	}
}
