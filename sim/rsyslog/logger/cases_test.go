package logger_test

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/rsyslog/logger"
)

// recordedCase is one run of util-linux's logger with a datagram socket at
// /run/dg. What it read and wrote has a character for each byte; times, PIDs and whether the
// clock is synchronized are masked.
type recordedCase struct {
	Args   []string
	Stdin  string
	Status int
	Err    string
	Got    []string // the datagrams
}

var masks = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d`), "TS"},
	{regexp.MustCompile(`\b[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d`), "Ts"},
	{regexp.MustCompile(`isSynced="\d"( syncAccuracy="\d+")?`), "SYNC"},
}

// TestRecorded: generated combinations of the options, byte for byte.
func TestRecorded(t *testing.T) {
	data, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []recordedCase
	if err := json.Unmarshal(data, &cases); err != nil || len(cases) < 100 {
		t.Fatal(len(cases), err)
	}
	bytes := func(s string) string { // of a text that has a character for each
		var b []byte
		for _, r := range s {
			b = append(b, byte(r))
		}
		return string(b)
	}
	synctest.Test(t, func(t *testing.T) {
		pid := 0
		program := func(ctx context.Context, p *host.Proc) int {
			pid = p.PID
			return logger.Program(ctx, p)
		}
		h := memnet.New(t).Host(t, memnet.Config{Name: "server1", Programs: map[string]host.Program{"/usr/bin/logger": program}})
		h.MkdirAll("/run", 0o755)
		h.MkdirAll("/run/systemd/system", 0o755)
		h.WriteFile("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
		var mu sync.Mutex
		var got []string
		h.Go(nil, func(_ context.Context, p *host.Proc) int {
			l, err := p.Sys.ListenPacket("unixgram", "/run/dg")
			if err != nil {
				t.Error(err)
				return 1
			}
			for b := make([]byte, 1<<17); ; {
				n, _, err := l.ReadFrom(b)
				if err != nil {
					return 0
				}
				mu.Lock()
				got = append(got, string(b[:n]))
				mu.Unlock()
			}
		})
		synctest.Wait()
		for _, c := range cases {
			got = nil
			r := h.RunCmd(host.Cmd{Args: append([]string{"logger"}, c.Args...), Stdin: strings.NewReader(bytes(c.Stdin)),
				Env: []string{"PATH=/usr/bin", "HOME=/root", "LANG=C.UTF-8"}})
			synctest.Wait()
			mask := func(s string) string {
				for _, m := range masks {
					s = m.re.ReplaceAllString(s, m.with)
				}
				return regexp.MustCompile(`\b`+strconv.Itoa(pid)+`\b`).ReplaceAllString(s, "PID")
			}
			seen := recordedCase{c.Args, c.Stdin, r.Status.Code, mask(r.Stderr), nil}
			for _, d := range got {
				seen.Got = append(seen.Got, mask(d))
			}
			want := c
			want.Err, want.Got = bytes(c.Err), nil
			for _, d := range c.Got {
				want.Got = append(want.Got, bytes(d))
			}
			if d := cmp.Diff(want, seen); d != "" {
				t.Errorf("logger %q (-want +got):\n%s", c.Args, d)
			}
		}
	})
}
