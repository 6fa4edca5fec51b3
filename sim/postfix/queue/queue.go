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
	"sync"
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

// ErrUnready says that a queue file does not count yet.
var ErrUnready = errors.New("queue file is being written")

// Modes of queue files: a file that is not ready may be thrown away.
const (
	modeUnready = 0o600
	ModeReady   = 0o700
	// An earlier attempt may have delivered to a part of the recipients that
	// wait: a crash cut it off, or one member of an alias was not reachable.
	ModeRecovered = 0o710
	// The sender was told that the mail is late; beside one of the others.
	ModeWarned = 0o001
	// Other processes than the submitter's read maildrop.
	ModeDropped = 0o744
)

// Queue is the queue directory as one process uses it.
type Queue struct {
	p      *host.Proc
	Dir    string
	Hashed map[string]bool

	mu   sync.Mutex // guards next, and what Append does
	next uint32     // see serial
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
// five that keep it apart from the others of this process. The file is open for
// reading and writing; it does not count yet.
func (q *Queue) Create(queue string) (id string, f *os.File, err error) {
	for range 100 {
		id = fmt.Sprintf("%05X%05X", q.p.Now().Nanosecond()/1000, q.serial())
		f, err = q.p.Sys.OpenFile(q.Path(queue, id), os.O_CREATE|os.O_EXCL|os.O_RDWR, modeUnready)
		if !errors.Is(err, syscall.EEXIST) {
			return id, f, err
		}
	}
	return "", nil, err
}

// serial returns a number of 20 bits: each once, in an order without meaning,
// beginning anywhere, before it repeats itself.
func (q *Queue) serial() uint32 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == 0 {
		q.next = 1 + q.p.Rand().Uint32()>>1
	}
	q.next++
	const odd = 0x9e375 // every number of 20 bits is a multiple of it, modulo 1<<20
	return q.next * odd & (1<<20 - 1)
}

// Move renames a queue file from one queue to another, making a hash directory
// when it is missing.
func (q *Queue) Move(id, from, to string) error {
	err := q.p.Sys.Rename(q.Path(from, id), q.Path(to, id))
	if errors.Is(err, syscall.ENOENT) && q.makeHash(to, id) {
		err = q.p.Sys.Rename(q.Path(from, id), q.Path(to, id))
	}
	return err
}

// makeHash makes the directory of a hashed queue for an id. It reports whether
// there is one now.
func (q *Queue) makeHash(queue, id string) bool {
	if !q.Hashed[queue] {
		return false
	}
	dir := q.Dir + "/" + queue + "/" + id[:1]
	err := q.appear(id, dir, q.Dir+"/"+queue, func(name string) error { return q.p.Sys.Mkdir(name, 0o700) }, q.p.Sys.Rename)
	return err == nil || errors.Is(err, syscall.EEXIST) || errors.Is(err, syscall.ENOTEMPTY)
}

// appear makes a file or directory that belongs to the mail system, as like
// does, from the moment that it is there: root makes it under another name, and
// place moves it. One that is there already is an error of place.
func (q *Queue) appear(id, name, like string, create func(name string) error, place func(from, to string) error) error {
	if q.p.UID != 0 {
		return create(name)
	}
	info, err := q.p.Sys.Stat(like)
	if err != nil {
		return err
	}
	uid, gid := libc.Owner(info)
	own := fmt.Sprintf("%s.%d.%s", name, q.p.PID, id)
	if err := create(own); err != nil {
		return err
	}
	if err = q.p.Sys.Chown(own, uid, gid); err == nil {
		err = place(own, name)
	}
	q.p.Sys.Remove(own)
	return err
}

// Append adds to the log that one of the queues of logs has for a message.
func (q *Queue) Append(log, id string, data []byte) error {
	q.mu.Lock() // a thread that finds a directory finds it finished
	defer q.mu.Unlock()
	path := q.Path(log, id)
	add := func() error {
		f, err := q.p.Sys.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.Write(data)
		return err
	}
	err := add()
	if !errors.Is(err, syscall.ENOENT) {
		return err
	}
	create := func(name string) error { return libc.AppendFile(q.p, name, nil, 0o600) }
	err = q.appear(id, path, q.Dir+"/"+log, create, q.p.Sys.Link)
	if errors.Is(err, syscall.ENOENT) && q.makeHash(log, id) {
		err = q.appear(id, path, q.Dir+"/"+log, create, q.p.Sys.Link)
	}
	if err != nil && !errors.Is(err, syscall.EEXIST) {
		return err
	}
	return add()
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
	ID        string
	Recovered bool // an earlier attempt may have delivered to a part of the recipients
	Warned    bool // the sender knows that the mail is late
	queue     string
	file      *os.File
}

// Open reads the envelope of a queue file. The caller closes the message.
func (q *Queue) Open(queue, id string, flag int) (*Message, error) {
	return q.open(queue, id, flag, false)
}

// OpenReady is Open for a file that may still be in the making: ErrUnready then.
func (q *Queue) OpenReady(queue, id string, flag int) (*Message, error) {
	return q.open(queue, id, flag, true)
}

// OpenMoved moves a file that is ready to another queue and opens it, at once.
func (q *Queue) OpenMoved(id, from, to string) (*Message, error) {
	_, files, err := host.Chain(q.p.Sys,
		host.Step{Call: host.Open, Name: q.Path(from, id), Flag: os.O_RDONLY | syscall.O_NOFOLLOW},
		host.Step{Call: host.Rename, Name: q.Path(from, id), To: q.Path(to, id)})
	if len(files) == 0 {
		return nil, err
	}
	if err != nil {
		err = q.Move(id, from, to)
	}
	if err != nil {
		files[0].Close()
		return nil, err
	}
	return q.read(files[0], to, id, false)
}

func (q *Queue) open(queue, id string, flag int, onlyReady bool) (*Message, error) {
	f, err := q.p.Sys.OpenFile(q.Path(queue, id), flag|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	return q.read(f, queue, id, onlyReady)
}

// read reads the envelope of an open queue file.
func (q *Queue) read(f *os.File, queue, id string, onlyReady bool) (*Message, error) {
	info, err := f.Stat()
	if err == nil && onlyReady && !Ready(info) {
		err = ErrUnready
	}
	var e *Envelope
	if err == nil {
		e, err = Decode(bufio.NewReader(f))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Message{Envelope: e, ID: id, Recovered: info.Mode()&0o010 != 0, Warned: info.Mode()&ModeWarned != 0, queue: queue, file: f}, nil
}

// Close closes the queue file, and gives back its lock.
func (m *Message) Close() { m.file.Close() }

// Lock takes the lock of a queue file without waiting. Who delivers a message
// or reports on it shares the lock; qmgr(8) wants it alone before it begins
// with a message, and so leaves those in peace that another process, which
// outlived an earlier qmgr, still works on.
func (m *Message) Lock(how int) error { return flockFile(m.file, how|syscall.LOCK_NB) }

// Text returns the whole content.
func (m *Message) Text() ([]byte, error) {
	info, err := m.file.Stat()
	if err != nil || m.dataOffset < 0 || m.dataOffset > info.Size() {
		return nil, ErrRecord
	}
	records := make([]byte, info.Size()-m.dataOffset)
	if n, err := m.file.ReadAt(records, m.dataOffset); err != nil {
		records = records[:n] // it has shrunk
	}
	return appendText(make([]byte, 0, len(records)), records)
}

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
