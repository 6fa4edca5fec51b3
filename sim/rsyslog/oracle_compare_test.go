package rsyslog

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"syscall"

	"enshu/sim/rsyslog/logger"
)

func (r *oracleRun) finish(pipes []*os.File) {
	c := r.c
	if !r.varies("output.start.stderr") && r.restarts == 0 {
		r.compare("stderr", nonEmpty(linesOf(r.daemon.Stderr.String())), c.Output.Start.Stderr)
	} else if r.restarts > 0 && r.restarts <= len(c.Output.Restarts) && !r.varies("output.restarts") {
		r.compare("stderr after restart", nonEmpty(linesOf(r.daemon.Stderr.String())), c.Output.Restarts[r.restarts-1].Stderr)
	}
	r.files("files", c.Output.Files, nil)
	r.modes()
	r.sends("udp", r.remote.take("udp 192.0.2.10:514"), c.Output.UDP)
	r.sends("tcp", r.remote.take("tcp 192.0.2.10:514"), c.Output.TCP)
	for at, want := range c.Output.Other {
		r.sends(at, r.remote.take(at), want)
	}
	for _, f := range pipes {
		b := make([]byte, 1<<16)
		n, _ := syscall.Read(int(f.Fd()), b)
		r.compare("pipe", linesOf(string(b[:max(n, 0)])), c.Output.Pipe)
	}
	for i, u := range c.Output.Users {
		b := make([]byte, 1<<16)
		n, _ := syscall.Read(int(r.terminals[i].Fd()), b)
		got := string(b[:max(n, 0)])
		if !r.pattern(u.Text).MatchString(got) {
			r.t.Errorf("terminal of %s:\n got %q\nwant %q", u.User, got, u.Text)
		}
	}
	before := map[string]int{}
	for name := range c.Output.OnStop.Files {
		before[name] = len(r.server.ReadFile(name))
	}
	r.stopDaemon()
	for name, want := range c.Output.OnStop.Files {
		r.compare("on stop "+name, linesOf(r.server.ReadFile(name)[before[name]:]), want)
	}
	if len(c.Output.OnStop.Files) == 0 && !r.t.Failed() {
		r.files("files after stop", c.Output.Files, nil)
	}
	r.compare("udp on stop", r.remote.take("udp 192.0.2.10:514"), c.Output.OnStop.UDP)
}

// sends compares what a collector got.
func (r *oracleRun) sends(what string, got, want []string) {
	if r.varies("output." + what) {
		r.contains(what, linesOf(strings.Join(got, "")), linesOf(strings.Join(want, "")))
		return
	}
	r.compare(what, got, want)
}

// contains checks that each different line of want occurs, for what varied
// between recordings.
func (r *oracleRun) contains(what string, got, want []string) {
	for _, w := range want {
		re, found := r.pattern(w), false
		for _, g := range got {
			found = found || re.MatchString(g)
		}
		if !found {
			r.t.Errorf("%s: no line like %q in\n%s", what, w, strings.Join(got, "\n"))
		}
	}
}

// files compares every file below /var/log, and what else the case names.
func (r *oracleRun) files(what string, want map[string][]string, _ []string) {
	seen := map[string]bool{}
	names := []string{}
	for name := range want {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		seen[filepath.Join(r.server.Dir(), name)] = true
		data, err := os.ReadFile(filepath.Join(r.server.Dir(), name))
		if err != nil {
			r.t.Errorf("%s: %v", name, err)
			continue
		}
		if r.varies("output.files." + name) {
			r.contains(name, linesOf(string(data)), want[name])
			continue
		}
		r.compare(name, r.withoutJournal(linesOf(string(data))), want[name])
		noNewline := false
		for _, n := range r.c.Output.NoNewline {
			noNewline = noNewline || n == name
		}
		if len(data) > 0 && noNewline == bytes.HasSuffix(data, []byte("\n")) {
			r.t.Errorf("%s: line feed at the end: %v", name, !noNewline)
		}
	}
	filepath.WalkDir(filepath.Join(r.server.Dir(), "var/log"), func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && !seen[name] && !strings.Contains(name, "/journal/") {
			data, _ := os.ReadFile(name)
			if len(r.withoutJournal(linesOf(string(data)))) > 0 {
				r.t.Errorf("%s is not expected:\n%s", strings.TrimPrefix(name, r.server.Dir()), data)
			}
		}
		return nil
	})
}

func (r *oracleRun) modes() {
	owners := map[int]string{0: "root", 65534: "nobody"}
	groups := map[int]string{0: "root", 4: "adm", 65534: "nogroup"}
	for name, want := range r.c.Output.Modes {
		if strings.HasPrefix(name, "/mnt/small") {
			continue
		}
		info, err := r.server.Sys().Stat(strings.TrimSuffix(name, "/"))
		if err != nil {
			r.t.Errorf("%s: %v", name, err)
			continue
		}
		st := info.Sys().(*syscall.Stat_t)
		got := fmt.Sprintf("%04o %s:%s", info.Mode().Perm(), owners[int(st.Uid)], groups[int(st.Gid)])
		if info.Mode()&fs.ModeNamedPipe != 0 {
			got = "fifo " + got
		}
		if got != want {
			r.t.Errorf("%s: mode %s, want %s", name, got, want)
		}
	}
}

// compare matches lines with their tokens.
func (r *oracleRun) compare(what string, got, want []string) {
	r.t.Helper()
	ok := len(got) == len(want)
	for i := range want {
		ok = ok && i < len(got) && r.pattern(want[i]).MatchString(got[i])
	}
	if !ok {
		// Only what differs: the lines that both have at the front and at the end are left out.
		for len(got) > 0 && len(want) > 0 && r.pattern(want[0]).MatchString(got[0]) {
			got, want = got[1:], want[1:]
		}
		for len(got) > 0 && len(want) > 0 && r.pattern(want[len(want)-1]).MatchString(got[len(got)-1]) {
			got, want = got[:len(got)-1], want[:len(want)-1]
		}
		if len(got) == len(want) { // and in between
			var g, w []string
			for i := range want {
				if !r.pattern(want[i]).MatchString(got[i]) {
					g, w = append(g, got[i]), append(w, want[i])
				}
			}
			got, want = g, w
		}
		r.t.Errorf("%s:\n got %s\nwant %s", what, listing(got), listing(want))
	}
}

func listing(list []string) string {
	var b strings.Builder
	for _, s := range list {
		if len(s) > 1000 {
			s = s[:1000] + "…"
		}
		fmt.Fprintf(&b, "\n\t%q", s)
	}
	return b.String()
}

// tokens are what stands for something that differs between runs.
var tokens = map[string]string{
	"<TIMESTAMP>":             `[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d`,
	"<TIMESTAMP-RFC3339>":     `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)`,
	"<TIMESTAMP-RFC3339-SEC>": `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)`,
	"<TIMESTAMP-CTIME>":       `[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}`,
	"<TIMESTAMP-WALL>":        `[^)]*`,
	"<PID>":                   realPID,
	"<FD>":                    `\d+`,
	"<SESSION>":               `\S+`,
	"<SYNCED>":                `[01]`,
	"<SYNCACCURACY>":          `\d+`,
	"<HOST>":                  testHost,
	"<MODDIR>":                regexp.QuoteMeta("/usr/lib64/rsyslog"),
}

var (
	tokenPattern = regexp.MustCompile(`<[A-Z0-9-]+>`)
	countPattern = regexp.MustCompile(`(\A|start|hello)\d+ <`)
)

// pattern makes a regular expression of a recorded line. The version of the
// recording is ours, and with it octet counts of lines that have it differ.
func (r *oracleRun) pattern(s string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	if countPattern.MatchString(s) {
		s = countPattern.ReplaceAllString(s, "${1}<COUNT> <")
	}
	for s != "" {
		m := tokenPattern.FindStringIndex(s)
		if m == nil {
			b.WriteString(literal(s))
			break
		}
		b.WriteString(literal(s[:m[0]]))
		switch tok := s[m[0]:m[1]]; {
		case tok == "<COUNT>":
			b.WriteString(`\d+`)
		case tokens[tok] != "":
			b.WriteString(tokens[tok])
		default:
			b.WriteString(literal(tok))
		}
		s = s[m[1]:]
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

func literal(s string) string {
	s = strings.ReplaceAll(s, "util-linux 2.38.1", "util-linux "+logger.Version)
	s = strings.ReplaceAll(s, "8.2302.0", Version)
	// Bytes that are no UTF-8 match themselves in neither form; a dot stands for them.
	q := regexp.QuoteMeta(s)
	return strings.ToValidUTF8(q, `[^\n]+`)
}

func linesOf(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

func nonEmpty(list []string) []string {
	var out []string
	for _, l := range list {
		if l != "" {
			out = append(out, l)
		}
	}
	return out
}
