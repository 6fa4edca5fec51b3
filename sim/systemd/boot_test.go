package systemd_test

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
	"enshu/sim/systemd/analyze"
	"enshu/sim/systemd/hostnamectl"
	"enshu/sim/systemd/journalctl"
	"enshu/sim/systemd/journald"
	"enshu/sim/systemd/launch"
	"enshu/sim/systemd/pid1"
	"enshu/sim/systemd/systemctl"
	"enshu/sim/wire/syslog"
)

// programs are this package's, and some small ones that units in tests start.
func programs() map[string]host.Program {
	return map[string]host.Program{
		"/usr/lib/systemd/systemd":          pid1.Init,
		"/usr/lib/systemd/systemd-executor": launch.Executor,
		"/usr/lib/systemd/systemd-journald": journald.Daemon,
		"/usr/bin/systemctl":                systemctl.Command,
		"/usr/bin/journalctl":               journalctl.Command,
		"/usr/bin/systemd-cat":              journalctl.Cat,
		"/usr/bin/systemd-analyze":          analyze.Command,
		"/usr/bin/systemd-notify":           systemctl.Notify,
		"/usr/bin/hostnamectl":              hostnamectl.Command,
		"/usr/sbin/service":                 systemctl.Service,
		"/usr/sbin/runlevel":                systemctl.Runlevel,
		"/usr/sbin/shutdown":                systemctl.Command,
		"/usr/sbin/reboot":                  systemctl.Command,
		"/usr/sbin/poweroff":                systemctl.Command,
		"/usr/sbin/halt":                    systemctl.Command,
		"/usr/sbin/telinit":                 systemctl.Command,
		"/usr/bin/sh":                       shell,
		"/usr/bin/sleep":                    sleep,
		"/usr/bin/false":                    func(context.Context, *host.Proc) int { return 1 },
		"/usr/bin/true":                     func(context.Context, *host.Proc) int { return 0 },
		"/usr/bin/kill":                     kill,
		"/usr/sbin/rsyslogd":                daemon,
		"/usr/sbin/chronyd":                 forker,
		"/usr/sbin/sshd":                    daemon,
		"/usr/sbin/crond":                   daemon,
		"/usr/sbin/firewalld":               daemon,
		"/usr/bin/rm":                       rm,
		"/usr/bin/cp":                       cp,
		"/usr/bin/logger":                   logger,
	}
}

// recordedLines are what the daemons of the recordings said when they were up.
var recordedLines = map[string][]struct {
	severity syslog.Severity
	text     string
}{
	"rsyslogd": {
		{syslog.Info, `[origin software="rsyslogd" swVersion="8.2302.0" x-pid="94" x-info="https://www.rsyslog.com"] start`},
		{syslog.Notice, "imjournal: No statefile exists, /var/lib/rsyslog/imjournal.state will be created (ignore if this is first run): No such file or directory [v8.2302.0 try https://www.rsyslog.com/e/2040 ]"},
		{syslog.Notice, "imjournal: journal files changed, reloading...  [v8.2302.0 try https://www.rsyslog.com/e/0 ]"},
	},
	"sshd": {{syslog.Info, "Server listening on 0.0.0.0 port 22."}, {syslog.Info, "Server listening on :: port 22."}},
}

// daemon serves until it is ended, and says when it was told to reload.
func daemon(ctx context.Context, p *host.Proc) int {
	if slices.Contains(p.Args, "-N1") {
		return 1
	}
	p.Catch(1)
	p.Go(func() {
		for {
			if _, err := p.WaitSignal(ctx); err != nil {
				return
			}
			libc.Syslog(p, syslog.Make(syslog.Daemon, syslog.Info), p.Name(), p.PID, "was HUPed")
		}
	})
	if data, err := libc.ReadFile(p, "/etc/"+strings.TrimSuffix(p.Name(), "d")+".conf"); err == nil && strings.Contains(string(data), "nosuch") {
		p.Sleep(ctx, 50*time.Millisecond) // it takes a while to find that out
		return 1
	}
	p.Ready()
	p.Sleep(ctx, 5*time.Millisecond) // until PID 1 has noted that
	for _, line := range recordedLines[p.Name()] {
		libc.Syslog(p, syslog.Make(syslog.Daemon, line.severity), p.Name(), p.PID, line.text)
	}
	p.Sleep(ctx, time.Hour*24*365)
	if p.Name() == "rsyslogd" {
		libc.Syslog(p, syslog.Make(syslog.Daemon, syslog.Info), p.Name(), p.PID, "[origin software=\"rsyslogd\"] exiting on signal 15.")
	}
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
		d := h.Boot("/usr/lib/systemd/systemd")
		if r := h.Run("systemctl", "is-system-running"); r.Stdout != "running\n" || r.Status.Code != 0 {
			t.Errorf("is-system-running: %q %s", r.Stdout, r.Stderr)
		}
		if r := h.Run("systemctl", "is-active", "rsyslog", "chronyd", "sshd", "crond", "systemd-journald", "multi-user.target"); r.Stdout != strings.Repeat("active\n", 6) {
			t.Errorf("is-active: %q", r.Stdout)
		}
		// A daemon that is killed is a failed unit; rsyslog is started again.
		for _, unit := range []string{"crond", "rsyslog"} {
			h.Run("systemctl", "kill", "-s", "KILL", unit)
		}
		time.Sleep(time.Second)
		if r := h.Run("systemctl", "is-active", "crond", "rsyslog"); r.Stdout != "failed\nactive\n" {
			t.Errorf("after kill -9: %q", r.Stdout)
		}
		if r := h.Run("systemctl", "is-system-running"); r.Stdout != "degraded\n" {
			t.Errorf("is-system-running: %q", r.Stdout)
		}
		if r := h.Run("systemctl", "reboot"); r.Status.Code != 0 {
			t.Errorf("reboot: %s", r.Stderr)
		}
		if st := d.End(); st.Code != pid1.ExitReboot {
			t.Errorf("PID 1 ended with %v", st)
		}
	})
}
