package probe

import (
	"context"
	"strconv"
	"strings"

	"enshu/grader/check"
	"enshu/sim/scenario"
)

// FirewallAdvice is what is said of a port that should be open, for every kind
// whose path goes through a firewall; step is what such a kind calls it.
func FirewallAdvice(step string) []check.Advice {
	list := []check.Advice{
		{
			Link:     "firewalld-not-running",
			Expected: check.Text("{host} で firewalld が動いている", "firewalld runs on {host}"),
			Seen:     check.Text("動いていません", "it does not run"),
			Slip:     check.Text("ファイアウォールを止めるのではなく、必要なポートだけを開けます。systemctl start firewalld で戻してください。", "Do not stop the firewall, open the port that is needed; systemctl start firewalld brings it back."),
			Command:  "firewall-cmd --state",
		},
		{
			Link:     "firewall-closed",
			Expected: check.Text("{host} のファイアウォールが {port} を許可する", "the firewall of {host} allows {port}"),
			Seen:     check.Text("許可されていません（ゾーン {zone} のポート: {ports}）", "it does not (ports of zone {zone}: {ports})"),
			Slip:     check.Text("firewall-cmd --permanent --add-port={port} のあと --reload します。", "Run firewall-cmd --permanent --add-port={port}, then --reload."),
			Command:  "firewall-cmd --list-all",
		},
		{
			Link:     "firewall-wrong-protocol",
			Step:     "firewall-closed",
			Expected: check.Text("{host} のファイアウォールが {port} を許可する", "the firewall of {host} allows {port}"),
			Seen:     check.Text("許可されているのは {other} です", "what it allows is {other}"),
			Slip:     check.Text("tcp と udp は別々に開けます。", "tcp and udp are opened one by one."),
			Command:  "firewall-cmd --list-ports",
		},
		{
			Link:     "firewall-not-reloaded",
			Step:     "firewall-closed",
			Expected: check.Text("{host} のファイアウォールが {port} を今も許可する", "the firewall of {host} allows {port} now"),
			Seen:     check.Text("永続設定にはありますが、実行中の設定にはまだありません", "the permanent configuration has it, the running one not yet"),
			Slip:     check.Text("--permanent は保存するだけです。firewall-cmd --reload で反映します。", "--permanent only stores it; firewall-cmd --reload puts it into force."),
			Command:  "firewall-cmd --list-all; firewall-cmd --permanent --list-all",
		},
		{
			Link:     "firewall-not-permanent",
			Expected: check.Text("{host} のファイアウォールが {port} を再起動後も許可する", "the firewall of {host} still allows {port} after a reboot"),
			Seen:     check.Text("実行中の設定にだけあり、永続設定にはありません", "only the running configuration has it, the permanent one does not"),
			Slip:     check.Text("--permanent を付けて追加するか、firewall-cmd --runtime-to-permanent で保存します。", "Add it with --permanent, or store it with firewall-cmd --runtime-to-permanent."),
			Command:  "firewall-cmd --permanent --list-all",
		},
	}
	if step != "" {
		for i := range list {
			list[i].Step = step
		}
	}
	return list
}

// Zone is what firewalld says of a zone, in one of its configurations.
type Zone struct {
	Name, target    string
	ports, services []string
	ranges          []string // ports with those of the services
}

// Allows reports whether a port is open.
func (f *Zone) Allows(p scenario.Port) bool {
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

// Firewall are the running and the permanent configuration of a host.
type Firewall struct {
	Running            bool
	Runtime, Permanent Zone
}

// Firewalld asks firewall-cmd about the zone of the host's interface.
func Firewalld(ctx context.Context, v *check.View, host string) (Firewall, error) {
	var f Firewall
	out, err := v.Sh(ctx, host, "firewall-cmd --state")
	if err != nil {
		return f, err
	}
	// "failed" is a firewalld that runs with its fallback rules.
	if out.Status != 0 && strings.TrimSpace(out.Stdout) != "failed" {
		return f, nil
	}
	f.Running = true
	zone, err := zone(ctx, v, host)
	if err != nil {
		return f, err
	}
	if f.Runtime, err = listAll(ctx, v, host, zone, ""); err != nil {
		return f, err
	}
	f.Permanent, err = listAll(ctx, v, host, zone, "--permanent ")
	return f, err
}

// zone returns the zone that the host's interfaces are in.
func zone(ctx context.Context, v *check.View, host string) (string, error) {
	out, err := v.Sh(ctx, host, "firewall-cmd --get-active-zones; firewall-cmd --get-default-zone")
	if err != nil {
		return "", err
	}
	all := check.Lines(out.Stdout)
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

func listAll(ctx context.Context, v *check.View, host, zone, option string) (Zone, error) {
	f := Zone{Name: zone}
	out, err := v.Sh(ctx, host, "firewall-cmd "+option+"--zone="+check.Quote(zone)+" --list-all")
	if err != nil {
		return f, err
	}
	for _, l := range check.Lines(out.Stdout) {
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
		out, err := v.Sh(ctx, host, "firewall-cmd "+option+"--info-service="+check.Quote(s))
		if err != nil {
			return f, err
		}
		for _, l := range check.Lines(out.Stdout) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(l), "ports:"); ok {
				f.ranges = append(f.ranges, strings.Fields(value)...)
			}
		}
	}
	return f, nil
}

// Closed returns the link that keeps a port closed, "" when it is open.
func (f *Firewall) Closed(port scenario.Port, permanent bool, p check.Params) string {
	other := scenario.Port{Number: port.Number, Transport: map[string]string{"tcp": "udp", "udp": "tcp"}[port.Transport]}
	ports := strings.Join(f.Runtime.ports, " ")
	if ports == "" {
		p["ports"] = check.Text("なし", "none")
	} else {
		p.With("ports", ports)
	}
	p.With("port", port.String()).With("zone", f.Runtime.Name).With("other", other.String())
	now, later := f.Runtime.Allows(port), f.Permanent.Allows(port)
	switch {
	case now && (later || !permanent):
		return ""
	case now:
		return "firewall-not-permanent"
	case later:
		return "firewall-not-reloaded"
	case f.Runtime.Allows(other) || f.Permanent.Allows(other):
		return "firewall-wrong-protocol"
	}
	return "firewall-closed"
}
