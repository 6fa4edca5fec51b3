package clocks

import (
	"context"
	"fmt"
	"strings"

	"enshu/grader/check"
	"enshu/sim/scenario"
)

// timezoneArgs is the time zone of a host.
type timezoneArgs struct {
	Host scenario.HostName `lab:"host,required"`
	Zone scenario.Timezone `lab:"zone,required" doc:"Such as Asia/Tokyo."`
}

func Timezone() check.Kind {
	return check.Define(check.Kind{
		Name:     "timezone",
		Doc:      "The time zone of a host.",
		Unwanted: "timezone-holds",
		Labels:   map[string]scenario.Text{"timezone-differs": check.Text("タイムゾーン", "time zone")},
		Advice: []check.Advice{
			{
				Link:     "timezone-differs",
				Expected: check.Text("{host} のタイムゾーンが {want}", "the time zone of {host} is {want}"),
				Seen:     check.Text("{is} です", "it is {is}"),
				Slip:     check.Text("timedatectl set-timezone {want} で変えます。", "Change it with timedatectl set-timezone {want}."),
				Command:  "timedatectl",
			},
			{
				Link:     "timezone-holds",
				Step:     "timezone-differs",
				Expected: check.Text("{host} のタイムゾーンが {want} ではない", "the time zone of {host} is not {want}"),
				Seen:     check.Text("{is} です", "it is {is}"),
				Slip:     check.Text("timedatectl set-timezone で変えます。", "Change it with timedatectl set-timezone."),
				Command:  "timedatectl",
			},
		},
	}, func(a *timezoneArgs) scenario.Text {
		return check.Text(fmt.Sprintf("%s のタイムゾーンが %s", a.Host, a.Zone), fmt.Sprintf("the time zone of %s is %s", a.Host, a.Zone))
	}, runTimezone)
}

func runTimezone(ctx context.Context, v *check.View, a *timezoneArgs) check.Verdict {
	got := check.Verdict{Params: check.Params{}.With("host", string(a.Host)).With("want", string(a.Zone))}
	out, err := v.Sh(ctx, string(a.Host), "timedatectl show -p Timezone --value")
	if err != nil {
		got.Err = err
		return got
	}
	is := strings.TrimSpace(out.Stdout)
	got.Params.With("is", is)
	if is != string(a.Zone) {
		got.Broken = "timezone-differs"
		return got
	}
	got.Walked = []string{"timezone-differs"}
	return got
}
