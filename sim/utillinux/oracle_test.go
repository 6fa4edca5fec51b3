package utillinux

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

// recording is one file of testdata.
type recording struct {
	Input    string `yaml:"dmesg_input"`
	BootTime int64  `yaml:"boot_time_epoch"`
	Steps    []step
}

type step struct {
	Run, Stdout, Stderr string
	AsUser              string `yaml:"as_user"`
	Env                 map[string]string
	Exit                int
	Pty                 *struct{ Rows, Cols int }
	Stdin               string
}

func load(t *testing.T, name string) recording {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := yaml.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Steps) == 0 {
		t.Fatal("no steps in", name)
	}
	return r
}

var programs = map[string]host.Program{"/usr/bin/dmesg": Dmesg}

// run plays "COMMAND | head -N" or "| tail -N" on a host.
func (s step) run(n *memnet.Network, h *memnet.Host) (stdout, stderr string, status int) {
	command, filter, piped := strings.Cut(s.Run, " | ")
	c := host.Cmd{Args: strings.Fields(command), Env: []string{"PATH=/usr/bin"}}
	for k, v := range s.Env {
		c.Env = append(c.Env, k+"="+v)
	}
	if s.AsUser != "root" {
		c.Cred = &host.Cred{UID: 1001, GID: 1002}
	}
	if s.Pty != nil {
		term := n.Terminal("/dev/pts/0")
		c.Stdin, c.Stdout, c.Stderr = term, term, term
		r := h.RunCmd(c)
		return term.Screen(), "", r.Status.Shell()
	}
	r := h.RunCmd(c)
	if !piped {
		return r.Stdout, r.Stderr, r.Status.Shell()
	}
	lines := strings.SplitAfter(r.Stdout, "\n")
	lines = lines[:len(lines)-1]
	which, count, _ := strings.Cut(filter, " -")
	k, _ := strconv.Atoi(count)
	if k = min(k, len(lines)); which == "head" {
		lines = lines[:k]
	} else {
		lines = lines[len(lines)-k:]
	}
	return strings.Join(lines, ""), r.Stderr, 0
}

func TestDmesgOfFile(t *testing.T) {
	r := load(t, "dmesg_file.yaml")
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := n.Host(t, memnet.Config{Name: "server1", Programs: programs})
		h.Clock.Set(time.Unix(r.BootTime, 0))
		time.Sleep(90 * time.Minute)
		h.WriteFile("/root/ring", r.Input)
		for _, s := range r.Steps {
			stdout, stderr, status := s.run(n, h)
			want := strings.ReplaceAll(s.Stdout, "\r\n", "\n")
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(stdout, "\n")); diff != "" {
				t.Errorf("%s: stdout (-want +got):\n%s", s.Run, diff)
			}
			if stderr != s.Stderr {
				t.Errorf("%s: stderr %q, want %q", s.Run, stderr, s.Stderr)
			}
			if status != s.Exit {
				t.Errorf("%s: exit %d, want %d", s.Run, status, s.Exit)
			}
		}
	})
}

// The steps of a plain user; root's need /dev/kmsg, which belongs to the kernel.
func TestDmesgOfUser(t *testing.T) {
	r := load(t, "dmesg_live.yaml")
	ran := 0
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := n.Host(t, memnet.Config{Name: "server1", Programs: programs})
		for _, s := range r.Steps {
			if s.AsUser == "root" || !strings.HasPrefix(s.Run, "dmesg") {
				continue
			}
			ran++
			stdout, stderr, status := s.run(n, h)
			if stdout != s.Stdout || stderr != s.Stderr || status != s.Exit {
				t.Errorf("%s: %q, %q, %d", s.Run, stdout, stderr, status)
			}
		}
	})
	if ran < 4 {
		t.Errorf("%d steps", ran)
	}
}

func TestDmesgOfTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := n.Host(t, memnet.Config{Name: "server1", Programs: programs})
		k := h.Kmsg
		k.AppendAt(1500*time.Microsecond, 6, "first")
		k.AppendAt(6409280905*time.Microsecond, 14, "app[7]: user facility")
		k.AppendAt(6409350125*time.Microsecond, 6, "app: two\nlines \x1b[31m")
		for _, c := range []struct{ args, want string }{
			{"dmesg", "[    0.001500] first\n[ 6409.280905] app[7]: user facility\n[ 6409.350125] app: two\n               lines \\x1b[31m\n"},
			{"dmesg -u", "[ 6409.280905] app[7]: user facility\n"},
			{"dmesg -r -u", "<7>[ 6409.280905] app[7]: user facility\n"},
			{"dmesg -x -u", "user  :info  : [ 6409.280905] app[7]: user facility\n"},
			{"dmesg -c -u", "[ 6409.280905] app[7]: user facility\n"},
			{"dmesg", ""},
			{"dmesg -n 4", ""},
			{"dmesg -J", "{\n   \"dmesg\": []\n}\n"},
		} {
			if r := h.Run(strings.Fields(c.args)...); r.Stdout != c.want || !r.Status.Success() {
				t.Errorf("%s: %q, %v, want %q", c.args, r.Stdout+r.Stderr, r.Status, c.want)
			}
		}
		if r := h.Run("dmesg", "-n", "9"); r.Stderr != "dmesg: unknown level '9'\n" {
			t.Errorf("%q", r.Stderr)
		}
	})
}

func TestDmesgFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := n.Host(t, memnet.Config{Name: "server1", Programs: programs})
		h.Kmsg.AppendAt(0, 6, "before")
		all := h.Spawn(host.Cmd{Args: []string{"dmesg", "-w", "-t"}})
		fresh := h.Spawn(host.Cmd{Args: []string{"dmesg", "-W", "-t"}})
		synctest.Wait()
		h.Kmsg.Append(4, "app: follow 1")
		synctest.Wait()
		h.Kmsg.Append(4, "app: follow 2")
		synctest.Wait()
		if got := all.Stdout.String(); got != "before\napp: follow 1\napp: follow 2\n" {
			t.Errorf("-w: %q", got)
		}
		if got := fresh.Stdout.String(); got != "app: follow 1\napp: follow 2\n" {
			t.Errorf("-W: %q", got)
		}
		all.Signal(syscall.SIGINT)
		if st := all.End(); st.Shell() != 130 {
			t.Errorf("status %v", st)
		}
		fresh.Signal(syscall.SIGINT)
		fresh.End()
	})
}

func FuzzParseRing(f *testing.F) {
	f.Add("<6>[    1.000001] SCSI: up\nplain\n<999999999999>[1.x] odd\n")
	f.Fuzz(func(t *testing.T, text string) {
		d := &dmesg{decode: true, color: true, format: relTime, delta: true, boot: time.Unix(1795307029, 0).UTC()}
		var out strings.Builder
		d.file(&out, text)
	})
}
