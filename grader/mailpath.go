package grader

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// mailWithin is how long a mail may take.
const mailWithin = 10 * time.Second

// mailWalk is one mail on its way.
type mailWalk struct {
	verdict
	v        *view
	a        *mailArgs
	sender   string
	receiver string
	story    []trace.Event // what happened to the mail, across hosts
}

// runMail sends a mail, waits for it in the mailbox, and if it does not come
// follows its story to where it stopped.
func runMail(ctx context.Context, v *view, a *mailArgs) verdict {
	w := &mailWalk{v: v, a: a, sender: string(a.Send.Host), receiver: string(a.Arrives.Host)}
	w.params = params{}.with("sender", w.sender).with("receiver", w.receiver).with("host", w.sender).with("to", a.Send.To).
		with("user", string(a.Arrives.User)).with("mailbox", a.mailbox())
	user := string(a.Send.User)
	if user == "" {
		user = "root"
	}
	body := a.Send.Text
	if body == "" {
		body = "enshu"
	}
	subject := strings.TrimSpace(a.Send.Subject + " " + v.token)
	out, err := v.as(ctx, w.sender, user, "printf '%s\\n' "+quote(body)+" | mail -s "+quote(subject)+" "+quote(a.Send.To))
	if err != nil {
		w.err = err
		return w.verdict
	}
	if out.Status != 0 {
		w.params.with("error", clip(out.Stderr))
		w.broken = "mail-failed"
		if out.Status == 127 || out.Status == 126 {
			w.broken = "mail-command-missing"
		}
		return w.verdict
	}
	w.holds("mail-command")
	within := v.within(mailWithin)
	if v.check.Not {
		within = v.within(3 * time.Second)
	}
	arrived, err := v.until(ctx, w.receiver, within, func() (bool, error) {
		data, err := v.read(w.receiver, a.mailbox())
		if strings.Contains(data, v.token) {
			return true, nil
		}
		// Nothing more comes of a mail that was refused or returned.
		return false, err
	})
	w.follow()
	switch {
	case err != nil || ctx.Err() != nil:
		w.err = err
	case arrived:
		w.arrived()
	case v.check.Not:
		w.broken = "mail-lost" // as it should be
	default:
		w.err = w.walk(ctx)
	}
	return w.verdict
}

func (w *mailWalk) holds(step string) { w.walked = append(w.walked, step) }

func (w *mailWalk) breaks(host, link string) {
	w.params.with("host", host)
	w.broken = link
}

// follow collects the events of the mail: its subject holds the token, and from
// there its queue ids on each host, and those of mails made of it.
func (w *mailWalk) follow() {
	ids := map[string]bool{} // host and queue id
	for _, e := range w.v.lab.Trace().Since(w.v.start) {
		mine := strings.Contains(e.Attrs["subject"], w.v.token) || e.Attrs["id"] != "" && ids[e.Host+" "+e.Attrs["id"]]
		if e.Kind == trace.MailRejected {
			// A refused command has no queue id: the recipient tells.
			mine = e.Host != w.sender && strings.Contains(e.Attrs["to"], w.a.Send.To)
		}
		if !mine {
			continue
		}
		if id := e.Attrs["id"]; id != "" {
			ids[e.Host+" "+id] = true
		}
		if id := e.Attrs["to-id"]; id != "" {
			ids[e.Host+" "+id] = true
		}
		w.story = append(w.story, e)
		w.evidence = append(w.evidence, e.Seq)
	}
}

// last returns the last event of a kind, nil when there was none.
func (w *mailWalk) last(kind trace.Kind) *trace.Event {
	for i := len(w.story) - 1; i >= 0; i-- {
		if w.story[i].Kind == kind {
			return &w.story[i]
		}
	}
	return nil
}

// arrived judges a mail that came to its mailbox: whether it came the right way.
func (w *mailWalk) arrived() {
	w.holds("postfix")
	w.holds("accepted")
	var passed []string
	for _, e := range w.story {
		if e.Kind == trace.MailAccepted && !contains(passed, e.Host) {
			passed = append(passed, e.Host)
		}
	}
	for _, host := range w.a.Via {
		if !contains(passed, string(host)) {
			w.params.with("via", string(host)).with("passed", strings.Join(passed, ", "))
			w.broken = "mail-other-way"
			return
		}
	}
	if len(w.a.Via) > 0 {
		w.holds("via")
	}
	w.holds("mailbox")
}

// walk goes from the sender's queue to the mailbox and stops at the first
// broken link.
func (w *mailWalk) walk(ctx context.Context) error {
	u, err := w.v.unit(ctx, w.sender, "postfix")
	if err != nil {
		return err
	}
	if u.active != "active" {
		w.params.with("state", u.active)
		w.breaks(w.sender, "postfix-not-running")
		return nil
	}
	w.holds("postfix")
	if w.last(trace.MailAccepted) == nil {
		w.breaks(w.sender, "mail-not-accepted")
		return nil
	}
	w.holds("accepted")
	if e := w.last(trace.MailRejected); e != nil {
		w.params.with("reason", clip(e.Attrs["reply"]))
		w.breaks(e.Host, "mail-rejected")
		return nil
	}
	// A mail may go several ways: the one that failed tells more than another
	// that did not.
	if e := w.last(trace.MailBounced); e != nil {
		if done, err := w.aliasStale(ctx, e.Host); done || err != nil {
			return err
		}
		w.params.with("reason", clip(e.Attrs["reason"]))
		w.breaks(e.Host, "mail-bounced")
		return nil
	}
	if e := w.last(trace.MailDeferred); e != nil {
		return w.deferred(ctx, e)
	}
	if e := w.last(trace.MailDelivered); e != nil {
		return w.elsewhere(ctx, e)
	}
	w.breaks(w.receiver, "mail-lost")
	return nil
}

// elsewhere tells why a mail was delivered to another mailbox.
func (w *mailWalk) elsewhere(ctx context.Context, e *trace.Event) error {
	if done, err := w.aliasStale(ctx, e.Host); done || err != nil {
		return err
	}
	local, _, _ := strings.Cut(e.Attrs["to"], "@")
	if ignored, err := w.forwardIgnored(e.Host, local); ignored || err != nil {
		return err
	}
	w.params.with("mailbox", e.Attrs["mailbox"])
	w.breaks(e.Host, "mail-elsewhere")
	return nil
}

// aliasStale breaks the walk when /etc/aliases has an alias for the address
// that the database has not.
func (w *mailWalk) aliasStale(ctx context.Context, host string) (bool, error) {
	name, _, _ := strings.Cut(w.a.Send.To, "@")
	file, err := w.v.read(host, "/etc/aliases")
	if err != nil {
		return false, err
	}
	inFile := aliasInFile(file, name)
	out, err := w.v.sh(ctx, host, "postalias -q "+quoteWord(name)+" hash:/etc/aliases")
	if err != nil {
		return false, err
	}
	if strings.Join(inFile, ",") == strings.Join(addresses(out.Stdout), ",") {
		return false, nil
	}
	w.params.with("name", name)
	w.breaks(host, "alias-not-loaded")
	return true, nil
}

// forwardIgnored breaks the walk when a user has a .forward that was not used.
func (w *mailWalk) forwardIgnored(host, user string) (bool, error) {
	name := "/home/" + user + "/.forward"
	if user == "root" {
		name = "/root/.forward"
	}
	for _, e := range w.story {
		if e.Host == host && strings.HasSuffix(e.Attrs["file"], "/.forward") {
			return false, nil // it was used
		}
	}
	info, err := w.v.lab.Stat(host, name)
	if err != nil {
		return false, nil // there is none
	}
	owner, err := w.v.owner(host, info)
	if err != nil {
		return false, err
	}
	w.params.with("file", name).with("mode", octal(info.Mode())).with("owner", owner)
	w.breaks(host, "forward-ignored")
	return true, nil
}

// deferred tells why a mail could not be handed to another host.
func (w *mailWalk) deferred(ctx context.Context, e *trace.Event) error {
	w.params.with("reason", clip(e.Attrs["reason"]))
	if host := w.hostOf(e.Attrs["relay"] + " " + e.Attrs["reason"]); host != "" && host != e.Host {
		w.holds("address")
		return w.door(ctx, e, host)
	}
	w.breaks(e.Host, "mail-deferred")
	return nil
}

// hostOf returns the host of the lab whose address stands in a text.
func (w *mailWalk) hostOf(s string) string {
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" []():,<>", r) }) {
		a, err := netip.ParseAddr(f)
		if err != nil {
			continue
		}
		for i := range w.v.spec.Hosts {
			for _, n := range w.v.spec.Hosts[i].Networks {
				if n.Address == a {
					return w.v.spec.Hosts[i].Name
				}
			}
		}
	}
	return ""
}

// door looks at the next host from outside: its firewall, its port 25.
func (w *mailWalk) door(ctx context.Context, e *trace.Event, host string) error {
	port := scenario.Port{Number: 25, Transport: "tcp"}
	f, err := w.v.firewalls(ctx, host)
	if err != nil {
		return err
	}
	w.params.with("port", port.String())
	if f.running {
		if link := f.closedLink(port, false, w.params); link != "" {
			w.breaks(host, link)
			return nil
		}
	}
	w.holds("filter")
	all, err := w.v.sockets(ctx, host)
	if err != nil {
		return err
	}
	open := false
	var at []string
	for _, s := range on(all, port) {
		open = open || !s.loopback()
		at = append(at, s.address)
	}
	if !open {
		u, err := w.v.unit(ctx, host, "postfix")
		if err != nil {
			return err
		}
		if u.active != "active" {
			w.params.with("state", u.active)
			w.breaks(host, "postfix-not-running")
			w.step = "listener"
			return nil
		}
		w.params["listening"] = text("なし", "nothing")
		if len(at) > 0 {
			w.params.with("listening", strings.Join(at, ", "))
		}
		w.breaks(host, "mail-not-listening")
		return nil
	}
	w.holds("listener")
	w.breaks(e.Host, "mail-deferred")
	w.step = "relay"
	return nil
}
