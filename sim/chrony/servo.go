package chrony

import (
	"math"
	"time"
)

// kernel is what the servo tells the system clock. Both implementations stand
// here: the host's clock, and none at all (option -x).
type kernel interface {
	// setRate makes the clock run ppm slower than its natural rate.
	setRate(ppm float64)
	// step takes s seconds off the clock.
	step(s float64)
}

// servo turns offsets and frequencies into rates of the system clock. Raw time
// is what the clock reads; cooked time is raw time with the part of the
// offset taken out that is known but not corrected yet.
type servo struct {
	kernel  kernel
	virtual bool // -x: nothing is corrected, all of it stays in cooked time

	maxSlew float64 // maxslewrate, seconds a second
	maxFreq float64 // maxdrift, ppm

	frequency float64 // estimated gain of the clock, ppm
	start     time.Time
	register  float64 // offset at start, seconds; positive when the clock is fast
	rate      float64 // correction rate: area under the curve of the slewed offset
	slewing   float64 // part of the rate that corrects the offset, seconds a second
}

const (
	maxKernelFreq = 100000.0 // ppm that the kernel can correct
	minCorrection = 1e-9     // offsets below are not slewed
	minSlewTime   = 1.0
	maxSlewTime   = 1e4
)

// newServo returns a servo that starts at a raw time with the frequency ppm.
func newServo(k kernel, virtual bool, now time.Time, ppm, maxSlewPPM, maxDrift float64) *servo {
	v := &servo{kernel: k, virtual: virtual, maxSlew: min(maxSlewPPM*1e-6, 1.0/12), maxFreq: min(maxDrift, maxKernelFreq), start: now}
	v.frequency = v.clamp(ppm)
	return v
}

func (v *servo) clamp(ppm float64) float64 { return min(max(ppm, -v.maxFreq), v.maxFreq) }

// correction returns cooked minus raw time, seconds.
func (v *servo) correction(raw time.Time) float64 {
	d := raw.Sub(v.start).Seconds()
	if v.virtual {
		return -(v.frequency*1e-6*d + v.register)
	}
	return v.slewing*d - v.register
}

// cook returns the cooked time of a raw one.
func (v *servo) cook(raw time.Time) time.Time { return addSeconds(raw, v.correction(raw)) }

// apply starts a slew at a raw time and returns after how long it must be
// looked at again.
func (v *servo) apply(now time.Time) time.Duration {
	if v.virtual {
		return seconds(maxSlewTime)
	}
	v.settle(now)
	duration := maxSlewTime
	if math.Abs(v.register) >= minCorrection {
		duration = max(v.rate/math.Abs(v.register), minSlewTime)
	}
	correct := min(max(v.register/duration, -v.maxSlew), v.maxSlew)
	total := v.frequency + correct*(1e6-v.frequency)
	total = min(max(total, -maxKernelFreq), maxKernelFreq)
	v.kernel.setRate(total)
	v.slewing = (total - v.frequency) / (1e6 - total)
	if v.slewing*v.register <= 0 {
		return seconds(maxSlewTime)
	}
	return seconds(min(max(v.register/v.slewing, minSlewTime), maxSlewTime))
}

// settle takes what was slewed until now off the register.
func (v *servo) settle(now time.Time) {
	d := now.Sub(v.start).Seconds()
	if v.virtual {
		v.register += v.frequency * 1e-6 * d
	} else {
		v.register -= v.slewing * d
	}
	v.start = now
}

// adjust takes a change of the frequency, seconds a second, and of the offset
// in at a raw time, and returns the change of frequency that was possible and
// when to call apply again.
func (v *servo) adjust(now time.Time, dfreq, doffset, rate float64) (float64, time.Duration) {
	v.settle(now)
	old := v.frequency
	v.frequency = v.clamp(old + dfreq*(1e6-old))
	v.register += doffset
	v.rate = rate
	return (v.frequency - old) / (1e6 - old), v.apply(now)
}

// step takes s seconds off the clock at once. The raw time now is as before it.
func (v *servo) step(now time.Time, s float64) time.Duration {
	if v.virtual {
		v.settle(now)
		v.register += s
		return seconds(maxSlewTime)
	}
	v.settle(now)
	v.kernel.step(s)
	v.start = addSeconds(now, -s)
	return v.apply(v.start)
}

// jumped notes that someone else changed the clock by s seconds.
func (v *servo) jumped(s float64) { v.start = addSeconds(v.start, s) }
