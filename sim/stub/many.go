package stub

import (
	"io"
	"os"
	"slices"

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

// Chain is [host.Batch]'s: calls in order with few messages.
func (s *sys) Chain(steps []host.Step) (done int, files []*os.File, err error) {
	for len(steps) > 0 && err == nil {
		part := steps[:min(together, len(steps))]
		steps = steps[len(part):]
		calls := make([]call, 0, len(part))
		ends := make([]int, len(part)) // how many calls there are up to the end of each step
		for i, step := range part {
			calls = stepCalls(calls, step)
			ends[i] = len(calls)
		}
		r, fds, failed := s.conn.do(calls...)
		good := len(part)
		if failed != nil { // the last that was made is the one that did
			good, _ = slices.BinarySearch(ends, max(len(r), 1))
		}
		for i, step := range part[:good] {
			if step.Call != host.Open {
				continue
			}
			if len(fds) == 0 {
				return done + i, files, pathError("open", step.Name, errGone)
			}
			f, oerr := opened(fds[0], step.Name, true)
			fds = fds[1:]
			if oerr != nil {
				closeAll(fds)
				return done + i, files, pathError("open", step.Name, oerr)
			}
			s.keep(f)
			files = append(files, f)
		}
		closeAll(fds)
		done += good
		if failed != nil {
			err = stepError(part[good], failed)
		}
	}
	return done, files, err
}

// stepCalls appends the calls of a step.
func stepCalls(calls []call, step host.Step) []call {
	switch step.Call {
	case host.Rename:
		return append(calls, call{unix.SYS_RENAMEAT2, 0, []any{atFDCWD, step.Name, atFDCWD, step.To, 0}})
	case host.Open:
		return append(calls, openCall(step.Name, step.Flag|unix.O_NONBLOCK, step.Perm, 0))
	case host.Symlink:
		return append(calls, call{unix.SYS_SYMLINKAT, 0, []any{step.To, atFDCWD, step.Name}})
	case host.Create:
		made := result(len(calls))
		mode := int(host.ModeBits(step.Perm))
		return append(calls,
			call{unix.SYS_OPENAT, guest.MakesFile, []any{atFDCWD, step.Name, unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY | unix.O_CLOEXEC, mode}},
			call{unix.SYS_FCHMOD, 0, []any{made, mode}},
			call{unix.SYS_UTIMENSAT, 0, []any{made, 0, timesArg(step.Time, step.Time), 0}})
	}
	return append(calls, call{unix.SYS_UNLINKAT, 0, []any{atFDCWD, step.Name, 0}})
}

// stepError is the error of a call as it has it outside of a chain.
func stepError(s host.Step, err error) error {
	switch s.Call {
	case host.Rename:
		return &os.LinkError{Op: "rename", Old: s.Name, New: s.To, Err: err}
	case host.Open, host.Create:
		return pathError("open", s.Name, err)
	case host.Symlink:
		return &os.LinkError{Op: "symlink", Old: s.To, New: s.Name, Err: err}
	}
	return pathError("remove", s.Name, err)
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
