package mailoracle

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

// caseNamed returns a recording, for its hosts.
func caseNamed(t *testing.T, name string) *oracleCase {
	for _, c := range loadCases(t) {
		if c.Case == name {
			return c
		}
	}
	t.Fatalf("no case %s", name)
	return nil
}

// ok runs a command that must succeed.
func ok(t *testing.T, h *memnet.Host, args ...string) string {
	t.Helper()
	res := h.Run(args...)
	if !res.Status.Success() {
		t.Fatalf("%v: %v %s", args, res.Status, res.Stderr)
	}
	return res.Stdout
}

// submissionHost makes hostb take mail on port 587 from its users.
func submissionHost(t *testing.T, w *world) *memnet.Host {
	h := w.hosts["hostb"]
	hash, _ := libc.Crypt("opensesame", "$6$rounds=1000$salt$")
	h.WriteFile("/etc/shadow", fmt.Sprintf("usera:%s:19700:0:99999:7:::\n", hash))
	h.Chmod("/etc/shadow", 0)
	h.Start("/usr/sbin/saslauthd", "-d", "-a", "pam")
	ok(t, h, "/usr/sbin/postconf", "-e", "smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination", "inet_interfaces = all")
	h.WriteFile("/etc/postfix/master.cf", h.ReadFile("/etc/postfix/master.cf")+
		"submission inet n - n - - smtpd\n  -o syslog_name=postfix/submission\n  -o smtpd_tls_security_level=encrypt\n"+
		"  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_tls_auth_only=yes\n")
	ok(t, h, "/usr/sbin/postfix", "stop")
	ok(t, h, "/usr/sbin/postfix", "start")
	time.Sleep(time.Second)
	return h
}

// TestSubmission relays through a server that wants AUTH over TLS: with the
// right password, and with a wrong one.
func TestSubmission(t *testing.T) {
	for password, want := range map[string]string{"opensesame": "status=sent (250 2.0.0 Ok: queued as ",
		"wrong": "dsn=4.7.8, status=deferred (SASL authentication failed; server hostb.example.com[192.0.2.12] said: 535 5.7.8 Error: authentication failed: authentication failure)"} {
		t.Run(password, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, caseNamed(t, "relay-tls-default"))
				b := submissionHost(t, w)
				a := w.hosts["hosta"]
				a.WriteFile("/etc/postfix/sasl_passwd", "[192.0.2.12]:587 usera:"+password+"\n")
				a.Chmod("/etc/postfix/sasl_passwd", 0o600)
				ok(t, a, "/usr/sbin/postmap", "hash:/etc/postfix/sasl_passwd")
				a.Chmod("/etc/postfix/sasl_passwd.db", 0o600)
				ok(t, a, "/usr/sbin/postconf", "-e", "relayhost = [192.0.2.12]:587", "smtp_sasl_auth_enable = yes",
					"smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd", "smtp_sasl_security_options = noanonymous", "smtp_tls_security_level = encrypt")
				ok(t, a, "/usr/sbin/postfix", "reload")
				time.Sleep(time.Second)
				a.RunCmd(host.Cmd{Args: []string{"/usr/sbin/sendmail", "userb@hostb.example.com"}, Stdin: strings.NewReader("Subject: x\n\nx\n")})
				time.Sleep(10 * time.Second)
				log := strings.Join(w.log("hosta"), "\n")
				if password == "wrong" {
					log = strings.ReplaceAll(log, "192.0.2.12[192.0.2.12]", "hostb.example.com[192.0.2.12]")
				}
				if !strings.Contains(log, want) {
					t.Errorf("the log of the sender lacks %q:\n%s", want, log)
				}
				if password == "wrong" {
					if n := strings.Count(strings.Join(w.log("hostb"), "\n"), "SASL PLAIN authentication failed: authentication failure"); n != 1 {
						t.Errorf("the server tells of %d failures:\n%s", n, strings.Join(w.log("hostb"), "\n"))
					}
					return
				}
				if got := strings.Join(w.log("hostb"), "\n"); !strings.Contains(got, "sasl_method=PLAIN, sasl_username=usera") {
					t.Errorf("the server does not tell who sent:\n%s", got)
				}
				if box := b.ReadFile("/var/spool/mail/userb"); !strings.Contains(box, "with ESMTPSA id ") {
					t.Errorf("mailbox:\n%s", box)
				}
			})
		})
	}
}

// TestAuthDialogue is AUTH as clients speak it, well and badly.
func TestAuthDialogue(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, caseNamed(t, "relay-tls-default"))
		h := submissionHost(t, w)
		w.hosts["hosta"].Do(nil, func(ctx context.Context, p *host.Proc) {
			conn, err := p.Sys.Dial(ctx, "tcp4", "192.0.2.12:587")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			r := bufio.NewReader(conn)
			say := func(c net.Conn, line, want string) {
				t.Helper()
				if line != "" {
					fmt.Fprintf(c, "%s\r\n", line)
				}
				var got strings.Builder
				for {
					l, err := r.ReadString('\n')
					got.WriteString(l)
					if err != nil || len(l) < 4 || l[3] != '-' {
						break
					}
				}
				if !strings.Contains(got.String(), want) {
					t.Errorf("%.60s: got %q, want %q", line, got.String(), want)
				}
			}
			say(conn, "", "220 ")
			say(conn, "AUTH PLAIN x", "503 5.5.1 Error: send HELO/EHLO first")
			say(conn, "EHLO client.example", "250-STARTTLS\r\n250-ENHANCEDSTATUSCODES")
			say(conn, "AUTH PLAIN x", "538 5.7.0 Encryption required for requested authentication mechanism")
			say(conn, "MAIL FROM:<usera@hostb.example.com>", "530 5.7.0 Must issue a STARTTLS command first")
			say(conn, "STARTTLS", "220 2.0.0 Ready to start TLS")
			secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, Time: p.Now})
			if err := secure.Handshake(); err != nil {
				t.Fatal(err)
			}
			r = bufio.NewReader(secure)
			say(secure, "EHLO client.example", "250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES")
			say(secure, "AUTH", "501 5.5.4 Syntax: AUTH mechanism")
			say(secure, "AUTH PLAIN a b", "501 5.5.4 Syntax: AUTH mechanism")
			say(secure, "AUTH CRAM-MD5", "535 5.7.8 Error: authentication failed: no mechanism available")
			say(secure, "AUTH PLAIN !!!", "535 5.7.8 Error: authentication failed: bad protocol / cancel")
			say(secure, "AUTH PLAIN", "334 ")
			say(secure, "*", "501 5.7.0 Authentication aborted")
			say(secure, "AUTH PLAIN "+b64("\x00usera\x00guess"), "535 5.7.8 Error: authentication failed: authentication failure")
			say(secure, "MAIL FROM:<usera@hostb.example.com>", "250 2.1.0 Ok")
			say(secure, "RCPT TO:<x@elsewhere.example>", "554 5.7.1 <x@elsewhere.example>: Relay access denied")
			say(secure, "AUTH LOGIN", "503 5.5.1 Error: MAIL transaction in progress")
			say(secure, "RSET", "250 2.0.0 Ok")
			say(secure, "AUTH LOGIN", "334 VXNlcm5hbWU6")
			say(secure, b64("usera"), "334 UGFzc3dvcmQ6")
			say(secure, b64("opensesame"), "235 2.7.0 Authentication successful")
			say(secure, "AUTH LOGIN", "503 5.5.1 Error: already authenticated")
			say(secure, "MAIL FROM:<usera@hostb.example.com> AUTH=<>", "250 2.1.0 Ok")
			say(secure, "RCPT TO:<x@elsewhere.example>", "250 2.1.5 Ok")
			say(secure, "QUIT", "221 2.0.0 Bye")
		})
		time.Sleep(time.Second)
		if log := strings.Join(w.log("hostb"), "\n"); !strings.Contains(log, "auth=1/11") || strings.Contains(log+h.ReadFile("/var/log/maillog"), b64("opensesame")) {
			t.Errorf("log:\n%s", log)
		}
	})
}
