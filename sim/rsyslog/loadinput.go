package rsyslog

import "strings"

// moduleObject acts on module(load=...).
func (c *loader) moduleObject(o *object) {
	g := c.take(o, params(`load:t!`))
	if g == nil {
		c.unused(o)
		return
	}
	name := g.text("load")
	if !c.addModule(name, false) {
		return
	}
	name = strings.TrimSuffix(name, ".so")
	switch name {
	case "imuxsock":
		if g := c.params(name, o, imuxsockParams); g != nil {
			readSysSock(&c.conf.sysSock, g, "syssock.")
			c.conf.sysSock.off = !g.onOr("syssock.use", true)
		}
	case "imudp":
		c.params(name, o, imudpParams)
	case "imtcp":
		if g := c.params(name, o, imtcpParams); g != nil {
			c.set.tcp = readTCP(tcpInput{maxSessions: 200}, g)
		}
	case "immark":
		if g := c.params(name, o, immarkParams); g != nil {
			c.conf.mark.interval = g.number("interval", c.conf.mark.interval)
			if s, ok := g.get("markmessagetext"); ok {
				c.conf.mark.text = s
			}
			c.conf.mark.ruleset = g.text("ruleset")
		}
	case "imklog":
		if g := c.params(name, o, imklogParams); g != nil {
			c.conf.klog.permitNonKernel = g.on("permitnonkernelfacility")
		}
	case "imjournal":
		if g := c.params(name, o, imjournalParams); g != nil {
			j := &c.conf.journal
			j.stateFile = g.text("statefile")
			if s, ok := g.get("usepid"); ok {
				j.usePid = strings.ToLower(s)
			} else if g.on("usepidfromsystem") {
				j.usePid = "system"
			}
			j.ignorePrevious = g.on("ignorepreviousmessages")
			j.persistInterval = g.number("persiststateinterval", j.persistInterval)
			j.severity, j.facility = g.number("defaultseverity", j.severity), g.number("defaultfacility", j.facility)
			j.limit.interval = g.number("ratelimit.interval", j.limit.interval)
			j.limit.burst = g.number("ratelimit.burst", j.limit.burst)
			if s, ok := g.get("defaulttag"); ok {
				j.tag = s
			}
		}
	case "imfile":
		if g := c.params(name, o, imfileParams); g != nil {
			c.conf.filePoll = g.number("pollinginterval", c.conf.filePoll)
		}
	case "builtin:omfile":
		if g := c.params(name, o, omfileModule); g != nil {
			c.defaultTemplate("omfile", g)
			c.set.file = readFileModes(c.set.file, g)
			c.set.moduleFile = c.set.file
		}
	case "builtin:omfwd":
		if g := c.params(name, o, omfwdModule); g != nil {
			c.defaultTemplate("omfwd", g)
		}
	default:
		if g := c.params(name, o, params(`template:t`)); g != nil {
			c.defaultTemplate(strings.TrimPrefix(name, "builtin:"), g)
		}
	}
}

// defaultTemplate notes the template= of a module of an output.
func (c *loader) defaultTemplate(output string, g *given) {
	if s, ok := g.get("template"); ok {
		if _, twice := c.conf.defaultOf[output]; twice {
			c.errorf(codeNone, "%s: warning: default template was already set via legacy directive - may lead to inconsistent results.", output)
		}
		c.conf.defaultOf[output] = s
	}
}

func readSysSock(s *sysSock, g *given, prefix string) {
	if v, ok := g.get(prefix + "name"); ok {
		s.name = v
	}
	s.keepTime = !g.onOr(prefix+"ignoretimestamp", !s.keepTime)
	s.parse = !g.onOr(prefix+"usespecialparser", !s.parse)
	s.hasHost = g.onOr(prefix+"parsehostname", s.hasHost)
	s.pidFromOS = g.onOr(prefix+"usepidfromsystem", s.pidFromOS)
	s.annotate = g.onOr(prefix+"annotate", s.annotate)
	s.noUnlink = !g.onOr(prefix+"unlink", !s.noUnlink)
	s.limit.interval = g.number(prefix+"ratelimit.interval", s.limit.interval)
	s.limit.burst = g.number(prefix+"ratelimit.burst", s.limit.burst)
	s.limit.severity = g.number(prefix+"ratelimit.severity", s.limit.severity)
}

func readTCP(in tcpInput, g *given) tcpInput {
	in.noCounting = !g.onOr("octetcountedframing", !in.noCounting)
	in.noCounting = !g.onOr("supportoctetcountedframing", !in.noCounting)
	in.maxSessions = g.number("maxsessions", in.maxSessions)
	in.delimiter = g.number("addtlframedelimiter", in.delimiter)
	in.notifyClose = g.onOr("notifyonconnectionclose", in.notifyClose)
	return in
}

// input acts on input(type=...).
func (c *loader) input(o *object) {
	g := c.take(o, params(`type:t!`))
	if g == nil {
		c.unused(o)
		return
	}
	kind := strings.ToLower(g.text("type"))
	if c.conf.module(kind) == nil {
		c.errorf(codeModuleUnknown, "input module name '%s' is unknown", g.text("type"))
		c.unused(o)
		return
	}
	switch kind {
	case "imudp":
		if g := c.params(kind, o, imudpInput); g != nil {
			for _, old := range []string{"inputname", "inputname.appendport"} {
				if g.has(old) {
					c.errorf(codeDeprecated, "imudp: deprecated parameter %s used. Suggest to use %s instead", old, strings.TrimPrefix(old, "input"))
				}
			}
			for _, port := range g.list("port") {
				in := &udpInput{address: g.text("address"), port: port, name: "imudp", ruleset: g.text("ruleset")}
				if v, ok := g.get("name"); ok {
					in.name = v
				} else if v, ok := g.get("inputname"); ok {
					in.name = v
				}
				if g.on("name.appendport") || g.on("inputname.appendport") {
					in.name += port
				}
				in.limit = rateLimit{g.number("ratelimit.interval", 0), g.number("ratelimit.burst", 10000), 0}
				c.conf.udp = append(c.conf.udp, in)
			}
		}
	case "imtcp":
		g := c.params(kind, o, imtcpInput)
		if g == nil {
			c.errorf(codeMissingParam, "imtcp: required parameter are missing ")
		} else {
			in := readTCP(c.set.tcp, g)
			in.address, in.port, in.name, in.ruleset = g.text("address"), g.text("port"), "imtcp", g.text("ruleset")
			if v, ok := g.get("name"); ok {
				in.name = v
			}
			in.limit = rateLimit{g.number("ratelimit.interval", 0), g.number("ratelimit.burst", 10000), 0}
			c.conf.tcp = append(c.conf.tcp, &in)
		}
	case "imuxsock":
		if g := c.params(kind, o, imuxsockInput); g != nil {
			in := &unixInput{createPath: g.on("createpath"), hostname: g.text("hostname"), ruleset: g.text("ruleset")}
			in.limit = rateLimit{0, 200, 1}
			readSysSock(&in.sysSock, g, "")
			in.name = g.text("socket")
			c.conf.sockets = append(c.conf.sockets, in)
		}
	case "imfile":
		if g := c.params(kind, o, imfileInput); g != nil {
			c.conf.files = append(c.conf.files, &fileInput{
				pattern: g.text("file"), tag: g.text("tag"), ruleset: g.text("ruleset"),
				facility: g.number("facility", 16), severity: g.number("severity", 5),
				freshTail: g.on("freshstarttail"), metadata: g.on("addmetadata"), readMode: g.number("readmode", 0),
				escapeLF: g.onOr("escapelf", true), persist: g.number("persiststateinterval", 0),
			})
		}
	default:
		c.errorf(codeNone, "config objects are not supported by module '%s'", kind)
		c.unused(o)
	}
}
