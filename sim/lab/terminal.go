package lab

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
	"enshu/sim/wire/utmp"
)

// Terminal is a pseudo-terminal of a host's own. Near is what a shell on the
// host gets as its stdio, Far what a person's terminal is joined with.
type Terminal struct {
	Near, Far *os.File
	host      *Host
	user      string
	uid       int
	name      string // "pts/0"
	loggedIn  bool
}

// Terminal makes a terminal for a user of the host.
func (h *Host) Terminal(user string, rows, cols int) (*Terminal, error) {
	if !h.Up() {
		return nil, fmt.Errorf("%s: %w", h.Name(), ErrDown)
	}
	h.mu.Lock()
	m, sys := h.machine, h.pid1.Sys
	h.mu.Unlock()
	a, _, err := h.login(m, user)
	if err != nil {
		return nil, err
	}
	far, err := sys.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("terminal on %s: %w", h.Name(), err)
	}
	t := &Terminal{Far: far, host: h, user: user, uid: a.UID}
	raw, err := far.SyscallConn()
	if err == nil {
		cerr := raw.Control(func(fd uintptr) {
			if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err != nil {
				return
			}
			var n uint32
			if n, err = unix.IoctlGetUint32(int(fd), unix.TIOCGPTN); err == nil {
				t.name = "pts/" + strconv.Itoa(int(n))
				err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(cols)})
			}
		})
		if err == nil {
			err = cerr
		}
	}
	if err == nil {
		// Its own open file blocks, as a shell expects of its terminal.
		t.Near, err = sys.OpenFile("/dev/"+t.name, os.O_RDWR, 0)
	}
	if err == nil {
		err = blocking(t.Near)
	}
	if err == nil && a.UID != 0 {
		err = sys.Chown("/dev/"+t.name, a.UID, -1)
	}
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("terminal on %s: %w", h.Name(), err)
	}
	return t, nil
}

func blocking(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) { err = unix.SetNonblock(int(fd), false) })
	if err != nil {
		return err
	}
	return cerr
}

// Login notes in utmp(5) that the user works on the terminal, and in lastlog since
// when.
func (t *Terminal) Login(pid int) {
	t.loggedIn = true
	t.record(utmp.Record{Type: utmp.UserProcess, PID: pid, Line: t.name, ID: strings.TrimPrefix(t.name, "pts"), User: t.user})
	if f, err := t.open(utmp.LastFile, os.O_WRONLY|os.O_CREATE); err == nil {
		defer f.Close()
		f.WriteAt(utmp.LastLogin{At: t.host.model.Clock.Now(), Line: t.name}.Append(nil), int64(t.uid)*int64(utmp.LastSize()))
	}
}

// open opens a file of records. A learner may have put something else in its
// place; then nothing is noted.
func (t *Terminal) open(name string, flag int) (*os.File, error) {
	t.host.mu.Lock()
	m := t.host.machine
	t.host.mu.Unlock()
	return m.Open(name, flag, 0o664)
}

// Close gives the terminal back.
func (t *Terminal) Close() {
	if t.loggedIn {
		t.record(utmp.Record{Type: utmp.DeadProcess, Line: t.name, ID: strings.TrimPrefix(t.name, "pts")})
	}
	if t.Near != nil {
		t.Near.Close()
	}
	if t.Far != nil {
		t.Far.Close()
	}
}

// record puts a record in the place of the terminal's in /run/utmp, and behind
// those of /var/log/wtmp.
func (t *Terminal) record(r utmp.Record) {
	r.At = t.host.model.Clock.Now()
	if f, err := t.open(utmp.LogFile, os.O_WRONLY|os.O_APPEND|os.O_CREATE); err == nil {
		f.Write(r.Append(nil))
		f.Close()
	}
	f, err := t.open(utmp.File, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return
	}
	defer f.Close()
	if old, err := io.ReadAll(io.LimitReader(f, 1<<20)); err == nil {
		f.WriteAt(utmp.Put(old, r), 0)
	}
}

// Wait waits for a process that Host.Start started.
func (l *Lab) Wait(ctx context.Context, child *host.Process) (host.Status, error) {
	l.Timeline.Hold()
	defer l.Timeline.Release()
	return child.Wait(ctx)
}

// Stat describes a file of the host's; Sys() is a *syscall.Stat_t.
func (h *Host) Stat(name string) (fs.FileInfo, error) {
	if !h.Up() {
		return nil, fmt.Errorf("%s: %w", h.Name(), ErrDown)
	}
	h.mu.Lock()
	p := h.pid1
	h.mu.Unlock()
	info, err := p.Sys.Stat(path.Clean("/" + name))
	if err != nil {
		return nil, err
	}
	return info, nil
}

// Capture opens a packet socket on an interface of the host; each read is one
// Ethernet frame.
func (h *Host) Capture(iface string) (*os.File, error) {
	if !h.Up() {
		return nil, fmt.Errorf("%s: %w", h.Name(), ErrDown)
	}
	h.mu.Lock()
	m := h.machine
	h.mu.Unlock()
	f, err := m.Capture(iface)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name(), err)
	}
	return f, nil
}
