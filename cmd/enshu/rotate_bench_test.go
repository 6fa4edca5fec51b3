package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"enshu/sim/peer"
)

// BenchmarkRotate rotates a thousand logs three times with our logrotate and
// with the real one, in the same host by the same shell: with the settings of
// /etc/logrotate.conf, with numbers instead of dates, and compressed.
func BenchmarkRotate(b *testing.B) {
	u := bench(b)
	u.enshu(0, "start", u.file("three.yaml"), "--name", u.lab)
	var tar bytes.Buffer
	peer.Tar(b, &tar, "usr/sbin/logrotate", "usr/lib/*/libpopt*")
	unpack := u.command(strings.NewReader(tar.String()), "exec", "h1", "--", "sh", "-c", "mkdir -p "+peer.InHost+" && tar -x -C "+peer.InHost)
	if out, err := unpack.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	// The clock stands for the shell's, in microseconds; each turn has a suffix of its own.
	script := `
mkdir -p /bench; cd /bench
turn() {
	rm -rf logs; mkdir logs
	for i in {1..1000}; do echo line $i > logs/$i.log; done
	t=${EPOCHREALTIME/./}
	for i in 1 2 3; do
		printf '/bench/logs/*.log {\nrotate 4\ncreate\n%b\ndateformat -%%Y-'$i'\n}\n' "$2" > conf
		"$@" -f -s status conf || exit
	done
	echo $((${EPOCHREALTIME/./} - t))
}
`
	script = strings.Replace(script, `"$@"`, `env $1`, 1) +
		`turn /usr/sbin/logrotate "$1"; turn "` + strings.Join(peer.Env(peer.InHost), " ") + " " + peer.InHost + `/usr/sbin/logrotate" "$1"`
	settings := []struct{ name, conf string }{{"default", "dateext"}, {"numbers", "nodateext"}, {"compressed", `dateext\ncompress`}}
	ratios := make([]float64, len(settings))
	n := 0.0
	for b.Loop() {
		n++
		for i, s := range settings {
			var ours, real float64
			if out := u.enshu(0, "exec", "h1", "--", "bash", "-c", script, "bash", s.conf); scan(out, &ours, &real) != nil {
				b.Fatalf("%s: %s", s.name, out)
			}
			ratios[i] += ours / real
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, s := range settings {
		b.ReportMetric(ratios[i]/n, s.name+"-of-real-logrotate(limit:1)")
	}
}

func scan(text string, values ...any) error {
	_, err := fmt.Sscan(text, values...)
	return err
}
