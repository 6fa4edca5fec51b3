// Package kernel makes the machines of a lab out of Linux namespaces: the lab
// process's own confinement, and for each host its namespaces, root file
// system, links and packet filter. It wires what no process of a host would;
// Programs never use it.
//
// Everything lives in namespaces that die with the lab process, which is PID 1
// of its own: nothing is named in the system and nothing can be left behind.
//
// A host's root file system is its disk, a tmpfs that has the packages' files
// outside /usr, and over it /usr, an overlay of the disk, the packages and the
// machine's own /usr.
//
// It runs on Linux 5.14 and later by what it uses, and was run on 6.1 and 6.18.
//
// # Divergences
//
//   - What the machine has in /usr belongs to the machine's root, whom hosts do not
//     know: `ls -l` shows the owner nobody, root of a host cannot change or remove it,
//     only add to it, and its set-user-ID programs run as whoever calls them (su, sudo,
//     passwd and ping do not need it here). An idmapped mount (mount_setattr(2)) would
//     give it to the host's root, but only the machine's own root may make one of a
//     file system of the machine's; no kernel up to 6.18 lets an ordinary user.
//   - Before Linux 6.6, whose tmpfs has no user extended attributes, a directory that a
//     package has brought below /usr cannot be made again once it was removed (EIO),
//     and one that was made there cannot be renamed into another (EXDEV: mv copies it).
//   - Limits are rlimits: processes of each user of a host, data of each process.
//     A host as a whole has limits where the machine delegates a control group of
//     version 2 with memory and pids ([FindGroup]), as systemd does to sessions that
//     `systemd-run --user --scope` starts; elsewhere only its disk is bounded, and its
//     root can have the machine's memory with many users or processes, or with a
//     tmpfs of its own. What has no memory left because of such a tmpfs is killed, its
//     PID 1 too: that host ends, the others do not.
package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"enshu/sim/lang"
	"enshu/sim/stub/guest"
)

// RoleLab is Args[0] of a lab process; see [Launch].
const RoleLab = "enshu-lab"

// FirstFile is the number of the first descriptor that Launch passes on.
const FirstFile = 4

// rootBase is where the ids of a lab that root starts begin: far from every
// account, so that a lab of root's has no more rights than anybody's.
const rootBase = 0x6e730000

// IDs says which user ids a lab has.
type IDs struct {
	Single bool  // one id only: no other users inside hosts
	Why    error // why only one, for the user
	uid    []idRange
	gid    []idRange
	helper bool // newuidmap and newgidmap write the maps
}

type idRange struct{ inside, outside, count int }

// FindIDs finds the widest map of ids that the invoking user may have: an
// unprivileged range for root, the ranges of /etc/subuid and /etc/subgid with
// newuidmap(1), or the user's own id alone.
func FindIDs() IDs {
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		r := []idRange{{0, rootBase, 1 << 16}}
		return IDs{uid: r, gid: r}
	}
	single := IDs{Single: true, uid: []idRange{{0, uid, 1}}, gid: []idRange{{0, gid, 1}}}
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		single.Why = err
		return single
	}
	for _, tool := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(tool); err != nil {
			single.Why = lang.Errorf("%s がインストールされていません (パッケージ uidmap または shadow-utils)", "%s is not installed (package uidmap, or shadow-utils)", tool)
			return single
		}
	}
	subuid, err := subIDs("/etc/subuid", u)
	if err != nil {
		single.Why = err
		return single
	}
	subgid, err := subIDs("/etc/subgid", u)
	if err != nil {
		single.Why = err
		return single
	}
	return IDs{
		uid:    []idRange{{0, uid, 1}, {1, subuid.outside, subuid.count}},
		gid:    []idRange{{0, gid, 1}, {1, subgid.outside, subgid.count}},
		helper: true,
	}
}

// OwnCache makes the folder of [Config].Cache. Root's labs are not root: theirs
// belongs to the ids that they have.
func (ids IDs) OwnCache(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(dir, ids.uid[0].outside, ids.gid[0].outside)
}

// subIDs finds the first range of at least 65535 ids that a file of subuid(5)
// gives to a user.
func subIDs(file string, u *user.User) (idRange, error) {
	f, err := os.Open(file)
	if err != nil {
		return idRange{}, lang.Errorf("%v (%s:100000:65536 という行を加えてください)", "%v (add a line %s:100000:65536)", err, u.Username)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		p := strings.Split(sc.Text(), ":")
		if len(p) != 3 || p[0] != u.Username && p[0] != u.Uid {
			continue
		}
		first, err1 := strconv.Atoi(p[1])
		count, err2 := strconv.Atoi(p[2])
		if err1 == nil && err2 == nil && count >= 65535 {
			return idRange{1, first, 65535}, nil
		}
	}
	return idRange{}, lang.Errorf("%s に %s のための 65536 個の ID の範囲がありません (%s:100000:65536 という行を加えてください)",
		"%s has no range of 65536 ids for %s (add a line %s:100000:65536)", file, u.Username, u.Username)
}

// Launch is [Group.Launch] in no group.
func Launch(ids IDs, args []string, stderr *os.File, files ...*os.File) (*os.Process, error) {
	return Group{}.Launch(ids, args, stderr, files...)
}

// Launch starts this binary again as a lab process, RoleLab in its Args[0], in
// user, mount, pid, network, ipc and uts namespaces of its own, as PID 1 and
// root there. args follow Args[0]; files become descriptors from FirstFile on.
// The process is in a session of its own and outlives the caller.
func (g Group) Launch(ids IDs, args []string, stderr *os.File, files ...*os.File) (*os.Process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	args = append([]string{RoleLab}, args...)
	if ids.helper {
		args = append([]string{guest.RoleWait}, args...)
	}
	c := &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       args,
		Stderr:     stderr,
		ExtraFiles: append([]*os.File{r}, files...),
		Dir:        "/",
		SysProcAttr: &syscall.SysProcAttr{
			Setsid: true,
			Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID |
				syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		},
	}
	if g.Dir != "" {
		dir, err := g.open("lab")
		if err != nil {
			r.Close()
			return nil, err
		}
		defer dir.Close()
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	if !ids.helper {
		// Root's own id is not in its map, and an id that is in none loses its
		// capabilities with execve(2): the maps must stand before that.
		c.SysProcAttr.UidMappings, c.SysProcAttr.GidMappings = sysMap(ids.uid), sysMap(ids.gid)
		c.SysProcAttr.GidMappingsEnableSetgroups = !ids.Single
		c.SysProcAttr.Credential = &syscall.Credential{NoSetGroups: ids.Single}
	}
	err = c.Start()
	r.Close()
	if err != nil {
		return nil, explain(err)
	}
	if !ids.helper {
		return c.Process, nil
	}
	err = ids.write(c.Process.Pid)
	if err == nil {
		_, err = w.Write([]byte{1})
	}
	if err != nil {
		c.Process.Kill()
		c.Wait()
		return nil, explain(err)
	}
	return c.Process, nil
}

func sysMap(ranges []idRange) []syscall.SysProcIDMap {
	var m []syscall.SysProcIDMap
	for _, r := range ranges {
		m = append(m, syscall.SysProcIDMap{ContainerID: r.inside, HostID: r.outside, Size: r.count})
	}
	return m
}

// write gives a waiting process its ids, through newuidmap(1) and newgidmap(1).
func (ids IDs) write(pid int) error {
	for _, m := range []struct {
		tool   string
		ranges []idRange
	}{{"newuidmap", ids.uid}, {"newgidmap", ids.gid}} {
		args := []string{strconv.Itoa(pid)}
		for _, r := range m.ranges {
			args = append(args, strconv.Itoa(r.inside), strconv.Itoa(r.outside), strconv.Itoa(r.count))
		}
		if out, err := exec.Command(m.tool, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", m.tool, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// errNoNamespaces means that the machine does not let this user make user
// namespaces. Its text says what to do.
var errNoNamespaces = lang.Errorf("このマシンは一般ユーザーにユーザー名前空間を許していません", "this machine does not allow user namespaces to ordinary users")

// explain tells the user what a failure to make namespaces means.
func explain(err error) error {
	if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	for _, c := range namespaceKnobs {
		b, rerr := os.ReadFile(c.file)
		if rerr == nil && strings.TrimSpace(string(b)) == c.bad {
			return lang.Errorf("%v (%v): %s が %s になっています。root で実行してください: %s",
				"%v (%v): %s is %s; as root run: %s", errNoNamespaces, err, c.file, c.bad, c.mend())
		}
	}
	return lang.Errorf("%v (%v): `enshu doctor` を実行してください", "%v (%v): run `enshu doctor`", errNoNamespaces, err)
}

// knob is a setting that can forbid user namespaces.
type knob struct {
	file, bad string
	certain   bool // bad forbids them to everybody
	mend      func() string
}

var namespaceKnobs = []knob{
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", false, mendAppArmor},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", true, func() string { return "sysctl -w kernel.unprivileged_userns_clone=1" }},
	{"/proc/sys/user/max_user_namespaces", "0", true, func() string { return "sysctl -w user.max_user_namespaces=15000" }},
}

// mendAppArmor lets this program have user namespaces, and no other, on a
// machine whose AppArmor gives them to those that a profile names (Ubuntu's
// since 23.10).
func mendAppArmor() string {
	exe, err := os.Executable()
	if err != nil {
		return "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
	}
	return fmt.Sprintf("echo 'abi <abi/4.0>, profile enshu \"%s\" flags=(unconfined) { userns, }' > /etc/apparmor.d/enshu && apparmor_parser -r /etc/apparmor.d/enshu"+
		" (or, for all programs: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0)", exe)
}

// ProbeArg as the argument of a lab process asks it only to try what hosts need.
const ProbeArg = "--probe"

// Probe finds out whether this user can make hosts here, by making namespaces
// and an overlay file system and dropping them.
func Probe(ids IDs) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	p, err := Launch(ids, []string{ProbeArg}, nil, w)
	w.Close()
	if err != nil {
		return err
	}
	said, _ := io.ReadAll(r)
	if _, err := p.Wait(); err != nil {
		return err
	}
	if text := string(said); text != "ok" {
		return lang.Errorf("ホストを作れません: %s", "hosts cannot be made: %s", text)
	}
	return nil
}

// RunProbe is the lab process's side of Probe.
func RunProbe() int {
	out := os.NewFile(FirstFile, "probe")
	if err := tryMounts(); err != nil {
		fmt.Fprint(out, err)
		return 1
	}
	fmt.Fprint(out, "ok")
	return 0
}

func tryMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount: %w", explain(err))
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w (inside a container, run it with its /proc unmasked)", err)
	}
	if err := unix.Mount("tmpfs", place, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", place, err)
	}
	for _, d := range []string{"lower", "upper", "work", "root"} {
		if err := os.Mkdir(place+"/"+d, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mknod(place+"/lower/x", unix.S_IFCHR, 0); err != nil {
		return fmt.Errorf("whiteout: %w", err)
	}
	data := "userxattr,lowerdir=" + place + "/lower:/usr,upperdir=" + place + "/upper,workdir=" + place + "/work"
	if err := unix.Mount("overlay", place+"/root", "overlay", 0, data); err != nil {
		return fmt.Errorf("mount overlay: %w", err)
	}
	return nil
}
