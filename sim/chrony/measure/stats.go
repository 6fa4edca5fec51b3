// Package measure makes time out of measurements: the last samples of a source
// become an estimate of the clock's offset and frequency (Stats), and among the
// sources those are chosen and combined that tell the time (Selector). It does
// no I/O and reads no clock: times are arguments.
package measure

import (
	"math"
	"time"
)

// Sample is one measurement of a source.
type Sample struct {
	At             time.Time // local (cooked) time midway through the exchange
	Offset         float64   // source minus local clock, seconds: positive when the local clock is slow
	PeerDelay      float64
	PeerDispersion float64
	RootDelay      float64
	RootDispersion float64
}

const (
	MaxSamples     = 64 // that are kept of a source
	minSkew        = 1e-12
	maxSkew        = 1e2
	minDeviation   = 1e-9
	WorstSkew      = 2000e-6 // assumed of a source without a regression, seconds a second
	worstDeviation = 4.0
	deviationRatio = 0.7 // of the standard deviation, as the unit of distance for weights
	maxAsymmetry   = 0.5
	minAsymmetry   = 0.45
	minAsymRun     = 10
	MaxAsymRun     = 1000 // updates with an asymmetry of one sign that are counted
)

// Record is a sample as the statistics keep it; offset here is local clock
// minus source.
type Record struct {
	At               time.Time
	Offset, Original float64
	PeerDelay        float64
	PeerDispersion   float64
	RootDelay        float64
	RootDispersion   float64
}

// Stats estimates offset and frequency of the local clock against one
// source from its last samples.
type Stats struct {
	minSamples, maxSamples int
	fixedDelay             float64 // mindelay; 0 when measured
	Asymmetry              float64 // given or estimated; a jitter asymmetry over 0.5 asks for an estimate
	fixedAsymmetry         float64

	records []Record // oldest first; the first extra are only for the runs test
	extra   int

	Best        int // index of the sample with the least root distance
	fastest     int // of that with the least delay, extra samples included
	Regressed   bool
	Offset      float64 // estimated at offsetAt
	OffsetAt    time.Time
	OffsetSD    float64
	Frequency   float64 // of the local clock against the source, seconds a second
	frequencySD float64
	Skew        float64
	Deviation   float64
	Runs        int
	AsymRun     int
	Stress      float64 // of the last regression: change of frequency in units of the old skew
	Dropped     int     // samples that the last regression dropped
}

// NewStats returns statistics without samples. A minDelay or an asymmetry of 0
// is measured.
func NewStats(minSamples, maxSamples int, minDelay, asymmetry float64) *Stats {
	s := &Stats{minSamples: minSamples, maxSamples: maxSamples, fixedDelay: minDelay, fixedAsymmetry: asymmetry}
	s.Reset()
	return s
}

// Reset forgets all samples.
func (s *Stats) Reset() {
	s.records, s.extra = s.records[:0], 0
	s.Best, s.fastest = 0, 0
	s.Regressed = false
	s.Offset, s.OffsetAt, s.OffsetSD = 0, time.Time{}, worstDeviation
	s.Frequency, s.frequencySD = 0, WorstSkew
	s.Skew = WorstSkew
	s.Deviation = worstDeviation
	s.Runs = 0
	s.Asymmetry, s.AsymRun = 0, 0
}

// Samples returns how many samples are in use.
func (s *Stats) Samples() int { return len(s.records) - s.extra }

// Used returns the samples in use, oldest first.
func (s *Stats) Used() []Record { return s.records[s.extra:] }

// Last returns the newest sample; there must be one.
func (s *Stats) Last() *Record { return &s.records[len(s.records)-1] }

// Add takes a sample; it must be followed by regress. A sample that is not
// newer than the last one makes all earlier ones worthless.
func (s *Stats) Add(n Sample) {
	limit := MaxSamples
	if s.maxSamples > 0 {
		limit = min(limit, s.maxSamples)
	}
	if s.Samples() > 0 && !n.At.After(s.Last().At) {
		s.Reset()
	}
	if s.Samples() >= limit {
		s.prune(s.Samples() - limit + 1)
	}
	s.records = append(s.records, Record{n.At, -n.Offset, -n.Offset, n.PeerDelay, n.PeerDispersion, n.RootDelay, n.RootDispersion})
	s.findFastest()
}

// Load replaces the samples by those of a dump file, oldest first.
func (s *Stats) Load(records []Record, asymRun int) {
	s.Reset()
	if s.maxSamples > 0 {
		records = records[max(len(records)-s.maxSamples, 0):]
	}
	s.records, s.AsymRun = records, asymRun
	s.findFastest()
	s.Regress()
}

// prune stops using the oldest n samples, and keeps them for the runs test as
// long as that may need them.
func (s *Stats) prune(n int) {
	if n <= 0 {
		return
	}
	s.extra += n
	if keep := min(s.Samples(), MaxSamples-1) * (runsRatio - 1); s.extra > keep {
		cut := s.extra - keep
		s.records = append(s.records[:0], s.records[cut:]...)
		s.extra = keep
	}
	s.findFastest()
}

func (s *Stats) findFastest() {
	s.fastest = 0
	for i := range s.records {
		if s.records[i].PeerDelay < s.records[s.fastest].PeerDelay {
			s.fastest = i
		}
	}
}

// MinDelay returns the least delay seen.
func (s *Stats) MinDelay() float64 {
	if s.fixedDelay > 0 {
		return s.fixedDelay
	}
	if len(s.records) == 0 {
		return math.MaxFloat64
	}
	return s.records[s.fastest].PeerDelay
}

// Regress makes new estimates.
func (s *Stats) Regress() {
	var back, offsets [2 * MaxSamples]float64
	var weights, distances [MaxSamples]float64
	n := s.Samples()
	all := len(s.records)
	if n > 0 {
		newest := s.Last().At
		least := math.MaxFloat64
		for i := range s.records {
			r := &s.records[i]
			back[i] = r.At.Sub(newest).Seconds()
			offsets[i] = r.Offset
			if j := i - s.extra; j >= 0 {
				distances[j] = r.PeerDelay/2 + r.PeerDispersion
				least = min(least, distances[j])
			}
		}
		deviation := min(max(s.Deviation, minDeviation), least)
		if !(deviation > 0) {
			deviation = minDeviation
		}
		for j := range n {
			w := 1 + deviationRatio*(distances[j]-least)/deviation
			weights[j] = w * w
		}
		s.correctAsymmetry(back[:all], offsets[:all])
	}
	s.Stress, s.Dropped = 0, 0
	line, ok := bestLine(back[:all], offsets[:all], weights[:n], s.extra, s.minSamples)
	s.Regressed = ok
	if ok {
		oldFrequency, oldSkew := s.Frequency, s.Skew
		s.Frequency, s.frequencySD = line.slope, max(line.slopeSD, minSkew)
		s.Skew = min(max(line.slopeSD*tCoefficient(line.dof), minSkew), maxSkew)
		s.Offset, s.OffsetAt, s.OffsetSD = line.intercept, s.Last().At, line.interceptSD
		s.Deviation = max(math.Sqrt(line.variance), minDeviation)
		s.Runs = line.runs
		s.Stress = math.Abs(oldFrequency-s.Frequency) / oldSkew
		s.Dropped = line.start
		s.prune(line.start)
	} else {
		s.Frequency, s.frequencySD = 0, WorstSkew
		s.Skew = WorstSkew
		s.OffsetSD, s.Deviation = worstDeviation, worstDeviation
		s.Runs = 0
		s.Offset, s.OffsetAt = 0, time.Time{}
		if n > 0 {
			s.Offset, s.OffsetAt = s.Last().Offset, s.Last().At
		}
	}
	s.findBest()
}

// correctAsymmetry takes out of the offsets what follows the delays.
func (s *Stats) correctAsymmetry(back, offsets []float64) {
	if s.fixedAsymmetry == 0 {
		return
	}
	least := s.MinDelay()
	var buf [2 * MaxSamples]float64
	delays := buf[:len(s.records)]
	for i := range s.records {
		delays[i] = s.records[i].PeerDelay - least
	}
	if math.Abs(s.fixedAsymmetry) <= maxAsymmetry {
		s.Asymmetry = s.fixedAsymmetry
	} else if !s.estimateAsymmetry(back, delays, offsets) {
		return
	}
	for i := range offsets {
		offsets[i] -= s.Asymmetry * delays[i]
	}
}

func (s *Stats) estimateAsymmetry(back, delays, offsets []float64) bool {
	a, ok := secondSlope(back, delays, offsets)
	if !ok || a*float64(s.AsymRun) < 0 {
		s.Asymmetry, s.AsymRun = 0, 0
		return false
	}
	switch {
	case a <= -minAsymmetry && s.AsymRun > -MaxAsymRun:
		s.AsymRun--
	case a >= minAsymmetry && s.AsymRun < MaxAsymRun:
		s.AsymRun++
	}
	if max(s.AsymRun, -s.AsymRun) < minAsymRun {
		return false
	}
	s.Asymmetry = min(max(a, -maxAsymmetry), maxAsymmetry)
	return true
}

func (s *Stats) findBest() {
	s.Best = 0
	used := s.Used()
	if len(used) == 0 {
		return
	}
	newest := used[len(used)-1].At
	least := math.MaxFloat64
	for i := range used {
		r := &used[i]
		d := r.RootDispersion + newest.Sub(r.At).Seconds()*s.Skew + r.RootDelay/2
		if d < least {
			least, s.Best = d, i
		}
	}
}

// selection is what the choice of a source looks at.
type selection struct {
	interval     // of the local clock's offset
	RootDistance float64
	Deviation    float64
	FirstAgo     float64 // age of the oldest and the newest sample, seconds
	LastAgo      float64
	Usable       bool // enough samples
}

// SelectionAt returns the selection data at a local time: those from before when
// there is no sample any more. A source whose maxsamples is too small for a
// regression has maxJitter for its deviation (modes -q and -Q).
func (s *Stats) SelectionAt(now time.Time, maxJitter float64, before selection) selection {
	used := s.Used()
	if len(used) == 0 {
		before.Usable = false
		return before
	}
	r := &used[s.Best]
	elapsed := math.Abs(now.Sub(r.At).Seconds())
	offset := r.Offset + elapsed*s.Frequency
	v := selection{
		RootDistance: r.RootDelay/2 + r.RootDispersion + elapsed*s.Skew,
		Deviation:    s.Deviation,
		FirstAgo:     now.Sub(used[0].At).Seconds(),
		LastAgo:      now.Sub(used[len(used)-1].At).Seconds(),
		Usable:       s.Regressed,
	}
	v.Low, v.High = offset-v.RootDistance, offset+v.RootDistance
	if !v.Usable && len(used) < MinSamples && len(used) == s.maxSamples {
		v.Deviation, v.Usable = maxJitter, true
	}
	return v
}

// estimate is what a source says about the local clock.
type estimate struct {
	At                     time.Time
	Offset, OffsetSD       float64 // local clock minus source
	Frequency, FrequencySD float64
	Skew                   float64
	RootDelay              float64
	RootDispersion         float64
}

// estimateNow returns the estimates of the last regression.
func (s *Stats) estimateNow(maxJitter float64) estimate {
	r := &s.Used()[s.Best]
	e := estimate{
		At: s.OffsetAt, Offset: s.Offset, OffsetSD: s.OffsetSD,
		Frequency: s.Frequency, FrequencySD: s.frequencySD, Skew: s.Skew,
		RootDelay: r.RootDelay,
	}
	elapsed := s.OffsetAt.Sub(r.At).Seconds()
	e.RootDispersion = r.RootDispersion + s.Skew*elapsed + s.OffsetSD
	if !s.Regressed {
		e.OffsetSD = maxJitter
		e.Frequency = 0
	}
	return e
}

// Slew moves the samples when the local clock is adjusted: from the local time
// when on, it runs dfreq slower and reads doffset less.
func (s *Stats) Slew(when time.Time, dfreq, doffset float64) {
	for i := range s.records {
		r := &s.records[i]
		var delta float64
		r.At, delta = Adjusted(r.At, when, dfreq, doffset)
		r.Offset += delta
	}
	if !s.OffsetAt.IsZero() {
		var delta float64
		s.OffsetAt, delta = Adjusted(s.OffsetAt, when, dfreq, doffset)
		s.Offset += delta
		s.Frequency = (s.Frequency - dfreq) / (1 - dfreq)
	}
}

// Adjusted returns what the clock that was changed at when would have read at t.
func Adjusted(t, when time.Time, dfreq, doffset float64) (time.Time, float64) {
	delta := when.Sub(t).Seconds()*dfreq - doffset
	return AddSeconds(t, delta), delta
}

// Predict returns the offset of the local clock expected at a local time.
func (s *Stats) Predict(when time.Time) float64 {
	switch {
	case s.Samples() == 0:
		return 0
	case s.Samples() < MinSamples:
		return s.Last().Offset
	}
	return s.Offset + when.Sub(s.OffsetAt).Seconds()*s.Frequency
}

// AddSeconds adds a number of seconds to a time, saturating far beyond any lab.
func AddSeconds(t time.Time, s float64) time.Time {
	return t.Add(Seconds(s))
}

// Seconds turns seconds into a Duration, clamped to its range.
func Seconds(s float64) time.Duration {
	v := math.Round(s * 1e9)
	switch {
	case !(v > math.MinInt64):
		return math.MinInt64
	case v >= math.MaxInt64:
		return math.MaxInt64
	}
	return time.Duration(v)
}
