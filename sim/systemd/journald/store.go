package journald

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/machine"
	"enshu/sim/wire/journal"
)

// store is where journald puts entries: the files of one directory.
type store struct {
	p         *host.Proc
	dir       string
	permanent bool
	limits    limits
	maxFile   int64         // in bytes
	maxAge    time.Duration // of the first entry of a file
	began     time.Time     // when that is of the system's file
	seqnumID  journal.ID
	seqnum    uint64
	system    *sdjournal.Writer
	users     map[int]*sdjournal.Writer
	files     uint64 // made in this run; makes their IDs differ
}

// openStore opens, or makes, the journal in a directory.
func openStore(p *host.Proc, c config, permanent bool) (*store, error) {
	base, l := sdjournal.VolatileDir, c.runtime
	if permanent {
		base, l = sdjournal.PersistentDir, c.system
	}
	s := &store{p: p, dir: path.Join(base, machine.ID(p)), permanent: permanent, limits: l, maxAge: c.maxFileAge, users: map[int]*sdjournal.Writer{}}
	readers := readersOf(p)
	for _, dir := range []string{base, s.dir} {
		if libc.Exists(p, dir) {
			continue
		}
		if err := libc.MkdirAll(p, dir, 0o755); err != nil {
			return nil, err
		}
		// What systemd-tmpfiles does in /run at boot; what is made on the disk later
		// is root's until the next boot.
		if !permanent {
			mode := fs.FileMode(0o755)
			if dir == s.dir {
				mode = 0o750
			}
			readers.own(p, dir)
			p.Sys.Chmod(dir, mode|fs.ModeSetgid)
			readers.admit(p, dir)
		}
	}
	s.maxFile = l.fileSize(s.room())
	s.seqnumID = machine.DrawID(p, "seqnum", s.dir, p.Now().UnixNano())
	w, err := s.open("system")
	if err != nil {
		return nil, err
	}
	s.system = w
	s.seqnumID = w.Header().SeqnumID
	if last := w.Last(); last != nil {
		s.seqnum = last.Seqnum
		if e := firstEntry(s.p, path.Join(s.dir, "system.journal")); e != nil {
			s.began = e.Realtime
		}
	}
	return s, nil
}

// share gives the group systemd-journal what is on the disk, as
// systemd-tmpfiles does at boot.
func share(p *host.Proc) {
	readers := readersOf(p)
	dir := path.Join(sdjournal.PersistentDir, machine.ID(p))
	if readers.gid == 0 || !libc.Exists(p, dir) {
		return
	}
	for _, d := range []string{sdjournal.PersistentDir, dir} {
		readers.own(p, d)
		p.Sys.Chmod(d, 0o755|fs.ModeSetgid)
		readers.admit(p, d)
	}
	names, _ := libc.ReadDir(p, dir)
	for _, n := range names {
		if info, err := p.Sys.Lstat(path.Join(dir, n)); err == nil && info.Mode().IsRegular() {
			readers.own(p, path.Join(dir, n))
			readers.admit(p, path.Join(dir, n), userOf(n)...)
		}
	}
}

// readers are who may read the whole journal: the group systemd-journal, whose it
// is, and the groups adm and wheel by ACL, as tmpfiles.d/systemd.conf has it.
type readers struct {
	gid    int // 0 when there is no such group
	others []int
}

func readersOf(p *host.Proc) readers {
	var r readers
	for _, g := range libc.Groups(p) {
		switch g.Name {
		case "systemd-journal":
			r.gid = g.GID
		case "adm", "wheel":
			r.others = append(r.others, g.GID)
		}
	}
	slices.Sort(r.others) // an ACL's order
	return r
}

// own gives a file or directory to the group.
func (r readers) own(p *host.Proc, name string) { p.Sys.Chown(name, 0, r.gid) }

// admit lets the other groups, and users, read a file or directory. On a file
// system without ACLs they cannot.
func (r readers) admit(p *host.Proc, name string, users ...int) {
	if f, err := p.Sys.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW, 0); err == nil {
		host.SetReaders(f, users, r.others)
		f.Close()
	}
}

// userOf is the user whose messages a file has, by its name.
func userOf(name string) []int {
	rest, ok := strings.CutPrefix(name, "user-")
	digits, _, _ := strings.Cut(strings.TrimSuffix(rest, ".journal"), "@")
	if uid, err := strconv.Atoi(digits); ok && err == nil {
		return []int{uid}
	}
	return nil
}

// room is how much the files take and may take.
func (s *store) room() room { return s.limits.measure(s.p, s.dir) }

// open opens the file of a name without its suffix; one that is no journal is
// put aside.
func (s *store) open(stem string) (*sdjournal.Writer, error) {
	name := path.Join(s.dir, stem+".journal")
	w, err := sdjournal.OpenWriter(s.p, name)
	switch {
	case err == nil:
		return w, nil
	case errors.Is(err, journal.ErrNotJournal):
		aside := fmt.Sprintf("%s@%016x-%016x.journal~", strings.TrimSuffix(name, ".journal"), s.p.Now().UnixMicro(), s.seqnum)
		if err := s.p.Sys.Rename(name, aside); err != nil {
			return nil, err
		}
	case !errors.Is(err, syscall.ENOENT):
		return nil, err
	}
	s.files++
	id, _ := journal.ParseID(machine.ID(s.p))
	w, err = sdjournal.Create(s.p, name, journal.Header{
		FileID: machine.DrawID(s.p, "file", name, s.p.Now().UnixNano(), s.files), MachineID: id, SeqnumID: s.seqnumID,
	})
	if err != nil {
		return nil, err
	}
	// A file has its directory's group and readers, and its user reads it.
	readers := readersOf(s.p)
	if info, err := s.p.Sys.Stat(s.dir); err == nil {
		if _, gid := libc.Owner(info); gid != readers.gid || gid == 0 {
			readers.gid, readers.others = gid, nil
		}
	}
	readers.own(s.p, name)
	if users := userOf(stem); users != nil || readers.others != nil {
		readers.admit(s.p, name, users...)
	}
	return w, nil
}

// append writes entries, to the files they belong in, and numbers them.
func (s *store) append(entries []*journal.Entry, uids []int) error {
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && uids[n] == uids[0] {
			n++
		}
		w, err := s.writer(uids[0])
		if err != nil {
			return err
		}
		for _, e := range entries[:n] {
			s.seqnum++
			e.SeqnumID, e.Seqnum = s.seqnumID, s.seqnum
		}
		if s.began.IsZero() {
			s.began = entries[0].Realtime
		}
		if err := w.Append(entries[:n]...); err != nil {
			return err
		}
		entries, uids = entries[n:], uids[n:]
	}
	return nil
}

// writer returns the file for a user's messages; 0 is the system's.
func (s *store) writer(uid int) (*sdjournal.Writer, error) {
	if uid == 0 || !s.permanent {
		return s.system, nil
	}
	if w := s.users[uid]; w != nil {
		return w, nil
	}
	w, err := s.open("user-" + strconv.Itoa(uid))
	if err != nil {
		return nil, err
	}
	s.users[uid] = w
	return w, nil
}

// full reports whether a file is so large, or its first entry so old, that it
// is time for a new one.
func (s *store) full(now time.Time) bool {
	if s.system.Used() >= s.maxFile || s.maxAge > 0 && !s.began.IsZero() && now.Sub(s.began) > s.maxAge {
		return true
	}
	for _, w := range s.users {
		if w.Used() >= s.maxFile {
			return true
		}
	}
	return false
}

// rotate archives the files and begins new ones.
func (s *store) rotate() error {
	var errs []error
	archive := func(stem string, w *sdjournal.Writer) {
		last := w.Last()
		if last == nil {
			errs = append(errs, w.Close())
			return
		}
		first := last
		if e := firstEntry(s.p, path.Join(s.dir, stem+".journal")); e != nil {
			first = e
		}
		errs = append(errs, w.Archive(), s.p.Sys.Rename(path.Join(s.dir, stem+".journal"), path.Join(s.dir,
			fmt.Sprintf("%s@%s-%016x-%016x.journal", stem, first.SeqnumID, first.Seqnum, first.Realtime.UnixMicro()))))
	}
	archive("system", s.system)
	for uid, w := range s.users {
		archive("user-"+strconv.Itoa(uid), w)
	}
	s.users, s.began = map[int]*sdjournal.Writer{}, time.Time{}
	w, err := s.open("system")
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	s.system = w
	return errors.Join(errs...)
}

func firstEntry(p *host.Proc, name string) *journal.Entry {
	r, err := sdjournal.Open(p, sdjournal.Options{Files: []string{name}})
	if err != nil {
		return nil
	}
	defer r.Close()
	e, _ := r.Next()
	return e
}

func (s *store) close() {
	s.system.Close()
	for _, w := range s.users {
		w.Close()
	}
}
