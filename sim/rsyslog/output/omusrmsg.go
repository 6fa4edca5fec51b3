package output

import (
	"bytes"
	"os"
	"syscall"

	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
)

// usersOutput is omusrmsg: the terminals of users who are logged in.
type usersOutput struct{ *config.Users }

func (o *usersOutput) Begin(*Thread, *config.Action) error  { return nil }
func (o *usersOutput) Resume(*Thread, *config.Action) error { return nil }
func (o *usersOutput) HUP(*Thread)                          {}
func (o *usersOutput) Close(*Thread)                        {}

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
	if o.Everybody {
		return true
	}
	for _, n := range o.Names {
		if n == user {
			return true
		}
	}
	return false
}

// Write goes to every terminal of the users, whether it takes messages or not.
// A terminal that cannot be written to is passed over.
func (o *usersOutput) Write(t *Thread, a *config.Action, batch []Entry) error {
	p := t.P
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
				_, err = writeOnce(f, e.Text)
			}
			if err == nil {
				t.written(a, e, name)
			} else {
				t.dropped(a, e, name, libc.Strerror(err))
			}
		}
		if f != nil {
			f.Close()
		}
	}
	return nil
}
