package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/trace"
)

// delivered returns the message as it goes into a mailbox, without the From_
// line: Return-Path, X-Original-To and Delivered-To on top.
func (s localState) copyOf(deliveredTo bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <%s>\n", mailaddr.External(s.sender))
	if s.queued.Original != "" && s.Conf.Bool("enable_original_recipient") {
		fmt.Fprintf(&b, "X-Original-To: %s\n", s.queued.Original)
	}
	if deliveredTo {
		fmt.Fprintf(&b, "Delivered-To: %s\n", mailaddr.External(s.delivered))
	}
	b.Write(s.text)
	if n := b.Len(); n > 0 && b.Bytes()[n-1] != '\n' {
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// fromLine is the first line of a message in an mbox.
func (s localState) fromLine() string {
	sender := mailaddr.External(s.sender)
	if sender == "" {
		sender = "MAILER-DAEMON"
	}
	return fmt.Sprintf("From %s  %s\n", sender, s.Proc.Now().In(s.Log.Zone()).Format(time.ANSIC))
}

// quoteFrom puts a '>' before body lines that begin with "From ".
func quoteFrom(text []byte) []byte {
	end := bytes.Index(text, []byte("\n\n"))
	if end < 0 || !bytes.Contains(text[end:], []byte("\nFrom ")) {
		return text
	}
	body := bytes.ReplaceAll(text[end:], []byte("\nFrom "), []byte("\n>From "))
	return append(append([]byte(nil), text[:end]...), body...)
}

// toMailbox delivers to a user's mailbox, wherever the configuration puts it.
func (l *localAgent) toMailbox(ctx context.Context, s localState, u libc.User) {
	local, _, _ := mailaddr.Split(s.rcpt.Address)
	if !s.once("mailbox " + strings.ToLower(local)) {
		return
	}
	s.user = &u
	if l.passed(ctx, s, u.Name, l.transportMaps, "mailbox_transport") {
		return
	}
	command, ok, err := l.commandMaps.Lookup(l.Log, u.Name)
	if err != nil {
		s.wait(service.Fate{Status: "4.3.0", Text: "table lookup failure"})
		return
	}
	if !ok {
		command, _ = l.Conf.Raw("mailbox_command")
	}
	if command != "" {
		s.finish(l.toCommand(ctx, s, command))
		return
	}
	home := l.Conf.Get("home_mailbox")
	spool := l.Conf.Get("mail_spool_directory")
	box := path.Join(spool, u.Name)
	inSpool := true
	switch {
	case home != "":
		box, inSpool = u.Dir+"/"+home, false
	case strings.HasSuffix(spool, "/"):
		box = spool + u.Name + "/"
	}
	if s.Req.Flags&service.FlagVerify != 0 {
		s.finish(service.Fate{Status: "2.0.0", Text: "delivers to mailbox"})
		return
	}
	if strings.HasSuffix(box, "/") {
		s.finish(l.toMaildir(ctx, s, box, u))
		return
	}
	s.finish(l.toMbox(ctx, s, box, u, inSpool))
}

// errnoDSN is the status code for a file operation that failed.
func errnoDSN(err error) string {
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "4.2.2"
	case errors.Is(err, syscall.EFBIG):
		return "5.2.2"
	}
	return "5.2.0"
}

// toMbox appends to a user's mbox file.
func (l *localAgent) toMbox(ctx context.Context, s localState, box string, u libc.User, inSpool bool) service.Fate {
	fail := func(dsn, text string) service.Fate {
		return service.Fate{Status: dsn, Text: fmt.Sprintf("cannot update mailbox %s for user %s. %s", box, u.Name, text)}
	}
	cred := libc.CredOf(l.Proc, u)
	owner := func() (uid, gid int) { return u.UID, cred.GID }
	way := look(l.Proc, box)
	if dir := way.dir(); inSpool && dir.Err == nil && dir.Info.Mode()&0o020 != 0 {
		_, cred.GID = libc.Owner(dir.Info)
	}
	if way.file.Err != nil || way.file.Info.Mode().IsRegular() {
		if err := way.creatable(cred); err != nil {
			return fail(errnoDSN(err), fmt.Sprintf("unable to create lock file %s.lock: %s", box, libc.Strerror(err)))
		}
	}
	if err := way.access(cred, 2); err != nil {
		return fail(errnoDSN(err), "cannot open file: "+libc.Strerror(err))
	}
	defer l.turns.take(ctx, box)()
	f, problem, err := l.openMailFile(box, owner)
	if err != nil {
		return fail(errnoDSN(err), "cannot open file: "+libc.Strerror(err))
	}
	if problem != "" {
		return fail("5.2.0", problem)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && l.Conf.Bool("strict_mailbox_ownership") {
		if uid, _ := libc.Owner(info); uid != u.UID {
			l.Log.Warning("specify \"strict_mailbox_ownership = no\" to ignore mailbox ownership mismatch")
			return fail("4.2.0", fmt.Sprintf("destination %s is not owned by recipient", box))
		}
	}
	unlock, err := l.lockMailbox(ctx, f, box, true)
	if err != nil {
		return fail("4.2.0", fmt.Sprintf("unable to lock for exclusive access: %s", libc.Strerror(err)))
	}
	defer unlock()
	text := quoteFrom(s.copyOf(true))
	if s.Req.Recovered && alreadyThere(f, text) {
		return service.Fate{Status: "2.0.0", Text: "delivered to mailbox"}
	}
	if err := l.appendMail(f, s.fromLine(), text, l.Conf.Int64("mailbox_size_limit")); err != nil {
		return service.Fate{Status: errnoDSN(err), Text: fmt.Sprintf("cannot update mailbox %s for user %s. error writing message: %s", box, u.Name, libc.Strerror(err)),
			DiagType: "x-unix", DiagText: "input/output error"}
	}
	l.Log.Emit(trace.MailDelivered, trace.Attrs{"id": s.Req.ID, "to": s.rcpt.Address, "mailbox": box})
	return service.Fate{Status: "2.0.0", Text: "delivered to mailbox"}
}

// openMailFile opens a mailbox for appending, making it when it is missing. It
// follows no links and accepts no file with several names.
func (l *localAgent) openMailFile(name string, owner func() (uid, gid int)) (f *os.File, problem string, err error) {
	f, err = l.Proc.Sys.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, syscall.ENOENT) {
		f, err = l.Proc.Sys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
		if err == nil {
			uid, gid := owner()
			if err := l.Proc.Sys.Chown(name, uid, gid); err != nil {
				f.Close()
				return nil, "", err
			}
			return f, "", nil
		}
	}
	switch {
	case errors.Is(err, syscall.ELOOP):
		if _, err := l.Proc.Sys.Stat(name); err != nil {
			return nil, "", err // what it points to is not there
		}
		return nil, "file is a symbolic link", nil
	case err != nil:
		return nil, "", err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, "", err
	}
	if info.Mode()&fs.ModeNamedPipe != 0 {
		err = syscall.ENXIO // nobody reads it
	} else if !info.Mode().IsRegular() && info.Mode()&fs.ModeCharDevice == 0 {
		problem = "destination " + name + " is not a regular file"
	} else if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 && info.Mode().IsRegular() {
		problem = fmt.Sprintf("file has %d hard links", st.Nlink)
	}
	if problem != "" || err != nil {
		f.Close()
		return nil, problem, err
	}
	return f, "", nil
}

// turns keep the threads of this process from one another's mailboxes: they would
// find the locks taken, and wait much longer than it takes.
type turns struct {
	mu      sync.Mutex
	line    *clock.Timeline
	waiting map[string][]*clock.Wait // for the mailboxes that are being written to
}

// take waits for a mailbox and returns what gives it back.
func (t *turns) take(ctx context.Context, box string) (done func()) {
	t.mu.Lock()
	if others, busy := t.waiting[box]; busy {
		w := t.line.NewWait()
		t.waiting[box] = append(others, w)
		t.mu.Unlock()
		w.Sleep(ctx) // when ctx has ended, nobody gets any further
	} else {
		t.waiting[box] = nil
		t.mu.Unlock()
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if next := t.waiting[box]; len(next) > 0 {
			t.waiting[box] = next[1:]
			next[0].Wake()
		} else {
			delete(t.waiting, box)
		}
	}
}

// lockMailbox takes the locks of mailbox_delivery_lock: NAME.lock and flock.
func (l *localAgent) lockMailbox(ctx context.Context, f *os.File, name string, dotlock bool) (unlock func(), err error) {
	tries := max(1, l.Conf.Int("deliver_lock_attempts"))
	wait := l.Conf.Time("deliver_lock_delay")
	for i := 0; ; i++ {
		if err = queue.LockFile(f); err == nil {
			break
		}
		if i+1 >= tries || l.Proc.Sleep(ctx, wait) != nil {
			return nil, err
		}
	}
	lock := name + ".lock"
	wanted := false
	for _, how := range l.Conf.List("mailbox_delivery_lock") {
		wanted = wanted || how == "dotlock"
	}
	if !wanted || !dotlock {
		return func() {}, nil
	}
	for i := 0; ; i++ {
		lf, err := l.Proc.Sys.OpenFile(lock, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			l.Proc.Stamp(lf)
			lf.Close()
			return func() { l.Proc.Sys.Remove(lock) }, nil
		}
		if !errors.Is(err, syscall.EEXIST) {
			return func() {}, nil // the other lock is enough
		}
		if info, serr := l.Proc.Sys.Lstat(lock); serr == nil {
			// Also one from far in the future is nobody's: its maker was killed
			// before it gave the file this host's time, or the clock was set back.
			if age := l.Proc.Now().Sub(info.ModTime()); age.Abs() > l.Conf.Time("stale_lock_time") {
				l.Proc.Sys.Remove(lock)
				continue
			}
		}
		if i+1 >= tries || l.Proc.Sleep(ctx, wait) != nil {
			return nil, syscall.EAGAIN
		}
	}
}

// appendMail adds a message to an mbox, all of it or nothing.
func (l *localAgent) appendMail(f *os.File, fromLine string, text []byte, limit int64) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		end = 0
	}
	data := append(append([]byte(fromLine), text...), '\n')
	if limit > 0 && end+int64(len(data)) > limit {
		return syscall.EFBIG
	}
	if _, err := f.Write(data); err != nil {
		f.Truncate(end)
		return err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if err := f.Sync(); err != nil {
			f.Truncate(end)
			return err
		}
		l.Proc.Stamp(f)
	}
	return nil
}

// alreadyThere reports whether a mailbox holds a message, byte for byte. A
// crash between the append and the note in the queue file leaves a window that
// no order of the two closes; so an attempt that follows a crash, or one that
// reached a part of an alias only, looks before it appends. The queue id in the
// Received line keeps any two mails apart. A beginning of the message at the end
// of the mailbox, which a crash of the machine may leave, is cut away. Mail that
// its reader took out of the mailbox in between comes a second time.
func alreadyThere(f *os.File, text []byte) bool {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return false
	}
	if bytes.Contains(data, text) {
		return true
	}
	for at := len(data); at > 0; {
		at = bytes.LastIndex(data[:at], []byte("From "))
		if at < 0 {
			break
		}
		if at > 0 && data[at-1] != '\n' {
			continue
		}
		rest := data[at:]
		_, body, ok := bytes.Cut(rest, []byte("\n"))
		if ok && len(body) < len(text)+1 && bytes.HasPrefix(text, body) {
			f.Truncate(int64(at))
		}
		break
	}
	return false
}

// rights returns the identity that files and commands of an expansion run with:
// the user's, else default_privs.
func (l *localAgent) rights(s localState) (libc.User, *host.Cred) {
	u := libc.User{Name: "nobody", UID: 65534, GID: 65534}
	if s.user != nil && s.user.UID != 0 { // root lends his rights to nobody
		u = *s.user
	} else if n, ok := libc.UserByName(l.Proc, l.Conf.Get("default_privs")); ok {
		u = n
	}
	return u, libc.CredOf(l.Proc, u)
}

// toFile appends to a file that an alias or .forward names.
func (l *localAgent) toFile(ctx context.Context, s localState, name string) service.Fate {
	u, cred := l.rights(s)
	fail := func(dsn, text string) service.Fate {
		return service.Fate{Status: dsn, Text: fmt.Sprintf("cannot append message to file %s: %s", name, text)}
	}
	if s.Req.Flags&service.FlagVerify != 0 {
		return service.Fate{Status: "2.0.0", Text: "delivers to file: " + name}
	}
	if strings.HasSuffix(name, "/") {
		return l.toMaildir(ctx, s, name, u)
	}
	way := look(l.Proc, name)
	isFile := way.file.Err != nil || way.file.Info.Mode().IsRegular()
	dotlock := true
	if isFile {
		if err := way.creatable(cred); err != nil {
			l.Log.Warning("unable to create lock file %s.lock: %s", name, libc.Strerror(err))
			dotlock = false
		}
	}
	if err := way.access(cred, 2); err != nil {
		doing := "cannot open file: "
		if errors.Is(way.file.Err, syscall.ENOENT) && !errors.Is(way.open(cred), syscall.EACCES) {
			doing = "cannot create file exclusively: "
		}
		return fail(errnoDSN(err), doing+libc.Strerror(err))
	}
	f, problem, err := l.openMailFile(name, func() (uid, gid int) { return u.UID, u.GID })
	if err != nil {
		return fail(errnoDSN(err), "cannot open file: "+libc.Strerror(err))
	}
	if problem != "" {
		return fail("5.2.0", problem)
	}
	defer f.Close()
	if isFile {
		unlock, err := l.lockMailbox(ctx, f, name, dotlock)
		if err != nil {
			return fail("4.2.0", "unable to lock for exclusive access: "+libc.Strerror(err))
		}
		defer unlock()
	}
	text := quoteFrom(s.copyOf(true))
	sent := service.Fate{Status: "2.0.0", Text: "delivered to file: " + name}
	if isFile && s.Req.Recovered && alreadyThere(f, text) {
		return sent
	}
	if err := l.appendMail(f, s.fromLine(), text, l.Conf.Int64("mailbox_size_limit")); err != nil {
		return fail(errnoDSN(err), "error writing message: "+libc.Strerror(err))
	}
	l.Log.Emit(trace.MailDelivered, trace.Attrs{"id": s.Req.ID, "to": s.rcpt.Address, "mailbox": name})
	return sent
}
