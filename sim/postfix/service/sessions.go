package service

import (
	"context"
	"net"

	"enshu/sim/host"
)

// Hand gives a service the connection of a client, and starts the service when it
// is not there. When it returns nil, the service has begun with the client; the
// caller closes its own end in any case.
func (s *Peers) Hand(ctx context.Context, socket string, client net.Conn) error {
	w, err := s.open(ctx, socket, func(w *WireConn) error { return w.Conn.(host.ConnCarrier).SendConn(client) }, true)
	if err != nil {
		return err
	}
	w.Done()
	return nil
}

// ServeSessions is Serve for a service of a TCP port: master(8) accepts the
// connections, and gives them to it. session, on a thread of its own, speaks
// with one client until it is done.
func (d *Daemon) ServeSessions(ctx context.Context, socket string, session func(ctx context.Context, client net.Conn)) int {
	return d.listen(ctx, socket, func(ctx context.Context, s *server, line net.Conn) { s.adopt(ctx, line, session) })
}

// adopt takes over the clients that come over one connection to master(8).
func (s *server) adopt(ctx context.Context, line net.Conn, session func(ctx context.Context, client net.Conn)) {
	defer s.drop(line)
	for {
		client, err := line.(host.ConnCarrier).ReceiveConn()
		if err != nil {
			return
		}
		if _, err := s.slots.Get(ctx); err != nil || !s.begin(client) {
			client.Close() // master(8) still has it, for the next service
			return
		}
		s.d.Proc.Go(func() {
			session(ctx, client)
			s.end(client)
			s.drop(client)
			s.slots.TryPut(struct{}{})
		})
		if _, err := line.Write([]byte(hello)); err != nil {
			return
		}
	}
}
