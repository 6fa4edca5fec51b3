package system

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"enshu/grader/check"
	"enshu/grader/probe"
	"enshu/sim/scenario"
)

// fileArgs is a file of a host and what must be true of it.
type fileArgs struct {
	Host     scenario.HostName `lab:"host,required"`
	Path     scenario.Path     `lab:"path,required"`
	Exists   *bool             `lab:"exists" doc:"Whether it must be there; by default true."`
	Contains string            `lab:"contains" doc:"A text that must be in it."`
	Matches  *scenario.Regexp  `lab:"matches" doc:"A regular expression; ^ and $ match at lines."`
	Lacks    string            `lab:"lacks" doc:"A text that must not be in it."`
	Mode     *scenario.Mode    `lab:"mode"`
	Owner    scenario.UserName `lab:"owner"`
}

// Check refuses a file that must be missing and hold something.
func (a *fileArgs) Check(report func(key, ja, en string, args ...any)) {
	more := a.Contains != "" || a.Matches != nil || a.Lacks != "" || a.Mode != nil || a.Owner != ""
	if a.Exists != nil && !*a.Exists && more {
		report("exists", "exists: あってはならないファイルに、内容、モード、所有者はありません", "exists: a file that must not be there has no contents, mode or owner")
	}
	if a.Exists == nil && !more {
		report("", "file: 何も求めていないので、常に合格してしまいます", "file: the check expects nothing, it would always pass")
	}
}

func File() check.Kind {
	return check.Define(check.Kind{
		Name:     "file",
		Doc:      "A file of a host: that it is there, what is in it, its mode and owner.",
		Unwanted: "file-holds",
		Labels: map[string]scenario.Text{
			"file-missing": check.Text("ファイルの有無", "file present"),
			"file-content": check.Text("内容", "contents"),
			"file-mode":    check.Text("アクセス権", "mode"),
			"file-owner":   check.Text("所有者", "owner"),
		},
		Advice: []check.Advice{
			{
				Link:     "file-missing",
				Expected: check.Text("{host} に {path} がある", "{path} is on {host}"),
				Seen:     check.Text("ファイルがありません", "there is no such file"),
				Slip:     check.Text("ファイル名の打ち間違いや、別のホストで作業していないかを確認してください。", "Look for a mistyped name, or work done on another host."),
				Command:  "ls -l {path}",
			},
			{
				Link:     "file-exists",
				Step:     "file-missing",
				Expected: check.Text("{host} に {path} がない", "{path} is not on {host}"),
				Seen:     check.Text("ファイルがあります", "the file is there"),
				Slip:     check.Text("不要なファイルが残っていないか確認してください。", "See whether something was left behind."),
				Command:  "ls -l {path}",
			},
			{
				Link:     "file-content",
				Expected: check.Text("{host} の {path} が{what}", "{path} on {host} {what}"),
				Seen:     check.Text("そうなっていません（{count} 行）", "it does not ({count} lines)"),
				Slip:     check.Text("編集したあと保存したか、行頭に # が残っていないかを確認してください。", "See whether the edit was saved and whether a # is left at the start of the line."),
				Command:  "cat {path}",
			},
			{
				Link:     "file-mode",
				Expected: check.Text("{host} の {path} のアクセス権が {want}", "{path} on {host} has mode {want}"),
				Seen:     check.Text("アクセス権は {mode} です", "its mode is {mode}"),
				Slip:     check.Text("chmod で直せます。グループや他人が書き込めるファイルを無視するプログラムもあります。", "chmod changes it. Some programs ignore files that others may write."),
				Command:  "ls -l {path}",
			},
			{
				Link:     "file-owner",
				Expected: check.Text("{host} の {path} の所有者が {want}", "{path} on {host} belongs to {want}"),
				Seen:     check.Text("所有者は {owner} です", "it belongs to {owner}"),
				Slip:     check.Text("root で作ったファイルは root のものになります。chown で直せます。", "What root makes belongs to root. chown changes it."),
				Command:  "ls -l {path}",
			},
			{
				Link:     "file-holds",
				Expected: check.Text("{host} の {path} が元のままではない", "{path} on {host} is not as it was"),
				Seen:     check.Text("条件に合ったままです", "it still is"),
				Slip:     check.Text("編集したあと保存したか確認してください。", "See whether the edit was saved."),
				Command:  "cat {path}",
			},
		},
	}, func(a *fileArgs) scenario.Text {
		if a.Exists != nil && !*a.Exists {
			return check.Text(fmt.Sprintf("%s に %s がない", a.Host, a.Path), fmt.Sprintf("%s is not on %s", a.Path, a.Host))
		}
		return check.Text(fmt.Sprintf("%s の %s が正しい", a.Host, a.Path), fmt.Sprintf("%s is right on %s", a.Path, a.Host))
	}, runFile)
}

func runFile(ctx context.Context, v *check.View, a *fileArgs) check.Verdict {
	return v.Settle(ctx, string(a.Host), func() (check.Verdict, error) { return fileNow(v, a) })
}

// fileNow looks at the file once.
func fileNow(v *check.View, a *fileArgs) (check.Verdict, error) {
	host, name := string(a.Host), string(a.Path)
	got := check.Verdict{Params: check.Params{}.With("host", host).With("path", name)}
	info, err := v.Lab.Stat(host, name)
	missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
	wantMissing := a.Exists != nil && !*a.Exists
	switch {
	case err != nil && !missing:
		return got, fmt.Errorf("%s: %w", host, err)
	case missing && wantMissing:
		got.Walked = append(got.Walked, "file-missing")
		return got, nil
	case missing:
		got.Broken = "file-missing"
		return got, nil
	case wantMissing:
		got.Broken = "file-exists"
		return got, nil
	}
	got.Walked = append(got.Walked, "file-missing")
	if a.Contains != "" || a.Matches != nil || a.Lacks != "" {
		data, err := v.Read(host, name)
		if err != nil {
			return got, err
		}
		got.Params.With("count", strconv.Itoa(len(check.Lines(data))))
		switch {
		case a.Contains != "" && !strings.Contains(data, a.Contains):
			got.Params["what"] = check.Text("「"+check.Clip(a.Contains)+"」を含む", "holds “"+check.Clip(a.Contains)+"”")
		case a.Matches != nil && !a.Matches.MatchString(data):
			got.Params["what"] = check.Text("正規表現「"+a.Matches.String()+"」に一致する", "matches “"+a.Matches.String()+"”")
		case a.Lacks != "" && strings.Contains(data, a.Lacks):
			got.Params["what"] = check.Text("「"+check.Clip(a.Lacks)+"」を含まない", "does not hold “"+check.Clip(a.Lacks)+"”")
			for i, l := range check.Lines(data) {
				if strings.Contains(l, a.Lacks) {
					got.Lines = append(got.Lines, fmt.Sprintf("%s:%d: %s", name, i+1, check.Clip(l)))
				}
			}
		}
		if _, broken := got.Params["what"]; broken {
			got.Broken = "file-content"
			return got, nil
		}
		got.Walked = append(got.Walked, "file-content")
	}
	if a.Mode != nil {
		if want := fs.FileMode(*a.Mode); probe.Octal(info.Mode()) != probe.Octal(want) {
			got.Broken = "file-mode"
			got.Params.With("want", probe.Octal(want)).With("mode", probe.Octal(info.Mode()))
			return got, nil
		}
		got.Walked = append(got.Walked, "file-mode")
	}
	if a.Owner != "" {
		owner, err := probe.Owner(v, host, info)
		if err != nil {
			return got, err
		}
		if owner != string(a.Owner) {
			got.Broken = "file-owner"
			got.Params.With("want", string(a.Owner)).With("owner", owner)
			return got, nil
		}
		got.Walked = append(got.Walked, "file-owner")
	}
	return got, nil
}
