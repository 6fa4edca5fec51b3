package mailoracle

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/trace"
)

// sendmail hands a mail from userb to sendmail(1).
func sendmail(t *testing.T, h *memnet.Host, to, text string) {
	t.Helper()
	if res := h.RunCmd(host.Cmd{Args: []string{"/usr/sbin/sendmail", "-f", "userb", to}, Stdin: strings.NewReader(text)}); !res.Status.Success() {
		t.Fatalf("sendmail: %v %s", res.Status, res.Stderr)
	}
}

// logHas fails the test unless a line of the mail log of hosta has a text.
func logHas(t *testing.T, w *world, want string) {
	t.Helper()
	if log := strings.Join(w.log("hosta"), "\n"); !strings.Contains(log, want) {
		t.Errorf("no %q in the log:\n%s", want, log)
	}
}

// queueEmpty fails the test when a mail is left in the queue of a host.
func queueEmpty(t *testing.T, h *memnet.Host) {
	t.Helper()
	if got := h.Run("/usr/bin/mailq").Stdout; got != "Mail queue is empty\n" {
		t.Errorf("queue:\n%s", got)
	}
}

// TestLoops sends mail into loops of other shapes than those recorded: each
// returns to its sender, once, and nothing stays in the queue.
func TestLoops(t *testing.T) {
	forward := func(h *memnet.Host, user string, uid int, text string) {
		h.WriteFile("/home/"+user+"/.forward", text)
		h.Chown("/home/"+user+"/.forward", uid, uid)
	}
	for _, c := range []struct {
		name    string
		prepare func(h *memnet.Host)
		reason  string
	}{
		{"ring of 150 aliases", func(h *memnet.Host) {
			text := "start: a0\n"
			for i := range 150 {
				text += fmt.Sprintf("a%d: a%d\n", i, (i+1)%150)
			}
			h.WriteFile("/etc/aliases", text)
		}, "alias database loop for a"},
		{"aliases through an include file", func(h *memnet.Host) {
			h.WriteFile("/etc/list", "start\n")
			h.WriteFile("/etc/aliases", "start: :include:/etc/list\n")
		}, "mail forwarding loop for start@hosta.example.com"},
		{"include file of itself", func(h *memnet.Host) {
			h.WriteFile("/etc/list", ":include:/etc/list\n")
			h.WriteFile("/etc/aliases", "start: :include:/etc/list\n")
		}, "include file loop for /etc/list"},
		{"ring of forward files", func(h *memnet.Host) {
			h.WriteFile("/etc/aliases", "start: usera\n")
			forward(h, "usera", 1001, "userc\n")
			forward(h, "userc", 1003, "start\n")
		}, "mail forwarding loop for "},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h, _ := smtpHost(t)
				c.prepare(h)
				h.Run("/usr/bin/newaliases")
				sendmail(t, h, "start", "Subject: round\n\nx\n")
				time.Sleep(time.Minute)
				logHas(t, w, "dsn=5.4.6, status=bounced ("+c.reason)
				queueEmpty(t, h)
				if n := strings.Count(h.ReadFile("/var/spool/mail/userb"), "Subject: Undelivered Mail Returned to Sender\n"); n != 1 {
					t.Errorf("the sender has %d notices, want 1", n)
				}
			})
		})
	}
}

// TestManyRecipientsOfHeaders sends one mail to the 10,000 addresses of its
// headers.
func TestManyRecipientsOfHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server, _ := smtpHost(t)
		server.Run("/usr/sbin/postconf", "-e", "default_destination_recipient_limit = 5000", "relayhost = [192.0.2.99]", "defer_transports = smtp")
		server.Run("/usr/sbin/postfix", "reload")
		var b strings.Builder
		for _, header := range []string{"To", "Cc", "Bcc", "To"} {
			b.WriteString(header + ": first@far.example") // the same in each
			for i := range 2500 {
				fmt.Fprintf(&b, ",\n %s%d@far.example", strings.ToLower(header), b.Len()+i)
			}
			b.WriteString("\n")
		}
		res := server.RunCmd(host.Cmd{Args: []string{"/usr/sbin/sendmail", "-t"}, Stdin: strings.NewReader(b.String() + "Subject: all\n\nx\n")})
		if !res.Status.Success() {
			t.Fatalf("sendmail: %v %s", res.Status, res.Stderr)
		}
		time.Sleep(10 * time.Second)
		listed := server.Run("/usr/bin/mailq").Stdout
		if n := strings.Count(listed, "@far.example\n"); n != 10001 {
			t.Errorf("the queue has %d recipients, want 10001", n)
		}
		if n := strings.Count(listed, " first@far.example\n"); n != 1 {
			t.Errorf("an address of four headers is in the queue %d times", n)
		}
	})
}

// TestMailboxIsNone delivers to mailboxes that are no regular file of one name.
func TestMailboxIsNone(t *testing.T) {
	const shadow = "root:*:19700:0:99999:7:::\n"
	for _, c := range []struct {
		name, why string
		prepare   func(h *memnet.Host)
	}{
		{"directory", "cannot open file: Is a directory", func(h *memnet.Host) { h.MkdirAll("/var/spool/mail/usera", 0o777) }},
		{"link to a link of root's", "cannot open file: Permission denied", func(h *memnet.Host) {
			h.Symlink("/etc/shadow", "/tmp/link")
			h.Symlink("/tmp/link", "/var/spool/mail/usera")
		}},
		{"link to an own file", "file is a symbolic link", func(h *memnet.Host) {
			h.WriteFile("/home/usera/box", "")
			h.Chown("/home/usera/box", 1001, 1001)
			h.Symlink("/home/usera/box", "/var/spool/mail/usera")
		}},
		{"link to nothing", "cannot open file: No such file or directory", func(h *memnet.Host) { h.Symlink("/etc/cron.d/new", "/var/spool/mail/usera") }},
		{"second name of an own file", "file has 2 hard links", func(h *memnet.Host) {
			h.WriteFile("/home/usera/box", "")
			h.Chown("/home/usera/box", 1001, 1001)
			if err := h.Sys().Link("/home/usera/box", "/var/spool/mail/usera"); err != nil {
				panic(err)
			}
		}},
		{"second name of root's", "cannot open file: Permission denied", func(h *memnet.Host) {
			if err := h.Sys().Link("/etc/shadow", "/var/spool/mail/usera"); err != nil {
				panic(err)
			}
		}},
		{"pipe", "cannot open file: No such device or address", func(h *memnet.Host) {
			h.Sys().Mkfifo("/var/spool/mail/usera", 0o666)
			h.Chown("/var/spool/mail/usera", 1001, 1001)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h, _ := smtpHost(t)
				h.WriteFile("/etc/shadow", shadow)
				h.Chmod("/etc/shadow", 0)
				h.Remove("/var/spool/mail/usera")
				c.prepare(h)
				sendmail(t, h, "usera", "Subject: x\n\nroot::0:0:99999:7:::\n")
				sendmail(t, h, "userc", "Subject: beside it\n\nx\n")
				time.Sleep(10 * time.Second)
				logHas(t, w, "cannot update mailbox /var/mail/usera for user usera. "+c.why)
				if got := h.ReadFile("/etc/shadow"); got != shadow {
					t.Errorf("/etc/shadow is now\n%s", got)
				}
				if _, err := h.Sys().Lstat("/etc/cron.d/new"); err == nil {
					t.Error("a file was made through a link")
				}
				if !strings.Contains(h.ReadFile("/var/spool/mail/userc"), "Subject: beside it\n") {
					t.Error("the mail to another user has not arrived")
				}
			})
		})
	}
}

// fullDisk answers as a file system without a free block where a mailbox is
// opened for writing, while full is set.
type fullDisk struct {
	host.Sys
	full *atomic.Bool
}

func (d fullDisk) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if d.full.Load() && flag&os.O_RDWR != 0 && name == "/var/mail/usera" {
		return os.OpenFile("/dev/full", os.O_RDWR, 0)
	}
	return d.Sys.OpenFile(name, flag, perm)
}

// TestFullMailboxDisk delivers while the disk of the mailboxes is full: the mail
// waits, and arrives once when there is room.
func TestFullMailboxDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h, _ := smtpHost(t)
		h.Run("/usr/sbin/postconf", "-e", "strict_mailbox_ownership = no") // root's /dev/full stands for the mailbox
		h.Run("/usr/sbin/postfix", "reload")
		var full atomic.Bool
		full.Store(true)
		const local = "/usr/libexec/postfix/local"
		prog := h.Programs[local]
		h.Programs[local] = func(ctx context.Context, p *host.Proc) int {
			p.Sys = fullDisk{p.Sys, &full}
			return prog(ctx, p)
		}
		sendmail(t, h, "usera", "Subject: needs room\n\nx\n")
		time.Sleep(10 * time.Second)
		logHas(t, w, "dsn=4.2.2, status=deferred (cannot update mailbox /var/mail/usera for user usera. error writing message: No space left on device)")
		if got := h.Run("/usr/bin/mailq").Stdout; !strings.Contains(got, "error writing message: No space left on device)") {
			t.Errorf("queue:\n%s", got)
		}
		full.Store(false)
		time.Sleep(time.Hour)
		if n := strings.Count(h.ReadFile("/var/spool/mail/usera"), "Subject: needs room\n"); n != 1 {
			t.Errorf("the mail arrived %d times", n)
		}
		queueEmpty(t, h)
	})
}

// TestSlowClients connects clients that say too little too late: each is told so
// and left when smtpd_timeout is over, wherever it stands, while others are served.
func TestSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, client := smtpHost(t)
		for _, said := range []string{"", "HEL", "HELO x\r\n", "HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<usera@hosta.example.com>\r\nDATA\r\nSubject: never done\r\n"} {
			client.Do(nil, func(ctx context.Context, p *host.Proc) {
				conn := dial(t, ctx, p)
				defer conn.Close()
				began := p.Now()
				io.WriteString(conn, said)
				heard, err := io.ReadAll(conn)
				if err != nil || !bytes.HasSuffix(heard, []byte("421 4.4.2 hosta.example.com Error: timeout exceeded\r\n")) {
					t.Errorf("after %q: %v, %q", said, err, heard)
				}
				if took := p.Now().Sub(began); took < 300*time.Second || took > 310*time.Second {
					t.Errorf("after %q: the server waited %v, want smtpd_timeout", said, took)
				}
			})
		}
		// A byte a minute is in time: the server waits for each.
		var greeted atomic.Int32
		slow := client.Go(nil, func(ctx context.Context, p *host.Proc) int {
			for range 30 {
				conn := dial(t, ctx, p)
				p.Go(func() {
					defer conn.Close()
					for _, b := range []byte("HELO x\r\nQUIT\r\n") {
						conn.Write([]byte{b})
						p.Sleep(ctx, time.Minute)
					}
					if heard, _ := io.ReadAll(conn); bytes.Contains(heard, []byte("\r\n250 hosta.example.com\r\n221 ")) {
						greeted.Add(1)
					}
				})
			}
			p.Sleep(ctx, time.Hour)
			return 0
		})
		time.Sleep(time.Minute)
		serves(t, w, client, "past the slow")
		if box := w.hosts["hosta"].ReadFile("/var/spool/mail/usera"); strings.Contains(box, "never done") {
			t.Error("a mail that never ended was delivered")
		}
		client.Wait(slow)
		if n := greeted.Load(); n != 30 {
			t.Errorf("%d of 30 clients that send a byte a minute were answered", n)
		}
	})
}

// TestMailBomb sends more than message_size_limit, announced and not, by SMTP and
// by sendmail(1): it is refused and nothing of it is kept.
func TestMailBomb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, server, client := smtpHost(t)
		const limit = 10240000
		line := strings.Repeat("x", 998) + "\r\n"
		client.Do(nil, func(ctx context.Context, p *host.Proc) {
			conn := dial(t, ctx, p)
			defer conn.Close()
			r := bufio.NewReader(conn)
			ask := func(text, want string) {
				t.Helper()
				io.WriteString(conn, text)
				for {
					got, err := r.ReadString('\n')
					if err != nil {
						t.Errorf("after %.60q: %v", text, err)
						return
					}
					if len(got) > 3 && got[3] == '-' {
						continue
					}
					if !strings.HasPrefix(got, want) {
						t.Errorf("after %.60q: %q, want %q", text, got, want)
					}
					return
				}
			}
			ask("", "220 ")
			ask("EHLO x\r\n", "250 ")
			ask(fmt.Sprintf("MAIL FROM:<a@b.example> SIZE=%d\r\n", limit+1), "552 5.3.4 Message size exceeds fixed limit")
			ask("MAIL FROM:<a@b.example> SIZE=5\r\n", "250 ")
			ask("RCPT TO:<usera@hosta.example.com>\r\n", "250 ")
			ask("DATA\r\n", "354 ")
			for range 2 * limit / len(line) {
				io.WriteString(conn, line)
			}
			ask(".\r\n", "552 5.3.4 Error: message file too big")
		})
		res := server.RunCmd(host.Cmd{Args: []string{"/usr/sbin/sendmail", "-f", "userb", "usera"}, Stdin: strings.NewReader("Subject: bomb\n\n" + strings.Repeat(line, 2*limit/len(line)))})
		if res.Status.Success() {
			t.Error("sendmail took the bomb")
		}
		serves(t, w, client, "after the bomb")
		if box := server.ReadFile("/var/spool/mail/usera"); strings.Contains(box, "xxxxxxxx") {
			t.Error("a bomb was delivered")
		}
		queueEmpty(t, server)
		for _, queue := range []string{"incoming", "active", "deferred", "maildrop"} {
			fs.WalkDir(os.DirFS(server.Dir()+"/var/spool/postfix/"+queue), ".", func(name string, d fs.DirEntry, err error) error {
				if err == nil && d.Type().IsRegular() {
					t.Errorf("%s/%s is left", queue, name)
				}
				return nil
			})
		}
	})
}

// TestForgottenNewaliasesOverSMTP: the server refuses the recipient, and the trace
// says of that refusal that newaliases(1) has not been run.
func TestForgottenNewaliasesOverSMTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, server, client := smtpHost(t)
		text := server.ReadFile("/etc/aliases")
		server.WriteFile("/etc/aliases", text+"team: usera\n")
		var said []byte
		client.Do(nil, func(ctx context.Context, p *host.Proc) {
			conn := dial(t, ctx, p)
			defer conn.Close()
			fmt.Fprint(conn, "HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<team@hosta.example.com>\r\nRCPT TO:<nobody-here@hosta.example.com>\r\nQUIT\r\n")
			said, _ = io.ReadAll(conn)
		})
		if n := strings.Count(string(said), "User unknown in local recipient table"); n != 2 {
			t.Errorf("both are unknown:\n%s", said)
		}
		told := func(about string) (kinds []trace.Kind) {
			for _, e := range trace.StoryAbout(w.net.Trace.Since(0), about) {
				kinds = append(kinds, e.Kind)
			}
			return kinds
		}
		if got := told("team@hosta.example.com"); !slices.Equal(got, []trace.Kind{trace.AliasMissed, trace.MailRejected}) {
			t.Errorf("team: %v", got)
		}
		if got := told("nobody-here@hosta.example.com"); !slices.Equal(got, []trace.Kind{trace.MailRejected}) {
			t.Errorf("nobody: %v", got)
		}
	})
}

// TestForgottenNewaliases sends to a name that was put into /etc/aliases without
// newaliases(1): the trace names the line, until newaliases has been run.
func TestForgottenNewaliases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h, _ := smtpHost(t)
		text := h.ReadFile("/etc/aliases")
		h.WriteFile("/etc/aliases", text+"team: userc\n")
		sendmail(t, h, "team", "Subject: early\n\nx\n")
		sendmail(t, h, "nobody-here", "Subject: in no file\n\nx\n")
		time.Sleep(10 * time.Second)
		logHas(t, w, `status=bounced (unknown user: "team")`)
		missed := func() (found []trace.Event) {
			for _, e := range w.net.Trace.Since(0) {
				if e.Kind == trace.AliasMissed {
					found = append(found, e)
				}
			}
			return found
		}
		line := fmt.Sprint(strings.Count(text, "\n") + 1)
		got := missed()
		if len(got) != 1 || got[0].Attrs["from"] != "team" || got[0].Attrs["file"] != "/etc/aliases" || got[0].Attrs["line"] != line {
			t.Fatalf("%v, want one event for team at /etc/aliases:%s", got, line)
		}
		story := trace.StoryAbout(w.net.Trace.Since(0), "early")
		told := false
		for _, e := range story {
			told = told || e.Seq == got[0].Seq
		}
		if !told {
			t.Error("the event is not in the story of the mail")
		}
		h.Run("/usr/bin/newaliases")
		sendmail(t, h, "team", "Subject: late\n\nx\n")
		time.Sleep(10 * time.Second)
		if len(missed()) != 1 || !strings.Contains(h.ReadFile("/var/spool/mail/userc"), "Subject: late\n") {
			t.Errorf("after newaliases: %v", missed())
		}
	})
}

// TestMailOfBadFolders reads folders that are none, or not made for reading, as
// s-nail does.
func TestMailOfBadFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h, _ := smtpHost(t)
		endless := strings.Repeat("x", 3000000)
		h.MkdirAll("/tmp/dir", 0o755)
		h.WriteFile("/tmp/endless", endless)
		h.WriteFile("/tmp/garbage", "no mailbox\nat all\n")
		h.WriteFile("/tmp/empty", "")
		h.WriteFile("/tmp/long", "From a@b Sun Nov 22 00:00:00 2026\nSubject: "+endless+"\n\n"+endless+"\n\n")
		h.WriteFile("/tmp/cut", "From a@b Sun Nov 22 00:00:00 2026\nSubject: cut")
		h.WriteFile("/tmp/many", strings.Repeat("From a@b Sun Nov 22 00:00:00 2026\nSubject: "+endless[:53]+"\n\nx\n\n", 1001))
		h.WriteFile("/tmp/secret", "From a@b Sun Nov 22 00:00:00 2026\nSubject: x\n\n")
		h.Chmod("/tmp/secret", 0o600)
		h.Symlink("/tmp/loop2", "/tmp/loop1")
		h.Symlink("/tmp/loop1", "/tmp/loop2")
		for _, c := range []struct {
			file, stdout, stderr string
			status               int
		}{
			{"dir", "", "/tmp/dir: Is a directory\n", 1},
			{"endless", "", "", 1},
			{"garbage", "", "", 1},
			{"empty", "", "", 1},
			{"missing", "", "/tmp/missing: No such entry, file or directory\n", 1},
			{"cut/x", "", "/tmp/cut/x: Not a directory\n", 1},
			{"loop1", "", "/tmp/loop1: Too many levels of symbolic links\n", 1},
			{"secret", "", "/tmp/secret: Permission denied\n", 1},
			{"long", "▸N  1 a@b                   Sun Nov 22 00:00    5/6000047 \"xxxxxxxxxxxxxxxxxxx\"\n", "", 0},
			{"many", "\n N1001 a@b                   Sun Nov 22 00:00    5/101   \"xxxxxxxxxxxxxxxxxxxx\"\n", "", 0},
			{"cut", "▸N  1 a@b                   Sun Nov 22 00:00    2/47    \"cut                  \"\n", "", 0},
		} {
			res := h.RunCmd(host.Cmd{Args: []string{"/usr/bin/mail", "-H", "-f", "/tmp/" + c.file}, Dir: "/home/usera",
				Env: []string{"HOME=/home/usera", "USER=usera", "LANG=C.UTF-8"}, Cred: &host.Cred{UID: 1001, GID: 1001}})
			if !strings.Contains(res.Stdout, c.stdout) || c.stdout == "" && res.Stdout != "" {
				t.Errorf("%s: %.200q, want %q", c.file, res.Stdout, c.stdout)
			}
			if !strings.HasSuffix(res.Stderr, c.stderr) || c.stderr == "" && res.Stderr != "" {
				t.Errorf("%s: %.200q, want %q", c.file, res.Stderr, c.stderr)
			}
			if got := res.Status.Shell(); got != c.status {
				t.Errorf("%s: status %d, want %d", c.file, got, c.status)
			}
		}
	})
}
