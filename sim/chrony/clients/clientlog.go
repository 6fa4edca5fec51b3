// Package clients is what a server knows of those who ask it: who may (Access),
// how often (the rate limits), who did (Log), and what they were answered, where
// the next answer depends on that.
package clients

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/measure"
	"enshu/sim/wire/candm"
)

// Service is what a client asks for.
type Service int

const (
	NTP     Service = iota // the time, UDP port 123
	NTS                    // NTS-KE, TCP port 4460
	Command                // control and monitoring, UDP port 323
	services
)

// Record is what the server remembers of a client address.
type Record struct {
	addr     netip.Addr
	hits     [services]uint32
	drops    [services]uint32
	last     [services]time.Time // zero: never
	rate     [services]int8      // average log2 interval in units of 1/rateScale; noRate when unknown
	timeout  int8                // the same while requests are dropped
	dropping bool
	tokens   [services]float64
	Reported bool // the trace has an event of its first answer
}

const (
	rateScale = 4
	noRate    = -128
	// slotRecords is how many records a slot of the table has; the table grows in
	// powers of two.
	slotRecords = 16
	recordBytes = 56
)

// Log is the table of clients (chrony.conf(5) clientloglimit), with the
// rate limits of the services.
type Log struct {
	Off    bool
	limits [services]conf.RateLimit
	most   int // records

	index   map[netip.Addr]int
	records []Record

	Hits, drops   [services]uint32
	recordDrops   uint32
	Authenticated uint32
	Interleaved   uint32
	Answers       interleaver
}

// NewLog returns an empty table with the size and the limits of a configuration.
func NewLog(c *conf.Config) *Log {
	l := &Log{Off: c.NoClientLog, index: map[netip.Addr]int{}}
	l.limits = [services]conf.RateLimit{NTP: c.RateLimit, NTS: c.NTSRateLimit, Command: c.CmdRateLimit}
	l.most = slotRecords
	for uint64(l.most*2*recordBytes) <= c.ClientLogLimit && l.most < 1<<20 {
		l.most *= 2
	}
	if !l.Off {
		l.Answers = newInterleaver(l.most)
	}
	return l
}

// get returns the record of an address, a new one when needed; nil when the
// log is off.
func (l *Log) get(a netip.Addr) *Record {
	if l.Off {
		return nil
	}
	if i, ok := l.index[a]; ok {
		return &l.records[i]
	}
	fresh := Record{addr: a, rate: [services]int8{noRate, noRate, noRate}, timeout: noRate}
	for s := range services {
		fresh.tokens[s] = float64(l.limits[s].Burst)
	}
	if len(l.records) < l.most {
		l.index[a] = len(l.records)
		l.records = append(l.records, fresh)
		return &l.records[len(l.records)-1]
	}
	// The table is full: the client that was seen least recently gives way.
	oldest := 0
	for i := range l.records {
		if l.records[i].seen().Before(l.records[oldest].seen()) {
			oldest = i
		}
	}
	delete(l.index, l.records[oldest].addr)
	l.index[a] = oldest
	l.records[oldest] = fresh
	l.recordDrops++
	return &l.records[oldest]
}

func (r *Record) seen() time.Time {
	t := r.last[0]
	for _, o := range r.last[1:] {
		if o.After(t) {
			t = o
		}
	}
	return t
}

// Hit counts a request at a time and reports whether it is to be dropped by
// the rate limit.
func (l *Log) Hit(s Service, a netip.Addr, now time.Time, r *rand.Rand) (rec *Record, drop bool) {
	l.Hits[s]++
	rec = l.get(a)
	if rec == nil {
		return nil, false
	}
	rec.hits[s]++
	limit := &l.limits[s]
	interval := math.Ldexp(1, min(max(limit.Interval, -19), 12))
	most := float64(min(max(limit.Burst, 1), 255))
	if !rec.last[s].IsZero() {
		ago := now.Sub(rec.last[s]).Seconds()
		rec.tokens[s] = min(rec.tokens[s]+max(ago, 0)/interval, most)
		rec.count(s, ago)
	}
	rec.last[s] = now
	if !limit.Enabled {
		return rec, false
	}
	if rec.tokens[s] >= 1 {
		rec.tokens[s]--
		rec.dropping = false
		return rec, false
	}
	// One of 2^leak requests is answered all the same, so that nobody can be shut
	// out by requests sent in his name.
	if leak := min(max(limit.Leak, 1), 4); r.UintN(1<<leak) == 0 {
		return rec, false
	}
	rec.drops[s]++
	rec.dropping = true
	l.drops[s]++
	return rec, true
}

// count takes an interval into the average.
func (r *Record) count(s Service, ago float64) {
	rate := &r.rate[s]
	if s == NTP && r.dropping {
		rate = &r.timeout
	}
	v := math.Log2(max(ago, 1e-6)) * rateScale
	v = min(max(math.Round(v), -80), 120)
	switch {
	case *rate == noRate:
		*rate = int8(v)
	case v > float64(*rate):
		// Longer intervals count at once, shorter ones slowly.
		*rate += int8((v - float64(*rate) + 1) / 2)
	case v < float64(*rate):
		*rate--
	}
}

func interval(rate int8) int8 {
	if rate == noRate {
		return candm.NoInterval
	}
	return int8(math.Floor(float64(rate)/rateScale + 0.5))
}

// Ago returns the whole seconds from then to now, as the command protocol has
// them.
func Ago(now, then time.Time) uint32 {
	if then.IsZero() {
		return candm.Never
	}
	return uint32(min(max(now.Sub(then).Seconds(), 0), math.MaxUint32-1))
}

// Page returns records from an index on for chronyc clients.
func (l *Log) Page(args *candm.ClientsArgs, now time.Time) *candm.Clients {
	size := slotRecords
	for size < len(l.records) {
		size *= 2
	}
	page := &candm.Clients{Indices: uint32(size)}
	count := min(int(args.Count), candm.MaxClients)
	i := int(min(args.First, uint32(size)))
	for ; i < size && len(page.Clients) < count; i++ {
		if i >= len(l.records) {
			i = size
			break
		}
		r := &l.records[i]
		c := candm.Client{
			Address: candm.IP(r.addr),
			NTPHits: r.hits[NTP], NKEHits: r.hits[NTS], CmdHits: r.hits[Command],
			NTPDrops: r.drops[NTP], NKEDrops: r.drops[NTS], CmdDrops: r.drops[Command],
			NTPInterval: interval(r.rate[NTP]), NKEInterval: interval(r.rate[NTS]),
			CmdInterval: interval(r.rate[Command]), TimeoutInterval: interval(r.timeout),
			LastNTP: Ago(now, r.last[NTP]), LastNKE: Ago(now, r.last[NTS]), LastCmd: Ago(now, r.last[Command]),
		}
		least := args.MinHits
		if least > 0 && c.NTPHits < least && c.NKEHits < least && c.CmdHits < least {
			continue
		}
		page.Clients = append(page.Clients, c)
		if args.Reset != 0 {
			r.hits, r.drops = [services]uint32{}, [services]uint32{}
		}
	}
	page.Next = uint32(i)
	return page
}

// Stats returns the report of chronyc serverstats.
func (l *Log) Stats() *candm.ServerStats {
	held, span := l.Answers.held()
	return &candm.ServerStats{
		Timestamps: held, TimestampSpan: span,
		NKEHits: l.Hits[NTS], NKEDrops: l.drops[NTS],
		NTPHits: l.Hits[NTP], CmdHits: l.Hits[Command],
		NTPDrops: l.drops[NTP], CmdDrops: l.drops[Command],
		LogDrops: l.recordDrops, AuthHits: l.Authenticated, InterleavedHits: l.Interleaved,
	}
}

// Slewed moves the times when the clock is stepped.
func (l *Log) Slewed(when time.Time, dfreq, doffset float64) {
	l.Answers.forget()
	for i := range l.records {
		for s := range l.records[i].last {
			if t := &l.records[i].last[s]; !t.IsZero() {
				*t, _ = measure.Adjusted(*t, when, dfreq, doffset)
			}
		}
	}
}
