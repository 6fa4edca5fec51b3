package chrony

import (
	"net/netip"
	"strconv"
	"time"

	"enshu/sim/trace"
	"enshu/sim/wire/ntp"
)

// serve answers a request that came at a raw time; nil is no answer.
func (d *daemon) serve(b []byte, from netip.AddrPort, raw time.Time) []byte {
	pkt, err := ntp.Decode(b)
	if err != nil {
		return nil
	}
	reply := ntp.Packet{Version: pkt.Version, Poll: pkt.Poll}
	switch {
	case pkt.Mode == ntp.Client:
		reply.Mode = ntp.Server
	case pkt.Mode == ntp.SymmetricActive:
		reply.Mode = ntp.SymmetricPassive
	case pkt.Mode == ntp.Reserved && pkt.Version == 1 && from.Port() != 123:
		// NTPv1 had no modes.
		reply.Mode = ntp.Server
	default:
		return nil
	}
	if !d.access.allows(from.Addr()) {
		return nil
	}
	now := d.servo.cook(raw)
	rec, drop := d.clients.hit(serviceNTP, from.Addr(), now, d.rand)
	if drop {
		return nil
	}
	key, known := d.keys[pkt.KeyID]
	if pkt.Authenticated {
		if !known || len(pkt.Digest) == 0 || !pkt.Verify(b, key) {
			return nil
		}
		d.clients.authenticated++
	}
	p := d.ref.params(now)
	fillReference(&reply, p, d.precision)
	reply.Origin = pkt.Transmit
	reply.Receive = ntp.FromTime(now)
	if rec != nil && !rec.reported {
		// One event for a client is enough to see that it is served.
		rec.reported = true
		d.p.Emit(trace.QueryAnswered, trace.Attrs{
			"protocol": "ntp", "from": from.String(), "question": "time", "answer": "stratum " + strconv.Itoa(p.stratum),
		})
	}
	reply.Transmit = ntp.FromTime(d.cooked())
	if d.clients.answers.answer(&pkt, &reply) {
		d.clients.interleaved++
	}
	if pkt.Authenticated {
		reply.Sign(pkt.KeyID, key)
	}
	return reply.Append(nil)
}
