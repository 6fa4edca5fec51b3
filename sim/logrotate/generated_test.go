package logrotate

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

// generated is a configuration that a generator made of directives in any order,
// right and wrong ones, and what logrotate 3.21 did with it on a tree of files.
type generated struct {
	Files map[string]struct {
		Type, To, Mode, Content string
		Size                    *int
		Gz                      bool
		Age                     *float64 // hours
		Owner                   []int
	}
	State     *string
	StateMode string
	Now       int64 // seconds since 1970; the zone was Asia/Tokyo
	Steps     []struct {
		Args  []string
		Exit  int
		Out   string
		Err   []string
		State []string
		Tree  [][]any // name, st_mode, owner, contents, age in hours or "new", links
	}
}

func TestGenerated(t *testing.T) {
	f, err := os.Open("testdata/generated.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var c generated
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.play(t) })
		})
	}
}

func (c *generated) play(t *testing.T) {
	var sent []mail
	h := memnet.New(t).Host(t, memnet.Config{Name: "server", Programs: programs(&sent)})
	now := time.Unix(c.Now, 0)
	h.Clock.Set(now)
	h.WriteFile("/etc/passwd", passwd)
	h.WriteFile("/etc/group", "root:x:0:\n")
	h.MkdirAll("/w/log", 0o755)
	h.MkdirAll("/w/lib", 0o755)
	for name, f := range c.Files {
		h.MkdirAll(filepath.Dir(name), 0o755)
		mode := f.Mode
		switch f.Type {
		case "dir":
			h.MkdirAll(name, 0o755)
			mode = cmp.Or(mode, "755")
		case "link":
			h.Symlink(f.To, name)
			continue
		case "hard": // made below, when its other name is there
			continue
		default:
			text := f.Content
			if f.Size != nil && *f.Size > 0 {
				text = strings.Repeat("x", *f.Size-1) + "\n"
			}
			if f.Gz {
				text = zip(text)
			}
			h.WriteFile(name, text)
			mode = cmp.Or(mode, "644")
		}
		if len(f.Owner) == 2 {
			h.Chown(name, f.Owner[0], f.Owner[1])
		}
		chmod(t, h, name, mode)
		at := now
		if f.Age != nil {
			at = now.Add(-time.Duration(*f.Age * float64(time.Hour)))
		}
		if err := h.Sys().Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range c.Files {
		if f.Type == "hard" {
			if err := h.Sys().Link(f.To, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if c.State != nil {
		h.WriteFile("/w/lib/status", *c.State)
		chmod(t, h, "/w/lib/status", cmp.Or(c.StateMode, "640"))
	}
	for i, s := range c.Steps {
		r := h.RunCmd(host.Cmd{Path: "/usr/sbin/logrotate", Args: append([]string{"logrotate", "-s", "/w/lib/status"}, s.Args...), Dir: "/w",
			Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TZ=JST-9", "LC_ALL=C", "HOME=/root"}})
		if got := r.Status.Shell(); got != s.Exit {
			t.Errorf("step %d: exit %d, want %d", i, got, s.Exit)
		}
		same(t, i, "stdout", r.Stdout, s.Out)
		same(t, i, "stderr", linesOf(r.Stderr), linesOf(strings.Join(s.Err, "\n")))
		var state []string
		if text, err := os.ReadFile(filepath.Join(h.Dir(), "/w/lib/status")); err == nil {
			state = sortedState(string(text))
		}
		same(t, i, "state", state, sortedState(strings.Join(s.State, "\n")))
		var want []string
		for _, n := range s.Tree {
			if n[0] != "/w/mails" { // the recorded mail program wrote there
				want = append(want, entryLine(n))
			}
		}
		sort.Strings(want)
		same(t, i, "tree", c.tree(h, now), want)
	}
}

// linesOf leaves out the order of what depends on that of a directory.
func linesOf(text string) []string {
	var lines []string
	for _, l := range split(text) {
		if !strings.HasPrefix(l, "Ignoring ") && l != "" {
			lines = append(lines, l)
		}
	}
	return lines
}

// epoch is a time near the recording, in the name of a file.
var epoch = regexp.MustCompile(`1[78]\d{8}`)

var seconds = regexp.MustCompile(`(-\d+:\d+:)[\dS]+`)

// sortedState leaves out the seconds of the recording's time.
func sortedState(text string) []string {
	lines := split(seconds.ReplaceAllString(strings.Trim(text, "\n"), "${1}S"))
	var some []string
	for _, l := range lines {
		if l != "" {
			some = append(some, l)
		}
	}
	sort.Strings(some)
	return some
}

// entryLine is one name of a tree.
func entryLine(n []any) string { return epoch.ReplaceAllString(fmt.Sprintln(n...), "EPOCH") }

// tree describes what is there as the recording does.
func (c *generated) tree(h *memnet.Host, now time.Time) []string {
	var all []string
	var down func(dir string)
	down = func(dir string) {
		entries, err := os.ReadDir(filepath.Join(h.Dir(), dir))
		if err != nil {
			return
		}
		for _, e := range entries {
			name := dir + "/" + e.Name()
			info, err := h.Sys().Lstat(name)
			if err != nil || name == "/w/lib/status" {
				continue
			}
			uid, gid := libc.Owner(info)
			st := info.Sys().(*syscall.Stat_t)
			n := []any{name, fmt.Sprintf("0o%o", st.Mode&syscall.S_IFMT|modeBits(info.Mode())), fmt.Sprintf("%d:%d", uid, gid)}
			switch {
			case info.IsDir():
			case info.Mode()&fs.ModeSymlink != 0:
				target, _ := h.Sys().Readlink(name)
				n = append(n, target)
			default:
				text := h.ReadFile(name)
				if strings.HasPrefix(text, "\x1f\x8b") {
					plain, err := unpacked("gzip", text)
					if text = "GZ:" + plain; err != nil {
						text = "BADGZ"
					}
				}
				if len(text) > 300 {
					text = fmt.Sprintf("%s...%d", text[:20], len(text))
				}
				n = append(n, text)
				if age := now.Sub(info.ModTime()); age > 3000*time.Second {
					n = append(n, math.Round(age.Hours()))
				} else {
					n = append(n, "new")
				}
				n = append(n, float64(st.Nlink))
			}
			all = append(all, entryLine(n))
			if info.IsDir() {
				down(name)
			}
		}
	}
	down("/w")
	sort.Strings(all)
	return all
}
