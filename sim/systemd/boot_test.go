package systemd_test

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
	"enshu/sim/systemd"
	"enshu/sim/wire/syslog"
)

// programs are this package's, and some small ones that units in tests start.
func programs() map[string]host.Program {
	return map[string]host.Program{
		"/usr/lib/systemd/systemd":          systemd.Init,
		"/usr/lib/systemd/systemd-executor": systemd.Executor,
		"/usr/lib/systemd/systemd-journald": systemd.Journald,
		"/usr/bin/systemctl":                systemd.Systemctl,
		"/usr/bin/journalctl":               systemd.Journalctl,
		"/usr/bin/systemd-cat":              systemd.SystemdCat,
		"/usr/bin/hostnamectl":              systemd.Hostnamectl,
		"/usr/sbin/service":                 systemd.Service,
		"/usr/sbin/runlevel":                systemd.Runlevel,
		"/bin/sh":                           shell,
		"/bin/sleep":                        sleep,
		"/bin/false":                        func(context.Context, *host.Proc) int { return 1 },
		"/bin/true":                         func(context.Context, *host.Proc) int { return 0 },
		"/usr/bin/kill":                     kill,
		"/usr/sbin/rsyslogd":                daemon,
		"/usr/sbin/chronyd":                 forker,
		"/usr/sbin/sshd":                    daemon,
		"/usr/sbin/crond":                   daemon,
		"/usr/sbin/firewalld":               daemon,
		"/usr/bin/logger":                   logger,
	}
}

// daemon serves until it is ended, and says when it was told to reload.
func daemon(ctx context.Context, p *host.Proc) int {
	p.Catch(1)
	p.Go(func() {
		for {
			if _, err := p.WaitSignal(ctx); err != nil {
				return
			}
			libc.Syslog(p, syslog.Make(syslog.Daemon, syslog.Info), p.Name(), p.PID, "was HUPed")
		}
	})
	if data, err := libc.ReadFile(p, "/etc/"+p.Name()+".conf"); err == nil && strings.Contains(string(data), "bad") {
		return 1
	}
	libc.Syslog(p, syslog.Make(syslog.Daemon, syslog.Info), p.Name(), p.PID, "start")
	p.Ready()
	p.Sleep(ctx, time.Hour*24*365)
	libc.Syslog(p, syslog.Make(syslog.Daemon, syslog.Info), p.Name(), p.PID, "exiting on signal 15.")
	return 0
}

// machine is a host that has systemd's files and some services.
func machine(t *testing.T) *memnet.Host {
	t.Helper()
	n := memnet.New(t)
	h := n.Host(t, memnet.Config{Name: "server1", Addrs: []string{"192.0.2.1/24"}, Programs: programs(), Seed: 1})
	for _, dir := range []string{"../distro/files/systemd", "testdata/host"} {
		files := os.DirFS(dir)
		err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := fs.ReadFile(files, name)
			if err != nil {
				return err
			}
			h.MkdirAll("/"+name[:strings.LastIndexByte(name, '/')], 0o755)
			h.WriteFile("/"+name, string(data))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	h.MkdirAll("/etc/systemd/system", 0o755)
	h.Symlink("/usr/lib/systemd/system/multi-user.target", "/etc/systemd/system/default.target")
	h.WriteFile("/etc/hostname", "server1\n")
	h.WriteFile("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
	h.WriteFile("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nusera:x:1001:1002::/home/usera:/bin/bash\n")
	h.WriteFile("/etc/group", "root:x:0:\nusera:x:1002:\nsystemd-journal:x:190:\n")
	return h
}

func TestBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := machine(t)
		h.Boot("/usr/lib/systemd/systemd")
		r := h.Run("systemctl", "status", "rsyslog")
		t.Logf("%s%s%v", r.Stdout, r.Stderr, r.Status)
		r = h.Run("journalctl", "--no-pager")
		t.Logf("%s%s%v", r.Stdout, r.Stderr, r.Status)
		r = h.Run("systemctl")
		t.Logf("%s%s%v", r.Stdout, r.Stderr, r.Status)
	})
}
