package grader

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"enshu/sim/scenario"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// confLine is a line of a host's rsyslog configuration.
type confLine struct {
	file    string
	line    int
	text    string
	comment bool // it would mean something without the leading #
}

func (l confLine) place() string { return fmt.Sprintf("%s:%d", l.file, l.line) }

func (l confLine) String() string { return l.place() + ": " + clip(l.text) }

// rsyslogConf is what the files say now, which need not be what the daemon has
// loaded.
type rsyslogConf struct {
	lines []confLine
	stale []string // files that changed, or went away, since the daemon read them
}

// rsyslogConf reads the files of a host that rsyslogd reads by default. A file
// that was read and is there no more counts as one that changed.
func (v *view) rsyslogConf(ctx context.Context, host string) (*rsyslogConf, error) {
	out, err := v.sh(ctx, host, `for f in /etc/rsyslog.conf /etc/rsyslog.d/*.conf; do [ -f "$f" ] && echo "$f"; done; :`)
	if err != nil {
		return nil, err
	}
	c := &rsyslogConf{}
	loaded, present := v.loaded(host, "rsyslogd"), lines(out.Stdout)
	for name := range loaded {
		if strings.HasPrefix(name, "/etc/rsyslog.d/") && !contains(present, name) {
			c.stale = append(c.stale, name)
		}
	}
	for _, name := range present {
		data, err := v.read(host, name)
		if err != nil {
			return nil, err
		}
		c.add(name, data)
		if len(loaded) > 0 && loaded[name] != trace.Digest([]byte(data)) {
			c.stale = append(c.stale, name)
		}
	}
	return c, nil
}

// add takes the lines of a file.
func (c *rsyslogConf) add(name, data string) {
	for i, l := range lines(data) {
		t := strings.TrimSpace(l)
		if bare := strings.TrimSpace(strings.TrimLeft(t, "#")); bare != "" {
			c.lines = append(c.lines, confLine{name, i + 1, bare, strings.HasPrefix(t, "#")})
		}
	}
}

// loaded returns the digests of the files that a daemon read when it last
// started, by name; nil when the trace does not tell.
func (v *view) loaded(host, program string) map[string]string {
	files := map[string]string{}
	pid := 0
	for _, e := range v.lab.Trace().Since(0) {
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

// forwards returns the lines that send messages to other hosts.
func (c *rsyslogConf) forwards(comments bool) []confLine {
	var out []confLine
	for _, l := range c.lines {
		if l.comment == comments && (isSelector(l.text) && legacyForward.MatchString(l.text) || actionForward.MatchString(l.text)) {
			out = append(out, l)
		}
	}
	return out
}

// files returns the lines that write to a file.
func (c *rsyslogConf) writes(file string, comments bool) []confLine {
	var out []confLine
	for _, l := range c.lines {
		f := strings.Fields(l.text)
		if l.comment != comments || len(f) < 2 || !isSelector(l.text) {
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

// selects reports whether a line's selector takes a priority, as
// syslog.conf(5) says; a line that is no selector is taken to do so.
func (l confLine) selects(p syslog.Priority) bool {
	if !isSelector(l.text) {
		return true
	}
	selector, _, _ := strings.Cut(strings.ReplaceAll(l.text, "\t", " "), " ")
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
	commented         *confLine // a line that would do it without its #
	other             string    // a port that is opened instead
	line              *confLine
}

// input looks for the lines that make rsyslogd listen on a port.
func (c *rsyslogConf) input(p scenario.Port) input {
	module := map[string]string{"tcp": "imtcp", "udp": "imudp"}[p.Transport]
	legacy := map[string]string{"tcp": "$InputTCPServerRun", "udp": "$UDPServerRun"}[p.Transport]
	var in input
	for i := range c.lines {
		l := &c.lines[i]
		attrs := map[string]string{}
		for _, m := range quoted.FindAllStringSubmatch(l.text, -1) {
			attrs[strings.ToLower(m[1])] = m[2]
		}
		port := ""
		switch {
		case strings.HasPrefix(l.text, "module(") && attrs["load"] == module,
			strings.HasPrefix(strings.ToLower(l.text), "$modload "+module):
			if l.comment {
				in.commented = l
			} else {
				in.module = true
			}
			continue
		case strings.HasPrefix(l.text, "input(") && attrs["type"] == module:
			port = attrs["port"]
		case strings.HasPrefix(strings.ToLower(l.text), strings.ToLower(legacy)+" "):
			port = strings.TrimSpace(l.text[len(legacy):])
		default:
			continue
		}
		switch {
		case port != strconv.Itoa(int(p.Number)):
			if !l.comment {
				in.other = port
			}
		case l.comment:
			in.commented = l
		default:
			in.statement, in.line = true, l
		}
	}
	return in
}

// inputAdvice is what is said when rsyslogd does not listen on a port; step is
// what the kind calls the listener.
func inputAdvice(step string) []Advice {
	return []Advice{
		{
			Link:     "input-commented",
			Step:     step,
			Expected: text("{host} の rsyslogd が {port} で待ち受けている", "rsyslogd on {host} listens on {port}"),
			Seen:     text("{place} がコメントのままです", "{place} is still a comment"),
			Slip:     text("module(load=\"{module}\") と input(type=\"{module}\" …) の両方から行頭の # を消し、rsyslog を再起動します。", "Remove the # from both module(load=\"{module}\") and input(type=\"{module}\" …), then restart rsyslog."),
			Command:  "grep -n {module} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
		},
		{
			Link:     "input-missing",
			Step:     step,
			Expected: text("{host} の rsyslogd が {port} で待ち受けている", "rsyslogd on {host} listens on {port}"),
			Seen:     text("{module} で {port} を受ける設定がありません", "no line of its configuration has {module} listen on {port}"),
			Slip:     text("module(load=\"{module}\") と input(type=\"{module}\" port=\"{number}\") を書き、rsyslog を再起動します。", "Write module(load=\"{module}\") and input(type=\"{module}\" port=\"{number}\"), then restart rsyslog."),
			Command:  "grep -n {module} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
		},
		{
			Link:     "input-other-port",
			Step:     step,
			Expected: text("{host} の rsyslogd が {port} で待ち受けている", "rsyslogd on {host} listens on {port}"),
			Seen:     text("設定のポートは {otherport} です", "the port of its configuration is {otherport}"),
			Slip:     text("input の port=\"…\" の数字を確認してください。", "Look at the number in port=\"…\" of the input."),
			Command:  "grep -n {module} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
		},
		{
			Link:     "rsyslog-config-error",
			Step:     step,
			Expected: text("{host} の rsyslog の設定に誤りがない", "the configuration of rsyslog on {host} has no error"),
			Seen:     text("誤りがあります: {error}", "it has one: {error}"),
			Slip:     text("rsyslogd は誤りのある行を飛ばして動き続けます。再起動の前に rsyslogd -N1 で確かめてください。", "rsyslogd skips a bad line and goes on. Check with rsyslogd -N1 before a restart."),
			Command:  "rsyslogd -N1",
		},
		{
			Link:     "rsyslog-not-restarted",
			Step:     step,
			Expected: text("{host} の rsyslogd が今の設定で動いている", "rsyslogd on {host} runs with its present configuration"),
			Seen:     text("{place} はまだ読み込まれていません", "{place} has not been loaded yet"),
			Slip:     text("設定を変えたら systemctl restart rsyslog が必要です。", "After a change, systemctl restart rsyslog is needed."),
			Command:  "systemctl restart rsyslog",
		},
	}
}

// inputLink tells why rsyslogd does not listen on a port.
func (v *view) inputLink(ctx context.Context, host string, port scenario.Port, all []socket, got *verdict) (string, error) {
	module := map[string]string{"tcp": "imtcp", "udp": "imudp"}[port.Transport]
	got.params.with("host", host).with("port", port.String()).with("module", module).with("number", strconv.Itoa(int(port.Number)))
	u, err := v.unit(ctx, host, "rsyslog")
	if err != nil {
		return "", err
	}
	if u.active != "active" {
		got.params.with("state", u.active)
		return "rsyslog-not-running", nil
	}
	c, err := v.rsyslogConf(ctx, host)
	if err != nil {
		return "", err
	}
	in := c.input(port)
	if in.commented != nil {
		got.lines = append(got.lines, in.commented.place()+": #"+in.commented.text)
	}
	switch {
	case in.statement && in.module:
		got.lines = append(got.lines, in.line.String())
		if link, err := v.configError(ctx, host, got); link != "" || err != nil {
			return link, err
		}
		got.params.with("place", in.line.place())
		return "rsyslog-not-restarted", nil
	case in.other != "" && in.module:
		got.params.with("otherport", in.other)
		return "input-other-port", nil
	case in.commented != nil:
		got.params.with("place", in.commented.place())
		return "input-commented", nil
	}
	return "input-missing", nil
}

// configError asks rsyslogd whether its configuration has an error.
func (v *view) configError(ctx context.Context, host string, got *verdict) (string, error) {
	out, err := v.sh(ctx, host, "rsyslogd -N1")
	if err != nil || out.Status == 0 {
		return "", err
	}
	for _, l := range lines(out.Stderr) {
		if strings.Contains(l, "error") || strings.Contains(l, "parsing") || strings.Contains(l, "could not") {
			got.params.with("error", clip(strings.TrimPrefix(l, "rsyslogd: ")))
			got.lines = append(got.lines, clip(l))
			return "rsyslog-config-error", nil
		}
	}
	return "", nil
}
