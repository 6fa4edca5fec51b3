package timedate

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

const hwclockUsage = `
Usage:
 hwclock [function] [option...]

Time clocks utility.

Functions:
 -r, --show                      display the RTC time
     --get                       display drift corrected RTC time
     --set                       set the RTC according to --date
 -s, --hctosys                   set the system time from the RTC
 -w, --systohc                   set the RTC from the system time
     --systz                     send timescale configurations to the kernel
 -a, --adjust                    adjust the RTC to account for systematic drift
     --param-get <param>         display the RTC parameter
     --param-set <param>=<value> set the RTC parameter
     --predict                   predict the drifted RTC time according to --date

Options:
 -u, --utc                       the RTC timescale is UTC
 -l, --localtime                 the RTC timescale is Local
 -f, --rtc <file>                use an alternate file to /dev/rtc0
     --directisa                 use the ISA bus instead of /dev/rtc0 access
     --date <time>               date/time input for --set and --predict
     --delay <sec>               delay used when set new RTC time
     --update-drift              update the RTC drift factor
     --noadjfile                 do not use /etc/adjtime
     --adjfile <file>            use an alternate file to /etc/adjtime
     --test                      dry run; implies --verbose
 -v, --verbose                   display more details

 -h, --help                      display this help
 -V, --version                   display version

Arguments:
 <param> is either a numeric RTC parameter value or one of these aliases:
   - features: supported features (0x0)
   - correction: time correction (0x1)
   - bsm: backup switch mode (0x2)
   See Kernel's include/uapi/linux/rtc.h for parameters and values.

 <param> and <value> accept hexadecimal values if prefixed with 0x, otherwise decimal.

For more details see hwclock(8).
`

const hwclockVersion = "hwclock from util-linux 2.38.1"

var hwclockOptions = []libc.LongOption{
	{Name: "help", Short: "h"}, {Name: "version", Short: "V"}, {Name: "verbose", Short: "v"}, {Name: "debug", Short: "D"},
	{Name: "adjust", Short: "a"}, {Name: "localtime", Short: "l"}, {Name: "utc", Short: "u"}, {Name: "show", Short: "r"},
	{Name: "hctosys", Short: "s"}, {Name: "systohc", Short: "w"}, {Name: "rtc", Arg: libc.RequiredArgument, Short: "f"},
	{Name: "get"}, {Name: "set"}, {Name: "systz"}, {Name: "predict"}, {Name: "noadjfile"}, {Name: "update-drift"}, {Name: "test"},
	{Name: "directisa"}, {Name: "date", Arg: libc.RequiredArgument}, {Name: "adjfile", Arg: libc.RequiredArgument},
	{Name: "delay", Arg: libc.RequiredArgument}, {Name: "param-get", Arg: libc.RequiredArgument}, {Name: "param-set", Arg: libc.RequiredArgument},
}

// hwclockFunctions are the names of the functions by their options.
var hwclockFunctions = map[string]bool{
	"a": true, "r": true, "s": true, "w": true, "get": true, "predict": true, "set": true, "systz": true,
}

// exclusive are the groups of options of which one may be given.
var exclusive = []struct {
	of   []string
	says string
}{
	{[]string{"a", "r", "s", "w", "get", "predict", "set", "systz"}, "--adjust --show --hctosys --systohc --get --predict --set --systz"},
	{[]string{"l", "u"}, "--localtime --utc"},
	{[]string{"adjfile", "noadjfile"}, "--adjfile --noadjfile"},
	{[]string{"noadjfile", "update-drift"}, "--noadjfile --update-drift"},
}

// Hwclock is /usr/sbin/hwclock (hwclock(8)).
func Hwclock(ctx context.Context, p *host.Proc) int {
	h := &hwclock{ctx: ctx, p: p, zone: libc.Zone(p), started: p.Now(), function: "r", file: adjtimeFile, device: "/dev/rtc0", delay: 0.5}
	if status, done := h.options(); done {
		return status
	}
	if h.param != "" {
		return h.parameter()
	}
	h.tell("%s\nSystem Time: %s", hwclockVersion, stamp6(h.started))
	status := h.run()
	if h.test && status == 0 {
		fmt.Fprintln(p.Stdout, "Test mode: nothing was changed.")
	}
	return status
}

// hwclock is a run of the command.
type hwclock struct {
	ctx  context.Context
	p    *host.Proc
	zone *time.Location

	function            string // the option that names it
	utc, local          bool
	verbose, test       bool
	updateDrift, noFile bool
	file, device        string
	param               string // --param-get NAME or --param-set NAME=VALUE
	delay               float64
	date                string
	dated               bool

	started time.Time // when the command was
	wanted  time.Time // --date
	adj     adjtime
}

// options reads the arguments; done ends the command.
func (h *hwclock) options() (status int, done bool) {
	p := h.p
	fail := func(format string, args ...any) (int, bool) {
		fmt.Fprintf(p.Stderr, "hwclock: "+format+"\n", args...)
		return 1, true
	}
	found, operands, err := libc.Getopt(p.Args[1:], "hvVDalrsuwf:", hwclockOptions)
	seen := map[string]bool{}
	for _, o := range found {
		seen[o.Name] = true
		for _, group := range exclusive {
			n := 0
			for _, name := range group.of {
				if seen[name] {
					n++
				}
			}
			if n > 1 {
				return fail("mutually exclusive arguments: %s", group.says)
			}
		}
		switch o.Name {
		case "h":
			fmt.Fprint(p.Stdout, hwclockUsage)
			return 0, true
		case "V":
			fmt.Fprintln(p.Stdout, hwclockVersion)
			return 0, true
		case "v":
			h.verbose = true
		case "D":
			fmt.Fprintln(p.Stderr, "hwclock: use --verbose, --debug has been deprecated.")
		case "u":
			h.utc = true
		case "l":
			h.local = true
		case "f":
			h.device = o.Value
		case "directisa":
			h.device = ""
		case "date":
			h.date, h.dated = o.Value, true
		case "adjfile":
			h.file = o.Value
		case "noadjfile":
			h.noFile = true
		case "update-drift":
			h.updateDrift = true
		case "test":
			h.test, h.verbose = true, true
		case "delay":
			d, err := strconv.ParseFloat(strings.TrimSpace(o.Value), 64)
			if err != nil {
				return fail("invalid --delay argument: '%s'", o.Value)
			}
			if d >= 0 {
				h.delay = d
			}
		case "param-get":
			h.param = "get " + o.Value
		case "param-set":
			if h.param == "" {
				h.param = "set " + o.Value
			}
		default:
			if hwclockFunctions[o.Name] {
				h.function = o.Name
			}
		}
	}
	sets := h.function == "set" || h.function == "predict"
	switch {
	case err != nil:
		fmt.Fprintf(p.Stderr, "%s: %v\nTry 'hwclock --help' for more information.\n", p.Args[0], err)
		return 1, true
	case len(operands) > 0:
		return fail("%d too many arguments given\nTry 'hwclock --help' for more information.", len(operands))
	case h.updateDrift && h.function != "set" && h.function != "w":
		return fail("--update-drift requires --set or --systohc")
	case h.noFile && !h.utc && !h.local:
		return fail("With --noadjfile, you must specify either --utc or --localtime")
	case sets && !h.dated:
		return fail("--date is required for --set or --predict")
	case sets:
		var ok bool
		if h.wanted, ok = hwclockDate(h.date, p.Now().In(h.zone)); !ok {
			return fail("invalid date '%s'", h.date)
		}
	}
	return 0, false
}

// hwclockDate reads a date as hwclock's --date has it: that of systemd.time(7)
// without fractions, zones and counted seconds.
func hwclockDate(s string, now time.Time) (time.Time, bool) {
	if t, err := time.ParseInLocation("20060102150405", s, now.Location()); err == nil {
		return t, true
	}
	if strings.HasPrefix(s, "@") || strings.HasSuffix(s, " left") || strings.HasSuffix(s, " UTC") || strings.HasSuffix(s, " "+zoneName(now)) ||
		strings.Contains(s, ":") && strings.Contains(s, ".") {
		return now, false
	}
	if t, err := time.ParseInLocation("2006-01-02T15:04:05", s, now.Location()); err == nil {
		return t, true
	}
	return parseTimestamp(s, now)
}

// tell prints a line of --verbose.
func (h *hwclock) tell(format string, args ...any) {
	if h.verbose {
		fmt.Fprintf(h.p.Stdout, format+"\n", args...)
	}
}

func (h *hwclock) fail(format string, args ...any) int {
	fmt.Fprintf(h.p.Stderr, "hwclock: "+format+"\n", args...)
	return 1
}

// run does what the function says.
func (h *hwclock) run() int {
	usesDevice := h.function != "systz" && h.function != "predict"
	if usesDevice {
		if status := h.open(); status != 0 {
			return status
		}
	}
	if !h.noFile {
		h.adj = readAdjtime(h.p, libc.Abs(h.p, h.file))
		if h.adj.found {
			h.tell("Last drift adjustment done at %d seconds after 1969\nLast calibration done at %d seconds after 1969\nHardware clock is on %s time",
				h.adj.adjusted, h.adj.calibrated, h.adj.scale.says())
		}
	}
	keeps := scaleUTC
	if h.local || !h.utc && h.adj.scale == scaleLocal {
		keeps = scaleLocal
	}
	h.adj.scale = keeps
	h.tell("Assuming hardware clock is kept in %s time.", keeps.says())
	switch h.function {
	case "predict":
		drift := h.drift(h.wanted)
		predicted := addSeconds(h.wanted, -drift)
		h.tell("Target date:   %d\nPredicted RTC: %d", h.wanted.Unix(), predicted.Unix())
		h.print(predicted)
		return 0
	case "systz":
		h.tellZone()
		return 0
	}
	return h.runDevice()
}

// runDevice is run for the functions that read or write the hardware clock.
func (h *hwclock) runDevice() int {
	var at, rtc time.Time // the moment of a tick on both clocks, the second without its drift
	var drift float64
	if h.function != "w" && h.function != "set" || h.updateDrift {
		var ok bool
		if at, rtc, ok = h.tick(); !ok {
			return 1
		}
		drift = h.drift(rtc)
	}
	switch h.function {
	case "r":
		h.print(rtc.Add(h.started.Sub(at)))
	case "get":
		h.print(addSeconds(rtc.Add(h.started.Sub(at)), drift))
	case "s":
		return h.setSystem(addSeconds(rtc, drift))
	case "a":
		return h.adjust(at, rtc, drift)
	case "w":
		now := h.p.Now()
		if h.updateDrift {
			now = at
		}
		base := now.Truncate(time.Second)
		return h.store(base, base, now, addSeconds(rtc, drift))
	case "set":
		return h.store(h.wanted, h.started, h.wanted, addSeconds(rtc.Add(h.started.Sub(at)), drift))
	}
	return 0
}

// setSystem is --hctosys.
func (h *hwclock) setSystem(t time.Time) int {
	h.tellZone()
	h.tell("Calling settimeofday(%s, NULL) to set the System time.", stamp6(t))
	if h.test {
		return 0
	}
	if err := setClock(h.p, t, "hwclock --hctosys"); err != nil {
		return h.fail("settimeofday() failed: %v", err)
	}
	return 0
}

// tellZone tells how the kernel would be told of the zone. The clocks of this
// kernel know none.
func (h *hwclock) tellZone() {
	_, east := h.p.Now().In(h.zone).Zone()
	west := -east / 60
	if h.adj.scale == scaleLocal {
		h.tell("Calling settimeofday(NULL, %d) to warp System time, set PCIL and the kernel tz.", west)
		return
	}
	h.tell("Calling settimeofday(NULL, 0) to lock the warp_clock function.")
	if west != 0 {
		h.tell("Calling settimeofday(NULL, %d) to set the kernel timezone.", west)
	}
}

// adjust is --adjust: at one tick the clocks said at and rtc.
func (h *hwclock) adjust(at, rtc time.Time, drift float64) int {
	if drift > -1 && drift < 1 {
		fmt.Fprintln(h.p.Stdout, "Needed adjustment is less than one second, so not setting clock.")
		return 0
	}
	if h.adj.adjusted == 0 {
		fmt.Fprintln(h.p.Stdout, "Not setting clock because last adjustment time is zero, so history is bad.")
		return 0
	}
	right := addSeconds(rtc, drift)
	base := right.Truncate(time.Second)
	if status := h.write(base, at.Add(-right.Sub(base))); status != 0 {
		return status
	}
	h.adj.adjusted, h.adj.rest = base.Unix(), 0
	return h.save()
}

// store sets the hardware clock to a time that was right at a moment of the
// system's, and notes how wrong it was: rtc when it should have been now.
func (h *hwclock) store(t, moment, now, rtc time.Time) int {
	if status := h.write(t, moment); status != 0 {
		return status
	}
	h.calibrate(now, rtc)
	h.adj.adjusted, h.adj.calibrated, h.adj.rest = t.Unix(), t.Unix(), 0
	return h.save()
}

func (h *hwclock) print(t time.Time) {
	fmt.Fprintln(h.p.Stdout, t.In(h.zone).Format("2006-01-02 15:04:05.000000-07:00"))
}

// stamp6 is a time in seconds and microseconds.
func stamp6(t time.Time) string { return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000) }

// addSeconds is t and some seconds.
func addSeconds(t time.Time, s float64) time.Time {
	return t.Add(time.Duration(s * float64(time.Second)))
}
