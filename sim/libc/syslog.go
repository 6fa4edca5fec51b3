package libc

import (
	"context"
	"fmt"
	"time"

	"enshu/sim/host"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// Syslog sends one message to /dev/log as syslog(3) does: priority, the local
// time, tag, and the process id when pid is not 0. It fails when nothing
// listens, which most daemons ignore.
func Syslog(p *host.Proc, priority syslog.Priority, tag string, pid int, text string) error {
	p.Emit(trace.MessageLogged, trace.Attrs{
		"facility": priority.Facility().String(), "severity": priority.Severity().String(),
		"tag": tag, "text": text, "over": "/dev/log",
	})
	c, err := p.Sys.Dial(context.Background(), "unixgram", "/dev/log")
	if err != nil {
		return err
	}
	defer c.Close()
	if pid != 0 {
		tag = fmt.Sprintf("%s[%d]", tag, pid)
	}
	_, err = fmt.Fprintf(c, "<%d>%s %s: %s", priority, LocalTime(p).Format(time.Stamp), tag, text)
	return err
}
