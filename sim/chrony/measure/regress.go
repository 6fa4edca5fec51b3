package measure

import "math"

// regression is a straight line y = intercept + slope·x fitted to samples.
type regression struct {
	intercept, slope     float64
	variance             float64 // weighted average of the samples' variances
	interceptSD, slopeSD float64 // standard errors
	start                int     // first sample that was used
	runs                 int     // of residuals of one sign, start counted from
	dof                  int     // degrees of freedom
}

const (
	MinSamples = 3 // samples that a line needs
	// runsRatio is how many times the span of the samples in use is looked at
	// when runs of residuals are counted.
	runsRatio = 2
)

// bestLine fits a line to the newest of the samples x, y of weight 1/w, with as
// many old ones as can be kept: while there are fewer runs of residuals of the
// same sign than chance would give in 19 of 20 cases, the oldest sample is
// dropped, but no fewer than atLeast are kept. The first extra samples are not
// fitted, only counted in the test of runs. It reports false with fewer than
// three samples.
func bestLine(x, y, w []float64, extra, atLeast int) (regression, bool) {
	n := len(x) - extra
	if n < MinSamples {
		return regression{}, false
	}
	var r regression
	var residuals [2 * MaxSamples]float64
	start := 0
	for {
		var sumW, u float64
		for i := extra + start; i < len(x); i++ {
			u += x[i] / w[i-extra]
			sumW += 1 / w[i-extra]
		}
		u /= sumW
		var p, q, v float64
		for i := extra + start; i < len(x); i++ {
			weight := w[i-extra]
			ui := x[i] - u
			p += y[i] / weight
			q += y[i] * ui / weight
			v += ui * ui / weight
		}
		slope := q / v
		intercept := p/sumW - slope*u

		from := max(n-(n-start)*runsRatio, -extra)
		count := n - from
		for i := range count {
			residuals[i] = y[extra+from+i] - intercept - slope*x[extra+from+i]
		}
		runs := countRuns(residuals[:count])
		if runs <= criticalRuns(count) && n-start > MinSamples && n-start > atLeast {
			start++
			continue
		}
		used := residuals[start-from : count]
		if start != from {
			runs = countRuns(used)
		}
		var ss float64
		for i, res := range used {
			ss += res * res / w[start+i]
		}
		ss /= float64(len(used) - 2)
		r.slopeSD = math.Sqrt(ss / v)
		r.interceptSD = math.Sqrt(ss/sumW + u*u*r.slopeSD*r.slopeSD)
		r.variance = ss * float64(len(used)) / sumW
		r.intercept, r.slope, r.start, r.runs, r.dof = intercept, slope, start, runs, len(used)-2
		return r, true
	}
}

// countRuns counts the runs of values of the same sign.
func countRuns(v []float64) int {
	if len(v) == 0 {
		return 0
	}
	runs := 1
	for i := 1; i < len(v); i++ {
		if v[i-1] < 0 && v[i] < 0 || v[i-1] > 0 && v[i] > 0 {
			continue
		}
		runs++
	}
	return runs
}

// criticalRuns returns the number of runs that a fit through n samples with
// independent errors has, or fewer, in one of 20 cases.
func criticalRuns(n int) int {
	if n < len(criticalRunsTable) {
		return int(criticalRunsTable[n])
	}
	return n * 4 / 9
}

var criticalRunsTable = [...]uint8{
	0, 0, 0, 0, 0, 0, 0, 0, 2, 3,
	3, 3, 4, 4, 5, 5, 5, 6, 6, 7,
	7, 7, 8, 8, 9, 9, 9, 10, 10, 11,
	11, 11, 12, 12, 13, 13, 14, 14, 14, 15,
	15, 16, 16, 17, 17, 18, 18, 18, 19, 19,
	20, 20, 21, 21, 21, 22, 22, 23, 23, 24,
	24, 25, 25, 26, 26, 26, 27, 27, 28, 28,
	29, 29, 30, 30, 30, 31, 31, 32, 32, 33,
	33, 34, 34, 35, 35, 35, 36, 36, 37, 37,
	38, 38, 39, 39, 40, 40, 40, 41, 41, 42,
	42, 43, 43, 44, 44, 45, 45, 46, 46, 46,
	47, 47, 48, 48, 49, 49, 50, 50, 51, 51,
	52, 52, 52, 53, 53, 54, 54, 55, 55, 56,
}

// tCoefficient returns the quantile of Student's distribution that 99.95 % lie
// below, for degrees of freedom.
func tCoefficient(dof int) float64 {
	if dof >= 1 && dof <= len(tTable) {
		return tTable[dof-1]
	}
	return 3.5
}

var tTable = [...]float64{
	636.6, 31.6, 12.92, 8.61, 6.869,
	5.959, 5.408, 5.041, 4.781, 4.587,
	4.437, 4.318, 4.221, 4.140, 4.073,
	4.015, 3.965, 3.922, 3.883, 3.850,
	3.819, 3.792, 3.768, 3.745, 3.725,
	3.707, 3.690, 3.674, 3.659, 3.646,
	3.633, 3.622, 3.611, 3.601, 3.591,
	3.582, 3.574, 3.566, 3.558, 3.551,
}

// secondSlope fits y = a + b·x + c·z and returns c, the part of y that follows
// z. It reports false when it cannot be told.
func secondSlope(x, z, y []float64) (float64, bool) {
	n := float64(len(x))
	if len(x) < 4 {
		return 0, false
	}
	var mx, mz, my float64
	for i := range x {
		mx += x[i] / n
		mz += z[i] / n
		my += y[i] / n
	}
	var xx, zz, xz, xy, zy float64
	for i := range x {
		dx, dz, dy := x[i]-mx, z[i]-mz, y[i]-my
		xx += dx * dx
		zz += dz * dz
		xz += dx * dz
		xy += dx * dy
		zy += dz * dy
	}
	det := zz*xx - xz*xz
	if !(det > 1e-10*zz*xx) {
		return 0, false
	}
	return (zy*xx - xz*xy) / det, true
}

// RobustLine fits the line with the least sum of absolute residuals, which a
// wild value hardly moves. x rises strictly.
func RobustLine(x, y []float64) (intercept, slope float64, ok bool) {
	if len(x) < 2 {
		return 0, 0, false
	}
	best := math.Inf(1)
	// The best line of this kind goes through two of the samples.
	for i := range x {
		for j := range i {
			b := (y[i] - y[j]) / (x[i] - x[j])
			a := y[i] - b*x[i]
			var sum float64
			for k := range x {
				sum += math.Abs(y[k] - a - b*x[k])
			}
			if sum < best {
				best, intercept, slope, ok = sum, a, b, true
			}
		}
	}
	return intercept, slope, ok
}

// BestRobustLine is RobustLine through the newest samples: while there are fewer
// runs of residuals of the same sign than chance would give, the oldest is
// dropped. start is the first sample in use; runs are not counted below four.
func BestRobustLine(x, y []float64) (intercept, slope float64, start, runs int, ok bool) {
	residuals := make([]float64, len(x))
	for {
		if intercept, slope, ok = RobustLine(x[start:], y[start:]); !ok {
			return 0, 0, 0, 0, false
		}
		n := len(x) - start
		if n < 4 {
			return intercept, slope, start, 0, true
		}
		for i := range n {
			residuals[i] = y[start+i] - intercept - slope*x[start+i]
		}
		if runs = countRuns(residuals[:n]); runs > criticalRuns(n) {
			return intercept, slope, start, runs, true
		}
		start++
	}
}
