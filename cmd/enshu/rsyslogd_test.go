package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enshu/sim/peer"
)

// peerHost is a host of a lab that has real programs below peer.InHost.
type peerHost struct {
	t    testing.TB
	user *user
	name string
}

// newPeerHost starts the lab of one host that has the real programs.
func newPeerHost(t testing.TB, files ...string) *peerHost {
	return newPeerLab(t, "rsyslogd", "server", files...)
}

// newPeerLab starts a lab of testdata and puts the real programs into one of its
// hosts.
func newPeerLab(t testing.TB, name, on string, files ...string) *peerHost {
	home := t.TempDir()
	u := &user{home: home, uid: os.Getuid(), lab: fmt.Sprintf("test-%s-%d", name, os.Getpid())}
	h := &peerHost{t, u, on}
	lab, err := filepath.Abs("testdata/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := u.command(nil, "start", lab, "--name", u.lab).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { u.command(nil, "finish").Run() })
	var tar bytes.Buffer
	peer.Tar(t, &tar, files...)
	h.run(tar.String(), "mkdir -p "+peer.InHost+" && tar -x -C "+peer.InHost)
	return h
}

// at is another host of the lab.
func (h *peerHost) at(name string) *peerHost { return &peerHost{h.t, h.user, name} }

// run runs a script in the host and returns what it printed.
func (h *peerHost) run(stdin, script string) string {
	h.t.Helper()
	c := h.user.command(strings.NewReader(stdin), "exec", h.name, "--", "env")
	c.Args = append(append(c.Args, peer.Env(peer.InHost)...), "bash", "-c", script)
	out, err := c.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// rsyslogdFiles are the real rsyslogd and logger.
var rsyslogdFiles = []string{"usr/sbin/rsyslogd", "usr/bin/logger", "usr/lib/*/rsyslog", "usr/lib/*/libestr*", "usr/lib/*/libfastjson*"}

// startReal starts the real rsyslogd with the rules on its standard input.
const startReal = "cat > /root/real.conf; " + peer.InHost + "/usr/sbin/rsyslogd -n -f /root/real.conf -i /root/real.pid -M $(echo " + peer.InHost + "/usr/lib/*/rsyslog) < /dev/null > /dev/null 2> /root/real.err &"

// The real rsyslogd and logger talk to ours, and ours to the real ones: by UDP,
// by TCP with lines and with octet counts, by the socket, in both formats; and what
// they do with a full disk is the same.
func TestRealRsyslogd(t *testing.T) {
	h := newPeerHost(t, rsyslogdFiles...)
	h.run(`module(load="imuxsock")
module(load="imudp")
input(type="imudp" port="514")
module(load="imtcp")
input(type="imtcp" port="514")
local0.* @127.0.0.1:1601
local1.* @@127.0.0.1:1601
local2.* @@(o)127.0.0.1:1601
$template Plain,"%syslogfacility-text% %syslogtag%%msg%\n"
local4,local5,local6.* /var/log/from-real;Plain
user.* /var/log/from-logger;Plain
`, "cat > /etc/rsyslog.d/peer.conf && systemctl restart rsyslog")
	h.run(`module(load="imudp")
input(type="imudp" port="1601")
module(load="imtcp")
input(type="imtcp" port="1601")
$template Plain,"%syslogfacility-text% %syslogtag%%msg%\n"
local4.* @127.0.0.1:514
local5.* @@127.0.0.1:514
local6.* @@(o)127.0.0.1:514
local0,local1,local2.* /var/log/from-ours;Plain
`, startReal)
	// Each line is waited for before the next is sent, and told by the file.
	out := h.run("", `
arrives() { for i in $(seq 500); do grep -qs "$2" /var/log/$1 && return; sleep 0.02; done; echo "$1 has no line like: $2"; cat /var/log/$1; }
until ss -ltn | grep -q :1601; do sleep 0.02; done
logger -p local0.info -t a "by udp"; arrives from-ours "local0 a: by udp"
logger -p local1.info -t a "by tcp"; arrives from-ours "local1 a: by tcp"
logger -p local2.info -t a "by octets"; arrives from-ours "local2 a: by octets"
logger -n 127.0.0.1 -P 1601 -d -p local4.info -t b "udp back"; arrives from-real "local4 b.*udp back"
logger -n 127.0.0.1 -P 1601 -d -p local5.info -t b "tcp back"; arrives from-real "local5 b.*tcp back"
logger -n 127.0.0.1 -P 1601 -d -p local6.info -t b "octets back"; arrives from-real "local6 b.*octets back"
real=`+peer.InHost+`/usr/bin/logger
$real -t c "socket"; arrives from-logger "user c: socket"
$real -n 127.0.0.1 -P 514 -d -t c "datagram"; arrives from-logger "user c.*datagram"
$real -n 127.0.0.1 -P 514 -T -t c "stream"; arrives from-logger "user c.*stream"
$real -n 127.0.0.1 -P 514 -T --rfc5424 -t c --msgid M "new form"; arrives from-logger "user c.*new form"
$real -n 127.0.0.1 -P 514 -T --octet-count -t c "counted"; arrives from-logger "user c.*counted"
$real -n 127.0.0.1 -P 514 -d --rfc3164 -t c "old form"; arrives from-logger "user c.*old form"
kill $(cat /root/real.pid)
`)
	if out != "" {
		t.Error(out)
	}
	t.Run("full disk", h.fullDisk)
}

// fullDisk is a disk that is full and then is not, under a log of ours and one
// of the real rsyslogd: both tell what they lose, and go on once there is room.
func (h *peerHost) fullDisk(t *testing.T) {
	const rules = `module(load="imudp")
input(type="imudp" port="PORT")
$template Plain,"%syslogtag%%msg%\n"
local3.* /mnt/small/WHO;Plain
local3.* /var/log/WHO.all;Plain
`
	h.run("module(load=\"imuxsock\")\n"+strings.NewReplacer("PORT", "514", "WHO", "ours").Replace(rules),
		"set -e; unset LD_LIBRARY_PATH; mkdir -p /mnt/small && mount -t tmpfs -o size=8k tmpfs /mnt/small && head -c 8192 /dev/zero > /mnt/small/fill; cat > /etc/rsyslog.d/peer.conf && systemctl restart rsyslog")
	h.run(strings.NewReplacer("PORT", "1601", "WHO", "real").Replace(rules), "while [ -e /root/real.pid ]; do sleep 0.02; done; "+startReal)
	out := h.run("", `
arrives() { for i in $(seq 500); do grep -qs "$2" $1 && return; sleep 0.02; done; echo "$1 has no line like: $2"; }
until ss -lun | grep -q :1601; do sleep 0.02; done
both() { logger -n 127.0.0.1 -P 514 -d -p local3.info -t a $1; logger -n 127.0.0.1 -P 1601 -d -p local3.info -t a $1; }
both lost; arrives /var/log/ours.all lost; arrives /var/log/real.all lost
arrives /var/log/messages "/mnt/small/ours'.* write error .* No space left on device"; arrives /root/real.err "/mnt/small/real'.* write error .* No space left on device"
rm /mnt/small/fill
both kept; arrives /mnt/small/ours kept; arrives /mnt/small/real kept
diff /mnt/small/ours /mnt/small/real
kill $(cat /root/real.pid)
`)
	if out != "" {
		t.Error(out)
	}
}

//go:embed testdata/ingest.py
var ingest string

// BenchmarkIngest measures messages of 200 octets from another process into a
// file through the default rules, and the same with the real rsyslogd. By TCP
// none may be lost.
func BenchmarkIngest(b *testing.B) {
	h := newPeerHost(b, rsyslogdFiles...)
	h.run(ingest, "cat > /root/ingest.py; systemctl stop rsyslog")
	for _, over := range []string{"tcp", "udp"} {
		b.Run(over, func(b *testing.B) {
			rate := map[string]float64{}
			for b.Loop() {
				for _, who := range []string{"ours", "real"} {
					var got, sent int
					var seconds float64
					out := h.run("", "python3 /root/ingest.py "+who+" "+over+" 100000 "+peer.InHost)
					if _, err := fmt.Sscan(out, &got, &sent, &seconds); err != nil {
						b.Fatalf("%v: %s", err, out)
					}
					if over == "tcp" && got != sent {
						b.Errorf("%s: %d of %d messages", who, got, sent)
					}
					rate[who] += float64(got) / seconds
				}
			}
			b.ReportMetric(rate["ours"]/float64(b.N), "msgs/s")
			b.ReportMetric(rate["ours"]/rate["real"], "ours/real")
		})
	}
}
