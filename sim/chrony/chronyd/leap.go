package chronyd

import (
	"fmt"
	"time"

	"enshu/sim/chrony/discipline"
	"enshu/sim/chrony/polling"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/ntp"
)

// leapState is the leap second that is to come (chrony.conf(5), leapsecmode and
// leapsectz).
type leapState struct {
	table   discipline.LeapSeconds // of leapsectz
	pending ntp.Leap               // at the end of the present day
	done    time.Time              // the end of the last day that had one
	kernel  ntp.Leap               // what the kernel was told to do then
	timer   *polling.Timer
}

// openLeapZone reads the time zone of leapsectz, which must have leap seconds.
func (d *daemon) openLeapZone() {
	name := d.conf.LeapZone
	if name == "" {
		return
	}
	data, err := libc.ReadFile(d.p, "/usr/share/zoneinfo/"+name)
	if err == nil {
		d.leap.table = discipline.ParseLeapSeconds(data)
	}
	if len(d.leap.table) == 0 {
		d.log.warn("Timezone " + name + " failed leap second check, ignoring")
		return
	}
	d.log.info("Using " + name + " timezone to obtain leap second data")
}

// updateLeap follows what the sources, or the time zone, say of the end of this
// day.
func (d *daemon) updateLeap() {
	now := d.cooked()
	leap := d.ref.Leap
	if leap == ntp.LeapNone {
		leap = d.leap.table.Next(now)
	}
	if leap == ntp.LeapUnsynchronised || !discipline.LeapDay(now) || discipline.Midnight(now).Equal(d.leap.done) {
		leap = ntp.LeapNone
	}
	if leap != d.leap.pending {
		d.leap.pending = leap
		d.sched.Stop(d.leap.timer)
		if leap != ntp.LeapNone {
			d.leap.timer = d.after(discipline.Midnight(now).Sub(now).Seconds(), d.leapSecond)
		}
		if d.conf.LeapMode == "system" {
			d.tellKernel(leap)
		}
	}
	if d.ref.Synchronised {
		d.ref.Leap = d.announcedLeap()
	}
	if len(d.leap.table) > 0 && !d.opts.noControl {
		if tai := d.leap.table.TAI(now); tai != d.p.Clock.TAI() {
			d.p.Clock.SetTAI(tai)
			d.log.info(fmt.Sprintf("System clock TAI offset set to %d seconds", tai))
		}
	}
}

// announcedLeap is the leap second that clients are told of: none when it is
// smeared for them.
func (d *daemon) announcedLeap() ntp.Leap {
	if d.smooth.Active || d.conf.LeapMode == "ignore" {
		return ntp.LeapNone
	}
	return d.leap.pending
}

// tellKernel arms or disarms the kernel for a leap second (adjtimex(2), STA_INS
// and STA_DEL).
func (d *daemon) tellKernel(leap ntp.Leap) {
	if d.opts.noControl || leap == d.leap.kernel {
		return
	}
	d.leap.kernel = leap
	what := "set to not insert/delete"
	switch leap {
	case ntp.LeapInsert:
		what = "set to insert"
	case ntp.LeapDelete:
		what = "set to delete"
	}
	d.log.info("System clock status " + what + " leap second")
}

// leapSecond is called when the day ends.
func (d *daemon) leapSecond() {
	leap := d.leap.pending
	if leap == ntp.LeapNone {
		return
	}
	d.leap.pending, d.leap.done = ntp.LeapNone, d.cooked().Truncate(24*time.Hour)
	by := 1.0 // seconds to take off the clock
	if leap == ntp.LeapDelete {
		by = -1
	}
	switch d.conf.LeapMode {
	case "slew":
		d.log.warn("Adjusting system clock for leap second")
		d.leapSmooth(by)
		d.adjust(0, by, 0)
		d.p.Emit(trace.ClockSlewed, trace.Attrs{"by": formatSeconds(-by), "reason": "leap second"})
	case "step", "system":
		d.step(by)
		d.p.Emit(trace.ClockStepped, trace.Attrs{"by": formatSeconds(-by), "reason": "leap second"})
		if d.conf.LeapMode == "step" {
			d.log.warn("System clock was stepped for leap second")
			break
		}
		// The kernel does this by itself.
		d.leap.kernel = ntp.LeapNone
		d.syncStatus()
		d.log.info("System clock status reset after leap second")
	default:
		d.log.warn("Ignoring leap second")
	}
	if d.ref.Synchronised {
		d.ref.Leap = ntp.LeapNone
	}
}
