package timedate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/getdate"
)

const hwclockUsage = `
Usage:
 hwclock [function] [option...]

Time clocks utility.

Functions:
 -r, --show           display the RTC time
     --get            display drift corrected RTC time
     --set            set the RTC according to --date
 -s, --hctosys        set the system time from the RTC
 -w, --systohc        set the RTC from the system time
     --systz          send timescale configurations to the kernel
 -a, --adjust         adjust the RTC to account for systematic drift
     --predict        predict the drifted RTC time according to --date

Options:
 -u, --utc            the RTC timescale is UTC
 -l, --localtime      the RTC timescale is Local
 -f, --rtc <file>     use an alternate file to /dev/rtc0
     --directisa      use the ISA bus instead of /dev/rtc0 access
     --date <time>    date/time input for --set and --predict
     --update-drift   update the RTC drift factor
     --noadjfile      do not use /etc/adjtime
     --adjfile <file> use an alternate file to /etc/adjtime
     --test           dry run; implies --verbose
 -v, --verbose        display more details

 -h, --help           display this help
 -V, --version        display version

For more details see hwclock(8).
`

const hwclockVersion = "hwclock from util-linux 2.38.1"

const adjtimeFile = "/etc/adjtime"

// Hwclock is /usr/sbin/hwclock (hwclock(8)).
func Hwclock(ctx context.Context, p *host.Proc) int {
	found, operands, err := libc.Getopt(p.Args[1:], "hvVDalrsuwf:", []libc.LongOption{
		{Name: "help", Short: "h"}, {Name: "version", Short: "V"}, {Name: "verbose", Short: "v"}, {Name: "debug", Short: "v"},
		{Name: "adjust", Short: "a"}, {Name: "localtime", Short: "l"}, {Name: "utc", Short: "u"}, {Name: "show", Short: "r"},
		{Name: "hctosys", Short: "s"}, {Name: "systohc", Short: "w"}, {Name: "rtc", Arg: libc.RequiredArgument, Short: "f"},
		{Name: "get"}, {Name: "set"}, {Name: "systz"}, {Name: "predict"}, {Name: "noadjfile"}, {Name: "update-drift"}, {Name: "test"},
		{Name: "directisa"}, {Name: "date", Arg: libc.RequiredArgument}, {Name: "adjfile", Arg: libc.RequiredArgument},
	})
	bad := func() int {
		fmt.Fprintln(p.Stderr, "Try 'hwclock --help' for more information.")
		return 1
	}
	function, text, adjfile := "r", "", adjtimeFile
	var haveDate, verbose, test, utc, local, noAdj bool
	for _, o := range found {
		switch o.Name {
		case "h":
			fmt.Fprint(p.Stdout, hwclockUsage)
			return 0
		case "V":
			fmt.Fprintln(p.Stdout, hwclockVersion)
			return 0
		case "v":
			verbose = true
		case "u":
			utc = true
		case "l":
			local = true
		case "date":
			text, haveDate = o.Value, true
		case "adjfile":
			adjfile = o.Value
		case "noadjfile":
			noAdj = true
		case "test":
			test, verbose = true, true
		case "r", "s", "w", "a", "get", "set", "systz", "predict":
			function = o.Name
		}
	}
	if err != nil {
		fmt.Fprintf(p.Stderr, "hwclock: %v\n", err)
		return bad()
	}
	if len(operands) > 0 {
		fmt.Fprintf(p.Stderr, "hwclock: %d too many arguments given\n", len(operands))
		return bad()
	}
	h := &hwclock{p: p, zone: libc.Zone(p), adjfile: adjfile, noAdj: noAdj}
	h.localTime = h.adjIsLocal()
	switch {
	case utc:
		h.localTime = false
	case local:
		h.localTime = true
	}
	var when time.Time
	if function == "set" || function == "predict" {
		if !haveDate {
			fmt.Fprintln(p.Stderr, "hwclock: --date is required for --set or --predict")
			return 1
		}
		var ok bool
		if when, ok = getdate.Parse(text, p.Now().In(h.zone)); !ok {
			fmt.Fprintf(p.Stderr, "hwclock: invalid date '%s'\n", text)
			return 1
		}
	}
	if verbose {
		fmt.Fprintln(p.Stdout, hwclockVersion)
		fmt.Fprintf(p.Stdout, "System Time: %d.%06d\n", p.Now().Unix(), p.Now().Nanosecond()/1000)
	}
	if function == "predict" {
		h.print(when)
		return 0
	}
	if p.Host.RTC == nil {
		if verbose {
			fmt.Fprint(p.Stdout, "Trying to open: /dev/rtc0\nTrying to open: /dev/rtc\nTrying to open: /dev/misc/rtc\nNo usable clock interface found.\n")
		}
		fmt.Fprintln(p.Stderr, "hwclock: Cannot access the Hardware Clock via any known method.")
		if !verbose {
			fmt.Fprintln(p.Stderr, "hwclock: Use the --verbose option to see the details of our search for an access method.")
		}
		return 1
	}
	if verbose {
		h.describe()
	}
	if test && function != "r" && function != "get" {
		fmt.Fprintln(p.Stdout, "Test mode: clock was not changed")
		return 0
	}
	return h.run(function, when)
}

// hwclock is a run of the command.
type hwclock struct {
	p         *host.Proc
	zone      *time.Location
	localTime bool // the hardware clock keeps local time
	adjfile   string
	noAdj     bool
}

func (h *hwclock) run(function string, when time.Time) int {
	p := h.p
	switch function {
	case "r", "get":
		h.print(readRTC(p.Host.RTC, h.localTime, h.zone))
	case "s":
		if err := setClock(p, readRTC(p.Host.RTC, h.localTime, h.zone), "hwclock --hctosys"); err != nil {
			fmt.Fprintf(p.Stderr, "hwclock: settimeofday() failed: %v\n", err)
			return 1
		}
	case "systz", "a":
	case "w", "set":
		if p.UID != 0 {
			fmt.Fprintln(p.Stderr, "hwclock: Cannot access the Hardware Clock via any known method.")
			return 1
		}
		if function == "w" {
			when = p.Now()
		}
		writeRTC(p.Host.RTC, when, h.localTime, h.zone)
		h.saveAdj()
	}
	return 0
}

func (h *hwclock) print(t time.Time) {
	fmt.Fprintln(h.p.Stdout, t.In(h.zone).Format("2006-01-02 15:04:05.000000-07:00"))
}

// describe tells what --verbose tells of the hardware clock.
func (h *hwclock) describe() {
	p := h.p
	keeps, assumed := "UTC", "UTC"
	if h.adjIsLocal() {
		keeps = "local"
	}
	if h.localTime {
		assumed = "local"
	}
	t := readRTC(p.Host.RTC, h.localTime, h.zone)
	fmt.Fprintln(p.Stdout, "Trying to open: /dev/rtc0\nUsing the rtc interface to the clock.")
	fmt.Fprintf(p.Stdout, "Last drift adjustment done at %d seconds after 1969\nLast calibration done at %d seconds after 1969\n", h.lastAdj(), h.lastAdj())
	fmt.Fprintf(p.Stdout, "Hardware clock is on %s time\nAssuming hardware clock is kept in %s time.\n", keeps, assumed)
	fmt.Fprintln(p.Stdout, "Waiting for clock tick...\n...got clock tick")
	fmt.Fprintf(p.Stdout, "Time read from Hardware Clock: %s\n", t.UTC().Format("2006/01/02 15:04:05"))
	fmt.Fprintf(p.Stdout, "Hw clock time : %s = %d seconds since 1969\n", t.UTC().Format("2006/01/02 15:04:05"), t.Unix())
	fmt.Fprintf(p.Stdout, "Time since last adjustment is %d seconds\nCalculated Hardware Clock drift is 0.000000 seconds\n", t.Unix()-h.lastAdj())
}

// readRTC returns what the hardware clock means.
func readRTC(rtc *clock.Local, local bool, zone *time.Location) time.Time {
	t := rtc.Now()
	if local {
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
	}
	return t
}

// writeRTC sets the hardware clock.
func writeRTC(rtc *clock.Local, t time.Time, local bool, zone *time.Location) {
	if local {
		l := t.In(zone)
		t = time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), time.UTC)
	}
	rtc.Set(t)
}

// adjtime returns the lines of the adjtime file.
func (h *hwclock) adjtime() []string {
	if h.noAdj {
		return nil
	}
	data, _ := libc.ReadFile(h.p, libc.Abs(h.p, h.adjfile))
	return libc.Lines(data)
}

func (h *hwclock) adjIsLocal() bool { return adjtimeIsLocal(h.adjtime()) }

func adjtimeIsLocal(lines []string) bool {
	return len(lines) > 2 && strings.TrimSpace(lines[2]) == "LOCAL"
}

func (h *hwclock) lastAdj() int64 {
	lines := h.adjtime()
	var factor, rest float64
	var last int64
	if len(lines) > 0 {
		fmt.Sscan(lines[0], &factor, &last, &rest)
	}
	return last
}

func (h *hwclock) saveAdj() {
	if h.noAdj {
		return
	}
	writeAdjtime(h.p, libc.Abs(h.p, h.adjfile), h.p.Now().Unix(), h.localTime)
}

func writeAdjtime(p *host.Proc, file string, last int64, local bool) error {
	scale := "UTC"
	if local {
		scale = "LOCAL"
	}
	return libc.WriteFile(p, file, fmt.Appendf(nil, "0.000000 %d 0.000000\n%d\n%s\n", last, last, scale), 0o644)
}
