package chronyc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/libc"
	"enshu/sim/wire/candm"
)

// link is chronyc's way to the daemon: a list of addresses, of which the
// first that answers is kept.
type link struct {
	c       *client
	addrs   []string // paths of sockets and addresses with ports
	at      int      // the address in use
	timeout time.Duration
	retries int

	conn   net.Conn       // UDP
	sock   net.PacketConn // Unix
	bound  string         // the path that sock is bound to
	server *net.UnixAddr
}

func newLink(c *client, hosts string, port int) *link {
	l := &link{c: c, timeout: time.Second, retries: 2}
	for _, h := range strings.Split(hosts, ",") {
		if strings.HasPrefix(h, "/") {
			l.addrs = append(l.addrs, h)
			continue
		}
		ips, err := libc.LookupHost(c.ctx, c.p, h)
		if err != nil {
			continue
		}
		for _, ip := range ips {
			if c.ipv4 && !ip.Is4() || c.ipv6 && ip.Is4() {
				continue
			}
			l.addrs = append(l.addrs, net.JoinHostPort(ip.String(), strconv.Itoa(port)))
		}
	}
	return l
}

// open opens the first address, from the present one on, that can be opened.
func (l *link) open() bool {
	for ; l.at < len(l.addrs); l.at++ {
		if l.openOne(l.addrs[l.at]) {
			return true
		}
	}
	return false
}

func (l *link) openOne(addr string) bool {
	sys := l.c.p.Sys
	if !strings.HasPrefix(addr, "/") {
		ap, err := netip.ParseAddrPort(addr)
		if err != nil {
			return false
		}
		conn, err := sys.Dial(l.c.ctx, [2]string{"udp4", "udp6"}[conf.Family(ap.Addr())], addr)
		if err != nil {
			return false
		}
		l.conn = conn
		return true
	}
	if _, err := sys.Stat(addr); err != nil {
		return false
	}
	l.bound = fmt.Sprintf("%s/chronyc.%d.sock", path.Dir(addr), l.c.p.PID)
	sys.Remove(l.bound)
	sock, err := sys.ListenPacket("unixgram", l.bound)
	if err != nil {
		l.bound = ""
		return false
	}
	sys.Chmod(l.bound, 0o666)
	l.sock, l.server = sock, &net.UnixAddr{Name: addr, Net: "unixgram"}
	return true
}

func (l *link) close() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
	if l.sock != nil {
		l.sock.Close()
		l.sock = nil
	}
	if l.bound != "" {
		l.c.p.Sys.Remove(l.bound)
		l.bound = ""
	}
}

func (l *link) write(b []byte) error {
	if l.conn != nil {
		_, err := l.conn.Write(b)
		return err
	}
	_, err := l.sock.WriteTo(b, l.server)
	return err
}

func (l *link) read(b []byte, until time.Time) (int, error) {
	if l.conn != nil {
		l.conn.SetReadDeadline(until)
		return l.conn.Read(b)
	}
	l.sock.SetReadDeadline(until)
	n, _, err := l.sock.ReadFrom(b)
	return n, err
}

// exchange sends a request until it is answered; it reports false when no
// address answers.
func (l *link) exchange(cmd candm.Command, body candm.Body) (candm.Reply, bool) {
	for l.conn != nil || l.sock != nil {
		if r, ok := l.tries(cmd, body); ok {
			return r, true
		}
		if l.at+1 >= len(l.addrs) {
			break
		}
		l.close()
		l.at++
		if !l.open() {
			break
		}
	}
	// The next command begins with the first address again.
	l.close()
	l.at = 0
	l.open()
	return candm.Reply{}, false
}

// tries sends a request to the address in use, with growing time-outs.
func (l *link) tries(cmd candm.Command, body candm.Body) (candm.Reply, bool) {
	version := uint8(candm.Version)
	buf := make([]byte, 2048)
	for try := 0; try <= l.retries; try++ {
		req := candm.Request{Version: version, Command: cmd, Attempt: uint16(try), Sequence: l.c.p.Rand().Uint32(), Body: body}
		if err := l.write(req.Append(nil)); err != nil {
			if l.sock != nil {
				return candm.Reply{}, false // the socket file is a dead daemon's
			}
			continue
		}
		until := l.c.p.Now().Add(l.timeout << min(try, 16))
		for {
			n, err := l.read(buf, until)
			if err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) && l.c.ctx.Err() != nil {
					return candm.Reply{}, false
				}
				break
			}
			r, err := candm.DecodeReply(buf[:n])
			if errors.Is(err, candm.ErrIgnore) || r.Command != cmd || r.Sequence != req.Sequence {
				continue
			}
			if r.Version != version {
				if r.Status == candm.BadVersion && r.Version == version-1 && version == candm.Version {
					version--
					try--
					break
				}
				if r.Status != candm.BadVersion || r.Version < 4 {
					continue
				}
			}
			if err != nil {
				break // too short: the next try comes at once
			}
			return r, true
		}
	}
	return candm.Reply{}, false
}

// ask runs a command that returns data of a type. Failures are printed.
func ask[T candm.Body](c *client, cmd candm.Command, body candm.Body, want candm.ReplyType) (T, bool) {
	var none T
	r, ok := c.link.exchange(cmd, body)
	if !ok {
		fmt.Fprintln(c.out, "506 Cannot talk to daemon")
		return none, false
	}
	if r.Status != candm.Success {
		fmt.Fprintln(c.out, r.Status.Text())
		return none, false
	}
	data, isT := r.Body.(T)
	if r.Type != want || !isT {
		fmt.Fprintln(c.out, "508 Bad reply from daemon")
		return none, false
	}
	return data, true
}

// do runs a command that only returns a status, which is printed.
func (c *client) do(cmd candm.Command, body candm.Body) bool {
	r, ok := c.link.exchange(cmd, body)
	if !ok {
		fmt.Fprintln(c.out, "506 Cannot talk to daemon")
		return false
	}
	fmt.Fprintln(c.out, r.Status.Text())
	return r.Status.OK()
}
