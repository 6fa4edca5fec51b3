package chronyd

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"path"
	"slices"
	"syscall"

	"enshu/sim/chrony/clients"
	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/measure"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/candm"
)

// openCommand opens the command sockets: the Unix one, for whoever may enter
// its directory, and UDP.
func (d *daemon) openCommand() error {
	c := d.conf
	for fam := range 2 {
		if c.CmdPort <= 0 || c.CmdPort >= 1<<16 || d.opts.ipv4 && fam == 1 || d.opts.ipv6 && fam == 0 {
			continue
		}
		bind := c.BindCmd[fam]
		if !bind.IsValid() {
			bind = [2]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}[fam]
		}
		if c.BindCmdDevice != "" {
			d.log.error("Could not open command socket on " + bindTo(bind, c.CmdPort))
			continue
		}
		addr := bindTo(bind, c.CmdPort)
		if bind.IsUnspecified() {
			addr = bindTo(netip.Addr{}, c.CmdPort)
		}
		conn, err := d.p.Sys.ListenPacket(network("udp", fam), addr)
		if err != nil {
			if fam == 0 && !errors.Is(err, syscall.EADDRNOTAVAIL) {
				d.log.error("Could not open command socket on " + bindTo(bind, c.CmdPort))
			}
			continue
		}
		d.serveCommands(conn, false)
	}
	if c.CmdSocket == "" {
		return nil
	}
	dir := path.Dir(c.CmdSocket)
	if err := d.makeDir(dir, 0o750, d.user); err != nil {
		return conf.Errorf("Could not access %s : %s", dir, libc.Strerror(err))
	}
	if err := d.checkDir(dir); err != nil {
		d.log.warn(err.Error())
		d.log.warn("Disabled command socket " + c.CmdSocket)
		return nil
	}
	d.p.Sys.Remove(c.CmdSocket)
	conn, err := d.p.Sys.ListenPacket("unixgram", c.CmdSocket)
	if err != nil {
		d.log.error("Could not open command socket on " + c.CmdSocket)
		return nil
	}
	d.socketMade = true
	d.serveCommands(conn, true)
	return nil
}

func (d *daemon) serveCommands(conn net.PacketConn, local bool) {
	d.closers = append(d.closers, conn)
	d.p.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				if errors.Is(err, net.ErrClosed) || d.ctx.Err() != nil {
					return
				}
				continue
			}
			b := append([]byte(nil), buf[:n]...)
			d.post(func() {
				if reply := d.command(b, from, local); reply != nil {
					conn.WriteTo(reply, from)
				}
			})
		}
	})
}

// command answers a datagram of the command protocol; nil is no answer.
func (d *daemon) command(b []byte, from net.Addr, local bool) []byte {
	if u, ok := from.(*net.UDPAddr); ok && !local {
		a := u.AddrPort().Addr().Unmap()
		if !a.IsLoopback() && !d.cmd.Allows(a) {
			return nil
		}
		if _, drop := d.clients.Hit(clients.Command, a, d.cooked(), d.rand); drop {
			return nil
		}
	} else {
		d.clients.Hits[clients.Command]++
	}
	r, err := candm.DecodeRequest(b)
	if err != nil {
		return nil
	}
	reply := candm.Reply{Command: r.Command, Sequence: r.Sequence, Type: candm.NullReply, Status: r.Status}
	switch {
	case r.Status != candm.Success:
	case !local && !r.Command.Open():
		reply.Status = candm.Unauthorised
	default:
		d.execute(&r, &reply)
	}
	return reply.Append(nil)
}

// execute runs a command that is allowed.
func (d *daemon) execute(r *candm.Request, out *candm.Reply) {
	data := func(t candm.ReplyType, b candm.Body) { out.Type, out.Body = t, b }
	switch r.Command {
	case candm.Null:
	case candm.Logon:
		out.Status = candm.Failed
	case candm.NSources:
		data(candm.NSourcesReply, &candm.Index{Value: uint32(len(d.sources))})
	case candm.GetSourceData, candm.GetSourceStats, candm.GetSelectData:
		i := r.Body.(*candm.Index).Value
		if i >= uint32(len(d.sources)) {
			out.Status = candm.NoSuchSource
			return
		}
		t, b := d.sourceReport(r.Command, d.sources[i])
		data(t, b)
	case candm.GetTracking:
		data(candm.TrackingReply, d.trackingReport())
	case candm.GetActivity:
		data(candm.ActivityReply, d.activityReport())
	case candm.GetNTPData:
		s := d.sourceBy(r.Body.(*candm.Source).Address)
		if s == nil || s.assoc == nil {
			out.Status = candm.NoSuchSource
			return
		}
		data(candm.NTPDataReply, d.ntpDataReport(s.assoc))
	case candm.GetSourceName:
		s := d.sourceBy(r.Body.(*candm.Source).Address)
		if s == nil || s.name == "" {
			out.Status = candm.NoSuchSource
			return
		}
		data(candm.SourceNameReply, &candm.SourceName{Name: s.name})
	case candm.GetAuthData:
		s := d.sourceBy(r.Body.(*candm.Source).Address)
		if s == nil || s.clock != nil {
			out.Status = candm.NoSuchSource
			return
		}
		data(candm.AuthDataReply, d.authReport(s))
	case candm.GetServerStats:
		data(candm.ServerStatsReply, d.clients.Stats())
	case candm.GetClients:
		if d.clients.Off {
			out.Status = candm.Inactive
			return
		}
		data(candm.ClientsReply, d.clients.Page(r.Body.(*candm.ClientsArgs), d.cooked()))
	case candm.GetManualList:
		data(candm.ManualListReply, d.manual.list())
	case candm.GetRTC, candm.WriteRTC, candm.TrimRTC:
		report, status := d.commandRTC(r.Command)
		if report != nil {
			data(candm.RTCReply, report)
		}
		out.Status = status
	case candm.GetSmoothing:
		if !d.smooth.Enabled() {
			out.Status = candm.NotEnabled
			return
		}
		data(candm.SmoothingReply, d.smoothReport())
	case candm.SmoothTime:
		out.Status = d.smoothTime(r.Body.(*candm.Int).Value)
	case candm.SetTime:
		if !d.manual.enabled {
			out.Status = candm.NotEnabled
			return
		}
		set := d.setTime(r.Body.(*candm.Timestamp).Time)
		if set == nil {
			out.Status = candm.Failed
			return
		}
		data(candm.SetTimeReply, set)
	case candm.Online, candm.Offline:
		out.Status = d.setOnline(r.Body.(*candm.Mask), r.Command == candm.Online)
	case candm.OnOffline:
		d.onOffline()
	case candm.Burst:
		out.Status = d.burst(r.Body.(*candm.BurstArgs))
	case candm.AddSource:
		cfg, ok := conf.SourceOf(r.Body.(*candm.NewSource))
		if !ok {
			out.Status = candm.InvalidNameText
			return
		}
		n := len(d.sources)
		out.Status = d.addSource(cfg, false)
		for _, s := range d.sources[n:] {
			if out.Status == candm.Success && s.assoc != nil && !s.cfg.Offline {
				d.online(s)
			}
		}
		d.updateServerSockets()
	case candm.DeleteSource:
		s := d.sourceBy(r.Body.(*candm.Source).Address)
		if s == nil || s.clock != nil {
			out.Status = candm.NoSuchSource
			return
		}
		d.remove(func(o *source) bool { return o == s })
	case candm.Local:
		l := r.Body.(*candm.LocalArgs)
		d.ref.Local = conf.Local{
			Enabled: l.On != 0, Stratum: int(min(max(l.Stratum, 1), 15)), Distance: l.Distance, Orphan: l.Orphan != 0,
		}
		d.sel.OrphanStratum = 0
		if l.On != 0 && l.Orphan != 0 {
			d.sel.OrphanStratum = d.ref.Local.Stratum
		}
	case candm.Shutdown:
		d.log.info("Received shutdown command")
		d.exit(0)
	default:
		out.Status = d.change(r)
	}
}

// change runs the commands that change a setting and only report a status.
func (d *daemon) change(r *candm.Request) candm.Status {
	switch r.Command {
	case candm.MakeStep:
		if d.opts.noControl {
			return candm.Failed
		}
		d.makeStep()
	case candm.ModifyMakeStep:
		m := r.Body.(*candm.MakeStepArgs)
		d.ref.Makestep = conf.Makestep{Threshold: m.Threshold, Limit: int(m.Limit)}
	case candm.ModifyUpdateSkew:
		d.ref.MaxUpdateSkew = math.Abs(r.Body.(*candm.Float).Value * 1e-6)
	case candm.ReselectDistance:
		d.sel.Reselect = r.Body.(*candm.Float).Value
		d.log.info(fmt.Sprintf("New reselect distance %f", d.sel.Reselect))
	case candm.Reselect:
		d.sel.Selected = nil
		d.choose(nil)
	case candm.DeltaFreq:
		ppm := r.Body.(*candm.Float).Value
		if math.IsNaN(ppm) {
			return candm.Failed
		}
		d.adjust(ppm*1e-6, 0, d.servo.Rate)
		d.log.info(fmt.Sprintf("Accumulated delta freq of %.3fppm", ppm))
	case candm.DeltaOffset:
		s := r.Body.(*candm.Float).Value
		d.adjust(0, s, 0)
		d.log.info(fmt.Sprintf("Accumulated delta offset of %.6f seconds", s))
	case candm.Manual:
		switch v := r.Body.(*candm.Int).Value; v {
		case 0, 1:
			d.manual.enabled = v == 1
		case 2:
			d.manual.samples = nil
		default:
			return candm.Failed
		}
	case candm.ManualDelete:
		if !d.manual.remove(int(r.Body.(*candm.Int).Value)) {
			return candm.BadSample
		}
		if len(d.manual.samples) > 0 {
			d.useManual()
		}
	case candm.Dump:
		d.dump()
	case candm.CycleLogs:
		d.files.cycle()
	case candm.Rekey:
		d.loadKeys()
	case candm.Refresh:
		d.refresh()
	case candm.ReloadSources:
		d.reloadDirs()
	case candm.ResetSources:
		for _, s := range d.sources {
			s.reset()
		}
		d.clockUnknown(0)
	case candm.Allow, candm.AllowAll, candm.Deny, candm.DenyAll:
		return d.changeAccess(&d.access, r, r.Command == candm.Allow || r.Command == candm.AllowAll,
			r.Command == candm.AllowAll || r.Command == candm.DenyAll)
	case candm.CmdAllow, candm.CmdAllowAll, candm.CmdDeny, candm.CmdDenyAll:
		return d.changeAccess(&d.cmd, r, r.Command == candm.CmdAllow || r.Command == candm.CmdAllowAll,
			r.Command == candm.CmdAllowAll || r.Command == candm.CmdDenyAll)
	case candm.AccessCheck:
		return checkAccess(&d.access, r)
	case candm.CmdAccessCheck:
		return checkAccess(&d.cmd, r)
	default:
		return d.changeSource(r)
	}
	return candm.Success
}

// makeStep steps what is still being slewed.
func (d *daemon) makeStep() {
	c := d.servo.Correction(d.p.Now())
	d.adjust(0, c, 0)
	d.p.Emit(trace.ClockStepped, trace.Attrs{"by": formatSeconds(c), "reason": "chronyc makestep"})
	d.step(-c)
	d.log.warn(fmt.Sprintf("System clock was stepped by %.6f seconds", c))
}

func (d *daemon) changeAccess(t *clients.Access, r *candm.Request, allow, all bool) candm.Status {
	a := r.Body.(*candm.SourceInt)
	if !t.Add(conf.AccessRule{Allow: allow, All: all, Addr: a.Address.IP, Bits: int(a.Value)}) {
		return candm.BadSubnet
	}
	d.updateServerSockets()
	return candm.Success
}

func checkAccess(t *clients.Access, r *candm.Request) candm.Status {
	if t.Allows(r.Body.(*candm.Source).Address.IP) {
		return candm.AccessAllowed
	}
	return candm.AccessDenied
}

// changeSource runs the commands that change a setting of one source.
func (d *daemon) changeSource(r *candm.Request) candm.Status {
	var a candm.Address
	var n int
	var f float64
	switch b := r.Body.(type) {
	case *candm.SourceInt:
		a, n = b.Address, int(b.Value)
	case *candm.SourceFloat:
		a, f = b.Address, b.Value
	default:
		return candm.InvalidCommand
	}
	s := d.sourceBy(a)
	if s == nil || s.assoc == nil {
		return candm.NoSuchSource
	}
	as := s.assoc
	what := ""
	value := fmt.Sprintf("%d", n)
	switch r.Command {
	case candm.ModifyMinPoll:
		if n < conf.MinPoll || n > conf.MaxPoll {
			return candm.Success
		}
		what = "minpoll"
		as.Config.MinPoll = n
		as.Config.MaxPoll = max(as.Config.MaxPoll, n)
		as.Poll = max(as.Poll, n)
	case candm.ModifyMaxPoll:
		if n < conf.MinPoll || n > conf.MaxPoll {
			return candm.Success
		}
		what = "maxpoll"
		as.Config.MaxPoll = n
		as.Config.MinPoll = min(as.Config.MinPoll, n)
		as.Poll = min(as.Poll, n)
	case candm.ModifyMaxDelay:
		what, value = "maxdelay", fmt.Sprintf("%f", f)
		as.Config.MaxDelay = min(max(f, 0), 1e3)
	case candm.ModifyDelayRatio:
		what, value = "maxdelayratio", fmt.Sprintf("%f", f)
		as.Config.MaxDelayRatio = min(max(f, 0), 1e6)
	case candm.ModifyDelayDev:
		what, value = "maxdelaydevratio", fmt.Sprintf("%f", f)
		as.Config.MaxDelayDevRatio = min(max(f, 0), 1e6)
	case candm.ModifyMinStratum:
		what = "minstratum"
		as.Config.MinStratum = n
	case candm.ModifyPollTarget:
		what = "polltarget"
		as.Config.PollTarget = min(max(n, 1), measure.MaxSamples)
	}
	d.log.info(fmt.Sprintf("Source %s new %s %s", s.addrText(), what, value))
	return candm.Success
}

// sourceBy finds the source with an address or an id.
func (d *daemon) sourceBy(a candm.Address) *source {
	for _, s := range d.sources {
		if a.IsID && s.assoc == nil && s.clock == nil && s.id == a.ID || !a.IsID && s.assoc != nil && s.ip() == a.IP {
			return s
		}
	}
	return nil
}

// matching returns the sources in a subnet, all of them when no address is
// given; it reports false when there is none.
func (d *daemon) matching(mask, addr candm.Address) ([]*source, bool) {
	all := !mask.IP.IsValid() && !addr.IP.IsValid() && !addr.IsID
	var found []*source
	for _, s := range d.sources {
		if s.assoc != nil && (all || inSubnet(s.ip(), mask.IP, addr.IP)) {
			found = append(found, s)
		}
	}
	return found, len(found) > 0
}

func inSubnet(ip, mask, addr netip.Addr) bool {
	if ip.BitLen() != mask.BitLen() || ip.BitLen() != addr.BitLen() {
		return false
	}
	i, m, a := ip.As16(), mask.As16(), addr.As16()
	if ip.Is4() {
		copy(i[:12], a[:12])
	}
	for k := range i {
		if (i[k]^a[k])&m[k] != 0 {
			return false
		}
	}
	return true
}

func (d *daemon) setOnline(m *candm.Mask, on bool) candm.Status {
	sources, ok := d.matching(m.Mask, m.Address)
	if !ok {
		return candm.NoSuchSource
	}
	for _, s := range sources {
		d.switchSource(s, on)
	}
	if on {
		d.refreshUnresolved()
	}
	return candm.Success
}

func (d *daemon) switchSource(s *source, on bool) {
	if on && d.online(s) {
		d.log.info("Source " + s.addrText() + " online")
	}
	if !on && d.offline(s) {
		d.log.info("Source " + s.addrText() + " offline")
	}
}

// onOffline switches each source by whether the host has a route to it.
func (d *daemon) onOffline() {
	for _, s := range slices.Clone(d.sources) {
		if s.assoc == nil {
			continue
		}
		conn, err := d.p.Sys.Dial(d.ctx, network("udp", conf.Family(s.ip())), s.assoc.Addr.String())
		if err == nil {
			conn.Close()
		}
		d.switchSource(s, err == nil)
	}
}

func (d *daemon) burst(b *candm.BurstArgs) candm.Status {
	sources, ok := d.matching(b.Mask, b.Address)
	if !ok {
		return candm.NoSuchSource
	}
	for _, s := range sources {
		if s.assoc.StartBurst(int(b.Good), int(b.Total)) {
			d.schedule(s)
		}
	}
	return candm.Success
}

// refresh resolves every name again; an address that its name no longer has is
// replaced.
func (d *daemon) refresh() {
	d.refreshUnresolved()
	for _, s := range slices.Clone(d.sources) {
		if s.assoc == nil {
			continue
		}
		if _, literal := conf.ParseIP(s.name); literal {
			continue
		}
		d.lookup(s.name, func(addrs []netip.Addr) {
			if !slices.Contains(d.sources, s) || len(addrs) == 0 || slices.Contains(addrs, s.ip()) {
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
}

func (d *daemon) refreshUnresolved() {
	var names []string
	for _, s := range d.sources {
		if s.assoc == nil && s.clock == nil && !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
	}
	for _, n := range names {
		d.lookup(n, func(addrs []netip.Addr) { d.gotAddresses(n, addrs) })
	}
}

// reloadDirs reads the files *.sources of the directories of sourcedir: what
// is gone is removed, what is new is added.
func (d *daemon) reloadDirs() {
	src := hostSource{d.ctx, d.p}
	var now []conf.Source
	for _, file := range conf.ListFiles(src, d.conf.SourceDirs, ".sources") {
		data, err := src.ReadFile(file)
		if err != nil {
			continue
		}
		for _, line := range libc.Lines(data) {
			line = conf.Normalize(line)
			if line == "" {
				continue
			}
			name, args := conf.Word(line)
			kind, ok := map[string]conf.SourceKind{"server": conf.Server, "peer": conf.Peer, "pool": conf.Pool}[name]
			var cfg conf.Source
			if ok {
				cfg, ok = conf.ParseSource(kind, args)
			}
			if ok {
				now = append(now, cfg) // chronyd passes over other lines in silence
			}
		}
	}
	d.remove(func(s *source) bool { return s.fromDir && !slices.Contains(now, s.cfg) })
	for _, cfg := range now {
		if slices.ContainsFunc(d.sources, func(s *source) bool { return s.fromDir && s.cfg == cfg }) {
			continue
		}
		n := len(d.sources)
		d.addConfigured(cfg, true)
		for _, s := range d.sources[min(n, len(d.sources)):] {
			if d.polling && s.assoc != nil && !s.cfg.Offline {
				d.online(s)
			}
		}
	}
}
