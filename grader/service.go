package grader

import (
	"context"
	"fmt"
	"strings"

	"enshu/sim/scenario"
)

// serviceArgs is a unit and its state.
type serviceArgs struct {
	Host    scenario.HostName `lab:"host,required"`
	Unit    scenario.UnitName `lab:"unit,required" doc:"Name of the service, without .service."`
	Active  *bool             `lab:"active" doc:"Whether it must run now."`
	Enabled *bool             `lab:"enabled" doc:"Whether it must start at boot."`
}

// Check refuses a check without an expectation.
func (a *serviceArgs) Check(report func(key, format string, args ...any)) {
	if a.Active == nil && a.Enabled == nil {
		report("", "service: the check expects nothing, it would always pass; add active or enabled")
	}
}

func serviceKind() kind {
	return define(kind{
		name:     "service",
		doc:      "A service of a host: whether it runs and whether it starts at boot.",
		unwanted: "service-holds",
		labels: map[string]scenario.Text{
			"service-not-found":   text("ユニット", "unit"),
			"service-not-active":  text("動作", "running"),
			"service-not-enabled": text("自動起動", "at boot"),
		},
		advice: []Advice{
			{
				Link:     "service-not-found",
				Expected: text("{host} に {unit} サービスがある", "{host} has the service {unit}"),
				Seen:     text("そのユニットはありません", "there is no such unit"),
				Slip:     text("パッケージがまだ入っていないことがよくあります。dnf install で入れます。", "Often the package is not installed yet; dnf install brings it."),
				Command:  "systemctl status {unit}",
			},
			{
				Link:     "service-masked",
				Step:     "service-not-active",
				Expected: text("{host} の {unit} サービスが動いている", "{unit} runs on {host}"),
				Seen:     text("マスクされていて起動できません", "it is masked and cannot be started"),
				Slip:     text("systemctl unmask {unit} で解除してから起動します。", "Run systemctl unmask {unit} first."),
				Command:  "systemctl status {unit}",
			},
			{
				Link:     "service-failed",
				Step:     "service-not-active",
				Expected: text("{host} の {unit} サービスが動いている", "{unit} runs on {host}"),
				Seen:     text("起動に失敗しています（{result}）", "it failed ({result})"),
				Slip:     text("多くは設定ファイルの書き間違いです。journalctl -u {unit} に理由が出ます。", "Mostly its configuration has a mistake; journalctl -u {unit} has the reason."),
				Command:  "systemctl status {unit}",
			},
			{
				Link:     "service-not-active",
				Expected: text("{host} の {unit} サービスが動いている", "{unit} runs on {host}"),
				Seen:     text("動いていません（{state}）", "it does not run ({state})"),
				Slip:     text("enable だけでは起動しません。systemctl start または enable --now を使います。", "enable alone does not start it; use systemctl start, or enable --now."),
				Command:  "systemctl status {unit}",
			},
			{
				Link:     "service-active",
				Step:     "service-not-active",
				Expected: text("{host} の {unit} サービスが止まっている", "{unit} is stopped on {host}"),
				Seen:     text("動いています（{state}）", "it runs ({state})"),
				Slip:     text("disable だけでは止まりません。systemctl stop または disable --now を使います。", "disable alone does not stop it; use systemctl stop, or disable --now."),
				Command:  "systemctl status {unit}",
			},
			{
				Link:     "service-not-enabled",
				Expected: text("{host} の {unit} サービスが起動時に自動で始まる", "{unit} starts at boot on {host}"),
				Seen:     text("自動起動は {file} です", "its unit file is {file}"),
				Slip:     text("start だけでは再起動後に止まったままです。systemctl enable も必要です。", "start alone is gone after a reboot; systemctl enable is needed too."),
				Command:  "systemctl is-enabled {unit}",
			},
			{
				Link:     "service-enabled",
				Step:     "service-not-enabled",
				Expected: text("{host} の {unit} サービスが自動では始まらない", "{unit} does not start at boot on {host}"),
				Seen:     text("自動起動は {file} です", "its unit file is {file}"),
				Slip:     text("stop だけでは再起動後にまた始まります。systemctl disable も必要です。", "stop alone is undone by a reboot; systemctl disable is needed too."),
				Command:  "systemctl is-enabled {unit}",
			},
			{
				Link:     "service-holds",
				Expected: text("{host} の {unit} サービスがこの状態ではない", "{unit} on {host} is not in this state"),
				Seen:     text("{state}、自動起動は {file} です", "it is {state}, its unit file {file}"),
				Slip:     text("systemctl で状態を変えてください。", "Change the state with systemctl."),
				Command:  "systemctl status {unit}",
			},
		},
	}, func(a *serviceArgs) scenario.Text {
		var ja, en []string
		say := func(want *bool, yesJA, yesEN, noJA, noEN string) {
			switch {
			case want == nil:
			case *want:
				ja, en = append(ja, yesJA), append(en, yesEN)
			default:
				ja, en = append(ja, noJA), append(en, noEN)
			}
		}
		say(a.Active, "動いている", "runs", "止まっている", "is stopped")
		say(a.Enabled, "自動起動する", "starts at boot", "自動起動しない", "does not start at boot")
		return text(fmt.Sprintf("%s の %s サービスが%s", a.Host, a.Unit, strings.Join(ja, "、")),
			fmt.Sprintf("%s on %s %s", a.Unit, a.Host, strings.Join(en, " and ")))
	}, runService)
}

// unitState is what systemctl show says of a unit.
type unitState struct{ load, active, result, file string }

func (v *view) unit(ctx context.Context, host, unit string) (unitState, error) {
	out, err := v.sh(ctx, host, "systemctl show -p LoadState -p ActiveState -p Result -p UnitFileState "+quote(unit+".service"))
	if err != nil {
		return unitState{}, err
	}
	if out.Status != 0 {
		return unitState{}, fmt.Errorf("%s: systemctl show: %s", host, clip(out.Stderr))
	}
	s := unitState{active: "inactive"}
	for _, l := range lines(out.Stdout) {
		switch name, value, _ := strings.Cut(l, "="); name {
		case "LoadState":
			s.load = value
		case "ActiveState":
			s.active = value
		case "Result":
			s.result = value
		case "UnitFileState":
			s.file = value
		}
	}
	return s, nil
}

func runService(ctx context.Context, v *view, a *serviceArgs) verdict {
	var got verdict
	_, err := v.until(ctx, string(a.Host), v.within(0), func() (bool, error) {
		s, err := v.unit(ctx, string(a.Host), string(a.Unit))
		if err != nil {
			return false, err
		}
		got = serviceVerdict(s, a)
		return (got.broken == "") != v.check.Not, nil
	})
	got.err = err
	return got
}

func serviceVerdict(s unitState, a *serviceArgs) verdict {
	file := s.file
	if file == "" {
		file = "static"
	}
	got := verdict{params: params{}.with("host", string(a.Host)).with("unit", string(a.Unit)).
		with("state", s.active).with("result", s.result).with("file", file)}
	wantsIt := a.Active != nil && *a.Active || a.Enabled != nil && *a.Enabled
	if s.load == "not-found" {
		if wantsIt {
			got.broken = "service-not-found"
		}
		return got
	}
	got.walked = append(got.walked, "service-not-found")
	running := s.active == "active" || s.active == "reloading"
	if a.Active != nil {
		switch {
		case !*a.Active && (running || s.active == "activating"):
			got.broken = "service-active"
		case *a.Active && !running && s.load == "masked":
			got.broken = "service-masked"
		case *a.Active && s.active == "failed":
			got.broken = "service-failed"
		case *a.Active && !running:
			got.broken = "service-not-active"
		}
		if got.broken != "" {
			return got
		}
		got.walked = append(got.walked, "service-not-active")
	}
	if a.Enabled != nil {
		enabled := strings.HasPrefix(s.file, "enabled") || s.file == "static" || s.file == "alias"
		switch {
		case *a.Enabled && !enabled:
			got.broken = "service-not-enabled"
		case !*a.Enabled && enabled:
			got.broken = "service-enabled"
		default:
			got.walked = append(got.walked, "service-not-enabled")
		}
	}
	return got
}
