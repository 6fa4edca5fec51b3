package grader

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

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

func ntpKind() kind {
	return define(kind{
		name:     "ntp",
		doc:      "chronyd of a host: the source it follows, its stratum, and whom it gives time to.",
		unwanted: "ntp-holds",
		labels: map[string]scenario.Text{
			"chronyd-not-running": text("chronyd", "chronyd"),
			"ntp-source-missing":  text("設定", "configured"),
			"ntp-unreachable":     text("到達", "reached"),
			"ntp-not-selected":    text("選択", "selected"),
			"ntp-stratum":         text("ストラタム", "stratum"),
			"ntp-not-serving":     text("応答", "serves"),
			"filter":              text("ファイアウォール", "firewall"),
			"ntp-server-stopped":  text("サーバーの chronyd", "server's chronyd"),
			"ntp-synced":          text("非同期", "not synchronised"),
		},
		advice: append(append(chronyAdvice(), firewallAdvice("filter")...), []Advice{
			{
				Link:     "ntp-source-missing",
				Expected: text("{host} の chronyd が {source}（{address}）を同期元にしている", "chronyd on {host} has {source} ({address}) as a source"),
				Seen:     text("同期元は {sources} です", "its sources are {sources}"),
				Slip:     text("/etc/chrony.conf に「server {address} iburst」と書き、chronyd を再起動します。", "Write “server {address} iburst” into /etc/chrony.conf and restart chronyd."),
				Command:  "chronyc sources",
			},
			{
				Link:     "ntp-server-stopped",
				Expected: text("{host} で chronyd が動いている", "chronyd runs on {host}"),
				Seen:     text("動いていません（{state}）", "it does not run ({state})"),
				Slip:     text("systemctl start chronyd で起動します。", "Start it with systemctl start chronyd."),
				Command:  "systemctl status chronyd",
			},
			{
				Link:     "ntp-not-allowed",
				Step:     "ntp-not-serving",
				Expected: text("{host} の chronyd が {client} に時刻を配る", "chronyd on {host} serves {client}"),
				Seen:     text("allow がないか、{client} のアドレスを含みません", "there is no allow, or it does not include {client}"),
				Slip:     text("/etc/chrony.conf に「allow サブネット」と書き、chronyd を再起動します。", "Write “allow SUBNET” into /etc/chrony.conf and restart chronyd."),
				Command:  "chronyc accheck {address}",
			},
			{
				Link:     "ntp-unreachable",
				Expected: text("{host} に {source}（{address}）の応答が届く", "{host} gets answers from {source} ({address})"),
				Seen:     text("一度も届いていません（Reach 0）", "it never got one (reach 0)"),
				Slip:     text("サーバー側の allow とファイアウォール（ntp サービス）を確認してください。", "Look at allow and the firewall (service ntp) on the server."),
				Command:  "chronyc sources",
			},
			{
				Link:     "ntp-not-selected",
				Expected: text("{host} の chronyd が {source} を選んでいる（^*）", "chronyd on {host} has selected {source} (^*)"),
				Seen:     text("{source} の状態は ^{mark} です", "{source} is marked ^{mark}"),
				Slip:     text("^? は未使用、^x は他と食い違う（falseticker）、^- は選外です。", "^? is not usable, ^x disagrees with the others (falseticker), ^- was not chosen."),
				Command:  "chronyc sources",
			},
			{
				Link:     "ntp-not-rejected",
				Step:     "ntp-not-selected",
				Expected: text("{host} の chronyd が {source} だけを偽と判定し（^x）、ほかを選ぶ（^*）", "chronyd on {host} finds {source} false (^x) and follows another (^*)"),
				Seen:     text("{source} の状態は ^{mark}、選ばれた同期元は {selected} です", "{source} is marked ^{mark}, the selected source is {selected}"),
				Slip:     text("正しいサーバーが過半数になるように、同期元を 3 台以上にします。", "It takes at least three sources, most of them right, to find the false one."),
				Command:  "chronyc sources",
			},
			{
				Link:     "ntp-stratum",
				Expected: text("{host} のストラタムが {want}", "{host} has stratum {want}"),
				Seen:     text("ストラタムは {stratum} です", "its stratum is {stratum}"),
				Slip:     text("ストラタムは同期元のストラタムに 1 を足した値です。", "The stratum is that of the source plus one."),
				Command:  "chronyc tracking",
			},
			{
				Link:     "ntp-not-serving",
				Expected: text("{client} が {host} から時刻を得られる", "{client} gets time from {host}"),
				Seen:     text("応答がありません", "there is no answer"),
				Slip:     text("allow、ファイアウォール、{host} 自身が同期しているかを確認してください。", "Look at allow, at the firewall, and whether {host} is synchronised itself."),
				Command:  "chronyc tracking; ss -ulnp",
			},
			{
				Link:     "ntp-serving",
				Step:     "ntp-not-serving",
				Expected: text("{client} が {host} から時刻を得られない", "{client} gets no time from {host}"),
				Seen:     text("得られました", "it does"),
				Slip:     text("allow のサブネットを必要な範囲だけにします。", "Narrow the subnet of allow to what is needed."),
				Command:  "chronyc accheck {address}",
			},
			{
				Link:     "ntp-synced",
				Expected: text("{host} が同期していない", "{host} is not synchronised"),
				Seen:     text("{stratum} で同期しています", "it is, at stratum {stratum}"),
				Slip:     text("chronyc tracking の Leap status を確認してください。", "Look at the leap status of chronyc tracking."),
				Command:  "chronyc tracking",
			},
			{
				Link:     "ntp-holds",
				Step:     "ntp-not-selected",
				Expected: text("{host} の chronyd がこの状態ではない", "chronyd on {host} is not in this state"),
				Seen:     text("この状態です", "it is"),
				Slip:     text("chronyc sources で状態を確認してください。", "Look at chronyc sources."),
				Command:  "chronyc sources",
			},
		}...),
	}, func(a *ntpArgs) scenario.Text {
		switch {
		case a.Source != "":
			return text(fmt.Sprintf("%s が %s に同期している", a.Host, a.Source), fmt.Sprintf("%s follows %s", a.Host, a.Source))
		case a.Rejected != "":
			return text(fmt.Sprintf("%s が %s を偽と判定する", a.Host, a.Rejected), fmt.Sprintf("%s finds %s false", a.Host, a.Rejected))
		case a.Serves != "":
			return text(fmt.Sprintf("%s が %s に時刻を配る", a.Host, a.Serves), fmt.Sprintf("%s gives time to %s", a.Host, a.Serves))
		case a.Refuses != "":
			return text(fmt.Sprintf("%s が %s には時刻を配らない", a.Host, a.Refuses), fmt.Sprintf("%s gives no time to %s", a.Host, a.Refuses))
		case a.Unsynced:
			return text(fmt.Sprintf("%s が同期していない", a.Host), fmt.Sprintf("%s is not synchronised", a.Host))
		}
		return text(fmt.Sprintf("%s のストラタムが %d", a.Host, a.Stratum), fmt.Sprintf("%s has stratum %d", a.Host, a.Stratum))
	}, runNTP)
}

func runNTP(ctx context.Context, v *view, a *ntpArgs) verdict {
	var got verdict
	_, err := v.until(ctx, string(a.Host), v.within(0), func() (bool, error) {
		var err error
		got, err = v.ntpNow(ctx, a)
		return (got.broken == "") != v.check.Not, err
	})
	got.err = err
	return got
}

func (v *view) ntpNow(ctx context.Context, a *ntpArgs) (verdict, error) {
	host := string(a.Host)
	got := verdict{params: params{}.with("host", host).with("want", strconv.Itoa(a.Stratum))}
	link, err := v.chronyd(ctx, host, &got)
	if link != "" || err != nil {
		got.broken = link
		return got, err
	}
	for _, step := range []func(context.Context, *ntpArgs, *verdict) error{v.ntpSource, v.ntpTracking, v.ntpServes} {
		if err := step(ctx, a, &got); err != nil || got.broken != "" {
			return got, err
		}
	}
	return got, nil
}

// ntpSource looks for a source among those of chronyd.
func (v *view) ntpSource(ctx context.Context, a *ntpArgs, got *verdict) error {
	source, want := string(a.Source), "*"
	if a.Rejected != "" {
		source, want = string(a.Rejected), "x"
	}
	if source == "" {
		return nil
	}
	host := string(a.Host)
	all, err := v.ntpSources(ctx, host)
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
		if v.isHost(source, all[i].name) {
			mine = &all[i]
		}
	}
	got.params.with("source", source).with("address", v.addressFor(source, host))
	got.params["sources"] = text("ありません", "none")
	if len(names) > 0 {
		got.params.with("sources", strings.Join(names, ", "))
	}
	got.params["selected"] = text("なし", "none")
	if selected != "" {
		got.params.with("selected", selected)
	}
	if mine == nil {
		got.broken = "ntp-source-missing"
		return nil
	}
	got.walked = append(got.walked, "ntp-source-missing")
	if mine.reach == 0 {
		got.broken = "ntp-unreachable"
		return v.whyNoAnswer(ctx, source, host, got)
	}
	got.walked = append(got.walked, "ntp-unreachable")
	got.params.with("mark", mine.state)
	switch {
	// Without a majority chronyd marks all sources so, and follows none.
	case mine.state == want && selected != "":
		got.walked = append(got.walked, "ntp-not-selected")
	case a.Rejected != "":
		got.broken = "ntp-not-rejected"
	default:
		got.broken = "ntp-not-selected"
	}
	return nil
}

// isHost reports whether a name or address means a host.
func (v *view) isHost(host, name string) bool {
	h := v.spec.Host(host)
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
func (v *view) whyNoAnswer(ctx context.Context, server, client string, got *verdict) error {
	u, err := v.unit(ctx, server, "chronyd")
	if err != nil {
		return err
	}
	own := got.params["host"]
	got.params.with("host", server).with("client", client).with("state", u.active)
	if u.active != "active" {
		got.broken = "ntp-server-stopped"
		return nil
	}
	port := scenario.Port{Number: 123, Transport: "udp"}
	f, err := v.firewalls(ctx, server)
	if err != nil {
		return err
	}
	if f.running {
		if link := f.closedLink(port, false, got.params); link != "" {
			got.broken = link
			return nil
		}
	}
	out, err := v.sh(ctx, server, "chronyc accheck "+v.addressFor(client, server))
	if err != nil {
		return err
	}
	if strings.Contains(out.Stdout, "denied") {
		got.params.with("address", v.addressFor(client, server))
		got.broken = "ntp-not-allowed"
		return nil
	}
	got.params["host"] = own
	return nil
}

// ntpTracking looks at what chronyd says of itself.
func (v *view) ntpTracking(ctx context.Context, a *ntpArgs, got *verdict) error {
	if a.Stratum == 0 && !a.Unsynced {
		return nil
	}
	out, err := v.sh(ctx, string(a.Host), "chronyc -n -c tracking")
	if err != nil {
		return err
	}
	f := strings.Split(strings.TrimSpace(out.Stdout), ",")
	if len(f) < 14 {
		return fmt.Errorf("%s: chronyc tracking: %s", a.Host, clip(out.Stdout+out.Stderr))
	}
	got.params.with("stratum", f[2])
	synced := f[13] != "Not synchronised"
	if a.Unsynced {
		if synced {
			got.broken = "ntp-synced"
			return nil
		}
		got.walked = append(got.walked, "ntp-synced")
	}
	if a.Stratum > 0 {
		if f[2] != strconv.Itoa(a.Stratum) || !synced {
			got.broken = "ntp-stratum"
			return nil
		}
		got.walked = append(got.walked, "ntp-stratum")
	}
	return nil
}

// ntpServes asks the host for the time from another one, with chronyd -Q, which
// sets no clock.
func (v *view) ntpServes(ctx context.Context, a *ntpArgs, got *verdict) error {
	client := string(a.Serves)
	if client == "" {
		client = string(a.Refuses)
	}
	if client == "" {
		return nil
	}
	host := string(a.Host)
	got.params.with("client", client).with("address", v.addressFor(client, host))
	timeout := v.within(5 * time.Second)
	out, err := v.sh(ctx, client, fmt.Sprintf("chronyd -Q -t %d 'server %s iburst maxsamples 1' 'cmdport 0'", int(timeout.Seconds()), v.addressFor(host, client)))
	if err != nil {
		return err
	}
	answered := out.Status == 0 && strings.Contains(out.Stdout+out.Stderr, "System clock wrong by")
	switch {
	case a.Refuses != "" && answered:
		got.broken = "ntp-serving"
	case a.Serves != "" && !answered:
		got.broken = "ntp-not-serving"
		return v.whyNoAnswer(ctx, host, client, got)
	default:
		got.walked = append(got.walked, "ntp-not-serving")
	}
	return nil
}
