package chrony

import (
	"math"
	"time"

	"enshu/sim/wire/candm"
)

// address returns the source as the protocol names it.
func (s *source) address() candm.Address {
	switch {
	case s.clock != nil:
		return candm.Address{IP: refIDAddr(s.clock.refID)}
	case s.assoc == nil:
		return candm.Address{IsID: true, ID: s.id}
	}
	return candm.IP(s.ip())
}

// sourceReport describes a source for one of the commands that have an index.
func (d *daemon) sourceReport(cmd candm.Command, s *source) (candm.ReplyType, candm.Body) {
	now := d.cooked()
	st := s.cand.stats
	switch cmd {
	case candm.GetSourceData:
		r := &candm.SourceData{
			Address: s.address(), Poll: int16(s.pollInterval()), State: s.cand.status.reported(),
			Mode: candm.ModeClient, Reach: uint16(s.cand.reach), SinceSample: candm.Never,
		}
		switch {
		case s.clock != nil:
			r.Mode = candm.ModeRefclock
		case s.cfg.kind == kindPeer:
			r.Mode = candm.ModePeer
		}
		if st.samples() > 0 {
			l := st.last()
			r.Stratum = uint16(s.cand.stratum)
			// Whole seconds, so that a report does not tell the receive timestamp.
			r.SinceSample = ago(now, l.at.Truncate(time.Second))
			r.Original, r.Adjusted = l.original, l.offset
			r.Error = l.rootDelay/2 + l.rootDispersion
		}
		return candm.SourceDataReply, r
	case candm.GetSourceStats:
		r := &candm.SourceStats{
			RefID: s.reportID(), Address: s.address(), Samples: uint32(st.samples()), Runs: uint32(st.runs),
			StdDev: st.deviation, ResidualFreq: 1e6 * st.frequency, Skew: 1e6 * st.skew,
		}
		if s.clock != nil {
			r.Address = candm.Address{}
		}
		if used := st.used(); len(used) > 0 {
			l := st.last()
			r.Span = uint32(l.at.Sub(used[0].at).Seconds() + 0.5)
			r.Offset, r.OffsetError = l.offset, l.rootDelay/2+l.rootDispersion
			if len(used) > minRegression {
				b := &used[st.best]
				r.Offset = st.offset + now.Sub(st.offsetAt).Seconds()*st.frequency
				r.OffsetError = st.offsetSD + now.Sub(b.at).Seconds()*st.skew + b.rootDelay/2 + b.rootDispersion
			}
		}
		return candm.SourceStatsReply, r
	}
	r := &candm.SelectData{
		RefID: s.reportID(), Address: s.address(), State: uint8(s.cand.status), Leap: uint8(s.cand.leap),
		Configured: s.configured(), Effective: s.cand.options, Score: s.cand.score,
		LastSample: uint32(max(s.cand.sel.lastAgo, 0)), Low: s.cand.sel.low, High: s.cand.sel.high,
	}
	if s.clock != nil {
		r.Address = candm.Address{}
	}
	if s.cfg.key != 0 || s.cfg.nts {
		r.Authenticated = 1
	}
	return candm.SelectDataReply, r
}

func (s *source) reportID() uint32 {
	if s.assoc == nil && s.clock == nil {
		return 0
	}
	return s.refID()
}

func (s *source) pollInterval() int {
	switch {
	case s.assoc != nil:
		return s.assoc.poll
	case s.clock != nil:
		return s.clock.cfg.poll
	}
	return s.cfg.minPoll
}

func (d *daemon) trackingReport() *candm.Tracking {
	raw := d.p.Now()
	correction := d.servo.correction(raw)
	now := addSeconds(raw, correction)
	p := d.ref.params(now)
	r := &candm.Tracking{
		RefID: p.id, Stratum: uint16(p.stratum), Leap: uint16(p.leap), RefTime: p.at, Correction: correction,
		LastOffset: d.ref.lastOffset, RMSOffset: math.Sqrt(d.ref.squares), Frequency: d.servo.frequency,
		RootDelay: p.rootDelay, RootDispersion: p.rootDisp, UpdateInterval: d.ref.interval,
	}
	if p.synchronised {
		if p.ip.IsValid() {
			r.Address = candm.IP(p.ip)
		}
		r.ResidualFreq, r.Skew = 1e6*d.ref.residual, 1e6*d.ref.skew
	}
	return r
}

func (d *daemon) activityReport() *candm.Activity {
	r := &candm.Activity{}
	for _, s := range d.sources {
		if s.clock != nil {
			continue
		}
		if s.assoc == nil {
			r.Unresolved++
			continue
		}
		switch s.assoc.mode {
		case opOnline:
			r.Online++
		case opOffline:
			r.Offline++
		case opBurstOnline:
			r.BurstOnline++
		case opBurstOffline:
			r.BurstOffline++
		}
	}
	return r
}

func (d *daemon) ntpDataReport(a *association) *candm.NTPData {
	rep := &a.report
	r := &candm.NTPData{
		Remote: candm.IP(a.addr.Addr()), Port: a.addr.Port(), Sent: rep.sent, Received: rep.received, Valid: rep.valid,
		Good: rep.good,
	}
	if rep.valid == 0 {
		return r
	}
	p := &rep.packet
	r.TXSource, r.RXSource = 'K', 'K'
	if rep.local.IsValid() {
		r.Local = candm.IP(rep.local)
	}
	r.Leap, r.Version, r.Mode, r.Stratum = uint8(p.Leap), p.Version, uint8(p.Mode), p.Stratum
	r.Poll, r.Precision = p.Poll, p.Precision
	r.RootDelay, r.RootDispersion = p.RootDelay.Seconds(), p.RootDispersion.Seconds()
	r.RefID = p.RefID
	if p.Reference != 0 {
		r.RefTime = remoteTime(p.Reference)
	}
	r.Offset, r.PeerDelay, r.PeerDispersion = rep.smp.offset, rep.smp.peerDelay, rep.smp.peerDispersion
	r.ResponseTime, r.JitterAsymmetry = rep.response, a.cand.stats.asymmetry
	r.Flags = rep.tests
	if rep.xleave {
		r.Flags |= candm.FlagXleave
	}
	if rep.authenticated {
		r.Flags |= candm.FlagAuthentic
	}
	return r
}

func (d *daemon) authReport(s *source) *candm.AuthData {
	r := &candm.AuthData{LastAttempt: candm.Never}
	switch {
	case s.cfg.nts:
		r.Mode = candm.AuthNTS
	case s.cfg.key != 0:
		r.Mode, r.KeyID = candm.AuthSymmetric, s.cfg.key
		if k, ok := d.keys[s.cfg.key]; ok {
			r.KeyType, r.KeyLength = uint16(k.Type), uint16(8*len(k.Value))
		}
	}
	return r
}

// effective gives the sources the options that authselectmode adds.
func (d *daemon) effective() {
	auth, plain := 0, 0
	for _, s := range d.sources {
		switch {
		case s.clock != nil || s.cfg.options&candm.OptNoselect != 0:
		case s.authentic():
			auth++
		default:
			plain++
		}
	}
	for _, s := range d.sources {
		trusted := s.clock != nil || s.authentic()
		extra := uint16(0)
		switch d.conf.authSelect {
		case "require":
			if !trusted {
				extra = candm.OptNoselect
			}
		case "prefer":
			if !trusted && auth > 0 {
				extra = candm.OptNoselect
			}
		case "mix":
			if trusted && auth > 0 && plain > 0 {
				extra = candm.OptRequire | candm.OptTrust
			}
		}
		s.cand.options = s.configured() | extra
	}
}
