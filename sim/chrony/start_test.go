package chrony_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

// rightUTC is a time zone file (RFC 8536, version 1) with the leap seconds of
// 2015 and 2016.
const rightUTC = "TZif\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x04" +
	"\x00\x00\x00\x00\x00\x00UTC\x00" + "\x55\x93\x2d\x99\x00\x00\x00\x1a" + "\x58\x68\x46\x9a\x00\x00\x00\x1b" + "\x00\x00"

// TestStart runs chronyd with the recorder's configurations: what it prints and
// its exit status.
func TestStart(t *testing.T) {
	stamp := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	for _, name := range []string{"startup-errors", "include-confdir-sourcedir", "el9-default-shape"} {
		var c struct {
			Expected []struct {
				Label, Run, Stdout, Stderr string
				Exit                       int
				Files                      map[string]string `yaml:"config_files"`
			}
		}
		oracle(t, "conf/"+name+".yaml", &c)
		for _, e := range c.Expected {
			if strings.ContainsAny(e.Run, ";|$") || !strings.HasPrefix(e.Run, "chronyd") || strings.Contains(e.Stdout, "Usage:") {
				continue // a shell's work; the usage names the distribution's files
			}
			t.Run(e.Label, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := memnet.New(t)
					h := n.Host(t, memnet.Config{Name: "c", Addrs: []string{"192.0.2.100/24"}, Programs: programs})
					h.WriteFile("/etc/passwd", passwd)
					h.MkdirAll("/run", 0o755)
					h.MkdirAll("/var/lib/chrony", 0o755)
					h.MkdirAll("/usr/share/zoneinfo/right", 0o755)
					h.WriteFile("/usr/share/zoneinfo/right/UTC", rightUTC)
					for name, text := range e.Files {
						h.MkdirAll(name[:strings.LastIndex(name, "/")], 0o755)
						h.WriteFile(name, text)
					}
					args := splitCommand(e.Run)
					args[0] = "/usr/sbin/chronyd"
					res := h.Run(args...)
					if res.Status.Shell() != e.Exit {
						t.Errorf("exit status %v, want %d", res.Status, e.Exit)
					}
					if res.Stdout != e.Stdout {
						t.Errorf("printed%s", difference(res.Stdout, e.Stdout))
					}
					if got := stamp.ReplaceAllString(res.Stderr, "<time>"); got != strings.TrimPrefix(e.Stderr, "\n") {
						t.Errorf("errors%s", difference(got, e.Stderr))
					}
				})
			})
		}
	}
}

// TestSockets looks which UDP ports are open with the recorder's configurations.
func TestSockets(t *testing.T) {
	var c struct {
		Expected []struct {
			Label, Stdout string
			Files         map[string]string `yaml:"config_files"`
		}
	}
	oracle(t, "conf/sockets-opened.yaml", &c)
	for _, e := range c.Expected {
		if e.Stdout == "\n" || e.Stdout == "" {
			continue // the recorder's host had no folder for the pid file, and chronyd ended
		}
		t.Run(e.Label, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New(t)
				h := n.Host(t, memnet.Config{Name: "c", Addrs: []string{"192.0.2.100/24", "2001:db8::100/64"}, Programs: programs})
				h.WriteFile("/etc/passwd", passwd)
				h.MkdirAll("/run", 0o755)
				h.WriteFile("/etc/chrony.conf", e.Files["/etc/chrony.conf"])
				h.Start("/usr/sbin/chronyd", "-x", "-d")
				time.Sleep(600 * time.Millisecond)
				for _, port := range []uint16{123, 323, 1123, 11123} {
					for _, family := range []struct{ network, host string }{{"udp4", `(?m)^[0-9.]+:`}, {"udp6", `(?m)^\[[0-9a-f:]+\]:`}} {
						want := regexp.MustCompile(family.host + strconv.Itoa(int(port)) + ` `).MatchString(e.Stdout)
						if got := h.Listening(family.network, port) > 0; got != want {
							t.Errorf("%s port %d open: %v, recorded %v", family.network, port, got, want)
						}
					}
				}
				for _, name := range []string{"/run/chrony/chronyd.pid", "/run/chrony/chronyd.sock"} {
					if _, err := h.Sys().Stat(name); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// TestAccessAtRunTime changes who is allowed with chronyc and asks after each
// change.
func TestAccessAtRunTime(t *testing.T) {
	var c struct {
		Expected []struct {
			Run, Stdout string
			Then        map[string]string `yaml:"then_accheck"`
		}
	}
	oracle(t, "conf/allow-deny-at-run-time.yaml", &c)
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := n.Host(t, memnet.Config{Name: "c", Addrs: []string{"192.0.2.100/24"}, Programs: programs})
		h.WriteFile("/etc/passwd", passwd)
		h.MkdirAll("/run", 0o755)
		h.WriteFile("/etc/chrony.conf", "")
		h.Start("/usr/sbin/chronyd", "-d")
		ask := func(line string) string {
			args := splitCommand(line)
			args[0] = "/usr/bin/chronyc"
			return strings.TrimSpace(h.Run(args...).Stdout)
		}
		for _, e := range c.Expected {
			if got := ask(e.Run); got != e.Stdout {
				t.Errorf("%s: %s, recorded %s", e.Run, got, e.Stdout)
			}
			for addr, want := range e.Then {
				if got := ask("chronyc accheck " + addr); got != want {
					t.Errorf("after %s: %s: %s, recorded %s", e.Run, addr, got, want)
				}
			}
		}
	})
}

// TestRawCommands sends control packets of all shapes and compares which are
// answered, how long the answers are and their status.
func TestRawCommands(t *testing.T) {
	var c struct {
		Expected []struct {
			Label   string
			Request string  `yaml:"request_hex"`
			UDP     *string `yaml:"udp_reply_hex"`
			Unix    *string `yaml:"unix_reply_hex"`
		}
		Files map[string]string `yaml:"config_files"`
	}
	oracle(t, "candm/raw-edge-cases.yaml", &c)
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		upstream := n.Host(t, memnet.Config{Name: "s", Addrs: []string{"192.0.2.1/24"}, Programs: programs})
		h := n.Host(t, memnet.Config{Name: "c", Addrs: []string{"192.0.2.2/24"}, Programs: programs})
		allowed := n.Host(t, memnet.Config{Name: "a", Addrs: []string{"192.0.2.50/24"}})
		upstream.WriteFile("/etc/chrony.conf", "local stratum 1\nallow\n")
		h.WriteFile("/etc/chrony.conf", c.Files["/etc/chrony.conf"])
		for _, m := range []*memnet.Host{upstream, h} {
			m.WriteFile("/etc/passwd", passwd)
			m.MkdirAll("/run", 0o755)
			m.Start("/usr/sbin/chronyd", "-x", "-d")
		}
		time.Sleep(7 * time.Second)
		for _, e := range c.Expected {
			req, err := hex.DecodeString(e.Request)
			if err != nil {
				t.Fatal(err)
			}
			for _, way := range []struct {
				name          string
				on            *memnet.Host
				network, addr string
				want          *string
			}{{"UDP", allowed, "udp4", "192.0.2.2:323", e.UDP}, {"Unix", h, "unixgram", "/run/chrony/chronyd.sock", e.Unix}} {
				var got []byte
				way.on.Do(nil, func(ctx context.Context, p *host.Proc) { got = ask323(t, p, way.network, way.addr, req) })
				shape := func(b []byte) string {
					if b == nil {
						return "no answer"
					}
					return fmt.Sprintf("%d bytes, % x", len(b), b[:20])
				}
				var want []byte
				if way.want != nil {
					want, _ = hex.DecodeString(*way.want)
				}
				if shape(got) != shape(want) {
					t.Errorf("%s over %s: %s, recorded %s", e.Label, way.name, shape(got), shape(want))
				}
			}
		}
	})
}

// ask323 sends a control packet and returns the answer, nil when there is none.
func ask323(t *testing.T, p *host.Proc, network, addr string, req []byte) []byte {
	local, remote := ":0", net.Addr(nil)
	if network == "unixgram" {
		local, remote = "/run/asker.sock", &net.UnixAddr{Name: addr, Net: network}
		defer p.Sys.Remove(local)
	} else {
		remote = net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr))
	}
	conn, err := p.Sys.ListenPacket(network, local)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.WriteTo(req, remote)
	conn.SetReadDeadline(p.Now().Add(300 * time.Millisecond))
	buf := make([]byte, 2048)
	k, _, err := conn.ReadFrom(buf)
	if err != nil {
		return nil
	}
	return buf[:k]
}
