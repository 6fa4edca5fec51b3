package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestWhereLive breaks the road of a message in one place after the other, and
// rotates it away for a week.
func TestWhereLive(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", "udp-and-tcp-forwarding", "--name", u.lab)
		on := func(host, script string) string { return u.enshu(0, "exec", host, "--", "bash", "-c", script) }
		// said sends a message and asks at once: why waits for its readers.
		said := func(text, host, file string) string {
			t.Helper()
			on("client", "logger -p authpriv.info '"+text+"'")
			story := u.enshu(0, "why", text, host+":"+file, "--lang", "en")
			_, verdict, _ := strings.Cut(story, "→ ")
			return verdict
		}
		forward := func(to string) {
			on("client", "echo 'authpriv.* "+to+"' > /etc/rsyslog.d/forward.conf; systemctl restart rsyslog")
		}
		expect := func(verdict, want string) {
			t.Helper()
			if !strings.HasPrefix(verdict, want) {
				t.Errorf("got %q, want %q", verdict, want)
			}
		}
		expect(said("case nowhere", "server", "/var/log/secure"), "No rule of client sends authpriv.info to server.")
		forward("@192.168.0.10")
		expect(said("case filtered", "server", "/var/log/secure"), "The firewall of server did not let the packet to 192.168.0.10:514/udp through.")
		on("server", "firewall-cmd -q --add-port=514/udp --add-port=514/tcp")
		expect(said("case unheard", "server", "/var/log/secure"), "It was sent to 192.168.0.10:514 over udp and no firewall was in the way")
		forward("@@192.168.0.10")
		expect(said("case refused", "server", "/var/log/secure"), "client could not connect to 192.168.0.10:514 over tcp: Connection refused\n  see: on server: ss -lntp")
		forward("@192.168.0.99")
		expect(said("case elsewhere", "server", "/var/log/secure"), "/etc/rsyslog.d/forward.conf:1 of client sends it to 192.168.0.99:514, which is not server.")
		expect(said("case unselected", "client", "/var/log/messages"), "/etc/rsyslog.conf:43 of client would do that, but its selector *.info;mail.none;authpriv.none;cron.none does not match authpriv.info.")
		expect(said("case norule", "client", "/var/log/none"), "It came to client, which has no rule that writes to /var/log/none.")
		expect(said("case kept", "client", "/var/log/secure"), "It is in /var/log/secure on client, by /etc/rsyslog.conf:46.")
		on("client", "systemctl stop rsyslog; logger -p authpriv.info stopped")
		_, verdict, _ := strings.Cut(u.enshu(0, "why", "why is it not in /var/log/secure on client", "--lang", "en"), "→ ")
		expect(verdict, "rsyslogd of client did not take it")
		on("client", "systemctl start rsyslog")

		// More than a daemon lets through: journald, imjournal, imuxsock.
		on("client", "mkdir /etc/systemd/journald.conf.d; printf '[Journal]\nRateLimitBurst=1\n' > /etc/systemd/journald.conf.d/r.conf; systemctl restart systemd-journald; "+
			"printf 'limit %d\n' {1..60} | systemd-cat -t flood")
		expect(said("limit 60", "client", "/var/log/messages"), "systemd-journald of client threw it away before any rule: rate limit of user-0.slice, 1 in 30s")
		on("client", "rm -r /etc/systemd/journald.conf.d; systemctl restart systemd-journald; sed -i 's/StateFile=\"imjournal.state\"/& Ratelimit.Burst=\"1\" Ratelimit.Interval=\"600\"/' /etc/rsyslog.conf; systemctl reset-failed rsyslog; systemctl restart rsyslog; logger burst")
		expect(said("over imjournal", "client", "/var/log/messages"), "rsyslogd of client threw it away before any rule: imjournal: rate limit, 1 in 600 s")
		on("client", "echo 'input(type=\"imuxsock\" Socket=\"/tmp/log\" RateLimit.Interval=\"600\" RateLimit.Burst=\"1\")' >> /etc/rsyslog.conf; systemctl reset-failed rsyslog; systemctl restart rsyslog; "+
			"printf 'ux %d\n' {1..9} | logger -u /tmp/log")
		_, verdict, _ = strings.Cut(u.enshu(0, "why", "ux 9", "client:/var/log/messages", "--lang", "en"), "→ ")
		expect(verdict, "rsyslogd of client threw it away before any rule: imuxsock[pid: ")

		if u.uid != os.Getuid() {
			return // a week takes its time, and goes by alike for all users
		}
		u.enshu(0, "clock", "advance", "8d")
		logs := on("client", "ls /var/log")
		if n := len(regexp.MustCompile(`(?m)^secure-\d{8}$`).FindAllString(logs, -1)); n != 1 {
			t.Errorf("after a week there are %d old logs:\n%s", n, logs)
		}
		_, verdict, _ = strings.Cut(u.enshu(0, "why", "case kept", "client:/var/log/secure", "--lang", "en"), "→ ")
		expect(verdict, "It was in /var/log/secure on client, which was rotated to /var/log/secure-")
	})
}
