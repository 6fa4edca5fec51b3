package candm

import "time"

// Mask is the data of online and offline: sources in a subnet, all of them
// when both are unset.
type Mask struct{ Mask, Address Address }

func (r *Mask) fields(c *codec) { c.addr(&r.Mask); c.addr(&r.Address) }

// BurstArgs is the data of burst.
type BurstArgs struct {
	Mask, Address Address
	Good, Total   int32
}

func (r *BurstArgs) fields(c *codec) {
	c.addr(&r.Mask)
	c.addr(&r.Address)
	c.i32(&r.Good)
	c.i32(&r.Total)
}

// Source names one source or host.
type Source struct{ Address Address }

func (r *Source) fields(c *codec) { c.addr(&r.Address) }

// SourceInt is a setting of a source, or a subnet and its bits.
type SourceInt struct {
	Address Address
	Value   int32
}

func (r *SourceInt) fields(c *codec) { c.addr(&r.Address); c.i32(&r.Value) }

// SourceFloat is a setting of a source.
type SourceFloat struct {
	Address Address
	Value   float64
}

func (r *SourceFloat) fields(c *codec) { c.addr(&r.Address); c.float(&r.Value) }

// Int is one number: manual's option, an index of manual delete, smoothtime's option.
type Int struct{ Value int32 }

func (r *Int) fields(c *codec) { c.i32(&r.Value) }

// Index is the number of a source.
type Index struct{ Value uint32 }

func (r *Index) fields(c *codec) { c.u32(&r.Value) }

// Float is one number.
type Float struct{ Value float64 }

func (r *Float) fields(c *codec) { c.float(&r.Value) }

// Timestamp is the data of settime.
type Timestamp struct{ Time time.Time }

func (r *Timestamp) fields(c *codec) { c.time(&r.Time) }

// MakeStepArgs is the data of makestep with arguments.
type MakeStepArgs struct {
	Limit     int32
	Threshold float64
}

func (r *MakeStepArgs) fields(c *codec) { c.i32(&r.Limit); c.float(&r.Threshold) }

// LocalArgs is the data of local.
type LocalArgs struct {
	On       int32
	Stratum  int32
	Distance float64
	Orphan   int32
}

func (r *LocalArgs) fields(c *codec) {
	c.i32(&r.On)
	c.i32(&r.Stratum)
	c.float(&r.Distance)
	c.i32(&r.Orphan)
}

// ClientsArgs is the data of clients.
type ClientsArgs struct{ First, Count, MinHits, Reset uint32 }

func (r *ClientsArgs) fields(c *codec) {
	c.u32(&r.First)
	c.u32(&r.Count)
	c.u32(&r.MinHits)
	c.u32(&r.Reset)
}

// Kinds of a new source.
const (
	NewServer = 1
	NewPeer   = 2
	NewPool   = 3
)

// Flags of a new source.
const (
	FlagOnline      = 0x1
	FlagAutoOffline = 0x2
	FlagIburst      = 0x4
	FlagPrefer      = 0x8
	FlagNoselect    = 0x10
	FlagTrust       = 0x20
	FlagRequire     = 0x40
	FlagInterleaved = 0x80
	FlagBurst       = 0x100
	FlagNTS         = 0x200
	FlagCopy        = 0x400
	FlagExtField    = 0x800
)

// NewSource is the data of add source.
type NewSource struct {
	Kind                                      uint32
	Name                                      string
	Port                                      uint32
	MinPoll, MaxPoll, PresendMinPoll          int32
	MinStratum, PollTarget                    uint32
	NTPVersion                                uint32
	MaxSources                                uint32
	MinSamples, MaxSamples                    int32
	Key                                       uint32
	NTSPort                                   uint32
	MaxDelay, MaxDelayRatio, MaxDelayDevRatio float64
	MinDelay, Asymmetry, Offset               float64
	Flags                                     uint32
	Filter                                    int32
	CertSet                                   uint32
	MaxDelayQuant                             float64
}

func (r *NewSource) fields(c *codec) {
	c.u32(&r.Kind)
	c.text(&r.Name)
	c.u32(&r.Port)
	c.i32(&r.MinPoll)
	c.i32(&r.MaxPoll)
	c.i32(&r.PresendMinPoll)
	c.u32(&r.MinStratum)
	c.u32(&r.PollTarget)
	c.u32(&r.NTPVersion)
	c.u32(&r.MaxSources)
	c.i32(&r.MinSamples)
	c.i32(&r.MaxSamples)
	c.u32(&r.Key)
	c.u32(&r.NTSPort)
	c.float(&r.MaxDelay)
	c.float(&r.MaxDelayRatio)
	c.float(&r.MaxDelayDevRatio)
	c.float(&r.MinDelay)
	c.float(&r.Asymmetry)
	c.float(&r.Offset)
	c.u32(&r.Flags)
	c.i32(&r.Filter)
	c.u32(&r.CertSet)
	c.float(&r.MaxDelayQuant)
	c.pad(4)
}
