package trace

// Kind says what happened.
type Kind string

// The kinds of events. Addresses are "ip:port"; paths are as the host sees
// them; "rule" is "file:line".
const (
	CommandRun  Kind = "command-run"  // a command was started in a terminal, by exec or by another program
	CommandDone Kind = "command-done" // it ended
	UnitChanged Kind = "unit-changed" // systemd: a unit's active state
	HostBooted  Kind = "host-booted"
	HostDown    Kind = "host-down"

	MessageLogged   Kind = "message-logged"   // a program handed a message to syslog(3), the journal or the kernel log
	MessageReceived Kind = "message-received" // a syslog daemon took a message from a socket or the journal
	RuleMatched     Kind = "rule-matched"     // rsyslogd: a rule applied to a message
	RuleMissed      Kind = "rule-missed"      // rsyslogd: a rule of the message's facility did not
	MessageSent     Kind = "message-sent"     // a message was forwarded to another host
	MessageWritten  Kind = "message-written"  // a message was written to a file, pipe or terminal
	MessageDropped  Kind = "message-dropped"  // a message was given up
	ConfigLoaded    Kind = "config-loaded"    // a daemon read its configuration
	FileRotated     Kind = "file-rotated"     // logrotate

	PacketRefused   Kind = "packet-refused"   // a packet filter rejected or dropped a packet
	ConnectFailed   Kind = "connect-failed"   // a connection could not be made
	FirewallChanged Kind = "firewall-changed" // the rules in force changed

	SampleTaken    Kind = "sample-taken"    // NTP: one measurement of a source
	SourceSelected Kind = "source-selected" // NTP: the reference changed
	ClockStepped   Kind = "clock-stepped"   // a host's clock was set
	ClockSlewed    Kind = "clock-slewed"    // a host's clock rate was changed to correct an offset
	QueryAnswered  Kind = "query-answered"  // a server answered (NTP, DNS, HTTP)

	MailSubmitted Kind = "mail-submitted" // sendmail(1) took a mail
	MailAccepted  Kind = "mail-accepted"  // cleanup made a queue file
	AliasExpanded Kind = "alias-expanded"
	AliasMissed   Kind = "alias-missed"   // the table of the aliases lacks a name that its source has: newaliases was not run
	MailForwarded Kind = "mail-forwarded" // local(8) made a new mail of an old one
	MailSent      Kind = "mail-sent"      // another MTA took the mail
	MailDelivered Kind = "mail-delivered"
	MailDeferred  Kind = "mail-deferred"
	MailBounced   Kind = "mail-bounced"
	MailRejected  Kind = "mail-rejected" // smtpd refused a command
	MailHeld      Kind = "mail-held"     // it waits until an administrator lets it go on
	MailRemoved   Kind = "mail-removed"  // an administrator took it out of the queue
	MailUnread    Kind = "mail-unread"   // a .forward file was not obeyed

	Warped  Kind = "warped"  // the lab's time was moved ahead
	Checked Kind = "checked" // the grader looked at a task
)

// Kinds is the closed list: kind to the names of its attributes.
var Kinds = map[Kind][]string{
	CommandRun:  {"command", "user", "dir"},
	CommandDone: {"command", "status"},
	UnitChanged: {"unit", "from", "to", "result"},
	HostBooted:  {},
	HostDown:    {"reason"},

	MessageLogged:   {"facility", "severity", "tag", "text", "over"},
	MessageReceived: {"facility", "severity", "tag", "text", "input", "from"},
	RuleMatched:     {"rule", "selector", "action", "text", "tag", "facility", "severity"},
	RuleMissed:      {"rule", "selector", "action", "text", "tag", "facility", "severity"},
	MessageSent:     {"to", "over", "text", "tag", "rule", "from"},
	MessageWritten:  {"file", "text", "tag", "rule"},
	MessageDropped:  {"reason", "text", "tag", "rule", "to"},
	ConfigLoaded:    {"file", "errors", "digest"}, // one event a file; digest is Digest of what was read
	FileRotated:     {"from", "to"},

	PacketRefused:   {"from", "to", "protocol", "chain", "action", "interface"},
	ConnectFailed:   {"to", "over", "error", "rule"},
	FirewallChanged: {"zone", "change"},

	SampleTaken:    {"source", "offset", "delay", "stratum"},
	SourceSelected: {"source", "stratum"},
	ClockStepped:   {"by", "reason"},
	ClockSlewed:    {"by", "reason"},
	QueryAnswered:  {"protocol", "from", "question", "answer"},

	MailSubmitted: {"sender", "recipients", "subject", "message-id"},
	MailAccepted:  {"id", "sender", "recipients", "subject", "message-id", "from"},
	AliasExpanded: {"id", "from", "to", "file", "line", "stale"},
	AliasMissed:   {"id", "from", "file", "line"},
	MailForwarded: {"id", "to-id", "from", "to", "file"},
	MailSent:      {"id", "to", "relay", "reply"},
	MailDelivered: {"id", "to", "mailbox"},
	MailDeferred:  {"id", "to", "relay", "reason", "next"},
	MailBounced:   {"id", "to", "reason", "bounce-id"},
	MailRejected:  {"from", "to", "command", "reply"},
	MailHeld:      {"id", "reason"},
	MailRemoved:   {"id"},
	MailUnread:    {"id", "file", "reason"},

	Warped:  {"by"},
	Checked: {"task", "outcome"},
}
