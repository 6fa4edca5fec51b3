package chrony_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/chrony/measure"
	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/wire/ntp"
)

// wireCase is a case recorded from the wire: hosts with daemons, or servers
// that lie, and what is sent to them.
type wireCase struct {
	Hosts []struct {
		Name    string
		Address any
		Files   map[string]string `yaml:"config_files"`
		Lies    map[string]*lie   `yaml:"lying_server"`
	}
	Expected []struct {
		Label, Run, Stdout string
		Request            string  `yaml:"request_hex"`
		Reply              *string `yaml:"reply_hex"`
	}
	Log map[string]string `yaml:"daemon_log"`
}

// lie is how a server of the recorder differs from an honest one.
type lie struct {
	Leap           *uint8
	Stratum        *uint8
	Refid          any
	Origin         string
	Receive        string
	Transmit       string
	RootDelay      float64 `yaml:"root_delay"`
	RootDispersion float64 `yaml:"root_dispersion"`
	Version        uint8
	Mode           ntp.Mode
	RefAge         *float64 `yaml:"ref_age"`
	Hold           float64
	Copies, Length int
	Poll           *int8
	Append         string
	Precision      *int8
	FromPacket     int `yaml:"from_packet"`
}

// UnmarshalYAML lets a server be just "honest".
func (l *lie) UnmarshalYAML(read func(any) error) error {
	var word string
	if read(&word) == nil {
		return nil
	}
	type plain lie
	return read((*plain)(l))
}

// answer is what the server sends to its n-th request.
func (l *lie) answer(req *ntp.Packet, now time.Time, n int) []byte {
	if n < l.FromPacket {
		l = new(lie)
	}
	p := ntp.Packet{
		Version: 4, Mode: ntp.Server, Stratum: 1, Poll: req.Poll, Precision: -24, RefID: 0x47505300, Origin: req.Transmit,
		RootDelay: ntp.FromSeconds(90e-6), RootDispersion: ntp.FromSeconds(200e-6),
		Reference: ntp.FromTime(now.Add(-time.Second)), Receive: ntp.FromTime(now), Transmit: ntp.FromTime(now.Add(20 * time.Microsecond)),
	}
	if l.Leap != nil {
		p.Leap = ntp.Leap(*l.Leap)
	}
	if l.Stratum != nil {
		p.Stratum = *l.Stratum
	}
	switch id := l.Refid.(type) {
	case string:
		p.RefID = uint32(id[0])<<24 | uint32(id[1])<<16 | uint32(id[2])<<8 | uint32(id[3])
	case []any:
		p.RefID = uint32(id[0].(int))<<24 | uint32(id[1].(int))<<16 | uint32(id[2].(int))<<8 | uint32(id[3].(int))
	}
	switch l.Origin {
	case "bad":
		p.Origin ^= 1 << 20
	case "zero":
		p.Origin = 0
	}
	if l.Receive == "zero" {
		p.Receive = 0
	}
	if l.Transmit == "zero" {
		p.Transmit = 0
	}
	if l.RootDelay > 0 {
		p.RootDelay = ntp.FromSeconds(l.RootDelay)
	}
	if l.RootDispersion > 0 {
		p.RootDispersion = ntp.FromSeconds(l.RootDispersion)
	}
	if l.Version != 0 {
		p.Version = l.Version
	}
	if l.Mode != 0 {
		p.Mode = l.Mode
	}
	if l.RefAge != nil {
		p.Reference = ntp.FromTime(measure.AddSeconds(now, -*l.RefAge))
	}
	if l.Poll != nil {
		p.Poll = *l.Poll
	}
	if l.Precision != nil {
		p.Precision = *l.Precision
	}
	b := p.Append(nil)
	extra, _ := hex.DecodeString(l.Append)
	b = append(b, extra...)
	if l.Length > 0 {
		b = b[:l.Length]
	}
	return b
}

// serve is the lying server as a Program.
func (l *lie) serve(ctx context.Context, p *host.Proc) int {
	conn, err := p.Sys.ListenPacket("udp4", ":123")
	if err != nil {
		return 1
	}
	p.Ready()
	buf := make([]byte, 512)
	for n := 1; ; n++ {
		k, from, err := conn.ReadFrom(buf)
		if err != nil {
			return 0
		}
		req, err := ntp.Decode(buf[:k])
		if err != nil {
			continue
		}
		reply := l.answer(&req, p.Now(), n)
		if l.Hold > 0 {
			p.Sleep(ctx, measure.Seconds(l.Hold))
		}
		for range max(l.Copies, 1) {
			conn.WriteTo(reply, from)
		}
	}
}

// start sets the hosts of a case up, daemons running. The client is "c".
func (c *wireCase) start(t *testing.T, n *memnet.Network) (client *memnet.Host, daemons map[string]*memnet.Daemon) {
	daemons = map[string]*memnet.Daemon{}
	for _, h := range c.Hosts {
		var addrs []string
		switch a := h.Address.(type) {
		case string:
			addrs = []string{a + "/24"}
		case []any:
			for _, v := range a {
				addrs = append(addrs, v.(string)+"/24")
			}
		}
		if len(h.Lies) > 0 {
			for _, a := range addrs {
				ip, _, _ := strings.Cut(a, "/")
				l := h.Lies[ip]
				m := n.Host(t, memnet.Config{Name: "s" + ip, Addrs: []string{a}, Programs: map[string]host.Program{"/usr/sbin/ntpd": l.serve}})
				m.Start("/usr/sbin/ntpd")
			}
			continue
		}
		m := n.Host(t, memnet.Config{Name: h.Name, Addrs: addrs, Programs: programs})
		m.WriteFile("/etc/passwd", passwd)
		m.MkdirAll("/run", 0o755)
		if h.Name == "c" {
			client = m
		}
		for name, text := range h.Files {
			m.WriteFile(name, text)
		}
		if _, ok := h.Files["/etc/chrony.conf"]; ok {
			daemons[h.Name] = m.Start("/usr/sbin/chronyd", "-x", "-d")
		}
	}
	return client, daemons
}

// TestServerReplies sends the recorded requests to servers in the recorded
// states and compares every field of the answer that is not a time.
func TestServerReplies(t *testing.T) {
	files, _ := filepath.Glob("testdata/oracle/wire/server-*.yaml")
	if len(files) == 0 {
		t.Fatal("no oracle data")
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		var c wireCase
		oracle(t, "wire/"+filepath.Base(f), &c)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New(t)
				client, _ := c.start(t, n)
				time.Sleep(6500 * time.Millisecond)
				client.Do(nil, func(ctx context.Context, p *host.Proc) {
					answered := 0
					for i, e := range c.Expected {
						if e.Label == "" {
							continue
						}
						req, err := hex.DecodeString(e.Request)
						if err != nil {
							t.Fatal(err)
						}
						local := ":0"
						if strings.Contains(e.Label, "from port 123") {
							local = ":123"
						}
						got := exchange(t, p, local, req)
						if name == "server-ratelimit" {
							// Which of those beyond the burst are answered is drawn.
							if got != nil {
								answered++
							}
							if i < 4 && got == nil {
								t.Errorf("%s: no answer inside the burst", e.Label)
							}
							continue
						}
						switch {
						case (got != nil) != (e.Reply != nil):
							t.Errorf("%s: answer % x, recorded %v", e.Label, got, e.Reply)
						case got != nil:
							want, _ := hex.DecodeString(*e.Reply)
							if g, w := stable(t, got), stable(t, want); g != w {
								t.Errorf("%s: answer\n%s\nrecorded\n%s", e.Label, g, w)
							}
						}
					}
					if name == "server-ratelimit" && (answered < 5 || answered > 20) {
						t.Errorf("%d of 24 answers, recorded 11", answered)
					}
				})
			})
		})
	}
}

// exchange sends a request and returns the answer, nil when there is none.
func exchange(t *testing.T, p *host.Proc, local string, req []byte) []byte {
	conn, err := p.Sys.ListenPacket("udp4", local)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.WriteTo(req, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.2:123")))
	conn.SetReadDeadline(p.Now().Add(400 * time.Millisecond))
	buf := make([]byte, 512)
	k, _, err := conn.ReadFrom(buf)
	if err != nil {
		return nil
	}
	return buf[:k]
}

// stable shows what of an NTP packet does not depend on when it was sent.
func stable(t *testing.T, b []byte) string {
	p, err := ntp.Decode(b)
	if err != nil {
		t.Fatalf("% x: %v", b, err)
	}
	return fmt.Sprintf("length %d leap %d version %d mode %d stratum %d poll %d precision %d refid %08X origin %016x rootdelay %v reference %v receive before transmit %v",
		len(b), p.Leap, p.Version, p.Mode, p.Stratum, p.Poll, p.Precision, p.RefID, uint64(p.Origin),
		p.RootDelay.Seconds() >= 0.5, p.Reference != 0, p.Receive <= p.Transmit && p.Receive != 0)
}

// TestLyingServers lets a client ask servers that answer wrongly: which tests
// their answers fail, and what the log says of kisses of death.
func TestLyingServers(t *testing.T) {
	block := regexp.MustCompile(`(?s)Remote address  : (\S+).*?Leap status     : ([^\n]*).*?Version         : (\d).*?Mode            : (\w+)\nStratum         : (\d+).*?NTP tests       : ([^\n]*).*?Total valid RX  : (\d+)`)
	row := regexp.MustCompile(`(?m)^\^([*?x+-]) (\S+) +(\d+)`)
	for _, c := range []struct {
		name  string
		after time.Duration
	}{{"client-tests-lying-servers", 13 * time.Second}, {"client-kiss-of-death", 60 * time.Second}} {
		var w wireCase
		oracle(t, "wire/"+c.name+".yaml", &w)
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New(t)
				client, daemons := w.start(t, n)
				time.Sleep(c.after)
				for _, e := range w.Expected {
					if e.Run == "" {
						continue
					}
					args := strings.Fields(e.Run)
					args[0] = "/usr/bin/chronyc"
					got := client.Run(args...).Stdout
					switch {
					case strings.Contains(e.Run, "ntpdata"):
						g, want := block.FindAllStringSubmatch(got, -1), block.FindAllStringSubmatch(e.Stdout, -1)
						if len(g) != len(want) || len(g) == 0 {
							t.Fatalf("ntpdata of %d sources, recorded %d", len(g), len(want))
						}
						for i := range g {
							// How many answers came depends on when the source was asked first.
							g[i][7], want[i][7] = fmt.Sprint(g[i][7] != "0"), fmt.Sprint(want[i][7] != "0")
							if x, y := strings.Join(g[i][1:], ", "), strings.Join(want[i][1:], ", "); x != y {
								t.Errorf("ntpdata %s, recorded %s", x, y)
							}
						}
					case strings.Contains(e.Run, "sources"):
						g, want := row.FindAllString(got, -1), row.FindAllString(e.Stdout, -1)
						if x, y := strings.Join(g, "\n"), strings.Join(want, "\n"); x != y {
							t.Errorf("sources%s", difference(x, y))
						}
					}
				}
				got, gotAt := messages(strings.Split(strings.TrimSuffix(daemons["c"].Stderr.String(), "\n"), "\n"))
				want, wantAt := messages(strings.Split(w.Log["c"], "\n"))
				if x, y := strings.Join(got, "\n"), strings.Join(want, "\n"); x != y {
					t.Fatalf("log%s", difference(x, y))
				}
				for i := range got {
					if d := gotAt[i].Sub(gotAt[0]) - wantAt[i].Sub(wantAt[0]); d.Abs() > 2*time.Second {
						t.Errorf("%q %v after the start, recorded %v", got[i], gotAt[i].Sub(gotAt[0]), wantAt[i].Sub(wantAt[0]))
					}
				}
			})
		})
	}
}
