package config

import (
	"net/netip"
	"strings"
)

// legacySettings are what $directives set for the actions and inputs after them.
type legacySettings struct {
	file          FileModes
	moduleFile    FileModes // module(load="builtin:omfile"), for action()
	resumeRetry   int
	resumeEvery   int // seconds
	repeated      bool
	onlySuspended bool
	onlyEvery     int // $ActionExecOnlyOnceEveryInterval, seconds
	everyNth      int
	writeMarks    bool
	actionName    string
	queue         Queue
	udpAddress    string
	udpRuleset    string
	tcp           TCPInput
	unix          UnixInput
	imfile        FileInput
}

// FileModes are how omfile makes files and directories.
type FileModes struct {
	File, Dir        int
	FileUID, FileGID int
	DirUID, DirGID   int
	NoDirs           bool
	FailOnChown      bool
	FlushOnTXEnd     bool
	BufferSize       int
	flushInterval    int
	DynaFileCache    int
	sync             bool
}

func newLegacySettings() legacySettings {
	modes := FileModes{File: 0o644, Dir: 0o700, FileUID: -1, FileGID: -1, DirUID: -1, DirGID: -1,
		FailOnChown: true, FlushOnTXEnd: true, BufferSize: 4096, flushInterval: 1, DynaFileCache: 10}
	return legacySettings{file: modes, moduleFile: modes, resumeEvery: 30, writeMarks: true,
		tcp:    TCPInput{MaxSessions: 200},
		unix:   UnixInput{SystemSocket: SystemSocket{Limit: RateLimit{0, 200, 1}}},
		imfile: FileInput{Facility: 16, Severity: 5, escapeLF: true},
		queue:  Queue{DiscardFrom: 8}}
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
	"defaultruleset":       {"", kText, func(c *loader, s string, _ int) { c.conf.Main = c.ruleset(s) }},
	"workdirectory":        {"", kText, func(c *loader, s string, _ int) { c.workDirectory(s) }},
	"umask":                {"", kMode, func(c *loader, _ string, n int) { c.conf.Globals.Umask = n }},
	"localhostname":        {"", kText, func(c *loader, s string, _ int) { c.conf.Globals.LocalHostname = s }},
	"preservefqdn":         {"", kBool, func(c *loader, _ string, n int) { c.conf.Globals.PreserveFQDN = n == 1 }},
	"maxmessagesize":       {"", kSize, func(c *loader, _ string, n int) { c.maxMessage(n) }},
	"filecreatemode":       {"", kMode, func(c *loader, _ string, n int) { c.set.file.File = n }},
	"dircreatemode":        {"", kMode, func(c *loader, _ string, n int) { c.set.file.Dir = n }},
	"fileowner":            {"", kUser, func(c *loader, _ string, n int) { c.set.file.FileUID = n }},
	"filegroup":            {"", kGroup, func(c *loader, _ string, n int) { c.set.file.FileGID = n }},
	"dirowner":             {"", kUser, func(c *loader, _ string, n int) { c.set.file.DirUID = n }},
	"dirgroup":             {"", kGroup, func(c *loader, _ string, n int) { c.set.file.DirGID = n }},
	"fileownernum":         {"", kNumber, func(c *loader, _ string, n int) { c.set.file.FileUID = n }},
	"filegroupnum":         {"", kNumber, func(c *loader, _ string, n int) { c.set.file.FileGID = n }},
	"createdirs":           {"", kBool, func(c *loader, _ string, n int) { c.set.file.NoDirs = n == 0 }},
	"failonchownfailure":   {"", kBool, func(c *loader, _ string, n int) { c.set.file.FailOnChown = n == 1 }},
	"dynafilecachesize":    {"", kNumber, func(c *loader, _ string, n int) { c.set.file.DynaFileCache = n }},
	"omfileflushontxend":   {"", kBool, func(c *loader, _ string, n int) { c.set.file.FlushOnTXEnd = n == 1 }},
	"omfileiobuffersize":   {"", kSize, func(c *loader, _ string, n int) { c.set.file.BufferSize = n }},
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
	"actionqueuefilename":                   {"", kText, func(c *loader, s string, _ int) { c.set.queue.File = s }},
	"actionqueuesize":                       {"", kSize, func(c *loader, _ string, n int) { c.set.queue.Size = n }},
	"actionqueuesaveonshutdown":             {"", kBool, func(c *loader, _ string, n int) { c.set.queue.SaveOnShutdown = n == 1 }},
	"actionqueuemaxdiskspace":               {"", kSize, func(c *loader, _ string, n int) { c.set.queue.maxDisk = int64(n) }},
	"actionqueuediscardmark":                {"", kNumber, func(c *loader, _ string, n int) { c.set.queue.DiscardMark = n }},
	"actionqueuediscardseverity":            {"", kSeverity, func(c *loader, _ string, n int) { c.set.queue.DiscardFrom = n }},
	"resetconfigvariables":                  {"", raw, nil},

	"escapecontrolcharactersonreceive": {"", kBool, func(c *loader, _ string, n int) { c.conf.Globals.Sanitizer.KeepControls = n == 0 }},
	"escapecontrolcharactertab":        {"", kBool, func(c *loader, _ string, n int) { c.conf.Globals.Sanitizer.KeepTabs = n == 0 }},
	"escape8bitcharactersonreceive":    {"", kBool, func(c *loader, _ string, n int) { c.conf.Globals.Sanitizer.Escape8Bit = n == 1 }},
	"escapecontrolcharacterscstyle":    {"", kBool, func(c *loader, _ string, n int) { c.conf.Globals.Sanitizer.EscapeCStyle = n == 1 }},
	"spacelfonreceive":                 {"", kBool, func(c *loader, _ string, n int) { c.conf.Globals.Sanitizer.SpaceControls = n == 1 }},
	"droptrailinglfonreception":        {"", kBool, func(c *loader, _ string, n int) { c.conf.Globals.Sanitizer.KeepTrailingLF = n == 0 }},
	"controlcharacterescapeprefix":     {"", kText, func(c *loader, s string, _ int) { c.conf.Globals.Sanitizer.EscapePrefix = (s + "#")[0] }},

	"omitlocallogging":                        {"imuxsock", kBool, func(c *loader, _ string, n int) { c.conf.SysSock.Off = n == 1 }},
	"systemlogsocketname":                     {"imuxsock", kText, func(c *loader, s string, _ int) { c.conf.SysSock.Name = s }},
	"systemlogsocketignoremsgtimestamp":       {"imuxsock", kBool, func(c *loader, _ string, n int) { c.conf.SysSock.KeepTime = n == 0 }},
	"systemlogusepidfromsystem":               {"imuxsock", kBool, func(c *loader, _ string, n int) { c.conf.SysSock.PidFromOS = n == 1 }},
	"systemlogsocketannotate":                 {"imuxsock", kBool, func(c *loader, _ string, n int) { c.conf.SysSock.annotate = n == 1 }},
	"systemlogparsetrusted":                   {"imuxsock", kBool, nil},
	"systemlogsocketflowcontrol":              {"imuxsock", kBool, nil},
	"systemlogratelimitinterval":              {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.conf.SysSock.Limit.Interval = n }},
	"systemlogratelimitburst":                 {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.conf.SysSock.Limit.Burst = n }},
	"systemlogratelimitseverity":              {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.conf.SysSock.Limit.Severity = n }},
	"imuxsockratelimitinterval":               {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.set.unix.Limit.Interval = n }},
	"imuxsockratelimitburst":                  {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.set.unix.Limit.Burst = n }},
	"imuxsockratelimitseverity":               {"imuxsock", kNumber, func(c *loader, _ string, n int) { c.set.unix.Limit.Severity = n }},
	"inputunixlistensockethostname":           {"imuxsock", kText, func(c *loader, s string, _ int) { c.set.unix.Hostname = s }},
	"inputunixlistensocketcreatepath":         {"imuxsock", kBool, func(c *loader, _ string, n int) { c.set.unix.CreatePath = n == 1 }},
	"inputunixlistensocketignoremsgtimestamp": {"imuxsock", kBool, func(c *loader, _ string, n int) { c.set.unix.KeepTime = n == 0 }},
	"inputunixlistensocketusepidfromsystem":   {"imuxsock", kBool, func(c *loader, _ string, n int) { c.set.unix.PidFromOS = n == 1 }},
	"addunixlistensocket": {"imuxsock", kText, func(c *loader, s string, _ int) {
		in := c.set.unix
		in.Name = s
		c.conf.Sockets = append(c.conf.Sockets, &in)
		c.set.unix.Hostname = ""
	}},

	"udpserveraddress": {"imudp", kText, func(c *loader, s string, _ int) { c.set.udpAddress = strings.TrimPrefix(s, "*") }},
	"udpserverrun": {"imudp", kText, func(c *loader, s string, _ int) {
		c.conf.UDP = append(c.conf.UDP, &UDPInput{Address: c.set.udpAddress, Port: s, Name: "imudp", Ruleset: c.set.udpRuleset})
	}},
	"inputudpserverbindruleset": {"imudp", kText, func(c *loader, s string, _ int) { c.set.udpRuleset = s }},
	"udpservertimerequery":      {"imudp", kNumber, nil},

	"inputtcpserverrun": {"imtcp", kText, func(c *loader, s string, _ int) {
		in := c.set.tcp
		in.Port, in.Name = s, "imtcp"
		if c.set.tcp.Name != "" {
			in.Name = c.set.tcp.Name
		}
		c.conf.TCP = append(c.conf.TCP, &in)
	}},
	"inputtcpserverbindruleset":                {"imtcp", kText, func(c *loader, s string, _ int) { c.set.tcp.Ruleset = s }},
	"inputtcpserverinputname":                  {"imtcp", kText, func(c *loader, s string, _ int) { c.set.tcp.Name = s }},
	"inputtcpserverlistenaddress":              {"imtcp", kText, func(c *loader, s string, _ int) { c.set.tcp.Address = strings.TrimPrefix(s, "*") }},
	"inputtcpserversupportoctetcountedframing": {"imtcp", kBool, func(c *loader, _ string, n int) { c.set.tcp.NoCounting = n == 0 }},
	"inputtcpserveraddtlframedelimiter":        {"imtcp", kNumber, func(c *loader, _ string, n int) { c.set.tcp.Delimiter = n }},
	"inputtcpmaxsessions":                      {"imtcp", kNumber, func(c *loader, _ string, n int) { c.set.tcp.MaxSessions = n }},
	"inputtcpmaxlisteners":                     {"imtcp", kNumber, nil},
	"inputtcpservernotifyonconnectionclose":    {"imtcp", kBool, func(c *loader, _ string, n int) { c.set.tcp.NotifyClose = n == 1 }},
	"inputtcpserverkeepalive":                  {"imtcp", kBool, nil},
	"inputtcpflowcontrol":                      {"imtcp", kBool, nil},
	"inputtcpserverstreamdrivermode":           {"imtcp", kNumber, nil},
	"inputtcpserverstreamdriverauthmode":       {"imtcp", kText, nil},
	"inputtcpserverstreamdriverpermittedpeer":  {"imtcp", kText, nil},

	"markmessageperiod":               {"immark", kNumber, func(c *loader, _ string, n int) { c.conf.Mark.Interval = n }},
	"klogpermitnonkernelfacility":     {"imklog", kBool, func(c *loader, _ string, n int) { c.conf.Klog.PermitNonKernel = n == 1 }},
	"kloginternalmsgfacility":         {"imklog", kFacility, nil},
	"klogconsoleloglevel":             {"imklog", kNumber, nil},
	"klogpath":                        {"imklog", kText, nil},
	"imjournalstatefile":              {"imjournal", kText, func(c *loader, s string, _ int) { c.conf.Journal.StateFile = s }},
	"imjournalratelimitinterval":      {"imjournal", kNumber, func(c *loader, _ string, n int) { c.conf.Journal.Limit.Interval = n }},
	"imjournalratelimitburst":         {"imjournal", kNumber, func(c *loader, _ string, n int) { c.conf.Journal.Limit.Burst = n }},
	"imjournalpersiststateinterval":   {"imjournal", kNumber, func(c *loader, _ string, n int) { c.conf.Journal.PersistInterval = n }},
	"imjournalignorepreviousmessages": {"imjournal", kBool, func(c *loader, _ string, n int) { c.conf.Journal.IgnorePrevious = n == 1 }},

	"inputfilename":         {"imfile", kText, func(c *loader, s string, _ int) { c.set.imfile.Pattern = s }},
	"inputfiletag":          {"imfile", kText, func(c *loader, s string, _ int) { c.set.imfile.Tag = s }},
	"inputfilestatefile":    {"imfile", kText, nil},
	"inputfileseverity":     {"imfile", kSeverity, func(c *loader, _ string, n int) { c.set.imfile.Severity = n }},
	"inputfilefacility":     {"imfile", kFacility, func(c *loader, _ string, n int) { c.set.imfile.Facility = n }},
	"inputfilepollinterval": {"imfile", kNumber, func(c *loader, _ string, n int) { c.conf.filePoll = n }},
	"inputfilebindruleset":  {"imfile", kText, func(c *loader, s string, _ int) { c.set.imfile.Ruleset = s }},
	"inputrunfilemonitor": {"imfile", raw, func(c *loader, _ string, _ int) {
		in := c.set.imfile
		c.conf.Files = append(c.conf.Files, &in)
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

// Directive acts on a $directive.
func (c *loader) Directive(line string) {
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
		c.errorf(CodeUnknownCommand, "invalid or yet-unknown config file command '%s' - have you forgotten to load a module?", name)
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
	if d.kind == kMode && (word == "" || strings.Trim(word, "01234567") != "") {
		c.errorf(codeBadNumber, "value must be octal (e.g 0644).")
		return
	}
	if d.kind == kBool {
		word = strings.ToLower(word)
	}
	n, complaint := c.decode(d.kind, name, word)
	if complaint != "" {
		c.errorf(CodeNone, "%s", complaint)
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
		c.errorf(CodeNone, "error: extra characters in config line ignored: '%s'", rest)
	}
}

// AllowedSender is one entry of $AllowedSender.
type AllowedSender struct {
	Protocol string // UDP or TCP
	Prefix   netip.Prefix
	Name     string // a host name, * and ? allowed
}

func (c *loader) allowedSenders(rest string) {
	fields := strings.Split(rest, ",")
	protocol := strings.ToUpper(strings.TrimSpace(fields[0]))
	if protocol != "UDP" && protocol != "TCP" && protocol != "GSS" {
		c.errorf(CodeNone, "Invalid protocol '%s' in allowed sender list, ignoring whole line", strings.TrimSpace(fields[0]))
		return
	}
	for _, f := range fields[1:] {
		f = strings.TrimSpace(f)
		s := AllowedSender{Protocol: protocol}
		if p, err := netip.ParsePrefix(strings.NewReplacer("[", "", "]", "").Replace(f)); err == nil {
			s.Prefix = p.Masked()
		} else if a, err := netip.ParseAddr(strings.Trim(f, "[]")); err == nil {
			s.Prefix = netip.PrefixFrom(a, a.BitLen())
		} else {
			s.Name = f
		}
		if f != "" {
			c.conf.Senders = append(c.conf.Senders, s)
		}
	}
}
