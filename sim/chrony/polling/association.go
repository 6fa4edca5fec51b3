// Package polling asks a source for the time: when a request is due, whether an
// answer counts, and how long to wait after it (RFC 5905 sections 8 and 9). It
// sends nothing and reads no clock.
package polling

import (
	"math"
	"net/netip"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/discipline"
	"enshu/sim/chrony/measure"
	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// Mode says whether a source is polled.
type Mode int

const (
	Offline      Mode = iota // not polled
	Online                   // polled at its interval
	BurstOffline             // a burst after which it goes offline again
	BurstOnline              // a burst after which it stays online
)

func (m Mode) burst() bool { return m == BurstOffline || m == BurstOnline }

// Association is the state of polling one NTP source: when to ask, whether an
// answer counts, how long to wait (RFC 5905 sections 8 and 9, chrony.conf(5)
// server). It does no I/O; the daemon sends and sets timers.
type Association struct {
	Config    conf.Source
	Addr      netip.AddrPort
	Candidate *measure.Candidate

	Mode       Mode
	Poll       int
	PollScore  float64
	TxCount    int // requests since the last valid answer
	burstGood  int // good samples that the burst still wants
	burstTotal int // requests that it may still send
	Presend    bool

	Local      netip.Addr // from which the source is asked, when not from a socket of its own
	Pending    bool       // a request waits for its answer
	LocalTx    time.Time  // cooked time of the last request
	localTxNTP ntp.Time   // what it said
	LocalRx    time.Time  // of the last valid answer
	localRxNTP ntp.Time
	remoteTx   ntp.Time // of the last valid answer
	remoteRx   ntp.Time
	prevTx     time.Time // cooked time of the request before the last (interleaved mode)
	remotePoll int8
	stratum    uint8 // of the last valid answer
	gotSample  bool
	filtered   []measure.Sample // of the option filter
	polled     int              // requests sent since it made a sample of them
	delays     delayQuantile

	Report Report
}

// Report is the last valid answer, for chronyc ntpdata and the logs.
type Report struct {
	Local                 netip.Addr
	Packet                ntp.Packet
	Sample                measure.Sample
	Response              float64
	Tests                 uint16
	Authenticated, Xleave bool
	Sent, Received        uint32
	Valid, Good           uint32
}

const (
	InitialDelay    = 0.2 // seconds to the first request
	maxSeparation   = 0.2
	minSeparation   = 0.002
	maxBurstDelay   = 2.0
	burstRatio      = 0.25
	warmUpDelay     = 2.0
	MaxServerTime   = 4.0 // longest time that a server may hold a request
	peerSampling    = 1.1
	burstRequests   = 4
	IburstGood      = 4 // good answers that end an iburst
	IburstTotal     = 8 // requests that end it
	minDelaySamples = 6
	maxRootDistance = 16.0
)

// New returns an association that is offline; defaults are the configuration
// whose minsamples and maxsamples hold for sources without their own.
func New(cfg conf.Source, addr netip.AddrPort, defaults *conf.Config) *Association {
	a := &Association{Config: cfg, Addr: addr}
	a.Config.MinPoll = min(max(a.Config.MinPoll, conf.MinPoll), conf.MaxPoll)
	a.Config.MaxPoll = min(max(a.Config.MaxPoll, conf.MinPoll), conf.MaxPoll)
	a.Config.MaxPoll = max(a.Config.MaxPoll, a.Config.MinPoll)
	a.Config.PollTarget = max(a.Config.PollTarget, 1)
	lo, hi := cfg.MinSamples, cfg.MaxSamples
	if lo < 0 {
		lo = defaults.MinSamples
	}
	if hi < 0 {
		hi = defaults.MaxSamples
	}
	a.Candidate = &measure.Candidate{
		Stats: measure.NewStats(lo, hi, cfg.MinDelay, cfg.Asymmetry), Options: cfg.Options, Leap: ntp.LeapUnsynchronised,
		Status: measure.StatusFewSamples, Score: 1,
	}
	a.Poll = a.Config.MinPoll
	return a
}

// Separation returns how far requests to sources polled at this interval are
// kept apart.
func (a *Association) Separation() time.Duration {
	return measure.Seconds(min(max(math.Ldexp(1, a.Poll-3), minSeparation), maxSeparation))
}

// Delay returns the time to the next request; sinceTx is how long ago the last
// one was sent, 0 right after it.
func (a *Association) Delay(ourStratum int, sinceTx float64) float64 {
	if a.Mode.burst() {
		return min(maxBurstDelay, burstRatio*math.Ldexp(1, a.effectivePoll()))
	}
	d := math.Ldexp(1, a.effectivePoll())
	if a.Presend {
		return warmUpDelay
	}
	if a.Config.Kind == conf.Peer {
		diff := int(a.stratum) - ourStratum
		if diff > 0 && sinceTx*peerSampling < d || sinceTx > 0 && diff == 0 && sinceTx/d > peerSampling-0.5 {
			d *= peerSampling
		}
		d = max(d-sinceTx, 0)
	}
	return d
}

// effectivePoll is the interval in use: peers agree on the shorter one.
func (a *Association) effectivePoll() int {
	if a.Config.Kind == conf.Peer && a.gotSample && int(a.remotePoll) < a.Poll {
		return max(int(a.remotePoll), a.Config.MinPoll)
	}
	return a.Poll
}

// ResetPoll goes back to the shortest polling interval; it reports whether that
// changed anything.
func (a *Association) ResetPoll() bool {
	longer := a.Poll != a.Config.MinPoll
	a.Poll, a.PollScore = a.Config.MinPoll, 0
	return longer
}

// AdjustPoll moves the polling interval.
func (a *Association) AdjustPoll(by float64) {
	a.PollScore += by
	if a.PollScore >= 1 {
		n := math.Floor(min(a.PollScore, 32))
		a.Poll += int(n)
		a.PollScore -= n
	}
	if a.PollScore < 0 {
		n := math.Floor(max(a.PollScore, -32))
		a.Poll += int(n)
		a.PollScore = max(a.PollScore-n, 0)
	}
	switch {
	case a.Poll < a.Config.MinPoll:
		a.Poll, a.PollScore = a.Config.MinPoll, 0
	case a.Poll > a.Config.MaxPoll:
		a.Poll, a.PollScore = a.Config.MaxPoll, 1
	}
}

// PollAdjustment returns how an error in the prediction of a sample moves the
// polling interval.
func (a *Association) PollAdjustment(miss, peerDistance float64) float64 {
	if miss > peerDistance {
		return -math.Log2(miss / peerDistance)
	}
	n := a.Candidate.Stats.Samples()
	by := (float64(n)/float64(a.Config.PollTarget) - 1) / float64(a.Config.PollTarget)
	if n < a.Config.PollTarget {
		by *= 2
	}
	return by
}

// BeforeRequest is called when a request is due; it reports false when none is
// to be sent any more.
func (a *Association) BeforeRequest() bool {
	switch a.Mode {
	case Offline:
		return false
	case BurstOnline:
		if a.burstTotal <= 1 {
			a.Mode = Online
		}
	case BurstOffline:
		if a.burstTotal <= 0 {
			a.Mode = Offline
			return false
		}
	case Online:
		if a.Config.Burst {
			if n := min(burstRequests, 1<<min(max(a.Poll-a.Config.MinPoll, 0), 4)); n > 1 {
				a.StartBurst(1, n)
			}
		}
	}
	// A burst that ended early, as an iburst with good answers does, keeps the
	// requests that it did not need, and with them there is no presend any more.
	a.Presend = a.Config.Presend <= a.Poll && !a.Presend && a.burstTotal == 0
	return true
}

// Request returns the next request. now is cooked time, random unpredictable;
// p is our own reference, which peers are told.
func (a *Association) Request(now time.Time, random ntp.Time, p discipline.Params, precision int8, keyLong bool) ntp.Packet {
	version := uint8(4)
	if keyLong {
		version = 3 // the digest does not fit an NTPv4 packet
	}
	if a.Config.Version >= 1 && a.Config.Version <= 4 {
		version = uint8(a.Config.Version)
	}
	pkt := ntp.Packet{Version: version, Mode: ntp.Client, Poll: int8(a.Poll), Precision: 32, Transmit: random}
	if a.Config.Kind == conf.Peer {
		pkt.Mode = ntp.SymmetricActive
		FillReference(&pkt, p, precision)
		pkt.Origin = a.remoteTx
		pkt.Receive = a.localRxNTP
		pkt.Transmit = ntp.FromTime(now)
	} else if a.Config.Xleave && !a.Pending && a.remoteRx != 0 {
		// Interleaved client: the origin names the server's receive time of the
		// request that the next answer is about.
		pkt.Origin = a.remoteRx
		pkt.Receive = a.localRxNTP
	}
	a.prevTx = a.LocalTx
	a.LocalTx, a.localTxNTP = now, pkt.Transmit
	a.Pending = true
	return pkt
}

// FillReference writes our own reference into a packet.
func FillReference(pkt *ntp.Packet, p discipline.Params, precision int8) {
	pkt.Leap = p.Leap
	pkt.Stratum = uint8(p.Stratum)
	pkt.Precision = precision
	pkt.RootDelay = ntp.FromSeconds(p.RootDelay)
	pkt.RootDispersion = ntp.FromSeconds(p.RootDispersion)
	pkt.RefID = p.ID
	if !p.At.IsZero() {
		pkt.Reference = ntp.FromTime(p.At)
	}
}

// Requested is called when a request was tried; selected says whether the
// clock follows this source.
func (a *Association) Requested(sent, selected bool) {
	if sent {
		a.Report.Sent++
		a.TxCount++
	}
	if a.TxCount >= 2 {
		// At least one request went unanswered.
		if sent {
			if selected {
				a.AdjustPoll(0.1)
			} else {
				a.AdjustPoll(0.25)
			}
		}
		a.Candidate.Reached(false)
	}
	if a.Mode.burst() && (sent || a.Candidate.Reach != 0 || a.Mode == BurstOffline) {
		a.burstTotal--
	}
}

// StartBurst asks for good samples in at most total requests.
func (a *Association) StartBurst(good, total int) bool {
	switch a.Mode {
	case BurstOffline, BurstOnline:
		return false // one is under way
	case Online:
		a.Mode = BurstOnline
	default:
		a.Mode = BurstOffline
	}
	a.burstGood, a.burstTotal = good, total
	return true
}

// Answer is what a received packet makes of an association.
type Answer struct {
	Valid, Synced, good bool
	Kiss                bool // KoD RATE
	Sample              measure.Sample
	Take                bool // the sample is to be accumulated
}

// Environment is what judging an answer needs to know of the daemon.
type Environment struct {
	Quantum       float64 // of the local clock's readings, seconds
	MaxClockError float64
	Local         netip.Addr
	Ours          discipline.Params
	Serving       bool
	Authenticated bool // the packet has the MAC that the source must have
}

// Receive judges a packet that came at a cooked time (RFC 5905 section 9.2,
// with chrony's additional tests).
func (a *Association) Receive(pkt *ntp.Packet, rx time.Time, env Environment) Answer {
	a.Report.Received++
	duplicate := pkt.Receive == a.remoteRx && pkt.Transmit == a.remoteTx && a.remoteTx != 0
	basic := pkt.Origin == a.localTxNTP && a.localTxNTP != 0
	xleave := a.Config.Xleave && !basic && a.Config.Kind != conf.Peer && pkt.Origin != 0 && pkt.Origin == a.localRxNTP && !a.prevTx.IsZero()
	test1 := !duplicate
	test2 := basic || xleave
	test3 := pkt.Receive != 0 && pkt.Transmit != 0
	test5 := env.Authenticated
	delay, disp := pkt.RootDelay.Seconds(), pkt.RootDispersion.Seconds()
	test6 := pkt.Leap != ntp.LeapUnsynchronised && pkt.Stratum >= 1 && pkt.Stratum < ntp.MaxStratum
	test7 := delay/2+disp < maxRootDistance

	var r Answer
	r.Valid = test1 && test2 && test3 && test5 && a.Pending
	if !r.Valid {
		if a.Config.Kind == conf.Peer && test1 && test5 && pkt.Transmit != 0 {
			// What a peer sends before it has heard of us is still to be named in
			// our next packet.
			a.heard(pkt, rx)
		}
		return r
	}
	r.Synced = test6 && test7
	r.Kiss = pkt.Leap == ntp.LeapUnsynchronised && pkt.Stratum == 0 && pkt.RefID == ntp.KissRate

	var testA, testB, testC, testD bool
	var response float64
	if r.Synced {
		tx := a.LocalTx
		remoteTx := RemoteTime(pkt.Transmit)
		remoteRx, received := RemoteTime(pkt.Receive), rx
		if xleave {
			// The server tells when it really sent its previous answer.
			tx, remoteRx, received = a.prevTx, RemoteTime(a.remoteRx), a.LocalRx
		}
		r.Sample, response = timed(tx, received, remoteRx, remoteTx)
		s := &r.Sample
		precision := env.Quantum + math.Ldexp(1, int(pkt.Precision))
		s.PeerDelay = max(s.PeerDelay, precision)
		s.Offset += a.Config.Offset
		s.PeerDispersion = precision + min(a.Candidate.Stats.Skew, measure.WorstSkew)*received.Sub(tx).Seconds()
		s.RootDelay = delay + s.PeerDelay
		s.RootDispersion = disp + s.PeerDispersion

		testA = s.PeerDelay-s.PeerDispersion <= a.Config.MaxDelay && precision <= a.Config.MaxDelay &&
			(a.Config.Kind == conf.Peer || response <= MaxServerTime) && !a.Presend &&
			// The first interleaved answer is about the exchange that was measured
			// already, with a request that was sent before its delay was known.
			!(xleave && !a.Report.Xleave)
		testB, testC = a.delayTests(s, env.MaxClockError)
		if p := a.Config.MaxDelayQuant; p > 0 {
			testC = a.delays.accepts(s.PeerDelay, p)
		}
		testD = pkt.Stratum <= 1 || !env.Serving || !loops(pkt, env)
		r.good = testA && testB && testC && testD
	}

	a.Report.Tests = tests(test1, test2, test3, test5, test6, test7, testA, testB, testC, testD)
	a.Report.Packet, a.Report.Local = *pkt, env.Local
	a.Report.Packet.Extensions, a.Report.Packet.Digest = nil, nil
	a.Report.Sample, a.Report.Response = r.Sample, response
	a.Report.Authenticated, a.Report.Xleave = a.Config.Key != 0 || a.Config.NTS, xleave
	a.Report.Valid++
	if r.good {
		a.Report.Good++
	}
	a.Pending = false
	a.heard(pkt, rx)
	a.remotePoll = pkt.Poll
	a.stratum = ntp.MaxStratum
	if pkt.Stratum != 0 {
		a.stratum = min(pkt.Stratum, ntp.MaxStratum)
	}
	a.TxCount = 0
	a.gotSample = a.gotSample || r.good
	a.Candidate.Reached(r.Synced)
	if r.Synced {
		// What an unsynchronised server says (a kiss of death too) leaves the source
		// as it was: it is lost when its reach is gone.
		a.Candidate.Leap = pkt.Leap
		a.Candidate.Stratum = max(int(pkt.Stratum), a.Config.MinStratum)
		a.Candidate.PeerID = ntp.RefIDOf(a.Addr.Addr())
		if env.Local.IsValid() {
			a.Candidate.OurID = ntp.RefIDOf(env.Local)
		}
	}
	if !r.good {
		// Ask less often when good answers cannot be had.
		if testD {
			a.AdjustPoll(0.02)
		} else {
			a.AdjustPoll(0.1)
		}
		return r
	}
	if a.Config.Filter > 1 {
		a.filtered = append(a.filtered, r.Sample)
		return r
	}
	r.Take = true
	return r
}

// eraMiddle is the Unix time around which time stamps of servers are read: like
// the real one, chronyd takes them for times of the 136 years that begin fifty
// years before it was built, whatever the host's clock says.
const eraMiddle = 84_153_600 + 1<<31

// RemoteTime returns the time that a time stamp of a server means.
func RemoteTime(t ntp.Time) time.Time { return t.Near(time.Unix(eraMiddle, 0)) }

// heard keeps the time stamps of a packet.
func (a *Association) heard(pkt *ntp.Packet, rx time.Time) {
	a.LocalRx, a.localRxNTP = rx, ntp.FromTime(rx)
	a.remoteTx, a.remoteRx = pkt.Transmit, pkt.Receive
}

// timed returns delay and offset of an exchange (RFC 5905 section 8) and
// how long the server held the request.
func timed(tx, rx, remoteRx, remoteTx time.Time) (measure.Sample, float64) {
	local, remote := rx.Sub(tx), remoteTx.Sub(remoteRx)
	localMid, remoteMid := tx.Add(local/2), remoteRx.Add(remote/2)
	return measure.Sample{
		At:        localMid,
		Offset:    remoteMid.Sub(localMid).Seconds(),
		PeerDelay: math.Abs((local - remote).Seconds()),
	}, math.Abs(remote.Seconds())
}

// delayTests are the tests B and C: maxdelayratio and maxdelaydevratio.
func (a *Association) delayTests(s *measure.Sample, maxClockError float64) (ratio, dev bool) {
	st := a.Candidate.Stats
	if st.Samples() < minDelaySamples {
		return true, true
	}
	ago := s.At.Sub(st.OffsetAt).Seconds()
	drift := ago * (st.Skew + maxClockError)
	least := st.MinDelay()
	ratio = a.Config.MaxDelayRatio < 1 || s.PeerDelay <= least*a.Config.MaxDelayRatio+drift
	if a.Config.MaxDelayDevRatio <= 0 || a.Config.MaxDelayQuant > 0 {
		return ratio, true
	}
	most := st.Deviation*a.Config.MaxDelayDevRatio + drift
	delta := (s.PeerDelay - least) / 2
	// A sample whose offset is worse than its delay explains is kept: the clock
	// may really have moved.
	miss := math.Abs(s.Offset + st.Offset + ago*st.Frequency)
	return ratio, delta <= most || miss-delta > most
}

// loops reports whether the source is synchronised to us.
func loops(pkt *ntp.Packet, env Environment) bool {
	if env.Local.IsValid() && pkt.RefID == ntp.RefIDOf(env.Local) {
		return true
	}
	o := env.Ours
	return o.Synchronised && int(pkt.Stratum) == o.Stratum && pkt.RefID == o.ID &&
		pkt.RootDelay == ntp.FromSeconds(o.RootDelay) && pkt.Reference == ntp.FromTime(o.At)
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

// Filtered is called before each request. With the option filter it returns the
// median of the samples that came since so many requests; of those that were lost
// or refused there is none, and of all of them nothing.
func (a *Association) Filtered() (measure.Sample, bool) {
	if a.Config.Filter <= 1 {
		return measure.Sample{}, false
	}
	if a.polled++; a.polled < a.Config.Filter {
		return measure.Sample{}, false
	}
	f := a.filtered
	a.polled, a.filtered = 0, a.filtered[:0]
	if len(f) == 0 {
		return measure.Sample{}, false
	}
	return measure.Median(f), true
}

// Finish is called after a valid answer was used; it ends a burst that got
// what it wanted and returns how much later than usual the next request is due.
func (a *Association) Finish(r Answer) float64 {
	if r.good && a.Mode.burst() {
		a.burstGood--
		if a.burstGood <= 0 {
			a.endBurst()
		}
	}
	if !r.Kiss {
		return 0
	}
	if a.Mode.burst() {
		a.burstGood = 0
	}
	return 4 * math.Ldexp(1, a.Poll)
}

func (a *Association) endBurst() {
	if a.Mode == BurstOnline {
		a.Mode = Online
	} else {
		a.Mode = Offline
	}
}

// Slewed moves the times that are kept when the clock is adjusted.
func (a *Association) Slewed(when time.Time, dfreq, doffset float64) {
	a.Candidate.Stats.Slew(when, dfreq, doffset)
	for _, t := range []*time.Time{&a.LocalTx, &a.LocalRx, &a.prevTx} {
		if !t.IsZero() {
			*t, _ = measure.Adjusted(*t, when, dfreq, doffset)
		}
	}
	for i := range a.filtered {
		var delta float64
		a.filtered[i].At, delta = measure.Adjusted(a.filtered[i].At, when, dfreq, doffset)
		a.filtered[i].Offset -= delta
	}
}

// Forget drops what was measured and is not a sample yet.
func (a *Association) Forget() {
	a.filtered, a.polled = a.filtered[:0], 0
	a.LocalRx, a.prevTx = time.Time{}, time.Time{}
	a.Pending = false
	a.localTxNTP, a.localRxNTP, a.remoteTx, a.remoteRx = 0, 0, 0, 0
}
