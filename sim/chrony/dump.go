package chrony

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/wire/ntp"
)

// Dump files (chrony.conf(5), dumpdir) keep the measurements of a source over a
// restart: a mark, the address, how the source stands, then a line a sample.
const dumpMark = "SRC0"

func (s *source) dumpFile(dir string) string {
	if s.clock != nil {
		return fmt.Sprintf("%s/refid:%08x.dat", dir, s.clock.refID)
	}
	return dir + "/" + s.addrText() + ".dat"
}

// dump writes the dump files of all sources that have measurements.
func (d *daemon) dump() {
	if d.conf.dumpDir == "" || d.once() {
		return
	}
	for _, s := range d.sources {
		if s.assoc == nil && s.clock == nil || s.cand.stats.samples() == 0 {
			continue
		}
		if err := d.saved(s.dumpFile(d.conf.dumpDir), []byte(dumpText(s.addrText(), s.cand, s.authentic()))); err != nil {
			d.log.warn(fmt.Sprintf("Could not open %s : %s", s.dumpFile(d.conf.dumpDir)+".tmp", libc.Strerror(err)))
		}
	}
}

// dumpText is a dump file.
func dumpText(name string, c *candidate, authentic bool) string {
	var b strings.Builder
	auth := 0
	if authentic {
		auth = 1
	}
	used := c.stats.used()
	fmt.Fprintf(&b, "%s\n%s\n%d %o %d %d %d\n%d %d\n", dumpMark, name, auth, c.reach, c.polls, c.stratum, c.leap, len(used), c.stats.asymRun)
	for _, r := range used {
		fmt.Fprintf(&b, "%d.%09d %.6e %.6e %.6e %.6e %.6e %.6e\n", r.at.Unix(), r.at.Nanosecond(),
			r.offset, r.original, r.peerDelay, r.peerDispersion, r.rootDelay, r.rootDispersion)
	}
	return b.String()
}

// readDumps takes the measurements of an earlier chronyd over (option -r) and
// removes its files, which would be too old for the next one.
func (d *daemon) readDumps() {
	dir := d.conf.dumpDir
	if dir == "" || !d.opts.reload || d.initSlew != nil {
		return
	}
	loaded := false
	for _, s := range d.sources {
		if s.assoc == nil && s.clock == nil {
			continue
		}
		data, err := libc.ReadFile(d.p, s.dumpFile(dir))
		if err != nil {
			continue
		}
		if !parseDump(string(data), s.addrText(), s.cand, d.cooked()) {
			d.log.warn("Could not load dump file for " + s.addrText())
			continue
		}
		d.log.info("Loaded dump file for " + s.addrText())
		loaded = true
	}
	names, _ := libc.ReadDir(d.p, dir)
	for _, n := range names {
		if strings.HasSuffix(n, ".dat") {
			d.p.Sys.Remove(dir + "/" + n)
		}
	}
	if loaded {
		d.choose(nil)
	}
}

// parseDump reads a dump file into a candidate; now is cooked time, after which
// no sample may have been taken. A file that is not as it should be changes
// nothing.
func parseDump(text, name string, c *candidate, now time.Time) bool {
	lines := bufio.NewScanner(strings.NewReader(text))
	next := func() []string {
		if !lines.Scan() {
			return nil
		}
		return strings.Fields(lines.Text())
	}
	if f := next(); len(f) != 1 || f[0] != dumpMark {
		return false
	}
	if f := next(); len(f) != 1 || f[0] != name {
		return false
	}
	f := next()
	if len(f) != 5 {
		return false
	}
	reach, err1 := strconv.ParseUint(f[1], 8, 8)
	polls, err2 := strconv.ParseUint(f[2], 10, 4)
	stratum, err3 := strconv.ParseUint(f[3], 10, 4)
	leap, err4 := strconv.ParseUint(f[4], 10, 2)
	f = next()
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || len(f) != 2 || stratum == 0 && !c.refclock {
		return false
	}
	n, err1 := strconv.ParseUint(f[0], 10, 7)
	run, err2 := strconv.ParseInt(f[1], 10, 8)
	if err1 != nil || err2 != nil || n == 0 || n > maxSamples || run < -maxAsymRun || run > maxAsymRun {
		return false
	}
	var records []record
	for range n {
		r, ok := parseDumpSample(next())
		if !ok || r.at.After(now) || len(records) > 0 && !r.at.After(records[len(records)-1].at) {
			return false
		}
		records = append(records, r)
	}
	c.reach, c.polls, c.stratum, c.leap = uint8(reach), int(polls), int(stratum), ntp.Leap(leap)
	c.updates = 1 // it has something to say
	c.stats.load(records, int(run))
	return true
}

func parseDumpSample(f []string) (record, bool) {
	if len(f) != 7 {
		return record{}, false
	}
	whole, frac, _ := strings.Cut(f[0], ".")
	sec, err1 := strconv.ParseInt(whole, 10, 64)
	nsec, err2 := strconv.ParseUint(frac, 10, 30)
	if err1 != nil || err2 != nil || len(frac) != 9 {
		return record{}, false
	}
	r := record{at: time.Unix(sec, int64(nsec)).UTC()}
	for i, to := range []*float64{&r.offset, &r.original, &r.peerDelay, &r.peerDispersion, &r.rootDelay, &r.rootDispersion} {
		v, err := strconv.ParseFloat(f[i+1], 64)
		if err != nil || !(v > -1e12 && v < 1e12) || i >= 2 && v < 0 {
			return record{}, false
		}
		*to = v
	}
	return r, true
}
