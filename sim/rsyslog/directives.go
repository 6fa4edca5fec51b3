package rsyslog

import (
	"net/netip"
	"strings"
)

// legacySettings are what $directives set for the actions and inputs after them.
type legacySettings struct {
	file          fileModes
	moduleFile    fileModes // module(load="builtin:omfile"), for action()
	resumeRetry   int
	resumeEvery   int // seconds
	repeated      bool
	onlySuspended bool
	onlyEvery     int // $ActionExecOnlyOnceEveryInterval, seconds
	everyNth      int
	writeMarks    bool
	actionName    string
	queue         queueConfig
	udpAddress    string
	udpRuleset    string
	tcp           tcpInput
	unix          unixInput
	imfile        fileInput
}

// fileModes are how omfile makes files and directories.
type fileModes struct {
	file, dir        int
	fileUID, fileGID int
	dirUID, dirGID   int
	noDirs           bool
	failOnChown      bool
	flushOnTXEnd     bool
	bufferSize       int
	flushInterval    int
	dynaFileCache    int
	sync             bool
}

func newLegacySettings() legacySettings {
	modes := fileModes{file: 0o644, dir: 0o700, fileUID: -1, fileGID: -1, dirUID: -1, dirGID: -1,
		failOnChown: true, flushOnTXEnd: true, bufferSize: 4096, flushInterval: 1, dynaFileCache: 10}
	return legacySettings{file: modes, moduleFile: modes, resumeEvery: 30, writeMarks: true,
		tcp:    tcpInput{maxSessions: 200},
		unix:   unixInput{sysSock: sysSock{limit: rateLimit{0, 200, 1}}},
		imfile: fileInput{facility: 16, severity: 5, escapeLF: true},
		queue:  queueConfig{discardFrom: 8}}
}

// directive describes a $directive: which module brings it, how its argument is
// read, and what it does. A directive without an effect on a host of the lab
// has no set function.
type directive struct {
	module string
	kind   paramKind
	set    func(c *loader, text string, n int)
}

// raw marks a directive that reads the rest of its line.
const raw paramKind = -1

// directives are rsyslog's old configuration directives, by their name in lower case.
var directives = map[string]directive{
	"modload":              {"", kText, func(c *loader, s string, _ int) { c.addModule(s, true) }},
	"moddir":               {"", kText, nil},
	"template":             {"", raw, nil},
	"allowedsender":        {"", raw, nil},
	"outchannel":           {"", raw, nil},
	"defaultruleset":       {"", kText, func(c *loader, s string, _ int) { c.conf.main = c.ruleset(s) }},
	"workdirectory":        {"", kText, func(c *loader, s string, _ int) { c.conf.globals.workDirectory = strings.TrimRight(s, "/") }},
	"umask":                {"", kMode, func(c *loader, _ string, n int) { c.conf.globals.umask = n }},
	"localhostname":        {"", kText, func(c *loader, s string, _ int) { c.conf.globals.localHostname = s }},
	"preservefqdn":         {"", kBool, func(c *loader, _ string, n int) { c.conf.globals.preserveFQDN = n == 1 }},
	"maxmessagesize":       {"", kSize, func(c *loader, _ string, n int) { c.conf.globals.maxMessage = n }},
	"filecreatemode":       {"", kMode, func(c *loader, _ string, n int) { c.set.file.file = n }},
	"dircreatemode":        {"", kMode, func(c *loader, _ string, n int) { c.set.file.dir = n }},
	"fileowner":            {"", kUser, func(c *loader, _ string, n int) { c.set.file.fileUID = n }},
	"filegroup":            {"", kGroup, func(c *loader, _ string, n int) { c.set.file.fileGID = n }},
	"dirowner":             {"", kUser, func(c *loader, _ string, n int) { c.set.file.dirUID = n }},
	"dirgroup":             {"", kGroup, func(c *loader, _ string, n int) { c.set.file.dirGID = n }},
	"fileownernum":         {"", kNumber, func(c *loader, _ string, n int) { c.set.file.fileUID = n }},
	"filegroupnum":         {"", kNumber, func(c *loader, _ string, n int) { c.set.file.fileGID = n }},
	"createdirs":           {"", kBool, func(c *loader, _ string, n int) { c.set.file.noDirs = n == 0 }},
	"failonchownfailure":   {"", kBool, func(c *loader, _ string, n int) { c.set.file.failOnChown = n == 1 }},
	"dynafilecachesize":    {"", kNumber, func(c *loader, _ string, n int) { c.set.file.dynaFileCache = n }},
	"omfileflushontxend":   {"", kBool, func(c *loader, _ string, n int) { c.set.file.flushOnTXEnd = n == 1 }},
	"omfileiobuffersize":   {"", kSize, func(c *loader, _ string, n int) { c.set.file.bufferSize = n }},
	"omfileflushinterval":  {"", kNumber, func(c *loader, _ string, n int) { c.set.file.flushInterval = n }},
	"actionfileenablesync": {"", kBool, func(c *loader, _ string, n int) { c.set.file.sync = n == 1 }},

	"actionfiledefaulttemplate":             {"", kText, func(c *loader, s string, _ int) { c.conf.defaultOf["omfile"] = s }},
	"actionforwarddefaulttemplate":          {"", kText, func(c *loader, s string, _ int) { c.conf.defaultOf["omfwd"] = s }},
	"repeatedmsgreduction":                  {"", kBool, func(c *loader, _ string, n int) { c.set.repeated = n == 1 }},
	"actionresumeinterval":                  {"", kNumber, func(c *loader, _ string, n int) { c.set.resumeEvery = n }},
	"actionresumeretrycount":                {"", kNumber, func(c *loader, _ string, n int) { c.set.resumeRetry = n }},
	"actionexeconlywhenpreviousissuspended": {"", kBool, func(c *loader, _ string, n int) { c.set.onlySuspended = n == 1 }},
	"actionexeconlyonceeveryinterval":       {"", kNumber, func(c *loader, _ string, n int) { c.set.onlyEvery = n }},
	"actionexeconlyeverynthtime":            {"", kNumber, func(c *loader, _ string, n int) { c.set.everyNth = n }},
	"actionwriteallmarkmessages":            {"", kBool, func(c *loader, _ string, n int) { c.set.writeMarks = n == 1 }},
	"actionname":                            {"", kText, func(c *loader, s string, _ int) { c.set.actionName = s }},
	"actionqueuetype":                       {"", kText, func(c *loader, s string, _ int) { c.set.queue.kind = strings.ToLower(s) }},
	"actionqueuefilename":                   {"", kText, func(c *loader, s string, _ int) { c.set.queue.file = s }},
	"actionqueuesize":                       {"", kSize, func(c *loader, _ string, n int) { c.set.queue.size = n }},
	"actionqueuesaveonshutdown":             {"", kBool, func(c *loader, _ string, n int) { c.set.queue.saveOnShutdown = n == 1 }},
	"actionqueuemaxdiskspace":               {"", kSize, func(c *loader, _ string, n int) { c.set.queue.maxDisk = int64(n) }},
	"actionqueuediscardmark":                {"", kNumber, func(c *loader, _ string, n int) { c.set.queue.discardMark = n }},
	"actionqueuediscardseverity":            {"", kSeverity, func(c *loader, _ string, n int) { c.set.queue.discardFrom = n }},
	"resetconfigvariables":                  {"", raw, nil},

	"escapecontrolcharactersonreceive": {"", kBool, func(c *loader, _ string, n int) { c.conf.globals.sanitizer.KeepControls = n == 0 }},
	"escapecontrolcharactertab":        {"", kBool, func(c *loader, _ string, n int) { c.conf.globals.sanitizer.KeepTabs = n == 0 }},
	"escape8bitcharactersonreceive":    {"", kBool, func(c *loader, _ string, n int) { c.conf.globals.sanitizer.Escape8Bit = n == 1 }},
	"escapecontrolcharacterscstyle":    {"", kBool, func(c *loader, _ string, n int) { c.conf.globals.sanitizer.EscapeCStyle = n == 1 }},
	"spacelfonreceive":                 {"", kBool, func(c *loader, _ string, n int) { c.conf.globals.sanitizer.SpaceControls = n == 1 }},
	"droptrailinglfonreception":        {"", kBool, func(c *loader, _ string, n int) { c.conf.globals.sanitizer.KeepTrailingLF = n == 0 }},
	"controlcharacterescapeprefix":     {"", kText, func(c *loader, s string, _ int) { c.conf.globals.sanitizer.EscapePrefix = (s + "#")[0] }},

	"omitlocallogging":                        {"imuxsock", kBool, func(c *loader, _ string, n int) { c.conf.sysSock.off = n == 1 }},
	"systemlogsocketname":                     {"imuxsock", kText, func(c *loader, s string, _ int) { c.conf.sysSock.name = s }},
	"systemlogsocketignoremsgtimestamp":       {"imuxsock", kBool, func(c *loader, _ string, n int) { c.conf.sysSock.keepTime = n == 0 }},
	"systemlogusepidfromsystem":               {"imuxsock", kBool, func(c *loader, _ string, n int) { c.conf.sysSock.pidFromOS = n == 1 }},
	"systemlogsocketannotate":                 {"imuxsock", kBool, func(c *loader, _ string, n int) { c.conf.sysSock.annotate = n == 1 }},
	"systemlogparsetrusted":                   {"imuxsock", kBool, nil},
	"systemlogsocketflowcontrol":              {"imuxsock", kBool, nil},
	"systemlogratelimitinterval":              {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.conf.sysSock.limit.interval = n }},
	"systemlogratelimitburst":                 {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.conf.sysSock.limit.burst = n }},
	"systemlogratelimitseverity":              {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.conf.sysSock.limit.severity = n }},
	"imuxsockratelimitinterval":               {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.set.unix.limit.interval = n }},
	"imuxsockratelimitburst":                  {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.set.unix.limit.burst = n }},
	"imuxsockratelimitseverity":               {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.set.unix.limit.severity = n }},
	"inputunixlistensockethostname":           {"imuxsock", kText, func(c *loader, s string, _ int) { c.set.unix.hostname = s }},
	"inputunixlistensocketcreatepath":         {"imuxsock", kBool, func(c *loader, _ string, n int) { c.set.unix.createPath = n == 1 }},
	"inputunixlistensocketignoremsgtimestamp": {"imuxsock", kBool, func(c *loader, _ string, n int) { c.set.unix.keepTime = n == 0 }},
	"inputunixlistensocketusepidfromsystem":   {"imuxsock", kBool, func(c *loader, _ string, n int) { c.set.unix.pidFromOS = n == 1 }},
	"addunixlistensocket": {"imuxsock", kText, func(c *loader, s string, _ int) {
		in := c.set.unix
		in.name = s
		c.conf.sockets = append(c.conf.sockets, &in)
		c.set.unix.hostname = ""
	}},

	"udpserveraddress": {"imudp", kText, func(c *loader, s string, _ int) { c.set.udpAddress = strings.TrimPrefix(s, "*") }},
	"udpserverrun": {"imudp", kText, func(c *loader, s string, _ int) {
		c.conf.udp = append(c.conf.udp, &udpInput{address: c.set.udpAddress, port: s, name: "imudp", ruleset: c.set.udpRuleset})
	}},
	"inputudpserverbindruleset": {"imudp", kText, func(c *loader, s string, _ int) { c.set.udpRuleset = s }},
	"udpservertimerequery":      {"imudp", kNumber, nil},

	"inputtcpserverrun": {"imtcp", kText, func(c *loader, s string, _ int) {
		in := c.set.tcp
		in.port, in.name = s, "imtcp"
		if c.set.tcp.name != "" {
			in.name = c.set.tcp.name
		}
		c.conf.tcp = append(c.conf.tcp, &in)
	}},
	"inputtcpserverbindruleset":                {"imtcp", kText, func(c *loader, s string, _ int) { c.set.tcp.ruleset = s }},
	"inputtcpserverinputname":                  {"imtcp", kText, func(c *loader, s string, _ int) { c.set.tcp.name = s }},
	"inputtcpserverlistenaddress":              {"imtcp", kText, func(c *loader, s string, _ int) { c.set.tcp.address = strings.TrimPrefix(s, "*") }},
	"inputtcpserversupportoctetcountedframing": {"imtcp", kBool, func(c *loader, _ string, n int) { c.set.tcp.noCounting = n == 0 }},
	"inputtcpserveraddtlframedelimiter":        {"imtcp", kNumber, func(c *loader, _ string, n int) { c.set.tcp.delimiter = n }},
	"inputtcpmaxsessions":                      {"imtcp", kNumber, func(c *loader, _ string, n int) { c.set.tcp.maxSessions = n }},
	"inputtcpmaxlisteners":                     {"imtcp", kNumber, nil},
	"inputtcpservernotifyonconnectionclose":    {"imtcp", kBool, func(c *loader, _ string, n int) { c.set.tcp.notifyClose = n == 1 }},
	"inputtcpserverkeepalive":                  {"imtcp", kBool, nil},
	"inputtcpflowcontrol":                      {"imtcp", kBool, nil},
	"inputtcpserverstreamdrivermode":           {"imtcp", kNumber, nil},
	"inputtcpserverstreamdriverauthmode":       {"imtcp", kText, nil},
	"inputtcpserverstreamdriverpermittedpeer":  {"imtcp", kText, nil},

	"markmessageperiod":               {"immark", kNumber, func(c *loader, _ string, n int) { c.conf.mark.interval = n }},
	"klogpermitnonkernelfacility":     {"imklog", kBool, func(c *loader, _ string, n int) { c.conf.klog.permitNonKernel = n == 1 }},
	"kloginternalmsgfacility":         {"imklog", kFacility, nil},
	"klogconsoleloglevel":             {"imklog", kNumber, nil},
	"klogpath":                        {"imklog", kText, nil},
	"imjournalstatefile":              {"imjournal", kText, func(c *loader, s string, _ int) { c.conf.journal.stateFile = s }},
	"imjournalratelimitinterval":      {"imjournal", kNumber, func(c *loader, _ string, n int) { c.conf.journal.limit.interval = n }},
	"imjournalratelimitburst":         {"imjournal", kNumber, func(c *loader, _ string, n int) { c.conf.journal.limit.burst = n }},
	"imjournalpersiststateinterval":   {"imjournal", kNumber, func(c *loader, _ string, n int) { c.conf.journal.persistInterval = n }},
	"imjournalignorepreviousmessages": {"imjournal", kBool, func(c *loader, _ string, n int) { c.conf.journal.ignorePrevious = n == 1 }},

	"inputfilename":         {"imfile", kText, func(c *loader, s string, _ int) { c.set.imfile.pattern = s }},
	"inputfiletag":          {"imfile", kText, func(c *loader, s string, _ int) { c.set.imfile.tag = s }},
	"inputfilestatefile":    {"imfile", kText, nil},
	"inputfileseverity":     {"imfile", kSeverity, func(c *loader, _ string, n int) { c.set.imfile.severity = n }},
	"inputfilefacility":     {"imfile", kFacility, func(c *loader, _ string, n int) { c.set.imfile.facility = n }},
	"inputfilepollinterval": {"imfile", kNumber, func(c *loader, _ string, n int) { c.conf.filePoll = n }},
	"inputfilebindruleset":  {"imfile", kText, func(c *loader, s string, _ int) { c.set.imfile.ruleset = s }},
	"inputrunfilemonitor": {"imfile", raw, func(c *loader, _ string, _ int) {
		in := c.set.imfile
		c.conf.files = append(c.conf.files, &in)
	}},
}

// ignoredDirectives are known and make no difference on a host of the lab.
var ignoredDirectives = strings.Fields(`abortonuncleanconfig actionqueuecheckpointinterval actionqueuedequeuebatchsize
	actionqueuedequeueslowdown actionqueuedequeuetimebegin actionqueuedequeuetimeend actionqueuehighwatermark actionqueueimmediateshutdown
	actionqueuelowwatermark actionqueuemaxfilesize actionqueuesyncqueuefiles actionqueuetimeoutactioncompletion
	actionqueuetimeoutenqueue actionqueuetimeoutshutdown actionqueuetimeoutworkerthreadshutdown actionqueueworkerthreadminimummessages
	actionqueueworkerthreads actionsendstreamdriver actionsendstreamdriverauthmode actionsendstreamdrivermode
	actionsendstreamdriverpermittedpeer actionsendtcprebindinterval actionsendudprebindinterval actionsendresendlastmsgonreconnect
	actionexeconlyeverynthtimetimeout controlcharacterescapeprefix debugprintcfsyslinehandlerlist debugprintmodulelist
	debugprinttemplatelist defaultnetstreamdriver defaultnetstreamdrivercafile defaultnetstreamdrivercertfile
	defaultnetstreamdriverkeyfile dropmsgswithmaliciousdnsptrrecords errormessagestostderr generateconfiggraph hupisrestart
	mainmsgqueuecheckpointinterval mainmsgqueuedequeuebatchsize mainmsgqueuedequeueslowdown mainmsgqueuediscardmark
	mainmsgqueuediscardseverity mainmsgqueuefilename mainmsgqueuehighwatermark mainmsgqueueimmediateshutdown mainmsgqueuelowwatermark
	mainmsgqueuemaxdiskspace mainmsgqueuemaxfilesize mainmsgqueuesaveonshutdown mainmsgqueuesize mainmsgqueuetimeoutactioncompletion
	mainmsgqueuetimeoutenqueue mainmsgqueuetimeoutshutdown mainmsgqueuetimeoutworkerthreadshutdown mainmsgqueuetype
	mainmsgqueueworkerthreadminimummessages mainmsgqueueworkerthreads maxopenfiles omfileasyncwriting omfileziplevel
	optimizeforuniprocessor privdroptogroup privdroptogroupid privdroptouser privdroptouserid repeatedmsgcontainsoriginalmsg
	rulesetcreatemainqueue rulesetparser sleeptime localhostipif logrsyslogstatusmessages processinternalmessages`)

// directive acts on a $directive.
func (c *loader) directive(line string) {
	name, rest, _ := strings.Cut(strings.Replace(line[1:], "\t", " ", 1), " ")
	rest = strings.TrimLeft(rest, " \t")
	lower := strings.ToLower(name)
	d, known := directives[lower]
	for _, ignored := range ignoredDirectives {
		if !known && ignored == lower {
			return
		}
	}
	if m := c.conf.module(d.module); !known || d.module != "" && m == nil {
		c.errorf(codeUnknownCommand, "invalid or yet-unknown config file command '%s' - have you forgotten to load a module?", name)
		return
	} else if m != nil && !m.legacy && moduleWide[lower] {
		c.errorf(codeNotPermitted, "command '%s' is currently not permitted - did you already set it via a RainerScript command (v6+ config)?", name)
		return
	}
	switch lower {
	case "template":
		c.extra(c.legacyTemplate(rest))
		return
	case "allowedsender":
		c.allowedSenders(rest)
		return
	case "outchannel":
		return
	case "resetconfigvariables":
		c.set = newLegacySettings()
		return
	}
	word := rest
	if d.kind == kText || d.kind >= 0 {
		if i := strings.IndexAny(rest, " \t"); i >= 0 {
			word = rest[:i]
			c.extra(rest[i:])
		}
	}
	if d.set == nil {
		return
	}
	if d.kind == raw {
		d.set(c, rest, 0)
		return
	}
	n, complaint := c.decode(d.kind, name, word)
	if complaint != "" {
		c.errorf(codeNone, "%s", complaint)
		return
	}
	d.set(c, word, int(n))
}

// moduleWide are the directives that a module(load=) takes the place of.
var moduleWide = map[string]bool{
	"markmessageperiod": true, "omitlocallogging": true, "systemlogsocketname": true, "systemlogsocketignoremsgtimestamp": true,
	"systemlogusepidfromsystem": true, "systemlogratelimitinterval": true, "systemlogratelimitburst": true,
	"systemlogratelimitseverity": true, "klogpermitnonkernelfacility": true, "imjournalstatefile": true,
	"imjournalratelimitinterval": true, "imjournalratelimitburst": true, "inputtcpmaxsessions": true, "inputtcpmaxlisteners": true,
	"inputtcpserveraddtlframedelimiter": true, "inputfilepollinterval": true, "inputtcpflowcontrol": true,
}

// extra complains about what follows the argument of a directive.
func (c *loader) extra(rest string) {
	if rest = strings.TrimSpace(rest); rest != "" && rest[0] != '#' {
		c.errorf(codeNone, "error: extra characters in config line ignored: '%s'", rest)
	}
}

// allowedSender is one entry of $AllowedSender.
type allowedSender struct {
	protocol string // UDP or TCP
	prefix   netip.Prefix
	name     string // a host name, * and ? allowed
}

func (c *loader) allowedSenders(rest string) {
	fields := strings.Split(rest, ",")
	protocol := strings.ToUpper(strings.TrimSpace(fields[0]))
	if protocol != "UDP" && protocol != "TCP" && protocol != "GSS" {
		c.errorf(codeNone, "Invalid protocol '%s' in allowed sender list, ignoring whole line", strings.TrimSpace(fields[0]))
		return
	}
	for _, f := range fields[1:] {
		f = strings.TrimSpace(f)
		s := allowedSender{protocol: protocol}
		if p, err := netip.ParsePrefix(strings.NewReplacer("[", "", "]", "").Replace(f)); err == nil {
			s.prefix = p.Masked()
		} else if a, err := netip.ParseAddr(strings.Trim(f, "[]")); err == nil {
			s.prefix = netip.PrefixFrom(a, a.BitLen())
		} else {
			s.name = f
		}
		if f != "" {
			c.conf.senders = append(c.conf.senders, s)
		}
	}
}
