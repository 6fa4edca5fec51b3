package timedate

import (
	"fmt"
	"math"
	"strings"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/libc"
)

// The hardware clock shows whole seconds. Who reads it waits for one to begin, and
// sets it in the middle of one: the next begins half a second later.

// rtcDevices are the names of the hardware clock, as hwclock tries them.
var rtcDevices = []string{"/dev/rtc0", "/dev/rtc", "/dev/misc/rtc"}

// open finds the hardware clock.
func (h *hwclock) open() int {
	tried := rtcDevices
	switch h.device {
	case "":
		return h.fail("iopl() port access failed: Operation not permitted")
	case "/dev/rtc0":
	default:
		tried = []string{h.device}
	}
	known := false
	for _, name := range rtcDevices[:2] {
		known = known || tried[0] == name
	}
	if h.p.Host.RTC != nil && known && (h.p.UID == 0 || h.function != "w" && h.function != "set" && h.function != "a") {
		h.tell("Trying to open: %s\nUsing the rtc interface to the clock.", tried[0])
		return 0
	}
	if len(tried) > 1 {
		for _, name := range tried {
			h.tell("Trying to open: %s", name)
		}
	}
	h.tell("No usable clock interface found.")
	h.fail("Cannot access the Hardware Clock via any known method.")
	if !h.verbose {
		h.fail("Use the --verbose option to see the details of our search for an access method.")
	}
	return 1
}

// tick waits until a second of the hardware clock begins: what the system's clock
// says then, and the hardware clock.
func (h *hwclock) tick() (at, rtc time.Time, ok bool) {
	h.tell("Waiting for clock tick...")
	now := h.p.Host.RTC.Now()
	next := now.Truncate(time.Second).Add(time.Second)
	if h.p.Sleep(h.ctx, next.Sub(now)) != nil {
		return at, rtc, false
	}
	at = h.p.Now()
	h.tell("...got clock tick\nTime read from Hardware Clock: %s", next.Format("2006/01/02 15:04:05"))
	rtc = fromRTC(next, h.adj.scale == scaleLocal, h.zone)
	h.tell("Hw clock time : %s = %d seconds since 1969", next.Format("2006/01/02 15:04:05"), rtc.Unix())
	return at, rtc, true
}

// write sets the hardware clock to what t has become since a moment of the
// system's clock, in the middle of a second.
func (h *hwclock) write(t, moment time.Time) int {
	h.tell("Using delay: %f seconds", h.delay)
	target := addSeconds(moment, h.delay)
	now := h.p.Now()
	for tolerance := 0.001; ; tolerance *= 2 {
		if wait := target.Sub(now); wait > 0 {
			if h.p.Sleep(h.ctx, wait) != nil {
				return 1
			}
			now = h.p.Now()
		}
		late := now.Sub(target).Seconds()
		if late <= tolerance {
			h.tell("%s is close enough to %s (%f < %f)", stamp6(now), stamp6(target), late, tolerance)
			break
		}
		h.tell("missed it - %s is too far past %s (%f > %f)", stamp6(now), stamp6(target), late, tolerance)
		target = target.Add(time.Second)
	}
	passed := int64(math.Ceil(now.Sub(moment).Seconds() - h.delay))
	set := t.Add(time.Duration(passed) * time.Second)
	h.tell("Set RTC to %d (%d + %d; refsystime = %s)", set.Unix(), t.Unix(), passed, stamp6(moment))
	shown := toRTC(set, h.adj.scale == scaleLocal, h.zone)
	h.tell("Setting Hardware Clock to %s = %d seconds since 1969", shown.Format("15:04:05"), set.Unix())
	if h.test {
		return 0
	}
	// The seconds of the hardware clock begin where those of the time do.
	h.p.Host.RTC.Set(shown.Add(now.Sub(moment) - time.Duration(passed)*time.Second))
	h.tell("ioctl(RTC_SET_TIME) was successful.")
	return 0
}

// parameter is --param-get and --param-set: the hardware clock has none.
func (h *hwclock) parameter() int {
	what, name, _ := strings.Cut(h.param, " ")
	name, value, _ := strings.Cut(name, "=")
	number := func(s string) bool {
		var n uint64
		_, err := fmt.Sscanf(s, "%v", &n)
		return err == nil && strings.TrimLeft(s, "0123456789abcdefxABCDEFX") == ""
	}
	aliases := map[string]bool{"features": true, "correction": true, "bsm": true}
	status := 0
	if what == "get" || aliases[name] || number(name) {
		h.tell("Trying to open: /dev/rtc0")
	}
	switch {
	case h.p.Host.RTC == nil:
		status = h.fail("cannot open /dev/rtc0: %s", libc.Strerror(syscall.ENOENT))
	case !aliases[name] && !number(name):
		status = h.fail("could not convert parameter name to number")
	case what == "set" && !number(value):
		status = h.fail("could not convert parameter value to number")
	default:
		status = h.fail("ioctl(4, RTC_PARAM_%s, param) to /dev/rtc0 failed: Invalid argument", strings.ToUpper(what))
	}
	if what == "get" {
		h.fail("unable to read the RTC parameter %s", name)
	}
	return status
}

// fromRTC returns what the hardware clock means when it shows t.
func fromRTC(t time.Time, local bool, zone *time.Location) time.Time {
	if local {
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
	}
	return t
}

// toRTC returns what the hardware clock shows at t.
func toRTC(t time.Time, local bool, zone *time.Location) time.Time {
	if local {
		l := t.In(zone)
		return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), time.UTC)
	}
	return t.UTC()
}

// readRTC returns what the hardware clock means.
func readRTC(rtc *clock.Local, local bool, zone *time.Location) time.Time {
	return fromRTC(rtc.Now(), local, zone)
}

// writeRTC sets the hardware clock.
func writeRTC(rtc *clock.Local, t time.Time, local bool, zone *time.Location) {
	rtc.Set(toRTC(t, local, zone))
}
