// Package conf is chrony.conf(5): what it may say, its defaults, and the parser
// with chronyd's messages; also the key file and the grammar of words and numbers
// that chronyc's arguments share. Values in, values out.
package conf

import "net/netip"

// Config is what chrony.conf(5) says. Lengths of time are in seconds unless
// the name of the directive's unit is given.
type Config struct {
	Sources    []Source
	SourceDirs []string
	Refclocks  []Refclock
	InitSlew   InitSlew

	BindNTP, BindAcq, BindCmd [2]netip.Addr // IPv4, IPv6; not valid is the default
	CmdSocket                 string        // "" is none
	Port, CmdPort, AcqPort    int           // acqPort -1 is an ephemeral port each

	Allow, CmdAllow []AccessRule
	RateLimit       RateLimit
	CmdRateLimit    RateLimit
	NTSRateLimit    RateLimit
	NoClientLog     bool
	ClientLogLimit  uint64 // bytes

	Local     Local
	Makestep  Makestep
	MaxChange MaxChange

	MaxSlewRate, MaxDrift, MaxUpdateSkew, MaxClockError float64 // ppm
	MaxDistance, MaxJitter, ReselectDist                float64
	StratumWeight, CombineLimit, CorrTimeRatio          float64
	MinSources, MinSamples, MaxSamples                  int
	Precision                                           float64 // of the clock; 0 is the default
	FallbackDrift                                       [2]int
	LeapMode                                            string
	LeapZone                                            string
	RTCSync, RTCOnUTC                                   bool
	RTCAutotrim                                         float64 // seconds; 0 is never
	HwclockFile                                         string  // whose third line says what the RTC keeps
	Manual                                              bool
	AuthSelect                                          string
	Smooth                                              Smooth

	DriftFile, KeyFile, DumpDir, LogDir, PIDFile, RTCFile, RTCDevice, User string
	NTPSigndSocket                                                         string
	NTS                                                                    NTS
	TempComp                                                               TempComp
	DumpOnExit, LockAll                                                    bool
	Logs                                                                   map[string]bool
	LogBanner                                                              int
	LogChange                                                              float64
	MailUser                                                               string  // mailonchange: who is told
	MailThreshold                                                          float64 // of corrections of more seconds
	SchedPriority                                                          int
	HWTimestamp                                                            []HWTimestamp
	BindCmdDevice                                                          string
}

// SourceKind is the directive of a source.
type SourceKind int

const (
	Server SourceKind = iota // asked for the time
	Peer                     // asked and answered, symmetric
	Pool                     // a name with many servers
)

// Source is a server, peer or pool directive.
type Source struct {
	Kind              SourceKind
	Name              string
	Port              int
	MinPoll, MaxPoll  int
	Presend           int // minpoll for presend; noPresend is off
	MinStratum        int
	PollTarget        int
	Version           int // 0 chooses
	MaxSources        int
	MinSamples        int // -1 is the global one
	MaxSamples        int
	Key               uint32 // 0 is none
	NTSPort           int
	MaxDelay          float64
	MaxDelayRatio     float64
	MaxDelayDevRatio  float64
	MaxDelayQuant     float64
	MinDelay          float64
	Asymmetry         float64
	Offset            float64
	Filter            int
	CertSet           uint32
	ExtField          bool
	Iburst, Burst     bool
	Offline           bool
	AutoOffline       bool
	Xleave, NTS, Copy bool
	Options           uint16 // candm.OptNoselect …
}

const (
	MinPoll       = -7 // least polling interval, log2 s
	MaxPoll       = 24 // and the longest
	noPresend     = 100
	maxPoolSource = 16
)

// DefaultSource has the defaults of chrony.conf(5).
func DefaultSource() Source {
	return Source{
		Port: 123, MinPoll: 6, MaxPoll: 10, Presend: noPresend, PollTarget: 8, MaxSources: 4, MinSamples: -1, MaxSamples: -1,
		NTSPort: 4460, MaxDelay: 3, MaxDelayDevRatio: 10, Asymmetry: 1,
	}
}

// Refclock is a refclock directive.
type Refclock struct {
	Driver, Parameter        string
	RefID, Lock              string
	Poll, Dpoll              int
	Filter, Rate             int
	MinSamples, MaxSamples   int
	MaxLockAge               int // pulses
	PulseWidth               float64
	PPS, TAI, Local          bool
	Offset, Delay, Precision float64
	MaxDispersion            float64
	Stratum                  int
	Options                  uint16
}

// InitSlew is initstepslew: the servers against which the clock is set at the
// start, and the offset in seconds from which on it is stepped.
type InitSlew struct {
	Threshold float64
	Servers   []netip.Addr
}

// RateLimit is ratelimit and its kin: Interval is log2 seconds a request, Burst
// how many may come at once, and one of 2^Leak is answered all the same.
type RateLimit struct {
	Enabled               bool
	Interval, Burst, Leak int
}

// Smooth is smoothtime.
type Smooth struct {
	Enabled, LeapOnly  bool
	MaxFreq, MaxWander float64 // ppm, ppm a second
}

// TempComp is tempcomp: a file with the temperature of the crystal, how
// often it is read, and the compensation as a polynomial (t0, k0, k1, k2) or as
// a file of points.
type TempComp struct {
	File, PointFile string
	Interval        float64 // seconds
	T0k             [4]float64
}

// HWTimestamp is hwtimestamp: an interface, "*" for all that can.
type HWTimestamp struct{ Interface string }

// Makestep is the directive: offsets over threshold are stepped in the first
// limit updates; a negative limit is no limit.
type Makestep struct {
	Threshold float64
	Limit     int
}

// MaxChange is the directive: after the first delay updates an offset over max
// is not corrected; that may be ignored that many times, then chronyd exits.
type MaxChange struct {
	Max    float64
	Delay  int
	Ignore int
}

// Local is the directive local.
type Local struct {
	Enabled  bool
	Stratum  int
	Distance float64
	Orphan   bool
}

// AccessRule is an allow or deny directive.
type AccessRule struct {
	Allow, All bool
	Addr       netip.Addr // not valid: all addresses of both families
	Bits       int
}

// NTS is what the directives of Network Time Security say.
type NTS struct {
	Keys, Certs     []string      // files of the server, in pairs
	Port            int           // of the server's key establishment
	NTPServer       string        // whom its clients are to ask instead
	MaxConnections  int           // at one time
	Rotate          int           // life of a server's key, seconds; 0 is for ever
	DumpDir         string        // where the server's keys are kept
	Refresh         int           // life of a client's keys, seconds
	Trusted         []TrustedCert // whom clients believe
	NoSystemCert    bool          // not those whom the system believes
	NoCertTimeCheck int           // updates of the clock without a look at the dates of certificates
}

// TrustedCert is a file, or a directory of files, of ntstrustedcerts.
type TrustedCert struct {
	Set  uint32
	Path string
}

func defaultConfig() *Config {
	return &Config{
		CmdSocket: "/run/chrony/chronyd.sock", Port: 123, CmdPort: 323, AcqPort: -1,
		RateLimit:      RateLimit{Interval: 3, Burst: 8, Leak: 2},
		CmdRateLimit:   RateLimit{Interval: -4, Burst: 8, Leak: 2},
		ClientLogLimit: 524288,
		Local:          Local{Stratum: 10, Distance: 1},
		MaxChange:      MaxChange{Delay: -1},
		MaxSlewRate:    83333.333, MaxDrift: 500000, MaxUpdateSkew: 1000, MaxClockError: 1,
		MaxDistance: 3, MaxJitter: 1, ReselectDist: 1e-4, StratumWeight: 1e-3, CombineLimit: 3, CorrTimeRatio: 3,
		MinSources: 1, MinSamples: 6, MaxSamples: 0,
		NTS:      NTS{Port: 4460, MaxConnections: 100, Rotate: 604800, Refresh: 2419200},
		LeapMode: "system", AuthSelect: "mix",
		PIDFile: "/run/chrony/chronyd.pid", RTCDevice: "/dev/rtc", HwclockFile: "/etc/adjtime", User: "chrony",
		Logs: map[string]bool{}, LogBanner: 32, LogChange: 1,
	}
}

// Family returns the index of an address's family in a pair.
func Family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}
