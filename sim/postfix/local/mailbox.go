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
	"enshu/sim/postfix/maillog"
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
	if !s.once("mailbox " + u.Name) {
		return
	}
	s.user = &u
	if command, _ := l.Conf.Raw("mailbox_command"); command != "" {
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
		s.finish(l.toMaildir(s, box, u))
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
	owner := func() (uid, gid int) {
		gid = u.GID
		if inSpool {
			if info, err := l.Proc.Sys.Stat(path.Dir(box)); err == nil {
				_, gid = libc.Owner(info)
			}
		}
		return u.UID, gid
	}
	if !inSpool {
		if err := access(l.Proc, libc.CredOf(l.Proc, u), box, 6); err != nil {
			return fail(errnoDSN(err), "cannot open file: "+libc.Strerror(err))
		}
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
		return nil, "cannot open file: file is a symbolic link", nil
	case err != nil:
		return nil, "", err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, "", err
	}
	if !info.Mode().IsRegular() && info.Mode()&fs.ModeCharDevice == 0 {
		problem = "destination " + name + " is not a regular file"
	} else if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 && info.Mode().IsRegular() {
		problem = fmt.Sprintf("cannot open file: file has %d hard links", st.Nlink)
	}
	if problem != "" {
		f.Close()
		return nil, problem, nil
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

// toMaildir makes a file in a Maildir, as the user.
func (l *localAgent) toMaildir(s localState, dir string, u libc.User) service.Fate {
	fail := func(err error) service.Fate {
		return service.Fate{Status: errnoDSN(err), Text: fmt.Sprintf("maildir delivery failed: create maildir file %stmp: %s", dir, libc.Strerror(err))}
	}
	cred := libc.CredOf(l.Proc, u)
	base := strings.TrimSuffix(dir, "/")
	for _, d := range []string{base, base + "/tmp", base + "/new", base + "/cur"} {
		if libc.Exists(l.Proc, d) {
			continue
		}
		if err := access(l.Proc, cred, d, 2); err != nil {
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
	now := l.Proc.Now()
	tmp := fmt.Sprintf("%s/tmp/%d.P%d.%s", base, now.Unix(), l.Proc.PID, l.Conf.Get("myhostname"))
	if err := access(l.Proc, cred, tmp, 2); err != nil {
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

// rights returns the identity that files and commands of an expansion run with:
// the user's, else default_privs.
func (l *localAgent) rights(s localState) (libc.User, *host.Cred) {
	u := libc.User{Name: "nobody", UID: 65534, GID: 65534}
	if s.user != nil {
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
		return l.toMaildir(s, name, u)
	}
	info, serr := l.Proc.Sys.Stat(name)
	isFile := serr != nil || info.Mode().IsRegular()
	dotlock := true
	if isFile {
		if err := access(l.Proc, cred, name+".lock", 2); err != nil {
			l.Log.Warning("unable to create lock file %s.lock: %s", name, libc.Strerror(err))
			dotlock = false
		}
	}
	if err := access(l.Proc, cred, name, 2); err != nil {
		return fail(errnoDSN(err), "cannot open file: "+libc.Strerror(err))
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

// Exit statuses of commands that say more than failure (sysexits(3)).
var sysexits = map[int]struct{ dsn, text string }{
	64: {"5.3.0", "command line usage error"},
	65: {"5.6.0", "data format error"},
	66: {"5.3.0", "cannot open input"},
	67: {"5.1.1", "user unknown"},
	68: {"5.1.2", "host name unknown"},
	69: {"5.3.0", "service unavailable"},
	70: {"5.3.0", "internal software error"},
	71: {"4.3.0", "system resource problem"},
	72: {"5.3.0", "critical OS file missing"},
	73: {"5.2.0", "can't create user output file"},
	74: {"5.3.0", "input/output error"},
	75: {"4.3.0", "temporary failure"},
	76: {"5.5.0", "remote error in protocol"},
	77: {"5.7.0", "permission denied"},
	78: {"5.3.5", "local configuration error"},
}

// commandBytes are those of a command that needs no shell.
const commandBytes = "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \t"

var shellBuiltins = map[string]bool{".": true, "!": true, "alias": true, "case": true, "cd": true, "command": true, "eval": true, "exec": true,
	"exit": true, "export": true, "for": true, "if": true, "kill": true, "read": true, "set": true, "shift": true, "test": true, "trap": true,
	"ulimit": true, "umask": true, "unset": true, "while": true, "until": true, "wait": true}

// toCommand pipes the message into a command.
func (l *localAgent) toCommand(ctx context.Context, s localState, command string) service.Fate {
	if s.Req.Flags&service.FlagVerify != 0 {
		return service.Fate{Status: "2.0.0", Text: "delivers to command: " + command}
	}
	_, cred := l.rights(s)
	local, domain, _ := mailaddr.Split(s.delivered)
	user, extension, _ := mailaddr.SplitExtension(local, l.Conf.Get("recipient_delimiter"))
	name := user
	env := []string{"PATH=/usr/bin:/bin", "LOCAL=" + user, "DOMAIN=" + domain, "RECIPIENT=" + s.delivered, "SENDER=" + s.sender,
		"ORIGINAL_RECIPIENT=" + s.queued.Original}
	if s.user != nil && (s.kind == fromForward || s.kind == fromQueue || s.user.Dir != "") {
		name = s.user.Name
		env = append(env, "HOME="+s.user.Dir, "SHELL="+s.user.Shell)
	}
	env = append(env, "USER="+name, "LOGNAME="+name)
	if extension != "" {
		env = append(env, "EXTENSION="+extension)
	}
	for _, item := range l.Conf.List("export_environment") {
		n, v, set := strings.Cut(item, "=")
		if !set {
			v = l.Proc.Getenv(n)
		}
		if v != "" {
			env = append(env, n+"="+v)
		}
	}
	text := append([]byte(s.fromLine()), s.copyOf(true)...)
	words := strings.Fields(command)
	direct := strings.Trim(command, commandBytes) == "" && len(words) > 0 && !shellBuiltins[words[0]]
	cmd := host.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", command}}
	if direct {
		cmd = host.Cmd{Path: words[0], Args: words}
	}
	var output bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Cred, cmd.Umask = env, l.Conf.Get("queue_directory"), cred, 0o077
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &output, &output
	child, err := l.startAs(cmd)
	if err != nil {
		said := fmt.Sprintf("local: fatal: execvp %s: %s", words[0], libc.Strerror(err))
		(&maillog.Logger{Proc: l.Proc, Tag: "local"}).Fatal("execvp %s: %s", words[0], libc.Strerror(err))
		return service.Fate{Status: "4.3.0", Text: "temporary failure. Command output: " + said + " ", DiagType: "x-unix", DiagText: said}
	}
	timer := l.Proc.Clock.AfterFunc(l.Conf.Time("command_time_limit"), func() { child.Signal(syscall.SIGKILL) })
	began := l.Proc.Clock.Monotonic()
	st, err := child.Wait(ctx)
	timer.Stop()
	if err != nil {
		child.Signal(syscall.SIGKILL)
		return service.Fate{Status: "4.3.0", Text: "temporary failure"}
	}
	said := maillog.Printable(strings.ReplaceAll(output.String(), "\n", " "))
	if len(said) > 512 {
		said = said[:512]
	}
	tail := ""
	if said != "" {
		tail = ". Command output: " + said
	}
	switch {
	case st.Signal == syscall.SIGKILL && l.Proc.Clock.Monotonic()-began >= l.Conf.Time("command_time_limit"):
		return service.Fate{Status: "5.3.0", Text: fmt.Sprintf("Command time limit exceeded: \"%s\"%s", command, tail)}
	case st.Signal != 0:
		return service.Fate{Status: "4.3.0", Text: fmt.Sprintf("Command died with signal %d: \"%s\"%s", int(st.Signal), command, tail)}
	case st.Code == 0:
		l.Log.Emit(trace.MailDelivered, trace.Attrs{"id": s.Req.ID, "to": s.rcpt.Address, "mailbox": "|" + command})
		return service.Fate{Status: "2.0.0", Text: "delivered to command: " + command}
	}
	diag := strings.TrimSpace(said)
	if e, ok := sysexits[st.Code]; ok {
		if diag == "" {
			diag = e.text
		}
		return service.Fate{Status: e.dsn, Text: e.text + tail, DiagType: "x-unix", DiagText: diag}
	}
	if diag == "" {
		diag = fmt.Sprintf("unknown mail system error %d", st.Code)
	}
	return service.Fate{Status: "5.3.0", Text: fmt.Sprintf("Command died with status %d: \"%s\"%s", st.Code, command, tail), DiagType: "x-unix", DiagText: diag}
}

// startAs looks the command up in the PATH that it gets.
func (l *localAgent) startAs(cmd host.Cmd) (*host.Process, error) {
	if !strings.Contains(cmd.Path, "/") {
		for _, dir := range []string{"/usr/bin", "/bin"} {
			if libc.Exists(l.Proc, dir+"/"+cmd.Path) {
				cmd.Path = dir + "/" + cmd.Path
				break
			}
		}
	}
	if !strings.Contains(cmd.Path, "/") {
		return nil, syscall.ENOENT
	}
	return l.Proc.Start(cmd)
}
