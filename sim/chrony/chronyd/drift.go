package chronyd

import (
	"fmt"
	"math"
	"strings"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/libc"
)

// driftInterval is how often the drift file is written, seconds.
const driftInterval = 3600

// readDrift starts with the frequency and the skew of the drift file.
func (d *daemon) readDrift() {
	name := d.conf.DriftFile
	if name == "" {
		return
	}
	data, err := libc.ReadFile(d.p, name)
	if err != nil {
		return
	}
	ppm, skew, ok := parseDrift(string(data))
	if !ok {
		d.log.warn("Could not read valid frequency and skew from driftfile " + name)
		return
	}
	d.log.info(fmt.Sprintf("Frequency %.3f +/- %.3f ppm read from %s", ppm, skew, name))
	d.ref.Skew = skew * 1e-6
	d.servo.Frequency = d.servo.Clamp(ppm)
}

// parseDrift reads the two numbers of a drift file: ppm that the clock gains,
// and an error bound.
func parseDrift(s string) (ppm, skew float64, ok bool) {
	ppm, rest, ok1 := conf.ScanFloat(s)
	skew, _, ok2 := conf.ScanFloat(strings.TrimLeft(rest, conf.Blanks))
	if !ok1 || !ok2 || math.IsNaN(ppm) || math.IsInf(ppm, 0) || !(skew > 0) || math.IsInf(skew, 0) {
		return 0, 0, false
	}
	return ppm, skew, true
}

// driftUpdate writes the drift file when the last writing is long enough ago.
func (d *daemon) driftUpdate(now time.Time) {
	if d.conf.DriftFile == "" {
		return
	}
	d.driftStale = true
	if d.driftSaved.IsZero() {
		d.driftSaved = now
		return
	}
	if now.Sub(d.driftSaved).Seconds() < driftInterval && !now.Before(d.driftSaved) {
		return
	}
	d.driftSaved = now
	d.saveDrift()
}

// saveDrift writes the drift file when there is something new to write.
func (d *daemon) saveDrift() {
	if d.conf.DriftFile == "" || !d.driftStale {
		return
	}
	d.driftStale = false
	text := fmt.Sprintf("%20.6f %20.6f\n", d.servo.Frequency, 1e6*d.ref.Skew)
	if err := d.saved(d.conf.DriftFile, []byte(text)); err != nil {
		d.log.warn(fmt.Sprintf("Could not open %s : %s", d.conf.DriftFile+".tmp", libc.Strerror(err)))
	}
}

// loadKeys reads the key file anew.
func (d *daemon) loadKeys() {
	d.keys = conf.Keys{}
	name := d.conf.KeyFile
	if name == "" {
		return
	}
	data, err := libc.ReadFile(d.p, name)
	if err != nil {
		d.log.warn("Could not open keyfile " + name)
		return
	}
	keys, problems := conf.ParseKeys(data, name)
	for _, text := range problems {
		d.log.warn(text)
	}
	d.keys = keys
}
