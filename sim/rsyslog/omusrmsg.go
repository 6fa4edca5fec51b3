package rsyslog

import (
	"bytes"
	"os"
	"syscall"

	"enshu/sim/libc"
	"enshu/sim/trace"
)

// usersOutput is omusrmsg: the terminals of users who are logged in.
type usersOutput struct{ *usersConfig }

func (o *usersOutput) begin(*thread, *actionConfig) error  { return nil }
func (o *usersOutput) resume(*thread, *actionConfig) error { return nil }
func (o *usersOutput) hup(*thread)                         {}
func (o *usersOutput) close(*thread)                       {}

// A record of utmp(5) on 64-bit Linux.
const (
	utmpSize    = 384
	utmpLine    = 8
	utmpUser    = 44
	utmpProcess = 7 // USER_PROCESS
)

// login is a user at a terminal.
type login struct{ user, line string }

// logins returns who is logged in, by utmp(5).
func logins(data []byte) []login {
	var list []login
	for ; len(data) >= utmpSize; data = data[utmpSize:] {
		if data[0] != utmpProcess || data[1] != 0 {
			continue
		}
		user, _, _ := bytes.Cut(data[utmpUser:utmpUser+32], []byte{0})
		line, _, _ := bytes.Cut(data[utmpLine:utmpLine+32], []byte{0})
		if len(user) > 0 && len(line) > 0 && !bytes.Contains(line, []byte("..")) {
			list = append(list, login{string(user), string(line)})
		}
	}
	return list
}

func (o *usersOutput) wants(user string) bool {
	if o.everybody {
		return true
	}
	for _, n := range o.names {
		if n == user {
			return true
		}
	}
	return false
}

// write goes to every terminal of the users, whether it takes messages or not.
// A terminal that cannot be written to is passed over.
func (o *usersOutput) write(t *thread, a *actionConfig, batch []entry) error {
	p := t.p
	data, err := libc.ReadFile(p, "/run/utmp")
	if err != nil {
		data, _ = libc.ReadFile(p, "/var/run/utmp")
	}
	for _, l := range logins(data) {
		if !o.wants(l.user) {
			continue
		}
		name := "/dev/" + l.line
		f, err := p.Sys.OpenFile(name, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
		for i := range batch {
			e := &batch[i]
			if err == nil {
				_, err = writeOnce(f, []byte(e.text))
			}
			if err == nil {
				t.written(a, e, name)
			} else if e.m.traced {
				p.Emit(trace.MessageDropped, trace.Attrs{"reason": libc.Strerror(err), "text": e.m.Text, "tag": e.m.Tag, "rule": a.pos.String(), "to": name})
			}
		}
		if f != nil {
			f.Close()
		}
	}
	return nil
}
