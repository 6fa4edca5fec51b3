package chrony

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"enshu/sim/wire/candm"
)

// service is what a client asks for.
type service int

const (
	serviceNTP service = iota
	serviceNTS
	serviceCommand
	services
)

// clientRecord is what the server remembers of a client address.
type clientRecord struct {
	addr     netip.Addr
	hits     [services]uint32
	drops    [services]uint32
	last     [services]time.Time // zero: never
	rate     [services]int8      // average log2 interval in units of 1/rateScale; noRate when unknown
	timeout  int8                // the same while requests are dropped
	dropping bool
	tokens   [services]float64
	reported bool // the trace has an event of its first answer
}

const (
	rateScale = 4
	noRate    = -128
	// slotRecords is how many records a slot of the table has; the table grows in
	// powers of two.
	slotRecords = 16
	recordBytes = 56
)

// clientLog is the table of clients (chrony.conf(5) clientloglimit), with the
// rate limits of the services.
type clientLog struct {
	off    bool
	limits [services]ratelimitConfig
	most   int // records

	index   map[netip.Addr]int
	records []clientRecord

	hits, drops   [services]uint32
	recordDrops   uint32
	authenticated uint32
	interleaved   uint32
	answers       interleaver
}

func newClientLog(c *config) *clientLog {
	l := &clientLog{off: c.noClientLog, index: map[netip.Addr]int{}}
	l.limits[serviceNTP], l.limits[serviceCommand] = c.ratelimit, c.cmdRatelimit
	l.most = slotRecords
	for uint64(l.most*2*recordBytes) <= c.clientLogLimit && l.most < 1<<20 {
		l.most *= 2
	}
	if !l.off {
		l.answers = newInterleaver(l.most)
	}
	return l
}

// get returns the record of an address, a new one when needed; nil when the
// log is off.
func (l *clientLog) get(a netip.Addr) *clientRecord {
	if l.off {
		return nil
	}
	if i, ok := l.index[a]; ok {
		return &l.records[i]
	}
	fresh := clientRecord{addr: a, rate: [services]int8{noRate, noRate, noRate}, timeout: noRate}
	for s := range services {
		fresh.tokens[s] = float64(l.limits[s].burst)
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

func (r *clientRecord) seen() time.Time {
	t := r.last[0]
	for _, o := range r.last[1:] {
		if o.After(t) {
			t = o
		}
	}
	return t
}

// hit counts a request at a time and reports whether it is to be dropped by
// the rate limit.
func (l *clientLog) hit(s service, a netip.Addr, now time.Time, r *rand.Rand) (rec *clientRecord, drop bool) {
	l.hits[s]++
	rec = l.get(a)
	if rec == nil {
		return nil, false
	}
	rec.hits[s]++
	limit := &l.limits[s]
	interval := math.Ldexp(1, min(max(limit.interval, -19), 12))
	most := float64(min(max(limit.burst, 1), 255))
	if !rec.last[s].IsZero() {
		ago := now.Sub(rec.last[s]).Seconds()
		rec.tokens[s] = min(rec.tokens[s]+max(ago, 0)/interval, most)
		rec.count(s, ago)
	}
	rec.last[s] = now
	if !limit.enabled {
		return rec, false
	}
	if rec.tokens[s] >= 1 {
		rec.tokens[s]--
		rec.dropping = false
		return rec, false
	}
	// One of 2^leak requests is answered all the same, so that nobody can be shut
	// out by requests sent in his name.
	if leak := min(max(limit.leak, 1), 4); r.UintN(1<<leak) == 0 {
		return rec, false
	}
	rec.drops[s]++
	rec.dropping = true
	l.drops[s]++
	return rec, true
}

// count takes an interval into the average.
func (r *clientRecord) count(s service, ago float64) {
	rate := &r.rate[s]
	if s == serviceNTP && r.dropping {
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

func ago(now, then time.Time) uint32 {
	if then.IsZero() {
		return candm.Never
	}
	return uint32(min(max(now.Sub(then).Seconds(), 0), math.MaxUint32-1))
}

// page returns records from an index on for chronyc clients.
func (l *clientLog) page(args *candm.ClientsArgs, now time.Time) *candm.Clients {
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
			NTPHits: r.hits[serviceNTP], NKEHits: r.hits[serviceNTS], CmdHits: r.hits[serviceCommand],
			NTPDrops: r.drops[serviceNTP], NKEDrops: r.drops[serviceNTS], CmdDrops: r.drops[serviceCommand],
			NTPInterval: interval(r.rate[serviceNTP]), NKEInterval: interval(r.rate[serviceNTS]),
			CmdInterval: interval(r.rate[serviceCommand]), TimeoutInterval: interval(r.timeout),
			LastNTP: ago(now, r.last[serviceNTP]), LastNKE: ago(now, r.last[serviceNTS]), LastCmd: ago(now, r.last[serviceCommand]),
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

func (l *clientLog) stats() *candm.ServerStats {
	held, span := l.answers.held()
	return &candm.ServerStats{
		Timestamps: held, TimestampSpan: span,
		NTPHits: l.hits[serviceNTP], CmdHits: l.hits[serviceCommand],
		NTPDrops: l.drops[serviceNTP], CmdDrops: l.drops[serviceCommand],
		LogDrops: l.recordDrops, AuthHits: l.authenticated, InterleavedHits: l.interleaved,
	}
}

// slewed moves the times when the clock is stepped.
func (l *clientLog) slewed(when time.Time, dfreq, doffset float64) {
	l.answers.forget()
	for i := range l.records {
		for s := range l.records[i].last {
			if t := &l.records[i].last[s]; !t.IsZero() {
				*t, _ = adjusted(*t, when, dfreq, doffset)
			}
		}
	}
}
