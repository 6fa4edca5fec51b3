package stub

import (
	"io/fs"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
	"enshu/sim/stub/guest"
)

const atFDCWD = unix.AT_FDCWD

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: name, Err: err}
}

// hostnameFile says in which host its reader is, and the lab is who reads an
// opened file.
const hostnameFile = "/proc/sys/kernel/hostname"

// openHostname is hostnameFile as the stub would read it (uname(2)).
func (s *sys) openHostname() (*os.File, error) {
	r, files, err := s.conn.do(call{unix.SYS_UNAME, guest.OutOf(0), []any{out(unsafe.Sizeof(unix.Utsname{}))}})
	closeAll(files)
	if err != nil {
		return nil, err
	}
	if len(r[0].out) < int(unsafe.Sizeof(unix.Utsname{})) {
		return nil, errGone
	}
	name := (*unix.Utsname)(unsafe.Pointer(unsafe.StringData(r[0].out))).Nodename
	fd, err := unix.MemfdCreate("hostname", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), hostnameFile)
	if _, err := f.WriteAt([]byte(unix.ByteSliceToString(name[:])+"\n"), 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OpenFile opens in the stub. A FIFO or a device that is opened with
// O_NONBLOCK gives EAGAIN as read(2) and write(2) do; without it the stub waits
// in open(2) for a FIFO's other end, as any process would.
func (s *sys) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if name == hostnameFile && flag&unix.O_ACCMODE == unix.O_RDONLY {
		f, err := s.openHostname()
		if err != nil {
			return nil, pathError("open", name, err)
		}
		s.keep(f)
		return f, nil
	}
	wait := flag&unix.O_NONBLOCK == 0
	not := int64(0)
	if wait {
		not = guest.NotFIFO
	}
	// Whatever it has become since stat, the stub does not wait.
	r, files, err := s.conn.do(statCall(name, 0), openCall(name, flag|unix.O_NONBLOCK, perm, not))
	kind := fs.FileMode(0)
	if info, serr := statInfo(name, r); serr == nil {
		kind = info.Mode().Type()
	}
	if wait && kind == fs.ModeNamedPipe {
		closeAll(files)
		if s.proc != nil {
			line := s.proc.Clock.Timeline()
			line.Release()
			defer line.Hold()
		}
		_, files, err = s.conn.do(openCall(name, flag, perm, 0))
	}
	if err == nil && len(files) != 1 {
		err = errGone
	}
	if err != nil {
		closeAll(files)
		return nil, pathError("open", name, err)
	}
	f, err := opened(files[0], name, wait || kind != fs.ModeNamedPipe && kind&fs.ModeCharDevice == 0)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	s.keep(f)
	return f, nil
}

func openCall(name string, flag int, perm fs.FileMode, flags int64) call {
	return call{unix.SYS_OPENAT, guest.MakesFile | guest.PassFile | flags,
		[]any{atFDCWD, name, flag | unix.O_CLOEXEC | unix.O_NOCTTY, int(host.ModeBits(perm))}}
}

// opened gives a received descriptor the name that it has in the host. With
// poll the Go runtime waits for it; else its errors are the kernel's.
func opened(fd int, name string, poll bool) (*os.File, error) {
	// NewFile looks at O_NONBLOCK to decide whether to poll.
	if err := unix.SetNonblock(fd, poll); err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if !poll {
		if err := unix.SetNonblock(fd, true); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

func (s *sys) Stat(name string) (fs.FileInfo, error) { return s.stat("stat", name, 0) }
func (s *sys) Lstat(name string) (fs.FileInfo, error) {
	return s.stat("lstat", name, unix.AT_SYMLINK_NOFOLLOW)
}

func (s *sys) stat(op, name string, flags int) (fs.FileInfo, error) {
	r, files, err := s.conn.do(statCall(name, flags))
	closeAll(files)
	if err == nil {
		var info fs.FileInfo
		if info, err = statInfo(name, r); err == nil {
			return info, nil
		}
	}
	return nil, pathError(op, name, err)
}

func statCall(name string, flags int) call {
	return call{unix.SYS_NEWFSTATAT, guest.MayFail | guest.OutOf(2),
		[]any{atFDCWD, name, out(unsafe.Sizeof(syscall.Stat_t{})), flags}}
}

// statInfo reads what a batch that begins with statCall gave.
func statInfo(name string, r []ret) (fs.FileInfo, error) {
	switch {
	case len(r) == 0 || r[0].errno == 0 && len(r[0].out) < int(unsafe.Sizeof(syscall.Stat_t{})):
		return nil, errGone
	case r[0].errno != 0:
		return nil, r[0].errno
	}
	return host.FileInfo(name, *(*syscall.Stat_t)(unsafe.Pointer(unsafe.StringData(r[0].out)))), nil
}

func (s *sys) Readlink(name string) (string, error) {
	r, files, err := s.conn.do(call{unix.SYS_READLINKAT, guest.OutOf(2), []any{atFDCWD, name, out(4096), 4096}})
	closeAll(files)
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	if r[0].value < 0 || r[0].value > int64(len(r[0].out)) {
		return "", pathError("readlink", name, errGone)
	}
	return r[0].out[:r[0].value], nil
}

func (s *sys) Mkdir(name string, perm fs.FileMode) error {
	return pathError("mkdir", name, s.conn.one(call{unix.SYS_MKDIRAT, 0, []any{atFDCWD, name, int(host.ModeBits(perm))}}))
}

func (s *sys) Mkfifo(name string, perm fs.FileMode) error {
	return pathError("mkfifo", name, s.conn.one(call{unix.SYS_MKNODAT, 0, []any{atFDCWD, name, unix.S_IFIFO | int(host.ModeBits(perm)), 0}}))
}

func (s *sys) Remove(name string) error {
	err := s.conn.one(call{unix.SYS_UNLINKAT, 0, []any{atFDCWD, name, 0}})
	if err == syscall.EISDIR {
		err = s.conn.one(call{unix.SYS_UNLINKAT, 0, []any{atFDCWD, name, unix.AT_REMOVEDIR}})
	}
	return pathError("remove", name, err)
}

func (s *sys) Rename(from, to string) error {
	err := s.conn.one(call{unix.SYS_RENAMEAT2, 0, []any{atFDCWD, from, atFDCWD, to, 0}})
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}

func (s *sys) Link(from, to string) error {
	err := s.conn.one(call{unix.SYS_LINKAT, 0, []any{atFDCWD, from, atFDCWD, to, 0}})
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: "link", Old: from, New: to, Err: err}
}

func (s *sys) Symlink(target, name string) error {
	err := s.conn.one(call{unix.SYS_SYMLINKAT, 0, []any{target, atFDCWD, name}})
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: "symlink", Old: target, New: name, Err: err}
}

func (s *sys) Chmod(name string, m fs.FileMode) error {
	return pathError("chmod", name, s.conn.one(call{unix.SYS_FCHMODAT, 0, []any{atFDCWD, name, int(host.ModeBits(m))}}))
}

// Chown leaves a file as it is where the lab has one user id only: daemons that
// give their files away can then do their work all the same.
func (s *sys) Chown(name string, uid, gid int) error {
	err := s.conn.one(call{unix.SYS_FCHOWNAT, 0, []any{atFDCWD, name, uid, gid, 0}})
	if err == syscall.EINVAL && s.server.SingleID && s.proc.UID == 0 {
		return nil
	}
	return pathError("chown", name, err)
}

func (s *sys) Chtimes(name string, atime, mtime time.Time) error {
	return pathError("chtimes", name, s.conn.one(call{unix.SYS_UTIMENSAT, 0, []any{atFDCWD, name, timesArg(atime, mtime), 0}}))
}

// timesArg is the argument of utimensat(2) for two times.
func timesArg(atime, mtime time.Time) string {
	ts := [2]unix.Timespec{unix.NsecToTimespec(atime.UnixNano()), unix.NsecToTimespec(mtime.UnixNano())}
	return string(unsafe.Slice((*byte)(unsafe.Pointer(&ts)), unsafe.Sizeof(ts)))
}
