package kernel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/kernel"
	"enshu/sim/link"
	"enshu/sim/stub"
	"enshu/sim/trace"
)

func TestMain(m *testing.M) {
	if os.Args[0] == kernel.RoleLab {
		os.Exit(inLab())
	}
	os.Exit(m.Run())
}

// order is what a test asks of its lab process, reply what it says.
type order struct {
	Cache  string
	Single bool
	Script string
	Group  kernel.Group
	Link   *link.Link // with it there is a second host, 192.168.0.20, this far away
}

type reply struct {
	Out    string
	Status int
	Group  string // that of the host's first process
	Err    string
}

// inLab is the lab process of these tests: one host, two Programs, one script.
func inLab() int {
	orders, replies := os.NewFile(kernel.FirstFile, "orders"), os.NewFile(kernel.FirstFile+1, "replies")
	var o order
	if err := json.NewDecoder(orders).Decode(&o); err != nil {
		return 1
	}
	var r reply
	err := runScript(o, &r)
	if err != nil {
		r.Err = err.Error()
	}
	json.NewEncoder(replies).Encode(r)
	return 0
}

func runScript(o order, r *reply) error {
	programs := map[string]host.Program{
		"/usr/bin/greet": func(ctx context.Context, p *host.Proc) int {
			in, _ := io.ReadAll(p.Stdin)
			fmt.Fprintf(p.Stdout, "uid=%d args=%q in=%q\n", p.UID, p.Args[1:], in)
			return 3
		},
	}
	layer := kernel.Layer{Name: "base", Tree: fstest.MapFS{
		"etc/passwd": {Data: []byte("root:x:0:0:root:/root:/bin/bash\nlinuc:x:1000:1000::/home/linuc:/bin/bash\n")},
	}, Entries: []kernel.Entry{
		{Path: "/bin", Link: "usr/bin"}, {Path: "/lib", Link: "usr/lib"}, {Path: "/lib64", Link: "usr/lib64"},
		{Path: "/root", Mode: os.ModeDir | 0o700},
	}, Programs: []string{"/usr/bin/greet"}}
	k, err := kernel.Setup(kernel.Config{Cache: o.Cache, Layers: []kernel.Layer{layer}, SingleID: o.Single, Group: o.Group})
	if err != nil {
		return err
	}
	line := clock.New(time.Time{})
	if o.Link != nil {
		k.AddRelay(0, line, 1, func(string, string) link.Link { return *o.Link })
	} else if err := k.AddNetwork(0); err != nil {
		return err
	}
	h := &host.Host{Name: "alpha", Clock: clock.NewLocal(line, 0, 0), Trace: trace.NewLog(line), Programs: programs}
	m, err := k.Boot(line, kernel.MachineConfig{Name: "alpha", Hostname: "alpha", Packages: []string{"base"}, Disk: 8 << 20, Processes: 100,
		Interfaces: []kernel.Interface{{Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.0.10/24")}}}})
	if err != nil {
		return err
	}
	defer m.Destroy()
	if o.Link != nil {
		beta, err := k.Boot(line, kernel.MachineConfig{Name: "beta", Hostname: "beta", Packages: []string{"base"}, Disk: 8 << 20, Processes: 100,
			Interfaces: []kernel.Interface{{Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.0.20/24")}}}})
		if err != nil {
			return err
		}
		defer beta.Destroy()
	}
	group, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", m.PID))
	if err != nil {
		return err
	}
	r.Group = string(group)
	s, err := stub.NewServer(h, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	s.SingleID = o.Single
	ctx := context.Background()
	go s.Serve(ctx, m.Programs)
	var out bytes.Buffer
	status := -1
	s.Init(ctx, m.Stub, m.PID, &host.Proc{Path: "/sbin/init", Args: []string{"init"}, Dir: "/", Env: []string{"PATH=/usr/bin:/usr/sbin"}}, func(ctx context.Context, p *host.Proc) int {
		var child *host.Process
		child, err = p.Start(host.Cmd{Path: "/bin/bash", Args: []string{"bash", "-c", o.Script}, Stdout: &out, Stderr: &out})
		if err != nil {
			return 1
		}
		st, werr := child.Wait(ctx)
		err = werr
		status = st.Shell()
		return 0
	}, nil)
	r.Out, r.Status = out.String(), status
	return err
}

// lab runs a script in a fresh host and returns its output and status.
func lab(t *testing.T, script string) (string, int) {
	t.Helper()
	return play(t, order{Script: script})
}

// play runs the script of an order.
func play(t *testing.T, o order) (string, int) {
	t.Helper()
	r := playWhole(t, kernel.FindIDs(), o)
	return r.Out, r.Status
}

// playWhole is play that tells all.
func playWhole(t *testing.T, ids kernel.IDs, o order) reply {
	t.Helper()
	cache, err := os.MkdirTemp("", "enshu-test") // not t.TempDir, whose parent the lab's root may not enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(cache) })
	os.Chmod(cache, 0o777)
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.Group.Launch(ids, nil, os.Stderr, inR, outW)
	if err != nil {
		t.Fatal(err)
	}
	inR.Close()
	outW.Close()
	o.Cache, o.Single = cache, ids.Single
	json.NewEncoder(inW).Encode(o)
	var r reply
	if err := json.NewDecoder(outR).Decode(&r); err != nil {
		t.Fatal("the lab process said nothing: ", err)
	}
	p.Wait()
	if r.Err != "" {
		t.Fatal(r.Err)
	}
	return r
}

func TestProgramBehindStub(t *testing.T) {
	out, status := lab(t, `echo hi | greet a 'b c'; echo "status $?"; hostname; ip -4 -br addr show eth0; ls -ld /root; cat /proc/1/comm; exit 5`)
	if status != 5 {
		t.Errorf("status %d, want 5", status)
	}
	for _, want := range []string{`uid=0 args=["a" "b c"] in="hi\n"`, "status 3", "\nalpha\n", "192.168.0.10/24", "drwx------"} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
}

// A link of a relay carries what the kernels of hosts say to each other, as late
// as it should: a round trip, a packet of more than one fragment, a refusal.
func TestRelay(t *testing.T) {
	out, status := play(t, order{Link: &link.Link{Delay: 20 * time.Millisecond},
		Script: `ping -n -c 3 -i 0.2 192.168.0.20 && ping -n -q -c 1 -s 4000 192.168.0.20 && echo hi >/dev/tcp/192.168.0.20/9`})
	if status != 1 || !strings.Contains(out, "Connection refused") {
		t.Errorf("status %d:\n%s", status, out)
	}
	trips := 0
	for line := range strings.Lines(out) {
		_, after, ok := strings.Cut(line, " time=")
		if !ok {
			continue
		}
		trips++
		var ms float64
		if _, err := fmt.Sscan(after, &ms); err != nil || ms < 40 {
			t.Errorf("a round trip of two times 20 ms: %s", line)
		}
	}
	if trips != 3 {
		t.Errorf("%d answers:\n%s", trips, out)
	}
}

func TestRelayLosesAll(t *testing.T) {
	out, status := play(t, order{Link: &link.Link{Loss: 1}, Script: `ping -n -c 2 -i 0.2 -W 1 192.168.0.20; ip neigh show 192.168.0.20`})
	// Who has the address is still found out: the machine's kernel asks only so often.
	if status != 0 || !strings.Contains(out, "100% packet loss") || !strings.Contains(out, "lladdr") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

// A lab and its hosts are in the control group that was made for them, and
// nothing of it is left. Where the machine has no controllers for it to share,
// it limits nothing.
func TestHostsInAControlGroup(t *testing.T) {
	parent, why := kernel.FindGroup()
	if parent == "" && os.Getuid() == 0 {
		// Groups of root's own are good enough to be in.
		table, _ := os.ReadFile("/proc/self/mountinfo")
		for line := range strings.Lines(string(table)) {
			if f := strings.Fields(line); strings.Contains(line, " - cgroup2 ") && len(f) > 4 {
				parent = f[4]
			}
		}
	}
	if parent == "" {
		t.Skip(why)
	}
	ids := kernel.FindIDs()
	g, err := kernel.NewGroup(parent, "test", ids)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Remove()
	r := playWhole(t, ids, order{Script: "cat /proc/self/cgroup", Group: g})
	if !strings.Contains(r.Group, "/"+filepath.Base(g.Dir)+"/host-alpha/inside\n") {
		t.Errorf("the host is in %s", r.Group)
	}
	if !strings.Contains(r.Out, "0::/\n") {
		t.Errorf("what the host knows of it: %s", r.Out)
	}
	g.Remove()
	if _, err := os.Stat(g.Dir); err == nil {
		t.Errorf("%s is left", g.Dir)
	}
}
