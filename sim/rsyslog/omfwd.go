package rsyslog

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// forwardOutput is omfwd: a syslog server elsewhere, by UDP or TCP.
type forwardOutput struct {
	*forwardConfig

	conn   net.Conn
	sent   int
	buf    []byte
	mu     sync.Mutex // guards closed
	closed net.Conn   // a connection that the other side has ended
}

// errNoTarget is a target that no retry will bring.
var errNoTarget = errors.New("no target")

func (o *forwardOutput) transactional() {}

func (o *forwardOutput) begin(t *thread, a *actionConfig) error  { return o.connect(t, a) }
func (o *forwardOutput) resume(t *thread, a *actionConfig) error { return o.connect(t, a) }

// connect makes the connection, or looks whether the one there is still good.
func (o *forwardOutput) connect(t *thread, a *actionConfig) error {
	if o.conn != nil {
		if !o.ended(o.conn) {
			return nil
		}
		o.drop()
		t.report(syslog.Err, codeIO, fmt.Sprintf("omfwd: remote server at %s:%s seems to have closed connection. This often happens when the remote peer (or an interim system like a load balancer or firewall) shuts down or aborts a connection. Rsyslog will re-open the connection if configured to do so (we saw a generic IO Error, which usually goes along with that behaviour).", o.host, o.port))
		return errSuspended
	}
	if o.tcp {
		return o.connectTCP(t, a)
	}
	return o.connectUDP(t, a)
}

func (o *forwardOutput) connectTCP(t *thread, a *actionConfig) error {
	ip, err := o.resolve(t)
	if err != nil {
		t.report(syslog.Err, codeIO, fmt.Sprintf("cannot resolve hostname '%s'", o.host))
		o.connectFailed(t, a, err)
		return errSuspended
	}
	conn, err := t.p.Sys.Dial(t.ctx, libc.Network("tcp", ip), net.JoinHostPort(ip, o.number(t)))
	if err != nil {
		if t.ending() {
			return errSuspended
		}
		t.report(syslog.Err, codeIO, fmt.Sprintf("cannot connect to %s:%s: %s", o.host, o.port, libc.Strerror(err)))
		o.connectFailed(t, a, err)
		return errSuspended
	}
	o.conn, o.sent = conn, 0
	// A server sends nothing; what can be read is the end of the connection.
	t.p.Go(func() {
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

func (o *forwardOutput) connectUDP(t *thread, a *actionConfig) error {
	if o.host == "" {
		t.report(syslog.Err, codeNone, "Name or service not known")
		t.report(syslog.Err, codeNone, "UDP message reception disabled due to error logged in last message. ")
		return errSuspended
	}
	ip, err := o.resolve(t)
	if err != nil {
		t.report(syslog.Err, codeSuspended, fmt.Sprintf("omfwd: could not get addrinfo for hostname '%s':'%s': %v", o.host, o.port, err))
		o.connectFailed(t, a, err)
		return errSuspended
	}
	conn, err := t.p.Sys.Dial(t.ctx, libc.Network("udp", ip), net.JoinHostPort(ip, o.number(t)))
	if err != nil {
		t.report(syslog.Err, codeSuspended, fmt.Sprintf("omfwd: socket %s:%s: %s", o.host, o.port, libc.Strerror(err)))
		o.connectFailed(t, a, err)
		return errSuspended
	}
	o.conn = conn
	return nil
}

func (o *forwardOutput) resolve(t *thread) (string, error) {
	if o.host == "" {
		return "", libc.ErrNoName
	}
	return t.lookup(o.host)
}

func (o *forwardOutput) number(t *thread) string {
	if n, ok := libc.Port(t.p, o.port, o.over()); ok {
		return strconv.Itoa(n)
	}
	return "0"
}

func (o *forwardOutput) connectFailed(t *thread, a *actionConfig, err error) {
	t.p.Emit(trace.ConnectFailed, trace.Attrs{"to": o.address(), "over": o.over(), "error": libc.Strerror(err), "rule": a.pos.String()})
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

func (o *forwardOutput) write(t *thread, a *actionConfig, batch []entry) error {
	if err := o.connect(t, a); err != nil {
		if o.host == "" && !o.tcp {
			return errNoTarget
		}
		return err
	}
	if !o.tcp {
		return o.writeUDP(t, a, batch)
	}
	o.buf = o.buf[:0]
	for i := range batch {
		o.buf = o.frame(o.buf, batch[i].text)
	}
	// A connection that takes nothing holds up its queue, as the real one does;
	// the end of the daemon's patience ends the wait.
	if _, err := o.conn.Write(o.buf); err != nil {
		o.drop()
		t.report(syslog.Err, codeIO, fmt.Sprintf("omfwd: TCPSendBuf error %d, destruct TCP Connection to %s:%s", -codeIO, o.host, o.port))
		return errSuspended
	}
	for i := range batch {
		o.tell(t, a, &batch[i])
	}
	if o.sent += len(batch); o.interval > 0 && o.sent >= o.interval {
		o.drop()
	}
	return nil
}

// frame appends a message as RFC 6587 has it.
func (o *forwardOutput) frame(b []byte, s string) []byte {
	if o.counted {
		b = strconv.AppendInt(b, int64(len(s)), 10)
		return append(append(b, ' '), s...)
	}
	b = append(b, s...)
	if len(s) == 0 || s[len(s)-1] != o.delimiter {
		b = append(b, o.delimiter)
	}
	return b
}

func (o *forwardOutput) writeUDP(t *thread, a *actionConfig, batch []entry) error {
	for i := range batch {
		// The error of an earlier datagram (nobody listens there) comes with this
		// one, which then was not sent.
		for try := 0; try < 2; try++ {
			if _, err := o.conn.Write([]byte(batch[i].text)); err == nil {
				break
			}
		}
		o.tell(t, a, &batch[i])
	}
	return nil
}

func (o *forwardOutput) tell(t *thread, a *actionConfig, e *entry) {
	if e.m.traced {
		t.p.Emit(trace.MessageSent, trace.Attrs{"to": o.conn.RemoteAddr().String(), "over": o.over(), "text": e.m.Text,
			"tag": e.m.Tag, "rule": a.pos.String(), "from": o.conn.LocalAddr().String()})
	}
}

func (o *forwardOutput) hup(*thread)   {}
func (o *forwardOutput) close(*thread) { o.drop() }
