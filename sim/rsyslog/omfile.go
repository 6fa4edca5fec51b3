package rsyslog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// fileOutput is omfile: a file, or files whose names a template makes.
type fileOutput struct {
	*fileConfig
	files  []*logFile // open ones; the least recently used first
	failed string     // the file about whose opening it complained
}

// logFile is an open file.
type logFile struct {
	name string
	f    *os.File
	buf  []byte // what was not written yet
	tty  bool
}

func (o *fileOutput) transactional() {}

func (o *fileOutput) begin(*thread, *actionConfig) error  { return nil }
func (o *fileOutput) resume(*thread, *actionConfig) error { return nil }

// write appends a batch to its file or files, one write for each file.
func (o *fileOutput) write(t *thread, a *actionConfig, batch []entry) error {
	var touched []*logFile
	for i := range batch {
		name := o.name
		if o.dynamic {
			name = batch[i].file
		}
		l, err := o.open(t, name)
		if err != nil {
			return err
		}
		if len(touched) == 0 || touched[len(touched)-1] != l {
			touched = append(touched, l)
		}
		l.buf = append(l.buf, batch[i].text...)
	}
	for _, l := range touched {
		if len(l.buf) == 0 || !o.modes.flushOnTXEnd && len(l.buf) < o.modes.bufferSize {
			continue
		}
		if err := l.flush(t); err != nil {
			t.report(syslog.Err, codeIO, fmt.Sprintf("file '%s'[%d] write error - see https://www.rsyslog.com/solving-rsyslog-write-errors/ for help OS error: %s",
				l.name, l.f.Fd(), libc.Strerror(err)))
			t.report(syslog.Err, codeIO, fmt.Sprintf("action '%s' (module '%s') message lost, could not be processed. Check for additional error messages before this one.",
				a.name, a.module))
			return err
		}
	}
	for i := range batch {
		name := o.name
		if o.dynamic {
			name = batch[i].file
		}
		t.written(a, &batch[i], name)
	}
	return nil
}

// flush writes what is buffered. What could not be written is given up.
func (l *logFile) flush(t *thread) error {
	if len(l.buf) == 0 {
		return nil
	}
	_, err := writeOnce(l.f, l.buf)
	l.buf = l.buf[:0]
	if cap(l.buf) > 1<<20 {
		l.buf = nil
	}
	if !l.tty {
		t.p.Stamp(l.f)
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
func (o *fileOutput) open(t *thread, name string) (*logFile, error) {
	for i := len(o.files) - 1; i >= 0; i-- {
		if l := o.files[i]; l.name == name {
			if o.dynamic && i != len(o.files)-1 {
				o.files = append(append(o.files[:i:i], o.files[i+1:]...), l)
			}
			return l, nil
		}
	}
	f, err := o.create(t, name)
	if err != nil {
		if o.failed != name {
			o.failed = name
			code := codeOpenFailed
			if errors.Is(err, syscall.ENOENT) {
				code = codeNotFound
			}
			t.report(syslog.Err, code, fmt.Sprintf("file '%s': open error: %s", strings.TrimSuffix(name, "/"), libc.Strerror(err)))
		}
		return nil, errSuspended
	}
	o.failed = ""
	l := &logFile{name: name, f: f}
	if info, err := f.Stat(); err == nil {
		l.tty = info.Mode()&fs.ModeCharDevice != 0
	}
	if o.dynamic && len(o.files) >= max(o.modes.dynaFileCache, 1) {
		old := o.files[0]
		old.flush(t)
		old.f.Close()
		o.files = o.files[1:]
	}
	o.files = append(o.files, l)
	return l, nil
}

// create opens a file at its end, making it and its directories.
func (o *fileOutput) create(t *thread, name string) (*os.File, error) {
	p := t.p
	full := libc.Abs(p, name)
	const flags = os.O_WRONLY | os.O_APPEND | os.O_CREATE | syscall.O_NOCTTY | syscall.O_NONBLOCK
	m := &o.modes
	_, err := p.Sys.Stat(full)
	isNew := errors.Is(err, syscall.ENOENT)
	if isNew && !m.noDirs {
		if err := o.makeDirs(t, path.Dir(full)); err != nil {
			return nil, err
		}
	}
	f, err := p.Sys.OpenFile(full, flags, fs.FileMode(m.file))
	if err != nil {
		return nil, err
	}
	if !isNew {
		return f, nil
	}
	if u := t.umask; u >= 0 {
		f.Chmod(fs.FileMode(m.file &^ u))
	}
	if m.fileUID >= 0 || m.fileGID >= 0 {
		if err := f.Chown(m.fileUID, m.fileGID); err != nil && m.failOnChown {
			t.report(syslog.Err, codeNone, fmt.Sprintf("chown for file '%s' failed: %s", name, libc.Strerror(err)))
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

func (o *fileOutput) makeDirs(t *thread, dir string) error {
	p := t.p
	if dir == "/" || libc.Exists(p, dir) {
		return nil
	}
	if err := o.makeDirs(t, path.Dir(dir)); err != nil {
		return err
	}
	m := &o.modes
	if err := p.Sys.Mkdir(dir, fs.FileMode(m.dir)); err != nil && !errors.Is(err, syscall.EEXIST) {
		return err
	}
	if u := t.umask; u >= 0 {
		p.Sys.Chmod(dir, fs.FileMode(m.dir&^u))
	}
	if m.dirUID >= 0 || m.dirGID >= 0 {
		if err := p.Sys.Chown(dir, m.dirUID, m.dirGID); err != nil && m.failOnChown {
			return err
		}
	}
	return nil
}

func (o *fileOutput) hup(t *thread) {
	for _, l := range o.files {
		l.flush(t)
		l.f.Close()
	}
	o.files = nil
}

func (o *fileOutput) close(t *thread) { o.hup(t) }

// discardOutput is omdiscard.
type discardOutput struct{}

func (discardOutput) begin(*thread, *actionConfig) error          { return nil }
func (discardOutput) resume(*thread, *actionConfig) error         { return nil }
func (discardOutput) write(*thread, *actionConfig, []entry) error { return nil }
func (discardOutput) hup(*thread)                                 {}
func (discardOutput) close(*thread)                               {}

// pipeOutput is ompipe: a named pipe, or a file that stands in its place.
type pipeOutput struct {
	*pipeConfig
	f      *os.File
	failed bool
}

func (o *pipeOutput) begin(*thread, *actionConfig) error { return nil }

func (o *pipeOutput) resume(t *thread, _ *actionConfig) error { return o.open(t) }

func (o *pipeOutput) open(t *thread) error {
	if o.f != nil {
		return nil
	}
	f, err := t.p.Sys.OpenFile(libc.Abs(t.p, o.name), os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		if !o.failed {
			o.failed = true
			t.report(syslog.Err, codeNoPipe, fmt.Sprintf("Could not open output pipe '%s':: %s", o.name, libc.Strerror(err)))
		}
		return errSuspended
	}
	o.f, o.failed = f, false
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		f.Seek(0, 2)
	}
	return nil
}

func (o *pipeOutput) write(t *thread, a *actionConfig, batch []entry) error {
	if err := o.open(t); err != nil {
		return err
	}
	for i := range batch {
		if _, err := writeOnce(o.f, []byte(batch[i].text)); err != nil {
			if errors.Is(err, syscall.EAGAIN) {
				return errSuspended
			}
			o.hup(t)
			return errSuspended
		}
		t.written(a, &batch[i], o.name)
	}
	return nil
}

func (o *pipeOutput) hup(*thread) {
	if o.f != nil {
		o.f.Close()
		o.f = nil
	}
}

func (o *pipeOutput) close(t *thread) { o.hup(t) }
