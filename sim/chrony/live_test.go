package chrony_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"enshu/sim/peer"
	"enshu/sim/wire/ntp"
)

// place is a folder with the configuration of a daemon.
type place struct{ dir, config, socket string }

// configured writes chrony.conf for a daemon that stands in a folder of its own.
func configured(t testing.TB, text string) place {
	t.Helper()
	dir, err := os.MkdirTemp("", "c") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := place{dir, filepath.Join(dir, "chrony.conf"), filepath.Join(dir, "run", "chronyd.sock")}
	if err := os.Mkdir(filepath.Dir(p.socket), 0o750); err != nil {
		t.Fatal(err)
	}
	text += fmt.Sprintf("user root\npidfile %s/pid\nbindcmdaddress %s\nkeyfile %s/keys\n", dir, p.socket, dir)
	keys := "1 MD5 HEX:00112233445566778899\n2 SHA1 ASCII:abcdefghijklmnop\n3 SHA256 HEX:00112233445566778899AABB\n4 AES128 HEX:00112233445566778899AABBCCDDEEFF\n5 SHA512 HEX:00112233445566778899AABB\n"
	for name, data := range map[string]string{"chrony.conf": text, "keys": keys} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// startReal runs the real chronyd until the test ends.
func startReal(t testing.TB, p place) {
	t.Helper()
	cmd := peer.Command(t, "/usr/sbin/chronyd", "-x", "-d", "-f", p.config)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	for range 200 {
		if _, err := os.Stat(p.socket); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond) // the real program has no other sign
	}
	t.Fatalf("the real chronyd does not serve: %s", &log)
}

// realClient runs the real chronyc.
func realClient(t testing.TB, args ...string) (string, int) {
	cmd := peer.Command(t, "/usr/bin/chronyc", args...)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// synced waits until a daemon is synchronised, by the program itself.
const synced = "waitsync 100 0 0 0.1"

// TestLivePeers lets our chronyd and chronyc meet the real ones and ntpdig,
// on ports 123 and 323 of a network namespace.
func TestLivePeers(t *testing.T) {
	peer.Root(t) // without the peers it fails at once, and says what to do
	if !private(t) {
		return
	}
	ours := configured(t, "local stratum 4\nallow 127.0.0.0/8\ndeny 127.0.0.9\nbindaddress 127.0.0.1\n")
	startOurs(t, ours.config)
	real := configured(t, "local stratum 6\nallow 127.0.0.0/8\nbindaddress 127.0.0.2\ncmdport 1323\n")
	startReal(t, real)

	t.Run("real client of our server", func(t *testing.T) {
		c := configured(t, "server 127.0.0.1 iburst minpoll 0\nport 0\ncmdport 0\n")
		startReal(t, c)
		if out, st := realClient(t, append([]string{"-h", c.socket}, strings.Fields(synced)...)...); st != 0 {
			t.Fatalf("not synchronised: %s", out)
		}
		out, _ := realClient(t, "-n", "-c", "-h", c.socket, "tracking")
		if !strings.HasPrefix(out, "7F000001,127.0.0.1,5,") {
			t.Errorf("tracking: %s", out)
		}
	})
	t.Run("our client of the real server", func(t *testing.T) {
		c := configured(t, "server 127.0.0.2 iburst minpoll 0\nport 0\ncmdport 0\n")
		startOurs(t, c.config)
		if out, st := ourClient(append([]string{"-h", c.socket}, strings.Fields(synced)...)...); st != 0 {
			t.Fatalf("not synchronised: %s", out)
		}
		out, _ := ourClient("-n", "-c", "-h", c.socket, "tracking")
		if !strings.HasPrefix(out, "7F000002,127.0.0.2,7,") {
			t.Errorf("tracking: %s", out)
		}
	})
	for key := 1; key <= 5; key++ {
		t.Run(fmt.Sprintf("key %d, both ways", key), func(t *testing.T) {
			c := configured(t, fmt.Sprintf("server 127.0.0.1 iburst minpoll 0 key %d\nport 0\ncmdport 0\n", key))
			startReal(t, c)
			o := configured(t, fmt.Sprintf("server 127.0.0.2 iburst minpoll 0 key %d\nport 0\ncmdport 0\n", key))
			startOurs(t, o.config)
			if out, st := realClient(t, append([]string{"-h", c.socket}, strings.Fields(synced)...)...); st != 0 {
				t.Errorf("the real client is not synchronised to us: %s", out)
			}
			if out, st := ourClient(append([]string{"-h", o.socket}, strings.Fields(synced)...)...); st != 0 {
				t.Errorf("we are not synchronised to the real server: %s", out)
			}
		})
	}
	t.Run("interleaved, both ways", func(t *testing.T) {
		c := configured(t, "server 127.0.0.1 iburst minpoll 0 maxpoll 0 xleave\nport 0\ncmdport 0\n")
		startReal(t, c)
		o := configured(t, "server 127.0.0.2 iburst minpoll 0 maxpoll 0 xleave\nport 0\ncmdport 0\n")
		startOurs(t, o.config)
		realClient(t, append([]string{"-h", c.socket}, strings.Fields(synced)...)...)
		ourClient(append([]string{"-h", o.socket}, strings.Fields(synced)...)...)
		interleaved := regexp.MustCompile(`Interleaved +: Yes`)
		if out, _ := realClient(t, "-n", "-h", c.socket, "ntpdata"); !interleaved.MatchString(out) {
			t.Errorf("we do not answer interleaved: %s", out)
		}
		if out, _ := ourClient("-n", "-h", o.socket, "ntpdata"); !interleaved.MatchString(out) {
			t.Errorf("we do not ask interleaved: %s", out)
		}
	})
	t.Run("chronyc", func(t *testing.T) {
		for _, line := range []string{
			"activity", "-n sources", "-n sources -v", "-n sourcestats", "-n selectdata", "-n authdata", "tracking", "-c tracking",
			"serverstats", "clients", "ntpdata", "rtcdata", "smoothing", "manual list", "accheck 127.0.0.3",
			"accheck 192.0.2.1", "cmdaccheck 127.0.0.1", "makestep 1", "add server", "burst 1/2", "sourcename 192.0.2.1", "delete 192.0.2.1",
		} {
			args := strings.Fields(line)
			for _, way := range []struct{ name, ours, real string }{
				{"Unix socket", "-h " + ours.socket, "-h " + real.socket},
				{"UDP", "-h 127.0.0.1", "-h 127.0.0.1 -p 1323"},
			} {
				to := func(daemon string) []string { return append(strings.Fields(daemon), args...) }
				want, wantStatus := realClient(t, to(way.real)...)
				for _, got := range []struct {
					who    string
					text   string
					status int
				}{
					answerOf("the real chronyc to our daemon")(realClient(t, to(way.ours)...)),
					answerOf("our chronyc to the real daemon")(ourClient(to(way.real)...)),
					answerOf("our chronyc to our daemon")(ourClient(to(way.ours)...)),
				} {
					if g, w := withoutNumbers(got.text), withoutNumbers(want); g != w || got.status != wantStatus {
						t.Errorf("%s over %s: %s (status %d, real ones %d):%s", line, way.name, got.who, got.status, wantStatus, difference(g, w))
					}
				}
			}
		}
	})
	t.Run("ntpdig", func(t *testing.T) {
		modules := ntpModule(t)
		keys := filepath.Join(modules, "keys")
		if err := os.WriteFile(keys, []byte("2 SHA1 abcdefghijklmnop\n4 AES-128 00112233445566778899AABBCCDDEEFF\n9 SHA1 wrong\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			program, args string
			answer        bool
		}{
			{"/usr/bin/ntpdig", "127.0.0.1", true},
			{"/usr/bin/ntpdig", "-a 2 -k " + keys + " 127.0.0.1", true},
			{"/usr/bin/ntpdig", "-t 1 -a 9 -k " + keys + " 127.0.0.1", false},
			{"/usr/sbin/ntpdate", "-q 127.0.0.1", true},
		} {
			cmd := peer.Command(t, c.program, strings.Fields(c.args)...)
			cmd.Env = append(cmd.Env, "PYTHONPATH="+modules, "PATH="+filepath.Join(peer.Root(t), "usr/bin")+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if answer := strings.Contains(string(out), "127.0.0.1 s4"); answer != c.answer {
				t.Errorf("%s %s: %v: %s", c.program, c.args, err, out)
			}
		}
	})
	t.Run("rate limit", func(t *testing.T) {
		// A client of a server that answers one request in two seconds asks sixteen
		// times a second: it loses most of them, is served all the same, and both
		// servers count what they dropped.
		const limited = "local stratum 3\nallow\nratelimit interval 1 burst 2 leak 2\nbindaddress 127.0.0."
		ourLimit := configured(t, limited+"5\ncmdport 0\n")
		startOurs(t, ourLimit.config)
		realLimit := configured(t, limited+"6\ncmdport 0\n")
		startReal(t, realLimit)
		for _, c := range []struct {
			who    string
			server place
			addr   string
		}{{"our server", ourLimit, "127.0.0.5"}, {"the real server", realLimit, "127.0.0.6"}} {
			client := configured(t, "server "+c.addr+" minpoll -4 maxpoll -4\nport 0\ncmdport 0\n")
			startReal(t, client)
			if out, st := realClient(t, append([]string{"-h", client.socket}, strings.Fields(synced)...)...); st != 0 {
				t.Errorf("%s: the client is not synchronised: %s", c.who, out)
			}
			out, _ := realClient(t, "-c", "-h", c.server.socket, "serverstats")
			var got, dropped int
			if _, err := fmt.Sscanf(out, "%d,%d", &got, &dropped); err != nil || dropped == 0 || dropped >= got {
				t.Errorf("%s: serverstats: %s", c.who, out)
			}
		}
	})
	t.Run("denied", func(t *testing.T) {
		for _, c := range []struct {
			from   string
			answer bool
		}{{"127.0.0.3:0", true}, {"127.0.0.9:0", false}} {
			conn, err := net.ListenPacket("udp4", c.from)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			req := ntp.Packet{Version: 4, Mode: ntp.Client, Transmit: 0xc0ffee}
			conn.WriteTo(req.Append(nil), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 123})
			conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
			if _, _, err := conn.ReadFrom(make([]byte, 100)); (err == nil) != c.answer {
				t.Errorf("%s: answered %v, want %v", c.from, err == nil, c.answer)
			}
		}
	})
}

// ntpModule returns a folder with the Python module of ntpdig, which looks for
// its library beside itself or where it was installed.
func ntpModule(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "ntp")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"usr/lib/python3/dist-packages/ntp/*.py", "usr/lib/*/ntp/libntpc.so"} {
		files, _ := filepath.Glob(filepath.Join(peer.Root(t), pattern))
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return filepath.Dir(dir)
}

// answerOf labels what a chronyc printed and its exit status.
func answerOf(who string) func(string, int) struct {
	who    string
	text   string
	status int
} {
	return func(text string, status int) struct {
		who    string
		text   string
		status int
	} {
		return struct {
			who    string
			text   string
			status int
		}{who, text, status}
	}
}

// withoutNumbers leaves of a report its words.
func withoutNumbers(s string) string {
	s = regexp.MustCompile(`(?m)^(\w+ packets received +|Reference time .*|Stratum +|Hostname|localhost).*`).ReplaceAllString(s, "$1")
	s = regexp.MustCompile(`7F7F0101|\b[0-9.]+\b|\b(fast|slow)\b`).ReplaceAllString(s, "#")
	return regexp.MustCompile(`[ +-]*#[ +-]*`).ReplaceAllString(s, " # ")
}
