package mailoracle

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/cmd/enshu/story"
	"enshu/sim/host"
	"enshu/sim/memnet"
)

var update = flag.Bool("update", false, "write the golden files anew")

// situation is what may become of a mail: the recording whose hosts it happens
// on, what is done there, and how long it takes.
type situation struct {
	name, base string
	to         string // of the mail with the subject "story", which is sent by userb on hosta
	prepare    func(t *testing.T, w *world, h *memnet.Host)
	send       func(t *testing.T, w *world) // instead of sendmail
	takes      time.Duration
}

var situations = []situation{
	{name: "delivered to the mailbox", base: "smtp-remote-client-headers", to: "usera"},
	{name: "delivered to a Maildir", base: "smtp-remote-client-headers", to: "usera", prepare: func(t *testing.T, w *world, h *memnet.Host) {
		reconfigure(t, h, "home_mailbox = Maildir/")
	}},
	{name: "an alias with a list of members", base: "smtp-remote-client-headers", to: "team", prepare: func(t *testing.T, w *world, h *memnet.Host) {
		h.WriteFile("/etc/aliases", h.ReadFile("/etc/aliases")+"team: usera, userc\n")
		ok(t, h, "/usr/bin/newaliases")
	}},
	{name: "the alias database is older than /etc/aliases", base: "smtp-remote-client-headers", to: "team", prepare: func(t *testing.T, w *world, h *memnet.Host) {
		h.WriteFile("/etc/aliases", h.ReadFile("/etc/aliases")+"team: usera\n")
		ok(t, h, "/usr/bin/newaliases")
		time.Sleep(time.Minute)
		h.WriteFile("/etc/aliases", strings.Replace(h.ReadFile("/etc/aliases"), "team: usera\n", "team: userc\n", 1))
	}},
	{name: "a new alias without newaliases", base: "smtp-remote-client-headers", to: "team", prepare: func(t *testing.T, w *world, h *memnet.Host) {
		time.Sleep(time.Minute)
		h.WriteFile("/etc/aliases", h.ReadFile("/etc/aliases")+"team: usera\n")
	}},
	{name: "a new alias without newaliases, over SMTP", base: "smtp-remote-client-headers", to: "team@hosta.example.com",
		prepare: func(t *testing.T, w *world, h *memnet.Host) {
			time.Sleep(time.Minute)
			h.WriteFile("/etc/aliases", h.ReadFile("/etc/aliases")+"team: usera\n")
		}, send: overSMTP("team@hosta.example.com")},
	{name: "a .forward file of everybody's", base: "smtp-remote-client-headers", to: "usera", prepare: func(t *testing.T, w *world, h *memnet.Host) {
		h.WriteFile("/home/usera/.forward", "userc\n")
		h.Chown("/home/usera/.forward", 1001, 1001)
		h.Chmod("/home/usera/.forward", 0o666)
	}},
	{name: "a .forward file with a copy kept", base: "smtp-remote-client-headers", to: "usera", prepare: func(t *testing.T, w *world, h *memnet.Host) {
		h.WriteFile("/home/usera/.forward", "\\usera, userc\n")
		h.Chown("/home/usera/.forward", 1001, 1001)
	}},
	{name: "a loop", base: "smtp-remote-client-headers", to: "usera", prepare: func(t *testing.T, w *world, h *memnet.Host) {
		for user, uid := range map[string]int{"usera": 1001, "userc": 1003} {
			h.WriteFile("/home/"+user+"/.forward", map[string]string{"usera": "userc\n", "userc": "usera\n"}[user])
			h.Chown("/home/"+user+"/.forward", uid, uid)
		}
	}},
	{name: "nobody listens at the next host", base: "relay-refused-then-up", to: "usera@hostb.example.com"},
	{name: "the domain is not there", base: "relay-dns-failures", to: "x@nosuch.example"},
	{name: "the name server fails", base: "relay-dns-failures", to: "x@servfail.example"},
	{name: "the next host does not answer", base: "relay-timeout", to: "usera@hostb.example.com"},
	{name: "relay denied", base: "smtp-remote-client-headers", to: "x@elsewhere.example", send: overSMTP("x@elsewhere.example")},
	{name: "an unknown user", base: "smtp-remote-client-headers", to: "nobody-here"},
	{name: "an unknown user of another host", base: "relay-unknown-user-remote", to: "nobody-here@hostb.example.com"},
	{name: "larger than the other host takes", base: "relay-unknown-user-remote", to: "usera@hostb.example.com", prepare: func(t *testing.T, w *world, h *memnet.Host) {
		reconfigure(t, w.hosts["hostb"], "message_size_limit = 200", "mailbox_size_limit = 1000")
	}},
	{name: "a mailbox that is full", base: "smtp-remote-client-headers", to: "usera", prepare: func(t *testing.T, w *world, h *memnet.Host) {
		h.WriteFile("/var/spool/mail/usera", strings.Repeat("x", 2000)+"\n")
		h.Chown("/var/spool/mail/usera", 1001, 12)
		reconfigure(t, h, "message_size_limit = 2000", "mailbox_size_limit = 2000")
	}},
	{name: "given up after five days", base: "relay-refused-then-up", to: "usera@hostb.example.com", takes: 7 * 24 * time.Hour,
		prepare: func(t *testing.T, w *world, h *memnet.Host) {
			reconfigure(t, h, "minimal_backoff_time = 2d", "maximal_backoff_time = 2d")
		}},
	{name: "on hold", base: "smtp-remote-client-headers", to: "usera", prepare: func(t *testing.T, w *world, h *memnet.Host) {
		h.WriteFile("/etc/postfix/held", "/^Subject: story/ HOLD\n")
		reconfigure(t, h, "header_checks = regexp:/etc/postfix/held")
	}},
	{name: "relayed and delivered", base: "relay-unknown-user-remote", to: "usera@hostb.example.com"},
}

// reconfigure sets parameters and makes them hold.
func reconfigure(t *testing.T, h *memnet.Host, settings ...string) {
	t.Helper()
	ok(t, h, append([]string{"/usr/sbin/postconf", "-e"}, settings...)...)
	ok(t, h, "/usr/sbin/postfix", "reload")
	time.Sleep(time.Second)
}

// overSMTP sends the mail from hostb, which is a stranger to hosta.
func overSMTP(to string) func(t *testing.T, w *world) {
	return func(t *testing.T, w *world) {
		w.hosts["hostb"].Do(nil, func(ctx context.Context, p *host.Proc) {
			conn := dial(t, ctx, p)
			defer conn.Close()
			fmt.Fprintf(conn, "HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<%s>\r\nQUIT\r\n", to)
			io.ReadAll(conn)
		})
	}
}

// TestWhy holds what `enshu why` says of a mail in each situation, in both
// languages, to the golden file.
func TestWhy(t *testing.T) {
	const golden = "testdata/why.txt"
	told := map[string]string{}
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, caseNamed(t, s.base))
				h := w.hosts["hosta"]
				if s.prepare != nil {
					s.prepare(t, w, h)
				}
				about := "story"
				if s.send != nil {
					s.send(t, w)
					about = s.to
				} else {
					sendmail(t, h, s.to, "Subject: story\n\nx\n")
				}
				time.Sleep(max(s.takes, 20*time.Second))
				told[s.name] = tellStory(t, w, about)
			})
		})
	}
	if *update {
		var b strings.Builder
		for _, s := range situations {
			fmt.Fprintf(&b, "# %s\n%s\n", s.name, told[s.name])
		}
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	// What happens at one instant happens in any order.
	sorted := func(story string) string {
		lines := strings.Split(strings.TrimSpace(story), "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	expected := map[string]string{}
	for part := range strings.SplitSeq("\n"+string(want), "\n# ") {
		name, story, _ := strings.Cut(part, "\n")
		expected[name] = story
	}
	for _, s := range situations {
		if want, got := sorted(expected[s.name]), sorted(told[s.name]); want != got {
			t.Errorf("%s of %s (run with -update to accept):\n%s", s.name, golden, diff(want, got))
		}
	}
}

// tellStory tells a story in both languages, without numbers, times and queue ids.
func tellStory(t *testing.T, w *world, about string) string {
	var out strings.Builder
	for _, language := range []string{"ja", "en"} {
		var b strings.Builder
		if found, err := story.Tell(&b, w.net.Trace.Since(0), nil, about, "", language); err != nil || !found {
			t.Errorf("no story: %v %s", err, b.String())
		}
		for line := range strings.Lines(b.String()) {
			fields := strings.SplitN(strings.TrimLeft(line, " "), " ", 3)
			out.WriteString("  " + noIDs(fields[len(fields)-1]))
		}
	}
	return out.String()
}
