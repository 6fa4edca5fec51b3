package link

import (
	"testing"
	"time"
)

func TestFate(t *testing.T) {
	const n = 10000
	l := Link{Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.1}
	r := Rand(1, "a", "b")
	lost := 0
	low, high := time.Hour, time.Duration(0)
	for range n {
		d, gone := l.Fate(r)
		low, high = min(low, d), max(high, d)
		if gone {
			lost++
		}
	}
	if low < l.Delay || high > l.Delay+l.Jitter || high-low < l.Jitter*9/10 {
		t.Errorf("delays from %v to %v", low, high)
	}
	if lost < n*8/100 || lost > n*12/100 {
		t.Errorf("%d of %d packets lost", lost, n)
	}
}

func TestThen(t *testing.T) {
	for _, c := range []struct{ a, b, want Link }{
		{Link{}, Link{}, Link{}},
		{Link{Delay: 2, Jitter: 1, Loss: 0.5}, Link{Delay: 3, Loss: 0.5}, Link{Delay: 5, Jitter: 1, Loss: 0.75}},
		{Link{Delay: 2}, Link{Delay: -3}, Link{}},
		{Link{Down: true}, Link{Delay: 1}, Link{Delay: 1, Down: true}},
	} {
		if got := c.a.Then(c.b); got != c.want {
			t.Errorf("%v then %v is %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
