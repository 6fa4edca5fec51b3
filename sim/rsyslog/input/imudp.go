package input

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/message"
	"enshu/sim/wire/syslog"
)

// openUDP opens the sockets of imudp.
func (s *Set) openUDP() {
	opened := 0
	for _, in := range s.conf.UDP {
		n := s.listenUDP(in)
		if n == 0 {
			address := in.Address
			if address == "" {
				address = "(null)"
			}
			s.sink.Report(syslog.Err, config.CodeNone, fmt.Sprintf("imudp: Could not create udp listener, ignoring port %s bind-address %s.", in.Port, address))
		}
		opened += n
	}
	if opened == 0 && len(s.conf.UDP) > 0 {
		s.sink.Report(syslog.Err, config.CodeNone, "imudp: no listeners could be started, input not activated. ")
	}
	if opened == 0 && len(s.conf.UDP) > 0 {
		s.sink.Report(syslog.Err, config.CodeTerminal, "activation of module imudp failed")
	}
}

// bindAddresses returns the networks and addresses that an address of the
// configuration means; none is every address of both families.
func (s *Set) bindAddresses(network, address, port string) ([][2]string, bool) {
	number, ok := libc.Port(s.p, port, network)
	if !ok {
		return nil, false
	}
	p := strconv.Itoa(number)
	if address == "" || address == "*" {
		return [][2]string{{network + "4", "0.0.0.0:" + p}, {network + "6", "[::]:" + p}}, true
	}
	if _, err := netip.ParseAddr(address); err != nil {
		addrs, err := libc.LookupHost(context.Background(), s.p, address)
		if err != nil {
			return nil, false
		}
		address = addrs[0].String()
	}
	return [][2]string{{libc.Network(network, address), net.JoinHostPort(address, p)}}, true
}

func (s *Set) listenUDP(in *config.UDPInput) (opened int) {
	list, ok := s.bindAddresses("udp", in.Address, in.Port)
	if !ok {
		s.sink.Report(syslog.Err, config.CodeNone, "Name or service not known")
		s.sink.Report(syslog.Err, config.CodeNone, "UDP message reception disabled due to error logged in last message. ")
		return 0
	}
	for _, b := range list {
		conn, err := s.p.Sys.ListenPacket(b[0], b[1])
		if err != nil {
			continue
		}
		opened++
		s.keep(conn)
		s.thread(func() { s.readUDP(conn, in) })
	}
	if opened == 0 {
		s.sink.Report(syslog.Err, config.CodeNone, "No UDP socket could successfully be initialized, some functionality may be disabled. ")
	}
	return opened
}

// gulp is how many datagrams are read at once; those of a stream that come within
// gathering are read together. A socket of the usual size (212,992 octets) holds
// some 280 short ones; at 200,000 a second 50 come meanwhile.
const (
	gulp      = 128
	gathering = 400 * time.Microsecond
)

func (s *Set) readUDP(conn net.PacketConn, in *config.UDPInput) {
	batch, ok := conn.(host.BatchConn)
	if !ok {
		s.sink.Report(syslog.Err, config.CodeNone, "imudp: the socket cannot be read")
		return
	}
	read := make([]host.Datagram, gulp)
	room := make([]byte, gulp*(s.conf.Globals.MaxMessage+1))
	for i := range read {
		read[i].Buf, room = room[:s.conf.Globals.MaxMessage+1], room[s.conf.Globals.MaxMessage+1:]
	}
	maker := message.Maker{Spare: s.pool}
	var list []*message.Message // of one read
	l := &limiter{RateLimit: in.Limit}
	restricted := s.restricted("UDP")
	var last net.UDPAddr // of the newest datagram, and how it is written
	var ip, port string
	for {
		n, err := batch.ReadBatch(read, gathering)
		if err != nil {
			if s.closing.Load() || !temporary(err) {
				return
			}
			continue
		}
		now := s.sink.Now()
		list = list[:0]
		for i := range read[:n] {
			from, ok := read[i].From.(*net.UDPAddr)
			if !ok || from.Port != last.Port || !from.IP.Equal(last.IP) {
				if ip, port = hostPort(read[i].From); ok {
					last = *from
				}
			}
			if restricted && !s.allowed("UDP", ip) {
				s.sink.Report(syslog.Err, config.CodeNone, "imudp: UDP message from disallowed sender discarded")
				continue
			}
			raw := read[i].Buf[:min(read[i].N, s.conf.Globals.MaxMessage)]
			if len(raw) == 0 || !s.allow(l, in.Name, now, syslog.Emerg, func() string { return syslog.Parse(string(raw), now).Text }) {
				continue
			}
			m := maker.New(raw)
			m.Input, m.FromIP, m.FromPort, m.Received, m.Ruleset = in.Name, ip, port, now, in.Ruleset
			list = append(list, m)
		}
		s.sink.SubmitAll(list, false)
	}
}
