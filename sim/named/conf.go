package named

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// config is what named.conf says (named.conf(5)).
type config struct {
	directory  string
	listen     []listenOn
	recursion  bool
	query      matchList // allow-query
	recurse    matchList // allow-recursion
	transfer   matchList // allow-transfer
	forward    forwarding
	zones      []zoneConf
	version    string
	hasVersion bool
	querylog   bool
}

// listenOn is one listen-on or listen-on-v6.
type listenOn struct {
	six   bool
	port  uint16
	addrs matchList
}

// forwarding is where queries go that no zone answers.
type forwarding struct {
	to   []netip.AddrPort
	only bool
	set  bool // forwarders was given, even if empty
}

type zoneConf struct {
	name    string // with the dot at its end, lower case
	kind    string // primary, hint, forward, secondary
	file    string
	forward forwarding
	query   *matchList
	at      statement
}

// matchList is an address match list; the first element that an address
// matches decides.
type matchList []matchElement

type matchElement struct {
	not    bool
	word   string // any, none, localhost, localnets; "" for the others
	prefix netip.Prefix
	list   matchList
}

// surroundings are what localhost and localnets stand for.
type surroundings interface {
	local(a netip.Addr) bool // an address of this host
	near(a netip.Addr) bool  // of a network of this host
}

// find returns whether an element decides, and how.
func (m matchList) find(a netip.Addr, here surroundings) (decided, yes bool) {
	for _, e := range m {
		hit := false
		switch {
		case e.word == "any":
			hit = true
		case e.word == "none":
			return true, e.not
		case e.word == "localhost":
			hit = here.local(a)
		case e.word == "localnets":
			hit = here.local(a) || here.near(a)
		case e.list != nil:
			_, hit = e.list.find(a, here)
		default:
			hit = e.prefix.Contains(a)
		}
		if hit {
			return true, !e.not
		}
	}
	return false, false
}

// allows reports whether a list lets an address pass.
func (m matchList) allows(a netip.Addr, here surroundings) bool {
	_, yes := m.find(a.Unmap(), here)
	return yes
}

var (
	anyone = matchList{{word: "any"}}
	nearby = matchList{{word: "localnets"}, {word: "localhost"}}
)

// known are the statements of named.conf at the top and inside options and
// zone, of BIND 9.16. Those that are not looked at have no effect here.
var known = map[string][]string{
	"": {"acl", "controls", "dlz", "dyndb", "include", "key", "logging", "masters", "primaries", "options", "plugin", "server", "statistics-channels",
		"trusted-keys", "trust-anchors", "managed-keys", "view", "zone", "dnssec-policy"},
	"options": {"directory", "listen-on", "listen-on-v6", "recursion", "allow-query", "allow-query-cache", "allow-recursion", "allow-transfer", "forwarders", "forward", "version",
		"querylog", "hostname", "server-id", "pid-file", "session-keyfile", "dump-file", "statistics-file", "memstatistics-file", "secroots-file", "recursing-file",
		"managed-keys-directory", "geoip-directory", "bindkeys-file", "dnssec-validation", "dnssec-enable", "dnssec-lookaside", "auth-nxdomain", "notify", "also-notify",
		"allow-notify", "allow-update", "max-cache-size", "max-cache-ttl", "max-ncache-ttl", "minimal-responses", "rate-limit", "query-source", "query-source-v6", "transfer-source",
		"tcp-clients", "tcp-listen-queue", "recursive-clients", "interface-interval", "zone-statistics", "check-names", "empty-zones-enable", "disable-empty-zone", "edns-udp-size",
		"max-udp-size", "blackhole", "rrset-order", "sortlist", "port", "qname-minimization", "prefetch", "response-policy", "random-device", "tkey-gssapi-keytab", "dns64", "ixfr-from-differences",
		"key-directory", "lock-file", "masterfile-format", "require-server-cookie", "cleaning-interval", "lame-ttl", "resolver-query-timeout", "attach-cache", "transfers-in", "transfers-out", "transfers-per-ns", "serial-query-rate", "provide-ixfr", "request-ixfr", "reserved-sockets"},
	"zone": {"type", "file", "forwarders", "forward", "allow-query", "allow-transfer", "allow-update", "notify", "also-notify", "masters", "primaries", "check-names", "zone-statistics",
		"masterfile-format", "update-policy", "journal", "max-zone-ttl", "allow-notify", "dnssec-policy", "auto-dnssec", "inline-signing", "key-directory", "transfer-source", "ixfr-from-differences", "in-view"},
}

// zoneTypes are the types of a zone by all their names.
var zoneTypes = map[string]string{
	"master": "primary", "primary": "primary", "slave": "secondary", "secondary": "secondary",
	"hint": "hint", "forward": "forward", "stub": "secondary", "mirror": "secondary", "static-stub": "secondary", "redirect": "secondary", "delegation-only": "secondary",
}

// loader reads a configuration with the files it includes.
type loader struct {
	read  func(name string) (string, error)
	acls  map[string]matchList
	depth int
}

// load reads a configuration. read returns the contents of a file.
func load(name string, read func(name string) (string, error)) (*config, error) {
	l := &loader{read: read, acls: map[string]matchList{}}
	c := &config{directory: "/", recursion: true, query: anyone, transfer: anyone}
	list, err := l.file(name)
	if err != nil {
		return nil, err
	}
	if err := l.apply(c, list); err != nil {
		return nil, err
	}
	if len(c.listen) == 0 {
		c.listen = []listenOn{{port: 53, addrs: anyone}, {six: true, port: 53, addrs: anyone}}
	}
	if c.recurse == nil {
		c.recurse = nearby
	}
	return c, nil
}

// file reads a file and puts what it includes in the place of the include.
func (l *loader) file(name string) ([]statement, error) {
	if l.depth++; l.depth > maxDepth {
		return nil, &confError{name, 1, "files include each other too deep"}
	}
	defer func() { l.depth-- }()
	text, err := l.read(name)
	if err != nil {
		return nil, err
	}
	list, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	var all []statement
	for _, s := range list {
		if s.keyword() != "include" || len(s.words) != 2 {
			all = append(all, s)
			continue
		}
		more, err := l.file(s.words[1])
		if err != nil {
			if _, ok := err.(*confError); ok {
				return nil, err
			}
			return nil, s.errorf("open: %s: %s", s.words[1], fileText(err))
		}
		all = append(all, more...)
	}
	return all, nil
}

func (l *loader) apply(c *config, list []statement) error {
	seen := map[string]statement{}
	for _, s := range list {
		k := s.keyword()
		if !slices.Contains(known[""], k) {
			return s.errorf("unknown option '%s'", k)
		}
		var err error
		switch k {
		case "acl":
			var m matchList
			if m, err = l.matchList(s); err == nil {
				l.acls[s.word(1)] = m
			}
		case "options":
			if first, ok := seen[k]; ok {
				return s.errorf("'options' redefined near 'options' (first at line %d)", first.line)
			}
			seen[k] = s
			err = l.options(c, s)
		case "zone":
			err = l.zone(c, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) options(c *config, s statement) (err error) {
	if !s.braces {
		return s.errorf("'{' expected near ';'")
	}
	for _, o := range s.block {
		k := o.keyword()
		if !slices.Contains(known["options"], k) {
			return o.errorf("unknown option '%s'", k)
		}
		switch k {
		case "directory":
			c.directory = o.word(1)
		case "listen-on", "listen-on-v6":
			on := listenOn{six: k == "listen-on-v6", port: 53}
			for i := 1; i+1 < len(o.words); i += 2 {
				n, err := strconv.ParseUint(o.words[i+1], 10, 16)
				if o.words[i] != "port" || err != nil {
					return o.errorf("expected 'port' and a number near '%s'", o.words[i])
				}
				on.port = uint16(n)
			}
			if on.addrs, err = l.matchList(o); err == nil {
				c.listen = append(c.listen, on)
			}
		case "recursion":
			c.recursion, err = boolean(o)
		case "querylog":
			c.querylog, err = boolean(o)
		case "allow-query":
			c.query, err = l.matchList(o)
		case "allow-recursion":
			c.recurse, err = l.matchList(o)
		case "allow-query-cache":
			var m matchList
			if m, err = l.matchList(o); c.recurse == nil {
				c.recurse = m
			}
		case "allow-transfer":
			c.transfer, err = l.matchList(o)
		case "forwarders", "forward":
			err = c.forward.read(o)
		case "version":
			c.version, c.hasVersion = o.word(1), true
		}
		if err != nil {
			return err
		}
	}
	// Who may recurse is who may query, where only the latter is said.
	if c.recurse == nil && slices.ContainsFunc(s.block, func(o statement) bool { return o.keyword() == "allow-query" }) {
		c.recurse = c.query
	}
	return nil
}

func (l *loader) zone(c *config, s statement) (err error) {
	name := s.word(1)
	if _, ok := dns.IsDomainName(name); !ok || name == "" {
		return s.errorf("zone '%s': is not a valid name", name)
	}
	z := zoneConf{name: dns.CanonicalName(name), at: s}
	for _, o := range s.block {
		k := o.keyword()
		if !slices.Contains(known["zone"], k) {
			return o.errorf("unknown option '%s'", k)
		}
		switch k {
		case "type":
			kind, ok := zoneTypes[o.word(1)]
			if !ok {
				return o.errorf("'%s' unexpected", o.word(1))
			}
			z.kind = kind
		case "file":
			z.file = o.word(1)
		case "forwarders", "forward":
			err = z.forward.read(o)
		case "allow-query":
			var m matchList
			m, err = l.matchList(o)
			z.query = &m
		}
		if err != nil {
			return err
		}
	}
	display := strings.TrimSuffix(name, ".")
	switch {
	case z.kind == "":
		return s.errorf("zone '%s': type not present", display)
	case z.kind == "primary" && z.file == "":
		return s.errorf("zone '%s': missing 'file' entry", display)
	case z.file != "" && !strings.HasPrefix(z.file, "/"):
		z.file = path.Join(c.directory, z.file)
	}
	for _, o := range c.zones {
		if o.name == z.name {
			return s.errorf("zone '%s': already exists previous definition: %s:%d", display, o.at.file, o.at.line)
		}
	}
	c.zones = append(c.zones, z)
	return nil
}

func boolean(s statement) (bool, error) {
	switch s.word(1) {
	case "yes", "true", "1":
		return true, nil
	case "no", "false", "0":
		return false, nil
	}
	return false, s.errorf("boolean expected near '%s'", s.word(1))
}

// read takes a forward or forwarders statement.
func (f *forwarding) read(s statement) error {
	if s.keyword() == "forward" {
		switch s.word(1) {
		case "only", "first":
			f.only = s.word(1) == "only"
			return nil
		}
		return s.errorf("'%s' unexpected", s.word(1))
	}
	f.set, f.to = true, nil
	for _, e := range s.block {
		a, err := netip.ParseAddr(e.word(0))
		if err != nil {
			return e.errorf("IP address expected near '%s'", e.word(0))
		}
		port := uint64(53)
		if e.word(1) == "port" {
			if port, err = strconv.ParseUint(e.word(2), 10, 16); err != nil {
				return e.errorf("port expected near '%s'", e.word(2))
			}
		}
		f.to = append(f.to, netip.AddrPortFrom(a, uint16(port)))
	}
	return nil
}

// matchList reads the block of a statement as an address match list.
func (l *loader) matchList(s statement) (matchList, error) {
	if !s.braces {
		return nil, s.errorf("'{' expected near ';'")
	}
	list := matchList{}
	for _, e := range s.block {
		var m matchElement
		words := e.words
		if len(words) > 0 && words[0] == "!" {
			m.not, words = true, words[1:]
		}
		switch {
		case e.braces:
			inner, err := l.matchList(e)
			if err != nil {
				return nil, err
			}
			m.list = inner
		case len(words) == 0:
			return nil, e.errorf("address match element expected")
		case slices.Contains([]string{"any", "none", "localhost", "localnets"}, words[0]):
			m.word = words[0]
		case words[0] == "key":
			continue // no keys here: nobody has one
		default:
			if acl, ok := l.acls[words[0]]; ok {
				m.list = acl
				break
			}
			p, err := netip.ParsePrefix(words[0])
			if err != nil {
				a, aerr := netip.ParseAddr(words[0])
				if aerr != nil {
					return nil, e.errorf("undefined ACL '%s'", words[0])
				}
				p = netip.PrefixFrom(a, a.BitLen())
			} else if p != p.Masked() {
				return nil, e.errorf("'%s': address/prefix length mismatch", words[0])
			}
			m.prefix = p
		}
		list = append(list, m)
	}
	return list, nil
}
