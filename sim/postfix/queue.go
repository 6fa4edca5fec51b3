package postfix

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
)

// The directories of the queue.
const (
	qMaildrop = "maildrop"
	qIncoming = "incoming"
	qActive   = "active"
	qDeferred = "deferred"
	qHold     = "hold"
	qCorrupt  = "corrupt"
	qDefer    = "defer"  // why recipients were deferred
	qBounce   = "bounce" // why recipients were returned
	qTrace    = "trace"  // reports for sendmail -v and -bv
)

var errQueue = errors.New("queue file write error")

// Modes of queue files: a file that is not ready may be thrown away.
const (
	modeUnready = 0o600
	modeReady   = 0o700
	// An earlier attempt may have delivered to a part of the recipients that
	// wait: a crash cut it off, or one member of an alias was not reachable.
	modeRecovered = 0o710
	// Other processes than the submitter's read maildrop.
	modeDropped = 0o744
)

// queue is the queue directory as one process uses it.
type queue struct {
	p      *host.Proc
	dir    string
	hashed map[string]bool
}

func openQueue(p *host.Proc, c *Config) *queue {
	q := &queue{p: p, dir: c.get("queue_directory"), hashed: map[string]bool{}}
	if c.int("hash_queue_depth") > 0 {
		for _, name := range c.list("hash_queue_names") {
			q.hashed[name] = true
		}
	}
	return q
}

// name returns the place of a queue file below the queue directory.
func (q *queue) name(queue, id string) string {
	if q.hashed[queue] && id != "" {
		return queue + "/" + id[:1] + "/" + id
	}
	return queue + "/" + id
}

func (q *queue) path(queue, id string) string { return q.dir + "/" + q.name(queue, id) }

// validID reports whether a name can be a queue id.
func validID(id string) bool {
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

// create makes a new file with a fresh id: five digits of the microseconds and
// five that keep it apart.
func (q *queue) create(queue string) (id string, f *os.File, err error) {
	for range 100 {
		usec := q.p.Now().Nanosecond() / 1000
		id = fmt.Sprintf("%05X%05X", usec, q.p.Rand().UintN(1<<20))
		if q.taken(id) {
			continue
		}
		f, err = q.p.Sys.OpenFile(q.path(queue, id), os.O_CREATE|os.O_EXCL|os.O_RDWR, modeUnready)
		if !errors.Is(err, syscall.EEXIST) {
			return id, f, err
		}
	}
	return "", nil, err
}

// taken reports whether an id is in use in any queue.
func (q *queue) taken(id string) bool {
	for _, queue := range []string{qIncoming, qActive, qDeferred, qHold, qMaildrop} {
		if _, err := q.p.Sys.Lstat(q.path(queue, id)); err == nil {
			return true
		}
	}
	return false
}

// move renames a queue file from one queue to another, making a hash directory
// when it is missing.
func (q *queue) move(id, from, to string) error {
	err := q.p.Sys.Rename(q.path(from, id), q.path(to, id))
	if errors.Is(err, syscall.ENOENT) && q.hashed[to] {
		if merr := q.p.Sys.Mkdir(q.dir+"/"+to+"/"+id[:1], 0o700); merr == nil || errors.Is(merr, syscall.EEXIST) {
			err = q.p.Sys.Rename(q.path(from, id), q.path(to, id))
		}
	}
	return err
}

func (q *queue) remove(queue, id string) error { return q.p.Sys.Remove(q.path(queue, id)) }

// find returns the queue that holds a message. A message that moves from one
// queue to another meanwhile is found all the same: it is looked for twice.
func (q *queue) find(id string, queues ...string) (string, bool) {
	for range 2 {
		for _, queue := range queues {
			if _, err := q.p.Sys.Lstat(q.path(queue, id)); err == nil {
				return queue, true
			}
		}
	}
	return "", false
}

// scan returns the ids in a queue, sorted within each hash directory.
func (q *queue) scan(queue string) []string {
	names, _ := libc.ReadDir(q.p, q.dir+"/"+queue)
	var ids []string
	for _, n := range names {
		if len(n) == 1 {
			below, _ := libc.ReadDir(q.p, q.dir+"/"+queue+"/"+n)
			for _, id := range below {
				if validID(id) {
					ids = append(ids, id)
				}
			}
		} else if validID(n) {
			ids = append(ids, n)
		}
	}
	return ids
}

// message is an open queue file.
type message struct {
	*envelope
	id, queue string
	file      *os.File
}

// open reads the envelope of a queue file. The caller closes the message.
func (q *queue) open(queue, id string, flag int) (*message, error) {
	f, err := q.p.Sys.OpenFile(q.path(queue, id), flag|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	e, err := decodeEnvelope(bufio.NewReader(f))
	if err != nil {
		f.Close()
		return nil, err
	}
	return &message{envelope: e, id: id, queue: queue, file: f}, nil
}

// close closes the queue file, and gives back its lock.
func (m *message) close() { m.file.Close() }

// lock takes the lock of a queue file without waiting. Who delivers a message
// or reports on it shares the lock; qmgr(8) wants it alone before it begins
// with a message, and so leaves those in peace that another process, which
// outlived an earlier qmgr, still works on.
func (m *message) lock(how int) error { return flockFile(m.file, how|syscall.LOCK_NB) }

// content returns a reader of the text of the message.
func (m *message) content() io.Reader {
	return &contentReader{r: bufio.NewReader(io.NewSectionReader(m.file, m.dataOffset, 1<<62))}
}

// text returns the whole content.
func (m *message) text() ([]byte, error) { return io.ReadAll(m.content()) }

// claimed returns the claim of a message, "" when it has none.
func (m *message) claimed() claim {
	r := bufio.NewReaderSize(io.NewSectionReader(m.file, m.dataOffset+m.size, 256), 256)
	for range 2 { // the end of the content comes first
		if kind, data, err := readRecord(r, 256); err == nil && kind == recClaim {
			return claim(data)
		}
	}
	return ""
}

// markDone notes in the queue file that a recipient needs no more attention.
// It is one byte in place: either written or not.
func (m *message) markDone(offset int64) error {
	_, err := m.file.WriteAt([]byte{recDone}, offset)
	return err
}

// ready reports whether a file has been committed.
func ready(info fs.FileInfo) bool { return info.Mode()&0o100 != 0 && info.Mode().IsRegular() }

// stamp gives a queue file the time when it is to be looked at next.
func (q *queue) stamp(queue, id string, at time.Time) error {
	return q.p.Sys.Chtimes(q.path(queue, id), at, at)
}
