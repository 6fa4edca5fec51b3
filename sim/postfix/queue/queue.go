// Package queue is the queue directory: its files with their records, how they
// move, and the claims that keep a mail from being lost or doubled in a crash.
package queue

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
)

// The directories of the queue.
const (
	Maildrop = "maildrop"
	Incoming = "incoming"
	Active   = "active"
	Deferred = "deferred"
	Hold     = "hold"
	Corrupt  = "corrupt"
)

// ErrWrite is what the log and SMTP clients are told of any failure in the queue.
var ErrWrite = errors.New("queue file write error")

// Modes of queue files: a file that is not ready may be thrown away.
const (
	modeUnready = 0o600
	ModeReady   = 0o700
	// An earlier attempt may have delivered to a part of the recipients that
	// wait: a crash cut it off, or one member of an alias was not reachable.
	ModeRecovered = 0o710
	// Other processes than the submitter's read maildrop.
	ModeDropped = 0o744
)

// Queue is the queue directory as one process uses it.
type Queue struct {
	p      *host.Proc
	Dir    string
	Hashed map[string]bool
}

// Open returns the queue directory that the configuration names.
func Open(p *host.Proc, c *conf.Config) *Queue {
	q := &Queue{p: p, Dir: c.Get("queue_directory"), Hashed: map[string]bool{}}
	if c.Int("hash_queue_depth") > 0 {
		for _, name := range c.List("hash_queue_names") {
			q.Hashed[name] = true
		}
	}
	return q
}

// Name returns the place of a queue file below the queue directory.
func (q *Queue) Name(queue, id string) string {
	if q.Hashed[queue] && id != "" {
		return queue + "/" + id[:1] + "/" + id
	}
	return queue + "/" + id
}

// Path is where the file of a message is.
func (q *Queue) Path(queue, id string) string { return q.Dir + "/" + q.Name(queue, id) }

// ValidID reports whether a name can be a queue id.
func ValidID(id string) bool {
	if len(id) < 8 || len(id) > 100 {
		return false
	}
	for i := 0; i < len(id); i++ {
		if !(id[i] >= '0' && id[i] <= '9' || id[i] >= 'A' && id[i] <= 'Z' || id[i] >= 'a' && id[i] <= 'z') {
			return false
		}
	}
	return true
}

// Create makes a new file with a fresh id: five digits of the microseconds and
// five that keep it apart.
func (q *Queue) Create(queue string) (id string, f *os.File, err error) {
	for range 100 {
		usec := q.p.Now().Nanosecond() / 1000
		id = fmt.Sprintf("%05X%05X", usec, q.p.Rand().UintN(1<<20))
		if q.taken(id) {
			continue
		}
		f, err = q.p.Sys.OpenFile(q.Path(queue, id), os.O_CREATE|os.O_EXCL|os.O_RDWR, modeUnready)
		if !errors.Is(err, syscall.EEXIST) {
			return id, f, err
		}
	}
	return "", nil, err
}

// taken reports whether an id is in use in a queue that a message may move to.
func (q *Queue) taken(id string) bool {
	for _, queue := range []string{Active, Deferred, Hold} {
		if _, err := q.p.Sys.Lstat(q.Path(queue, id)); err == nil {
			return true
		}
	}
	return false
}

// Move renames a queue file from one queue to another, making a hash directory
// when it is missing.
func (q *Queue) Move(id, from, to string) error {
	err := q.p.Sys.Rename(q.Path(from, id), q.Path(to, id))
	if errors.Is(err, syscall.ENOENT) && q.Hashed[to] {
		dir := q.Dir + "/" + to
		merr := q.p.Sys.Mkdir(dir+"/"+id[:1], 0o700)
		if info, serr := q.p.Sys.Stat(dir); merr == nil && serr == nil && q.p.UID == 0 {
			uid, gid := libc.Owner(info)
			q.p.Sys.Chown(dir+"/"+id[:1], uid, gid) // postsuper(1) makes it for the mail system
		}
		if merr == nil || errors.Is(merr, syscall.EEXIST) {
			err = q.p.Sys.Rename(q.Path(from, id), q.Path(to, id))
		}
	}
	return err
}

// Remove takes a file of a queue away.
func (q *Queue) Remove(queue, id string) error { return q.p.Sys.Remove(q.Path(queue, id)) }

// Find returns the queue that holds a message. A message that moves from one
// queue to another meanwhile is found all the same: it is looked for twice.
func (q *Queue) Find(id string, queues ...string) (string, bool) {
	for range 2 {
		for _, queue := range queues {
			if _, err := q.p.Sys.Lstat(q.Path(queue, id)); err == nil {
				return queue, true
			}
		}
	}
	return "", false
}

// Scan returns the ids in a queue, sorted within each hash directory.
func (q *Queue) Scan(queue string) []string {
	names, _ := libc.ReadDir(q.p, q.Dir+"/"+queue)
	var ids []string
	for _, n := range names {
		if len(n) == 1 {
			below, _ := libc.ReadDir(q.p, q.Dir+"/"+queue+"/"+n)
			for _, id := range below {
				if ValidID(id) {
					ids = append(ids, id)
				}
			}
		} else if ValidID(n) {
			ids = append(ids, n)
		}
	}
	return ids
}

// Message is an open queue file.
type Message struct {
	*Envelope
	ID, queue string
	file      *os.File
}

// Open reads the envelope of a queue file. The caller closes the message.
func (q *Queue) Open(queue, id string, flag int) (*Message, error) {
	f, err := q.p.Sys.OpenFile(q.Path(queue, id), flag|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	e, err := Decode(bufio.NewReader(f))
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Message{Envelope: e, ID: id, queue: queue, file: f}, nil
}

// Close closes the queue file, and gives back its lock.
func (m *Message) Close() { m.file.Close() }

// Lock takes the lock of a queue file without waiting. Who delivers a message
// or reports on it shares the lock; qmgr(8) wants it alone before it begins
// with a message, and so leaves those in peace that another process, which
// outlived an earlier qmgr, still works on.
func (m *Message) Lock(how int) error { return flockFile(m.file, how|syscall.LOCK_NB) }

// content returns a reader of the text of the message.
func (m *Message) content() io.Reader {
	return &contentReader{r: bufio.NewReader(io.NewSectionReader(m.file, m.dataOffset, 1<<62))}
}

// Text returns the whole content.
func (m *Message) Text() ([]byte, error) { return io.ReadAll(m.content()) }

// Claimed returns the claim of a message, "" when it has none.
func (m *Message) Claimed() Claim {
	r := bufio.NewReaderSize(io.NewSectionReader(m.file, m.dataOffset+m.Size, 256), 256)
	for range 2 { // the end of the content comes first
		if kind, data, err := ReadRecord(r, 256); err == nil && kind == RecClaim {
			return Claim(data)
		}
	}
	return ""
}

// MarkDone notes in the queue file that a recipient needs no more attention.
// It is one byte in place: either written or not.
func (m *Message) MarkDone(offset int64) error {
	_, err := m.file.WriteAt([]byte{RecDone}, offset)
	return err
}

// Ready reports whether a file has been committed.
func Ready(info fs.FileInfo) bool { return info.Mode()&0o100 != 0 && info.Mode().IsRegular() }

// Stamp gives a queue file the time when it is to be looked at next.
func (q *Queue) Stamp(queue, id string, at time.Time) error {
	return q.p.Sys.Chtimes(q.Path(queue, id), at, at)
}

// LockFile takes an exclusive lock without waiting.
func LockFile(f *os.File) error { return flockFile(f, syscall.LOCK_EX|syscall.LOCK_NB) }

func flockFile(f *os.File, how int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := raw.Control(func(fd uintptr) { ferr = syscall.Flock(int(fd), how) }); err != nil {
		return err
	}
	return ferr
}
