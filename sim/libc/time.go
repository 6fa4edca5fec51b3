package libc

import (
	"encoding/binary"
	"path"
	"strings"
	"time"

	"enshu/sim/host"
)

// Zone returns the time zone of the process: TZ, else /etc/localtime, else UTC
// (tzset(3)). TZ is a file below /usr/share/zoneinfo or a rule of POSIX.
func Zone(p *host.Proc) *time.Location {
	tz, set := "", false
	for _, e := range p.Env {
		if v, ok := strings.CutPrefix(e, "TZ="); ok {
			tz, set = strings.TrimPrefix(v, ":"), true
		}
	}
	if !set {
		name := ""
		if target, err := p.Sys.Readlink("/etc/localtime"); err == nil {
			_, name, _ = strings.Cut(target, "zoneinfo/")
		}
		if loc := zoneFile(p, "/etc/localtime", name); loc != nil {
			return loc
		}
		return time.UTC
	}
	return ZoneNamed(p, tz)
}

// ZoneNamed returns the zone that a value of TZ stands for.
func ZoneNamed(p *host.Proc, tz string) *time.Location {
	if tz == "" {
		return time.UTC
	}
	file := tz
	if !strings.HasPrefix(file, "/") {
		file = path.Join("/usr/share/zoneinfo", path.Clean("/"+tz))
	}
	if loc := zoneFile(p, file, tz); loc != nil {
		return loc
	}
	return zoneRule(tz)
}

// zoneFile reads a zone from a file. Where the host has none of a known name,
// the machine's serves.
func zoneFile(p *host.Proc, file, name string) *time.Location {
	if data, err := ReadFile(p, file); err == nil {
		loc, err := time.LoadLocationFromTZData(name, data)
		if err != nil {
			return nil
		}
		return loc
	}
	if name != "" && name != "Local" {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc
		}
	}
	return nil
}

// zoneRule makes a zone of a rule such as JST-9 or EST5EDT,M3.2.0,M11.1.0. A
// name alone is that name for UTC, and anything else UTC without a name, as
// glibc has it.
func zoneRule(tz string) *time.Location {
	name, rest := tz, ""
	if strings.HasPrefix(tz, "<") {
		if i := strings.IndexByte(tz, '>'); i > 0 {
			name, rest = tz[1:i], tz[i+1:]
		}
	} else if i := strings.IndexFunc(tz, func(r rune) bool { return r|0x20 < 'a' || r|0x20 > 'z' }); i >= 0 {
		name, rest = tz[:i], tz[i:]
	}
	switch {
	case len(name) < 3:
		return time.FixedZone("", 0)
	case rest == "" || !strings.ContainsAny(rest[:1], "+-0123456789"):
		return time.FixedZone(name, 0)
	}
	// Package time reads such rules at the end of a TZif file (RFC 8536), for the
	// time after the last transition; this one has a single one, long ago.
	header := func(transitions, types uint32) []byte {
		b := append([]byte("TZif2"), make([]byte, 15)...)
		for _, n := range []uint32{0, 0, 0, transitions, types, types} {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return b
	}
	longAgo := int64(-1 << 55)
	data := append(header(0, 0), header(1, 1)...)
	data = binary.BigEndian.AppendUint64(data, uint64(longAgo))
	data = append(data, 0)                // the transition is to type 0
	data = append(data, 0, 0, 0, 0, 0, 0) // which is UTC, counts no summer time
	data = append(data, 0)                // and has no name
	data = append(data, "\n"+tz+"\n"...)
	loc, err := time.LoadLocationFromTZData(tz, data)
	if err != nil {
		return time.FixedZone("", 0)
	}
	return loc
}

// LocalTime returns the host's time in the process's zone (localtime(3)).
func LocalTime(p *host.Proc) time.Time { return p.Now().In(Zone(p)) }
