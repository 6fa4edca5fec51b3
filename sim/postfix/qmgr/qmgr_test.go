package qmgr

import (
	"testing"
	"time"
)

// TestBackoff pins how long deferred mail waits.
func TestBackoff(t *testing.T) {
	for _, c := range []struct{ age, want time.Duration }{{0, 300 * time.Second}, {10 * time.Minute, 10 * time.Minute}, {5 * time.Hour, 4000 * time.Second}} {
		if got := backoff(c.age, 300*time.Second, 4000*time.Second); got != c.want {
			t.Errorf("backoff(%v) = %v, want %v", c.age, got, c.want)
		}
	}
}
