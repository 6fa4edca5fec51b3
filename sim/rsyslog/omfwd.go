package rsyslog

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"

	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// forwardOutput is omfwd: a syslog server elsewhere, by UDP or TCP.
type forwardOutput struct {
	host, port string
	tcp        bool
	counted    bool // octet-counted framing
	delimiter  byte
	interval   int // messages after which to connect anew

	conn   net.Conn
	sent   int
	buf    []byte
	mu     sync.Mutex // guards closed
	closed net.Conn   // a connection that the other side has ended
}

// errNoTarget is a target that no retry will bring.
var errNoTarget = errors.New("no target")

func (o *forwardOutput) transactional() {}

func (o *forwardOutput) String() string {
	at := "@"
	if o.tcp {
		at = "@@"
	}
	if o.counted {
		at += "(o)"
	}
	return at + o.address()
}

func (o *forwardOutput) address() string { return net.JoinHostPort(o.host, o.port) }

func (o *forwardOutput) over() string {
	if o.tcp {
		return "tcp"
	}
	return "udp"
}

func (o *forwardOutput) begin(w *worker, a *action) error  { return o.connect(w, a) }
func (o *forwardOutput) resume(w *worker, a *action) error { return o.connect(w, a) }

// connect makes the connection, or looks whether the one there is still good.
func (o *forwardOutput) connect(w *worker, a *action) error {
	if o.conn != nil {
		if !o.ended(o.conn) {
			return nil
		}
		o.drop()
		w.d.report(syslog.Err, codeIO, fmt.Sprintf("omfwd: remote server at %s:%s seems to have closed connection. This often happens when the remote peer (or an interim system like a load balancer or firewall) shuts down or aborts a connection. Rsyslog will re-open the connection if configured to do so (we saw a generic IO Error, which usually goes along with that behaviour).", o.host, o.port))
		return errSuspended
	}
	if o.tcp {
		return o.connectTCP(w, a)
	}
	return o.connectUDP(w, a)
}

func (o *forwardOutput) connectTCP(w *worker, a *action) error {
	ip, err := o.resolve(w)
	if err != nil {
		w.d.report(syslog.Err, codeIO, fmt.Sprintf("cannot resolve hostname '%s'", o.host))
		o.connectFailed(w, a, err)
		return errSuspended
	}
	conn, err := w.d.p.Sys.Dial(w.ctx, "tcp"+family(ip), net.JoinHostPort(ip, o.number(w)))
	if err != nil {
		if w.ending() {
			return errSuspended
		}
		w.d.report(syslog.Err, codeIO, fmt.Sprintf("cannot connect to %s:%s: %s", o.host, o.port, libc.Strerror(err)))
		o.connectFailed(w, a, err)
		return errSuspended
	}
	o.conn, o.sent = conn, 0
	// A server sends nothing; what can be read is the end of the connection.
	w.d.p.Go(func() {
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

func (o *forwardOutput) connectUDP(w *worker, a *action) error {
	if o.host == "" {
		w.d.report(syslog.Err, codeNone, "Name or service not known")
		w.d.report(syslog.Err, codeNone, "UDP message reception disabled due to error logged in last message. ")
		return errSuspended
	}
	ip, err := o.resolve(w)
	if err != nil {
		w.d.report(syslog.Err, codeSuspended, fmt.Sprintf("omfwd: could not get addrinfo for hostname '%s':'%s': %v", o.host, o.port, err))
		o.connectFailed(w, a, err)
		return errSuspended
	}
	conn, err := w.d.p.Sys.Dial(w.ctx, "udp"+family(ip), net.JoinHostPort(ip, o.number(w)))
	if err != nil {
		w.d.report(syslog.Err, codeSuspended, fmt.Sprintf("omfwd: socket %s:%s: %s", o.host, o.port, libc.Strerror(err)))
		o.connectFailed(w, a, err)
		return errSuspended
	}
	o.conn = conn
	return nil
}

func (o *forwardOutput) resolve(w *worker) (string, error) {
	if o.host == "" {
		return "", libc.ErrNoName
	}
	return w.lookup(o.host)
}

func (o *forwardOutput) number(w *worker) string {
	if n, ok := w.d.service(o.port, o.over()); ok {
		return strconv.Itoa(n)
	}
	return "0"
}

func family(ip string) string {
	for i := 0; i < len(ip); i++ {
		if ip[i] == ':' {
			return "6"
		}
	}
	return "4"
}

func (o *forwardOutput) connectFailed(w *worker, a *action, err error) {
	w.d.p.Emit(trace.ConnectFailed, trace.Attrs{"to": o.address(), "over": o.over(), "error": libc.Strerror(err), "rule": a.pos.String()})
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

func (o *forwardOutput) write(w *worker, a *action, batch []entry) error {
	if err := o.connect(w, a); err != nil {
		if o.host == "" && !o.tcp {
			return errNoTarget
		}
		return err
	}
	if !o.tcp {
		return o.writeUDP(w, a, batch)
	}
	o.buf = o.buf[:0]
	for i := range batch {
		o.buf = o.frame(o.buf, batch[i].text)
	}
	// A connection that takes nothing holds up its queue, as the real one does;
	// the end of the daemon's patience ends the wait.
	if _, err := o.conn.Write(o.buf); err != nil {
		o.drop()
		w.d.report(syslog.Err, codeIO, fmt.Sprintf("omfwd: TCPSendBuf error %d, destruct TCP Connection to %s:%s", -codeIO, o.host, o.port))
		return errSuspended
	}
	for i := range batch {
		o.tell(w, a, &batch[i])
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

func (o *forwardOutput) writeUDP(w *worker, a *action, batch []entry) error {
	for i := range batch {
		// The error of an earlier datagram (nobody listens there) comes with this
		// one, which then was not sent.
		for try := 0; try < 2; try++ {
			if _, err := o.conn.Write([]byte(batch[i].text)); err == nil {
				break
			}
		}
		o.tell(w, a, &batch[i])
	}
	return nil
}

func (o *forwardOutput) tell(w *worker, a *action, e *entry) {
	if e.m.traced {
		w.d.p.Emit(trace.MessageSent, trace.Attrs{"to": o.conn.RemoteAddr().String(), "over": o.over(), "text": e.m.Text,
			"tag": e.m.Tag, "rule": a.pos.String(), "from": o.conn.LocalAddr().String()})
	}
}

func (o *forwardOutput) hup(*worker)   {}
func (o *forwardOutput) close(*worker) { o.drop() }

// shellOutput is omshell: a program that gets each message as its argument.
type shellOutput struct{ name string }

func (o *shellOutput) begin(*worker, *action) error  { return nil }
func (o *shellOutput) resume(*worker, *action) error { return nil }
func (o *shellOutput) hup(*worker)                   {}
func (o *shellOutput) close(*worker)                 {}

func (o *shellOutput) write(w *worker, a *action, batch []entry) error {
	for i := range batch {
		if err := w.d.start(o.name, batch[i].text); err != nil {
			w.d.report(syslog.Err, codeNone, fmt.Sprintf("error executing program '%s': %s", o.name, libc.Strerror(err)))
			return err
		}
		w.written(a, &batch[i], "^"+o.name)
	}
	return nil
}

// programOutput is omprog: a program that runs on and gets messages on its
// standard input.
type programOutput struct {
	command []string
	confirm bool
	file    string
	child   *child
	readEnd *os.File
}

func (o *programOutput) begin(w *worker, a *action) error { return nil }

func (o *programOutput) resume(w *worker, a *action) error { return o.start(w) }

func (o *programOutput) start(w *worker) error {
	if o.child != nil && o.child.running() {
		return nil
	}
	c, err := w.d.spawn(o.command, o.file)
	if err != nil {
		w.d.report(syslog.Err, codeNone, fmt.Sprintf("failed to execute program '%s': %s", o.command[0], libc.Strerror(err)))
		return errSuspended
	}
	o.child = c
	return nil
}

func (o *programOutput) write(w *worker, a *action, batch []entry) error {
	if len(o.command) == 0 {
		return errSuspended
	}
	for i := range batch {
		if err := o.start(w); err != nil {
			return err
		}
		if err := o.child.write(w.ctx, batch[i].text); err != nil {
			w.d.report(syslog.Warning, codeNone, fmt.Sprintf("program '%s' (pid %d) terminated; will be restarted", o.command[0], o.child.pid))
			o.close(w)
			return errSuspended
		}
		w.written(a, &batch[i], "omprog:"+o.command[0])
	}
	return nil
}

func (o *programOutput) hup(*worker) {}

func (o *programOutput) close(*worker) {
	if o.child != nil {
		o.child.stop()
		o.child = nil
	}
}
