// Package local is local(8): delivery to the users of this machine, through
// aliases, .forward files, commands and mailboxes.
package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/header"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
	"enshu/sim/trace"
)

// Local is /usr/libexec/postfix/local (local(8)): delivery to the users of this
// machine, through aliases(5) and .forward files.
func Local(ctx context.Context, p *host.Proc) int {
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "local", a, "biff", "mailbox_size_limit", "expand_owner_alias", "strict_mailbox_ownership",
		"deliver_lock_attempts", "deliver_lock_delay", "command_time_limit")
	if err != nil {
		return 1
	}
	if limit := d.Conf.Int64("mailbox_size_limit"); limit > 0 && limit < d.Conf.Int64("message_size_limit") {
		d.Log.Fatal("configuration error: mailbox_size_limit is smaller than message_size_limit")
		return 1
	}
	l := &localAgent{Daemon: d, turns: &turns{line: p.Clock.Timeline(), waiting: map[string][]*clock.Wait{}}}
	l.open()
	return d.ServeDeliveries(ctx, a.Socket, func(ctx context.Context, x *service.Delivery) {
		if t := l.aliases.Restarted(p); t != nil {
			d.Log.Info("table %s(0,%s) has changed -- restarting", t.Spec, t.Flags)
			l.open()
		}
		for _, r := range x.Req.Recipients {
			l.deliver(ctx, x, r)
		}
	})
}

type localAgent struct {
	*service.Daemon
	aliases table.Maps
	turns   *turns
}

func (l *localAgent) open() {
	l.aliases = table.OpenMaps(l.Proc, l.Conf, l.Log, l.Conf.Get("alias_maps"), table.FlagsAlias)
}

// What an address was expanded from.
const (
	fromQueue = iota
	fromAlias
	fromInclude
	fromForward
)

// localState is where the expansion of one recipient stands.
type localState struct {
	*service.Delivery
	queued    queue.Recipient // as it is in the queue file
	rcpt      queue.Recipient // what is being delivered to: shown as to=
	delivered string          // Delivered-To, internal form
	text      []byte          // the message
	sender    string
	level     int
	kind      int    // what the address was expanded from
	name      string // of the alias or user that was expanded last
	direct    bool   // members that are local are delivered from this queue file
	user      *libc.User
	out       *outcome
}

// outcome collects what the expansion of a recipient led to.
type outcome struct {
	forwards []forwardee
	waits    bool            // something has to be tried again
	seen     map[string]bool // deliveries made, so that none is made twice
	owner    string          // new envelope sender of forwarded copies
	hasOwner bool
}

// forwardee is an address that gets a queue file of its own.
type forwardee struct {
	address, original, dsnOriginal string
	notify                         dsn.Notify
}

// deliver handles one recipient of a request.
func (l *localAgent) deliver(ctx context.Context, x *service.Delivery, r queue.Recipient) {
	text, err := x.Msg.Text()
	if err != nil {
		x.Deferred(r, "local", service.Fate{Status: "4.3.0", Text: "malformed queue file"})
		return
	}
	s := localState{Delivery: x, queued: r, rcpt: r, delivered: r.Address, text: text, sender: x.Req.Sender, direct: true,
		out: &outcome{seen: map[string]bool{}}}
	if loops(text, mailaddr.External(r.Address)) {
		x.Bounced(r, "local", service.Fate{Status: "5.4.6", Text: "mail forwarding loop for " + mailaddr.External(r.Address)})
		x.Done(r)
		return
	}
	l.recipient(ctx, s)
	// What has to be tried again is tried as a whole: nothing is forwarded yet.
	if len(s.out.forwards) > 0 && !s.out.waits && ctx.Err() == nil {
		l.forward(ctx, s)
	}
	switch {
	case ctx.Err() != nil:
	case !s.out.waits:
		x.Done(r)
	case len(s.out.seen) > 0:
		// The next attempt has to look whether a member has the mail already.
		l.Proc.Sys.Chmod(l.Queue.Path(queue.Active, x.Req.ID), queue.ModeRecovered)
	}
}

// loops reports whether the message has been delivered to an address before.
func loops(text []byte, address string) bool {
	fields, _ := header.Split(text)
	for _, h := range fields {
		if strings.EqualFold(h.Name, "delivered-to") && strings.EqualFold(strings.TrimSpace(h.Value()), address) {
			return true
		}
	}
	return false
}

func (s localState) bounce(f service.Fate) { s.Delivery.Bounced(s.rcpt, "local", f) }

func (s localState) wait(f service.Fate) {
	s.Delivery.Deferred(s.rcpt, "local", f)
	s.out.waits = true
}

// finish sends, bounces or defers by the status code.
func (s localState) finish(f service.Fate) {
	switch f.Status[0] {
	case '2':
		s.Delivery.Sent(s.rcpt, "local", f)
	case '5':
		s.bounce(f)
	default:
		s.wait(f)
	}
}

// recipient delivers to an address whose domain is ours.
func (l *localAgent) recipient(ctx context.Context, s localState) {
	local, _, _ := mailaddr.Split(s.rcpt.Address)
	if l.alias(ctx, s, strings.ToLower(local)) {
		return
	}
	l.toUser(ctx, s, local)
}

// alias expands an alias; false means that there is none.
func (l *localAgent) alias(ctx context.Context, s localState, name string) bool {
	if strings.HasPrefix(s.rcpt.Address, "\\") || s.kind == fromAlias && strings.EqualFold(s.name, name) {
		return false
	}
	if s.level > 100 {
		l.Log.Warning("alias database loop for %s", name)
		s.bounce(service.Fate{Status: "5.4.6", Text: "alias database loop for " + name})
		return true
	}
	names := []string{name}
	if user, _, ok := mailaddr.SplitExtension(name, l.Conf.Get("recipient_delimiter")); ok {
		names = append(names, user)
	}
	for _, n := range names {
		for _, d := range l.aliases {
			value, ok, err := d.Lookup(l.Log, n)
			if err != nil {
				l.Log.Warning("%s: lookup of '%s' failed", d.Spec, n)
				s.wait(service.Fate{Status: "4.3.0", Text: "alias database unavailable"})
				return true
			}
			if !ok {
				continue
			}
			l.noteExpansion(s, d, n, value)
			l.expandAlias(ctx, s, d, n, value)
			return true
		}
	}
	l.noteMiss(s, names)
	return false
}

// noteMiss tells the trace of a name that no alias table has, but the source of
// one that was edited after its table was built: newaliases(1) was forgotten.
func (l *localAgent) noteMiss(s localState, names []string) {
	for _, d := range l.aliases {
		file, built := strings.CutSuffix(d.File, ".db")
		if !built {
			continue
		}
		info, err := l.Proc.Sys.Stat(file)
		if err != nil || !info.ModTime().After(d.Stamp.ModTime) {
			continue
		}
		data, err := libc.ReadFile(l.Proc, file)
		if err != nil {
			continue
		}
		for _, n := range names {
			if line := table.AliasLine(data, n); line > 0 {
				l.Log.Emit(trace.AliasMissed, trace.Attrs{"id": s.Req.ID, "from": n, "file": file, "line": fmt.Sprint(line)})
				return
			}
		}
	}
}

// noteExpansion tells the trace which line an alias came from, and whether the
// source was edited after the table was built.
func (l *localAgent) noteExpansion(s localState, d *table.Dict, name, value string) {
	file := strings.TrimSuffix(d.File, ".db")
	attrs := trace.Attrs{"id": s.Req.ID, "from": name, "to": value, "file": file}
	if data, err := libc.ReadFile(l.Proc, file); err == nil {
		if line := table.AliasLine(data, name); line > 0 {
			attrs["line"] = fmt.Sprint(line)
		}
	}
	if info, err := l.Proc.Sys.Stat(file); err == nil && info.ModTime().After(d.Stamp.ModTime) {
		attrs["stale"] = "yes"
	}
	l.Log.Emit(trace.AliasExpanded, attrs)
}

func (l *localAgent) expandAlias(ctx context.Context, s localState, d *table.Dict, name, value string) {
	s.kind, s.name = fromAlias, name
	s.level++
	// Commands and files run with the rights of the table's owner, never root's.
	s.user = nil
	if info, err := l.Proc.Sys.Stat(d.File); err == nil {
		if uid, _ := libc.Owner(info); uid != 0 {
			if u, ok := libc.UserByID(l.Proc, uid); ok {
				s.user = &u
			}
		}
	}
	if !strings.HasPrefix(name, "owner-") && !strings.HasSuffix(name, "-request") {
		for _, o := range l.aliases {
			owner, ok, err := o.Lookup(l.Log, "owner-"+name)
			if err != nil || !ok {
				continue
			}
			address := "owner-" + name
			if l.Conf.Bool("expand_owner_alias") {
				if boxes := mailaddr.Parse(owner); len(boxes) > 0 {
					address = boxes[0].Address
				}
			}
			s.out.owner, s.out.hasOwner = service.NewRewriter(l.Conf).Rewrite(address), true
			s.direct = false
			break
		}
	}
	l.members(ctx, s, value)
}

// members delivers to each address of a list.
func (l *localAgent) members(ctx context.Context, s localState, list string) {
	for _, m := range mailaddr.Parse(list) {
		if ctx.Err() != nil {
			return
		}
		l.member(ctx, s, m.Address)
	}
}

// member delivers to one address that something was expanded to.
func (l *localAgent) member(ctx context.Context, s localState, address string) {
	kinds := [...]string{fromQueue: "", fromAlias: "alias", fromInclude: "include", fromForward: "forward"}
	allowed := func(param string) bool {
		for _, k := range l.Conf.List(param) {
			if k == kinds[s.kind] {
				return true
			}
		}
		return false
	}
	switch {
	case strings.HasPrefix(address, "/"), strings.HasPrefix(address, "~/"):
		if !allowed("allow_mail_to_files") {
			s.bounce(service.Fate{Status: "5.7.1", Text: "mail to file is restricted"})
			return
		}
		if s.user != nil {
			if rest, ok := strings.CutPrefix(address, "~/"); ok {
				address = s.user.Dir + "/" + rest
			}
		}
		if s.once("file " + address) {
			s.finish(l.toFile(ctx, s, address))
		}
	case strings.HasPrefix(address, "|"):
		if !allowed("allow_mail_to_commands") {
			s.bounce(service.Fate{Status: "5.7.1", Text: "mail to command is restricted"})
			return
		}
		if s.once("command " + address) {
			s.finish(l.toCommand(ctx, s, strings.TrimSpace(address[1:])))
		}
	case len(address) > 9 && strings.EqualFold(address[:9], ":include:"):
		l.include(ctx, s, address[9:])
	default:
		l.memberAddress(ctx, s, address)
	}
}

// once reports whether this is the first delivery of its kind.
func (s localState) once(key string) bool {
	if s.out.seen[key] {
		return false
	}
	s.out.seen[key] = true
	return true
}

func (l *localAgent) memberAddress(ctx context.Context, s localState, address string) {
	bare := strings.TrimPrefix(address, "\\")
	answers, err := l.ResolveAll(ctx, s.sender, bare)
	if err != nil || answers[0].Failed {
		s.wait(service.Fate{Status: "4.3.0", Text: "address resolver failure"})
		return
	}
	to := answers[0]
	local, _, _ := mailaddr.Split(to.Recipient)
	isLocal := to.Local && to.Transport == "local"
	self := isLocal && s.kind == fromForward && s.user != nil && strings.EqualFold(local, s.user.Name)
	if self || bare != address && isLocal {
		l.toMailbox(ctx, s, *mustUser(l.Proc, local))
		return
	}
	if isLocal && s.direct && s.kind == fromAlias {
		s.rcpt.Address = to.Recipient
		l.recipient(ctx, s)
		return
	}
	if loops(s.text, mailaddr.External(to.Recipient)) {
		s.rcpt.Address = to.Recipient
		s.bounce(service.Fate{Status: "5.4.6", Text: "mail forwarding loop for " + mailaddr.External(to.Recipient)})
		return
	}
	f := forwardee{address: to.Recipient, original: s.queued.Original, dsnOriginal: s.queued.DSNOriginal, notify: s.queued.Notify}
	if s.out.hasOwner {
		f.original, f.dsnOriginal = "", ""
	}
	if s.once("forward " + strings.ToLower(to.Recipient)) {
		s.out.forwards = append(s.out.forwards, f)
	}
}

// mustUser returns an account; a user that is not there any more has no rights.
func mustUser(p *host.Proc, name string) *libc.User {
	if u, ok := libc.UserByName(p, strings.ToLower(name)); ok {
		return &u
	}
	if u, ok := libc.UserByName(p, name); ok {
		return &u
	}
	return &libc.User{Name: name, UID: 65534, GID: 65534, Dir: "/"}
}

// include reads an :include: file.
func (l *localAgent) include(ctx context.Context, s localState, file string) {
	broken := service.Fate{Status: "5.3.5", Text: "mail system configuration error"}
	info, err := l.Proc.Sys.Stat(file)
	if err != nil {
		l.Log.Warning("unable to lookup :include: file %s: %s", file, libc.Strerror(err))
		s.bounce(broken)
		return
	}
	if !info.Mode().IsRegular() {
		l.Log.Warning(":include: file %s is not a regular file", file)
		s.bounce(broken)
		return
	}
	if info.Mode().Perm()&0o002 != 0 {
		l.Log.Warning(":include: file %s is world writable", file)
		s.bounce(broken)
		return
	}
	data, err := libc.ReadFile(l.Proc, file)
	if err != nil {
		l.Log.Warning("open :include: file %s: %s", file, libc.Strerror(err))
		s.bounce(broken)
		return
	}
	s.level++
	if s.level > 100 {
		s.bounce(service.Fate{Status: "5.4.6", Text: "include file loop for " + file})
		return
	}
	if s.kind != fromForward {
		s.kind = fromInclude
		uid, _ := libc.Owner(info)
		if u, ok := libc.UserByID(l.Proc, uid); ok && uid != 0 {
			s.user = &u
		}
	}
	s.direct = false
	l.Log.Emit(trace.AliasExpanded, trace.Attrs{"id": s.Req.ID, "from": ":include:" + file, "to": "", "file": file, "line": "1"})
	l.lines(ctx, s, data)
}

// lines delivers to the addresses of an :include: or .forward file. It reports
// how many there were.
func (l *localAgent) lines(ctx context.Context, s localState, data []byte) int {
	n := 0
	for _, line := range conf.Lines(joinComments(data)) {
		for _, m := range mailaddr.Parse(line.Text) {
			n++
			l.member(ctx, s, m.Address)
		}
	}
	return n
}

// joinComments keeps lines that begin with blanks and '#': here, unlike in
// main.cf, they continue the line before.
func joinComments(data []byte) []byte {
	var out [][]byte
	for _, line := range bytes.Split(data, []byte("\n")) {
		trimmed := bytes.TrimLeft(line, " \t")
		if len(trimmed) < len(line) && bytes.HasPrefix(trimmed, []byte("#")) && len(out) > 0 {
			last := len(out) - 1
			out[last] = append(append(append([]byte(nil), out[last]...), ' '), trimmed...)
			continue
		}
		out = append(out, line)
	}
	return bytes.Join(out, []byte("\n"))
}

// toUser delivers to an account: .forward, command, mailbox.
func (l *localAgent) toUser(ctx context.Context, s localState, local string) {
	name, extension := strings.ToLower(local), ""
	u, ok := libc.UserByName(l.Proc, name)
	if !ok {
		if user, ext, split := mailaddr.SplitExtension(name, l.Conf.Get("recipient_delimiter")); split {
			name, extension = user, ext
			u, ok = libc.UserByName(l.Proc, name)
		}
	}
	if !ok {
		l.unknown(ctx, s, name)
		return
	}
	if l.dotForward(ctx, s, u, extension) {
		return
	}
	l.toMailbox(ctx, s, u)
}

// unknown is what happens to mail for a name that is no account.
func (l *localAgent) unknown(ctx context.Context, s localState, name string) {
	box := l.Conf.Get("mail_spool_directory") + "/" + name
	if info, err := l.Proc.Sys.Lstat(box); err == nil && info.Mode().IsRegular() && !strings.Contains(name, "/") && l.Conf.Get("luser_relay") == "" {
		// The mailbox is there, but not the account: it is still the place.
		uid, gid := libc.Owner(info)
		if uid != 0 {
			l.toMailbox(ctx, s, libc.User{Name: name, UID: uid, GID: gid, Dir: "/"})
			return
		}
	}
	if relay := l.Conf.Get("luser_relay"); relay != "" && s.kind != fromForward {
		_, domain, _ := mailaddr.Split(s.rcpt.Address)
		relay = conf.Expand(relay, func(n string) (string, bool) {
			switch n {
			case "user", "local":
				return name, true
			case "domain":
				return domain, true
			case "recipient":
				return s.rcpt.Address, true
			}
			return "", false
		})
		s.kind, s.name = fromAlias, name
		s.level++
		if s.level > 100 {
			s.bounce(service.Fate{Status: "5.4.6", Text: "luser_relay loop for " + name})
			return
		}
		l.member(ctx, s, relay)
		return
	}
	s.bounce(service.Fate{Status: "5.1.1", Text: fmt.Sprintf("unknown user: \"%s\"", name)})
}

// dotForward obeys a user's .forward file; false means deliver as if there were
// none.
func (l *localAgent) dotForward(ctx context.Context, s localState, u libc.User, extension string) bool {
	if s.kind == fromForward {
		return false
	}
	delimiter := l.Conf.Get("recipient_delimiter")
	raw, _ := l.Conf.Raw("forward_path")
	for _, pattern := range conf.SplitList(raw) {
		file := conf.Expand(pattern, func(n string) (string, bool) {
			switch n {
			case "home":
				return u.Dir, true
			case "user":
				return u.Name, true
			case "extension":
				return extension, extension != ""
			case "recipient_delimiter":
				if extension == "" {
					return "", false
				}
				return delimiter[:1], true
			}
			return "", false
		})
		if strings.Contains(pattern, "extension") && extension == "" {
			continue
		}
		info, err := l.Proc.Sys.Lstat(file)
		if err != nil {
			continue
		}
		cred := libc.CredOf(l.Proc, u)
		if access(l.Proc, cred, file, 0) != nil {
			continue // in a place the user cannot see
		}
		uid, _ := libc.Owner(info)
		switch {
		case uid != 0 && uid != u.UID && info.Mode()&fs.ModeSymlink == 0:
			l.Log.Warning("file %s has bad owner uid %d", file, uid)
			return false
		case !info.Mode().IsRegular():
			l.Log.Warning("file %s is not a regular file", file)
			return false
		case info.Mode().Perm()&0o002 != 0:
			l.Log.Warning("file %s is world writable", file)
			return false
		case access(l.Proc, cred, file, 4) != nil:
			l.Log.Warning("cannot open file %s: Permission denied", file)
			return false
		}
		data, err := libc.ReadFile(l.Proc, file)
		if err != nil {
			l.Log.Warning("cannot open file %s: %s", file, libc.Strerror(err))
			return false
		}
		s.kind, s.name, s.direct, s.user = fromForward, u.Name, false, &u
		s.level++
		l.Log.Emit(trace.AliasExpanded, trace.Attrs{"id": s.Req.ID, "from": u.Name, "to": maillog.OneLine(strings.TrimSpace(string(data))), "file": file, "line": "1"})
		return l.lines(ctx, s, data) > 0
	}
	return false
}

// forward queues the addresses that need a queue file of their own.
func (l *localAgent) forward(ctx context.Context, s localState) {
	sub := &service.Submission{Sender: s.sender, Local: s.Req.Context != "remote", Internal: false, UTF8: s.Req.UTF8,
		Attrs: []string{"arrival=" + queue.TimeRecord(s.Req.Arrival)},
		Flags: s.Req.Flags,
		Claim: queue.ClaimOf(s.Req.ID, s.queued),
		Received: []string{
			fmt.Sprintf("Received: by %s (%s)", l.Conf.Get("myhostname"), l.Conf.Get("mail_name")),
			"\tid %ID%; %DATE%",
		}}
	if s.out.hasOwner {
		sub.Sender = s.out.owner
	}
	sub.Content = append([]byte("Delivered-To: "+mailaddr.External(s.delivered)+"\n"), s.text...)
	for _, f := range s.out.forwards {
		original := f.original
		if s.out.hasOwner {
			original = mailaddr.External(f.address)
		}
		sub.Recipients = append(sub.Recipients, queue.Recipient{Address: f.address, Original: original, DSNOriginal: f.dsnOriginal, Notify: f.notify})
	}
	id, err := l.Daemon.Forward(ctx, sub)
	if err != nil {
		if ctx.Err() == nil {
			s.wait(service.Fate{Status: "4.3.0", Text: "unable to forward message"})
		}
		return
	}
	s.rcpt = s.queued
	s.Delivery.Sent(s.rcpt, "local", service.Fate{Status: "2.0.0", Text: "forwarded as " + id})
	for _, f := range s.out.forwards {
		l.Log.Emit(trace.MailForwarded, trace.Attrs{"id": s.Req.ID, "to-id": id, "from": s.queued.Address, "to": f.address, "file": ""})
	}
}

// access asks whether an identity may reach a file, and with want (4 read, 2
// write) use it, by the modes on the way. Delivery runs as root; this is where
// the rights of the user come in.
func access(p *host.Proc, cred *host.Cred, name string, want fs.FileMode) error {
	parts := strings.Split(strings.Trim(name, "/"), "/")
	dir := "/"
	for i := range parts {
		if i > 0 {
			dir = "/" + strings.Join(parts[:i], "/")
		}
		info, err := p.Sys.Stat(dir)
		if err != nil {
			return err
		}
		if !permitted(cred, info, 1) {
			return syscall.EACCES
		}
	}
	if want == 0 {
		return nil
	}
	info, err := p.Sys.Stat(name)
	if errors.Is(err, syscall.ENOENT) && want&2 != 0 {
		info, err = p.Sys.Stat(dir)
		if err == nil && !permitted(cred, info, 3) {
			err = syscall.EACCES
		}
		return err
	}
	if err != nil {
		return err
	}
	if !permitted(cred, info, want) {
		return syscall.EACCES
	}
	return nil
}

// permitted looks at one file's mode.
func permitted(cred *host.Cred, info fs.FileInfo, want fs.FileMode) bool {
	if cred.UID == 0 {
		return true
	}
	uid, gid := libc.Owner(info)
	mode := info.Mode().Perm()
	switch {
	case uid == cred.UID:
		mode >>= 6
	case gid == cred.GID || contains(cred.Groups, gid):
		mode >>= 3
	}
	return mode&want == want
}

func contains(list []int, n int) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}
