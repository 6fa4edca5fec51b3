package local

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
	"enshu/sim/trace"
)

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
	if name, file, line := l.aliases.Unbuilt(l.Proc, names); line > 0 {
		l.Log.Emit(trace.AliasMissed, trace.Attrs{"id": s.Req.ID, "from": name, "file": file, "line": fmt.Sprint(line)})
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
	s.expanded()
	l.members(ctx, s, name, value)
}

// expanded tells the sender, when he asked to hear of success, that a recipient
// stands for others: what becomes of them is another matter (RFC 3461 section
// 5.2.7). A list with an owner counts as delivered.
func (s *localState) expanded() {
	if s.rcpt.Notify&dsn.Success == 0 {
		return
	}
	action := "expanded"
	if s.out.hasOwner {
		action = "delivered"
	}
	s.Delivery.Expanded(s.rcpt, "local", service.Fate{Status: "2.0.0", Text: "alias expanded"}, action)
	s.out.expanded = true
	s.rcpt.Notify &^= dsn.Success
	s.queued.Notify &^= dsn.Success
}

// members delivers to each address of a list.
func (l *localAgent) members(ctx context.Context, s localState, name, list string) {
	members := mailaddr.Parse(list)
	if len(members) == 0 {
		l.Log.Warning("no recipient in alias lookup result for %s", name)
		s.wait(service.Fate{Status: "4.3.0", Text: "alias database unavailable"})
		return
	}
	for _, m := range members {
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
	user, _, _ := mailaddr.SplitExtension(local, l.Conf.Get("recipient_delimiter"))
	self := isLocal && s.kind == fromForward && s.user != nil && strings.EqualFold(user, s.user.Name)
	if self || bare != address && isLocal {
		if self {
			s.rcpt.Address, local = to.Recipient, user
		}
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
