package config

import (
	"fmt"
	"strconv"
	"strings"

	"enshu/sim/libc"
	"enshu/sim/rsyslog/script"
)

// paramKind is the type of a parameter.
type paramKind int

const (
	kText     paramKind = iota
	kWord               // a text without blanks
	kChar               // one character
	kPositive           // a number of at least 1
	kNatural            // a number of at least 0
	kQueue              // the type of a queue
	kNumber             // decimal, octal after 0, hexadecimal after 0x
	kSize               // a number with k, m, g or t
	kBool               // on, off
	kMode               // four octal digits
	kUser               // a name of /etc/passwd, or a number
	kGroup              // a name of /etc/group, or a number
	kFacility           // a name or number of a facility
	kSeverity
	kList // a text or an array of them
)

// param describes a parameter of an object.
type param struct {
	name     string
	kind     paramKind
	required bool
}

// params lists parameters in short: a name, a colon, the kind's letter; an
// exclamation mark for a required one. Letters: t w c 1 0 q n s b m u g f v l.
func params(spec string) []param {
	var list []param
	for _, word := range strings.Fields(spec) {
		name, kind, _ := strings.Cut(word, ":")
		p := param{name: name}
		if strings.HasSuffix(kind, "!") {
			p.required, kind = true, strings.TrimSuffix(kind, "!")
		}
		p.kind = paramKind(max(strings.Index("twc10qnsbmugfvl", kind), 0))
		list = append(list, p)
	}
	return list
}

// given are the parameters that an object was given, checked.
type given struct {
	values map[string]*script.Param
	codes  map[string]int64 // what numbers, modes, users … came to
}

func (g *given) get(name string) (string, bool) {
	if v := g.values[name]; v != nil {
		return v.Value, true
	}
	return "", false
}

func (g *given) has(name string) bool { return g.values[name] != nil }

func (g *given) text(name string) string { s, _ := g.get(name); return s }

func (g *given) list(name string) []string {
	v := g.values[name]
	switch {
	case v == nil:
		return nil
	case v.Array != nil:
		return v.Array
	}
	return []string{v.Value}
}

func (g *given) number(name string, otherwise int) int {
	if n, ok := g.codes[name]; ok {
		return int(n)
	}
	return otherwise
}

func (g *given) on(name string) bool { return g.codes[name] == 1 }

func (g *given) onOr(name string, otherwise bool) bool {
	if n, ok := g.codes[name]; ok {
		return n == 1
	}
	return otherwise
}

// take reads the parameters that an object may have and complains about those that
// are missing or wrong. It returns nil when there is any such; what it does not know
// stays for unused.
func (c *loader) take(o *script.Object, specs []param) *given {
	g := &given{values: map[string]*script.Param{}, codes: map[string]int64{}}
	wrong := false
	for _, s := range specs {
		var found *script.Param
		// The last of several counts, as rsyslog's list is built backwards.
		for i := len(o.Params) - 1; i >= 0; i-- {
			if v := o.Params[i]; strings.EqualFold(v.Name, s.name) && !v.Used {
				v.Used = true
				found = v
				break
			}
		}
		switch {
		case found == nil && s.required:
			c.complainf("parameter '%s' required but not specified - fix config", s.name)
			wrong = true
		case found != nil && c.typed(g, s, found):
			g.values[s.name] = found
		case found != nil:
			wrong = true
		}
	}
	if wrong {
		return nil
	}
	return g
}

// duplicates complains about parameters of one name.
func (c *loader) duplicates(o *script.Object) {
	for i := len(o.Params) - 1; i >= 0; i-- {
		for _, v := range o.Params[:i] {
			if v.Name == o.Params[i].Name {
				c.complainf("duplicate parameter '%s' -- interpretation is ambiguous, one value will be randomly selected. Fix this problem.", v.Name)
			}
		}
	}
}

// unused complains about parameters that nothing took.
func (c *loader) unused(o *script.Object) {
	for i := len(o.Params) - 1; i >= 0; i-- {
		if v := o.Params[i]; !v.Used {
			c.complainf("parameter '%s' not known -- typo in config file?", v.Name)
		}
	}
}

// typed checks the value of a parameter and notes what it comes to.
func (c *loader) typed(g *given, s param, v *script.Param) bool {
	if v.Array != nil && s.kind != kList {
		c.complainf("parameter '%s' is not a string, which is not permitted", s.name)
		v.Used = false
		return false
	}
	n, complaint := c.decode(s.kind, s.name, v.Value)
	if complaint != "" {
		c.Complain(complaint)
		return false
	}
	if s.kind > kQueue && s.kind != kList || s.kind == kPositive || s.kind == kNatural {
		g.codes[s.name] = n
	}
	return true
}

// decode reads a value of a kind.
func (c *loader) decode(kind paramKind, name, s string) (n int64, complaint string) {
	switch kind {
	case kWord:
		if strings.ContainsAny(s, " \t\n\v\f\r") {
			return 0, "parameter '" + name + "' contains whitespace, which is not permitted"
		}
	case kChar:
		if len(s) != 1 {
			return 0, fmt.Sprintf("parameter '%s' must contain exactly one character but contains %d - cannot be processed", name, len(s))
		}
	case kQueue:
		switch strings.ToLower(s) {
		case "fixedarray", "linkedlist", "disk", "direct":
		default:
			return 0, "param '" + name + "': unknown queue type: '" + s + "'"
		}
	case kNumber, kPositive, kNatural:
		n, ok := script.LeadingNumber(s)
		switch {
		case !ok || s == "" || strings.HasPrefix(s, "0x"):
			return 0, "parameter '" + name + "' is not a proper number"
		case kind == kNatural && n < 0:
			return 0, fmt.Sprintf("parameter '%s' cannot be less than zero (was %d)", name, n)
		case kind == kPositive && n < 1:
			return 0, fmt.Sprintf("parameter '%s' cannot be less than one (was %d)", name, n)
		}
		return n, ""
	case kSize:
		n, ok := parseSize(s)
		if !ok {
			return 0, "parameter '" + name + "' does not contain a valid size"
		}
		return n, ""
	case kBool:
		switch s {
		case "on":
			return 1, ""
		case "off":
			return 0, ""
		}
		return 0, "parameter '" + name + "' must be \"on\" or \"off\" but is neither. Results unpredictable."
	case kMode:
		n, err := strconv.ParseUint(s, 8, 32)
		if err != nil || len(s) < 4 || len(s) > 5 || s[0] != '0' {
			return 0, "file modes need to be specified as 4- or 5-digit octal numbers starting with '0' -parameter '" + name + "=\"" + s + "\"' is not a file mode"
		}
		return int64(n), ""
	case kUser:
		if u, ok := libc.UserByName(c.p, s); ok {
			return int64(u.UID), ""
		}
		if n, err := strconv.Atoi(s); err == nil {
			return int64(n), ""
		}
		c.abort("parameter '" + name + "': ID for user '" + s + "' could not be found: No such file or directory")
	case kGroup:
		if g, ok := libc.GroupByName(c.p, s); ok {
			return int64(g.GID), ""
		}
		if n, err := strconv.Atoi(s); err == nil {
			return int64(n), ""
		}
		return 0, "parameter '" + name + "': ID for group " + s + " could not be found"
	case kFacility:
		n := script.Code(s, script.FacilityNames)
		if n < 0 || n >= script.Facilities {
			return 0, "parameter '" + name + "': unknown facility name \"" + s + "\""
		}
		return int64(n), ""
	case kSeverity:
		n := script.Code(s, script.PriorityNames)
		if n < 0 || n > 7 {
			return 0, "parameter '" + name + "': unknown priority name \"" + s + "\""
		}
		return int64(n), ""
	}
	return 0, ""
}

// parseSize reads a number with a unit: k, m, g, t are powers of 1024, K, M, G,
// T of 1000.
func parseSize(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	unit := int64(1)
	switch s[len(s)-1] {
	case 'k':
		unit = 1 << 10
	case 'm':
		unit = 1 << 20
	case 'g':
		unit = 1 << 30
	case 't':
		unit = 1 << 40
	case 'K':
		unit = 1e3
	case 'M':
		unit = 1e6
	case 'G':
		unit = 1e9
	case 'T':
		unit = 1e12
	}
	digits := s
	if unit != 1 {
		digits = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(digits, ",", ""), 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return 0, false
	}
	return n * unit, true
}

// The parameters of each object and module, by rsyslog's documentation.
var (
	templateParams = params(`name:t! type:t! string:t plugin:t subtree:t option.stdsql:b option.sql:b option.json:b option.jsonf:b option.casesensitive:b`)
	constantParams = params(`value:t! outname:t format:t`)
	propertyParams = params(`name:t! outname:t format:t dateformat:t date.inutc:b caseconversion:t controlcharacters:t securepath:t
		position.from:n position.to:n position.relativetoend:b fixedwidth:b field.number:n field.delimiter:n regex.expression:t
		regex.type:t regex.nomatchmode:t regex.match:n regex.submatch:n droplastlf:b spifno1stsp:b compressspace:b mandatory:b
		datatype:t onempty:t`)
	globalParams = params(`workdirectory:t dropmsgswithmaliciousdnsptrrecords:b localhostname:w preservefqdn:b maxmessagesize:s
		defaultnetstreamdriver:t defaultnetstreamdrivercafile:t defaultnetstreamdriverkeyfile:t defaultnetstreamdrivercertfile:t
		debug.gnutls:n debug.onshutdown:b debug.logfile:t debug.whitelist:b debug.files:l processinternalmessages:b umask:m
		errormessagestostderr.maxnumber:n stdlog.channelspec:t janitor.interval:n senders.reportnew:b senders.reportgoneaway:b
		senders.timeoutafter:n senders.keeptrack:b inputs.timeout.shutdown:n privdrop.group.keepsupplemental:b
		privdrop.group.id:n privdrop.group.name:t privdrop.user.id:n privdrop.user.name:t net.ipprotocol:w net.acladdhostnameonfail:b
		net.aclresolvehostname:b net.enabledns:b environment:l internalmsg.ratelimit.interval:n
		internalmsg.ratelimit.burst:n internalmsg.severity:t parser.parsehostnameandtag:b
		parser.permitslashinprogramname:b parser.escapecontrolcharactertab:b parser.escape8bitcharactersonreceive:b
		parser.escapecontrolcharactersonreceive:b parser.controlcharacterescapeprefix:c parser.droptrailinglfonreception:b
		parser.spacelfonreceive:b parser.escapecontrolcharacterscstyle:b parser.supportcompressionextension:b
		variables.casesensitive:b reverselookup.cache.ttl.default:n reverselookup.cache.ttl.enable:b
		shutdown.queue.doublesize:b shutdown.enable.ctlc:b default.action.queue.timeoutshutdown:n
		default.action.queue.timeoutactioncompletion:n default.action.queue.timeoutenqueue:n
		default.action.queue.timeoutworkerthreadshutdown:n default.ruleset.queue.timeoutshutdown:n abortonuncleanconfig:b
		abortonfailedqueuestartup:b action.reportsuspension:b action.reportsuspensioncontinuation:b
		oversizemsg.errorfile:w oversizemsg.report:b oversizemsg.input.mode:w security.abortonidresolutionfail:b`)
	queueParams = params(`queue.filename:w queue.spooldirectory:w queue.size:s queue.dequeuebatchsize:n queue.mindequeuebatchsize:n
		queue.maxdiskspace:s queue.highwatermark:n queue.lowwatermark:n queue.fulldelaymark:n queue.lightdelaymark:n
		queue.discardmark:n queue.discardseverity:v queue.checkpointinterval:n queue.syncqueuefiles:b queue.type:q
		queue.workerthreads:n queue.timeoutshutdown:n queue.timeoutactioncompletion:n queue.timeoutenqueue:n
		queue.timeoutworkerthreadshutdown:n queue.workerthreadminimummessages:n queue.maxfilesize:s queue.saveonshutdown:b
		queue.dequeueslowdown:n queue.dequeuetimebegin:n queue.dequeuetimeend:n queue.samplinginterval:n queue.takeflowctlfrommsg:b`)
	rulesetParams = params(`name:t! parser:l`)
	actionParams  = params(`type:t! name:w action.errorfile:t action.errorfile.maxsize:n action.writeallmarkmessages:b
		action.execonlyeverynthtime:n action.execonlyeverynthtimetimeout:n action.execonlyonceeveryinterval:n
		action.execonlywhenpreviousissuspended:b action.repeatedmsgcontainsoriginalmsg:b action.resumeretrycount:n
		action.reportsuspension:b action.reportsuspensioncontinuation:b action.resumeintervalmax:1 action.resumeinterval:n
		action.copymsg:b action.externalstate.file:t`)
	includeParams = params(`file:t text:t mode:w abortonerror:b`)
	omfileModule  = params(`template:w filecreatemode:m dircreatemode:m fileowner:u fileownernum:n filegroup:g filegroupnum:n
		dirowner:u dirownernum:n dirgroup:g dirgroupnum:n compression.driver:t dynafile.donotsuspend:b`)
	omfileParams = params(`dynafilecachesize:n ziplevel:n flushinterval:n asyncwriting:b veryrobustzip:b flushontxend:b iobuffersize:s
		dirowner:u dirownernum:n dirgroup:g dirgroupnum:n fileowner:u fileownernum:n filegroup:g filegroupnum:n
		dircreatemode:m filecreatemode:m failonchownfailure:b createdirs:b sync:b file:t dynafile:t sig.provider:w
		cry.provider:w closetimeout:1 rotation.sizelimit:s rotation.sizelimitcommand:t template:w `)
	omfwdModule = params(`template:w iobuffersize:n`)
	omfwdParams = params(`target:w address:w device:w port:w protocol:w networknamespace:w tcp_framing:w tcp_framedelimiter:n ziplevel:n
		compression.mode:w compression.stream.flushontxend:b maxerrormessages:n rebindinterval:n keepalive:b keepalive.probes:0
		keepalive.time:0 keepalive.interval:0 conerrskip:0 gnutlsprioritystring:t streamdriver:w streamdrivermode:n
		streamdriverauthmode:w streamdriverpermittedpeers:w streamdriver.permitexpiredcerts:w resendlastmsgonreconnect:b
		udp.sendtoall:b udp.senddelay:n udp.sendbuf:s template:w ipfreebind:n `)
	ompipeParams   = params(`pipe:t! template:w`)
	omusrParams    = params(`users:t! template:w`)
	omprogParams   = params(`binary:t! confirmmessages:b confirmtimeout:n reportfailures:b usetransactions:b begintransactionmark:t committransactionmark:t killunresponsive:b signalonclose:b closetimeout:n output:t forcesingleinstance:b hup.signal:w template:w`)
	imuxsockParams = params(`syssock.use:b syssock.name:t syssock.unlink:b syssock.ignoretimestamp:b syssock.ignoreownmessages:b
		syssock.flowcontrol:b syssock.usesystimestamp:b syssock.annotate:b syssock.parsetrusted:b syssock.usespecialparser:b
		syssock.parsehostname:b syssock.usepidfromsystem:b syssock.ratelimit.interval:n syssock.ratelimit.burst:n
		syssock.ratelimit.severity:n`)
	imuxsockInput = params(`socket:t! unlink:b createpath:b parsetrusted:b ignoreownmessages:b hostname:t ignoretimestamp:b
		flowcontrol:b usesystimestamp:b annotate:b usespecialparser:b parsehostname:b usepidfromsystem:b ruleset:t
		ratelimit.interval:n ratelimit.burst:n ratelimit.severity:n`)
	imudpParams = params(`schedulingpolicy:t schedulingpriority:n batchsize:n threads:n timerequery:n preservecase:b`)
	imudpInput  = params(`port:l! defaulttz:t inputname:w inputname.appendport:b name:w name.appendport:b address:t device:t
		ipfreebind:n rcvbufsize:s ratelimit.interval:n ratelimit.burst:n ruleset:t`)
	imtcpParams = params(`flowcontrol:b disablelfdelimiter:b discardtruncatedmsg:b notifyonconnectionclose:b
		addtlframedelimiter:0 maxframesize:n maxsessions:1 maxlisteners:1 streamdriver.mode:0 streamdriver.name:t
		streamdriver.authmode:t permittedpeer:l keepalive:b keepalive.probes:0 keepalive.time:0 keepalive.interval:0
		gnutlsprioritystring:t preservecase:b`)
	imtcpInput = append(params(`port:t! address:t name:t defaulttz:t ruleset:t supportoctetcountedframing:b ratelimit.interval:n
		ratelimit.burst:n listenportfilename:t `), imtcpParams...)
	immarkParams    = params(`interval:n use.syslogcall:b use.markflag:b markmessagetext:t ruleset:t`)
	imklogParams    = params(`ruleset:t logpath:t permitnonkernelfacility:b consoleloglevel:n parsekerneltimestamp:b keepkerneltimestamp:b internalmsgfacility:f ratelimitinterval:n ratelimitburst:n`)
	imjournalParams = params(`statefile:t filecreatemode:m ratelimit.interval:n ratelimit.burst:n persiststateinterval:n
		ignorepreviousmessages:b ignorenonvalidstatefile:b defaultseverity:v defaultfacility:f usepidfromsystem:b usepid:t
		workaroundjournalbug:b fsync:b remote:b defaulttag:t main:b`)
	imfileParams = params(`pollinginterval:n readtimeout:n timeoutgranularity:n sortfiles:b statefile.directory:t mode:t normalizepath:b`)
	imfileInput  = params(`file:t! statefile:t tag:t! severity:v facility:f ruleset:t readmode:n startmsg.regex:t endmsg.regex:t
		discardtruncatedmsg:b msgdiscardingerror:b escapelf:b reopenontruncate:b maxlinesatonce:n trimlineoverbytes:n
		persiststateinterval:n persiststateaftersubmission:b deletestateonfiledelete:b addmetadata:b addceetag:b
		freshstarttail:b readtimeout:0 filenotfounderror:b needparse:b`)
)
