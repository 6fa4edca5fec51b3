package postfix

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
)

// cleanupSocket is where mail enters the queue.
const cleanupSocket = "public/cleanup"

// A submission is a message on its way to cleanup(8). The client first says
// where it is from; cleanup answers with the queue id; then the message follows.
type submission struct {
	Sender     string
	FullName   string
	Recipients []recipient
	Attrs      []string
	Received   []string // lines of the Received header; %s in them is the queue id
	Content    []byte   // lines ended by line feeds
	Local      bool     // headers are completed, addresses rewritten
	Internal   bool     // made by Postfix itself: no canonical or virtual mapping, no limit
	Abort      bool     // the client broke off: nothing is queued
	Claim      claim    // what the message replaces
	Flags      int      // qmgr flags: reports wanted
	UTF8       bool
}

// The qmgr flags of a queue file.
const (
	flagVerify = 1 << iota // sendmail -bv: do not deliver, report
	flagRecord             // sendmail -v: deliver and report
)

// What cleanup answers.
const (
	cleanOK = iota
	cleanTooBig
	cleanDefer
	cleanBadHops
)

type cleanupAnswer struct {
	ID     string
	Status int
	Reason string
}

// Cleanup is /usr/libexec/postfix/cleanup (cleanup(8)).
func Cleanup(ctx context.Context, p *host.Proc) int {
	a := parseServiceArgs(p.Args[1:])
	d, err := newDaemon(ctx, p, "cleanup", a, "always_add_missing_headers")
	if err != nil {
		return 1
	}
	cl := &cleaner{daemon: d}
	cl.open()
	return d.serve(ctx, a.socket, cl.serve)
}

// cleaner is the state of cleanup(8).
type cleaner struct {
	*daemon
	canonical, senderCanonical, rcptCanonical, virtual maps
	destination                                        *matchList
}

func (cl *cleaner) open() {
	open := func(name string) maps { return openMaps(cl.p, cl.c, cl.log, cl.c.get(name), flagsLookup) }
	cl.canonical, cl.senderCanonical, cl.rcptCanonical = open("canonical_maps"), open("sender_canonical_maps"), open("recipient_canonical_maps")
	cl.virtual = open("virtual_alias_maps")
	cl.destination = openMatchList(cl.p, cl.c, cl.log, "mydestination", false)
}

func (cl *cleaner) all() maps {
	return append(append(append(append(maps(nil), cl.canonical...), cl.senderCanonical...), cl.rcptCanonical...), cl.virtual...)
}

// serve handles one client: it opens a queue file, takes the message, and
// answers when the message is safe.
func (cl *cleaner) serve(ctx context.Context, w *wireConn) {
	if d := cl.all().restarted(cl.p); d != nil {
		cl.log.info("table %s(0,%s) has changed -- restarting", d.spec, d.flags)
		cl.open()
	}
	id, f, err := cl.q.create(qIncoming)
	if err != nil {
		cl.log.warning("create file incoming: %s", libc.Strerror(err))
		w.enc.Encode(cleanupAnswer{Status: cleanDefer, Reason: "queue file write error"})
		return
	}
	defer f.Close()
	if w.enc.Encode(cleanupAnswer{ID: id}) != nil {
		cl.q.remove(qIncoming, id)
		return
	}
	var s submission
	if w.dec.Decode(&s) != nil {
		cl.q.remove(qIncoming, id)
		return
	}
	answer := cl.take(ctx, f, id, &s)
	if answer.Status != cleanOK || s.Abort {
		cl.q.remove(qIncoming, id)
	}
	w.enc.Encode(answer)
}

// take processes a message and queues it. When it returns cleanOK the message
// is safe, and what it replaces is gone.
func (cl *cleaner) take(ctx context.Context, f *os.File, id string, s *submission) cleanupAnswer {
	now := cl.p.Now().In(libc.Zone(cl.p))
	e := &envelope{arrival: now, created: now, attrs: s.Attrs, fullName: s.FullName, sender: s.Sender, qmgrFlags: s.Flags, utf8: s.UTF8}
	if e.attr("rewrite_context") == "" {
		if s.Local {
			e.setAttr("rewrite_context", "local")
		} else {
			e.setAttr("rewrite_context", "remote")
		}
	}
	for i, a := range e.attrs { // the arrival time of a forwarded or requeued mail is that of the first
		if v, ok := strings.CutPrefix(a, "arrival="); ok {
			e.arrival = parseTimeRecord(v)
			e.attrs = append(e.attrs[:i:i], e.attrs[i+1:]...)
			break
		}
	}
	fail := func(status int, format string, args ...any) cleanupAnswer {
		return cleanupAnswer{ID: id, Status: status, Reason: fmt.Sprintf(format, args...)}
	}
	rw, err := cl.rewriteAll(ctx, s.Sender)
	if err != nil {
		return fail(cleanDefer, "queue file write error")
	}
	e.sender = rw[0]
	if !s.Internal {
		if e.sender, err = cl.canonicalize(e.sender, cl.senderCanonical, "envelope_sender"); err != nil {
			return fail(cleanDefer, "queue file write error")
		}
	}
	if !s.Abort {
		if err := cl.recipients(ctx, id, s, e); err != nil {
			return fail(cleanDefer, "queue file write error")
		}
	}
	text, messageID, subject, err := cl.header(ctx, id, s, e)
	if err != nil {
		return fail(cleanDefer, "queue file write error")
	}
	cl.log.info("%s: message-id=%s", id, messageID)
	if s.Abort {
		return cleanupAnswer{ID: id}
	}
	if hops := bytes.Count(headOf(text), []byte("\nReceived:")); hops > cl.c.int("hopcount_limit") {
		cl.log.warning("%s: too many hops", id)
		return fail(cleanBadHops, "too many hops")
	}
	content := appendContent(nil, text, cl.c.int("line_length_limit"))
	if limit := cl.c.int64("message_size_limit"); limit > 0 && !s.Internal && int64(len(content)) > limit {
		cl.log.warning("%s: queue file size limit exceeded", id)
		return fail(cleanTooBig, "message file too big")
	}
	e.claim = s.Claim
	data := e.encode(content)
	if _, err := f.Write(data); err != nil {
		cl.log.warning("%s: write queue file: %s", id, libc.Strerror(err))
		return fail(cleanDefer, "queue file write error")
	}
	if err := f.Sync(); err != nil {
		return fail(cleanDefer, "queue file write error")
	}
	cl.p.Stamp(f)
	var rcpts []string
	for _, r := range e.recipients {
		rcpts = append(rcpts, r.Address)
	}
	cl.log.emit(trace.MailAccepted, trace.Attrs{"id": id, "sender": e.sender, "recipients": strings.Join(rcpts, " "),
		"subject": subject, "message-id": messageID, "from": e.attr("log_client_name")})
	if err := cl.commit(ctx, id, s.Claim); err != nil {
		cl.log.warning("%s: %s", id, libc.Strerror(err))
		return fail(cleanDefer, "queue file write error")
	}
	return cleanupAnswer{ID: id}
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
func (cl *cleaner) commit(ctx context.Context, id string, c claim) error {
	if err := cl.p.Sys.Chmod(cl.q.path(qIncoming, id), modeReady); err != nil {
		return err
	}
	if c != "" {
		if err := cl.q.release(c); err != nil {
			// qmgr(8) will do it, before it takes the message up.
			cl.log.warning("%s: replace %s: %s", id, c, libc.Strerror(err))
		}
	}
	cl.poke(ctx, qmgrSocket, "incoming")
	return nil
}

// poke sends a word to a service that may not be there.
func (d *daemon) poke(ctx context.Context, socket, word string) error {
	conn, err := d.p.Sys.Dial(ctx, "unix", d.c.get("queue_directory")+"/"+socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	w := newWireConn(conn)
	if _, err := w.r.ReadByte(); err != nil {
		return err
	}
	if err := w.enc.Encode(qmgrQuestion{Verb: word}); err != nil {
		return err
	}
	var answer string
	return w.dec.Decode(&answer)
}

// canonicalize applies canonical(5) to an address.
func (cl *cleaner) canonicalize(address string, specific maps, class string) (string, error) {
	if address == "" {
		return "", nil
	}
	inClass := false
	for _, w := range cl.c.list("canonical_classes") {
		inClass = inClass || w == class
	}
	both := []maps{specific}
	if inClass {
		both = append(both, cl.canonical)
	}
	for _, m := range both {
		v, _, ok, err := m.address(cl.log, address, cl.c.get("recipient_delimiter"), cl.isLocal, true)
		if err != nil {
			return "", err
		}
		if ok {
			local, _, _ := splitAddress(address)
			if strings.HasPrefix(v, "@") {
				v = local + v
			}
			address = newRewriter(cl.c).rewrite(v)
		}
	}
	return address, nil
}

func (cl *cleaner) isLocal(domain string) bool {
	if strings.EqualFold(domain, cl.c.get("myorigin")) {
		return true
	}
	hit, _ := cl.destination.match(cl.log, domain, "")
	return hit
}

// header makes the message ready: Received on top, addresses completed, what is
// missing at the end.
func (cl *cleaner) header(ctx context.Context, id string, s *submission, e *envelope) (text []byte, messageID, subject string, err error) {
	c := cl.c
	now := cl.p.Now().In(libc.Zone(cl.p))
	fields, body := splitHeader(s.Content)
	var b bytes.Buffer
	if len(s.Received) > 0 {
		for _, line := range s.Received {
			b.WriteString(strings.NewReplacer("%ID%", id, "%DATE%", mailDate(now)).Replace(line) + "\n")
		}
	}
	dropped := map[string]bool{}
	for _, n := range c.list("message_drop_headers") {
		dropped[strings.ToLower(n)] = true
	}
	seen := map[string]bool{}
	resent := ""
	for _, h := range fields {
		lower := strings.ToLower(h.name)
		if strings.HasPrefix(lower, "resent-") {
			resent = "Resent-"
		}
		if dropped[lower] {
			continue
		}
		seen[lower] = true
		switch lower {
		case "message-id":
			messageID = strings.TrimSpace(h.value())
		case "subject":
			subject = strings.TrimSpace(h.value())
		}
		if s.Local && addressHeaders[lower] {
			lines, changed, err := cl.rewriteHeader(ctx, h, senderHeaders[lower])
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
		for _, line := range h.lines {
			b.Write(line)
			b.WriteByte('\n')
		}
	}
	if s.Local || c.bool("always_add_missing_headers") {
		prefix := strings.ToLower(resent)
		if !seen[prefix+"message-id"] {
			made := fmt.Sprintf("<%s.%s@%s>", now.UTC().Format("20060102150405"), id, c.get("myhostname"))
			fmt.Fprintf(&b, "%sMessage-Id: %s\n", resent, made)
			if messageID == "" {
				messageID = made
			}
		}
		if !seen[prefix+"date"] {
			fmt.Fprintf(&b, "%sDate: %s\n", resent, mailDate(now))
		}
		if !seen[prefix+"from"] {
			b.WriteString(resent + "From: " + fromHeader(c, e.sender, s.FullName) + "\n")
		}
	}
	if messageID == "" {
		messageID = "<>"
	}
	b.Write(body)
	return b.Bytes(), messageID, subject, nil
}

// fromHeader is what a missing From header gets.
func fromHeader(c *Config, sender, fullName string) string {
	if sender == "" {
		return "MAILER-DAEMON"
	}
	if fullName == "" {
		return external(sender)
	}
	if c.get("header_from_format") == "obsolete" {
		return external(sender) + " (" + fullName + ")"
	}
	if strings.ContainsAny(fullName, "()<>@,;:\\\".[]") {
		fullName = quoteString(fullName)
	}
	return fullName + " <" + external(sender) + ">"
}

// rewriteHeader completes the addresses of a header field.
func (cl *cleaner) rewriteHeader(ctx context.Context, h header, sender bool) (lines []string, changed bool, err error) {
	boxes := parseAddresses(h.value())
	var in []string
	for _, m := range boxes {
		in = append(in, m.address)
	}
	if len(in) == 0 {
		return nil, false, nil
	}
	out, err := cl.rewriteAll(ctx, in...)
	if err != nil {
		return nil, false, err
	}
	var addresses []string
	for i := range boxes {
		mapped := out[i]
		specific, class := cl.rcptCanonical, "header_recipient"
		if sender {
			specific, class = cl.senderCanonical, "header_sender"
		}
		if mapped, err = cl.canonicalize(mapped, specific, class); err != nil {
			return nil, false, err
		}
		changed = changed || mapped != boxes[i].address
		boxes[i].address = mapped
		addresses = append(addresses, boxes[i].format())
	}
	return foldHeader(h.name, addresses), changed, nil
}

// recipients completes, maps and sorts out the recipients.
func (cl *cleaner) recipients(ctx context.Context, id string, s *submission, e *envelope) error {
	var in []string
	for _, r := range s.Recipients {
		in = append(in, r.Address)
	}
	if len(in) == 0 {
		return nil
	}
	out, err := cl.rewriteAll(ctx, in...)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, r := range s.Recipients {
		if r.Address == "" && out[i] == "" {
			out[i] = cl.c.get("empty_address_recipient") + "@" + cl.c.get("myorigin")
		}
		address := out[i]
		if r.DSNOriginal == "" {
			r.DSNOriginal = "rfc822;" + external(address)
		}
		members := []string{address}
		if !s.Internal {
			if address, err = cl.canonicalize(address, cl.rcptCanonical, "envelope_recipient"); err != nil {
				return err
			}
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
			e.recipients = append(e.recipients, r)
		}
	}
	return nil
}

// expandVirtual applies virtual(5) until nothing changes.
func (cl *cleaner) expandVirtual(id, address string) ([]string, error) {
	if len(cl.virtual) == 0 {
		return []string{address}, nil
	}
	rw := newRewriter(cl.c)
	seen := map[string]bool{}
	var out []string
	limit := cl.c.int("virtual_alias_expansion_limit")
	var expand func(a string, depth int) error
	expand = func(a string, depth int) error {
		v, ext, ok, err := cl.virtual.address(cl.log, a, cl.c.get("recipient_delimiter"), cl.isLocal, true)
		if err != nil || depth > cl.c.int("virtual_alias_recursion_limit") || len(out) > limit {
			cl.log.warning("%s: virtual_alias_maps map lookup problem for %s -- message not accepted, try again later", id, a)
			return errQueue
		}
		if !ok || seen[strings.ToLower(a)] {
			out = append(out, a)
			return nil
		}
		seen[strings.ToLower(a)] = true
		local, _, _ := splitAddress(a)
		for _, m := range parseAddresses(v) {
			next := m.address
			if strings.HasPrefix(next, "@") {
				next = local + next
			}
			next = rw.rewrite(next)
			if ext != "" {
				l, d, _ := splitAddress(next)
				next = l + ext + "@" + d
			}
			if strings.EqualFold(next, a) {
				out = append(out, next)
				continue
			}
			if err := expand(next, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := expand(address, 0); err != nil {
		return nil, err
	}
	return out, nil
}

// enqueueing is a client's side of one message on its way to cleanup(8).
type enqueueing struct {
	w  *wireConn
	id string
}

// enqueue opens a queue file; the id is known from then on.
func (d *daemon) enqueue(ctx context.Context) (*enqueueing, error) {
	w, err := d.peer.dial(ctx, cleanupSocket)
	if err != nil {
		return nil, err
	}
	var a cleanupAnswer
	if err := w.dec.Decode(&a); err != nil || a.Status != cleanOK {
		w.Close()
		return nil, errQueue
	}
	return &enqueueing{w, a.ID}, nil
}

// finish sends the message and waits until it is safe. An error leaves open
// whether it is; the claim of the message tells later.
func (e *enqueueing) finish(s *submission) (cleanupAnswer, error) {
	var a cleanupAnswer
	if err := e.w.enc.Encode(s); err != nil {
		return a, errQueue
	}
	if err := e.w.dec.Decode(&a); err != nil {
		return a, errQueue
	}
	return a, nil
}

func (e *enqueueing) close() { e.w.Close() }

// forward queues a message that the mail system makes.
func (d *daemon) forward(ctx context.Context, s *submission) (id string, err error) {
	e, err := d.enqueue(ctx)
	if err != nil {
		return "", err
	}
	defer e.close()
	a, err := e.finish(s)
	if err != nil {
		return "", err
	}
	if a.Status != cleanOK {
		return "", fmt.Errorf("%s", a.Reason)
	}
	return e.id, nil
}
