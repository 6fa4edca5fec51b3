package libc

import (
	"errors"
	"strconv"
	"strings"
	"syscall"
)

// Strerror returns the C library's text for the error number inside err
// (strerror(3), in the C locale), or err's own text when there is none.
func Strerror(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		if err == nil {
			return "Success"
		}
		return err.Error()
	}
	// Package syscall has glibc's texts, but for a capital letter.
	text := errno.Error()
	switch {
	case errno == 0:
		return "Success"
	case errno == syscall.Errno(133): // EHWPOISON is newer than the table of package syscall
		return "Memory page has hardware error"
	case strings.HasPrefix(text, "errno "):
		return "Unknown error " + strconv.Itoa(int(errno))
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
