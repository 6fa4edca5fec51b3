package launch

import (
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/unitfile"
)

// resources are the Limit…= settings by the kernel's numbers (setrlimit(2)).
var resources = []string{"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"}

// policies are the words of CPUSchedulingPolicy= by the kernel's numbers (sched(7)).
var policies = map[string]int{"other": 0, "fifo": 1, "rr": 2, "batch": 3, "idle": 5}

// ioClasses are those of IOSchedulingClass= (ioprio_set(2)).
var ioClasses = map[string]int{"none": 0, "0": 0, "realtime": 1, "1": 1, "best-effort": 2, "2": 2, "idle": 3, "3": 3}

// termsOf are the terms on which the settings of a unit want its processes run
// (systemd.exec(5)). Their values have been checked when the unit was read.
func termsOf(set map[string]string) *host.Terms {
	t := &host.Terms{IgnoreSIGPIPE: true}
	for n, name := range resources {
		if value, ok := set["Limit"+name]; ok {
			if soft, hard, ok := unitfile.Limit("Limit"+name, value); ok {
				t.Limits = append(t.Limits, host.Limit{Resource: n, Soft: soft, Hard: hard})
			}
		}
	}
	number := func(key string) *int {
		if n, err := strconv.Atoi(set[key]); err == nil {
			return &n
		}
		return nil
	}
	flag := func(key string, or bool) bool {
		if b, ok := unitfile.ParseBool(set[key]); ok {
			return b
		}
		return or
	}
	t.Nice, t.OOMScoreAdjust = number("Nice"), number("OOMScoreAdjust")
	t.NoNewPrivs, t.IgnoreSIGPIPE = flag("NoNewPrivileges", false), flag("IgnoreSIGPIPE", true)
	t.CPUs = unitfile.CPUList(set["CPUAffinity"])
	if kind, ok := policies[set["CPUSchedulingPolicy"]]; ok {
		t.Policy = &host.Policy{Kind: kind, ResetOnFork: flag("CPUSchedulingResetOnFork", false)}
		if kind == policies["fifo"] || kind == policies["rr"] {
			t.Policy.Priority = 1
			if n := number("CPUSchedulingPriority"); n != nil {
				t.Policy.Priority = *n
			}
		}
	}
	class, given := ioClasses[set["IOSchedulingClass"]]
	if priority := number("IOSchedulingPriority"); given || priority != nil {
		if !given {
			class = ioClasses["best-effort"]
		}
		level := 4
		if priority != nil {
			level = *priority
		}
		const classShift = 13 // IOPRIO_CLASS_SHIFT
		t.IOPriority = class<<classShift | level
	}
	if d, ok := calendar.ParseSpan(strings.TrimSpace(set["TimerSlackNSec"]), time.Nanosecond); ok {
		t.TimerSlack = d
	}
	return t
}
