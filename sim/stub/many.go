package stub

import (
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
	"enshu/sim/stub/guest"
)

// together is how many names one message is about at most.
const together = 64

// Lstats is [host.Batch]'s: Lstat for many names with few messages.
func (s *sys) Lstats(names []string) []host.Stated {
	list := make([]host.Stated, 0, len(names))
	for len(names) > 0 {
		part := names[:min(together, len(names))]
		names = names[len(part):]
		calls := make([]call, len(part))
		for i, n := range part {
			calls[i] = statCall(n, unix.AT_SYMLINK_NOFOLLOW)
		}
		r, files, err := s.conn.do(calls...)
		closeAll(files)
		for i, n := range part {
			var one host.Stated
			if one.Err = err; err == nil {
				one.Info, one.Err = statInfo(n, r[i:])
			}
			one.Err = pathError("lstat", n, one.Err)
			list = append(list, one)
		}
	}
	return list
}

// Renew is [host.Batch]'s: a file goes to another name and a new one takes its
// place, with one message.
func (s *sys) Renew(from, to string, perm fs.FileMode) (*os.File, bool, error) {
	r, files, err := s.conn.do(call{unix.SYS_RENAMEAT2, 0, []any{atFDCWD, from, atFDCWD, to, 0}},
		openCall(from, os.O_CREATE|os.O_EXCL|os.O_RDWR|unix.O_NONBLOCK, perm, 0))
	moved := len(r) > 1
	switch {
	case err != nil && !moved:
		closeAll(files)
		return nil, false, &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	case err == nil && len(files) != 1:
		err = errGone
	}
	if err != nil {
		closeAll(files)
		return nil, moved, pathError("open", from, err)
	}
	f, err := opened(files[0], from, true)
	if err != nil {
		return nil, moved, pathError("open", from, err)
	}
	s.keep(f)
	return f, moved, nil
}

// atOnce is how much of a file is read with the message that opens it.
const atOnce = 8 << 10

// ReadFile is [host.Batch]'s: most files are opened, read and closed with one
// message.
func (s *sys) ReadFile(name string) ([]byte, error) {
	const may = guest.MayFail | guest.AsMuch
	r, _, err := s.conn.do(statCall(name, 0),
		call{unix.SYS_OPENAT, guest.MakesFile | guest.OnlyFile, []any{atFDCWD, name, unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY, 0}},
		call{unix.SYS_READ, may | guest.OutOf(1), []any{result(1), out(atOnce), atOnce}},
		call{unix.SYS_READ, may | guest.OutOf(1), []any{result(1), out(1), 1}}) // nothing at its end
	switch {
	case err == nil && r[2].errno != 0:
		return nil, pathError("read", name, r[2].errno)
	case err == nil && r[3].errno == 0 && r[3].out == "":
		return []byte(r[2].out), nil
	case err != nil && err != unix.EAGAIN:
		return nil, pathError("open", name, err)
	}
	f, err := s.OpenFile(name, os.O_RDONLY, 0) // it is long, or no regular file
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
