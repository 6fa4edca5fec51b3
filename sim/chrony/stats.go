package chrony

import (
	"math"
	"time"
)

// sample is one measurement of a source.
type sample struct {
	at             time.Time // local (cooked) time midway through the exchange
	offset         float64   // source minus local clock, seconds: positive when the local clock is slow
	peerDelay      float64
	peerDispersion float64
	rootDelay      float64
	rootDispersion float64
}

const (
	maxSamples     = 64
	minSkew        = 1e-12
	maxSkew        = 1e2
	minDeviation   = 1e-9
	worstSkew      = 2000e-6 // assumed of a source without a regression
	worstDeviation = 4.0
	deviationRatio = 0.7 // of the standard deviation, as the unit of distance for weights
	maxAsymmetry   = 0.5
	minAsymmetry   = 0.45
	minAsymRun     = 10
	maxAsymRun     = 1000
)

// record is a sample as the statistics keep it; offset here is local clock
// minus source.
type record struct {
	at               time.Time
	offset, original float64
	peerDelay        float64
	peerDispersion   float64
	rootDelay        float64
	rootDispersion   float64
}

// sourceStats estimates offset and frequency of the local clock against one
// source from its last samples.
type sourceStats struct {
	minSamples, maxSamples int
	fixedDelay             float64 // mindelay; 0 when measured
	asymmetry              float64 // given or estimated; a jitter asymmetry over 0.5 asks for an estimate
	fixedAsymmetry         float64

	records []record // oldest first; the first extra are only for the runs test
	extra   int

	best        int // index of the sample with the least root distance
	fastest     int // of that with the least delay, extra samples included
	regressed   bool
	offset      float64 // estimated at offsetAt
	offsetAt    time.Time
	offsetSD    float64
	frequency   float64 // of the local clock against the source, seconds a second
	frequencySD float64
	skew        float64
	deviation   float64
	runs        int
	asymRun     int
	stress      float64 // of the last regression: change of frequency in units of the old skew
	dropped     int     // samples that the last regression dropped
}

func newStats(minSamples, maxSamples int, minDelay, asymmetry float64) *sourceStats {
	s := &sourceStats{minSamples: minSamples, maxSamples: maxSamples, fixedDelay: minDelay, fixedAsymmetry: asymmetry}
	s.reset()
	return s
}

// reset forgets all samples.
func (s *sourceStats) reset() {
	s.records, s.extra = s.records[:0], 0
	s.best, s.fastest = 0, 0
	s.regressed = false
	s.offset, s.offsetAt, s.offsetSD = 0, time.Time{}, worstDeviation
	s.frequency, s.frequencySD = 0, worstSkew
	s.skew = worstSkew
	s.deviation = worstDeviation
	s.runs = 0
	s.asymmetry, s.asymRun = 0, 0
}

// samples returns how many samples are in use.
func (s *sourceStats) samples() int { return len(s.records) - s.extra }

func (s *sourceStats) used() []record { return s.records[s.extra:] }

func (s *sourceStats) last() *record { return &s.records[len(s.records)-1] }

// add takes a sample; it must be followed by regress. A sample that is not
// newer than the last one makes all earlier ones worthless.
func (s *sourceStats) add(n sample) {
	limit := maxSamples
	if s.maxSamples > 0 {
		limit = min(limit, s.maxSamples)
	}
	if s.samples() > 0 && !n.at.After(s.last().at) {
		s.reset()
	}
	if s.samples() >= limit {
		s.prune(s.samples() - limit + 1)
	}
	s.records = append(s.records, record{n.at, -n.offset, -n.offset, n.peerDelay, n.peerDispersion, n.rootDelay, n.rootDispersion})
	s.findFastest()
}

// load replaces the samples by those of a dump file, oldest first.
func (s *sourceStats) load(records []record, asymRun int) {
	s.reset()
	if s.maxSamples > 0 {
		records = records[max(len(records)-s.maxSamples, 0):]
	}
	s.records, s.asymRun = records, asymRun
	s.findFastest()
	s.regress()
}

// prune stops using the oldest n samples, and keeps them for the runs test as
// long as that may need them.
func (s *sourceStats) prune(n int) {
	if n <= 0 {
		return
	}
	s.extra += n
	if keep := min(s.samples(), maxSamples-1) * (runsRatio - 1); s.extra > keep {
		cut := s.extra - keep
		s.records = append(s.records[:0], s.records[cut:]...)
		s.extra = keep
	}
	s.findFastest()
}

func (s *sourceStats) findFastest() {
	s.fastest = 0
	for i := range s.records {
		if s.records[i].peerDelay < s.records[s.fastest].peerDelay {
			s.fastest = i
		}
	}
}

// minDelay returns the least delay seen.
func (s *sourceStats) minDelay() float64 {
	if s.fixedDelay > 0 {
		return s.fixedDelay
	}
	if len(s.records) == 0 {
		return math.MaxFloat64
	}
	return s.records[s.fastest].peerDelay
}

// regress makes new estimates.
func (s *sourceStats) regress() {
	var back, offsets [2 * maxSamples]float64
	var weights, distances [maxSamples]float64
	n := s.samples()
	all := len(s.records)
	if n > 0 {
		newest := s.last().at
		least := math.MaxFloat64
		for i := range s.records {
			r := &s.records[i]
			back[i] = r.at.Sub(newest).Seconds()
			offsets[i] = r.offset
			if j := i - s.extra; j >= 0 {
				distances[j] = r.peerDelay/2 + r.peerDispersion
				least = min(least, distances[j])
			}
		}
		deviation := min(max(s.deviation, minDeviation), least)
		if !(deviation > 0) {
			deviation = minDeviation
		}
		for j := range n {
			w := 1 + deviationRatio*(distances[j]-least)/deviation
			weights[j] = w * w
		}
		s.correctAsymmetry(back[:all], offsets[:all])
	}
	s.stress, s.dropped = 0, 0
	line, ok := bestLine(back[:all], offsets[:all], weights[:n], s.extra, s.minSamples)
	s.regressed = ok
	if ok {
		oldFrequency, oldSkew := s.frequency, s.skew
		s.frequency, s.frequencySD = line.slope, max(line.slopeSD, minSkew)
		s.skew = min(max(line.slopeSD*tCoefficient(line.dof), minSkew), maxSkew)
		s.offset, s.offsetAt, s.offsetSD = line.intercept, s.last().at, line.interceptSD
		s.deviation = max(math.Sqrt(line.variance), minDeviation)
		s.runs = line.runs
		s.stress = math.Abs(oldFrequency-s.frequency) / oldSkew
		s.dropped = line.start
		s.prune(line.start)
	} else {
		s.frequency, s.frequencySD = 0, worstSkew
		s.skew = worstSkew
		s.offsetSD, s.deviation = worstDeviation, worstDeviation
		s.runs = 0
		s.offset, s.offsetAt = 0, time.Time{}
		if n > 0 {
			s.offset, s.offsetAt = s.last().offset, s.last().at
		}
	}
	s.findBest()
}

// correctAsymmetry takes out of the offsets what follows the delays.
func (s *sourceStats) correctAsymmetry(back, offsets []float64) {
	if s.fixedAsymmetry == 0 {
		return
	}
	least := s.minDelay()
	var buf [2 * maxSamples]float64
	delays := buf[:len(s.records)]
	for i := range s.records {
		delays[i] = s.records[i].peerDelay - least
	}
	if math.Abs(s.fixedAsymmetry) <= maxAsymmetry {
		s.asymmetry = s.fixedAsymmetry
	} else if !s.estimateAsymmetry(back, delays, offsets) {
		return
	}
	for i := range offsets {
		offsets[i] -= s.asymmetry * delays[i]
	}
}

func (s *sourceStats) estimateAsymmetry(back, delays, offsets []float64) bool {
	a, ok := secondSlope(back, delays, offsets)
	if !ok || a*float64(s.asymRun) < 0 {
		s.asymmetry, s.asymRun = 0, 0
		return false
	}
	switch {
	case a <= -minAsymmetry && s.asymRun > -maxAsymRun:
		s.asymRun--
	case a >= minAsymmetry && s.asymRun < maxAsymRun:
		s.asymRun++
	}
	if max(s.asymRun, -s.asymRun) < minAsymRun {
		return false
	}
	s.asymmetry = min(max(a, -maxAsymmetry), maxAsymmetry)
	return true
}

func (s *sourceStats) findBest() {
	s.best = 0
	used := s.used()
	if len(used) == 0 {
		return
	}
	newest := used[len(used)-1].at
	least := math.MaxFloat64
	for i := range used {
		r := &used[i]
		d := r.rootDispersion + newest.Sub(r.at).Seconds()*s.skew + r.rootDelay/2
		if d < least {
			least, s.best = d, i
		}
	}
}

// selection is what the choice of a source looks at.
type selection struct {
	low, high    float64 // limits of the local clock's offset
	rootDistance float64
	deviation    float64
	firstAgo     float64 // age of the oldest and the newest sample, seconds
	lastAgo      float64
	usable       bool // enough samples
}

// selectionAt returns the selection data at a local time. printOnce allows a
// source whose maxsamples is too small for a regression (modes -q and -Q).
func (s *sourceStats) selectionAt(now time.Time, maxJitter float64) selection {
	used := s.used()
	if len(used) == 0 {
		return selection{}
	}
	r := &used[s.best]
	elapsed := math.Abs(now.Sub(r.at).Seconds())
	offset := r.offset + elapsed*s.frequency
	v := selection{
		rootDistance: r.rootDelay/2 + r.rootDispersion + elapsed*s.skew,
		deviation:    s.deviation,
		firstAgo:     now.Sub(used[0].at).Seconds(),
		lastAgo:      now.Sub(used[len(used)-1].at).Seconds(),
		usable:       s.regressed,
	}
	v.low, v.high = offset-v.rootDistance, offset+v.rootDistance
	if !v.usable && len(used) < minRegression && len(used) == s.maxSamples {
		v.deviation, v.usable = maxJitter, true
	}
	return v
}

// estimate is what a source says about the local clock.
type estimate struct {
	at                     time.Time
	offset, offsetSD       float64 // local clock minus source
	frequency, frequencySD float64
	skew                   float64
	rootDelay              float64
	rootDispersion         float64
}

// estimateNow returns the estimates of the last regression.
func (s *sourceStats) estimateNow(maxJitter float64) estimate {
	r := &s.used()[s.best]
	e := estimate{
		at: s.offsetAt, offset: s.offset, offsetSD: s.offsetSD,
		frequency: s.frequency, frequencySD: s.frequencySD, skew: s.skew,
		rootDelay: r.rootDelay,
	}
	elapsed := s.offsetAt.Sub(r.at).Seconds()
	e.rootDispersion = r.rootDispersion + s.skew*elapsed + s.offsetSD
	if !s.regressed {
		e.offsetSD = maxJitter
		e.frequency = 0
	}
	return e
}

// slew moves the samples when the local clock is adjusted: from the local time
// when on, it runs dfreq slower and reads doffset less.
func (s *sourceStats) slew(when time.Time, dfreq, doffset float64) {
	for i := range s.records {
		r := &s.records[i]
		var delta float64
		r.at, delta = adjusted(r.at, when, dfreq, doffset)
		r.offset += delta
	}
	if !s.offsetAt.IsZero() {
		var delta float64
		s.offsetAt, delta = adjusted(s.offsetAt, when, dfreq, doffset)
		s.offset += delta
		s.frequency = (s.frequency - dfreq) / (1 - dfreq)
	}
}

// adjusted returns what the clock that was changed at when would have read at t.
func adjusted(t, when time.Time, dfreq, doffset float64) (time.Time, float64) {
	delta := when.Sub(t).Seconds()*dfreq - doffset
	return addSeconds(t, delta), delta
}

// predict returns the offset of the local clock expected at a local time.
func (s *sourceStats) predict(when time.Time) float64 {
	switch {
	case s.samples() == 0:
		return 0
	case s.samples() < minRegression:
		return s.last().offset
	}
	return s.offset + when.Sub(s.offsetAt).Seconds()*s.frequency
}

// addSeconds adds a number of seconds to a time, saturating far beyond any lab.
func addSeconds(t time.Time, s float64) time.Time {
	return t.Add(seconds(s))
}

// seconds turns seconds into a Duration, clamped to its range.
func seconds(s float64) time.Duration {
	v := math.Round(s * 1e9)
	switch {
	case !(v > math.MinInt64):
		return math.MinInt64
	case v >= math.MaxInt64:
		return math.MaxInt64
	}
	return time.Duration(v)
}
