package memnet

import (
	"encoding/binary"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"enshu/sim/host"
)

// disk is a host's file system: a directory of the machine that is its root.
// The kernel keeps names, contents and modes; who owns what it keeps only when
// the test may change owners, so that rights can be tried without being root.
type disk struct {
	root string
	real bool // the machine's kernel keeps the owners

	mu     sync.Mutex
	owners map[inode]owner

	// The network's mu guards what follows.
	fifos   waiters       // opens of FIFOs that wait for the other side
	writers map[inode]int // how often a FIFO was opened for writing
}

type inode struct{ dev, ino uint64 }

type owner struct{ uid, gid int }

func inodeOf(st *syscall.Stat_t) inode { return inode{st.Dev, st.Ino} }

func newDisk(root string) *disk {
	probe := root + "/.owner"
	d := &disk{root: root, owners: map[inode]owner{}, writers: map[inode]int{}}
	if os.WriteFile(probe, nil, 0o600) == nil {
		d.real = os.Chown(probe, 12345, 12345) == nil
		os.Remove(probe)
	}
	return d
}

// devices are the character devices that every host has.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// at returns the machine's path of a resolved name.
func (d *disk) at(name string) string {
	if slices.Contains(devices, name) {
		return name
	}
	return d.root + name
}

// lstat returns what is at a resolved name, with the owners of the host.
func (d *disk) lstat(name string) (st syscall.Stat_t, errno syscall.Errno) {
	if err := syscall.Lstat(d.at(name), &st); err != nil {
		return st, err.(syscall.Errno)
	}
	d.own(&st)
	return st, 0
}

func (d *disk) own(st *syscall.Stat_t) {
	if d.real {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.owners[inodeOf(st)] // what nobody chowned is root's
	st.Uid, st.Gid = uint32(o.uid), uint32(o.gid)
}

// chown gives what is at a resolved name, or the open fd, to an owner; -1 leaves one as it is.
func (d *disk) chown(name string, uid, gid int) error {
	if d.real {
		return syscall.Lchown(d.at(name), uid, gid)
	}
	var st syscall.Stat_t
	if err := syscall.Lstat(d.at(name), &st); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.owners[inodeOf(&st)]
	if uid >= 0 {
		o.uid = uid
	}
	if gid >= 0 {
		o.gid = gid
	}
	d.owners[inodeOf(&st)] = o
	return nil
}

// forget drops the owner of a file whose last name goes away.
func (d *disk) forget(st *syscall.Stat_t) {
	if d.real || st.Nlink > 1 && st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.owners, inodeOf(st))
}

// Rights asked for, as in the mode bits of "other".
const (
	mayRead  = 4
	mayWrite = 2
	mayExec  = 1
)

// may tells whether the kernel would grant all of want (path_resolution(7)).
func may(c *host.Cred, st *syscall.Stat_t, want uint32) bool {
	if c.UID == 0 {
		return want&mayExec == 0 || st.Mode&syscall.S_IFMT == syscall.S_IFDIR || st.Mode&0o111 != 0
	}
	mode := st.Mode
	switch {
	case int(st.Uid) == c.UID:
		mode >>= 6
	case inGroup(c, int(st.Gid)):
		mode >>= 3
	}
	return mode&want == want
}

// admits tells whether the ACL of what is at a resolved name names the user, or a
// group of theirs, for all of want (acl(5)). It has the rights that the mode bits
// withhold from others; the mask is in the mode bits of the group.
func (d *disk) admits(c *host.Cred, name string, want uint32) bool {
	acl := make([]byte, 512)
	n, err := syscall.Getxattr(d.at(name), "system.posix_acl_access", acl)
	if err != nil || n < 4 {
		return false
	}
	const namedUser, namedGroup = 2, 8
	for e := acl[4:n]; len(e) >= 8; e = e[8:] {
		tag, perm, id := binary.LittleEndian.Uint16(e), uint32(binary.LittleEndian.Uint16(e[2:])), int(binary.LittleEndian.Uint32(e[4:]))
		if (tag == namedUser && id == c.UID || tag == namedGroup && inGroup(c, id)) && perm&want == want {
			return true
		}
	}
	return false
}

func inGroup(c *host.Cred, gid int) bool { return c.GID == gid || slices.Contains(c.Groups, gid) }

// node is where a name leads.
type node struct {
	name   string         // resolved: absolute, no links but perhaps the last, no . and ..
	exists bool           // st is valid
	st     syscall.Stat_t // with the host's owners
	dir    syscall.Stat_t // the directory that has the name
}

func (nd *node) kind() uint32 { return nd.st.Mode & syscall.S_IFMT }

// walk resolves a name below the root as the process would, a link at its end
// only when follow is set. A last element that does not exist is no error.
func (s *sys) walk(name string, follow bool) (node, syscall.Errno) {
	if !strings.HasPrefix(name, "/") {
		return node{}, syscall.ENOENT
	}
	if len(name) > 4095 {
		return node{}, syscall.ENAMETOOLONG
	}
	d := s.h.disk
	here := "/"
	st, errno := d.lstat("/")
	if errno != 0 {
		return node{}, errno
	}
	nd := node{name: "/", exists: true, st: st, dir: st}
	rest := strings.Split(name, "/")
	links := 0
	for len(rest) > 0 {
		elem := rest[0]
		rest = rest[1:]
		if !nd.exists {
			if elem == "" && !slices.ContainsFunc(rest, func(s string) bool { return s != "" }) {
				break // a trailing slash after a name to be made (mkdir)
			}
			return node{}, syscall.ENOENT
		}
		if nd.kind() != syscall.S_IFDIR {
			return node{}, syscall.ENOTDIR
		}
		if elem == "" || elem == "." {
			continue
		}
		if !may(&s.cred, &nd.st, mayExec) && !d.admits(&s.cred, nd.name, mayExec) {
			return node{}, syscall.EACCES
		}
		if len(elem) > 255 {
			return node{}, syscall.ENAMETOOLONG
		}
		if elem == ".." {
			here = path.Dir(here)
			if st, errno = d.lstat(here); errno != 0 {
				return node{}, errno
			}
			nd = node{name: here, exists: true, st: st, dir: st}
			continue
		}
		next := node{name: path.Join(here, elem), dir: nd.st}
		next.st, errno = d.lstat(next.name)
		switch errno {
		case 0:
			next.exists = true
		case syscall.ENOENT:
		default:
			return node{}, errno
		}
		if next.exists && next.kind() == syscall.S_IFLNK && (follow || len(rest) > 0) {
			if links++; links > 40 {
				return node{}, syscall.ELOOP
			}
			target, err := os.Readlink(d.at(next.name))
			if err != nil {
				return node{}, syscall.EIO
			}
			rest = append(strings.Split(target, "/"), rest...)
			if strings.HasPrefix(target, "/") {
				here = "/"
				if st, errno = d.lstat("/"); errno != 0 {
					return node{}, errno
				}
				nd = node{name: "/", exists: true, st: st, dir: st}
			}
			continue
		}
		here, nd = next.name, next
	}
	return nd, 0
}

// find is walk for a name that must exist.
func (s *sys) find(name string, follow bool) (node, syscall.Errno) {
	nd, errno := s.walk(name, follow)
	if errno == 0 && !nd.exists {
		errno = syscall.ENOENT
	}
	return nd, errno
}
