package clock

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// ErrClosed is returned by a Queue that was closed and is empty.
var ErrClosed = errors.New("clock: queue closed")

// Queue carries values between goroutines of one lab, with wake tokens. It is
// what a Program uses instead of a channel.
type Queue[T any] struct {
	line *Timeline
	mu   sync.Mutex
	// limit is how many values the queue holds; Put blocks beyond, TryPut refuses.
	limit   int
	values  []T
	closed  bool
	getters []*Wait
	putters []*Wait
}

// NewQueue returns a queue that holds up to limit values; limit 0 means no limit.
func NewQueue[T any](l *Timeline, limit int) *Queue[T] { return &Queue[T]{line: l, limit: limit} }

// Len returns how many values wait.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.values)
}

// TryPut appends v. It reports false when the queue is full or closed.
func (q *Queue[T]) TryPut(v T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.limit > 0 && len(q.values) >= q.limit {
		return false
	}
	q.values = append(q.values, v)
	wakeOne(&q.getters)
	return true
}

// Put appends v, waiting for room. It returns ErrClosed, or the cause of ctx.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return ErrClosed
		}
		if q.limit == 0 || len(q.values) < q.limit {
			q.values = append(q.values, v)
			wakeOne(&q.getters)
			q.mu.Unlock()
			return nil
		}
		w := q.line.NewWait()
		q.putters = append(q.putters, w)
		q.mu.Unlock()
		if err := w.Sleep(ctx); err != nil {
			return err
		}
	}
}

// PutAll appends values in order, as many at a time as there is room for. It
// returns ErrClosed, or the cause of ctx.
func (q *Queue[T]) PutAll(ctx context.Context, values []T) error {
	for len(values) > 0 {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return ErrClosed
		}
		n := len(values)
		if q.limit > 0 {
			n = min(n, q.limit-len(q.values))
		}
		if n > 0 {
			q.values = append(q.values, values[:n]...)
			values = values[n:]
			for range n {
				wakeOne(&q.getters)
			}
			q.mu.Unlock()
			continue
		}
		w := q.line.NewWait()
		q.putters = append(q.putters, w)
		q.mu.Unlock()
		if err := w.Sleep(ctx); err != nil {
			return err
		}
	}
	return nil
}

// TryPutAll appends the first of values, as many as there is room for, and
// returns how many that were.
func (q *Queue[T]) TryPutAll(values []T) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0
	}
	n := len(values)
	if q.limit > 0 {
		n = max(0, min(n, q.limit-len(q.values)))
	}
	q.values = append(q.values, values[:n]...)
	for range n {
		wakeOne(&q.getters)
	}
	return n
}

// GetAll removes the oldest values, as many as are there and buf has room for,
// waiting for one. It returns ErrClosed once the queue is closed and empty, or
// the cause of ctx.
func (q *Queue[T]) GetAll(ctx context.Context, buf []T) (int, error) {
	v, err := q.Get(ctx)
	if err != nil {
		return 0, err
	}
	buf[0] = v
	q.mu.Lock()
	defer q.mu.Unlock()
	n := copy(buf[1:], q.values)
	clear(q.values[:n])
	q.values = q.values[n:]
	for range n {
		wakeOne(&q.putters)
	}
	return 1 + n, nil
}

// Get removes the oldest value, waiting for one. It returns ErrClosed once the
// queue is closed and empty, or the cause of ctx.
func (q *Queue[T]) Get(ctx context.Context) (T, error) { return q.get(ctx, nil, time.Time{}) }

// GetBefore is Get that gives up with os.ErrDeadlineExceeded when c, as it goes
// now, reads at; stepping c meanwhile does not change when that is.
func (q *Queue[T]) GetBefore(ctx context.Context, c *Local, at time.Time) (T, error) {
	return q.get(ctx, c, at)
}

func (q *Queue[T]) get(ctx context.Context, c *Local, at time.Time) (v T, err error) {
	var due time.Duration
	if c != nil {
		due = c.due(at)
	}
	for {
		q.mu.Lock()
		if len(q.values) > 0 {
			v, q.values = q.values[0], q.values[1:]
			wakeOne(&q.putters)
			q.mu.Unlock()
			return v, nil
		}
		if q.closed {
			q.mu.Unlock()
			return v, ErrClosed
		}
		if c != nil && c.Monotonic() >= due {
			q.mu.Unlock()
			return v, os.ErrDeadlineExceeded
		}
		w := q.line.NewWait()
		q.getters = append(q.getters, w)
		q.mu.Unlock()
		var t *LocalTimer
		if c != nil {
			t = c.AfterFunc(due-c.Monotonic(), func() { w.Wake() })
		}
		err := w.Sleep(ctx)
		if t != nil {
			t.Stop()
		}
		if err != nil {
			return v, err
		}
	}
}

// Wake lets every Get look again, which makes a changed deadline count.
func (q *Queue[T]) Wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.getters) > 0 {
		wakeOne(&q.getters)
	}
}

// Close makes Put fail and Get fail once the queue is empty.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for len(q.getters) > 0 {
		wakeOne(&q.getters)
	}
	for len(q.putters) > 0 {
		wakeOne(&q.putters)
	}
}

// wakeOne wakes the first sleeper that still sleeps.
func wakeOne(list *[]*Wait) {
	for len(*list) > 0 {
		w := (*list)[0]
		*list = (*list)[1:]
		if w.Wake() {
			return
		}
	}
}
