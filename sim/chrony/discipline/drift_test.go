package discipline

import (
	"math"
	"testing"
)

// The updates of a real chronyd with "fallbackdrift 2 5", and the frequencies to
// which it returned 4, 8 and 16 seconds after the last of them; the times are known
// to a few tenths of a second.
func TestFallbackFrequencies(t *testing.T) {
	updates := []struct{ seconds, ppm float64 }{
		{1.1, 0}, {0.8, 0}, {0.7, 162}, {5.0, -29}, {1.0, -86}, {1.9, -173},
		{0.8, -356}, {0.6, -447}, {2.4, -470}, {1.2, -835}, {0.8, -835}, {0.5, -835},
		{1.0, -1611}, {0.9, -2366}, {1.1, -2366}, {2.2, -2366}, {0.8, -2952}, {2.3, -3174},
		{0.5, -3182}, {1.2, -3165}, {2.2, -3151}, {1.5, -3134}, {0.3, -3123}, {2.9, -2934},
		{2.1, -2855}, {1.2, -2653}, {0.8, -2516}, {0.7, -2516}, {3.3, -1884}, {1.0, -1811},
		{1.7, -1661}, {0.3, -1554}, {2.0, -1435}, {2.1, -1230}, {0.9, -958},
	}
	f := NewFallback([2]int{2, 5})
	for _, u := range updates {
		f.Update(u.ppm, u.seconds)
	}
	for _, c := range []struct{ after, ppm float64 }{{4, -1431.628}, {8, -1756.599}, {16, -1687.585}, {32, -1687.585}} {
		ppm, use, _ := f.Next(c.after)
		if !use || math.Abs(ppm/c.ppm-1) > 0.02 {
			t.Errorf("after %v s: %v ppm (%v), want %v", c.after, ppm, use, c.ppm)
		}
	}
	if _, use, _ := f.Next(3.9); use {
		t.Error("the clock falls back too soon")
	}
}
