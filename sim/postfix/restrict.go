package postfix

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"enshu/sim/libc"
)

// verdict of one restriction: go on, permit, or a reply that refuses.
type verdict struct {
	permit bool
	reply  string // "450 4.7.1 text"
}

// restrict evaluates smtpd_STAGE_restrictions; "" means that nothing refuses.
func (c *smtpdSession) restrict(ctx context.Context, stage string) string {
	reply, _ := c.restrictList(ctx, stage, splitBraced(c.c.get("smtpd_"+stage+"_restrictions")), 0)
	return reply
}

// stageClass is how a refusal of a stage begins.
var stageClass = map[string]string{"client": "Client host", "helo": "Helo command", "sender": "Sender address", "relay": "Recipient address",
	"recipient": "Recipient address", "data": "Data command", "end_of_data": "End-of-data", "etrn": "Etrn command"}

// restrictList walks a list; permitted says that it ended in a permit.
func (c *smtpdSession) restrictList(ctx context.Context, stage string, list []string, depth int) (reply string, permitted bool) {
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
func (c *smtpdSession) restriction(ctx context.Context, stage, word, arg string, depth int) verdict {
	class := stageClass[stage]
	refuse := func(code, dsn, what, text string) verdict {
		return verdict{reply: fmt.Sprintf("%s %s <%s>: %s", code, dsn, what, text)}
	}
	code := func(param string) string { return c.c.get(param) }
	senderDomain := func() string { _, d, _ := splitAddress(c.sender); return d }
	rcptDomain := func() string { _, d, _ := splitAddress(c.rawTo); return d }
	switch name := strings.ToLower(word); name {
	case "permit":
		return verdict{permit: true}
	case "reject":
		return refuse(code("reject_code"), "5.7.1", c.subject(stage), class+" rejected: Access denied")
	case "defer":
		return refuse(code("defer_code"), "4.3.2", c.subject(stage), class+" rejected: Try again later")
	case "sleep":
		if d, ok := parseTime(arg, 's'); ok {
			c.p.Sleep(ctx, d)
		}
	case "permit_mynetworks":
		hit, err := c.networks.match(c.log, c.name, c.addr.String())
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
		r, err := c.resolveAll(ctx, c.internalTo())
		if err != nil || r[0].Failed {
			return refuse("451", "4.3.0", c.subject("recipient"), "Temporary lookup failure")
		}
		local, _, _ := splitAddress(r[0].Recipient)
		ours := (r[0].Local || r[0].Alias || r[0].Relay || r[0].Transport == c.c.get("virtual_transport")) && !strings.ContainsAny(local, "@%!")
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
		if c.helo != "" && !validHostname(c.helo) {
			return refuse(code("invalid_hostname_reject_code"), "5.5.2", c.helo, "Helo command rejected: Invalid name")
		}
	case "reject_non_fqdn_helo_hostname", "reject_non_fqdn_hostname":
		if c.helo != "" && !strings.HasPrefix(c.helo, "[") && (!strings.Contains(c.helo, ".") || !validHostname(c.helo)) {
			return refuse(code("non_fqdn_reject_code"), "5.5.2", c.helo, "Helo command rejected: need fully-qualified hostname")
		}
	case "reject_unknown_helo_hostname", "reject_unknown_hostname":
		if c.helo != "" && !strings.HasPrefix(c.helo, "[") {
			if ok, _ := c.hasMail(ctx, c.helo); !ok {
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
		if c.sender == "" && len(c.rcpts) > 1 {
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
			keys = []string{c.c.get("smtpd_null_access_lookup_key")}
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
		for _, class := range c.c.list("smtpd_restriction_classes") {
			if strings.EqualFold(class, word) {
				reply, permit := c.restrictList(ctx, stage, c.c.list(class), depth+1)
				return verdict{permit, reply}
			}
		}
		c.log.warning("unknown smtpd restriction: \"%s\"", word)
		c.mask["software"] = true
		return verdict{reply: "451 4.3.5 Server configuration error"}
	}
	return verdict{}
}

// subject is what a refusal of a stage is about.
func (c *smtpdSession) subject(stage string) string {
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

func (c *smtpdSession) internalTo() string { return c.to }

func fqdn(domain string) bool {
	return strings.HasPrefix(domain, "[") || strings.Contains(domain, ".") && !strings.HasPrefix(domain, ".") && !strings.HasSuffix(domain, ".")
}

// validHostname checks letters, digits, hyphens and dots (valid_hostname(3)).
func validHostname(s string) bool {
	if strings.HasPrefix(s, "[") {
		_, err := netip.ParseAddr(strings.TrimPrefix(strings.Trim(s, "[]"), "IPv6:"))
		return err == nil
	}
	if s == "" || len(s) > 255 {
		return false
	}
	for _, label := range strings.Split(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if !isNameByte(label[i]) && label[i] != '-' {
				return false
			}
		}
	}
	return true
}

// hasMail reports whether a domain has an MX or address record.
func (c *smtpdSession) hasMail(ctx context.Context, domain string) (ok, again bool) {
	for _, q := range []uint16{dns.TypeMX, dns.TypeA, dns.TypeAAAA} {
		_, err := libc.Query(ctx, c.p, strings.TrimSuffix(domain, ".")+".", q)
		if err == nil {
			return true, false
		}
		if errors.Is(err, libc.ErrAgain) {
			return false, true
		}
	}
	return false, false
}

func (c *smtpdSession) unknownDomain(ctx context.Context, domain, address, class, dsn string) verdict {
	if strings.HasPrefix(domain, "[") {
		return verdict{}
	}
	if r, err := c.resolveAll(ctx, "x@"+domain); err == nil && (r[0].Local || r[0].Alias) {
		return verdict{}
	}
	ok, again := c.hasMail(ctx, domain)
	reply := fmt.Sprintf("%s %s <%s>: %s rejected: Domain not found", c.c.get("unknown_address_reject_code"), dsn, address, class)
	switch {
	case ok:
		return verdict{}
	case again:
		// defer_if_permit: it counts when nothing else refuses.
		c.deferred = fmt.Sprintf("450 %s <%s>: %s rejected: Domain not found", dsn, address, class)
		return verdict{}
	}
	return verdict{reply: reply}
}

// blocklisted asks a DNS blocklist.
func (c *smtpdSession) blocklisted(ctx context.Context, zone string) verdict {
	zone, _, _ = strings.Cut(zone, "=")
	arpa, err := dns.ReverseAddr(c.addr.String())
	if err != nil {
		return verdict{}
	}
	name := strings.TrimSuffix(strings.TrimSuffix(arpa, "in-addr.arpa."), "ip6.arpa.") + zone
	if _, err := libc.Query(ctx, c.p, name+".", dns.TypeA); err != nil {
		return verdict{}
	}
	return verdict{reply: fmt.Sprintf("%s 5.7.1 Service unavailable; Client host [%s] blocked using %s", c.c.get("maps_rbl_reject_code"), c.addr, zone)}
}

// checkRecipient decides on RCPT: with delayed evaluation everything that came
// before too. "" accepts.
func (c *smtpdSession) checkRecipient(ctx context.Context, address, typed string) string {
	c.to, c.asTyped = address, typed
	defer func() { c.asTyped = "" }()
	if c.c.bool("smtpd_delay_reject") {
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
	if c.c.bool("smtpd_reject_unlisted_recipient") {
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
func (c *smtpdSession) unlisted(ctx context.Context, address, typed, class string, log bool) string {
	temp := fmt.Sprintf("451 4.3.0 <%s>: Temporary lookup failure", typed)
	answers, err := c.resolveAll(ctx, address)
	if err != nil || answers[0].Failed {
		return temp
	}
	r := answers[0]
	local, domain, _ := splitAddress(r.Recipient)
	isLocal := func(d string) bool { return r.Local && strings.EqualFold(d, domain) }
	delimiter := c.c.get("recipient_delimiter")
	for _, m := range []maps{c.canonical, c.virtual} {
		_, _, ok, err := m.address(c.log, r.Recipient, delimiter, isLocal, true)
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
		if c.c.bool("show_user_unknown_table_name") {
			text += " in " + table
		}
		return fmt.Sprintf("%s %s <%s>: %s rejected: %s", c.c.get(param), dsn, typed, class, text)
	}
	switch {
	case r.Alias:
		return refuse("unknown_virtual_alias_reject_code", "virtual alias table")
	case r.Local && len(c.localRecipients) > 0:
		names := []string{r.Recipient, local}
		if user, _, ok := splitExtension(local, delimiter); ok {
			names = append(names, user+"@"+domain, user)
		}
		for _, n := range append(names, "@"+domain) {
			_, ok, err := c.localRecipients.lookup(c.log, n)
			if err != nil {
				return temp
			}
			if ok {
				return ""
			}
		}
		return refuse("unknown_local_recipient_reject_code", "local recipient table")
	case r.Relay && len(c.relayRecipients) > 0:
		_, _, ok, err := c.relayRecipients.address(c.log, r.Recipient, delimiter, isLocal, true)
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
	local, domain, has := splitAddress(address)
	if !has {
		return []string{address, local + "@"}
	}
	return append(append([]string{address}, domainKeys(domain)...), local+"@")
}

// accessMap searches an access(5) table and does what it says.
func (c *smtpdSession) accessMap(ctx context.Context, stage, spec, class, subject string, keys []string, depth int) verdict {
	d := c.access[spec]
	if d == nil {
		d = openDict(c.p, c.c, spec, flagsLookup)
	}
	for _, k := range keys {
		if k == "" {
			continue
		}
		v, ok, err := d.lookup(c.log, k)
		if err != nil {
			return verdict{reply: fmt.Sprintf("451 4.3.5 <%s>: %s rejected: Server configuration error", subject, class)}
		}
		if ok {
			return c.accessAction(ctx, stage, v, class, subject, depth)
		}
	}
	return verdict{}
}

func (c *smtpdSession) accessAction(ctx context.Context, stage, value, class, subject string, depth int) verdict {
	word, text, _ := strings.Cut(strings.TrimSpace(value), " ")
	text = strings.TrimSpace(text)
	refuse := func(code, dsn, text, fallback string) verdict {
		if text == "" {
			text = fallback
		}
		if f, rest, ok := strings.Cut(text, " "); ok && len(f) >= 5 && f[1] == '.' && (f[0] == '4' || f[0] == '5') {
			dsn, text = f, rest
		}
		return verdict{reply: fmt.Sprintf("%s %s <%s>: %s rejected: %s", code, dsn, subject, class, text)}
	}
	switch strings.ToUpper(word) {
	case "OK", "RELAY":
		return verdict{permit: true}
	case "DUNNO":
		return verdict{}
	case "REJECT":
		return refuse(c.c.get("access_map_reject_code"), "5.7.1", text, "Access denied")
	case "DEFER":
		return refuse(c.c.get("access_map_defer_code"), "4.7.1", text, "Access denied")
	case "DEFER_IF_PERMIT":
		c.deferred = refuse(c.c.get("access_map_defer_code"), "4.7.1", text, "Service unavailable").reply
		return verdict{}
	case "DISCARD":
		if text == "" {
			text = class + " triggers DISCARD action"
		}
		c.tell("discard", c.where, fmt.Sprintf("<%s>: %s", subject, text))
		c.discard = true
		return verdict{permit: true}
	case "WARN", "INFO":
		c.tell(strings.ToLower(word), c.where, fmt.Sprintf("<%s>: %s", subject, text))
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
	reply, permit := c.restrictList(ctx, stage, splitList(value), depth+1)
	return verdict{permit, reply}
}
