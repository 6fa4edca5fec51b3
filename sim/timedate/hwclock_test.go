package timedate

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/memnet"
)

// TestRecordedHwclock runs hwclock with options, adjtime files and mistakes of all
// kinds; the real one had a hardware clock that a preloaded library played.
func TestRecordedHwclock(t *testing.T) {
	var cases []struct {
		Args           []string
		Adj, AdjAfter  *string
		RTC            *float64 // seconds that the hardware clock is fast
		Zone           string
		Began          float64
		Stdout, Stderr string
		Exit           int
	}
	data, err := os.ReadFile("testdata/recorded/hwclock.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			began := time.UnixMicro(int64(c.Began * 1e6)).UTC()
			n := memnet.New(t)
			n.Line = clock.New(began)
			h := n.Host(t, memnet.Config{Name: "c", Programs: programs})
			h.MkdirAll("/etc", 0o755)
			if c.RTC != nil {
				h.RTC = clock.NewLocal(n.Line, time.Duration(*c.RTC*1e9), 0)
			}
			for _, z := range []string{"America/New_York", "Asia/Tokyo"} {
				data, err := os.ReadFile("testdata/zoneinfo/" + z)
				if err != nil {
					t.Fatal(err)
				}
				h.MkdirAll(path.Dir("/usr/share/zoneinfo/"+z), 0o755)
				h.WriteFile("/usr/share/zoneinfo/"+z, string(data))
			}
			if c.Adj != nil {
				h.WriteFile("/etc/ADJ", strings.ReplaceAll(*c.Adj, "NOW", fmt.Sprint(began.Unix())))
			}
			args := append([]string{"/usr/sbin/hwclock"}, c.Args...)
			if !strings.Contains(strings.Join(args, " "), "adjfile") {
				args = append(args, "--adjfile", "ADJ")
			}
			res := h.RunCmd(host.Cmd{Path: args[0], Args: args, Env: []string{"TZ=" + c.Zone}, Dir: "/etc"})
			if res.Status.Shell() != c.Exit {
				t.Errorf("%q: exit status %d, want %d", c.Args, res.Status.Shell(), c.Exit)
			}
			for _, text := range []struct{ what, got, want string }{
				{"output", res.Stdout, c.Stdout}, {"errors", res.Stderr, c.Stderr},
			} {
				if diff := nearly(text.got, text.want); diff != "" {
					t.Errorf("%q: %s: %s\n%s\nwant\n%s", c.Args, text.what, diff, text.got, text.want)
				}
			}
			if c.AdjAfter != nil {
				if got := h.ReadFile("/etc/ADJ"); nearly(got, *c.AdjAfter) != "" {
					t.Errorf("%q: the file is\n%s\nwant\n%s", c.Args, got, *c.AdjAfter)
				}
			}
		})
	}
}

var (
	number  = regexp.MustCompile(`-?\d+(?:\.\d+)?`)
	ofDay   = regexp.MustCompile(`(\d\d):(\d\d):(\d\d)`)
	waiting = regexp.MustCompile(`(?m)^(?:missed it - .*|.* is close enough to .*)\n`)
)

// nearly compares two texts: the words must be the same, times within ten seconds,
// which a busy machine may take to set a clock, and other numbers within one in a
// thousand.
func nearly(got, want string) string {
	var parts [2][]string
	var numbers [2][]string
	for i, s := range []string{got, want} {
		s = waiting.ReplaceAllString(s, "")
		s = regexp.MustCompile(`\+ \d+; `).ReplaceAllString(s, "+ N; ")
		s = ofDay.ReplaceAllStringFunc(s, func(c string) string {
			m := ofDay.FindStringSubmatch(c)
			h, _ := strconv.Atoi(m[1])
			min, _ := strconv.Atoi(m[2])
			sec, _ := strconv.Atoi(m[3])
			return fmt.Sprint(1e6 + h*3600 + min*60 + sec)
		})
		parts[i], numbers[i] = number.Split(s, -1), number.FindAllString(s, -1)
	}
	if strings.Join(parts[0], "#") != strings.Join(parts[1], "#") {
		return "other words"
	}
	for i := range numbers[0] {
		a, _ := strconv.ParseFloat(numbers[0][i], 64)
		b, _ := strconv.ParseFloat(numbers[1][i], 64)
		if d := math.Abs(a - b); d > 10 || math.Abs(b) < 1e6 && d > 0.9+math.Abs(b)*1e-3 {
			return fmt.Sprintf("%s is far from %s", numbers[0][i], numbers[1][i])
		}
	}
	return ""
}

// The clocks agree after either is set from the other, in the middle of a second
// as well.
func TestHwclockSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := n.Host(t, memnet.Config{Name: "c", Programs: programs, Offset: 700 * time.Millisecond})
		h.MkdirAll("/etc", 0o755)
		h.RTC = clock.NewLocal(n.Line, time.Hour, 0)
		h.Run("/usr/sbin/hwclock", "--hctosys")
		if off := h.Clock.Offset() - time.Hour; off.Abs() > time.Millisecond {
			t.Errorf("the system's clock is %v from the hardware clock", off)
		}
		h.Clock.Step(-20 * time.Minute)
		h.Run("/usr/sbin/hwclock", "--systohc")
		if off := h.RTC.Offset() - h.Clock.Offset(); off.Abs() > time.Millisecond {
			t.Errorf("the hardware clock is %v from the system's", off)
		}
		h.Clock.Step(24 * time.Hour)
		h.Run("/usr/sbin/hwclock", "--systohc", "--update-drift")
		want := fmt.Sprintf("0.000000 %d 0.000000\n", h.Clock.Now().Unix())
		if got := h.ReadFile("/etc/adjtime"); nearly(got[:len(want)], want) != "" {
			t.Errorf("adjtime after a day's jump:\n%s", got)
		}
	})
}
