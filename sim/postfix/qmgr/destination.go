package qmgr

import (
	"math"
	"strconv"
	"strings"
	"time"

	"enshu/sim/postfix/service"
)

// destination is where mail waits for a free connection.
type destination struct {
	transport, nexthop string
	pace               pace
	busy               int // deliveries under way
	waiting            []entry
	lastDone           time.Time // when a delivery ended last; zero before the first has
	keeping            bool      // so much mail came at once that connections are kept
	reusing            bool      // connections may have been kept
	dead               string    // why nothing is delivered now: the next hop that tells error(8); "" while it is
	revives            time.Time // when a dead one is tried again
}

// backToBack reports whether a delivery that begins now follows another closely.
func (d *destination) backToBack(now time.Time) bool {
	return !d.lastDone.IsZero() && now.Sub(d.lastDone) <= time.Second
}

// connections decides whether the delivery that begins now takes a kept
// connection, and whether it keeps its own: once mail follows upon mail, until
// there is none. That holds for a while after, so that none that was kept is
// left alone while others are made (CONNECTION_CACHE_README).
func (d *destination) connections(now time.Time) (reuse, keep bool) {
	if d.backToBack(now) {
		d.keeping, d.reusing = true, true
	} else if d.busy <= 1 {
		d.keeping = false
	}
	return d.reusing, d.keeping
}

// pace is how many deliveries to a destination go on at a time: few at first,
// more as they succeed, fewer as its host cannot be reached (SCHEDULER_README).
type pace struct {
	initial, limit     int
	positive, negative string  // feedback: "1", "1/concurrency", "1/sqrt_concurrency"
	failedCohortLimit  float64 // so many rounds of failures, and it is dead

	window           int
	success, failure float64 // feedback that has not made up a step yet
	failedCohorts    float64
}

// succeeded widens the window after a delivery that reached the host, beside
// busy others, unless it is far wider than needed already.
func (c *pace) succeeded(busy int) {
	c.failedCohorts = 0
	if c.window >= c.limit || c.window >= busy+c.initial {
		return
	}
	c.success += feedback(c.positive, c.window)
	for ; c.success >= 1-rounding && c.window < c.limit; c.success-- {
		c.window++
		c.failure = 0
	}
}

// failed narrows the window after a delivery that did not reach the host, at the
// beginning of a step, and reports whether the destination counts as dead.
func (c *pace) failed() (dead bool) {
	c.failedCohorts += 1 / float64(c.window)
	if c.failedCohortLimit > 0 && c.failedCohorts >= c.failedCohortLimit-rounding {
		return true
	}
	c.failure -= feedback(c.negative, c.window)
	for ; c.failure < -rounding; c.failure++ {
		c.window = max(c.window-1, 1)
		c.success = 0
	}
	return false
}

// rounding is what sums of feedback may be off by.
const rounding = 1e-6

// feedback returns what one delivery adds at a concurrency: 0 to 1.
func feedback(rule string, concurrency int) float64 {
	number, by, _ := strings.Cut(strings.ReplaceAll(rule, " ", ""), "/")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		n = 1
	}
	switch by {
	case "concurrency":
		n /= float64(concurrency)
	case "sqrt_concurrency":
		n /= math.Sqrt(float64(concurrency))
	}
	return min(max(n, 0), 1)
}

// destinationOf returns the destination of a name, which it makes when there is none.
func (m *qmgr) destinationOf(transport, nexthop, single string) *destination {
	name := transport + "\n" + nexthop + "\n" + single
	d := m.dests[name]
	if d == nil {
		d = &destination{transport: transport, nexthop: nexthop, pace: m.pace(transport)}
		m.dests[name] = d
	}
	if d.dead != "" && !m.Proc.Now().Before(d.revives) {
		d.dead, d.pace = "", m.pace(transport)
	}
	return d
}

// pace reads how mail of a transport begins.
func (m *qmgr) pace(transport string) pace {
	value := func(suffix, otherwise string) string {
		if v := m.Conf.Get(transport + suffix); v != "" {
			return v
		}
		return m.Conf.Get(otherwise)
	}
	const of = "_destination_concurrency_"
	c := pace{limit: m.limit(transport, "concurrency"),
		positive: value(of+"positive_feedback", "default"+of+"positive_feedback"),
		negative: value(of+"negative_feedback", "default"+of+"negative_feedback")}
	c.failedCohortLimit, _ = strconv.ParseFloat(value(of+"failed_cohort_limit", "default"+of+"failed_cohort_limit"), 64)
	c.initial, _ = strconv.Atoi(value("_initial_destination_concurrency", "initial_destination_concurrency"))
	c.initial = min(max(c.initial, 1), c.limit)
	c.window = c.initial
	return c
}

// heard learns from the end of a delivery how the host of a destination fares.
func (m *qmgr) heard(d *destination, answer service.DeliveryAnswer) {
	d.lastDone = m.Proc.Now()
	switch {
	case d.dead != "" || answer.Crashed:
	case answer.Unreached.Status == "":
		d.pace.succeeded(d.busy)
	case d.pace.failed():
		d.dead = answer.Unreached.Status + " delivery temporarily suspended: " + answer.Unreached.Text
		d.revives = d.lastDone.Add(m.Conf.Time("minimal_backoff_time"))
	}
}

// revive forgets which destinations are dead: after postqueue(1) -f and a reload.
func (m *qmgr) revive() {
	for _, d := range m.dests {
		if d.dead != "" {
			d.dead, d.pace = "", m.pace(d.transport)
		}
	}
}

// forget drops the destinations that need no remembering.
func (m *qmgr) forget() {
	now := m.Proc.Now()
	for name, d := range m.dests {
		if d.busy == 0 && len(d.waiting) == 0 && (d.dead == "" || !now.Before(d.revives)) {
			delete(m.dests, name)
		}
	}
}
