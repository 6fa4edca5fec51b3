package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"enshu/labs"
	"enshu/sim/peer"
)

// The benchmarks of a whole lab. Each reports what was measured beside its
// limit, most of them as ratios to a yardstick of the same run: alone, a number
// of milliseconds tells more of the machine than of the program. None fails.

// bench is a user who measures.
func bench(b *testing.B) *user {
	home, err := os.MkdirTemp("", "enshu-home")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(home) })
	u := &user{b, home, os.Getuid(), fmt.Sprintf("bench-%d", os.Getpid())}
	b.Cleanup(func() { u.command(nil, "finish").Run() })
	return u
}

// BenchmarkStart starts a lab of three hosts until every unit is active, ends
// it, and does the same with Mininet, and with nothing but the kernel.
func BenchmarkStart(b *testing.B) {
	u := bench(b)
	lab := u.file("three.yaml")
	u.enshu(0, "start", lab, "--name", u.lab) // unpacks the hosts' files
	u.enshu(0, "finish")
	var start, finish, mininet, floor time.Duration
	n := 0
	for b.Loop() {
		n++
		tornDown()
		start += timed(func() { u.enshu(0, "start", lab, "--name", u.lab) })
		finish += timed(func() { u.enshu(0, "finish") })
		tornDown()
		mininet += startMininet(b)
		tornDown()
		floor += kernelFloor(b)
	}
	report := func(d time.Duration, unit string) { b.ReportMetric(d.Seconds()*1000/float64(n), unit) }
	b.ReportMetric(0, "ns/op")
	report(start, "ms-start")
	report(mininet, "ms-Mininet")
	report(floor, "ms-kernel-floor")
	b.ReportMetric(start.Seconds()/mininet.Seconds(), "of-Mininet(limit:0.33)")
	b.ReportMetric(start.Seconds()/floor.Seconds(), "of-floor(aim:5)")
	report(finish, "ms-finish(limit:100)")
}

// tornDown waits until the kernel has taken down the namespaces of what was before.
// It does so by and by after their processes have ended, and makes no new ones
// meanwhile; nothing tells when it is done.
func tornDown() { time.Sleep(400 * time.Millisecond) }

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// startMininet returns how long a process takes until three hosts of Mininet's
// are up.
func startMininet(b *testing.B) time.Duration {
	b.Helper()
	if os.Getuid() != 0 {
		b.Skip("Mininet needs root")
	}
	root := filepath.Join(peer.Root(b), "mininet")
	if _, err := os.Stat(root); err != nil {
		b.Fatal("Mininet is not here: run tools/peers mininet (make bench does)")
	}
	var errs bytes.Buffer
	c := exec.Command("/usr/bin/python3", "testdata/hosts-with-mininet.py")
	c.Env = append(os.Environ(), "PYTHONPATH="+root+"/usr/lib/python3/dist-packages",
		"PATH="+root+"/usr/bin:"+root+"/usr/sbin:"+root+"/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
	c.Stderr = &errs
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	took := time.Since(began)
	in.Close()
	if err := c.Wait(); err != nil || line != "up\n" {
		b.Fatalf("Mininet: %q, %v\n%s", line, err, &errs)
	}
	return took
}

// kernelFloor returns how long the kernel alone takes for three namespaces at a
// bridge.
func kernelFloor(b *testing.B) time.Duration {
	b.Helper()
	took := make(chan time.Duration)
	var failed error
	go func() {
		defer close(took)
		runtime.LockOSThread() // and never unlocked: the thread ends in the last namespace
		began := time.Now()
		if failed = wire(); failed == nil {
			took <- time.Since(began)
		}
	}()
	d, ok := <-took
	if !ok {
		b.Fatal(failed)
	}
	return d
}

// wire makes three network namespaces, each with one end of a pair of links
// whose other end is on a bridge of a fourth, all up.
func wire() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	middle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer middle.Close()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br"}}
	if err := middle.LinkAdd(bridge); err != nil {
		return err
	}
	if err := middle.LinkSetUp(bridge); err != nil {
		return err
	}
	for i := range 3 {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		own, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("v%d", i), MasterIndex: bridge.Index}, PeerName: "eth0", PeerNamespace: netlink.NsFd(own.Fd())}
		err = middle.LinkAdd(veth)
		own.Close()
		if err != nil {
			return err
		}
		if err := middle.LinkSetUp(veth); err != nil {
			return err
		}
		inside, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		eth, err := inside.LinkByName("eth0")
		if err == nil {
			err = inside.AddrAdd(eth, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, byte(i+1)), Mask: net.CIDRMask(24, 32)}})
		}
		if err == nil {
			err = inside.LinkSetUp(eth)
		}
		inside.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkReset makes one of three hosts anew.
func BenchmarkReset(b *testing.B) {
	u := bench(b)
	lab := u.file("three.yaml")
	start := timed(func() { u.enshu(0, "start", lab, "--name", u.lab) })
	var reset time.Duration
	n := 0
	for b.Loop() {
		reset += timed(func() { u.enshu(0, "reset", "h2") })
		u.enshu(0, "finish")
		start += timed(func() { u.enshu(0, "start", lab, "--name", u.lab) })
		n++
	}
	share := start.Seconds() / float64(n+1) / 3
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(reset.Seconds()*1000/float64(n), "ms-reset")
	b.ReportMetric(reset.Seconds()/float64(n)/share, "of-a-host's-start(limit:2)")
}

// BenchmarkCommand runs commands of ours in a host, many times from one shell.
func BenchmarkCommand(b *testing.B) {
	u := bench(b)
	u.enshu(0, "start", u.file("three.yaml"), "--name", u.lab)
	const times = 200
	run := func(command string) float64 {
		// The shell itself tells how long it took, in microseconds.
		out := u.enshu(0, "exec", "h1", "--", "bash", "-c",
			fmt.Sprintf(`t=${EPOCHREALTIME/./}; for ((i = 0; i < %d; i++)); do %s; done >/dev/null; echo $((${EPOCHREALTIME/./} - t))`, times, command))
		us, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
		if err != nil {
			b.Fatalf("%s: %q", command, out)
		}
		return us / times
	}
	var plain float64
	took := map[string]float64{}
	n := 0.0
	for b.Loop() {
		n++
		plain += run("/bin/true")
		for _, c := range []string{"logger hello", "systemctl is-active rsyslog"} {
			took[c] += run(c)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(plain/n, "us-true")
	b.ReportMetric(took["logger hello"]/plain, "logger-of-true(limit:5)")
	b.ReportMetric(took["systemctl is-active rsyslog"]/plain, "systemctl-of-true(limit:5)")
}

// BenchmarkIdle leaves a lab alone.
func BenchmarkIdle(b *testing.B) {
	u := bench(b)
	u.enshu(0, "start", u.file("three.yaml"), "--name", u.lab)
	time.Sleep(2 * time.Second) // what follows a boot
	pid := u.pid()
	var cpu, passed time.Duration
	for b.Loop() {
		before := cpuTime(pid)
		passed += timed(func() { time.Sleep(10 * time.Second) })
		cpu += cpuTime(pid) - before
	}
	var pss int
	for _, p := range family(pid) {
		if n, ok := kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", p), "Pss:"); ok {
			pss += n
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(pss)/1024, "MiB-PSS(limit:80)")
	b.ReportMetric(100*cpu.Seconds()/passed.Seconds(), "%-of-a-core(limit:0.5)")
}

// pid is the number of the lab process.
func (u *user) pid() int {
	u.t.Helper()
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		line, err := os.ReadFile(filepath.Join(d, "cmdline"))
		if args := strings.Split(string(line), "\x00"); err == nil && len(args) > 1 && args[0] == "enshu-lab" && args[1] == u.lab {
			pid, _ := strconv.Atoi(filepath.Base(d))
			return pid
		}
	}
	u.t.Fatal("the lab process is not there")
	return 0
}

// stat returns fields of /proc/PID/stat from the state on.
func stat(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return strings.Fields(rest)
}

// family is a process and all that descend from it.
func family(root int) []int {
	parents := map[int]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d))
		if f := stat(pid); len(f) > 1 {
			parents[pid], _ = strconv.Atoi(f[1])
		}
	}
	var all []int
	for pid := range parents {
		up := pid
		for up != 0 && up != root {
			up = parents[up]
		}
		if up == root {
			all = append(all, pid)
		}
	}
	return all
}

// cpuTime is what a lab has used so far, with its processes that have ended.
func cpuTime(root int) time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every architecture that Linux has
	var sum time.Duration
	for _, pid := range family(root) {
		if f := stat(pid); len(f) > 14 {
			for _, v := range f[11:15] {
				n, _ := strconv.Atoi(v)
				sum += time.Duration(n) * tick
			}
		}
	}
	return sum
}

// kilobytes reads a line of a file of /proc such as "Pss:   12 kB".
func kilobytes(file, name string) (int, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, err := strconv.Atoi(f[1])
			return n, err == nil
		}
	}
	return 0, false
}

// BenchmarkHundredLabs has a hundred labs at once, each solved and graded: the
// catalogue's tcp-forwarding with a third host.
func BenchmarkHundredLabs(b *testing.B) {
	if testing.Short() {
		b.Skip("takes minutes")
	}
	u := bench(b)
	const hosts, third = "\nhosts:\n", "  other:\n    networks: {lan: 192.168.0.30}\n"
	catalogue, err := labs.Files.ReadFile("1.09.2/tcp-forwarding.yaml")
	if err != nil || !bytes.Contains(catalogue, []byte(hosts)) {
		b.Fatalf("tcp-forwarding: %v", err)
	}
	lab := filepath.Join(u.home, "hundred.yaml")
	if err := os.WriteFile(lab, bytes.Replace(catalogue, []byte(hosts), []byte(hosts+third), 1), 0o644); err != nil {
		b.Fatal(err)
	}
	const count = 100
	each := func(what func(name string) error) int {
		good := 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		turns := make(chan struct{}, 2*runtime.NumCPU())
		for i := range count {
			wg.Go(func() {
				turns <- struct{}{}
				defer func() { <-turns }()
				if err := what(fmt.Sprintf("%s-%d", u.lab, i)); err != nil {
					b.Log(err)
					return
				}
				mu.Lock()
				good++
				mu.Unlock()
			})
		}
		wg.Wait()
		return good
	}
	command := func(args ...string) error {
		c := u.command(nil)
		c.Args = append(c.Args[:1], args...)
		out, err := c.CombinedOutput()
		if err != nil {
			return fmt.Errorf("enshu %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	for b.Loop() {
		var up, solved, passed int
		started := timed(func() { up = each(func(name string) error { return command("start", lab, "--name", name) }) })
		solving := timed(func() { solved = each(func(name string) error { return command("--lab", name, "solve") }) })
		checked := timed(func() { passed = each(func(name string) error { return command("--lab", name, "check") }) })
		free, _ := kilobytes("/proc/meminfo", "MemAvailable:")
		each(func(name string) error { return command("--lab", name, "finish") })
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(up), "labs-up(of:100)")
		b.ReportMetric(float64(solved), "labs-solved(of:100)")
		b.ReportMetric(float64(passed), "labs-passed(of:100)")
		b.ReportMetric(started.Seconds(), "s-start")
		b.ReportMetric(solving.Seconds(), "s-solve")
		b.ReportMetric(checked.Seconds(), "s-check")
		b.ReportMetric(float64(free)/(1<<20), "GiB-left")
	}
}

// BenchmarkDay warps ten hosts in three strata by a day.
func BenchmarkDay(b *testing.B) {
	u := bench(b)
	u.enshu(0, "start", u.file("day.yaml"), "--name", u.lab)
	pid := u.pid()
	var day time.Duration
	before, n := cpuTime(pid), 0
	for b.Loop() {
		day += timed(func() { u.enshu(0, "clock", "advance", "24h") })
		n++
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(day.Seconds()/float64(n), "s-day(limit:3)")
	b.ReportMetric((cpuTime(pid)-before).Seconds()/float64(n), "s-of-processor")
}

// BenchmarkCheck checks a lab whose checks wait for chronyd, before the learner
// has done anything and when it is solved.
func BenchmarkCheck(b *testing.B) {
	u := bench(b)
	var untouched, solved time.Duration
	n := 0
	for b.Loop() {
		u.enshu(0, "start", "skewed-clock", "--name", u.lab)
		untouched += timed(func() { u.enshu(1, "check") })
		u.enshu(0, "solve")
		solved += timed(func() { u.enshu(0, "check") })
		u.enshu(0, "finish")
		n++
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(untouched.Seconds()/float64(n), "s-untouched(limit:3)")
	b.ReportMetric(solved.Seconds()/float64(n), "s-solved(limit:3)")
}
