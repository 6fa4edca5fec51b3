package chronyd

import (
	"fmt"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/discipline"
	"enshu/sim/libc"
)

// openTempcomp reads the points of tempcomp and begins to follow the temperature.
func (d *daemon) openTempcomp() error {
	c := d.conf.TempComp
	if c.File == "" {
		return nil
	}
	var points []conf.TempPoint
	if c.PointFile != "" {
		data, err := libc.ReadFile(d.p, c.PointFile)
		if err != nil {
			return conf.Errorf("Could not open %s : %s", c.PointFile, libc.Strerror(err))
		}
		if points, err = conf.ParseTempPoints(data, c.PointFile); err != nil {
			return err
		}
	}
	var follow func()
	follow = func() {
		d.compensate(c, points)
		d.after(max(c.Interval, minTempInterval), follow)
	}
	follow()
	return nil
}

// minTempInterval is the shortest time between two readings, seconds.
const minTempInterval = 1

// compensate corrects the frequency for the present temperature.
func (d *daemon) compensate(c conf.TempComp, points []conf.TempPoint) {
	data, err := libc.ReadFile(d.p, c.File)
	temperature, _, ok := conf.ScanFloat(string(data))
	if err != nil || !ok {
		d.log.warn("Could not read temperature from " + c.File)
		return
	}
	ppm, ok := discipline.Compensation(c, points, temperature)
	if !ok {
		d.log.warn(fmt.Sprintf("Temperature compensation of %.3f ppm exceeds sanity limit of %.1f", ppm, discipline.MaxCompensation))
		return
	}
	if ppm != d.servo.Compensation {
		now := d.p.Now()
		d.servo.Compensate(now, ppm)
		d.setRate(now)
	}
	d.files.write(d, "tempcomp", fmt.Sprintf("%s %11.4e %11.4e", logTime(d.cooked()), temperature, ppm))
}

// followDrift keeps the averages of fallbackdrift and, while there is no new
// measurement, sees to it that the clock returns to them.
func (d *daemon) followDrift(now time.Time) {
	if !d.driftAt.IsZero() {
		d.fallback.Update(d.servo.Frequency, now.Sub(d.driftAt).Seconds())
	}
	d.driftAt = now
	d.scheduleFallback(0)
}

func (d *daemon) scheduleFallback(since float64) {
	d.sched.Stop(d.fallbackTimer)
	d.fallbackTimer = nil
	if _, _, wait := d.fallback.Next(since); wait > 0 {
		d.fallbackTimer = d.after(wait, func() { d.fallBack(since + wait) })
	}
}

// fallBack uses the average frequency of the last 2^n seconds.
func (d *daemon) fallBack(since float64) {
	if ppm, use, _ := d.fallback.Next(since); use {
		d.ref.Unsynchronise()
		d.syncStatus()
		d.logUnsynchronised()
		d.adjust((ppm-d.servo.Frequency)/(1e6-d.servo.Frequency), 0, 0)
	}
	d.scheduleFallback(since)
}
