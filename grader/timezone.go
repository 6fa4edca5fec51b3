package grader

import (
	"context"
	"fmt"
	"strings"

	"enshu/sim/scenario"
)

// timezoneArgs is the time zone of a host.
type timezoneArgs struct {
	Host scenario.HostName `lab:"host,required"`
	Zone scenario.Timezone `lab:"zone,required" doc:"Such as Asia/Tokyo."`
}

func timezoneKind() kind {
	return define(kind{
		name:     "timezone",
		doc:      "The time zone of a host.",
		unwanted: "timezone-holds",
		labels:   map[string]scenario.Text{"timezone-differs": text("タイムゾーン", "time zone")},
		advice: []Advice{
			{
				Link:     "timezone-differs",
				Expected: text("{host} のタイムゾーンが {want}", "the time zone of {host} is {want}"),
				Seen:     text("{is} です", "it is {is}"),
				Slip:     text("timedatectl set-timezone {want} で変えます。", "Change it with timedatectl set-timezone {want}."),
				Command:  "timedatectl",
			},
			{
				Link:     "timezone-holds",
				Step:     "timezone-differs",
				Expected: text("{host} のタイムゾーンが {want} ではない", "the time zone of {host} is not {want}"),
				Seen:     text("{is} です", "it is {is}"),
				Slip:     text("timedatectl set-timezone で変えます。", "Change it with timedatectl set-timezone."),
				Command:  "timedatectl",
			},
		},
	}, func(a *timezoneArgs) scenario.Text {
		return text(fmt.Sprintf("%s のタイムゾーンが %s", a.Host, a.Zone), fmt.Sprintf("the time zone of %s is %s", a.Host, a.Zone))
	}, runTimezone)
}

func runTimezone(ctx context.Context, v *view, a *timezoneArgs) verdict {
	got := verdict{params: params{}.with("host", string(a.Host)).with("want", string(a.Zone))}
	out, err := v.sh(ctx, string(a.Host), "timedatectl show -p Timezone --value")
	if err != nil {
		got.err = err
		return got
	}
	is := strings.TrimSpace(out.Stdout)
	got.params.with("is", is)
	if is != string(a.Zone) {
		got.broken = "timezone-differs"
		return got
	}
	got.walked = []string{"timezone-differs"}
	return got
}
