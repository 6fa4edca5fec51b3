package rsyslog

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gopkg.in/yaml.v3"

	"enshu/sim/memnet"
)

// oracleCase is one recording of the real programs; testdata/oracle/README.md
// says what the keys mean.
type oracleCase struct {
	Case          string
	Clock         time.Time
	TZ            string
	Umask         string
	SystemdBooted bool `yaml:"systemd_booted"`
	Journald      bool
	Forward       string `yaml:"journald_forward_to_syslog"`
	FQDN          string
	Hosts         map[string]string
	Accounts      []string
	LoggedIn      []struct{ User string } `yaml:"logged_in"`
	Config        map[string]string
	Files         map[string]struct{ Mode, Content string }
	Setup         []string
	FifoReaders   []string `yaml:"fifo_readers"`
	Occupied      []string
	Remote        struct{ Listening []string }
	Varies        []string
	Input         []oracleInput
	Output        oracleOutput
}

type oracleInput struct {
	Via      string
	From     string
	Port     int
	Times    int
	Raw      rawBytes
	Segments []string
	Run      string
	Stdin    string
	Exit     *int
	Stdout   []string
	Stderr   []string
	Sleep    float64
	Restart  bool
	Config   map[string]string
	Check    *oracleCheck
	Rewrite  map[string]string
	Listens  string `yaml:"remote_listens"`
	Closes   string `yaml:"remote_closes"`
}

// rawBytes is a string, or bytes that are no UTF-8; a list says what logger sent.
type rawBytes struct{ s string }

func (r *rawBytes) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return nil
	}
	return n.Decode(&r.s)
}

type oracleCheck struct {
	Exit   int
	Errors []string
}

type oracleStart struct {
	Running bool
	Exit    int
	Stderr  []string
}

type oracleOutput struct {
	Check     *oracleCheck
	Start     *oracleStart
	Restarts  []oracleStart
	Listening []string
	Files     map[string][]string
	NoNewline []string `yaml:"no_newline_at_end"`
	Modes     map[string]string
	UDP, TCP  []string
	Other     map[string][]string
	Pipe      []string
	Users     []struct{ User, Text string }
	OnStop    struct {
		Files map[string][]string
		UDP   []string
	} `yaml:"on_stop"`
}

// divergences are the cases that are knowingly not matched, by reason.
var divergences = map[string]string{
	"fail-read-only":   "needs a read-only file system, which memnet does not have",
	"fwd-legacy-queue": "the real daemon sends a message that waited for the remote twice, over two connections",
}

// A record of utmp(5).
const (
	loginSize    = 384
	loginLine    = 8
	loginUser    = 44
	loginProcess = 7
)

const (
	testHost = "sysloga" // seven bytes, as in the recordings
	realPID  = `\d+`
)

func TestOracle(t *testing.T) {
	names, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal("no cases", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var c oracleCase
		if err := yaml.Unmarshal(data, &c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Run(c.Case, func(t *testing.T) {
			if why, ok := divergences[c.Case]; ok {
				t.Skip(why)
			}
			synctest.Test(t, func(t *testing.T) { (&oracleRun{t: t, c: &c}).run() })
		})
	}
}

// oracleRun plays one case.
type oracleRun struct {
	t         *testing.T
	c         *oracleCase
	net       *memnet.Network
	server    *memnet.Host
	remotes   map[string]*memnet.Host
	remote    *collector
	daemon    *memnet.Daemon
	restarts  int
	env       []string
	terminals []*os.File
}

func (r *oracleRun) run() {
	r.build()
	c := r.c
	for name, text := range c.Config {
		r.server.WriteFile(name, strings.ReplaceAll(text, "<HOST>", testHost))
	}
	for name, f := range c.Files {
		if r.server.Host.Programs[name] != nil {
			continue
		}
		r.server.WriteFile(name, f.Content)
		if m, err := strconv.ParseUint(f.Mode, 8, 32); err == nil {
			r.server.Chmod(name, fs.FileMode(m))
		}
	}
	for _, s := range c.Setup {
		r.setup(s)
	}
	for _, at := range c.Remote.Listening {
		if !r.opensLater(at) {
			r.remote.listen(at)
		}
	}
	var pipes []*os.File
	for _, name := range c.FifoReaders {
		f, err := os.OpenFile(filepath.Join(r.server.Dir(), name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			r.t.Fatal(err)
		}
		pipes = append(pipes, f)
	}
	for _, at := range c.Occupied {
		r.occupy(at)
	}
	if c.Journald {
		r.startJournald()
	}
	r.check("check", c.Output.Check)
	if c.Output.Start != nil {
		r.start()
	}
	for i := range c.Input {
		r.input(&c.Input[i])
		time.Sleep(60 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond)
	if c.Output.Start != nil {
		r.finish(pipes)
	}
	for _, f := range pipes {
		f.Close()
	}
}

// opensLater reports whether a port of the collector is closed at first.
func (r *oracleRun) opensLater(at string) bool {
	for i := range r.c.Input {
		switch at {
		case r.c.Input[i].Listens:
			return true
		case r.c.Input[i].Closes:
			return false
		}
	}
	return false
}
