package mailoracle

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

// fuzzedInputs is how many inputs one pair of hosts is sent before a new one is
// built: what they leave in the queue makes the hosts slower.
const fuzzedInputs = 500

// smtpTarget is a pair of hosts that many inputs are sent to, each on a connection
// of its own: building hosts takes a hundred times as long as one dialogue. They
// live in a bubble of virtual time that spans the executions; it stands still
// between them, as the bubble's goroutine waits on a channel from outside.
type smtpTarget struct {
	base     *oracleCase
	inputs   chan []byte
	verdicts chan string   // what was wrong, "" when nothing was
	over     chan struct{} // closed when the hosts are gone
}

// send sends an input to the hosts, and returns what was wrong afterwards.
func (f *smtpTarget) send(t *testing.T, data []byte) string {
	if f.inputs == nil {
		f.start(t)
	}
	f.inputs <- data
	wrong := <-f.verdicts
	if wrong != "" {
		f.stop()
	}
	return wrong
}

// start builds the hosts. They outlive t, so nothing in the bubble may fail it:
// what is wrong is a verdict.
func (f *smtpTarget) start(t *testing.T) {
	inputs, over := make(chan []byte), make(chan struct{})
	f.inputs, f.over = inputs, over
	go func() {
		defer close(over)
		for open := true; open; {
			synctest.Test(t, func(t *testing.T) {
				w := newWorldOf(t, f.base, true)
				for range fuzzedInputs {
					var data []byte
					if data, open = <-inputs; !open {
						return
					}
					f.verdicts <- sendBytes(w, data)
				}
			})
		}
	}()
}

// stop takes the hosts away; the next input gets new ones.
func (f *smtpTarget) stop() {
	if f.inputs != nil {
		close(f.inputs)
		<-f.over
		f.inputs = nil
	}
}

// sendBytes sends bytes to the SMTP server and hangs up. A client that behaves
// must be served afterwards, and no daemon may have crashed.
func sendBytes(w *world, data []byte) (wrong string) {
	server, client := w.hosts["hosta"], w.hosts["hostb"]
	for _, name := range []string{"/var/spool/mail/usera", "/var/log/maillog"} {
		os.Truncate(server.Dir()+name, 0)
	}
	connect := func(ctx context.Context, p *host.Proc, f func(conn io.ReadWriter)) {
		conn, err := p.Sys.Dial(ctx, "tcp4", "192.0.2.11:25")
		if err != nil {
			wrong = "connect: " + err.Error()
			return
		}
		defer conn.Close()
		conn.SetDeadline(p.Now().Add(time.Hour))
		f(conn)
	}
	client.Do(nil, func(ctx context.Context, p *host.Proc) {
		connect(ctx, p, func(conn io.ReadWriter) {
			p.Go(func() { io.Copy(io.Discard, conn) })
			conn.Write(data)
			p.Sleep(ctx, time.Second)
		})
		connect(ctx, p, func(conn io.ReadWriter) {
			io.WriteString(conn, "HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<usera@hosta.example.com>\r\nDATA\r\nSubject: after any bytes\r\n\r\nx\r\n.\r\nQUIT\r\n")
			if said, _ := io.ReadAll(conn); !strings.Contains(string(said), "250 2.0.0 Ok: queued as ") {
				wrong = "a client that behaves is told:\n" + string(said)
			}
		})
	})
	time.Sleep(time.Second)
	for _, h := range []*memnet.Host{server, client} {
		for _, err := range h.Crashes() {
			wrong += fmt.Sprintf("\n%s: %v", h.Name, err)
		}
	}
	box, _ := os.ReadFile(server.Dir() + "/var/spool/mail/usera")
	if wrong == "" && !strings.Contains(string(box), "Subject: after any bytes\n") {
		wrong = "the mail of a client that behaves is not in the mailbox"
	}
	if wrong != "" {
		wrong += "\n" + strings.Join(w.log("hosta"), "\n")
	}
	return wrong
}

// FuzzSMTP sends any bytes to the server; a client that behaves is served afterwards.
func FuzzSMTP(f *testing.F) {
	for _, s := range []string{"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<usera>\r\nBDAT 5 LAST\r\nhello", "\x00\xff\r\n\r\n.\r\n", "MAIL FROM:<\"\\\"@>\r\nRCPT TO:<@a,@b:c@d>\r\n",
		"HELO x\r\nMAIL FROM:<a@b> SIZE=99999999999999999999\r\n", "STARTTLS\r\nAUTH PLAIN\r\n", "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<usera@hosta.example.com>\r\nDATA\r\n..\n.\r\r\n.\r\nQUIT\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "BDAT -1\r\nBDAT 99999999999999999999 LAST\r\n", "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<usera@hosta.example.com>\r\nBDAT 1\r\nxBDAT 9223372036854775807 LAST\r\n",
		"VRFY <\r\nETRN @\r\nEXPN\r\nHELP\r\n"} {
		f.Add([]byte(s))
	}
	target := &smtpTarget{base: caseNamed(f, "smtp-remote-client-headers"), verdicts: make(chan string)}
	f.Cleanup(target.stop)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 {
			return
		}
		if wrong := target.send(t, data); wrong != "" {
			t.Error(wrong)
		}
	})
}
