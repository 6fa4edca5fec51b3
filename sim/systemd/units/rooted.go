package units

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
)

// Rooted returns p as it would be if its files were those below dir: for
// systemctl --root=, which works on a system that is not running. Links below dir
// lead to what is below dir. Everything that is no file is p's own.
func Rooted(p *host.Proc, dir string) *host.Proc {
	return &host.Proc{
		Host: p.Host, Path: p.Path, Args: p.Args, Env: p.Env, Dir: "/", PID: p.PID, PPID: p.PPID, UID: p.UID, GID: p.GID, RUID: p.RUID,
		Groups: p.Groups, Umask: p.Umask, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr, Sys: rooted{p.Sys, path.Clean(dir)}, Clock: p.Clock,
	}
}

type rooted struct {
	host.Sys
	dir string
}

// linksFollowed is how many links a name may lead over (path_resolution(7)).
const linksFollowed = 40

// at is where a name is that is meant to be below the root. A link in its last
// part is followed only if follow says so.
func (r rooted) at(name string, follow bool) (string, error) {
	todo := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/")
	at := ""
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at = path.Dir(at); at == "/" || at == "." {
				at = ""
			}
			continue
		}
		target, err := r.Sys.Readlink(r.dir + at + "/" + part)
		if err != nil || len(todo) == 0 && !follow {
			at += "/" + part
			continue
		}
		if links++; links > linksFollowed {
			return "", syscall.ELOOP
		}
		if strings.HasPrefix(target, "/") {
			at = ""
		}
		todo = append(strings.Split(strings.Trim(target, "/"), "/"), todo...)
	}
	return r.dir + at, nil
}

func (r rooted) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	name, err := r.at(name, true)
	if err != nil {
		return nil, err
	}
	return r.Sys.OpenFile(name, flag, perm)
}

func (r rooted) Stat(name string) (fs.FileInfo, error) {
	name, err := r.at(name, true)
	if err != nil {
		return nil, err
	}
	return r.Sys.Lstat(name)
}

func (r rooted) Lstat(name string) (fs.FileInfo, error) {
	name, err := r.at(name, false)
	if err != nil {
		return nil, err
	}
	return r.Sys.Lstat(name)
}

func (r rooted) Readlink(name string) (string, error) {
	name, err := r.at(name, false)
	if err != nil {
		return "", err
	}
	return r.Sys.Readlink(name)
}

// one does what is done to one name.
func (r rooted) one(name string, follow bool, do func(name string) error) error {
	name, err := r.at(name, follow)
	if err != nil {
		return err
	}
	return do(name)
}

// two does what is done to two names.
func (r rooted) two(from, to string, do func(from, to string) error) error {
	return r.one(from, false, func(from string) error {
		return r.one(to, false, func(to string) error { return do(from, to) })
	})
}

func (r rooted) Mkdir(name string, perm fs.FileMode) error {
	return r.one(name, false, func(n string) error { return r.Sys.Mkdir(n, perm) })
}

func (r rooted) Mkfifo(name string, perm fs.FileMode) error {
	return r.one(name, false, func(n string) error { return r.Sys.Mkfifo(n, perm) })
}

func (r rooted) Remove(name string) error { return r.one(name, false, r.Sys.Remove) }

func (r rooted) Rename(from, to string) error { return r.two(from, to, r.Sys.Rename) }

func (r rooted) Link(from, to string) error { return r.two(from, to, r.Sys.Link) }

func (r rooted) Symlink(target, name string) error {
	return r.one(name, false, func(n string) error { return r.Sys.Symlink(target, n) })
}

func (r rooted) Chmod(name string, mode fs.FileMode) error {
	return r.one(name, true, func(n string) error { return r.Sys.Chmod(n, mode) })
}

func (r rooted) Chown(name string, uid, gid int) error {
	return r.one(name, true, func(n string) error { return r.Sys.Chown(n, uid, gid) })
}

func (r rooted) Chtimes(name string, atime, mtime time.Time) error {
	return r.one(name, true, func(n string) error { return r.Sys.Chtimes(n, atime, mtime) })
}
