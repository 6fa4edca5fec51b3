package sshd

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/wire/utmp"
)

// append adds a record to a log of logins; a host without one keeps none.
func (c *client) append(file string, r utmp.Record) {
	f, err := c.p.Sys.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if _, err := f.Write(r.Append(nil)); err == nil {
		c.p.Stamp(f)
	}
}

// record notes a login or logout on a terminal in utmp(5) and wtmp.
func (c *client) record(r utmp.Record) {
	r.At = c.p.Now()
	c.append(utmp.LogFile, r)
	f, err := c.p.Sys.OpenFile(utmp.File, os.O_RDWR|os.O_CREATE, 0o664)
	if err != nil {
		return
	}
	defer f.Close()
	if old, err := io.ReadAll(io.LimitReader(f, 1<<20)); err == nil {
		_, _ = f.WriteAt(utmp.Put(old, r), 0) // a full disk keeps nobody out
	}
}

// login notes that the user works on a terminal.
func (c *client) login(tty string, pid int) {
	line := strings.TrimPrefix(tty, "/dev/")
	c.record(utmp.Record{Type: utmp.UserProcess, PID: pid, Line: line, ID: strings.TrimPrefix(line, "pts"), User: c.user,
		Host: c.addr.String(), Addr: c.addr})
}

// logout notes that the user left it.
func (c *client) logout(tty string, pid int) {
	line := strings.TrimPrefix(tty, "/dev/")
	c.record(utmp.Record{Type: utmp.DeadProcess, PID: pid, Line: line, ID: strings.TrimPrefix(line, "pts")})
}

// noteFailure writes a failed login to btmp.
func (c *client) noteFailure() {
	c.append(utmp.BadFile, utmp.Record{Type: utmp.LoginProcess, PID: c.p.PID, Line: "ssh:notty", User: c.user,
		Host: c.addr.String(), Addr: c.addr, At: c.p.Now()})
}

// lastLogin returns what the user is told of the last login, and notes this one
// in lastlog.
func (c *client) lastLogin(tty string) string {
	f, err := c.p.Sys.OpenFile(utmp.LastFile, os.O_RDWR|os.O_CREATE, 0o664)
	if err != nil {
		return ""
	}
	defer f.Close()
	at := int64(c.account.UID) * int64(utmp.LastSize())
	text := ""
	b := make([]byte, utmp.LastSize())
	if n, _ := f.ReadAt(b, at); n == len(b) { // a shorter file does not know the user
		if last, err := utmp.DecodeLast(b); err == nil && !last.At.IsZero() {
			text = fmt.Sprintf("Last login: %s", last.At.In(libc.Zone(c.p)).Format(time.ANSIC))
			if last.Host != "" {
				text += " from " + last.Host
			}
			text += "\r\n"
		}
	}
	now := utmp.LastLogin{At: c.p.Now(), Line: strings.TrimPrefix(tty, "/dev/"), Host: c.addr.String()}
	_, _ = f.WriteAt(now.Append(nil), at) // a full disk keeps nobody out
	return text
}
