package guest

import (
	"syscall"
	"unsafe"
)

// thread is what a pointer to the thread's own data points into.
//
//lint:ignore U1000 the assembly has its address
var thread [2]uintptr

// nobody is the g of the one that runs there, see start.
//
//lint:ignore U1000 the assembly has its address
var nobody [512]byte

// memory is the desk of the process.
var memory desk

// run is a stub's life, from the stack that the kernel has given it:
// execve(2)'s count of arguments, their addresses, a nil, those of the environment,
// a nil. It never returns.
//
//lint:ignore U1000 the assembly calls it
func run(stack unsafe.Pointer) {
	args := vector{unsafe.Add(stack, word)}
	env := vector{unsafe.Add(stack, word*(*(*uintptr)(stack)+2))}
	d := &memory
	d.name = args.at(0)
	if args.areHost() {
		for fd := range uintptr(2) {
			plain(syscall.SYS_FCNTL, 3+fd, syscall.F_SETFD, syscall.FD_CLOEXEC)
		}
		catch(3)
		d.serve(4)
	}
	events := d.connect()
	catch(events) // before the Program can say that it is ready for them
	d.serve(d.hello(events, args, env))
}

const word = unsafe.Sizeof(uintptr(0))

// vector is a list of strings as execve(2) has it: their addresses and a nil.
type vector struct{ first unsafe.Pointer }

// at returns the string of index i, nil behind the last.
func (v vector) at(i int) *byte { return *(**byte)(unsafe.Add(v.first, uintptr(i)*word)) }

// count returns the number of strings.
func (v vector) count() int {
	n := 0
	for v.at(n) != nil {
		n++
	}
	return n
}

// areHost reports whether the arguments are those of PID 1.
func (v vector) areHost() bool {
	for i := range hostArgs {
		if s := v.at(i); s == nil || string(text(s)) != hostArgs[i] {
			return false
		}
	}
	return v.at(len(hostArgs)) == nil
}

// text returns the bytes of a C string.
func text(s *byte) []byte {
	n := 0
	for s != nil && *(*byte)(unsafe.Add(unsafe.Pointer(s), n)) != 0 {
		n++
	}
	return unsafe.Slice(s, n)
}

// plain is a system call with arguments that are no addresses.
func plain(nr, a, b, c uintptr) (uintptr, syscall.Errno) {
	r, _, errno := syscall.RawSyscall(nr, a, b, c)
	return r, errno
}

// connect connects to the lab.
func (d *desk) connect() (fd int) {
	r, errno := plain(syscall.SYS_SOCKET, syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if errno == 0 {
		d.address.Family = syscall.AF_UNIX
		for i := range len(Socket) {
			d.address.Path[i] = int8(Socket[i])
		}
		_, _, errno = syscall.RawSyscall(syscall.SYS_CONNECT, r, uintptr(unsafe.Pointer(&d.address)), unsafe.Sizeof(d.address.Family)+uintptr(len(Socket))+1)
	}
	if errno != 0 {
		d.die("the lab does not answer")
	}
	return int(r)
}

// hello tells the lab what was executed and lends stdio. It returns the
// connection on which the lab asks.
func (d *desk) hello(events int, args, env vector) (asks int) {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SOCKETPAIR, syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0, uintptr(unsafe.Pointer(&d.pair)), 0, 0)
	if errno != 0 {
		d.die("the lab does not answer")
	}
	d.out[0], d.length = Hello, 1
	for _, nr := range [...]uintptr{syscall.SYS_GETPID, syscall.SYS_GETPPID, syscall.SYS_GETUID} {
		id, _ := plain(nr, 0, 0, 0)
		d.put(int64(id))
	}
	mask, _ := plain(syscall.SYS_UMASK, 0o022, 0, 0)
	plain(syscall.SYS_UMASK, mask, 0, 0)
	d.put(int64(mask))
	n, _, errno := syscall.RawSyscall6(syscall.SYS_READLINKAT, atCWD, uintptr(unsafe.Pointer(unsafe.StringData(ownExe))),
		uintptr(unsafe.Pointer(&d.path)), unsafe.Sizeof(d.path), 0, 0)
	if errno != 0 {
		d.die("/proc is missing")
	}
	d.putBytes(d.path[:n])
	d.putBytes(d.directory())
	d.putVector(args)
	d.putVector(env)
	for fd := range uintptr(3) {
		d.outRights.fds[fd] = int32(fd)
		if _, errno := plain(syscall.SYS_FCNTL, fd, syscall.F_GETFD, 0); errno != 0 {
			null, _, errno := syscall.RawSyscall6(syscall.SYS_OPENAT, atCWD, uintptr(unsafe.Pointer(unsafe.StringData(nullFile))), syscall.O_RDWR|syscall.O_CLOEXEC, 0, 0, 0)
			if errno != 0 {
				d.die("/dev/null is missing")
			}
			d.outRights.fds[fd] = int32(null)
		}
	}
	d.outRights.fds[3] = d.pair[0]
	d.size = MaxMessage
	for _, fd := range [...]uintptr{uintptr(events), uintptr(d.pair[0]), uintptr(d.pair[1])} {
		syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, uintptr(unsafe.Pointer(&d.size)), unsafe.Sizeof(d.size), 0)
	}
	d.passed = 4
	if d.sendTo(events) != 0 {
		d.die("the lab does not answer")
	}
	plain(syscall.SYS_CLOSE, uintptr(d.pair[0]), 0, 0)
	return int(d.pair[1])
}

// Files of every host, as C strings.
const (
	ownExe   = "/proc/self/exe\x00"
	nullFile = "/dev/null\x00"
)

// atCWD is AT_FDCWD: paths are relative to the current directory.
const atCWD = ^uintptr(99)

// directory returns the current directory, which is gone if there is none. It
// stands in d.path.
func (d *desk) directory() []byte {
	n, _, errno := syscall.RawSyscall(syscall.SYS_GETCWD, uintptr(unsafe.Pointer(&d.path)), unsafe.Sizeof(d.path), 0)
	if errno != 0 || n == 0 {
		return d.path[:0]
	}
	return d.path[:n-1] // a NUL ends it
}

// putBytes appends a string to the message.
func (d *desk) putBytes(s []byte) {
	if len(d.out)-d.length < 8+len(s) {
		d.die("Argument list too long")
	}
	d.put(int64(len(s)))
	d.length += copy(d.out[d.length:], s)
}

// putVector appends a list of strings to the message.
func (d *desk) putVector(v vector) {
	if len(d.out)-d.length < 8 {
		d.die("Argument list too long")
	}
	n := v.count()
	d.put(int64(n))
	for i := range n {
		d.putBytes(text(v.at(i)))
	}
}

// die ends the process with an error of the stub's own.
func (d *desk) die(why string) {
	d.complain(text(d.name))
	d.complain(unsafe.Slice(unsafe.StringData(": "), 2))
	d.complain(unsafe.Slice(unsafe.StringData(why), len(why)))
	d.complain(unsafe.Slice(unsafe.StringData("\n"), 1))
	exit(126)
}

func (d *desk) complain(b []byte) {
	syscall.RawSyscall(syscall.SYS_WRITE, 2, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
}

func exit(code int) {
	for {
		plain(syscall.SYS_EXIT_GROUP, uintptr(code), 0, 0)
	}
}

// leave ends the process as the Program did.
func (d *desk) leave(code int, sig syscall.Signal) {
	if sig == 0 {
		exit(code)
	}
	// A dump of a stub's memory would tell nobody anything.
	d.limit = syscall.Rlimit{}
	syscall.RawSyscall6(syscall.SYS_PRLIMIT64, 0, syscall.RLIMIT_CORE, uintptr(unsafe.Pointer(&d.limit)), 0, 0, 0)
	setAction(sig, action{})
	own, _ := plain(syscall.SYS_GETPID, 0, 0, 0)
	for {
		plain(syscall.SYS_KILL, own, uintptr(sig), 0)
	}
}
