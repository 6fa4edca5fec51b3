package conf

import (
	"strings"

	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// readRefclock reads refclock: a driver, its parameter and options.
func (p *Parser) readRefclock(args string) error {
	c := Refclock{Poll: 4, Filter: 64, MinSamples: -1, MaxSamples: -1, Delay: 1e-9, MaxLockAge: 2, PulseWidth: 0}
	c.Driver, args = Word(args)
	c.Parameter, args = Word(args)
	if c.Parameter == "" {
		return p.unparsable()
	}
	for args != "" {
		var name string
		name, args = Word(args)
		name = strings.ToLower(name)
		if set, ok := refclockFlags[name]; ok {
			set(&c)
			continue
		}
		read, ok := refclockValues[name]
		if !ok {
			return Errorf("Invalid refclock option %s", p.at())
		}
		if args, ok = read(&c, args); !ok {
			return p.unparsable()
		}
		if max(len(c.RefID), len(c.Lock)) > 4 {
			return Errorf("Invalid refclock option %s", p.at())
		}
		args = skip(args)
	}
	if c.Stratum < 0 || c.Stratum >= ntp.MaxStratum {
		return p.unparsable()
	}
	p.Conf.Refclocks = append(p.Conf.Refclocks, c)
	return nil
}

var refclockFlags = map[string]func(*Refclock){
	"noselect": func(c *Refclock) { c.Options |= candm.OptNoselect },
	"prefer":   func(c *Refclock) { c.Options |= candm.OptPrefer },
	"trust":    func(c *Refclock) { c.Options |= candm.OptTrust },
	"require":  func(c *Refclock) { c.Options |= candm.OptRequire },
	"local":    func(c *Refclock) { c.Local = true },
	"pps":      func(c *Refclock) { c.PPS = true },
	"tai":      func(c *Refclock) { c.TAI = true },
}

// refclockValue reads the value of an option at the start of line.
type refclockValue func(c *Refclock, line string) (rest string, ok bool)

func refclockInt(field func(*Refclock) *int) refclockValue {
	return func(c *Refclock, line string) (rest string, ok bool) {
		*field(c), rest, ok = ScanInt(line)
		return rest, ok
	}
}

func refclockFloat(field func(*Refclock) *float64) refclockValue {
	return func(c *Refclock, line string) (rest string, ok bool) {
		*field(c), rest, ok = ScanFloat(line)
		return rest, ok
	}
}

// refclockID reads a reference id of up to four characters.
func refclockID(field func(*Refclock) *string) refclockValue {
	return func(c *Refclock, line string) (rest string, ok bool) {
		*field(c), rest = Word(line)
		return rest, *field(c) != ""
	}
}

var refclockValues = map[string]refclockValue{
	"refid":         refclockID(func(c *Refclock) *string { return &c.RefID }),
	"lock":          refclockID(func(c *Refclock) *string { return &c.Lock }),
	"poll":          refclockInt(func(c *Refclock) *int { return &c.Poll }),
	"dpoll":         refclockInt(func(c *Refclock) *int { return &c.Dpoll }),
	"filter":        refclockInt(func(c *Refclock) *int { return &c.Filter }),
	"rate":          refclockInt(func(c *Refclock) *int { return &c.Rate }),
	"minsamples":    refclockInt(func(c *Refclock) *int { return &c.MinSamples }),
	"maxsamples":    refclockInt(func(c *Refclock) *int { return &c.MaxSamples }),
	"maxlockage":    refclockInt(func(c *Refclock) *int { return &c.MaxLockAge }),
	"stratum":       refclockInt(func(c *Refclock) *int { return &c.Stratum }),
	"offset":        refclockFloat(func(c *Refclock) *float64 { return &c.Offset }),
	"delay":         refclockFloat(func(c *Refclock) *float64 { return &c.Delay }),
	"precision":     refclockFloat(func(c *Refclock) *float64 { return &c.Precision }),
	"width":         refclockFloat(func(c *Refclock) *float64 { return &c.PulseWidth }),
	"maxdispersion": refclockFloat(func(c *Refclock) *float64 { return &c.MaxDispersion }),
}
