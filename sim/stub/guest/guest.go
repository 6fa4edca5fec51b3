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
	"syscall"
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
		syscall.CloseOnExec(3)
		syscall.CloseOnExec(4)
		catch(3)
		serve(4)
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
		catch(fd) // before the Program can say that it is ready for them
		serve(hello(fd))
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

// serve does what the lab asks until it says how to end. It never returns.
func serve(asks int) {
	d := newDesk(asks)
	for {
		message := d.listen()
		if len(message) == 0 {
			os.Exit(125) // the lab is gone
		}
		m := Parse(message)
		switch m.Kind {
		case Spawn:
			spawn(asks, &m, d.inRights.fds[:d.files])
		case Exit:
			end(int(m.NextInt()), syscall.Signal(m.NextInt()))
		}
		d.closeFiles()
	}
}

// end ends the process as the Program did.
func end(code int, sig syscall.Signal) {
	if sig != 0 {
		// A dump of a stub's memory would tell nobody anything.
		syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
		setAction(sig, action{})
		syscall.Kill(os.Getpid(), sig)
		select {}
	}
	os.Exit(code)
}

// spawn starts a child with the given descriptors as its first ones.
func spawn(asks int, m *Message, files []int32) {
	path, dir := m.NextStr(), m.NextStr()
	args, env := m.NextStrs(), m.NextStrs()
	flags, umask := m.NextInt(), int(m.NextInt())
	if here, err := syscall.Getwd(); err == nil && here == dir {
		dir = "" // where it stands already, the child need not have the right to go
	}
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
