package polling

import (
	"math/rand/v2"
	"testing"
)

func TestDelayQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range []float64{0.05, 0.2, 0.5, 0.95} {
		var q delayQuantile
		accepted := 0
		const n = 2000
		for range n {
			if q.accepts(1e-3+r.ExpFloat64()*1e-4, p) {
				accepted++
			}
		}
		if got := float64(accepted) / n; got < p-0.04 || got > p+0.04 {
			t.Errorf("of the delays %.3f are accepted, want %.2f", got, p)
		}
	}
}
