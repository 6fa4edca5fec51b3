package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	nl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"enshu/sim/lang"
)

// place is where a lab process keeps its sockets and mount points: a tmpfs in
// its own mount namespace, over a directory that every machine has.
const place = "/run"

// Kernel is the lab process's hold on its namespaces.
type Kernel struct {
	layers *Layers
	single bool
	links  *nl.Handle     // in the lab's own network namespace
	relays map[int]*relay // networks that are not bridges, by index
	lives  atomic.Uint64
	group  Group
}

// Config is what a lab process needs to know to make hosts.
type Config struct {
	Cache    string // folder for unpacked packages, shared by the user's labs
	Layers   []Layer
	Hidden   []string // see [OpenLayers]
	SingleID bool
	Group    Group // where the lab process is, and its hosts will be
}

// Setup confines the calling lab process, which [Launch] started: it makes its
// mounts private, gives it a /proc of its own, and unpacks the packages.
func Setup(c Config) (*Kernel, error) {
	unix.Umask(0o022) // not that of whoever started the lab
	for _, m := range []struct {
		source, target, fstype string
		flags                  uintptr
		data                   string
	}{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"tmpfs", place, "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755,size=64m"},
	} {
		if err := unix.Mount(m.source, m.target, m.fstype, m.flags, m.data); err != nil {
			// Ubuntu's AppArmor lets anybody make a user namespace, and gives
			// no rights in it.
			return nil, fmt.Errorf("mount %s: %w", m.target, explain(err))
		}
	}
	layers, err := OpenLayers(c.Cache, c.Layers, c.Hidden)
	if err != nil {
		return nil, err
	}
	links, err := nl.NewHandle()
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	lo, err := links.LinkByName("lo")
	if err == nil {
		err = links.LinkSetUp(lo)
	}
	if err != nil {
		return nil, fmt.Errorf("lo: %w", err)
	}
	return &Kernel{layers: layers, single: c.SingleID, group: c.Group, links: links, relays: map[int]*relay{}}, nil
}

// AddNetwork makes the bridge of a network. index numbers the lab's networks.
func (k *Kernel) AddNetwork(index int) error {
	attrs := nl.NewLinkAttrs()
	attrs.Name = bridgeName(index)
	snooping := false
	br := &nl.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := k.links.LinkAdd(br); err != nil {
		return fmt.Errorf("bridge %s: %w", attrs.Name, err)
	}
	// The lab itself has no address on any network, of either family.
	os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", attrs.Name, "disable_ipv6"), []byte("1"), 0)
	return k.links.LinkSetUp(br)
}

func bridgeName(index int) string { return fmt.Sprintf("net%d", index) }

// worker is one OS thread that stands in a host's network namespace and never
// leaves it. What it opens there may be used anywhere.
type worker struct {
	jobs chan func()
	gone chan struct{} // closed when the machine is
}

func newWorker(pid int) (*worker, error) {
	w := &worker{jobs: make(chan func()), gone: make(chan struct{})}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		ready <- err
		if err != nil {
			return
		}
		for {
			select {
			case f := <-w.jobs:
				f()
			case <-w.gone:
				return
			}
		}
	}()
	return w, <-ready
}

// errGone means that the machine has been destroyed.
var errGone = errors.New("the host is gone")

// do runs f on the thread and returns its error.
func (w *worker) do(f func() error) error {
	done := make(chan error, 1)
	select {
	case w.jobs <- func() { done <- f() }:
		return <-done
	case <-w.gone:
		return errGone
	}
}

// Missing reports what this machine lacks for labs, one sentence each, with
// what to do.
func Missing() []error {
	var missing []error
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		var major, minor int
		fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
		if major < 5 || major == 5 && minor < 11 {
			missing = append(missing, lang.Errorf("Linux %d.%d は古すぎます: ユーザー名前空間の中で overlay を使うには 5.11 以降が必要です",
				"Linux %d.%d is too old: overlay file systems in user namespaces need 5.11", major, minor))
		}
	}
	for _, k := range namespaceKnobs {
		b, err := os.ReadFile(k.file)
		if err == nil && strings.TrimSpace(string(b)) == k.bad && k.certain {
			missing = append(missing, lang.Errorf("%s が %s になっています: root で `%s` を実行してください", "%s is %s: as root run `%s`", k.file, k.bad, k.mend()))
		}
	}
	if _, err := os.Stat("/proc/self/ns/user"); errors.Is(err, os.ErrNotExist) {
		missing = append(missing, lang.Errorf("このカーネルにはユーザー名前空間がありません (CONFIG_USER_NS)", "the kernel has no user namespaces (CONFIG_USER_NS)"))
	}
	if _, err := os.Stat("/usr/bin/bash"); err != nil {
		missing = append(missing, lang.Errorf("/usr/bin/bash がありません: bash をインストールしてください", "/usr/bin/bash is missing: install bash"))
	}
	return missing
}
