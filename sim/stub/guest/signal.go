package guest

import (
	"syscall"
	"unsafe"
)

// caught are the signals that a Program may want. What a stub does with one is
// one write(2), see handler.
var caught = [...]syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
	syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTERM, syscall.SIGCONT, syscall.SIGWINCH, syscall.SIGCHLD, syscall.SIGTSTP}

// events is the connection that the handler writes to.
//
//lint:ignore U1000 the assembly reads it
var events uint32

// catch has the lab told of the signals that a Program may want.
func catch(fd int) {
	events = uint32(fd)
	for _, sig := range caught {
		setAction(sig, action{handler: handler(), flags: saRestart | saRestorer, restorer: restorer()})
	}
}

// action is the kernel's struct sigaction, the same on amd64 and arm64. The zero
// value is what a signal does by default.
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64 // of those that wait meanwhile
}

// Flags of an action (sigaction(2)).
const (
	saRestart  = 0x10000000
	saRestorer = 0x04000000
)

func setAction(sig syscall.Signal, a action) {
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&a)), 0, unsafe.Sizeof(a.mask), 0, 0)
}

// setMask says which signals wait (rt_sigprocmask(2), SIG_SETMASK).
func setMask(mask uint64) {
	const set = 2
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, set, uintptr(unsafe.Pointer(&mask)), 0, unsafe.Sizeof(mask), 0, 0)
}

// handler returns the address of onSignal, which the kernel calls with the
// number of a signal: it writes a message Signal to events, and stops the
// process if the signal is SIGTSTP, as it does by default. It may run at any
// moment, and is no Go.
func handler() uintptr

// restorer returns the address of the code that ends a handler, where the
// kernel has none of its own.
func restorer() uintptr
