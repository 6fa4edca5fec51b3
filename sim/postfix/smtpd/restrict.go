package smtpd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
	"enshu/sim/trace"
)

// verdict of one restriction: go on, permit, or a reply that refuses.
type verdict struct {
	permit bool
	reply  string // "450 4.7.1 text"
}

// restrict evaluates smtpd_STAGE_restrictions; "" means that nothing refuses.
func (c *session) restrict(ctx context.Context, stage string) string {
	reply, _ := c.restrictList(ctx, stage, conf.SplitBraced(c.Conf.Get("smtpd_"+stage+"_restrictions")), 0)
	return c.soften(reply)
}

// stageClass is how a refusal of a stage begins.
var stageClass = map[string]string{"client": "Client host", "helo": "Helo command", "sender": "Sender address", "relay": "Recipient address",
	"recipient": "Recipient address", "data": "Data command", "end_of_data": "End-of-data", "etrn": "Etrn command"}

// restrictList walks a list; permitted says that it ended in a permit.
func (c *session) restrictList(ctx context.Context, stage string, list []string, depth int) (reply string, permitted bool) {
	if depth > 20 {
		return "451 4.3.5 Server configuration error", false
	}
	warnOnly := false
	for i := 0; i < len(list); i++ {
		name := strings.ToLower(list[i])
		arg := ""
		if takesArgument(name) && i+1 < len(list) {
			i++
			arg = list[i]
		}
		if name == "warn_if_reject" {
			warnOnly = true
			continue
		}
		v := c.restriction(ctx, stage, list[i-boolInt(arg != "")], arg, depth)
		if v.reply != "" && warnOnly {
			c.tell("reject_warning", c.where, v.reply)
			v = verdict{}
		}
		warnOnly = false
		if v.reply != "" {
			return v.reply, false
		}
		if v.permit {
			return "", true
		}
	}
	return "", false
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func takesArgument(name string) bool {
	return strings.HasPrefix(name, "check_") || name == "sleep" || name == "reject_rbl_client" || strings.HasPrefix(name, "reject_rhsbl_")
}

// restriction evaluates one restriction by its name.
func (c *session) restriction(ctx context.Context, stage, word, arg string, depth int) verdict {
	class := stageClass[stage]
	refuse := func(code, dsn, what, text string) verdict {
		return verdict{reply: fmt.Sprintf("%s %s <%s>: %s", code, dsn, what, text)}
	}
	code := func(param string) string { return c.Conf.Get(param) }
	senderDomain := func() string { _, d, _ := mailaddr.Split(c.sender); return d }
	rcptDomain := func() string { _, d, _ := mailaddr.Split(c.rawTo); return d }
	switch name := strings.ToLower(word); name {
	case "permit":
		return verdict{permit: true}
	case "reject":
		return refuse(code("reject_code"), "5.7.1", c.subject(stage), class+" rejected: Access denied")
	case "defer":
		return refuse(code("defer_code"), "4.3.2", c.subject(stage), class+" rejected: Try again later")
	case "sleep":
		if d, ok := conf.ParseTime(arg, 's'); ok {
			c.Proc.Sleep(ctx, d)
		}
	case "permit_mynetworks":
		hit, err := c.networks.Match(c.Log, c.name, c.addr.String())
		if err != nil {
			return refuse("451", "4.3.0", c.subject(stage), "Temporary lookup failure")
		}
		return verdict{permit: hit}
	case "permit_inet_interfaces":
		return verdict{permit: c.local}
	case "permit_sasl_authenticated":
		return verdict{permit: c.user != ""}
	case "reject_sender_login_mismatch":
		return verdict{reply: c.loginMismatch(true, true)}
	case "reject_authenticated_sender_login_mismatch":
		return verdict{reply: c.loginMismatch(true, false)}
	case "reject_unauthenticated_sender_login_mismatch":
		return verdict{reply: c.loginMismatch(false, true)}
	case "reject_plaintext_session":
		if !c.tls {
			return refuse(code("plaintext_reject_code"), "5.7.1", c.subject(stage), "Session encryption is required")
		}
	case "permit_tls_clientcerts", "permit_tls_all_clientcerts", "permit_mx_backup":
	case "reject_unauth_destination", "defer_unauth_destination", "permit_auth_destination":
		r, err := c.resolve(ctx, c.internalTo())
		if err != nil || r[0].Failed {
			return refuse("451", "4.3.0", c.subject("recipient"), "Temporary lookup failure")
		}
		local, _, _ := mailaddr.Split(r[0].Recipient)
		ours := (r[0].Local || r[0].Alias || r[0].Relay || r[0].Transport == c.Conf.Get("virtual_transport")) && !strings.ContainsAny(local, "@%!")
		switch {
		case name == "permit_auth_destination":
			return verdict{permit: ours}
		case ours:
		case name == "defer_unauth_destination":
			return refuse("454", "4.7.1", c.subject("recipient"), "Relay access denied")
		default:
			return refuse(code("relay_domains_reject_code"), "5.7.1", c.subject("recipient"), "Relay access denied")
		}
	case "reject_unauth_pipelining":
		if c.pipelined {
			return refuse("503", "5.5.0", c.subject(stage), class+" rejected: Improper use of SMTP command pipelining")
		}
	case "reject_unknown_client_hostname", "reject_unknown_client":
		if c.name == "unknown" {
			return verdict{reply: fmt.Sprintf("%s 4.7.25 Client host rejected: cannot find your hostname, [%s]", code("unknown_client_reject_code"), c.addr)}
		}
	case "reject_unknown_reverse_client_hostname":
		if c.reverse == "" && c.name == "unknown" {
			return verdict{reply: fmt.Sprintf("%s 4.7.25 Client host rejected: cannot find your reverse hostname, [%s]", code("unknown_client_reject_code"), c.addr)}
		}
	case "reject_invalid_helo_hostname", "reject_invalid_hostname":
		if _, err := netip.ParseAddr(c.helo); c.helo != "" && err != nil && !mailaddr.ValidDomain(c.helo) {
			return refuse(code("invalid_hostname_reject_code"), "5.5.2", c.helo, "Helo command rejected: Invalid name")
		}
	case "reject_non_fqdn_helo_hostname", "reject_non_fqdn_hostname":
		if c.helo != "" && !strings.HasPrefix(c.helo, "[") && (!strings.Contains(c.helo, ".") || !mailaddr.ValidDomain(c.helo)) {
			return refuse(code("non_fqdn_reject_code"), "5.5.2", c.helo, "Helo command rejected: need fully-qualified hostname")
		}
	case "reject_unknown_helo_hostname", "reject_unknown_hostname":
		if c.helo != "" && !strings.HasPrefix(c.helo, "[") {
			switch ok, again := c.hasMail(ctx, c.helo); {
			case again: // defer_if_permit: it counts when nothing else refuses
				c.deferred = cmp.Or(c.deferred, refuse("450", "4.7.1", c.helo, "Helo command rejected: Host not found").reply)
			case !ok:
				return refuse(code("unknown_hostname_reject_code"), "4.7.1", c.helo, "Helo command rejected: Host not found")
			}
		}
	case "reject_non_fqdn_sender":
		if c.sender != "" && !fqdn(senderDomain()) {
			return refuse(code("non_fqdn_reject_code"), "5.5.2", c.rawFrom, "Sender address rejected: need fully-qualified address")
		}
	case "reject_non_fqdn_recipient":
		if !fqdn(rcptDomain()) {
			return refuse(code("non_fqdn_reject_code"), "5.5.2", c.rawTo, "Recipient address rejected: need fully-qualified address")
		}
	case "reject_unknown_sender_domain":
		if c.sender != "" && senderDomain() != "" {
			return c.unknownDomain(ctx, senderDomain(), c.rawFrom, "Sender address", "4.1.8")
		}
	case "reject_unknown_recipient_domain":
		if rcptDomain() != "" {
			return c.unknownDomain(ctx, rcptDomain(), c.rawTo, "Recipient address", "4.1.2")
		}
	case "reject_unlisted_recipient", "check_recipient_maps":
		return verdict{reply: c.unlisted(ctx, c.internalTo(), c.rawTo, "Recipient address", false)}
	case "reject_unlisted_sender":
		if c.sender != "" {
			return verdict{reply: c.unlisted(ctx, c.sender, c.rawFrom, "Sender address", false)}
		}
	case "reject_multi_recipient_bounce":
		others := len(c.rcpts) // besides the one under test
		if c.where != "RCPT" {
			others--
		}
		if c.sender == "" && others > 0 {
			return refuse(code("multi_recipient_bounce_reject_code"), "5.5.3", c.subject(stage), class+" rejected: Multi-recipient bounce")
		}
	case "reject_rbl_client":
		return c.blocklisted(ctx, arg)
	case "check_client_access":
		return c.accessMap(ctx, stage, arg, "Client host", c.namaddr(), append(domainKeys(c.name), addressKeys(c.addr)...), depth)
	case "check_helo_access":
		return c.accessMap(ctx, stage, arg, "Helo command", c.helo, domainKeys(c.helo), depth)
	case "check_sender_access":
		keys := mailKeys(c.sender)
		if c.sender == "" {
			keys = []string{c.Conf.Get("smtpd_null_access_lookup_key")}
		}
		return c.accessMap(ctx, stage, arg, "Sender address", c.rawFrom, keys, depth)
	case "check_recipient_access":
		return c.accessMap(ctx, stage, arg, "Recipient address", c.rawTo, mailKeys(c.internalTo()), depth)
	default:
		if strings.Contains(word, ":") {
			keys := map[string][]string{"client": append(domainKeys(c.name), addressKeys(c.addr)...), "helo": domainKeys(c.helo),
				"sender": mailKeys(c.sender), "relay": mailKeys(c.internalTo()), "recipient": mailKeys(c.internalTo())}[stage]
			return c.accessMap(ctx, stage, word, class, c.subject(stage), keys, depth)
		}
		for _, class := range c.Conf.List("smtpd_restriction_classes") {
			if strings.EqualFold(class, word) {
				reply, permit := c.restrictList(ctx, stage, c.Conf.List(class), depth+1)
				return verdict{permit, reply}
			}
		}
		c.Log.Warning("unknown smtpd restriction: \"%s\"", word)
		c.mask["software"] = true
		return verdict{reply: "451 4.3.5 Server configuration error"}
	}
	return verdict{}
}

// resolve asks trivial-rewrite(8) where an address goes, once for each RCPT.
func (c *session) resolve(ctx context.Context, address string) ([]service.Resolution, error) {
	if r, ok := c.resolved[address]; ok {
		return []service.Resolution{r}, nil
	}
	out, err := c.ResolveAll(ctx, c.sender, address)
	if err == nil && !out[0].Failed && c.resolved != nil {
		c.resolved[address] = out[0]
	}
	return out, err
}

// subject is what a refusal of a stage is about.
func (c *session) subject(stage string) string {
	switch stage {
	case "client":
		return c.namaddr()
	case "helo":
		return c.helo
	case "sender":
		return c.rawFrom
	case "relay", "recipient":
		if c.asTyped != "" {
			return c.asTyped
		}
		return c.rawTo
	case "data":
		return "DATA"
	}
	return "END-OF-MESSAGE"
}

func (c *session) internalTo() string { return c.to }

func fqdn(domain string) bool {
	return strings.HasPrefix(domain, "[") || strings.Contains(domain, ".") && !strings.HasPrefix(domain, ".") && !strings.HasSuffix(domain, ".")
}

// hasMail reports whether a domain has an MX or address record.
func (c *session) hasMail(ctx context.Context, domain string) (ok, again bool) {
	for _, q := range []uint16{dns.TypeMX, dns.TypeA, dns.TypeAAAA} {
		_, err := libc.Query(ctx, c.Proc, strings.TrimSuffix(domain, ".")+".", q)
		if err == nil {
			return true, false
		}
		if errors.Is(err, libc.ErrAgain) {
			return false, true
		}
	}
	return false, false
}

func (c *session) unknownDomain(ctx context.Context, domain, address, class, dsn string) verdict {
	if strings.HasPrefix(domain, "[") {
		return verdict{}
	}
	if r, err := c.resolve(ctx, "x@"+domain); err == nil && (r[0].Local || r[0].Alias) {
		return verdict{}
	}
	ok, again := c.hasMail(ctx, domain)
	reply := fmt.Sprintf("%s %s <%s>: %s rejected: Domain not found", c.Conf.Get("unknown_address_reject_code"), dsn, address, class)
	switch {
	case ok:
		return verdict{}
	case again:
		// defer_if_permit: it counts when nothing else refuses.
		c.deferred = cmp.Or(c.deferred, fmt.Sprintf("450 %s <%s>: %s rejected: Domain not found", dsn, address, class))
		return verdict{}
	}
	return verdict{reply: reply}
}

// blocklisted asks a DNS blocklist.
func (c *session) blocklisted(ctx context.Context, zone string) verdict {
	zone, _, _ = strings.Cut(zone, "=")
	arpa, err := dns.ReverseAddr(c.addr.String())
	if err != nil {
		return verdict{}
	}
	name := strings.TrimSuffix(strings.TrimSuffix(arpa, "in-addr.arpa."), "ip6.arpa.") + zone
	if _, err := libc.Query(ctx, c.Proc, name+".", dns.TypeA); err != nil {
		return verdict{}
	}
	return verdict{reply: fmt.Sprintf("%s 5.7.1 Service unavailable; Client host [%s] blocked using %s", c.Conf.Get("maps_rbl_reject_code"), c.addr, zone)}
}

// checkRecipient decides on RCPT: with delayed evaluation everything that came
// before too. "" accepts. With soft_bounce the client may try again.
func (c *session) checkRecipient(ctx context.Context, address, typed string) string {
	return c.soften(c.judgeRecipient(ctx, address, typed))
}

// soften turns a refusal for good into one for now when soft_bounce says so.
func (c *session) soften(reply string) string {
	if !c.Conf.Bool("soft_bounce") || !strings.HasPrefix(reply, "5") {
		return reply
	}
	code, rest, _ := strings.Cut(reply, " ")
	if strings.HasPrefix(rest, "5.") {
		rest = "4" + rest[1:]
	}
	return "4" + code[1:] + " " + rest
}

func (c *session) judgeRecipient(ctx context.Context, address, typed string) string {
	atMail := c.deferred // which is as good for each recipient
	c.to, c.asTyped = address, typed
	c.resolved = map[string]service.Resolution{}
	defer func() { c.asTyped, c.deferred, c.resolved = "", atMail, nil }()
	if c.Conf.Bool("smtpd_delay_reject") {
		for _, stage := range []string{"client", "helo", "sender"} {
			if v := c.restrict(ctx, stage); v != "" {
				return v
			}
		}
	}
	for _, stage := range []string{"recipient", "relay"} {
		if v := c.restrict(ctx, stage); v != "" {
			return v
		}
	}
	if c.Conf.Bool("smtpd_reject_unlisted_recipient") {
		if v := c.unlisted(ctx, address, typed, "Recipient address", true); v != "" {
			return v
		}
	}
	if c.deferred != "" {
		return c.deferred
	}
	return ""
}

// unlisted refuses addresses that do not exist here.
func (c *session) unlisted(ctx context.Context, address, typed, class string, log bool) string {
	temp := fmt.Sprintf("451 4.3.0 <%s>: Temporary lookup failure", typed)
	answers, err := c.resolve(ctx, address)
	if err != nil || answers[0].Failed {
		return temp
	}
	r := answers[0]
	local, domain, _ := mailaddr.Split(r.Recipient)
	isLocal := func(d string) bool { return r.Local && strings.EqualFold(d, domain) }
	delimiter := c.Conf.Get("recipient_delimiter")
	for _, m := range []table.Maps{c.canonical, c.virtual} {
		_, _, ok, err := m.Address(c.Log, r.Recipient, delimiter, isLocal, true)
		if err != nil {
			return temp
		}
		if ok {
			return ""
		}
	}
	dsn := "5.1.1"
	if strings.HasPrefix(class, "Sender") {
		dsn = "5.1.0"
	}
	refuse := func(param, table string) string {
		text := "User unknown"
		if c.Conf.Bool("show_user_unknown_table_name") {
			text += " in " + table
		}
		return fmt.Sprintf("%s %s <%s>: %s rejected: %s", c.Conf.Get(param), dsn, typed, class, text)
	}
	switch {
	case r.Alias:
		return refuse("unknown_virtual_alias_reject_code", "virtual alias table")
	case r.Transport == "error":
		status, text := service.SplitFate(r.Nexthop, strings.Replace(dsn, "5.1.0", "5.1.1", 1))
		code := "550"
		if status[0] == '4' {
			code = "450"
		}
		return fmt.Sprintf("%s %s <%s>: %s rejected: %s", code, status, typed, class, text)
	case r.Mailbox && len(c.mailboxes) > 0:
		_, _, ok, err := c.mailboxes.Address(c.Log, r.Recipient, delimiter, isLocal, true)
		if err != nil {
			return temp
		}
		if !ok {
			return refuse("unknown_virtual_mailbox_reject_code", "virtual mailbox table")
		}
	case r.Local && len(c.localRecipients) > 0:
		names := []string{r.Recipient, local}
		if user, _, ok := mailaddr.SplitExtension(local, delimiter); ok {
			names = append(names, user+"@"+domain, user)
		}
		for _, n := range append(names, "@"+domain) {
			_, ok, err := c.localRecipients.Lookup(c.Log, n)
			if err != nil {
				return temp
			}
			if ok {
				return ""
			}
		}
		if name, file, line := c.localRecipients.Unbuilt(c.Proc, names); line > 0 {
			c.Log.Emit(trace.AliasMissed, trace.Attrs{"id": c.id(), "from": name, "file": file, "line": fmt.Sprint(line)})
		}
		return refuse("unknown_local_recipient_reject_code", "local recipient table")
	case r.Relay && len(c.relayRecipients) > 0:
		_, _, ok, err := c.relayRecipients.Address(c.Log, r.Recipient, delimiter, isLocal, true)
		if err != nil {
			return temp
		}
		if !ok {
			return refuse("unknown_relay_recipient_reject_code", "relay recipient table")
		}
	}
	return ""
}

// Keys that access(5) tables are searched with.
func domainKeys(name string) []string {
	var keys []string
	for rest := name; rest != ""; {
		keys = append(keys, rest)
		_, after, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		rest = after
	}
	return keys
}

func addressKeys(a netip.Addr) []string {
	text := a.String()
	sep := "."
	if a.Is6() {
		sep = ":"
	}
	keys := []string{text}
	for {
		at := strings.LastIndex(text, sep)
		if at < 0 {
			return keys
		}
		text = text[:at]
		keys = append(keys, text)
	}
}

func mailKeys(address string) []string {
	local, domain, has := mailaddr.Split(address)
	if !has {
		return []string{address, local + "@"}
	}
	return append(append([]string{address}, domainKeys(domain)...), local+"@")
}

// fixedDSN are the details of status codes that make no sense for an address of
// the other kind.
var fixedDSN = map[string]map[string]string{
	"Recipient address": {"1.7": "1.3", "1.8": "1.2", "1.9": "1.0"},
	"Sender address":    {"1.1": "1.0", "1.2": "1.8", "1.3": "1.7", "1.4": "1.0", "1.6": "1.0"},
}

// accessMap searches an access(5) table and does what it says.
func (c *session) accessMap(ctx context.Context, stage, spec, class, subject string, keys []string, depth int) verdict {
	d := c.access[spec]
	if d == nil {
		d = table.Open(c.Proc, c.Conf, spec, table.FlagsLookup)
	}
	for _, k := range keys {
		if k == "" {
			continue
		}
		v, ok, err := d.Lookup(c.Log, k)
		if err != nil {
			return verdict{reply: fmt.Sprintf("451 4.3.5 <%s>: %s rejected: Server configuration error", subject, class)}
		}
		if ok {
			return c.accessAction(ctx, stage, v, class, subject, depth)
		}
	}
	return verdict{}
}

func (c *session) accessAction(ctx context.Context, stage, value, class, subject string, depth int) verdict {
	word, text, _ := strings.Cut(strings.TrimSpace(value), " ")
	text = strings.TrimSpace(text)
	refuse := func(code, dsn, text, fallback string) verdict {
		if text == "" {
			text = fallback
		}
		if f, rest, ok := strings.Cut(text, " "); ok && len(f) >= 5 && f[1] == '.' && (f[0] == '4' || f[0] == '5') {
			dsn, text = f, rest
			if fixed, ok := fixedDSN[class][dsn[2:]]; ok {
				c.Log.Info("mapping DSN status %s into %s status %s%s", dsn, class, dsn[:2], fixed)
				dsn = dsn[:2] + fixed
			}
		}
		return verdict{reply: fmt.Sprintf("%s %s <%s>: %s rejected: %s", code, dsn, subject, class, text)}
	}
	switch strings.ToUpper(word) {
	case "OK", "RELAY":
		return verdict{permit: true}
	case "DUNNO":
		return verdict{}
	case "REJECT":
		return refuse(c.Conf.Get("access_map_reject_code"), "5.7.1", text, "Access denied")
	case "DEFER":
		return refuse(c.Conf.Get("access_map_defer_code"), "4.7.1", text, "Access denied")
	case "DEFER_IF_PERMIT":
		c.deferred = refuse(c.Conf.Get("access_map_defer_code"), "4.7.1", text, "Service unavailable").reply
		return verdict{}
	case "DEFER_IF_REJECT":
		return verdict{}
	case "DISCARD":
		if text == "" {
			text = "triggers DISCARD action"
		}
		c.tell("discard", c.where, fmt.Sprintf("<%s>: %s %s", subject, class, text))
		c.discard = true
		return verdict{permit: true}
	case "HOLD":
		if text == "" {
			text = "triggers HOLD action"
		}
		c.tell("hold", c.where, fmt.Sprintf("<%s>: %s %s", subject, class, text))
		c.hold = true
		return verdict{}
	case "REDIRECT":
		c.tell("redirect", c.where, fmt.Sprintf("<%s>: %s triggers REDIRECT %s", subject, class, text))
		c.redirect = text
		return verdict{}
	case "FILTER":
		if !strings.Contains(text, ":") {
			c.Log.Warning("access map %s entry \"%s\" has FILTER entry without transport:destination", c.namaddr(), subject)
			return verdict{}
		}
		c.tell("filter", c.where, fmt.Sprintf("<%s>: %s triggers FILTER %s", subject, class, text))
		c.filter = text
		return verdict{}
	case "BCC":
		c.tell("bcc", c.where, fmt.Sprintf("<%s>: %s triggers BCC %s", subject, class, text))
		c.bcc = append(c.bcc, text)
		return verdict{}
	case "PREPEND":
		c.prepend = append(c.prepend, text)
		return verdict{}
	case "WARN", "INFO":
		c.tell(strings.ToLower(word), c.where, text)
		return verdict{}
	}
	if len(word) == 3 && (word[0] == '4' || word[0] == '5') {
		if _, err := strconv.Atoi(word); err == nil {
			return refuse(word, string(word[0])+".7.1", text, "Access denied")
		}
	}
	if _, err := strconv.Atoi(word); err == nil {
		return verdict{permit: true}
	}
	reply, permit := c.restrictList(ctx, stage, conf.SplitBraced(value), depth+1)
	return verdict{permit, reply}
}
