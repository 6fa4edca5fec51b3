package chronyd

import (
	"fmt"
	"math"
	"strings"
	"syscall"
	"time"

	"enshu/sim/chrony/measure"
	"enshu/sim/chrony/rtc"
	"enshu/sim/clock"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// rtcDriver measures the host's real-time clock (rtcfile).
type rtcDriver struct {
	clock *clock.Local
	zone  *time.Location // of what it shows
	track rtc.Track
	file  string
	trim  float64 // rtcautotrim, seconds; 0 is never
}

// rtcDevice returns the host's real-time clock.
func (d *daemon) rtcDevice() (*clock.Local, error) {
	c := d.p.Host.RTC
	if dev := d.conf.RTCDevice; c == nil || dev != "/dev/rtc" && dev != "/dev/rtc0" {
		return nil, syscall.ENOENT
	}
	return c, nil
}

// rtcZone is the zone that the real-time clock keeps: hwclock's file knows, or else
// the configuration.
func (d *daemon) rtcZone() *time.Location {
	utc := d.conf.RTCOnUTC
	if data, err := libc.ReadFile(d.p, d.conf.HwclockFile); err == nil {
		if lines := libc.Lines(data); len(lines) > 2 {
			utc = strings.HasPrefix(lines[2], "UTC")
		}
	}
	if utc {
		return time.UTC
	}
	return libc.Zone(d.p)
}

// inZone returns the time that a clock means which shows t.
func inZone(t time.Time, zone *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}

// setFromRTC sets the clock at the start (option -s): from the real-time clock, or
// when that cannot be, from when the drift file was written last.
func (d *daemon) setFromRTC() {
	var saved time.Time
	if d.conf.DriftFile != "" {
		if fi, err := d.p.Sys.Stat(d.conf.DriftFile); err == nil {
			saved = fi.ModTime()
		}
	}
	if c, err := d.rtcDevice(); err == nil {
		// It shows whole seconds: on average half of one has passed.
		t := inZone(c.Now().Truncate(time.Second), d.rtcZone()).Add(time.Second / 2)
		if e, valid := d.readRTCFile(); valid {
			t = measure.AddSeconds(t, -e.At(t))
		}
		if t.After(saved) {
			if d.setClock(t) {
				d.log.info("System time set from RTC")
			}
			return
		}
		d.log.warn("RTC time before last driftfile modification (ignored)")
	}
	if saved.After(d.p.Now()) && d.setClock(saved) {
		d.log.info("System time restored from driftfile")
	}
}

// setClock sets the clock, before anything was measured.
func (d *daemon) setClock(t time.Time) bool {
	if d.opts.noControl {
		d.log.error("Could not step system clock")
		return false
	}
	by := t.Sub(d.p.Now()).Seconds()
	d.step(-by)
	d.p.Emit(trace.ClockStepped, trace.Attrs{"by": formatSeconds(by), "reason": "chronyd -s"})
	return true
}

// readRTCFile returns what an earlier chronyd knew.
func (d *daemon) readRTCFile() (e rtc.Estimate, valid bool) {
	name := d.conf.RTCFile
	if name == "" {
		return e, false
	}
	data, err := libc.ReadFile(d.p, name)
	if err != nil {
		return e, false
	}
	e, valid, ok := rtc.Parse(string(data))
	if !ok {
		d.log.error("Could not read coefficients from " + name)
	}
	return e, valid
}

// openRTC starts to follow the real-time clock.
func (d *daemon) openRTC() {
	if d.conf.RTCFile == "" {
		return
	}
	c, err := d.rtcDevice()
	if err != nil {
		d.log.error(fmt.Sprintf("Could not open RTC device %s : %s", d.conf.RTCDevice, libc.Strerror(err)))
		d.log.error("RTC driver could not be initialised")
		return
	}
	d.rtc = &rtcDriver{clock: c, zone: d.rtcZone(), track: rtc.NewTrack(d.opts.fromRTC), file: d.conf.RTCFile, trim: d.conf.RTCAutotrim}
	d.awaitRTC(2)
}

// awaitRTC waits until so many seconds of the real-time clock have begun: the first
// after its interrupts were switched on is not reliable.
func (d *daemon) awaitRTC(seconds int) {
	now := d.rtc.clock.Now()
	next := now.Truncate(time.Second).Add(time.Duration(seconds) * time.Second)
	d.after(next.Sub(now).Seconds(), d.measureRTC)
}

// measureRTC is called when a second of the real-time clock has just begun.
func (d *daemon) measureRTC() {
	r := d.rtc
	shows := r.clock.Now()
	second := shows.Round(time.Second)
	at := d.servo.Cook(d.p.Now().Add(second.Sub(shows)))
	r.track.Add(at, inZone(second, r.zone))
	now := d.cooked()
	estimated := r.track.Valid && !r.track.Settling()
	wait := 1
	if estimated && r.trim > 0 && d.ref.Params(now).Leap != ntp.LeapUnsynchronised && math.Abs(r.track.At(now)) > r.trim {
		d.trimRTC()
		wait = 2
	} else if r.track.Next() {
		d.writeRTC(r.track.Restart())
	}
	d.files.write(d, "rtc", r.track.Line())
	if r.track.Settling() {
		d.awaitRTC(wait)
		return
	}
	d.after(r.track.Period(), func() { d.awaitRTC(2) })
}

// trimRTC sets the real-time clock, when it is known how wrong it is.
func (d *daemon) trimRTC() {
	r := d.rtc
	now := d.cooked()
	if !r.track.Valid {
		return
	}
	d.log.info(fmt.Sprintf("RTC wrong by %.3f seconds (step)", r.track.At(now)))
	second := now.Truncate(time.Second)
	local := second.In(r.zone)
	r.clock.Set(inZone(local, time.UTC))
	r.track.Set(now, second)
}

// writeRTC writes rtcfile.
func (d *daemon) writeRTC(e rtc.Estimate) candm.Status {
	if err := d.saved(d.rtc.file, []byte(e.Text())); err != nil {
		d.log.error(fmt.Sprintf("Could not open %s : %s", d.rtc.file+".tmp", libc.Strerror(err)))
		return candm.BadRTCFile
	}
	return candm.Success
}

// commandRTC answers chronyc rtcdata, trimrtc and writertc.
func (d *daemon) commandRTC(c candm.Command) (*candm.RTC, candm.Status) {
	switch {
	case d.rtc == nil:
		return nil, candm.NoRTC
	case c == candm.GetRTC:
		return d.rtc.track.Report(), candm.Success
	case c == candm.TrimRTC:
		d.trimRTC()
	case d.rtc.track.Valid:
		return nil, d.writeRTC(d.rtc.track.Estimate)
	}
	return nil, candm.Success
}
