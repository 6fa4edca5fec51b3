package named_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/named"
	"enshu/sim/trace"
)

var programs = map[string]host.Program{
	"/usr/sbin/named":           named.Named,
	"/usr/sbin/named-checkconf": named.CheckConf,
	"/usr/sbin/named-checkzone": named.CheckZone,
}

const exampleZone = `$TTL 1h
@       IN SOA ns1 root.example.com. ( 2026010101 3h 15m 1w 10m )
        IN NS  ns1
        IN MX  10 mail
ns1     IN A   192.0.2.53
mail    IN A   192.0.2.25
mail    IN AAAA 2001:db8::25
www     IN CNAME web.example.com.
ftp     IN CNAME files.example.net.
away    IN CNAME www.example.org.
lost    IN CNAME nowhere
loop    IN CNAME pool
pool    IN CNAME loop
web     IN A   192.0.2.80
*.wild  IN A   192.0.2.99
a.b.c   IN TXT "deep"
sub     IN NS  ns.sub
ns.sub  IN A   192.0.2.54
_ntp._udp IN SRV 0 0 123 web
big     IN TXT "` + "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" + `"
big     IN TXT "a` + "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" + `"
big     IN TXT "b` + "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" + `"
big     IN TXT "c` + "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" + `"
big     IN TXT "d` + "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" + `"
`

const netZone = "$TTL 60\n@ SOA ns root 7 1 1 1 5\n@ NS ns\nns A 192.0.2.53\nfiles A 192.0.2.21\n"

const upstreamZone = "$TTL 100\n@ SOA ns root 1 1 1 1 30\n@ NS ns\nns A 192.0.2.60\nwww A 192.0.2.81\nmail MX 5 www\n"

// lab is a name server, one that it forwards to, and a client.
func lab(t *testing.T, conf string) (server, upstream, client *memnet.Host, n *memnet.Network) {
	n = memnet.New(t)
	server = n.Host(t, memnet.Config{Name: "server", Addrs: []string{"192.0.2.53/24", "2001:db8::53/64"}, Programs: programs})
	upstream = n.Host(t, memnet.Config{Name: "upstream", Addrs: []string{"192.0.2.60/24"}, Programs: programs})
	client = n.Host(t, memnet.Config{Name: "client", Addrs: []string{"192.0.2.20/24", "2001:db8::20/64"}})
	server.WriteFile("/etc/named.conf", conf)
	server.WriteFile("/var/named/example.zone", exampleZone)
	server.WriteFile("/var/named/net.zone", netZone)
	server.WriteFile("/var/named/broken.zone", "@ IN SOA ns root 1 1 1 1 1\n")
	upstream.WriteFile("/etc/named.conf", `options { directory "/var/named"; recursion no; }; zone "example.org" { type master; file "org.zone"; };`)
	upstream.WriteFile("/var/named/org.zone", upstreamZone)
	upstream.Start("named", "-g")
	return server, upstream, client, n
}

const serverConf = `// the server of these tests
acl friends { 192.0.2.0/24; 2001:db8::/64; };
options {
	listen-on port 53 { any; };
	listen-on-v6 port 53 { any; };
	directory "/var/named"; # where the zones are
	allow-query { localhost; friends; };
	forwarders { 192.0.2.60; };
	/* no more */
};
zone "example.com" IN { type master; file "example.zone"; allow-update { none; }; };
zone "example.net" { type primary; file "net.zone"; };
zone "broken.example" { type master; file "broken.zone"; };
zone "missing.example" { type master; file "missing.zone"; };
zone "secret.example" { type master; file "net.zone"; allow-query { none; }; };
zone "." IN { type hint; file "named.ca"; };
`

// ask sends one query from a host and shows the answer in a line a section.
func ask(h *memnet.Host, network, server string, edit func(m *dns.Msg)) (out string) {
	h.Do(nil, func(ctx context.Context, p *host.Proc) {
		c, err := p.Sys.Dial(ctx, network, server)
		if err != nil {
			out = "dial: " + err.Error()
			return
		}
		defer c.Close()
		c.SetDeadline(p.Now().Add(10 * time.Second))
		dc := &dns.Conn{Conn: c, UDPSize: 4096}
		m := new(dns.Msg)
		m.Id = 7
		m.RecursionDesired = true
		edit(m)
		dc.WriteMsg(m)
		r, err := dc.ReadMsg()
		if err != nil {
			out = "read: " + err.Error()
			return
		}
		flags := ""
		for _, f := range []struct {
			on   bool
			name string
		}{{r.Authoritative, " aa"}, {r.Truncated, " tc"}, {r.RecursionDesired, " rd"}, {r.RecursionAvailable, " ra"}} {
			if f.on {
				flags += f.name
			}
		}
		lines := []string{dns.RcodeToString[r.Rcode] + flags}
		for _, s := range []struct {
			name string
			list []dns.RR
		}{{"an", r.Answer}, {"ns", r.Ns}, {"ar", r.Extra}} {
			for _, rr := range s.list {
				if rr.Header().Rrtype == dns.TypeOPT {
					lines = append(lines, "opt")
					continue
				}
				text := strings.Join(strings.Fields(rr.String()), " ")
				lines = append(lines, s.name+" "+text)
			}
		}
		out = strings.Join(lines, "\n")
	})
	return out
}

func question(text string) func(m *dns.Msg) {
	f := strings.Fields(text)
	return func(m *dns.Msg) {
		m.Question = []dns.Question{{Name: f[0], Qtype: dns.StringToType[f[1]], Qclass: dns.ClassINET}}
		for _, o := range f[2:] {
			switch o {
			case "+norec":
				m.RecursionDesired = false
			case "+edns":
				m.SetEdns0(1232, false)
			case "+chaos":
				m.Question[0].Qclass = dns.ClassCHAOS
			case "+notify":
				m.Opcode = dns.OpcodeNotify
			}
		}
	}
}

func TestAnswers(t *testing.T) {
	const soa = "ns example.com. 600 IN SOA ns1.example.com. root.example.com. 2026010101 10800 900 604800 600"
	for _, c := range []struct{ q, want string }{
		{"web.example.com. A", "NOERROR aa rd ra\nan web.example.com. 3600 IN A 192.0.2.80"},
		{"WEB.Example.com. A", "NOERROR aa rd ra\nan web.example.com. 3600 IN A 192.0.2.80"},
		{"web.example.com. A +norec", "NOERROR aa ra\nan web.example.com. 3600 IN A 192.0.2.80"},
		{"web.example.com. AAAA", "NOERROR aa rd ra\n" + soa},
		{"none.example.com. A", "NXDOMAIN aa rd ra\n" + soa},
		{"b.c.example.com. A", "NOERROR aa rd ra\n" + soa},
		{"example.com. MX", "NOERROR aa rd ra\nan example.com. 3600 IN MX 10 mail.example.com.\nar mail.example.com. 3600 IN A 192.0.2.25\nar mail.example.com. 3600 IN AAAA 2001:db8::25"},
		{"_ntp._udp.example.com. SRV", "NOERROR aa rd ra\nan _ntp._udp.example.com. 3600 IN SRV 0 0 123 web.example.com.\nar web.example.com. 3600 IN A 192.0.2.80"},
		{"example.com. NS", "NOERROR aa rd ra\nan example.com. 3600 IN NS ns1.example.com.\nar ns1.example.com. 3600 IN A 192.0.2.53"},
		{"www.example.com. A", "NOERROR aa rd ra\nan www.example.com. 3600 IN CNAME web.example.com.\nan web.example.com. 3600 IN A 192.0.2.80"},
		{"www.example.com. CNAME", "NOERROR aa rd ra\nan www.example.com. 3600 IN CNAME web.example.com."},
		{"ftp.example.com. A", "NOERROR aa rd ra\nan ftp.example.com. 3600 IN CNAME files.example.net.\nan files.example.net. 60 IN A 192.0.2.21"},
		{"away.example.com. A", "NOERROR aa rd ra\nan away.example.com. 3600 IN CNAME www.example.org.\nan www.example.org. 100 IN A 192.0.2.81"},
		{"away.example.com. A +norec", "NOERROR aa ra\nan away.example.com. 3600 IN CNAME www.example.org."},
		{"lost.example.com. A", "NXDOMAIN aa rd ra\nan lost.example.com. 3600 IN CNAME nowhere.example.com.\n" + soa},
		{"any.wild.example.com. A", "NOERROR aa rd ra\nan any.wild.example.com. 3600 IN A 192.0.2.99"},
		{"x.any.wild.example.com. MX", "NOERROR aa rd ra\n" + soa},
		{"host.sub.example.com. A +norec", "NOERROR ra\nns sub.example.com. 3600 IN NS ns.sub.example.com.\nar ns.sub.example.com. 3600 IN A 192.0.2.54"},
		{"www.example.org. A", "NOERROR rd ra\nan www.example.org. 100 IN A 192.0.2.81"},
		{"none.example.org. A", "NXDOMAIN rd ra\nns example.org. 30 IN SOA ns.example.org. root.example.org. 1 1 1 1 30"},
		{"www.example.org. A +norec", "NOERROR ra"},
		{"elsewhere.test. A", "SERVFAIL rd ra"},
		{"broken.example. SOA", "SERVFAIL rd ra"},
		{"missing.example. SOA", "SERVFAIL rd ra"},
		{"secret.example. SOA", "REFUSED rd ra"},
		{"web.example.com. A +edns", "NOERROR aa rd ra\nan web.example.com. 3600 IN A 192.0.2.80\nopt"},
		{"big.example.com. TXT", "NOERROR aa tc rd ra"},
		{"example.com. AXFR", "FORMERR rd ra"},
		{"version.bind. TXT +chaos", `NOERROR aa rd ra` + "\n" + `an version.bind. 0 CH TXT "9.16.23-RH"`},
		{"web.example.com. A +notify", "NOTIMP ra"},
	} {
		t.Run(c.q, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _, client, _ := lab(t, serverConf)
				server.Start("named", "-g", "-u", "named")
				for _, at := range []string{"192.0.2.53:53", "[2001:db8::53]:53"} {
					network := map[bool]string{true: "udp6", false: "udp4"}[at[0] == '[']
					got := ask(client, network, at, question(c.q))
					if strings.Contains(c.want, " tc") { // how much still fits is not the point
						got, _, _ = strings.Cut(got, "\n")
					}
					if got != c.want {
						t.Errorf("%s got\n%s\nwant\n%s", at, got, c.want)
					}
				}
			})
		})
	}
}

func TestTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _, client, _ := lab(t, serverConf)
		server.Start("named", "-g")
		if got := ask(client, "tcp4", "192.0.2.53:53", question("big.example.com. TXT")); strings.Count(got, "an big") != 5 {
			t.Errorf("over tcp:\n%s", got)
		}
		got := ask(client, "tcp4", "192.0.2.53:53", question("example.net. AXFR"))
		want := "NOERROR aa rd ra\nan example.net. 60 IN SOA ns.example.net. root.example.net. 7 1 1 1 5\nan example.net. 60 IN NS ns.example.net.\n" +
			"an files.example.net. 60 IN A 192.0.2.21\nan ns.example.net. 60 IN A 192.0.2.53\nan example.net. 60 IN SOA ns.example.net. root.example.net. 7 1 1 1 5"
		if got != want {
			t.Errorf("transfer:\n%s", got)
		}
	})
}

// The configuration of a fresh EL9 serves the host itself only.
func TestWhoMayAsk(t *testing.T) {
	for _, c := range []struct {
		name, options, from, network, at, q, want string
		logged                                    string
	}{
		{name: "default, from outside", options: `listen-on port 53 { 127.0.0.1; }; allow-query { localhost; };`,
			from: "client", network: "tcp4", at: "192.0.2.53:53", q: "web.example.com. A", want: "dial: dial tcp4 192.0.2.53:53: connect: connection refused"},
		{name: "default, from inside", options: `listen-on port 53 { 127.0.0.1; }; allow-query { localhost; };`,
			from: "server", network: "udp4", at: "127.0.0.1:53", q: "web.example.com. A", want: "NOERROR aa rd ra\nan web.example.com. 3600 IN A 192.0.2.80"},
		{name: "own address is localhost", options: `allow-query { localhost; };`,
			from: "server", network: "udp4", at: "192.0.2.53:53", q: "web.example.com. A", want: "NOERROR aa rd ra\nan web.example.com. 3600 IN A 192.0.2.80"},
		{name: "allow-query forgotten", options: `allow-query { localhost; };`,
			from: "client", network: "udp4", at: "192.0.2.53:53", q: "web.example.com. A", want: "REFUSED rd",
			logged: "(web.example.com): query 'web.example.com/A/IN' denied"},
		{name: "not everyone", options: `allow-query { !192.0.2.20; any; };`,
			from: "client", network: "udp4", at: "192.0.2.53:53", q: "web.example.com. A", want: "REFUSED rd"},
		{name: "no recursion", options: `recursion no; forwarders { 192.0.2.60; };`,
			from: "client", network: "udp4", at: "192.0.2.53:53", q: "www.example.org. A", want: "REFUSED rd", logged: "query (cache) 'www.example.org/A/IN' denied"},
		{name: "recursion for some", options: `allow-recursion { 127.0.0.0/8; }; forwarders { 192.0.2.60; };`,
			from: "client", network: "udp4", at: "192.0.2.53:53", q: "www.example.org. A", want: "REFUSED rd"},
		{name: "dead forwarder", options: `allow-recursion { any; }; forwarders { 192.0.2.61; };`,
			from: "client", network: "udp4", at: "192.0.2.53:53", q: "www.example.org. A", want: "SERVFAIL rd ra"},
		{name: "second forwarder", options: `allow-recursion { any; }; forwarders { 192.0.2.61; 192.0.2.60 port 53; };`,
			from: "client", network: "udp4", at: "192.0.2.53:53", q: "www.example.org. A", want: "NOERROR rd ra\nan www.example.org. 100 IN A 192.0.2.81"},
		{name: "forward zone", options: `allow-recursion { any; }; }; zone "example.org" { type forward; forwarders { 192.0.2.60; };`,
			from: "client", network: "udp4", at: "192.0.2.53:53", q: "www.example.org. A", want: "NOERROR rd ra\nan www.example.org. 100 IN A 192.0.2.81"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _, client, _ := lab(t, `options { directory "/var/named"; `+c.options+` }; zone "example.com" { type master; file "example.zone"; };`)
				d := server.Start("named", "-g")
				got := ask(map[string]*memnet.Host{"client": client, "server": server}[c.from], c.network, c.at, question(c.q))
				if got != c.want {
					t.Errorf("got\n%s\nwant\n%s", got, c.want)
				}
				if !strings.Contains(d.Stderr.String(), c.logged) {
					t.Errorf("log:\n%s\nlacks %q", d.Stderr, c.logged)
				}
			})
		})
	}
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, upstream, client, n := lab(t, serverConf)
		server.Start("named", "-g")
		q := question("www.example.org. A")
		ask(client, "udp4", "192.0.2.53:53", q)
		time.Sleep(40 * time.Second)
		n.Link(server, upstream, memnet.Link{Down: true})
		if got := ask(client, "udp4", "192.0.2.53:53", q); !strings.Contains(got, "www.example.org. 60 IN A") {
			t.Errorf("after 40 s:\n%s", got)
		}
		time.Sleep(60 * time.Second)
		if got := ask(client, "udp4", "192.0.2.53:53", q); got != "SERVFAIL rd ra" {
			t.Errorf("after its time:\n%s", got)
		}
		answered := 0
		for _, e := range n.Trace.Since(0) {
			if e.Kind == trace.QueryAnswered && e.Host == "server" {
				answered++
			}
		}
		if answered != 3 {
			t.Errorf("%d answers in the trace", answered)
		}
	})
}

func TestLifeOfTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _, client, _ := lab(t, serverConf)
		d := server.Start("named", "-g")
		log := d.Stderr.String()
		for _, want := range []string{
			"starting BIND 9.16.23-RH", "loading configuration from '/etc/named.conf'", "listening on IPv4 interfaces, any#53", "listening on IPv6 interfaces, any#53",
			"zone example.com/IN: loaded serial 2026010101", "zone broken.example/IN: has no NS records", "zone broken.example/IN: not loaded due to errors.",
			"zone missing.example/IN: loading from master file /var/named/missing.zone failed: file not found", "all zones loaded", "running",
		} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
		server.WriteFile("/var/named/net.zone", strings.Replace(netZone, "192.0.2.21", "192.0.2.22", 1))
		d.Signal(syscall.SIGHUP)
		synctest.Wait()
		q := question("files.example.net. A")
		if got := ask(client, "udp4", "192.0.2.53:53", q); !strings.Contains(got, "192.0.2.22") {
			t.Errorf("after a reload:\n%s", got)
		}
		server.WriteFile("/etc/named.conf", "options {\n\trecursion no\n};\n")
		d.Signal(syscall.SIGHUP)
		synctest.Wait()
		if !strings.Contains(d.Stderr.String(), "/etc/named.conf:3: missing ';' before '}'") {
			t.Errorf("a bad reload is not told:\n%s", d.Stderr)
		}
		if got := ask(client, "udp4", "192.0.2.53:53", q); !strings.Contains(got, "192.0.2.22") {
			t.Errorf("after a bad reload:\n%s", got)
		}
		if r := server.Run("named", "-g"); r.Status.Code != 1 || !strings.Contains(r.Stderr, "exiting (due to fatal error)") {
			t.Errorf("a second one with a bad configuration: %+v", r)
		}
		server.WriteFile("/etc/named.conf", serverConf)
		if r := server.Run("named", "-g"); r.Status.Code != 1 || !strings.Contains(r.Stderr, "address in use") {
			t.Errorf("a second one: %+v", r)
		}
		if st := d.Stop(); !st.Success() {
			t.Errorf("stopped with %v", st)
		}
	})
}

func TestCheckConf(t *testing.T) {
	for _, c := range []struct{ name, conf, want string }{
		{"empty", "", ""},
		{"fine", serverConf, ""},
		{"semicolon", "options {\n  recursion yes\n};\n", "/etc/named.conf:3: missing ';' before '}'\n"},
		{"semicolon after a block", "options { recursion yes; }\nzone \"a\" { type hint; };\n", "/etc/named.conf:2: missing ';' before 'zone'\n"},
		{"brace", "options {\n  recursion yes;\n", "/etc/named.conf:3: unexpected end of input\n"},
		{"too many braces", "options { };\n};\n", "/etc/named.conf:2: unexpected token near '}'\n"},
		{"misspelt", "options {\n  recursin yes;\n};\n", "/etc/named.conf:2: unknown option 'recursin'\n"},
		{"misspelt at the top", "opions { };\n", "/etc/named.conf:1: unknown option 'opions'\n"},
		{"boolean", "options { recursion maybe; };\n", "/etc/named.conf:1: boolean expected near 'maybe'\n"},
		{"quotes", "options { directory \"/var/named; };\n", "/etc/named.conf:1: unbalanced quotes\n"},
		{"comment", "/* options { };\n", "/etc/named.conf:1: unexpected end of input\n"},
		{"acl", "options { allow-query { friends; }; };\n", "/etc/named.conf:1: undefined ACL 'friends'\n"},
		{"prefix", "options { allow-query { 192.0.2.1/24; }; };\n", "/etc/named.conf:1: '192.0.2.1/24': address/prefix length mismatch\n"},
		{"type", "zone \"a.example\" { type mester; };\n", "/etc/named.conf:1: 'mester' unexpected\n"},
		{"no type", "zone \"a.example\" { file \"x\"; };\n", "/etc/named.conf:1: zone 'a.example': type not present\n"},
		{"no file", "\nzone \"a.example\" { type master; };\n", "/etc/named.conf:2: zone 'a.example': missing 'file' entry\n"},
		{"twice", "zone \"a.example\" { type hint; };\nzone \"a.example.\" { type hint; };\n", "/etc/named.conf:2: zone 'a.example': already exists previous definition: /etc/named.conf:1\n"},
		{"include", "include \"/etc/more.conf\";\n", "/etc/named.conf:1: open: /etc/more.conf: file not found\n"},
		{"include itself", "include \"/etc/named.conf\";\n", "/etc/named.conf:1: files include each other too deep\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := memnet.New(t).Host(t, memnet.Config{Name: "a", Programs: programs})
				h.WriteFile("/etc/named.conf", c.conf)
				want := 0
				if c.want != "" {
					want = 1
				}
				got := h.Run("named-checkconf")
				if got.Stdout != c.want || got.Status.Code != want {
					t.Errorf("got %d %q %q, want %q", got.Status.Code, got.Stdout, got.Stderr, c.want)
				}
			})
		})
	}
}

func TestCheckZone(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"fine", exampleZone, "zone example.com/IN: loaded serial 2026010101\nOK\n"},
		{"no NS", "@ 60 SOA ns root 1 1 1 1 1\n", "zone example.com/IN: has no NS records\nzone example.com/IN: not loaded due to errors.\n"},
		{"no SOA", "@ 60 NS ns.example.org.\n", "zone example.com/IN: has 0 SOA records\nzone example.com/IN: not loaded due to errors.\n"},
		{"NS without address", "@ 60 SOA ns root 1 1 1 1 1\n@ NS ns\n", "zone example.com/IN: NS 'ns.example.com' has no address records (A or AAAA)\nzone example.com/IN: not loaded due to errors.\n"},
		{"CNAME", "@ 60 SOA ns root 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\nx CNAME ns\nx A 192.0.2.2\n", "zone example.com/IN: x.example.com: CNAME and other data\nzone example.com/IN: not loaded due to errors.\n"},
		{"elsewhere", "@ 60 SOA ns root 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\nwww.example.org. A 192.0.2.2\n", "/root/zone: ignoring out-of-zone data (www.example.org)\nzone example.com/IN: loaded serial 1\nOK\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := memnet.New(t).Host(t, memnet.Config{Name: "a", Programs: programs})
				h.WriteFile("/root/zone", c.text)
				r := h.Run("named-checkzone", "example.com", "/root/zone")
				if r.Stdout != c.want || r.Status.Success() != strings.HasSuffix(c.want, "OK\n") {
					t.Errorf("got %d %q %q, want %q", r.Status.Code, r.Stdout, r.Stderr, c.want)
				}
			})
		})
	}
}
