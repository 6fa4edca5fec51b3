package queue

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"enshu/sim/libc"
	"enshu/sim/postfix/dsn"
)

// A Claim stands in the queue file of a message that replaces something: the
// file in maildrop that it was made of, the recipient of the mail that it
// forwards, the log of failures that it reports. Nothing is to be lost and
// nothing to be there twice, at whichever point processes are killed:
//
//	cleanup   writes the new queue file, claim and all, to the disk
//	cleanup   makes it count (mode 0700): from here on the new message is the mail
//	cleanup   releases the claim: takes away what the message replaces
//
// A crash before the second step leaves the old thing as it was, and a file that
// never counts. A crash after it leaves both; then whoever finds the claim first
// releases it, which may be done any number of times: qmgr(8), before it takes up
// the message and before it takes up anything else after a start, and pickup(8)
// before it looks into maildrop after a start or a failure. So the old thing is
// never worked on again once the new message counts.
//
// What is left is the step between a delivery and its note in the queue file,
// where no disk can help: see alreadyThere for mailboxes. A command, or an SMTP
// server that has said 250 (RFC 1047), may get a mail a second time, as from the
// real system.
//
// A claim is "recipient/ID OFFSET", the record of a recipient in the queue file
// ID, or "QUEUE/ID INODE", a file.
type Claim string

const claimRecipient = "recipient"

// ClaimFile is the claim on a file as it is now.
func (q *Queue) ClaimFile(queue, id string) Claim {
	var inode uint64
	if info, err := q.p.Sys.Stat(q.Path(queue, id)); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			inode = st.Ino
		}
	}
	return Claim(fmt.Sprintf("%s/%s %d", queue, id, inode))
}

// ClaimOf is the claim on a recipient of a queue file.
func ClaimOf(id string, r Recipient) Claim {
	return Claim(fmt.Sprintf("%s/%s %d", claimRecipient, id, r.Offset))
}

// Release takes away what a claim is on. That it is gone already is no error.
func (q *Queue) Release(c Claim) error {
	name, n, _ := strings.Cut(string(c), " ")
	queue, id, _ := strings.Cut(name, "/")
	number, err := strconv.ParseInt(n, 10, 64)
	if err != nil || !ValidID(id) {
		return nil // no claim of ours: the file was tampered with
	}
	if queue == claimRecipient {
		return q.change(id, func(m *Message) error {
			for _, r := range m.Recipients {
				if r.Offset == number && !r.Done {
					return m.MarkDone(r.Offset)
				}
			}
			return nil
		})
	}
	path := q.Path(queue, id)
	info, err := q.p.Sys.Lstat(path)
	switch {
	case errors.Is(err, syscall.ENOENT):
		return nil
	case err != nil:
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Ino != uint64(number) {
		return nil // a later file of that name
	}
	if queue == dsn.DeferLog {
		// The sender was told that it is over with all who still waited.
		err := q.change(id, func(m *Message) error {
			for _, r := range m.Recipients {
				if !r.Done {
					if err := m.MarkDone(r.Offset); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := q.p.Sys.Remove(path); !errors.Is(err, syscall.ENOENT) {
		return err
	}
	return nil
}

// change opens a queue file, wherever it is, to write in it. That it is gone is
// no error.
func (q *Queue) change(id string, f func(m *Message) error) error {
	for range 3 { // it may move meanwhile
		queue, ok := q.Find(id, Active, Incoming, Deferred, Hold)
		if !ok {
			return nil
		}
		m, err := q.Open(queue, id, os.O_RDWR)
		if errors.Is(err, syscall.ENOENT) {
			continue
		}
		if err != nil {
			return err
		}
		defer m.Close()
		return f(m)
	}
	return nil
}

// ReleaseAll releases the claims of the messages that no qmgr has taken up yet.
func (q *Queue) ReleaseAll() error {
	for _, queue := range []string{Incoming, Hold} {
		for _, id := range q.Scan(queue) {
			info, err := q.p.Sys.Lstat(q.Path(queue, id))
			if err != nil || !Ready(info) {
				continue
			}
			m, err := q.Open(queue, id, os.O_RDONLY)
			if err != nil {
				continue
			}
			c := m.Claimed()
			m.Close()
			if c == "" {
				continue
			}
			if err := q.Release(c); err != nil {
				return fmt.Errorf("%s: replace %s: %s", id, c, libc.Strerror(err))
			}
		}
	}
	return nil
}
