package stub

import (
	"errors"
	"io"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"enshu/sim/clock"
)

// stream is a descriptor that a stub lent as stdin, stdout or stderr. lent is
// the shell's own open file, whose flags and offset others share; file is what
// we read and write: for a terminal or a pipe an open file of our own, so that
// it can be non-blocking.
type stream struct {
	lent   *os.File
	file   *os.File
	socket *clock.Socket // nil when reads and writes never wait long, or cannot be interrupted
	gate   *gate         // held back while the process is stopped
	onPipe func()        // the reader of our output is gone
}

// terminal is a stream that is a terminal; it implements host.Terminal.
type terminal struct {
	*stream
	name string
}

// newStream wraps a lent descriptor; flag is os.O_RDONLY or os.O_WRONLY.
func newStream(line *clock.Timeline, lent *os.File, flag int, g *gate, onPipe func()) any {
	s := &stream{lent: lent, file: lent, gate: g, onPipe: onPipe}
	var st unix.Stat_t
	var tty bool
	again := -1
	control(lent, func(fd int) {
		if unix.Fstat(fd, &st) != nil {
			return
		}
		_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		tty = err == nil
		if !tty && st.Mode&unix.S_IFMT != unix.S_IFIFO {
			return
		}
		if nfd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), flag|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err == nil {
			again = nfd
		}
	})
	if again >= 0 {
		if again, err := opened(again, "stdio", false); err == nil {
			s.file = again
			if raw, err := again.SyscallConn(); err == nil {
				s.socket, _ = line.Socket(raw)
			}
		}
	}
	if tty {
		return &terminal{s, "/dev/pts/" + strconv.Itoa(int(unix.Minor(st.Rdev)))}
	}
	return s
}

// control calls f with a file's descriptor.
func control(f *os.File, do func(fd int)) {
	if raw, err := f.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { do(int(fd)) })
	}
}

func (s *stream) Read(b []byte) (int, error) {
	s.gate.pass()
	if s.socket == nil {
		return s.file.Read(b)
	}
	n := 0
	var rerr error
	err := s.socket.Block(unix.POLLIN, func(fd uintptr) bool {
		n, rerr = unix.Read(int(fd), b)
		return rerr != unix.EAGAIN && rerr != unix.EINTR
	})
	switch {
	case err != nil:
		return 0, err
	case rerr == unix.EIO:
		return 0, io.EOF // the terminal hung up
	case rerr != nil:
		return 0, rerr
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

func (s *stream) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		s.gate.pass()
		n := 0
		var werr error
		if s.socket == nil {
			n, werr = s.file.Write(b[done:])
		} else {
			err := s.socket.Block(unix.POLLOUT, func(fd uintptr) bool {
				n, werr = unix.Write(int(fd), b[done:])
				return werr != unix.EAGAIN && werr != unix.EINTR
			})
			if err != nil {
				return done, err
			}
		}
		if werr != nil {
			if errors.Is(werr, syscall.EPIPE) {
				s.onPipe()
			}
			return done, werr
		}
		done += n
	}
	return done, nil
}

// interrupt ends a Read or Write that waits.
func (s *stream) interrupt() {
	if s.socket != nil {
		s.socket.Interrupt(unix.POLLIN|unix.POLLOUT, os.ErrDeadlineExceeded)
	}
}

func (s *stream) close() {
	if s.socket != nil {
		s.socket.Close()
	}
	if s.file != s.lent {
		s.file.Close()
	}
	s.lent.Close()
}

// Size returns the terminal's rows and columns.
func (t *terminal) Size() (rows, cols int) {
	control(t.file, func(fd int) {
		if ws, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil {
			rows, cols = int(ws.Row), int(ws.Col)
		}
	})
	return rows, cols
}

// Name returns the terminal's path in the host.
func (t *terminal) Name() string { return t.name }

// SetEcho turns the echo of typed characters on or off.
func (t *terminal) SetEcho(on bool) (err error) {
	control(t.file, func(fd int) {
		var tio *unix.Termios
		if tio, err = unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			return
		}
		tio.Lflag &^= unix.ECHO
		if on {
			tio.Lflag |= unix.ECHO
		}
		err = unix.IoctlSetTermios(fd, unix.TCSETS, tio)
	})
	return err
}
