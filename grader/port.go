package grader

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"enshu/sim/scenario"
)

// portArgs is a port that a program must listen on.
type portArgs struct {
	Host      scenario.HostName    `lab:"host,required"`
	Listening scenario.Port        `lab:"listening,required"`
	Program   scenario.ProgramName `lab:"program" doc:"Who must listen."`
	Local     bool                 `lab:"local" doc:"It may listen on the loopback address only."`
}

func portKind() kind {
	return define(kind{
		name:     "port",
		doc:      "A program listens on a port, for other hosts unless local is set.",
		unwanted: "port-listening",
		labels: map[string]scenario.Text{
			"port-not-listening":  text("待ち受け", "listening"),
			"port-other-program":  text("プログラム", "program"),
			"port-loopback-only":  text("アドレス", "address"),
			"rsyslog-not-running": text("rsyslogd", "rsyslogd"),
		},
		advice: append(inputAdvice("port-not-listening"), []Advice{
			{
				Link:     "rsyslog-not-running",
				Expected: text("{host} で rsyslog サービスが動いている", "rsyslog runs on {host}"),
				Seen:     text("動いていません（{state}）", "it does not run ({state})"),
				Slip:     text("systemctl start rsyslog で起動します。失敗するときは journalctl -u rsyslog を見てください。", "Start it with systemctl start rsyslog; if that fails, look at journalctl -u rsyslog."),
				Command:  "systemctl status rsyslog",
			},
			{
				Link:     "port-not-listening",
				Expected: text("{host} で{program} が {port} で待ち受けている", "{program} listens on {port} on {host}"),
				Seen:     text("{port} では誰も待ち受けていません", "nobody listens on {port}"),
				Slip:     text("サービスが動いているか、設定を変えたあと再起動したかを確認してください。", "See whether the service runs and was restarted after its configuration changed."),
				Command:  "ss -tulnp",
			},
			{
				Link:     "port-other-program",
				Expected: text("{host} で{program} が {port} で待ち受けている", "{program} listens on {port} on {host}"),
				Seen:     text("待ち受けているのは {programs} です", "it is {programs} who listens there"),
				Slip:     text("先に起動した別のプログラムがポートを使っています。", "Another program took the port first."),
				Command:  "ss -tulnp",
			},
			{
				Link:     "port-loopback-only",
				Expected: text("{host} の {port} がほかのホストからも接続できる", "other hosts can reach {port} on {host}"),
				Seen:     text("ループバックアドレス {address} だけで待ち受けています", "it listens on the loopback address {address} only"),
				Slip:     text("設定で待ち受けるアドレスを絞っていないか確認してください（Postfix なら inet_interfaces）。", "See whether the configuration narrows the address (inet_interfaces for Postfix)."),
				Command:  "ss -tulnp",
			},
			{
				Link:     "port-listening",
				Step:     "port-not-listening",
				Expected: text("{host} の {port} では誰も待ち受けていない", "nobody listens on {port} on {host}"),
				Seen:     text("{programs} が待ち受けています", "{programs} listens there"),
				Slip:     text("設定を変えたあと、サービスを再起動したか確認してください。", "See whether the service was restarted after its configuration changed."),
				Command:  "ss -tulnp",
			},
		}...),
	}, func(a *portArgs) scenario.Text {
		if a.Program == "" {
			return text(fmt.Sprintf("%s が %s で待ち受けている", a.Host, a.Listening), fmt.Sprintf("%s listens on %s", a.Host, a.Listening))
		}
		return text(fmt.Sprintf("%s の %s が %s で待ち受けている", a.Host, a.Program, a.Listening),
			fmt.Sprintf("%s on %s listens on %s", a.Program, a.Host, a.Listening))
	}, runPort)
}

// socket is a listening socket as ss(8) shows it.
type socket struct {
	port     scenario.Port
	address  string // "0.0.0.0", "[::]", "127.0.0.1", "*"
	programs []string
}

// loopback reports whether only the host itself can reach the socket.
func (s *socket) loopback() bool {
	a, _, _ := strings.Cut(strings.Trim(s.address, "[]"), "%")
	ip, err := netip.ParseAddr(a)
	return err == nil && ip.IsLoopback()
}

var ssUser = regexp.MustCompile(`\("([^"]*)",pid=\d+`)

// sockets returns who listens on a host.
func (v *view) sockets(ctx context.Context, host string) ([]socket, error) {
	out, err := v.sh(ctx, host, "ss -H -tulnp")
	if err != nil {
		return nil, err
	}
	if out.Status != 0 {
		return nil, fmt.Errorf("%s: ss: %s", host, clip(out.Stderr))
	}
	return parseSS(out.Stdout), nil
}

// parseSS reads the lines of ss -H -tulnp: transport, state, queues, local
// address, peer address, and who holds the socket.
func parseSS(s string) []socket {
	var all []socket
	for _, l := range lines(s) {
		f := strings.Fields(l)
		if len(f) < 5 {
			continue
		}
		i := strings.LastIndexByte(f[4], ':')
		if i < 0 {
			continue
		}
		n, err := strconv.ParseUint(f[4][i+1:], 10, 16)
		if err != nil {
			continue
		}
		k := socket{port: scenario.Port{Number: uint16(n), Transport: f[0]}, address: f[4][:i]}
		seen := map[string]bool{}
		for _, m := range ssUser.FindAllStringSubmatch(l, -1) {
			if !seen[m[1]] {
				seen[m[1]] = true
				k.programs = append(k.programs, m[1])
			}
		}
		all = append(all, k)
	}
	return all
}

// on returns the sockets on a port.
func on(sockets []socket, p scenario.Port) []socket {
	var out []socket
	for _, s := range sockets {
		if s.port == p {
			out = append(out, s)
		}
	}
	return out
}

func runPort(ctx context.Context, v *view, a *portArgs) verdict {
	var got verdict
	_, err := v.until(ctx, string(a.Host), v.within(0), func() (bool, error) {
		var err error
		got, err = v.portNow(ctx, a)
		return (got.broken == "") != v.check.Not, err
	})
	got.err = err
	return got
}

func (v *view) portNow(ctx context.Context, a *portArgs) (verdict, error) {
	host := string(a.Host)
	got := verdict{params: params{}.with("host", host).with("port", a.Listening.String())}
	got.params["program"] = text("何か", "something")
	if a.Program != "" {
		got.params["program"] = text(" "+string(a.Program), string(a.Program))
	}
	all, err := v.sockets(ctx, host)
	if err != nil {
		return got, err
	}
	here := on(all, a.Listening)
	if len(here) == 0 {
		got.broken = "port-not-listening"
		if a.Program == "rsyslogd" && !v.check.Not {
			got.broken, err = v.inputLink(ctx, host, a.Listening, all, &got)
		}
		return got, err
	}
	got.walked = append(got.walked, "port-not-listening")
	var programs []string
	loopback := true
	for i := range here {
		for _, p := range here[i].programs {
			if !contains(programs, p) {
				programs = append(programs, p)
			}
		}
		loopback = loopback && here[i].loopback()
	}
	got.params.with("programs", strings.Join(programs, ", ")).with("address", here[0].address)
	if a.Program != "" {
		if !contains(programs, string(a.Program)) {
			got.broken = "port-other-program"
			return got, nil
		}
		got.walked = append(got.walked, "port-other-program")
	}
	if !a.Local {
		if loopback {
			got.broken = "port-loopback-only"
			return got, nil
		}
		got.walked = append(got.walked, "port-loopback-only")
	}
	return got, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
