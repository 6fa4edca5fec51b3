package conf

import "enshu/sim/libc"

// TempPoint is a line of the points file of tempcomp.
type TempPoint struct{ Temperature, PPM float64 }

// ParseTempPoints reads a file of points, at least two of them.
func ParseTempPoints(data []byte, file string) ([]TempPoint, error) {
	var points []TempPoint
	for _, line := range libc.Lines(data) {
		t, rest, ok1 := ScanFloat(line)
		ppm, _, ok2 := ScanFloat(rest)
		if !ok1 || !ok2 {
			return nil, Errorf("Could not read tempcomp point from %s", file)
		}
		points = append(points, TempPoint{t, ppm})
	}
	if len(points) < 2 {
		return nil, Errorf("Not enough points in %s", file)
	}
	return points, nil
}
