package rsyslog

import (
	"strconv"
	"strings"
)

// newAction acts on action(...). It returns nil when the action cannot be used.
func (c *loader) newAction(o *object) *stmt {
	a := c.actionObject(o)
	if a == nil {
		c.complainf("errors occurred in file '%s' around line %d", c.lex.position().file, c.lex.position().line)
		return &stmt{kind: sNothing, pos: o.pos}
	}
	c.unused(o)
	return &stmt{kind: sAction, pos: o.pos, action: a.number}
}

// outputModules are the modules of type= of action().
var outputModules = map[string]string{
	"omfile": "builtin:omfile", "omfwd": "builtin:omfwd", "ompipe": "builtin:ompipe", "omusrmsg": "builtin:omusrmsg",
	"omdiscard": "builtin:omdiscard", "omprog": "omprog",
}

func (c *loader) actionObject(o *object) *actionConfig {
	g := c.take(o, actionParams)
	if g == nil {
		return nil
	}
	kind := strings.TrimPrefix(strings.ToLower(g.text("type")), "builtin:")
	module, known := outputModules[kind]
	if !known || kind == "omprog" && c.conf.module("omprog") == nil {
		c.errorf(codeModuleUnknown, "module name '%s' is unknown", g.text("type"))
		return nil
	}
	a := &actionConfig{pos: o.pos, module: module, name: g.text("name"), writeMarks: g.onOr("action.writeallmarkmessages", true)}
	a.resumeRetry = g.number("action.resumeretrycount", 0)
	a.resumeEvery = g.number("action.resumeinterval", 30)
	a.reportSuspended = g.onOr("action.reportsuspension", c.conf.globals.reportSuspended)
	a.reportContinued = g.on("action.reportsuspensioncontinuation")
	a.onlySuspended = g.on("action.execonlywhenpreviousissuspended")
	a.onlyEvery = g.number("action.execonlyonceeveryinterval", 0)
	a.everyNth = g.number("action.execonlyeverynthtime", 0)
	a.queue = queueParameters(g)
	a.text = `action(type="` + kind + `")`
	return c.finish(a, c.outputObject(kind, o))
}

// queueParameters reads the queue.* parameters.
func queueParameters(g *given) queueConfig {
	q := queueConfig{kind: strings.ToLower(g.text("queue.type")), file: g.text("queue.filename"), discardFrom: 8}
	if q.kind == "" && q.file != "" {
		q.kind = "direct"
	}
	q.size = g.number("queue.size", 0)
	q.saveOnShutdown = g.on("queue.saveonshutdown")
	q.discardMark = g.number("queue.discardmark", 0)
	q.discardFrom = g.number("queue.discardseverity", 8)
	q.maxDisk = int64(g.number("queue.maxdiskspace", 0))
	return q
}

// target is what an action writes with: an output, and the names of its templates.
type target struct {
	out      outputConfig
	template string
	file     string // template of a dynamic file name
	text     string // as the trace shows it
}

// outputObject makes the output of an action().
func (c *loader) outputObject(kind string, o *object) *target {
	t := &target{}
	switch kind {
	case "omfile":
		g := c.take(o, omfileParams)
		if g == nil {
			return nil
		}
		modes := readFileModes(c.set.moduleFile, g)
		switch {
		case g.has("file"):
			t.out = &fileConfig{name: g.text("file"), modes: modes}
			t.text = g.text("file")
		case g.has("dynafile"):
			t.file, t.text = g.text("dynafile"), "?"+g.text("dynafile")
			t.out = &fileConfig{modes: modes, dynamic: true}
		default:
			c.complain(`omfile: either the "file" or "dynafile" parameter must be given`)
			return nil
		}
		t.template = c.template(g.text("template"), "omfile", "RSYSLOG_FileFormat")
	case "omfwd":
		g := c.take(o, omfwdParams)
		if g == nil {
			return nil
		}
		f := &forwardConfig{host: g.text("target"), port: "514", interval: g.number("rebindinterval", 0)}
		if v, ok := g.get("port"); ok {
			f.port = v
		}
		switch v := strings.ToLower(g.text("protocol")); v {
		case "", "udp":
		case "tcp":
			f.tcp = true
		default:
			c.errorf(codeNone, "omfwd: invalid protocol \"%s\"", g.text("protocol"))
			return nil
		}
		switch v := g.text("tcp_framing"); strings.ToLower(v) {
		case "", "traditional":
		case "octet-counted":
			f.counted = true
		default:
			c.errorf(codeNone, "omfwd: invalid framing \"%s\"", v)
			return nil
		}
		f.delimiter = byte(g.number("tcp_framedelimiter", '\n'))
		t.out, t.text = f, f.String()
		t.template = c.template(g.text("template"), "omfwd", "RSYSLOG_TraditionalForwardFormat")
	case "ompipe":
		g := c.take(o, ompipeParams)
		if g == nil {
			return nil
		}
		t.out, t.text = &pipeConfig{name: g.text("pipe")}, "|"+g.text("pipe")
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
		t.out = &programConfig{command: splitCommand(g.text("binary")), confirm: g.on("confirmmessages"), file: g.text("output")}
		t.text = g.text("binary")
		t.template = c.template(g.text("template"), "omprog", "RSYSLOG_FileFormat")
	case "omdiscard":
		t.out = discardConfig{}
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

func readFileModes(m fileModes, g *given) fileModes {
	m.file, m.dir = g.number("filecreatemode", m.file), g.number("dircreatemode", m.dir)
	m.fileUID = g.number("fileowner", g.number("fileownernum", m.fileUID))
	m.fileGID = g.number("filegroup", g.number("filegroupnum", m.fileGID))
	m.dirUID = g.number("dirowner", g.number("dirownernum", m.dirUID))
	m.dirGID = g.number("dirgroup", g.number("dirgroupnum", m.dirGID))
	m.noDirs = !g.onOr("createdirs", !m.noDirs)
	m.failOnChown = g.onOr("failonchownfailure", m.failOnChown)
	m.flushOnTXEnd = g.onOr("flushontxend", m.flushOnTXEnd)
	m.bufferSize = g.number("iobuffersize", m.bufferSize)
	m.flushInterval = g.number("flushinterval", m.flushInterval)
	m.dynaFileCache = g.number("dynafilecachesize", m.dynaFileCache)
	m.sync = g.onOr("sync", m.sync)
	return m
}

// finish looks the templates of an action up and enters it. It returns nil when
// one is missing.
func (c *loader) finish(a *actionConfig, t *target) *actionConfig {
	if t == nil {
		return nil
	}
	for i, name := range []string{t.template, t.file} {
		if name == "" {
			continue
		}
		tpl := c.conf.templates[name]
		if tpl == nil {
			c.errorf(codeUnknownCommand, " Could not find template %d '%s' - action disabled", i, name)
			return nil
		}
		if i == 0 {
			a.template = tpl
		} else {
			a.fileTemplate = tpl
		}
	}
	a.out = t.out
	if t.text != "" {
		a.text = t.text
	}
	a.number = len(c.conf.actions)
	if a.name == "" {
		a.name = "action-" + strconv.Itoa(a.number) + "-" + a.module
	}
	c.conf.actions = append(c.conf.actions, a)
	return a
}

// legacyAction acts on an action line of the old syntax.
func (c *loader) legacyAction(tok token) *stmt {
	line := tok.text
	if strings.HasPrefix(line, "~") {
		c.warnf(codeDeprecated, "warning: ~ action is deprecated, consider using the 'stop' statement instead")
		return &stmt{kind: sStop, pos: tok.pos}
	}
	set := &c.set
	a := &actionConfig{pos: tok.pos, name: set.actionName, resumeRetry: set.resumeRetry, resumeEvery: set.resumeEvery,
		reportSuspended: c.conf.globals.reportSuspended, repeated: set.repeated, onlySuspended: set.onlySuspended,
		onlyEvery: set.onlyEvery, everyNth: set.everyNth, writeMarks: set.writeMarks, queue: set.queue, text: line}
	set.actionName, set.queue = "", queueConfig{discardFrom: 8}
	t, warned := c.legacyTarget(a, line)
	at := c.lex.position()
	if warned {
		c.complainf("warnings occurred in file '%s' around line %d", at.file, at.line)
	}
	if c.finish(a, t) == nil {
		c.complainf("errors occurred in file '%s' around line %d", at.file, at.line)
		return &stmt{kind: sNothing, pos: tok.pos}
	}
	return &stmt{kind: sAction, pos: tok.pos, action: a.number}
}

// legacyTarget makes the output of an action line; warned tells that the line
// is in a form that is on its way out.
func (c *loader) legacyTarget(a *actionConfig, line string) (t *target, warned bool) {
	if rest, ok := strings.CutPrefix(line, ":omusrmsg:"); ok {
		return c.legacyUsers(a, rest), false
	}
	if rest, ok := strings.CutPrefix(line, ":omfile:"); ok {
		line = rest
	}
	if line == "" {
		return nil, false
	}
	switch line[0] {
	case '@':
		a.module = "builtin:omfwd"
		return c.legacyForward(line[1:]), false
	case '|':
		a.module = "builtin:ompipe"
		name, rest := fileName(line[1:])
		tpl, ok := c.templateSuffix(rest, "ompipe", "RSYSLOG_FileFormat")
		if !ok {
			return nil, false
		}
		return &target{out: &pipeConfig{name: name}, template: tpl, text: "|" + name}, false
	case '^':
		a.module = "builtin:omshell"
		name, rest := fileName(line[1:])
		tpl, ok := c.templateSuffix(rest, "omshell", "RSYSLOG_TraditionalFileFormat")
		if !ok {
			return nil, false
		}
		return &target{out: &shellConfig{name: name}, template: tpl, text: "^" + name}, false
	case '/', '-', '.':
		a.module = "builtin:omfile"
		if strings.HasPrefix(line, "-?") {
			return c.legacyTarget(a, line[1:])
		}
		name, rest := fileName(strings.TrimPrefix(line, "-"))
		if line[0] == '-' && (name == "" || name[0] != '/' && name[0] != '.') {
			c.errorf(codeNone, "unknown action '%s'", line)
			return nil, false
		}
		tpl, ok := c.templateSuffix(rest, "omfile", "RSYSLOG_FileFormat")
		if !ok {
			return nil, false
		}
		return &target{out: &fileConfig{name: name, modes: c.set.file}, template: tpl, text: strings.TrimSuffix(line, rest)}, false
	case '?':
		a.module = "builtin:omfile"
		name, rest := fileName(line[1:])
		tpl, ok := c.templateSuffix(rest, "omfile", "RSYSLOG_FileFormat")
		if !ok {
			return nil, false
		}
		return &target{out: &fileConfig{modes: c.set.file, dynamic: true}, template: tpl, file: name, text: "?" + name}, false
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
		c.errorf(codeNone, "invalid character in selector line - ';template' expected")
		return "", false
	}
	rest = strings.TrimLeft(strings.TrimPrefix(rest, ";"), " \t")
	if i := strings.IndexAny(rest, " \t#"); i >= 0 {
		rest = rest[:i]
	}
	return c.template(rest, output, builtin), true
}

func (c *loader) legacyUsers(a *actionConfig, list string) *target {
	a.module = "builtin:omusrmsg"
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
	u := &usersConfig{}
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		if name == "*" {
			u.everybody = true
		}
		u.names = append(u.names, name)
	}
	t := &target{out: u, template: " StdUsrMsgFmt", text: ":omusrmsg:" + list}
	if u.everybody {
		t.template = " WallFmt"
	}
	return t
}

// legacyForward reads what follows the first @ of a forwarding action.
func (c *loader) legacyForward(s string) *target {
	f := &forwardConfig{port: "514", delimiter: '\n'}
	if rest, ok := strings.CutPrefix(s, "@"); ok {
		f.tcp, s = true, rest
	}
	if strings.HasPrefix(s, "(") {
		block, rest, closed := strings.Cut(s[1:], ")")
		if !closed {
			c.errorf(codeNone, "Option block not terminated in forwarding action.")
		}
		for _, o := range strings.Split(block, ",") {
			switch {
			case o == "":
			case o[0] == 'o':
				f.counted = true
			case o[0] == 'z':
				// Compression is not modelled: the text goes out as it is.
				if len(o) < 2 || o[1] < '0' || o[1] > '9' {
					level := byte(')')
					if len(o) > 1 {
						level = o[1]
					}
					c.errorf(codeNone, "Invalid zlib compression level '%c' specified in forwarding action - NOT turning on compression.", level)
				}
			default:
				c.errorf(codeNone, "Invalid option %c in forwarding action - ignoring.", o[0])
			}
		}
		s = rest
	}
	if rest, ok := strings.CutPrefix(s, "["); ok {
		f.host, s, _ = strings.Cut(rest, "]")
	} else {
		end := strings.IndexAny(s, ";:#")
		if end < 0 {
			end = len(s)
		}
		f.host, s = strings.TrimLeft(s[:end], " \t"), s[end:]
	}
	if rest, ok := strings.CutPrefix(s, ":"); ok {
		n := 0
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n > 0 {
			f.port = rest[:n]
		}
		s = rest[n:]
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
