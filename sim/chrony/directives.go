package chrony

import (
	"net/netip"
	"slices"
	"strings"
)

// directives returns the table of chrony.conf(5).
func directives() map[string]directive {
	return map[string]directive{
		"server":       sourceDirective(kindServer),
		"peer":         sourceDirective(kindPeer),
		"pool":         sourceDirective(kindPool),
		"refclock":     {-1, (*parser).readRefclock},
		"initstepslew": {-1, (*parser).readInitSlew},
		"manual":       flagField(func(c *config) *bool { return &c.manual }),
		"sourcedir": {-1, func(p *parser, args string) error {
			p.conf.sourceDirs = append(p.conf.sourceDirs, words(args)...)
			return nil
		}},
		"include": {1, (*parser).include},
		"confdir": {-1, (*parser).readDirs},

		"makestep": {2, func(p *parser, args string) error {
			threshold, rest, ok1 := scanFloat(args)
			limit, _, ok2 := scanInt(rest)
			if !ok1 || !ok2 {
				return p.unparsable()
			}
			p.conf.makestep = makestep{threshold, limit}
			return nil
		}},
		"maxchange": {3, func(p *parser, args string) error {
			most, rest, ok1 := scanFloat(args)
			delay, rest, ok2 := scanInt(rest)
			ignore, _, ok3 := scanInt(rest)
			if !ok1 || !ok2 || !ok3 {
				return p.unparsable()
			}
			p.conf.maxchange = maxchange{most, delay, ignore}
			return nil
		}},
		"maxslewrate":    floatField(func(c *config) *float64 { return &c.maxSlewRate }),
		"maxdrift":       floatField(func(c *config) *float64 { return &c.maxDrift }),
		"maxupdateskew":  floatField(func(c *config) *float64 { return &c.maxUpdateSkew }),
		"maxclockerror":  floatField(func(c *config) *float64 { return &c.maxClockError }),
		"maxdistance":    floatField(func(c *config) *float64 { return &c.maxDistance }),
		"maxjitter":      floatField(func(c *config) *float64 { return &c.maxJitter }),
		"reselectdist":   floatField(func(c *config) *float64 { return &c.reselectDist }),
		"stratumweight":  floatField(func(c *config) *float64 { return &c.stratumWeight }),
		"combinelimit":   floatField(func(c *config) *float64 { return &c.combineLimit }),
		"corrtimeratio":  floatField(func(c *config) *float64 { return &c.corrTimeRatio }),
		"clockprecision": floatField(func(c *config) *float64 { return &c.precision }),
		"logchange":      floatField(func(c *config) *float64 { return &c.logChange }),
		"minsources":     intField(func(c *config) *int { return &c.minSources }),
		"minsamples":     intField(func(c *config) *int { return &c.minSamples }),
		"maxsamples":     intField(func(c *config) *int { return &c.maxSamples }),
		"port":           intField(func(c *config) *int { return &c.port }),
		"cmdport":        intField(func(c *config) *int { return &c.cmdPort }),
		"acquisitionport": intField(func(c *config) *int {
			return &c.acqPort
		}),
		"logbanner": intField(func(c *config) *int { return &c.logBanner }),
		"fallbackdrift": {2, func(p *parser, args string) error {
			least, rest, ok1 := scanInt(args)
			most, _, ok2 := scanInt(rest)
			if !ok1 || !ok2 {
				return p.unparsable()
			}
			p.conf.fallbackDrift = [2]int{least, most}
			return nil
		}},
		"leapsecmode": wordField(func(c *config) *string { return &c.leapMode }, "system", "slew", "step", "ignore"),
		"leapsectz":   stringField(func(c *config) *string { return &c.leapZone }),
		"smoothtime":  {-1, (*parser).readSmooth},
		"rtcsync":     flagField(func(c *config) *bool { return &c.rtcSync }),
		"authselectmode": wordField(func(c *config) *string { return &c.authSelect },
			"require", "prefer", "mix", "ignore"),
		"local": {-1, func(p *parser, args string) error {
			l, ok := parseLocal(args)
			if !ok {
				return p.unparsable()
			}
			p.conf.local = l
			return nil
		}},

		"allow":    accessDirective(func(c *config) *[]accessRule { return &c.allow }, true),
		"deny":     accessDirective(func(c *config) *[]accessRule { return &c.allow }, false),
		"cmdallow": accessDirective(func(c *config) *[]accessRule { return &c.cmdAllow }, true),
		"cmddeny":  accessDirective(func(c *config) *[]accessRule { return &c.cmdAllow }, false),

		"ratelimit":    ratelimitDirective(func(c *config) *ratelimitConfig { return &c.ratelimit }),
		"cmdratelimit": ratelimitDirective(func(c *config) *ratelimitConfig { return &c.cmdRatelimit }),
		"ntsratelimit": ratelimitDirective(func(c *config) *ratelimitConfig { return new(ratelimitConfig) }),
		"noclientlog":  flagField(func(c *config) *bool { return &c.noClientLog }),
		"clientloglimit": {1, func(p *parser, args string) error {
			v, _, ok := scanInt(args)
			if !ok {
				return p.unparsable()
			}
			p.conf.clientLogLimit = uint64(max(v, 0))
			return nil
		}},

		"bindaddress":    bindDirective(func(c *config) *[2]netip.Addr { return &c.bindNTP }),
		"bindacqaddress": bindDirective(func(c *config) *[2]netip.Addr { return &c.bindAcq }),
		"bindcmdaddress": {1, func(p *parser, args string) error {
			if strings.HasPrefix(args, "/") {
				p.conf.cmdSocket = args
				if args == "/" {
					p.conf.cmdSocket = ""
				}
				return nil
			}
			a, ok := parseIP(args)
			if !ok {
				return p.unparsable()
			}
			p.conf.bindCmd[family(a)] = a
			return nil
		}},
		"binddevice":    unused(isText),
		"bindacqdevice": unused(isText),
		"bindcmddevice": stringField(func(c *config) *string { return &c.bindCmdDevice }),
		"broadcast":     {-1, (*parser).readBroadcast},
		"hwtimestamp":   {-1, (*parser).readHWTimestamp},

		"driftfile":      stringField(func(c *config) *string { return &c.driftFile }),
		"keyfile":        stringField(func(c *config) *string { return &c.keyFile }),
		"dumpdir":        stringField(func(c *config) *string { return &c.dumpDir }),
		"logdir":         stringField(func(c *config) *string { return &c.logDir }),
		"pidfile":        stringField(func(c *config) *string { return &c.pidFile }),
		"user":           stringField(func(c *config) *string { return &c.user }),
		"rtcfile":        stringField(func(c *config) *string { return &c.rtcFile }),
		"rtcdevice":      stringField(func(c *config) *string { return &c.rtcDevice }),
		"ntpsigndsocket": stringField(func(c *config) *string { return &c.ntpSigndSocket }),
		"dumponexit": {-1, func(p *parser, args string) error {
			p.conf.dumpOnExit = true
			return nil
		}},
		"lock_all": flagField(func(c *config) *bool { return &c.lockAll }),
		"log":      {-1, (*parser).readLog},
		"mailonchange": {2, func(p *parser, args string) error {
			user, rest := word(args)
			if _, _, ok := scanFloat(rest); !ok {
				return p.unparsable()
			}
			p.conf.mailUser = user
			return nil
		}},
		"ntsserverkey": {1, func(p *parser, args string) error {
			p.conf.ntsKeys = append(p.conf.ntsKeys, args)
			return nil
		}},
		"ntsservercert": {1, func(p *parser, args string) error {
			p.conf.ntsCerts = append(p.conf.ntsCerts, args)
			return nil
		}},
		"tempcomp": {-1, (*parser).readTempcomp},

		// Read and checked, without effect: see the divergences in doc.go.
		"dscp":            unused(isInt),
		"ptpport":         unused(isInt),
		"sched_priority":  unused(isInt),
		"rtcautotrim":     unused(isNumber),
		"rtconutc":        {0, func(*parser, string) error { return nil }},
		"hwclockfile":     unused(isText),
		"nocerttimecheck": unused(isInt),
		"nosystemcert":    {0, func(*parser, string) error { return nil }},
		"ntscachedir":     unused(isText),
		"ntsdumpdir":      unused(isText),
		"ntsntpserver":    unused(isText),
		"ntsport":         unused(isInt),
		"ntsprocesses":    unused(isInt),
		"ntsrefresh":      unused(isInt),
		"ntsrotate":       unused(isInt),
		"ntstrustedcerts": {-1, (*parser).readTrustedCerts},

		"commandkey":         {-1, obsolete},
		"generatecommandkey": {-1, obsolete},
		"linux_freq_scale":   {-1, obsolete},
		"linux_hz":           {-1, obsolete},
	}
}

func isNumber(s string) bool { _, _, ok := scanFloat(s); return ok }

func (p *parser) readTrustedCerts(args string) error {
	switch w := words(args); len(w) {
	case 0:
		return p.missing()
	case 1:
		return nil
	case 2:
		if isInt(w[0]) {
			return nil
		}
		return p.unparsable()
	}
	return p.tooMany()
}

func (p *parser) readInitSlew(args string) error {
	first, rest := word(args)
	threshold, _, ok := scanFloat(first)
	if !ok {
		return p.unparsable()
	}
	p.conf.initSlew = initSlewConfig{threshold: threshold}
	for _, name := range words(rest) {
		a, ok := parseIP(name)
		if !ok {
			a, ok = p.src.resolve(name)
		}
		if !ok {
			p.warn("Could not resolve address of initstepslew server " + name)
			continue
		}
		p.conf.initSlew.servers = append(p.conf.initSlew.servers, a)
	}
	return nil
}

func (p *parser) readSmooth(args string) error {
	w := words(args)
	switch {
	case len(w) < 2:
		return p.missing()
	case len(w) > 3:
		return p.tooMany()
	case len(w) == 3 && !strings.EqualFold(w[2], "leaponly"):
		return p.unparsable()
	}
	p.conf.smooth.leapOnly = len(w) == 3
	var ok1, ok2 bool
	p.conf.smooth.maxFreq, _, ok1 = scanFloat(w[0])
	p.conf.smooth.maxWander, _, ok2 = scanFloat(w[1])
	if !ok1 || !ok2 {
		return p.unparsable()
	}
	p.conf.smooth.enabled = true
	return nil
}

var logNames = []string{"rawmeasurements", "measurements", "selection", "statistics", "tracking", "rtc", "refclocks", "tempcomp"}

func (p *parser) readLog(args string) error {
	for _, w := range words(args) {
		if !slices.Contains(logNames, w) {
			return fail("Invalid log parameter %s", p.at())
		}
		p.conf.logs[w] = true
	}
	return nil
}

func (p *parser) readBroadcast(args string) error {
	w := words(args)
	if len(w) < 2 || len(w) > 3 || !isInt(w[0]) {
		return p.unparsable()
	}
	if _, ok := parseIP(w[1]); !ok {
		return p.unparsable()
	}
	if len(w) == 3 && !isInt(w[2]) {
		return p.unparsable()
	}
	return nil
}

// readHWTimestamp reads hwtimestamp: an interface and options, whose values
// are read as far as they are numbers.
func (p *parser) readHWTimestamp(args string) error {
	iface, rest := word(args)
	if iface == "" {
		return p.unparsable()
	}
	for rest != "" {
		var name string
		var ok bool
		name, rest = word(rest)
		switch strings.ToLower(name) {
		case "nocrossts":
			ok = true
		case "maxsamples", "minsamples", "minpoll":
			_, rest, ok = scanInt(rest)
		case "precision", "rxcomp", "txcomp":
			_, rest, ok = scanFloat(rest)
		case "rxfilter":
			var v string
			v, rest = word(rest)
			ok = slices.Contains([]string{"none", "ntp", "ptp", "all"}, strings.ToLower(v))
		}
		if !ok {
			return p.unparsable()
		}
		rest = skip(rest)
	}
	p.conf.hwTimestamp = append(p.conf.hwTimestamp, hwTimestampConfig{iface})
	return nil
}

func (p *parser) readTempcomp(args string) error {
	w := words(args)
	switch {
	case len(w) < 3, len(w) == 4, len(w) == 5:
		return p.missing()
	case len(w) > 6:
		return p.tooMany()
	}
	c := tempcompConfig{file: w[0]}
	interval, _, ok := scanFloat(w[1])
	c.interval = interval
	if len(w) == 3 {
		c.pointFile = w[2]
	} else {
		for i, n := range w[2:] {
			v, _, ok2 := scanFloat(n)
			c.t0k[i], ok = v, ok && ok2
		}
	}
	if !ok {
		return p.unparsable()
	}
	p.conf.tempcomp = c
	return nil
}
