package mailx

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

// text is a string of a recording: one that many use has a name, and bytes that
// are not UTF-8 are in base64.
type text struct {
	value string
	box   string
}

func (t *text) UnmarshalJSON(data []byte) error {
	var raw struct {
		B64 []byte
		Box string
	}
	if err := json.Unmarshal(data, &raw); err == nil {
		t.value, t.box = string(raw.B64), raw.Box
		return nil
	}
	return json.Unmarshal(data, &t.value)
}

// of returns the text, given those that have names.
func (t text) of(boxes map[string]string) string {
	if t.box != "" {
		return boxes[t.box]
	}
	return t.value
}

// recording is one run of the real program as usera, with a sendmail that keeps
// what it is given in sent.N: on a terminal when there are keys, else with pipes.
type recording struct {
	Case, Name string
	Args       []text
	Files      map[string]text
	Env        map[string]*string
	Stdin      text
	Keys       [][2]*string // what the screen must show before, and what is typed then
	Size       [2]int       // rows and columns
	Expected   struct {
		Exit                   int
		Stdout, Stderr, Screen string
		Files                  map[string]text // the changed ones
		Gone                   []string
	}
	boxes map[string]string
}

// divergent are recordings that the program knowingly does not match.
var divergent = map[string]string{
	"r-jis":          "ISO-2022-JP is not decoded",
	"h-sendcharsets": "text goes out as UTF-8",
	"c-int":          "^C at the prompt empties the line, as the terminal does",
	"r-errors":       "an unfinished line of error is closed at the next prompt",
	"t-badrcpt":      "a recipient that was refused already is told of once more",
}

// volatile are the parts of a recording that depend on the time, on chance and on the version.
var volatile = []struct {
	re *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`v14\.9\.2[24]`), "v14.9.22"},
	{regexp.MustCompile(`arc4random`), "*TLS RAND_*"}, // what EL9 has was built otherwise
	{regexp.MustCompile(`(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [ 0-3][0-9] [A-Z][a-z][a-z] 2026 [0-9:]{8} [+-]0[09]00`), "<DATE>"},
	{regexp.MustCompile(`(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z][a-z] [ 0-3][0-9] [0-9:]{8} 2026`), "<DATE>"},
	{regexp.MustCompile(`<2026112[0-9]{7}\.[A-Za-z0-9_-]{5,8}`), "<<DATE>.<RANDOM>"},
	{regexp.MustCompile(`=-=[A-Za-z0-9_-]{36}=-=`), "=-=<RANDOM>=-="},
}

func normal(s string) string {
	for _, v := range volatile {
		s = v.re.ReplaceAllString(s, v.by)
	}
	return s
}

// visible is how the recorder wrote bytes that are not UTF-8.
func visible(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		if s[0] < 0x80 {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		r := []rune(s[:min(len(s), 4)])
		if r[0] == 0xfffd {
			fmt.Fprintf(&b, `\x%02x`, s[0])
			s = s[1:]
			continue
		}
		b.WriteRune(r[0])
		s = s[len(string(r[0])):]
	}
	return b.String()
}

// screen is what a terminal of a number of columns shows.
func screen(s string, columns int) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "^C\b\b  \b\b", ""), "\r", "")
	var out []string
	for _, l := range strings.Split(s, "\n") {
		line, width := "", 0
		for _, r := range l {
			w := libc.RuneColumns(r)
			if r == '\t' {
				w = 8 - width%8
				line += strings.Repeat(" ", w-1)
				r = ' '
			}
			if width+w > columns {
				out = append(out, line)
				line, width = "", 0
			}
			line += string(r)
			width += w
		}
		out = append(out, line)
	}
	for i := range out {
		out[i] = strings.TrimRight(out[i], " ")
	}
	return strings.Trim(strings.Join(out, "\n"), "\n")
}

// sendmail keeps what it is given.
func sendmail(_ context.Context, p *host.Proc) int {
	data, _ := io.ReadAll(p.Stdin)
	n := 1
	for libc.Exists(p, fmt.Sprintf("/home/usera/sent.%d", n)) {
		n++
	}
	head := "ARGS: " + p.Path + " " + strings.Join(p.Args[1:], " ") + "\n"
	libc.WriteFile(p, fmt.Sprintf("/home/usera/sent.%d", n), append([]byte(head), data...), 0o644)
	if libc.Exists(p, "/home/usera/mta-fails") {
		fmt.Fprintln(p.Stderr, "sendmail: fatal: no queue")
		return 75
	}
	return 0
}

// run plays a recording in memory.
func (r *recording) run(t *testing.T) {
	tool := func(h **memnet.Host) host.Program {
		return func(_ context.Context, p *host.Proc) int {
			args := slices.Clone(p.Args[1:])
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "/tmp/mail-", (*h).Dir()+"/tmp/mail-")
			}
			cmd := exec.Command(path.Base(p.Path), args...)
			cmd.Dir = (*h).Dir() + p.Dir
			cmd.Env = append(slices.Clone(p.Env), "PATH="+os.Getenv("PATH"))
			cmd.Stdout, cmd.Stderr = p.Stdout, p.Stderr
			if _, tty := libc.Terminal(p.Stdin); !tty {
				cmd.Stdin = p.Stdin
			}
			cmd.Run()
			return cmd.ProcessState.ExitCode()
		}
	}
	var h *memnet.Host
	programs := map[string]host.Program{"/usr/bin/mail": Mail, "/usr/bin/mailx": Mail, "/usr/sbin/sendmail": sendmail}
	for _, name := range []string{"bash", "cat", "less", "more", "true", "false"} {
		programs["/usr/bin/"+name], programs["/bin/"+name] = tool(&h), tool(&h)
	}
	n := memnet.New(t)
	time.Sleep(time.Until(time.Date(2026, 11, 22, 7, 30, 0, 0, time.UTC)))
	h = n.Host(t, memnet.Config{Name: "hosta", Programs: programs})
	h.WriteFile("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nusera:x:2001:2001::/home/usera:/bin/bash\nuserb:x:2002:2002::/home/userb:/bin/bash\n")
	h.WriteFile("/etc/group", "root:x:0:\nusera:x:2001:\n")
	h.WriteFile("/etc/hostname", "hosta.example.com\n")
	h.WriteFile("/etc/shadow", "x\n")
	h.Chmod("/etc/shadow", 0o600)
	zone, err := os.ReadFile("/usr/share/zoneinfo/Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	h.MkdirAll("/usr/share/zoneinfo/Asia", 0o755)
	h.WriteFile("/usr/share/zoneinfo/Asia/Tokyo", string(zone))
	h.Symlink("../usr/share/zoneinfo/Asia/Tokyo", "/etc/localtime")
	rc, err := os.ReadFile("../distro/files/s-nail/etc/s-nail.rc")
	if err != nil {
		t.Fatal(err)
	}
	h.WriteFile("/etc/s-nail.rc", string(rc))
	// Without the sticky bit: the kernel would let nobody but its owner append to a
	// mailbox, and here all is done by the user of the test (fs.protected_regular).
	h.MkdirAll("/var/spool/mail", 0o777)
	h.Chmod("/var/spool/mail", 0o777)
	h.Symlink("spool/mail", "/var/mail")
	h.MkdirAll("/tmp", 0o777)
	h.MkdirAll("/home/usera", 0o755)
	h.Chown("/home/usera", 2001, 2001)
	for name, data := range r.Files {
		h.MkdirAll(path.Dir(name), 0o755)
		for d := path.Dir(name); strings.HasPrefix(d, "/home/usera"); d = path.Dir(d) {
			h.Chown(d, 2001, 2001)
		}
		h.WriteFile(name, data.of(r.boxes))
		h.Chown(name, 2001, 2001)
	}
	before := r.tree(t, h)
	env := map[string]string{"HOME": "/home/usera", "USER": "usera", "LOGNAME": "usera", "SHELL": "/bin/bash", "MAIL": "/var/spool/mail/usera",
		"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin", "TERM": "xterm", "LANG": "C.UTF-8"}
	for k, v := range r.Env {
		delete(env, k)
		if v != nil {
			env[k] = *v
		}
	}
	c := host.Cmd{Path: "/usr/bin/mail", Args: []string{"mail"}, Dir: "/home/usera", Cred: &host.Cred{UID: 2001, GID: 2001}}
	if r.Name != "" {
		c.Args[0] = r.Name
	}
	for _, a := range r.Args {
		c.Args = append(c.Args, a.value)
	}
	for k, v := range env {
		c.Env = append(c.Env, k+"="+v)
	}
	var status host.Status
	if r.Keys == nil {
		c.Stdin = strings.NewReader(r.Stdin.value)
		res := h.RunCmd(c)
		status = res.Status
		alike(t, "stdout", r.Expected.Stdout, visible(res.Stdout))
		alike(t, "stderr", r.Expected.Stderr, visible(res.Stderr))
	} else {
		term := n.Terminal("/dev/pts/0")
		if r.Size != [2]int{} {
			term.Resize(r.Size[0], r.Size[1])
		}
		c.Stdin, c.Stdout, c.Stderr = term, term, term
		d := h.Spawn(c)
		for _, k := range r.Keys {
			if synctest.Wait(); len(h.Processes()) == 0 {
				break
			}
			term.Type(*k[1])
		}
		synctest.Wait()
		term.Hangup()
		if len(h.Processes()) > 0 {
			d.Signal(syscall.SIGHUP) // as the kernel does to whom a terminal controls
		}
		status = d.End()
		_, columns := term.Size()
		alike(t, "screen", screen(r.Expected.Screen, columns), screen(term.Screen(), columns))
	}
	if got := status.Shell(); got != r.Expected.Exit {
		t.Errorf("exit status %d, want %d", got, r.Expected.Exit)
	}
	after := r.tree(t, h)
	for name, want := range r.Expected.Files {
		alike(t, name, want.of(r.boxes), after[name])
	}
	for name, got := range after {
		if _, known := r.Expected.Files[name]; !known && before[name] != got {
			t.Errorf("%s was not to change:\n%s", name, got)
		}
	}
	for _, name := range r.Expected.Gone {
		if _, there := after[name]; there {
			t.Errorf("%s was to be removed", name)
		}
	}
}

func alike(t *testing.T, what, want, got string) {
	t.Helper()
	if d := cmp.Diff(strings.Split(normal(want), "\n"), strings.Split(normal(got), "\n")); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// tree is the files that a user of mail has.
func (r *recording) tree(t *testing.T, h *memnet.Host) map[string]string {
	out := map[string]string{}
	for _, dir := range []string{"/home/usera", "/var/spool/mail"} {
		filepath.WalkDir(h.Dir()+dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Error(err)
			}
			out[strings.TrimPrefix(name, h.Dir())] = visible(string(bytes.ToValidUTF8(data, nil)))
			if !bytes.Equal(bytes.ToValidUTF8(data, nil), data) {
				out[strings.TrimPrefix(name, h.Dir())] = visible(string(data))
			}
			return nil
		})
	}
	return out
}

// TestRecordings plays the recordings of the real program.
func TestRecordings(t *testing.T) {
	names, _ := filepath.Glob("testdata/*.json")
	for _, name := range names {
		data, err := os.ReadFile(name)
		var all struct {
			Boxes map[string]string
			Cases []*recording
		}
		if err == nil {
			err = json.Unmarshal(data, &all)
		}
		if err != nil || len(all.Cases) == 0 {
			t.Fatal(name, err)
		}
		for _, r := range all.Cases {
			r.boxes = all.Boxes
			t.Run(r.Case, func(t *testing.T) {
				if why := divergent[r.Case]; why != "" {
					t.Skip(why)
				}
				synctest.Test(t, r.run)
			})
		}
	}
}
