package probe

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"enshu/grader/check"
)

// Octal writes permission bits as chmod(1) takes them.
func Octal(m fs.FileMode) string {
	n := uint32(m.Perm())
	for bit, special := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&special != 0 {
			n |= bit
		}
	}
	return fmt.Sprintf("%04o", n)
}

// Owner returns the name of a file's owner, from the passwd file of its host.
func Owner(v *check.View, host string, info fs.FileInfo) (string, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("%s: the owner of a file is not known", host)
	}
	passwd, err := v.Read(host, "/etc/passwd")
	if err != nil {
		return "", err
	}
	uid := strconv.FormatUint(uint64(st.Uid), 10)
	for _, l := range check.Lines(passwd) {
		if f := strings.Split(l, ":"); len(f) > 2 && f[2] == uid {
			return f[0], nil
		}
	}
	return uid, nil
}
