package mail

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"enshu/grader/check"
	"enshu/sim/scenario"
)

// aliasArgs is what an address expands to in the database that is in force.
type aliasArgs struct {
	Host    scenario.HostName `lab:"host,required"`
	Address string            `lab:"address,required" doc:"The local name, such as root."`
	Expands []string          `lab:"expands,required" doc:"Exactly these addresses, in any order."`
}

func Alias() check.Kind {
	return check.Define(check.Kind{
		Name:     "alias",
		Doc:      "What an address expands to in the alias database that Postfix uses.",
		Unwanted: "alias-holds",
		Labels: map[string]scenario.Text{
			"alias-missing": check.Text("/etc/aliases", "/etc/aliases"),
			"alias-differs": check.Text("宛先", "addresses"),
		},
		Advice: []check.Advice{
			{
				Link:     "alias-not-loaded",
				Step:     "alias-missing",
				Expected: check.Text("{host} の別名データベースで {address} が {want} になる", "the alias database of {host} expands {address} to {want}"),
				Seen:     check.Text("/etc/aliases にはありますが、データベースは「{is}」のままです", "/etc/aliases says so, but the database still has “{is}”"),
				Slip:     check.Text("/etc/aliases を変えたら newaliases を実行します。", "After a change of /etc/aliases, run newaliases."),
				Command:  "postalias -q {address} hash:/etc/aliases",
			},
			{
				Link:     "alias-missing",
				Expected: check.Text("{host} の別名データベースで {address} が {want} になる", "the alias database of {host} expands {address} to {want}"),
				Seen:     check.Text("{address} の別名がありません", "there is no alias {address}"),
				Slip:     check.Text("/etc/aliases に「{address}: 宛先」と書き、newaliases を実行します。", "Write “{address}: address” into /etc/aliases and run newaliases."),
				Command:  "postalias -q {address} hash:/etc/aliases",
			},
			{
				Link:     "alias-differs",
				Expected: check.Text("{host} の別名データベースで {address} が {want} になる", "the alias database of {host} expands {address} to {want}"),
				Seen:     check.Text("「{is}」になっています", "it expands to “{is}”"),
				Slip:     check.Text("複数の宛先はカンマで区切って 1 行に書きます。同じ名前を 2 行書いても足されません。", "Several addresses go on one line with commas; a second line of the same name is not added to the first."),
				Command:  "postalias -q {address} hash:/etc/aliases",
			},
			{
				Link:     "alias-holds",
				Step:     "alias-differs",
				Expected: check.Text("{host} で {address} が {want} にならない", "{address} does not expand to {want} on {host}"),
				Seen:     check.Text("そうなっています", "it does"),
				Slip:     check.Text("/etc/aliases を直し、newaliases を実行してください。", "Correct /etc/aliases and run newaliases."),
				Command:  "postalias -q {address} hash:/etc/aliases",
			},
		},
	}, func(a *aliasArgs) scenario.Text {
		want := strings.Join(a.Expands, ", ")
		return check.Text(fmt.Sprintf("%s で %s 宛てが %s に届くように設定されている", a.Host, a.Address, want), fmt.Sprintf("%s on %s is an alias of %s", a.Address, a.Host, want))
	}, runAlias)
}

// addresses splits what an alias expands to, sorted.
func addresses(s string) []string {
	var out []string
	for _, f := range strings.Split(strings.ReplaceAll(s, "\n", ","), ",") {
		if f = strings.TrimSpace(f); f != "" {
			out = append(out, f)
		}
	}
	sort.Strings(out)
	return out
}

func runAlias(ctx context.Context, v *check.View, a *aliasArgs) check.Verdict {
	host := string(a.Host)
	want := addresses(strings.Join(a.Expands, ","))
	got := check.Verdict{Params: check.Params{}.With("host", host).With("address", a.Address).With("want", strings.Join(want, ", "))}
	out, err := v.Sh(ctx, host, "postalias -q "+check.Quote(a.Address)+" hash:/etc/aliases")
	if err != nil {
		got.Err = err
		return got
	}
	is := addresses(out.Stdout)
	got.Params["is"] = check.Text("なし", "nothing")
	if len(is) > 0 {
		got.Params.With("is", strings.Join(is, ", "))
	}
	if strings.Join(is, ",") == strings.Join(want, ",") {
		got.Walked = []string{"alias-missing", "alias-differs"}
		return got
	}
	file, err := v.Read(host, "/etc/aliases")
	if err != nil {
		got.Err = err
		return got
	}
	switch strings.Join(aliasInFile(file, a.Address), ",") {
	case strings.Join(want, ","):
		got.Broken = "alias-not-loaded"
	case "":
		got.Broken = "alias-missing"
	default:
		got.Walked = []string{"alias-missing"}
		got.Broken = "alias-differs"
	}
	return got
}

// aliasInFile returns what a file in the format of aliases(5) says of a name.
func aliasInFile(file, name string) []string {
	var logical []string
	for _, l := range check.Lines(file) {
		switch {
		case strings.HasPrefix(strings.TrimSpace(l), "#") || strings.TrimSpace(l) == "":
		case (l[0] == ' ' || l[0] == '\t') && len(logical) > 0:
			logical[len(logical)-1] += " " + l
		default:
			logical = append(logical, l)
		}
	}
	for _, l := range logical {
		if key, value, ok := strings.Cut(l, ":"); ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return addresses(value)
		}
	}
	return nil
}
