package chrony

import "net/netip"

// config is what chrony.conf(5) says. Lengths of time are in seconds unless
// the name of the directive's unit is given.
type config struct {
	sources    []sourceConfig
	sourceDirs []string
	refclocks  []refclockConfig
	initSlew   initSlewConfig

	bindNTP, bindAcq, bindCmd [2]netip.Addr // IPv4, IPv6; not valid is the default
	cmdSocket                 string        // "" is none
	port, cmdPort, acqPort    int           // acqPort -1 is an ephemeral port each

	allow, cmdAllow []accessRule
	ratelimit       ratelimitConfig
	cmdRatelimit    ratelimitConfig
	noClientLog     bool
	clientLogLimit  uint64 // bytes

	local     localReference
	makestep  makestep
	maxchange maxchange

	maxSlewRate, maxDrift, maxUpdateSkew, maxClockError float64 // ppm
	maxDistance, maxJitter, reselectDist                float64
	stratumWeight, combineLimit, corrTimeRatio          float64
	minSources, minSamples, maxSamples                  int
	precision                                           float64 // of the clock; 0 is the default
	fallbackDrift                                       [2]int
	leapMode                                            string
	leapZone                                            string
	rtcSync                                             bool
	manual                                              bool
	authSelect                                          string
	smooth                                              smoothConfig

	driftFile, keyFile, dumpDir, logDir, pidFile, rtcFile, rtcDevice, user string
	ntpSigndSocket                                                         string
	ntsKeys, ntsCerts                                                      []string
	tempcomp                                                               tempcompConfig
	dumpOnExit, lockAll                                                    bool
	logs                                                                   map[string]bool
	logBanner                                                              int
	logChange                                                              float64
	mailUser                                                               string
	hwTimestamp                                                            []hwTimestampConfig
	bindCmdDevice                                                          string
}

// sourceKind is the directive of a source.
type sourceKind int

const (
	kindServer sourceKind = iota
	kindPeer
	kindPool
)

// sourceConfig is a server, peer or pool directive.
type sourceConfig struct {
	kind               sourceKind
	name               string
	port               int
	minPoll, maxPoll   int
	presend            int // minpoll for presend; noPresend is off
	minStratum         int
	pollTarget         int
	version            int // 0 chooses
	maxSources         int
	minSamples         int // -1 is the global one
	maxSamples         int
	key                uint32 // 0 is none
	ntsPort            int
	maxDelay           float64
	maxDelayRatio      float64
	maxDelayDevRatio   float64
	maxDelayQuant      float64
	minDelay           float64
	asymmetry          float64
	offset             float64
	filter             int
	certSet            uint32
	extField           bool
	iburst, burst      bool
	offline            bool
	autoOffline        bool
	xleave, nts, copy_ bool
	options            uint16 // candm.OptNoselect …
}

const (
	noPresend     = 100
	minPollLimit  = -7
	maxPollLimit  = 24
	maxPoolSource = 16
)

// defaultSource has the defaults of chrony.conf(5).
func defaultSource() sourceConfig {
	return sourceConfig{
		port: 123, minPoll: 6, maxPoll: 10, presend: noPresend, pollTarget: 8, maxSources: 4, minSamples: -1, maxSamples: -1,
		ntsPort: 4460, maxDelay: 3, maxDelayDevRatio: 10, asymmetry: 1,
	}
}

// refclockConfig is a refclock directive.
type refclockConfig struct {
	driver, parameter        string
	refid, lock              string
	poll, dpoll              int
	filter, rate             int
	minSamples, maxSamples   int
	maxLockAge               int // pulses
	pulseWidth               float64
	pps, tai, local          bool
	offset, delay, precision float64
	maxDispersion            float64
	stratum                  int
	options                  uint16
}

type initSlewConfig struct {
	threshold float64
	servers   []netip.Addr
}

type ratelimitConfig struct {
	enabled               bool
	interval, burst, leak int
}

type smoothConfig struct {
	enabled, leapOnly  bool
	maxFreq, maxWander float64 // ppm, ppm a second
}

// tempcompConfig is tempcomp: a file with the temperature of the crystal, how
// often it is read, and the compensation as a polynomial (t0, k0, k1, k2) or as
// a file of points.
type tempcompConfig struct {
	file, pointFile string
	interval        float64 // seconds
	t0k             [4]float64
}

type hwTimestampConfig struct{ iface string }

// makestep is the directive: offsets over threshold are stepped in the first
// limit updates; a negative limit is no limit.
type makestep struct {
	threshold float64
	limit     int
}

// maxchange is the directive: after the first delay updates an offset over max
// is not corrected; that may be ignored that many times, then chronyd exits.
type maxchange struct {
	max    float64
	delay  int
	ignore int
}

// localReference is the directive local.
type localReference struct {
	enabled  bool
	stratum  int
	distance float64
	orphan   bool
}

// accessRule is an allow or deny directive.
type accessRule struct {
	allow, all bool
	addr       netip.Addr // not valid: all addresses of both families
	bits       int
}

func defaultConfig() *config {
	return &config{
		cmdSocket: "/run/chrony/chronyd.sock", port: 123, cmdPort: 323, acqPort: -1,
		ratelimit:      ratelimitConfig{interval: 3, burst: 8, leak: 2},
		cmdRatelimit:   ratelimitConfig{interval: -4, burst: 8, leak: 2},
		clientLogLimit: 524288,
		local:          localReference{stratum: 10, distance: 1},
		maxchange:      maxchange{delay: -1},
		maxSlewRate:    83333.333, maxDrift: 500000, maxUpdateSkew: 1000, maxClockError: 1,
		maxDistance: 3, maxJitter: 1, reselectDist: 1e-4, stratumWeight: 1e-3, combineLimit: 3, corrTimeRatio: 3,
		minSources: 1, minSamples: 6, maxSamples: 0,
		leapMode: "system", authSelect: "mix",
		pidFile: "/run/chrony/chronyd.pid", rtcDevice: "/dev/rtc", user: "chrony",
		logs: map[string]bool{}, logBanner: 32, logChange: 1,
	}
}

// family returns the index of an address's family in a pair.
func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}
