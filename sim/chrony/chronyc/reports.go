package chronyc

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/libc"
	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

const (
	sourcesLegend = `
  .-- Source mode  '^' = server, '=' = peer, '#' = local clock.
 / .- Source state '*' = current best, '+' = combined, '-' = not combined,
| /             'x' = may be in error, '~' = too variable, '?' = unusable.
||                                                 .- xxxx [ yyyy ] +/- zzzz
||      Reachability register (octal) -.           |  xxxx = adjusted offset,
||      Log2(Polling interval) --.      |          |  yyyy = measured offset,
||                                \     |          |  zzzz = estimated error.
||                                 |    |           \
`
	statsLegend = `                             .- Number of sample points in measurement set.
                            /    .- Number of residual runs with same sign.
                           |    /    .- Length of measurement set (time).
                           |   |    /      .- Est. clock freq error (ppm).
                           |   |   |      /           .- Est. error in freq.
                           |   |   |     |           /         .- Est. offset.
                           |   |   |     |          |          |   On the -.
                           |   |   |     |          |          |   samples. \
                           |   |   |     |          |          |             |
`
	selectLegend = `  . State: N - noselect, s - unsynchronised, M - missing samples,
 /         d/D - large distance, ~ - jittery, w/W - waits for others,
|          S - stale, O - orphan, T - not trusted, P - not preferred,
|          U - waits for update,, x - falseticker, + - combined, * - best.
|   Effective options   ---------.  (N - noselect, P - prefer
|   Configured options  ----.     \  T - trust, R - require)
|   Auth. enabled (Y/N) -.   \     \     Offset interval --.
|                        |    |     |                       |
`
	authLegend = `                             .- Auth. mechanism (NTS, SK - symmetric key)
                            |   Key length -.  Cookie length (bytes) -.
                            |       (bits)  |  Num. of cookies --.    |
                            |               |  Key est. attempts  |   |
                            |               |           |         |   |
`
)

// header prints the head of a table and the rule below it.
func (c *client) header(legend, line string) {
	if c.csv {
		return
	}
	fmt.Fprintf(c.out, "%s%s\n%s\n", legend, line, strings.Repeat("=", len(line)))
}

// csvLine prints fields separated by commas.
func (c *client) csvLine(fields ...any) {
	for i, f := range fields {
		if i > 0 {
			c.out.WriteByte(',')
		}
		fmt.Fprint(c.out, f)
	}
	c.out.WriteByte('\n')
}

// maxName is how many columns a name gets that was looked up.
const maxName = 25

// addrText shows an address of the protocol.
func addrText(a candm.Address) string {
	switch {
	case a.IsID:
		return fmt.Sprintf("ID#%010d", a.ID)
	case !a.IP.IsValid():
		return "[UNSPEC]"
	}
	return a.IP.String()
}

// name shows the name of a source or a client, cut to limit columns when it
// was looked up; 0 is no limit.
func (c *client) name(a candm.Address, source bool, limit int) string {
	if source && c.names {
		r, ok := c.link.exchange(candm.GetSourceName, &candm.Source{Address: a})
		if n, isName := r.Body.(*candm.SourceName); ok && isName && r.Status == candm.Success {
			return n.Name
		}
		return "?"
	}
	text := addrText(a)
	if c.noDNS || a.IsID || !a.IP.IsValid() {
		return text
	}
	if n, err := libc.LookupAddr(c.ctx, c.p, a.IP); err == nil {
		text = n
	}
	if limit > 0 && len(text) > limit {
		text = text[:limit-1] + ">"
	}
	return text
}

// refclockName shows a reference clock: the protocol has its id in the place
// of the address.
func refclockName(a candm.Address) string {
	if !a.IP.Is4() {
		return ""
	}
	return ntp.RefIDText(ntp.RefIDOf(a.IP))
}

// flagsOf takes the options -a and -v off the arguments of a report.
func flagsOf(args string) (all, verbose bool) {
	for _, w := range conf.Words(args) {
		switch w {
		case "-a":
			all = true
		case "-v":
			verbose = true
		}
	}
	return all, verbose
}

// eachSource asks for the number of sources, prints the header and calls f for
// each index until it reports false.
func (c *client) eachSource(legend, line string, f func(i uint32) bool) bool {
	n, ok := ask[*candm.Index](c, candm.NSources, nil, candm.NSourcesReply)
	if !ok {
		return false
	}
	c.header(legend, line)
	for i := range n.Value {
		if !f(i) {
			return false
		}
	}
	return true
}

func legend(verbose bool, text string) string {
	if verbose {
		return text
	}
	return ""
}

func (c *client) sources(args string) bool {
	all, verbose := flagsOf(args)
	return c.eachSource(legend(verbose, sourcesLegend),
		"MS Name/IP address         Stratum Poll Reach LastRx Last sample               ", func(i uint32) bool {
			r, ok := ask[*candm.SourceData](c, candm.GetSourceData, &candm.Index{Value: i}, candm.SourceDataReply)
			if !ok {
				return false
			}
			if !all && r.Address.IsID {
				return true
			}
			name := ""
			if r.Mode == candm.ModeRefclock {
				name = refclockName(r.Address)
			} else {
				name = c.name(r.Address, true, maxName)
			}
			mode, state := letter("^=#", r.Mode), letter("*?x~+-", r.State)
			if c.csv {
				c.csvLine(mode, state, name, r.Stratum, r.Poll, fmt.Sprintf("%o", r.Reach), r.SinceSample,
					number(9, r.Adjusted), number(9, r.Original), number(9, r.Error))
				return true
			}
			fmt.Fprintf(c.out, "%s%s %-27s  %2d  %2d   %3o  %s  %s[%s] +/- %s\n", mode, state, name, r.Stratum, r.Poll, r.Reach,
				interval4(r.SinceSample), offset7(r.Adjusted), offset7(r.Original), offset6(r.Error))
			return true
		})
}

// letter returns the letter of a value, a blank when there is none.
func letter(letters string, i uint16) string {
	if int(i) < len(letters) {
		return letters[i : i+1]
	}
	return " "
}

func (c *client) sourceStats(args string) bool {
	all, verbose := flagsOf(args)
	return c.eachSource(legend(verbose, statsLegend),
		"Name/IP Address            NP  NR  Span  Frequency  Freq Skew  Offset  Std Dev", func(i uint32) bool {
			r, ok := ask[*candm.SourceStats](c, candm.GetSourceStats, &candm.Index{Value: i}, candm.SourceStatsReply)
			if !ok {
				return false
			}
			if !all && r.Address.IsID {
				return true
			}
			name := c.statsName(r.Address, r.RefID)
			if c.csv {
				c.csvLine(name, r.Samples, r.Runs, r.Span, number(3, r.ResidualFreq), number(3, r.Skew), number(9, r.Offset), number(9, r.StdDev))
				return true
			}
			fmt.Fprintf(c.out, "%-25s %3d %3d  %s %s %s  %s  %s\n", name, r.Samples, r.Runs, interval4(r.Span),
				ppm10(r.ResidualFreq, "+"), ppm10(r.Skew, ""), offset7(r.Offset), offset6(r.StdDev))
			return true
		})
}

// statsName is the name column of reports in which a reference clock has no
// address.
func (c *client) statsName(a candm.Address, refID uint32) string {
	if !a.IP.IsValid() && !a.IsID {
		return ntp.RefIDText(refID)
	}
	return c.name(a, true, maxName)
}

func (c *client) selectData(args string) bool {
	all, verbose := flagsOf(args)
	return c.eachSource(legend(verbose, selectLegend),
		"S Name/IP Address        Auth COpts EOpts Last Score     Interval  Leap", func(i uint32) bool {
			r, ok := ask[*candm.SelectData](c, candm.GetSelectData, &candm.Index{Value: i}, candm.SelectDataReply)
			if !ok {
				return false
			}
			if !all && r.Address.IsID {
				return true
			}
			name := c.statsName(r.Address, r.RefID)
			if c.csv {
				fields := []any{string(rune(r.State)), name, yn(r.Authenticated != 0)}
				for _, o := range candm.OptionLetters(r.Configured) + candm.OptionLetters(r.Effective) {
					fields = append(fields, string(o))
				}
				c.csvLine(append(fields, r.LastSample, number(1, r.Score), number(9, r.Low), number(9, r.High), leapText(uint16(r.Leap)))...)
				return true
			}
			leap := byte('?')
			if r.Leap < 4 {
				leap = "N+-?"[r.Leap]
			}
			fmt.Fprintf(c.out, "%c %-25s %s %s %s %s %5.1f %s %s  %c\n", r.State, name, yn(r.Authenticated != 0),
				candm.OptionLetters(r.Configured), candm.OptionLetters(r.Effective), interval4(r.LastSample), r.Score, offset7(r.Low), offset7(r.High), leap)
			return true
		})
}

func (c *client) authData(args string) bool {
	all, verbose := flagsOf(args)
	return c.eachSource(legend(verbose, authLegend),
		"Name/IP address             Mode KeyID Type KLen Last Atmp  NAK Cook CLen", func(i uint32) bool {
			s, ok := ask[*candm.SourceData](c, candm.GetSourceData, &candm.Index{Value: i}, candm.SourceDataReply)
			if !ok {
				return false
			}
			if s.Mode == candm.ModeRefclock || !all && s.Address.IsID {
				return true
			}
			r, ok := ask[*candm.AuthData](c, candm.GetAuthData, &candm.Source{Address: s.Address}, candm.AuthDataReply)
			if !ok {
				return false
			}
			mode := "?"
			if int(r.Mode) < 3 {
				mode = []string{"-", "SK", "NTS"}[r.Mode]
			}
			name := c.name(s.Address, true, maxName)
			if c.csv {
				c.csvLine(name, mode, r.KeyID, r.KeyType, r.KeyLength, r.LastAttempt, r.Attempts, r.NAK, r.Cookies, r.CookieLength)
				return true
			}
			fmt.Fprintf(c.out, "%-27s %4s %5d %4d %4d %s %4d %4d %4d %4d\n", name, mode, r.KeyID, r.KeyType, r.KeyLength,
				interval4(r.LastAttempt), r.Attempts, r.NAK, r.Cookies, r.CookieLength)
			return true
		})
}

func (c *client) tracking(string) bool {
	r, ok := ask[*candm.Tracking](c, candm.GetTracking, nil, candm.TrackingReply)
	if !ok {
		return false
	}
	name := ntp.RefIDText(r.RefID)
	if r.Address.IP.IsValid() || r.Address.IsID {
		name = c.name(r.Address, true, 0)
	}
	if c.csv {
		c.csvLine(fmt.Sprintf("%08X", r.RefID), name, r.Stratum, csvTime(r.RefTime), number(9, r.Correction), number(9, r.LastOffset),
			number(9, r.RMSOffset), number(3, r.Frequency), number(3, r.ResidualFreq), number(3, r.Skew), number(9, r.RootDelay),
			number(9, r.RootDispersion), number(1, r.UpdateInterval), leapText(r.Leap))
		return true
	}
	fmt.Fprintf(c.out, "Reference ID    : %08X (%s)\n", r.RefID, name)
	fmt.Fprintf(c.out, "Stratum         : %d\n", r.Stratum)
	fmt.Fprintf(c.out, "Ref time (UTC)  : %s\n", refTime(r.RefTime))
	fmt.Fprintf(c.out, "System time     : %s of NTP time\n", fastSlow(r.Correction, 9, "seconds", "slow", "fast"))
	fmt.Fprintf(c.out, "Last offset     : %+.9f seconds\n", r.LastOffset)
	fmt.Fprintf(c.out, "RMS offset      : %.9f seconds\n", r.RMSOffset)
	fmt.Fprintf(c.out, "Frequency       : %s\n", fastSlow(r.Frequency, 3, "ppm", "fast", "slow"))
	fmt.Fprintf(c.out, "Residual freq   : %+.3f ppm\n", r.ResidualFreq)
	fmt.Fprintf(c.out, "Skew            : %.3f ppm\n", r.Skew)
	fmt.Fprintf(c.out, "Root delay      : %.9f seconds\n", r.RootDelay)
	fmt.Fprintf(c.out, "Root dispersion : %.9f seconds\n", r.RootDispersion)
	fmt.Fprintf(c.out, "Update interval : %.1f seconds\n", r.UpdateInterval)
	fmt.Fprintf(c.out, "Leap status     : %s\n", leapText(r.Leap))
	return true
}

func (c *client) activity(string) bool {
	r, ok := ask[*candm.Activity](c, candm.GetActivity, nil, candm.ActivityReply)
	if !ok {
		return false
	}
	if c.csv {
		c.csvLine(r.Online, r.Offline, r.BurstOnline, r.BurstOffline, r.Unresolved)
		return true
	}
	fmt.Fprintf(c.out, "200 OK\n%d sources online\n%d sources offline\n%d sources doing burst (return to online)\n"+
		"%d sources doing burst (return to offline)\n%d sources with unknown address\n",
		r.Online, r.Offline, r.BurstOnline, r.BurstOffline, r.Unresolved)
	return true
}

func (c *client) serverStats(string) bool {
	r, ok := ask[*candm.ServerStats](c, candm.GetServerStats, nil, candm.ServerStatsReply)
	if !ok {
		return false
	}
	if c.csv {
		c.csvLine(r.NTPHits, r.NTPDrops, r.CmdHits, r.CmdDrops, r.LogDrops, r.NKEHits, r.NKEDrops, r.AuthHits, r.InterleavedHits,
			r.Timestamps, r.TimestampSpan)
		return true
	}
	for _, l := range []struct {
		text  string
		value uint32
	}{
		{"NTP packets received       ", r.NTPHits}, {"NTP packets dropped        ", r.NTPDrops},
		{"Command packets received   ", r.CmdHits}, {"Command packets dropped    ", r.CmdDrops},
		{"Client log records dropped ", r.LogDrops}, {"NTS-KE connections accepted", r.NKEHits},
		{"NTS-KE connections dropped ", r.NKEDrops}, {"Authenticated NTP packets  ", r.AuthHits},
		{"Interleaved NTP packets    ", r.InterleavedHits}, {"NTP timestamps held        ", r.Timestamps},
		{"NTP timestamp span         ", r.TimestampSpan},
	} {
		fmt.Fprintf(c.out, "%s: %d\n", l.text, l.value)
	}
	return true
}

func (c *client) ntpData(args string) bool {
	if args != "" {
		a, ok := c.sourceAddress(args)
		if !ok {
			c.complain("Could not get address for hostname")
			return false
		}
		return c.ntpDataOf(a)
	}
	n, ok := ask[*candm.Index](c, candm.NSources, nil, candm.NSourcesReply)
	if !ok {
		return false
	}
	for i := range n.Value {
		s, ok := ask[*candm.SourceData](c, candm.GetSourceData, &candm.Index{Value: i}, candm.SourceDataReply)
		if !ok {
			return false
		}
		if s.Mode == candm.ModeRefclock || s.Address.IsID {
			continue
		}
		if !c.csv {
			// Records are apart from each other; the line comes before the data.
			c.gap = true
		}
		if !c.ntpDataOf(s.Address) {
			return false
		}
	}
	return true
}

func (c *client) ntpDataOf(a candm.Address) bool {
	gap := c.gap
	c.gap = false
	r, ok := ask[*candm.NTPData](c, candm.GetNTPData, &candm.Source{Address: a}, candm.NTPDataReply)
	if !ok {
		return false
	}
	if gap {
		fmt.Fprintln(c.out)
	}
	id := func(a candm.Address) string {
		if !a.IP.IsValid() {
			return "00000000"
		}
		return fmt.Sprintf("%08X", ntp.RefIDOf(a.IP))
	}
	t := fmt.Sprintf("%010b", r.Flags&candm.TestsMask)
	refText := ""
	if r.Stratum <= 1 {
		refText = ntp.RefIDText(r.RefID)
	}
	poll, precision := log2Seconds(r.Poll), log2Seconds(r.Precision)
	xleave, auth := yesNo(r.Flags&candm.FlagXleave != 0), yesNo(r.Flags&candm.FlagAuthentic != 0)
	if c.csv {
		c.csvLine(addrText(r.Remote), id(r.Remote), r.Port, addrText(r.Local), id(r.Local), leapText(uint16(r.Leap)), r.Version, modeText(r.Mode),
			r.Stratum, r.Poll, number(0, poll), r.Precision, number(9, precision), number(6, r.RootDelay), number(6, r.RootDispersion),
			fmt.Sprintf("%08X", r.RefID), refText, csvTime(r.RefTime), number(9, r.Offset), number(9, r.PeerDelay), number(9, r.PeerDispersion),
			number(9, r.ResponseTime), number(2, r.JitterAsymmetry), t[:3], t[3:6], t[6:], xleave, auth, stampText(r.TXSource), stampText(r.RXSource),
			r.Sent, r.Received, r.Valid, r.Good)
		return true
	}
	fmt.Fprintf(c.out, "Remote address  : %s (%s)\n", addrText(r.Remote), id(r.Remote))
	fmt.Fprintf(c.out, "Remote port     : %d\n", r.Port)
	fmt.Fprintf(c.out, "Local address   : %s (%s)\n", addrText(r.Local), id(r.Local))
	fmt.Fprintf(c.out, "Leap status     : %s\n", leapText(uint16(r.Leap)))
	fmt.Fprintf(c.out, "Version         : %d\n", r.Version)
	fmt.Fprintf(c.out, "Mode            : %s\n", modeText(r.Mode))
	fmt.Fprintf(c.out, "Stratum         : %d\n", r.Stratum)
	fmt.Fprintf(c.out, "Poll interval   : %d (%.0f seconds)\n", r.Poll, poll)
	fmt.Fprintf(c.out, "Precision       : %d (%.9f seconds)\n", r.Precision, precision)
	fmt.Fprintf(c.out, "Root delay      : %.6f seconds\n", r.RootDelay)
	fmt.Fprintf(c.out, "Root dispersion : %.6f seconds\n", r.RootDispersion)
	fmt.Fprintf(c.out, "Reference ID    : %08X (%s)\n", r.RefID, refText)
	fmt.Fprintf(c.out, "Reference time  : %s\n", refTime(r.RefTime))
	fmt.Fprintf(c.out, "Offset          : %+.9f seconds\n", r.Offset)
	fmt.Fprintf(c.out, "Peer delay      : %.9f seconds\n", r.PeerDelay)
	fmt.Fprintf(c.out, "Peer dispersion : %.9f seconds\n", r.PeerDispersion)
	fmt.Fprintf(c.out, "Response time   : %.9f seconds\n", r.ResponseTime)
	fmt.Fprintf(c.out, "Jitter asymmetry: %+.2f\n", r.JitterAsymmetry)
	fmt.Fprintf(c.out, "NTP tests       : %s %s %s\n", t[:3], t[3:6], t[6:])
	fmt.Fprintf(c.out, "Interleaved     : %s\n", xleave)
	fmt.Fprintf(c.out, "Authenticated   : %s\n", auth)
	fmt.Fprintf(c.out, "TX timestamping : %s\n", stampText(r.TXSource))
	fmt.Fprintf(c.out, "RX timestamping : %s\n", stampText(r.RXSource))
	fmt.Fprintf(c.out, "Total TX        : %d\n", r.Sent)
	fmt.Fprintf(c.out, "Total RX        : %d\n", r.Received)
	fmt.Fprintf(c.out, "Total valid RX  : %d\n", r.Valid)
	fmt.Fprintf(c.out, "Total good RX   : %d\n", r.Good)
	return true
}

func (c *client) clients(args string) bool {
	var nke bool
	var least, reset uint32
	w := conf.Words(args)
	for i := 0; i < len(w); i++ {
		switch w[i] {
		case "-k":
			nke = true
		case "-r":
			reset = 1
		case "-p":
			v, ok := 0, i+1 < len(w)
			if ok {
				i++
				v, _, ok = conf.ScanInt(w[i])
			}
			if !ok {
				c.complain("Invalid syntax for clients command")
				return false
			}
			least = uint32(v)
		}
	}
	kind := "   Cmd"
	if nke {
		kind = "NTS-KE"
	}
	c.header("", "Hostname                      NTP   Drop Int IntL Last  "+kind+"   Drop Int  Last")
	for first := uint32(0); ; {
		r, ok := ask[*candm.Clients](c, candm.GetClients,
			&candm.ClientsArgs{First: first, Count: candm.MaxClients, MinHits: least, Reset: reset}, candm.ClientsReply)
		if !ok {
			return false
		}
		for _, e := range r.Clients {
			if !e.Address.IP.IsValid() {
				continue
			}
			hits, drops, every, last := e.CmdHits, e.CmdDrops, e.CmdInterval, e.LastCmd
			if nke {
				hits, drops, every, last = e.NKEHits, e.NKEDrops, e.NKEInterval, e.LastNKE
			}
			name := c.name(e.Address, false, maxName)
			if c.csv {
				c.csvLine(name, e.NTPHits, e.NTPDrops, e.NTPInterval, e.TimeoutInterval, e.LastNTP, hits, drops, every, last)
				continue
			}
			fmt.Fprintf(c.out, "%-25s  %6d  %5d  %s  %s  %s  %6d  %5d  %s  %s\n", name, e.NTPHits, e.NTPDrops, log2Interval(e.NTPInterval),
				log2Interval(e.TimeoutInterval), interval4(e.LastNTP), hits, drops, log2Interval(every), interval4(last))
		}
		if r.Next >= r.Indices || r.Next <= first {
			return true
		}
		first = r.Next
	}
}

func (c *client) rtcData(string) bool {
	r, ok := ask[*candm.RTC](c, candm.GetRTC, nil, candm.RTCReply)
	if !ok {
		return false
	}
	if c.csv {
		c.csvLine(csvTime(r.RefTime), r.Samples, r.Runs, r.Span, number(6, r.SecondsFast), number(3, r.GainPPM))
		return true
	}
	fmt.Fprintf(c.out, "RTC ref time (UTC) : %s\n", refTime(r.RefTime))
	fmt.Fprintf(c.out, "Number of samples  : %d\n", r.Samples)
	fmt.Fprintf(c.out, "Number of runs     : %d\n", r.Runs)
	fmt.Fprintf(c.out, "Sample span period : %s\n", interval4(r.Span))
	fmt.Fprintf(c.out, "RTC is fast by     : %12.6f seconds\n", r.SecondsFast)
	fmt.Fprintf(c.out, "RTC gains time at  : %9.3f ppm\n", r.GainPPM)
	return true
}

func (c *client) smoothing(string) bool {
	r, ok := ask[*candm.Smoothing](c, candm.GetSmoothing, nil, candm.SmoothingReply)
	if !ok {
		return false
	}
	active, only := yesNo(r.Flags&candm.SmoothingActive != 0), ""
	if r.Flags&candm.SmoothingLeapOnly != 0 {
		only = "(leap second only)"
	}
	if c.csv {
		c.csvLine(active, only, number(9, r.Offset), number(6, r.FreqPPM), number(6, r.WanderPPM), number(1, r.LastUpdate), number(1, r.Remaining))
		return true
	}
	fmt.Fprintf(c.out, "Active         : %s %s\n", active, only)
	fmt.Fprintf(c.out, "Offset         : %+.9f seconds\n", r.Offset)
	fmt.Fprintf(c.out, "Frequency      : %+.6f ppm\n", r.FreqPPM)
	fmt.Fprintf(c.out, "Wander         : %+.6f ppm per second\n", r.WanderPPM)
	fmt.Fprintf(c.out, "Last update    : %.1f seconds ago\n", r.LastUpdate)
	fmt.Fprintf(c.out, "Remaining time : %.1f seconds\n", r.Remaining)
	return true
}

func (c *client) manualList() bool {
	r, ok := ask[*candm.ManualList](c, candm.GetManualList, nil, candm.ManualListReply)
	if !ok {
		return false
	}
	if !c.csv {
		fmt.Fprintf(c.out, "210 n_samples = %d\n", len(r.Samples))
	}
	c.header("", "#    Date     Time(UTC)    Slewed   Original   Residual")
	for i, s := range r.Samples {
		if c.csv {
			c.csvLine(i, s.When.UTC().Format(time.DateTime), number(2, s.Slewed), number(2, s.Original), number(2, s.Residual))
			continue
		}
		fmt.Fprintf(c.out, "%2d %s %10.2f %10.2f %10.2f\n", i, s.When.UTC().Format(time.DateTime), s.Slewed, s.Original, s.Residual)
	}
	return true
}

// address reads an address or looks a host name up.
func (c *client) address(text string) (netip.Addr, bool) {
	if a, ok := conf.ParseIP(text); ok {
		return a, true
	}
	if text == "" {
		return netip.Addr{}, false
	}
	addrs, err := libc.LookupHost(c.ctx, c.p, text)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, a := range addrs {
		if !(c.ipv4 && !a.Is4() || c.ipv6 && a.Is4()) {
			return a, true
		}
	}
	return netip.Addr{}, false
}
