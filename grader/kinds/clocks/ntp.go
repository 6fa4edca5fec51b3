package clocks

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"enshu/grader/check"
	"enshu/grader/probe"
	"enshu/sim/scenario"
)

// ntpArgs is what chronyd of a host must do as a client or as a server.
type ntpArgs struct {
	Host     scenario.HostName `lab:"host,required"`
	Source   scenario.HostName `lab:"source" doc:"The host that must be the selected source."`
	Rejected scenario.HostName `lab:"rejected" doc:"A host that must be a source and be found a falseticker, by a majority that is followed."`
	Stratum  int               `lab:"stratum" doc:"The stratum that the host must have."`
	Serves   scenario.HostName `lab:"serves" doc:"A host that must get time from it."`
	Refuses  scenario.HostName `lab:"refuses" doc:"A host that must not get time from it."`
	Unsynced bool              `lab:"unsynced" doc:"It must not be synchronised."`
}

// Check refuses a check without an expectation.
func (a *ntpArgs) Check(report func(key, format string, args ...any)) {
	if a.Source == "" && a.Rejected == "" && a.Stratum == 0 && a.Serves == "" && a.Refuses == "" && !a.Unsynced {
		report("", "ntp: the check expects nothing, it would always pass; add source, rejected, stratum, serves, refuses or unsynced")
	}
	if a.Stratum < 0 || a.Stratum > 15 {
		report("stratum", "stratum: from 1 to 15, not %d", a.Stratum)
	}
}

func NTP() check.Kind {
	return check.Define(check.Kind{
		Name:     "ntp",
		Doc:      "chronyd of a host: the source it follows, its stratum, and whom it gives time to.",
		Unwanted: "ntp-holds",
		Labels: map[string]scenario.Text{
			"chronyd-not-running": check.Text("chronyd", "chronyd"),
			"ntp-source-missing":  check.Text("設定", "configured"),
			"ntp-unreachable":     check.Text("到達", "reached"),
			"ntp-not-selected":    check.Text("選択", "selected"),
			"ntp-stratum":         check.Text("ストラタム", "stratum"),
			"ntp-not-serving":     check.Text("応答", "serves"),
			"filter":              check.Text("ファイアウォール", "firewall"),
			"ntp-server-stopped":  check.Text("サーバーの chronyd", "server's chronyd"),
			"ntp-synced":          check.Text("非同期", "not synchronised"),
		},
		Advice: append(append(chronyAdvice(), probe.FirewallAdvice("filter")...), []check.Advice{
			{
				Link:     "ntp-source-missing",
				Expected: check.Text("{host} の chronyd が {source}（{address}）を同期元にしている", "chronyd on {host} has {source} ({address}) as a source"),
				Seen:     check.Text("同期元: {sources}", "its sources are {sources}"),
				Slip:     check.Text("/etc/chrony.conf に「server {address} iburst」と書き、chronyd を再起動します。", "Write “server {address} iburst” into /etc/chrony.conf and restart chronyd."),
				Command:  "chronyc sources",
			},
			{
				Link:     "ntp-server-stopped",
				Expected: check.Text("{host} で chronyd が動いている", "chronyd runs on {host}"),
				Seen:     check.Text("動いていません（{state}）", "it does not run ({state})"),
				Slip:     check.Text("systemctl start chronyd で起動します。", "Start it with systemctl start chronyd."),
				Command:  "systemctl status chronyd",
			},
			{
				Link:     "ntp-not-allowed",
				Step:     "ntp-not-serving",
				Expected: check.Text("{host} の chronyd が {client} に時刻を配る", "chronyd on {host} serves {client}"),
				Seen:     check.Text("allow がないか、{client} のアドレスを含みません", "there is no allow, or it does not include {client}"),
				Slip:     check.Text("/etc/chrony.conf に「allow サブネット」と書き、chronyd を再起動します。", "Write “allow SUBNET” into /etc/chrony.conf and restart chronyd."),
				Command:  "chronyc accheck {address}",
			},
			{
				Link:     "ntp-unreachable",
				Expected: check.Text("{host} に {source}（{address}）の応答が届く", "{host} gets answers from {source} ({address})"),
				Seen:     check.Text("一度も届いていません（Reach 0）", "it never got one (reach 0)"),
				Slip:     check.Text("サーバー側の allow とファイアウォール（ntp サービス）を確認してください。", "Look at allow and the firewall (service ntp) on the server."),
				Command:  "chronyc sources",
			},
			{
				Link:     "ntp-between-polls",
				Step:     "ntp-unreachable",
				Expected: check.Text("{host} に {source}（{address}）の応答が届く", "{host} gets answers from {source} ({address})"),
				Seen: check.Text("{source} は応答できる状態ですが、chronyd が次に問い合わせるのはまだ先です（{poll} 秒ごと）",
					"{source} would answer now, but chronyd has not asked again (it does every {poll} s)"),
				Slip:    check.Text("chronyd を再起動するか、chronyc burst 2/4 ですぐに問い合わせます。", "Restart chronyd, or have it ask at once with chronyc burst 2/4."),
				Command: "chronyc sources",
			},
			{
				Link:     "ntp-not-selected",
				Expected: check.Text("{host} の chronyd が {source} を選んでいる（^*）", "chronyd on {host} has selected {source} (^*)"),
				Seen:     check.Text("{source} の状態は ^{mark} です", "{source} is marked ^{mark}"),
				Slip:     check.Text("^? は未使用、^x は他と食い違う（falseticker）、^- は選外です。", "^? is not usable, ^x disagrees with the others (falseticker), ^- was not chosen."),
				Command:  "chronyc sources",
			},
			{
				Link:     "ntp-not-rejected",
				Step:     "ntp-not-selected",
				Expected: check.Text("{host} の chronyd が {source} だけを偽と判定し（^x）、ほかを選ぶ（^*）", "chronyd on {host} finds {source} false (^x) and follows another (^*)"),
				Seen:     check.Text("{source} の状態は ^{mark}、選ばれた同期元は {selected} です", "{source} is marked ^{mark}, the selected source is {selected}"),
				Slip:     check.Text("正しいサーバーが過半数になるように、同期元を 3 台以上にします。", "It takes at least three sources, most of them right, to find the false one."),
				Command:  "chronyc sources",
			},
			{
				Link:     "ntp-stratum",
				Expected: check.Text("{host} のストラタムが {want}", "{host} has stratum {want}"),
				Seen:     check.Text("ストラタムは {stratum} です", "its stratum is {stratum}"),
				Slip:     check.Text("ストラタムは同期元のストラタムに 1 を足した値です。", "The stratum is that of the source plus one."),
				Command:  "chronyc tracking",
			},
			{
				Link:     "ntp-not-serving",
				Expected: check.Text("{client} が {host} から時刻を得られる", "{client} gets time from {host}"),
				Seen:     check.Text("応答がありません", "there is no answer"),
				Slip:     check.Text("allow、ファイアウォール、{host} 自身が同期しているかを確認してください。", "Look at allow, at the firewall, and whether {host} is synchronised itself."),
				Command:  "chronyc tracking; ss -ulnp",
			},
			{
				Link:     "ntp-serving",
				Step:     "ntp-not-serving",
				Expected: check.Text("{client} が {host} から時刻を得られない", "{client} gets no time from {host}"),
				Seen:     check.Text("得られました", "it does"),
				Slip:     check.Text("allow のサブネットを必要な範囲だけにします。", "Narrow the subnet of allow to what is needed."),
				Command:  "chronyc accheck {address}",
			},
			{
				Link:     "ntp-synced",
				Expected: check.Text("{host} が同期していない", "{host} is not synchronised"),
				Seen:     check.Text("{stratum} で同期しています", "it is, at stratum {stratum}"),
				Slip:     check.Text("chronyc tracking の Leap status を確認してください。", "Look at the leap status of chronyc tracking."),
				Command:  "chronyc tracking",
			},
			{
				Link:     "ntp-holds",
				Step:     "ntp-not-selected",
				Expected: check.Text("{host} の chronyd がこの状態ではない", "chronyd on {host} is not in this state"),
				Seen:     check.Text("この状態です", "it is"),
				Slip:     check.Text("chronyc sources で状態を確認してください。", "Look at chronyc sources."),
				Command:  "chronyc sources",
			},
		}...),
	}, func(a *ntpArgs) scenario.Text {
		switch {
		case a.Source != "":
			return check.Text(fmt.Sprintf("%s が %s に同期している", a.Host, a.Source), fmt.Sprintf("%s follows %s", a.Host, a.Source))
		case a.Rejected != "":
			return check.Text(fmt.Sprintf("%s が %s を偽と判定する", a.Host, a.Rejected), fmt.Sprintf("%s finds %s false", a.Host, a.Rejected))
		case a.Serves != "":
			return check.Text(fmt.Sprintf("%s が %s に時刻を配る", a.Host, a.Serves), fmt.Sprintf("%s gives time to %s", a.Host, a.Serves))
		case a.Refuses != "":
			return check.Text(fmt.Sprintf("%s が %s には時刻を配らない", a.Host, a.Refuses), fmt.Sprintf("%s gives no time to %s", a.Host, a.Refuses))
		case a.Unsynced:
			return check.Text(fmt.Sprintf("%s が同期していない", a.Host), fmt.Sprintf("%s is not synchronised", a.Host))
		}
		return check.Text(fmt.Sprintf("%s のストラタムが %d", a.Host, a.Stratum), fmt.Sprintf("%s has stratum %d", a.Host, a.Stratum))
	}, runNTP)
}

func runNTP(ctx context.Context, v *check.View, a *ntpArgs) check.Verdict {
	return v.Settle(ctx, string(a.Host), func() (check.Verdict, error) { return ntpNow(ctx, v, a) })
}

func ntpNow(ctx context.Context, v *check.View, a *ntpArgs) (check.Verdict, error) {
	host := string(a.Host)
	got := check.Verdict{Params: check.Params{}.With("host", host).With("want", strconv.Itoa(a.Stratum))}
	link, err := chronyd(ctx, v, host, &got)
	if link != "" || err != nil {
		got.Broken = link
		return got, err
	}
	for _, step := range []func(context.Context, *check.View, *ntpArgs, *check.Verdict) error{ntpFollows, ntpTracking, ntpServes} {
		if err := step(ctx, v, a, &got); err != nil || got.Broken != "" {
			return got, err
		}
	}
	return got, nil
}

// ntpFollows looks for a source among those of chronyd.
func ntpFollows(ctx context.Context, v *check.View, a *ntpArgs, got *check.Verdict) error {
	source, want := string(a.Source), "*"
	if a.Rejected != "" {
		source, want = string(a.Rejected), "x"
	}
	if source == "" {
		return nil
	}
	host := string(a.Host)
	all, err := ntpSources(ctx, v, host)
	if err != nil {
		return err
	}
	var names []string
	var mine *ntpSource
	selected := ""
	for i := range all {
		names = append(names, all[i].name)
		if all[i].state == "*" {
			selected = all[i].name
		}
		if isHost(v, source, all[i].name) {
			mine = &all[i]
		}
	}
	got.Params.With("source", source).With("address", v.AddressFor(source, host))
	got.Params["sources"] = check.Text("なし", "none")
	if len(names) > 0 {
		got.Params.With("sources", strings.Join(names, ", "))
	}
	got.Params["selected"] = check.Text("なし", "none")
	if selected != "" {
		got.Params.With("selected", selected)
	}
	if mine == nil {
		got.Broken = "ntp-source-missing"
		return nil
	}
	got.Walked = append(got.Walked, "ntp-source-missing")
	if mine.reach == 0 {
		got.Broken = "ntp-unreachable"
		if err := whyNoAnswer(ctx, v, source, host, got); err != nil || got.Broken != "ntp-unreachable" {
			return err
		}
		answered, err := answers(ctx, v, source, host)
		if answered {
			got.Broken = "ntp-between-polls"
			got.Params.With("poll", strconv.Itoa(mine.interval))
		}
		return err
	}
	got.Walked = append(got.Walked, "ntp-unreachable")
	got.Params.With("mark", mine.state)
	switch {
	// Without a majority chronyd marks all sources so, and follows none.
	case mine.state == want && selected != "":
		got.Walked = append(got.Walked, "ntp-not-selected")
	case a.Rejected != "":
		got.Broken = "ntp-not-rejected"
	default:
		got.Broken = "ntp-not-selected"
	}
	return nil
}

// isHost reports whether a name or address means a host.
func isHost(v *check.View, host, name string) bool {
	h := v.Spec.Host(host)
	if h == nil {
		return false
	}
	a, err := netip.ParseAddr(name)
	if err != nil {
		return name == h.Name || name == h.Hostname
	}
	for _, i := range h.Networks {
		if i.Address == a {
			return true
		}
	}
	return false
}

// whyNoAnswer tells why a server does not answer a client; the link stays as it
// is when nothing on the server explains it.
func whyNoAnswer(ctx context.Context, v *check.View, server, client string, got *check.Verdict) error {
	u, err := probe.Unit(ctx, v, server, "chronyd")
	if err != nil {
		return err
	}
	own := got.Params["host"]
	got.Params.With("host", server).With("client", client).With("state", u.Active)
	if u.Active != "active" {
		got.Broken = "ntp-server-stopped"
		return nil
	}
	port := scenario.Port{Number: 123, Transport: "udp"}
	f, err := probe.Firewalld(ctx, v, server)
	if err != nil {
		return err
	}
	if f.Running {
		if link := f.Closed(port, false, got.Params); link != "" {
			got.Broken = link
			return nil
		}
	}
	out, err := v.Sh(ctx, server, "chronyc accheck "+v.AddressFor(client, server))
	if err != nil {
		return err
	}
	if strings.Contains(out.Stdout, "denied") {
		got.Params.With("address", v.AddressFor(client, server))
		got.Broken = "ntp-not-allowed"
		return nil
	}
	got.Params["host"] = own
	return nil
}

// ntpTracking looks at what chronyd says of itself.
func ntpTracking(ctx context.Context, v *check.View, a *ntpArgs, got *check.Verdict) error {
	if a.Stratum == 0 && !a.Unsynced {
		return nil
	}
	out, err := v.Sh(ctx, string(a.Host), "chronyc -n -c tracking")
	if err != nil {
		return err
	}
	f := strings.Split(strings.TrimSpace(out.Stdout), ",")
	if len(f) < 14 {
		return fmt.Errorf("%s: chronyc tracking: %s", a.Host, check.Clip(out.Stdout+out.Stderr))
	}
	got.Params.With("stratum", f[2])
	synced := f[13] != "Not synchronised"
	if a.Unsynced {
		if synced {
			got.Broken = "ntp-synced"
			return nil
		}
		got.Walked = append(got.Walked, "ntp-synced")
	}
	if a.Stratum > 0 {
		if f[2] != strconv.Itoa(a.Stratum) || !synced {
			got.Broken = "ntp-stratum"
			return nil
		}
		got.Walked = append(got.Walked, "ntp-stratum")
	}
	return nil
}

// answers reports whether a client gets the time from a server when it asks now,
// with chronyd -Q, which sets no clock.
func answers(ctx context.Context, v *check.View, server, client string) (bool, error) {
	const timeout = 5 * time.Second
	v.MayTake(timeout)
	out, err := v.Sh(ctx, client, fmt.Sprintf("chronyd -Q -t %d 'server %s iburst maxsamples 1' 'cmdport 0'", int(timeout.Seconds()), v.AddressFor(server, client)))
	return err == nil && out.Status == 0 && strings.Contains(out.Stdout+out.Stderr, "System clock wrong by"), err
}

// ntpServes asks the host for the time from another one.
func ntpServes(ctx context.Context, v *check.View, a *ntpArgs, got *check.Verdict) error {
	client := string(a.Serves)
	if client == "" {
		client = string(a.Refuses)
	}
	if client == "" {
		return nil
	}
	host := string(a.Host)
	got.Params.With("client", client).With("address", v.AddressFor(client, host))
	answered, err := answers(ctx, v, host, client)
	if err != nil {
		return err
	}
	switch {
	case a.Refuses != "" && answered:
		got.Broken = "ntp-serving"
	case a.Serves != "" && !answered:
		got.Broken = "ntp-not-serving"
		return whyNoAnswer(ctx, v, host, client, got)
	default:
		got.Walked = append(got.Walked, "ntp-not-serving")
	}
	return nil
}
