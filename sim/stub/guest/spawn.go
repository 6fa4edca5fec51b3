package guest

import (
	"syscall"
	"unsafe"
)

// maxStrings is how many strings a message can have, and a nil behind either list.
const (
	maxStrings = MaxMessage/9 + 2
	maxGroups  = 1024
)

// spawn starts a child with the descriptors that came as its first ones, and
// says which, or why not.
//
// The child has its memory for itself, of which a stub has little, but for one
// word, where it leaves what kept it from becoming what it was to be. Until it
// has become that or ended, this process waits (clone(2), CLONE_VFORK).
func (d *desk) spawn() {
	d.out[0], d.length, d.passed = Reply, 1, 0
	pid, errno := uintptr(0), d.share()
	if errno == 0 {
		*d.errno = 0
		setMask(^uint64(0)) // until the child has its own actions
		pid, _, errno = syscall.RawSyscall6(syscall.SYS_CLONE, cloneVfork|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		if pid == 0 && errno == 0 {
			*d.errno = d.become()
			exit(127)
		}
		setMask(0)
	}
	if errno == 0 && *d.errno != 0 {
		errno = *d.errno
		syscall.RawSyscall6(syscall.SYS_WAIT4, pid, 0, 0, 0, 0, 0)
		pid = 0
	}
	d.put(int64(pid))
	d.put(int64(errno))
	d.sendTo(d.asks)
}

const cloneVfork = 0x4000 // CLONE_VFORK

// share makes the word of memory that children share.
func (d *desk) share() syscall.Errno {
	if d.errno != nil {
		return 0
	}
	r, _, errno := syscall.RawSyscall6(syscall.SYS_MMAP, 0, unsafe.Sizeof(*d.errno), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_ANON, ^uintptr(0), 0)
	if errno == 0 {
		*(*uintptr)(unsafe.Pointer(&d.errno)) = r
	}
	return errno
}

// become makes the child what the message says. It returns only if that failed.
func (d *desk) become() syscall.Errno {
	for _, sig := range caught {
		setAction(sig, action{})
	}
	setMask(0)
	path, dir := d.nextString(), d.nextString()
	args, rest := d.nextStrings(d.strings[:])
	env, _ := d.nextStrings(rest)
	flags, umask := d.next(), uintptr(d.next())
	if args == nil || env == nil {
		return syscall.E2BIG
	}
	if flags&SpawnSession != 0 {
		if _, errno := plain(syscall.SYS_SETSID, 0, 0, 0); errno != 0 {
			return errno
		}
	}
	d.prepare(int(d.next()))
	if flags&SpawnCred != 0 {
		if errno := d.takeCred(flags); errno != 0 {
			return errno
		}
	}
	// Where it stands already, it need not have the right to go.
	if to := text(dir); len(to) > 0 && string(to) != string(d.directory()) {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_CHDIR, uintptr(unsafe.Pointer(dir)), 0, 0); errno != 0 {
			return errno
		}
	}
	if umask != 0 {
		plain(syscall.SYS_UMASK, umask, 0, 0)
	}
	if errno := d.takeFiles(); errno != 0 {
		return errno
	}
	if flags&SpawnTerminal != 0 {
		if _, errno := plain(syscall.SYS_IOCTL, 0, syscall.TIOCSCTTY, 1); errno != 0 {
			return errno
		}
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(args)), uintptr(unsafe.Pointer(env)))
	return errno
}

// prepare performs calls that set on what terms the child runs. The room for
// replies takes what they give, which nobody reads.
func (d *desk) prepare(n int) {
	for d.calls = 0; d.calls < n && d.calls < maxCalls && d.at < d.end; {
		d.length = 1
		d.call(0)
	}
}

// takeCred makes the child whom the message says.
func (d *desk) takeCred(flags int64) syscall.Errno {
	uid, gid, n := uintptr(d.next()), uintptr(d.next()), int(d.next())
	if n < 0 || n > len(d.groups) {
		return syscall.EINVAL
	}
	for i := range n {
		d.groups[i] = uint32(d.next())
	}
	if flags&SpawnKeepGroups == 0 {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETGROUPS, uintptr(n), uintptr(unsafe.Pointer(&d.groups)), 0); errno != 0 {
			return errno
		}
	}
	if _, errno := plain(syscall.SYS_SETGID, gid, 0, 0); errno != 0 {
		return errno
	}
	_, errno := plain(syscall.SYS_SETUID, uid, 0, 0)
	return errno
}

// takeFiles makes the descriptors that came the child's first ones.
func (d *desk) takeFiles() syscall.Errno {
	// None may be in the way of another.
	for i := range d.files {
		if fd := int(d.inRights.fds[i]); fd < d.files && fd != i {
			moved, errno := plain(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, uintptr(d.files))
			if errno != 0 {
				return errno
			}
			d.inRights.fds[i] = int32(moved)
		}
	}
	for i := range d.files {
		fd, errno := uintptr(d.inRights.fds[i]), syscall.Errno(0)
		if int(fd) == i {
			_, errno = plain(syscall.SYS_FCNTL, fd, syscall.F_SETFD, 0)
		} else {
			_, errno = plain(syscall.SYS_DUP3, fd, uintptr(i), 0)
		}
		if errno != 0 {
			return errno
		}
	}
	for fd := d.files; fd < 3; fd++ {
		plain(syscall.SYS_CLOSE, uintptr(fd), 0, 0)
	}
	return 0
}

// nextString reads a C string of the message, nil where there is none.
func (d *desk) nextString() *byte {
	n := int(d.next())
	if n <= 0 || n > d.end-d.at || d.in[d.at+n-1] != 0 {
		d.at = d.end
		return nil
	}
	s := &d.in[d.at]
	d.at += n
	return s
}

// nextStrings reads a list of them into the first elements of room, with a nil
// behind, and returns where it begins and the room that is left.
func (d *desk) nextStrings(room []*byte) (first **byte, rest []*byte) {
	n := int(d.next())
	if n < 0 || n >= len(room) {
		return nil, nil
	}
	for i := range n {
		if room[i] = d.nextString(); room[i] == nil {
			return nil, nil
		}
	}
	room[n] = nil
	return &room[0], room[n+1:]
}
