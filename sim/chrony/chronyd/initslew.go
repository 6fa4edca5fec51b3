package chronyd

import (
	"fmt"
	"math"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/measure"
	"enshu/sim/trace"
)

// initSlew is the directive initstepslew at work: before anything else the
// clock is measured against some servers and corrected at once.
type initSlew struct {
	threshold float64
	normal    []*source // the configured sources, which wait
}

// startInitSlew measures against the servers of initstepslew.
func (d *daemon) startInitSlew() {
	d.initSlew = &initSlew{threshold: d.conf.InitSlew.Threshold, normal: d.sources}
	d.sources = nil
	for _, ip := range d.conf.InitSlew.Servers {
		cfg := conf.DefaultSource()
		cfg.Name, cfg.Iburst = ip.String(), true
		s := &source{cfg: cfg, name: cfg.Name}
		d.attach(s, ip)
		d.sources = append(d.sources, s)
	}
	d.listCandidates()
	for _, s := range d.sources {
		d.online(s)
	}
	d.after(initSlewTimeout, d.endInitSlew)
}

// initSlewTimeout is how long servers of initstepslew are waited for, seconds.
const initSlewTimeout = 30

// initSlewPause passes between the correction and normal operation, seconds.
const initSlewPause = 2

// correctInitial corrects the clock by the first measurement.
func (d *daemon) correctInitial(u *measure.Update) {
	now := d.cooked()
	offset := u.Offset + now.Sub(u.At).Seconds()*u.Frequency
	how := "slew"
	if math.Abs(offset) > d.initSlew.threshold {
		how = "step"
	}
	word := "slow"
	if offset >= 0 {
		word = "fast"
	}
	d.log.info(fmt.Sprintf("System's initial offset : %.6f seconds %s of true (%s)", math.Abs(offset), word, how))
	if how == "step" {
		d.step(offset)
		d.p.Emit(trace.ClockStepped, trace.Attrs{"by": formatSeconds(-offset), "reason": "initstepslew"})
	} else {
		d.adjust(0, offset, 0)
		d.p.Emit(trace.ClockSlewed, trace.Attrs{"by": formatSeconds(-offset), "reason": "initstepslew"})
	}
	for _, s := range d.sources {
		s.close(d)
	}
	d.after(initSlewPause, d.endInitSlew)
}

// endInitSlew begins normal operation.
func (d *daemon) endInitSlew() {
	if d.initSlew == nil {
		return
	}
	for _, s := range d.sources {
		s.close(d)
	}
	d.sources = d.initSlew.normal
	d.initSlew = nil
	d.sel.Selected = nil
	d.listCandidates()
	d.startPolling()
}
