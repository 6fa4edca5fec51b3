package chrony

import (
	"strings"

	"enshu/sim/wire/candm"
)

// experimentalField is the extension field that extfield may name.
const experimentalField = 0xF323

// parseSource reads the arguments of server, peer and pool, and of chronyc's
// add commands: a name and options.
func parseSource(kind sourceKind, line string) (sourceConfig, bool) {
	s := defaultSource()
	s.kind = kind
	s.name, line = word(line)
	if s.name == "" {
		return s, false
	}
	for line != "" {
		var option string
		option, line = word(line)
		option = strings.ToLower(option)
		if set, ok := sourceFlags[option]; ok {
			set(&s)
			continue
		}
		read, ok := sourceValues[option]
		if !ok {
			return s, false
		}
		if line, ok = read(&s, line); !ok {
			return s, false
		}
		line = skip(line)
	}
	return s, true
}

var sourceFlags = map[string]func(*sourceConfig){
	"auto_offline": func(s *sourceConfig) { s.autoOffline = true },
	"burst":        func(s *sourceConfig) { s.burst = true },
	"copy":         func(s *sourceConfig) { s.copy_ = true },
	"iburst":       func(s *sourceConfig) { s.iburst = true },
	"offline":      func(s *sourceConfig) { s.offline = true },
	"noselect":     func(s *sourceConfig) { s.options |= candm.OptNoselect },
	"prefer":       func(s *sourceConfig) { s.options |= candm.OptPrefer },
	"require":      func(s *sourceConfig) { s.options |= candm.OptRequire },
	"trust":        func(s *sourceConfig) { s.options |= candm.OptTrust },
	"xleave":       func(s *sourceConfig) { s.xleave = true },
	"nts":          func(s *sourceConfig) { s.nts = true },
}

type sourceValue func(s *sourceConfig, line string) (rest string, ok bool)

func intOption(field func(*sourceConfig) *int) sourceValue {
	return func(s *sourceConfig, line string) (string, bool) {
		v, rest, ok := scanInt(line)
		*field(s) = v
		return rest, ok
	}
}

func floatOption(field func(*sourceConfig) *float64) sourceValue {
	return func(s *sourceConfig, line string) (string, bool) {
		v, rest, ok := scanFloat(line)
		*field(s) = v
		return rest, ok
	}
}

var sourceValues = map[string]sourceValue{
	"filter":           intOption(func(s *sourceConfig) *int { return &s.filter }),
	"maxpoll":          intOption(func(s *sourceConfig) *int { return &s.maxPoll }),
	"maxsamples":       intOption(func(s *sourceConfig) *int { return &s.maxSamples }),
	"maxsources":       intOption(func(s *sourceConfig) *int { return &s.maxSources }),
	"minpoll":          intOption(func(s *sourceConfig) *int { return &s.minPoll }),
	"minsamples":       intOption(func(s *sourceConfig) *int { return &s.minSamples }),
	"minstratum":       intOption(func(s *sourceConfig) *int { return &s.minStratum }),
	"ntsport":          intOption(func(s *sourceConfig) *int { return &s.ntsPort }),
	"polltarget":       intOption(func(s *sourceConfig) *int { return &s.pollTarget }),
	"port":             intOption(func(s *sourceConfig) *int { return &s.port }),
	"presend":          intOption(func(s *sourceConfig) *int { return &s.presend }),
	"version":          intOption(func(s *sourceConfig) *int { return &s.version }),
	"asymmetry":        floatOption(func(s *sourceConfig) *float64 { return &s.asymmetry }),
	"maxdelay":         floatOption(func(s *sourceConfig) *float64 { return &s.maxDelay }),
	"maxdelaydevratio": floatOption(func(s *sourceConfig) *float64 { return &s.maxDelayDevRatio }),
	"maxdelayquant":    floatOption(func(s *sourceConfig) *float64 { return &s.maxDelayQuant }),
	"maxdelayratio":    floatOption(func(s *sourceConfig) *float64 { return &s.maxDelayRatio }),
	"mindelay":         floatOption(func(s *sourceConfig) *float64 { return &s.minDelay }),
	"offset":           floatOption(func(s *sourceConfig) *float64 { return &s.offset }),
	"key": func(s *sourceConfig, line string) (string, bool) {
		v, rest, ok := scanInt(line)
		s.key = uint32(v)
		return rest, ok && v != 0
	},
	"certset": func(s *sourceConfig, line string) (string, bool) {
		v, rest, ok := scanInt(line)
		s.certSet = uint32(v)
		return rest, ok
	},
	"extfield": func(s *sourceConfig, line string) (string, bool) {
		v, rest, ok := scanHex(line)
		s.extField = true
		return rest, ok && v == experimentalField
	},
}

// request returns the source as chronyc's add commands send it.
func (s *sourceConfig) request() *candm.NewSource {
	r := &candm.NewSource{
		Kind: uint32(s.kind) + candm.NewServer, Name: s.name, Port: uint32(s.port),
		MinPoll: int32(s.minPoll), MaxPoll: int32(s.maxPoll), PresendMinPoll: int32(s.presend),
		MinStratum: uint32(s.minStratum), PollTarget: uint32(s.pollTarget), NTPVersion: uint32(s.version),
		MaxSources: uint32(s.maxSources), MinSamples: int32(s.minSamples), MaxSamples: int32(s.maxSamples),
		Key: s.key, NTSPort: uint32(s.ntsPort), MaxDelay: s.maxDelay, MaxDelayRatio: s.maxDelayRatio,
		MaxDelayDevRatio: s.maxDelayDevRatio, MinDelay: s.minDelay, Asymmetry: s.asymmetry, Offset: s.offset,
		Filter: int32(s.filter), CertSet: s.certSet, MaxDelayQuant: s.maxDelayQuant,
	}
	for _, f := range []struct {
		on   bool
		flag uint32
	}{
		{!s.offline, candm.FlagOnline}, {s.autoOffline, candm.FlagAutoOffline}, {s.iburst, candm.FlagIburst},
		{s.options&candm.OptPrefer != 0, candm.FlagPrefer}, {s.options&candm.OptNoselect != 0, candm.FlagNoselect},
		{s.options&candm.OptTrust != 0, candm.FlagTrust}, {s.options&candm.OptRequire != 0, candm.FlagRequire},
		{s.xleave, candm.FlagInterleaved}, {s.burst, candm.FlagBurst}, {s.nts, candm.FlagNTS},
		{s.copy_, candm.FlagCopy}, {s.extField, candm.FlagExtField},
	} {
		if f.on {
			r.Flags |= f.flag
		}
	}
	return r
}

// sourceOf returns the source that an add command asks for.
func sourceOf(r *candm.NewSource) (sourceConfig, bool) {
	if r.Kind < candm.NewServer || r.Kind > candm.NewPool || r.Name == "" {
		return sourceConfig{}, false
	}
	s := sourceConfig{
		kind: sourceKind(r.Kind - candm.NewServer), name: r.Name, port: int(uint16(r.Port)),
		minPoll: int(r.MinPoll), maxPoll: int(r.MaxPoll), presend: int(r.PresendMinPoll),
		minStratum: int(min(r.MinStratum, 15)), pollTarget: int(min(r.PollTarget, maxSamples)), version: int(r.NTPVersion),
		maxSources: int(min(r.MaxSources, maxPoolSource)), minSamples: int(r.MinSamples), maxSamples: int(r.MaxSamples),
		key: r.Key, ntsPort: int(uint16(r.NTSPort)), maxDelay: r.MaxDelay, maxDelayRatio: r.MaxDelayRatio,
		maxDelayDevRatio: r.MaxDelayDevRatio, minDelay: r.MinDelay, asymmetry: r.Asymmetry, offset: r.Offset,
		filter: int(r.Filter), certSet: r.CertSet, maxDelayQuant: r.MaxDelayQuant,
		offline: r.Flags&candm.FlagOnline == 0, autoOffline: r.Flags&candm.FlagAutoOffline != 0,
		iburst: r.Flags&candm.FlagIburst != 0, burst: r.Flags&candm.FlagBurst != 0, xleave: r.Flags&candm.FlagInterleaved != 0,
		nts: r.Flags&candm.FlagNTS != 0, copy_: r.Flags&candm.FlagCopy != 0, extField: r.Flags&candm.FlagExtField != 0,
	}
	for flag, option := range map[uint32]uint16{
		candm.FlagPrefer: candm.OptPrefer, candm.FlagNoselect: candm.OptNoselect,
		candm.FlagTrust: candm.OptTrust, candm.FlagRequire: candm.OptRequire,
	} {
		if r.Flags&flag != 0 {
			s.options |= option
		}
	}
	return s, true
}
