package postfix

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"enshu/sim/libc"
)

// A claim stands in the queue file of a message that replaces something: the
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
type claim string

const claimRecipient = "recipient"

// claimFile is the claim on a file as it is now.
func (q *queue) claimFile(queue, id string) claim {
	return claim(fmt.Sprintf("%s/%s %d", queue, id, stampOf(q.p, q.path(queue, id)).inode))
}

// claimOf is the claim on a recipient of a queue file.
func claimOf(id string, r recipient) claim {
	return claim(fmt.Sprintf("%s/%s %d", claimRecipient, id, r.Offset))
}

// release takes away what a claim is on. That it is gone already is no error.
func (q *queue) release(c claim) error {
	name, n, _ := strings.Cut(string(c), " ")
	queue, id, _ := strings.Cut(name, "/")
	number, err := strconv.ParseInt(n, 10, 64)
	if err != nil || !validID(id) {
		return nil // no claim of ours: the file was tampered with
	}
	if queue == claimRecipient {
		return q.change(id, func(m *message) error {
			for _, r := range m.recipients {
				if r.Offset == number && !r.Done {
					return m.markDone(r.Offset)
				}
			}
			return nil
		})
	}
	path := q.path(queue, id)
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
	if queue == qDefer {
		// The sender was told that it is over with all who still waited.
		err := q.change(id, func(m *message) error {
			for _, r := range m.recipients {
				if !r.Done {
					if err := m.markDone(r.Offset); err != nil {
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
func (q *queue) change(id string, f func(m *message) error) error {
	for range 3 { // it may move meanwhile
		queue, ok := q.find(id, qActive, qIncoming, qDeferred, qHold)
		if !ok {
			return nil
		}
		m, err := q.open(queue, id, os.O_RDWR)
		if errors.Is(err, syscall.ENOENT) {
			continue
		}
		if err != nil {
			return err
		}
		defer m.close()
		return f(m)
	}
	return nil
}

// releaseAll releases the claims of the messages that no qmgr has taken up yet.
func (q *queue) releaseAll() error {
	for _, queue := range []string{qIncoming, qHold} {
		for _, id := range q.scan(queue) {
			info, err := q.p.Sys.Lstat(q.path(queue, id))
			if err != nil || !ready(info) {
				continue
			}
			m, err := q.open(queue, id, os.O_RDONLY)
			if err != nil {
				continue
			}
			c := m.claimed()
			m.close()
			if c == "" {
				continue
			}
			if err := q.release(c); err != nil {
				return fmt.Errorf("%s: replace %s: %s", id, c, libc.Strerror(err))
			}
		}
	}
	return nil
}
