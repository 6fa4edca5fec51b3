// Package libc is what every Program of a host has from the C library:
// error texts, getopt(3), syslog(3), the user database, time zones, names to
// addresses, and short forms of the file calls. It holds no state; everything
// is read anew through the Proc, as the files of the host are what counts.
package libc

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"
	"syscall"

	"enshu/sim/host"
)

// ReadFile returns the contents of a file.
func ReadFile(p *host.Proc, name string) ([]byte, error) { return host.ReadFile(p.Sys, name) }

// WriteFile replaces the contents of a file, which is made with perm when it
// is missing, and gives it the host's time.
func WriteFile(p *host.Proc, name string, data []byte, perm fs.FileMode) error {
	return put(p, name, os.O_TRUNC, data, perm)
}

// AppendFile adds data at the end of a file, which is made with perm when it is
// missing, and gives it the host's time.
func AppendFile(p *host.Proc, name string, data []byte, perm fs.FileMode) error {
	return put(p, name, os.O_APPEND, data, perm)
}

func put(p *host.Proc, name string, flag int, data []byte, perm fs.FileMode) error {
	f, err := p.Sys.OpenFile(name, os.O_WRONLY|os.O_CREATE|flag, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	p.Stamp(f)
	return errors.Join(err, f.Close())
}

// ReadDir returns the names in a directory, sorted, "." and ".." left out.
func ReadDir(p *host.Proc, name string) ([]string, error) {
	f, err := p.Sys.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	sort.Strings(names)
	return names, err
}

// MkdirAll makes a directory and its missing parents.
func MkdirAll(p *host.Proc, name string, perm fs.FileMode) error {
	err := p.Sys.Mkdir(name, perm)
	if errors.Is(err, syscall.ENOENT) {
		if i := strings.LastIndexByte(strings.TrimRight(name, "/"), '/'); i > 0 {
			if err := MkdirAll(p, name[:i], perm); err != nil {
				return err
			}
			err = p.Sys.Mkdir(name, perm)
		}
	}
	if errors.Is(err, syscall.EEXIST) {
		if info, serr := p.Sys.Stat(name); serr == nil && info.IsDir() {
			return nil
		}
	}
	return err
}

// RemoveAll removes a name and, of a directory, everything in it. It follows no
// symbolic link, and goes on past what cannot be removed; the error is about
// name itself.
func RemoveAll(p *host.Proc, name string) error {
	err := p.Sys.Remove(name)
	if !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EEXIST) {
		return err
	}
	names, err := ReadDir(p, name)
	for _, n := range names {
		RemoveAll(p, path.Join(name, n))
	}
	if err != nil {
		return err
	}
	return p.Sys.Remove(name)
}

// Exists reports whether a name leads to something.
func Exists(p *host.Proc, name string) bool {
	_, err := p.Sys.Stat(name)
	return err == nil
}

// Owner returns the owner and group of a file.
func Owner(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return 0, 0
}

// Terminal returns the terminal behind a stdio stream, if it is one (isatty(3)).
func Terminal(stream any) (host.Terminal, bool) {
	t, ok := stream.(host.Terminal)
	return t, ok
}

// Lines splits the contents of a file into its lines, without the line feeds.
func Lines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	lines := strings.Split(string(data), "\n")
	if bytes.HasSuffix(data, []byte("\n")) {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// Abs makes a path absolute as the process sees it.
func Abs(p *host.Proc, name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return strings.TrimRight(p.Dir, "/") + "/" + name
}

// RealPath returns the name without symbolic links that a name leads to
// (realpath(3)).
func RealPath(p *host.Proc, name string) (string, error) {
	rest, real := strings.Split(path.Clean(name), "/"), "/"
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			real = path.Dir(real)
			continue
		}
		next := path.Join(real, part)
		target, err := p.Sys.Readlink(next)
		if err != nil {
			real = next
			continue
		}
		if links++; links > 40 {
			return "", &fs.PathError{Op: "realpath", Path: name, Err: syscall.ELOOP}
		}
		if path.IsAbs(target) {
			real = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	_, err := p.Sys.Lstat(real)
	return real, err
}
