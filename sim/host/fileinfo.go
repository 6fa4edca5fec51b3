package host

import (
	"io/fs"
	"path"
	"syscall"
	"time"
)

// FileInfo returns what the kernel's answer to stat(2) says of a name, for
// implementations of [Files].
func FileInfo(name string, st syscall.Stat_t) fs.FileInfo { return &fileInfo{path.Base(name), st} }

type fileInfo struct {
	name string
	stat syscall.Stat_t
}

func (f *fileInfo) Name() string       { return f.name }
func (f *fileInfo) Size() int64        { return f.stat.Size }
func (f *fileInfo) ModTime() time.Time { return time.Unix(f.stat.Mtim.Unix()) }
func (f *fileInfo) IsDir() bool        { return f.Mode().IsDir() }
func (f *fileInfo) Sys() any           { return &f.stat }

// Mode translates inode(7) to package fs.
func (f *fileInfo) Mode() fs.FileMode {
	m := fs.FileMode(f.stat.Mode & 0o777)
	switch f.stat.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		m |= fs.ModeDir
	case syscall.S_IFLNK:
		m |= fs.ModeSymlink
	case syscall.S_IFIFO:
		m |= fs.ModeNamedPipe
	case syscall.S_IFSOCK:
		m |= fs.ModeSocket
	case syscall.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case syscall.S_IFBLK:
		m |= fs.ModeDevice
	}
	if f.stat.Mode&syscall.S_ISUID != 0 {
		m |= fs.ModeSetuid
	}
	if f.stat.Mode&syscall.S_ISGID != 0 {
		m |= fs.ModeSetgid
	}
	if f.stat.Mode&syscall.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// ModeBits are the permission bits of a mode as chmod(2) takes them.
func ModeBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= syscall.S_ISUID
	}
	if m&fs.ModeSetgid != 0 {
		bits |= syscall.S_ISGID
	}
	if m&fs.ModeSticky != 0 {
		bits |= syscall.S_ISVTX
	}
	return bits
}
