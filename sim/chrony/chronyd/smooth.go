package chronyd

import (
	"time"

	"enshu/sim/chrony/discipline"
	"enshu/sim/chrony/measure"
	"enshu/sim/trace"
	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// activateSmoothing starts smoothtime, by itself or by chronyc.
func (d *daemon) activateSmoothing(now time.Time) {
	if d.smooth.Active {
		return
	}
	d.smooth.Activate(now)
	only := ""
	if d.smooth.LeapOnly {
		only = " (leap seconds only)"
	}
	d.log.info("Time smoothing activated" + only)
	d.p.Emit(trace.ClockSlewed, trace.Attrs{"by": formatSeconds(0), "reason": "smoothtime"})
}

// leapSmooth hides a leap second of by seconds from clients.
func (d *daemon) leapSmooth(by float64) {
	if d.smooth.LeapOnly {
		d.smooth.Slewed(d.cooked(), 0, by)
	}
}

// smoothTime runs chronyc smoothtime.
func (d *daemon) smoothTime(v int32) candm.Status {
	if !d.smooth.Enabled() {
		return candm.NotEnabled
	}
	switch now := d.cooked(); v {
	case 0:
		d.smooth.Reset(now)
	case 1:
		d.activateSmoothing(now)
	default:
		return candm.Failed
	}
	return candm.Success
}

func (d *daemon) smoothReport() *candm.Smoothing {
	r := d.smooth.Report(d.cooked())
	out := &candm.Smoothing{
		Offset: r.Offset, FreqPPM: 1e6 * r.Frequency, WanderPPM: 1e6 * r.Wander, LastUpdate: r.Since, Remaining: r.Remaining,
	}
	if d.smooth.Active {
		out.Flags |= candm.SmoothingActive
	}
	if d.smooth.LeapOnly {
		out.Flags |= candm.SmoothingLeapOnly
	}
	return out
}

// served turns what a client is told into smoothed time; now is the cooked time
// of the request and offset by how much the served time differs from it.
func (d *daemon) served(p discipline.Params, now time.Time) (served discipline.Params, offset float64) {
	if offset = d.smooth.Offset(now); offset != 0 {
		// The time is nobody's but ours.
		p.ID = ntp.RefIDSmooth
		if !p.At.IsZero() {
			p.At = measure.AddSeconds(p.At, offset)
		}
	}
	return p, offset
}
