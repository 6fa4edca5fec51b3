package mailoracle

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

// smtpHost is a host whose SMTP server runs, and a neighbour of it.
func smtpHost(t *testing.T) (w *world, server, client *memnet.Host) {
	w = newWorld(t, caseNamed(t, "smtp-remote-client-headers"))
	return w, w.hosts["hosta"], w.hosts["hostb"]
}

// dial opens a connection to the SMTP server of hosta.
func dial(t testing.TB, ctx context.Context, p *host.Proc) net.Conn {
	conn, err := p.Sys.Dial(ctx, "tcp4", "192.0.2.11:25")
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(p.Now().Add(time.Hour))
	return conn
}

// serves fails the test when the server does not take a mail from a client that
// behaves.
func serves(t testing.TB, w *world, client *memnet.Host, subject string) {
	t.Helper()
	client.Do(nil, func(ctx context.Context, p *host.Proc) {
		conn := dial(t, ctx, p)
		defer conn.Close()
		fmt.Fprintf(conn, "HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<usera@hosta.example.com>\r\nDATA\r\nSubject: %s\r\n\r\nx\r\n.\r\nQUIT\r\n", subject)
		said, _ := io.ReadAll(conn)
		if !strings.Contains(string(said), "250 2.0.0 Ok: queued as ") {
			t.Errorf("a client that behaves is told:\n%s", said)
		}
	})
	time.Sleep(5 * time.Second)
	if box := w.hosts["hosta"].ReadFile("/var/spool/mail/usera"); strings.Count(box, "Subject: "+subject+"\n") != 1 {
		t.Errorf("the mail of a client that behaves is not in the mailbox")
	}
}

// TestThousandConnections holds a thousand connections open and says nothing.
func TestThousandConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, client := smtpHost(t)
		client.Do(nil, func(ctx context.Context, p *host.Proc) {
			for range 1000 {
				conn := dial(t, ctx, p)
				defer conn.Close()
			}
			p.Sleep(ctx, time.Minute)
		})
		time.Sleep(time.Second) // until anvil(8) has heard that they left: they had all that one client may have
		serves(t, w, client, "after the crowd")
	})
}

// TestEndlessLine sends a command and a body line without an end.
func TestEndlessLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, client := smtpHost(t)
		client.Do(nil, func(ctx context.Context, p *host.Proc) {
			chunk := strings.Repeat("x", 1<<16)
			for _, before := range []string{"", "HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<usera@hosta.example.com>\r\nDATA\r\n"} {
				conn := dial(t, ctx, p)
				p.Go(func() { io.Copy(io.Discard, conn) })
				io.WriteString(conn, before)
				for range 400 { // 26 MB, more than any mail may have
					if _, err := io.WriteString(conn, chunk); err != nil {
						break
					}
				}
				conn.Close()
			}
		})
		serves(t, w, client, "after the line")
		if box := w.hosts["hosta"].ReadFile("/var/spool/mail/usera"); strings.Contains(box, "xxxxxxxx") {
			t.Error("a mail that never ended was delivered")
		}
	})
}

// TestManyRecipients sends one mail to 10,000 addresses through sendmail, and
// tries as much in one SMTP session.
func TestManyRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server, client := smtpHost(t)
		server.Run("/usr/sbin/postconf", "-e", "default_destination_recipient_limit = 5000", "relayhost = [192.0.2.99]", "defer_transports = smtp")
		server.Run("/usr/sbin/postfix", "reload")
		args := []string{"/usr/sbin/sendmail"}
		for i := range 10000 {
			args = append(args, fmt.Sprintf("user%d@far.example", i))
		}
		if res := server.RunCmd(host.Cmd{Args: args, Stdin: strings.NewReader("Subject: all\n\nx\n")}); !res.Status.Success() {
			t.Fatalf("sendmail: %v %s", res.Status, res.Stderr)
		}
		time.Sleep(10 * time.Second)
		if n := strings.Count(server.Run("/usr/bin/mailq").Stdout, "@far.example\n"); n != 10000 {
			t.Errorf("the queue has %d recipients", n)
		}
		client.Do(nil, func(ctx context.Context, p *host.Proc) {
			conn := dial(t, ctx, p)
			defer conn.Close()
			r := bufio.NewReader(conn)
			io.WriteString(conn, "HELO x\r\nMAIL FROM:<a@b.example>\r\n")
			accepted, refused := 0, 0
			for i := range 10000 {
				if _, err := fmt.Fprintf(conn, "RCPT TO:<usera@hosta.example.com>\r\n"); err != nil {
					break
				}
				line, err := r.ReadString('\n')
				for err == nil && i == 0 && !strings.Contains(line, "2.1.5") {
					line, err = r.ReadString('\n')
				}
				if err != nil {
					break
				}
				if strings.HasPrefix(line, "250") {
					accepted++
				} else {
					refused++
				}
			}
			if accepted != 1000 || refused == 0 {
				t.Errorf("%d recipients were accepted and %d refused, want 1000 and then no more", accepted, refused)
			}
		})
	})
}

// TestMailboxIsLink delivers to a mailbox that somebody made a link to a file of
// root's.
func TestMailboxIsLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, server, _ := smtpHost(t)
		server.WriteFile("/etc/shadow", "root:*:19700:0:99999:7:::\n")
		server.Chmod("/etc/shadow", 0)
		server.Sys().Remove("/var/spool/mail/usera")
		server.Symlink("/etc/shadow", "/var/spool/mail/usera")
		server.RunCmd(host.Cmd{Args: []string{"/usr/sbin/sendmail", "-f", "userb", "usera"}, Stdin: strings.NewReader("Subject: x\n\nroot::0:0:99999:7:::\n")})
		time.Sleep(10 * time.Second)
		if got := server.ReadFile("/etc/shadow"); got != "root:*:19700:0:99999:7:::\n" {
			t.Errorf("/etc/shadow is now\n%s", got)
		}
		if log := strings.Join(w.log("hosta"), "\n"); !strings.Contains(log, "cannot update mailbox /var/mail/usera for user usera. cannot open file: Permission denied") {
			t.Errorf("log:\n%s", log)
		}
	})
}
