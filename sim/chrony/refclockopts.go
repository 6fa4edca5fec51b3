package chrony

import (
	"strings"

	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// readRefclock reads refclock: a driver, its parameter and options.
func (p *parser) readRefclock(args string) error {
	c := refclockConfig{poll: 4, filter: 64, minSamples: -1, maxSamples: -1, delay: 1e-9, maxLockAge: 2, pulseWidth: 0}
	c.driver, args = word(args)
	c.parameter, args = word(args)
	if c.parameter == "" {
		return p.unparsable()
	}
	for args != "" {
		var name string
		name, args = word(args)
		name = strings.ToLower(name)
		if set, ok := refclockFlags[name]; ok {
			set(&c)
			continue
		}
		read, ok := refclockValues[name]
		if !ok {
			return fail("Invalid refclock option %s", p.at())
		}
		if args, ok = read(&c, args); !ok {
			return p.unparsable()
		}
		if max(len(c.refid), len(c.lock)) > 4 {
			return fail("Invalid refclock option %s", p.at())
		}
		args = skip(args)
	}
	if c.stratum < 0 || c.stratum >= ntp.MaxStratum {
		return p.unparsable()
	}
	p.conf.refclocks = append(p.conf.refclocks, c)
	return nil
}

var refclockFlags = map[string]func(*refclockConfig){
	"noselect": func(c *refclockConfig) { c.options |= candm.OptNoselect },
	"prefer":   func(c *refclockConfig) { c.options |= candm.OptPrefer },
	"trust":    func(c *refclockConfig) { c.options |= candm.OptTrust },
	"require":  func(c *refclockConfig) { c.options |= candm.OptRequire },
	"local":    func(c *refclockConfig) { c.local = true },
	"pps":      func(c *refclockConfig) { c.pps = true },
	"tai":      func(c *refclockConfig) { c.tai = true },
}

// refclockValue reads the value of an option at the start of line.
type refclockValue func(c *refclockConfig, line string) (rest string, ok bool)

func refclockInt(field func(*refclockConfig) *int) refclockValue {
	return func(c *refclockConfig, line string) (rest string, ok bool) {
		*field(c), rest, ok = scanInt(line)
		return rest, ok
	}
}

func refclockFloat(field func(*refclockConfig) *float64) refclockValue {
	return func(c *refclockConfig, line string) (rest string, ok bool) {
		*field(c), rest, ok = scanFloat(line)
		return rest, ok
	}
}

// refclockID reads a reference id of up to four characters.
func refclockID(field func(*refclockConfig) *string) refclockValue {
	return func(c *refclockConfig, line string) (rest string, ok bool) {
		*field(c), rest = word(line)
		return rest, *field(c) != ""
	}
}

var refclockValues = map[string]refclockValue{
	"refid":         refclockID(func(c *refclockConfig) *string { return &c.refid }),
	"lock":          refclockID(func(c *refclockConfig) *string { return &c.lock }),
	"poll":          refclockInt(func(c *refclockConfig) *int { return &c.poll }),
	"dpoll":         refclockInt(func(c *refclockConfig) *int { return &c.dpoll }),
	"filter":        refclockInt(func(c *refclockConfig) *int { return &c.filter }),
	"rate":          refclockInt(func(c *refclockConfig) *int { return &c.rate }),
	"minsamples":    refclockInt(func(c *refclockConfig) *int { return &c.minSamples }),
	"maxsamples":    refclockInt(func(c *refclockConfig) *int { return &c.maxSamples }),
	"maxlockage":    refclockInt(func(c *refclockConfig) *int { return &c.maxLockAge }),
	"stratum":       refclockInt(func(c *refclockConfig) *int { return &c.stratum }),
	"offset":        refclockFloat(func(c *refclockConfig) *float64 { return &c.offset }),
	"delay":         refclockFloat(func(c *refclockConfig) *float64 { return &c.delay }),
	"precision":     refclockFloat(func(c *refclockConfig) *float64 { return &c.precision }),
	"width":         refclockFloat(func(c *refclockConfig) *float64 { return &c.pulseWidth }),
	"maxdispersion": refclockFloat(func(c *refclockConfig) *float64 { return &c.maxDispersion }),
}
