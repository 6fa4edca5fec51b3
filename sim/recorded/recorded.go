// Package recorded reads recordings of real programs and runs their
// commands on a host in memory. For tests only.
package recorded

import (
	"io"
	"os"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

// Case is what one recording says.
type Case struct {
	Case   string
	Steps  []Step
	Export string `yaml:"journal_export_base64"`
}

// Step is one command of a case, and what it printed.
type Step struct {
	Run    string
	User   string `yaml:"as_user"`
	Env    map[string]string
	Stdout string
	Stderr string
	Exit   int
	PTY    *struct{ Rows, Cols int } // it ran on a terminal: Stdout is what appeared there
}

// Load reads a case of the package under test.
func Load(t testing.TB, name string) Case {
	t.Helper()
	data, err := os.ReadFile("testdata/oracle/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c Case
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// Terminal is a stdout of a given size that writes CR LF, as a tty does.
type Terminal struct {
	strings.Builder
	Rows, Cols int
}

func (t *Terminal) Write(b []byte) (int, error) {
	t.WriteString(strings.ReplaceAll(string(b), "\n", "\r\n"))
	return len(b), nil
}

// Read finds that nobody types.
func (t *Terminal) Read([]byte) (int, error) { return 0, io.EOF }

func (t *Terminal) Size() (int, int)   { return t.Rows, t.Cols }
func (t *Terminal) Name() string       { return "/dev/pts/0" }
func (t *Terminal) SetEcho(bool) error { return nil }

// Words splits a command as a shell does, quotes only.
func Words(s string) []string {
	var out []string
	var b strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ':
			if in {
				out = append(out, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if in {
		out = append(out, b.String())
	}
	return out
}

// Exec runs one simple command of a step, as the step's user, in its environment
// and on its terminal.
func (s Step) Exec(h *memnet.Host, run string) memnet.Result {
	c := host.Cmd{Args: Words(run), Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root"}}
	if s.Env["LANG"] == "" {
		c.Env = append(c.Env, "LANG=C.UTF-8")
	}
	for k, v := range s.Env {
		c.Env = append(c.Env, k+"="+v)
	}
	if s.User != "" && s.User != "root" {
		c.Cred = &host.Cred{UID: 1001, GID: 1002, Groups: []int{1002}}
	}
	if s.PTY == nil {
		return h.RunCmd(c)
	}
	c.Env = append(c.Env, "TERM=xterm-256color")
	if s.Env["TERM"] != "" {
		c.Env = append(c.Env, "TERM="+s.Env["TERM"])
	}
	tty := &Terminal{Rows: s.PTY.Rows, Cols: s.PTY.Cols}
	c.Stdin, c.Stdout, c.Stderr = tty, tty, tty
	r := h.RunCmd(c)
	r.Stdout = tty.String()
	return r
}
