package grader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

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
func (a *fileArgs) Check(report func(key, format string, args ...any)) {
	more := a.Contains != "" || a.Matches != nil || a.Lacks != "" || a.Mode != nil || a.Owner != ""
	if a.Exists != nil && !*a.Exists && more {
		report("exists", "exists: a file that must not be there has no contents, mode or owner")
	}
	if a.Exists == nil && !more {
		report("", "file: the check expects nothing, it would always pass")
	}
}

func fileKind() kind {
	return define(kind{
		name:     "file",
		doc:      "A file of a host: that it is there, what is in it, its mode and owner.",
		unwanted: "file-holds",
		labels: map[string]scenario.Text{
			"file-missing": text("ファイルの有無", "file present"),
			"file-content": text("内容", "contents"),
			"file-mode":    text("アクセス権", "mode"),
			"file-owner":   text("所有者", "owner"),
		},
		advice: []Advice{
			{
				Link:     "file-missing",
				Expected: text("{host} に {path} がある", "{path} is on {host}"),
				Seen:     text("ファイルがありません", "there is no such file"),
				Slip:     text("ファイル名の打ち間違いや、別のホストで作業していないかを確認してください。", "Look for a mistyped name, or work done on another host."),
				Command:  "ls -l {path}",
			},
			{
				Link:     "file-exists",
				Step:     "file-missing",
				Expected: text("{host} に {path} がない", "{path} is not on {host}"),
				Seen:     text("ファイルがあります", "the file is there"),
				Slip:     text("不要なファイルが残っていないか確認してください。", "See whether something was left behind."),
				Command:  "ls -l {path}",
			},
			{
				Link:     "file-content",
				Expected: text("{host} の {path} が{what}", "{path} on {host} {what}"),
				Seen:     text("そうなっていません（{count} 行）", "it does not ({count} lines)"),
				Slip:     text("編集したあと保存したか、行頭に # が残っていないかを確認してください。", "See whether the edit was saved and whether a # is left at the start of the line."),
				Command:  "cat {path}",
			},
			{
				Link:     "file-mode",
				Expected: text("{host} の {path} のアクセス権が {want}", "{path} on {host} has mode {want}"),
				Seen:     text("アクセス権は {mode} です", "its mode is {mode}"),
				Slip:     text("chmod で直せます。グループや他人が書き込めるファイルを無視するプログラムもあります。", "chmod changes it. Some programs ignore files that others may write."),
				Command:  "ls -l {path}",
			},
			{
				Link:     "file-owner",
				Expected: text("{host} の {path} の所有者が {want}", "{path} on {host} belongs to {want}"),
				Seen:     text("所有者は {owner} です", "it belongs to {owner}"),
				Slip:     text("root で作ったファイルは root のものになります。chown で直せます。", "What root makes belongs to root. chown changes it."),
				Command:  "ls -l {path}",
			},
			{
				Link:     "file-holds",
				Expected: text("{host} の {path} が元のままではない", "{path} on {host} is not as it was"),
				Seen:     text("条件に合ったままです", "it still is"),
				Slip:     text("編集したあと保存したか確認してください。", "See whether the edit was saved."),
				Command:  "cat {path}",
			},
		},
	}, func(a *fileArgs) scenario.Text {
		if a.Exists != nil && !*a.Exists {
			return text(fmt.Sprintf("%s に %s がない", a.Host, a.Path), fmt.Sprintf("%s is not on %s", a.Path, a.Host))
		}
		return text(fmt.Sprintf("%s の %s が正しい", a.Host, a.Path), fmt.Sprintf("%s is right on %s", a.Path, a.Host))
	}, runFile)
}

func runFile(ctx context.Context, v *view, a *fileArgs) verdict {
	var got verdict
	_, err := v.until(ctx, string(a.Host), v.within(0), func() (bool, error) {
		var err error
		got, err = fileNow(v, a)
		return (got.broken == "") != v.check.Not, err
	})
	got.err = err
	return got
}

// fileNow looks at the file once.
func fileNow(v *view, a *fileArgs) (verdict, error) {
	host, name := string(a.Host), string(a.Path)
	got := verdict{params: params{}.with("host", host).with("path", name)}
	info, err := v.lab.Stat(host, name)
	missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
	wantMissing := a.Exists != nil && !*a.Exists
	switch {
	case err != nil && !missing:
		return got, fmt.Errorf("%s: %w", host, err)
	case missing && wantMissing:
		got.walked = append(got.walked, "file-missing")
		return got, nil
	case missing:
		got.broken = "file-missing"
		return got, nil
	case wantMissing:
		got.broken = "file-exists"
		return got, nil
	}
	got.walked = append(got.walked, "file-missing")
	if a.Contains != "" || a.Matches != nil || a.Lacks != "" {
		data, err := v.read(host, name)
		if err != nil {
			return got, err
		}
		got.params.with("count", strconv.Itoa(len(lines(data))))
		switch {
		case a.Contains != "" && !strings.Contains(data, a.Contains):
			got.params["what"] = text("「"+clip(a.Contains)+"」を含む", "holds “"+clip(a.Contains)+"”")
		case a.Matches != nil && !a.Matches.MatchString(data):
			got.params["what"] = text("正規表現「"+a.Matches.String()+"」に一致する", "matches “"+a.Matches.String()+"”")
		case a.Lacks != "" && strings.Contains(data, a.Lacks):
			got.params["what"] = text("「"+clip(a.Lacks)+"」を含まない", "does not hold “"+clip(a.Lacks)+"”")
			for i, l := range lines(data) {
				if strings.Contains(l, a.Lacks) {
					got.lines = append(got.lines, fmt.Sprintf("%s:%d: %s", name, i+1, clip(l)))
				}
			}
		}
		if _, broken := got.params["what"]; broken {
			got.broken = "file-content"
			return got, nil
		}
		got.walked = append(got.walked, "file-content")
	}
	if a.Mode != nil {
		if want := fs.FileMode(*a.Mode); octal(info.Mode()) != octal(want) {
			got.broken = "file-mode"
			got.params.with("want", octal(want)).with("mode", octal(info.Mode()))
			return got, nil
		}
		got.walked = append(got.walked, "file-mode")
	}
	if a.Owner != "" {
		owner, err := v.owner(host, info)
		if err != nil {
			return got, err
		}
		if owner != string(a.Owner) {
			got.broken = "file-owner"
			got.params.with("want", string(a.Owner)).with("owner", owner)
			return got, nil
		}
		got.walked = append(got.walked, "file-owner")
	}
	return got, nil
}

// octal writes permission bits as chmod(1) takes them.
func octal(m fs.FileMode) string {
	n := uint32(m.Perm())
	for bit, special := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&special != 0 {
			n |= bit
		}
	}
	return fmt.Sprintf("%04o", n)
}

// owner returns the name of a file's owner, from the passwd file of its host.
func (v *view) owner(host string, info fs.FileInfo) (string, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("%s: the owner of a file is not known", host)
	}
	passwd, err := v.read(host, "/etc/passwd")
	if err != nil {
		return "", err
	}
	uid := strconv.FormatUint(uint64(st.Uid), 10)
	for _, l := range lines(passwd) {
		if f := strings.Split(l, ":"); len(f) > 2 && f[2] == uid {
			return f[0], nil
		}
	}
	return uid, nil
}
