package chrony_test

import (
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"enshu/sim/chrony/conf"

	"gopkg.in/yaml.v3"
)

// noHost is a host without files and names.
type noHost map[string]string

func (h noHost) ReadFile(name string) ([]byte, error) {
	if s, ok := h[name]; ok {
		return []byte(s), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
}

func (h noHost) ReadDir(dir string) ([]string, error) {
	var names []string
	for n := range h {
		if filepath.Dir(n) == dir {
			names = append(names, filepath.Base(n))
		}
	}
	if names == nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOENT}
	}
	return names, nil
}

func (h noHost) Resolve(string) (netip.Addr, bool) { return netip.Addr{}, false }

func oracle(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "oracle", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestDirectives(t *testing.T) {
	files, err := filepath.Glob("testdata/oracle/conf/directive-*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no oracle data", err)
	}
	for _, f := range files {
		var c struct {
			Expected []struct {
				Directive   string `yaml:"directive"`
				PrintExit   int    `yaml:"print_exit"`
				PrintStdout string `yaml:"print_stdout"`
				PrintStderr string `yaml:"print_stderr"`
			}
		}
		oracle(t, "conf/"+filepath.Base(f), &c)
		for _, e := range c.Expected {
			t.Run(strings.TrimSuffix(filepath.Base(f), ".yaml")+"/"+e.Directive, func(t *testing.T) {
				host := noHost{"/etc/chrony.conf": "# line one is a comment\n" + e.Directive + "\n"}
				var out strings.Builder
				text := ""
				p := conf.NewParser(host, func(l string) { out.WriteString(l + "\n") }, func(w string) { text += "<time> " + w + "\n" })
				if err := p.ReadFile("/etc/chrony.conf"); err != nil {
					text += "<time> Fatal error : " + err.Error() + "\n"
				}
				if out.String() != e.PrintStdout {
					t.Errorf("printed %q, want %q", out.String(), e.PrintStdout)
				}
				if text != e.PrintStderr {
					t.Errorf("error %q, want %q", text, e.PrintStderr)
				}
			})
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("server a iburst minpoll 4\nallow 192.0.2/24\nmakestep 1 3\nlocal stratum 10 orphan\nrefclock SHM 0 refid X\n")
	f.Add("include /c\nconfdir /\nratelimit interval 3 burst")
	f.Fuzz(func(t *testing.T, text string) {
		p := conf.NewParser(noHost{"/c": text}, func(string) {}, func(string) {})
		p.ReadFile("/c")
	})
}

// TestRecordedDirectives compares lines of chrony.conf, good and bad, with what
// the real chronyd -p says to them.
func TestRecordedDirectives(t *testing.T) {
	var cases []struct {
		Conf, Errors string
		Exit         int
	}
	data, err := os.ReadFile("testdata/recorded/conf.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Conf, func(t *testing.T) {
			var lines []string
			p := conf.NewParser(noHost{"rec.conf": c.Conf + "\n"}, func(string) {}, func(w string) { lines = append(lines, w) })
			if err := p.ReadFile("rec.conf"); err != nil {
				lines = append(lines, "Fatal error : "+err.Error())
			} else if c.Exit != 0 {
				t.Error("no error")
			}
			if got := strings.Join(lines, "\n"); got != c.Errors {
				t.Errorf("says %q, want %q", got, c.Errors)
			}
		})
	}
}
