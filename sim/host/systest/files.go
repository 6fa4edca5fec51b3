package systest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// put makes a file with what it holds.
func put(t *testing.T, p *host.Proc, name, text string, perm fs.FileMode) {
	t.Helper()
	wantErrno(t, "write "+name, libc.WriteFile(p, name, []byte(text), perm), 0)
}

func get(t *testing.T, p *host.Proc, name string) string {
	t.Helper()
	data, err := libc.ReadFile(p, name)
	wantErrno(t, "read "+name, err, 0)
	return string(data)
}

// open opens a file and closes it again.
func open(p *host.Proc, name string, flag int, perm fs.FileMode) error {
	f, err := p.Sys.OpenFile(name, flag, perm)
	if err == nil {
		f.Close()
	}
	return err
}

// mode returns the mode and owner of a file in a form to compare.
func mode(p *host.Proc, name string) string {
	info, err := p.Sys.Lstat(name)
	if err != nil {
		return err.Error()
	}
	uid, gid := libc.Owner(info)
	return fmt.Sprintf("%v %d:%d", info.Mode(), uid, gid)
}

var files = []check{
	{"open", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			put(t, p, "/tmp/a", "one\n", 0o644)
			wantErrno(t, "append", libc.AppendFile(p, "/tmp/a", []byte("two\n"), 0o644), 0)
			wantEqual(t, "contents", get(t, p, "/tmp/a"), "one\ntwo\n")
			put(t, p, "/tmp/a", "three\n", 0o644)
			wantEqual(t, "after O_TRUNC", get(t, p, "/tmp/a"), "three\n")
			f, err := p.Sys.OpenFile("/tmp/a", os.O_RDWR, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			wantEqual(t, "Name", f.Name(), "/tmp/a")
			f.Seek(2, io.SeekStart)
			f.WriteString("XX")
			f.Truncate(5)
			wantEqual(t, "after Seek and Truncate", get(t, p, "/tmp/a"), "thXXe")
			info, err := f.Stat()
			wantErrno(t, "fstat", err, 0)
			wantEqual(t, "size", info.Size(), 5)
		})
	}},
	{"read", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			for _, n := range []int{0, 1, 8191, 8192, 8193, 16384, 200_000} {
				text := strings.Repeat("x", n)
				put(t, p, "/tmp/a", text, 0o644)
				if got := get(t, p, "/tmp/a"); got != text {
					t.Errorf("of a file of %d bytes: %d", n, len(got))
				}
			}
			_, err := host.ReadFile(p.Sys, "/tmp/none")
			wantErrno(t, "none", err, syscall.ENOENT)
			_, err = host.ReadFile(p.Sys, "/tmp")
			wantErrno(t, "a directory", err, syscall.EISDIR)
		})
	}},
	{"many-at-once", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			put(t, p, "/tmp/a", "old", 0o644)
			names := []string{"/tmp/a", "/tmp/none", "/tmp"}
			for range 100 {
				names = append(names, "/tmp/a", "/tmp/none")
			}
			for i, s := range host.Lstats(p.Sys, names) {
				info, err := p.Sys.Lstat(names[i])
				wantEqual(t, names[i], fmt.Sprint(s.Err), fmt.Sprint(err))
				if err == nil {
					wantEqual(t, names[i], s.Info.Mode().String()+s.Info.Name(), info.Mode().String()+info.Name())
				}
			}
			anew := os.O_CREATE | os.O_EXCL | os.O_RDWR
			put(t, p, "/tmp/a.1", "older", 0o644)
			done, files, err := host.Chain(p.Sys, host.Step{Name: "/tmp/a.1", To: "/tmp/a.2"}, host.Step{Name: "/tmp/a", To: "/tmp/a.1"},
				host.Step{Call: host.Open, Name: "/tmp/a", Flag: anew, Perm: 0o600})
			wantErrno(t, "chain", err, 0)
			wantEqual(t, "chain: done", done, 3)
			if len(files) != 1 {
				t.Fatalf("chain: %d files", len(files))
			}
			wantEqual(t, "Name", files[0].Name(), "/tmp/a")
			files[0].WriteString("new")
			files[0].Close()
			for name, want := range map[string]string{"/tmp/a": "new", "/tmp/a.1": "old", "/tmp/a.2": "older"} {
				wantEqual(t, name, get(t, p, name), want)
			}
			done, _, err = host.Chain(p.Sys, host.Step{Name: "/tmp/none", To: "/tmp/x"}, host.Step{Call: host.Unlink, Name: "/tmp/a"})
			wantErrno(t, "chain of nothing", err, syscall.ENOENT)
			wantEqual(t, "chain of nothing: done", done, 0)
			done, files, err = host.Chain(p.Sys, host.Step{Call: host.Open, Name: "/tmp/a.1", Flag: os.O_RDONLY},
				host.Step{Call: host.Unlink, Name: "/tmp/a.1"}, host.Step{Call: host.Open, Name: "/tmp/a", Flag: anew, Perm: 0o600}, host.Step{Call: host.Unlink, Name: "/tmp/a"})
			wantErrno(t, "chain over a file", err, syscall.EEXIST)
			wantEqual(t, "chain over a file: done", done, 2)
			if len(files) != 1 {
				t.Fatalf("chain over a file: %d files", len(files))
			}
			text, _ := io.ReadAll(files[0])
			files[0].Close()
			wantEqual(t, "a removed file", string(text), "old")
			_, err = p.Sys.Lstat("/tmp/a.1")
			wantErrno(t, "a removed file", err, syscall.ENOENT)
			wantEqual(t, "after the failure", get(t, p, "/tmp/a"), "new")
			var many []host.Step
			for i := range 150 {
				many = append(many, host.Step{Name: fmt.Sprintf("/tmp/m%d", i), To: fmt.Sprintf("/tmp/m%d", i+1)})
			}
			put(t, p, "/tmp/m0", "far", 0o644)
			done, _, err = host.Chain(p.Sys, append(many, host.Step{Call: host.Unlink, Name: "/tmp/none"})...)
			wantErrno(t, "a long chain", err, syscall.ENOENT)
			wantEqual(t, "a long chain: done", done, 150)
			wantEqual(t, "a long chain", get(t, p, "/tmp/m150"), "far")
			done, _, err = host.Chain(p.Sys, host.Step{Call: host.Symlink, Name: "/tmp/link.new", To: "m150"}, host.Step{Name: "/tmp/link.new", To: "/tmp/link"},
				host.Step{Call: host.Symlink, Name: "/tmp/link", To: "elsewhere"})
			wantErrno(t, "a link over a link", err, syscall.EEXIST)
			wantEqual(t, "a link over a link: done", done, 2)
			wantEqual(t, "a link", get(t, p, "/tmp/link"), "far")
		})
	}},
	{"open-errors", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			put(t, p, "/tmp/file", "x", 0o644)
			p.Sys.Mkdir("/tmp/dir", 0o755)
			p.Sys.Symlink("/tmp/loop", "/tmp/loop")
			for _, c := range []struct {
				name string
				flag int
				want syscall.Errno
			}{
				{"/tmp/none", os.O_RDONLY, syscall.ENOENT},
				{"/none/none", os.O_WRONLY | os.O_CREATE, syscall.ENOENT},
				{"/tmp/file/x", os.O_RDONLY, syscall.ENOTDIR},
				{"/tmp/file/", os.O_RDONLY, syscall.ENOTDIR},
				{"/tmp/file", os.O_RDONLY | syscall.O_DIRECTORY, syscall.ENOTDIR},
				{"/tmp/file", os.O_WRONLY | os.O_CREATE | os.O_EXCL, syscall.EEXIST},
				{"/tmp/dir", os.O_WRONLY, syscall.EISDIR},
				{"/tmp/dir", os.O_RDONLY, 0},
				{"/tmp/loop", os.O_RDONLY, syscall.ELOOP},
				{"/tmp/" + strings.Repeat("x", 256), os.O_RDONLY, syscall.ENAMETOOLONG},
			} {
				err := open(p, c.name, c.flag, 0o644)
				wantErrno(t, fmt.Sprintf("open %.40s with %#x", c.name, c.flag), err, c.want)
				var pe *fs.PathError
				if c.want != 0 && (!errors.As(err, &pe) || pe.Path != c.name) {
					t.Errorf("open %.40s: %v does not name the file as the host sees it", c.name, err)
				}
			}
		})
	}},
	{"mode-and-umask", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			put(t, p, "/tmp/a", "", 0o666)
			wantEqual(t, "file", mode(p, "/tmp/a"), "-rw-r--r-- 0:0")
			wantErrno(t, "mkdir", p.Sys.Mkdir("/tmp/d", 0o777), 0)
			wantEqual(t, "directory", mode(p, "/tmp/d"), "drwxr-xr-x 0:0")
			wantErrno(t, "mkfifo", p.Sys.Mkfifo("/tmp/p", 0o666), 0)
			wantEqual(t, "fifo", mode(p, "/tmp/p"), "prw-r--r-- 0:0")
			wantErrno(t, "chmod", p.Sys.Chmod("/tmp/a", 0o666|fs.ModeSetuid|fs.ModeSetgid), 0)
			wantEqual(t, "after chmod", mode(p, "/tmp/a"), "ugrw-rw-rw- 0:0")
			wantErrno(t, "chown", p.Sys.Chown("/tmp/a", 1000, -1), 0)
			wantErrno(t, "chown", p.Sys.Chown("/tmp/d", -1, 50), 0)
			wantEqual(t, "after chown", mode(p, "/tmp/d"), "drwxr-xr-x 0:50")
			wantErrno(t, "chmod", p.Sys.Chmod("/tmp/d", 0o777|fs.ModeSetgid), 0)
			wantEqual(t, "sticky", mode(p, "/tmp"), "dtrwxrwxrwx 0:0")
		})
		w.A.Do(usera, func(ctx context.Context, p *host.Proc) {
			put(t, p, "/tmp/mine", "", 0o600)
			wantEqual(t, "file of a user", mode(p, "/tmp/mine"), "-rw------- 1000:1000")
			put(t, p, "/tmp/d/x", "", 0o644)
			wantEqual(t, "file in a set-group-ID directory", mode(p, "/tmp/d/x"), "-rw-r--r-- 1000:50")
			p.Sys.Mkdir("/tmp/d/y", 0o755)
			wantEqual(t, "directory in one", mode(p, "/tmp/d/y"), "dgrwxr-xr-x 1000:50")
		})
	}},
	{"rights", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			put(t, p, "/tmp/secret", "x", 0o600)
			put(t, p, "/tmp/group", "x", 0o640)
			p.Sys.Chown("/tmp/group", 0, 50)
			p.Sys.Mkdir("/tmp/closed", 0o700)
			put(t, p, "/tmp/closed/x", "x", 0o666)
			p.Sys.Mkdir("/tmp/listed", 0o744)
			put(t, p, "/tmp/listed/x", "x", 0o666)
			p.Sys.Mkdir("/tmp/shared", 0o750)
			put(t, p, "/tmp/shared/group", "x", 0o640)
			put(t, p, "/tmp/shared/user", "x", 0o640)
			for name, users := range map[string][]int{"": nil, "/group": nil, "/user": {1000}} {
				f, err := p.Sys.OpenFile("/tmp/shared"+name, os.O_RDONLY, 0)
				if err != nil {
					t.Error(err)
					return
				}
				groups := []int{50}
				if users != nil {
					groups = nil
				}
				wantErrno(t, "readers of "+name, host.SetReaders(f, users, groups), 0)
				f.Close()
			}
		})
		w.A.Do(usera, func(ctx context.Context, p *host.Proc) {
			sys := p.Sys
			wantErrno(t, "read another's file", open(p, "/tmp/secret", os.O_RDONLY, 0), syscall.EACCES)
			wantErrno(t, "read by group", open(p, "/tmp/group", os.O_RDONLY, 0), 0)
			wantErrno(t, "write by group", open(p, "/tmp/group", os.O_WRONLY, 0), syscall.EACCES)
			wantErrno(t, "below a closed directory", open(p, "/tmp/closed/x", os.O_RDONLY, 0), syscall.EACCES)
			wantErrno(t, "below one without x", open(p, "/tmp/listed/x", os.O_RDONLY, 0), syscall.EACCES)
			wantErrno(t, "read by a group of the ACL", open(p, "/tmp/shared/group", os.O_RDONLY, 0), 0)
			wantErrno(t, "read by a user of the ACL", open(p, "/tmp/shared/user", os.O_RDONLY, 0), 0)
			wantErrno(t, "write by a group of the ACL", open(p, "/tmp/shared/group", os.O_WRONLY, 0), syscall.EACCES)
			_, err := sys.Stat("/tmp/closed/none")
			wantErrno(t, "stat below a closed directory", err, syscall.EACCES)
			wantErrno(t, "create in /etc", open(p, "/etc/new", os.O_WRONLY|os.O_CREATE, 0o644), syscall.EACCES)
			wantErrno(t, "mkdir in /etc", sys.Mkdir("/etc/new", 0o755), syscall.EACCES)
			wantErrno(t, "remove in a sticky directory", sys.Remove("/tmp/secret"), syscall.EPERM)
			wantErrno(t, "rename in a sticky directory", sys.Rename("/tmp/secret", "/tmp/b"), syscall.EPERM)
			wantErrno(t, "chmod another's file", sys.Chmod("/tmp/group", 0o666), syscall.EPERM)
			wantErrno(t, "chown another's file", sys.Chown("/tmp/group", 1000, -1), syscall.EPERM)
			wantErrno(t, "chtimes of another's file", sys.Chtimes("/tmp/group", time.Unix(1, 0), time.Unix(1, 0)), syscall.EPERM)
			put(t, p, "/tmp/mine", "x", 0o600)
			wantErrno(t, "give a file away", sys.Chown("/tmp/mine", 0, -1), syscall.EPERM)
			wantErrno(t, "give a file to an own group", sys.Chown("/tmp/mine", -1, 50), 0)
			wantErrno(t, "give a file to another group", sys.Chown("/tmp/mine", -1, 7), syscall.EPERM)
			wantErrno(t, "chmod 0", sys.Chmod("/tmp/mine", 0), 0)
			wantErrno(t, "read an own file without rights", open(p, "/tmp/mine", os.O_RDONLY, 0), syscall.EACCES)
			wantErrno(t, "remove an own file", sys.Remove("/tmp/mine"), 0)
		})
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			p.Sys.Chmod("/tmp/secret", 0)
			wantErrno(t, "root reads what nobody may", open(p, "/tmp/secret", os.O_RDWR, 0), 0)
		})
	}},
	{"links", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			sys := p.Sys
			sys.Mkdir("/run/journal", 0o755)
			put(t, p, "/run/journal/log", "here", 0o644)
			wantErrno(t, "symlink", sys.Symlink("/run/journal/log", "/tmp/log"), 0)
			wantEqual(t, "through an absolute link", get(t, p, "/tmp/log"), "here")
			sys.Symlink("../run/journal", "/tmp/rel")
			wantEqual(t, "through a relative link", get(t, p, "/tmp/rel/log"), "here")
			wantEqual(t, "past the root", get(t, p, "/../../run/./journal//log"), "here")
			sys.Symlink("../../../../run/journal", "/tmp/out")
			wantEqual(t, "a link past the root", get(t, p, "/tmp/out/log"), "here")
			target, err := sys.Readlink("/tmp/log")
			wantErrno(t, "readlink", err, 0)
			wantEqual(t, "readlink", target, "/run/journal/log")
			_, err = sys.Readlink("/run/journal/log")
			wantErrno(t, "readlink of a file", err, syscall.EINVAL)
			info, err := sys.Lstat("/tmp/log")
			wantErrno(t, "lstat", err, 0)
			wantEqual(t, "lstat", info.Mode().Type(), fs.ModeSymlink)
			info, err = sys.Stat("/tmp/log")
			wantErrno(t, "stat", err, 0)
			wantEqual(t, "stat", info.Mode().Type(), 0)
			wantEqual(t, "name", info.Name(), "log")

			sys.Symlink("/tmp/made", "/tmp/dangling")
			_, err = sys.Stat("/tmp/dangling")
			wantErrno(t, "stat of a dangling link", err, syscall.ENOENT)
			put(t, p, "/tmp/dangling", "new", 0o644)
			wantEqual(t, "made through a link", get(t, p, "/tmp/made"), "new")
			wantErrno(t, "O_EXCL on a link", open(p, "/tmp/dangling", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644), syscall.EEXIST)
			wantErrno(t, "O_NOFOLLOW on a link", open(p, "/tmp/log", os.O_RDONLY|syscall.O_NOFOLLOW, 0), syscall.ELOOP)
			wantErrno(t, "mkdir on a link", sys.Mkdir("/tmp/dangling", 0o755), syscall.EEXIST)

			wantErrno(t, "link", sys.Link("/tmp/made", "/tmp/hard"), 0)
			info, _ = sys.Stat("/tmp/hard")
			wantEqual(t, "names", info.Sys().(*syscall.Stat_t).Nlink, 2)
			wantErrno(t, "link to a name in use", sys.Link("/tmp/made", "/tmp/hard"), syscall.EEXIST)
			sys.Mkdir("/tmp/dir", 0o755)
			wantErrno(t, "link of a directory", sys.Link("/tmp/dir", "/tmp/jdir"), syscall.EPERM)
			wantErrno(t, "symlink on a name in use", sys.Symlink("x", "/tmp/hard"), syscall.EEXIST)
			wantErrno(t, "remove a link", sys.Remove("/tmp/log"), 0)
			wantEqual(t, "its target stays", get(t, p, "/run/journal/log"), "here")
		})
	}},
	{"remove-and-rename", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			sys := p.Sys
			sys.Mkdir("/tmp/d", 0o755)
			put(t, p, "/tmp/d/x", "x", 0o644)
			wantErrno(t, "remove what is not there", sys.Remove("/tmp/none"), syscall.ENOENT)
			wantErrno(t, "remove a full directory", sys.Remove("/tmp/d"), syscall.ENOTEMPTY)
			wantErrno(t, "rename", sys.Rename("/tmp/d/x", "/tmp/y"), 0)
			wantErrno(t, "remove an empty directory", sys.Remove("/tmp/d"), 0)
			put(t, p, "/tmp/z", "old", 0o600)
			wantErrno(t, "rename over a file", sys.Rename("/tmp/y", "/tmp/z"), 0)
			wantEqual(t, "renamed", get(t, p, "/tmp/z"), "x")
			wantErrno(t, "rename what is not there", sys.Rename("/tmp/y", "/tmp/w"), syscall.ENOENT)
			wantErrno(t, "rename into nowhere", sys.Rename("/tmp/z", "/tmp/none/z"), syscall.ENOENT)
			sys.Mkdir("/tmp/e", 0o755)
			wantErrno(t, "rename a file over a directory", sys.Rename("/tmp/z", "/tmp/e"), syscall.EISDIR)
			wantErrno(t, "rename a directory over a file", sys.Rename("/tmp/e", "/tmp/z"), syscall.ENOTDIR)
			wantErrno(t, "rename a directory into itself", sys.Rename("/tmp/e", "/tmp/e/f"), syscall.EINVAL)
			wantErrno(t, "mkdir on a name in use", sys.Mkdir("/tmp/z", 0o755), syscall.EEXIST)
			wantErrno(t, "mkdir in nowhere", sys.Mkdir("/tmp/none/x", 0o755), syscall.ENOENT)

			f, err := sys.OpenFile("/tmp/gone", os.O_RDWR|os.O_CREATE, 0o644)
			wantErrno(t, "open", err, 0)
			sys.Remove("/tmp/gone")
			f.WriteString("still here")
			b := make([]byte, 20)
			n, _ := f.ReadAt(b, 0)
			wantEqual(t, "read of a removed file", string(b[:n]), "still here")
			f.Close()
			put(t, p, "/tmp/again", "", 0o644)
			wantEqual(t, "owner of a new file", mode(p, "/tmp/again"), "-rw-r--r-- 0:0")
		})
	}},
	{"directory", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			p.Sys.Mkdir("/tmp/d", 0o755)
			for _, n := range []string{"b", "a", "c"} {
				put(t, p, "/tmp/d/"+n, "", 0o644)
			}
			names, err := libc.ReadDir(p, "/tmp/d")
			wantErrno(t, "readdir", err, 0)
			if !slices.Equal(names, []string{"a", "b", "c"}) {
				t.Errorf("names: %q", names)
			}
		})
	}},
	{"times", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			put(t, p, "/tmp/a", "x", 0o644)
			info, err := p.Sys.Stat("/tmp/a")
			wantErrno(t, "stat", err, 0)
			if off := p.Now().Sub(info.ModTime()); off < 0 || off > time.Second {
				t.Errorf("a stamped file is %v behind the host's clock", off)
			}
			at := time.Date(2001, 2, 3, 4, 5, 6, 7000, time.UTC)
			wantErrno(t, "chtimes", p.Sys.Chtimes("/tmp/a", time.Time{}, at), 0)
			info, _ = p.Sys.Stat("/tmp/a")
			if !info.ModTime().Equal(at) {
				t.Errorf("modification time %v", info.ModTime())
			}
		})
	}},
	{"fifo", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			wantErrno(t, "mkfifo", p.Sys.Mkfifo("/tmp/p", 0o600), 0)
			wantErrno(t, "write without a reader", open(p, "/tmp/p", os.O_WRONLY|syscall.O_NONBLOCK, 0), syscall.ENXIO)
			f, err := p.Sys.OpenFile("/tmp/p", os.O_RDWR|syscall.O_NONBLOCK, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			b := make([]byte, 100)
			_, err = f.Read(b)
			wantErrno(t, "read of an empty FIFO", err, syscall.EAGAIN)
			f.WriteString("line\n")
			n, err := f.Read(b)
			wantErrno(t, "read", err, 0)
			wantEqual(t, "read", string(b[:n]), "line\n")
			chunk := make([]byte, 4096)
			for range 1000 {
				if _, err = f.Write(chunk); err != nil {
					break
				}
			}
			wantErrno(t, "write of a full FIFO", err, syscall.EAGAIN)
		})
	}},
	{"fifo-between-processes", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) { p.Sys.Mkfifo("/tmp/p", 0o600) })
		reader := w.A.Start(nil, func(ctx context.Context, p *host.Proc) int {
			// Waits for the writer, then reads to its end.
			wantEqual(t, "read", get(t, p, "/tmp/p"), "line\n")
			return 0
		})
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			// Without O_NONBLOCK an implementation whose reader does not wait would
			// leave the writer waiting for good.
			for range 1000 {
				f, err := p.Sys.OpenFile("/tmp/p", os.O_WRONLY|syscall.O_NONBLOCK, 0)
				if errors.Is(err, syscall.ENXIO) {
					p.Sleep(ctx, 5*time.Millisecond)
					continue
				}
				wantErrno(t, "open", err, 0)
				if err == nil {
					f.WriteString("line\n")
					f.Close()
				}
				return
			}
			t.Error("nobody reads the FIFO")
		})
		w.A.Wait(reader)
	}},
	{"lock", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			lock := func() (*os.File, error) {
				f, err := p.Sys.OpenFile("/tmp/lock", os.O_RDWR|os.O_CREATE, 0o600)
				if err != nil {
					return nil, err
				}
				c, err := f.SyscallConn()
				if err != nil {
					return nil, err
				}
				c.Control(func(fd uintptr) { err = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
				return f, err
			}
			first, err := lock()
			wantErrno(t, "first lock", err, 0)
			second, err := lock()
			wantErrno(t, "second lock", err, syscall.EWOULDBLOCK)
			first.Close()
			second.Close()
			third, err := lock()
			wantErrno(t, "lock after close", err, 0)
			third.Close()
		})
	}},
	{"devices", func(t *testing.T, w *World) {
		w.A.Do(usera, func(ctx context.Context, p *host.Proc) {
			f, err := p.Sys.OpenFile("/dev/null", os.O_RDWR, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			_, err = f.WriteString("gone")
			wantErrno(t, "write to /dev/null", err, 0)
			_, err = f.Read(make([]byte, 1))
			wantErr(t, "read of /dev/null", err, io.EOF)
		})
	}},
	{"closed-at-the-end", func(t *testing.T, w *World) {
		var f *os.File
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			f, _ = p.Sys.OpenFile("/tmp/a", os.O_RDWR|os.O_CREATE, 0o600)
		})
		_, err := f.WriteString("x")
		wantErr(t, "write after the process's end", err, os.ErrClosed)
	}},
	{"hosts-are-apart", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) { put(t, p, "/tmp/a", "x", 0o644) })
		w.B.Do(nil, func(ctx context.Context, p *host.Proc) {
			wantErrno(t, "a file of the other host", open(p, "/tmp/a", os.O_RDONLY, 0), syscall.ENOENT)
		})
	}},
}
