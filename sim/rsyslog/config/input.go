package config

import (
	"regexp"
	"slices"
	"strings"

	"enshu/sim/libc/regex"
	"enshu/sim/rsyslog/script"
)

// moduleObject acts on module(load=...).
func (c *loader) moduleObject(o *script.Object) {
	g := c.take(o, params(`load:w!`))
	if g == nil {
		return
	}
	name := g.text("load")
	if !c.addModule(name, false) {
		return
	}
	name = strings.TrimSuffix(name, ".so")
	switch name {
	case "imuxsock":
		if g := c.moduleParams(name, o, imuxsockParams); g != nil {
			readSysSock(&c.conf.SysSock, g, "syssock.")
			c.conf.SysSock.Off = !g.onOr("syssock.use", true)
		}
	case "imudp":
		c.moduleParams(name, o, imudpParams)
	case "imtcp":
		if g := c.moduleParams(name, o, imtcpParams); g != nil {
			c.set.tcp = readTCP(TCPInput{MaxSessions: 200}, g)
		}
	case "immark":
		if g := c.moduleParams(name, o, immarkParams); g != nil {
			c.conf.Mark.Interval = g.number("interval", c.conf.Mark.Interval)
			if s, ok := g.get("markmessagetext"); ok {
				c.conf.Mark.Text = s
			}
			c.conf.Mark.ruleset = g.text("ruleset")
		}
	case "imklog":
		if g := c.moduleParams(name, o, imklogParams); g != nil {
			c.conf.Klog.PermitNonKernel = g.on("permitnonkernelfacility")
		}
	case "imjournal":
		if g := c.moduleParams(name, o, imjournalParams); g != nil {
			j := &c.conf.Journal
			j.StateFile = g.text("statefile")
			if s, ok := g.get("usepid"); ok {
				j.UsePID = strings.ToLower(s)
			} else if g.on("usepidfromsystem") {
				j.UsePID = "system"
			}
			j.IgnorePrevious = g.on("ignorepreviousmessages")
			j.PersistInterval = g.number("persiststateinterval", j.PersistInterval)
			j.Severity, j.Facility = g.number("defaultseverity", j.Severity), g.number("defaultfacility", j.Facility)
			j.Limit.Interval = g.number("ratelimit.interval", j.Limit.Interval)
			j.Limit.Burst = g.number("ratelimit.burst", j.Limit.Burst)
			if s, ok := g.get("defaulttag"); ok {
				j.Tag = s
			}
		}
	case "imfile":
		if g := c.moduleParams(name, o, imfileParams); g != nil {
			c.conf.filePoll = g.number("pollinginterval", c.conf.filePoll)
		}
	case "builtin:omfile":
		if g := c.moduleParams(name, o, omfileModule); g != nil {
			c.defaultTemplate("omfile", g)
			c.set.file = readFileModes(c.set.file, g)
			c.set.moduleFile = c.set.file
		}
	case "builtin:omfwd":
		if g := c.moduleParams(name, o, omfwdModule); g != nil {
			c.defaultTemplate("omfwd", g)
		}
	default:
		if g := c.moduleParams(name, o, params(`template:w`)); g != nil {
			c.defaultTemplate(strings.TrimPrefix(name, "builtin:"), g)
		}
	}
}

// moduleParams reads the parameters of a module. When any is wrong the module is
// not there.
func (c *loader) moduleParams(name string, o *script.Object, specs []param) *given {
	const failed = "error processing module config parameters [module(...)]"
	builtin := strings.HasPrefix(name, "builtin:")
	if builtin && c.builtinSet[name] {
		c.errorf(codeBuiltinTwice, "parameters for built-in module %s already set - ignored ", name)
		return nil
	}
	g := c.take(o, specs)
	switch {
	case builtin:
		if c.builtinSet[name] = true; g == nil {
			c.Complain(failed)
		}
	case g == nil:
		prefix := ""
		if name == "imudp" || name == "imtcp" {
			prefix = name + ": "
		}
		c.errorf(codeMissingParam, "%s%s", prefix, failed)
		c.errorf(codeMissingParam, "module '%s/%s.so', failed processing config parameters", moduleDir, name)
		c.conf.Modules = slices.DeleteFunc(c.conf.Modules, func(m *Module) bool { return m.Name == name })
	}
	return g
}

// defaultTemplate notes the template= of a module of an output.
func (c *loader) defaultTemplate(output string, g *given) {
	if s, ok := g.get("template"); ok {
		if _, twice := c.conf.defaultOf[output]; twice {
			c.errorf(CodeNone, "%s: warning: default template was already set via legacy directive - may lead to inconsistent results.", output)
		}
		c.conf.defaultOf[output] = s
	}
}

func readSysSock(s *SystemSocket, g *given, prefix string) {
	if v, ok := g.get(prefix + "name"); ok {
		s.Name = v
	}
	s.KeepTime = !g.onOr(prefix+"ignoretimestamp", !s.KeepTime)
	s.Parse = !g.onOr(prefix+"usespecialparser", !s.Parse)
	s.HasHost = g.onOr(prefix+"parsehostname", s.HasHost)
	s.PidFromOS = g.onOr(prefix+"usepidfromsystem", s.PidFromOS)
	s.annotate = g.onOr(prefix+"annotate", s.annotate)
	s.NoUnlink = !g.onOr(prefix+"unlink", !s.NoUnlink)
	s.Limit.Interval = g.number(prefix+"ratelimit.interval", s.Limit.Interval)
	s.Limit.Burst = g.number(prefix+"ratelimit.burst", s.Limit.Burst)
	s.Limit.Severity = g.number(prefix+"ratelimit.severity", s.Limit.Severity)
}

func readTCP(in TCPInput, g *given) TCPInput {
	in.NoCounting = !g.onOr("octetcountedframing", !in.NoCounting)
	in.NoCounting = !g.onOr("supportoctetcountedframing", !in.NoCounting)
	in.MaxSessions = g.number("maxsessions", in.MaxSessions)
	in.Delimiter = g.number("addtlframedelimiter", in.Delimiter)
	in.MaxFrame = g.number("maxframesize", in.MaxFrame)
	in.NoLF = g.onOr("disablelfdelimiter", in.NoLF)
	in.NoRest = g.onOr("discardtruncatedmsg", in.NoRest)
	in.NotifyClose = g.onOr("notifyonconnectionclose", in.NotifyClose)
	return in
}

// input acts on input(type=...).
func (c *loader) input(o *script.Object) {
	g := c.take(o, params(`type:t!`))
	if g == nil {
		return
	}
	kind := strings.ToLower(g.text("type"))
	if c.conf.module(kind) == nil {
		c.errorf(codeModuleUnknown, "input module name '%s' is unknown", g.text("type"))
		return
	}
	switch kind {
	case "imudp":
		if g := c.take(o, imudpInput); g != nil {
			for _, old := range []string{"inputname", "inputname.appendport"} {
				if g.has(old) {
					c.errorf(codeDeprecated, "imudp: deprecated parameter %s used. Suggest to use %s instead", old, strings.TrimPrefix(old, "input"))
				}
			}
			for _, port := range g.list("port") {
				in := &UDPInput{Address: g.text("address"), Port: port, Name: "imudp", Ruleset: g.text("ruleset")}
				if v, ok := g.get("name"); ok {
					in.Name = v
				} else if v, ok := g.get("inputname"); ok {
					in.Name = v
				}
				if g.on("name.appendport") || g.on("inputname.appendport") {
					in.Name += port
				}
				in.Limit = RateLimit{g.number("ratelimit.interval", 0), g.number("ratelimit.burst", 10000), 0}
				c.conf.UDP = append(c.conf.UDP, in)
			}
		}
	case "imtcp":
		g := c.take(o, imtcpInput)
		if g == nil {
			c.errorf(codeMissingParam, "imtcp: required parameter are missing ")
		} else {
			in := readTCP(c.set.tcp, g)
			in.Address, in.Port, in.Name, in.Ruleset = g.text("address"), g.text("port"), "imtcp", g.text("ruleset")
			if v, ok := g.get("name"); ok {
				in.Name = v
			}
			in.Limit = RateLimit{g.number("ratelimit.interval", 0), g.number("ratelimit.burst", 10000), 0}
			c.conf.TCP = append(c.conf.TCP, &in)
		}
	case "imuxsock":
		g := c.take(o, imuxsockInput)
		if g == nil {
			c.errorf(codeMissingParam, "imuxsock: required parameter are missing ")
		} else {
			in := &UnixInput{CreatePath: g.on("createpath"), Hostname: g.text("hostname"), Ruleset: g.text("ruleset")}
			in.Limit = RateLimit{0, 200, 1}
			readSysSock(&in.SystemSocket, g, "")
			in.Name = g.text("socket")
			c.conf.Sockets = append(c.conf.Sockets, in)
		}
	case "imfile":
		if g := c.take(o, imfileInput); g != nil {
			c.fileInput(g)
		}
	default:
		c.errorf(CodeNone, "config objects are not supported by module '%s'", kind)
		c.unused(o)
	}
}

// fileInput is an input of imfile.
func (c *loader) fileInput(g *given) {
	in := &FileInput{
		Pattern: g.text("file"), Tag: g.text("tag"), Ruleset: g.text("ruleset"),
		Facility: g.number("facility", 16), Severity: g.number("severity", 5),
		FreshTail: g.on("freshstarttail"), Metadata: g.onOr("addmetadata", true), ReadMode: g.number("readmode", 0),
		EscapeLF: g.onOr("escapelf", true), Persist: g.number("persiststateinterval", 0),
		Parse: g.on("needparse"), CEETag: g.on("addceetag"), TrimOver: g.number("trimlineoverbytes", 0),
	}
	if g.has("statefile") {
		c.complainf("parameter 'statefile' deprecated but accepted, consider removing or replacing it")
	}
	modes := 0
	for _, name := range []string{"readmode", "startmsg.regex", "endmsg.regex"} {
		if g.has(name) {
			modes++
		}
	}
	if modes > 1 {
		c.errorf(codeNotPermitted, "only one of readMode or startmsg.regex or endmsg.regex can be set at the same time")
		return
	}
	for _, r := range []struct {
		name string
		re   **regexp.Regexp
	}{{"startmsg.regex", &in.Start}, {"endmsg.regex", &in.End}} {
		pattern, ok := g.get(r.name)
		if !ok {
			continue
		}
		re, err := regex.Compile(pattern, false)
		if err != nil {
			c.complainf("imfile: error in %s expansion: %v", r.name, err)
			return
		}
		*r.re = re
	}
	c.conf.Files = append(c.conf.Files, in)
}
