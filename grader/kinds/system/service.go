package system

import (
	"context"
	"fmt"
	"strings"

	"enshu/grader/check"
	"enshu/grader/probe"
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
func (a *serviceArgs) Check(report func(key, ja, en string, args ...any)) {
	if a.Active == nil && a.Enabled == nil {
		report("", "service: 何も求めていないので、常に合格してしまいます。active か enabled を加えます", "service: the check expects nothing, it would always pass; add active or enabled")
	}
}

func Service() check.Kind {
	return check.Define(check.Kind{
		Name:     "service",
		Doc:      "A service of a host: whether it runs and whether it starts at boot.",
		Unwanted: "service-holds",
		Labels: map[string]scenario.Text{
			"service-not-found":   check.Text("ユニット", "unit"),
			"service-not-active":  check.Text("動作", "running"),
			"service-not-enabled": check.Text("自動起動", "at boot"),
		},
		Advice: []check.Advice{
			{
				Link:     "service-not-found",
				Expected: check.Text("{host} に {unit} サービスがある", "{host} has the service {unit}"),
				Seen:     check.Text("そのユニットはありません", "there is no such unit"),
				Slip:     check.Text("パッケージがまだ入っていないことがよくあります。dnf install で入れます。", "Often the package is not installed yet; dnf install brings it."),
				Command:  "systemctl status {unit}",
			},
			{
				Link:     "service-masked",
				Step:     "service-not-active",
				Expected: check.Text("{host} の {unit} サービスが動いている", "{unit} runs on {host}"),
				Seen:     check.Text("マスクされていて起動できません", "it is masked and cannot be started"),
				Slip:     check.Text("systemctl unmask {unit} で解除してから起動します。", "Run systemctl unmask {unit} first."),
				Command:  "systemctl status {unit}",
			},
			{
				Link:     "service-failed",
				Step:     "service-not-active",
				Expected: check.Text("{host} の {unit} サービスが動いている", "{unit} runs on {host}"),
				Seen:     check.Text("起動に失敗しています（{result}）", "it failed ({result})"),
				Slip:     check.Text("多くは設定ファイルの書き間違いです。journalctl -u {unit} に理由が出ます。", "Mostly its configuration has a mistake; journalctl -u {unit} has the reason."),
				Command:  "systemctl status {unit}",
			},
			{
				Link:     "service-not-active",
				Expected: check.Text("{host} の {unit} サービスが動いている", "{unit} runs on {host}"),
				Seen:     check.Text("動いていません（{state}）", "it does not run ({state})"),
				Slip:     check.Text("enable だけでは起動しません。systemctl start または enable --now を使います。", "enable alone does not start it; use systemctl start, or enable --now."),
				Command:  "systemctl status {unit}",
			},
			{
				Link:     "service-active",
				Step:     "service-not-active",
				Expected: check.Text("{host} の {unit} サービスが止まっている", "{unit} is stopped on {host}"),
				Seen:     check.Text("動いています（{state}）", "it runs ({state})"),
				Slip:     check.Text("disable だけでは止まりません。systemctl stop または disable --now を使います。", "disable alone does not stop it; use systemctl stop, or disable --now."),
				Command:  "systemctl status {unit}",
			},
			{
				Link:     "service-not-enabled",
				Expected: check.Text("{host} の {unit} サービスが起動時に自動で始まる", "{unit} starts at boot on {host}"),
				Seen:     check.Text("自動起動は {file} です", "its unit file is {file}"),
				Slip:     check.Text("start だけでは再起動後に止まったままです。systemctl enable も必要です。", "start alone is gone after a reboot; systemctl enable is needed too."),
				Command:  "systemctl is-enabled {unit}",
			},
			{
				Link:     "service-enabled",
				Step:     "service-not-enabled",
				Expected: check.Text("{host} の {unit} サービスが自動では始まらない", "{unit} does not start at boot on {host}"),
				Seen:     check.Text("自動起動は {file} です", "its unit file is {file}"),
				Slip:     check.Text("stop だけでは再起動後にまた始まります。systemctl disable も必要です。", "stop alone is undone by a reboot; systemctl disable is needed too."),
				Command:  "systemctl is-enabled {unit}",
			},
			{
				Link:     "service-holds",
				Expected: check.Text("{host} の {unit} サービスがこの状態ではない", "{unit} on {host} is not in this state"),
				Seen:     check.Text("{state}、自動起動は {file} です", "it is {state}, its unit file {file}"),
				Slip:     check.Text("systemctl で状態を変えてください。", "Change the state with systemctl."),
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
		return check.Text(fmt.Sprintf("%s の %s サービスが%s", a.Host, a.Unit, strings.Join(ja, "、")),
			fmt.Sprintf("%s on %s %s", a.Unit, a.Host, strings.Join(en, " and ")))
	}, runService)
}

func runService(ctx context.Context, v *check.View, a *serviceArgs) check.Verdict {
	return v.Settle(ctx, string(a.Host), func() (check.Verdict, error) {
		s, err := probe.Unit(ctx, v, string(a.Host), string(a.Unit))
		return serviceVerdict(s, a), err
	})
}

func serviceVerdict(s probe.UnitState, a *serviceArgs) check.Verdict {
	file := s.File
	if file == "" {
		file = "static"
	}
	got := check.Verdict{Params: check.Params{}.With("host", string(a.Host)).With("unit", string(a.Unit)).
		With("state", s.Active).With("result", s.Result).With("file", file)}
	wantsIt := a.Active != nil && *a.Active || a.Enabled != nil && *a.Enabled
	if s.Load == "not-found" {
		if wantsIt {
			got.Broken = "service-not-found"
		}
		return got
	}
	got.Walked = append(got.Walked, "service-not-found")
	running := s.Active == "active" || s.Active == "reloading"
	if a.Active != nil {
		switch {
		case !*a.Active && (running || s.Active == "activating"):
			got.Broken = "service-active"
		case *a.Active && !running && s.Load == "masked":
			got.Broken = "service-masked"
		case *a.Active && s.Active == "failed":
			got.Broken = "service-failed"
		case *a.Active && !running:
			got.Broken = "service-not-active"
		}
		if got.Broken != "" {
			return got
		}
		got.Walked = append(got.Walked, "service-not-active")
	}
	if a.Enabled != nil {
		enabled := strings.HasPrefix(s.File, "enabled") || s.File == "static" || s.File == "alias"
		switch {
		case *a.Enabled && !enabled:
			got.Broken = "service-not-enabled"
		case !*a.Enabled && enabled:
			got.Broken = "service-enabled"
		default:
			got.Walked = append(got.Walked, "service-not-enabled")
		}
	}
	return got
}
