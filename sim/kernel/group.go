package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"enshu/sim/lang"
)

// Group is the control group of a lab (cgroups(7), version 2), where the machine
// gives its user one: the lab process is in a group lab of it, each host in one
// of the host's name, with limits of the host as a whole. The zero Group is none.
type Group struct{ Dir string }

// groupPrefix begins the names of labs' groups; the number of the process that
// made it follows.
const groupPrefix = "enshu-"

// controllers are what hosts are limited in.
var controllers = []string{"memory", "pids"}

// FindGroup finds the group that the group of a lab of ours can be made in, the
// nearest above our own that is ours to change and whose groups have the
// controllers. Without one, why says what to do.
func FindGroup() (parent string, why error) {
	mount, err := groupMount()
	if err != nil {
		return "", err
	}
	own, err := ownGroup()
	if err != nil {
		return "", err
	}
	return findGroup(mount, own, controllers)
}

// groupMount finds where control groups are mounted (proc_pid_mountinfo(5)).
func groupMount() (string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(table)) {
		mount, kind, ok := strings.Cut(line, " - ")
		if f := strings.Fields(mount); ok && strings.HasPrefix(kind, "cgroup2 ") && len(f) > 4 && f[3] == "/" {
			return f[4], nil
		}
	}
	return "", lang.Errorf("バージョン 2 の cgroup がマウントされていません", "no control groups of version 2 are mounted here")
}

// ownGroup is the group that this process is in.
func ownGroup() (string, error) {
	table, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(table)) {
		if own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return own, nil
		}
	}
	return "", lang.Errorf("このプロセスはバージョン 2 の cgroup に入っていません", "this process is in no control group of version 2")
}

func findGroup(mount, own string, need []string) (parent string, why error) {
	why = lang.Errorf("memory と pids を持つ cgroup が委譲されていません: `systemd-run --user --scope enshu start LAB` で委譲されます",
		"control groups with memory and pids are not delegated to you: `systemd-run --user --scope enshu start LAB` asks for one")
	for dir := own; ; dir = filepath.Dir(dir) {
		full := filepath.Join(mount, dir)
		has, err := os.ReadFile(filepath.Join(full, "cgroup.subtree_control"))
		missing := slices.ContainsFunc(need, func(c string) bool { return !slices.Contains(strings.Fields(string(has)), c) })
		if err == nil && !missing && unix.Access(full, unix.W_OK) == nil && unix.Access(filepath.Join(full, "cgroup.procs"), unix.W_OK) == nil {
			return full, nil
		}
		if dir == "/" || dir == "." {
			return "", why
		}
	}
}

// NewGroup makes the group of a lab below parent, for the ids that the lab has.
// Groups that labs have left there go: of a lab that was killed nobody else
// removes them.
func NewGroup(parent, lab string, ids IDs) (Group, error) {
	sweepGroups(parent)
	g := Group{filepath.Join(parent, fmt.Sprintf("%s%d-%s", groupPrefix, os.Getpid(), lab))}
	if err := os.MkdirAll(filepath.Join(g.Dir, "lab"), 0o755); err != nil {
		return Group{}, err
	}
	err := g.share()
	if err == nil && os.Geteuid() == 0 {
		for _, name := range []string{".", "cgroup.procs", "cgroup.subtree_control"} {
			err = errors.Join(err, os.Chown(filepath.Join(g.Dir, name), ids.uid[0].outside, ids.gid[0].outside))
		}
	}
	if err != nil {
		g.Remove()
		return Group{}, err
	}
	return g, nil
}

// share gives the groups in g the controllers that g has.
func (g Group) share() error {
	has, err := os.ReadFile(filepath.Join(g.Dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(has)) {
		if !slices.Contains(controllers, c) {
			continue
		}
		if err := os.WriteFile(filepath.Join(g.Dir, "cgroup.subtree_control"), []byte("+"+c), 0); err != nil {
			return err
		}
	}
	return nil
}

// open opens one of the groups in g, for clone(2) to start a process there
// (CLONE_INTO_CGROUP).
func (g Group) open(name string) (*os.File, error) {
	fd, err := unix.Open(filepath.Join(g.Dir, name), unix.O_DIRECTORY|unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Join(g.Dir, name), Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// host makes the group of a host, or finds that of its last life, and opens the
// one in it where the host's processes are: the limits stand above all that the
// host's root can see.
func (g Group) host(c MachineConfig) (*os.File, error) {
	name := "host-" + c.Name
	dir := filepath.Join(g.Dir, name)
	if err := os.MkdirAll(filepath.Join(dir, "inside"), 0o755); err != nil {
		return nil, err
	}
	has, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	for _, l := range groupLimits(c) {
		if !slices.Contains(strings.Fields(string(has)), l.controller) {
			continue // FindGroup was content without
		}
		err := os.WriteFile(filepath.Join(dir, l.file), []byte(strconv.FormatInt(l.value, 10)), 0)
		if err != nil && !(l.optional && errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
	}
	return g.open(name + "/inside")
}

// groupLimit is a limit of a host's group.
type groupLimit struct {
	controller string
	file       string
	value      int64
	optional   bool // not every kernel has it
}

// groupLimits are the limits of a host as a whole: what several of its users may
// have of processes, and of memory, which its disk is too.
func groupLimits(c MachineConfig) []groupLimit {
	const users = 4
	return []groupLimit{
		{"pids", "pids.max", users * int64(c.Processes), false},
		{"memory", "memory.max", users*max(c.Memory, leastMemory) + c.Disk, false},
		{"memory", "memory.swap.max", 0, true},
	}
}

// Remove removes the group of a lab that has ended.
func (g Group) Remove() {
	if g.Dir == "" {
		return
	}
	below, _ := os.ReadDir(g.Dir)
	for _, d := range below {
		if d.IsDir() {
			removeGroups(filepath.Join(g.Dir, d.Name())) // a learner may have made some in a host's
		}
	}
	syscall.Rmdir(g.Dir)
}

// removeGroups removes a group and what is in it, the innermost first.
func removeGroups(dir string) {
	below, _ := os.ReadDir(dir)
	for _, d := range below {
		if d.IsDir() {
			removeGroups(filepath.Join(dir, d.Name()))
		}
	}
	syscall.Rmdir(dir)
}

// sweepGroups removes groups of labs that are gone. One that is being made has
// its maker.
func sweepGroups(parent string) {
	found, _ := filepath.Glob(filepath.Join(parent, groupPrefix+"*"))
	for _, dir := range found {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
		events, err := os.ReadFile(filepath.Join(dir, "cgroup.events"))
		if err != nil || strings.Contains(string(events), "populated 1") {
			continue
		}
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, fs.ErrNotExist) {
			Group{dir}.Remove()
		}
	}
}
