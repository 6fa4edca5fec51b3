package chronyd

import (
	"math"
	"time"

	"enshu/sim/chrony/clients"
	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/measure"
	"enshu/sim/chrony/polling"
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
	st := s.cand.Stats
	switch cmd {
	case candm.GetSourceData:
		r := &candm.SourceData{
			Address: s.address(), Poll: int16(s.pollInterval()), State: s.cand.Status.Reported(),
			Mode: candm.ModeClient, Reach: uint16(s.cand.Reach), SinceSample: candm.Never,
		}
		switch {
		case s.clock != nil:
			r.Mode = candm.ModeRefclock
		case s.cfg.Kind == conf.Peer:
			r.Mode = candm.ModePeer
		}
		if st.Samples() > 0 {
			l := st.Last()
			r.Stratum = uint16(s.cand.Stratum)
			// Whole seconds, so that a report does not tell the receive timestamp.
			r.SinceSample = clients.Ago(now, l.At.Truncate(time.Second))
			r.Original, r.Adjusted = l.Original, l.Offset
			r.Error = l.RootDelay/2 + l.RootDispersion
		}
		return candm.SourceDataReply, r
	case candm.GetSourceStats:
		r := &candm.SourceStats{
			RefID: s.reportID(), Address: s.address(), Samples: uint32(st.Samples()), Runs: uint32(st.Runs),
			StdDev: st.Deviation, ResidualFreq: 1e6 * st.Frequency, Skew: 1e6 * st.Skew,
		}
		if s.clock != nil {
			r.Address = candm.Address{}
		}
		if used := st.Used(); len(used) > 0 {
			l := st.Last()
			r.Span = uint32(l.At.Sub(used[0].At).Seconds() + 0.5)
			r.Offset, r.OffsetError = l.Offset, l.RootDelay/2+l.RootDispersion
			if len(used) > measure.MinSamples {
				b := &used[st.Best]
				r.Offset = st.Offset + now.Sub(st.OffsetAt).Seconds()*st.Frequency
				r.OffsetError = st.OffsetSD + now.Sub(b.At).Seconds()*st.Skew + b.RootDelay/2 + b.RootDispersion
			}
		}
		return candm.SourceStatsReply, r
	}
	r := &candm.SelectData{
		RefID: s.reportID(), Address: s.address(), State: uint8(s.cand.Status), Leap: uint8(s.cand.Leap),
		Configured: s.configured(), Effective: s.cand.Options, Score: s.cand.Score,
		LastSample: uint32(max(s.cand.Selection.LastAgo, 0)), Low: s.cand.Selection.Low, High: s.cand.Selection.High,
	}
	if s.clock != nil {
		r.Address = candm.Address{}
	}
	if s.cfg.Key != 0 || s.cfg.NTS {
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
		return s.assoc.Poll
	case s.clock != nil:
		return s.clock.cfg.Poll
	}
	return s.cfg.MinPoll
}

func (d *daemon) trackingReport() *candm.Tracking {
	raw := d.p.Now()
	correction := d.servo.Correction(raw)
	now := measure.AddSeconds(raw, correction)
	p := d.ref.Params(now)
	r := &candm.Tracking{
		RefID: p.ID, Stratum: uint16(p.Stratum), Leap: uint16(p.Leap), RefTime: p.At, Correction: correction,
		LastOffset: d.ref.LastOffset, RMSOffset: math.Sqrt(d.ref.Squares), Frequency: d.servo.Frequency,
		RootDelay: p.RootDelay, RootDispersion: p.RootDispersion, UpdateInterval: d.ref.Interval,
	}
	if p.Synchronised {
		if p.IP.IsValid() {
			r.Address = candm.IP(p.IP)
		}
		r.ResidualFreq, r.Skew = 1e6*d.ref.Residual, 1e6*d.ref.Skew
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
		switch s.assoc.Mode {
		case polling.Online:
			r.Online++
		case polling.Offline:
			r.Offline++
		case polling.BurstOnline:
			r.BurstOnline++
		case polling.BurstOffline:
			r.BurstOffline++
		}
	}
	return r
}

func (d *daemon) ntpDataReport(a *polling.Association) *candm.NTPData {
	rep := &a.Report
	r := &candm.NTPData{
		Remote: candm.IP(a.Addr.Addr()), Port: a.Addr.Port(), Sent: rep.Sent, Received: rep.Received, Valid: rep.Valid,
		Good: rep.Good,
	}
	if rep.Valid == 0 {
		return r
	}
	p := &rep.Packet
	r.TXSource, r.RXSource = 'K', 'K'
	if rep.Local.IsValid() {
		r.Local = candm.IP(rep.Local)
	}
	r.Leap, r.Version, r.Mode, r.Stratum = uint8(p.Leap), p.Version, uint8(p.Mode), p.Stratum
	r.Poll, r.Precision = p.Poll, p.Precision
	r.RootDelay, r.RootDispersion = p.RootDelay.Seconds(), p.RootDispersion.Seconds()
	r.RefID = p.RefID
	if p.Reference != 0 {
		r.RefTime = polling.RemoteTime(p.Reference)
	}
	r.Offset, r.PeerDelay, r.PeerDispersion = rep.Sample.Offset, rep.Sample.PeerDelay, rep.Sample.PeerDispersion
	r.ResponseTime, r.JitterAsymmetry = rep.Response, a.Candidate.Stats.Asymmetry
	r.Flags = rep.Tests
	if rep.Xleave {
		r.Flags |= candm.FlagXleave
	}
	if rep.Authenticated {
		r.Flags |= candm.FlagAuthentic
	}
	return r
}

func (d *daemon) authReport(s *source) *candm.AuthData {
	r := &candm.AuthData{LastAttempt: candm.Never}
	switch {
	case s.cfg.NTS:
		r.Mode = candm.AuthNTS
		s.nts.report(r, d.p.Clock.Monotonic())
	case s.cfg.Key != 0:
		r.Mode, r.KeyID = candm.AuthSymmetric, s.cfg.Key
		if k, ok := d.keys[s.cfg.Key]; ok {
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
		case s.clock != nil || s.cfg.Options&candm.OptNoselect != 0:
		case s.authentic():
			auth++
		default:
			plain++
		}
	}
	for _, s := range d.sources {
		trusted := s.clock != nil || s.authentic()
		extra := uint16(0)
		switch d.conf.AuthSelect {
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
		s.cand.Options = s.configured() | extra
	}
}
