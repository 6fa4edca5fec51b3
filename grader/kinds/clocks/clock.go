package clocks

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"enshu/grader/check"
	"enshu/grader/probe"
	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// clockArgs is how right a host's clock must be, and how it got right.
type clockArgs struct {
	Host    scenario.HostName `lab:"host,required"`
	Offset  scenario.Duration `lab:"offset" doc:"How far from true time the clock may be."`
	Stepped *bool             `lab:"stepped" doc:"Whether chronyd must have set the clock at once rather than slewed it."`
	Agrees  scenario.HostName `lab:"agrees" doc:"A host whose clock it must agree with, within offset."`
}

// Check refuses a check without an expectation.
func (a *clockArgs) Check(report func(key, format string, args ...any)) {
	if a.Offset <= 0 && a.Stepped == nil {
		report("", "clock: the check expects nothing, it would always pass; add offset or stepped")
	}
	if a.Agrees != "" && a.Offset <= 0 {
		report("agrees", "agrees: offset says how closely")
	}
}

// chronyAdvice is what is said when chronyd does not run or has no source.
func chronyAdvice() []check.Advice {
	return []check.Advice{
		{
			Link:     "chronyd-not-running",
			Expected: check.Text("{host} で chronyd が動いている", "chronyd runs on {host}"),
			Seen:     check.Text("動いていません（{state}）", "it does not run ({state})"),
			Slip:     check.Text("systemctl start chronyd で起動します。失敗するときは journalctl -u chronyd を見てください。", "Start it with systemctl start chronyd; if that fails, look at journalctl -u chronyd."),
			Command:  "systemctl status chronyd",
		},
		{
			Link:     "chronyd-not-restarted",
			Step:     "chronyd-not-running",
			Expected: check.Text("{host} の chronyd が今の設定で動いている", "chronyd on {host} runs with its present configuration"),
			Seen:     check.Text("/etc/chrony.conf の変更がまだ読み込まれていません", "the change of /etc/chrony.conf has not been loaded yet"),
			Slip:     check.Text("設定を変えたら systemctl restart chronyd が必要です。", "After a change, systemctl restart chronyd is needed."),
			Command:  "systemctl restart chronyd",
		},
	}
}

func Clock() check.Kind {
	return check.Define(check.Kind{
		Name:     "clock",
		Doc:      "The clock of a host: how far it is from true time, and whether chronyd stepped or slewed it.",
		Unwanted: "clock-holds",
		Labels: map[string]scenario.Text{
			"chronyd-not-running": check.Text("chronyd", "chronyd"),
			"clock-off":           check.Text("ずれ", "offset"),
			"clock-not-stepped":   check.Text("直し方", "how it was corrected"),
		},
		Advice: append(chronyAdvice(), []check.Advice{
			{
				Link:     "clock-no-source",
				Step:     "clock-off",
				Expected: check.Text("{host} の時計のずれが {want} 以内", "the clock of {host} is within {want}"),
				Seen:     check.Text("{offset} ずれていて、同期元が選ばれていません", "it is off by {offset}, and no source is selected"),
				Slip:     check.Text("chronyc sources の行頭が ^* になっているか確認してください。", "See whether a line of chronyc sources begins with ^*."),
				Command:  "chronyc sources",
			},
			{
				Link:     "clock-slewing",
				Step:     "clock-off",
				Expected: check.Text("{host} の時計のずれが {want} 以内", "the clock of {host} is within {want}"),
				Seen:     check.Text("{offset} ずれていて、少しずつ直している途中です", "it is off by {offset} and being corrected little by little"),
				Slip:     check.Text("大きなずれは chronyc makestep か、makestep の設定をした再起動で一気に直せます。", "A large offset is corrected at once by chronyc makestep, or by a restart with a makestep line."),
				Command:  "chronyc tracking",
			},
			{
				Link:     "clock-off",
				Expected: check.Text("{host} の時計のずれが {want} 以内", "the clock of {host} is within {want}"),
				Seen:     check.Text("{offset} ずれています", "it is off by {offset}"),
				Slip:     check.Text("chronyd の同期元が正しい時刻を持っているか確認してください。", "See whether the source of chronyd has the right time."),
				Command:  "date; chronyc tracking",
			},
			{
				Link:     "clocks-differ",
				Step:     "clock-off",
				Expected: check.Text("{host} と {agrees} の時計の差が {want} 以内", "the clocks of {host} and {agrees} are within {want}"),
				Seen:     check.Text("{offset} 違います", "they differ by {offset}"),
				Slip:     check.Text("両方のホストが同じ NTP サーバーに同期しているか確認してください。", "See whether both hosts follow the same NTP server."),
				Command:  "date; chronyc tracking",
			},
			{
				Link:     "clock-not-stepped",
				Expected: check.Text("{host} の chronyd が時計を一気に合わせる（step）", "chronyd on {host} steps the clock"),
				Seen:     check.Text("一気には合わせていません", "it did not step it"),
				Slip:     check.Text("makestep は既定で起動後 3 回の更新までしか働きません。chronyd を再起動するか chronyc makestep を使います。", "By default makestep works in the first three updates only; restart chronyd or use chronyc makestep."),
				Command:  "journalctl -u chronyd",
			},
			{
				Link:     "clock-stepped",
				Step:     "clock-not-stepped",
				Expected: check.Text("{host} の chronyd が時計を少しずつ合わせる（slew）", "chronyd on {host} slews the clock"),
				Seen:     check.Text("一気に合わせました（{stepat}）", "it stepped it ({stepat})"),
				Slip:     check.Text("/etc/chrony.conf の makestep の行を消すかコメントにし、chronyc makestep も使いません。", "Remove the makestep line from /etc/chrony.conf, and do not use chronyc makestep."),
				Command:  "journalctl -u chronyd",
			},
			{
				Link:     "clock-holds",
				Step:     "clock-off",
				Expected: check.Text("{host} の時計のずれが {want} より大きい", "the clock of {host} is off by more than {want}"),
				Seen:     check.Text("ずれは {offset} です", "it is off by {offset}"),
				Slip:     check.Text("timedatectl set-time で変える前に chronyd を止めます。", "Stop chronyd before timedatectl set-time."),
				Command:  "date",
			},
		}...),
	}, func(a *clockArgs) scenario.Text {
		switch {
		case a.Agrees != "":
			return check.Text(fmt.Sprintf("%s と %s の時計が一致する（%s 以内）", a.Host, a.Agrees, a.Offset), fmt.Sprintf("the clocks of %s and %s agree within %s", a.Host, a.Agrees, a.Offset))
		case a.Offset > 0:
			return check.Text(fmt.Sprintf("%s の時計が正しい（%s 以内）", a.Host, a.Offset), fmt.Sprintf("the clock of %s is right within %s", a.Host, a.Offset))
		case *a.Stepped:
			return check.Text(fmt.Sprintf("%s の時計が一気に合わせられた", a.Host), fmt.Sprintf("the clock of %s was stepped", a.Host))
		}
		return check.Text(fmt.Sprintf("%s の時計が少しずつ合わせられた", a.Host), fmt.Sprintf("the clock of %s was slewed", a.Host))
	}, runClock)
}

// spell writes an offset for people: to the millisecond when it is small.
func spell(d time.Duration) string {
	if d.Abs() >= time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

func runClock(ctx context.Context, v *check.View, a *clockArgs) check.Verdict {
	host := string(a.Host)
	got := check.Verdict{Params: check.Params{}.With("host", host).With("want", a.Offset.String()).With("agrees", string(a.Agrees))}
	off := func() time.Duration {
		d := v.Lab.Clock(host).Offset()
		if a.Agrees != "" {
			d -= v.Lab.Clock(string(a.Agrees)).Offset()
		}
		got.Params.With("offset", spell(d))
		return d.Abs()
	}
	if a.Offset > 0 {
		right, err := v.Until(ctx, host, v.Within(0), func() (bool, error) {
			return (off() <= time.Duration(a.Offset)) != v.Check.Not, nil
		})
		if err != nil {
			got.Err = err
			return got
		}
		if right == v.Check.Not {
			got.Broken, got.Err = whyClock(ctx, v, a, &got)
			return got
		}
		got.Walked = append(got.Walked, "clock-off")
	}
	if a.Stepped == nil {
		return got
	}
	// chronyd is the one that counts: a learner's own date or timedatectl is no step of it.
	var step *trace.Event
	events := v.Lab.Trace().Since(0)
	for i := range events {
		if e := &events[i]; e.Host == host && e.Kind == trace.ClockStepped && (e.Program == "chronyd" || e.Program == "chronyc") {
			step = e
		}
	}
	switch {
	case *a.Stepped && step == nil:
		got.Broken = "clock-not-stepped"
	case !*a.Stepped && step != nil:
		got.Evidence = []uint64{step.Seq}
		got.Params.With("stepat", step.Attrs["by"])
		got.Broken = "clock-stepped"
	default:
		got.Walked = append(got.Walked, "clock-not-stepped")
	}
	return got
}

// whyClock tells why a clock is wrong.
func whyClock(ctx context.Context, v *check.View, a *clockArgs, got *check.Verdict) (string, error) {
	host := string(a.Host)
	if a.Agrees != "" {
		return "clocks-differ", nil
	}
	link, err := chronyd(ctx, v, host, got)
	if link != "" || err != nil {
		return link, err
	}
	sources, err := ntpSources(ctx, v, host)
	if err != nil {
		return "", err
	}
	for _, s := range sources {
		if s.state == "*" {
			if slewing(v, host) {
				return "clock-slewing", nil
			}
			return "clock-off", nil
		}
	}
	return "clock-no-source", nil
}

// slewing reports whether chronyd has said that it corrects the clock and has not stepped it since.
func slewing(v *check.View, host string) bool {
	slewing := false
	for _, e := range v.Lab.Trace().Since(0) {
		if e.Host == host {
			switch e.Kind {
			case trace.ClockSlewed:
				slewing = true
			case trace.ClockStepped:
				slewing = false
			}
		}
	}
	return slewing
}

// chronyd asks whether chronyd runs and has read its configuration.
func chronyd(ctx context.Context, v *check.View, host string, got *check.Verdict) (string, error) {
	u, err := probe.Unit(ctx, v, host, "chronyd")
	if err != nil {
		return "", err
	}
	if u.Active != "active" {
		got.Params.With("host", host).With("state", u.Active)
		return "chronyd-not-running", nil
	}
	data, err := v.Read(host, "/etc/chrony.conf")
	if err != nil {
		return "", err
	}
	if digest, ok := probe.Loaded(v, host, "chronyd")["/etc/chrony.conf"]; ok && digest != trace.Digest([]byte(data)) {
		got.Params.With("host", host)
		return "chronyd-not-restarted", nil
	}
	got.Walked = append(got.Walked, "chronyd-not-running")
	return "", nil
}

// ntpSource is a line of chronyc -c sources.
type ntpSource struct {
	mode, state, name string
	stratum           int
	interval          int // seconds between two questions
	reach             int // the register, octal as chronyc prints it
}

func ntpSources(ctx context.Context, v *check.View, host string) ([]ntpSource, error) {
	out, err := v.Sh(ctx, host, "chronyc -n -c sources")
	if err != nil {
		return nil, err
	}
	var all []ntpSource
	for _, l := range check.Lines(out.Stdout) {
		f := strings.Split(l, ",")
		if len(f) < 6 {
			continue
		}
		s := ntpSource{mode: f[0], state: f[1], name: f[2]}
		fmt.Sscan(f[3], &s.stratum)
		if poll, err := strconv.Atoi(f[4]); err == nil && poll >= 0 && poll < 32 {
			s.interval = 1 << poll
		}
		fmt.Sscanf(f[5], "%o", &s.reach)
		all = append(all, s)
	}
	return all, nil
}
