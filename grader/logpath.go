package grader

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"enshu/sim/scenario"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// outage is how long the receiver is stopped in a check with an outage.
const outage = 3 * time.Second

// logWalk is one message on its way.
type logWalk struct {
	verdict
	v        *view
	a        *logArgs
	sender   string
	receiver string
	file     string
	priority syslog.Priority
}

// runLog sends a message, waits for it at its end, and if it does not come
// walks the path to where it stopped.
func runLog(ctx context.Context, v *view, a *logArgs) verdict {
	w := &logWalk{v: v, a: a, sender: string(a.Send.Host), receiver: string(a.Arrives.Host), file: string(a.Arrives.File), priority: syslog.Priority(a.Send.Priority)}
	w.params = params{}.with("sender", w.sender).with("receiver", w.receiver).with("host", w.receiver).
		with("priority", w.priority.String()).with("file", w.file).with("error", "")
	if addr := w.addresses(); len(addr) > 0 {
		w.params.with("address", addr[0].String())
	}
	within := v.within(defaultWithin)
	if v.check.Not {
		within = v.within(unwantedWithin)
	}
	user, tag := string(a.Send.User), a.Send.Tag
	if user == "" {
		user = "root"
	}
	if tag == "" {
		tag = "enshu"
	}
	message := strings.TrimSpace(a.Send.Text + " " + v.token)
	if a.Outage {
		if _, err := v.sh(ctx, w.receiver, "systemctl stop rsyslog"); err != nil {
			w.err = err
			return w.verdict
		}
	}
	out, err := v.as(ctx, w.sender, user, "logger -p "+w.priority.String()+" -t "+quote(tag)+" -- "+quote(message))
	if err != nil {
		w.err = err
		return w.verdict
	}
	if out.Status != 0 || out.Stderr != "" {
		w.params.with("error", clip(out.Stderr))
		w.broken = "logger-failed"
		return w.verdict
	}
	w.holds("logger")
	if a.Outage {
		// Long enough for the sender to try and to fail.
		v.until(ctx, w.receiver, outage, func() (bool, error) { return false, nil })
		if _, err := v.sh(ctx, w.receiver, "systemctl start rsyslog"); err != nil {
			w.err = err
			return w.verdict
		}
	}
	var line string
	arrived, err := v.until(ctx, w.receiver, within, func() (bool, error) {
		data, err := v.read(w.receiver, w.file)
		if err != nil {
			return false, err
		}
		for _, l := range lines(data) {
			if strings.Contains(l, v.token) {
				line = l
				return true, nil
			}
		}
		return false, nil
	})
	for _, e := range v.about() {
		w.evidence = append(w.evidence, e.Seq)
	}
	switch {
	case err != nil || ctx.Err() != nil:
		w.err = err
	case arrived:
		w.err = w.arrived(ctx, line)
	case v.check.Not:
		w.broken = "file-not-written" // as it should be
	default:
		w.err = w.walk(ctx)
		if a.Outage && (w.broken == "not-received" || w.broken == "send-suspended") {
			w.broken = "lost-in-outage"
		}
	}
	return w.verdict
}

func (w *logWalk) holds(step string) { w.walked = append(w.walked, step) }

// breaks ends the walk.
func (w *logWalk) breaks(link string) { w.broken = link }

// breaksAt ends the walk at another step than the link's usual one.
func (w *logWalk) breaksAt(step, link string) { w.step, w.broken = step, link }

// arrived judges a message that came to its end: whether it came the right way.
func (w *logWalk) arrived(ctx context.Context, line string) error {
	v := w.v
	w.lines = append(w.lines, w.file+": "+clip(line))
	w.params.with("line", clip(line))
	w.params["place"] = text("規則は不明", "by an unknown rule")
	for _, e := range pick(v.about(), w.receiver, trace.MessageWritten) {
		if e.Attrs["file"] == w.file && e.Attrs["rule"] != "" {
			w.params.with("place", e.Attrs["rule"])
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
		now := v.lab.Clock(w.receiver).Now().In(w.zone())
		if d, ok := stampDifference(line, now); ok && d.Abs() > time.Duration(w.a.Skew) {
			w.params.with("skew", w.a.Skew.String()).with("difference", d.Round(time.Second).String())
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
	c, err := w.v.rsyslogConf(ctx, w.sender)
	if err != nil {
		return false, err
	}
	for _, e := range pick(w.v.about(), w.sender, trace.RuleMatched) {
		file, _, _ := strings.Cut(e.Attrs["rule"], ":")
		if forwarding(e.Attrs["action"]) && contains(c.stale, file) {
			w.params.with("host", w.sender).with("place", e.Attrs["rule"])
			w.breaksAt("sender-rule", "rsyslog-not-restarted")
			return true, nil
		}
	}
	return false, nil
}

// cameOver reports whether the message was received by the transport asked for.
func (w *logWalk) cameOver() bool {
	for _, e := range pick(w.v.about(), w.receiver, trace.MessageReceived) {
		if strings.HasSuffix(e.Attrs["input"], w.a.Over) { // imtcp, imudp
			return true
		}
	}
	for _, e := range pick(w.v.about(), w.sender, trace.MessageSent) {
		if e.Attrs["over"] == w.a.Over {
			return true
		}
		w.params.with("to", e.Attrs["to"]).with("place", e.Attrs["rule"])
		w.breaks("sent-over-" + e.Attrs["over"])
	}
	return w.broken == ""
}

func (w *logWalk) zone() *time.Location {
	h := w.v.spec.Host(w.receiver)
	if loc, err := time.LoadLocation(string(h.Timezone)); err == nil {
		return loc
	}
	return time.UTC
}

var (
	bsdStamp = regexp.MustCompile(`^[A-Z][a-z]{2} [ 0-9][0-9] \d\d:\d\d:\d\d`)
	isoStamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\S+`)
)

// stampDifference returns how far the stamp at the start of a line is from now.
func stampDifference(line string, now time.Time) (time.Duration, bool) {
	if m := isoStamp.FindString(line); m != "" {
		t, err := time.Parse(time.RFC3339Nano, m)
		return t.Sub(now), err == nil
	}
	m := bsdStamp.FindString(line)
	if m == "" {
		return 0, false
	}
	t, err := time.ParseInLocation("2006 Jan _2 15:04:05", now.Format("2006 ")+m, now.Location())
	if err != nil {
		return 0, false
	}
	d := t.Sub(now)
	// The stamp has no year: around the new year the nearest counts.
	switch {
	case d > 183*24*time.Hour:
		d = t.AddDate(-1, 0, 0).Sub(now)
	case d < -183*24*time.Hour:
		d = t.AddDate(1, 0, 0).Sub(now)
	}
	return d, true
}

// walk goes from logger to the file and stops at the first broken link.
func (w *logWalk) walk(ctx context.Context) error {
	ok, err := w.daemon(ctx, w.sender, "sender-daemon")
	if !ok || err != nil {
		return err
	}
	if len(pick(w.v.about(), w.sender, trace.MessageReceived)) == 0 {
		w.params.with("host", w.sender)
		w.breaks("rsyslog-not-receiving")
		return nil
	}
	w.holds("sender-input")
	if w.sender != w.receiver {
		steps := []func(context.Context) error{w.senderRule, w.way}
		for _, step := range steps {
			if err := step(ctx); err != nil || w.broken != "" {
				return err
			}
		}
	}
	return w.receiverRule(ctx)
}

// daemon asks whether rsyslog runs on a host.
func (w *logWalk) daemon(ctx context.Context, host, step string) (bool, error) {
	u, err := w.v.unit(ctx, host, "rsyslog")
	if err != nil {
		return false, err
	}
	if u.active != "active" {
		w.params.with("host", host).with("state", u.active)
		w.breaks("rsyslog-not-running")
		return false, nil
	}
	w.holds(step)
	return true, nil
}

// stale breaks the walk when one of the lines stands in a file that the daemon
// has not read as it is now.
func (w *logWalk) stale(c *rsyslogConf, host, step string, about []confLine) bool {
	for _, l := range about {
		if contains(c.stale, l.file) {
			w.params.with("host", host).with("place", l.place())
			w.lines = append(w.lines, l.String())
			w.breaksAt(step, "rsyslog-not-restarted")
			return true
		}
	}
	return false
}

// sends returns what the sender's daemon tried with the message: what was sent,
// and the last failure to connect, which may be older than the message.
func (w *logWalk) sends() (sent []trace.Event, failed *trace.Event) {
	sent = pick(w.v.about(), w.sender, trace.MessageSent)
	all := w.v.lab.Trace().Since(0)
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
	for _, e := range v.about() {
		switch {
		case e.Host != w.sender || !forwarding(e.Attrs["action"]):
		case e.Kind == trace.RuleMatched:
			matched = append(matched, e)
		case e.Kind == trace.RuleMissed:
			missed = append(missed, e)
		}
	}
	c, err := v.rsyslogConf(ctx, w.sender)
	if err != nil {
		return err
	}
	if w.stale(c, w.sender, "sender-rule", c.forwards(false)) {
		return nil
	}
	if len(sent) > 0 || len(matched) > 0 {
		if old, err := w.outdated(ctx); old || err != nil {
			return err
		}
		w.holds("sender-rule")
		return nil
	}
	w.params.with("host", w.sender)
	for _, e := range pick(v.about(), w.sender, trace.RuleMatched) {
		if a := e.Attrs["action"]; a == "stop" || a == "~" {
			w.params.with("place", e.Attrs["rule"])
			w.breaks("rule-stops")
			return nil
		}
	}
	if link, err := v.configError(ctx, w.sender, &w.verdict); link != "" || err != nil {
		w.breaksAt("sender-rule", link)
		return err
	}
	for _, e := range missed {
		w.params.with("place", e.Attrs["rule"]).with("selector", e.Attrs["selector"])
		w.breaks("selector-misses")
		return nil
	}
	if active := c.forwards(false); len(active) > 0 {
		l := active[0]
		w.lines = append(w.lines, l.String())
		w.params.with("place", l.place()).with("selector", selectorOf(l))
		if l.selects(w.priority) {
			w.breaksAt("sender-rule", "rsyslog-not-restarted")
		} else {
			w.breaks("selector-misses")
		}
		return nil
	}
	if comments := c.forwards(true); len(comments) > 0 && w.meant(comments) {
		return nil
	}
	w.breaks("forward-missing")
	return nil
}

// meant breaks the walk when a commented line names the receiver: the examples
// of the default file do not.
func (w *logWalk) meant(comments []confLine) bool {
	for _, l := range comments {
		m := legacyForward.FindStringSubmatch(l.text)
		if m == nil {
			continue
		}
		host, _, _ := strings.Cut(m[3], ":")
		if host == w.receiver || w.isReceiver(host) {
			w.lines = append(w.lines, l.place()+": #"+l.text)
			w.params.with("place", l.place())
			w.breaks("forward-commented")
			return true
		}
	}
	return false
}

func selectorOf(l confLine) string {
	f := strings.Fields(l.text)
	if len(f) == 0 {
		return ""
	}
	return f[0]
}

// addresses returns the receiver's.
func (w *logWalk) addresses() []netip.Addr {
	var out []netip.Addr
	if h := w.v.spec.Host(w.receiver); h != nil {
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
		w.params["to"] = text("宛先", "its target")
		w.breaks("not-received")
		return nil
	}
	w.params.with("to", t.String()).with("place", t.rule).with("name", t.host)
	if w.a.Over != "" && t.port.Transport != w.a.Over && (t.port.Transport == "tcp" || t.port.Transport == "udp") {
		w.breaks("sent-over-" + t.port.Transport)
		return nil
	}
	w.holds("transport")
	if !w.isReceiver(t.host) {
		w.breaks("wrong-address")
		if _, err := netip.ParseAddr(t.host); err != nil {
			w.params.with("error", t.err)
			w.breaks("name-unresolved")
		}
		return nil
	}
	all, err := w.v.sockets(ctx, w.receiver)
	if err != nil {
		return err
	}
	if len(on(all, t.port)) == 0 {
		for _, s := range all {
			if contains(s.programs, "rsyslogd") && s.port.Transport == t.port.Transport {
				w.params.with("listening", s.port.String())
				w.breaks("wrong-port")
				return nil
			}
		}
	}
	w.holds("address")
	w.params.with("host", w.receiver)
	if err := w.filter(ctx, t.port); err != nil || w.broken != "" {
		return err
	}
	w.holds("filter")
	if len(on(all, t.port)) == 0 {
		w.broken, err = w.v.inputLink(ctx, w.receiver, t.port, all, &w.verdict)
		return err
	}
	w.holds("listener")
	switch {
	case len(pick(w.v.about(), w.receiver, trace.MessageReceived)) > 0:
		w.holds("received")
	case t.err != "":
		w.params.with("error", t.err)
		w.breaks("send-suspended")
	default:
		w.breaks("not-received")
	}
	return nil
}

// filter asks whether the receiver's firewall lets the message in.
func (w *logWalk) filter(ctx context.Context, port scenario.Port) error {
	f, err := w.v.firewalls(ctx, w.receiver)
	if err != nil || !f.running {
		return err // without firewalld nothing is filtered
	}
	refused := false
	for _, e := range w.v.lab.Trace().Since(w.v.start) {
		if e.Host == w.receiver && e.Kind == trace.PacketRefused && strings.HasSuffix(e.Attrs["to"], fmt.Sprintf(":%d", port.Number)) {
			refused = true
			w.evidence = append(w.evidence, e.Seq)
		}
	}
	if link := f.closedLink(port, false, w.params); link != "" {
		w.breaks(link)
	} else if refused {
		// Open by its port and yet refused: a rich rule or another zone.
		w.breaks("firewall-closed")
	}
	return nil
}

// receiverRule finds out what the receiver did with the message.
func (w *logWalk) receiverRule(ctx context.Context) error {
	v := w.v
	w.params.with("host", w.receiver)
	c, err := v.rsyslogConf(ctx, w.receiver)
	if err != nil {
		return err
	}
	var missed *trace.Event
	matched := false
	var dropped string
	stopped := ""
	for _, e := range v.about() {
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
			w.params["error"] = text("（"+dropped+"）", " ("+dropped+")")
		}
		w.breaks("file-not-written")
		return nil
	}
	active := c.writes(w.file, false)
	if w.stale(c, w.receiver, "receiver-rule", active) {
		return nil
	}
	if link, err := v.configError(ctx, w.receiver, &w.verdict); link != "" || err != nil {
		w.breaksAt("receiver-rule", link)
		return err
	}
	switch comments := c.writes(w.file, true); {
	case stopped != "":
		w.params.with("place", stopped)
		w.breaksAt("receiver-rule", "rule-stops")
	case missed != nil:
		w.params.with("place", missed.Attrs["rule"]).with("selector", missed.Attrs["selector"])
		w.breaks("receiver-rule-misses")
	case len(active) > 0:
		l := active[0]
		w.lines = append(w.lines, l.String())
		w.params.with("place", l.place()).with("selector", selectorOf(l))
		if l.selects(w.priority) {
			w.breaksAt("receiver-rule", "rsyslog-not-restarted")
		} else {
			w.breaks("receiver-rule-misses")
		}
	case len(comments) > 0:
		w.lines = append(w.lines, comments[0].place()+": #"+comments[0].text)
		w.params.with("place", comments[0].place())
		w.breaks("receiver-rule-commented")
	default:
		w.breaks("receiver-rule-missing")
	}
	return nil
}
