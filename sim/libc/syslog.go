package libc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"enshu/sim/host"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// Syslog sends one message to /dev/log as syslog(3) does: priority, the local
// time, tag, and the process id when pid is not 0. It fails when nothing
// listens, which most daemons ignore.
func Syslog(p *host.Proc, priority syslog.Priority, tag string, pid int, text string) error {
	var l Log
	defer l.Close()
	return l.Send(p, priority, tag, pid, text)
}

// A Log keeps the connection to /dev/log open from one message to the next, as
// openlog(3) does, and the time zone that it had at its first message, as the C
// library does (tzset(3)): for daemons that have much to say. The zero value is
// ready; threads may share it. The connection goes with the process.
type Log struct {
	conn Datagrams
	zone atomic.Pointer[time.Location]
}

// Zone is the time zone of the messages.
func (l *Log) Zone(p *host.Proc) *time.Location {
	z := l.zone.Load()
	if z == nil {
		z = Zone(p)
		l.zone.Store(z)
	}
	return z
}

// Send is Syslog. When the log daemon was started anew it connects again.
func (l *Log) Send(p *host.Proc, priority syslog.Priority, tag string, pid int, text string) error {
	p.Emit(trace.MessageLogged, trace.Attrs{
		"facility": priority.Facility().String(), "severity": priority.Severity().String(),
		"tag": tag, "text": text, "over": "/dev/log",
	})
	if pid != 0 {
		tag = fmt.Sprintf("%s[%d]", tag, pid)
	}
	message := fmt.Appendf(nil, "<%d>%s %s: %s", priority, p.Now().In(l.Zone(p)).Format(time.Stamp), tag, text)
	return l.conn.Send(p, "/dev/log", message, 0)
}

// Close closes the connection.
func (l *Log) Close() { l.conn.Close() }

// Datagrams keeps the connection to a datagram socket of this host open from one
// message to the next. The zero value is ready; threads may share it. The
// connection goes with the process.
type Datagrams struct{ conn atomic.Pointer[net.Conn] }

// Send sends a message to the socket of that name, always the same. When its owner
// was started anew it connects again. A queue that is full it waits for, no longer
// than patience, if that is not 0.
func (d *Datagrams) Send(p *host.Proc, name string, message []byte, patience time.Duration) error {
	write := func(c net.Conn) error {
		if patience > 0 {
			c.SetWriteDeadline(p.Now().Add(patience))
		}
		_, err := c.Write(message)
		return err
	}
	if c := d.conn.Load(); c != nil {
		err := write(*c)
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		d.conn.CompareAndSwap(c, nil)
		(*c).Close()
	}
	c, err := p.Sys.Dial(context.Background(), "unixgram", name)
	if err != nil {
		return err
	}
	if !d.conn.CompareAndSwap(nil, &c) {
		defer c.Close() // another thread was faster
	}
	return write(c)
}

// Close closes the connection.
func (d *Datagrams) Close() {
	if c := d.conn.Swap(nil); c != nil {
		(*c).Close()
	}
}
