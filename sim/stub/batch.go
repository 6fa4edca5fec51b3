package stub

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"enshu/sim/stub/guest"
)

// Batch is a list of system calls for a stub to perform at once. sim/kernel
// uses it to furnish a host from within; Programs use host.Sys.
type Batch struct {
	calls []call
	what  []string
}

func (b *Batch) add(what string, flags int64, nr uintptr, args ...any) {
	b.calls = append(b.calls, call{nr, flags, args})
	b.what = append(b.what, what)
}

// Mount is mount(2).
func (b *Batch) Mount(source, target, fstype string, flags int, data string) {
	b.add("mount "+target, 0, unix.SYS_MOUNT, source, target, fstype, flags, data)
}

// TryMount is mount(2) that may fail.
func (b *Batch) TryMount(source, target, fstype string, flags int, data string) {
	b.add("mount "+target, guest.MayFail, unix.SYS_MOUNT, source, target, fstype, flags, data)
}

// Mkdir is mkdir(2); a directory that exists is fine.
func (b *Batch) Mkdir(name string, mode int) {
	b.add("mkdir "+name, guest.MayFail, unix.SYS_MKDIRAT, unix.AT_FDCWD, name, mode)
	b.add("chmod "+name, 0, unix.SYS_FCHMODAT, unix.AT_FDCWD, name, mode)
}

// Touch makes an empty file.
func (b *Batch) Touch(name string, mode int) {
	b.add("create "+name, guest.MakesFile, unix.SYS_OPENAT, unix.AT_FDCWD, name, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, mode)
}

// Symlink is symlink(2).
func (b *Batch) Symlink(target, name string) {
	b.add("symlink "+name, 0, unix.SYS_SYMLINKAT, target, unix.AT_FDCWD, name)
}

// Write puts a value into an existing file, as into those of /proc/sys; it may fail.
func (b *Batch) Write(name, value string) {
	at := len(b.calls)
	b.add("open "+name, guest.MakesFile|guest.MayFail, unix.SYS_OPENAT, unix.AT_FDCWD, name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	b.add("write "+name, guest.MayFail, unix.SYS_WRITE, result(at), value, len(value))
}

// Hostname is sethostname(2).
func (b *Batch) Hostname(name string) {
	b.add("sethostname", 0, unix.SYS_SETHOSTNAME, name, len(name))
}

// Name gives the stub the name that ps(1) shows of it (prctl(2), PR_SET_NAME).
func (b *Batch) Name(name string) {
	b.add("prctl", guest.MayFail, unix.SYS_PRCTL, unix.PR_SET_NAME, name, 0, 0, 0)
}

// Chdir is chdir(2).
func (b *Batch) Chdir(name string) { b.add("chdir "+name, 0, unix.SYS_CHDIR, name) }

// PivotRoot makes the present directory the root and drops the old one.
func (b *Batch) PivotRoot() {
	b.add("pivot_root", 0, unix.SYS_PIVOT_ROOT, ".", ".")
	b.add("umount", 0, unix.SYS_UMOUNT2, ".", unix.MNT_DETACH)
	b.add("chdir", 0, unix.SYS_CHDIR, "/")
}

// Limit is setrlimit(2) of both values.
func (b *Batch) Limit(resource int, value uint64) {
	v := make([]byte, 0, 16)
	for range 2 {
		for i := range 8 {
			v = append(v, byte(value>>(8*i)))
		}
	}
	b.add("setrlimit", guest.MayFail, unix.SYS_PRLIMIT64, 0, resource, string(v), 0)
}

// Do performs the batch through a stub. It stops at the first call that must
// not fail and does, and names it.
func (c *Conn) Do(b *Batch) error {
	rets, files, err := c.do(b.calls...)
	closeAll(files)
	if err != nil && len(rets) > 0 {
		return fmt.Errorf("%s: %w", b.what[len(rets)-1], err)
	}
	return err
}

// Open opens a file in the stub's place and lends it.
func (c *Conn) Open(name string, flag int, perm os.FileMode) (*os.File, error) {
	return (&sys{conn: c}).OpenFile(name, flag, perm)
}
