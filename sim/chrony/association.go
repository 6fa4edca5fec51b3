package chrony

import (
	"math"
	"net/netip"
	"time"

	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// opMode says whether a source is polled.
type opMode int

const (
	opOffline opMode = iota
	opOnline
	opBurstOffline // a burst after which it goes offline again
	opBurstOnline
)

func (m opMode) burst() bool { return m == opBurstOffline || m == opBurstOnline }

// association is the state of polling one NTP source: when to ask, whether an
// answer counts, how long to wait (RFC 5905 sections 8 and 9, chrony.conf(5)
// server). It does no I/O; the daemon sends and sets timers.
type association struct {
	cfg  sourceConfig
	addr netip.AddrPort
	cand *candidate

	mode       opMode
	poll       int
	pollScore  float64
	txCount    int // requests since the last valid answer
	burstGood  int // good samples that the burst still wants
	burstTotal int // requests that it may still send
	presend    bool

	local      netip.Addr // from which the source is asked, when not from a socket of its own
	pending    bool       // a request waits for its answer
	localTx    time.Time  // cooked time of the last request
	localTxNTP ntp.Time   // what it said
	localRx    time.Time  // of the last valid answer
	localRxNTP ntp.Time
	remoteTx   ntp.Time // of the last valid answer
	remoteRx   ntp.Time
	prevTx     time.Time // cooked time of the request before the last (interleaved mode)
	remotePoll int8
	stratum    uint8 // of the last valid answer
	gotSample  bool
	filtered   []sample

	report ntpReport
}

// ntpReport is the last valid answer, for chronyc ntpdata and the logs.
type ntpReport struct {
	local                 netip.Addr
	packet                ntp.Packet
	smp                   sample
	response              float64
	tests                 uint16
	authenticated, xleave bool
	sent, received        uint32
	valid, good           uint32
}

const (
	initialDelay    = 0.2
	maxSeparation   = 0.2
	minSeparation   = 0.002
	maxBurstDelay   = 2.0
	burstRatio      = 0.25
	warmUpDelay     = 2.0
	maxServerTime   = 4.0 // longest time that a server may hold a request
	peerSampling    = 1.1
	burstRequests   = 4
	iburstGood      = 4
	iburstTotal     = 8
	minDelaySamples = 6
	maxRootDistance = 16.0
)

func newAssociation(cfg sourceConfig, addr netip.AddrPort, defaults *config) *association {
	a := &association{cfg: cfg, addr: addr}
	a.cfg.minPoll = min(max(a.cfg.minPoll, minPollLimit), maxPollLimit)
	a.cfg.maxPoll = min(max(a.cfg.maxPoll, minPollLimit), maxPollLimit)
	a.cfg.maxPoll = max(a.cfg.maxPoll, a.cfg.minPoll)
	a.cfg.pollTarget = max(a.cfg.pollTarget, 1)
	lo, hi := cfg.minSamples, cfg.maxSamples
	if lo < 0 {
		lo = defaults.minSamples
	}
	if hi < 0 {
		hi = defaults.maxSamples
	}
	a.cand = &candidate{
		stats: newStats(lo, hi, cfg.minDelay, cfg.asymmetry), options: cfg.options, leap: ntp.LeapUnsynchronised,
		status: statusFewSamples, score: 1,
	}
	a.poll = a.cfg.minPoll
	return a
}

// separation returns how far requests to sources polled at this interval are
// kept apart.
func (a *association) separation() time.Duration {
	return seconds(min(max(math.Ldexp(1, a.poll-3), minSeparation), maxSeparation))
}

// delay returns the time to the next request; sinceTx is how long ago the last
// one was sent, 0 right after it.
func (a *association) delay(ourStratum int, sinceTx float64) float64 {
	if a.mode.burst() {
		return min(maxBurstDelay, burstRatio*math.Ldexp(1, a.effectivePoll()))
	}
	d := math.Ldexp(1, a.effectivePoll())
	if a.presend {
		return warmUpDelay
	}
	if a.cfg.kind == kindPeer {
		diff := int(a.stratum) - ourStratum
		if diff > 0 && sinceTx*peerSampling < d || sinceTx > 0 && diff == 0 && sinceTx/d > peerSampling-0.5 {
			d *= peerSampling
		}
		d = max(d-sinceTx, 0)
	}
	return d
}

// effectivePoll is the interval in use: peers agree on the shorter one.
func (a *association) effectivePoll() int {
	if a.cfg.kind == kindPeer && a.gotSample && int(a.remotePoll) < a.poll {
		return max(int(a.remotePoll), a.cfg.minPoll)
	}
	return a.poll
}

// adjustPoll moves the polling interval.
func (a *association) adjustPoll(by float64) {
	a.pollScore += by
	if a.pollScore >= 1 {
		n := math.Floor(min(a.pollScore, 32))
		a.poll += int(n)
		a.pollScore -= n
	}
	if a.pollScore < 0 {
		n := math.Floor(max(a.pollScore, -32))
		a.poll += int(n)
		a.pollScore = max(a.pollScore-n, 0)
	}
	switch {
	case a.poll < a.cfg.minPoll:
		a.poll, a.pollScore = a.cfg.minPoll, 0
	case a.poll > a.cfg.maxPoll:
		a.poll, a.pollScore = a.cfg.maxPoll, 1
	}
}

// pollAdjustment returns how an error in the prediction of a sample moves the
// polling interval.
func (a *association) pollAdjustment(miss, peerDistance float64) float64 {
	if miss > peerDistance {
		return -math.Log2(miss / peerDistance)
	}
	n := a.cand.stats.samples()
	by := (float64(n)/float64(a.cfg.pollTarget) - 1) / float64(a.cfg.pollTarget)
	if n < a.cfg.pollTarget {
		by *= 2
	}
	return by
}

// beforeRequest is called when a request is due; it reports false when none is
// to be sent any more.
func (a *association) beforeRequest() bool {
	switch a.mode {
	case opOffline:
		return false
	case opBurstOnline:
		if a.burstTotal <= 1 {
			a.mode = opOnline
		}
	case opBurstOffline:
		if a.burstTotal <= 0 {
			a.mode = opOffline
			return false
		}
	case opOnline:
		if a.cfg.burst {
			if n := min(burstRequests, 1<<min(max(a.poll-a.cfg.minPoll, 0), 4)); n > 1 {
				a.startBurst(1, n)
			}
		}
	}
	if a.cfg.presend <= a.poll && !a.presend && !a.mode.burst() {
		a.presend = true
	} else {
		a.presend = false
	}
	return true
}

// request returns the next request. now is cooked time, random unpredictable;
// p is our own reference, which peers are told.
func (a *association) request(now time.Time, random ntp.Time, p params, precision int8, keyLong bool) ntp.Packet {
	version := uint8(4)
	if keyLong {
		version = 3 // the digest does not fit an NTPv4 packet
	}
	if a.cfg.version >= 1 && a.cfg.version <= 4 {
		version = uint8(a.cfg.version)
	}
	pkt := ntp.Packet{Version: version, Mode: ntp.Client, Poll: int8(a.poll), Precision: 32, Transmit: random}
	if a.cfg.kind == kindPeer {
		pkt.Mode = ntp.SymmetricActive
		fillReference(&pkt, p, precision)
		pkt.Origin = a.remoteTx
		pkt.Receive = a.localRxNTP
		pkt.Transmit = ntp.FromTime(now)
	} else if a.cfg.xleave && !a.pending && a.remoteRx != 0 {
		// Interleaved client: the origin names the server's receive time of the
		// request that the next answer is about.
		pkt.Origin = a.remoteRx
		pkt.Receive = ntp.FromTime(a.localRx)
	}
	a.prevTx = a.localTx
	a.localTx, a.localTxNTP = now, pkt.Transmit
	a.pending = true
	return pkt
}

// fillReference writes our own reference into a packet.
func fillReference(pkt *ntp.Packet, p params, precision int8) {
	pkt.Leap = p.leap
	pkt.Stratum = uint8(p.stratum)
	pkt.Precision = precision
	pkt.RootDelay = ntp.FromSeconds(p.rootDelay)
	pkt.RootDispersion = ntp.FromSeconds(p.rootDisp)
	pkt.RefID = p.id
	if !p.at.IsZero() {
		pkt.Reference = ntp.FromTime(p.at)
	}
}

// requested is called when a request was tried; selected says whether the
// clock follows this source.
func (a *association) requested(sent, selected bool) {
	if sent {
		a.report.sent++
		a.txCount++
	}
	if a.txCount >= 2 {
		// At least one request went unanswered.
		if sent {
			if selected {
				a.adjustPoll(0.1)
			} else {
				a.adjustPoll(0.25)
			}
		}
		a.cand.reached(false)
	}
	if a.mode.burst() && (sent || a.cand.reach != 0 || a.mode == opBurstOffline) {
		a.burstTotal--
	}
}

// startBurst asks for good samples in at most total requests.
func (a *association) startBurst(good, total int) bool {
	switch a.mode {
	case opBurstOffline, opBurstOnline:
		return false // one is under way
	case opOnline:
		a.mode = opBurstOnline
	default:
		a.mode = opBurstOffline
	}
	a.burstGood, a.burstTotal = good, total
	return true
}

// answer is what a received packet makes of an association.
type answer struct {
	valid, synced, good bool
	kiss                bool // KoD RATE
	smp                 sample
	take                bool // the sample is to be accumulated
}

// environment is what judging an answer needs to know of the daemon.
type environment struct {
	quantum       float64 // of the local clock's readings, seconds
	maxClockError float64
	local         netip.Addr
	ours          params
	serving       bool
	authenticated bool // the packet has the MAC that the source must have
}

// receive judges a packet that came at a cooked time (RFC 5905 section 9.2,
// with chrony's additional tests).
func (a *association) receive(pkt *ntp.Packet, rx time.Time, env environment) answer {
	a.report.received++
	duplicate := pkt.Receive == a.remoteRx && pkt.Transmit == a.remoteTx && a.remoteTx != 0
	basic := pkt.Origin == a.localTxNTP && a.localTxNTP != 0
	xleave := a.cfg.xleave && !basic && a.cfg.kind != kindPeer && pkt.Origin != 0 && pkt.Origin == a.localRxNTP && !a.prevTx.IsZero()
	test1 := !duplicate
	test2 := basic || xleave
	test3 := pkt.Receive != 0 && pkt.Transmit != 0
	test5 := env.authenticated
	delay, disp := pkt.RootDelay.Seconds(), pkt.RootDispersion.Seconds()
	test6 := pkt.Leap != ntp.LeapUnsynchronised && pkt.Stratum >= 1 && pkt.Stratum < ntp.MaxStratum
	test7 := delay/2+disp < maxRootDistance

	var r answer
	r.valid = test1 && test2 && test3 && test5 && a.pending && !a.presend
	if !r.valid {
		if a.cfg.kind == kindPeer && test1 && test5 && pkt.Transmit != 0 {
			// What a peer sends before it has heard of us is still to be named in
			// our next packet.
			a.heard(pkt, rx)
		}
		return r
	}
	r.synced = test6 && test7
	r.kiss = pkt.Leap == ntp.LeapUnsynchronised && pkt.Stratum == 0 && pkt.RefID == ntp.KissRate

	var testA, testB, testC, testD bool
	var response float64
	if r.synced {
		tx := a.localTx
		remoteTx := remoteTime(pkt.Transmit)
		remoteRx := remoteTime(pkt.Receive)
		if xleave {
			// The server tells when it really sent its previous answer.
			tx, remoteRx = a.prevTx, remoteTime(a.remoteRx)
			r.smp, response = timed(tx, a.localRx, remoteRx, remoteTx)
		} else {
			r.smp, response = timed(tx, rx, remoteRx, remoteTx)
		}
		s := &r.smp
		precision := env.quantum + math.Ldexp(1, int(pkt.Precision))
		s.peerDelay = max(s.peerDelay, precision)
		s.offset += a.cfg.offset
		s.peerDispersion = precision + a.cand.stats.skew*rx.Sub(tx).Seconds()
		s.rootDelay = delay + s.peerDelay
		s.rootDispersion = disp + s.peerDispersion

		testA = s.peerDelay-s.peerDispersion <= a.cfg.maxDelay && precision <= a.cfg.maxDelay &&
			(a.cfg.kind == kindPeer || response <= maxServerTime)
		testB, testC = a.delayTests(s, env.maxClockError)
		testD = pkt.Stratum <= 1 || !env.serving || !loops(pkt, env)
		r.good = testA && testB && testC && testD
	}

	a.report.tests = tests(test1, test2, test3, test5, test6, test7, testA, testB, testC, testD)
	a.report.packet, a.report.local = *pkt, env.local
	a.report.packet.Extensions, a.report.packet.Digest = nil, nil
	a.report.smp, a.report.response = r.smp, response
	a.report.authenticated, a.report.xleave = a.cfg.key != 0, xleave
	a.report.valid++
	if r.good {
		a.report.good++
	}
	a.pending = false
	a.heard(pkt, rx)
	a.remotePoll = pkt.Poll
	a.stratum = ntp.MaxStratum
	if pkt.Stratum != 0 {
		a.stratum = min(pkt.Stratum, ntp.MaxStratum)
	}
	a.txCount = 0
	a.gotSample = a.gotSample || r.good
	a.cand.reached(r.synced)
	if r.synced {
		// What an unsynchronised server says (a kiss of death too) leaves the source
		// as it was: it is lost when its reach is gone.
		a.cand.leap = pkt.Leap
		a.cand.stratum = max(int(pkt.Stratum), a.cfg.minStratum)
		a.cand.orphanID = ntp.RefIDOf(a.addr.Addr())
	}
	if !r.good {
		// Ask less often when good answers cannot be had.
		if testD {
			a.adjustPoll(0.02)
		} else {
			a.adjustPoll(0.1)
		}
		return r
	}
	r.smp, r.take = a.filter(r.smp)
	return r
}

// eraMiddle is the Unix time around which time stamps of servers are read: like
// the real one, chronyd takes them for times of the 136 years that begin fifty
// years before it was built, whatever the host's clock says.
const eraMiddle = 84_153_600 + 1<<31

func remoteTime(t ntp.Time) time.Time { return t.Near(time.Unix(eraMiddle, 0)) }

// heard keeps the time stamps of a packet.
func (a *association) heard(pkt *ntp.Packet, rx time.Time) {
	a.localRx, a.localRxNTP = rx, ntp.FromTime(rx)
	a.remoteTx, a.remoteRx = pkt.Transmit, pkt.Receive
}

// timed returns delay and offset of an exchange (RFC 5905 section 8) and
// how long the server held the request.
func timed(tx, rx, remoteRx, remoteTx time.Time) (sample, float64) {
	local, remote := rx.Sub(tx), remoteTx.Sub(remoteRx)
	localMid, remoteMid := tx.Add(local/2), remoteRx.Add(remote/2)
	return sample{
		at:        localMid,
		offset:    remoteMid.Sub(localMid).Seconds(),
		peerDelay: math.Abs((local - remote).Seconds()),
	}, math.Abs(remote.Seconds())
}

// delayTests are the tests B and C: maxdelayratio and maxdelaydevratio.
func (a *association) delayTests(s *sample, maxClockError float64) (ratio, dev bool) {
	st := a.cand.stats
	if st.samples() < minDelaySamples {
		return true, true
	}
	ago := s.at.Sub(st.offsetAt).Seconds()
	drift := ago * (st.skew + maxClockError)
	least := st.minDelay()
	ratio = a.cfg.maxDelayRatio < 1 || s.peerDelay <= least*a.cfg.maxDelayRatio+drift
	if a.cfg.maxDelayDevRatio <= 0 {
		return ratio, true
	}
	most := st.deviation*a.cfg.maxDelayDevRatio + drift
	delta := (s.peerDelay - least) / 2
	// A sample whose offset is worse than its delay explains is kept: the clock
	// may really have moved.
	miss := math.Abs(s.offset + st.offset + ago*st.frequency)
	return ratio, delta <= most || miss-delta > most
}

// loops reports whether the source is synchronised to us.
func loops(pkt *ntp.Packet, env environment) bool {
	if env.local.IsValid() && pkt.RefID == ntp.RefIDOf(env.local) {
		return true
	}
	o := env.ours
	return o.synchronised && int(pkt.Stratum) == o.stratum && pkt.RefID == o.id &&
		pkt.RootDelay == ntp.FromSeconds(o.rootDelay) && pkt.Reference == ntp.FromTime(o.at)
}

// tests packs the outcomes as the command protocol has them.
func tests(ok ...bool) uint16 {
	var v uint16
	for _, t := range ok {
		v <<= 1
		if t {
			v |= 1
		}
	}
	return v & candm.TestsMask
}

// filter keeps back samples until there are as many as the option filter says
// and then lets the median one through.
func (a *association) filter(s sample) (sample, bool) {
	if a.cfg.filter <= 1 {
		return s, true
	}
	a.filtered = append(a.filtered, s)
	if len(a.filtered) < a.cfg.filter {
		return s, false
	}
	f := a.filtered
	a.filtered = a.filtered[:0]
	return medianSample(f), true
}

// finish is called after a valid answer was used; it ends a burst that got
// what it wanted and returns how much later than usual the next request is due.
func (a *association) finish(r answer) float64 {
	if r.good && a.mode.burst() {
		a.burstGood--
		if a.burstGood <= 0 {
			a.endBurst()
		}
	}
	if !r.kiss {
		return 0
	}
	if a.mode.burst() {
		a.burstGood = 0
	}
	return 4 * math.Ldexp(1, a.poll)
}

func (a *association) endBurst() {
	if a.mode == opBurstOnline {
		a.mode = opOnline
	} else {
		a.mode = opOffline
	}
}

// slewed moves the times that are kept when the clock is adjusted.
func (a *association) slewed(when time.Time, dfreq, doffset float64) {
	a.cand.stats.slew(when, dfreq, doffset)
	for _, t := range []*time.Time{&a.localTx, &a.localRx, &a.prevTx} {
		if !t.IsZero() {
			*t, _ = adjusted(*t, when, dfreq, doffset)
		}
	}
	for i := range a.filtered {
		var delta float64
		a.filtered[i].at, delta = adjusted(a.filtered[i].at, when, dfreq, doffset)
		a.filtered[i].offset -= delta
	}
}

// forget drops what was measured and is not a sample yet.
func (a *association) forget() {
	a.filtered = a.filtered[:0]
	a.localRx, a.prevTx = time.Time{}, time.Time{}
	a.pending = false
	a.localTxNTP, a.localRxNTP, a.remoteTx, a.remoteRx = 0, 0, 0, 0
}
