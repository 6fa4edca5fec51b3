package chrony_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"enshu/sim/chrony/chronyc"
	"enshu/sim/chrony/chronyd"
	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/trace"

	"golang.org/x/sys/unix"
)

// machine is the kernel of the machine that runs the tests, so that our
// programs and real ones meet on its loopback interface.
type machine struct{}

var _ host.Sys = machine{}

func (machine) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}
func (machine) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (machine) Lstat(name string) (fs.FileInfo, error)     { return os.Lstat(name) }
func (machine) Readlink(name string) (string, error)       { return os.Readlink(name) }
func (machine) Mkdir(name string, perm fs.FileMode) error  { return os.Mkdir(name, perm) }
func (machine) Mkfifo(name string, perm fs.FileMode) error { return syscall.Mkfifo(name, uint32(perm)) }
func (machine) Remove(name string) error                   { return os.Remove(name) }
func (machine) Rename(from, to string) error               { return os.Rename(from, to) }
func (machine) Link(from, to string) error                 { return os.Link(from, to) }
func (machine) Symlink(target, name string) error          { return os.Symlink(target, name) }
func (machine) Chmod(name string, mode fs.FileMode) error  { return os.Chmod(name, mode) }
func (machine) Chown(name string, uid, gid int) error      { return os.Chown(name, uid, gid) }
func (machine) Chtimes(name string, atime, mtime time.Time) error {
	return os.Chtimes(name, atime, mtime)
}
func (machine) Listen(network, addr string) (net.Listener, error) { return net.Listen(network, addr) }
func (machine) ListenPacket(network, addr string) (net.PacketConn, error) {
	conn, err := net.ListenPacket(network, addr)
	if u, ok := conn.(*net.UDPConn); ok {
		return stamped{u}, err
	}
	return conn, err
}
func (machine) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if u, ok := conn.(*net.UDPConn); ok {
		return stamped{u}, err
	}
	return conn, err
}
func (machine) Kill(pid int, sig syscall.Signal) error  { return syscall.Kill(pid, sig) }
func (machine) Start(c host.Cmd) (*host.Process, error) { return nil, syscall.ENOSYS }

// stamped says when a packet was read, which is near enough here.
type stamped struct{ *net.UDPConn }

var (
	_ host.StampConn = stamped{}
	_ host.BatchConn = stamped{}
)

func (s stamped) ReadFromAt(b []byte) (int, net.Addr, time.Time, error) {
	n, from, err := s.ReadFrom(b)
	return n, from, time.Now(), err
}

func (s stamped) ReadBatch(list []host.Datagram, _ time.Duration) (n int, err error) {
	d := &list[0]
	if d.N, d.From, d.At, err = s.ReadFromAt(d.Buf); err != nil {
		return 0, err
	}
	return 1, nil
}

func (s stamped) Reply(list []host.Datagram) {
	for _, d := range list {
		s.WriteTo(d.Buf[:d.N], d.From)
	}
}

// onMachine makes a process of ours on the machine. Its clock is the machine's,
// which -x keeps it from steering.
func onMachine(path string, args ...string) (*host.Proc, *bytes.Buffer, *bytes.Buffer) {
	line := clock.New(time.Time{})
	c := clock.NewLocal(line, 0, 0)
	out, errs := new(bytes.Buffer), new(bytes.Buffer)
	return &host.Proc{
		Host: &host.Host{Name: "machine", Clock: c, Trace: trace.NewLog(line), Seed: 1},
		Path: path, Args: append([]string{path}, args...), Dir: "/", PID: os.Getpid(), UID: os.Geteuid(), GID: os.Getegid(),
		Sys: machine{}, Clock: c, Stdin: new(bytes.Buffer), Stdout: out, Stderr: &locked{w: errs},
	}, out, errs
}

// locked lets the threads of a process write to one buffer.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// startOurs runs our chronyd until the test ends, and returns when it serves.
func startOurs(t testing.TB, config string) {
	t.Helper()
	p, _, errs := onMachine("/usr/sbin/chronyd", "-x", "-d", "-f", config)
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan bool), make(chan bool)
	go func() {
		p.Run(ctx, chronyd.Main, func() { close(ready) })
		close(ended)
	}()
	t.Cleanup(func() { stop(); <-ended })
	select {
	case <-ready:
	case <-ended:
		t.Fatalf("our chronyd ended: %s", errs)
	}
}

// ourClient runs our chronyc.
func ourClient(args ...string) (stdout string, status int) {
	p, out, errs := onMachine("/usr/bin/chronyc", args...)
	st := p.Run(context.Background(), chronyc.Main, nil)
	return out.String() + errs.String(), st.Shell()
}

// private runs a test in a network namespace of its own, where it is root: it
// starts the test binary again. It returns true there.
func private(t *testing.T) bool {
	t.Helper()
	const mark = "CHRONY_TEST_PRIVATE"
	if os.Getenv(mark) != "" {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		lo, err := unix.NewIfreq("lo")
		if err != nil {
			t.Fatal(err)
		}
		lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("in its namespace: %v\n%s", err, out)
	}
	return false
}
