// Package utmp encodes and decodes the records of /run/utmp (who is logged in)
// and /var/log/wtmp (who was), and of /var/log/lastlog, as the C library of the
// machine lays them out, so that the machine's own who(1) and last(1) read what
// the lab wrote. It does no I/O.
//
// Sources: utmp(5), lastlog in <utmp.h>. On 64-bit ARM the C library uses
// 64-bit times and a record of 400 bytes, on the other machines 384.
package utmp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"time"
)

// The files of a host that hold records.
const (
	File     = "/run/utmp"        // who is logged in now; one record a terminal, replaced in place
	LogFile  = "/var/log/wtmp"    // logins, logouts, boots; only appended to
	BadFile  = "/var/log/btmp"    // failed logins
	LastFile = "/var/log/lastlog" // LastLogin records, one a user id
)

// Type says what a record is about.
type Type int16

// The types of records (utmp(5)).
const (
	Empty        Type = iota
	RunLevel          // PID has the level, as 'N'<<8 | '3'
	BootTime          // the system came up
	NewTime           // the clock was set; this is after
	OldTime           // this is before
	InitProcess       // started by init
	LoginProcess      // waits for a login
	UserProcess       // a user is logged in on Line
	DeadProcess       // was logged out
)

// Record is one entry.
type Record struct {
	Type              Type
	PID               int
	Line              string // terminal without "/dev/": "pts/0"; at most 32 bytes
	ID                string // what a later record of the same terminal has too; at most 4 bytes
	User              string // at most 32 bytes
	Host              string // remote host, or the kernel's release; at most 256 bytes
	Termination, Exit int
	Session           int
	At                time.Time // microseconds count
	Addr              netip.Addr
}

// Where the fields are, up to those whose width differs between machines.
const (
	atPID  = 4
	atLine = 8
	atID   = 40
	atUser = 44
	atHost = 76
	atExit = 332
	atTail = 336 // session, time, address, 20 spare bytes
)

// wide says whether the C library of this machine keeps 64-bit times here.
const wide = runtime.GOARCH == "arm64"

// Size returns the length of a record in bytes.
func Size() int {
	if wide {
		return 400
	}
	return 384
}

// Append encodes r at the end of b. Strings that are too long are cut.
func (r Record) Append(b []byte) []byte {
	n := len(b)
	b = append(b, make([]byte, Size())...)
	f := b[n:]
	le := binary.LittleEndian
	le.PutUint16(f, uint16(r.Type))
	le.PutUint32(f[atPID:], uint32(r.PID))
	copy(f[atLine:atID], r.Line)
	copy(f[atID:atUser], r.ID)
	copy(f[atUser:atHost], r.User)
	copy(f[atHost:atExit], r.Host)
	le.PutUint16(f[atExit:], uint16(r.Termination))
	le.PutUint16(f[atExit+2:], uint16(r.Exit))
	sec, usec := seconds(r.At)
	tail := f[atTail:]
	if wide {
		le.PutUint64(tail, uint64(r.Session))
		le.PutUint64(tail[8:], uint64(sec))
		le.PutUint64(tail[16:], uint64(usec))
		tail = tail[24:]
	} else {
		le.PutUint32(tail, uint32(r.Session))
		le.PutUint32(tail[4:], uint32(sec))
		le.PutUint32(tail[8:], uint32(usec))
		tail = tail[12:]
	}
	switch {
	case r.Addr.Is4() || r.Addr.Is4In6():
		a := r.Addr.Unmap().As4()
		copy(tail, a[:])
	case r.Addr.Is6():
		a := r.Addr.As16()
		copy(tail, a[:])
	}
	return b
}

// seconds splits a time as struct timeval has it; the zero time is 0.
func seconds(t time.Time) (sec, usec int64) {
	if t.IsZero() {
		return 0, 0
	}
	return t.Unix(), int64(t.Nanosecond() / 1000)
}

// Decode reads the record at the beginning of b.
func Decode(b []byte) (Record, error) {
	if len(b) < Size() {
		return Record{}, fmt.Errorf("utmp: %d bytes are no record of %d", len(b), Size())
	}
	le := binary.LittleEndian
	r := Record{
		Type:        Type(le.Uint16(b)),
		PID:         int(int32(le.Uint32(b[atPID:]))),
		Line:        text(b[atLine:atID]),
		ID:          text(b[atID:atUser]),
		User:        text(b[atUser:atHost]),
		Host:        text(b[atHost:atExit]),
		Termination: int(int16(le.Uint16(b[atExit:]))),
		Exit:        int(int16(le.Uint16(b[atExit+2:]))),
	}
	tail := b[atTail:]
	var sec, usec int64
	if wide {
		r.Session = int(le.Uint64(tail))
		sec, usec = int64(le.Uint64(tail[8:])), int64(le.Uint64(tail[16:]))
		tail = tail[24:]
	} else {
		r.Session = int(int32(le.Uint32(tail)))
		sec, usec = int64(le.Uint32(tail[4:])), int64(int32(le.Uint32(tail[8:])))
		tail = tail[12:]
	}
	if usec < 0 || usec >= 1e6 {
		usec = 0
	}
	if sec != 0 || usec != 0 {
		r.At = time.Unix(sec, usec*1e3).UTC()
	}
	var addr [16]byte
	copy(addr[:], tail)
	switch rest := [12]byte(addr[4:]); {
	case rest != [12]byte{}:
		r.Addr = netip.AddrFrom16(addr)
	case addr != [16]byte{}:
		r.Addr = netip.AddrFrom4([4]byte(addr[:4]))
	}
	return r, nil
}

// text returns a field up to its first NUL.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// All decodes the records of a file in order; an incomplete one at the end is
// left out.
func All(file []byte) []Record {
	var all []Record
	for len(file) >= Size() {
		r, err := Decode(file)
		if err != nil {
			break
		}
		all = append(all, r)
		file = file[Size():]
	}
	return all
}

// Sessions returns the records of users who are logged in, in the order of the file.
func Sessions(file []byte) []Record {
	var in []Record
	for _, r := range All(file) {
		if r.Type == UserProcess && r.User != "" {
			in = append(in, r)
		}
	}
	return in
}

// Put returns the contents of a utmp file with r in it: in the place of the
// record of the same terminal, or at the end (pututline(3)). file is not changed.
func Put(file []byte, r Record) []byte {
	file = append([]byte(nil), file[:len(file)-len(file)%Size()]...)
	for i, old := range All(file) {
		if same(old, r) {
			r.Append(file[:i*Size()])
			return file
		}
	}
	return r.Append(file)
}

// same reports whether two records are about the same thing (getutid(3)).
func same(a, b Record) bool {
	process := func(t Type) bool { return t >= InitProcess && t <= DeadProcess }
	if process(a.Type) && process(b.Type) {
		return a.ID == b.ID
	}
	return a.Type == b.Type && a.Type != Empty
}

// LastLogin is the record of a user's last login; that of user id u stands at
// u times [LastSize] in [LastFile].
type LastLogin struct {
	At         time.Time // zero: never
	Line, Host string
}

// LastSize returns the length of a LastLogin in bytes.
func LastSize() int {
	if wide {
		return 296
	}
	return 292
}

// Append encodes l at the end of b.
func (l LastLogin) Append(b []byte) []byte {
	n := len(b)
	b = append(b, make([]byte, LastSize())...)
	f := b[n:]
	sec, _ := seconds(l.At)
	if wide {
		binary.LittleEndian.PutUint64(f, uint64(sec))
		f = f[8:]
	} else {
		binary.LittleEndian.PutUint32(f, uint32(sec))
		f = f[4:]
	}
	copy(f[:32], l.Line)
	copy(f[32:], l.Host)
	return b
}

// DecodeLast reads the record at the beginning of b.
func DecodeLast(b []byte) (LastLogin, error) {
	if len(b) < LastSize() {
		return LastLogin{}, fmt.Errorf("utmp: %d bytes are no last login of %d", len(b), LastSize())
	}
	var sec int64
	if wide {
		sec, b = int64(binary.LittleEndian.Uint64(b)), b[8:]
	} else {
		sec, b = int64(binary.LittleEndian.Uint32(b)), b[4:]
	}
	l := LastLogin{Line: text(b[:32]), Host: text(b[32:288])}
	if sec != 0 {
		l.At = time.Unix(sec, 0).UTC()
	}
	return l, nil
}
