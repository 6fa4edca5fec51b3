package measure

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"time"

	"enshu/sim/wire/ntp"
)

// Dump files (chrony.conf(5), dumpdir) keep the measurements of a source over a
// restart: a mark, the address, how the source stands, then a line a sample.
const dumpMark = "SRC0"

// Dump returns the dump file of a source with a name.
func (c *Candidate) Dump(name string, authentic bool) string {
	var b strings.Builder
	auth := 0
	if authentic {
		auth = 1
	}
	used := c.Stats.Used()
	fmt.Fprintf(&b, "%s\n%s\n%d %o %d %d %d\n%d %d\n", dumpMark, name, auth, c.Reach, c.Polls, c.Stratum, c.Leap, len(used), c.Stats.AsymRun)
	for _, r := range used {
		fmt.Fprintf(&b, "%d.%09d %.6e %.6e %.6e %.6e %.6e %.6e\n", r.At.Unix(), r.At.Nanosecond(),
			r.Offset, r.Original, r.PeerDelay, r.PeerDispersion, r.RootDelay, r.RootDispersion)
	}
	return b.String()
}

// LoadDump takes over what a dump file of the source says; now is cooked time, after which
// no sample may have been taken. A file that is not as it should be changes
// nothing.
func (c *Candidate) LoadDump(text, name string, now time.Time) bool {
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
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || len(f) != 2 || stratum == 0 && !c.Refclock {
		return false
	}
	n, err1 := strconv.ParseUint(f[0], 10, 7)
	run, err2 := strconv.ParseInt(f[1], 10, 8)
	if err1 != nil || err2 != nil || n == 0 || n > MaxSamples || run < -MaxAsymRun || run > MaxAsymRun {
		return false
	}
	var records []Record
	for range n {
		r, ok := parseDumpSample(next())
		if !ok || r.At.After(now) || len(records) > 0 && !r.At.After(records[len(records)-1].At) {
			return false
		}
		records = append(records, r)
	}
	c.Reach, c.Polls, c.Stratum, c.Leap = uint8(reach), int(polls), int(stratum), ntp.Leap(leap)
	c.Updates = 1 // it has something to say
	c.Stats.Load(records, int(run))
	return true
}

func parseDumpSample(f []string) (Record, bool) {
	if len(f) != 7 {
		return Record{}, false
	}
	whole, frac, _ := strings.Cut(f[0], ".")
	sec, err1 := strconv.ParseInt(whole, 10, 64)
	nsec, err2 := strconv.ParseUint(frac, 10, 30)
	if err1 != nil || err2 != nil || len(frac) != 9 {
		return Record{}, false
	}
	r := Record{At: time.Unix(sec, int64(nsec)).UTC()}
	for i, to := range []*float64{&r.Offset, &r.Original, &r.PeerDelay, &r.PeerDispersion, &r.RootDelay, &r.RootDispersion} {
		v, err := strconv.ParseFloat(f[i+1], 64)
		if err != nil || !(v > -1e12 && v < 1e12) || i >= 2 && v < 0 {
			return Record{}, false
		}
		*to = v
	}
	return r, true
}
