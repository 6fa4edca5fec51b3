package local

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// way is what stands on the way to a file, and the file itself. Delivery runs as
// root; this is where the rights of the user come in.
type way struct {
	dirs []host.Stated // from the root on
	file host.Stated
}

// look asks for everything on the way to a file at once; links are followed.
func look(p *host.Proc, name string) way {
	parts := strings.Split(strings.Trim(name, "/"), "/")
	names := []string{"/"}
	for i := range parts {
		names = append(names, "/"+strings.Join(parts[:i+1], "/"))
	}
	if strings.HasSuffix(name, "/") { // a directory, also behind a link
		names[len(names)-1] += "/"
	}
	all := host.Lstats(p.Sys, names)
	for i, s := range all {
		if s.Err == nil && s.Info.Mode()&fs.ModeSymlink != 0 {
			all[i].Info, all[i].Err = p.Sys.Stat(names[i])
		}
	}
	return way{dirs: all[:len(all)-1], file: all[len(all)-1]}
}

// dir is the directory that the file is in.
func (w way) dir() host.Stated { return w.dirs[len(w.dirs)-1] }

// open asks whether an identity may get as far as to the file.
func (w way) open(cred *host.Cred) error {
	for _, d := range w.dirs {
		if d.Err != nil {
			return d.Err
		}
		if !permitted(cred, d.Info, 1) {
			return syscall.EACCES
		}
	}
	return nil
}

// access asks whether an identity may use the file (4 read, 2 write); with the
// right to write it may make one that is not there.
func (w way) access(cred *host.Cred, want fs.FileMode) error {
	if err := w.open(cred); err != nil {
		return err
	}
	on := w.file
	if errors.Is(on.Err, syscall.ENOENT) && want&2 != 0 {
		on, want = w.dir(), 3
	}
	if on.Err != nil {
		return on.Err
	}
	if !permitted(cred, on.Info, want) {
		return syscall.EACCES
	}
	return nil
}

// creatable asks whether an identity may make another file beside it.
func (w way) creatable(cred *host.Cred) error {
	if err := w.open(cred); err != nil {
		return err
	}
	if !permitted(cred, w.dir().Info, 3) {
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
