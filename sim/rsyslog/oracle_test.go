package rsyslog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
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

	"gopkg.in/yaml.v3"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/rsyslog/logger"
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

func (r *oracleRun) build() {
	c := r.c
	r.net = memnet.New(r.t)
	offset := time.Until(c.Clock)
	programs := map[string]host.Program{"/usr/sbin/rsyslogd": Rsyslogd, "/usr/bin/logger": logger.Program, "/usr/local/bin/alert": alert}
	r.addJournald(programs)
	r.server = r.net.Host(r.t, memnet.Config{Name: testHost, Addrs: []string{"192.0.2.1/24", "127.0.0.1/8", "::1/128"}, Programs: programs, Offset: offset})
	r.remotes = map[string]*memnet.Host{}
	collect := r.net.Host(r.t, memnet.Config{Name: "collector", Addrs: []string{"192.0.2.10/24", "192.0.2.11/24", "192.0.2.53/24"}, Offset: offset})
	sender := r.net.Host(r.t, memnet.Config{Name: "sender", Addrs: []string{"192.0.2.20/24", "192.0.2.21/24"}, Offset: offset})
	r.remotes["192.0.2.20"], r.remotes["192.0.2.21"] = sender, sender
	r.remotes["192.0.2.1"], r.remotes["127.0.0.1"] = r.server, r.server
	r.remote = &collector{r: r, h: collect, got: map[string][]string{}}
	nameServer(r.t, collect)
	name := testHost
	if c.FQDN != "" {
		name = strings.ReplaceAll(c.FQDN, "<HOST>", testHost)
	}
	r.server.WriteFile("/etc/hostname", name+"\n")
	hosts := "127.0.0.1 localhost\n"
	for n, ip := range c.Hosts {
		hosts += ip + " " + n + "\n"
	}
	r.server.WriteFile("/etc/hosts", hosts)
	r.server.WriteFile("/etc/resolv.conf", "nameserver 192.0.2.53\n")
	passwd := "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
	for i, a := range c.Accounts {
		passwd += fmt.Sprintf("%s:x:%d:%d::/home/%s:/bin/bash\n", a, 1000+i, 1000+i, a)
	}
	r.server.WriteFile("/etc/passwd", passwd)
	r.server.WriteFile("/etc/group", "root:x:0:\nadm:x:4:\nnogroup:x:65534:\n")
	r.server.MkdirAll("/var/lib/rsyslog", 0o755)
	r.server.MkdirAll("/srv", 0o755)
	r.server.MkdirAll("/dev/pts", 0o755)
	r.server.Symlink("../run", "/var/run")
	if c.SystemdBooted {
		r.server.MkdirAll("/run/systemd/system", 0o755)
	}
	var utmp []byte
	for i, u := range c.LoggedIn {
		line := fmt.Sprintf("pts/%d", i)
		rec := make([]byte, loginSize)
		rec[0] = loginProcess
		copy(rec[loginLine:], line)
		copy(rec[loginUser:], u.User)
		utmp = append(utmp, rec...)
		r.terminal("/dev/" + line)
	}
	r.server.WriteFile("/run/utmp", string(utmp))
	if c.Journald || strings.Contains(strings.ToLower(c.Config["/etc/rsyslog.conf"]), "ratelimit") { // who sent is told
		for pid := 1; pid < 200; pid++ {
			r.server.WriteFile(fmt.Sprintf("/proc/%d/comm", pid), "logger\n")
		}
	}
	r.env = []string{"PATH=/usr/sbin:/usr/bin"}
	if c.TZ != "" && c.TZ != "UTC" {
		r.env = append(r.env, "TZ="+c.TZ)
	}
}

// terminal makes a fifo that stands for a terminal: it keeps what is written.
func (r *oracleRun) terminal(name string) {
	if err := r.server.Sys().Mkfifo(name, 0o620); err != nil {
		r.t.Fatal(err)
	}
	fd, err := syscall.Open(filepath.Join(r.server.Dir(), name), syscall.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), name)
	r.t.Cleanup(func() { f.Close() })
	r.terminals = append(r.terminals, f)
}

// alert is the program that the recording of omshell ran.
func alert(ctx context.Context, p *host.Proc) int {
	f, err := p.Sys.OpenFile("/var/log/alert.out", os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return 1
	}
	defer f.Close()
	fmt.Fprintf(f, "argc=%d\n", len(p.Args)-1)
	for _, a := range p.Args[1:] {
		fmt.Fprintf(f, "arg=[%s]\n", a)
	}
	return 0
}

func (r *oracleRun) setup(s string) {
	root := r.server.Dir()
	switch {
	case strings.HasPrefix(s, "mount") && strings.Contains(s, "small"):
		r.server.MkdirAll("/mnt/small", 0o755)
		// A device that is always full stands for a full file system.
		if err := syscall.Mknod(filepath.Join(root, "mnt/small/app.log"), syscall.S_IFCHR|0o600, 1<<8|7); err != nil {
			r.t.Skip("no right to make a device node: ", err)
		}
	default:
		if res := r.shell(s); res.status != 0 {
			r.t.Fatalf("setup %q: %s", s, res.stderr)
		}
	}
}

func (r *oracleRun) occupy(at string) {
	kind, addr, _ := strings.Cut(at, " ")
	family := "4"
	if strings.HasPrefix(addr, "[") {
		family = "6"
	}
	r.server.Go(nil, func(ctx context.Context, p *host.Proc) int {
		if kind == "udp" {
			c, err := p.Sys.ListenPacket("udp"+family, addr)
			if err == nil {
				defer c.Close()
			}
		} else if l, err := p.Sys.Listen("tcp"+family, addr); err == nil {
			defer l.Close()
		}
		p.Sleep(ctx, time.Hour)
		return 0
	})
	time.Sleep(time.Millisecond)
}

// check runs -N1.
func (r *oracleRun) check(what string, want *oracleCheck) {
	if want == nil {
		return
	}
	res := r.server.RunCmd(host.Cmd{Args: []string{"/usr/sbin/rsyslogd", "-N1", "-f", "/etc/rsyslog.conf"}, Env: r.env, Umask: r.umask()})
	if res.Status.Shell() != want.Exit {
		r.t.Errorf("%s: exit %d, want %d", what, res.Status.Shell(), want.Exit)
	}
	var got []string
	for _, l := range linesOf(res.Stderr) {
		if l != "" && !strings.Contains(l, "config validation run") {
			got = append(got, l)
		}
	}
	r.compare(what, got, want.Errors)
}

func (r *oracleRun) umask() int {
	n, _ := strconv.ParseInt(r.c.Umask, 8, 32)
	return int(n)
}

func (r *oracleRun) start() {
	r.daemon = r.server.Spawn(host.Cmd{Args: []string{"/usr/sbin/rsyslogd", "-n", "-f", "/etc/rsyslog.conf", "-i", "/var/run/rsyslogd.pid"},
		Env: r.env, Umask: r.umask(), Session: true})
	time.Sleep(800 * time.Millisecond)
	want := r.c.Output.Start
	if r.restarts > 0 {
		if len(r.c.Output.Restarts) < r.restarts {
			return
		}
		want = &r.c.Output.Restarts[r.restarts-1]
	}
	running, status := r.daemon.Running()
	if running != want.Running {
		r.t.Errorf("running %v, want %v\n%s", running, want.Running, r.daemon.Stderr)
	}
	if !running && status.Shell() != want.Exit {
		r.t.Errorf("exit %d, want %d", status.Shell(), want.Exit)
	}
	if r.restarts > 0 {
		return
	}
	for _, at := range r.c.Output.Listening {
		kind, addr, _ := strings.Cut(at, " ")
		i := strings.LastIndexByte(addr, ':')
		port, _ := strconv.Atoi(addr[i+1:])
		family := "4"
		if addr[0] == '[' {
			family = "6"
		}
		if r.server.Listening(kind+family, uint16(port)) == 0 {
			r.t.Errorf("nothing listens on %s", at)
		}
	}
	for _, b := range [][2]string{{"udp4", "udp 0.0.0.0:514"}, {"udp6", "udp [::]:514"}, {"tcp4", "tcp 0.0.0.0:514"}, {"tcp6", "tcp [::]:514"}} {
		listed := false
		for _, at := range r.c.Output.Listening {
			listed = listed || strings.HasPrefix(at, b[1][:4]) && strings.HasSuffix(at, ":514")
		}
		if !listed && r.server.Listening(b[0], 514) != 0 {
			r.t.Errorf("something listens on %s", b[1])
		}
	}
}

func (r *oracleRun) varies(what string) bool {
	for _, v := range r.c.Varies {
		if v == what {
			return true
		}
	}
	return false
}

func (r *oracleRun) input(in *oracleInput) {
	switch {
	case in.Run != "":
		r.command(in)
	case in.Sleep > 0:
		time.Sleep(time.Duration(in.Sleep * float64(time.Second)))
	case in.Restart:
		r.stopDaemon()
		for name, text := range in.Config {
			r.server.WriteFile(name, text)
		}
		r.restarts++
		r.check("restart check", in.Check)
		r.start()
	case in.Rewrite != nil:
		for name, text := range in.Rewrite {
			r.server.WriteFile(name, text)
		}
	case in.Listens != "":
		r.remote.listen(in.Listens)
	case in.Closes != "":
		r.remote.close(in.Closes)
	default:
		for range max(in.Times, 1) {
			r.send(in)
		}
	}
}

// send sends a message to the daemon.
func (r *oracleRun) send(in *oracleInput) {
	port := in.Port
	if port == 0 {
		port = 514
	}
	from := r.remotes[in.From]
	to := fmt.Sprintf("192.0.2.1:%d", port)
	if in.From == "127.0.0.1" {
		to = fmt.Sprintf("127.0.0.1:%d", port)
	}
	if in.Via == "unix" {
		r.sendLocal(in.Raw.s)
		return
	}
	from.Do(nil, func(ctx context.Context, p *host.Proc) {
		if in.Via == "udp" && in.From != "127.0.0.1" {
			c, err := p.Sys.ListenPacket("udp4", in.From+":0")
			if err != nil {
				r.t.Error(err)
				return
			}
			defer c.Close()
			a, err := p.Sys.Dial(ctx, "udp4", to)
			if err != nil {
				return
			}
			defer a.Close()
			c.WriteTo([]byte(in.Raw.s), a.RemoteAddr())
			return
		}
		c, err := p.Sys.Dial(ctx, in.Via+"4", to)
		if err != nil {
			return
		}
		defer c.Close()
		if in.Segments == nil {
			io.WriteString(c, in.Raw.s)
		}
		for i, s := range in.Segments {
			if i > 0 {
				p.Sleep(ctx, 150*time.Millisecond)
			}
			io.WriteString(c, s)
		}
	})
}

func (r *oracleRun) stopDaemon() {
	if running, _ := r.daemon.Running(); running {
		r.daemon.Stop()
	}
}

func (r *oracleRun) finish(pipes []*os.File) {
	c := r.c
	if !r.varies("output.start.stderr") && r.restarts == 0 {
		r.compare("stderr", nonEmpty(linesOf(r.daemon.Stderr.String())), c.Output.Start.Stderr)
	} else if r.restarts > 0 && r.restarts <= len(c.Output.Restarts) && !r.varies("output.restarts") {
		r.compare("stderr after restart", nonEmpty(linesOf(r.daemon.Stderr.String())), c.Output.Restarts[r.restarts-1].Stderr)
	}
	r.files("files", c.Output.Files, nil)
	r.modes()
	r.sends("udp", r.remote.take("udp 192.0.2.10:514"), c.Output.UDP)
	r.sends("tcp", r.remote.take("tcp 192.0.2.10:514"), c.Output.TCP)
	for at, want := range c.Output.Other {
		r.sends(at, r.remote.take(at), want)
	}
	for _, f := range pipes {
		b := make([]byte, 1<<16)
		n, _ := syscall.Read(int(f.Fd()), b)
		r.compare("pipe", linesOf(string(b[:max(n, 0)])), c.Output.Pipe)
	}
	for i, u := range c.Output.Users {
		b := make([]byte, 1<<16)
		n, _ := syscall.Read(int(r.terminals[i].Fd()), b)
		got := string(b[:max(n, 0)])
		if !r.pattern(u.Text).MatchString(got) {
			r.t.Errorf("terminal of %s:\n got %q\nwant %q", u.User, got, u.Text)
		}
	}
	before := map[string]int{}
	for name := range c.Output.OnStop.Files {
		before[name] = len(r.server.ReadFile(name))
	}
	r.stopDaemon()
	for name, want := range c.Output.OnStop.Files {
		r.compare("on stop "+name, linesOf(r.server.ReadFile(name)[before[name]:]), want)
	}
	if len(c.Output.OnStop.Files) == 0 && !r.t.Failed() {
		r.files("files after stop", c.Output.Files, nil)
	}
	r.compare("udp on stop", r.remote.take("udp 192.0.2.10:514"), c.Output.OnStop.UDP)
}

// sends compares what a collector got.
func (r *oracleRun) sends(what string, got, want []string) {
	if r.varies("output." + what) {
		r.contains(what, linesOf(strings.Join(got, "")), linesOf(strings.Join(want, "")))
		return
	}
	r.compare(what, got, want)
}

// contains checks that each different line of want occurs, for what varied
// between recordings.
func (r *oracleRun) contains(what string, got, want []string) {
	for _, w := range want {
		re, found := r.pattern(w), false
		for _, g := range got {
			found = found || re.MatchString(g)
		}
		if !found {
			r.t.Errorf("%s: no line like %q in\n%s", what, w, strings.Join(got, "\n"))
		}
	}
}

// files compares every file below /var/log, and what else the case names.
func (r *oracleRun) files(what string, want map[string][]string, _ []string) {
	seen := map[string]bool{}
	names := []string{}
	for name := range want {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		seen[filepath.Join(r.server.Dir(), name)] = true
		data, err := os.ReadFile(filepath.Join(r.server.Dir(), name))
		if err != nil {
			r.t.Errorf("%s: %v", name, err)
			continue
		}
		if r.varies("output.files." + name) {
			r.contains(name, linesOf(string(data)), want[name])
			continue
		}
		r.compare(name, r.withoutJournal(linesOf(string(data))), want[name])
		noNewline := false
		for _, n := range r.c.Output.NoNewline {
			noNewline = noNewline || n == name
		}
		if len(data) > 0 && noNewline == bytes.HasSuffix(data, []byte("\n")) {
			r.t.Errorf("%s: line feed at the end: %v", name, !noNewline)
		}
	}
	filepath.WalkDir(filepath.Join(r.server.Dir(), "var/log"), func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && !seen[name] && !strings.Contains(name, "/journal/") {
			data, _ := os.ReadFile(name)
			if len(r.withoutJournal(linesOf(string(data)))) > 0 {
				r.t.Errorf("%s is not expected:\n%s", strings.TrimPrefix(name, r.server.Dir()), data)
			}
		}
		return nil
	})
}

func (r *oracleRun) modes() {
	owners := map[int]string{0: "root", 65534: "nobody"}
	groups := map[int]string{0: "root", 4: "adm", 65534: "nogroup"}
	for name, want := range r.c.Output.Modes {
		if strings.HasPrefix(name, "/mnt/small") {
			continue
		}
		info, err := r.server.Sys().Stat(strings.TrimSuffix(name, "/"))
		if err != nil {
			r.t.Errorf("%s: %v", name, err)
			continue
		}
		st := info.Sys().(*syscall.Stat_t)
		got := fmt.Sprintf("%04o %s:%s", info.Mode().Perm(), owners[int(st.Uid)], groups[int(st.Gid)])
		if info.Mode()&fs.ModeNamedPipe != 0 {
			got = "fifo " + got
		}
		if got != want {
			r.t.Errorf("%s: mode %s, want %s", name, got, want)
		}
	}
}

// compare matches lines with their tokens.
func (r *oracleRun) compare(what string, got, want []string) {
	r.t.Helper()
	ok := len(got) == len(want)
	for i := range want {
		ok = ok && i < len(got) && r.pattern(want[i]).MatchString(got[i])
	}
	if !ok {
		// Only what differs: the lines that both have at the front and at the end are left out.
		for len(got) > 0 && len(want) > 0 && r.pattern(want[0]).MatchString(got[0]) {
			got, want = got[1:], want[1:]
		}
		for len(got) > 0 && len(want) > 0 && r.pattern(want[len(want)-1]).MatchString(got[len(got)-1]) {
			got, want = got[:len(got)-1], want[:len(want)-1]
		}
		if len(got) == len(want) { // and in between
			var g, w []string
			for i := range want {
				if !r.pattern(want[i]).MatchString(got[i]) {
					g, w = append(g, got[i]), append(w, want[i])
				}
			}
			got, want = g, w
		}
		r.t.Errorf("%s:\n got %s\nwant %s", what, listing(got), listing(want))
	}
}

func listing(list []string) string {
	var b strings.Builder
	for _, s := range list {
		if len(s) > 1000 {
			s = s[:1000] + "…"
		}
		fmt.Fprintf(&b, "\n\t%q", s)
	}
	return b.String()
}

// tokens are what stands for something that differs between runs.
var tokens = map[string]string{
	"<TIMESTAMP>":             `[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d`,
	"<TIMESTAMP-RFC3339>":     `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)`,
	"<TIMESTAMP-RFC3339-SEC>": `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)`,
	"<TIMESTAMP-CTIME>":       `[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}`,
	"<TIMESTAMP-WALL>":        `[^)]*`,
	"<PID>":                   realPID,
	"<FD>":                    `\d+`,
	"<SESSION>":               `\S+`,
	"<SYNCED>":                `[01]`,
	"<SYNCACCURACY>":          `\d+`,
	"<HOST>":                  testHost,
	"<MODDIR>":                regexp.QuoteMeta("/usr/lib64/rsyslog"),
}

var (
	tokenPattern = regexp.MustCompile(`<[A-Z0-9-]+>`)
	countPattern = regexp.MustCompile(`(\A|start|hello)\d+ <`)
)

// pattern makes a regular expression of a recorded line. The version of the
// recording is ours, and with it octet counts of lines that have it differ.
func (r *oracleRun) pattern(s string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	if countPattern.MatchString(s) {
		s = countPattern.ReplaceAllString(s, "${1}<COUNT> <")
	}
	for s != "" {
		m := tokenPattern.FindStringIndex(s)
		if m == nil {
			b.WriteString(literal(s))
			break
		}
		b.WriteString(literal(s[:m[0]]))
		switch tok := s[m[0]:m[1]]; {
		case tok == "<COUNT>":
			b.WriteString(`\d+`)
		case tokens[tok] != "":
			b.WriteString(tokens[tok])
		default:
			b.WriteString(literal(tok))
		}
		s = s[m[1]:]
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

func literal(s string) string {
	s = strings.ReplaceAll(s, "util-linux 2.38.1", "util-linux "+logger.Version)
	s = strings.ReplaceAll(s, "8.2302.0", Version)
	// Bytes that are no UTF-8 match themselves in neither form; a dot stands for them.
	q := regexp.QuoteMeta(s)
	return strings.ToValidUTF8(q, `[^\n]+`)
}

func linesOf(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

func nonEmpty(list []string) []string {
	var out []string
	for _, l := range list {
		if l != "" {
			out = append(out, l)
		}
	}
	return out
}
