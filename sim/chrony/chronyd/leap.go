package chronyd

import (
	"enshu/sim/libc"
	"enshu/sim/wire/ntp"
)

// leapState is what the directives leapsectz and leapsecmode need.
type leapState struct{}

// check tests the time zone of leapsectz, which must have leap seconds in it.
func (l *leapState) check(d *daemon) {
	name := d.conf.LeapZone
	if name == "" {
		return
	}
	data, err := libc.ReadFile(d.p, "/usr/share/zoneinfo/"+name)
	if err != nil || !hasLeapSeconds(data) {
		d.log.warn("Timezone " + name + " failed leap second check, ignoring")
		return
	}
	d.log.info("Using " + name + " timezone to obtain leap second data")
}

// hasLeapSeconds reports whether TZif data (RFC 8536) lists leap seconds.
func hasLeapSeconds(tzif []byte) bool {
	const leapcnt = 28
	if len(tzif) < 44 || string(tzif[:4]) != "TZif" {
		return false
	}
	n := tzif[leapcnt : leapcnt+4]
	return n[0]|n[1]|n[2]|n[3] != 0
}

// update follows a new leap status of the reference: the mode ignore passes no
// announcement on.
func (l *leapState) update(d *daemon) {
	if d.conf.LeapMode == "ignore" {
		d.ref.Leap = ntp.LeapNone
	}
}
