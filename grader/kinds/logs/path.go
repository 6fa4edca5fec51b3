package logs

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"enshu/grader/check"
	"enshu/grader/probe"
	"enshu/sim/scenario"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// outage is how long the receiver is stopped in a check with an outage, unless the
// sender gets rid of the message before. On a network that loses packets it may take
// seconds to find out that nobody listens, and these the lab cannot hurry: they are
// the kernel's.
const outage = 90 * time.Second

// logWalk is one message on its way.
type logWalk struct {
	check.Verdict
	v        *check.View
	a        *logArgs
	sender   string
	receiver string
	file     string
	priority syslog.Priority
}

// runLog sends a message, waits for it at its end, and if it does not come
// walks the path to where it stopped.
func runLog(ctx context.Context, v *check.View, a *logArgs) check.Verdict {
	w := &logWalk{v: v, a: a, sender: string(a.Send.Host), receiver: string(a.Arrives.Host), file: string(a.Arrives.File), priority: syslog.Priority(a.Send.Priority)}
	w.Params = check.Params{}.With("sender", w.sender).With("receiver", w.receiver).With("host", w.receiver).
		With("priority", w.priority.String()).With("file", w.file).With("error", "")
	if addr := w.addresses(); len(addr) > 0 {
		w.Params.With("address", addr[0].String())
	}
	within := v.Within(defaultWithin)
	if v.Check.Not {
		within = v.Within(unwantedWithin)
	}
	user, tag := string(a.Send.User), a.Send.Tag
	if user == "" {
		user = "root"
	}
	if tag == "" {
		tag = "enshu"
	}
	message := strings.TrimSpace(a.Send.Text + " " + v.Token)
	if a.Outage {
		if _, err := v.Sh(ctx, w.receiver, "systemctl stop rsyslog"); err != nil {
			w.Err = err
			return w.Verdict
		}
	}
	out, err := v.As(ctx, w.sender, user, "logger -p "+w.priority.String()+" -t "+check.Quote(tag)+" -- "+check.Quote(message))
	if err != nil {
		w.Err = err
		return w.Verdict
	}
	if out.Status != 0 || out.Stderr != "" {
		w.Params.With("error", check.Clip(out.Stderr))
		w.Broken = "logger-failed"
		return w.Verdict
	}
	w.holds("logger")
	if a.Outage {
		v.Until(ctx, w.receiver, outage, w.gone)
		if _, err := v.Sh(ctx, w.receiver, "systemctl start rsyslog"); err != nil {
			w.Err = err
			return w.Verdict
		}
	}
	var line string
	arrived, err := v.Until(ctx, w.receiver, within, func() (bool, error) {
		data, err := v.Read(w.receiver, w.file)
		if err != nil {
			return false, err
		}
		for _, l := range check.Lines(data) {
			if strings.Contains(l, v.Token) {
				line = l
				return true, nil
			}
		}
		return false, nil
	})
	for _, e := range v.About() {
		w.Evidence = append(w.Evidence, e.Seq)
	}
	switch {
	case err != nil || ctx.Err() != nil:
		w.Err = err
	case arrived:
		w.Err = w.arrived(ctx, line)
	case v.Check.Not:
		w.Broken = "file-not-written" // as it should be
	default:
		w.Err = w.walk(ctx)
		if a.Outage && (w.Broken == "not-received" || w.Broken == "send-suspended") {
			w.Broken = "lost-in-outage"
		}
	}
	return w.Verdict
}

// gone reports whether the sender has the message no longer: sent or given up.
func (w *logWalk) gone() (bool, error) {
	return slices.ContainsFunc(w.v.About(), func(e trace.Event) bool {
		return e.Host == w.sender && (e.Kind == trace.MessageSent || e.Kind == trace.MessageDropped)
	}), nil
}

func (w *logWalk) holds(step string) { w.Walked = append(w.Walked, step) }

// breaks ends the walk.
func (w *logWalk) breaks(link string) { w.Broken = link }

// breaksAt ends the walk at another step than the link's usual one.
func (w *logWalk) breaksAt(step, link string) { w.Step, w.Broken = step, link }

// arrived judges a message that came to its end: whether it came the right way.
func (w *logWalk) arrived(ctx context.Context, line string) error {
	v := w.v
	w.Lines = append(w.Lines, w.file+": "+check.Clip(line))
	w.Params.With("line", check.Clip(line))
	w.Params["place"] = check.Text("規則は不明", "by an unknown rule")
	for _, e := range check.Pick(v.About(), w.receiver, trace.MessageWritten) {
		if e.Attrs["file"] == w.file && e.Attrs["rule"] != "" {
			w.Params.With("place", e.Attrs["rule"])
		}
	}
	if w.sender != w.receiver {
		if w.a.Over != "" && !w.cameOver() {
			old, err := w.outdated(ctx)
			if !old {
				w.holds("sender-rule")
			}
			return err
		}
		w.holds("sender-rule")
		w.holds("transport")
		w.holds("received")
	}
	w.holds("receiver-rule")
	w.holds("file")
	if w.a.Skew > 0 {
		now := v.Lab.Clock(w.receiver).Now().In(w.zone())
		if d, ok := stampDifference(line, now); ok && d.Abs() > time.Duration(w.a.Skew) {
			w.Params.With("skew", w.a.Skew.String()).With("difference", d.Round(time.Second).String())
			w.breaks("time-differs")
			return nil
		}
		w.holds("stamp")
	}
	return nil
}

// outdated breaks the walk at the sender's rule when the file of the rule that
// forwarded the message has changed since it was loaded.
func (w *logWalk) outdated(ctx context.Context) (bool, error) {
	c, err := probe.Rsyslog(ctx, w.v, w.sender)
	if err != nil {
		return false, err
	}
	for _, e := range check.Pick(w.v.About(), w.sender, trace.RuleMatched) {
		file, _, _ := strings.Cut(e.Attrs["rule"], ":")
		if forwarding(e.Attrs["action"]) && slices.Contains(c.Stale, file) {
			w.Params.With("host", w.sender).With("place", e.Attrs["rule"])
			w.breaksAt("sender-rule", "rsyslog-not-restarted")
			return true, nil
		}
	}
	return false, nil
}

// cameOver reports whether the message was received by the transport asked for.
func (w *logWalk) cameOver() bool {
	for _, e := range check.Pick(w.v.About(), w.receiver, trace.MessageReceived) {
		if strings.HasSuffix(e.Attrs["input"], w.a.Over) { // imtcp, imudp
			return true
		}
	}
	for _, e := range check.Pick(w.v.About(), w.sender, trace.MessageSent) {
		if e.Attrs["over"] == w.a.Over {
			return true
		}
		w.Params.With("to", e.Attrs["to"]).With("place", e.Attrs["rule"])
		w.breaks("sent-over-" + e.Attrs["over"])
	}
	return w.Broken == ""
}

func (w *logWalk) zone() *time.Location {
	h := w.v.Spec.Host(w.receiver)
	if loc, err := time.LoadLocation(string(h.Timezone)); err == nil {
		return loc
	}
	return time.UTC
}

// walk goes from logger to the file and stops at the first broken link.
func (w *logWalk) walk(ctx context.Context) error {
	ok, err := w.daemon(ctx, w.sender, "sender-daemon")
	if !ok || err != nil {
		return err
	}
	if len(check.Pick(w.v.About(), w.sender, trace.MessageReceived)) == 0 {
		if held, err := w.held(ctx); held || err != nil {
			return err
		}
		w.Params.With("host", w.sender)
		w.breaks("rsyslog-not-receiving")
		return nil
	}
	w.holds("sender-input")
	if w.sender != w.receiver {
		steps := []func(context.Context) error{w.senderRule, w.way}
		for _, step := range steps {
			if err := step(ctx); err != nil || w.Broken != "" {
				return err
			}
		}
	}
	return w.receiverRule(ctx)
}

// held breaks the walk when the sender's daemon is busy with an earlier message:
// a filter that drops lets it wait for its connection, and what comes after
// waits in the queue.
func (w *logWalk) held(ctx context.Context) (bool, error) {
	var port scenario.Port
	for _, e := range w.v.Lab.Trace().Since(0) {
		t, ok := eventTarget(e)
		from, _, err := net.SplitHostPort(e.Attrs["from"])
		switch {
		case e.Kind == trace.MessageReceived && e.Host == w.receiver && strings.HasSuffix(e.Attrs["input"], "tcp"):
			port = scenario.Port{} // what was refused before has come by since
		case e.Kind == trace.PacketRefused && e.Host == w.receiver && e.Attrs["protocol"] == "tcp" && ok && err == nil && from == w.v.AddressFor(w.sender, w.receiver):
			port = scenario.Port{Number: t.port.Number, Transport: "tcp"}
		}
	}
	if w.sender == w.receiver || port.Number == 0 {
		return false, nil
	}
	w.Params.With("host", w.receiver)
	if err := w.refused(ctx, port, 0); err != nil || w.Broken == "" {
		return false, err
	}
	return true, nil
}

// daemon asks whether rsyslog runs on a host.
func (w *logWalk) daemon(ctx context.Context, host, step string) (bool, error) {
	u, err := probe.Unit(ctx, w.v, host, "rsyslog")
	if err != nil {
		return false, err
	}
	if u.Active != "active" {
		w.Params.With("host", host).With("state", u.Active)
		w.breaks("rsyslog-not-running")
		return false, nil
	}
	w.holds(step)
	return true, nil
}

// stale breaks the walk when one of the lines stands in a file that the daemon
// has not read as it is now.
func (w *logWalk) stale(c *probe.RsyslogConf, host, step string, about []probe.ConfLine) bool {
	for _, l := range about {
		if slices.Contains(c.Stale, l.File) {
			w.Params.With("host", host).With("place", l.Place())
			w.Lines = append(w.Lines, l.String())
			w.breaksAt(step, "rsyslog-not-restarted")
			return true
		}
	}
	return false
}

// sends returns what the sender's daemon tried with the message: what was sent,
// and the last failure to connect, which may be older than the message.
func (w *logWalk) sends() (sent []trace.Event, failed *trace.Event) {
	sent = check.Pick(w.v.About(), w.sender, trace.MessageSent)
	all := w.v.Lab.Trace().Since(0)
	for i := range all {
		e := &all[i]
		if e.Host != w.sender || e.Program != "rsyslogd" {
			continue
		}
		switch e.Kind {
		case trace.ConfigLoaded:
			failed = nil
		case trace.ConnectFailed:
			failed = e
		case trace.MessageSent:
			if failed != nil && e.Attrs["to"] == failed.Attrs["to"] {
				failed = nil
			}
		}
	}
	return sent, failed
}

// forwarding reports whether an action sends to another host.
func forwarding(action string) bool {
	return strings.HasPrefix(action, "@") || strings.Contains(action, "omfwd")
}

// senderRule finds out whether a rule in force forwards the message.
func (w *logWalk) senderRule(ctx context.Context) error {
	v := w.v
	sent, _ := w.sends()
	var matched, missed []trace.Event
	for _, e := range v.About() {
		switch {
		case e.Host != w.sender || !forwarding(e.Attrs["action"]):
		case e.Kind == trace.RuleMatched:
			matched = append(matched, e)
		case e.Kind == trace.RuleMissed:
			missed = append(missed, e)
		}
	}
	c, err := probe.Rsyslog(ctx, v, w.sender)
	if err != nil {
		return err
	}
	if w.stale(c, w.sender, "sender-rule", c.Forwards(false)) {
		return nil
	}
	if len(sent) > 0 || len(matched) > 0 {
		if old, err := w.outdated(ctx); old || err != nil {
			return err
		}
		w.holds("sender-rule")
		return nil
	}
	w.Params.With("host", w.sender)
	for _, e := range check.Pick(v.About(), w.sender, trace.RuleMatched) {
		if a := e.Attrs["action"]; a == "stop" || a == "~" {
			w.Params.With("place", e.Attrs["rule"])
			w.breaks("rule-stops")
			return nil
		}
	}
	if link, err := probe.RsyslogFault(ctx, v, w.sender, &w.Verdict); link != "" || err != nil {
		w.breaksAt("sender-rule", link)
		return err
	}
	for _, e := range missed {
		w.Params.With("place", e.Attrs["rule"]).With("selector", e.Attrs["selector"])
		w.breaks("selector-misses")
		return nil
	}
	if active := c.Forwards(false); len(active) > 0 {
		l := active[0]
		w.Lines = append(w.Lines, l.String())
		w.Params.With("place", l.Place()).With("selector", selectorOf(l))
		if l.Selects(w.priority) {
			w.breaksAt("sender-rule", "rsyslog-not-restarted")
		} else {
			w.breaks("selector-misses")
		}
		return nil
	}
	if comments := c.Forwards(true); len(comments) > 0 && w.meant(comments) {
		return nil
	}
	w.breaks("forward-missing")
	return nil
}

// meant breaks the walk when a commented line names the receiver: the examples
// of the default file do not.
func (w *logWalk) meant(comments []probe.ConfLine) bool {
	for _, l := range comments {
		host := l.Receiver()
		if host == w.receiver || w.isReceiver(host) {
			w.Lines = append(w.Lines, l.Place()+": #"+l.Text)
			w.Params.With("place", l.Place())
			w.breaks("forward-commented")
			return true
		}
	}
	return false
}

func selectorOf(l probe.ConfLine) string {
	f := strings.Fields(l.Text)
	if len(f) == 0 {
		return ""
	}
	return f[0]
}

// addresses returns the receiver's.
func (w *logWalk) addresses() []netip.Addr {
	var out []netip.Addr
	if h := w.v.Spec.Host(w.receiver); h != nil {
		for _, i := range h.Networks {
			out = append(out, i.Address)
		}
	}
	return out
}

func (w *logWalk) isReceiver(host string) bool {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return host == w.receiver
	}
	for _, own := range w.addresses() {
		if a == own {
			return true
		}
	}
	return false
}

// way follows the message from the sender's rule to the receiver's daemon:
// transport, address, filter, listener.
func (w *logWalk) way(ctx context.Context) error {
	t, ok := w.target()
	if !ok { // a rule matched and nothing is known of what it did
		w.Params["to"] = check.Text("宛先", "its target")
		w.breaks("not-received")
		return nil
	}
	w.Params.With("to", t.String()).With("place", t.rule).With("name", t.host)
	if w.a.Over != "" && t.port.Transport != w.a.Over && (t.port.Transport == "tcp" || t.port.Transport == "udp") {
		w.breaks("sent-over-" + t.port.Transport)
		return nil
	}
	w.holds("transport")
	if !w.isReceiver(t.host) {
		w.breaks("wrong-address")
		if _, err := netip.ParseAddr(t.host); err != nil {
			w.Params.With("error", t.err)
			w.breaks("name-unresolved")
		}
		return nil
	}
	all, err := probe.Sockets(ctx, w.v, w.receiver)
	if err != nil {
		return err
	}
	if len(probe.On(all, t.port)) == 0 {
		for _, s := range all {
			if slices.Contains(s.Programs, "rsyslogd") && s.Port.Transport == t.port.Transport {
				w.Params.With("listening", s.Port.String())
				w.breaks("wrong-port")
				return nil
			}
		}
	}
	w.holds("address")
	w.Params.With("host", w.receiver)
	if err := w.filter(ctx, t.port); err != nil || w.Broken != "" {
		return err
	}
	w.holds("filter")
	if len(probe.On(all, t.port)) == 0 {
		w.Broken, err = probe.InputLink(ctx, w.v, w.receiver, t.port, all, &w.Verdict)
		return err
	}
	w.holds("listener")
	switch {
	case len(check.Pick(w.v.About(), w.receiver, trace.MessageReceived)) > 0:
		w.holds("received")
	case t.err != "":
		w.Params.With("error", t.err)
		w.breaks("send-suspended")
	default:
		w.breaks("not-received")
	}
	return nil
}

// filter asks whether the receiver's firewall lets the message in.
func (w *logWalk) filter(ctx context.Context, port scenario.Port) error {
	return w.refused(ctx, port, w.v.Start)
}

// refused breaks the walk when the receiver's firewall has a port closed, or
// has refused a packet to it since an event.
func (w *logWalk) refused(ctx context.Context, port scenario.Port, since uint64) error {
	f, err := probe.Firewalld(ctx, w.v, w.receiver)
	if err != nil || !f.Running {
		return err // without firewalld nothing is filtered
	}
	refused := ""
	for _, e := range w.v.Lab.Trace().Since(since) {
		if e.Host == w.receiver && e.Kind == trace.PacketRefused && strings.HasSuffix(e.Attrs["to"], fmt.Sprintf(":%d", port.Number)) {
			refused = e.Attrs["chain"]
			w.Evidence = append(w.Evidence, e.Seq)
		}
	}
	if link := f.Closed(port, false, w.Params); link != "" {
		w.breaks(link)
	} else if refused != "" {
		w.Params.With("chain", refused)
		w.breaks("firewall-rule-refuses")
	}
	return nil
}

// receiverRule finds out what the receiver did with the message.
func (w *logWalk) receiverRule(ctx context.Context) error {
	v := w.v
	w.Params.With("host", w.receiver)
	c, err := probe.Rsyslog(ctx, v, w.receiver)
	if err != nil {
		return err
	}
	var missed *trace.Event
	matched := false
	var dropped string
	stopped := ""
	for _, e := range v.About() {
		if e.Host != w.receiver {
			continue
		}
		file, _, _ := strings.Cut(strings.TrimPrefix(e.Attrs["action"], "-"), ";")
		switch {
		case e.Kind == trace.MessageDropped:
			dropped = e.Attrs["reason"]
		case e.Kind == trace.RuleMatched && file == w.file, e.Kind == trace.MessageWritten && e.Attrs["file"] == w.file:
			matched = true
		case e.Kind == trace.RuleMatched && (file == "stop" || file == "~"):
			stopped = e.Attrs["rule"]
		case e.Kind == trace.RuleMissed && file == w.file:
			missed = &e
		}
	}
	if matched {
		w.holds("receiver-rule")
		if dropped != "" {
			w.Params["error"] = check.Text("（"+dropped+"）", " ("+dropped+")")
		}
		w.breaks("file-not-written")
		return nil
	}
	active := c.Writes(w.file, false)
	if w.stale(c, w.receiver, "receiver-rule", active) {
		return nil
	}
	if link, err := probe.RsyslogFault(ctx, v, w.receiver, &w.Verdict); link != "" || err != nil {
		w.breaksAt("receiver-rule", link)
		return err
	}
	switch comments := c.Writes(w.file, true); {
	case stopped != "":
		w.Params.With("place", stopped)
		w.breaksAt("receiver-rule", "rule-stops")
	case missed != nil:
		w.Params.With("place", missed.Attrs["rule"]).With("selector", missed.Attrs["selector"])
		w.breaks("receiver-rule-misses")
	case len(active) > 0:
		l := active[0]
		w.Lines = append(w.Lines, l.String())
		w.Params.With("place", l.Place()).With("selector", selectorOf(l))
		if l.Selects(w.priority) {
			w.breaksAt("receiver-rule", "rsyslog-not-restarted")
		} else {
			w.breaks("receiver-rule-misses")
		}
	case len(comments) > 0:
		w.Lines = append(w.Lines, comments[0].Place()+": #"+comments[0].Text)
		w.Params.With("place", comments[0].Place())
		w.breaks("receiver-rule-commented")
	default:
		w.breaks("receiver-rule-missing")
	}
	return nil
}
