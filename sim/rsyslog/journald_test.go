package rsyslog

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/systemd/journald"
)

// startJournald starts a journald that owns /dev/log, and makes the socket that
// syslog.socket of systemd makes.
func (r *oracleRun) startJournald() {
	if r.c.Forward != "" {
		r.server.WriteFile("/etc/systemd/journald.conf", "[Journal]\nForwardToSyslog="+r.c.Forward+"\n")
	}
	r.server.MkdirAll("/run/systemd/journal", 0o755)
	r.server.WriteFile("/etc/machine-id", strings.Repeat("0123456789abcdef", 2)+"\n")
	r.server.Symlink("/run/systemd/journal/dev-log", "/dev/log")
	r.server.Go(nil, func(ctx context.Context, p *host.Proc) int {
		c, err := p.Sys.ListenPacket("unixgram", "/run/systemd/journal/syslog")
		if err != nil {
			r.t.Error(err)
			return 1
		}
		defer c.Close()
		p.Sleep(ctx, time.Hour)
		return 0
	})
	time.Sleep(time.Millisecond)
	r.server.Start("/usr/lib/systemd/systemd-journald")
}

// sendLocal sends to /dev/log as the program "sender".
func (r *oracleRun) sendLocal(raw string) {
	r.server.Do(nil, func(ctx context.Context, p *host.Proc) {
		r.server.WriteFile(fmt.Sprintf("/proc/%d/comm", p.PID), "sender\n")
		if c, err := p.Sys.Dial(ctx, "unixgram", "/dev/log"); err == nil {
			io.WriteString(c, raw)
			c.Close()
		}
	})
}

func (r *oracleRun) addJournald(programs map[string]host.Program) {
	if r.c.Journald {
		programs["/usr/lib/systemd/systemd-journald"] = journald.Daemon
	}
}

// withoutJournal leaves out what the recordings leave out: lines of journald
// itself and what imjournal says at its start.
func (r *oracleRun) withoutJournal(lines []string) []string {
	if !r.c.Journald {
		return lines
	}
	var out []string
	for _, l := range lines {
		if !strings.Contains(l, "imjournal: ") && !strings.Contains(l, " systemd-journald[") && !strings.Contains(l, "tag=[systemd-journald[") {
			out = append(out, l)
		}
	}
	return out
}
