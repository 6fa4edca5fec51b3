package grader

import (
	"context"
	"fmt"
	"strconv"
	"strings"

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
func (a *firewallArgs) Check(report func(key, format string, args ...any)) {
	if a.Allows == nil && a.Refuses == nil && a.LogDenied == "" {
		report("", "firewall: the check expects nothing, it would always pass; add allows, refuses or log_denied")
	}
	if a.Allows != nil && a.Refuses != nil {
		report("refuses", "firewall: allows and refuses are two checks")
	}
	switch a.LogDenied {
	case "", "all", "unicast", "broadcast", "multicast", "off":
	default:
		report("log_denied", "log_denied: %q is not one of all, unicast, broadcast, multicast and off", a.LogDenied)
	}
}

func firewallKind() kind {
	return define(kind{
		name:     "firewall",
		doc:      "firewalld lets a port in or keeps it out, now and after a reboot.",
		unwanted: "firewall-holds",
		labels: map[string]scenario.Text{
			"firewalld-not-running":  text("firewalld", "firewalld"),
			"firewall-closed":        text("実行中の設定", "runtime"),
			"firewall-not-permanent": text("永続設定", "permanent"),
			"log-denied":             text("拒否の記録", "log of refusals"),
		},
		advice: append(firewallAdvice(""), []Advice{
			{
				Link:     "firewall-open",
				Step:     "firewall-closed",
				Expected: text("{host} のファイアウォールが {port} を拒否する", "the firewall of {host} refuses {port}"),
				Seen:     text("{port} が許可されています", "{port} is allowed"),
				Slip:     text("ポートだけでなく、サービス名（--add-service）で開いていることもあります。", "It may be open by a service (--add-service) rather than by its number."),
				Command:  "firewall-cmd --list-all",
			},
			{
				Link:     "log-denied",
				Expected: text("{host} で拒否した通信が記録される（{want}）", "{host} logs what it refuses ({want})"),
				Seen:     text("設定は {logdenied} です", "the setting is {logdenied}"),
				Slip:     text("firewall-cmd --set-log-denied={want} で設定します。", "Set it with firewall-cmd --set-log-denied={want}."),
				Command:  "firewall-cmd --get-log-denied",
			},
			{
				Link:     "firewall-holds",
				Step:     "firewall-closed",
				Expected: text("{host} のファイアウォールの {port} がこの状態ではない", "the firewall of {host} does not treat {port} so"),
				Seen:     text("この状態のままです", "it still does"),
				Slip:     text("実行中の設定と永続設定の両方を確認してください。", "Look at both the runtime and the permanent configuration."),
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
			return text(fmt.Sprintf("%s のファイアウォールが %s を許可する%s", a.Host, a.Allows, ja),
				fmt.Sprintf("the firewall of %s allows %s%s", a.Host, a.Allows, en))
		case a.Refuses != nil:
			return text(fmt.Sprintf("%s のファイアウォールが %s を拒否する%s", a.Host, a.Refuses, ja),
				fmt.Sprintf("the firewall of %s refuses %s%s", a.Host, a.Refuses, en))
		}
		return text(fmt.Sprintf("%s が拒否した通信を記録する（%s）", a.Host, a.LogDenied),
			fmt.Sprintf("%s logs what it refuses (%s)", a.Host, a.LogDenied))
	}, runFirewall)
}

// firewallAdvice is what is said of a port that should be open, for every kind
// whose path goes through a firewall; step is what such a kind calls it.
func firewallAdvice(step string) []Advice {
	list := []Advice{
		{
			Link:     "firewalld-not-running",
			Expected: text("{host} で firewalld が動いている", "firewalld runs on {host}"),
			Seen:     text("動いていません", "it does not run"),
			Slip:     text("ファイアウォールを止めるのではなく、必要なポートだけを開けます。systemctl start firewalld で戻してください。", "Do not stop the firewall, open the port that is needed; systemctl start firewalld brings it back."),
			Command:  "firewall-cmd --state",
		},
		{
			Link:     "firewall-closed",
			Expected: text("{host} のファイアウォールが {port} を許可する", "the firewall of {host} allows {port}"),
			Seen:     text("許可されていません（ゾーン {zone} のポート: {ports}）", "it does not (ports of zone {zone}: {ports})"),
			Slip:     text("firewall-cmd --permanent --add-port={port} のあと --reload します。", "Run firewall-cmd --permanent --add-port={port}, then --reload."),
			Command:  "firewall-cmd --list-all",
		},
		{
			Link:     "firewall-wrong-protocol",
			Step:     "firewall-closed",
			Expected: text("{host} のファイアウォールが {port} を許可する", "the firewall of {host} allows {port}"),
			Seen:     text("許可されているのは {other} です", "what it allows is {other}"),
			Slip:     text("tcp と udp は別々に開けます。", "tcp and udp are opened one by one."),
			Command:  "firewall-cmd --list-ports",
		},
		{
			Link:     "firewall-not-reloaded",
			Step:     "firewall-closed",
			Expected: text("{host} のファイアウォールが {port} を今も許可する", "the firewall of {host} allows {port} now"),
			Seen:     text("永続設定にはありますが、実行中の設定にはまだありません", "the permanent configuration has it, the running one not yet"),
			Slip:     text("--permanent は保存するだけです。firewall-cmd --reload で反映します。", "--permanent only stores it; firewall-cmd --reload puts it into force."),
			Command:  "firewall-cmd --list-ports; firewall-cmd --permanent --list-ports",
		},
		{
			Link:     "firewall-not-permanent",
			Expected: text("{host} のファイアウォールが {port} を再起動後も許可する", "the firewall of {host} still allows {port} after a reboot"),
			Seen:     text("実行中の設定にだけあり、永続設定にはありません", "only the running configuration has it, the permanent one does not"),
			Slip:     text("--permanent を付けて追加するか、firewall-cmd --runtime-to-permanent で保存します。", "Add it with --permanent, or store it with firewall-cmd --runtime-to-permanent."),
			Command:  "firewall-cmd --permanent --list-ports",
		},
	}
	if step != "" {
		for i := range list {
			list[i].Step = step
		}
	}
	return list
}

// firewall is what firewalld says of one configuration of a zone.
type firewall struct {
	zone, target    string
	ports, services []string
	ranges          []string // ports with those of the services
}

// allows reports whether a port is open.
func (f *firewall) allows(p scenario.Port) bool {
	if f.target == "ACCEPT" {
		return true
	}
	for _, r := range f.ranges {
		ports, transport, _ := strings.Cut(r, "/")
		from, to, isRange := strings.Cut(ports, "-")
		if !isRange {
			to = from
		}
		low, err := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		if err == nil && err2 == nil && transport == p.Transport && low <= int(p.Number) && int(p.Number) <= high {
			return true
		}
	}
	return false
}

// firewalls are the running and the permanent configuration of a host.
type firewalls struct {
	running            bool
	runtime, permanent firewall
}

// firewalls asks firewall-cmd about the zone of the host's interface.
func (v *view) firewalls(ctx context.Context, host string) (firewalls, error) {
	var f firewalls
	out, err := v.sh(ctx, host, "firewall-cmd --state")
	if err != nil {
		return f, err
	}
	// "failed" is a firewalld that runs with its fallback rules.
	if out.Status != 0 && strings.TrimSpace(out.Stdout) != "failed" {
		return f, nil
	}
	f.running = true
	zone, err := v.zone(ctx, host)
	if err != nil {
		return f, err
	}
	if f.runtime, err = v.firewall(ctx, host, zone, ""); err != nil {
		return f, err
	}
	f.permanent, err = v.firewall(ctx, host, zone, "--permanent ")
	return f, err
}

// zone returns the zone that the host's interfaces are in.
func (v *view) zone(ctx context.Context, host string) (string, error) {
	out, err := v.sh(ctx, host, "firewall-cmd --get-active-zones; firewall-cmd --get-default-zone")
	if err != nil {
		return "", err
	}
	all := lines(out.Stdout)
	for i, l := range all {
		if i > 0 && strings.HasPrefix(strings.TrimSpace(l), "interfaces:") {
			for j := i - 1; j >= 0; j-- {
				if !strings.HasPrefix(all[j], " ") {
					name, _, _ := strings.Cut(all[j], " ")
					return name, nil
				}
			}
		}
	}
	if len(all) == 0 {
		return "public", nil
	}
	return all[len(all)-1], nil
}

func (v *view) firewall(ctx context.Context, host, zone, option string) (firewall, error) {
	f := firewall{zone: zone}
	out, err := v.sh(ctx, host, "firewall-cmd "+option+"--zone="+quote(zone)+" --list-all")
	if err != nil {
		return f, err
	}
	for _, l := range lines(out.Stdout) {
		name, value, _ := strings.Cut(strings.TrimSpace(l), ":")
		switch name {
		case "target":
			f.target = strings.TrimSpace(value)
		case "ports":
			f.ports = strings.Fields(value)
		case "services":
			f.services = strings.Fields(value)
		}
	}
	f.ranges = append(f.ranges, f.ports...)
	for _, s := range f.services {
		out, err := v.sh(ctx, host, "firewall-cmd "+option+"--info-service="+quote(s))
		if err != nil {
			return f, err
		}
		for _, l := range lines(out.Stdout) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(l), "ports:"); ok {
				f.ranges = append(f.ranges, strings.Fields(value)...)
			}
		}
	}
	return f, nil
}

// closedLink returns the link that keeps a port closed, "" when it is open.
func (f *firewalls) closedLink(port scenario.Port, permanent bool, p params) string {
	other := scenario.Port{Number: port.Number, Transport: map[string]string{"tcp": "udp", "udp": "tcp"}[port.Transport]}
	ports := strings.Join(f.runtime.ports, " ")
	if ports == "" {
		p["ports"] = text("なし", "none")
	} else {
		p.with("ports", ports)
	}
	p.with("port", port.String()).with("zone", f.runtime.zone).with("other", other.String())
	now, later := f.runtime.allows(port), f.permanent.allows(port)
	switch {
	case now && (later || !permanent):
		return ""
	case now:
		return "firewall-not-permanent"
	case later:
		return "firewall-not-reloaded"
	case f.runtime.allows(other) || f.permanent.allows(other):
		return "firewall-wrong-protocol"
	}
	return "firewall-closed"
}

func runFirewall(ctx context.Context, v *view, a *firewallArgs) verdict {
	var got verdict
	_, err := v.until(ctx, string(a.Host), v.within(0), func() (bool, error) {
		var err error
		got, err = v.firewallNow(ctx, a)
		return (got.broken == "") != v.check.Not, err
	})
	got.err = err
	return got
}

func (v *view) firewallNow(ctx context.Context, a *firewallArgs) (verdict, error) {
	host := string(a.Host)
	got := verdict{params: params{}.with("host", host).with("want", a.LogDenied)}
	f, err := v.firewalls(ctx, host)
	if err != nil {
		return got, err
	}
	if !f.running {
		got.broken = "firewalld-not-running"
		return got, nil
	}
	got.walked = append(got.walked, "firewalld-not-running")
	switch {
	case a.Allows != nil:
		got.broken = f.closedLink(*a.Allows, a.Permanent, got.params)
		if got.broken == "firewall-not-permanent" {
			got.walked = append(got.walked, "firewall-closed")
		}
	case a.Refuses != nil:
		got.params.with("port", a.Refuses.String())
		if f.runtime.allows(*a.Refuses) || a.Permanent && f.permanent.allows(*a.Refuses) {
			got.broken = "firewall-open"
		}
	}
	if got.broken != "" {
		return got, nil
	}
	if a.Allows != nil || a.Refuses != nil {
		got.walked = append(got.walked, "firewall-closed")
		if a.Permanent {
			got.walked = append(got.walked, "firewall-not-permanent")
		}
	}
	if a.LogDenied != "" {
		out, err := v.sh(ctx, host, "firewall-cmd --get-log-denied")
		if err != nil {
			return got, err
		}
		is := strings.TrimSpace(out.Stdout)
		got.params.with("logdenied", is)
		if is != a.LogDenied {
			got.broken = "log-denied"
			return got, nil
		}
		got.walked = append(got.walked, "log-denied")
	}
	return got, nil
}
