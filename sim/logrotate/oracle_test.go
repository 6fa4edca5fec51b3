package logrotate

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

// debian is how the recorded program was built.
var debian = Defaults{"/usr/bin/mail", "/bin/gzip", "/bin/gunzip", ".gz", "/var/lib/logrotate/status"}

// recording is one file of testdata; its README tells the format.
type recording struct {
	Case        string
	TZ          string
	Config      map[string]string
	ConfigModes map[string]struct{ Mode, Owner string } `yaml:"config_modes"`
	Setup       []string
	Files       []struct {
		Path    string
		Content string
		Size    int
		Gzip    bool
		Age     float64 `yaml:"age_days"`
		Mode    string
		Owner   string
		Target  string
		Link    string
		Symlink string
	}
	StatePath string  `yaml:"state_path"`
	State     *string `yaml:"state"`
	StateMode string  `yaml:"state_mode"`
	Steps     []struct {
		At, Run, Sh string
		Result      result
	}
}

type result struct {
	Exit           int
	Stdout, Stderr []string
	Tree           []node
	State          *string
	StateMode      string `yaml:"state_mode"`
	Mail           []mail
}

type node struct {
	Path, Type, Mode, Owner, Mtime string
	Size                           *int
	Content                        *string
	Sha256                         string
	Inode                          string
	Target                         string
	Compressed                     string
	PlainSize                      *int    `yaml:"plain_size"`
	PlainContent                   *string `yaml:"plain_content"`
	PlainSha256                    string  `yaml:"plain_sha256"`
}

type mail struct {
	Args  []string
	Stdin struct {
		Size    int
		Content string
	}
}

// noTimes are the cases whose recorded times of files cannot be compared.
var noTimes = map[string]string{
	"yearly-hourly": "the recording shows files that no step wrote with the time of the step",
}

// byHand are steps that need what the test's shell does not have: further
// descriptors, traps, jobs in the background.
var byHand = map[string]map[int]func(h *memnet.Host){
	"writer-keeps-open": {
		0: func(h *memnet.Host) {
			h.Go(nil, func(ctx context.Context, p *host.Proc) int {
				for _, name := range []string{"/var/log/app.log", "/var/log/b.log"} {
					f, err := p.Sys.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
					if err != nil {
						panic(err)
					}
					defer f.Close()
					defer func() { f.WriteString("late\n"); p.Stamp(f) }()
				}
				p.Sleep(ctx, 500*time.Millisecond)
				return 0
			})
			synctest.Wait()
		},
		2: func(*memnet.Host) { time.Sleep(2 * time.Second) },
	},
	"rsyslog-like-postrotate": {
		0: func(h *memnet.Host) {
			h.Go(nil, func(ctx context.Context, p *host.Proc) int {
				p.Catch(syscall.SIGHUP)
				libc.WriteFile(p, "/run/app.pid", []byte(strconv.Itoa(p.PID)+"\n"), 0o644)
				if _, err := p.WaitSignal(ctx); err == nil {
					// A shell runs the trap when its sleep is over.
					p.Sleep(ctx, 100*time.Millisecond)
					libc.AppendFile(p, "/var/log/daemon.out", []byte("got HUP\n"), 0o644)
				}
				return 0
			})
			synctest.Wait()
		},
		2: func(*memnet.Host) { time.Sleep(600 * time.Millisecond) },
	},
}

func TestOracle(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c recording
		if err := yaml.Unmarshal(data, &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		t.Run(c.Case, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, c) })
		})
	}
}

func programs(sent *[]mail) map[string]host.Program {
	mailer := func(_ context.Context, p *host.Proc) int {
		body, err := io.ReadAll(p.Stdin)
		if err != nil {
			return 1
		}
		m := mail{Args: p.Args[1:]}
		m.Stdin.Size, m.Stdin.Content = len(body), string(body)
		*sent = append(*sent, m)
		return 0
	}
	return map[string]host.Program{
		"/usr/sbin/logrotate": New(debian), "/usr/bin/sh": shell,
		"/usr/bin/mail": mailer, "/usr/local/bin/stubmail": mailer,
		"/usr/bin/bzip2": filter("bzip2"), "/usr/bin/xz": filter("xz"),
		"/usr/bin/systemctl": func(_ context.Context, p *host.Proc) int {
			libc.AppendFile(p, "/var/log/systemctl.calls", []byte(strings.Join(append([]string{"systemctl"}, p.Args[1:]...), " ")+"\n"), 0o644)
			return 0
		},
	}
}

const passwd = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`

var groups = map[string]int{"root": 0, "adm": 4, "utmp": 43, "nogroup": 65534}

func play(t *testing.T, c recording) {
	var sent []mail
	n := memnet.New(t)
	h := n.Host(t, memnet.Config{Name: "server", Programs: programs(&sent)})
	clockTo := func(at string) {
		if at == "" {
			return
		}
		when, err := time.ParseInLocation(time.DateTime, at, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		h.Clock.Set(when)
	}
	clockTo(c.Steps[0].At)
	h.WriteFile("/etc/passwd", passwd)
	var lines strings.Builder
	for name, id := range groups {
		fmt.Fprintf(&lines, "%s:x:%d:\n", name, id)
	}
	h.WriteFile("/etc/group", lines.String())
	start := h.Clock.Now()
	for name, text := range c.Config {
		h.WriteFile(name, text)
		if m, ok := c.ConfigModes[name]; ok {
			chmod(t, h, name, m.Mode)
			chown(t, h, name, m.Owner)
		}
	}
	for _, f := range c.Files {
		name := strings.TrimSuffix(f.Path, "/")
		switch {
		case f.Path != name:
			h.MkdirAll(name, 0o755)
		case f.Target+f.Link+f.Symlink != "":
			h.MkdirAll(filepath.Dir(name), 0o755)
			h.Symlink(f.Target+f.Link+f.Symlink, name)
			continue
		default:
			text := f.Content
			if f.Size > 0 {
				text = strings.Repeat("x", f.Size-1) + "\n"
			}
			if f.Gzip {
				text = zip(text)
			}
			h.WriteFile(name, text)
			at := start.Add(-time.Duration(f.Age * float64(24*time.Hour)))
			if err := h.Sys().Chtimes(name, at, at); err != nil {
				t.Fatal(err)
			}
		}
		chown(t, h, name, f.Owner)
		chmod(t, h, name, f.Mode)
	}
	h.MkdirAll("/var/lib/logrotate", 0o755)
	if c.State != nil {
		h.WriteFile(c.StatePath, *c.State)
		chmod(t, h, c.StatePath, c.StateMode)
	}
	for i, s := range c.Steps {
		clockTo(s.At)
		before, release := inodes(h)
		sent = nil
		want := s.Result
		if hand := byHand[c.Case][i]; hand != nil {
			hand(h)
		} else {
			r := h.RunCmd(host.Cmd{
				Args: []string{"sh", "-c", s.Run + s.Sh},
				Env:  []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "TZ=" + c.TZ, "LC_ALL=C"},
			})
			if got := r.Status.Shell(); got != want.Exit {
				t.Errorf("step %d: exit %d, want %d", i, got, want.Exit)
			}
			if s.Run != "" {
				same(t, i, "stdout", split(r.Stdout), want.Stdout)
				same(t, i, "stderr", split(r.Stderr), want.Stderr)
			}
		}
		var after []node
		if s.Run != "" || want.Tree != nil {
			after = tree(t, h, before, want.Tree)
		}
		release()
		if s.Run == "" && want.Tree == nil {
			continue
		}
		if noTimes[c.Case] != "" {
			for _, tree := range [][]node{after, want.Tree} {
				for j := range tree {
					tree[j].Mtime = ""
				}
			}
		}
		same(t, i, "tree", after, want.Tree)
		if want.State != nil {
			same(t, i, "state", sorted(h.ReadFile(c.StatePath)), sorted(*want.State))
			if info, err := h.Sys().Stat(c.StatePath); err != nil {
				t.Error(err)
			} else if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != want.StateMode {
				t.Errorf("step %d: mode of the state file %s, want %s", i, got, want.StateMode)
			}
		}
		same(t, i, "mail", sent, want.Mail)
	}
}

func same(t *testing.T, step int, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.FilterValues(func(a, b []string) bool { return len(a)+len(b) == 0 }, cmp.Ignore()),
		cmp.FilterValues(func(a, b []node) bool { return len(a)+len(b) == 0 }, cmp.Ignore()),
		cmp.FilterValues(func(a, b []mail) bool { return len(a)+len(b) == 0 }, cmp.Ignore())); diff != "" {
		t.Errorf("step %d: %s (-want +got):\n%s", step, what, diff)
	}
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

func sorted(s string) []string {
	lines := split(s)
	sort.Strings(lines)
	return lines
}

func zip(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

func chmod(t *testing.T, h *memnet.Host, name, mode string) {
	if mode == "" {
		return
	}
	bits, err := strconv.ParseUint(mode, 8, 12)
	if err != nil {
		t.Fatal(err)
	}
	h.Chmod(name, fileMode(int(bits)))
}

func chown(t *testing.T, h *memnet.Host, name, owner string) {
	if owner == "" {
		return
	}
	user, group, _ := strings.Cut(owner, ":")
	uid, ok := map[string]int{"root": 0, "nobody": 65534}[user]
	gid, ok2 := groups[group]
	if !ok || !ok2 {
		t.Fatalf("owner %s", owner)
	}
	h.Chown(name, uid, gid)
}

// walk calls f for all that is below the directories that the recordings show.
func walk(h *memnet.Host, f func(name string, info fs.FileInfo)) {
	var down func(dir string)
	down = func(dir string) {
		entries, err := os.ReadDir(filepath.Join(h.Dir(), dir))
		if err != nil {
			return
		}
		for _, e := range entries {
			name := dir + "/" + e.Name()
			info, err := h.Sys().Lstat(name)
			if err != nil {
				continue
			}
			f(name, info)
			if info.IsDir() {
				down(name)
			}
		}
	}
	for _, dir := range []string{"/var/log", "/srv", "/home"} {
		down(dir)
	}
}

// inodes returns the files by their inode numbers, which stay taken until release.
func inodes(h *memnet.Host) (found map[uint64]string, release func()) {
	found = map[uint64]string{}
	var open []*os.File
	walk(h, func(name string, info fs.FileInfo) {
		if info.Mode().IsRegular() {
			found[info.Sys().(*syscall.Stat_t).Ino] = name
			if f, err := os.Open(filepath.Join(h.Dir(), name)); err == nil {
				open = append(open, f)
			}
		}
	})
	return found, func() {
		for _, f := range open {
			f.Close()
		}
	}
}

// tree describes what is there, in the form that want has.
func tree(t *testing.T, h *memnet.Host, before map[uint64]string, want []node) []node {
	t.Helper()
	model := map[string]node{}
	for _, n := range want {
		model[n.Path] = n
	}
	var all []node
	walk(h, func(name string, info fs.FileInfo) {
		uid, gid := libc.Owner(info)
		n := node{Path: name, Type: "file", Mode: fmt.Sprintf("%04o", modeBits(info.Mode())), Owner: userName(uid) + ":" + groupName(gid)}
		w := model[name]
		switch {
		case info.IsDir():
			n.Type = "dir"
		case info.Mode()&fs.ModeSymlink != 0:
			n = node{Path: name, Type: w.Type, Mode: w.Mode, Owner: w.Owner, Mtime: w.Mtime, Size: w.Size, Content: w.Content, Sha256: w.Sha256, Inode: w.Inode}
			target, err := h.Sys().Readlink(name)
			if err != nil {
				t.Error(err)
			}
			n.Target = target
		default:
			n.Mtime = info.ModTime().UTC().Format(time.RFC3339)
			text := h.ReadFile(name)
			n.Inode = "new"
			if was, ok := before[info.Sys().(*syscall.Stat_t).Ino]; ok {
				n.Inode = was
			}
			size := len(text)
			if w.Compressed == "" {
				n.Size = &size
				n.Content, n.Sha256 = shown(text, w.Content != nil)
				break
			}
			plain, err := unpacked(w.Compressed, text)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			size = len(plain)
			n.Compressed, n.PlainSize = w.Compressed, &size
			n.PlainContent, n.PlainSha256 = shown(plain, w.PlainContent != nil)
		}
		all = append(all, n)
	})
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all
}

func shown(text string, whole bool) (*string, string) {
	if whole {
		return &text, ""
	}
	sum := sha256.Sum256([]byte(text))
	return nil, hex.EncodeToString(sum[:])
}

func unpacked(kind, text string) (string, error) {
	if kind == "gzip" {
		r, err := gzip.NewReader(strings.NewReader(text))
		if err != nil {
			return "", err
		}
		plain, err := io.ReadAll(r)
		return string(plain), err
	}
	c := exec.Command(kind, "-dc")
	c.Stdin = strings.NewReader(text)
	plain, err := c.Output()
	return string(plain), err
}

func userName(uid int) string {
	if uid == 65534 {
		return "nobody"
	}
	return map[int]string{0: "root"}[uid]
}

func groupName(gid int) string {
	for name, id := range groups {
		if id == gid {
			return name
		}
	}
	return strconv.Itoa(gid)
}
