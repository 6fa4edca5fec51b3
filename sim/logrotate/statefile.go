package logrotate

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

var errLock = errors.New("state file not locked")

// lockState makes the state file if it is missing and locks it against other runs.
func lockState(ctx context.Context, p *host.Proc, o options, out *messages) (*os.File, error) {
	name := libc.Abs(p, o.stateFile)
	f, err := p.Sys.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, syscall.ENOENT) {
		out.note("Creating stub state file: %s\n", o.stateFile)
		f, err = p.Sys.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640)
		if err != nil {
			out.error("error creating stub state file %s: %s\n", o.stateFile, libc.Strerror(err))
			return nil, errLock
		}
		io.WriteString(f, stateTop)
		p.Stamp(f)
	}
	if err != nil {
		out.error("error opening state file %s: %s\n", o.stateFile, libc.Strerror(err))
		return nil, errLock
	}
	if o.skipLock {
		out.note("Skip locking state file %s\n", o.stateFile)
		f.Close()
		return nil, nil
	}
	info, err := f.Stat()
	if err == nil && info.Mode()&0o004 != 0 {
		out.warn("state file %s is world-readable and thus can be locked from other unprivileged users. Skipping lock acquisition...\n", o.stateFile)
		f.Close()
		return nil, nil
	}
	for {
		err := flock(f)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			out.error("error acquiring lock on state file %s: %s\n", o.stateFile, libc.Strerror(err))
			f.Close()
			return nil, errLock
		}
		if !o.waitLock {
			out.error("state file %s is already locked\nlogrotate does not support parallel execution on the same set of logfiles.\n", o.stateFile)
			f.Close()
			return nil, errLock
		}
		if err := p.Sleep(ctx, time.Second); err != nil {
			f.Close()
			return nil, err
		}
	}
	out.note("acquired lock on state file %s", o.stateFile)
	return f, nil
}

func flock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var got error
	err = conn.Control(func(fd uintptr) { got = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
	return errors.Join(err, got)
}

// readState takes in the state file and reports whether it was right.
func (r *rotation) readState() bool {
	file := r.options.stateFile
	r.out.note("Reading state from file: %s\n", file)
	text, err := libc.ReadFile(r.p, libc.Abs(r.p, file))
	// One list is meant to hold 200 entries of 80 bytes.
	size := 64
	if err == nil {
		size = max(size, len(text)/80/200)
	}
	missing := errors.Is(err, syscall.ENOENT)
	if err != nil {
		if missing {
			r.out.note("state file %s does not exist\n", file)
		} else {
			r.out.error("error opening state file %s: %s\n", file, libc.Strerror(err))
		}
	}
	r.out.note("Allocating hash table for state file, size %d entries\n", size)
	if err != nil || len(text) == 0 {
		return err == nil || missing
	}
	if err := r.state.parse(file, string(text), r.now); err != nil {
		r.out.error("%s\n", err)
		return false
	}
	return true
}

// writeState replaces the state file.
func (r *rotation) writeState() bool {
	file := libc.Abs(r.p, r.options.stateFile)
	var text strings.Builder
	text.WriteString(stateTop)
	for _, e := range r.state.entries {
		if e.stale(r.now) {
			r.out.note("Removing %s from state file, because it does not exist and has not been rotated for one year\n", e.name)
			continue
		}
		text.WriteString(e.line())
	}
	mode := fs.FileMode(0o640)
	if info, err := r.p.Sys.Stat(file); err == nil {
		// Who can read it can lock it.
		mode = info.Mode().Perm() &^ 0o004
	}
	tmp := file + ".tmp"
	// A leftover of a run that was cut short would be in the way.
	_ = r.p.Sys.Remove(tmp)
	err := libc.WriteFile(r.p, tmp, []byte(text.String()), mode)
	if err != nil {
		r.out.error("error creating temp state file %s: %s\n", r.options.stateFile+".tmp", libc.Strerror(err))
		return false
	}
	if err := r.p.Sys.Chmod(tmp, mode); err != nil {
		r.out.error("error setting mode of %s: %s\n", tmp, libc.Strerror(err))
		return false
	}
	if err := r.p.Sys.Rename(tmp, file); err != nil {
		r.out.error("error renaming temp state file %s to %s: %s\n", tmp, file, libc.Strerror(err))
		return false
	}
	return true
}
