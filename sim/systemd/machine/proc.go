package machine

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// ProcFile reads a file of /proc/PID. Where there is no /proc, and of a process
// that is gone, nothing is known.
func ProcFile(p *host.Proc, pid int, name string) []byte {
	data, err := libc.ReadFile(p, "/proc/"+strconv.Itoa(pid)+"/"+name)
	if err != nil {
		return nil
	}
	return data
}

// ProcComm is the name of a process's program, "" when it is not known.
func ProcComm(p *host.Proc, pid int) string {
	return strings.TrimSuffix(string(ProcFile(p, pid, "comm")), "\n")
}

// ProcArgs are the arguments of a process.
func ProcArgs(p *host.Proc, pid int) []string {
	data := ProcFile(p, pid, "cmdline")
	if len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

// ProcParent returns the parent of a process, 0 when it is not known.
func ProcParent(p *host.Proc, pid int) int {
	f := procStat(p, pid)
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

// procStat are the fields of /proc/PID/stat from the state on.
func procStat(p *host.Proc, pid int) []string {
	data := ProcFile(p, pid, "stat")
	i := bytes.LastIndexByte(data, ')')
	if i < 0 {
		return nil
	}
	return strings.Fields(string(data[i+1:]))
}

// Usage is what a process takes.
type Usage struct {
	Threads int
	Memory  int64 // bytes
	CPU     time.Duration
	Known   bool
}

// ProcUsage is what a process takes now.
func ProcUsage(p *host.Proc, pid int) Usage {
	f := procStat(p, pid)
	if len(f) < 22 {
		return Usage{}
	}
	number := func(i int) int64 { n, _ := strconv.ParseInt(f[i], 10, 64); return n }
	// Fields 14 and 15 are times in ticks of 10 ms, 20 the threads, 24 the pages.
	return Usage{int(number(17)), number(21) * 4096, time.Duration(number(11)+number(12)) * 10 * time.Millisecond, true}
}

// ProcInvocation returns the invocation ID in the environment of a process:
// what PID 1 put there comes down to every descendant, as a control group does.
func ProcInvocation(p *host.Proc, pid int) string {
	for _, e := range bytes.Split(ProcFile(p, pid, "environ"), []byte{0}) {
		if v, ok := bytes.CutPrefix(e, []byte("INVOCATION_ID=")); ok {
			return string(v)
		}
	}
	return ""
}

// InvocationPIDs returns the processes of one invocation of a unit.
func InvocationPIDs(p *host.Proc, id string) []int {
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
		if f := procStat(p, pid); len(f) > 0 && f[0] != "Z" && ProcInvocation(p, pid) == id {
			pids = append(pids, pid)
		}
	}
	return pids
}
