package guest

import (
	"syscall"
	"unsafe"
)

// maxCalls is how many calls one message may have.
const maxCalls = 1024

// rights is a control message with descriptors (cmsg(3), SCM_RIGHTS).
type rights struct {
	head syscall.Cmsghdr
	fds  [MaxFiles]int32
}

// desk is what the loop works with.
type desk struct {
	name *byte // Args[0]
	asks int   // the connection

	// The message that came: its bytes, and how far they have been read.
	in       [MaxMessage]byte
	at, end  int
	inRights rights
	files    int // descriptors that came along
	// The reply, likewise.
	out       [MaxMessage]byte
	length    int
	outRights rights
	passed    int

	calls  int
	made   [maxCalls]int32 // the descriptors that the calls made; -1 for none
	keeps  [maxCalls]bool  // those that stay
	failed bool            // a call that was not allowed to

	recv, send       syscall.Msghdr
	recvVec, sendVec syscall.Iovec

	// What other calls read or fill.
	path    [4096]byte
	address syscall.RawSockaddrUnix
	pair    [2]int32
	size    int32
	limit   syscall.Rlimit
	strings [maxStrings]*byte // arguments and environment of a child
	groups  [maxGroups]uint32
	errno   *syscall.Errno // of a child's, in memory that both have; see spawn
}

// serve does what the lab asks until it says how to end. It never returns.
func (d *desk) serve(asks int) {
	d.asks = asks
	for d.receive() {
		switch d.in[0] {
		case Calls:
			d.perform()
			d.reply()
		case Spawn:
			d.spawn()
		case Exit:
			d.leave(int(d.next()), syscall.Signal(d.next()))
		}
		d.closeFiles()
	}
	exit(125) // the lab is gone
}

// receive waits for the next message. It reports false when the lab is gone.
func (d *desk) receive() bool {
	for {
		d.recvVec.Base = &d.in[0]
		d.recvVec.SetLen(len(d.in))
		d.recv.Iov, d.recv.Iovlen = &d.recvVec, 1
		d.recv.Control, d.recv.Controllen = (*byte)(unsafe.Pointer(&d.inRights)), uint64(unsafe.Sizeof(d.inRights))
		n, _, errno := syscall.RawSyscall(syscall.SYS_RECVMSG, uintptr(d.asks), uintptr(unsafe.Pointer(&d.recv)), syscall.MSG_CMSG_CLOEXEC)
		if errno == syscall.EINTR {
			continue
		}
		d.at, d.end, d.files = 1, 0, 0
		if errno != 0 || n == 0 {
			return false
		}
		d.end = int(n)
		h := &d.inRights.head
		if d.recv.Controllen >= syscall.SizeofCmsghdr && h.Level == syscall.SOL_SOCKET && h.Type == syscall.SCM_RIGHTS {
			d.files = min((int(h.Len)-syscall.SizeofCmsghdr)/4, MaxFiles)
		}
		return true
	}
}

// closeFiles closes the descriptors that came with a message.
func (d *desk) closeFiles() {
	for i := range d.files {
		syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(d.inRights.fds[i]), 0, 0)
	}
	d.files = 0
}

// perform performs the calls of a message in order, and stops after the first
// that failed and was not allowed to.
func (d *desk) perform() {
	d.out[0], d.length, d.passed, d.calls, d.failed = Reply, 1, 0, 0, false
	kind := uint32(0) // of the file that the call before has found
	for d.at < d.end && !d.failed && d.calls < maxCalls && len(d.out)-d.length >= resultHead {
		kind = d.call(kind)
	}
}

// resultHead is what a call's part of the reply has before the bytes.
const resultHead = 3 * 8

// call performs the next call of the message. found is the kind of the file that
// the one before found, if it was stat(2); so is the result of this one.
func (d *desk) call(found uint32) uint32 {
	nr, flags, args := uintptr(d.next()), d.next(), int(d.next())
	var a [6]uintptr
	// The buffer that the kernel fills stands in the reply.
	buf, size := d.length+resultHead, 0
	errno := syscall.EINTR
	for i := 0; i < args && i < len(a); i++ {
		kind, v := d.next(), int(d.next())
		switch kind {
		case ArgInt:
			a[i] = uintptr(v)
		case ArgIn:
			if v <= 0 || v > d.end-d.at {
				errno = syscall.EINVAL
				break
			}
			a[i] = uintptr(unsafe.Pointer(&d.in[d.at]))
			d.at += v
		case ArgOut:
			if v <= 0 || v > len(d.out)-buf {
				errno = syscall.E2BIG
				break
			}
			a[i], size = uintptr(unsafe.Pointer(&d.out[buf])), v
		case ArgResult:
			a[i] = ^uintptr(0)
			if v >= 0 && v < d.calls {
				a[i] = uintptr(d.made[v])
			}
		case ArgPassed:
			a[i] = ^uintptr(0)
			if v >= 0 && v < d.files {
				a[i] = uintptr(d.inRights.fds[v])
			}
		}
	}
	if flags&NotFIFO != 0 && found == syscall.S_IFIFO || flags&OnlyFile != 0 && found != syscall.S_IFREG {
		errno = syscall.EAGAIN
	}
	var ret uintptr
	for errno == syscall.EINTR {
		ret, _, errno = syscall.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	}
	switch {
	case errno != 0:
		size = 0
	case flags&AsMuch != 0:
		size = max(0, min(size, int(ret)))
	}
	d.put(int64(ret))
	d.put(int64(errno))
	d.put(int64(size))
	d.length += size
	d.made[d.calls], d.keeps[d.calls] = -1, false
	if flags&MakesFile != 0 && errno == 0 {
		d.made[d.calls], d.keeps[d.calls] = int32(ret), flags&KeepFile != 0
		if flags&PassFile != 0 && d.passed < MaxFiles {
			d.outRights.fds[d.passed] = int32(ret)
			d.passed++
		}
	}
	d.calls++
	d.failed = errno != 0 && flags&MayFail == 0
	if size != int(unsafe.Sizeof(syscall.Stat_t{})) {
		return 0
	}
	return (*syscall.Stat_t)(unsafe.Pointer(&d.out[buf])).Mode & syscall.S_IFMT
}

// reply sends what the calls gave and closes what they made, but for what is
// to be kept if all went well.
func (d *desk) reply() {
	d.sendTo(d.asks)
	for i := range d.calls {
		if fd := d.made[i]; fd >= 0 && (d.failed || !d.keeps[i]) {
			syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0)
		}
	}
}

// sendTo sends the message, with the descriptors that are to pass.
func (d *desk) sendTo(fd int) syscall.Errno {
	d.sendVec.Base = &d.out[0]
	d.sendVec.SetLen(d.length)
	d.send.Iov, d.send.Iovlen = &d.sendVec, 1
	d.send.Control, d.send.Controllen = nil, 0
	if d.passed > 0 {
		size := syscall.SizeofCmsghdr + 4*d.passed
		h := &d.outRights.head
		h.Level, h.Type = syscall.SOL_SOCKET, syscall.SCM_RIGHTS
		h.SetLen(size)
		d.send.Control, d.send.Controllen = (*byte)(unsafe.Pointer(&d.outRights)), uint64(size)
	}
	for {
		_, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&d.send)), 0)
		if errno != syscall.EINTR {
			return errno
		}
	}
}

// next reads an integer of the message; past its end there are zeros.
func (d *desk) next() int64 {
	if d.end-d.at < 8 {
		d.at = d.end
		return 0
	}
	var u uint64
	for i := range 8 {
		u |= uint64(d.in[d.at+i]) << (8 * i)
	}
	d.at += 8
	return int64(u)
}

// put appends an integer to the reply, which has room for it.
func (d *desk) put(v int64) {
	for i := range 8 {
		d.out[d.length+i] = byte(uint64(v) >> (8 * i))
	}
	d.length += 8
}
