package clock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"enshu/sim/clock"
)

// awake runs f as a goroutine of the lab: with a token.
func awake(l *clock.Timeline, f func()) {
	l.Hold()
	go func() {
		defer l.Release()
		f()
	}()
}

func TestTimersFireInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := clock.New(time.Time{})
		began := l.Now()
		var got []string
		add := func(name string, d time.Duration) *clock.Timer {
			return l.AfterFunc(d, func() { got = append(got, fmt.Sprintf("%s at %v", name, l.Now().Sub(began))) })
		}
		add("c", 2*time.Second)
		add("a", time.Second)
		add("b", time.Second)
		stopped := add("stopped", time.Second)
		add("d", 3*time.Second)
		if !stopped.Stop() || stopped.Stop() {
			t.Error("Stop reports wrongly")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		want := []string{"a at 1s", "b at 1s", "c at 2s", "d at 3s"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if l.Awake() != 0 {
			t.Errorf("%d tokens are out", l.Awake())
		}
	})
}

func TestTimerStartsTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := clock.New(time.Time{})
		var n atomic.Int32 // read while the next timer waits
		var tick func()
		tick = func() {
			if n.Add(1) < 1000 {
				l.AfterFunc(time.Second, tick)
			}
		}
		l.AfterFunc(time.Second, tick)
		time.Sleep(999 * time.Second)
		synctest.Wait()
		if n.Load() != 999 {
			t.Errorf("%d ticks in 999 s", n.Load())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n.Load() != 1000 {
			t.Errorf("%d ticks in 1000 s", n.Load())
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := clock.New(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
		began := l.Now()
		var at []time.Duration
		for _, d := range []time.Duration{30 * time.Second, 90 * time.Second, 3 * time.Minute} {
			l.AfterFunc(d, func() { at = append(at, l.Now().Sub(began).Round(time.Microsecond)) })
		}
		l.SetRate(60)
		time.Sleep(time.Second) // a minute
		synctest.Wait()
		if len(at) != 1 {
			t.Errorf("after a fast second %d timers fired", len(at))
		}
		l.SetRate(0.5)
		time.Sleep(time.Minute) // half a minute
		synctest.Wait()
		if got := l.Now().Sub(began).Round(time.Microsecond); got != 90*time.Second {
			t.Errorf("true time passed: %v", got)
		}
		l.SetRate(1)
		time.Sleep(90*time.Second + time.Millisecond)
		synctest.Wait()
		want := []time.Duration{30 * time.Second, 90 * time.Second, 3 * time.Minute}
		if !slices.Equal(at, want) {
			t.Errorf("timers fired at %v, want %v", at, want)
		}
	})
}

// Advance is tried outside of a bubble, where real time stands all but still.
func TestAdvanceStopsAtEveryEvent(t *testing.T) {
	l := clock.New(time.Time{})
	began := l.Now()
	var got []time.Duration
	awake(l, func() {
		for range 24 {
			if l.Sleep(context.Background(), time.Hour) != nil {
				return
			}
			got = append(got, l.Now().Sub(began).Round(time.Minute))
		}
	})
	if err := l.Advance(t.Context(), 24*time.Hour+time.Minute); err != nil {
		t.Fatal(err)
	}
	if len(got) != 24 {
		t.Fatalf("woke %d times in a day", len(got))
	}
	for i, d := range got {
		if d != time.Duration(i+1)*time.Hour {
			t.Errorf("wake %d at %v", i, d)
		}
	}
	if d := l.Now().Sub(began); d < 24*time.Hour+time.Minute || d > 25*time.Hour {
		t.Errorf("advanced %v", d)
	}
}

func TestAdvanceWaitsForWhoeverIsAwake(t *testing.T) {
	l := clock.New(time.Time{})
	l.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Advance(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("Advance past an awake goroutine: %v", err)
	}
	l.Release()
	if err := l.Advance(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
}

// A crowd that hands values round must not lose time or tokens.
func TestTokensNeverLeak(t *testing.T) {
	for _, warp := range []bool{false, true} {
		t.Run(fmt.Sprintf("warp=%v", warp), func(t *testing.T) {
			l := clock.New(time.Time{})
			began := l.Now()
			ctx, cancel := context.WithCancel(context.Background())
			queues := make([]*clock.Queue[int], 8)
			for i := range queues {
				queues[i] = clock.NewQueue[int](l, i%3)
			}
			local := clock.NewLocal(l, time.Hour, 500)
			var wg sync.WaitGroup
			for i := range 40 {
				wg.Add(1)
				r := rand.New(rand.NewPCG(1, uint64(i)))
				awake(l, func() {
					defer wg.Done()
					for ctx.Err() == nil {
						q := queues[r.IntN(len(queues))]
						switch r.IntN(6) {
						case 0:
							q.TryPut(i)
						case 1:
							c, stop := local.Timeout(ctx, time.Duration(r.IntN(1000))*time.Millisecond)
							q.Put(c, i)
							stop()
						case 2:
							q.GetBefore(ctx, local, local.Now().Add(time.Duration(r.IntN(1000))*time.Millisecond))
						case 3:
							c, stop := local.Timeout(ctx, time.Duration(r.IntN(1000))*time.Millisecond)
							q.Get(c)
							stop()
						case 4:
							local.Sleep(ctx, time.Duration(r.IntN(1000))*time.Millisecond)
						case 5:
							local.Adjust(float64(r.IntN(1000) - 500))
						}
					}
				})
			}
			if warp {
				if err := l.Advance(t.Context(), 5*time.Minute); err != nil {
					t.Fatal(err)
				}
				if d := l.Now().Sub(began); d < 5*time.Minute || d > 6*time.Minute {
					t.Errorf("advanced %v", d)
				}
			} else {
				awake(l, func() { l.Sleep(ctx, 20*time.Millisecond) })
			}
			cancel()
			wg.Wait()
			if err := l.Advance(t.Context(), 0); err != nil { // waits for the last Release
				t.Fatal(err)
			}
			if l.Awake() != 0 {
				t.Errorf("%d tokens are out", l.Awake())
			}
		})
	}
}

func TestReleaseTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a token too many was taken back")
		}
	}()
	clock.New(time.Time{}).Release()
}

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := clock.New(time.Time{})
		local := clock.NewLocal(l, 0, 0)
		q := clock.NewQueue[int](l, 2)
		ctx := t.Context()
		if !q.TryPut(1) || !q.TryPut(2) || q.TryPut(3) {
			t.Error("a queue of two does not hold two")
		}
		l.Hold()
		defer l.Release()
		awake(l, func() {
			if err := q.Put(ctx, 3); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if q.Len() != 2 {
			t.Errorf("Put did not wait: %d values", q.Len())
		}
		for want := 1; want <= 3; want++ {
			if got, err := q.Get(ctx); got != want || err != nil {
				t.Errorf("got %d, %v, want %d", got, err, want)
			}
		}
		began := l.Now()
		_, err := q.GetBefore(ctx, local, local.Now().Add(time.Second))
		if d := l.Now().Sub(began); !errors.Is(err, os.ErrDeadlineExceeded) || d != time.Second {
			t.Errorf("%v after %v", err, d)
		}
		if _, err := q.GetBefore(ctx, local, local.Now()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a deadline that is now: %v", err)
		}
		// A step does not move a wait that has begun.
		l.AfterFunc(100*time.Millisecond, func() { local.Step(-time.Hour) })
		began = l.Now()
		_, err = q.GetBefore(ctx, local, local.Now().Add(time.Second))
		if d := l.Now().Sub(began); !errors.Is(err, os.ErrDeadlineExceeded) || d != time.Second {
			t.Errorf("with a step: %v after %v", err, d)
		}
		l.AfterFunc(time.Second, func() { q.TryPut(7) })
		if got, err := q.Get(ctx); got != 7 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
		q.TryPut(8)
		q.Close()
		if q.TryPut(9) {
			t.Error("a closed queue took a value")
		}
		if err := q.Put(ctx, 9); !errors.Is(err, clock.ErrClosed) {
			t.Errorf("Put after Close: %v", err)
		}
		if got, err := q.Get(ctx); got != 8 || err != nil {
			t.Errorf("what was left: %d, %v", got, err)
		}
		if _, err := q.Get(ctx); !errors.Is(err, clock.ErrClosed) {
			t.Errorf("Get after Close: %v", err)
		}
		cause := errors.New("enough")
		cctx, cancel := context.WithCancelCause(ctx)
		q = clock.NewQueue[int](l, 1)
		cancel(cause)
		if _, err := q.Get(cctx); !errors.Is(err, cause) {
			t.Errorf("Get of an ended context: %v", err)
		}
		if !q.TryPut(1) {
			t.Error("a getter that gave up kept the queue")
		}
	})
}

// A value must not go to a getter that has given up: another one takes it.
func TestQueueWakesWhoeverStillWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := clock.New(time.Time{})
		q := clock.NewQueue[int](l, 0)
		ctx, cancel := context.WithCancel(t.Context())
		awake(l, func() { q.Get(ctx) })
		synctest.Wait()
		got := 0
		awake(l, func() { got, _ = q.Get(t.Context()) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		q.TryPut(5)
		synctest.Wait()
		if got != 5 {
			t.Errorf("the waiting getter has %d", got)
		}
	})
}

// exchange sends n numbers to and fro over a socketpair with a pause between,
// as a Program over kernel sockets does, and counts what came back.
func exchange(t *testing.T, l *clock.Timeline, n int, pause time.Duration) *int {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ends := [2]*os.File{os.NewFile(uintptr(pair[0]), "a"), os.NewFile(uintptr(pair[1]), "b")}
	t.Cleanup(func() { ends[0].Close(); ends[1].Close() })
	read := func(f *os.File, b []byte) (int, error) {
		c, err := f.SyscallConn()
		if err != nil {
			return 0, err
		}
		var got int
		var rerr error
		s, err := l.Socket(c)
		if err != nil {
			return 0, err
		}
		defer s.Close()
		err = s.Block(unix.POLLIN, func(fd uintptr) bool {
			got, rerr = unix.Read(int(fd), b)
			return rerr != unix.EAGAIN
		})
		return got, errors.Join(err, rerr)
	}
	awake(l, func() { // answers
		b := make([]byte, 10)
		for {
			k, err := read(ends[1], b)
			if err != nil {
				return
			}
			unix.Write(pair[1], b[:k])
		}
	})
	done := new(int)
	awake(l, func() {
		b := make([]byte, 10)
		for range n {
			unix.Write(pair[0], []byte("x"))
			if _, err := read(ends[0], b); err != nil {
				return
			}
			*done++
			l.Sleep(context.Background(), pause)
		}
	})
	return done
}

// Nothing may be lost when time is warped over kernel sockets, however busy the
// machine is.
func TestSocketsUnderAdvance(t *testing.T) {
	for _, load := range []int{0, 3} {
		t.Run(fmt.Sprintf("load=%d", load), func(t *testing.T) {
			stop := make(chan struct{})
			var busy sync.WaitGroup
			for range load {
				busy.Go(func() {
					for x := 1; ; x++ {
						select {
						case <-stop:
							return
						default:
							_ = x * x
						}
					}
				})
			}
			defer busy.Wait()
			defer close(stop)
			n := 1000
			if load > 0 {
				n = 20 // each wake waits for the time slices of the load
			}
			l := clock.New(time.Time{})
			began := l.Now()
			done := []*int{exchange(t, l, n, time.Minute), exchange(t, l, n, time.Minute)}
			if err := l.Advance(t.Context(), time.Duration(n)*time.Minute); err != nil {
				t.Fatal(err)
			}
			for _, d := range done {
				if *d != n {
					t.Errorf("%d of %d exchanges in time", *d, n)
				}
			}
			if d := l.Now().Sub(began); d < time.Duration(n)*time.Minute {
				t.Errorf("advanced %v", d)
			}
		})
	}
}

// TestPassed: what the kernel stamped with real time is told in true time.
func TestPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := clock.New(time.Time{})
		l.SetRate(2)
		time.Sleep(3 * time.Second)
		if got := l.Passed(time.Second); got != 2*time.Second {
			t.Errorf("a real second at twice the pace was %v", got)
		}
		if got := l.Passed(time.Minute); got != 6*time.Second {
			t.Errorf("since the pace was set %v passed, want 6s", got)
		}
	})
}
