package config

import (
	"strconv"
	"strings"

	"enshu/sim/rsyslog/script"
)

// NewAction acts on action(...). It returns nil when the action cannot be used.
func (c *loader) NewAction(o *script.Object) *script.Statement {
	a := c.actionObject(o)
	if a == nil {
		c.complainf("errors occurred in file '%s' around line %d", c.lex.Position().File, c.lex.Position().Line)
		return &script.Statement{Kind: script.DoNothing, Pos: o.Pos}
	}
	c.unused(o)
	return &script.Statement{Kind: script.DoAction, Pos: o.Pos, Action: a.number}
}

// outputModules are the modules of type= of action().
var outputModules = map[string]string{
	"omfile": "builtin:omfile", "omfwd": "builtin:omfwd", "ompipe": "builtin:ompipe", "omusrmsg": "builtin:omusrmsg",
	"omdiscard": "builtin:omdiscard", "omprog": "omprog",
}

func (c *loader) actionObject(o *script.Object) *Action {
	g := c.take(o, actionParams)
	if g == nil {
		return nil
	}
	q := c.take(o, queueParams)
	if q == nil {
		c.Complain("error processing queue config parameters")
		q = &given{}
	}
	kind := strings.TrimPrefix(strings.ToLower(g.text("type")), "builtin:")
	module, known := outputModules[kind]
	if !known || kind == "omprog" && c.conf.module("omprog") == nil {
		c.errorf(codeModuleUnknown, "module name '%s' is unknown", g.text("type"))
		return nil
	}
	a := &Action{Pos: o.Pos, Module: module, Name: g.text("name"), WriteMarks: g.onOr("action.writeallmarkmessages", true)}
	a.ResumeRetry = g.number("action.resumeretrycount", 0)
	a.ResumeEvery = g.number("action.resumeinterval", 30)
	a.ReportSuspended = g.onOr("action.reportsuspension", c.conf.Globals.reportSuspended)
	a.ReportContinued = g.on("action.reportsuspensioncontinuation")
	a.OnlySuspended = g.on("action.execonlywhenpreviousissuspended")
	a.OnlyEvery = g.number("action.execonlyonceeveryinterval", 0)
	a.EveryNth = g.number("action.execonlyeverynthtime", 0)
	a.Queue = queueParameters(q)
	a.Text = `action(type="` + kind + `")`
	return c.finish(a, c.outputObject(kind, o))
}

// queueParameters reads the queue.* parameters.
func queueParameters(g *given) Queue {
	q := Queue{kind: strings.ToLower(g.text("queue.type")), File: g.text("queue.filename"), DiscardFrom: 8}
	if q.kind == "" && q.File != "" {
		q.kind = "direct"
	}
	q.Size = g.number("queue.size", 0)
	q.SaveOnShutdown = g.on("queue.saveonshutdown")
	q.DiscardMark = g.number("queue.discardmark", 0)
	q.DiscardFrom = g.number("queue.discardseverity", 8)
	q.maxDisk = int64(g.number("queue.maxdiskspace", 0))
	return q
}

// target is what an action writes with: an output, and the names of its templates.
type target struct {
	out      Output
	template string
	file     string // template of a dynamic file name
	text     string // as the trace shows it
}

// outputObject makes the output of an action().
func (c *loader) outputObject(kind string, o *script.Object) *target {
	t := &target{}
	switch kind {
	case "omfile":
		g := c.take(o, omfileParams)
		if g == nil {
			c.Complain(`omfile: either the "file" or "dynafile" parameter must be given`)
			return nil
		}
		modes := readFileModes(c.set.moduleFile, g)
		if g.text("file") != "" && g.has("dynafile") {
			c.Complain(`omfile: both "file" and "dynafile" set, will use dynafile`)
		}
		switch {
		case g.text("file") != "" && !g.has("dynafile"):
			t.out = &File{Name: g.text("file"), Modes: modes}
			t.text = g.text("file")
		case g.has("dynafile"):
			t.file, t.text = g.text("dynafile"), "?"+g.text("dynafile")
			t.out = &File{Modes: modes, Dynamic: true}
		default:
			c.Complain(`omfile: either the "file" or "dynafile" parameter must be given`)
			return nil
		}
		t.template = c.template(g.text("template"), "omfile", "RSYSLOG_FileFormat")
	case "omfwd":
		g := c.take(o, omfwdParams)
		if g == nil {
			return nil
		}
		f := &Forward{Host: g.text("target"), Nowhere: !g.has("target"), Port: "514", Interval: g.number("rebindinterval", 0)}
		if v, ok := g.get("port"); ok {
			f.Port = v
		}
		protocol := "udp"
		if v, ok := g.get("protocol"); ok {
			protocol = strings.ToLower(v)
		}
		switch protocol {
		case "udp":
		case "tcp":
			f.TCP = true
		default:
			c.errorf(codeBadProtocol, "omfwd: invalid protocol \"%s\"", g.text("protocol"))
			return nil
		}
		framing := "traditional"
		if v, ok := g.get("tcp_framing"); ok {
			framing = v
		}
		switch strings.ToLower(framing) {
		case "traditional":
		case "octet-counted":
			f.Counted = true
		default:
			c.errorf(codeBadFraming, "omfwd: invalid framing \"%s\"", framing)
			return nil
		}
		f.Delimiter = byte(g.number("tcp_framedelimiter", '\n'))
		t.out, t.text = f, f.String()
		t.template = c.template(g.text("template"), "omfwd", "RSYSLOG_TraditionalForwardFormat")
	case "ompipe":
		g := c.take(o, ompipeParams)
		if g == nil {
			return nil
		}
		t.out, t.text = &Pipe{Name: g.text("pipe")}, "|"+g.text("pipe")
		t.template = c.template(g.text("template"), "ompipe", "RSYSLOG_FileFormat")
	case "omusrmsg":
		g := c.take(o, omusrParams)
		if g == nil {
			return nil
		}
		t = usersTarget(g.text("users"))
		if v, ok := g.get("template"); ok {
			t.template = v
		}
	case "omprog":
		g := c.take(o, omprogParams)
		if g == nil {
			return nil
		}
		t.out = &Program{Command: splitCommand(g.text("binary")), confirm: g.on("confirmmessages"), File: g.text("output")}
		t.text = g.text("binary")
		t.template = c.template(g.text("template"), "omprog", "RSYSLOG_FileFormat")
	case "omdiscard":
		t.out = Discard{}
		t.template = "RSYSLOG_FileFormat"
	}
	return t
}

// template chooses the name of an action's template: its own, else the default
// of the configuration for that output, else rsyslog's.
func (c *loader) template(own, output, builtin string) string {
	if own != "" {
		return own
	}
	if name := c.conf.defaultOf[output]; name != "" {
		return name
	}
	return builtin
}

func readFileModes(m FileModes, g *given) FileModes {
	m.File, m.Dir = g.number("filecreatemode", m.File), g.number("dircreatemode", m.Dir)
	m.FileUID = g.number("fileowner", g.number("fileownernum", m.FileUID))
	m.FileGID = g.number("filegroup", g.number("filegroupnum", m.FileGID))
	m.DirUID = g.number("dirowner", g.number("dirownernum", m.DirUID))
	m.DirGID = g.number("dirgroup", g.number("dirgroupnum", m.DirGID))
	m.NoDirs = !g.onOr("createdirs", !m.NoDirs)
	m.FailOnChown = g.onOr("failonchownfailure", m.FailOnChown)
	m.FlushOnTXEnd = g.onOr("flushontxend", m.FlushOnTXEnd)
	m.BufferSize = g.number("iobuffersize", m.BufferSize)
	m.flushInterval = g.number("flushinterval", m.flushInterval)
	m.DynaFileCache = g.number("dynafilecachesize", m.DynaFileCache)
	m.sync = g.onOr("sync", m.sync)
	return m
}

// finish looks the templates of an action up and enters it. It returns nil when
// one is missing.
func (c *loader) finish(a *Action, t *target) *Action {
	if t == nil {
		return nil
	}
	for i, name := range []string{t.template, t.file} {
		if name == "" {
			continue
		}
		tpl := c.conf.Templates[name]
		if tpl == nil {
			c.errorf(CodeUnknownCommand, " Could not find template %d '%s' - action disabled", i, name)
			return nil
		}
		if i == 0 {
			a.Template = tpl
		} else {
			a.FileTemplate = tpl
		}
	}
	a.Output = t.out
	if t.text != "" {
		a.Text = t.text
	}
	a.number = len(c.conf.Actions)
	if a.Name == "" {
		a.Name = "action-" + strconv.Itoa(a.number) + "-" + a.Module
	}
	c.conf.Actions = append(c.conf.Actions, a)
	return a
}

// LegacyAction acts on an action line of the old syntax.
func (c *loader) LegacyAction(tok script.Token) *script.Statement {
	line := tok.Text
	if strings.HasPrefix(line, "~") {
		c.warnf(codeDeprecated, "warning: ~ action is deprecated, consider using the 'stop' statement instead")
		return &script.Statement{Kind: script.DoStop, Pos: tok.Pos}
	}
	set := &c.set
	a := &Action{Pos: tok.Pos, Name: set.actionName, ResumeRetry: set.resumeRetry, ResumeEvery: set.resumeEvery,
		ReportSuspended: c.conf.Globals.reportSuspended, Repeated: set.repeated, OnlySuspended: set.onlySuspended,
		OnlyEvery: set.onlyEvery, EveryNth: set.everyNth, WriteMarks: set.writeMarks, Queue: set.queue, Text: line}
	set.actionName, set.queue = "", Queue{DiscardFrom: 8}
	t, warned := c.legacyTarget(a, line)
	at := c.lex.Position()
	if warned {
		c.complainf("warnings occurred in file '%s' around line %d", at.File, at.Line)
	}
	if c.finish(a, t) == nil {
		c.complainf("errors occurred in file '%s' around line %d", at.File, at.Line)
		return &script.Statement{Kind: script.DoNothing, Pos: tok.Pos}
	}
	return &script.Statement{Kind: script.DoAction, Pos: tok.Pos, Action: a.number}
}

// legacyTarget makes the output of an action line; warned tells that the line
// is in a form that is on its way out.
func (c *loader) legacyTarget(a *Action, line string) (t *target, warned bool) {
	if rest, ok := strings.CutPrefix(line, ":omusrmsg:"); ok {
		return c.legacyUsers(a, rest), false
	}
	if rest, ok := strings.CutPrefix(line, ":omfile:"); ok {
		if line = rest; line == "" || strings.IndexByte("/.-?$", line[0]) < 0 {
			return nil, false
		}
	}
	if line == "" {
		return nil, false
	}
	switch line[0] {
	case '@':
		a.Module = "builtin:omfwd"
		return c.legacyForward(line[1:]), false
	case '|':
		a.Module = "builtin:ompipe"
		name, rest := fileName(line[1:])
		tpl, ok := c.templateSuffix(rest, "ompipe", "RSYSLOG_FileFormat")
		if !ok {
			return nil, false
		}
		return &target{out: &Pipe{Name: name}, template: tpl, text: "|" + name}, false
	case '^':
		a.Module = "builtin:omshell"
		name, rest := fileName(line[1:])
		tpl, ok := c.templateSuffix(rest, "omshell", "RSYSLOG_TraditionalFileFormat")
		if !ok {
			return nil, false
		}
		return &target{out: &Shell{Name: name}, template: tpl, text: "^" + name}, false
	case '$':
		channel, _ := fileName(line[1:])
		c.complainf("outchannel '%s' not found - ignoring action line", channel)
		return nil, false
	case '/', '-', '.':
		a.Module = "builtin:omfile"
		if strings.HasPrefix(line, "-?") || strings.HasPrefix(line, "-$") {
			return c.legacyTarget(a, line[1:])
		}
		name, rest := fileName(strings.TrimPrefix(line, "-"))
		if line[0] == '-' && (name == "" || name[0] != '/' && name[0] != '.') {
			return nil, false
		}
		tpl, ok := c.templateSuffix(rest, "omfile", "RSYSLOG_FileFormat")
		if !ok {
			return nil, false
		}
		return &target{out: &File{Name: name, Modes: c.set.file}, template: tpl, text: strings.TrimSuffix(line, rest)}, false
	case '?':
		a.Module = "builtin:omfile"
		name, rest := fileName(line[1:])
		tpl, ok := c.templateSuffix(rest, "omfile", "RSYSLOG_FileFormat")
		if !ok {
			return nil, false
		}
		return &target{out: &File{Modes: c.set.file, Dynamic: true}, template: tpl, file: name, text: "?" + name}, false
	case ':', '>':
		return nil, false
	}
	c.warnf(codeOldUserSyntax, "action '%s' treated as ':omusrmsg:%s' - please use ':omusrmsg:%s' syntax instead, '%s' will not be supported in the future",
		line, line, line, line)
	return c.legacyUsers(a, line), true
}

// fileName takes a name up to a blank or a semicolon.
func fileName(s string) (name, rest string) {
	if i := strings.IndexAny(s, "; "); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// templateSuffix reads ";template" at the end of an action line.
func (c *loader) templateSuffix(rest, output, builtin string) (name string, ok bool) {
	rest = strings.TrimLeft(rest, " \t")
	if rest != "" && rest[0] != ';' && rest[0] != '#' {
		c.errorf(CodeNone, "invalid character in selector line - ';template' expected")
		return "", false
	}
	rest = strings.TrimLeft(strings.TrimPrefix(rest, ";"), " \t")
	if i := strings.IndexAny(rest, " \t#"); i >= 0 {
		rest = rest[:i]
	}
	return c.template(rest, output, builtin), true
}

func (c *loader) legacyUsers(a *Action, list string) *target {
	a.Module = "builtin:omusrmsg"
	names, tpl, _ := strings.Cut(list, ";")
	names, _, _ = strings.Cut(names, "#")
	t := usersTarget(strings.TrimSpace(names))
	if tpl != "" {
		if t.template, _ = c.templateSuffix(";"+tpl, "omusrmsg", t.template); t.template == "" {
			return nil
		}
	}
	return t
}

// usersTarget makes the output to users' terminals.
func usersTarget(list string) *target {
	u := &Users{}
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		if name == "*" {
			u.Everybody = true
		}
		u.Names = append(u.Names, name)
	}
	t := &target{out: u, template: " StdUsrMsgFmt", text: ":omusrmsg:" + list}
	if u.Everybody {
		t.template = " WallFmt"
	}
	return t
}

// legacyForward reads what follows the first @ of a forwarding action.
func (c *loader) legacyForward(s string) *target {
	f := &Forward{Port: "514", Delimiter: '\n'}
	if rest, ok := strings.CutPrefix(s, "@"); ok {
		f.TCP, s = true, rest
	}
	if strings.HasPrefix(s, "(") {
		block, rest, closed := strings.Cut(s[1:], ")")
		if !closed {
			c.errorf(CodeNone, "Option block not terminated in forwarding action.")
		}
		for _, o := range strings.Split(block, ",") {
			switch {
			case o == "":
			case o[0] == 'o':
				f.Counted = true
			case o[0] == 'z':
				// Compression is not modelled: the text goes out as it is.
				if len(o) < 2 || o[1] < '0' || o[1] > '9' {
					level := byte(')')
					if len(o) > 1 {
						level = o[1]
					}
					c.errorf(CodeNone, "Invalid zlib compression level '%c' specified in forwarding action - NOT turning on compression.", level)
				}
			default:
				c.errorf(CodeNone, "Invalid option %c in forwarding action - ignoring.", o[0])
			}
		}
		s = rest
	}
	if rest, ok := strings.CutPrefix(s, "["); ok {
		f.Host, s, _ = strings.Cut(rest, "]")
	} else {
		end := strings.IndexAny(s, ";:#")
		if end < 0 {
			end = len(s)
		}
		f.Host, s = strings.TrimLeft(s[:end], " \t"), s[end:]
	}
	if rest, ok := strings.CutPrefix(s, ":"); ok {
		n := 0
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		f.Port, s = rest[:n], rest[n:]
		// What follows the digits and is neither a blank nor a template is passed over.
		if n = strings.IndexAny(s, " \t;#"); n < 0 {
			n = len(s)
		}
		s = s[n:]
	}
	tpl, ok := c.templateSuffix(s, "omfwd", "RSYSLOG_TraditionalForwardFormat")
	if !ok {
		return nil
	}
	return &target{out: f, template: tpl, text: f.String()}
}

// splitCommand splits a command line of omprog; double quotes keep blanks.
func splitCommand(s string) []string {
	var words []string
	var word strings.Builder
	quoted, any := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted, any = !quoted, true
		case (c == ' ' || c == '\t') && !quoted:
			if any {
				words = append(words, word.String())
			}
			word.Reset()
			any = false
		default:
			word.WriteByte(c)
			any = true
		}
	}
	if any {
		words = append(words, word.String())
	}
	return words
}
