package chrony

import (
	"cmp"
	"math"
	"slices"
	"time"

	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// status is what the selection thought of a source, as the letters of chronyc
// selectdata.
type status byte

const (
	statusNoselect       status = 'N'
	statusUnsynchronised status = 's'
	statusFewSamples     status = 'M'
	statusDistance       status = 'd' // root distance over maxdistance
	statusJittery        status = '~'
	statusWaitsStats     status = 'w' // for other sources to get samples
	statusStale          status = 'S'
	statusOrphan         status = 'O'
	statusUntrusted      status = 'T'
	statusFalseticker    status = 'x'
	statusWaitsSources   status = 'W' // for more or required sources
	statusNotPreferred   status = 'P'
	statusWaitsUpdate    status = 'U'
	statusFar            status = 'D' // too far from the best source to be combined
	statusCombined       status = '+'
	statusSelected       status = '*'
	statusOK             status = 0 // while the selection is under way
)

// reported returns the state of chronyc sources.
func (s status) reported() uint16 {
	switch s {
	case statusSelected:
		return candm.StateSelected
	case statusCombined:
		return candm.StateCombined
	case statusFalseticker:
		return candm.StateFalseticker
	case statusJittery:
		return candm.StateJittery
	case statusWaitsSources, statusNotPreferred, statusWaitsUpdate, statusFar:
		return candm.StateSelectable
	}
	return candm.StateNonSelectable
}

// candidate is a source as the selection sees it.
type candidate struct {
	stats    *sourceStats
	options  uint16 // candm.OptNoselect …
	leap     ntp.Leap
	stratum  int
	refclock bool
	orphanID uint32 // not 0: it serves the orphan stratum, with this reference id

	reach uint8 // newest poll in bit 0
	polls int   // so far, up to the width of reach

	status  status
	updates int     // samples since the reference last used them
	score   float64 // against the selected source
	distant int     // updates during which it stays uncombined

	sel selection
}

// reset forgets the measurements of the source and how they were judged.
func (c *candidate) reset() {
	c.stats.reset()
	c.reach, c.polls, c.updates, c.distant = 0, 0, 0, 0
	c.status, c.score = statusFewSamples, 1
	c.leap = ntp.LeapUnsynchronised
}

const (
	distantPenalty = 32
	scoreLimit     = 10.0
)

// reached shifts the outcome of a poll into the reachability register.
func (c *candidate) reached(ok bool) {
	c.reach <<= 1
	if ok {
		c.reach |= 1
	}
	c.polls = min(c.polls+1, 8)
}

// selector chooses the sources that steer the clock.
type selector struct {
	maxDistance   float64
	maxJitter     float64
	maxClockError float64 // seconds a second
	reselect      float64 // reselectdist
	stratumWeight float64
	combineLimit  float64
	minSources    int

	orphanStratum int    // 0 when the local reference is not in orphan mode
	orphanID      uint32 // our own reference id in orphan mode

	selected *candidate
}

// choice is the outcome of a selection.
type choice struct {
	lost     string     // why there is no source any more, "" when nothing was lost
	unsync   bool       // the reference must be given up
	switched *candidate // the newly selected source
	update   *update    // new data for the reference
}

// update is what the selected and combined sources say of the clock.
type update struct {
	source   *candidate
	combined int
	stratum  int
	leap     ntp.Leap
	estimate
}

// choose selects among sources at a local time. updated is the source that
// has a new sample, nil when it is called for another reason.
func (s *selector) choose(sources []*candidate, updated *candidate, now time.Time) choice {
	if updated != nil {
		updated.updates++
	}
	usable, required := s.examine(sources, now)
	waiting := slices.ContainsFunc(sources, func(c *candidate) bool { return c.status == statusFewSamples })
	if waiting && len(usable) > 0 && s.selected == nil && s.mayCatchUp(sources, usable) {
		mark(usable, statusWaitsStats)
		return choice{}
	}
	if len(usable) == 0 {
		return s.lose("no selectable sources", false)
	}
	low, high, trusted, ok := majority(usable)
	if !ok {
		mark(usable, statusFalseticker)
		return s.lose("no majority", true)
	}
	var agreeing []*candidate
	for _, c := range usable {
		v := &c.sel
		contains := v.low <= low && v.high >= high
		within := v.low >= low && v.high <= high
		switch {
		case within, contains && (!trusted || c.options&candm.OptTrust != 0):
			agreeing = append(agreeing, c)
			if c.options&candm.OptRequire != 0 {
				required = false
			}
		case contains:
			c.status = statusUntrusted
		default:
			c.status = statusFalseticker
		}
	}
	if len(agreeing) == 0 || required || len(agreeing) < s.minSources {
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
				c.status = statusNotPreferred
			}
		}
		agreeing = slices.DeleteFunc(agreeing, func(c *candidate) bool { return !isPreferred(c) })
	}
	return s.pick(sources, agreeing, updated, now)
}

func isPreferred(c *candidate) bool { return c.options&candm.OptPrefer != 0 }

// lose drops the selected source.
func (s *selector) lose(why string, unsync bool) choice {
	if s.selected == nil {
		return choice{}
	}
	s.selected = nil
	return choice{lost: why, unsync: unsync}
}

func mark(sources []*candidate, st status) {
	for _, c := range sources {
		c.status = st
	}
}

// examine gives every source its selection data and returns those that can be
// selected, and whether a source is required.
func (s *selector) examine(sources []*candidate, now time.Time) (usable []*candidate, required bool) {
	var oldest float64 // age of the oldest sample of a reachable source
	for _, c := range sources {
		if c.options&candm.OptRequire != 0 {
			required = true
		}
		if c.options&candm.OptNoselect != 0 {
			c.status = statusNoselect
			continue
		}
		if c.leap == ntp.LeapUnsynchronised {
			c.status = statusUnsynchronised
			continue
		}
		c.sel = c.stats.selectionAt(now, s.maxJitter)
		v := &c.sel
		if !v.usable {
			c.status = statusFewSamples
			continue
		}
		if v.firstAgo < 2*v.lastAgo {
			extra := s.maxClockError * (2*v.lastAgo - v.firstAgo)
			v.rootDistance += extra
			v.low -= extra
			v.high += extra
		}
		switch {
		case v.rootDistance > s.maxDistance:
			c.status = statusDistance
		case v.deviation > s.maxJitter:
			c.status = statusJittery
		default:
			c.status = statusOK
			if c.reach != 0 {
				oldest = max(oldest, v.firstAgo)
			}
		}
	}
	var orphan *candidate
	for _, c := range sources {
		if c.status != statusOK {
			continue
		}
		// The newest sample of an unreachable source counts as long as others still
		// use samples as old.
		if c.reach == 0 && oldest < c.sel.lastAgo {
			c.status = statusStale
			continue
		}
		if s.orphanStratum != 0 && c.stratum == s.orphanStratum && c.orphanID != 0 {
			// Servers of one orphan stratum follow the one with the least id.
			if orphan == nil || c.orphanID < orphan.orphanID {
				orphan = c
			}
			c.status = statusOrphan
			continue
		}
		usable = append(usable, c)
	}
	if len(usable) == 0 && orphan != nil && orphan.orphanID < s.orphanID {
		orphan.status = statusOK
		usable = append(usable, orphan)
	}
	return usable, required
}

// mayCatchUp reports whether a source without enough samples can have them
// after its next poll, as when all started together.
func (s *selector) mayCatchUp(sources, usable []*candidate) bool {
	var best, late uint8
	for _, c := range usable {
		best = max(best, c.reach)
	}
	for _, c := range sources {
		if c.status == statusFewSamples {
			late = max(late, c.reach)
		}
	}
	return best>>1 == late
}

// majority finds the interval that lies in the intervals of most sources, of
// most trusted ones where there are any. It reports false when no more than
// half of them agree.
func majority(sources []*candidate) (low, high float64, trusted, ok bool) {
	type edge struct {
		at   float64
		c    *candidate
		high bool
	}
	edges := make([]edge, 0, 2*len(sources))
	nTrusted := 0
	for _, c := range sources {
		edges = append(edges, edge{c.sel.low, c, false}, edge{c.sel.high, c, true})
		if c.options&candm.OptTrust != 0 {
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
	for _, e := range edges {
		isTrusted := e.c.options&candm.OptTrust != 0
		if !e.high {
			depth++
			if isTrusted {
				trust++
			}
			if trust > bestTrust || trust == bestTrust && depth > best {
				best, bestTrust, low = depth, trust, e.at
			}
			continue
		}
		if trust == bestTrust && depth == best {
			high = e.at
		}
		depth--
		if isTrusted {
			trust--
		}
	}
	if bestTrust == 0 {
		return low, high, false, best > len(sources)/2
	}
	return low, high, true, bestTrust > nTrusted/2
}

// pick takes the best of the agreeing sources.
func (s *selector) pick(sources, agreeing []*candidate, updated *candidate, now time.Time) choice {
	minStratum := agreeing[0].stratum
	for _, c := range agreeing {
		minStratum = min(minStratum, c.stratum)
	}
	distance := func(c *candidate) float64 {
		return c.sel.rootDistance + float64(c.stratum-minStratum)*s.stratumWeight
	}
	var current float64
	if s.selected != nil {
		current = distance(s.selected)
		if !s.selected.refclock {
			current += s.reselect
		}
	}
	var best *candidate
	for _, c := range sources {
		if !slices.Contains(agreeing, c) {
			c.score, c.distant = 1, distantPenalty
			continue
		}
		d := distance(c)
		if !c.refclock {
			d += s.reselect
		}
		if s.selected != nil {
			if c == updated || s.selected == updated {
				c.score = max(c.score*current/d, 1)
			}
		} else {
			c.score = 1 / d
		}
		if best == nil || c.score > best.score {
			best = c
		}
	}
	var result choice
	if s.selected == nil || !slices.Contains(agreeing, s.selected) || best != s.selected && best.score > scoreLimit {
		if best.updates == 0 {
			// Before another source is taken, it must have something new to say.
			s.selected = nil
			mark(agreeing, statusWaitsUpdate)
			return choice{}
		}
		s.selected = best
		result.switched = best
		for _, c := range sources {
			c.score, c.distant = 1, 0
		}
	}
	s.selected.status = statusSelected
	if s.selected.updates == 0 {
		for _, c := range agreeing {
			if c.status == statusOK {
				c.status = statusCombined
				if c.distant > 0 {
					c.status = statusFar
				}
			}
		}
		return result
	}
	for _, c := range sources {
		c.updates = 0
	}
	u := s.combine(agreeing, now)
	u.leap = vote(agreeing)
	result.update = &u
	return result
}

// vote returns the leap second that more than half of the sources announce.
func vote(sources []*candidate) ntp.Leap {
	trusted := slices.ContainsFunc(sources, func(c *candidate) bool { return c.options&candm.OptTrust != 0 })
	var votes, insert, remove int
	for _, c := range sources {
		if trusted && c.options&candm.OptTrust == 0 {
			continue
		}
		votes++
		switch c.leap {
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
func (s *selector) combine(agreeing []*candidate, now time.Time) update {
	sel := s.selected
	u := update{source: sel, stratum: sel.stratum, combined: 1, estimate: sel.stats.estimateNow(s.maxJitter)}
	if len(agreeing) == 1 {
		return u
	}
	u.combined = 0
	var offset, offsetVar, offsetWeight, freq, freqWeight, invFreqVar, invSkewVar float64
	for _, c := range agreeing {
		e := u.estimate
		if c != sel {
			e = c.stats.estimateNow(s.maxJitter)
			far := c.sel.rootDistance > s.combineLimit*(s.reselect+sel.sel.rootDistance) ||
				math.Abs(u.frequency-e.frequency) > s.combineLimit*(u.skew+e.skew+s.maxClockError)
			switch {
			case far && c.polls >= 8:
				c.distant = distantPenalty
			case far:
				// The first few measurements are not held against a source for long.
				c.distant = 1
			case c.distant > 0:
				c.distant--
			}
			if c.distant > 0 {
				c.status = statusFar
				continue
			}
			c.status = statusCombined
		}
		elapsed := u.at.Sub(e.at).Seconds()
		e.offset += elapsed * e.frequency
		e.offsetSD += math.Abs(elapsed) * e.frequencySD
		w := 1 / c.sel.rootDistance
		offsetWeight += w
		offset += w * e.offset
		offsetVar += w * (e.offsetSD*e.offsetSD + (e.offset-u.offset)*(e.offset-u.offset))
		fw := 1 / (e.frequencySD * e.frequencySD)
		freqWeight += fw
		freq += fw * e.frequency
		invFreqVar += 1 / (e.frequencySD * e.frequencySD)
		invSkewVar += 1 / (e.skew * e.skew)
		u.combined++
	}
	u.offset = offset / offsetWeight
	u.offsetSD = math.Sqrt(offsetVar / offsetWeight)
	u.frequency = freq / freqWeight
	u.frequencySD = 1 / math.Sqrt(invFreqVar)
	u.skew = 1 / math.Sqrt(invSkewVar)
	return u
}
