package local

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"

	"enshu/sim/libc"
	"enshu/sim/postfix/service"
	"enshu/sim/trace"
)

// toMaildir makes a file in a Maildir, as the user.
func (l *localAgent) toMaildir(ctx context.Context, s localState, dir string, u libc.User) service.Fate {
	cred := libc.CredOf(l.Proc, u)
	base := strings.TrimSuffix(dir, "/")
	// The name of the file is this process's for this second.
	defer l.turns.take(ctx, base)()
	now := l.Proc.Now()
	tmp := fmt.Sprintf("%s/tmp/%d.P%d.%s", base, now.Unix(), l.Proc.PID, l.Conf.Get("myhostname"))
	fail := func(err error) service.Fate {
		return service.Fate{Status: errnoDSN(err), Text: fmt.Sprintf("maildir delivery failed: create maildir file %s: %s", tmp, libc.Strerror(err))}
	}
	for _, d := range []string{base, base + "/tmp", base + "/new", base + "/cur"} {
		if info, err := l.Proc.Sys.Stat(d); err == nil && !info.IsDir() {
			return fail(syscall.ENOTDIR)
		} else if err == nil {
			continue
		}
		if err := look(l.Proc, d).access(cred, 2); err != nil {
			return fail(err)
		}
		if err := l.Proc.Sys.Mkdir(d, 0o700); err != nil {
			return fail(err)
		}
		l.Proc.Sys.Chown(d, u.UID, u.GID)
	}
	text := s.copyOf(true)
	if s.Req.Recovered {
		for _, sub := range []string{"/new", "/cur"} {
			names, _ := libc.ReadDir(l.Proc, base+sub)
			for _, n := range names {
				if data, err := libc.ReadFile(l.Proc, base+sub+"/"+n); err == nil && bytes.Equal(data, text) {
					return service.Fate{Status: "2.0.0", Text: "delivered to maildir"}
				}
			}
		}
	}
	if err := look(l.Proc, tmp).access(cred, 2); err != nil {
		return fail(err)
	}
	f, err := l.Proc.Sys.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fail(err)
	}
	defer l.Proc.Sys.Remove(tmp)
	l.Proc.Sys.Chown(tmp, u.UID, u.GID)
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	l.Proc.Stamp(f)
	var dev, inode uint64
	if info, serr := f.Stat(); serr == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			dev, inode = uint64(st.Dev), st.Ino
		}
	}
	f.Close()
	if err != nil {
		return fail(err)
	}
	name := fmt.Sprintf("%s/new/%d.V%xI%xM%d.%s", base, now.Unix(), dev, inode, now.Nanosecond()/1000, l.Conf.Get("myhostname"))
	if err := l.Proc.Sys.Link(tmp, name); err != nil {
		return fail(err)
	}
	l.Log.Emit(trace.MailDelivered, trace.Attrs{"id": s.Req.ID, "to": s.rcpt.Address, "mailbox": name})
	return service.Fate{Status: "2.0.0", Text: "delivered to maildir"}
}
