package conf

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestScanXMLErrors(t *testing.T) {
	// Recorded from expat (Python's xml.parsers.expat).
	for doc, want := range map[string]string{
		"<a><b></a>":                             "mismatched tag: line 1, column 8",
		"<a b=1/>":                               "not well-formed (invalid token): line 1, column 5",
		"<a":                                     "unclosed token: line 1, column 0",
		"<a>":                                    "no element found: line 1, column 3",
		"":                                       "no element found: line 1, column 0",
		"<a></a><b/>":                            "junk after document element: line 1, column 7",
		"<a>&foo;</a>":                           "undefined entity: line 1, column 3",
		"text":                                   "syntax error: line 1, column 0",
		`<a b="1" b="2"/>`:                       "duplicate attribute: line 1, column 9",
		"<a>\n <b x=\"<\"/></a>":                 "not well-formed (invalid token): line 2, column 7",
		"<a>&</a>":                               "not well-formed (invalid token): line 1, column 4",
		"<a><!-- -- --></a>":                     "not well-formed (invalid token): line 1, column 10",
		"<1/>":                                   "not well-formed (invalid token): line 1, column 1",
		`<a b="1"c="2"/>`:                        "not well-formed (invalid token): line 1, column 8",
		"</a>":                                   "not well-formed (invalid token): line 1, column 1",
		"<a/>junk":                               "junk after document element: line 1, column 4",
		"<?xml version=\"1.0\"?>\n":              "no element found: line 2, column 0",
		"<zone>\n  <port port=\"5\">\n</zone>\n": "mismatched tag: line 3, column 2",
		"\n<?xml version=\"1.0\"?><a/>":          "XML or text declaration not at start of entity: line 2, column 0",
		"<a>]]></a>":                             "not well-formed (invalid token): line 1, column 5",
		"<a>\xff</a>":                            "not well-formed (invalid token): line 1, column 3",
		"<zone>\n <short>a</shrot>\n</zone>":     "mismatched tag: line 2, column 11",
		"<a><b</a>":                              "not well-formed (invalid token): line 1, column 5",
		"<a b></a>":                              "not well-formed (invalid token): line 1, column 4",
		"<a b=\"x></a>\n":                        "not well-formed (invalid token): line 1, column 8",
		"<a>\x01</a>":                            "not well-formed (invalid token): line 1, column 3",
		`<a "b"/>`:                               "not well-formed (invalid token): line 1, column 3",
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<zone>\n  <service name=ssh/>\n</zone>": "not well-formed (invalid token): line 3, column 16",
		"<a>< b/></a>": "not well-formed (invalid token): line 1, column 4",
		"<a><b/ ></a>": "not well-formed (invalid token): line 1, column 6",
		"<a ></a >":    "", "<a><![CDATA[x]]></a>": "", "<!DOCTYPE x><a/>": "",
	} {
		_, err := scanXML(doc)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", doc, got, want)
		}
	}
}

// TestStockFiles reads every file of the package.
func TestStockFiles(t *testing.T) {
	files, err := filepath.Glob("../../distro/files/firewalld/usr/lib/firewalld/*/*.xml")
	if err != nil || len(files) < 200 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(f), ".xml")
		at := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Dir() == filepath.Base(filepath.Dir(f)) })
		if at < 0 {
			t.Errorf("%s: no kind has files there", f)
			continue
		}
		x, err := Kinds[at].Read(name, data)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		if again, err := Kinds[at].Read(name, x.File()); err != nil || !reflect.DeepEqual(x, again) {
			t.Errorf("%s: %v: reads back different: %v %v", f, err, x, again)
		}
		if Kinds[at] != Services && string(x.File()) != string(data) {
			t.Errorf("%s is written as\n%s", f, x.File())
		}
	}
}

func TestPortRanges(t *testing.T) {
	z := &Zone{Label: Label{Name: "z"}}
	for _, c := range []struct {
		op, port string
		ok       bool
		want     string
	}{
		{"+", "100-200/tcp", true, "100-200/tcp"},
		{"+", "150/tcp", false, "100-200/tcp"},
		{"+", "150/udp", true, "100-200/tcp 150/udp"},
		{"+", "190-300/tcp", true, "100-300/tcp 150/udp"},
		{"-", "150/tcp", true, "100-149/tcp 151-300/tcp 150/udp"},
		{"-", "150/tcp", false, "100-149/tcp 151-300/tcp 150/udp"},
		{"-", "100-120/tcp", true, "121-149/tcp 151-300/tcp 150/udp"},
		{"+", "1-65535/tcp", true, "1-65535/tcp 150/udp"},
	} {
		ok := false
		if c.op == "+" {
			ok = z.Add(Element{KindPort, c.port})
		} else {
			ok = z.Remove(Element{KindPort, c.port})
		}
		if got := strings.Join(Sorted(KindPort, z.Values(KindPort)), " "); ok != c.ok || got != c.want {
			t.Errorf("%s%s: %v %q, want %v %q", c.op, c.port, ok, got, c.ok, c.want)
		}
	}
}

func TestParseRule(t *testing.T) {
	for in, want := range map[string]string{
		"rule family='ipv4' source NOT address=10.0.0.0/8 drop":                                         `rule family="ipv4" source NOT address="10.0.0.0/8" drop`,
		"rule source mac=00:11:22:33:44:55 service name=ssh accept":                                     `rule source mac="00:11:22:33:44:55" service name="ssh" accept`,
		"rule priority=5 family=ipv6 destination address=::1 log accept":                                `rule priority="5" family="ipv6" destination address="::1" log accept`,
		"rule source ipset=bl log prefix='a b' level=info limit value=3/m audit limit value=1/h reject": `rule source ipset="bl" log prefix="a b" level="info" limit value="3/m" audit limit value="1/h" reject`,
		"rule family=ipv4 port port=80 protocol=tcp mark set=0x10 limit value=2/s":                      `rule family="ipv4" port port="80" protocol="tcp" mark set=0x10 limit value="2/s"`,
		`rule port port="80" protocol="foo" accept`:                                                     "INVALID_PROTOCOL: foo",
		"rule source address=10.0.0.1 accept":                                                           "MISSING_FAMILY",
		"rule family=ipv5 service name=ssh accept":                                                      "INVALID_RULE: 'family' attribute cannot have 'ipv5' value. Use 'ipv4' or 'ipv6' instead.",
		"rule service name=ssh service name=http accept":                                                "INVALID_RULE: more than one element. There cannot be both 'service' and 'service name=\"ssh\"' in one rule.",
		"rule service name=ssh accept drop":                                                             "INVALID_RULE: more than one 'action' element. There cannot be both 'drop' and 'accept' in one rule.",
		"rule service name=ssh log prefix=x priority=99999 accept":                                      "INVALID_RULE: bad attribute 'priority' in 'log'",
		"rule priority=40000 service name=ssh accept":                                                   "INVALID_PRIORITY: 'priority' attribute must be between -32768 and 32767.",
		"rule service name='ssh accept":                                                                 "No closing quotation",
		`rule service name="ssh" log prefix="a\"b" accept`:                                              `rule service name="ssh" log prefix="a\"b" accept`,
		"rule service name=http nflog group=5 prefix=x queue-size=3 limit value=1/minute accept":        `rule service name="http" nflog group="5" prefix="x" queue-size="3" limit value="1/m" accept`,
		"rule service name=dns nflog group=70000 accept":                                                "INVALID_NFLOG_GROUP: nflog 'group' must be an integer between 0 and 65535.",
		"rule service name=ssh limit value=3/m accept":                                                  `rule service name="ssh" accept limit value="3/m"`,
		"rule family=ipv4 source address=10.6.0.0/16 mark set=0x10/0xff":                                `rule family="ipv4" source address="10.6.0.0/16" mark set=0x10/0xff`,
		"rule tcp-mss-clamp value=200":                                                                  "INVALID_RULE: 200",
		"rule tcp-mss-clamp value=pmtu":                                                                 `rule tcp-mss-clamp value="pmtu"`,
		"rule source mac=zz accept":                                                                     "INVALID_MAC: ZZ",
		"rule destination ipset=x accept":                                                               "MISSING_FAMILY",
		"rule family=ipv4 destination mac=00:11:22:33:44:55 accept":                                     "INVALID_RULE: no address and ipset",
		"rule family=ipv4 source accept":                                                                "INVALID_RULE: no address, mac and ipset",
		"rule service name=ssh log audit":                                                               "INVALID_AUDIT_TYPE: <class 'NoneType'>",
		"rule service name=ssh mark":                                                                    "INVALID_MARK: no value set",
		"rule priority=x service name=ssh accept":                                                       "INVALID_PRIORITY: invalid 'priority' attribute value 'x'.",
		"accept": "INVALID_RULE: 'accept' outside of rule. Use 'rule ... accept ...'.",
		"rule service name=ssh log prefix=a log prefix=b accept": "INVALID_RULE: more than one logging element",
		"rule masquerade accept":                                 "INVALID_RULE: masquerade and action",
	} {
		r, err := ParseRule(in)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = r.String()
		}
		if got != want {
			t.Errorf("%s\n  got  %s\n  want %s", in, got, want)
		}
	}
}

func FuzzParseRule(f *testing.F) {
	f.Add(`rule family="ipv4" source NOT address="10.0.0.0/8" service name="ssh" log prefix="a" level="info" limit value="3/m" audit reject type="tcp-reset"`)
	f.Add(`rule priority=-1 family=ipv6 forward-port port=1-2 protocol=udp to-port=3 to-addr=::1`)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRule(s)
		if err != nil {
			return
		}
		text := r.String()
		again, err := ParseRule(text)
		if err != nil || again.String() != text {
			t.Errorf("%q: %q: %v", s, text, err)
		}
	})
}

func FuzzPort(f *testing.F) {
	f.Add("514-524/tcp", "port=1:proto=tcp:toport=2:toaddr=::1")
	f.Fuzz(func(t *testing.T, port, forward string) {
		if p, err := ParsePort(port); err == nil {
			if q, err := ParsePort(p.String()); err != nil || p != q {
				t.Errorf("%q: %v %v", port, q, err)
			}
		}
		if p, err := ParseForwardPort(forward); err == nil {
			if q, err := ParseForwardPort(p.String()); err != nil || p != q {
				t.Errorf("%q: %v %v %v", forward, p, q, err)
			}
		}
	})
}
