package candm

import "time"

// ReplyType says what data a reply carries.
type ReplyType uint16

// The types of replies.
const (
	NullReply        ReplyType = 1
	NSourcesReply    ReplyType = 2
	SourceDataReply  ReplyType = 3
	TrackingReply    ReplyType = 5
	SourceStatsReply ReplyType = 6
	RTCReply         ReplyType = 7
	ActivityReply    ReplyType = 12
	SmoothingReply   ReplyType = 13
	NTPDataReply     ReplyType = 16
	SetTimeReply     ReplyType = 17
	ManualListReply  ReplyType = 18
	SourceNameReply  ReplyType = 19
	AuthDataReply    ReplyType = 20
	ClientsReply     ReplyType = 21
	SelectDataReply  ReplyType = 23
	ServerStatsReply ReplyType = 24
)

var replies = map[ReplyType]func() Body{
	NullReply:        nil,
	NSourcesReply:    of[Index](),
	SourceDataReply:  of[SourceData](),
	TrackingReply:    of[Tracking](),
	SourceStatsReply: of[SourceStats](),
	RTCReply:         of[RTC](),
	ActivityReply:    of[Activity](),
	SmoothingReply:   of[Smoothing](),
	NTPDataReply:     of[NTPData](),
	SetTimeReply:     of[SetTimeResult](),
	ManualListReply:  of[ManualList](),
	SourceNameReply:  of[SourceName](),
	AuthDataReply:    of[AuthData](),
	ClientsReply:     of[Clients](),
	SelectDataReply:  of[SelectData](),
	ServerStatsReply: of[ServerStats](),
}

// Never is the number of seconds that stands for "it did not happen yet".
const Never = 0xffffffff

// States of a source.
const (
	StateSelected      = 0
	StateNonSelectable = 1
	StateFalseticker   = 2
	StateJittery       = 3
	StateCombined      = 4
	StateSelectable    = 5
)

// Modes of a source.
const (
	ModeClient   = 0
	ModePeer     = 1
	ModeRefclock = 2
)

// SourceData is a line of chronyc sources.
type SourceData struct {
	Address                   Address
	Poll                      int16
	Stratum, State, Mode      uint16
	Flags, Reach              uint16
	SinceSample               uint32 // seconds, or Never
	Original, Adjusted, Error float64
}

func (r *SourceData) fields(c *codec) {
	c.addr(&r.Address)
	c.i16(&r.Poll)
	c.u16(&r.Stratum)
	c.u16(&r.State)
	c.u16(&r.Mode)
	c.u16(&r.Flags)
	c.u16(&r.Reach)
	c.u32(&r.SinceSample)
	c.float(&r.Original)
	c.float(&r.Adjusted)
	c.float(&r.Error)
}

// Tracking is what chronyc tracking shows. Frequencies are in ppm, the rest
// in seconds.
type Tracking struct {
	RefID                             uint32
	Address                           Address
	Stratum, Leap                     uint16
	RefTime                           time.Time
	Correction, LastOffset, RMSOffset float64
	Frequency, ResidualFreq, Skew     float64
	RootDelay, RootDispersion         float64
	UpdateInterval                    float64
}

func (r *Tracking) fields(c *codec) {
	c.u32(&r.RefID)
	c.addr(&r.Address)
	c.u16(&r.Stratum)
	c.u16(&r.Leap)
	c.time(&r.RefTime)
	for _, f := range []*float64{&r.Correction, &r.LastOffset, &r.RMSOffset, &r.Frequency, &r.ResidualFreq,
		&r.Skew, &r.RootDelay, &r.RootDispersion, &r.UpdateInterval} {
		c.float(f)
	}
}

// SourceStats is a line of chronyc sourcestats. Frequencies are in ppm.
type SourceStats struct {
	RefID                      uint32
	Address                    Address
	Samples, Runs, Span        uint32
	StdDev, ResidualFreq, Skew float64
	Offset, OffsetError        float64
}

func (r *SourceStats) fields(c *codec) {
	c.u32(&r.RefID)
	c.addr(&r.Address)
	c.u32(&r.Samples)
	c.u32(&r.Runs)
	c.u32(&r.Span)
	for _, f := range []*float64{&r.StdDev, &r.ResidualFreq, &r.Skew, &r.Offset, &r.OffsetError} {
		c.float(f)
	}
}

// RTC is what chronyc rtcdata shows.
type RTC struct {
	RefTime              time.Time
	Samples, Runs        uint16
	Span                 uint32
	SecondsFast, GainPPM float64
}

func (r *RTC) fields(c *codec) {
	c.time(&r.RefTime)
	c.u16(&r.Samples)
	c.u16(&r.Runs)
	c.u32(&r.Span)
	c.float(&r.SecondsFast)
	c.float(&r.GainPPM)
}

// Activity counts sources by state.
type Activity struct{ Online, Offline, BurstOnline, BurstOffline, Unresolved uint32 }

func (r *Activity) fields(c *codec) {
	c.u32(&r.Online)
	c.u32(&r.Offline)
	c.u32(&r.BurstOnline)
	c.u32(&r.BurstOffline)
	c.u32(&r.Unresolved)
}

// Flags of Smoothing.
const (
	SmoothingActive   = 1
	SmoothingLeapOnly = 2
)

// Smoothing is what chronyc smoothing shows.
type Smoothing struct {
	Flags                                             uint32
	Offset, FreqPPM, WanderPPM, LastUpdate, Remaining float64
}

func (r *Smoothing) fields(c *codec) {
	c.u32(&r.Flags)
	for _, f := range []*float64{&r.Offset, &r.FreqPPM, &r.WanderPPM, &r.LastUpdate, &r.Remaining} {
		c.float(f)
	}
}

// Flags of NTPData.
const (
	TestsMask     = 0x3ff
	FlagXleave    = 0x4000
	FlagAuthentic = 0x8000
)

// NTPData is what chronyc ntpdata shows of the last valid measurement.
type NTPData struct {
	Remote, Local                     Address
	Port                              uint16
	Leap, Version, Mode, Stratum      uint8
	Poll, Precision                   int8
	RootDelay, RootDispersion         float64
	RefID                             uint32
	RefTime                           time.Time
	Offset, PeerDelay, PeerDispersion float64
	ResponseTime, JitterAsymmetry     float64
	Flags                             uint16
	TXSource, RXSource                uint8
	Sent, Received, Valid, Good       uint32
}

func (r *NTPData) fields(c *codec) {
	c.addr(&r.Remote)
	c.addr(&r.Local)
	c.u16(&r.Port)
	c.u8(&r.Leap)
	c.u8(&r.Version)
	c.u8(&r.Mode)
	c.u8(&r.Stratum)
	c.i8(&r.Poll)
	c.i8(&r.Precision)
	c.float(&r.RootDelay)
	c.float(&r.RootDispersion)
	c.u32(&r.RefID)
	c.time(&r.RefTime)
	for _, f := range []*float64{&r.Offset, &r.PeerDelay, &r.PeerDispersion, &r.ResponseTime, &r.JitterAsymmetry} {
		c.float(f)
	}
	c.u16(&r.Flags)
	c.u8(&r.TXSource)
	c.u8(&r.RXSource)
	c.u32(&r.Sent)
	c.u32(&r.Received)
	c.u32(&r.Valid)
	c.u32(&r.Good)
	c.reserved(12)
}

// SetTimeResult is what chronyc settime shows.
type SetTimeResult struct{ Offset, FreqChange, NewFreq float64 }

func (r *SetTimeResult) fields(c *codec) {
	c.float(&r.Offset)
	c.float(&r.FreqChange)
	c.float(&r.NewFreq)
}

// maxManual is how many records a ManualList carries.
const maxManual = 16

// ManualSample is one settime entry.
type ManualSample struct {
	When                       time.Time
	Slewed, Original, Residual float64
}

// ManualList is what chronyc manual list shows.
type ManualList struct{ Samples []ManualSample }

func (r *ManualList) fields(c *codec) {
	n := uint32(min(len(r.Samples), maxManual))
	c.u32(&n)
	all := make([]ManualSample, maxManual)
	copy(all, r.Samples)
	for i := range all {
		s := &all[i]
		if c.write && i >= int(n) {
			c.pad(24)
			continue
		}
		c.time(&s.When)
		c.float(&s.Slewed)
		c.float(&s.Original)
		c.float(&s.Residual)
	}
	r.Samples = all[:min(n, maxManual)]
}

// SourceName is the configured name of a source.
type SourceName struct{ Name string }

func (r *SourceName) fields(c *codec) { c.text(&r.Name) }

// Modes of AuthData.
const (
	AuthNone      = 0
	AuthSymmetric = 1
	AuthNTS       = 2
)

// AuthData is what chronyc authdata shows.
type AuthData struct {
	Mode, KeyType              uint16
	KeyID                      uint32
	KeyLength, Attempts        uint16
	LastAttempt                uint32
	Cookies, CookieLength, NAK uint16
}

func (r *AuthData) fields(c *codec) {
	c.u16(&r.Mode)
	c.u16(&r.KeyType)
	c.u32(&r.KeyID)
	c.u16(&r.KeyLength)
	c.u16(&r.Attempts)
	c.u32(&r.LastAttempt)
	c.u16(&r.Cookies)
	c.u16(&r.CookieLength)
	c.u16(&r.NAK)
	c.pad(2)
}

// MaxClients is how many records a Clients reply carries.
const MaxClients = 8

// NoInterval is a log2 interval that is not known.
const NoInterval = 127

// Client is one record of the client log.
type Client struct {
	Address                                                 Address
	NTPHits, NKEHits, CmdHits, NTPDrops, NKEDrops, CmdDrops uint32
	NTPInterval, NKEInterval, CmdInterval, TimeoutInterval  int8
	LastNTP, LastNKE, LastCmd                               uint32
}

func (r *Client) fields(c *codec) {
	c.addr(&r.Address)
	for _, v := range []*uint32{&r.NTPHits, &r.NKEHits, &r.CmdHits, &r.NTPDrops, &r.NKEDrops, &r.CmdDrops} {
		c.u32(v)
	}
	for _, v := range []*int8{&r.NTPInterval, &r.NKEInterval, &r.CmdInterval, &r.TimeoutInterval} {
		c.i8(v)
	}
	c.u32(&r.LastNTP)
	c.u32(&r.LastNKE)
	c.u32(&r.LastCmd)
}

// Clients is a page of the client log.
type Clients struct {
	Indices, Next uint32
	Clients       []Client
}

func (r *Clients) fields(c *codec) {
	n := uint32(min(len(r.Clients), MaxClients))
	c.u32(&r.Indices)
	c.u32(&r.Next)
	c.u32(&n)
	all := make([]Client, MaxClients)
	copy(all, r.Clients)
	for i := range all {
		if c.write && i >= int(n) {
			c.pad(60)
			continue
		}
		all[i].fields(c)
	}
	r.Clients = all[:min(n, MaxClients)]
}

// Options of SelectData.
const (
	OptNoselect = 1
	OptPrefer   = 2
	OptTrust    = 4
	OptRequire  = 8
)

// OptionLetters shows selection options in five columns, as chronyc selectdata
// and the selection log do.
func OptionLetters(o uint16) string {
	b := []byte("-----")
	for i, c := range "NPTR" {
		if o>>i&1 != 0 {
			b[i] = byte(c)
		}
	}
	return string(b)
}

// SelectData is a line of chronyc selectdata.
type SelectData struct {
	RefID                      uint32
	Address                    Address
	State, Authenticated, Leap uint8
	Configured, Effective      uint16
	LastSample                 uint32
	Score, Low, High           float64
}

func (r *SelectData) fields(c *codec) {
	c.u32(&r.RefID)
	c.addr(&r.Address)
	c.u8(&r.State)
	c.u8(&r.Authenticated)
	c.u8(&r.Leap)
	c.pad(1)
	c.u16(&r.Configured)
	c.u16(&r.Effective)
	c.u32(&r.LastSample)
	c.float(&r.Score)
	c.float(&r.Low)
	c.float(&r.High)
}

// ServerStats is what chronyc serverstats shows.
type ServerStats struct {
	NTPHits, NKEHits, CmdHits, NTPDrops, NKEDrops, CmdDrops uint32
	LogDrops, AuthHits, InterleavedHits                     uint32
	Timestamps, TimestampSpan                               uint32
}

func (r *ServerStats) fields(c *codec) {
	for _, v := range []*uint32{&r.NTPHits, &r.NKEHits, &r.CmdHits, &r.NTPDrops, &r.NKEDrops, &r.CmdDrops,
		&r.LogDrops, &r.AuthHits, &r.InterleavedHits, &r.Timestamps, &r.TimestampSpan} {
		c.u32(v)
	}
}
