package clock_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/clock"
)

func TestLocalReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := clock.New(time.Time{})
		c := clock.NewLocal(l, -90*time.Second, 100)
		if c.Timeline() != l {
			t.Error("Timeline")
		}
		check := func(what string, got, want time.Duration) {
			t.Helper()
			if d := got - want; d < -time.Nanosecond*10 || d > time.Nanosecond*10 {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		check("offset", c.Offset(), -90*time.Second)
		time.Sleep(10000 * time.Second)
		check("offset after 10000 s at 100 ppm", c.Offset(), -89*time.Second)
		check("monotonic", c.Monotonic(), 10001*time.Second)
		c.Step(89 * time.Second)
		check("offset after a step", c.Offset(), 0)
		check("monotonic after a step", c.Monotonic(), 10001*time.Second)
		c.Adjust(-100)
		if math.Abs(c.Adjustment()+100) > 1e-9 || math.Abs(c.FrequencyError()-100) > 1e-9 {
			t.Errorf("adjustment %v, error %v", c.Adjustment(), c.FrequencyError())
		}
		time.Sleep(10000 * time.Second)
		// A correction counts on top of the error: 100 ppm less of 100 ppm more.
		check("offset while corrected", c.Offset(), -100*time.Microsecond)
		c.SetFrequencyError(200)
		time.Sleep(10000 * time.Second)
		check("offset after the error grew", c.Offset(), time.Second-300*time.Microsecond)
		c.Set(l.Now().Add(time.Hour))
		check("offset after Set", c.Offset(), time.Hour)
		if c.Now().Location() != time.UTC {
			t.Errorf("zone %v", c.Now().Location())
		}
	})
}

// A running timer follows the rate, whenever it changes, but no step.
func TestLocalTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := clock.New(time.Time{})
		c := clock.NewLocal(l, time.Hour, 0)
		began, mono := l.Now(), c.Monotonic()
		var at, local time.Duration
		c.AfterFunc(1000*time.Second, func() { at, local = l.Now().Sub(began), c.Monotonic()-mono })
		time.Sleep(500 * time.Second)
		c.Adjust(1e5) // a tenth faster: 500 s pass in 454.5
		time.Sleep(110 * time.Second)
		c.Step(time.Hour)
		c.Adjust(-5e5) // half as fast, with 379 s to go: 758 s
		time.Sleep(800 * time.Second)
		synctest.Wait()
		want := 500*time.Second + 110*time.Second + 758*time.Second
		if d := at - want; math.Abs(float64(d)) > 10 {
			t.Errorf("fired after %v, want %v", at, want)
		}
		if d := local - 1000*time.Second; d < 0 || d > 10 {
			t.Errorf("fired after %v of its clock", local)
		}
	})
}

func TestLocalTimerStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.NewLocal(clock.New(time.Time{}), 0, -200)
		stopped := c.AfterFunc(time.Second, func() { t.Error("a stopped timer fired") })
		time.Sleep(500 * time.Millisecond)
		if !stopped.Stop() || stopped.Stop() {
			t.Error("Stop reports wrongly")
		}
		c.Adjust(100) // must not arm it again
		fired := false
		over := c.AfterFunc(0, func() { fired = true })
		time.Sleep(time.Minute)
		synctest.Wait()
		if !fired || over.Stop() {
			t.Error("a timer of no time at all")
		}
	})
}

func TestLocalSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := clock.New(time.Time{})
		c := clock.NewLocal(l, 0, 1e6) // twice as fast
		l.Hold()
		defer l.Release()
		began := l.Now()
		if err := c.Sleep(t.Context(), 10*time.Second); err != nil {
			t.Error(err)
		}
		if d := l.Now().Sub(began); d != 5*time.Second {
			t.Errorf("slept %v", d)
		}
		ctx, stop := c.Timeout(t.Context(), 2*time.Second)
		err := c.Sleep(ctx, time.Hour)
		stop()
		if d := l.Now().Sub(began); err == nil || d != 6*time.Second {
			t.Errorf("%v after %v", err, d)
		}
		if l.Awake() != 1 {
			t.Errorf("%d tokens are out", l.Awake())
		}
	})
}
