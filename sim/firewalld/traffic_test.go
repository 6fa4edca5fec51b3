package firewalld_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/trace"
)

// knock tries to connect from the client and returns the error.
func knock(client *memnet.Host, network, addr string) (err error) {
	client.Do(nil, func(ctx context.Context, p *host.Proc) {
		var c io.Closer
		ctx, cancel := context.WithCancelCause(ctx)
		timer := p.Clock.AfterFunc(3*time.Second, func() { cancel(syscall.ETIMEDOUT) })
		defer timer.Stop()
		if c, err = p.Sys.Dial(ctx, network, addr); err == nil {
			c.Close()
		}
		if context.Cause(ctx) == syscall.ETIMEDOUT {
			err = syscall.ETIMEDOUT
		}
	})
	return err
}

// TestTraffic opens and closes ports and sees what a client sees.
func TestTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		m := install(t, n, "eth0")
		client := n.Host(t, memnet.Config{Name: "client1", Addrs: []string{"192.0.2.20/24"}})
		m.Go(nil, func(ctx context.Context, p *host.Proc) int {
			l, err := p.Sys.Listen("tcp4", ":514")
			if err != nil {
				return 1
			}
			p.Go(func() {
				<-ctx.Done()
				l.Close()
			})
			for {
				c, err := l.Accept()
				if err != nil {
					return 0
				}
				c.Close()
			}
		})
		synctest.Wait()
		for _, c := range []struct {
			run  string
			want error
		}{
			{"--state", syscall.EHOSTUNREACH},
			{"--permanent --add-port=514/tcp", syscall.EHOSTUNREACH},
			{"--reload", nil},
			{"--remove-port=514/tcp", syscall.EHOSTUNREACH},
			{"--add-rich-rule='rule family=ipv4 source address=192.0.2.0/24 port port=500-600 protocol=tcp accept'", nil},
			{"--add-rich-rule='rule priority=-1 family=ipv4 source address=192.0.2.20 reject'", syscall.ECONNREFUSED},
			{"--reload", nil},
			{"--zone=drop --add-source=192.0.2.20", syscall.ETIMEDOUT},
			{"--zone=trusted --change-source=192.0.2.0/24", syscall.ETIMEDOUT},
			{"--zone=drop --remove-source=192.0.2.20", nil},
			{"--panic-on", syscall.ETIMEDOUT},
			{"--panic-off", nil},
			{"--set-default-zone=block", nil},
			{"--zone=trusted --remove-source=192.0.2.0/24", syscall.EHOSTUNREACH},
			{"--timeout=5 --add-port=514/tcp", nil},
		} {
			out, errs, status := m.shell("root", "firewall-cmd "+c.run)
			if status != 0 {
				t.Fatalf("%s: %d %s%s", c.run, status, out, errs)
			}
			if err := knock(client, "tcp4", "192.0.2.10:514"); !errors.Is(err, c.want) {
				t.Errorf("after %s: %v, want %v", c.run, err, c.want)
			}
		}
		time.Sleep(6 * time.Second)
		if err := knock(client, "tcp4", "192.0.2.10:514"); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("after the timeout: %v", err)
		}
		m.shell("root", "firewall-cmd --set-log-denied=all")
		knock(client, "tcp4", "192.0.2.10:80")
		if len(m.filter.log) != 1 || !strings.HasPrefix(m.filter.log[0], "filter_IN_block_REJECT: IN=eth0 OUT= ") || !strings.Contains(m.filter.log[0], " DPT=80 ") {
			t.Errorf("log %q", m.filter.log)
		}
		var changes []string
		for _, e := range m.Trace.Since(0) {
			if e.Kind == trace.FirewallChanged {
				changes = append(changes, e.Attrs["change"])
			}
		}
		if want := []string{"started", "reloaded", "remove port 514/tcp"}; len(changes) < 3 || !slices.Equal(changes[:3], want) {
			t.Errorf("trace has %q", changes)
		}
		m.daemon.Stop()
		if err := knock(client, "tcp4", "192.0.2.10:514"); err != nil {
			t.Errorf("without firewalld: %v", err)
		}
	})
}

// TestManyClients has several firewall-cmd at once and a daemon that ends
// while one is connected.
func TestManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := install(t, memnet.New(t), "eth0")
		var running []*host.Process
		for i := range 20 {
			running = append(running, m.Spawn(host.Cmd{Args: []string{"firewall-cmd", fmt.Sprintf("--add-port=%d/tcp", 1000+2*i)}}).Process)
		}
		for _, p := range running {
			if st := m.Wait(p); !st.Success() {
				t.Error(st)
			}
		}
		out, _, _ := m.shell("root", "firewall-cmd --list-ports")
		if n := len(strings.Fields(out)); n != 20 {
			t.Errorf("%d ports: %s", n, out)
		}
		m.Go(nil, func(ctx context.Context, p *host.Proc) int {
			c, err := p.Sys.Dial(ctx, "unix", "/run/firewalld/firewalld.sock")
			if err != nil {
				t.Error(err)
				return 1
			}
			io.WriteString(c, "not json\n{\"Op\":\"add\",\"Kind\":\"port\",\"Args\":[\"x\"]}\n{\"Op\":\"direct\"}\n")
			io.ReadAll(c) // until firewalld closes it
			return 0
		})
		synctest.Wait()
		if st := m.daemon.Stop(); !st.Success() {
			t.Error(st)
		}
	})
}
