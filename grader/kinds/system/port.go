package system

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"enshu/grader/check"
	"enshu/grader/probe"
	"enshu/sim/scenario"
)

// portArgs is a port that a program must listen on.
type portArgs struct {
	Host      scenario.HostName    `lab:"host,required"`
	Listening scenario.Port        `lab:"listening,required"`
	Program   scenario.ProgramName `lab:"program" doc:"Who must listen."`
	Local     bool                 `lab:"local" doc:"It may listen on the loopback address only."`
}

func Port() check.Kind {
	return check.Define(check.Kind{
		Name:     "port",
		Doc:      "A program listens on a port, for other hosts unless local is set.",
		Unwanted: "port-listening",
		Labels: map[string]scenario.Text{
			"port-not-listening":  check.Text("待ち受け", "listening"),
			"port-other-program":  check.Text("プログラム", "program"),
			"port-loopback-only":  check.Text("アドレス", "address"),
			"rsyslog-not-running": check.Text("rsyslogd", "rsyslogd"),
		},
		Advice: append(probe.InputAdvice("port-not-listening"), []check.Advice{
			{
				Link:     "rsyslog-not-running",
				Expected: check.Text("{host} で rsyslog サービスが動いている", "rsyslog runs on {host}"),
				Seen:     check.Text("動いていません（{state}）", "it does not run ({state})"),
				Slip:     check.Text("systemctl start rsyslog で起動します。失敗するときは journalctl -u rsyslog を見てください。", "Start it with systemctl start rsyslog; if that fails, look at journalctl -u rsyslog."),
				Command:  "systemctl status rsyslog",
			},
			{
				Link:     "port-not-listening",
				Expected: check.Text("{host} で{program} が {port} で待ち受けている", "{program} listens on {port} on {host}"),
				Seen:     check.Text("{port} では誰も待ち受けていません", "nobody listens on {port}"),
				Slip:     check.Text("サービスが動いているか、設定を変えたあと再起動したかを確認してください。", "See whether the service runs and was restarted after its configuration changed."),
				Command:  "ss -tulnp",
			},
			{
				Link:     "port-other-program",
				Expected: check.Text("{host} で{program} が {port} で待ち受けている", "{program} listens on {port} on {host}"),
				Seen:     check.Text("待ち受けているのは {programs} です", "it is {programs} who listens there"),
				Slip:     check.Text("先に起動した別のプログラムがポートを使っています。", "Another program took the port first."),
				Command:  "ss -tulnp",
			},
			{
				Link:     "port-loopback-only",
				Expected: check.Text("{host} の {port} がほかのホストからも接続できる", "other hosts can reach {port} on {host}"),
				Seen:     check.Text("ループバックアドレス {address} だけで待ち受けています", "it listens on the loopback address {address} only"),
				Slip:     check.Text("設定で待ち受けるアドレスを絞っていないか確認してください（Postfix なら inet_interfaces）。", "See whether the configuration narrows the address (inet_interfaces for Postfix)."),
				Command:  "ss -tulnp",
			},
			{
				Link:     "port-listening",
				Step:     "port-not-listening",
				Expected: check.Text("{host} の {port} では誰も待ち受けていない", "nobody listens on {port} on {host}"),
				Seen:     check.Text("{programs} が待ち受けています", "{programs} listens there"),
				Slip:     check.Text("設定を変えたあと、サービスを再起動したか確認してください。", "See whether the service was restarted after its configuration changed."),
				Command:  "ss -tulnp",
			},
		}...),
	}, func(a *portArgs) scenario.Text {
		if a.Program == "" {
			return check.Text(fmt.Sprintf("%s が %s で待ち受けている", a.Host, a.Listening), fmt.Sprintf("%s listens on %s", a.Host, a.Listening))
		}
		return check.Text(fmt.Sprintf("%s の %s が %s で待ち受けている", a.Host, a.Program, a.Listening),
			fmt.Sprintf("%s on %s listens on %s", a.Program, a.Host, a.Listening))
	}, runPort)
}

func runPort(ctx context.Context, v *check.View, a *portArgs) check.Verdict {
	return v.Settle(ctx, string(a.Host), func() (check.Verdict, error) { return portNow(ctx, v, a) })
}

func portNow(ctx context.Context, v *check.View, a *portArgs) (check.Verdict, error) {
	host := string(a.Host)
	got := check.Verdict{Params: check.Params{}.With("host", host).With("port", a.Listening.String())}
	got.Params["program"] = check.Text("何か", "something")
	if a.Program != "" {
		got.Params["program"] = check.Text(" "+string(a.Program), string(a.Program))
	}
	all, err := probe.Sockets(ctx, v, host)
	if err != nil {
		return got, err
	}
	here := probe.On(all, a.Listening)
	if len(here) == 0 {
		got.Broken = "port-not-listening"
		if a.Program == "rsyslogd" && !v.Check.Not {
			got.Broken, err = probe.InputLink(ctx, v, host, a.Listening, all, &got)
		}
		return got, err
	}
	got.Walked = append(got.Walked, "port-not-listening")
	var programs []string
	loopback := true
	for i := range here {
		for _, p := range here[i].Programs {
			if !slices.Contains(programs, p) {
				programs = append(programs, p)
			}
		}
		loopback = loopback && here[i].Loopback()
	}
	got.Params.With("programs", strings.Join(programs, ", ")).With("address", here[0].Address)
	if a.Program != "" {
		if !slices.Contains(programs, string(a.Program)) {
			got.Broken = "port-other-program"
			return got, nil
		}
		got.Walked = append(got.Walked, "port-other-program")
	}
	if !a.Local {
		if loopback {
			got.Broken = "port-loopback-only"
			return got, nil
		}
		got.Walked = append(got.Walked, "port-loopback-only")
	}
	return got, nil
}
