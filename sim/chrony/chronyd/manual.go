package chronyd

import (
	"fmt"
	"math"
	"time"

	"enshu/sim/chrony/discipline"
	"enshu/sim/chrony/measure"
	"enshu/sim/trace"
	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// manualInput are the times that were typed in with chronyc settime.
type manualInput struct {
	enabled bool
	samples []manualSample
}

type manualSample struct {
	when                       time.Time
	offset, original, residual float64 // local clock minus what was typed
}

const maxManualSamples = 16

// minManualInterval is the least time between two entries, seconds.
const minManualInterval = 1

func (m *manualInput) list() *candm.ManualList {
	l := &candm.ManualList{}
	for _, s := range m.samples {
		l.Samples = append(l.Samples, candm.ManualSample{When: s.when, Slewed: s.offset, Original: s.original, Residual: s.residual})
	}
	return l
}

func (m *manualInput) remove(i int) bool {
	if i < 0 || i >= len(m.samples) {
		return false
	}
	m.samples = append(m.samples[:i], m.samples[i+1:]...)
	return true
}

// estimate fits a line through the entries and returns the clock's offset at
// the last one and its frequency.
func (m *manualInput) estimate() (offset, frequency float64) {
	n := len(m.samples)
	if n == 0 {
		return 0, 0
	}
	last := m.samples[n-1]
	x, y := make([]float64, n), make([]float64, n)
	for i, s := range m.samples {
		x[i], y[i] = s.when.Sub(last.when).Seconds(), s.offset
	}
	a, b, ok := measure.RobustLine(x, y)
	if !ok {
		return last.offset, 0
	}
	for i := range m.samples {
		m.samples[i].residual = y[i] - a - b*x[i]
	}
	return a, b
}

func (m *manualInput) slewed(when time.Time, dfreq, doffset float64) {
	for i := range m.samples {
		var delta float64
		m.samples[i].when, delta = measure.Adjusted(m.samples[i].when, when, dfreq, doffset)
		m.samples[i].offset += delta
	}
}

// setTime corrects the clock by a typed time; nil when it comes too soon after
// the last.
func (d *daemon) setTime(t time.Time) *candm.SetTimeResult {
	now := d.cooked()
	m := &d.manual
	if n := len(m.samples); n > 0 && now.Sub(m.samples[n-1].when).Seconds() < minManualInterval {
		return nil
	}
	diff := now.Sub(t).Seconds()
	if len(m.samples) == maxManualSamples {
		m.samples = m.samples[1:]
	}
	m.samples = append(m.samples, manualSample{when: now, offset: diff, original: diff})
	offset, frequency := d.useManual()
	return &candm.SetTimeResult{Offset: offset, FreqChange: 1e6 * frequency, NewFreq: d.servo.Frequency}
}

// manualSkew stands in the log for the skew of a typed time, seconds a second.
const manualSkew = 99999.999e-6

// useManual corrects the clock by the entries and returns what was found.
func (d *daemon) useManual() (offset, frequency float64) {
	offset, frequency = d.manual.estimate()
	if len(d.manual.samples) > 1 {
		d.log.info(fmt.Sprintf("Making a frequency change of %.3f ppm and a slew of %.6f", 1e6*frequency, offset))
	} else {
		d.log.info(fmt.Sprintf("Making a slew of %.6f", offset))
	}
	c := d.ref.TakeManual(d.cooked(), offset, frequency)
	if d.refused(c) {
		return offset, frequency
	}
	raw := d.p.Now()
	d.files.write(d, "tracking", trackingLine(d.cooked(), "MANU", 1, d.servo.Frequency, manualSkew, offset, ntp.LeapUnsynchronised,
		1, 0, d.servo.Correction(raw), 0, d.ref.Fuzz(), d.ref.Distance(d.cooked())))
	d.adjust(c.DFreq, c.Slew, 0)
	d.logChange(offset)
	d.p.Emit(trace.ClockSlewed, trace.Attrs{"by": formatSeconds(-offset), "reason": "chronyc settime"})
	return offset, frequency
}

// logChange reports a correction that is larger than logchange and mailonchange
// allow; offset is by how much the clock was fast.
func (d *daemon) logChange(offset float64) {
	if math.Abs(offset) > d.conf.LogChange {
		d.log.warn(fmt.Sprintf("System clock wrong by %.6f seconds", -offset))
	}
	d.mailChange(offset)
}

// refused reports a correction that maxchange does not allow; it ends the daemon
// unless it is to be ignored.
func (d *daemon) refused(c discipline.Correction) bool {
	if !c.Refused {
		return false
	}
	what := "exiting"
	if c.Ignored {
		what = "ignored"
	}
	d.log.warn(fmt.Sprintf("Adjustment of %.3f seconds exceeds the allowed maximum of %.3f seconds (%s) ",
		-c.Offset, d.ref.MaxChange.Max, what))
	if !c.Ignored {
		d.exit(1)
	}
	return true
}
