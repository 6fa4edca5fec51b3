package host

import (
	"encoding/binary"
	"os"
	"syscall"
	"unsafe"
)

// SetReaders lets users and groups read an open file or directory besides those
// whom its mode lets (acl(5)): what setfacl -m u:NAME:rX,g:NAME:rX does.
func SetReaders(f *os.File, users, groups []int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	mode := uint16(info.Mode().Perm())
	read := uint16(4)
	if info.IsDir() {
		read = 5
	}
	// struct posix_acl_xattr_header and _entry of linux/posix_acl_xattr.h: the
	// owner, named users, the group, named groups, the mask, others, in this order.
	const (
		version                                                     = 2
		owner, namedUser, group, namedGroup, mask, other, undefined = 1, 2, 4, 8, 16, 32, 0xffffffff
	)
	acl := binary.LittleEndian.AppendUint32(nil, version)
	add := func(tag, perm uint16, id uint32) {
		acl = binary.LittleEndian.AppendUint16(acl, tag)
		acl = binary.LittleEndian.AppendUint16(acl, perm)
		acl = binary.LittleEndian.AppendUint32(acl, id)
	}
	add(owner, mode>>6&7, undefined)
	for _, uid := range users {
		add(namedUser, read, uint32(uid))
	}
	add(group, mode>>3&7, undefined)
	for _, gid := range groups {
		add(namedGroup, read, uint32(gid))
	}
	add(mask, mode>>3&7|read, undefined)
	add(other, mode&7, undefined)
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	name := []byte("system.posix_acl_access\x00")
	var errno syscall.Errno
	if err := raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(syscall.SYS_FSETXATTR, fd, uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&acl[0])), uintptr(len(acl)), 0, 0)
	}); err != nil {
		return err
	}
	if errno != 0 {
		return &os.PathError{Op: "fsetxattr", Path: f.Name(), Err: errno}
	}
	return nil
}
