package host

import (
	"context"
	"sync"
	"time"

	"enshu/sim/clock"
)

// KmsgRecord is one record of the kernel's ring buffer (kernel
// Documentation/ABI/testing/dev-kmsg).
type KmsgRecord struct {
	Seq      uint64
	Priority int           // facility<<3 | severity
	At       time.Duration // since boot, on the host's monotonic clock
	Text     string
}

// Kmsg is a host's kernel ring buffer. Readers keep their own place.
type Kmsg struct {
	clock *clock.Local

	mu      sync.Mutex
	boot    time.Duration // monotonic reading at boot
	limit   int
	records []KmsgRecord
	next    uint64
	cleared uint64
	waits   []*clock.Wait
}

// NewKmsg returns an empty ring buffer that keeps limit records, for a host
// that boots now.
func NewKmsg(c *clock.Local, limit int) *Kmsg {
	return &Kmsg{clock: c, boot: c.Monotonic(), limit: limit}
}

// Began says that the kernel started d before now: what it did meanwhile can
// then be appended with its times.
func (k *Kmsg) Began(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.boot = k.clock.Monotonic() - d
}

// Uptime returns the time since boot, as printk stamps it.
func (k *Kmsg) Uptime() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.clock.Monotonic() - k.boot
}

// Append records a line at the present time.
func (k *Kmsg) Append(priority int, text string) { k.AppendAt(k.Uptime(), priority, text) }

// AppendAt records a line with the given time since boot.
func (k *Kmsg) AppendAt(at time.Duration, priority int, text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.records = append(k.records, KmsgRecord{k.next, priority, at, text})
	k.next++
	if n := len(k.records) - k.limit; n > 0 {
		k.records = append(k.records[:0:0], k.records[n:]...)
	}
	for _, w := range k.waits {
		w.Wake()
	}
	k.waits = nil
}

// Since returns the records from number seq on that the buffer still has.
func (k *Kmsg) Since(seq uint64) []KmsgRecord {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, r := range k.records {
		if r.Seq >= seq {
			return append([]KmsgRecord(nil), k.records[i:]...)
		}
	}
	return nil
}

// Clear hides what the buffer has from readers that begin at Cleared, as
// dmesg(1) does (SYSLOG_ACTION_CLEAR). The records stay.
func (k *Kmsg) Clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cleared = k.next
}

// Cleared returns the number of the first record after the last Clear.
func (k *Kmsg) Cleared() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cleared
}

// Next returns the number that the next record will have.
func (k *Kmsg) Next() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.next
}

// Wait blocks until there is a record from number seq on.
func (k *Kmsg) Wait(ctx context.Context, seq uint64) error {
	for {
		k.mu.Lock()
		if k.next > seq {
			k.mu.Unlock()
			return nil
		}
		w := k.clock.Timeline().NewWait()
		k.waits = append(k.waits, w)
		k.mu.Unlock()
		if err := w.Sleep(ctx); err != nil {
			return err
		}
	}
}
