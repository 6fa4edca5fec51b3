package unitfile

import (
	"strconv"
	"strings"
	"syscall"
)

// Signals are the names of signal(7) that unit files and kill take.
var Signals = map[string]syscall.Signal{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11,
	"USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21,
	"TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28, "IO": 29, "PWR": 30, "SYS": 31,
}

func ParseSignal(s string) (syscall.Signal, bool) {
	if n, err := strconv.Atoi(s); err == nil {
		return syscall.Signal(n), n > 0 && n < 65
	}
	sig, ok := Signals[strings.TrimPrefix(s, "SIG")]
	return sig, ok
}

// SignalsHelp is what --signal=help lists: every signal there is.
func SignalsHelp() string {
	var b strings.Builder
	for n := range 65 {
		switch {
		case n == 0, n == 32, n == 33:
			b.WriteString(strconv.Itoa(n))
		default:
			b.WriteString(SignalName(syscall.Signal(n)))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// SignalName returns "KILL" for SIGKILL.
func SignalName(sig syscall.Signal) string {
	for name, s := range Signals {
		if s == sig {
			return name
		}
	}
	if sig >= 34 {
		return "RTMIN+" + strconv.Itoa(int(sig)-34)
	}
	return strconv.Itoa(int(sig))
}

// ExitNames are the exit statuses with a name (systemd.exec(5)). Those of the
// C library and of systemd itself have one everywhere; the others, of the LSB,
// only in the journal.
var ExitNames = map[int]string{0: "SUCCESS", 1: "FAILURE", 200: "CHDIR", 201: "NICE", 202: "FDS", 203: "EXEC", 204: "MEMORY",
	205: "LIMITS", 206: "OOM_ADJUST", 207: "SIGNAL_MASK", 208: "STDIN", 209: "STDOUT", 210: "CHROOT", 211: "IOPRIO", 216: "GROUP",
	217: "USER", 218: "CAPABILITIES", 219: "CGROUP", 220: "SETSID", 222: "STDERR", 226: "NAMESPACE", 233: "RUNTIME_DIRECTORY",
	238: "STATE_DIRECTORY"}

var LsbNames = map[int]string{2: "INVALIDARGUMENT", 3: "NOTIMPLEMENTED", 4: "NOPERMISSION", 5: "NOTINSTALLED", 6: "NOTCONFIGURED", 7: "NOTRUNNING"}

const (
	ExitChdir = 200
	ExitExec  = 203
	exitStdin = 208
	ExitOut   = 209
	ExitGroup = 216
	ExitUser  = 217
)
