package machine

import (
	"os"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/utmp"
)

// Wall writes a message to every terminal that somebody is logged in on, as
// wall(1) does; sender stands before the @ of the line above it.
func Wall(p *host.Proc, sender, text string) {
	data, err := libc.ReadFile(p, utmp.File)
	if err != nil {
		return
	}
	out := "\r\nBroadcast message from " + sender + "@" + Hostname(p) + " (" + libc.LocalTime(p).Format("Mon 2006-01-02 15:04:05 MST") + "):\r\n\r\n" +
		strings.ReplaceAll(text, "\n", "\r\n") + "\r\n\r\n"
	for _, r := range utmp.Sessions(data) {
		if r.Line == "" || strings.Contains(r.Line, "..") {
			continue
		}
		f, err := p.Sys.OpenFile("/dev/"+r.Line, os.O_WRONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		f.WriteString(out)
		f.Close()
	}
}
