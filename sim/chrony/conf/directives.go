package conf

import (
	"net/netip"
	"slices"
	"strings"
)

// directives returns the table of chrony.conf(5).
func directives() map[string]directive {
	return map[string]directive{
		"server":       sourceDirective(Server),
		"peer":         sourceDirective(Peer),
		"pool":         sourceDirective(Pool),
		"refclock":     {-1, (*Parser).readRefclock},
		"initstepslew": {-1, (*Parser).readInitSlew},
		"manual":       flagField(func(c *Config) *bool { return &c.Manual }),
		"sourcedir": {-1, func(p *Parser, args string) error {
			p.Conf.SourceDirs = append(p.Conf.SourceDirs, Words(args)...)
			return nil
		}},
		"include": {1, (*Parser).include},
		"confdir": {-1, (*Parser).readDirs},

		"makestep": {2, func(p *Parser, args string) error {
			threshold, rest, ok1 := ScanFloat(args)
			limit, _, ok2 := ScanInt(rest)
			if !ok1 || !ok2 {
				return p.unparsable()
			}
			p.Conf.Makestep = Makestep{threshold, limit}
			return nil
		}},
		"maxchange": {3, func(p *Parser, args string) error {
			most, rest, ok1 := ScanFloat(args)
			delay, rest, ok2 := ScanInt(rest)
			ignore, _, ok3 := ScanInt(rest)
			if !ok1 || !ok2 || !ok3 {
				return p.unparsable()
			}
			p.Conf.MaxChange = MaxChange{most, delay, ignore}
			return nil
		}},
		"maxslewrate":    floatField(func(c *Config) *float64 { return &c.MaxSlewRate }),
		"maxdrift":       floatField(func(c *Config) *float64 { return &c.MaxDrift }),
		"maxupdateskew":  floatField(func(c *Config) *float64 { return &c.MaxUpdateSkew }),
		"maxclockerror":  floatField(func(c *Config) *float64 { return &c.MaxClockError }),
		"maxdistance":    floatField(func(c *Config) *float64 { return &c.MaxDistance }),
		"maxjitter":      floatField(func(c *Config) *float64 { return &c.MaxJitter }),
		"reselectdist":   floatField(func(c *Config) *float64 { return &c.ReselectDist }),
		"stratumweight":  floatField(func(c *Config) *float64 { return &c.StratumWeight }),
		"combinelimit":   floatField(func(c *Config) *float64 { return &c.CombineLimit }),
		"corrtimeratio":  floatField(func(c *Config) *float64 { return &c.CorrTimeRatio }),
		"clockprecision": floatField(func(c *Config) *float64 { return &c.Precision }),
		"logchange":      floatField(func(c *Config) *float64 { return &c.LogChange }),
		"minsources":     intField(func(c *Config) *int { return &c.MinSources }),
		"minsamples":     intField(func(c *Config) *int { return &c.MinSamples }),
		"maxsamples":     intField(func(c *Config) *int { return &c.MaxSamples }),
		"port":           intField(func(c *Config) *int { return &c.Port }),
		"cmdport":        intField(func(c *Config) *int { return &c.CmdPort }),
		"acquisitionport": intField(func(c *Config) *int {
			return &c.AcqPort
		}),
		"logbanner": intField(func(c *Config) *int { return &c.LogBanner }),
		"fallbackdrift": {2, func(p *Parser, args string) error {
			least, rest, ok1 := ScanInt(args)
			most, _, ok2 := ScanInt(rest)
			if !ok1 || !ok2 {
				return p.unparsable()
			}
			p.Conf.FallbackDrift = [2]int{least, most}
			return nil
		}},
		"leapsecmode": wordField(func(c *Config) *string { return &c.LeapMode }, "system", "slew", "step", "ignore"),
		"leapsectz":   stringField(func(c *Config) *string { return &c.LeapZone }),
		"smoothtime":  {-1, (*Parser).readSmooth},
		"rtcsync":     flagField(func(c *Config) *bool { return &c.RTCSync }),
		"authselectmode": wordField(func(c *Config) *string { return &c.AuthSelect },
			"require", "prefer", "mix", "ignore"),
		"local": {-1, func(p *Parser, args string) error {
			l, ok := ParseLocal(args)
			if !ok {
				return p.unparsable()
			}
			p.Conf.Local = l
			return nil
		}},

		"allow":    accessDirective(func(c *Config) *[]AccessRule { return &c.Allow }, true),
		"deny":     accessDirective(func(c *Config) *[]AccessRule { return &c.Allow }, false),
		"cmdallow": accessDirective(func(c *Config) *[]AccessRule { return &c.CmdAllow }, true),
		"cmddeny":  accessDirective(func(c *Config) *[]AccessRule { return &c.CmdAllow }, false),

		"ratelimit":    ratelimitDirective(func(c *Config) *RateLimit { return &c.RateLimit }),
		"cmdratelimit": ratelimitDirective(func(c *Config) *RateLimit { return &c.CmdRateLimit }),
		"ntsratelimit": ratelimitDirective(func(c *Config) *RateLimit { return &c.NTSRateLimit }),
		"noclientlog":  flagField(func(c *Config) *bool { return &c.NoClientLog }),
		"clientloglimit": {1, func(p *Parser, args string) error {
			v, _, ok := ScanInt(args)
			if !ok {
				return p.unparsable()
			}
			p.Conf.ClientLogLimit = uint64(max(v, 0))
			return nil
		}},

		"bindaddress":    bindDirective(func(c *Config) *[2]netip.Addr { return &c.BindNTP }),
		"bindacqaddress": bindDirective(func(c *Config) *[2]netip.Addr { return &c.BindAcq }),
		"bindcmdaddress": {1, func(p *Parser, args string) error {
			if strings.HasPrefix(args, "/") {
				p.Conf.CmdSocket = args
				if args == "/" {
					p.Conf.CmdSocket = ""
				}
				return nil
			}
			a, ok := ParseIP(args)
			if !ok {
				return p.unparsable()
			}
			p.Conf.BindCmd[Family(a)] = a
			return nil
		}},
		"binddevice":    unused(isText),
		"bindacqdevice": unused(isText),
		"bindcmddevice": stringField(func(c *Config) *string { return &c.BindCmdDevice }),
		"broadcast":     {-1, (*Parser).readBroadcast},
		"hwtimestamp":   {-1, (*Parser).readHWTimestamp},

		"driftfile":      stringField(func(c *Config) *string { return &c.DriftFile }),
		"keyfile":        stringField(func(c *Config) *string { return &c.KeyFile }),
		"dumpdir":        stringField(func(c *Config) *string { return &c.DumpDir }),
		"logdir":         stringField(func(c *Config) *string { return &c.LogDir }),
		"pidfile":        stringField(func(c *Config) *string { return &c.PIDFile }),
		"user":           stringField(func(c *Config) *string { return &c.User }),
		"rtcfile":        stringField(func(c *Config) *string { return &c.RTCFile }),
		"rtcdevice":      stringField(func(c *Config) *string { return &c.RTCDevice }),
		"rtcautotrim":    floatField(func(c *Config) *float64 { return &c.RTCAutotrim }),
		"rtconutc":       flagField(func(c *Config) *bool { return &c.RTCOnUTC }),
		"hwclockfile":    stringField(func(c *Config) *string { return &c.HwclockFile }),
		"ntpsigndsocket": stringField(func(c *Config) *string { return &c.NTPSigndSocket }),
		"dumponexit": {-1, func(p *Parser, args string) error {
			p.Conf.DumpOnExit = true
			return nil
		}},
		"lock_all": flagField(func(c *Config) *bool { return &c.LockAll }),
		"log":      {-1, (*Parser).readLog},
		"mailonchange": {2, func(p *Parser, args string) error {
			user, rest := Word(args)
			threshold, _, ok := ScanFloat(rest)
			if !ok {
				return p.unparsable()
			}
			p.Conf.MailUser, p.Conf.MailThreshold = user, threshold
			return nil
		}},
		"ntsserverkey": {1, func(p *Parser, args string) error {
			p.Conf.NTS.Keys = append(p.Conf.NTS.Keys, args)
			return nil
		}},
		"ntsservercert": {1, func(p *Parser, args string) error {
			p.Conf.NTS.Certs = append(p.Conf.NTS.Certs, args)
			return nil
		}},
		"nocerttimecheck":   intField(func(c *Config) *int { return &c.NTS.NoCertTimeCheck }),
		"nosystemcert":      flagField(func(c *Config) *bool { return &c.NTS.NoSystemCert }),
		"ntsdumpdir":        stringField(func(c *Config) *string { return &c.NTS.DumpDir }),
		"ntsntpserver":      stringField(func(c *Config) *string { return &c.NTS.NTPServer }),
		"maxntsconnections": intField(func(c *Config) *int { return &c.NTS.MaxConnections }),
		"ntsport":           intField(func(c *Config) *int { return &c.NTS.Port }),
		"ntsrefresh":        intField(func(c *Config) *int { return &c.NTS.Refresh }),
		"ntsrotate":         intField(func(c *Config) *int { return &c.NTS.Rotate }),
		"ntstrustedcerts":   {-1, (*Parser).readTrustedCerts},
		"tempcomp":          {-1, (*Parser).readTempcomp},

		// Read and checked, without effect: see the divergences in doc.go.
		"dscp":           unused(isInt),
		"ptpport":        unused(isInt),
		"sched_priority": intField(func(c *Config) *int { return &c.SchedPriority }),
		"ntscachedir":    unused(isText),
		"ntsprocesses":   unused(isInt),

		"commandkey":         {-1, obsolete},
		"generatecommandkey": {-1, obsolete},
		"linux_freq_scale":   {-1, obsolete},
		"linux_hz":           {-1, obsolete},
	}
}

func isNumber(s string) bool { _, _, ok := ScanFloat(s); return ok }

func (p *Parser) readTrustedCerts(args string) error {
	switch w := Words(args); len(w) {
	case 0:
		return p.missing()
	case 1:
		p.Conf.NTS.Trusted = append(p.Conf.NTS.Trusted, TrustedCert{Path: w[0]})
		return nil
	case 2:
		set, _, ok := ScanInt(w[0])
		if !ok {
			return p.unparsable()
		}
		p.Conf.NTS.Trusted = append(p.Conf.NTS.Trusted, TrustedCert{uint32(set), w[1]})
		return nil
	}
	return p.tooMany()
}

func (p *Parser) readInitSlew(args string) error {
	first, rest := Word(args)
	threshold, _, ok := ScanFloat(first)
	if !ok {
		return p.unparsable()
	}
	p.Conf.InitSlew = InitSlew{Threshold: threshold}
	for _, name := range Words(rest) {
		a, ok := ParseIP(name)
		if !ok {
			a, ok = p.src.Resolve(name)
		}
		if !ok {
			p.warn("Could not resolve address of initstepslew server " + name)
			continue
		}
		p.Conf.InitSlew.Servers = append(p.Conf.InitSlew.Servers, a)
	}
	return nil
}

func (p *Parser) readSmooth(args string) error {
	w := Words(args)
	switch {
	case len(w) < 2:
		return p.missing()
	case len(w) > 3:
		return p.tooMany()
	case len(w) == 3 && !strings.EqualFold(w[2], "leaponly"):
		return p.unparsable()
	}
	p.Conf.Smooth.LeapOnly = len(w) == 3
	var ok1, ok2 bool
	p.Conf.Smooth.MaxFreq, args, ok1 = ScanFloat(args)
	p.Conf.Smooth.MaxWander, _, ok2 = ScanFloat(args)
	if !ok1 || !ok2 {
		return p.unparsable()
	}
	p.Conf.Smooth.Enabled = true
	return nil
}

var logNames = []string{"rawmeasurements", "measurements", "selection", "statistics", "tracking", "rtc", "refclocks", "tempcomp"}

func (p *Parser) readLog(args string) error {
	for _, w := range Words(args) {
		if !slices.Contains(logNames, w) {
			return Errorf("Invalid log parameter %s", p.at())
		}
		p.Conf.Logs[w] = true
	}
	return nil
}

func (p *Parser) readBroadcast(args string) error {
	w := Words(args)
	if len(w) < 2 || len(w) > 3 || !isInt(w[0]) {
		return p.unparsable()
	}
	if _, ok := ParseIP(w[1]); !ok {
		return p.unparsable()
	}
	if len(w) == 3 && !isInt(w[2]) {
		return p.unparsable()
	}
	return nil
}

// readHWTimestamp reads hwtimestamp: an interface and options, whose values
// are read as far as they are numbers.
func (p *Parser) readHWTimestamp(args string) error {
	iface, rest := Word(args)
	if iface == "" {
		return p.unparsable()
	}
	for rest != "" {
		var name string
		var ok bool
		name, rest = Word(rest)
		switch strings.ToLower(name) {
		case "nocrossts":
			ok = true
		case "maxsamples", "minsamples", "minpoll":
			_, rest, ok = ScanInt(rest)
		case "precision", "rxcomp", "txcomp":
			_, rest, ok = ScanFloat(rest)
		case "rxfilter":
			var v string
			v, rest = Word(rest)
			ok = slices.Contains([]string{"none", "ntp", "ptp", "all"}, strings.ToLower(v))
		}
		if !ok {
			return p.unparsable()
		}
		rest = skip(rest)
	}
	p.Conf.HWTimestamp = append(p.Conf.HWTimestamp, HWTimestamp{iface})
	return nil
}

func (p *Parser) readTempcomp(args string) error {
	w := Words(args)
	switch {
	case len(w) < 3, len(w) == 4, len(w) == 5:
		return p.missing()
	case len(w) > 6:
		return p.tooMany()
	}
	c := TempComp{File: w[0]}
	_, rest := Word(args)
	interval, rest, ok := ScanFloat(rest)
	c.Interval = interval
	if len(w) == 3 {
		c.PointFile = w[2]
	} else {
		for i := range c.T0k {
			var ok2 bool
			c.T0k[i], rest, ok2 = ScanFloat(rest)
			ok = ok && ok2
		}
	}
	if !ok {
		return p.unparsable()
	}
	p.Conf.TempComp = c
	return nil
}
