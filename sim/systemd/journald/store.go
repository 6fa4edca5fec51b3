package journald

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"syscall"

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
	max       int64 // of all files together, in bytes
	maxFile   int64
	maxFiles  int
	seqnumID  journal.ID
	seqnum    uint64
	system    *sdjournal.Writer
	users     map[int]*sdjournal.Writer
	files     uint64 // made in this run; makes their IDs differ
}

// openStore opens, or makes, the journal in a directory.
func openStore(p *host.Proc, c config, permanent bool) (*store, error) {
	base, most, file, files := sdjournal.VolatileDir, c.runtimeMax, c.runtimeMaxFile, c.runtimeMaxFiles
	if permanent {
		base, most, file, files = sdjournal.PersistentDir, c.systemMax, c.systemMaxFile, c.systemMaxFiles
	}
	if file == 0 {
		file = min(max(most/8, 8<<20), 128<<20)
	}
	s := &store{p: p, dir: path.Join(base, machine.ID(p)), permanent: permanent, max: most, maxFile: file, maxFiles: files, users: map[int]*sdjournal.Writer{}}
	gid := 0
	if g, ok := libc.GroupByName(p, "systemd-journal"); ok {
		gid = g.GID
	}
	for _, dir := range []string{base, s.dir} {
		if libc.Exists(p, dir) {
			continue
		}
		mode := fs.FileMode(0o755)
		if dir == s.dir && !permanent {
			mode = 0o750
		}
		if err := libc.MkdirAll(p, dir, mode); err != nil {
			return nil, err
		}
		p.Sys.Chown(dir, 0, gid)
		p.Sys.Chmod(dir, mode|fs.ModeSetgid)
	}
	s.seqnumID = machine.DrawID(p, "seqnum", s.dir, p.Now().UnixNano())
	w, err := s.open("system")
	if err != nil {
		return nil, err
	}
	s.system = w
	s.seqnumID = w.Header().SeqnumID
	if last := w.Last(); last != nil {
		s.seqnum = last.Seqnum
	}
	return s, nil
}

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
	gid := -1
	if info, err := s.p.Sys.Stat(s.dir); err == nil {
		_, gid = libc.Owner(info)
	}
	s.p.Sys.Chown(name, 0, gid)
	if uid, ok := strings.CutPrefix(stem, "user-"); ok {
		// The user reads what is theirs; the real file has an ACL for that.
		if n, err := strconv.Atoi(uid); err == nil {
			s.p.Sys.Chown(name, n, gid)
		}
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

// full reports whether a file is so large that it is time for a new one.
func (s *store) full() bool {
	if s.system.Used() >= s.maxFile {
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
	s.users = map[int]*sdjournal.Writer{}
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
