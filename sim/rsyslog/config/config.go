// Package config reads the configuration of rsyslogd: every object, module and
// directive, with what the real daemon says of those that are wrong. What comes of
// it is values; nothing is opened or started.
package config

import (
	"regexp"

	"enshu/sim/rsyslog/script"
	"enshu/sim/rsyslog/template"
	"enshu/sim/wire/syslog"
)

// Codes of rsyslog's messages (rsyslog.h); 0 has no page on the web.
const (
	CodeNone           = 0
	CodeOK             = -1 // shown as 0
	CodeTerminal       = 3  // shown as -3
	CodeSuspended      = 2007
	CodeIO             = 2027
	CodeNoPipe         = 2039
	CodeNotFound       = 2040
	CodeQueue          = 2041
	codeNoModule       = 2066
	CodePortName       = 2076
	CodeListen         = 2077
	codeNoActions      = 2103
	codeNoConfig       = 2104
	codeOldUserSyntax  = 2184
	CodeSyntax         = 2207
	codeModuleUnknown  = 2209
	codeMissingParam   = 2211
	codeNoListener     = 2212
	CodeSessionClosed  = 2144
	codeNoStrgen       = 2159
	codeModuleTwice    = 2221
	codeBuiltinTwice   = 2220
	codeNoWorkDir      = 2181
	codeBadNumber      = 2009
	codeNoNumber       = 2010
	codeBadQueueType   = 2016
	codeNoFileName     = 2046
	codeNoSocketName   = 2206
	codeBadJSON        = 2303
	codeBadProtocol    = 2213
	codeBadFraming     = 2214
	codeNotPermitted   = 2222
	codeBSDBlock       = 2304
	codeRulesetTwice   = 2306
	codeDeprecated     = 2307
	CodeResumed        = 2359
	CodeOpenFailed     = 2433
	codeWorkDir        = 2450
	CodeUnknownCommand = 3003
	CodeAbort          = -1 // not rsyslog's: the text is told as it is
)

// Config is a configuration that has been read.
type Config struct {
	Sources   []Source // in the order of reading
	Templates map[string]*template.Template
	Rulesets  map[string]*script.Ruleset
	Lookups   map[string]*script.LookupTable
	Main      *script.Ruleset
	Modules   []*Module // in the order of loading
	Actions   []*Action // in the order in which they stand
	Globals   Globals
	Senders   []AllowedSender

	SysSock   SystemSocket
	Sockets   []*UnixInput
	UDP       []*UDPInput
	TCP       []*TCPInput
	Mark      Mark
	Klog      Klog
	Journal   Journal
	Files     []*FileInput
	filePoll  int               // seconds; of mode="polling"
	defaultOf map[string]string // default template of a built-in output: omfile, omfwd …
}

// Source is a file that the configuration was read from.
type Source struct{ Name, Digest string }

// Globals are the settings of global() and of directives for the whole daemon.
type Globals struct {
	WorkDirectory   string
	LocalHostname   string
	PreserveFQDN    bool
	MaxMessage      int
	Sanitizer       syslog.Sanitizer
	Umask           int // -1: the one it was started with
	reportSuspended bool
	NoNames         bool // net.enableDNS="off"
}

// Module is a loaded module.
type Module struct {
	Name   string
	legacy bool // loaded by $ModLoad, whose directives may follow
}

func (c *Config) module(name string) *Module {
	for _, m := range c.Modules {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Queue are the queue.* parameters that make a difference here.
type Queue struct {
	kind           string // direct, linkedlist, fixedarray, disk
	Size           int
	File           string
	SaveOnShutdown bool
	DiscardMark    int
	DiscardFrom    int // severity; 8 discards nothing
	maxDisk        int64
}

// Keeps reports whether what is left in the queue at the end is kept on disk.
func (q Queue) Keeps() bool { return q.File != "" && (q.SaveOnShutdown || q.kind == "disk") }

// Direct reports whether there is no queue: messages go to the action at once.
func (q Queue) Direct() bool { return q.kind == "" || q.kind == "direct" }

// SystemSocket are the settings of imuxsock for the system's log socket.
type SystemSocket struct {
	Off       bool
	Name      string // "" is where the system's socket is
	KeepTime  bool   // the time a message tells counts
	Parse     bool   // a message goes through the common parsers
	HasHost   bool   // likewise with a host name
	PidFromOS bool
	annotate  bool
	NoUnlink  bool
	Limit     RateLimit
}

// RateLimit is what imuxsock and others take of a sender.
type RateLimit struct {
	Interval int // seconds; 0 is no limit
	Burst    int
	Severity int // from this severity on
}

// UnixInput is a further log socket of imuxsock.
type UnixInput struct {
	SystemSocket
	CreatePath bool
	Hostname   string
	Ruleset    string
}

// UDPInput is a listener of imudp.
type UDPInput struct {
	Address, Port string
	Name          string
	Ruleset       string
	Limit         RateLimit
}

// TCPInput is a listener of imtcp.
type TCPInput struct {
	UDPInput
	NoCounting  bool
	MaxSessions int
	Delimiter   int
	NotifyClose bool
}

// Mark are the settings of immark.
type Mark struct {
	Interval int
	Text     string
	ruleset  string
}

// Klog are the settings of imklog.
type Klog struct {
	PermitNonKernel bool
}

// Journal are the settings of imjournal.
type Journal struct {
	StateFile       string
	UsePID          string // system, syslog, both
	IgnorePrevious  bool
	PersistInterval int
	Severity        int
	Facility        int
	Tag             string
	Limit           RateLimit
}

// FileInput is a file, or a pattern of names, that imfile follows.
type FileInput struct {
	Pattern, Tag string
	Facility     int
	Severity     int
	Ruleset      string
	FreshTail    bool
	Metadata     bool
	ReadMode     int            // 0 lines, 1 paragraphs, 2 lines with indented ones that belong to them
	Start, End   *regexp.Regexp // startmsg.regex, endmsg.regex: where a message begins or ends
	EscapeLF     bool           // line feeds within a message
	Parse        bool           // a message goes through the common parsers
	CEETag       bool           // "@cee:" in front
	TrimOver     int            // octets of a line; 0 is any
	Persist      int
}

// New returns what is in force before a configuration is read.
func New() *Config {
	c := &Config{
		Templates: map[string]*template.Template{},
		Rulesets:  map[string]*script.Ruleset{},
		Lookups:   map[string]*script.LookupTable{},
		Main:      &script.Ruleset{Name: "RSYSLOG_DefaultRuleset"},
		Globals:   Globals{MaxMessage: 8096, Umask: -1, reportSuspended: true},
		SysSock:   SystemSocket{Limit: RateLimit{0, 200, 1}},
		Mark:      Mark{Interval: 1200, Text: "-- MARK --"},
		Journal:   Journal{StateFile: "", UsePID: "both", PersistInterval: 10, Severity: int(syslog.Notice), Facility: int(syslog.User), Tag: "journal", Limit: RateLimit{600, 20000, 0}},
		filePoll:  10,
		defaultOf: map[string]string{},
	}
	c.Rulesets[c.Main.Name] = c.Main
	for name, s := range template.Builtin {
		t, _ := template.Parse(name, s, false, func(string, ...any) {})
		c.Templates[name] = t
	}
	return c
}
