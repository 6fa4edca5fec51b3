package conf

import (
	"strings"

	"enshu/sim/chrony/measure"
	"enshu/sim/wire/candm"
)

// experimentalField is the extension field that extfield may name.
const experimentalField = 0xF323

// ParseSource reads the arguments of server, peer and pool, and of chronyc's
// add commands: a name and options.
func ParseSource(kind SourceKind, line string) (Source, bool) {
	s := DefaultSource()
	s.Kind = kind
	s.Name, line = Word(line)
	if s.Name == "" {
		return s, false
	}
	for line != "" {
		var option string
		option, line = Word(line)
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

var sourceFlags = map[string]func(*Source){
	"auto_offline": func(s *Source) { s.AutoOffline = true },
	"burst":        func(s *Source) { s.Burst = true },
	"copy":         func(s *Source) { s.Copy = true },
	"iburst":       func(s *Source) { s.Iburst = true },
	"offline":      func(s *Source) { s.Offline = true },
	"noselect":     func(s *Source) { s.Options |= candm.OptNoselect },
	"prefer":       func(s *Source) { s.Options |= candm.OptPrefer },
	"require":      func(s *Source) { s.Options |= candm.OptRequire },
	"trust":        func(s *Source) { s.Options |= candm.OptTrust },
	"xleave":       func(s *Source) { s.Xleave = true },
	"nts":          func(s *Source) { s.NTS = true },
}

type sourceValue func(s *Source, line string) (rest string, ok bool)

func intOption(field func(*Source) *int) sourceValue {
	return func(s *Source, line string) (string, bool) {
		v, rest, ok := ScanInt(line)
		*field(s) = v
		return rest, ok
	}
}

func floatOption(field func(*Source) *float64) sourceValue {
	return func(s *Source, line string) (string, bool) {
		v, rest, ok := ScanFloat(line)
		*field(s) = v
		return rest, ok
	}
}

var sourceValues = map[string]sourceValue{
	"filter":           intOption(func(s *Source) *int { return &s.Filter }),
	"maxpoll":          intOption(func(s *Source) *int { return &s.MaxPoll }),
	"maxsamples":       intOption(func(s *Source) *int { return &s.MaxSamples }),
	"maxsources":       intOption(func(s *Source) *int { return &s.MaxSources }),
	"minpoll":          intOption(func(s *Source) *int { return &s.MinPoll }),
	"minsamples":       intOption(func(s *Source) *int { return &s.MinSamples }),
	"minstratum":       intOption(func(s *Source) *int { return &s.MinStratum }),
	"ntsport":          intOption(func(s *Source) *int { return &s.NTSPort }),
	"polltarget":       intOption(func(s *Source) *int { return &s.PollTarget }),
	"port":             intOption(func(s *Source) *int { return &s.Port }),
	"presend":          intOption(func(s *Source) *int { return &s.Presend }),
	"version":          intOption(func(s *Source) *int { return &s.Version }),
	"asymmetry":        floatOption(func(s *Source) *float64 { return &s.Asymmetry }),
	"maxdelay":         floatOption(func(s *Source) *float64 { return &s.MaxDelay }),
	"maxdelaydevratio": floatOption(func(s *Source) *float64 { return &s.MaxDelayDevRatio }),
	"maxdelayquant":    floatOption(func(s *Source) *float64 { return &s.MaxDelayQuant }),
	"maxdelayratio":    floatOption(func(s *Source) *float64 { return &s.MaxDelayRatio }),
	"mindelay":         floatOption(func(s *Source) *float64 { return &s.MinDelay }),
	"offset":           floatOption(func(s *Source) *float64 { return &s.Offset }),
	"key": func(s *Source, line string) (string, bool) {
		v, rest, ok := ScanInt(line)
		s.Key = uint32(v)
		return rest, ok && v != 0
	},
	"certset": func(s *Source, line string) (string, bool) {
		v, rest, ok := ScanInt(line)
		s.CertSet = uint32(v)
		return rest, ok
	},
	"extfield": func(s *Source, line string) (string, bool) {
		v, rest, ok := scanHex(line)
		s.ExtField = true
		return rest, ok && v == experimentalField
	},
}

// Request returns the source as chronyc's add commands send it.
func (s *Source) Request() *candm.NewSource {
	r := &candm.NewSource{
		Kind: uint32(s.Kind) + candm.NewServer, Name: s.Name, Port: uint32(s.Port),
		MinPoll: int32(s.MinPoll), MaxPoll: int32(s.MaxPoll), PresendMinPoll: int32(s.Presend),
		MinStratum: uint32(s.MinStratum), PollTarget: uint32(s.PollTarget), NTPVersion: uint32(s.Version),
		MaxSources: uint32(s.MaxSources), MinSamples: int32(s.MinSamples), MaxSamples: int32(s.MaxSamples),
		Key: s.Key, NTSPort: uint32(s.NTSPort), MaxDelay: s.MaxDelay, MaxDelayRatio: s.MaxDelayRatio,
		MaxDelayDevRatio: s.MaxDelayDevRatio, MinDelay: s.MinDelay, Asymmetry: s.Asymmetry, Offset: s.Offset,
		Filter: int32(s.Filter), CertSet: s.CertSet, MaxDelayQuant: s.MaxDelayQuant,
	}
	for _, f := range []struct {
		on   bool
		flag uint32
	}{
		{!s.Offline, candm.FlagOnline}, {s.AutoOffline, candm.FlagAutoOffline}, {s.Iburst, candm.FlagIburst},
		{s.Options&candm.OptPrefer != 0, candm.FlagPrefer}, {s.Options&candm.OptNoselect != 0, candm.FlagNoselect},
		{s.Options&candm.OptTrust != 0, candm.FlagTrust}, {s.Options&candm.OptRequire != 0, candm.FlagRequire},
		{s.Xleave, candm.FlagInterleaved}, {s.Burst, candm.FlagBurst}, {s.NTS, candm.FlagNTS},
		{s.Copy, candm.FlagCopy}, {s.ExtField, candm.FlagExtField},
	} {
		if f.on {
			r.Flags |= f.flag
		}
	}
	return r
}

// SourceOf returns the source that an add command asks for.
func SourceOf(r *candm.NewSource) (Source, bool) {
	if r.Kind < candm.NewServer || r.Kind > candm.NewPool || r.Name == "" {
		return Source{}, false
	}
	s := Source{
		Kind: SourceKind(r.Kind - candm.NewServer), Name: r.Name, Port: int(uint16(r.Port)),
		MinPoll: int(r.MinPoll), MaxPoll: int(r.MaxPoll), Presend: int(r.PresendMinPoll),
		MinStratum: int(min(r.MinStratum, 15)), PollTarget: int(min(r.PollTarget, measure.MaxSamples)), Version: int(r.NTPVersion),
		MaxSources: int(min(r.MaxSources, maxPoolSource)), MinSamples: int(r.MinSamples), MaxSamples: int(r.MaxSamples),
		Key: r.Key, NTSPort: int(uint16(r.NTSPort)), MaxDelay: r.MaxDelay, MaxDelayRatio: r.MaxDelayRatio,
		MaxDelayDevRatio: r.MaxDelayDevRatio, MinDelay: r.MinDelay, Asymmetry: r.Asymmetry, Offset: r.Offset,
		Filter: int(r.Filter), CertSet: r.CertSet, MaxDelayQuant: r.MaxDelayQuant,
		Offline: r.Flags&candm.FlagOnline == 0, AutoOffline: r.Flags&candm.FlagAutoOffline != 0,
		Iburst: r.Flags&candm.FlagIburst != 0, Burst: r.Flags&candm.FlagBurst != 0, Xleave: r.Flags&candm.FlagInterleaved != 0,
		NTS: r.Flags&candm.FlagNTS != 0, Copy: r.Flags&candm.FlagCopy != 0, ExtField: r.Flags&candm.FlagExtField != 0,
	}
	for flag, option := range map[uint32]uint16{
		candm.FlagPrefer: candm.OptPrefer, candm.FlagNoselect: candm.OptNoselect,
		candm.FlagTrust: candm.OptTrust, candm.FlagRequire: candm.OptRequire,
	} {
		if r.Flags&flag != 0 {
			s.Options |= option
		}
	}
	return s, true
}
