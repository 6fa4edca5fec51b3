package logrotate

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// disk is the files as the user of su may use them. It remembers what is in the
// directories of old logs, which saves a call for each number up to rotate; what
// else runs in between, such as a script, may change them, and then they are
// forgotten.
type disk struct {
	host.Files
	as   *host.Cred // nil: as the process itself
	seen map[string]*directory
}

// directory is what is known to be in a directory.
type directory struct {
	there  map[string]bool
	sorted []string // the same names, once somebody asked for a prefix
}

func (d *directory) note(name string, there bool) {
	if d.there[name] == there {
		return
	}
	if there {
		d.there[name] = true
	} else {
		delete(d.there, name)
	}
	if d.sorted == nil {
		return
	}
	if at, _ := slices.BinarySearch(d.sorted, name); there {
		d.sorted = slices.Insert(d.sorted, at, name)
	} else {
		d.sorted = slices.Delete(d.sorted, at, at+1)
	}
}

// beginning returns the names that begin with prefix, in order.
func (d *directory) beginning(prefix string) []string {
	if d.sorted == nil {
		d.sorted = slices.AppendSeq(make([]string, 0, len(d.there)), maps.Keys(d.there))
		slices.Sort(d.sorted)
	}
	from, _ := slices.BinarySearch(d.sorted, prefix)
	upto := from
	for upto < len(d.sorted) && strings.HasPrefix(d.sorted[upto], prefix) {
		upto++
	}
	return d.sorted[from:upto]
}

func (d disk) forget() { clear(d.seen) }

// note keeps what is remembered of a directory true.
func (d disk) note(name string, there bool) {
	dir, base := path.Split(name)
	if in := d.seen[dir]; in != nil {
		in.note(base, there)
	}
}

// list looks into a directory, whose name ends with a slash.
func (d disk) list(p *host.Proc, dir string) (*directory, error) {
	if in := d.seen[dir]; in != nil {
		return in, nil
	}
	names, err := libc.ReadDir(p, dir)
	if err != nil {
		return nil, err
	}
	in := &directory{there: make(map[string]bool, len(names))}
	for _, n := range names {
		in.there[n] = true
	}
	d.seen[dir] = in
	return in, nil
}

// switching is told by -v of each process that changes its identity.
const switching = "switching euid from %d to %d and egid from %d to %d (pid %d)\n"

// rights returns the files with the rights that the set asks for. Both sides of
// their use are told with -v; back is the latter.
func rights(p *host.Proc, s *set, out *messages) (d disk, back func()) {
	d = disk{Files: p.Sys, seen: map[string]*directory{}}
	if !s.su || s.as.uid == p.UID && s.as.gid == p.GID {
		return d, func() {}
	}
	if p.UID == 0 && s.as.uid > 0 {
		d.as = &host.Cred{UID: s.as.uid, GID: s.as.gid}
	}
	out.note(switching, p.UID, s.as.uid, p.GID, s.as.gid, p.PID)
	return d, func() { out.note(switching, s.as.uid, p.UID, s.as.gid, p.GID, p.PID) }
}

// may checks a right on a file (4 read, 2 write, 1 search).
func (d disk) may(name string, want fs.FileMode) error {
	if d.as == nil {
		return nil
	}
	info, err := d.Files.Stat(name)
	if err != nil {
		return err
	}
	uid, gid := libc.Owner(info)
	mode := info.Mode().Perm()
	switch {
	case uid == d.as.UID:
		mode >>= 6
	case gid == d.as.GID:
		mode >>= 3
	}
	if mode&want != want {
		return &os.PathError{Op: "access", Path: name, Err: syscall.EACCES}
	}
	return nil
}

func (d disk) Rename(from, to string) error {
	if err := errors.Join(d.may(path.Dir(from), 3), d.may(path.Dir(to), 3)); err != nil {
		return err
	}
	return d.Files.Rename(from, to)
}

func (d disk) Remove(name string) error {
	if err := d.may(path.Dir(name), 3); err != nil {
		return err
	}
	err := d.Files.Remove(name)
	if err == nil {
		d.note(name, false)
	}
	return err
}

// chain makes calls in order, those without su with few messages.
func (d disk) chain(steps []host.Step) (done int, files []*os.File, err error) {
	f := d.Files
	if d.as != nil {
		f = d
	}
	return host.Chain(f, steps...)
}

func (d disk) Mkdir(name string, perm fs.FileMode) error {
	if err := d.may(path.Dir(name), 3); err != nil {
		return err
	}
	return errors.Join(d.Files.Mkdir(name, perm), d.own(name))
}

func (d disk) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if flag&os.O_EXCL != 0 {
		if err := d.may(path.Dir(name), 3); err != nil {
			return nil, err
		}
		f, err := d.Files.OpenFile(name, flag, perm)
		if err != nil {
			return nil, err
		}
		d.note(name, true)
		if err := d.own(name); err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
	want := fs.FileMode(4)
	switch flag & (os.O_WRONLY | os.O_RDWR) {
	case os.O_WRONLY:
		want = 2
	case os.O_RDWR:
		want = 6
	}
	if err := d.may(name, want); err != nil {
		return nil, err
	}
	return d.Files.OpenFile(name, flag, perm)
}

// regular opens a file that must be neither a link nor a pipe, nor any other
// thing that could let the reader wait.
func (d disk) regular(name string, flag int) (*os.File, error) {
	f, err := d.OpenFile(name, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: name, Err: syscall.EOPNOTSUPP}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// own gives what was just made to the user.
func (d disk) own(name string) error {
	if d.as == nil {
		return nil
	}
	return d.Files.Chown(name, d.as.UID, d.as.GID)
}

// Chown follows the rule that only root gives files away.
func (d disk) Chown(name string, uid, gid int) error {
	if d.as != nil && (uid != unset && uid != d.as.UID || gid != unset && gid != d.as.GID) {
		return &os.PathError{Op: "chown", Path: name, Err: syscall.EPERM}
	}
	return d.Files.Chown(name, uid, gid)
}
