package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
)

// Dropped is a message on its way to maildrop.
type Dropped struct {
	Sender, FullName string
	Recipients       []queue.Recipient
	Flags            int
	Attrs            []string // name=value
	Text             []byte
}

// encode writes the message as a maildrop file.
func (m *Dropped) encode(now time.Time, lineLimit int) []byte {
	var b []byte
	if m.Flags != 0 {
		b = queue.AppendRecord(b, queue.RecSize, fmt.Sprintf("%15d %15d %15d %15d %15d %15d", 0, 0, 0, m.Flags, 0, 0))
	}
	b = queue.AppendRecord(b, queue.RecTime, queue.TimeRecord(now))
	b = queue.AppendRecord(b, queue.RecAttr, "rewrite_context=local")
	for _, a := range m.Attrs {
		b = queue.AppendRecord(b, queue.RecAttr, a)
	}
	b = queue.AppendRecord(b, queue.RecFull, m.FullName)
	b = queue.AppendRecord(b, queue.RecSender, m.Sender)
	for _, r := range m.Recipients {
		if r.DSNOriginal != "" {
			b = queue.AppendRecord(b, queue.RecAttr, "dsn_orig_rcpt="+r.DSNOriginal)
		}
		if r.Notify != 0 {
			b = queue.AppendRecord(b, queue.RecAttr, fmt.Sprintf("notify_flags=%d", r.Notify))
		}
		b = queue.AppendRecord(b, queue.RecRcpt, r.Address)
	}
	b = queue.AppendRecord(b, queue.RecMessage, "")
	whole, tail := m.Text, []byte(nil)
	if end := bytes.LastIndexByte(whole, '\n'); end+1 < len(whole) {
		whole, tail = whole[:end+1], whole[end+1:]
	}
	b = queue.AppendContent(b, whole, lineLimit)
	if len(tail) > 0 { // that the last line does not end is for cleanup(8) to see
		b = queue.AppendRecord(b, queue.RecCont, string(tail))
	}
	b = queue.AppendRecord(b, queue.RecExtract, "")
	return queue.AppendRecord(b, queue.RecEnd, "")
}

var errTooBig = errors.New("message file too big")

// Postdrop hands a message to postdrop(1), which may write to maildrop.
func Postdrop(ctx context.Context, p *host.Proc, c *conf.Config, l *maillog.Logger, m *Dropped) error {
	var out bytes.Buffer
	child, err := p.Start(host.Cmd{Path: c.Get("command_directory") + "/postdrop", Args: []string{"postdrop", "-r"},
		Stdin: bytes.NewReader(m.encode(p.Now(), c.Int("line_length_limit"))), Stdout: &out, Stderr: p.Stderr})
	if err != nil {
		return fmt.Errorf("unable to execute %s/postdrop: %s", c.Get("command_directory"), libc.Strerror(err))
	}
	st, err := child.Wait(ctx)
	switch {
	case err != nil:
		return queue.ErrWrite
	case st.Success():
		return nil
	case strings.TrimSpace(out.String()) == "size":
		return errTooBig
	}
	return errors.New("queue file write error")
}
