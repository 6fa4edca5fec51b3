package timedate

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

const adjtimeFile = "/etc/adjtime"

// adjtime is the file in which hwclock keeps what it knows of the hardware clock
// (adjtime(5)).
type adjtime struct {
	found      bool
	factor     float64 // what the clock loses, seconds a day
	adjusted   int64   // when it was last set or adjusted, Unix time
	rest       float64 // seconds that were too few to adjust then
	calibrated int64   // when factor was last measured
	scale      timeScale
}

// timeScale is what the hardware clock keeps.
type timeScale int

const (
	scaleUnknown timeScale = iota
	scaleUTC
	scaleLocal
)

func (s timeScale) says() string { return [...]string{"unknown", "UTC", "local"}[s] }

// readAdjtime reads the file and warns of what is not understood.
func readAdjtime(p *host.Proc, name string) adjtime {
	var a adjtime
	data, err := libc.ReadFile(p, name)
	if err != nil {
		return a
	}
	a.found = true
	rest := string(data)
	line := func() string {
		// The program shows a line with its line feed.
		l, after, _ := strings.Cut(rest, "\n")
		if len(l) < len(rest) {
			l += "\n"
		}
		rest = after
		return l
	}
	warn := func(l string) {
		fmt.Fprintf(p.Stderr, "hwclock: Warning: unrecognized line in adjtime file: %s\n", l)
	}
	first, second, third := line(), line(), strings.TrimSuffix(line(), "\n")
	if n, _ := fmt.Sscan(first, &a.factor, &a.adjusted, &a.rest); n != 3 {
		warn(first)
	}
	if n, _ := fmt.Sscan(second, &a.calibrated); n != 1 {
		warn(second)
	}
	switch third {
	case "UTC":
		a.scale = scaleUTC
	case "LOCAL":
		a.scale = scaleLocal
	case "":
	default:
		fmt.Fprint(p.Stderr, "hwclock: Warning: unrecognized third line in adjtime file\n(Expected: `UTC' or `LOCAL' or nothing.)\n")
	}
	return a
}

// text is the contents of the file.
func (a *adjtime) text() string {
	scale := "UTC"
	if a.scale == scaleLocal {
		scale = "LOCAL"
	}
	return fmt.Sprintf("%f %d %f\n%d\n%s\n", a.factor, a.adjusted, a.rest, a.calibrated, scale)
}

// adjtimeIsLocal reports whether the third line of a file says LOCAL.
func adjtimeIsLocal(lines []string) bool {
	return len(lines) > 2 && strings.TrimSpace(lines[2]) == "LOCAL"
}

// setAdjtimeScale changes the third line of the file and nothing else. What says
// no more than a missing file is removed, as systemd does.
func setAdjtimeScale(p *host.Proc, local bool) error {
	data, _ := libc.ReadFile(p, adjtimeFile)
	lines := libc.Lines(data)
	for i := len(lines); i < 3; i++ {
		lines = append(lines, [...]string{"0.0 0 0", "0", ""}[i])
	}
	lines[2] = "UTC"
	if local {
		lines[2] = "LOCAL"
	}
	text := strings.Join(lines, "\n") + "\n"
	if text == "0.0 0 0\n0\nUTC\n" {
		if err := p.Sys.Remove(adjtimeFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return libc.WriteFile(p, adjtimeFile, []byte(text), 0o644)
}

// save writes the file.
func (h *hwclock) save() int {
	if h.noFile {
		return 0
	}
	text := h.adj.text()
	h.tell("New %s data:\n%s", h.file, strings.TrimSuffix(text, "\n"))
	if h.test {
		return 0
	}
	if err := libc.WriteFile(h.p, libc.Abs(h.p, h.file), []byte(text), 0o644); err != nil {
		return h.fail("cannot open %s: %s", h.file, libc.Strerror(err))
	}
	return 0
}

// drift returns how many seconds the hardware clock is behind at a time that it
// shows, as far as its history tells.
func (h *hwclock) drift(t time.Time) float64 {
	since := t.Unix() - h.adj.adjusted
	drift := h.adj.factor*float64(since)/86400 + h.adj.rest
	whole := math.Floor(drift) // hwclock shows a struct timeval, whose microseconds are never negative
	h.tell("Time since last adjustment is %d seconds\nCalculated Hardware Clock drift is %d.%06d seconds", since, int64(whole), int64((drift-whole)*1e6))
	return drift
}

const (
	leastCalibration = 4 * 3600 // seconds, between which a clock's drift is not measured
	mostDrift        = 2145.0   // seconds a day; more is a mistake
)

// calibrate measures the drift anew: the hardware clock, its known drift taken
// off, said rtc when the time was now.
func (h *hwclock) calibrate(now, rtc time.Time) {
	since := now.Sub(time.Unix(h.adj.calibrated, 0)).Seconds()
	switch {
	case !h.updateDrift:
		h.tell("Not adjusting drift factor because the --update-drift option was not used.")
	case h.adj.calibrated == 0:
		h.tell("Not adjusting drift factor because last calibration time is zero,\nso history is bad and calibration startover is necessary.")
	case rtc.Unix()-h.adj.calibrated < leastCalibration:
		h.tell("Not adjusting drift factor because it has been less than four hours since the last calibration.")
	default:
		drifted := now.Sub(rtc).Seconds()
		by := drifted / since * 86400
		if factor := h.adj.factor + by; math.Abs(factor) > mostDrift {
			h.tell("Clock drift factor was calculated as %f seconds/day.\nIt is far too much. Resetting to zero.", factor)
			h.adj.factor = 0
			return
		}
		h.tell("Clock drifted %f seconds in the past %f seconds\nin spite of a drift factor of %f seconds/day.\nAdjusting drift factor by %f seconds/day",
			drifted, since, h.adj.factor, by)
		h.adj.factor += by
	}
}
