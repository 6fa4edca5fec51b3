package libc

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"enshu/sim/host"
)

// Pty is a pseudo-terminal (pty(7)): a program works at Near, its user at Far.
type Pty struct {
	Near, Far *os.File
	Name      string // "/dev/pts/0"
}

// OpenPty makes a pseudo-terminal (openpty(3)) and gives it to a user.
func OpenPty(p *host.Proc, uid int) (*Pty, error) {
	far, err := p.Sys.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	t := &Pty{Far: far}
	var unlocked, number int32
	err = ioctl(far, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	if err == nil {
		err = ioctl(far, syscall.TIOCGPTN, unsafe.Pointer(&number))
	}
	if err == nil {
		t.Name = fmt.Sprintf("/dev/pts/%d", number)
		t.Near, err = p.Sys.OpenFile(t.Name, os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err == nil {
		// Its own open file blocks, as a shell expects of its terminal.
		err = control(t.Near, func(fd uintptr) error { return syscall.SetNonblock(int(fd), false) })
	}
	if err == nil && uid != 0 {
		err = p.Sys.Chown(t.Name, uid, -1)
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Resize tells the terminal its size, and whoever works at it by SIGWINCH.
func (t *Pty) Resize(rows, cols int) error {
	size := [4]uint16{uint16(rows), uint16(cols)}
	return ioctl(t.Far, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

// Close closes both ends; who still works at the terminal is hung up.
func (t *Pty) Close() {
	if t.Near != nil {
		t.Near.Close()
	}
	t.Far.Close()
}

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	return control(f, func(fd uintptr) error {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg)); errno != 0 {
			return errno
		}
		return nil
	})
}

// control calls f with a file's descriptor.
func control(f *os.File, do func(fd uintptr) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var derr error
	if err := raw.Control(func(fd uintptr) { derr = do(fd) }); err != nil {
		return err
	}
	return derr
}
