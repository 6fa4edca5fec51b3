package stub_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/host/systest"
	"enshu/sim/kernel"
	"enshu/sim/libc"
	"enshu/sim/stub"
	"enshu/sim/trace"
)

// lab is the lab process that these tests run in; nil outside of it.
var lab *kernel.Kernel

// TestMain runs the tests in a lab process: hosts can be made nowhere else.
func TestMain(m *testing.M) {
	if os.Args[0] == kernel.RoleLab {
		k, err := setup(os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		lab = k
		os.Args = append(os.Args[:1], os.Args[2:]...)
		os.Exit(m.Run())
	}
	os.Exit(relaunch())
}

func relaunch() int {
	ids := kernel.FindIDs()
	cache, err := os.MkdirTemp("", "enshu-stub-test") // not below a directory that the lab's root may not enter
	if err == nil {
		defer os.RemoveAll(cache)
		err = ids.OwnCache(cache)
	}
	var p *os.Process
	if err == nil {
		args := []string{cache}
		for _, a := range os.Args[1:] {
			if !strings.HasPrefix(a, "-test.testlogfile=") { // the lab's root may not write it
				args = append(args, a)
			}
		}
		p, err = kernel.Launch(ids, args, os.Stderr, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	st, err := p.Wait()
	if err != nil {
		return 1
	}
	return st.ExitCode()
}

// layer is the root file system of the test hosts: the suite's Programs at
// their paths, and one that runs a function of the test.
func layer() kernel.Layer {
	return kernel.Layer{Name: "base", Entries: []kernel.Entry{
		{Path: "/bin", Link: "usr/bin"}, {Path: "/lib", Link: "usr/lib"}, {Path: "/lib64", Link: "usr/lib64"},
		{Path: "/etc", Mode: os.ModeDir | 0o755},
	}, Programs: []string{"/usr/bin/systest-report", "/usr/bin/systest-cat", "/usr/bin/systest-wait", "/usr/bin/systest-leave",
		"/usr/bin/systest-exit", "/usr/bin/systest-crash", callPath}}
}

const callPath = "/usr/bin/systest-call"

func setup(cache string) (*kernel.Kernel, error) {
	// go test reads standard output; a lab process has none of its own.
	os.Stdout = os.NewFile(kernel.FirstFile, "stdout")
	k, err := kernel.Setup(kernel.Config{Cache: cache, Layers: []kernel.Layer{layer()}})
	if err != nil {
		return nil, err
	}
	return k, k.AddNetwork(0)
}

// liveHost is a host whose PID 1 starts functions of the test as processes.
type liveHost struct {
	pid1 *host.Proc
	line *clock.Timeline

	mu    sync.Mutex
	calls []host.Program
}

func newHost(t testing.TB, line *clock.Timeline, name string, last byte, programs map[string]host.Program) (*liveHost, systest.Host) {
	t.Helper()
	four := netip.AddrFrom4([4]byte{192, 0, 2, last})
	six := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: last})
	l := &liveHost{line: line}
	table := map[string]host.Program{callPath: l.call}
	for path, p := range programs {
		table[path] = p
	}
	m, err := lab.Boot(line, kernel.MachineConfig{Name: name, Hostname: name, Packages: []string{"base"}, Disk: 16 << 20, Processes: 200,
		Interfaces: []kernel.Interface{{Addresses: []netip.Prefix{netip.PrefixFrom(four, 24), netip.PrefixFrom(six, 64)}}}})
	if err != nil {
		t.Fatal(err)
	}
	h := &host.Host{Name: name, Clock: clock.NewLocal(line, -time.Hour, 50), Trace: trace.NewLog(line), Programs: table}
	h.Kmsg = host.NewKmsg(h.Clock, 100)
	s, err := stub.NewServer(h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	up, down := make(chan struct{}), make(chan struct{})
	go s.Serve(ctx, m.Programs)
	l.pid1 = &host.Proc{Path: "/sbin/init", Args: []string{"init"}, Dir: "/", Umask: 0o022, Env: []string{"PATH=/usr/bin"}}
	go func() {
		defer close(down)
		s.Init(ctx, m.Stub, m.PID, l.pid1, func(ctx context.Context, p *host.Proc) int {
			p.Ready()
			<-ctx.Done()
			return 0
		}, func() { close(up) })
	}()
	<-up
	t.Cleanup(func() { cancel(); m.Unplug(); m.Destroy(); <-down })
	return l, systest.Host{Name: name, Addr4: four, Addr6: six, Unused4: netip.MustParseAddr("192.0.2.99"),
		Start: func(cred *host.Cred, f host.Program) *host.Process { return l.start(t, cred, f) },
		Wait:  func(p *host.Process) host.Status { return l.wait(t, p) }}
}

// call is the Program that runs the function its argument numbers.
func (l *liveHost) call(ctx context.Context, p *host.Proc) int {
	n, err := strconv.Atoi(p.Args[1])
	l.mu.Lock()
	ok := err == nil && n < len(l.calls)
	var f host.Program
	if ok {
		f = l.calls[n]
	}
	l.mu.Unlock()
	if !ok {
		return 99
	}
	return f(ctx, p)
}

func (l *liveHost) start(t testing.TB, cred *host.Cred, f host.Program) *host.Process {
	t.Helper()
	l.mu.Lock()
	n := len(l.calls)
	l.calls = append(l.calls, f)
	l.mu.Unlock()
	if cred == nil {
		cred = &host.Cred{}
	}
	p, err := l.pid1.Start(host.Cmd{Path: callPath, Args: []string{"call", strconv.Itoa(n)}, Cred: cred, Umask: 0o022, Dir: "/"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (l *liveHost) wait(t testing.TB, p *host.Process) host.Status {
	t.Helper()
	l.line.Hold()
	defer l.line.Release()
	st, err := p.Wait(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestSys is the conformance suite over stubs in real namespaces.
func TestSys(t *testing.T) {
	systest.Test(t, systest.Arm{Run: func(t *testing.T, programs map[string]host.Program, check func(t *testing.T, w *systest.World)) {
		line := clock.New(time.Time{})
		_, a := newHost(t, line, "a", 1, programs)
		_, b := newHost(t, line, "b", 2, programs)
		check(t, &systest.World{A: a, B: b})
	}})
}

// TestPipesWait: what a child gets for a Stdin and a Stdout that are no files are
// pipes that wait, as every program expects.
func TestPipesWait(t *testing.T) {
	_, a := newHost(t, clock.New(time.Time{}), "a", 1, nil)
	a.Wait(a.Start(nil, func(ctx context.Context, p *host.Proc) int {
		p.Ready()
		var out bytes.Buffer
		child, err := p.Start(host.Cmd{Path: "/usr/bin/grep", Args: []string{"grep", "flags", "/proc/self/fdinfo/0", "/proc/self/fdinfo/1"},
			Stdin: strings.NewReader("text"), Stdout: &out})
		if err != nil {
			t.Error(err)
			return 1
		}
		if st, err := child.Wait(ctx); err != nil || !st.Success() {
			t.Errorf("%v %v", st, err)
		}
		for line := range strings.Lines(out.String()) {
			name, text, _ := strings.Cut(strings.TrimSpace(line), ":flags:")
			if flags, err := strconv.ParseInt(strings.TrimSpace(text), 8, 64); err != nil || flags&syscall.O_NONBLOCK != 0 {
				t.Errorf("%s: flags %s: a read or write fails where it should wait", name, text)
			}
		}
		return 0
	}))
}

// TestTerms: a child runs on the terms it was started on, and where the host may not
// grant one, on its parent's.
func TestTerms(t *testing.T) {
	_, a := newHost(t, clock.New(time.Time{}), "a", 1, nil)
	nice, badness, impossible := 7, 300, -1000
	const stack, descriptors = 3, 7 // RLIMIT_STACK, RLIMIT_NOFILE
	for _, c := range []struct {
		name  string
		terms *host.Terms
		show  string
		want  string
	}{
		{"limits", &host.Terms{Limits: []host.Limit{{Resource: descriptors, Soft: 100, Hard: 200}, {Resource: stack, Soft: 4 << 20, Hard: 4 << 20}}}, "ulimit -n; ulimit -Hn; ulimit -s", "100\n200\n4096\n"},
		{"a hard limit of its parent's", &host.Terms{Limits: []host.Limit{{Resource: descriptors, Soft: 50, Hard: math.MaxUint64}}}, `ulimit -n; test "$(ulimit -Hn)" != unlimited; echo $?`, "50\n0\n"},
		{"nice", &host.Terms{Nice: &nice}, "nice", "7\n"},
		{"oom score", &host.Terms{OOMScoreAdjust: &badness}, "cat /proc/self/oom_score_adj", "300\n"},
		{"no oom score", &host.Terms{OOMScoreAdjust: &impossible}, "echo started", "started\n"},
		{"processors", &host.Terms{CPUs: []int{0}}, "sed -n 's/Cpus_allowed_list:.//p' /proc/self/status", "0\n"},
		{"policy", &host.Terms{Policy: &host.Policy{Kind: 3}}, "awk '{print $41}' /proc/self/stat", "3\n"},
		{"no new rights", &host.Terms{NoNewPrivs: true}, "sed -n 's/NoNewPrivs:.//p' /proc/self/status", "1\n"},
		{"SIGPIPE", &host.Terms{IgnoreSIGPIPE: true}, "echo $((0x$(sed -n 's/SigIgn:.//p' /proc/self/status) >> 12 & 1))", "1\n"},
		{"as its parent", nil, "nice; sed -n 's/NoNewPrivs:.//p' /proc/self/status", "0\n0\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a.Wait(a.Start(nil, func(ctx context.Context, p *host.Proc) int {
				p.Ready()
				var out bytes.Buffer
				child, err := p.Start(host.Cmd{Path: "/usr/bin/bash", Args: []string{"bash", "-c", c.show}, Stdout: &out, Stderr: &out, Terms: c.terms})
				if err != nil {
					t.Error(err)
					return 1
				}
				if st, err := child.Wait(ctx); err != nil || !st.Success() {
					t.Errorf("%v %v", st, err)
				}
				if out.String() != c.want {
					t.Errorf("%s\ngot  %q\nwant %q", c.show, out.String(), c.want)
				}
				return 0
			}))
		})
	}
}

// BenchmarkRoundTrip is what a call through a stub costs, beside the call itself.
func BenchmarkRoundTrip(b *testing.B) {
	line := clock.New(time.Time{})
	l, _ := newHost(b, line, "bench", 3, nil)
	var through, direct, read time.Duration
	n := 0
	timed := func(f func()) time.Duration {
		began := time.Now()
		f()
		return time.Since(began)
	}
	l.wait(b, l.start(b, nil, func(ctx context.Context, p *host.Proc) int {
		if err := libc.WriteFile(p, "/etc/file", make([]byte, 1000), 0o644); err != nil {
			b.Error(err)
		}
		for b.Loop() {
			n++
			through += timed(func() { p.Sys.Stat("/etc/file") })
			read += timed(func() { libc.ReadFile(p, "/etc/file") })
			direct += timed(func() { os.Stat("/proc/self/exe") })
		}
		return 0
	}))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(through.Nanoseconds())/float64(n), "ns-stat-through-stub")
	b.ReportMetric(float64(read.Nanoseconds())/float64(n), "ns-read-through-stub")
	b.ReportMetric(through.Seconds()/direct.Seconds(), "of-direct")
}
