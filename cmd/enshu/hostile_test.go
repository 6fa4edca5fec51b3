package main

import (
	"strings"
	"testing"
)

// TestRootOfAHostStaysInside has root of a host try to get at the machine, the
// lab process and the other host. Each script prints what it got; want is what
// it must print.
func TestRootOfAHostStaysInside(t *testing.T) {
	tries := []struct{ name, script, want string }{
		{"sees no process but its host's", `for p in /proc/[0-9]*; do [ "$(readlink $p/root)" = / ] || echo "$p"; done; pgrep -c enshu`, "0\n"},
		{"sees no control socket of the lab", `grep -c @enshu /proc/net/unix`, "0\n"},
		{"makes no device nodes", `mknod /tmp/disk b 8 0 2>/dev/null || mknod /dev/mem c 1 1 2>/dev/null || echo refused`, "refused\n"},
		{"changes nothing of the kernel's", `for f in kernel/panic kernel/core_pattern kernel/modprobe kernel/sysrq vm/drop_caches fs/suid_dumpable; do
			( echo 1 >/proc/sys/$f ) 2>/dev/null && echo "$f"; done; ( echo b >/proc/sysrq-trigger ) 2>/dev/null && echo sysrq; echo done`, "done\n"},
		{"writes nothing to sysfs", `mount -o remount,rw /sys 2>/dev/null; mount -o remount,bind,rw /sys 2>/dev/null
			for f in $(find /sys/kernel /sys/class/net /sys/block -maxdepth 2 -type f -perm -200 2>/dev/null | head -200); do ( : >>$f ) 2>/dev/null && echo "$f"; done; echo done`, "done\n"},
		{"does not set the machine's clock", `perl -e 'my $five = pack("qq", 5, 0); syscall(227, 0, $five) == 0 and print "set "; print "done\n"'`, "done\n"},
		{"does not get out of its root", `perl -e 'mkdir "/tmp/jail"; opendir D, "/"; chroot "/tmp/jail"; chdir D; chdir ".." for 1..99; chroot "."; print -e "/usr/libexec/enshu" ? "inside\n" : "outside\n"'`, "inside\n"},
		{"does not write the program that it runs", `( : >>/proc/1/exe ) 2>/dev/null && echo written; ( : >>/usr/libexec/enshu/usr/bin/logger ) 2>/dev/null; cmp -s /proc/1/exe /proc/self/exe; echo done`, "done\n"},
		{"does not make its disk larger", `mount -o remount,size=10g / 2>/dev/null; head -c 200M /dev/zero >/tmp/big 2>/dev/null; [ "$(stat -c %s /tmp/big)" -lt 70000000 ] && echo full; rm /tmp/big`, "full\n"},
		{"does not raise its limits", `ulimit -Hu unlimited 2>/dev/null && echo pids; ulimit -Hd unlimited 2>/dev/null && echo memory; echo done`, "done\n"},
		{"is refused more memory than it has", `head -c 2G /dev/zero | tail 2>&1 >/dev/null | grep -c -i memory`, "1\n"},
		{"does not load modules", `perl -e 'syscall(175, 0, 0, 0) == 0 and print "loaded "; print "done\n"'`, "done\n"},
		{"reaches no other network", `ip route add default dev eth0 2>/dev/null; timeout 1 bash -c 'echo >/dev/tcp/192.0.2.1/80' 2>/dev/null && echo out; ip route del default dev eth0 2>/dev/null; echo done`, "done\n"},
		{"cannot kill its PID 1, nor the lab", `kill -9 1; kill -0 1 && echo alive`, "alive\n"},
	}
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab)
		for _, try := range tries {
			c := u.command(nil, "exec", "server", "--", "bash", "-c", try.script)
			out, _ := c.CombinedOutput()
			if got := string(out); got != try.want {
				t.Errorf("root of a host %s: got %q, want %q", try.name, got, try.want)
			}
		}
		u.enshu(0, "exec", "client", "--", "true")
		u.enshu(0, "finish")
	})
}

// TestHostThatIsWrecked does its worst to one host. The other one and the lab go
// on, checks still say something, and reset mends it.
func TestHostThatIsWrecked(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab)
		for name, script := range map[string]string{
			"fork bomb":           `bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1`,
			"kill of all":         `kill -9 -1`,
			"full disk":           `head -c 200M /dev/zero >/var/log/messages; head -c 200M /dev/zero >/tmp/big; true`,
			"no file to be found": `rm -rf --one-file-system /etc /var /root 2>/dev/null; true`,
			"fifos":               `for f in /var/log/messages /etc/passwd /etc/group /etc/rsyslog.conf /run/utmp; do rm -f $f; mkfifo $f; done`,
			"links to devices":    `for f in /var/log/messages /etc/passwd /etc/group /run/utmp; do rm -f $f; ln -s /dev/zero $f; done`,
			"links in a circle":   `for f in /var/log/messages /etc/passwd /etc/rsyslog.conf; do rm -f $f; ln -s $f $f; done`,
			"no door to the lab":  `umount /run/enshu; true`,
		} {
			u.command(nil, "exec", "server", "--", "bash", "-c", script).Run()
			u.enshu(0, "exec", "client", "--", "true")
			c := u.command(nil, "--lang", "en", "check", "receive")
			if out, _ := c.CombinedOutput(); c.ProcessState.ExitCode() == 0 || !strings.Contains(string(out), "server takes logs") {
				t.Errorf("%s: check: exit status %d: %s", name, c.ProcessState.ExitCode(), out)
			}
			u.enshu(0, "reset", "server")
			if out := u.enshu(0, "exec", "server", "--", "systemctl", "is-active", "rsyslog"); out != "active\n" {
				t.Errorf("%s: after the reset rsyslog is %s", name, out)
			}
		}
		u.enshu(0, "finish")
	})
}

// TestFloodOfOutput takes in more than any buffer holds.
func TestFloodOfOutput(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab)
		if out := u.enshu(0, "exec", "server", "--", "bash", "-c", "yes | head -c 30000000"); len(out) != 30000000 {
			t.Errorf("%d bytes came", len(out))
		}
		u.command(nil, "exec", "server", "--", "bash", "-c", "head -c 3000000 /dev/urandom | base64 | logger -t flood; true").Run()
		u.enshu(0, "exec", "client", "--", "true")
		u.enshu(0, "finish")
	})
}
