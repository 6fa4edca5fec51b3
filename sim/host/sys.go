package host

import (
	"context"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"enshu/sim/clock"
)

// Sys is the kernel as one process sees it, with that process's rights.
// Implementations: sim/stub (real namespaces) and sim/memnet (in memory); one
// conformance suite holds for both. Names are absolute. Errors hold the
// syscall.Errno that the kernel gave.
type Sys interface {
	Files
	Sockets
	Processes
}

// Files are the calls on names. A *os.File that OpenFile returned serves for
// reading, writing, seeking, locking (flock), Stat, Chmod, Chown, Truncate,
// Sync, Readdirnames and ReadDir's names and types; what resolves a name
// through it (fs.DirEntry's Info, say) would look on the wrong machine.
type Files interface {
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	Stat(name string) (fs.FileInfo, error) // Sys() is a *syscall.Stat_t
	Lstat(name string) (fs.FileInfo, error)
	Readlink(name string) (string, error)
	Mkdir(name string, perm fs.FileMode) error
	Mkfifo(name string, perm fs.FileMode) error
	Remove(name string) error // a file or an empty directory
	Rename(from, to string) error
	Link(from, to string) error
	Symlink(target, name string) error
	Chmod(name string, mode fs.FileMode) error // ModeSetuid and friends count
	Chown(name string, uid, gid int) error     // -1 leaves it
	Chtimes(name string, atime, mtime time.Time) error
}

// Sockets are tcp4, tcp6, udp4, udp6 with IP literals ("192.0.2.1:514",
// ":514", "[::1]:25"), and unix and unixgram with paths. The 6 kinds are
// IPv6 only. Deadlines of what they return are read on the host's clock.
// What ListenPacket returns for unixgram is a [CredConn]; what Listen and Dial
// return for unix has [PeerCred] and is a [ConnCarrier]; udp sockets are [StampConn]s.
type Sockets interface {
	Listen(network, addr string) (net.Listener, error)
	ListenPacket(network, addr string) (net.PacketConn, error)
	Dial(ctx context.Context, network, addr string) (net.Conn, error)
}

// Processes are fork, exec, kill.
type Processes interface {
	Start(c Cmd) (*Process, error) // c.Path is absolute and every field set
	Kill(pid int, sig syscall.Signal) error
}

// BatchConn is a datagram socket that takes and sends many datagrams in one step.
// What ListenPacket returns for udp is one. Each method is called by one
// goroutine at a time.
type BatchConn interface {
	// ReadBatch waits for a datagram and reads as many more as are there and
	// there is room for. It sets N, From and At of those it read. Where one
	// datagram follows upon another it may linger for more, for so long; a reader
	// whose answers somebody waits for does not.
	ReadBatch(list []Datagram, linger time.Duration) (n int, err error)
	// Reply sends Buf[:N] of each datagram to its From, in order. What cannot be
	// sent is lost, as datagrams are.
	Reply(list []Datagram)
}

// Datagram is a buffer for one datagram, with what it holds.
type Datagram struct {
	Buf  []byte
	N    int
	From net.Addr  // who sent it; not to be changed, it may be that of others too
	At   time.Time // when it arrived, on the host's clock (see [StampConn])
}

// CredConn is a datagram socket that tells who sent (SCM_CREDENTIALS).
type CredConn interface {
	net.PacketConn
	ReadFromCred(b []byte) (n int, from net.Addr, cred SenderCred, err error)
}

// StampConn is a socket that tells when a datagram arrived (SO_TIMESTAMPNS,
// socket(7)): at is a time of the host's clock.
type StampConn interface {
	ReadFromAt(b []byte) (n int, from net.Addr, at time.Time, err error)
}

// SenderCred is who sent a datagram or opened a connection, as the host sees it.
type SenderCred struct{ PID, UID, GID int }

// PeerCred is implemented by connections that know who is at the other end (SO_PEERCRED).
type PeerCred interface {
	PeerCred() (SenderCred, error)
}

// ConnCarrier is implemented by connections over unix: an open connection over
// tcp goes to whoever is at the other end (SCM_RIGHTS, unix(7)).
type ConnCarrier interface {
	// SendConn leaves c open here, too: it ends when both have closed it.
	SendConn(c net.Conn) error
	// ReceiveConn waits for the next one; io.EOF when no more can come. Other
	// data on the same connection is not to be mixed in.
	ReceiveConn() (net.Conn, error)
}

// Terminal is implemented by a Stdin, Stdout or Stderr that is a terminal.
type Terminal interface {
	Size() (rows, cols int)
	// Name is the path of the terminal, "/dev/pts/0".
	Name() string
	// SetEcho turns the echo of typed characters on or off (passwords).
	SetEcho(on bool) error
}

// Cred is the identity a process runs with.
type Cred struct {
	UID, GID int
	Groups   []int
}

// Cmd is what it takes to start a process.
type Cmd struct {
	Path           string // of the executable
	Args, Env      []string
	Dir            string
	Cred           *Cred
	Umask          int       // 0 keeps the parent's
	Stdin          io.Reader // nil is /dev/null; a connection over tcp is the child's Stdin as a net.Conn, too
	Stdout, Stderr io.Writer // nil is /dev/null
	Session        bool      // in a session of its own (setsid); a Stdin that is a terminal becomes the controlling one
	Terms          *Terms    // nil: the parent's
}

// Terms are on what terms the kernel runs a process. What is not said a child has
// of its parent, and what the parent may not grant, as near as it may. They have
// no meaning in memory.
type Terms struct {
	Limits         []Limit
	Nice           *int    // nice(2)
	OOMScoreAdjust *int    // proc_pid_oom_score_adj(5)
	CPUs           []int   // sched_setaffinity(2)
	Policy         *Policy // sched_setscheduler(2)
	IOPriority     int     // ioprio_set(2), 0 for none
	TimerSlack     time.Duration
	NoNewPrivs     bool // prctl(2), PR_SET_NO_NEW_PRIVS
	IgnoreSIGPIPE  bool
	LoginUID       *int // who logged in (pam_loginuid(8)), which stays; last(1) looks for it
}

// Limit is a resource limit (setrlimit(2)); all ones are no limit.
type Limit struct {
	Resource   int
	Soft, Hard uint64
}

// Policy is how the kernel schedules a process (sched(7)).
type Policy struct {
	Kind, Priority int
	ResetOnFork    bool
}

// Process is a child.
type Process struct {
	PID    int
	signal func(syscall.Signal) error
	line   *clock.Timeline

	mu     sync.Mutex
	waits  []*clock.Wait
	ready  bool
	done   bool
	status Status
}

// NewProcess is for implementations of Sys: they call MarkReady and Exited.
func NewProcess(line *clock.Timeline, pid int, signal func(syscall.Signal) error) *Process {
	return &Process{PID: pid, signal: signal, line: line}
}

// MarkReady notes that the child's Program called Ready.
func (c *Process) MarkReady() { c.note(func() { c.ready = true }) }

// Exited notes how the child ended.
func (c *Process) Exited(s Status) { c.note(func() { c.done, c.status = true, s }) }

func (c *Process) note(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	for _, w := range c.waits {
		w.Wake()
	}
	c.waits = nil
}

// Signal sends the child a signal. After its end it returns os.ErrProcessDone.
func (c *Process) Signal(sig syscall.Signal) error {
	c.mu.Lock()
	done := c.done
	c.mu.Unlock()
	if done {
		return os.ErrProcessDone
	}
	return c.signal(sig)
}

// Wait blocks until the child has ended. Any number of threads may wait.
func (c *Process) Wait(ctx context.Context) (Status, error) {
	_, err := c.await(ctx, func() bool { return c.done })
	return c.status, err
}

// WaitReady blocks until the child is ready or has ended, and reports whether it is ready.
func (c *Process) WaitReady(ctx context.Context) (bool, error) {
	return c.await(ctx, func() bool { return c.ready || c.done })
}

func (c *Process) await(ctx context.Context, over func() bool) (bool, error) {
	for {
		c.mu.Lock()
		if over() {
			defer c.mu.Unlock()
			return c.ready && !c.done, nil
		}
		w := c.line.NewWait()
		c.waits = append(c.waits, w)
		c.mu.Unlock()
		if err := w.Sleep(ctx); err != nil {
			return false, err
		}
	}
}

// Running reports whether the child has not ended, and how it ended if it has.
func (c *Process) Running() (bool, Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.done, c.status
}
