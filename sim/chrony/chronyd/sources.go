package chronyd

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/measure"
	"enshu/sim/chrony/polling"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// source is one configured time source of a daemon: an address, a name that
// is not resolved yet, or a reference clock.
type source struct {
	cfg   conf.Source
	name  string // as configured
	cand  *measure.Candidate
	assoc *polling.Association // nil for an unresolved name and a reference clock
	clock *refclock
	id    uint32 // of an unresolved name
	pool  *pool

	fromDir bool // of a file of sourcedir
	timer   *polling.Timer
	closing *polling.Timer
	nts     ntsClient
	conn    net.Conn
	unused  bool // of a pool, and not confirmed by an answer yet
}

// pool is what the sources of one pool directive share.
type pool struct {
	cfg       conf.Source
	confirmed int
}

const maxPool = 16

func (s *source) addrText() string {
	switch {
	case s.assoc != nil:
		return s.assoc.Addr.Addr().String()
	case s.clock != nil:
		return s.clock.name()
	}
	return fmt.Sprintf("ID#%010d", s.id)
}

// label names the source in messages: the address, with the configured name
// where that is another.
func (s *source) label() string {
	a := s.addrText()
	if s.clock != nil || s.name == "" || s.name == a {
		return a
	}
	return a + " (" + s.name + ")"
}

func (s *source) refID() uint32 {
	if s.clock != nil {
		return s.clock.refID
	}
	return ntp.RefIDOf(s.assoc.Addr.Addr())
}

func (s *source) ip() netip.Addr {
	if s.assoc == nil {
		return netip.Addr{}
	}
	return s.assoc.Addr.Addr()
}

// configured returns the selection options of the configuration.
func (s *source) configured() uint16 {
	if s.clock != nil {
		return s.clock.cfg.Options
	}
	return s.cfg.Options
}

// authentic reports whether answers of the source must be authenticated.
func (s *source) authentic() bool { return s.cfg.Key != 0 || s.cfg.NTS }

// active reports whether the source may still deliver samples.
func (s *source) active() bool {
	return s.clock != nil || s.assoc != nil && s.assoc.Mode != polling.Offline
}

func (s *source) slewed(when time.Time, dfreq, doffset float64) {
	switch {
	case s.assoc != nil:
		s.assoc.Slewed(when, dfreq, doffset)
	case s.clock != nil:
		s.clock.slewed(when, dfreq, doffset)
	}
}

// forget drops the samples.
func (s *source) forget() {
	s.cand.Stats.Reset()
	if s.assoc != nil {
		s.assoc.Forget()
	}
}

// reset drops the samples and what is known of the source's reachability.
func (s *source) reset() {
	s.forget()
	s.cand.Reset()
}

// close stops polling.
func (s *source) close(d *daemon) {
	d.sched.Stop(s.timer)
	s.timer = nil
	s.closeConn(d)
}

func (s *source) closeConn(d *daemon) {
	d.sched.Stop(s.closing)
	s.closing = nil
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// startSources adds the sources of the configuration and begins to poll them.
func (d *daemon) startSources() {
	for _, cfg := range d.conf.Sources {
		d.addConfigured(cfg, false)
	}
	d.reloadDirs()
	if len(d.conf.InitSlew.Servers) > 0 && !d.opts.restart {
		d.startInitSlew()
		return
	}
	d.startPolling()
}

// startPolling takes every source online that is configured so.
func (d *daemon) startPolling() {
	d.polling = true
	for _, s := range d.sources {
		if s.assoc != nil && !s.cfg.Offline {
			d.online(s)
		}
		if s.clock != nil {
			s.clock.start(d, s)
		}
	}
}

// addConfigured adds a source of a configuration file; a name is resolved in
// the background.
func (d *daemon) addConfigured(cfg conf.Source, fromDir bool) {
	switch st := d.addSource(cfg, fromDir); st {
	case candm.Success, candm.InvalidFamily:
	default:
		d.log.error("Could not add source " + cfg.Name)
	}
}

// addSource adds a source and, while the daemon polls, begins to poll it.
func (d *daemon) addSource(cfg conf.Source, fromDir bool) candm.Status {
	if cfg.Kind == conf.Peer && cfg.NTS {
		d.log.warn("NTS not supported with peers") // and tries it
	}
	if cfg.Key != 0 && !cfg.NTS {
		if k, ok := d.keys[cfg.Key]; !ok {
			d.log.warn(fmt.Sprintf("Key %d is missing", cfg.Key))
		} else if len(k.Value)*8 < conf.MinKeyBits {
			d.log.warn(fmt.Sprintf("Key %d is too short", cfg.Key))
		}
	}
	if ip, ok := conf.ParseIP(cfg.Name); ok {
		if !d.usable(ip) {
			return candm.InvalidFamily
		}
		if d.find(ip) != nil {
			return candm.SourceExists
		}
		s := &source{cfg: cfg, name: cfg.Name, fromDir: fromDir}
		d.attach(s, ip)
		d.sources = append(d.sources, s)
		d.listCandidates()
		return candm.Success
	}
	if !validName(cfg.Name) {
		return candm.InvalidNameText
	}
	n := 1
	var pl *pool
	if cfg.Kind == conf.Pool {
		pl = &pool{cfg: cfg}
		n = min(max(2*cfg.MaxSources, 1), maxPool)
	}
	for range n {
		d.nextID++
		s := &source{cfg: cfg, name: cfg.Name, id: d.nextID, pool: pl, fromDir: fromDir}
		s.cand = polling.New(cfg, netip.AddrPort{}, d.conf).Candidate
		d.sources = append(d.sources, s)
	}
	d.listCandidates()
	d.resolve(cfg.Name, 0)
	return candm.Success
}

func validName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// usable reports whether the options -4 and -6 allow an address.
func (d *daemon) usable(ip netip.Addr) bool {
	return !(d.opts.ipv4 && !ip.Is4() || d.opts.ipv6 && ip.Is4())
}

// attach makes the source poll an address.
func (d *daemon) attach(s *source, ip netip.Addr) {
	s.assoc = polling.New(s.cfg, netip.AddrPortFrom(ip, uint16(s.cfg.Port)), d.conf)
	s.cand = s.assoc.Candidate
}

// listCandidates follows a change of the sources.
func (d *daemon) listCandidates() {
	d.effective()
	d.candidates = d.candidates[:0]
	for _, s := range d.sources {
		d.candidates = append(d.candidates, s.cand)
	}
}

func (d *daemon) find(ip netip.Addr) *source {
	for _, s := range d.sources {
		if s.assoc != nil && s.assoc.Addr.Addr() == ip {
			return s
		}
	}
	return nil
}

// remove deletes sources.
func (d *daemon) remove(gone func(*source) bool) {
	var lost bool
	for _, s := range d.sources {
		if gone(s) {
			s.close(d)
			lost = lost || s.cand == d.sel.Selected
		}
	}
	d.sources = slices.DeleteFunc(d.sources, gone)
	d.listCandidates()
	if lost {
		d.choose(nil)
	}
}

const (
	resolveUnit    = 7.0 // seconds
	maxResolveStep = 9
)

// resolve looks a name up and gives its addresses to the sources that wait
// for them. try counts the attempts, which come ever less often.
func (d *daemon) resolve(name string, try int) {
	d.lookup(name, func(addrs []netip.Addr) {
		d.gotAddresses(name, addrs)
		if slices.ContainsFunc(d.sources, func(s *source) bool { return s.waitsFor(name) && s.pool == nil }) ||
			len(addrs) == 0 && slices.ContainsFunc(d.sources, func(s *source) bool { return s.waitsFor(name) }) {
			step := min(try+2, maxResolveStep)
			d.after(resolveUnit*float64(int(1)<<step), func() { d.resolve(name, try+1) })
		}
	})
}

func (s *source) waitsFor(name string) bool {
	return s.assoc == nil && s.clock == nil && s.name == name
}

// lookup resolves a name in the background.
func (d *daemon) lookup(name string, done func([]netip.Addr)) {
	d.p.Go(func() {
		addrs, err := libc.LookupHost(d.ctx, d.p, name)
		if err != nil {
			addrs = nil
		}
		d.post(func() {
			done(slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !d.usable(a) }))
		})
	})
}

func (d *daemon) gotAddresses(name string, addrs []netip.Addr) {
	for _, ip := range addrs {
		if d.find(ip) != nil {
			continue
		}
		i := slices.IndexFunc(d.sources, func(s *source) bool { return s.waitsFor(name) })
		if i < 0 {
			return
		}
		s := d.sources[i]
		d.attach(s, ip)
		s.unused = s.pool != nil
		d.listCandidates()
		if d.initSlew == nil && !s.cfg.Offline {
			d.online(s)
		}
	}
}

// confirm notes that a source of a pool answers; when the pool has enough of
// them, the others go.
func (d *daemon) confirm(s *source) {
	if !s.unused {
		return
	}
	s.unused = false
	s.pool.confirmed++
	if s.pool.confirmed >= s.pool.cfg.MaxSources {
		d.remove(func(o *source) bool { return o.pool == s.pool && (o.assoc == nil || o.unused) })
	}
}

// minReplacement is the least time between two replacements, seconds.
const minReplacement = 8

// replace looks for another address of the name of a source that does not
// answer or lies.
func (d *daemon) replace(s *source) {
	if s.assoc == nil {
		return
	}
	if _, literal := conf.ParseIP(s.name); literal || s.name == "" {
		return
	}
	now := d.cooked()
	if since := now.Sub(d.replaced).Seconds(); !d.replaced.IsZero() && since >= 0 && since < minReplacement {
		return
	}
	d.replaced = now
	d.lookup(s.name, func(addrs []netip.Addr) {
		if !slices.Contains(d.sources, s) {
			return
		}
		for _, ip := range addrs {
			if d.find(ip) == nil {
				d.exchange(s, ip)
				return
			}
		}
	})
}

// exchange replaces the address of a source.
func (d *daemon) exchange(s *source, ip netip.Addr) {
	old := s.addrText()
	online := s.assoc.Mode != polling.Offline
	s.close(d)
	wasSelected := s.cand == d.sel.Selected
	d.attach(s, ip)
	d.listCandidates()
	d.log.info(fmt.Sprintf("Source %s replaced with %s (%s)", old, ip, s.name))
	if wasSelected {
		d.choose(nil)
	}
	if online {
		d.online(s)
	}
}

// online begins to poll a source. It reports whether that changed anything.
func (d *daemon) online(s *source) bool {
	a := s.assoc
	switch a.Mode {
	case polling.Online, polling.BurstOnline:
		return false
	case polling.BurstOffline:
		a.Mode = polling.BurstOnline
		return true
	}
	a.Mode = polling.Online
	a.ResetPoll()
	if a.Config.Iburst {
		a.StartBurst(polling.IburstGood, polling.IburstTotal)
	}
	d.schedule(s)
	return true
}

// schedule sets the first request after a change of mode, no sooner than the
// polling interval after the last one.
func (d *daemon) schedule(s *source) {
	a := s.assoc
	delay := a.Delay(d.ourStratum(), 0)
	if !a.LocalTx.IsZero() {
		delay -= d.cooked().Sub(a.LocalTx).Seconds()
	} else {
		delay = 0
	}
	d.setTimer(s, max(delay, polling.InitialDelay))
}

func (d *daemon) setTimer(s *source, delay float64) {
	d.sched.Stop(s.timer)
	class := polling.ToServer
	if s.cfg.Kind == conf.Peer {
		class = polling.ToPeer
	}
	s.timer = d.sched.Spaced(class, d.p.Clock.Monotonic(), measure.Seconds(delay), s.assoc.Separation(), d.rand, func() { d.poll(s) })
}

// offline stops polling a source, after a burst that is under way. It reports
// whether that changed anything.
func (d *daemon) offline(s *source) bool {
	switch s.assoc.Mode {
	case polling.Online:
		d.takeOffline(s)
		return true
	case polling.BurstOnline:
		s.assoc.Mode = polling.BurstOffline
		return true
	}
	return false
}

func (d *daemon) takeOffline(s *source) {
	a := s.assoc
	a.Mode = polling.Offline
	s.close(d)
	a.TxCount = 0
	a.Presend, a.Pending = false, false
	a.Candidate.Reach, a.Candidate.Polls = 0, 0
	d.choose(nil)
}

// poll sends the request that is due.
func (d *daemon) poll(s *source) {
	a := s.assoc
	s.timer = nil
	if !a.BeforeRequest() {
		d.takeOffline(s)
		return
	}
	if sample, ok := a.Filtered(); ok {
		d.sampled(s, sample)
		if d.quit || s.assoc != a {
			return
		}
	}
	sent := d.send(s)
	a.Requested(sent, s.cand == d.sel.Selected)
	if !sent && a.Config.AutoOffline {
		d.takeOffline(s)
		d.log.info("Source " + s.addrText() + " offline")
		return
	}
	d.setTimer(s, a.Delay(d.ourStratum(), 0))
	if a.TxCount >= 2 {
		d.unreached(s)
	}
}

// unreached follows a poll that a source did not answer as it should.
func (d *daemon) unreached(s *source) {
	if s.cand == d.sel.Selected {
		d.choose(nil)
	}
	if s.cand.Reach == 0 {
		if s.cand.Polls >= 8 {
			d.replace(s)
		}
		d.mayEnd()
	}
}

// key returns the key that a source must use.
func (d *daemon) key(a *polling.Association) (ntp.Key, bool) {
	k, ok := d.keys[a.Config.Key]
	return k, ok
}

// send sends the next request of a source; it reports false when that could
// not be done.
func (d *daemon) send(s *source) bool {
	a := s.assoc
	k, haveKey := d.key(a)
	switch {
	case a.Config.NTS && !d.secured(s), !a.Config.NTS && a.Config.Key != 0 && !haveKey:
		return false
	}
	raw := d.p.Now()
	now := d.servo.Cook(raw)
	random := ntp.Time(d.rand.Uint64() | 1)
	pkt := a.Request(now, random, d.ref.Params(now), d.precision, haveKey && conf.LongDigest(k))
	if a.Config.NTS {
		s.nts.Authenticate(&pkt, d.random)
	} else if haveKey && a.Config.Key != 0 {
		pkt.Sign(a.Config.Key, k)
	}
	return d.sendRequest(s, pkt.Append(nil))
}

// received judges an answer that came from a source's address.
func (d *daemon) received(s *source, b []byte, raw time.Time, local netip.Addr) {
	a := s.assoc
	if a == nil || a.Mode == polling.Offline {
		return
	}
	pkt, err := ntp.Decode(b)
	if err != nil {
		return
	}
	wanted := ntp.Server
	if a.Config.Kind == conf.Peer {
		wanted = ntp.SymmetricActive
	}
	if pkt.Mode != wanted && !(a.Config.Kind == conf.Peer && pkt.Mode == ntp.SymmetricPassive) {
		return
	}
	rx := d.servo.Cook(raw)
	if !local.IsValid() && a.Local.IsValid() {
		local = a.Local
	}
	env := polling.Environment{
		Quantum: d.quantum, MaxClockError: d.ref.MaxClockError, Local: local, Ours: d.ref.Params(rx),
		Serving: d.ntpConns[0] != nil || d.ntpConns[1] != nil, Authenticated: d.authentic(s, &pkt, b),
	}
	r := a.Receive(&pkt, rx, env)
	if !r.Valid {
		return
	}
	s.closeConn(d)
	d.confirm(s)
	if !slices.Contains(d.sources, s) {
		return
	}
	if r.Take {
		d.sampled(s, r.Sample)
	} else if !r.Synced {
		d.unreached(s)
	}
	d.files.measurement(d, s, r)
	extra := a.Finish(r)
	if r.Kiss {
		d.log.warn("Received KoD RATE from " + s.addrText())
	}
	if a.Mode == polling.Offline {
		d.takeOffline(s)
		return
	}
	if !d.quit && s.assoc == a {
		d.setTimer(s, a.Delay(d.ourStratum(), rx.Sub(a.LocalTx).Seconds())+extra)
	}
}

// sampled uses a sample of a source.
func (d *daemon) sampled(s *source, sample measure.Sample) {
	a := s.assoc
	predicted := a.Candidate.Stats.Predict(sample.At)
	miss := math.Abs(-sample.Offset - predicted)
	a.Candidate.Stats.Add(sample)
	a.Candidate.Stats.Regress()
	d.p.Emit(trace.SampleTaken, trace.Attrs{
		"source": s.addrText(), "offset": formatSeconds(-sample.Offset),
		"delay": formatSeconds(sample.PeerDelay), "stratum": fmt.Sprint(a.Candidate.Stratum),
	})
	d.files.statistics(d, s)
	d.choose(a.Candidate)
	a.AdjustPoll(a.PollAdjustment(miss, sample.PeerDispersion+0.5*sample.PeerDelay))
}

// authentic reports whether a packet has the MAC, or the seal, that its source must
// have.
func (d *daemon) authentic(s *source, pkt *ntp.Packet, b []byte) bool {
	a := s.assoc
	if a.Config.NTS {
		return s.nts.check(pkt, b)
	}
	if a.Config.Key == 0 {
		return !pkt.Authenticated
	}
	k, ok := d.key(a)
	return ok && pkt.Authenticated && pkt.KeyID == a.Config.Key && pkt.Verify(b, k)
}
