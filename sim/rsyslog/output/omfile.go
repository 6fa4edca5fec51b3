package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
	"enshu/sim/wire/syslog"
)

// fileOutput is omfile: a file, or files whose names a template makes.
type fileOutput struct {
	*config.File
	files  []*logFile      // open ones; the least recently used first
	failed map[string]bool // the files about whose opening it complained
}

// errNoDirectory is a file whose directories could not be made; it has been said why.
var errNoDirectory = errors.New("no directory")

// logFile is an open file.
type logFile struct {
	name string
	f    *os.File
	buf  []byte // what was not written yet
	tty  bool
}

func (o *fileOutput) transactional() {}

func (o *fileOutput) Begin(*Thread, *config.Action) error  { return nil }
func (o *fileOutput) Resume(*Thread, *config.Action) error { return nil }

// Write appends a batch to its file or files, one write for each file. Where names
// are dynamic a file that cannot be opened loses its own messages only.
func (o *fileOutput) Write(t *Thread, a *config.Action, batch []Entry) error {
	var touched []*logFile
	for i := range batch {
		l, err := o.open(t, o.nameFor(&batch[i]))
		if err != nil && o.Dynamic {
			continue
		}
		if err != nil {
			return err
		}
		if len(touched) == 0 || touched[len(touched)-1] != l {
			touched = append(touched, l)
		}
		l.buf = append(l.buf, batch[i].Text...)
	}
	for _, l := range touched {
		if len(l.buf) == 0 || !o.Modes.FlushOnTXEnd && len(l.buf) < o.Modes.BufferSize {
			continue
		}
		if err := l.flush(t); err != nil {
			t.Report(syslog.Err, config.CodeIO, fmt.Sprintf("file '%s'[%d] write error - see https://www.rsyslog.com/solving-rsyslog-write-errors/ for help OS error: %s",
				l.name, l.f.Fd(), libc.Strerror(err)))
			t.Report(syslog.Err, config.CodeIO, fmt.Sprintf("action '%s' (module '%s') message lost, could not be processed. Check for additional error messages before this one.",
				a.Name, a.Module))
			return err
		}
	}
	for i := range batch {
		if name := o.nameFor(&batch[i]); o.failed[name] {
			t.dropped(a, &batch[i], name, "file not open")
		} else {
			t.written(a, &batch[i], name)
		}
	}
	return nil
}

// nameFor is the file that a message goes to.
func (o *fileOutput) nameFor(e *Entry) string {
	if o.Dynamic {
		return e.File
	}
	return o.Name
}

// flush writes what is buffered. What could not be written is given up.
func (l *logFile) flush(t *Thread) error {
	if len(l.buf) == 0 {
		return nil
	}
	_, err := writeOnce(l.f, l.buf)
	l.buf = l.buf[:0]
	if cap(l.buf) > 1<<20 {
		l.buf = nil
	}
	if !l.tty {
		t.P.Stamp(l.f)
	}
	return err
}

// writeOnce writes without waiting for a pipe or terminal that takes no more.
func writeOnce(f *os.File, b []byte) (n int, err error) {
	c, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := c.Write(func(fd uintptr) bool {
		for n < len(b) {
			m, e := syscall.Write(int(fd), b[n:])
			if e == syscall.EINTR {
				continue
			}
			if e != nil {
				err = e
				return true
			}
			n += m
		}
		return true
	})
	if cerr != nil {
		err = cerr
	}
	return n, err
}

// open returns an open file, opening it if need be.
func (o *fileOutput) open(t *Thread, name string) (*logFile, error) {
	for i := len(o.files) - 1; i >= 0; i-- {
		if l := o.files[i]; l.name == name {
			if o.Dynamic && i != len(o.files)-1 {
				o.files = append(append(o.files[:i:i], o.files[i+1:]...), l)
			}
			return l, nil
		}
	}
	f, err := o.create(t, name)
	if errors.Is(err, errNoDirectory) {
		o.fails(name)
		return nil, err
	}
	if err != nil {
		if o.fails(name) {
			code := config.CodeOpenFailed
			if errors.Is(err, syscall.ENOENT) {
				code = config.CodeNotFound
			}
			t.Report(syslog.Err, code, fmt.Sprintf("file '%s': open error: %s", strings.TrimSuffix(name, "/"), libc.Strerror(err)))
		}
		return nil, ErrSuspended
	}
	delete(o.failed, name)
	l := &logFile{name: name, f: f}
	if info, err := f.Stat(); err == nil {
		l.tty = info.Mode()&fs.ModeCharDevice != 0
	}
	if o.Dynamic && len(o.files) >= max(o.Modes.DynaFileCache, 1) {
		old := o.files[0]
		old.flush(t)
		old.f.Close()
		o.files = o.files[1:]
	}
	o.files = append(o.files, l)
	return l, nil
}

// failedNames is how many files that cannot be opened are remembered.
const failedNames = 1000

// fails notes that a file could not be opened. It reports whether that is news.
func (o *fileOutput) fails(name string) bool {
	if o.failed[name] {
		return false
	}
	if o.failed == nil || len(o.failed) >= failedNames {
		o.failed = map[string]bool{}
	}
	o.failed[name] = true
	return true
}

// create opens a file at its end, making it and its directories.
func (o *fileOutput) create(t *Thread, name string) (*os.File, error) {
	p := t.P
	full := libc.Abs(p, name)
	const flags = os.O_WRONLY | os.O_APPEND | os.O_CREATE | syscall.O_NOCTTY | syscall.O_NONBLOCK
	m := &o.Modes
	_, err := p.Sys.Stat(full)
	isNew := errors.Is(err, syscall.ENOENT)
	if isNew && !m.NoDirs {
		if err := o.makeDirs(t, path.Dir(full)); err != nil {
			t.Report(syslog.Err, config.CodeSyntax, fmt.Sprintf("error during config processing: omfile: creating parent directories for file  '%s' failed: %s",
				name, libc.Strerror(err)))
			return nil, errNoDirectory
		}
	}
	f, err := p.Sys.OpenFile(full, flags, fs.FileMode(m.File))
	if err != nil {
		return nil, err
	}
	if !isNew {
		return f, nil
	}
	if u := t.Umask; u >= 0 {
		f.Chmod(fs.FileMode(m.File &^ u))
	}
	if m.FileUID >= 0 || m.FileGID >= 0 {
		if err := f.Chown(m.FileUID, m.FileGID); err != nil && m.FailOnChown {
			t.Report(syslog.Err, config.CodeNone, fmt.Sprintf("chown for file '%s' failed: %s", name, libc.Strerror(err)))
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

func (o *fileOutput) makeDirs(t *Thread, dir string) error {
	p := t.P
	if dir == "/" || libc.Exists(p, dir) {
		return nil
	}
	if err := o.makeDirs(t, path.Dir(dir)); err != nil {
		return err
	}
	m := &o.Modes
	if err := p.Sys.Mkdir(dir, fs.FileMode(m.Dir)); err != nil && !errors.Is(err, syscall.EEXIST) {
		return err
	}
	if u := t.Umask; u >= 0 {
		p.Sys.Chmod(dir, fs.FileMode(m.Dir&^u))
	}
	if m.DirUID >= 0 || m.DirGID >= 0 {
		if err := p.Sys.Chown(dir, m.DirUID, m.DirGID); err != nil && m.FailOnChown {
			return err
		}
	}
	return nil
}

func (o *fileOutput) HUP(t *Thread) {
	for _, l := range o.files {
		l.flush(t)
		l.f.Close()
	}
	o.files = nil
}

func (o *fileOutput) Close(t *Thread) { o.HUP(t) }

// discardOutput is omdiscard.
type discardOutput struct{}

func (discardOutput) Begin(*Thread, *config.Action) error          { return nil }
func (discardOutput) Resume(*Thread, *config.Action) error         { return nil }
func (discardOutput) Write(*Thread, *config.Action, []Entry) error { return nil }
func (discardOutput) HUP(*Thread)                                  {}
func (discardOutput) Close(*Thread)                                {}

// pipeOutput is ompipe: a named pipe, or a file that stands in its place.
type pipeOutput struct {
	*config.Pipe
	f      *os.File
	failed bool
}

func (o *pipeOutput) Begin(*Thread, *config.Action) error { return nil }

func (o *pipeOutput) Resume(t *Thread, _ *config.Action) error { return o.open(t) }

func (o *pipeOutput) open(t *Thread) error {
	if o.f != nil {
		return nil
	}
	f, err := t.P.Sys.OpenFile(libc.Abs(t.P, o.Name), os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		if !o.failed {
			o.failed = true
			t.Report(syslog.Err, config.CodeNoPipe, fmt.Sprintf("Could not open output pipe '%s':: %s", o.Name, libc.Strerror(err)))
		}
		return ErrSuspended
	}
	o.f, o.failed = f, false
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		f.Seek(0, 2)
	}
	return nil
}

func (o *pipeOutput) Write(t *Thread, a *config.Action, batch []Entry) error {
	if err := o.open(t); err != nil {
		return err
	}
	for i := range batch {
		if _, err := writeOnce(o.f, batch[i].Text); err != nil {
			if errors.Is(err, syscall.EAGAIN) {
				return ErrSuspended
			}
			o.HUP(t)
			return ErrSuspended
		}
		t.written(a, &batch[i], o.Name)
	}
	return nil
}

func (o *pipeOutput) HUP(*Thread) {
	if o.f != nil {
		o.f.Close()
		o.f = nil
	}
}

func (o *pipeOutput) Close(t *Thread) { o.HUP(t) }
