package systemd_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// mounter stands in for mount(8), of which memnet has no kernel: it notes what it is
// asked for, and refuses a device that is not there.
func mounter(_ context.Context, p *host.Proc) int {
	what := p.Args[1]
	if strings.HasPrefix(what, "/dev/") && !libc.Exists(p, what) {
		fmt.Fprintf(p.Stderr, "mount: %s: special device %s does not exist.\n", p.Args[2], what)
		return 32
	}
	return note(p)
}

// unmounter stands in for umount(8), for which some directories are busy.
func unmounter(_ context.Context, p *host.Proc) int {
	if strings.HasSuffix(p.Args[1], "busy") {
		fmt.Fprintf(p.Stderr, "umount: %s: target is busy.\n", p.Args[1])
		return 32
	}
	return note(p)
}

func note(p *host.Proc) int {
	if libc.AppendFile(p, "/var/log/mounts", []byte(strings.Join(p.Args, " ")+"\n"), 0o644) != nil {
		return 1
	}
	return 0
}

// TestMountUnits: mount units mount and unmount, and say what kept them from it.
func TestMountUnits(t *testing.T) {
	units := map[string]string{
		"srv-data": "[Unit]\nDescription=Data\n[Mount]\nWhat=tmpfs\nWhere=/srv/data\nType=tmpfs\nOptions=size=1M\n",
		"srv-none": "[Mount]\nWhat=/dev/nosuch\nWhere=/srv/none\n",
		"srv-busy": "[Mount]\nWhat=tmpfs\nType=tmpfs\n",
		"srv-here": "[Mount]\nWhat=tmpfs\nWhere=/srv/there\n",
		"srv-what": "[Mount]\nWhere=/srv/what\n",
	}
	const badSetting = "Failed to start %[1]s: Unit %[1]s has a bad unit file setting.\nSee system logs and 'systemctl status %[1]s' for details.\n"
	const failed = "Job failed. See \"journalctl -xe\" for details.\n"
	steps := []struct{ run, stdout, stderr string }{
		{"systemctl start srv-data.mount", "", ""},
		{"systemctl show srv-data.mount -p Where -p What -p Options -p Type -p SubState -p Result", "Where=/srv/data\nWhat=tmpfs\nOptions=size=1M\nType=tmpfs\nResult=success\nSubState=mounted\n", ""},
		{"systemctl stop srv-data.mount", "", ""},
		{"systemctl is-active srv-data.mount", "inactive\n", ""},
		{"journalctl -q -o cat -u srv-data.mount", "Mounting Data...\nMounted Data.\nUnmounting Data...\nsrv-data.mount: Deactivated successfully.\nUnmounted Data.\n", ""},
		{"systemctl start srv-none.mount", "", failed},
		{"systemctl is-failed srv-none.mount", "failed\n", ""},
		{"journalctl -q -o cat -u srv-none.mount", "Mounting /srv/none...\nmount: /srv/none: special device /dev/nosuch does not exist.\n" +
			"srv-none.mount: Mount process exited, code=exited, status=32/n/a\nsrv-none.mount: Failed with result 'exit-code'.\nFailed to mount /srv/none.\n", ""},
		{"systemctl start srv-busy.mount", "", ""},
		{"systemctl stop srv-busy.mount", "", failed},
		{"systemctl is-active srv-busy.mount", "active\n", ""},
		{"systemctl start srv-here.mount", "", fmt.Sprintf(badSetting, "srv-here.mount")},
		{"systemctl start srv-what.mount", "", fmt.Sprintf(badSetting, "srv-what.mount")},
	}
	synctest.Test(t, func(t *testing.T) {
		h := machine(t)
		h.Boot("/usr/lib/systemd/systemd")
		time.Sleep(500 * time.Millisecond)
		for name, text := range units {
			h.WriteFile("/etc/systemd/system/"+name+".mount", text)
		}
		for _, s := range steps {
			r := h.Run(strings.Fields(s.run)...)
			time.Sleep(100 * time.Millisecond)
			if r.Stdout != s.stdout || r.Stderr != s.stderr {
				t.Errorf("%s:\n%q %q, want\n%q %q", s.run, r.Stdout, r.Stderr, s.stdout, s.stderr)
			}
		}
		if got, want := h.ReadFile("/var/log/mounts"), "/bin/mount tmpfs /srv/data -t tmpfs -o size=1M\n/bin/umount /srv/data -c\n/bin/mount tmpfs /srv/busy -t tmpfs\n"; got != want {
			t.Errorf("mounted:\n%s, want\n%s", got, want)
		}
	})
}
