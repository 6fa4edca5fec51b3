package libc

import (
	"path"
	"strings"
	"time"

	"enshu/sim/host"
)

// Zone returns the time zone of the process: TZ, else /etc/localtime, else UTC
// (tzset(3)).
func Zone(p *host.Proc) *time.Location {
	file, name := "/etc/localtime", ""
	if tz := strings.TrimPrefix(p.Getenv("TZ"), ":"); tz != "" {
		name = tz
		file = tz
		if !strings.HasPrefix(tz, "/") {
			file = path.Join("/usr/share/zoneinfo", path.Clean("/"+tz))
		}
	} else if target, err := p.Sys.Readlink(file); err == nil {
		if _, after, ok := strings.Cut(target, "zoneinfo/"); ok {
			name = after
		}
	}
	data, err := ReadFile(p, file)
	if err == nil {
		if loc, err := time.LoadLocationFromTZData(name, data); err == nil {
			return loc
		}
	}
	if loc, err := time.LoadLocation(name); err == nil && name != "Local" {
		return loc
	}
	return time.UTC
}

// LocalTime returns the host's time in the process's zone (localtime(3)).
func LocalTime(p *host.Proc) time.Time { return p.Now().In(Zone(p)) }
