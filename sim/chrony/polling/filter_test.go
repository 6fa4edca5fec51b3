package polling

import (
	"testing"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/measure"
)

// A server answers every third request of a client with "filter 4": the real
// chronyd makes a sample before each fourth request of what came since.
func TestFilterCountsRequests(t *testing.T) {
	a := &Association{Config: conf.Source{Filter: 4}}
	got := map[int]float64{}
	for request := 1; request <= 20; request++ {
		if s, ok := a.Filtered(); ok {
			got[request] = s.Offset
		}
		if request%3 == 0 {
			a.filtered = append(a.filtered, measure.Sample{Offset: float64(request)})
		}
	}
	want := map[int]float64{4: 3, 8: 6, 12: 9, 16: 13.5, 20: 18}
	if len(got) != len(want) {
		t.Errorf("samples %v, want %v", got, want)
	}
	for at, offset := range want {
		if got[at] != offset {
			t.Errorf("before request %d a sample of %v, want %v", at, got[at], offset)
		}
	}
}
