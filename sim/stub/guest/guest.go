// Package guest is what runs in a stub: the small real process that stands in
// a host for a Program. It thinks nothing. It tells the lab process who it is,
// lends it its stdio, performs system calls where it stands, starts children,
// passes signals on, and ends when it is told.
//
// A stub is the enshu binary itself under another name. The package's init
// takes over before heavier packages initialise: Go initialises the first
// package in import path order that is ready, so this package imports next to
// nothing and its path must sort early. A test of sim/stub guards the cost.
package guest

import (
	"os"
	"os/signal"
	"syscall"
	"unsafe"
)

// Socket is where the lab process listens in every host. A process that finds
// it is inside a host, and so a stub.
const Socket = "/run/enshu/lab"

// RoleWait as Args[0] of a re-executed binary makes it wait on descriptor 3 for
// its id maps, then become Args[1:], and root by that.
const RoleWait = "enshu-wait"

// HostArgs returns the arguments that make a re-executed binary PID 1 of a host,
// with its connections to the lab as descriptors 3 and 4. They are what ps(1) shows of
// PID 1 on the real system.
func HostArgs() []string {
	return []string{"/usr/lib/systemd/systemd", "--switched-root", "--system", "--deserialize", "31"}
}

// isHost reports whether the arguments are HostArgs.
func isHost(args []string) bool {
	want := HostArgs()
	if len(args) != len(want) {
		return false
	}
	for i := range want {
		if args[i] != want[i] {
			return false
		}
	}
	return true
}

func init() {
	if len(os.Args) == 0 {
		return
	}
	switch {
	case isHost(os.Args):
		serve(3, 4, catch())
	case os.Args[0] == RoleWait:
		var b [1]byte
		if n, _ := syscall.Read(3, b[:]); n == 1 {
			syscall.Close(3)
			syscall.Exec("/proc/self/exe", os.Args[1:], os.Environ())
		}
		os.Exit(1)
	}
	var st syscall.Stat_t
	if syscall.Stat(Socket, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFSOCK {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
		if err == nil {
			err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: Socket})
		}
		if err != nil {
			die("the lab does not answer: " + err.Error())
		}
		signals := catch() // before the Program can say that it is ready for them
		serve(fd, hello(fd), signals)
	}
}

func die(text string) {
	syscall.Write(2, []byte(os.Args[0]+": "+text+"\n"))
	os.Exit(126)
}

// hello tells the lab what was executed and lends stdio. It returns the
// connection on which the lab asks.
func hello(events int) (asks int) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		die("the lab does not answer: " + err.Error())
	}
	exe := make([]byte, 4096)
	n, err := syscall.Readlink("/proc/self/exe", exe)
	if err != nil {
		die("/proc is missing: " + err.Error())
	}
	dir, _ := syscall.Getwd()
	m := Message{Kind: Hello}
	m.Int(int64(os.Getpid()))
	m.Int(int64(os.Getppid()))
	m.Int(int64(os.Getuid()))
	m.Int(int64(syscall.Getpgrp()))
	mask := syscall.Umask(0o022)
	syscall.Umask(mask)
	m.Int(int64(mask))
	m.Str(string(exe[:n]))
	m.Str(dir)
	m.Strs(os.Args)
	m.Strs(environ())
	fds := []int{0, 1, 2, pair[0]}
	for i := range fds[:3] {
		if _, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(i), syscall.F_GETFD, 0); e != 0 {
			null, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
			if err != nil {
				die("/dev/null: " + err.Error())
			}
			fds[i] = null
		}
	}
	for _, fd := range []int{events, pair[0], pair[1]} {
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, MaxMessage)
	}
	if err := syscall.Sendmsg(events, m.Bytes(), syscall.UnixRights(fds...), nil, 0); err != nil {
		if err == syscall.EMSGSIZE {
			die("Argument list too long")
		}
		die("the lab does not answer: " + err.Error())
	}
	syscall.Close(pair[0])
	return pair[1]
}

// environ returns the environment as it was given; os.Environ leaves out the
// later of two equal names, which is what counts for a shell's child.
func environ() []string {
	fd, err := syscall.Open("/proc/self/environ", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return os.Environ()
	}
	defer syscall.Close(fd)
	var all []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := syscall.Read(fd, buf)
		if err != nil || n <= 0 {
			break
		}
		all = append(all, buf[:n]...)
	}
	var env []string
	for at, i := 0, 0; i < len(all); i++ {
		if all[i] == 0 {
			env = append(env, string(all[at:i]))
			at = i + 1
		}
	}
	return env
}

// catch has the signals that a Program may want kept for it.
func catch() chan os.Signal {
	signals := make(chan os.Signal, 32)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTERM, syscall.SIGCONT, syscall.SIGWINCH, syscall.SIGCHLD, syscall.SIGTSTP)
	return signals
}

// serve does what the lab asks until it says how to end, and says what happens
// meanwhile. It never returns.
func serve(events, asks int, signals chan os.Signal) {
	go func() {
		for s := range signals {
			sig := s.(syscall.Signal)
			if sig == syscall.SIGCHLD {
				reap(events)
				continue
			}
			m := Message{Kind: Signal}
			m.Int(int64(sig))
			syscall.Write(events, m.Bytes())
			if sig == syscall.SIGTSTP {
				syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			}
		}
	}()
	syscall.CloseOnExec(events) // PID 1 got its own through execve
	syscall.CloseOnExec(asks)
	in, oob := make([]byte, MaxMessage), make([]byte, syscall.CmsgSpace(4*MaxFiles))
	var c caller
	for {
		n, oobn, _, _, err := syscall.Recvmsg(asks, in, oob, syscall.MSG_CMSG_CLOEXEC)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			os.Exit(125) // the lab is gone
		}
		var files []int
		if oobn > 0 {
			if scms, err := syscall.ParseSocketControlMessage(oob[:oobn]); err == nil && len(scms) > 0 {
				files, _ = syscall.ParseUnixRights(&scms[0])
			}
		}
		m := Parse(in[:n])
		switch m.Kind {
		case Calls:
			c.perform(asks, &m, files)
		case Spawn:
			spawn(asks, &m, files)
		case Exit:
			end(int(m.NextInt()), syscall.Signal(m.NextInt()))
		}
		for _, f := range files {
			syscall.Close(f)
		}
	}
}

// end ends the process as the Program did.
func end(code int, sig syscall.Signal) {
	if sig != 0 {
		// A dump of a stub's memory would tell nobody anything.
		syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
		// The Go runtime keeps handlers of its own: the kernel's default is
		// asked for directly (rt_sigaction(2) with SIG_DFL).
		var action [32]byte
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
		syscall.Kill(os.Getpid(), sig)
		select {}
	}
	os.Exit(code)
}

// reap collects children that ended and tells the lab.
func reap(events int) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		m := Message{Kind: Child}
		m.Int(int64(pid))
		if ws.Signaled() {
			m.Int(0)
			m.Int(int64(ws.Signal()))
		} else {
			m.Int(int64(ws.ExitStatus()))
			m.Int(0)
		}
		syscall.Write(events, m.Bytes())
	}
}

// caller performs system calls. It keeps the room that one message needed for
// the next; what the kernel is told of must not be on a stack, which moves.
type caller struct {
	reply Message
	in    [6][]byte  // by argument: what the kernel is to read
	out   []byte     // what it is to fill: no call has more than one such argument
	made  []madeFile // what the calls so far have made, by their index
	pass  []int
}

// madeFile is a descriptor that a call made, -1 for none.
type madeFile struct {
	fd   int
	kept bool
}

// perform performs the calls of a message in order, stops after the first that
// failed and was not allowed to, and replies.
func (c *caller) perform(asks int, m *Message, files []int) {
	c.reply.Reset(Reply)
	c.made, c.pass = c.made[:0], c.pass[:0]
	fifo := false // what the call before has found
	for m.More() {
		nr, flags, args := uintptr(m.NextInt()), m.NextInt(), int(m.NextInt())
		var a [6]uintptr
		var out []byte // of the argument that is sent back
		for i := 0; i < args && i < 6; i++ {
			switch m.NextInt() {
			case ArgInt:
				a[i] = uintptr(m.NextInt())
			case ArgIn:
				c.in[i] = append(append(c.in[i][:0], m.NextRaw()...), 0)
				a[i] = uintptr(unsafe.Pointer(&c.in[i][0]))
			case ArgOut:
				buf := c.room(int(m.NextInt()))
				a[i] = uintptr(unsafe.Pointer(&buf[0]))
				if flags&OutOf(i) != 0 {
					out = buf
				}
			case ArgResult: // the descriptor that an earlier call made
				a[i] = ^uintptr(0)
				if k := int(m.NextInt()); k >= 0 && k < len(c.made) {
					a[i] = uintptr(c.made[k].fd)
				}
			case ArgPassed: // a descriptor that came with the message
				a[i] = ^uintptr(0)
				if k := int(m.NextInt()); k >= 0 && k < len(files) {
					a[i] = uintptr(files[k])
				}
			}
		}
		var ret uintptr
		var errno syscall.Errno
		for errno = syscall.EINTR; errno == syscall.EINTR; {
			if flags&NotFIFO != 0 && fifo {
				errno = syscall.EAGAIN
				break
			}
			ret, _, errno = syscall.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
		}
		if flags&AsMuch != 0 {
			out = out[:min(len(out), max(0, int(ret)))]
		}
		if errno != 0 {
			out = nil
		}
		c.reply.Int(int64(ret))
		c.reply.Int(int64(errno))
		c.reply.Raw(out)
		fifo = nr == syscall.SYS_NEWFSTATAT && len(out) >= int(unsafe.Sizeof(syscall.Stat_t{})) &&
			(*syscall.Stat_t)(unsafe.Pointer(&out[0])).Mode&syscall.S_IFMT == syscall.S_IFIFO
		made := madeFile{fd: -1}
		if flags&MakesFile != 0 && errno == 0 {
			made = madeFile{int(ret), flags&KeepFile != 0}
			if flags&PassFile != 0 {
				c.pass = append(c.pass, made.fd)
			}
		}
		c.made = append(c.made, made)
		if errno != 0 && flags&MayFail == 0 {
			for i := range c.made {
				c.made[i].kept = false
			}
			break
		}
	}
	var rights []byte
	if len(c.pass) > 0 {
		rights = syscall.UnixRights(c.pass...)
	}
	syscall.Sendmsg(asks, c.reply.Bytes(), rights, nil, 0)
	for _, f := range c.made {
		if f.fd >= 0 && !f.kept {
			syscall.Close(f.fd)
		}
	}
}

// room returns a buffer of n bytes for the kernel to fill; there is one, and
// nothing of what was in it before is sent on.
func (c *caller) room(n int) []byte {
	n = max(1, min(n, MaxMessage/2))
	if len(c.out) < n {
		c.out = make([]byte, n)
	}
	clear(c.out[:n])
	return c.out[:n]
}

// spawn starts a child with the given descriptors as its first ones.
func spawn(asks int, m *Message, files []int) {
	path, dir := m.NextStr(), m.NextStr()
	args, env := m.NextStrs(), m.NextStrs()
	flags, umask := m.NextInt(), int(m.NextInt())
	attr := &syscall.ProcAttr{Dir: dir, Env: env, Sys: &syscall.SysProcAttr{}}
	for _, f := range files {
		attr.Files = append(attr.Files, uintptr(f))
	}
	if flags&SpawnSession != 0 {
		attr.Sys.Setsid = true
	}
	if flags&SpawnTerminal != 0 {
		attr.Sys.Setctty = true
	}
	if flags&SpawnCred != 0 {
		cred := &syscall.Credential{Uid: uint32(m.NextInt()), Gid: uint32(m.NextInt())}
		for n := m.NextInt(); n > 0 && m.More(); n-- {
			cred.Groups = append(cred.Groups, uint32(m.NextInt()))
		}
		cred.NoSetGroups = flags&SpawnKeepGroups != 0
		attr.Sys.Credential = cred
	}
	if umask != 0 {
		old := syscall.Umask(umask)
		defer syscall.Umask(old)
	}
	reply := Message{Kind: Reply}
	pid, err := syscall.ForkExec(path, args, attr)
	errno, _ := err.(syscall.Errno)
	if err != nil && errno == 0 {
		errno = syscall.EINVAL
	}
	reply.Int(int64(pid))
	reply.Int(int64(errno))
	syscall.Write(asks, reply.Bytes())
}
