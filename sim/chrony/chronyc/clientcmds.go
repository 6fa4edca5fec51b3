package chronyc

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/measure"
	"enshu/sim/libc"
	"enshu/sim/wire/candm"
	"enshu/sim/wire/getdate"
	"enshu/sim/wire/ntp"
)

type clientCommand func(c *client, args string) bool

// clientCommands is the table of chronyc(1).
var clientCommands = map[string]clientCommand{
	"tracking":    (*client).tracking,
	"sources":     (*client).sources,
	"sourcestats": (*client).sourceStats,
	"selectdata":  (*client).selectData,
	"authdata":    (*client).authData,
	"activity":    (*client).activity,
	"serverstats": (*client).serverStats,
	"ntpdata":     (*client).ntpData,
	"clients":     (*client).clients,
	"rtcdata":     (*client).rtcData,
	"smoothing":   (*client).smoothing,
	"waitsync":    (*client).waitSync,
	"makestep":    (*client).makeStep,
	"manual":      (*client).manual,
	"settime":     (*client).setTime,
	"sourcename":  (*client).sourceName,
	"local":       (*client).local,
	"add":         (*client).add,
	"burst":       (*client).burst,
	"online":      maskCommand(candm.Online),
	"offline":     maskCommand(candm.Offline),
	"smoothtime":  wordCommand(candm.SmoothTime, "smoothtime", "reset", "activate"),
	"reset":       (*client).reset,
	"reload":      (*client).reload,
	"keygen":      (*client).keygen,
	"dns":         (*client).dns,
	"timeout":     (*client).setTimeout,
	"retries":     (*client).setRetries,
	"help":        (*client).help,
	"exit":        (*client).exit,
	"quit":        (*client).exit,

	"cyclelogs": plainCommand(candm.CycleLogs),
	"dump":      func(c *client, _ string) bool { return c.do(candm.Dump, &candm.Int{}) },
	"onoffline": plainCommand(candm.OnOffline),
	"refresh":   plainCommand(candm.Refresh),
	"rekey":     plainCommand(candm.Rekey),
	"reselect":  plainCommand(candm.Reselect),
	"shutdown":  plainCommand(candm.Shutdown),
	"trimrtc":   plainCommand(candm.TrimRTC),
	"writertc":  plainCommand(candm.WriteRTC),

	"allow":    accessCommand(candm.Allow, candm.AllowAll),
	"deny":     accessCommand(candm.Deny, candm.DenyAll),
	"cmdallow": accessCommand(candm.CmdAllow, candm.CmdAllowAll),
	"cmddeny":  accessCommand(candm.CmdDeny, candm.CmdDenyAll),

	"accheck":    accessCheck(candm.AccessCheck),
	"cmdaccheck": accessCheck(candm.CmdAccessCheck),
	"delete":     (*client).deleteSource,

	"minpoll":          sourceIntCommand(candm.ModifyMinPoll),
	"maxpoll":          sourceIntCommand(candm.ModifyMaxPoll),
	"minstratum":       sourceIntCommand(candm.ModifyMinStratum),
	"polltarget":       sourceIntCommand(candm.ModifyPollTarget),
	"maxdelay":         sourceFloatCommand(candm.ModifyMaxDelay),
	"maxdelayratio":    sourceFloatCommand(candm.ModifyDelayRatio),
	"maxdelaydevratio": sourceFloatCommand(candm.ModifyDelayDev),
	"maxupdateskew":    floatCommand(candm.ModifyUpdateSkew, ""),
	"dfreq":            floatCommand(candm.DeltaFreq, "Invalid value"),
	"doffset":          floatCommand(candm.DeltaOffset, "Invalid value"),
	"reselectdist":     floatCommand(candm.ReselectDistance, ""),

	"authhash": obsoleteCommand,
	"password": obsoleteCommand,
}

func plainCommand(cmd candm.Command) clientCommand {
	return func(c *client, _ string) bool { return c.do(cmd, nil) }
}

// obsoleteCommand is what is left of a command of older releases.
func obsoleteCommand(c *client, _ string) bool {
	c.complain("Authentication is no longer supported")
	return true
}

// floatCommand sends a number. What is said when there is none is "" for
// commands that just fail.
func floatCommand(cmd candm.Command, problem string) clientCommand {
	return func(c *client, args string) bool {
		v, _, ok := conf.ScanFloat(args)
		if !ok {
			if problem != "" {
				c.complain(problem)
			}
			return false
		}
		return c.do(cmd, &candm.Float{Value: v})
	}
}

// wordCommand sends the number of its argument in a list.
func wordCommand(cmd candm.Command, name string, values ...string) clientCommand {
	return func(c *client, args string) bool {
		for i, v := range values {
			if args == v {
				return c.do(cmd, &candm.Int{Value: int32(i)})
			}
		}
		c.complain("Invalid syntax for " + name + " command")
		return false
	}
}

// accessCheck asks about an address; nothing else may follow it.
func accessCheck(cmd candm.Command) clientCommand {
	return func(c *client, args string) bool {
		a, ok := c.address(args)
		if !ok {
			c.complain("Could not read address")
			return false
		}
		return c.do(cmd, &candm.Source{Address: candm.IP(a)})
	}
}

func (c *client) deleteSource(args string) bool {
	host, _ := conf.Word(args)
	if host == "" {
		c.complain("Invalid syntax for address")
		return false
	}
	a, ok := c.sourceAddress(host)
	if !ok {
		c.complain("Could not get address for hostname")
		return false
	}
	return c.do(candm.DeleteSource, &candm.Source{Address: a})
}

// sourceAddress reads the address of a source: an address, the id of an
// unresolved name, or a host name.
func (c *client) sourceAddress(text string) (candm.Address, bool) {
	if digits, ok := strings.CutPrefix(text, "ID#"); ok {
		if v, _, ok := conf.ScanInt(digits); ok {
			return candm.Address{IsID: true, ID: uint32(v)}, true
		}
	}
	a, ok := c.address(text)
	return candm.IP(a), ok
}

func sourceIntCommand(cmd candm.Command) clientCommand {
	return func(c *client, args string) bool {
		host, value := conf.Word(args)
		v, _, ok := conf.ScanInt(value)
		a, found := c.valueAddress(host, ok)
		return found && c.do(cmd, &candm.SourceInt{Address: a, Value: int32(v)})
	}
}

func sourceFloatCommand(cmd candm.Command) clientCommand {
	return func(c *client, args string) bool {
		host, value := conf.Word(args)
		v, _, ok := conf.ScanFloat(value)
		a, found := c.valueAddress(host, ok)
		return found && c.do(cmd, &candm.SourceFloat{Address: a, Value: v})
	}
}

func (c *client) valueAddress(host string, haveValue bool) (candm.Address, bool) {
	if !haveValue {
		c.complain("Invalid syntax for address value")
		return candm.Address{}, false
	}
	a, ok := c.sourceAddress(host)
	if !ok {
		c.complain("Could not get address for hostname")
	}
	return a, ok
}

func accessCommand(one, all candm.Command) clientCommand {
	return func(c *client, args string) bool {
		r, ok := conf.ParseAccess(args, c.address)
		if !ok {
			c.complain("Could not read address")
			return false
		}
		cmd := one
		if r.All {
			cmd = all
		}
		a := candm.Address{}
		if r.Addr.IsValid() {
			a = candm.IP(r.Addr)
		}
		return c.do(cmd, &candm.SourceInt{Address: a, Value: int32(r.Bits)})
	}
}

// readMask reads [MASK/]ADDRESS or ADDRESS/BITS; nothing means all sources.
func (c *client) readMask(args string) (mask, addr candm.Address, ok bool) {
	if args == "" {
		return mask, addr, true
	}
	if left, right, found := strings.Cut(args, "/"); found {
		l, ok := conf.ParseIP(left)
		if !ok {
			c.complain("Invalid syntax for mask/address")
			return mask, addr, false
		}
		r, isIP := conf.ParseIP(right)
		if isIP && r.BitLen() == l.BitLen() {
			return candm.IP(l), candm.IP(r), true
		}
		if bits, _, ok := conf.ScanInt(right); ok && !isIP {
			if bits < 0 || bits > l.BitLen() {
				bits = l.BitLen()
			}
			return candm.IP(maskOf(l, bits)), candm.IP(l), true
		}
		c.complain("Invalid syntax for mask/address")
		return mask, addr, false
	}
	addr, ok = c.sourceAddress(args)
	if !ok {
		c.complain("Could not get address for hostname")
		return mask, addr, false
	}
	if !addr.IsID {
		mask = candm.IP(maskOf(addr.IP, addr.IP.BitLen()))
	}
	return mask, addr, true
}

func maskOf(a netip.Addr, bits int) netip.Addr {
	b := a.AsSlice()
	for i := range b {
		n := min(max(bits-8*i, 0), 8)
		b[i] = ^byte(0xff >> n)
	}
	m, _ := netip.AddrFromSlice(b)
	return m
}

func maskCommand(cmd candm.Command) clientCommand {
	return func(c *client, args string) bool {
		mask, addr, ok := c.readMask(args)
		return ok && c.do(cmd, &candm.Mask{Mask: mask, Address: addr})
	}
}

func (c *client) burst(args string) bool {
	counts, rest := conf.Word(args)
	good, after, ok1 := conf.ScanInt(counts)
	total, _, ok2 := conf.ScanInt(strings.TrimPrefix(after, "/"))
	if !ok1 || !ok2 || !strings.HasPrefix(after, "/") {
		c.complain("Invalid syntax for burst command")
		return false
	}
	sources, _ := conf.Word(rest)
	mask, addr, ok := c.readMask(sources)
	return ok && c.do(candm.Burst, &candm.BurstArgs{Mask: mask, Address: addr, Good: int32(good), Total: int32(total)})
}

func (c *client) makeStep(args string) bool {
	if args == "" {
		return c.do(candm.MakeStep, nil)
	}
	threshold, rest, ok1 := conf.ScanFloat(args)
	limit, _, ok2 := conf.ScanInt(rest)
	if !ok1 || !ok2 {
		c.complain("Bad syntax for makestep command")
		return false
	}
	return c.do(candm.ModifyMakeStep, &candm.MakeStepArgs{Limit: int32(limit), Threshold: threshold})
}

func (c *client) local(args string) bool {
	if args == "off" {
		return c.do(candm.Local, &candm.LocalArgs{})
	}
	l, ok := conf.ParseLocal(args)
	if !ok {
		c.complain("Invalid syntax for local command")
		return false
	}
	r := &candm.LocalArgs{On: 1, Stratum: int32(l.Stratum), Distance: l.Distance}
	if l.Orphan {
		r.Orphan = 1
	}
	return c.do(candm.Local, r)
}

func (c *client) add(args string) bool {
	what, rest := conf.Word(args)
	kind, ok := map[string]conf.SourceKind{"server": conf.Server, "peer": conf.Peer, "pool": conf.Pool}[what]
	var s conf.Source
	if ok {
		s, ok = conf.ParseSource(kind, rest)
	}
	if !ok {
		c.complain("Invalid syntax for add command")
		return false
	}
	if _, ok := c.address(s.Name); !ok {
		// Whoever has no address now would only be noticed in the daemon's log.
		c.complain("Invalid host/IP address")
		return false
	}
	return c.do(candm.AddSource, s.Request())
}

func (c *client) manual(args string) bool {
	what, rest := conf.Word(args)
	switch what {
	case "list":
		return c.manualList()
	case "delete":
		i, _, ok := conf.ScanInt(rest)
		if !ok {
			c.complain("Bad syntax for manual delete command")
			return false
		}
		return c.do(candm.ManualDelete, &candm.Int{Value: int32(i)})
	}
	return wordCommand(candm.Manual, "manual", "off", "on", "reset")(c, args)
}

func (c *client) setTime(args string) bool {
	t, ok := getdate.Parse(args, c.p.Now().In(libc.Zone(c.p)))
	if !ok {
		fmt.Fprintln(c.out, "510 - Could not parse date string")
		return false
	}
	r, ok := ask[*candm.SetTimeResult](c, candm.SetTime, &candm.Timestamp{Time: t}, candm.SetTimeReply)
	if !ok {
		return false
	}
	fmt.Fprintf(c.out, "200 OK\nClock was %.2f seconds fast.  Frequency change = %.2fppm, new frequency = %.2fppm\n",
		r.Offset, r.FreqChange, r.NewFreq)
	return true
}

func (c *client) sourceName(args string) bool {
	a, ok := c.sourceAddress(args)
	if !ok {
		c.complain("Could not read address")
		return false
	}
	r, ok := ask[*candm.SourceName](c, candm.GetSourceName, &candm.Source{Address: a}, candm.SourceNameReply)
	if ok {
		fmt.Fprintln(c.out, r.Name)
	}
	return ok
}

// waitSync waits until the clock is synchronised within limits.
func (c *client) waitSync(args string) bool {
	limits := [4]float64{0, 0, 0, 10} // tries, correction, skew, interval
	for i, w := range conf.Words(args) {
		if i < len(limits) {
			limits[i], _, _ = conf.ScanFloat(w)
		}
	}
	tries, every := int(limits[0]), max(limits[3], 0.1)
	for i := 1; ; i++ {
		r, ok := ask[*candm.Tracking](c, candm.GetTracking, nil, candm.TrackingReply)
		if ok {
			correction := math.Abs(r.Correction)
			if c.csv {
				c.csvLine(i, fmt.Sprintf("%08X", r.RefID), number(9, correction), number(3, r.Skew))
			} else {
				fmt.Fprintf(c.out, "try: %d, refid: %08X, correction: %.9f, skew: %.3f\n", i, r.RefID, correction, r.Skew)
			}
			if r.RefID != 0 && r.RefID != ntp.RefIDLocal && r.Leap != uint16(ntp.LeapUnsynchronised) &&
				(limits[1] == 0 || correction <= limits[1]) && (limits[2] == 0 || r.Skew <= limits[2]) {
				return true
			}
		}
		if tries != 0 && i >= tries {
			return false
		}
		c.out.Flush()
		if c.p.Sleep(c.ctx, measure.Seconds(every)) != nil {
			return false
		}
	}
}

func (c *client) reset(args string) bool {
	if args != "sources" {
		c.complain("Invalid syntax for reset command")
		return false
	}
	return c.do(candm.ResetSources, nil)
}

func (c *client) reload(args string) bool {
	if args != "sources" {
		c.complain("Invalid syntax for reload command")
		return false
	}
	return c.do(candm.ReloadSources, nil)
}

// Bits of a key that keygen makes, unless the cipher wants a number of its own.
const (
	keyBits    = 160
	maxKeyBits = 4096
)

// keygen makes a line for a key file; it asks no daemon.
func (c *client) keygen(args string) bool {
	id, name, bits := 1, "SHA1", keyBits
	w := conf.Words(args)
	ok := len(w) <= 3
	if len(w) > 0 && ok {
		id, _, ok = conf.ScanInt(w[0])
	}
	if len(w) > 1 {
		name = w[1]
	}
	if len(w) > 2 && ok {
		bits, _, ok = conf.ScanInt(w[2])
	}
	if !ok {
		c.complain("Invalid syntax for keygen command")
		return false
	}
	t, known := ntp.ParseKeyType(name)
	if !known {
		c.complain("Unknown hash function or cipher " + name)
		return false
	}
	if bits < 0 {
		bits = maxKeyBits // the number has no sign
	}
	n := (min(max(bits, conf.MinKeyBits), maxKeyBits) + 7) / 8
	if k := t.KeyLength(); k != 0 {
		n = k
	}
	fmt.Fprintf(c.out, "%d %s HEX:", uint32(id), name)
	for range n {
		fmt.Fprintf(c.out, "%02X", c.p.Rand().UintN(256))
	}
	fmt.Fprintln(c.out)
	return true
}

func (c *client) dns(args string) bool {
	switch args {
	case "-46":
		c.ipv4, c.ipv6 = false, false
	case "-4":
		c.ipv4, c.ipv6 = true, false
	case "-6":
		c.ipv4, c.ipv6 = false, true
	case "-n":
		c.noDNS = true
	case "+n":
		c.noDNS = false
	default:
		c.complain("Unrecognized dns command")
		return false
	}
	return true
}

func (c *client) setTimeout(args string) bool {
	v, _, _ := conf.ScanInt(args)
	if v < 100 {
		c.complain(fmt.Sprintf("Timeout %d is too short", v))
		return false
	}
	c.link.timeout = time.Duration(v) * time.Millisecond
	return true
}

func (c *client) setRetries(args string) bool {
	v, _, _ := conf.ScanInt(args)
	if v < 0 {
		c.complain("Invalid maximum number of retries")
		return false
	}
	c.link.retries = v
	return true
}

func (c *client) help(string) bool {
	for _, l := range helpText {
		fmt.Fprintf(c.out, "%-28s%s\n", l.command, l.text)
	}
	return true
}

func (c *client) exit(string) bool {
	c.quit = true
	return true
}
