package local

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// access asks whether an identity may reach a file, and with want (4 read, 2
// write) use it, by the modes on the way. Delivery runs as root; this is where
// the rights of the user come in.
func access(p *host.Proc, cred *host.Cred, name string, want fs.FileMode) error {
	parts := strings.Split(strings.Trim(name, "/"), "/")
	dir := "/"
	for i := range parts {
		if i > 0 {
			dir = "/" + strings.Join(parts[:i], "/")
		}
		info, err := p.Sys.Stat(dir)
		if err != nil {
			return err
		}
		if !permitted(cred, info, 1) {
			return syscall.EACCES
		}
	}
	if want == 0 {
		return nil
	}
	info, err := p.Sys.Stat(name)
	if errors.Is(err, syscall.ENOENT) && want&2 != 0 {
		info, err = p.Sys.Stat(dir)
		if err == nil && !permitted(cred, info, 3) {
			err = syscall.EACCES
		}
		return err
	}
	if err != nil {
		return err
	}
	if !permitted(cred, info, want) {
		return syscall.EACCES
	}
	return nil
}

// permitted looks at one file's mode.
func permitted(cred *host.Cred, info fs.FileInfo, want fs.FileMode) bool {
	if cred.UID == 0 {
		return true
	}
	uid, gid := libc.Owner(info)
	mode := info.Mode().Perm()
	switch {
	case uid == cred.UID:
		mode >>= 6
	case gid == cred.GID || contains(cred.Groups, gid):
		mode >>= 3
	}
	return mode&want == want
}

func contains(list []int, n int) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}
