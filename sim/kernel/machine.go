package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	nl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"enshu/sim/clock"
	"enshu/sim/stub"
	"enshu/sim/stub/guest"
)

// MachineConfig describes the hardware and the file system of one host.
type MachineConfig struct {
	Name       string // unique in the lab
	Hostname   string
	Packages   []string // layers, base first
	Interfaces []Interface
	Devices    []string   // in /dev, beyond those every host has: their names only
	Gateway    netip.Addr // default route; the zero Addr is none
	Disk       int64      // bytes that the host may write
	KeepDisk   bool       // the disk of the machine's last life is kept: a reboot
	Processes  uint64     // limit on processes of one user
	Memory     int64      // limit on the data of one process, in bytes; see leastMemory
}

// Interface is one link of a host; the first is eth0.
type Interface struct {
	Network   int // index of the network
	Addresses []netip.Prefix
	MAC       net.HardwareAddr
}

// Machine is a host's kernel: its namespaces with their first process, a stub.
type Machine struct {
	Stub     *stub.Conn        // PID 1
	PID      int               // of PID 1, for the lab
	Programs *net.UnixListener // where the host's other stubs connect

	kernel  *Kernel
	name    string
	plugs   []nl.Link // the lab's ends of its interfaces
	ports   []*port   // those of relays
	process *os.Process
	life    uint64 // numbers the boots of a lab
	inside  *worker
	rules   rulesInForce
	drops   drops
	root    *os.File // the root directory, O_PATH
	destroy sync.Once
}

// Boot makes a machine and furnishes it; nothing runs on it yet but PID 1's stub,
// which is not served: the caller does that.
func (k *Kernel) Boot(line *clock.Timeline, c MachineConfig) (_ *Machine, err error) {
	m := &Machine{kernel: k, name: c.Name}
	m.drops.m = m
	defer func() {
		if err != nil {
			m.Destroy()
			err = fmt.Errorf("host %s: %w", c.Name, err)
		}
	}()
	dir := filepath.Join(place, "hosts", c.Name)
	if !c.KeepDisk {
		if err := k.newDisk(dir, c.Disk); err != nil {
			return nil, err
		}
		if err := k.layers.fillDisk(filepath.Join(dir, "disk", "root"), c.Packages); err != nil {
			return nil, fmt.Errorf("the host's disk: %w", err)
		}
	}
	// The overlay of the machine's last life may still be coming down.
	m.life = k.lives.Add(1)
	os.Remove(filepath.Join(dir, "door", filepath.Base(guest.Socket)))
	m.Programs, err = net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(dir, "door", filepath.Base(guest.Socket)), Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(filepath.Join(dir, "door", filepath.Base(guest.Socket)), 0o666); err != nil {
		return nil, err
	}
	if err := m.clone(line, c); err != nil {
		return nil, err
	}
	for i, iface := range c.Interfaces {
		if err := m.plug(i, iface); err != nil {
			return nil, err
		}
	}
	if err := m.Stub.Do(k.furnish(dir, m.life, c)); err != nil {
		return nil, err
	}
	if m.root, err = os.OpenFile(fmt.Sprintf("/proc/%d/root", m.PID), unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
		return nil, err
	}
	if m.inside, err = newWorker(m.PID); err != nil {
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	if err := m.inside.do(func() error { return addresses(c) }); err != nil {
		return nil, err
	}
	return m, nil
}

// newDisk gives a host an empty disk: a tmpfs of the lab's, so that it outlives
// a reboot.
func (k *Kernel) newDisk(dir string, size int64) error {
	disk := filepath.Join(dir, "disk")
	for unix.Unmount(disk, unix.MNT_DETACH) == nil {
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, d := range []string{"door", "disk", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	data := fmt.Sprintf("mode=755,size=%d,nr_inodes=%d", size, 4096+size/4096)
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, data); err != nil {
		return fmt.Errorf("mount %s: %w", disk, err)
	}
	return os.Mkdir(filepath.Join(disk, "root"), 0o755)
}

// socketpair makes a connection of messages, of the largest that stubs send.
func socketpair() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range pair {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, guest.MaxMessage)
	}
	return os.NewFile(uintptr(pair[0]), "stub"), os.NewFile(uintptr(pair[1]), "stub"), nil
}

// clone starts PID 1 of the host as a stub in namespaces of its own.
func (m *Machine) clone(line *clock.Timeline, c MachineConfig) error {
	single := m.kernel.single
	events, theirEvents, err := socketpair()
	if err != nil {
		return err
	}
	defer events.Close()
	defer theirEvents.Close()
	asks, theirAsks, err := socketpair()
	if err != nil {
		return err
	}
	defer theirAsks.Close()
	sock, err := net.FileConn(events)
	if err != nil {
		asks.Close()
		return err
	}
	// Two ranges, as an ordinary user's lab has: one of the host's may not span
	// two of the lab's (user_namespaces(7)).
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: 1, HostID: 1, Size: 1<<16 - 1}}
	if single {
		ids = ids[:1]
	}
	cmd := &exec.Cmd{
		Path: m.kernel.layers.stub(), Args: guest.HostArgs(), Env: []string{}, Dir: "/",
		ExtraFiles: []*os.File{theirEvents, theirAsks},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET |
				syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | unix.CLONE_NEWCGROUP,
			UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: !single,
			Setsid: true,
		},
	}
	if g := m.kernel.group; g.Dir != "" {
		inside, err := g.host(c)
		if err != nil {
			sock.Close()
			asks.Close()
			return fmt.Errorf("control group: %w", err)
		}
		defer inside.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(inside.Fd())
	}
	if err := cmd.Start(); err != nil {
		sock.Close()
		asks.Close()
		return explain(err)
	}
	m.process, m.PID = cmd.Process, cmd.Process.Pid
	if m.Stub, err = stub.NewConn(line, sock.(*net.UnixConn), asks); err != nil {
		return err
	}
	go m.Stub.Serve()
	go cmd.Wait() // reaped whenever it ends
	return nil
}

// plug connects interface i of the machine with its network.
func (m *Machine) plug(i int, c Interface) error {
	k, pid := m.kernel, m.PID
	attrs := nl.NewLinkAttrs()
	attrs.Name = fmt.Sprintf("v%d-%d", pid, i)
	relay := k.relays[c.Network]
	if relay == nil {
		br, err := k.links.LinkByName(bridgeName(c.Network))
		if err != nil {
			return err
		}
		attrs.MasterIndex = br.Attrs().Index
	}
	v := &nl.Veth{LinkAttrs: attrs, PeerName: "eth" + strconv.Itoa(i), PeerHardwareAddr: c.MAC, PeerNamespace: nl.NsPid(pid)}
	if err := k.links.LinkAdd(v); err != nil {
		return fmt.Errorf("interface eth%d: %w", i, err)
	}
	os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", attrs.Name, "disable_ipv6"), []byte("1"), 0)
	m.plugs = append(m.plugs, v)
	if err := k.links.LinkSetUp(v); err != nil || relay == nil {
		return err
	}
	made, err := net.InterfaceByName(attrs.Name)
	if err != nil {
		return err
	}
	p, err := relay.join(m.name, made.Index)
	if err != nil {
		return fmt.Errorf("interface eth%d: %w", i, err)
	}
	m.ports = append(m.ports, p)
	return nil
}

// addresses brings the links up; it runs in the host's network namespace.
func addresses(c MachineConfig) error {
	h, err := nl.NewHandle()
	if err != nil {
		return err
	}
	defer h.Close()
	lo, err := h.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := h.LinkSetUp(lo); err != nil {
		return err
	}
	for i, iface := range c.Interfaces {
		link, err := h.LinkByName("eth" + strconv.Itoa(i))
		if err != nil {
			return err
		}
		for _, a := range iface.Addresses {
			addr, err := nl.ParseAddr(a.String())
			if err != nil {
				return err
			}
			addr.Flags = unix.IFA_F_NODAD // it serves at once
			if err := h.AddrAdd(link, addr); err != nil {
				return fmt.Errorf("address %s: %w", a, err)
			}
		}
		if err := h.LinkSetUp(link); err != nil {
			return err
		}
	}
	if c.Gateway.IsValid() {
		return h.RouteAdd(&nl.Route{Gw: c.Gateway.AsSlice()})
	}
	return nil
}

// leastMemory is what a stub, of which a host's every daemon and command of
// ours has one, may need: address space for the binary's variables, 42 MiB of which
// next to nothing is ever touched.
const leastMemory = 64 << 20

// devices are the machine's that every host has.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// furnish lists what PID 1's stub must do to stand in a complete root file system.
func (k *Kernel) furnish(dir string, life uint64, c MachineConfig) *stub.Batch {
	const plain = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	disk, root := filepath.Join(dir, "disk"), filepath.Join(dir, "root")
	b := &stub.Batch{}
	b.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	b.Mount(filepath.Join(disk, "root"), root, "", unix.MS_BIND, "")
	b.Mkdir(root+"/usr", 0o755)
	up, work := filepath.Join(disk, "usr"), filepath.Join(disk, fmt.Sprintf("usr.work%d", life))
	b.Mkdir(up, 0o755)
	b.Mkdir(work, 0o755)
	b.Chdir(k.layers.dir) // the lower directories are relative to it
	b.Mount("overlay", root+"/usr", "overlay", 0, fmt.Sprintf("userxattr,lowerdir=%s,upperdir=%s,workdir=%s", k.layers.lower(c.Packages), up, work))
	b.Mkdir(root+"/proc", 0o555)
	b.Mount("proc", root+"/proc", "proc", plain, "")
	b.Mkdir(root+"/sys", 0o555)
	b.TryMount("sysfs", root+"/sys", "sysfs", plain|unix.MS_RDONLY, "")
	b.Mkdir(root+"/dev", 0o755)
	b.Mount("tmpfs", root+"/dev", "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=1m")
	for _, d := range devices {
		b.Touch(root+"/dev/"+d, 0o666)
		b.Mount("/dev/"+d, root+"/dev/"+d, "", unix.MS_BIND, "")
	}
	for _, d := range c.Devices {
		b.Touch(root+"/dev/"+d, 0o600)
		b.Mount("/dev/null", root+"/dev/"+d, "", unix.MS_BIND, "")
	}
	b.Touch(root+"/dev/console", 0o600)
	b.Mount("/dev/null", root+"/dev/console", "", unix.MS_BIND, "") // nobody looks at the console
	b.Mkdir(root+"/dev/pts", 0o755)
	pts := "newinstance,ptmxmode=0666,mode=0620"
	if !k.single {
		pts += ",gid=5"
	}
	b.Mount("devpts", root+"/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, pts)
	b.Mkdir(root+"/dev/shm", 0o1777)
	b.Mount("tmpfs", root+"/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777,size=16m")
	for name, target := range map[string]string{"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		b.Symlink(target, root+"/dev/"+name)
	}
	b.Mkdir(root+"/run", 0o755)
	b.Mount("tmpfs", root+"/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=32m")
	b.Mkdir(root+"/run/lock", 0o755)
	b.Mkdir(root+"/tmp", 0o1777)
	door := root + filepath.Dir(guest.Socket)
	b.Mkdir(door, 0o755)
	b.Mount(filepath.Join(dir, "door"), door, "", unix.MS_BIND, "")
	b.Mount("", door, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|plain, "")
	b.Hostname(c.Hostname)
	b.Name("systemd")
	for _, s := range sysctls {
		b.Write("/proc/sys/"+s.name, s.value)
	}
	b.Limit(unix.RLIMIT_NPROC, c.Processes)
	b.Limit(unix.RLIMIT_DATA, uint64(max(c.Memory, leastMemory)))
	b.Limit(unix.RLIMIT_CORE, 0)
	b.Chdir(root)
	b.PivotRoot()
	return b
}

// sysctls are settings of a host's network, which belong to its namespace.
var sysctls = []struct{ name, value string }{
	{"net/ipv4/ping_group_range", "0 65535"}, // ping without a set-user-ID program
	{"net/ipv4/icmp_ratelimit", "0"},         // every refused packet is answered, as a learner tries again and again
	{"net/ipv6/icmp/ratelimit", "0"},
	{"net/ipv6/conf/all/accept_dad", "0"}, // addresses serve at once
	{"net/ipv6/conf/default/accept_dad", "0"},
}

// Unplug takes the machine off its networks at once. The kernel drops a network
// namespace in its own time, and until then its addresses would answer beside
// those of the machine's next life.
func (m *Machine) Unplug() {
	for _, p := range m.ports {
		p.close()
	}
	for _, p := range m.plugs {
		m.kernel.links.LinkDel(p) // gone already is fine
	}
	m.plugs = nil
}

// Destroy ends the machine: the kernel kills all its processes and drops what it had.
func (m *Machine) Destroy() {
	m.destroy.Do(func() {
		if m.process != nil {
			m.process.Kill()
		}
		for _, p := range m.ports {
			p.close()
		}
		if m.Programs != nil {
			m.Programs.Close()
		}
		if m.inside != nil {
			close(m.inside.gone)
		}
		if m.root != nil {
			m.root.Close()
		}
	})
}

// Open opens a file of the host's from outside. No path, link or racing rename
// of the host's leads out of its root (openat2(2), RESOLVE_IN_ROOT); only
// regular files and directories are opened.
func (m *Machine) Open(name string, flags int, mode uint32) (*os.File, error) {
	how := &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	if flags&(os.O_CREATE) != 0 {
		how.Mode = uint64(mode)
	}
	for {
		fd := -1
		raw, err := m.root.SyscallConn()
		if err == nil {
			cerr := raw.Control(func(root uintptr) { fd, err = unix.Openat2(int(root), name, how) })
			if cerr != nil {
				err = errGone
			}
		}
		if err == unix.EAGAIN || err == unix.EINTR {
			continue // a rename was under way
		}
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			unix.Close(fd)
			return nil, &os.PathError{Op: "open", Path: name, Err: unix.EINVAL}
		}
		return os.NewFile(uintptr(fd), name), nil
	}
}

// WriteFile puts a file into the host, with its missing parents, before
// anybody works there. Owners that do not exist in a single-id lab are left out.
func (m *Machine) WriteFile(name string, data []byte, mode os.FileMode, uid, gid int) error {
	f, err := m.Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, uint32(mode.Perm()))
	if errors.Is(err, os.ErrNotExist) {
		if err := m.mkdirAll(filepath.Dir(name)); err != nil {
			return err
		}
		f, err = m.Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, uint32(mode.Perm()))
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if cerr := f.Chown(uid, gid); cerr != nil && !errors.Is(cerr, syscall.EINVAL) {
		err = errors.Join(err, cerr)
	}
	return errors.Join(err, f.Chmod(mode), f.Close())
}

// Symlink makes or replaces a symbolic link in the host.
func (m *Machine) Symlink(target, name string) error {
	if err := m.mkdirAll(filepath.Dir(name)); err != nil {
		return err
	}
	parent, err := m.Open(filepath.Dir(name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer parent.Close()
	at := int(parent.Fd())
	unix.Unlinkat(at, filepath.Base(name), 0)
	return os.NewSyscallError("symlinkat "+name, unix.Symlinkat(target, at, filepath.Base(name)))
}

// Mkdir makes a directory with its parents and gives it an owner.
func (m *Machine) Mkdir(name string, mode os.FileMode, uid, gid int) error {
	if err := m.mkdirAll(name); err != nil {
		return err
	}
	d, err := m.Open(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Chown(uid, gid); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return d.Chmod(mode)
}

func (m *Machine) mkdirAll(name string) error {
	if name == "/" {
		return nil
	}
	if d, err := m.Open(name, os.O_RDONLY, 0); err == nil {
		return d.Close()
	}
	if err := m.mkdirAll(filepath.Dir(name)); err != nil {
		return err
	}
	parent, err := m.Open(filepath.Dir(name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer parent.Close()
	return os.NewSyscallError("mkdirat "+name, unix.Mkdirat(int(parent.Fd()), filepath.Base(name), 0o755))
}
