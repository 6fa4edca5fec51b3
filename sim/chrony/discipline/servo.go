// Package discipline corrects a clock by what the sources say: Reference decides
// how much, and whether by a step or a slew; Servo turns that into rates of the
// clock. Reference is also what others are told of the clock. Times are arguments.
package discipline

import (
	"math"
	"time"

	"enshu/sim/chrony/measure"
)

// Kernel is what the servo tells the system clock. Both implementations stand
// here: the host's clock, and none at all (option -x).
type Kernel interface {
	// SetRate makes the clock run ppm slower than its natural rate.
	SetRate(ppm float64)
	// Step takes s seconds off the clock.
	Step(s float64)
}

// Servo turns offsets and frequencies into rates of the system clock. Raw time
// is what the clock reads; cooked time is raw time with the part of the
// offset taken out that is known but not corrected yet.
type Servo struct {
	Kernel  Kernel
	virtual bool // -x: nothing is corrected, all of it stays in cooked time

	MaxSlew float64 // maxslewrate, seconds a second
	maxFreq float64 // maxdrift, ppm

	Frequency float64 // estimated gain of the clock, ppm
	// Compensation is what the temperature makes the clock lose, ppm: it is added
	// to its rate and is no part of the estimate.
	Compensation float64
	start        time.Time
	register     float64 // offset at start, seconds; positive when the clock is fast
	Rate         float64 // correction rate: area under the curve of the slewed offset
	slewing      float64 // part of the rate that corrects the offset, seconds a second
}

const (
	maxKernelFreq = 100000.0 // ppm that the kernel can correct
	minCorrection = 1e-9     // offsets below are not slewed
	MinSlewTime   = 1.0      // seconds
	maxSlewTime   = 1e4
)

// NewServo returns a servo that starts at a raw time with the frequency ppm.
func NewServo(k Kernel, virtual bool, now time.Time, ppm, maxSlewPPM, maxDrift float64) *Servo {
	v := &Servo{Kernel: k, virtual: virtual, MaxSlew: min(maxSlewPPM*1e-6, 1.0/12), maxFreq: min(maxDrift, maxKernelFreq), start: now}
	v.Frequency = v.Clamp(ppm)
	return v
}

// Clamp limits a frequency in ppm to what maxdrift and the kernel allow.
func (v *Servo) Clamp(ppm float64) float64 { return min(max(ppm, -v.maxFreq), v.maxFreq) }

// gain is what has to be taken off the rate of the clock, ppm.
func (v *Servo) gain() float64 { return v.Frequency - v.Compensation }

// Compensate changes the compensation of temperature from a raw time on.
func (v *Servo) Compensate(now time.Time, ppm float64) {
	v.Settle(now)
	v.Compensation = ppm
}

// Correction returns cooked minus raw time, seconds.
func (v *Servo) Correction(raw time.Time) float64 {
	d := raw.Sub(v.start).Seconds()
	if v.virtual {
		return -(v.gain()*1e-6*d + v.register)
	}
	return v.slewing*d - v.register
}

// Cook returns the cooked time of a raw one.
func (v *Servo) Cook(raw time.Time) time.Time { return measure.AddSeconds(raw, v.Correction(raw)) }

// Apply starts a slew at a raw time and returns after how long it must be
// looked at again.
func (v *Servo) Apply(now time.Time) time.Duration {
	if v.virtual {
		return measure.Seconds(maxSlewTime)
	}
	v.Settle(now)
	duration := maxSlewTime
	if math.Abs(v.register) >= minCorrection {
		duration = max(v.Rate/math.Abs(v.register), MinSlewTime)
	}
	correct := min(max(v.register/duration, -v.MaxSlew), v.MaxSlew)
	total := v.gain() + correct*(1e6-v.gain())
	total = min(max(total, -maxKernelFreq), maxKernelFreq)
	v.Kernel.SetRate(total)
	v.slewing = (total - v.gain()) / (1e6 - total)
	if v.slewing*v.register <= 0 {
		return measure.Seconds(maxSlewTime)
	}
	return measure.Seconds(min(max(v.register/v.slewing, MinSlewTime), maxSlewTime))
}

// Settle takes what was slewed until now off the register.
func (v *Servo) Settle(now time.Time) {
	d := now.Sub(v.start).Seconds()
	if v.virtual {
		v.register += v.gain() * 1e-6 * d
	} else {
		v.register -= v.slewing * d
	}
	v.start = now
}

// Adjust takes a change of the frequency, seconds a second, and of the offset
// in at a raw time, and returns the change of frequency that was possible and
// when to call apply again.
func (v *Servo) Adjust(now time.Time, dfreq, doffset, rate float64) (float64, time.Duration) {
	v.Settle(now)
	old := v.Frequency
	v.Frequency = v.Clamp(old + dfreq*(1e6-old))
	v.register += doffset
	v.Rate = rate
	return (v.Frequency - old) / (1e6 - old), v.Apply(now)
}

// Step takes s seconds off the clock at once. The raw time now is as before it.
func (v *Servo) Step(now time.Time, s float64) time.Duration {
	if v.virtual {
		v.Settle(now)
		v.register += s
		return measure.Seconds(maxSlewTime)
	}
	v.Settle(now)
	v.Kernel.Step(s)
	v.start = measure.AddSeconds(now, -s)
	return v.Apply(v.start)
}

// Jumped notes that someone else set the clock, which reads now since: what was to
// be corrected is not known any more. Apply must follow.
func (v *Servo) Jumped(now time.Time) { v.start, v.register = now, 0 }
