package cleanup

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"enshu/sim/libc"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/header"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
)

// header_checks(5) and body_checks: what a table says about a line of a message.

// checker looks at one message.
type checker struct {
	cl     *cleaner
	id     string
	s      *service.Submission
	e      *queue.Envelope
	stop   bool   // the client hears of the first refusal; nothing after it counts
	reject string // "5.7.1 why", of the first refusal
	gone   bool   // DISCARD
	hold   bool
	send   string   // REDIRECT
	bcc    []string // more recipients
	header bool     // the refusal was in the header
}

// bodySize is how much of a body is looked at.
func (k *checker) bodySize() int { return k.cl.Conf.Int("body_checks_size_limit") }

// text checks a whole message and returns what is left of it.
func (k *checker) text(content []byte) []byte {
	cl := k.cl
	if len(cl.headerChecks)+len(cl.mimeChecks)+len(cl.bodyChecks) == 0 {
		return content
	}
	fields, body := header.Split(content)
	var out bytes.Buffer
	for _, h := range fields {
		table, name := cl.headerChecks, "header_checks"
		lower := strings.ToLower(h.Name)
		if lower == "mime-version" || strings.HasPrefix(lower, "content-") {
			table, name = cl.mimeChecks, "mime_header_checks"
		}
		line := string(bytes.Join(h.Lines, []byte("\n")))
		k.line(&out, table, name, "header", line)
	}
	if k.done() {
		k.header = true
	}
	out.Write(body[:len(body)-len(bytes.TrimPrefix(body, []byte("\n")))])
	rest := bytes.TrimPrefix(body, []byte("\n"))
	if len(cl.bodyChecks) == 0 {
		out.Write(rest)
		return out.Bytes()
	}
	seen := 0
	for len(rest) > 0 && !k.done() {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		if seen > k.bodySize() {
			out.Write(rest)
			break
		}
		seen += len(line)
		before := out.Len()
		k.line(&out, cl.bodyChecks, "body_checks", "body", string(line))
		if !ended && out.Len() > before {
			out.Truncate(out.Len() - 1)
		}
		rest = after
	}
	return out.Bytes()
}

// done reports whether nothing after this counts.
func (k *checker) done() bool { return k.gone || k.stop && k.reject != "" }

// line checks one line, or header with its continuation lines, and writes what
// becomes of it.
func (k *checker) line(out *bytes.Buffer, table table.Maps, param, what, line string) {
	if k.done() {
		return
	}
	keep := func() { out.WriteString(line + "\n") }
	value, ok, err := table.Lookup(k.cl.Log, line)
	if err != nil || !ok {
		keep()
		return
	}
	verb, text, _ := strings.Cut(strings.TrimSpace(value), " ")
	text = strings.TrimSpace(text)
	need := func() bool { // an action that is nothing without its text
		if text == "" {
			k.cl.Log.Warning("missing %s text in %s map: %s", strings.ToUpper(verb), param, value)
		}
		return text != ""
	}
	switch strings.ToUpper(verb) {
	case "REJECT":
		dsn, why := "5.7.1", text
		if f, rest, ok := strings.Cut(text+" ", " "); ok && validDSN(f) {
			dsn, why = f, strings.TrimSpace(rest)
		}
		if why == "" {
			why = "message content rejected"
		}
		k.tell("reject", what, line, dsn+" "+why)
		if k.reject == "" {
			k.reject = dsn + " " + why
		}
		keep()
	case "DISCARD":
		k.tell("discard", what, line, text)
		k.gone = true
	case "WARN":
		k.tell("warning", what, line, text)
		keep()
	case "INFO", "PASS":
		k.tell(strings.ToLower(verb), what, line, text)
		keep()
	case "STRIP":
		k.tell("strip", what, line, text)
	case "IGNORE":
	case "DUNNO", "OK":
		keep()
	case "HOLD":
		k.tell("hold", what, line, text)
		k.hold = true
		keep()
	case "REPLACE":
		if need() {
			k.tell("replace", what, line, text)
			out.WriteString(text + "\n")
		} else {
			keep()
		}
	case "PREPEND":
		if need() {
			k.tell("prepend", what, line, text)
			out.WriteString(text + "\n")
		}
		keep()
	case "REDIRECT":
		if need() {
			k.tell("redirect", what, line, text)
			k.send = text
		}
		keep()
	case "BCC":
		if need() {
			k.tell("bcc", what, line, text)
			k.bcc = append(k.bcc, text)
		}
		keep()
	default:
		k.cl.Log.Warning("unknown command in %s map: %s", param, value)
		keep()
	}
}

// validDSN reports whether a word is an enhanced status code (RFC 3463).
func validDSN(s string) bool {
	f := strings.Split(s, ".")
	if len(f) != 3 || len(f[0]) != 1 || strings.Trim(f[0], "245") != "" {
		return false
	}
	for _, n := range f[1:] {
		if n == "" || len(n) > 3 || strings.Trim(n, "0123456789") != "" {
			return false
		}
	}
	return true
}

// tell logs what is done because of a line.
func (k *checker) tell(action, what, line, text string) {
	e := k.e
	origin := "local"
	if name := e.Attr("log_client_name"); name != "" {
		origin = fmt.Sprintf("%s[%s]", name, e.Attr("log_client_address"))
	}
	to := ""
	if len(e.Recipients) > 0 {
		to = fmt.Sprintf(" to=<%s>", mailaddr.External(e.Recipients[0].Address))
	}
	via := ""
	if proto := e.Attr("log_protocol_name"); proto != "" {
		via = " proto=" + proto
		if helo := e.Attr("log_helo_name"); helo != "" {
			via += fmt.Sprintf(" helo=<%s>", helo)
		}
	}
	if text != "" {
		text = ": " + text
	}
	k.cl.Log.Info("%s: %s: %s %.200s from %s; from=<%s>%s%s%s", k.id, action, what, maillog.OneLine(line), origin, mailaddr.External(e.Sender), to, via, text)
}

// returnToSender bounces a message that was submitted here and that a table
// refuses: nobody waits for an answer.
func (cl *cleaner) returnToSender(ctx context.Context, id string, s *service.Submission, e *queue.Envelope, reject string) error {
	status, why, _ := strings.Cut(reject, " ")
	now := cl.Proc.Now()
	x := &service.Delivery{Daemon: cl.Daemon, Req: &service.DeliveryRequest{ID: id, Sender: e.Sender, Arrival: e.Arrival, Active: now}}
	for _, r := range e.Recipients {
		x.Began, x.Settled = now, now
		x.Bounced(r, "none", service.Fate{Status: status, Text: why})
	}
	var answer string
	err := cl.Peers.Ask(ctx, "private/bounce", service.BounceQuestion{Queue: dsn.BounceLog, ID: id, Where: queue.Incoming, Claim: s.Claim}, &answer)
	if err == nil && answer != "ok" {
		err = queue.ErrWrite
	}
	return err
}

// addCopies adds the recipients of always_bcc, sender_bcc_maps and
// recipient_bcc_maps.
func (cl *cleaner) addCopies(e *queue.Envelope, extra []string) error {
	c := cl.Conf
	add := func(list string) {
		for _, m := range mailaddr.Parse(list) {
			address := service.NewRewriter(c).Rewrite(m.Address)
			for _, r := range e.Recipients {
				if strings.EqualFold(r.Address, address) && strings.EqualFold(r.Original, mailaddr.External(address)) {
					address = ""
					break
				}
			}
			if address != "" {
				e.Recipients = append(e.Recipients, queue.Recipient{Address: address, Original: mailaddr.External(address), Notify: dsn.Never,
					DSNOriginal: "rfc822;" + address})
			}
		}
	}
	given := len(e.Recipients)
	for _, r := range e.Recipients[:given] {
		v, _, ok, err := cl.rcptBCC.Address(cl.Log, r.Address, c.Get("recipient_delimiter"), cl.isLocal, true)
		if err != nil {
			return err
		}
		if ok {
			add(v)
		}
	}
	if e.Sender != "" {
		v, _, ok, err := cl.senderBCC.Address(cl.Log, e.Sender, c.Get("recipient_delimiter"), cl.isLocal, true)
		if err != nil {
			return err
		}
		if ok {
			add(v)
		}
	}
	if v := c.Get("always_bcc"); v != "" {
		add(v)
	}
	for _, v := range extra {
		add(v)
	}
	return nil
}

// masquerade takes the host off a domain that masquerade_domains has
// (ADDRESS_REWRITING_README).
func (cl *cleaner) masquerade(address, class string) string {
	domains := cl.Conf.List("masquerade_domains")
	if len(domains) == 0 {
		return address
	}
	inClass := false
	for _, w := range cl.Conf.List("masquerade_classes") {
		inClass = inClass || w == class
	}
	local, domain, has := mailaddr.Split(address)
	if !inClass || !has {
		return address
	}
	for _, user := range cl.Conf.List("masquerade_exceptions") {
		if strings.EqualFold(user, local) {
			return address
		}
	}
	for _, m := range domains {
		keep := false
		for strings.HasPrefix(m, "!") {
			keep, m = !keep, m[1:]
		}
		if strings.EqualFold(domain, m) {
			return address
		}
		if strings.HasSuffix(strings.ToLower(domain), "."+strings.ToLower(m)) {
			if keep {
				return address
			}
			return local + "@" + domain[len(domain)-len(m):]
		}
	}
	return address
}

// drop forgets a message that nobody is to get.
func (cl *cleaner) drop(id string, c queue.Claim) error {
	if c != "" {
		if err := cl.Queue.Release(c); err != nil {
			return err
		}
	}
	if err := cl.Queue.Remove(queue.Incoming, id); err != nil {
		cl.Log.Warning("%s: %s", id, libc.Strerror(err))
	}
	return nil
}
