package rsyslog

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/rsyslog/logger"
)

// What waits in a disk queue for a server that is down arrives after the daemon
// was started anew and the server is back.
func TestDiskQueueSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := n.Host(t, memnet.Config{Name: testHost, Addrs: []string{"192.0.2.1/24"}, Programs: map[string]host.Program{"/usr/sbin/rsyslogd": Rsyslogd, "/usr/bin/logger": logger.Program}})
		server := n.Host(t, memnet.Config{Name: "collector", Addrs: []string{"192.0.2.10/24"}})
		h.Symlink("../run", "/var/run")
		h.MkdirAll("/var/lib/rsyslog", 0o755)
		h.WriteFile("/etc/rsyslog.conf", `global(workDirectory="/var/lib/rsyslog")
module(load="imuxsock")
user.* action(type="omfwd" target="192.0.2.10" port="514" protocol="tcp" action.resumeRetryCount="-1" action.resumeInterval="1" queue.type="disk" queue.filename="fwd")
`)
		d := h.Start("/usr/sbin/rsyslogd", "-n")
		for _, word := range []string{"first", "second", "third"} {
			h.Run("logger", "-p", "user.info", word)
		}
		time.Sleep(2 * time.Second)
		d.Stop()

		var got atomic.Pointer[string]
		server.Go(nil, func(ctx context.Context, p *host.Proc) int {
			l, err := p.Sys.Listen("tcp4", "192.0.2.10:514")
			if err != nil {
				t.Error(err)
				return 1
			}
			defer l.Close()
			c, err := l.Accept()
			if err != nil {
				return 1
			}
			defer c.Close()
			var all strings.Builder
			b := make([]byte, 4096)
			for {
				n, err := c.Read(b)
				all.Write(b[:n])
				s := all.String()
				got.Store(&s)
				if err != nil {
					return 0
				}
			}
		})
		synctest.Wait()
		d = h.Start("/usr/sbin/rsyslogd", "-n")
		time.Sleep(5 * time.Second)
		d.Stop()
		text := ""
		if s := got.Load(); s != nil {
			text = *s
		}
		at := 0
		for _, word := range []string{"first", "second", "third"} {
			i := strings.Index(text[at:], word)
			if i < 0 {
				t.Fatalf("%s did not arrive in order: %q", word, text)
			}
			at += i
		}
	})
}
