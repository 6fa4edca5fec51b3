package probe

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"enshu/grader/check"
	"enshu/sim/scenario"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// ConfLine is a line of a host's rsyslog configuration.
type ConfLine struct {
	File    string
	Line    int
	Text    string
	Comment bool // it would mean something without the leading #
}

func (l ConfLine) Place() string { return fmt.Sprintf("%s:%d", l.File, l.Line) }

func (l ConfLine) String() string { return l.Place() + ": " + check.Clip(l.Text) }

// RsyslogConf is what the files say now, which need not be what the daemon has
// loaded.
type RsyslogConf struct {
	Lines []ConfLine
	Stale []string // files that changed, or went away, since the daemon read them
}

// Rsyslog reads the files of a host that rsyslogd reads by default. A file
// that was read and is there no more counts as one that changed.
func Rsyslog(ctx context.Context, v *check.View, host string) (*RsyslogConf, error) {
	out, err := v.Sh(ctx, host, `for f in /etc/rsyslog.conf /etc/rsyslog.d/*.conf; do [ -f "$f" ] && echo "$f"; done; :`)
	if err != nil {
		return nil, err
	}
	c := &RsyslogConf{}
	loaded, present := Loaded(v, host, "rsyslogd"), check.Lines(out.Stdout)
	for name := range loaded {
		if strings.HasPrefix(name, "/etc/rsyslog.d/") && !slices.Contains(present, name) {
			c.Stale = append(c.Stale, name)
		}
	}
	for _, name := range present {
		data, err := v.Read(host, name)
		if err != nil {
			return nil, err
		}
		c.add(name, data)
		if len(loaded) > 0 && loaded[name] != trace.Digest([]byte(data)) {
			c.Stale = append(c.Stale, name)
		}
	}
	return c, nil
}

// add takes the lines of a file.
func (c *RsyslogConf) add(name, data string) {
	for i, l := range check.Lines(data) {
		t := strings.TrimSpace(l)
		if bare := strings.TrimSpace(strings.TrimLeft(t, "#")); bare != "" {
			c.Lines = append(c.Lines, ConfLine{name, i + 1, bare, strings.HasPrefix(t, "#")})
		}
	}
}

// Loaded returns the digests of the files that a daemon read when it last
// started, by name; nil when the trace does not tell.
func Loaded(v *check.View, host, program string) map[string]string {
	files := map[string]string{}
	pid := 0
	for _, e := range v.Lab.Trace().Since(0) {
		if e.Host != host || e.Program != program || e.Kind != trace.ConfigLoaded || e.Attrs["digest"] == "" {
			continue
		}
		if e.PID != pid { // another process has read its files anew
			pid, files = e.PID, map[string]string{}
		}
		files[e.Attrs["file"]] = e.Attrs["digest"]
	}
	if len(files) == 0 {
		return nil
	}
	return files
}

var (
	legacyForward = regexp.MustCompile(`^(\S+)\s+-?(@@?)(?:\([^)]*\))?(\S+)`)
	actionForward = regexp.MustCompile(`type="omfwd"`)
	quoted        = regexp.MustCompile(`(\w+)\s*=\s*"([^"]*)"`)
)

// Receiver returns the host that a line "selector @host:port" sends to, "" when
// it is none.
func (l ConfLine) Receiver() string {
	m := legacyForward.FindStringSubmatch(l.Text)
	if m == nil {
		return ""
	}
	host, _, _ := strings.Cut(m[3], ":")
	return host
}

// Forwards returns the lines that send messages to other hosts.
func (c *RsyslogConf) Forwards(comments bool) []ConfLine {
	var out []ConfLine
	for _, l := range c.Lines {
		if l.Comment == comments && (isSelector(l.Text) && legacyForward.MatchString(l.Text) || actionForward.MatchString(l.Text)) {
			out = append(out, l)
		}
	}
	return out
}

// Writes returns the lines that write to a file.
func (c *RsyslogConf) Writes(file string, comments bool) []ConfLine {
	var out []ConfLine
	for _, l := range c.Lines {
		f := strings.Fields(l.Text)
		if l.Comment != comments || len(f) < 2 || !isSelector(l.Text) {
			continue
		}
		if action, _, _ := strings.Cut(strings.TrimPrefix(f[1], "-"), ";"); action == file {
			out = append(out, l)
		}
	}
	return out
}

var selectorStart = regexp.MustCompile(`^[a-zA-Z0-9*,]+\.[!=]?[=]?[a-zA-Z0-9*]+`)

func isSelector(text string) bool { return selectorStart.MatchString(text) }

// Selects reports whether a line's selector takes a priority, as
// syslog.conf(5) says; a line that is no selector is taken to do so.
func (l ConfLine) Selects(p syslog.Priority) bool {
	if !isSelector(l.Text) {
		return true
	}
	selector, _, _ := strings.Cut(strings.ReplaceAll(l.Text, "\t", " "), " ")
	takes := false
	for _, part := range strings.Split(selector, ";") {
		names, level, ok := strings.Cut(part, ".")
		if !ok {
			continue
		}
		mine := false
		for _, n := range strings.Split(names, ",") {
			f, known := syslog.ParseFacility(n)
			mine = mine || n == "*" || known && f == p.Facility()
		}
		if !mine {
			continue
		}
		not := strings.HasPrefix(level, "!")
		level = strings.TrimPrefix(level, "!")
		only := strings.HasPrefix(level, "=")
		level = strings.TrimPrefix(level, "=")
		hit := level == "*"
		if s, known := syslog.ParseSeverity(level); known {
			hit = p.Severity() == s || !only && p.Severity() < s
		}
		switch {
		case level == "none":
			takes = false
		case hit:
			takes = !not
		}
	}
	return takes
}

// input says whether and how the configuration opens a port.
type input struct {
	module, statement bool      // active lines
	commented         *ConfLine // a line that would do it without its #
	other             string    // a port that is opened instead
	line              *ConfLine
}

// input looks for the lines that make rsyslogd listen on a port.
func (c *RsyslogConf) input(p scenario.Port) input {
	module := map[string]string{"tcp": "imtcp", "udp": "imudp"}[p.Transport]
	legacy := map[string]string{"tcp": "$InputTCPServerRun", "udp": "$UDPServerRun"}[p.Transport]
	var in input
	for i := range c.Lines {
		l := &c.Lines[i]
		attrs := map[string]string{}
		for _, m := range quoted.FindAllStringSubmatch(l.Text, -1) {
			attrs[strings.ToLower(m[1])] = m[2]
		}
		port := ""
		switch {
		case strings.HasPrefix(l.Text, "module(") && attrs["load"] == module,
			strings.HasPrefix(strings.ToLower(l.Text), "$modload "+module):
			if l.Comment {
				in.commented = l
			} else {
				in.module = true
			}
			continue
		case strings.HasPrefix(l.Text, "input(") && attrs["type"] == module:
			port = attrs["port"]
		case strings.HasPrefix(strings.ToLower(l.Text), strings.ToLower(legacy)+" "):
			port = strings.TrimSpace(l.Text[len(legacy):])
		default:
			continue
		}
		switch {
		case port != strconv.Itoa(int(p.Number)):
			if !l.Comment {
				in.other = port
			}
		case l.Comment:
			in.commented = l
		default:
			in.statement, in.line = true, l
		}
	}
	return in
}

// InputAdvice is what is said when rsyslogd does not listen on a port; step is
// what the kind calls the listener.
func InputAdvice(step string) []check.Advice {
	return []check.Advice{
		{
			Link:     "input-commented",
			Step:     step,
			Expected: check.Text("{host} の rsyslogd が {port} で待ち受けている", "rsyslogd on {host} listens on {port}"),
			Seen:     check.Text("{place} がコメントのままです", "{place} is still a comment"),
			Slip:     check.Text("module(load=\"{module}\") と input(type=\"{module}\" …) の両方から行頭の # を消し、rsyslog を再起動します。", "Remove the # from both module(load=\"{module}\") and input(type=\"{module}\" …), then restart rsyslog."),
			Command:  "grep -n {module} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
		},
		{
			Link:     "input-missing",
			Step:     step,
			Expected: check.Text("{host} の rsyslogd が {port} で待ち受けている", "rsyslogd on {host} listens on {port}"),
			Seen:     check.Text("{module} で {port} を受ける設定がありません", "no line of its configuration has {module} listen on {port}"),
			Slip:     check.Text("module(load=\"{module}\") と input(type=\"{module}\" port=\"{number}\") を書き、rsyslog を再起動します。", "Write module(load=\"{module}\") and input(type=\"{module}\" port=\"{number}\"), then restart rsyslog."),
			Command:  "grep -n {module} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
		},
		{
			Link:     "input-other-port",
			Step:     step,
			Expected: check.Text("{host} の rsyslogd が {port} で待ち受けている", "rsyslogd on {host} listens on {port}"),
			Seen:     check.Text("設定のポートは {otherport} です", "the port of its configuration is {otherport}"),
			Slip:     check.Text("input の port=\"…\" の数字を確認してください。", "Look at the number in port=\"…\" of the input."),
			Command:  "grep -n {module} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
		},
		{
			Link:     "rsyslog-config-error",
			Step:     step,
			Expected: check.Text("{host} の rsyslog の設定に誤りがない", "the configuration of rsyslog on {host} has no error"),
			Seen:     check.Text("誤りがあります: {error}", "it has one: {error}"),
			Slip:     check.Text("rsyslogd は誤りのある行を飛ばして動き続けます。再起動の前に rsyslogd -N1 で確かめてください。", "rsyslogd skips a bad line and goes on. Check with rsyslogd -N1 before a restart."),
			Command:  "rsyslogd -N1",
		},
		{
			Link:     "rsyslog-not-restarted",
			Step:     step,
			Expected: check.Text("{host} の rsyslogd が今の設定で動いている", "rsyslogd on {host} runs with its present configuration"),
			Seen:     check.Text("{place} はまだ読み込まれていません", "{place} has not been loaded yet"),
			Slip:     check.Text("設定を変えたら systemctl restart rsyslog が必要です。", "After a change, systemctl restart rsyslog is needed."),
			Command:  "systemctl restart rsyslog",
		},
	}
}

// InputLink tells why rsyslogd does not listen on a port.
func InputLink(ctx context.Context, v *check.View, host string, port scenario.Port, all []Socket, got *check.Verdict) (string, error) {
	module := map[string]string{"tcp": "imtcp", "udp": "imudp"}[port.Transport]
	got.Params.With("host", host).With("port", port.String()).With("module", module).With("number", strconv.Itoa(int(port.Number)))
	u, err := Unit(ctx, v, host, "rsyslog")
	if err != nil {
		return "", err
	}
	if u.Active != "active" {
		got.Params.With("state", u.Active)
		return "rsyslog-not-running", nil
	}
	c, err := Rsyslog(ctx, v, host)
	if err != nil {
		return "", err
	}
	in := c.input(port)
	if in.commented != nil {
		got.Lines = append(got.Lines, in.commented.Place()+": #"+in.commented.Text)
	}
	switch {
	case in.statement && in.module:
		got.Lines = append(got.Lines, in.line.String())
		if link, err := RsyslogFault(ctx, v, host, got); link != "" || err != nil {
			return link, err
		}
		got.Params.With("place", in.line.Place())
		return "rsyslog-not-restarted", nil
	case in.other != "" && in.module:
		got.Params.With("otherport", in.other)
		return "input-other-port", nil
	case in.commented != nil:
		got.Params.With("place", in.commented.Place())
		return "input-commented", nil
	}
	return "input-missing", nil
}

// RsyslogFault asks rsyslogd whether its configuration has an error.
func RsyslogFault(ctx context.Context, v *check.View, host string, got *check.Verdict) (string, error) {
	out, err := v.Sh(ctx, host, "rsyslogd -N1")
	if err != nil || out.Status == 0 {
		return "", err
	}
	for _, l := range check.Lines(out.Stderr) {
		if strings.Contains(l, "error") || strings.Contains(l, "parsing") || strings.Contains(l, "could not") {
			got.Params.With("error", check.Clip(strings.TrimPrefix(l, "rsyslogd: ")))
			got.Lines = append(got.Lines, check.Clip(l))
			return "rsyslog-config-error", nil
		}
	}
	return "", nil
}
