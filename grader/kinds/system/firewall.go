package system

import (
	"context"
	"fmt"
	"strings"

	"enshu/grader/check"
	"enshu/grader/probe"
	"enshu/sim/scenario"
)

// firewallArgs is a port that firewalld must let in or keep out.
type firewallArgs struct {
	Host      scenario.HostName `lab:"host,required"`
	Allows    *scenario.Port    `lab:"allows" doc:"A port that must be open, by number or by a service."`
	Refuses   *scenario.Port    `lab:"refuses" doc:"A port that must be closed."`
	Permanent bool              `lab:"permanent" doc:"It must also be so after a reload and a reboot."`
	LogDenied string            `lab:"log_denied" doc:"What firewall-cmd --get-log-denied must say: all, unicast, broadcast, multicast or off."`
}

// Check refuses a check without an expectation.
func (a *firewallArgs) Check(report func(key, ja, en string, args ...any)) {
	if a.Allows == nil && a.Refuses == nil && a.LogDenied == "" {
		report("", "firewall: 何も求めていないので、常に合格してしまいます。allows、refuses、log_denied のどれかを加えます", "firewall: the check expects nothing, it would always pass; add allows, refuses or log_denied")
	}
	if a.Allows != nil && a.Refuses != nil {
		report("refuses", "firewall: allows と refuses は別のチェックにします", "firewall: allows and refuses are two checks")
	}
	switch a.LogDenied {
	case "", "all", "unicast", "broadcast", "multicast", "off":
	default:
		report("log_denied", "log_denied: %q は all、unicast、broadcast、multicast、off のどれでもありません", "log_denied: %q is not one of all, unicast, broadcast, multicast and off", a.LogDenied)
	}
}

func Firewall() check.Kind {
	return check.Define(check.Kind{
		Name:     "firewall",
		Doc:      "firewalld lets a port in or keeps it out, now and after a reboot.",
		Unwanted: "firewall-holds",
		Labels: map[string]scenario.Text{
			"firewalld-not-running":  check.Text("firewalld", "firewalld"),
			"firewall-closed":        check.Text("実行中の設定", "runtime"),
			"firewall-not-permanent": check.Text("永続設定", "permanent"),
			"log-denied":             check.Text("拒否の記録", "log of refusals"),
		},
		Advice: append(probe.FirewallAdvice(""), []check.Advice{
			{
				Link:     "firewall-open",
				Step:     "firewall-closed",
				Expected: check.Text("{host} のファイアウォールが {port} を拒否する", "the firewall of {host} refuses {port}"),
				Seen:     check.Text("{port} が許可されています", "{port} is allowed"),
				Slip:     check.Text("ポートだけでなく、サービス名（--add-service）で開いていることもあります。", "It may be open by a service (--add-service) rather than by its number."),
				Command:  "firewall-cmd --list-all",
			},
			{
				Link:     "log-denied",
				Expected: check.Text("{host} で拒否した通信が記録される（{want}）", "{host} logs what it refuses ({want})"),
				Seen:     check.Text("設定は {logdenied} です", "the setting is {logdenied}"),
				Slip:     check.Text("firewall-cmd --set-log-denied={want} で設定します。", "Set it with firewall-cmd --set-log-denied={want}."),
				Command:  "firewall-cmd --get-log-denied",
			},
			{
				Link:     "firewall-holds",
				Step:     "firewall-closed",
				Expected: check.Text("{host} のファイアウォールの {port} がこの状態ではない", "the firewall of {host} does not treat {port} so"),
				Seen:     check.Text("この状態のままです", "it still does"),
				Slip:     check.Text("実行中の設定と永続設定の両方を確認してください。", "Look at both the runtime and the permanent configuration."),
				Command:  "firewall-cmd --list-all",
			},
		}...),
	}, func(a *firewallArgs) scenario.Text {
		ja, en := "", ""
		if a.Permanent {
			ja, en = "（再起動後も）", ", also after a reboot"
		}
		switch {
		case a.Allows != nil:
			return check.Text(fmt.Sprintf("%s のファイアウォールが %s を許可する%s", a.Host, a.Allows, ja),
				fmt.Sprintf("the firewall of %s allows %s%s", a.Host, a.Allows, en))
		case a.Refuses != nil:
			return check.Text(fmt.Sprintf("%s のファイアウォールが %s を拒否する%s", a.Host, a.Refuses, ja),
				fmt.Sprintf("the firewall of %s refuses %s%s", a.Host, a.Refuses, en))
		}
		return check.Text(fmt.Sprintf("%s が拒否した通信を記録する（%s）", a.Host, a.LogDenied),
			fmt.Sprintf("%s logs what it refuses (%s)", a.Host, a.LogDenied))
	}, runFirewall)
}

func runFirewall(ctx context.Context, v *check.View, a *firewallArgs) check.Verdict {
	return v.Settle(ctx, string(a.Host), func() (check.Verdict, error) { return firewallNow(ctx, v, a) })
}

func firewallNow(ctx context.Context, v *check.View, a *firewallArgs) (check.Verdict, error) {
	host := string(a.Host)
	got := check.Verdict{Params: check.Params{}.With("host", host).With("want", a.LogDenied)}
	f, err := probe.Firewalld(ctx, v, host)
	if err != nil {
		return got, err
	}
	if !f.Running {
		got.Broken = "firewalld-not-running"
		return got, nil
	}
	got.Walked = append(got.Walked, "firewalld-not-running")
	switch {
	case a.Allows != nil:
		got.Broken = f.Closed(*a.Allows, a.Permanent, got.Params)
		if got.Broken == "firewall-not-permanent" {
			got.Walked = append(got.Walked, "firewall-closed")
		}
	case a.Refuses != nil:
		got.Params.With("port", a.Refuses.String())
		if f.Runtime.Allows(*a.Refuses) || a.Permanent && f.Permanent.Allows(*a.Refuses) {
			got.Broken = "firewall-open"
		}
	}
	if got.Broken != "" {
		return got, nil
	}
	if a.Allows != nil || a.Refuses != nil {
		got.Walked = append(got.Walked, "firewall-closed")
		if a.Permanent {
			got.Walked = append(got.Walked, "firewall-not-permanent")
		}
	}
	if a.LogDenied != "" {
		out, err := v.Sh(ctx, host, "firewall-cmd --get-log-denied")
		if err != nil {
			return got, err
		}
		is := strings.TrimSpace(out.Stdout)
		got.Params.With("logdenied", is)
		if is != a.LogDenied {
			got.Broken = "log-denied"
			return got, nil
		}
		got.Walked = append(got.Walked, "log-denied")
	}
	return got, nil
}
