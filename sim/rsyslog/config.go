package rsyslog

import (
	"enshu/sim/wire/syslog"
)

// Codes of rsyslog's messages (rsyslog.h); 0 has no page on the web.
const (
	codeNone           = 0
	codeOK             = -1 // shown as 0
	codeTerminal       = 3  // shown as -3
	codeSuspended      = 2007
	codeIO             = 2027
	codeNoPipe         = 2039
	codeNotFound       = 2040
	codeQueue          = 2041
	codeNoModule       = 2066
	codePortName       = 2076
	codeListen         = 2077
	codeNoActions      = 2103
	codeNoConfig       = 2104
	codeOldUserSyntax  = 2184
	codeSyntax         = 2207
	codeModuleUnknown  = 2209
	codeMissingParam   = 2211
	codeNoListener     = 2212
	codeSessionClosed  = 2144
	codeNoStrgen       = 2159
	codeModuleTwice    = 2221
	codeNotPermitted   = 2222
	codeBSDBlock       = 2304
	codeRulesetTwice   = 2306
	codeDeprecated     = 2307
	codeResumed        = 2359
	codeOpenFailed     = 2433
	codeWorkDir        = 2450
	codeUnknownCommand = 3003
)

// config is a configuration that has been read.
type config struct {
	sources   []configFile // in the order of reading
	templates map[string]*template
	rulesets  map[string]*ruleset
	main      *ruleset
	modules   []*module       // in the order of loading
	actions   []*actionConfig // in the order in which they stand
	globals   globals
	senders   []allowedSender

	sysSock   sysSock
	sockets   []*unixInput
	udp       []*udpInput
	tcp       []*tcpInput
	mark      markConfig
	klog      klogConfig
	journal   journalConfig
	files     []*fileInput
	filePoll  int               // seconds; of mode="polling"
	defaultOf map[string]string // default template of a built-in output: omfile, omfwd …
}

// configFile is a file that the configuration was read from.
type configFile struct{ name, digest string }

// globals are the settings of global() and of directives for the whole daemon.
type globals struct {
	workDirectory   string
	localHostname   string
	preserveFQDN    bool
	maxMessage      int
	sanitizer       syslog.Sanitizer
	umask           int // -1: the one it was started with
	reportSuspended bool
	noNames         bool // net.enableDNS="off"
}

// module is a loaded module.
type module struct {
	name   string
	legacy bool // loaded by $ModLoad, whose directives may follow
}

func (c *config) module(name string) *module {
	for _, m := range c.modules {
		if m.name == name {
			return m
		}
	}
	return nil
}

// queueConfig are the queue.* parameters that make a difference here.
type queueConfig struct {
	kind           string // direct, linkedlist, fixedarray, disk
	size           int
	file           string
	saveOnShutdown bool
	discardMark    int
	discardFrom    int // severity; 8 discards nothing
	maxDisk        int64
}

func (q queueConfig) direct() bool { return q.kind == "" || q.kind == "direct" }

// sysSock are the settings of imuxsock for the system's log socket.
type sysSock struct {
	off       bool
	name      string // "" is where the system's socket is
	keepTime  bool   // the time a message tells counts
	parse     bool   // a message goes through the common parsers
	hasHost   bool   // likewise with a host name
	pidFromOS bool
	annotate  bool
	noUnlink  bool
	limit     rateLimit
}

// rateLimit is what imuxsock and others take of a sender.
type rateLimit struct {
	interval int // seconds; 0 is no limit
	burst    int
	severity int // from this severity on
}

type unixInput struct {
	sysSock
	createPath bool
	hostname   string
	ruleset    string
}

type udpInput struct {
	address, port string
	name          string
	ruleset       string
	limit         rateLimit
}

type tcpInput struct {
	udpInput
	noCounting  bool
	maxSessions int
	delimiter   int
	notifyClose bool
}

type markConfig struct {
	interval int
	text     string
	ruleset  string
}

type klogConfig struct {
	permitNonKernel bool
}

type journalConfig struct {
	stateFile       string
	usePid          string // system, syslog, both
	ignorePrevious  bool
	persistInterval int
	severity        int
	facility        int
	tag             string
	limit           rateLimit
}

type fileInput struct {
	pattern, tag string
	facility     int
	severity     int
	ruleset      string
	freshTail    bool
	metadata     bool
	readMode     int
	escapeLF     bool
	persist      int
}

func newConfig() *config {
	c := &config{
		templates: map[string]*template{},
		rulesets:  map[string]*ruleset{},
		main:      &ruleset{name: "RSYSLOG_DefaultRuleset"},
		globals:   globals{maxMessage: 8096, umask: -1, reportSuspended: true},
		sysSock:   sysSock{limit: rateLimit{0, 200, 1}},
		mark:      markConfig{interval: 1200, text: "-- MARK --"},
		journal:   journalConfig{stateFile: "", usePid: "both", persistInterval: 10, severity: int(syslog.Notice), facility: int(syslog.User), tag: "journal", limit: rateLimit{600, 20000, 0}},
		filePoll:  10,
		defaultOf: map[string]string{},
	}
	c.rulesets[c.main.name] = c.main
	for name, s := range builtinTemplates {
		t, _ := parseTemplateString(name, s, false, func(string, ...any) {})
		c.templates[name] = t
	}
	return c
}
