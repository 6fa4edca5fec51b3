// Package cleanup is how mail enters the queue: cleanup(8) makes a message ready,
// checks and queues it; pickup(8) brings it what local users have submitted.
package cleanup

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/header"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
	"enshu/sim/trace"
)

// Cleanup is /usr/libexec/postfix/cleanup (cleanup(8)).
func Cleanup(ctx context.Context, p *host.Proc) int {
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "cleanup", a, "always_add_missing_headers")
	if err != nil {
		return 1
	}
	cl := &cleaner{Daemon: d}
	cl.open()
	return d.Serve(ctx, a.Socket, cl.serve)
}

// cleaner is the state of cleanup(8).
type cleaner struct {
	*service.Daemon
	canonical, senderCanonical, rcptCanonical, virtual table.Maps
	headerChecks, mimeChecks, nestedChecks, bodyChecks table.Maps
	senderBCC, rcptBCC                                 table.Maps
	destination                                        *table.List
}

func (cl *cleaner) open() {
	open := func(name string) table.Maps {
		return table.OpenMaps(cl.Proc, cl.Conf, cl.Log, cl.Conf.Get(name), table.FlagsLookup)
	}
	cl.canonical, cl.senderCanonical, cl.rcptCanonical = open("canonical_maps"), open("sender_canonical_maps"), open("recipient_canonical_maps")
	cl.virtual = open("virtual_alias_maps")
	cl.headerChecks, cl.mimeChecks = open("header_checks"), open("mime_header_checks")
	cl.nestedChecks, cl.bodyChecks = open("nested_header_checks"), open("body_checks")
	cl.senderBCC, cl.rcptBCC = open("sender_bcc_maps"), open("recipient_bcc_maps")
	cl.destination = table.OpenList(cl.Proc, cl.Conf, cl.Log, "mydestination", false)
}

func (cl *cleaner) all() table.Maps {
	var all table.Maps
	for _, m := range []table.Maps{cl.canonical, cl.senderCanonical, cl.rcptCanonical, cl.virtual, cl.headerChecks, cl.mimeChecks, cl.nestedChecks, cl.bodyChecks,
		cl.senderBCC, cl.rcptBCC} {
		all = append(all, m...)
	}
	return all
}

// serve handles one client: it opens a queue file, takes the message, and
// answers when the message is safe.
func (cl *cleaner) serve(ctx context.Context, w *service.WireConn) bool {
	var hello service.NewMail
	if w.Dec.Decode(&hello) != nil {
		return false
	}
	if d := cl.all().Restarted(cl.Proc); d != nil {
		cl.Log.Info("table %s(0,%s) has changed -- restarting", d.Spec, d.Flags)
		cl.open()
	}
	id, f, err := cl.Queue.Create(queue.Incoming)
	if err != nil {
		cl.Log.Warning("create file incoming: %s", libc.Strerror(err))
		return w.Send(service.CleanupAnswer{Status: service.CleanDefer, Reason: "queue file write error"}) == nil
	}
	defer f.Close()
	var s service.Submission
	if w.Send(service.CleanupAnswer{ID: id}) != nil || w.Dec.Decode(&s) != nil {
		cl.Queue.Remove(queue.Incoming, id)
		return false
	}
	answer := cl.take(ctx, f, id, &s)
	if answer.Status != service.CleanOK || s.Abort {
		cl.Queue.Remove(queue.Incoming, id)
	}
	return w.Send(answer) == nil
}

// take processes a message and queues it. When it returns cleanOK the message
// is safe, and what it replaces is gone.
func (cl *cleaner) take(ctx context.Context, f *os.File, id string, s *service.Submission) service.CleanupAnswer {
	now := cl.Proc.Now().In(cl.Log.Zone())
	e := &queue.Envelope{Arrival: now, Created: now, Attrs: s.Attrs, FullName: s.FullName, Sender: s.Sender, Flags: s.Flags, UTF8: s.UTF8}
	if e.Attr("rewrite_context") == "" {
		if s.Local {
			e.SetAttr("rewrite_context", "local")
		} else {
			e.SetAttr("rewrite_context", "remote")
		}
	}
	for i, a := range e.Attrs { // the arrival time of a forwarded or requeued mail is that of the first
		if v, ok := strings.CutPrefix(a, "arrival="); ok {
			e.Arrival = queue.ParseTimeRecord(v)
			e.Attrs = append(e.Attrs[:i:i], e.Attrs[i+1:]...)
			break
		}
	}
	fail := func(status int, format string, args ...any) service.CleanupAnswer {
		return service.CleanupAnswer{ID: id, Status: status, Reason: fmt.Sprintf(format, args...)}
	}
	var err error
	e.Sender = service.NewRewriter(cl.Conf).Rewrite(s.Sender)
	if !s.Internal {
		if e.Sender, err = cl.canonicalize(e.Sender, cl.senderCanonical, "envelope_sender"); err != nil {
			return fail(service.CleanDefer, "queue file write error")
		}
		e.Sender = cl.masquerade(e.Sender, "envelope_sender")
	}
	if !s.Abort {
		if err := cl.recipients(ctx, id, s, e); err != nil {
			return fail(service.CleanDefer, "queue file write error")
		}
	}
	check := &checker{cl: cl, id: id, s: s, e: e, stop: s.Claim == "", send: s.Redirect, bcc: s.BCC, hold: s.Hold, filter: s.Filter}
	if s.External && !s.Abort {
		s.Content = check.text(s.Content)
		if check.gone {
			cl.drop(id, s.Claim)
			return service.CleanupAnswer{ID: id}
		}
		if check.send != "" {
			original := ""
			if len(e.Recipients) > 0 {
				original = e.Recipients[0].Original
			}
			to := service.NewRewriter(cl.Conf).Rewrite(check.send)
			e.Recipients = []queue.Recipient{{Address: to, Original: original, DSNOriginal: "rfc822;" + mailaddr.External(to)}}
		}
		if check.filter != "" {
			e.SetAttr(queue.AttrFilter, check.filter)
		}
		if err := cl.addCopies(e, check.bcc); err != nil {
			return fail(service.CleanDefer, "queue file write error")
		}
		if check.reject != "" && check.stop && check.header {
			return fail(service.CleanRejected, "%s", check.reject)
		}
	}
	text, messageID, subject, err := cl.header(ctx, id, s, e)
	if err != nil {
		return fail(service.CleanDefer, "queue file write error")
	}
	if s.Abort {
		return service.CleanupAnswer{ID: id}
	}
	if check.reject != "" && check.stop {
		return fail(service.CleanRejected, "%s", check.reject)
	}
	if over := bytes.Count(headOf(text), []byte("\nReceived:")) - cl.Conf.Int("hopcount_limit"); over >= 0 {
		for range over + 1 {
			cl.Log.Warning("%s: message rejected: hopcount exceeded", id)
		}
		if check.stop {
			return fail(service.CleanBadHops, "too many hops")
		}
		check.reject = "5.4.0 too many hops"
	}
	content := queue.AppendContent(nil, text, cl.Conf.Int("line_length_limit"))
	if limit := cl.Conf.Int64("message_size_limit"); limit > 0 && !s.Internal && int64(len(content)) > limit {
		cl.Log.Warning("%s: queue file size limit exceeded", id)
		return fail(service.CleanTooBig, "message file too big")
	}
	e.Claim = s.Claim
	data := e.Encode(content)
	if _, err := f.Write(data); err != nil {
		cl.Log.Warning("%s: write queue file: %s", id, libc.Strerror(err))
		return fail(service.CleanDefer, "queue file write error")
	}
	if err := f.Sync(); err != nil {
		return fail(service.CleanDefer, "queue file write error")
	}
	cl.Proc.Stamp(f)
	if check.reject != "" {
		if err := cl.returnToSender(ctx, id, s, e, check.reject); err != nil {
			return fail(service.CleanDefer, "queue file write error")
		}
		cl.Queue.Remove(queue.Incoming, id)
		return service.CleanupAnswer{ID: id}
	}
	var rcpts []string
	for _, r := range e.Recipients {
		rcpts = append(rcpts, r.Address)
	}
	cl.Log.Emit(trace.MailAccepted, trace.Attrs{"id": id, "sender": e.Sender, "recipients": strings.Join(rcpts, " "),
		"subject": subject, "message-id": messageID, "from": e.Attr("log_client_name")})
	if err := cl.commit(ctx, f, id, s.Claim, check.hold); err != nil {
		cl.Log.Warning("%s: %s", id, libc.Strerror(err))
		return fail(service.CleanDefer, "queue file write error")
	}
	return service.CleanupAnswer{ID: id}
}

// headOf returns the header of a message, with a line feed before it.
func headOf(text []byte) []byte {
	if end := bytes.Index(text, []byte("\n\n")); end >= 0 {
		text = text[:end]
	}
	return append([]byte("\n"), text...)
}

// commit makes a queue file count, takes away what it replaces and tells qmgr.
// An error means that the message does not count.
func (cl *cleaner) commit(ctx context.Context, f *os.File, id string, c queue.Claim, hold bool) error {
	if hold {
		if err := cl.Queue.Move(id, queue.Incoming, queue.Hold); err != nil {
			return err
		}
	}
	if err := f.Chmod(queue.ModeReady); err != nil {
		return err
	}
	if c != "" {
		if err := cl.Queue.Release(c); err != nil {
			// qmgr(8) will do it, before it takes the message up.
			cl.Log.Warning("%s: replace %s: %s", id, c, libc.Strerror(err))
		}
	}
	if !hold {
		cl.Poke(ctx, service.QmgrSocket, service.Request{Verb: service.VerbIncoming, Arg: id})
	}
	return nil
}

// canonicalize applies canonical(5) to an address.
func (cl *cleaner) canonicalize(address string, specific table.Maps, class string) (string, error) {
	if address == "" {
		return "", nil
	}
	inClass := false
	for _, w := range cl.Conf.List("canonical_classes") {
		inClass = inClass || w == class
	}
	both := []table.Maps{specific}
	if inClass {
		both = append(both, cl.canonical)
	}
	for _, m := range both {
		v, _, ok, err := m.Address(cl.Log, address, cl.Conf.Get("recipient_delimiter"), cl.isLocal, true)
		if err != nil {
			return "", err
		}
		if ok {
			local, _, _ := mailaddr.Split(address)
			if strings.HasPrefix(v, "@") {
				v = local + v
			}
			address = service.NewRewriter(cl.Conf).Rewrite(v)
		}
	}
	return address, nil
}

func (cl *cleaner) isLocal(domain string) bool {
	if strings.EqualFold(domain, cl.Conf.Get("myorigin")) {
		return true
	}
	hit, _ := cl.destination.Match(cl.Log, domain, "")
	return hit
}

// header makes the message ready: Received on top, addresses completed, what is
// missing at the end.
func (cl *cleaner) header(ctx context.Context, id string, s *service.Submission, e *queue.Envelope) (text []byte, messageID, subject string, err error) {
	c := cl.Conf
	now := cl.Proc.Now().In(cl.Log.Zone())
	fields, body := header.Split(s.Content)
	var b bytes.Buffer
	for _, line := range s.Prepend {
		b.WriteString(line + "\n")
	}
	if len(s.Received) > 0 {
		for _, line := range s.Received {
			b.WriteString(strings.NewReplacer("%ID%", id, "%DATE%", header.Date(now)).Replace(line) + "\n")
		}
	}
	dropped := map[string]bool{}
	for _, n := range c.List("message_drop_headers") {
		dropped[strings.ToLower(n)] = true
	}
	seen := map[string]bool{}
	resent := ""
	for _, h := range fields {
		lower := strings.ToLower(h.Name)
		if strings.HasPrefix(lower, "resent-") {
			resent = "Resent-"
		}
		if dropped[lower] {
			continue
		}
		seen[lower] = true
		switch lower {
		case "message-id":
			messageID = strings.TrimSpace(h.Value())
			cl.Log.Info("%s: message-id=%s", id, messageID)
		case "resent-message-id":
			cl.Log.Info("%s: resent-message-id=%s", id, strings.TrimSpace(h.Value()))
		case "subject":
			subject = strings.TrimSpace(h.Value())
		}
		if s.Local && header.AddressFields[lower] {
			lines, changed, err := cl.rewriteHeader(ctx, h, header.SenderFields[lower])
			if err != nil {
				return nil, "", "", err
			}
			if changed {
				for _, line := range lines {
					b.WriteString(line + "\n")
				}
				continue
			}
		}
		for _, line := range h.Lines {
			b.Write(line)
			b.WriteByte('\n')
		}
	}
	if s.Local || c.Bool("always_add_missing_headers") {
		prefix := strings.ToLower(resent)
		if !seen[prefix+"message-id"] {
			made := fmt.Sprintf("<%s.%s@%s>", now.UTC().Format("20060102150405"), id, c.Get("myhostname"))
			fmt.Fprintf(&b, "%sMessage-Id: %s\n", resent, made)
			cl.Log.Info("%s: %smessage-id=%s", id, prefix, made)
			if resent == "" {
				messageID = made
			}
		}
		if !seen[prefix+"date"] {
			fmt.Fprintf(&b, "%sDate: %s\n", resent, header.Date(now))
		}
		if !seen[prefix+"from"] {
			b.WriteString(resent + "From: " + fromHeader(c, e.Sender, s.FullName) + "\n")
		}
	}
	if messageID == "" {
		messageID = "<>"
		cl.Log.Info("%s: message-id=<>", id)
	}
	b.Write(body)
	return b.Bytes(), messageID, subject, nil
}

// fromHeader is what a missing From header gets.
func fromHeader(c *conf.Config, sender, fullName string) string {
	if sender == "" {
		return "MAILER-DAEMON"
	}
	if fullName == "" {
		return mailaddr.External(sender)
	}
	if c.Get("header_from_format") == "obsolete" {
		return mailaddr.External(sender) + " (" + fullName + ")"
	}
	if strings.ContainsAny(fullName, "()<>@,;:\\\".[]") {
		fullName = mailaddr.Quote(fullName)
	}
	return fullName + " <" + mailaddr.External(sender) + ">"
}

// rewriteHeader completes the addresses of a header field.
func (cl *cleaner) rewriteHeader(ctx context.Context, h header.Field, sender bool) (lines []string, changed bool, err error) {
	boxes := mailaddr.ParseField(h.Value())
	var in []string
	for _, m := range boxes {
		in = append(in, m.Address)
	}
	if !slices.ContainsFunc(boxes, func(m mailaddr.Mailbox) bool { return !m.Empty() }) {
		return nil, false, nil
	}
	out := service.NewRewriter(cl.Conf).All(in)
	var addresses []string
	for i := range boxes {
		if boxes[i].Empty() {
			addresses = append(addresses, boxes[i].Format())
			continue
		}
		mapped := out[i]
		specific, class := cl.rcptCanonical, "header_recipient"
		if sender {
			specific, class = cl.senderCanonical, "header_sender"
		}
		if mapped, err = cl.canonicalize(mapped, specific, class); err != nil {
			return nil, false, err
		}
		mapped = cl.masquerade(mapped, class)
		changed = changed || mapped != boxes[i].Address
		boxes[i].Address = mapped
		addresses = append(addresses, boxes[i].Format())
	}
	return header.Fold(h.Name, addresses), changed, nil
}

// recipients completes, maps and sorts out the recipients.
func (cl *cleaner) recipients(ctx context.Context, id string, s *service.Submission, e *queue.Envelope) error {
	var in []string
	for _, r := range s.Recipients {
		in = append(in, r.Address)
	}
	if len(in) == 0 {
		return nil
	}
	out := service.NewRewriter(cl.Conf).All(in)
	var err error
	seen := map[string]bool{}
	for i, r := range s.Recipients {
		if r.Address == "" && out[i] == "" {
			out[i] = cl.Conf.Get("empty_address_recipient") + "@" + cl.Conf.Get("myorigin")
		}
		address := out[i]
		if r.DSNOriginal == "" {
			r.DSNOriginal = "rfc822;" + address
		}
		members := []string{address}
		if !s.Internal {
			if address, err = cl.canonicalize(address, cl.rcptCanonical, "envelope_recipient"); err != nil {
				return err
			}
			address = cl.masquerade(address, "envelope_recipient")
			if members, err = cl.expandVirtual(id, address); err != nil {
				return err
			}
		}
		for _, m := range members {
			key := strings.ToLower(fmt.Sprintf("%s\n%d\n%s\n%s", r.DSNOriginal, r.Notify, r.Original, m))
			if seen[key] {
				continue
			}
			seen[key] = true
			r.Address = m
			e.Recipients = append(e.Recipients, r)
		}
	}
	return nil
}

// expandVirtual applies virtual(5) to an address, and to what comes of it, until
// nothing changes.
func (cl *cleaner) expandVirtual(id, address string) ([]string, error) {
	if len(cl.virtual) == 0 {
		return []string{address}, nil
	}
	c, rw := cl.Conf, service.NewRewriter(cl.Conf)
	refuse := func(format string, args ...any) ([]string, error) {
		cl.Log.Warning("%s: %s -- message not accepted, try again later", id, fmt.Sprintf(format, args...))
		return nil, queue.ErrWrite
	}
	itself := map[string]bool{} // they have expanded to themselves
	out := []string{address}
	for i := 0; i < len(out); i++ {
		for n := 0; !itself[strings.ToLower(out[i])]; n++ {
			if n >= c.Int("virtual_alias_recursion_limit") {
				return refuse("unreasonable virtual_alias_maps map nesting for %s", out[i])
			}
			v, ext, ok, err := cl.virtual.Address(cl.Log, out[i], c.Get("recipient_delimiter"), cl.isLocal, true)
			if err != nil {
				return refuse("virtual_alias_maps map lookup problem for %s", out[i])
			}
			members := mailaddr.Parse(v)
			if !ok || len(members) == 0 {
				break
			}
			from := out[i]
			for k, m := range members {
				next := rw.Rewrite(virtualMember(m.Address, from, ext))
				if strings.EqualFold(next, from) {
					itself[strings.ToLower(from)] = true
				}
				if k == 0 {
					out[i] = next
				} else {
					out = append(out, next)
				}
			}
			if len(out) > c.Int("virtual_alias_expansion_limit") {
				return refuse("unreasonable virtual_alias_maps map expansion size for %s", from)
			}
		}
	}
	return out, nil
}

// virtualMember is one address that virtual(5) has for another: "@domain" keeps
// the local part, and an extension that the table does not have is kept.
func virtualMember(member, address, extension string) string {
	if strings.HasPrefix(member, "@") {
		local, _, _ := mailaddr.Split(address)
		return local + member
	}
	if extension == "" {
		return member
	}
	if local, domain, has := mailaddr.Split(member); has {
		return local + extension + "@" + domain
	}
	return member + extension
}
