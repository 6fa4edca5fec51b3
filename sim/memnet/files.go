package memnet

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
)

// fail makes the error that package os would return; errno 0 is no error.
func fail(op, name string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: errno}
}

func failLink(op, from, to string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return &os.LinkError{Op: op, Old: from, New: to, Err: errno}
}

func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	return syscall.EIO
}

// changeable tells whether the process may add or remove names in a directory.
func (s *sys) changeable(dir *syscall.Stat_t) syscall.Errno {
	if !may(&s.cred, dir, mayWrite|mayExec) {
		return syscall.EACCES
	}
	return 0
}

// removable tells whether the process may take a name away; in a sticky
// directory only the owner of the file or of the directory may.
func (s *sys) removable(nd *node) syscall.Errno {
	if errno := s.changeable(&nd.dir); errno != 0 {
		return errno
	}
	if nd.dir.Mode&syscall.S_ISVTX != 0 && s.cred.UID != 0 && int(nd.st.Uid) != s.cred.UID && int(nd.dir.Uid) != s.cred.UID {
		return syscall.EPERM
	}
	return 0
}

// adopt gives a new file to the process. A directory with the set-group-ID bit
// hands on its group, and the bit to directories.
func (s *sys) adopt(nd *node, mode uint32) error {
	gid := s.cred.GID
	if nd.dir.Mode&syscall.S_ISGID != 0 {
		gid = int(nd.dir.Gid)
	}
	if err := s.h.disk.chown(nd.name, s.cred.UID, gid); err != nil {
		return err
	}
	return syscall.Chmod(s.h.disk.at(nd.name), mode)
}

// create resolves a name that must not exist and whose directory may be changed.
func (s *sys) create(name string) (node, syscall.Errno) {
	if errno := s.alive(); errno != 0 {
		return node{}, errno
	}
	nd, errno := s.walk(name, false)
	switch {
	case errno != 0:
	case nd.exists:
		errno = syscall.EEXIST
	default:
		errno = s.changeable(&nd.dir)
	}
	return nd, errno
}

func (s *sys) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, errno := s.openFile(name, flag, perm)
	return f, fail("open", name, errno)
}

func (s *sys) openFile(name string, flag int, perm fs.FileMode) (*os.File, syscall.Errno) {
	if errno := s.enter(); errno != 0 {
		return nil, errno
	}
	nofollow := flag&syscall.O_NOFOLLOW != 0 || flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0
	nd, errno := s.walk(name, !nofollow)
	if errno != 0 {
		return nil, errno
	}
	access := flag & syscall.O_ACCMODE
	made := false
	if !nd.exists {
		if flag&os.O_CREATE == 0 {
			return nil, syscall.ENOENT
		}
		if strings.HasSuffix(name, "/") {
			return nil, syscall.EISDIR
		}
		if errno := s.changeable(&nd.dir); errno != 0 {
			return nil, errno
		}
		made = true
	} else {
		var want uint32
		if access != os.O_WRONLY {
			want |= mayRead
		}
		if access != os.O_RDONLY || flag&os.O_TRUNC != 0 {
			want |= mayWrite
		}
		switch {
		case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
			return nil, syscall.EEXIST
		case nd.kind() == syscall.S_IFLNK:
			return nil, syscall.ELOOP
		case flag&syscall.O_DIRECTORY != 0 && nd.kind() != syscall.S_IFDIR:
			return nil, syscall.ENOTDIR
		case nd.kind() == syscall.S_IFDIR && (want&mayWrite != 0 || flag&os.O_CREATE != 0):
			return nil, syscall.EISDIR
		case !may(&s.cred, &nd.st, want) && !s.h.disk.admits(&s.cred, nd.name, want):
			return nil, syscall.EACCES
		case nd.kind() == syscall.S_IFSOCK:
			return nil, syscall.ENXIO
		}
	}
	if nd.exists && nd.kind() == syscall.S_IFIFO {
		return s.openFIFO(&nd, name, flag)
	}
	real := s.h.disk.at(nd.name)
	fd, err := syscall.Open(real, flag|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, 0o600)
	if err == syscall.EACCES && nd.exists {
		// A test that is not root cannot open what its owner may not; the host's
		// own rights were checked above.
		if syscall.Chmod(real, 0o600) == nil {
			fd, err = syscall.Open(real, flag|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, 0o600)
			syscall.Chmod(real, nd.st.Mode&0o7777)
		}
	}
	if err != nil {
		return nil, errnoOf(err)
	}
	if made {
		if err := s.adopt(&nd, host.ModeBits(perm)&^s.umask); err != nil {
			syscall.Close(fd)
			return nil, errnoOf(err)
		}
	}
	f := os.NewFile(uintptr(fd), name)
	if nd.exists && nd.kind() == syscall.S_IFDIR {
		return f, 0 // package os lets nobody close a directory under its reader, and it holds nothing
	}
	return s.keep(f)
}

// openFIFO opens a FIFO. Without O_NONBLOCK it waits for the other side, as
// fifo(7) says. With it the file's Read and Write return EAGAIN rather than block.
func (s *sys) openFIFO(nd *node, name string, flag int) (*os.File, syscall.Errno) {
	n := s.h.net
	real := s.h.disk.at(nd.name)
	nonblock := flag&syscall.O_NONBLOCK != 0
	open := func(flag int) (int, syscall.Errno) {
		fd, err := syscall.Open(real, flag|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
		return fd, errnoOf(err)
	}
	flag &^= os.O_CREATE | os.O_TRUNC | os.O_EXCL
	n.mu.Lock()
	defer n.mu.Unlock()
	fd, errno := open(flag)
	for !nonblock && errno == syscall.ENXIO {
		if err := n.wait(s.ctx, &s.h.disk.fifos, deadline{}); err != nil {
			return nil, syscall.EINTR
		}
		fd, errno = open(flag)
	}
	if errno != 0 {
		return nil, errno
	}
	ino := inodeOf(&nd.st)
	if flag&syscall.O_ACCMODE != os.O_RDONLY {
		s.h.disk.writers[ino]++
	}
	s.h.disk.fifos.wake()
	// A writer that comes and goes while the reader is being woken counts too.
	before := s.h.disk.writers[ino]
	for !nonblock && flag&syscall.O_ACCMODE == os.O_RDONLY && s.h.disk.writers[ino] == before && !hasWriter(fd, real) {
		if err := n.wait(s.ctx, &s.h.disk.fifos, deadline{}); err != nil {
			syscall.Close(fd)
			return nil, syscall.EINTR
		}
	}
	if nonblock {
		// A file made of a descriptor that blocks stays out of the runtime's poller,
		// so that EAGAIN reaches the Program.
		syscall.SetNonblock(fd, false)
	}
	f := os.NewFile(uintptr(fd), name)
	if nonblock {
		syscall.SetNonblock(fd, true)
	}
	return s.keep(f)
}

// hasWriter tells whether someone has the FIFO open for writing: poll(2) says
// POLLHUP only after a writer went away, so an own writer comes and goes first.
func hasWriter(fd int, real string) bool {
	w, err := syscall.Open(real, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	syscall.Close(w)
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	unix.Poll(p, 0)
	return p[0].Revents&unix.POLLHUP == 0
}

func (s *sys) stat(op, name string, follow bool) (fs.FileInfo, error) {
	errno := s.enter()
	var nd node
	if errno == 0 {
		nd, errno = s.find(name, follow)
	}
	if errno != 0 {
		return nil, fail(op, name, errno)
	}
	return host.FileInfo(name, nd.st), nil
}

func (s *sys) Stat(name string) (fs.FileInfo, error)  { return s.stat("stat", name, true) }
func (s *sys) Lstat(name string) (fs.FileInfo, error) { return s.stat("lstat", name, false) }

func (s *sys) Readlink(name string) (string, error) {
	nd, errno := s.find(name, false)
	if errno == 0 && nd.kind() != syscall.S_IFLNK {
		errno = syscall.EINVAL
	}
	if errno != 0 {
		return "", fail("readlink", name, errno)
	}
	return os.Readlink(s.h.disk.at(nd.name))
}

func (s *sys) Mkdir(name string, perm fs.FileMode) error {
	nd, errno := s.create(name)
	if errno == 0 {
		errno = errnoOf(syscall.Mkdir(s.h.disk.at(nd.name), 0o700))
	}
	if errno == 0 {
		mode := host.ModeBits(perm)&^s.umask | nd.dir.Mode&syscall.S_ISGID
		errno = errnoOf(s.adopt(&nd, mode))
	}
	return fail("mkdir", name, errno)
}

func (s *sys) Mkfifo(name string, perm fs.FileMode) error {
	nd, errno := s.create(name)
	if errno == 0 {
		errno = errnoOf(syscall.Mkfifo(s.h.disk.at(nd.name), 0o600))
	}
	if errno == 0 {
		errno = errnoOf(s.adopt(&nd, host.ModeBits(perm)&^s.umask))
	}
	return fail("mkfifo", name, errno)
}

func (s *sys) Remove(name string) error {
	errno := s.enter()
	var nd node
	if errno == 0 {
		nd, errno = s.find(name, false)
	}
	if errno == 0 && nd.name == "/" {
		errno = syscall.EBUSY
	}
	if errno == 0 {
		errno = s.removable(&nd)
	}
	if errno == 0 {
		if nd.kind() == syscall.S_IFDIR {
			errno = errnoOf(syscall.Rmdir(s.h.disk.at(nd.name)))
		} else {
			errno = errnoOf(syscall.Unlink(s.h.disk.at(nd.name)))
		}
	}
	if errno == 0 {
		s.h.disk.forget(&nd.st)
	}
	return fail("remove", name, errno)
}

func (s *sys) Rename(from, to string) error {
	return failLink("rename", from, to, s.rename(from, to))
}

func (s *sys) rename(from, to string) syscall.Errno {
	if errno := s.enter(); errno != 0 {
		return errno
	}
	a, errno := s.find(from, false)
	if errno != 0 {
		return errno
	}
	b, errno := s.walk(to, false)
	if errno != 0 {
		return errno
	}
	if errno := s.removable(&a); errno != 0 {
		return errno
	}
	if b.exists {
		errno = s.removable(&b)
	} else {
		errno = s.changeable(&b.dir)
	}
	if errno != 0 {
		return errno
	}
	if errno := errnoOf(syscall.Rename(s.h.disk.at(a.name), s.h.disk.at(b.name))); errno != 0 {
		return errno
	}
	if b.exists && inodeOf(&a.st) != inodeOf(&b.st) {
		s.h.disk.forget(&b.st)
	}
	return 0
}

func (s *sys) Link(from, to string) error {
	errno := s.enter()
	var a, b node
	if errno == 0 {
		a, errno = s.find(from, false)
	}
	if errno == 0 {
		b, errno = s.create(to)
	}
	if errno == 0 && a.kind() == syscall.S_IFDIR {
		errno = syscall.EPERM
	}
	if errno == 0 {
		errno = errnoOf(syscall.Link(s.h.disk.at(a.name), s.h.disk.at(b.name)))
	}
	return failLink("link", from, to, errno)
}

func (s *sys) Symlink(target, name string) error {
	nd, errno := s.create(name)
	if errno == 0 {
		errno = errnoOf(syscall.Symlink(target, s.h.disk.at(nd.name)))
	}
	if errno == 0 {
		errno = errnoOf(s.h.disk.chown(nd.name, s.cred.UID, s.cred.GID))
	}
	return failLink("symlink", target, name, errno)
}

func (s *sys) Chmod(name string, mode fs.FileMode) error {
	errno := s.enter()
	var nd node
	if errno == 0 {
		nd, errno = s.find(name, true)
	}
	bits := host.ModeBits(mode)
	if errno == 0 && s.cred.UID != 0 {
		if int(nd.st.Uid) != s.cred.UID {
			errno = syscall.EPERM
		}
		if !inGroup(&s.cred, int(nd.st.Gid)) {
			bits &^= syscall.S_ISGID
		}
	}
	if errno == 0 {
		errno = errnoOf(syscall.Chmod(s.h.disk.at(nd.name), bits))
	}
	return fail("chmod", name, errno)
}

func (s *sys) Chown(name string, uid, gid int) error {
	errno := s.enter()
	var nd node
	if errno == 0 {
		nd, errno = s.find(name, true)
	}
	if errno == 0 && s.cred.UID != 0 {
		switch {
		case int(nd.st.Uid) != s.cred.UID,
			uid >= 0 && uid != s.cred.UID,
			gid >= 0 && gid != int(nd.st.Gid) && !inGroup(&s.cred, gid):
			errno = syscall.EPERM
		}
	}
	if errno == 0 {
		errno = errnoOf(s.h.disk.chown(nd.name, uid, gid))
	}
	// An executable with a new owner must not run as that owner (chown(2)).
	const setid = syscall.S_ISUID | syscall.S_ISGID
	if errno == 0 && nd.st.Mode&0o111 != 0 && nd.st.Mode&setid != 0 && nd.kind() == syscall.S_IFREG {
		errno = errnoOf(syscall.Chmod(s.h.disk.at(nd.name), nd.st.Mode&0o7777&^setid))
	}
	return fail("chown", name, errno)
}

func (s *sys) Chtimes(name string, atime, mtime time.Time) error {
	errno := s.enter()
	var nd node
	if errno == 0 {
		nd, errno = s.find(name, true)
	}
	if errno == 0 && s.cred.UID != 0 && int(nd.st.Uid) != s.cred.UID {
		errno = syscall.EPERM
	}
	if errno == 0 {
		ts := []unix.Timespec{timespec(atime), timespec(mtime)}
		err := unix.UtimesNanoAt(unix.AT_FDCWD, s.h.disk.at(nd.name), ts, unix.AT_SYMLINK_NOFOLLOW)
		errno = errnoOf(err)
	}
	return fail("chtimes", name, errno)
}

// timespec leaves a time that is zero as it is, as os.Chtimes does.
func timespec(t time.Time) unix.Timespec {
	if t.IsZero() {
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	}
	return unix.NsecToTimespec(t.UnixNano())
}
