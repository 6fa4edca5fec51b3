package mail

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"enshu/grader/check"
	"enshu/grader/probe"
	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// mailWithin is how long a mail may take.
const mailWithin = 10 * time.Second

// mailWalk is one mail on its way.
type mailWalk struct {
	check.Verdict
	v        *check.View
	a        *mailArgs
	sender   string
	receiver string
	story    []trace.Event // what happened to the mail, across hosts
}

// runMail sends a mail, waits for it in the mailbox, and if it does not come
// follows its story to where it stopped.
func runMail(ctx context.Context, v *check.View, a *mailArgs) check.Verdict {
	w := &mailWalk{v: v, a: a, sender: string(a.Send.Host), receiver: string(a.Arrives.Host)}
	w.Params = check.Params{}.With("sender", w.sender).With("receiver", w.receiver).With("host", w.sender).With("to", a.Send.To).
		With("user", string(a.Arrives.User)).With("mailbox", a.mailbox())
	user := string(a.Send.User)
	if user == "" {
		user = "root"
	}
	body := a.Send.Text
	if body == "" {
		body = "enshu"
	}
	subject := strings.TrimSpace(a.Send.Subject + " " + v.Token)
	out, err := v.As(ctx, w.sender, user, "printf '%s\\n' "+check.Quote(body)+" | mail -s "+check.Quote(subject)+" "+check.Quote(a.Send.To))
	if err != nil {
		w.Err = err
		return w.Verdict
	}
	if out.Status != 0 {
		w.Params.With("error", check.Clip(out.Stderr))
		w.Broken = "mail-failed"
		if out.Status == 127 || out.Status == 126 {
			w.Broken = "mail-command-missing"
		}
		return w.Verdict
	}
	w.holds("mail-command")
	within := v.Within(mailWithin)
	if v.Check.Not {
		within = v.Within(3 * time.Second)
	}
	arrived, err := v.Until(ctx, w.receiver, within, func() (bool, error) {
		data, err := v.Read(w.receiver, a.mailbox())
		if strings.Contains(data, v.Token) {
			return true, nil
		}
		// Nothing more comes of a mail that was refused or returned.
		return false, err
	})
	w.follow()
	switch {
	case err != nil || ctx.Err() != nil:
		w.Err = err
	case arrived:
		w.arrived()
	case v.Check.Not:
		w.Broken = "mail-lost" // as it should be
	default:
		w.Err = w.walk(ctx)
	}
	return w.Verdict
}

func (w *mailWalk) holds(step string) { w.Walked = append(w.Walked, step) }

func (w *mailWalk) breaks(host, link string) {
	w.Params.With("host", host)
	w.Broken = link
}

// follow collects the events of the mail: its subject holds the token, and from
// there its queue ids on each host, and those of mails made of it.
func (w *mailWalk) follow() {
	ids := map[string]bool{} // host and queue id
	for _, e := range w.v.Lab.Trace().Since(w.v.Start) {
		mine := strings.Contains(e.Attrs["subject"], w.v.Token) || e.Attrs["id"] != "" && ids[e.Host+" "+e.Attrs["id"]]
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
		w.Evidence = append(w.Evidence, e.Seq)
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
		if e.Kind == trace.MailAccepted && !slices.Contains(passed, e.Host) {
			passed = append(passed, e.Host)
		}
	}
	for _, host := range w.a.Via {
		if !slices.Contains(passed, string(host)) {
			w.Params.With("via", string(host)).With("passed", strings.Join(passed, ", "))
			w.Broken = "mail-other-way"
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
	u, err := probe.Unit(ctx, w.v, w.sender, "postfix")
	if err != nil {
		return err
	}
	if u.Active != "active" {
		w.Params.With("state", u.Active)
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
		if done, err := w.aliasStale(ctx, e.Host); done || err != nil {
			return err
		}
		w.Params.With("reason", check.Clip(e.Attrs["reply"]))
		w.breaks(e.Host, "mail-rejected")
		return nil
	}
	// A mail may go several ways: the one that failed tells more than another
	// that did not.
	if e := w.last(trace.MailBounced); e != nil {
		if done, err := w.aliasStale(ctx, e.Host); done || err != nil {
			return err
		}
		w.Params.With("reason", check.Clip(e.Attrs["reason"]))
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
	if ignored, err := w.forwardIgnored(e.Host); ignored || err != nil {
		return err
	}
	w.Params.With("mailbox", e.Attrs["mailbox"])
	w.breaks(e.Host, "mail-elsewhere")
	return nil
}

// aliasStale breaks the walk when /etc/aliases has an alias for the address
// that the database has not.
func (w *mailWalk) aliasStale(ctx context.Context, host string) (bool, error) {
	name, _, _ := strings.Cut(w.a.Send.To, "@")
	file, err := w.v.Read(host, "/etc/aliases")
	if err != nil {
		return false, err
	}
	inFile := aliasInFile(file, name)
	out, err := w.v.Sh(ctx, host, "postalias -q "+check.Quote(name)+" hash:/etc/aliases")
	if err != nil {
		return false, err
	}
	if strings.Join(inFile, ",") == strings.Join(addresses(out.Stdout), ",") {
		return false, nil
	}
	w.Params.With("name", name)
	w.breaks(host, "alias-not-loaded")
	return true, nil
}

// forwardIgnored breaks the walk when a .forward was not obeyed.
func (w *mailWalk) forwardIgnored(host string) (bool, error) {
	unread := check.Pick(w.story, host, trace.MailUnread)
	if len(unread) == 0 {
		return false, nil
	}
	name := unread[0].Attrs["file"]
	info, err := w.v.Lab.Stat(host, name)
	if err != nil {
		return false, nil // it is gone by now
	}
	owner, err := probe.Owner(w.v, host, info)
	if err != nil {
		return false, err
	}
	w.Params.With("file", name).With("mode", probe.Octal(info.Mode())).With("owner", owner)
	w.breaks(host, "forward-ignored")
	return true, nil
}

// deferred tells why a mail could not be handed to another host.
func (w *mailWalk) deferred(ctx context.Context, e *trace.Event) error {
	w.Params.With("reason", check.Clip(e.Attrs["reason"]))
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
		for i := range w.v.Spec.Hosts {
			for _, n := range w.v.Spec.Hosts[i].Networks {
				if n.Address == a {
					return w.v.Spec.Hosts[i].Name
				}
			}
		}
	}
	return ""
}

// door looks at the next host from outside: its firewall, its port 25.
func (w *mailWalk) door(ctx context.Context, e *trace.Event, host string) error {
	port := scenario.Port{Number: 25, Transport: "tcp"}
	f, err := probe.Firewalld(ctx, w.v, host)
	if err != nil {
		return err
	}
	w.Params.With("port", port.String())
	if f.Running {
		if link := f.Closed(port, false, w.Params); link != "" {
			w.breaks(host, link)
			return nil
		}
	}
	w.holds("filter")
	all, err := probe.Sockets(ctx, w.v, host)
	if err != nil {
		return err
	}
	open := false
	var at []string
	for _, s := range probe.On(all, port) {
		open = open || !s.Loopback()
		at = append(at, s.Address)
	}
	if !open {
		u, err := probe.Unit(ctx, w.v, host, "postfix")
		if err != nil {
			return err
		}
		if u.Active != "active" {
			w.Params.With("state", u.Active)
			w.breaks(host, "postfix-not-running")
			w.Step = "listener"
			return nil
		}
		w.Params["listening"] = check.Text("なし", "nothing")
		if len(at) > 0 {
			w.Params.With("listening", strings.Join(at, ", "))
		}
		w.breaks(host, "mail-not-listening")
		return nil
	}
	w.holds("listener")
	w.breaks(e.Host, "mail-deferred")
	w.Step = "relay"
	return nil
}
