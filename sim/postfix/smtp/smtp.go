// Package smtp is the SMTP client, smtp(8): delivery to other hosts.
package smtp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
	"enshu/sim/trace"
)

// SMTP is /usr/libexec/postfix/smtp (smtp(8)): delivery to other hosts.
func SMTP(ctx context.Context, p *host.Proc) int {
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "smtp", a, "smtp_connect_timeout", "smtp_helo_timeout", "smtp_mail_timeout", "smtp_rcpt_timeout",
		"smtp_data_init_timeout", "smtp_data_xfer_timeout", "smtp_data_done_timeout", "smtp_quit_timeout", "smtp_rset_timeout")
	if err != nil {
		return 1
	}
	var roots []byte
	if p.Stdin != nil {
		roots, _ = io.ReadAll(p.Stdin)
	}
	roots, tables := service.SplitCredentials(roots)
	passwords := passwordTables(p, d.Conf, d.Log, tables)
	idle := &kept{p: p, idle: map[string][]*session{}}
	return d.ServeDeliveries(ctx, a.Socket, func(ctx context.Context, x *service.Delivery) {
		c := &client{Delivery: x, roots: roots, passwords: passwords, kept: idle, left: x.Req.Recipients}
		c.deliver(ctx)
	})
}

// client is one request of smtp(8).
type client struct {
	*service.Delivery
	roots     []byte
	passwords table.Maps
	kept      *kept
	keeps     bool              // the connection is kept
	left      []queue.Recipient // not dealt with yet
	last      service.Fate      // why the last host did not do
	unreached bool              // and that was not about this message
	relay     string            // shown for the recipients that are left at the end
}

func (c *client) deliver(ctx context.Context) {
	c.relay = "none"
	name, port, noMX := parseNexthop(c.Req.Nexthop, c.Conf.Get("smtp_tcp_port"))
	if c.Req.Reuse && c.deliverOverKept(ctx) {
		return
	}
	sites := []site{{name, port, noMX}}
	for _, relay := range c.Conf.List("smtp_fallback_relay") {
		name, port, noMX := parseNexthop(relay, c.Conf.Get("smtp_tcp_port"))
		sites = append(sites, site{name, port, noMX})
	}
	sessions := 0
	for _, s := range sites {
		hosts, f := c.lookup(ctx, s.name, s.noMX)
		if f.Status != "" {
			// A relayhost that is not found is this host's mistake, not the sender's:
			// the mail waits until it is mended.
			if f.Status[0] == '5' && c.Req.Nexthop == c.Conf.Get("relayhost") {
				c.Log.Warning("relayhost configuration problem")
				f.Status = "4.3.5"
			}
			c.last, c.relay, c.unreached = f, "none", true
			continue
		}
		c.try(ctx, s, hosts, &sessions)
		if len(c.left) == 0 || ctx.Err() != nil {
			return
		}
	}
	c.giveUp(c.last)
}

// site is one next hop: a domain with its MX hosts, or a host.
type site struct {
	name string
	port int
	noMX bool
}

// try delivers to one host of a site after the other, until nobody is left.
func (c *client) try(ctx context.Context, at site, hosts []mxHost, sessions *int) {
	for i, h := range hosts {
		if i >= c.Conf.Int("smtp_mx_address_limit") || *sessions >= c.Conf.Int("smtp_mx_session_limit") || len(c.left) == 0 || ctx.Err() != nil {
			return
		}
		conn, err := c.connect(ctx, h, at.port)
		if err != nil {
			text := fmt.Sprintf("connect to %s[%s]:%d: %s", h.name, h.addr, at.port, connectError(err))
			c.Log.Info("%s", text)
			c.Log.Emit(trace.ConnectFailed, trace.Attrs{"to": netip.AddrPortFrom(h.addr, uint16(at.port)).String(), "over": "tcp", "error": connectError(err)})
			c.last, c.relay, c.unreached = service.Fate{Status: "4.4.1", Text: text}, "none", true
			continue
		}
		*sessions++
		c.Settled = c.Proc.Now()
		s := &session{client: c, conn: conn, r: bufio.NewReaderSize(conn, 4096), host: h, port: at.port, domain: at.name}
		s.run(ctx, s.greet)
	}
}

// deliverOverKept delivers over a connection that was kept. When the server has
// closed it meanwhile, nothing is said of that, and false says that it needs a new
// one.
func (c *client) deliverOverKept(ctx context.Context) bool {
	s := c.kept.take(c.Req.Nexthop)
	if s == nil {
		return false
	}
	s.client, c.Settled = c, c.Proc.Now()
	before := len(c.left)
	s.run(ctx, func() error { return nil })
	gone := len(c.left) == before && c.last.Status == "4.4.2"
	if !gone && len(c.left) > 0 && ctx.Err() == nil {
		c.giveUp(c.last)
	}
	c.Uses = 0
	return !gone
}

func connectError(err error) string {
	if errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errConnectTimeout) {
		return "Connection timed out"
	}
	return libc.Strerror(err)
}

var errConnectTimeout = errors.New("connect timeout")

// connect dials with smtp_connect_timeout.
func (c *client) connect(ctx context.Context, h mxHost, port int) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if limit := c.Conf.Time("smtp_connect_timeout"); limit > 0 {
		t := c.Proc.Clock.AfterFunc(limit, func() { cancel(errConnectTimeout) })
		defer t.Stop()
	}
	network := "tcp4"
	if h.addr.Is6() {
		network = "tcp6"
	}
	conn, err := c.Proc.Sys.Dial(ctx, network, netip.AddrPortFrom(h.addr, uint16(port)).String())
	if err != nil && ctx.Err() != nil && context.Cause(ctx) == errConnectTimeout {
		return nil, errConnectTimeout
	}
	return conn, err
}

// giveUp gives all recipients that are left the same fate.
func (c *client) giveUp(f service.Fate) {
	if f.Status == "" {
		f = service.Fate{Status: "4.3.0", Text: "no host could be tried"}
	}
	if c.unreached && f.Status[0] == '4' {
		c.Answer.Unreached = f
	}
	for _, r := range c.left {
		c.Failed(r, c.relay, f)
		if f.Status[0] == '5' {
			c.Done(r)
		}
	}
	c.left = nil
}
