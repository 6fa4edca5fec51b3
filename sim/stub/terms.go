package stub

import (
	"encoding/binary"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
	"enshu/sim/stub/guest"
)

// terms returns the calls that a child makes of itself before it becomes what it
// is to be. None may keep it from that: what is not allowed is left as it is, as
// systemd has it where it runs in a container.
func (s *sys) terms(t *host.Terms) []call {
	if t == nil {
		return nil
	}
	var calls []call
	may := func(nr uintptr, args ...any) { calls = append(calls, call{nr, guest.MayFail, args}) }
	ceilings := s.ceilings(t.Limits)
	for i, l := range t.Limits {
		// Only a process with power over the machine may raise its hard limit.
		may(unix.SYS_PRLIMIT64, 0, l.Resource, rlimit(min(l.Soft, ceilings[i]), min(l.Hard, ceilings[i])), 0)
	}
	if t.Nice != nil {
		may(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, *t.Nice)
	}
	for name, value := range map[string]*int{"oom_score_adj": t.OOMScoreAdjust, "loginuid": t.LoginUID} {
		if value != nil {
			text := strconv.Itoa(*value)
			calls = append(calls, call{unix.SYS_OPENAT, guest.MayFail | guest.MakesFile, []any{unix.AT_FDCWD, "/proc/self/" + name, unix.O_WRONLY | unix.O_CLOEXEC, 0}})
			may(unix.SYS_WRITE, result(len(calls)-1), text, len(text))
		}
	}
	if len(t.CPUs) > 0 {
		var set unix.CPUSet
		for _, n := range t.CPUs {
			set.Set(n)
		}
		bytes := unsafe.Slice((*byte)(unsafe.Pointer(&set)), unsafe.Sizeof(set))
		may(unix.SYS_SCHED_SETAFFINITY, 0, len(bytes), string(bytes))
	}
	if p := t.Policy; p != nil {
		kind := p.Kind
		if p.ResetOnFork {
			kind |= unix.SCHED_RESET_ON_FORK
		}
		may(unix.SYS_SCHED_SETSCHEDULER, 0, kind, string(binary.NativeEndian.AppendUint32(nil, uint32(p.Priority))))
	}
	if t.IOPriority != 0 {
		const process = 1 // IOPRIO_WHO_PROCESS
		may(unix.SYS_IOPRIO_SET, process, 0, t.IOPriority)
	}
	if t.TimerSlack > 0 {
		may(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, int(t.TimerSlack), 0, 0, 0)
	}
	if t.NoNewPrivs {
		may(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	if t.IgnoreSIGPIPE {
		const ignore = 1 // SIG_IGN
		action := make([]byte, 4*8)
		binary.NativeEndian.PutUint64(action, ignore)
		may(unix.SYS_RT_SIGACTION, int(syscall.SIGPIPE), string(action), 0, 8)
	}
	return calls
}

// ceilings asks for the stub's own hard limits.
func (s *sys) ceilings(limits []host.Limit) []uint64 {
	all := make([]uint64, len(limits))
	var calls []call
	for i, l := range limits {
		all[i] = unix.RLIM_INFINITY
		calls = append(calls, call{unix.SYS_PRLIMIT64, guest.MayFail | guest.OutOf(3), []any{0, l.Resource, 0, out(unsafe.Sizeof(unix.Rlimit{}))}})
	}
	if len(calls) == 0 {
		return nil
	}
	rets, files, _ := s.conn.do(calls...) // a stub that is gone starts nothing
	closeAll(files)
	for i, r := range rets {
		if r.errno == 0 && len(r.out) == int(unsafe.Sizeof(unix.Rlimit{})) {
			all[i] = binary.NativeEndian.Uint64([]byte(r.out[8:]))
		}
	}
	return all
}

// rlimit is the kernel's form of a limit.
func rlimit(soft, hard uint64) string {
	return string(binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, soft), hard))
}
