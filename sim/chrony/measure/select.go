package measure

import (
	"cmp"
	"math"
	"slices"
	"time"

	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// Status is what the selection thought of a source, as the letters of chronyc
// selectdata.
type Status byte

const (
	statusNoselect       Status = 'N'
	statusUnsynchronised Status = 's'
	StatusFewSamples     Status = 'M' // than a regression needs
	statusDistance       Status = 'd' // root distance over maxdistance
	statusJittery        Status = '~'
	statusWaitsStats     Status = 'w' // for other sources to get samples
	statusStale          Status = 'S'
	statusOrphan         Status = 'O'
	statusUntrusted      Status = 'T'
	StatusFalseticker    Status = 'x' // disagrees with the majority
	statusWaitsSources   Status = 'W' // for more or required sources
	statusNotPreferred   Status = 'P'
	statusWaitsUpdate    Status = 'U'
	statusFar            Status = 'D' // too far from the best source to be combined
	statusCombined       Status = '+'
	statusSelected       Status = '*'
	statusOK             Status = 0 // while the selection is under way
)

// Reported returns the state of chronyc sources.
func (s Status) Reported() uint16 {
	switch s {
	case statusSelected:
		return candm.StateSelected
	case statusCombined:
		return candm.StateCombined
	case StatusFalseticker:
		return candm.StateFalseticker
	case statusJittery:
		return candm.StateJittery
	case statusWaitsSources, statusNotPreferred, statusWaitsUpdate, statusFar:
		return candm.StateSelectable
	}
	return candm.StateNonSelectable
}

// Candidate is a source as the selection sees it.
type Candidate struct {
	Stats    *Stats
	Options  uint16 // candm.OptNoselect …
	Leap     ntp.Leap
	Stratum  int
	Refclock bool
	// PeerID and OurID are the reference ids of the source and of our own address
	// as the source sees it: servers of one orphan stratum follow the least.
	PeerID, OurID uint32

	Reach uint8 // newest poll in bit 0
	Polls int   // so far, up to the width of reach

	Status  Status
	Updates int     // samples since the reference last used them
	Score   float64 // against the selected source
	distant int     // updates during which it stays uncombined

	Selection selection
}

// Reset forgets the measurements of the source and how they were judged.
func (c *Candidate) Reset() {
	c.Stats.Reset()
	c.Reach, c.Polls, c.Updates, c.distant = 0, 0, 0, 0
	c.Status, c.Score = StatusFewSamples, 1
	c.Leap = ntp.LeapUnsynchronised
}

const (
	distantPenalty = 32
	scoreLimit     = 10.0
)

// Reached shifts the outcome of a poll into the reachability register.
func (c *Candidate) Reached(ok bool) {
	c.Reach <<= 1
	if ok {
		c.Reach |= 1
	}
	c.Polls = min(c.Polls+1, 8)
}

// Selector chooses the sources that steer the clock.
type Selector struct {
	MaxDistance   float64
	MaxJitter     float64
	MaxClockError float64 // seconds a second
	Reselect      float64 // reselectdist
	StratumWeight float64
	CombineLimit  float64
	MinSources    int

	OrphanStratum int // 0 when the local reference is not in orphan mode

	Selected *Candidate
}

// choice is the outcome of a selection.
type choice struct {
	Lost     string     // why there is no source any more, "" when nothing was lost
	Unsync   bool       // the reference must be given up
	Switched *Candidate // the newly selected source
	Update   *Update    // new data for the reference
}

// Update is what the selected and combined sources say of the clock.
type Update struct {
	Source   *Candidate
	Combined int
	Stratum  int
	Leap     ntp.Leap
	estimate
}

// Choose selects among sources at a local time. updated is the source that
// has a new sample, nil when it is called for another reason.
func (s *Selector) Choose(sources []*Candidate, updated *Candidate, now time.Time) choice {
	if updated != nil {
		updated.Updates++
	}
	usable, required := s.examine(sources, now)
	waiting := slices.ContainsFunc(sources, func(c *Candidate) bool { return c.Status == StatusFewSamples })
	if waiting && len(usable) > 0 && s.Selected == nil && s.mayCatchUp(sources, usable) {
		mark(usable, statusWaitsStats)
		return choice{}
	}
	if len(usable) == 0 {
		return s.lose("no selectable sources", false)
	}
	all, trusted, ok := majority(usable)
	if !ok {
		mark(usable, StatusFalseticker)
		return s.lose("no majority", true)
	}
	var agreeing []*Candidate
	for _, c := range usable {
		v := c.Selection.interval
		if !all.within(v) && !v.within(all) {
			c.Status = StatusFalseticker
			continue
		}
		if trusted != nil && c.Options&candm.OptTrust == 0 && !v.within(*trusted) {
			c.Status = statusUntrusted
			continue
		}
		agreeing = append(agreeing, c)
		if c.Options&candm.OptRequire != 0 {
			required = false
		}
	}
	if len(agreeing) == 0 || required || len(agreeing) < s.MinSources {
		mark(agreeing, statusWaitsSources)
		switch {
		case len(agreeing) == 0:
			return s.lose("no selectable sources", false)
		case required:
			return s.lose("no required source in selectable sources", false)
		}
		return s.lose("not enough selectable sources", false)
	}
	if slices.ContainsFunc(agreeing, isPreferred) {
		for _, c := range agreeing {
			if !isPreferred(c) {
				c.Status = statusNotPreferred
			}
		}
		agreeing = slices.DeleteFunc(agreeing, func(c *Candidate) bool { return !isPreferred(c) })
	}
	return s.pick(sources, agreeing, updated, now)
}

func isPreferred(c *Candidate) bool { return c.Options&candm.OptPrefer != 0 }

// lose drops the selected source.
func (s *Selector) lose(why string, unsync bool) choice {
	if s.Selected == nil {
		return choice{}
	}
	s.Selected = nil
	return choice{Lost: why, Unsync: unsync}
}

func mark(sources []*Candidate, st Status) {
	for _, c := range sources {
		c.Status = st
	}
}

// examine gives every source its selection data and returns those that can be
// selected, and whether a source is required.
func (s *Selector) examine(sources []*Candidate, now time.Time) (usable []*Candidate, required bool) {
	var oldest float64 // age of the oldest sample of a reachable source
	for _, c := range sources {
		if c.Options&candm.OptRequire != 0 {
			required = true
		}
		if c.Options&candm.OptNoselect != 0 {
			c.Status = statusNoselect
			continue
		}
		if c.Leap == ntp.LeapUnsynchronised {
			c.Status = statusUnsynchronised
			continue
		}
		c.Selection = c.Stats.SelectionAt(now, s.MaxJitter, c.Selection)
		v := &c.Selection
		if !v.Usable {
			c.Status = StatusFewSamples
			continue
		}
		if v.FirstAgo < 2*v.LastAgo {
			extra := s.MaxClockError * (2*v.LastAgo - v.FirstAgo)
			v.RootDistance += extra
			v.Low -= extra
			v.High += extra
		}
		switch {
		case v.RootDistance > s.MaxDistance:
			c.Status = statusDistance
		case v.Deviation > s.MaxJitter:
			c.Status = statusJittery
		default:
			c.Status = statusOK
			if c.Reach != 0 {
				oldest = max(oldest, v.FirstAgo)
			}
		}
	}
	var orphan *Candidate
	for _, c := range sources {
		if c.Status != statusOK {
			continue
		}
		// The newest sample of an unreachable source counts as long as others still
		// use samples as old.
		if c.Reach == 0 && oldest < c.Selection.LastAgo {
			c.Status = statusStale
			continue
		}
		if s.OrphanStratum != 0 && c.Stratum >= s.OrphanStratum && !c.Refclock {
			if c.Stratum == s.OrphanStratum && c.Reach != 0 && (orphan == nil || c.PeerID < orphan.PeerID) {
				orphan = c
			}
			c.Status = statusOrphan
			continue
		}
		usable = append(usable, c)
	}
	if len(usable) == 0 && orphan != nil && orphan.PeerID < orphan.OurID {
		orphan.Status = statusOK
		usable = append(usable, orphan)
	}
	return usable, required
}

// mayCatchUp reports whether a source without enough samples can have them
// after its next poll, as when all started together.
func (s *Selector) mayCatchUp(sources, usable []*Candidate) bool {
	var best, late uint8
	for _, c := range usable {
		best = max(best, c.Reach)
	}
	for _, c := range sources {
		if c.Status == StatusFewSamples {
			late = max(late, c.Reach)
		}
	}
	return best>>1 == late
}

// interval is where the offset of the local clock lies.
type interval struct{ Low, High float64 }

func (i interval) within(o interval) bool { return i.Low >= o.Low && i.High <= o.High }

// majority finds the interval that lies in the intervals of most sources, of
// most trusted ones where there are any; in trusted is then the one that lies in
// those of most trusted sources, whatever the others say. It reports false when
// no more than half of them agree.
func majority(sources []*Candidate) (all interval, trusted *interval, ok bool) {
	type edge struct {
		at   float64
		c    *Candidate
		high bool
	}
	edges := make([]edge, 0, 2*len(sources))
	nTrusted := 0
	for _, c := range sources {
		edges = append(edges, edge{c.Selection.Low, c, false}, edge{c.Selection.High, c, true})
		if c.Options&candm.OptTrust != 0 {
			nTrusted++
		}
	}
	slices.SortStableFunc(edges, func(a, b edge) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		switch {
		case a.high == b.high:
			return 0
		case b.high:
			return -1
		}
		return 1
	})
	var depth, trust, best, bestTrust int
	var among interval // of the trusted sources
	for _, e := range edges {
		isTrusted := e.c.Options&candm.OptTrust != 0
		if !e.high {
			depth++
			if isTrusted {
				trust++
			}
			if trust > bestTrust {
				best, bestTrust = 0, trust
				among.Low = e.at
			}
			if trust == bestTrust && depth > best {
				best, all.Low = depth, e.at
			}
			continue
		}
		if trust == bestTrust {
			if depth == best {
				all.High = e.at
			}
			if isTrusted {
				among.High = e.at
			}
		}
		depth--
		if isTrusted {
			trust--
		}
	}
	if bestTrust == 0 {
		return all, nil, best > len(sources)/2
	}
	return all, &among, bestTrust > nTrusted/2
}

// pick takes the best of the agreeing sources.
func (s *Selector) pick(sources, agreeing []*Candidate, updated *Candidate, now time.Time) choice {
	minStratum := agreeing[0].Stratum
	for _, c := range agreeing {
		minStratum = min(minStratum, c.Stratum)
	}
	distance := func(c *Candidate) float64 {
		return c.Selection.RootDistance + float64(c.Stratum-minStratum)*s.StratumWeight
	}
	var current float64
	if s.Selected != nil {
		current = distance(s.Selected)
		if !s.Selected.Refclock {
			current += s.Reselect
		}
	}
	var best *Candidate
	for _, c := range sources {
		if !slices.Contains(agreeing, c) {
			c.Score, c.distant = 1, distantPenalty
			continue
		}
		d := distance(c)
		if !c.Refclock {
			d += s.Reselect
		}
		if s.Selected != nil {
			if c == updated || s.Selected == updated {
				c.Score = max(c.Score*current/d, 1)
			}
		} else {
			c.Score = 1 / d
		}
		if best == nil || c.Score > best.Score {
			best = c
		}
	}
	var result choice
	if s.Selected == nil || !slices.Contains(agreeing, s.Selected) || best != s.Selected && best.Score > scoreLimit {
		if best.Updates == 0 {
			// Before another source is taken, it must have something new to say.
			s.Selected = nil
			mark(agreeing, statusWaitsUpdate)
			return choice{}
		}
		s.Selected = best
		result.Switched = best
		for _, c := range sources {
			c.Score, c.distant = 1, 0
		}
	}
	s.Selected.Status = statusSelected
	if s.Selected.Updates == 0 {
		for _, c := range agreeing {
			if c.Status == statusOK {
				c.Status = statusCombined
				if c.distant > 0 {
					c.Status = statusFar
				}
			}
		}
		return result
	}
	for _, c := range sources {
		c.Updates = 0
	}
	u := s.combine(agreeing, now)
	u.Leap = vote(agreeing)
	result.Update = &u
	return result
}

// vote returns the leap second that more than half of the sources announce.
func vote(sources []*Candidate) ntp.Leap {
	trusted := slices.ContainsFunc(sources, func(c *Candidate) bool { return c.Options&candm.OptTrust != 0 })
	var votes, insert, remove int
	for _, c := range sources {
		if trusted && c.Options&candm.OptTrust == 0 {
			continue
		}
		votes++
		switch c.Leap {
		case ntp.LeapInsert:
			insert++
		case ntp.LeapDelete:
			remove++
		}
	}
	switch {
	case insert > votes/2:
		return ntp.LeapInsert
	case remove > votes/2:
		return ntp.LeapDelete
	}
	return ntp.LeapNone
}

// combine averages what the selected source and those near it say.
func (s *Selector) combine(agreeing []*Candidate, now time.Time) Update {
	sel := s.Selected
	u := Update{Source: sel, Stratum: sel.Stratum, Combined: 1, estimate: sel.Stats.estimateNow(s.MaxJitter)}
	if len(agreeing) == 1 {
		return u
	}
	u.Combined = 0
	var offset, offsetVar, offsetWeight, freq, freqWeight, invFreqVar, invSkewVar float64
	for _, c := range agreeing {
		e := u.estimate
		if c != sel {
			e = c.Stats.estimateNow(s.MaxJitter)
			far := c.Selection.RootDistance > s.CombineLimit*(s.Reselect+sel.Selection.RootDistance) ||
				math.Abs(u.Frequency-e.Frequency) > s.CombineLimit*(u.Skew+e.Skew+s.MaxClockError)
			switch {
			case far && c.Polls >= 8:
				c.distant = distantPenalty
			case far:
				// The first few measurements are not held against a source for long.
				c.distant = 1
			case c.distant > 0:
				c.distant--
			}
			if c.distant > 0 {
				c.Status = statusFar
				continue
			}
			c.Status = statusCombined
		}
		elapsed := u.At.Sub(e.At).Seconds()
		e.Offset += elapsed * e.Frequency
		e.OffsetSD += math.Abs(elapsed) * e.FrequencySD
		w := 1 / c.Selection.RootDistance
		offsetWeight += w
		offset += w * e.Offset
		offsetVar += w * (e.OffsetSD*e.OffsetSD + (e.Offset-u.Offset)*(e.Offset-u.Offset))
		fw := 1 / (e.FrequencySD * e.FrequencySD)
		freqWeight += fw
		freq += fw * e.Frequency
		invFreqVar += 1 / (e.FrequencySD * e.FrequencySD)
		invSkewVar += 1 / (e.Skew * e.Skew)
		u.Combined++
	}
	u.Offset = offset / offsetWeight
	u.OffsetSD = math.Sqrt(offsetVar / offsetWeight)
	u.Frequency = freq / freqWeight
	u.FrequencySD = 1 / math.Sqrt(invFreqVar)
	u.Skew = 1 / math.Sqrt(invSkewVar)
	return u
}
