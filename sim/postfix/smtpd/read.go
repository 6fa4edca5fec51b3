package smtpd

import (
	"bytes"
	"io"
)

// begin starts the time that a record may take, with smtpd_per_record_deadline
// (postconf(5)). Without, smtpd_timeout is for each read: a client may be slow as
// long as it says something.
func (c *session) begin() {
	if c.conn != nil && c.Conf.Bool("smtpd_per_record_deadline") {
		c.conn.SetReadDeadline(c.Proc.Now().Add(c.Conf.Time("smtpd_timeout")))
	}
}

// await waits until n bytes of what the client says are buffered, n at most the
// buffer's size.
func (c *session) await(n int) error {
	if c.r.Buffered() >= n {
		return nil
	}
	if c.conn != nil && !c.Conf.Bool("smtpd_per_record_deadline") {
		c.conn.SetReadDeadline(c.Proc.Now().Add(c.Conf.Time("smtpd_timeout")))
	}
	_, err := c.r.Peek(n)
	return err
}

// readLine reads a line without its end. crlf tells how it ended.
func (c *session) readLine() (line string, crlf bool, err error) {
	var b []byte
	limit := c.Conf.Int("line_length_limit")
	keep := func(part []byte) {
		if len(b) <= limit {
			b = append(b, part...)
		}
		c.r.Discard(len(part))
	}
	c.begin()
	for seen := 0; ; {
		err := c.await(seen + 1)
		part, _ := c.r.Peek(c.r.Buffered())
		if err != nil {
			keep(part)
			return string(b), false, err
		}
		if end := bytes.IndexByte(part[seen:], '\n'); end >= 0 {
			keep(part[:seen+end+1])
			break
		}
		if seen = len(part); seen == c.r.Size() {
			keep(part)
			seen = 0
		}
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	if trimmed := bytes.TrimSuffix(b, []byte("\r")); len(trimmed) < len(b) {
		return string(trimmed), true, nil
	}
	return string(b), false, nil
}

// copyBytes writes the next n bytes of what the client says to w.
func (c *session) copyBytes(w io.Writer, n int64) error {
	c.begin()
	for n > 0 {
		if err := c.await(1); err != nil {
			return err
		}
		part := min(n, int64(c.r.Buffered()))
		if _, err := io.CopyN(w, c.r, part); err != nil {
			return err
		}
		n -= part
	}
	return nil
}
