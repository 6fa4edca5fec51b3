package qmgr

import "testing"

// TestPace pins how the concurrency of a destination grows and falls with the
// defaults and the other rules of SCHEDULER_README.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		name               string
		positive, negative string
		cohorts            float64
		ends               string // s: a delivery that succeeded; f: one that did not reach the host
		window             int
		dead               bool
	}{
		{"each success widens", "1", "1", 1, "sss", 8, false},
		{"up to the limit", "1", "1", 1, "ssssssssssssssssssssssss", 20, false},
		{"each failure narrows", "1", "1", 1, "ff", 3, false},
		{"a cohort of failures is the end", "1", "1", 1, "ffff", 2, true},
		{"a success begins a new cohort", "1", "1", 1, "fffsfff", 1, true},
		{"more cohorts", "1", "1", 3, "fffff", 1, false},
		{"no limit of cohorts", "1", "1", 0, "ffffffffffff", 1, false},
		{"a cohort of successes widens", "1/concurrency", "1", 1, "ssss", 5, false},
		{"a cohort of successes widens, its last", "1/concurrency", "1", 1, "sssss", 6, false},
		{"the first of many failures narrows", "1", "1 / concurrency", 10, "f", 4, false},
		{"and then none for a while", "1", "1 / concurrency", 10, "fff", 4, false},
		{"half a step", "0.5", "1", 1, "sss", 6, false},
		{"by the square root", "1/sqrt_concurrency", "1", 1, "sss", 6, false},
		{"never", "0", "0", 0, "ssfff", 5, false},
	} {
		p := pace{initial: 5, limit: 20, window: 5, positive: c.positive, negative: c.negative, failedCohortLimit: c.cohorts}
		dead := false
		for _, end := range c.ends {
			if end == 's' {
				p.succeeded(p.window - 1)
			} else {
				dead = p.failed()
			}
		}
		if p.window != c.window || dead != c.dead {
			t.Errorf("%s: after %s the window is %d, dead %v; want %d, %v", c.name, c.ends, p.window, dead, c.window, c.dead)
		}
	}
	unused := pace{initial: 5, limit: 20, window: 10, positive: "1"}
	if unused.succeeded(3); unused.window != 10 {
		t.Errorf("a window that is not used up widens to %d", unused.window)
	}
}
