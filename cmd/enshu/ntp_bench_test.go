package main

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"enshu/sim/peer"
	"enshu/sim/wire/ntp"
)

// BenchmarkNTP measures answers a second of our chronyd and of the real one in
// one host of a lab, both asked by one program over the loopback interface.
func BenchmarkNTP(b *testing.B) {
	h := newPeerHost(b, "usr/sbin/chronyd")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		b.Fatal(err)
	}
	h.run(string(self), "cat > /root/asker; chmod +x /root/asker; systemctl stop chronyd")
	for name, port := range map[string]string{"ours": "1123", "real": "2123"} {
		h.run("local stratum 1\nallow\ncmdport 0\nbindaddress 127.0.0.1\nuser root\nbindcmdaddress /\npidfile /root/"+name+".pid\nport "+port+"\n",
			"cat > /root/"+name+".conf")
	}
	h.run("", "unset LD_LIBRARY_PATH; chronyd -x -n -f /root/ours.conf < /dev/null > /root/ours.log 2>&1 &")
	h.run("", peer.InHost+"/usr/sbin/chronyd -x -n -f /root/real.conf < /dev/null > /root/real.log 2>&1 &")
	h.run("", "for port in 1123 2123; do until ss -lun | grep -q :$port; do sleep 0.02; done; done")
	rate := map[string]float64{}
	for b.Loop() {
		for name, port := range map[string]string{"ours": "1123", "real": "2123"} {
			var answers float64
			out := h.run("", askerMark+"=127.0.0.1:"+port+" /root/asker")
			if _, err := fmt.Sscan(out, &answers); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
			rate[name] += answers
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rate["ours"]/float64(b.N), "answers/s")
	b.ReportMetric(rate["ours"]/rate["real"], "ours/real(limit:1)")
}

// askerMark in the environment makes the test binary ask a server for the time,
// as often as it answers.
const askerMark = "ENSHU_TEST_ASK"

// askTime keeps requests on their way and prints how many a second were answered.
func askTime(server string) error {
	const (
		window  = 32
		answers = 100000
	)
	conn, err := net.Dial("udp4", server)
	if err != nil {
		return err
	}
	defer conn.Close()
	many := ipv4.NewPacketConn(conn.(*net.UDPConn))
	requests, replies := make([]ipv4.Message, window), make([]ipv4.Message, window)
	for i := range window {
		p := ntp.Packet{Version: 4, Mode: ntp.Client, Poll: 6, Precision: 32, Transmit: 0xc0ffee0112345678 + ntp.Time(i)}
		requests[i].Buffers = [][]byte{p.Append(nil)}
		replies[i].Buffers = [][]byte{make([]byte, 128)}
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := many.WriteBatch(requests, 0); err != nil {
		return err
	}
	began := time.Now()
	for got := 0; got < answers; {
		n, err := many.ReadBatch(replies, 0)
		if err != nil {
			return err
		}
		got += n
		if _, err := many.WriteBatch(requests[:n], 0); err != nil {
			return err
		}
	}
	_, err = fmt.Println(answers / time.Since(began).Seconds())
	return err
}
