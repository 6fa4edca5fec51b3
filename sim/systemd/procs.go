package systemd

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// What /proc tells of a process. Where there is no /proc, nothing is known.

func procFile(p *host.Proc, pid int, name string) []byte {
	data, err := libc.ReadFile(p, "/proc/"+strconv.Itoa(pid)+"/"+name)
	if err != nil {
		return nil
	}
	return data
}

func procComm(p *host.Proc, pid int) string {
	return strings.TrimSuffix(string(procFile(p, pid, "comm")), "\n")
}

// procArgs are the arguments of a process.
func procArgs(p *host.Proc, pid int) []string {
	data := procFile(p, pid, "cmdline")
	if len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

// procParent returns the parent of a process, 0 when it is not known.
func procParent(p *host.Proc, pid int) int {
	f := procStat(p, pid)
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

// procStat are the fields of /proc/PID/stat from the state on.
func procStat(p *host.Proc, pid int) []string {
	data := procFile(p, pid, "stat")
	i := bytes.LastIndexByte(data, ')')
	if i < 0 {
		return nil
	}
	return strings.Fields(string(data[i+1:]))
}

// usage is what a process takes.
type usage struct {
	threads int
	memory  int64 // bytes
	cpu     time.Duration
	known   bool
}

func procUsage(p *host.Proc, pid int) usage {
	f := procStat(p, pid)
	if len(f) < 22 {
		return usage{}
	}
	number := func(i int) int64 { n, _ := strconv.ParseInt(f[i], 10, 64); return n }
	// Fields 14 and 15 are times in ticks of 10 ms, 20 the threads, 24 the pages.
	return usage{int(number(17)), number(21) * 4096, time.Duration(number(11)+number(12)) * 10 * time.Millisecond, true}
}

// procInvocation returns the invocation ID in the environment of a process:
// what PID 1 put there comes down to every descendant, as a control group does.
func procInvocation(p *host.Proc, pid int) string {
	for _, e := range bytes.Split(procFile(p, pid, "environ"), []byte{0}) {
		if v, ok := bytes.CutPrefix(e, []byte("INVOCATION_ID=")); ok {
			return string(v)
		}
	}
	return ""
}

// invocationPIDs returns the processes of one invocation of a unit.
func invocationPIDs(p *host.Proc, id string) []int {
	names, err := libc.ReadDir(p, "/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil || pid == 1 {
			continue
		}
		if f := procStat(p, pid); len(f) > 0 && f[0] != "Z" && procInvocation(p, pid) == id {
			pids = append(pids, pid)
		}
	}
	return pids
}
