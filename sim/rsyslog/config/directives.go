package config

import (
	"cmp"
	"slices"
	"strings"
	"syscall"

	"enshu/sim/libc"
	"enshu/sim/rsyslog/script"
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
		imfile: FileInput{Metadata: true, Facility: 16, Severity: 5, EscapeLF: true},
		queue:  Queue{DiscardFrom: 8}}
}

// directive describes a $directive: which module brings it, how its argument is
// read, and what it does with it.
type directive struct {
	module string
	kind   directiveKind
	set    func(c *loader, text string, n int) // nil: it has no effect on a host of the lab
}

// directives are rsyslog's old configuration directives, by their name in lower case.
var directives = map[string]directive{
	"localhostipif": {"", dWord, func(c *loader, s string, _ int) {
		if s != "lo" { // what other interfaces there are makes no difference
			c.errorf(CodeNone, "$LocalHostIPIF: IP address for interface '%s' cannnot be obtained - ignoring directive", s)
		}
	}},
	"rulesetparser": {"", dWord, func(c *loader, s string, _ int) {
		if !slices.Contains(knownParsers, s) {
			c.refused = true
			c.errorf(codeNoStrgen, "error: parser '%s' unknown at this time (maybe defined too late in rsyslog.conf?)", s)
		}
	}},
	"mainmsgqueuetype":               {"", dWord, func(c *loader, s string, _ int) { c.queueType("mainmessagequeuetype", s, new(string)) }},
	"modload":                        {"", dWord, func(c *loader, s string, _ int) { c.refused = !c.addModule(s, true) }},
	"moddir":                         {"", dWord, nil},
	"template":                       {"", dRest, nil},
	"allowedsender":                  {"", dRest, nil},
	"outchannel":                     {"", dRest, nil},
	"defaultnetstreamdrivercafile":   {"", dWord, func(c *loader, s string, _ int) { c.readable("defaultnetstreamdrivercafile file", s) }},
	"defaultnetstreamdrivercertfile": {"", dWord, func(c *loader, s string, _ int) { c.readable("defaultnetstreamdrivercertfile", s) }},
	"defaultnetstreamdriverkeyfile":  {"", dWord, func(c *loader, s string, _ int) { c.readable("defaultnetstreamdriverkeyfile", s) }},
	"netstreamdrivercaextrafiles": {"", dWord, func(c *loader, s string, _ int) {
		for name := range strings.SplitSeq(s, ",") {
			if name != "" {
				c.readable("netstreamdrivercaextrafiles file", name)
			}
		}
	}},
	"defaultruleset":     {"", dGone, func(c *loader, s string, _ int) { c.conf.Main = c.ruleset(s) }},
	"workdirectory":      {"", dWord, func(c *loader, s string, _ int) { c.workDirectory(s) }},
	"umask":              {"", dMode, func(c *loader, _ string, n int) { c.conf.Globals.Umask = n }},
	"localhostname":      {"", dWord, func(c *loader, s string, _ int) { c.conf.Globals.LocalHostname = s }},
	"preservefqdn":       {"", dBool, func(c *loader, _ string, n int) { c.conf.Globals.PreserveFQDN = n == 1 }},
	"maxmessagesize":     {"", dSize, func(c *loader, _ string, n int) { c.maxMessage(n) }},
	"filecreatemode":     {"", dMode, func(c *loader, _ string, n int) { c.set.file.File = n }},
	"dircreatemode":      {"", dMode, func(c *loader, _ string, n int) { c.set.file.Dir = n }},
	"fileowner":          {"", dUser, func(c *loader, _ string, n int) { c.set.file.FileUID = n }},
	"filegroup":          {"", dGroup, func(c *loader, _ string, n int) { c.set.file.FileGID = n }},
	"dirowner":           {"", dUser, func(c *loader, _ string, n int) { c.set.file.DirUID = n }},
	"dirgroup":           {"", dGroup, func(c *loader, _ string, n int) { c.set.file.DirGID = n }},
	"fileownernum":       {"", dInt, func(c *loader, _ string, n int) { c.set.file.FileUID = n }},
	"filegroupnum":       {"", dInt, func(c *loader, _ string, n int) { c.set.file.FileGID = n }},
	"createdirs":         {"", dBool, func(c *loader, _ string, n int) { c.set.file.NoDirs = n == 0 }},
	"failonchownfailure": {"", dBool, func(c *loader, _ string, n int) { c.set.file.FailOnChown = n == 1 }},
	"dynafilecachesize": {"", dInt, func(c *loader, _ string, n int) {
		if n < 1 {
			c.complainf("DynaFileCacheSize must be greater 0 (%d given), changed to 1.", n)
			n = 1
		}
		c.set.file.DynaFileCache = n
	}},
	"omfileflushontxend":   {"", dBool, func(c *loader, _ string, n int) { c.set.file.FlushOnTXEnd = n == 1 }},
	"omfileiobuffersize":   {"", dSize, func(c *loader, _ string, n int) { c.set.file.BufferSize = n }},
	"omfileflushinterval":  {"", dInt, func(c *loader, _ string, n int) { c.set.file.flushInterval = n }},
	"actionfileenablesync": {"", dBool, func(c *loader, _ string, n int) { c.set.file.sync = n == 1 }},

	"actionfiledefaulttemplate":             {"", dWord, func(c *loader, s string, _ int) { c.conf.defaultOf["omfile"] = s }},
	"actionforwarddefaulttemplate":          {"", dWord, func(c *loader, s string, _ int) { c.conf.defaultOf["omfwd"] = s }},
	"repeatedmsgreduction":                  {"", dBool, func(c *loader, _ string, n int) { c.set.repeated = n == 1 }},
	"actionresumeinterval":                  {"", dInt, func(c *loader, _ string, n int) { c.set.resumeEvery = n }},
	"actionresumeretrycount":                {"", dInt, func(c *loader, _ string, n int) { c.set.resumeRetry = n }},
	"actionexeconlywhenpreviousissuspended": {"", dBool, func(c *loader, _ string, n int) { c.set.onlySuspended = n == 1 }},
	"actionexeconlyonceeveryinterval":       {"", dInt, func(c *loader, _ string, n int) { c.set.onlyEvery = n }},
	"actionexeconlyeverynthtime":            {"", dInt, func(c *loader, _ string, n int) { c.set.everyNth = n }},
	"actionwriteallmarkmessages":            {"", dBool, func(c *loader, _ string, n int) { c.set.writeMarks = n == 1 }},
	"actionname":                            {"", dWord, func(c *loader, s string, _ int) { c.set.actionName = s }},
	"actionqueuetype":                       {"", dWord, func(c *loader, s string, _ int) { c.queueType("actionqueue", s, &c.set.queue.kind) }},
	"actionqueuefilename":                   {"", dWord, func(c *loader, s string, _ int) { c.set.queue.File = s }},
	"actionqueuesize":                       {"", dInt, func(c *loader, _ string, n int) { c.set.queue.Size = n }},
	"actionqueuesaveonshutdown":             {"", dBool, func(c *loader, _ string, n int) { c.set.queue.SaveOnShutdown = n == 1 }},
	"actionqueuemaxdiskspace":               {"", dSize, func(c *loader, _ string, n int) { c.set.queue.maxDisk = int64(n) }},
	"actionqueuediscardmark":                {"", dInt, func(c *loader, _ string, n int) { c.set.queue.DiscardMark = n }},
	"actionqueuediscardseverity":            {"", dInt, func(c *loader, _ string, n int) { c.set.queue.DiscardFrom = n }},
	"resetconfigvariables":                  {"", dRest, nil},

	"escapecontrolcharactersonreceive": {"", dBool, func(c *loader, _ string, n int) { c.conf.Globals.Sanitizer.KeepControls = n == 0 }},
	"escapecontrolcharactertab":        {"", dBool, func(c *loader, _ string, n int) { c.conf.Globals.Sanitizer.KeepTabs = n == 0 }},
	"escape8bitcharactersonreceive":    {"", dBool, func(c *loader, _ string, n int) { c.conf.Globals.Sanitizer.Escape8Bit = n == 1 }},
	"spacelfonreceive":                 {"", dBool, func(c *loader, _ string, n int) { c.conf.Globals.Sanitizer.SpaceControls = n == 1 }},
	"droptrailinglfonreception":        {"", dBool, func(c *loader, _ string, n int) { c.conf.Globals.Sanitizer.KeepTrailingLF = n == 0 }},
	"controlcharacterescapeprefix":     {"", dWord, func(c *loader, s string, _ int) { c.conf.Globals.Sanitizer.EscapePrefix = (s + "#")[0] }},

	"omitlocallogging":                        {"imuxsock", dBool, func(c *loader, _ string, n int) { c.conf.SysSock.Off = n == 1 }},
	"systemlogsocketname":                     {"imuxsock", dWord, func(c *loader, s string, _ int) { c.conf.SysSock.Name = s }},
	"systemlogsocketignoremsgtimestamp":       {"imuxsock", dBool, func(c *loader, _ string, n int) { c.conf.SysSock.KeepTime = n == 0 }},
	"systemlogusepidfromsystem":               {"imuxsock", dBool, func(c *loader, _ string, n int) { c.conf.SysSock.PidFromOS = n == 1 }},
	"systemlogsocketannotate":                 {"imuxsock", dBool, func(c *loader, _ string, n int) { c.conf.SysSock.annotate = n == 1 }},
	"systemlogparsetrusted":                   {"imuxsock", dBool, nil},
	"systemlogsocketflowcontrol":              {"imuxsock", dBool, nil},
	"systemlogratelimitinterval":              {"imuxsock", dInt, func(c *loader, _ string, n int) { c.conf.SysSock.Limit.Interval = n }},
	"systemlogratelimitburst":                 {"imuxsock", dInt, func(c *loader, _ string, n int) { c.conf.SysSock.Limit.Burst = n }},
	"systemlogratelimitseverity":              {"imuxsock", dInt, func(c *loader, _ string, n int) { c.conf.SysSock.Limit.Severity = n }},
	"imuxsockratelimitinterval":               {"imuxsock", dInt, func(c *loader, _ string, n int) { c.set.unix.Limit.Interval = n }},
	"imuxsockratelimitburst":                  {"imuxsock", dInt, func(c *loader, _ string, n int) { c.set.unix.Limit.Burst = n }},
	"imuxsockratelimitseverity":               {"imuxsock", dInt, func(c *loader, _ string, n int) { c.set.unix.Limit.Severity = n }},
	"inputunixlistensockethostname":           {"imuxsock", dWord, func(c *loader, s string, _ int) { c.set.unix.Hostname = s }},
	"inputunixlistensocketcreatepath":         {"imuxsock", dBool, func(c *loader, _ string, n int) { c.set.unix.CreatePath = n == 1 }},
	"inputunixlistensocketignoremsgtimestamp": {"imuxsock", dBool, func(c *loader, _ string, n int) { c.set.unix.KeepTime = n == 0 }},
	"inputunixlistensocketusepidfromsystem":   {"imuxsock", dBool, func(c *loader, _ string, n int) { c.set.unix.PidFromOS = n == 1 }},
	"addunixlistensocket": {"imuxsock", dWord, func(c *loader, s string, _ int) {
		if s == "" {
			c.errorf(codeNoSocketName, "imuxsock: socket name must be specified, but is not - listener not created ")
			return
		}
		in := c.set.unix
		in.Name = s
		c.conf.Sockets = append(c.conf.Sockets, &in)
		c.set.unix.Hostname = ""
	}},

	"udpserveraddress": {"imudp", dWord, func(c *loader, s string, _ int) { c.set.udpAddress = strings.TrimPrefix(s, "*") }},
	"udpserverrun": {"imudp", dWord, func(c *loader, s string, _ int) {
		c.conf.UDP = append(c.conf.UDP, &UDPInput{Address: c.set.udpAddress, Port: s, Name: "imudp", Ruleset: c.set.udpRuleset})
	}},
	"inputudpserverbindruleset": {"imudp", dWord, func(c *loader, s string, _ int) { c.set.udpRuleset = s }},
	"udpservertimerequery":      {"imudp", dInt, nil},

	"inputtcpserverrun": {"imtcp", dWord, func(c *loader, s string, _ int) {
		in := c.set.tcp
		in.Port, in.Name = s, "imtcp"
		if c.set.tcp.Name != "" {
			in.Name = c.set.tcp.Name
		}
		c.conf.TCP = append(c.conf.TCP, &in)
	}},
	"inputtcpserverbindruleset":                {"imtcp", dWord, func(c *loader, s string, _ int) { c.set.tcp.Ruleset = s }},
	"inputtcpserverinputname":                  {"imtcp", dWord, func(c *loader, s string, _ int) { c.set.tcp.Name = s }},
	"inputtcpserversupportoctetcountedframing": {"imtcp", dBool, func(c *loader, _ string, n int) { c.set.tcp.NoCounting = n == 0 }},
	"inputtcpserveraddtlframedelimiter":        {"imtcp", dInt, func(c *loader, _ string, n int) { c.set.tcp.Delimiter = n }},
	"inputtcpmaxsessions":                      {"imtcp", dInt, func(c *loader, _ string, n int) { c.set.tcp.MaxSessions = n }},
	"inputtcpmaxlisteners":                     {"imtcp", dInt, nil},
	"inputtcpservernotifyonconnectionclose":    {"imtcp", dBool, func(c *loader, _ string, n int) { c.set.tcp.NotifyClose = n == 1 }},
	"inputtcpserverkeepalive":                  {"imtcp", dBool, nil},
	"inputtcpflowcontrol":                      {"imtcp", dBool, nil},
	"inputtcpserverstreamdrivermode":           {"imtcp", dInt, nil},
	"inputtcpserverstreamdriverauthmode":       {"imtcp", dWord, nil},
	"inputtcpserverstreamdriverpermittedpeer":  {"imtcp", dWord, nil},

	"markmessageperiod":               {"immark", dInt, func(c *loader, _ string, n int) { c.conf.Mark.Interval = n }},
	"klogpermitnonkernelfacility":     {"imklog", dBool, func(c *loader, _ string, n int) { c.conf.Klog.PermitNonKernel = n == 1 }},
	"kloginternalmsgfacility":         {"imklog", dWord, nil},
	"klogconsoleloglevel":             {"imklog", dInt, nil},
	"klogpath":                        {"imklog", dWord, nil},
	"imjournalstatefile":              {"imjournal", dWord, func(c *loader, s string, _ int) { c.conf.Journal.StateFile = s }},
	"imjournalratelimitinterval":      {"imjournal", dInt, func(c *loader, _ string, n int) { c.conf.Journal.Limit.Interval = n }},
	"imjournalratelimitburst":         {"imjournal", dInt, func(c *loader, _ string, n int) { c.conf.Journal.Limit.Burst = n }},
	"imjournalpersiststateinterval":   {"imjournal", dInt, func(c *loader, _ string, n int) { c.conf.Journal.PersistInterval = n }},
	"imjournalignorepreviousmessages": {"imjournal", dBool, func(c *loader, _ string, n int) { c.conf.Journal.IgnorePrevious = n == 1 }},

	"inputfilename":         {"imfile", dWord, func(c *loader, s string, _ int) { c.set.imfile.Pattern = s }},
	"inputfiletag":          {"imfile", dWord, func(c *loader, s string, _ int) { c.set.imfile.Tag = s }},
	"inputfilestatefile":    {"imfile", dWord, nil},
	"inputfileseverity":     {"imfile", dWord, func(c *loader, s string, _ int) { c.set.imfile.Severity = script.Code(s, script.PriorityNames) }},
	"inputfilefacility":     {"imfile", dWord, func(c *loader, s string, _ int) { c.set.imfile.Facility = script.Code(s, script.FacilityNames) }},
	"inputfilepollinterval": {"imfile", dInt, func(c *loader, _ string, n int) { c.conf.filePoll = n }},
	"inputfilebindruleset":  {"imfile", dWord, func(c *loader, s string, _ int) { c.set.imfile.Ruleset = s }},
	"inputrunfilemonitor": {"imfile", dRest, func(c *loader, _ string, _ int) {
		in := c.set.imfile
		if in.Pattern == "" {
			c.errorf(codeNoFileName, "imfile error: no file name given, file monitor can not be created")
			return
		}
		c.conf.Files = append(c.conf.Files, &in)
	}},
}

// withoutEffect are the directives that are known, read and make no difference on a
// host of the lab: by module and kind.
var withoutEffect = []struct {
	module string
	kind   directiveKind
	names  string
}{
	{"", dBool, `abortonuncleanconfig actionqueuesyncqueuefiles actionsendresendlastmsgonreconnect
		actionsendtcpkeepalive debugprintcfsyslinehandlerlist debugprintmodulelist debugprinttemplatelist
		dropmsgswithmaliciousdnsptrrecords errormessagestostderr logrsyslogstatusmessages
		mainmsgqueuesaveonshutdown mainmsgqueuesyncqueuefiles omfileasyncwriting
		repeatedmsgcontainsoriginalmsg rulesetcreatemainqueue`},
	{"", dGone, `omfileforcechown optimizeforuniprocessor`},
	{"", dGroup, `privdroptogroup`},
	{"", dInt, `actionexeconlyeverynthtimetimeout actionqueuecheckpointinterval actionqueuedequeuebatchsize
		actionqueuedequeueslowdown actionqueuedequeuetimebegin actionqueuedequeuetimeend
		actionqueuehighwatermark actionqueuelowwatermark actionqueuetimeoutactioncompletion
		actionqueuetimeoutenqueue actionqueuetimeoutshutdown actionqueueworkerthreadminimummessages
		actionqueueworkerthreads actionqueueworkertimeoutthreadshutdown actionsendstreamdrivermode
		actionsendtcprebindinterval actionsendudprebindinterval debuglevel dirgroupnum dirownernum
		mainmsgqueuecheckpointinterval mainmsgqueuedequeueslowdown mainmsgqueuedequeuetimebegin
		mainmsgqueuedequeuetimeend mainmsgqueuediscardmark mainmsgqueuehighwatermark
		mainmsgqueuelowwatermark mainmsgqueuesize mainmsgqueuetimeoutactioncompletion
		mainmsgqueuetimeoutenqueue mainmsgqueuetimeoutshutdown mainmsgqueueworkerthreadminimummessages
		mainmsgqueueworkerthreads mainmsgqueueworkertimeoutthreadshutdown maxopenfiles omfileziplevel
		privdroptogroupid privdroptouserid`},
	{"", dSize, `actionqueuemaxfilesize mainmsgqueuedequeuebatchsize mainmsgqueuemaxdiskspace mainmsgqueuemaxfilesize`},
	{"", dUser, `privdroptouser`},
	{"", dWord, `actionsendstreamdriver actionsendstreamdriverauthmode actionsendstreamdriverpermittedpeer
		defaultnetstreamdriver  
		 generateconfiggraph  mainmsgqueuediscardseverity
		mainmsgqueuefilename   `},
	{"imfile", dInt, `inputfilepersiststateinterval inputfilereadmode`},
	{"imfile", dSize, `inputfilemaxlinesatonce inputfiletrimlineoverbytes`},
	{"imjournal", dBool, `imjournalusepidfromsystem`},
	{"imjournal", dWord, `imjournaldefaultfacility imjournaldefaultseverity`},
	{"imklog", dBool, `klogkeepkerneltimestamp klogparsekerneltimestamp`},
	{"imklog", dGone, `debugprintkernelsymbols klogsymbollookup klogsymbolstwice klogusesyscallinterface`},
	{"impstats", dBool, `pstatcee pstatjson`},
	{"impstats", dInt, `pstatfacility pstatinterval pstatseverity pstatsinterval`},
	{"imptcp", dBool, `inputptcpserverkeepalive inputptcpservernotifyonconnectionclose`},
	{"imptcp", dInt, `inputptcpserveraddtlframedelimiter inputptcpserverhelperthreads`},
	{"imptcp", dWord, `inputptcpserverbindruleset inputptcpserverinputname inputptcpserverlistenip inputptcpserverrun`},
	{"imtcp", dBool, `inputtcpserverdisablelfdelimiter inputtcpserverpreservecase`},
	{"imtcp", dWord, `inputtcpserverlistenportfile`},
	{"imudp", dInt, `imudpschedulingpriority`},
	{"imudp", dWord, `imudpschedulingpolicy`},
	{"imuxsock", dBool, `inputunixlistensocketannotate inputunixlistensocketflowcontrol inputunixlistensocketusesystimestamp
		systemlogusesystimestamp`},
	{"ommail", dBool, `actionmailenablebody`},
	{"ommail", dWord, `actionmailfrom actionmailsmtpport actionmailsmtpserver actionmailsubject actionmailto`},
	{"omprog", dWord, `actionomprogbinary`},
}

// moduleWide are the directives that a module(load=) takes the place of.
var moduleWide = strings.Fields(`udpservertimerequery imudpschedulingpolicy imudpschedulingpriority
	inputtcpmaxsessions inputtcpserveraddtlframedelimiter inputtcpserversupportoctetcountedframing inputtcpflowcontrol
	inputtcpmaxlisteners inputtcpserverdisablelfdelimiter inputtcpserverkeepalive inputtcpserverlistenportfile
	inputtcpservernotifyonconnectionclose inputtcpserverpreservecase inputtcpserverstreamdriverauthmode
	inputtcpserverstreamdrivermode inputtcpserverstreamdriverpermittedpeer
	omitlocallogging systemlogratelimitburst systemlogratelimitinterval systemlogsocketname systemlogusesystimestamp
	systemlogparsetrusted systemlogratelimitseverity systemlogsocketannotate systemlogsocketflowcontrol
	systemlogsocketignoremsgtimestamp systemlogusepidfromsystem inputfilepollinterval
	klogpath klogpermitnonkernelfacility klogconsoleloglevel kloginternalmsgfacility klogkeepkerneltimestamp
	klogparsekerneltimestamp markmessageperiod`)

// knownParsers are the message parsers of rsyslogd itself.
var knownParsers = []string{"rsyslog.rfc5424", "rsyslog.rfc3164"}

// readable complains about a file that cannot be read; TLS is not done with it.
func (c *loader) readable(what, name string) {
	if _, err := c.p.Sys.Stat(libc.Abs(c.p, name)); err != nil || name == "" {
		c.errorf(CodeNoPipe, "error: %s '%s' could not be accessed: %s", what, name, libc.Strerror(cmp.Or(err, error(syscall.ENOENT))))
	}
}

// queueType takes over the type of a queue.
func (c *loader) queueType(directive, name string, to *string) {
	switch kind := strings.ToLower(name); kind {
	case "fixedarray", "linkedlist", "disk", "direct":
		*to = kind
	default:
		c.refused = true
		c.errorf(codeBadQueueType, "unknown %s parameter: %s", directive, name)
	}
}
