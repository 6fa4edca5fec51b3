package discipline

import (
	"math"

	"enshu/sim/chrony/conf"
)

// MaxCompensation is the largest compensation of temperature that is believed, ppm.
const MaxCompensation = 10.0

// Compensation returns the correction of the frequency in ppm that tempcomp asks
// for at a temperature; points is what its file of points says, empty for the
// polynomial. It reports false for one that is too large to be true.
func Compensation(c conf.TempComp, points []conf.TempPoint, temperature float64) (ppm float64, ok bool) {
	if len(points) < 2 {
		t := temperature - c.T0k[0]
		ppm = c.T0k[1] + t*c.T0k[2] + t*t*c.T0k[3]
	} else {
		i := 1
		for i < len(points)-1 && points[i].Temperature < temperature {
			i++
		}
		a, b := points[i-1], points[i]
		ppm = a.PPM + (temperature-a.Temperature)/(b.Temperature-a.Temperature)*(b.PPM-a.PPM)
	}
	return ppm, math.Abs(ppm) <= MaxCompensation
}

// Fallback keeps averages of the frequency over ever longer times, to which
// the clock returns when it is not updated any more (chrony.conf(5),
// fallbackdrift).
type Fallback struct {
	least, most int // log2 of the shortest and the longest time, seconds
	drifts      []fallbackDrift
}

// fallbackDrift is the mean of twice as many seconds as it stands for, and from
// then on an average in which what is older counts ever less.
type fallbackDrift struct {
	ppm  float64
	span float64 // seconds of updates in the mean
}

// NewFallback returns the averages that a configuration asks for.
func NewFallback(c [2]int) Fallback {
	f := Fallback{least: c[0], most: c[1]}
	if f.least > 0 && f.least <= f.most && f.most <= 30 {
		f.drifts = make([]fallbackDrift, f.most-f.least+1)
	}
	return f
}

// Update takes in the frequency that the clock had for some seconds, ppm.
func (f *Fallback) Update(ppm, seconds float64) {
	if !(seconds > 0) {
		return
	}
	for i := range f.drifts {
		d, whole := &f.drifts[i], math.Ldexp(1, f.least+i)
		if d.span < 2*whole {
			d.ppm = (d.ppm*d.span + ppm*seconds) / (d.span + seconds)
			d.span += seconds
			continue
		}
		d.ppm += (1 - math.Exp(-seconds/whole)) * (ppm - d.ppm)
	}
}

// Next returns the frequency to use after some seconds without an update, and
// after how many more there is another one to use; use is false while the present
// frequency is the best.
func (f *Fallback) Next(since float64) (ppm float64, use bool, wait float64) {
	for i, d := range f.drifts {
		whole := math.Ldexp(1, f.least+i)
		if since < whole {
			return ppm, use, whole - since
		}
		if d.span >= 2*whole {
			ppm, use = d.ppm, true
		}
	}
	return ppm, use, 0
}
