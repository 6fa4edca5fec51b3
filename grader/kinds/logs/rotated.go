package logs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"enshu/grader/check"
	"enshu/sim/scenario"
)

// rotatedArgs is a log file and how logrotate must treat it. What logrotate
// would do is asked of logrotate -d; what it did is read off the files.
type rotatedArgs struct {
	Host       scenario.HostName `lab:"host,required"`
	File       scenario.Path     `lab:"file,required"`
	Every      string            `lab:"every" doc:"hourly, daily, weekly, monthly, yearly, or a size such as 100k."`
	Keep       *int              `lab:"keep" doc:"How many old files are kept."`
	Happened   bool              `lab:"happened" doc:"An old file must be there."`
	Compressed *bool             `lab:"compressed" doc:"Whether the older of the old files are compressed."`
	Reopened   bool              `lab:"reopened" doc:"Nobody may go on writing to the newest old file: a new line, sent with logger at this file's priority, lands in the file itself."`
	Priority   scenario.Priority `lab:"priority" doc:"The priority that reaches the file, for reopened."`
}

// Check refuses a check without an expectation.
func (a *rotatedArgs) Check(report func(key, ja, en string, args ...any)) {
	if a.Every == "" && a.Keep == nil && !a.Happened && a.Compressed == nil && !a.Reopened {
		report("", "rotated: 何も求めていないので、常に合格してしまいます。every、keep、happened、compressed、reopened のどれかを加えます", "rotated: the check expects nothing, it would always pass; add every, keep, happened, compressed or reopened")
	}
	if a.Keep != nil && *a.Keep < 0 {
		report("keep", "keep: ファイルの数は負にできません", "keep: a number of files must not be negative")
	}
}

func Rotated() check.Kind {
	return check.Define(check.Kind{
		Name:     "rotated",
		Doc:      "How logrotate treats a log file: how often, how many old files, compressed, and that it happened.",
		Unwanted: "rotate-holds",
		Labels: map[string]scenario.Text{
			"rotate-config-error":   check.Text("設定", "configuration"),
			"rotate-not-configured": check.Text("対象", "handled"),
			"rotate-every":          check.Text("間隔", "how often"),
			"rotate-keep":           check.Text("世代数", "old files"),
			"rotate-not-happened":   check.Text("実行", "done"),
			"rotate-not-compressed": check.Text("圧縮", "compressed"),
			"rotate-not-reopened":   check.Text("書き込み先", "writer"),
		},
		Advice: []check.Advice{
			{
				Link:     "rotate-config-error",
				Expected: check.Text("{host} の logrotate の設定に誤りがない", "the configuration of logrotate on {host} has no error"),
				Seen:     check.Text("誤りがあります: {error}", "it has one: {error}"),
				Slip:     check.Text("{ } の対応、endscript の書き忘れ、ファイルの権限（root 以外が書き込めないこと）を確認してください。", "Look for an unmatched { }, a missing endscript, or a file that others may write."),
				Command:  "logrotate -d /etc/logrotate.conf",
			},
			{
				Link:     "rotate-not-configured",
				Expected: check.Text("{host} の logrotate が {file} を対象にする", "logrotate on {host} handles {file}"),
				Seen:     check.Text("対象に含まれていません", "it does not"),
				Slip:     check.Text("/etc/logrotate.d のファイルのパスとワイルドカードを確認してください。", "Look at the path and wildcard in the file of /etc/logrotate.d."),
				Command:  "logrotate -d /etc/logrotate.conf",
			},
			{
				Link:     "rotate-every",
				Expected: check.Text("{file} のローテーションが {want}", "{file} is rotated {want}"),
				Seen:     check.Text("logrotate の解釈は {every} です", "logrotate reads it as {every}"),
				Slip:     check.Text("size は daily などの間隔より優先されます。あとに書いた方が効きます。", "size overrides daily and its like; what comes later counts."),
				Command:  "logrotate -d /etc/logrotate.conf",
			},
			{
				Link:     "rotate-keep",
				Expected: check.Text("{file} の古いファイルを {want} 世代残す", "{want} old files of {file} are kept"),
				Seen:     check.Text("{keep} 世代です", "it is {keep}"),
				Slip:     check.Text("rotate 数値 を、そのファイルの { } の中に書きます。", "Write rotate NUMBER inside the braces of that file."),
				Command:  "logrotate -d /etc/logrotate.conf",
			},
			{
				Link:     "rotate-not-happened",
				Expected: check.Text("{file} がローテーションされている", "{file} has been rotated"),
				Seen:     check.Text("古いファイルがありません", "there is no old file"),
				Slip:     check.Text("logrotate -f で強制的に実行できます。notifempty のとき空のファイルは対象になりません。", "logrotate -f forces it. With notifempty an empty file is left alone."),
				Command:  "ls -l {file}*",
			},
			{
				Link:     "rotate-not-compressed",
				Expected: check.Text("{file} の古いファイルが圧縮される", "the old files of {file} are compressed"),
				Seen:     check.Text("圧縮されたファイルがありません", "no old file is compressed"),
				Slip:     check.Text("delaycompress だけでは圧縮されません。compress も必要です。", "delaycompress alone compresses nothing; compress is needed too."),
				Command:  "ls -l {file}*",
			},
			{
				Link:     "rotate-compressed",
				Step:     "rotate-not-compressed",
				Expected: check.Text("{file} の古いファイルが圧縮されない", "the old files of {file} are not compressed"),
				Seen:     check.Text("{old} があります", "there is {old}"),
				Slip:     check.Text("nocompress を書くか compress を消します。", "Write nocompress, or remove compress."),
				Command:  "ls -l {file}*",
			},
			{
				Link:     "rotate-not-reopened",
				Expected: check.Text("新しいメッセージが {file} に書かれる", "a new message is written to {file}"),
				Seen:     check.Text("{old} に書き続けられています", "it still goes to {old}"),
				Slip:     check.Text("postrotate でデーモンにファイルを開き直させます（rsyslogd なら HUP）。", "Have postrotate make the daemon open its file anew (HUP for rsyslogd)."),
				Command:  "ls -l {file}*",
			},
			{
				Link:     "rotate-holds",
				Step:     "rotate-not-happened",
				Expected: check.Text("{file} がこのように扱われない", "{file} is not treated so"),
				Seen:     check.Text("このように扱われています", "it is"),
				Slip:     check.Text("/etc/logrotate.d の設定を確認してください。", "Look at the files of /etc/logrotate.d."),
				Command:  "logrotate -d /etc/logrotate.conf",
			},
		},
	}, func(a *rotatedArgs) scenario.Text {
		return check.Text(fmt.Sprintf("%s の %s が正しくローテーションされる", a.Host, a.File), fmt.Sprintf("%s on %s is rotated as asked", a.File, a.Host))
	}, runRotated)
}

// rotation is what logrotate -d says of one pattern.
type rotation struct {
	patterns []string
	every    string // "weekly", "after 1 days", "102400 bytes"
	keep     int
	logs     []string
}

// rotations reads the output of logrotate -d.
func rotations(debug string) []rotation {
	var all []rotation
	for _, l := range check.Lines(debug) {
		if rest, ok := strings.CutPrefix(l, "rotating pattern: "); ok {
			names, how, _ := strings.Cut(rest, "  ")
			r := rotation{patterns: strings.Fields(names), keep: -1}
			if i := strings.LastIndex(how, " ("); i >= 0 {
				r.every = how[:i]
				fmt.Sscanf(how[i:], " (%d rotations)", &r.keep)
				if strings.HasPrefix(how[i:], " (no old logs") {
					r.keep = 0
				}
			}
			all = append(all, r)
		}
		if name, ok := strings.CutPrefix(l, "considering log "); ok && len(all) > 0 {
			all[len(all)-1].logs = append(all[len(all)-1].logs, name)
		}
	}
	return all
}

// everyWords are how logrotate -d calls its intervals.
var everyWords = map[string][]string{
	"hourly": {"hourly"}, "daily": {"after 1 days", "daily"}, "weekly": {"weekly"}, "monthly": {"monthly"}, "yearly": {"yearly"},
}

// sameEvery reports whether logrotate's word is the interval or size asked for.
func sameEvery(want, says string) bool {
	for _, w := range everyWords[want] {
		if says == w {
			return true
		}
	}
	n, ok := strings.CutSuffix(says, " bytes")
	if !ok {
		return false
	}
	shift := 0
	for unit, s := range map[string]int{"k": 10, "M": 20, "G": 30} {
		if before, is := strings.CutSuffix(want, unit); is {
			want, shift = before, s
		}
	}
	bytes, err := strconv.ParseInt(want, 10, 40)
	return err == nil && n == strconv.FormatInt(bytes<<shift, 10)
}

// configFault reports whether a line of logrotate -d is about an error of the
// configuration: not that there has been no rotation yet, so no state file, or
// that there is no log at present.
func configFault(line string) bool {
	return strings.HasPrefix(line, "error:") && !strings.HasPrefix(line, "error: error stat()ing state file ") &&
		!strings.HasPrefix(line, "error: stat of ")
}

func runRotated(ctx context.Context, v *check.View, a *rotatedArgs) check.Verdict {
	host, file := string(a.Host), string(a.File)
	got := check.Verdict{Params: check.Params{}.With("host", host).With("file", file).With("want", a.Every)}
	out, err := v.Sh(ctx, host, "logrotate -d /etc/logrotate.conf")
	if err != nil {
		got.Err = err
		return got
	}
	debug := out.Stdout + out.Stderr
	for _, l := range check.Lines(debug) {
		if configFault(l) {
			got.Params.With("error", check.Clip(strings.TrimPrefix(l, "error: ")))
			got.Lines = append(got.Lines, check.Clip(l))
			got.Broken = "rotate-config-error"
			return got
		}
	}
	got.Walked = append(got.Walked, "rotate-config-error")
	var mine *rotation
	all := rotations(debug)
	for i := range all {
		if slices.Contains(all[i].logs, file) {
			mine = &all[i]
		}
	}
	if mine == nil {
		got.Broken = "rotate-not-configured"
		return got
	}
	got.Walked = append(got.Walked, "rotate-not-configured")
	got.Params.With("every", mine.every).With("keep", strconv.Itoa(mine.keep))
	if a.Every != "" {
		if !sameEvery(a.Every, mine.every) {
			got.Broken = "rotate-every"
			return got
		}
		got.Walked = append(got.Walked, "rotate-every")
	}
	if a.Keep != nil {
		if mine.keep != *a.Keep {
			got.Params.With("want", strconv.Itoa(*a.Keep))
			got.Broken = "rotate-keep"
			return got
		}
		got.Walked = append(got.Walked, "rotate-keep")
	}
	got.Err = rotatedFiles(ctx, v, a, &got)
	return got
}

// rotatedFiles looks at what has been rotated.
func rotatedFiles(ctx context.Context, v *check.View, a *rotatedArgs, got *check.Verdict) error {
	host, file := string(a.Host), string(a.File)
	out, err := v.Sh(ctx, host, "for f in "+file+"[-.]*; do [ -f \"$f\" ] && echo \"$f\"; done; :")
	if err != nil {
		return err
	}
	old := check.Lines(out.Stdout)
	compressed := ""
	for _, f := range old {
		if strings.HasSuffix(f, ".gz") || strings.HasSuffix(f, ".bz2") || strings.HasSuffix(f, ".xz") {
			compressed = f
		}
	}
	if a.Happened || a.Reopened {
		if len(old) == 0 {
			got.Broken = "rotate-not-happened"
			return nil
		}
		got.Walked = append(got.Walked, "rotate-not-happened")
	}
	if a.Compressed != nil {
		switch {
		case *a.Compressed && compressed == "":
			got.Broken = "rotate-not-compressed"
		case !*a.Compressed && compressed != "":
			got.Params.With("old", compressed)
			got.Broken = "rotate-compressed"
		}
		if got.Broken != "" {
			return nil
		}
		got.Walked = append(got.Walked, "rotate-not-compressed")
	}
	if !a.Reopened {
		return nil
	}
	if _, err := v.Sh(ctx, host, "logger -p "+a.Priority.String()+" -t enshu -- "+check.Quote("reopened "+v.Token)); err != nil {
		return err
	}
	in := ""
	_, err = v.Until(ctx, host, v.Within(defaultWithin), func() (bool, error) {
		for _, f := range append([]string{file}, old...) {
			data, err := v.Read(host, f)
			if err != nil {
				return false, err
			}
			if strings.Contains(data, v.Token) {
				in = f
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	if in != file {
		if in == "" {
			in = old[len(old)-1]
		}
		got.Params.With("old", in)
		got.Broken = "rotate-not-reopened"
		return nil
	}
	got.Walked = append(got.Walked, "rotate-not-reopened")
	return nil
}
