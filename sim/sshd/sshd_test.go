package sshd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

const (
	passwd = "root:x:0:0:root:/root:/usr/bin/sh\nusera:x:1000:1000::/home/usera:/usr/bin/sh\nnobody:x:99:99::/:/sbin/nologin\n"
	group  = "root:x:0:\nusera:x:1000:\nadmins:x:2000:usera\n"
)

// shell is a Program that says how it was called; a real one is behind the stub.
func shell(_ context.Context, p *host.Proc) int {
	var in bytes.Buffer
	in.ReadFrom(p.Stdin)
	p.Stdout.Write([]byte(strings.Join(p.Args, "|") + " as " + libc.UserName(p, p.UID) + " in " + p.Dir + " reads " + in.String()))
	if cmd := p.Args[len(p.Args)-1]; strings.HasPrefix(cmd, "env ") {
		p.Stdout.Write([]byte(p.Getenv(strings.TrimPrefix(cmd, "env "))))
	}
	p.Stderr.Write([]byte("done\n"))
	return 7
}

// syslogd writes what arrives at /dev/log to a file.
func syslogd(ctx context.Context, p *host.Proc) int {
	c, err := p.Sys.ListenPacket("unixgram", "/dev/log")
	if err != nil {
		return 1
	}
	p.Ready()
	b := make([]byte, 4096)
	for {
		n, _, err := c.ReadFrom(b)
		if err != nil {
			return 0
		}
		libc.AppendFile(p, "/var/log/secure", append(b[:n:n], '\n'), 0o600)
	}
}

// testKey is the key pair that usera's client has.
func testKey(t *testing.T) ssh.Signer {
	s, err := ssh.NewSignerFromSigner(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pair is a server with a configuration, and the host of a client.
func pair(t *testing.T, conf string) (server, client *memnet.Host) {
	n := memnet.New(t)
	programs := map[string]host.Program{"/usr/sbin/sshd": Sshd, "/usr/bin/sh": shell, "/usr/sbin/syslogd": syslogd}
	server = n.Host(t, memnet.Config{Name: "server", Addrs: []string{"192.0.2.10/24"}, Programs: programs})
	client = n.Host(t, memnet.Config{Name: "client", Addrs: []string{"192.0.2.20/24"}})
	hash, ok := libc.Crypt("enshu", "$6$salt$")
	if !ok {
		t.Fatal("no hash")
	}
	server.WriteFile("/etc/passwd", passwd)
	server.WriteFile("/etc/group", group)
	server.WriteFile("/etc/shadow", "root:"+hash+":1:0:99999:7:::\nusera:"+hash+":1:0:99999:7:::\n")
	server.WriteFile("/etc/ssh/sshd_config", "SyslogFacility AUTHPRIV\n"+conf)
	server.WriteFile("/var/log/btmp", "")
	server.MkdirAll("/home/usera/.ssh", 0o700)
	server.Start("/usr/sbin/syslogd")
	server.Start("/usr/sbin/sshd", "-D")
	return server, client
}

// dial logs in and runs f with the connection; the error is the login's.
func dial(t *testing.T, from *memnet.Host, user string, auth []ssh.AuthMethod, f func(*ssh.Client)) error {
	t.Helper()
	var failed error
	from.Do(nil, func(ctx context.Context, p *host.Proc) {
		conn, err := p.Sys.Dial(ctx, "tcp4", "192.0.2.10:22")
		if err != nil {
			failed = err
			return
		}
		w := &wire{Conn: conn, line: p.Clock.Timeline()}
		defer w.end()
		p.Clock.Timeline().Release() // what follows waits for the library's goroutines
		defer p.Clock.Timeline().Hold()
		c, chans, reqs, err := ssh.NewClientConn(w, "server:22", &ssh.ClientConfig{User: user, Auth: auth, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		if err != nil {
			failed = err
			return
		}
		cl := ssh.NewClient(c, chans, reqs)
		defer cl.Close()
		f(cl)
	})
	return failed
}

// secure returns the log without what differs from run to run.
func secure(server *memnet.Host) string {
	time.Sleep(5 * time.Second)
	log := regexp.MustCompile(`(?m)^<\d+>\w+ +\d+ [\d:]+ sshd\[\d+\]: `).ReplaceAllString(server.ReadFile("/var/log/secure"), "")
	log = regexp.MustCompile(`port \d{5}`).ReplaceAllString(log, "port N")
	return regexp.MustCompile(`(?m)^Server listening.*\n`).ReplaceAllString(log, "")
}

func TestCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pair(t, "AcceptEnv LC_*\n")
		err := dial(t, client, "usera", []ssh.AuthMethod{ssh.Password("enshu")}, func(c *ssh.Client) {
			s, err := c.NewSession()
			if err != nil {
				t.Error(err)
				return
			}
			var out, errs bytes.Buffer
			s.Stdin, s.Stdout, s.Stderr = strings.NewReader("typed"), &out, &errs
			if err := s.Setenv("LC_ALL", "ja_JP.UTF-8"); err != nil {
				t.Error(err)
			}
			if err := s.Setenv("LD_PRELOAD", "x"); err == nil {
				t.Error("LD_PRELOAD was accepted")
			}
			err = s.Run("env LC_ALL")
			if e, ok := err.(*ssh.ExitError); !ok || e.ExitStatus() != 7 {
				t.Errorf("ended with %v", err)
			}
			if got, want := out.String(), "sh|-c|env LC_ALL as usera in /home/usera reads typedja_JP.UTF-8"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if errs.String() != "done\n" {
				t.Errorf("stderr %q", errs.String())
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		want := "Accepted password for usera from 192.0.2.20 port N ssh2\n" +
			"pam_unix(sshd:session): session opened for user usera(uid=1000) by (uid=0)\n" +
			"Connection closed by 192.0.2.20 port N\n" +
			"pam_unix(sshd:session): session closed for user usera\n"
		if got := secure(server); got != want {
			t.Errorf("log:\n%s\nwant:\n%s", got, want)
		}
	})
}

// TestWhoMayIn tries logins against configurations, and compares the log.
func TestWhoMayIn(t *testing.T) {
	key := testKey(t)
	good := []ssh.AuthMethod{ssh.Password("enshu")}
	withKey := []ssh.AuthMethod{ssh.PublicKeys(key)}
	accepted := "Accepted publickey for usera from 192.0.2.20 port N ssh2: ED25519 " + ssh.FingerprintSHA256(key.PublicKey()) + "\n"
	for _, c := range []struct {
		name, conf, user string
		auth             []ssh.AuthMethod
		prepare          func(*memnet.Host)
		in               bool
		log              string // how it begins
	}{
		{"a wrong password", "", "usera", []ssh.AuthMethod{ssh.Password("no")}, nil, false,
			"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.20  user=usera\n" +
				"Failed password for usera from 192.0.2.20 port N ssh2\n" +
				"Connection closed by authenticating user usera 192.0.2.20 port N [preauth]\n"},
		{"nobody of that name", "", "bob", good, nil, false,
			"Invalid user bob from 192.0.2.20 port N\npam_unix(sshd:auth): check pass; user unknown\n" +
				"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.20 \n" +
				"Failed password for invalid user bob from 192.0.2.20 port N ssh2\n" +
				"Connection closed by invalid user bob 192.0.2.20 port N [preauth]\n"},
		{"root by password", "", "root", good, nil, false, "Failed password for root from 192.0.2.20 port N ssh2\n"},
		{"root where it may", "PermitRootLogin yes\n", "root", good, nil, true, "Accepted password for root from 192.0.2.20 port N ssh2\n"},
		{"no passwords", "PasswordAuthentication no\n", "usera", good, nil, false, "Connection closed by authenticating user usera 192.0.2.20 port N [preauth]\n"},
		{"a key", "", "usera", withKey, nil, true, accepted},
		{"a key, not there", "AuthorizedKeysFile /etc/keys/%u\n", "usera", withKey, nil, false, "Connection closed by authenticating user usera"},
		{"a key that others may write", "", "usera", withKey, func(h *memnet.Host) { h.Sys().Chmod("/home/usera/.ssh/authorized_keys", 0o666) }, false,
			"Authentication refused: bad ownership or modes for file /home/usera/.ssh/authorized_keys\n"},
		{"a directory that others may write", "", "usera", withKey, func(h *memnet.Host) { h.Sys().Chmod("/home/usera", 0o777) }, false,
			"Authentication refused: bad ownership or modes for directory /home/usera\n"},
		{"others may write, and it does not matter", "StrictModes no\n", "usera", withKey, func(h *memnet.Host) { h.Sys().Chmod("/home/usera", 0o777) }, true, accepted},
		{"allowed by name", "AllowUsers bob usera@192.0.2.*\n", "usera", good, nil, true, "Accepted password"},
		{"not allowed by name", "AllowUsers bob usera@10.0.0.1\n", "usera", good, nil, false,
			"User usera from 192.0.2.20 not allowed because not listed in AllowUsers\n"},
		{"denied by name", "DenyUsers user*\n", "usera", good, nil, false, "User usera from 192.0.2.20 not allowed because listed in DenyUsers\n"},
		{"allowed by group", "AllowGroups admins\n", "usera", good, nil, true, "Accepted password"},
		{"not allowed by group", "AllowGroups wheel\n", "usera", good, nil, false,
			"User usera from 192.0.2.20 not allowed because none of user's groups are listed in AllowGroups\n"},
		{"a Match that holds", "PasswordAuthentication yes\nMatch User usera Address 192.0.2.0/24\n PermitRootLogin yes\n AllowUsers bob\n", "usera", good, nil, false,
			"User usera from 192.0.2.20 not allowed because not listed in AllowUsers\n"},
		{"a Match that does not", "Match Address 10.0.0.0/8\n AllowUsers bob\n", "usera", good, nil, true, "Accepted password"},
		{"no shell", "", "nobody", good, nil, false, "User nobody from 192.0.2.20 not allowed because shell /sbin/nologin does not exist\n"},
		{"nologin", "", "usera", good, func(h *memnet.Host) { h.WriteFile("/etc/nologin", "away\n") }, false,
			"Accepted password for usera from 192.0.2.20 port N ssh2\nUser usera not allowed because /etc/nologin exists\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := pair(t, c.conf)
				server.WriteFile("/home/usera/.ssh/authorized_keys", "# mine\n"+string(ssh.MarshalAuthorizedKey(key.PublicKey())))
				for _, name := range []string{"/home/usera", "/home/usera/.ssh", "/home/usera/.ssh/authorized_keys"} {
					server.Sys().Chown(name, 1000, 1000)
				}
				server.Sys().Chmod("/home/usera", 0o700)
				if c.prepare != nil {
					c.prepare(server)
				}
				in := false
				dial(t, client, c.user, c.auth, func(cl *ssh.Client) {
					s, err := cl.NewSession()
					in = err == nil
					if in {
						s.Close()
					}
				})
				if in != c.in {
					t.Errorf("let in: %v", in)
				}
				got := secure(server)
				if !strings.HasPrefix(got, c.log) {
					t.Errorf("log:\n%s\nwant:\n%s", got, c.log)
				}
				if failed := strings.Contains(got, "Failed password"); failed != (server.ReadFile("/var/log/btmp") != "") {
					t.Errorf("in btmp: %v", !failed)
				}
			})
		})
	}
}

// TestNotSSH: what speaks something else is told so.
func TestNotSSH(t *testing.T) {
	for hello, want := range map[string]string{
		"GET / HTTP/1.0\r\n\r\n": "error: kex_exchange_identification: client sent invalid protocol identifier \"GET / HTTP/1.0\"\n" +
			"banner exchange: Connection from 192.0.2.20 port N: invalid format\n",
		"": "error: kex_exchange_identification: Connection closed by remote host\nConnection closed by 192.0.2.20 port N\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			server, client := pair(t, "")
			client.Do(nil, func(ctx context.Context, p *host.Proc) {
				conn, err := p.Sys.Dial(ctx, "tcp4", "192.0.2.10:22")
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				conn.Write([]byte(hello))
				if hello != "" {
					p.Sleep(ctx, time.Second)
				}
			})
			if got := secure(server); got != want {
				t.Errorf("log:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestGraceTime: who does not log in is not waited for.
func TestGraceTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pair(t, "LoginGraceTime 1m\n")
		client.Do(nil, func(ctx context.Context, p *host.Proc) {
			conn, err := p.Sys.Dial(ctx, "tcp4", "192.0.2.10:22")
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.SetReadDeadline(p.Now().Add(2 * time.Minute))
			began := p.Now()
			for err == nil {
				_, err = conn.Read(make([]byte, 100))
			}
			if waited := p.Now().Sub(began); waited != time.Minute {
				t.Errorf("closed after %v: %v", waited, err)
			}
		})
		if got, want := secure(server), "fatal: Timeout before authentication for 192.0.2.20 port N\n"; got != want {
			t.Errorf("log:\n%s\nwant:\n%s", got, want)
		}
	})
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range []struct{ conf, want string }{
		{"Prot 22\nPermitRootlogin yes\nFoo\n", "/etc/ssh/sshd_config: line 1: Bad configuration option: Prot\r\n" +
			"/etc/ssh/sshd_config: line 3: Bad configuration option: Foo\r\n/etc/ssh/sshd_config: terminating, 2 bad configuration options\r\n"},
		{"# x\nPermitRootLogin maybe\n", "/etc/ssh/sshd_config line 2: unsupported option \"maybe\".\r\n"},
		{"Port\n", "/etc/ssh/sshd_config line 1: missing port number.\r\n"},
		{"Port 99999\n", "/etc/ssh/sshd_config line 1: Badly formatted port number.\r\n"},
		{"MaxAuthTries six\n", "/etc/ssh/sshd_config line 1: integer value invalid.\r\n"},
		{"LoginGraceTime 2x\n", "/etc/ssh/sshd_config line 1: invalid time value.\r\n"},
		{"PasswordAuthentication yes no\n", "/etc/ssh/sshd_config line 1: keyword PasswordAuthentication extra arguments at end of line\r\n"},
		{"LogLevel LOUD\n", "/etc/ssh/sshd_config line 1: unsupported log level 'LOUD'\r\n"},
		{"Match User a\nPort 23\n", "/etc/ssh/sshd_config line 2: Directive 'Port' is not allowed within a Match block\r\n"},
		{"Match Moon full\n", "Unsupported Match attribute Moon\r\n/etc/ssh/sshd_config line 1: Bad Match condition\r\n"},
		{"PasswordAuthentication=no\nport = 2222\n AllowUsers \"a b\" c\nProtocol 2\n", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := memnet.New(t).Host(t, memnet.Config{Name: "server", Programs: map[string]host.Program{"/usr/sbin/sshd": Sshd}})
			h.WriteFile("/etc/ssh/sshd_config", c.conf)
			r := h.Run("/usr/sbin/sshd", "-t")
			want := c.want
			status := 255
			if want == "" { // no host keys yet
				status = 1
				want = "/etc/ssh/sshd_config line 4: Deprecated option Protocol\r\n"
				if !strings.HasSuffix(r.Stderr, "sshd: no hostkeys available -- exiting.\r\n") || !strings.HasPrefix(r.Stderr, want) {
					t.Errorf("%q says %q", c.conf, r.Stderr)
				}
				want = r.Stderr
			}
			if r.Stderr != want || r.Status.Code != status {
				t.Errorf("%q says %q, status %v", c.conf, r.Stderr, r.Status)
			}
		})
	}
}

// The keys of a host are made once, and are its own.
func TestHostKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := pair(t, "")
		for _, file := range hostKeys {
			if _, err := ssh.ParsePrivateKey([]byte(server.ReadFile(file))); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(server.ReadFile(file + ".pub"))); err != nil {
				t.Errorf("%s.pub: %v", file, err)
			}
		}
		if r := server.Run("/usr/sbin/sshd", "-t"); r.Status.Code != 0 || r.Stderr != "" {
			t.Errorf("sshd -t: %v %q", r.Status, r.Stderr)
		}
		server.Sys().Chmod(hostKeys[1], 0o644)
		if r := server.Run("/usr/sbin/sshd", "-t"); !strings.Contains(r.Stderr, "Permissions 0644 for '"+hostKeys[1]+"' are too open.") {
			t.Errorf("sshd -t with an open key: %q", r.Stderr)
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add("Port 22\nMatch User a,!b Address 10.0.0.0/8\n AllowUsers \"x y\" z # c\nInclude /etc/x/*.conf\nMaxStartups 1:2:3\n")
	f.Fuzz(func(t *testing.T, text string) {
		read := func(string) ([]byte, error) { return []byte(text), nil }
		c, _, err := load(configFile, read, func(p string) []string { return []string{p} })
		if err != nil {
			return
		}
		s := c.settings(&peer{user: "a", groups: []string{"g"}})
		addresses(s)
		s.span("logingracetime")
		s.number("maxauthtries")
	})
}
