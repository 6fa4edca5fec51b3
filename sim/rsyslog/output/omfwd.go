package output

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// forwardOutput is omfwd: a syslog server elsewhere, by UDP or TCP.
type forwardOutput struct {
	*config.Forward

	conn   net.Conn
	sent   int
	buf    []byte
	mu     sync.Mutex // guards closed
	closed net.Conn   // a connection that the other side has ended
}

// errNoTarget is a target that no retry will bring.
var errNoTarget = errors.New("no target")

func (o *forwardOutput) transactional() {}

func (o *forwardOutput) Begin(t *Thread, a *config.Action) error  { return o.connect(t, a) }
func (o *forwardOutput) Resume(t *Thread, a *config.Action) error { return o.connect(t, a) }

// connect makes the connection, or looks whether the one there is still good.
func (o *forwardOutput) connect(t *Thread, a *config.Action) error {
	if o.conn != nil {
		if !o.ended(o.conn) {
			return nil
		}
		o.drop()
		t.Report(syslog.Err, config.CodeIO, fmt.Sprintf("omfwd: remote server at %s:%s seems to have closed connection. This often happens when the remote peer (or an interim system like a load balancer or firewall) shuts down or aborts a connection. Rsyslog will re-open the connection if configured to do so (we saw a generic IO Error, which usually goes along with that behaviour).", o.Host, o.Port))
		return ErrSuspended
	}
	if o.TCP {
		return o.connectTCP(t, a)
	}
	return o.connectUDP(t, a)
}

func (o *forwardOutput) connectTCP(t *Thread, a *config.Action) error {
	ip, err := o.resolve(t)
	if err != nil {
		t.Report(syslog.Err, config.CodeIO, fmt.Sprintf("cannot resolve hostname '%s'", o.Host))
		o.connectFailed(t, a, err)
		return ErrSuspended
	}
	conn, err := t.P.Sys.Dial(t.Ctx, libc.Network("tcp", ip), net.JoinHostPort(ip, o.number(t)))
	if err != nil {
		if t.Ending() {
			return ErrSuspended
		}
		t.Report(syslog.Err, config.CodeIO, fmt.Sprintf("cannot connect to %s:%s: %s", o.Host, o.Port, libc.Strerror(err)))
		o.connectFailed(t, a, err)
		return ErrSuspended
	}
	o.conn, o.sent = conn, 0
	// A server sends nothing; what can be read is the end of the connection.
	t.P.Go(func() {
		var b [512]byte
		for {
			if _, err := conn.Read(b[:]); err != nil {
				o.mu.Lock()
				o.closed = conn
				o.mu.Unlock()
				return
			}
		}
	})
	return nil
}

func (o *forwardOutput) connectUDP(t *Thread, a *config.Action) error {
	if o.Host == "" {
		t.Report(syslog.Err, config.CodeNone, "Name or service not known")
		t.Report(syslog.Err, config.CodeNone, "UDP message reception disabled due to error logged in last message. ")
		return ErrSuspended
	}
	ip, err := o.resolve(t)
	if err != nil {
		t.Report(syslog.Err, config.CodeSuspended, fmt.Sprintf("omfwd: could not get addrinfo for hostname '%s':'%s': %v", o.Host, o.Port, err))
		o.connectFailed(t, a, err)
		return ErrSuspended
	}
	conn, err := t.P.Sys.Dial(t.Ctx, libc.Network("udp", ip), net.JoinHostPort(ip, o.number(t)))
	if err != nil {
		t.Report(syslog.Err, config.CodeSuspended, fmt.Sprintf("omfwd: socket %s:%s: %s", o.Host, o.Port, libc.Strerror(err)))
		o.connectFailed(t, a, err)
		return ErrSuspended
	}
	o.conn = conn
	return nil
}

func (o *forwardOutput) resolve(t *Thread) (string, error) {
	if o.Host == "" {
		return "", libc.ErrNoName
	}
	return t.lookup(o.Host)
}

func (o *forwardOutput) number(t *Thread) string {
	if n, ok := libc.Port(t.P, o.Port, o.Over()); ok {
		return strconv.Itoa(n)
	}
	return "0"
}

func (o *forwardOutput) connectFailed(t *Thread, a *config.Action, err error) {
	t.P.Emit(trace.ConnectFailed, trace.Attrs{"to": o.Address(), "over": o.Over(), "error": libc.Strerror(err), "rule": a.Pos.String()})
}

func (o *forwardOutput) ended(c net.Conn) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed == c
}

func (o *forwardOutput) drop() {
	if o.conn != nil {
		o.conn.Close()
		o.conn = nil
	}
}

func (o *forwardOutput) Write(t *Thread, a *config.Action, batch []Entry) error {
	if err := o.connect(t, a); err != nil {
		if o.Host == "" && !o.TCP {
			return errNoTarget
		}
		return err
	}
	if !o.TCP {
		return o.writeUDP(t, a, batch)
	}
	o.buf = o.buf[:0]
	for i := range batch {
		o.buf = o.frame(o.buf, batch[i].Text)
	}
	// A connection that takes nothing holds up its queue, as the real one does;
	// the end of the daemon's patience ends the wait.
	if _, err := o.conn.Write(o.buf); err != nil {
		o.drop()
		t.Report(syslog.Err, config.CodeIO, fmt.Sprintf("omfwd: TCPSendBuf error %d, destruct TCP Connection to %s:%s", -config.CodeIO, o.Host, o.Port))
		return ErrSuspended
	}
	for i := range batch {
		o.tell(t, a, &batch[i])
	}
	if o.sent += len(batch); o.Interval > 0 && o.sent >= o.Interval {
		o.drop()
	}
	return nil
}

// frame appends a message as RFC 6587 has it.
func (o *forwardOutput) frame(b, s []byte) []byte {
	if o.Counted {
		b = strconv.AppendInt(b, int64(len(s)), 10)
		return append(append(b, ' '), s...)
	}
	b = append(b, s...)
	if len(s) == 0 || s[len(s)-1] != o.Delimiter {
		b = append(b, o.Delimiter)
	}
	return b
}

func (o *forwardOutput) writeUDP(t *Thread, a *config.Action, batch []Entry) error {
	for i := range batch {
		// The error of an earlier datagram (nobody listens there) comes with this
		// one, which then was not sent.
		for try := 0; try < 2; try++ {
			if _, err := o.conn.Write(batch[i].Text); err == nil {
				break
			}
		}
		o.tell(t, a, &batch[i])
	}
	return nil
}

func (o *forwardOutput) tell(t *Thread, a *config.Action, e *Entry) {
	if e.Message.Traced {
		t.P.Emit(trace.MessageSent, trace.Attrs{"to": o.conn.RemoteAddr().String(), "over": o.Over(), "text": e.Message.Text,
			"tag": e.Message.Tag, "rule": a.Pos.String(), "from": o.conn.LocalAddr().String()})
	}
}

func (o *forwardOutput) HUP(*Thread)   {}
func (o *forwardOutput) Close(*Thread) { o.drop() }
