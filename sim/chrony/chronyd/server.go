package chronyd

import (
	"net/netip"
	"strconv"
	"time"

	"enshu/sim/chrony/clients"
	"enshu/sim/chrony/measure"
	"enshu/sim/chrony/nts"
	"enshu/sim/chrony/polling"
	"enshu/sim/trace"
	"enshu/sim/wire/ntp"
)

// serve appends the answer to a request that came at a raw time to room, and
// nothing when there is none.
func (d *daemon) serve(room, b []byte, from netip.AddrPort, raw time.Time) []byte {
	pkt, err := ntp.Decode(b)
	if err != nil {
		return room
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
		return room
	}
	if !d.access.Allows(from.Addr()) {
		return room
	}
	now := d.servo.Cook(raw)
	rec, drop := d.clients.Hit(clients.NTP, from.Addr(), now, d.rand)
	if drop {
		return room
	}
	asked, err := d.nts.keys.Check(&pkt, b)
	secured := err == nil
	key, known := d.keys[pkt.KeyID]
	if pkt.Authenticated {
		if !known || len(pkt.Digest) == 0 || !pkt.Verify(b, key) {
			return room
		}
		d.clients.Authenticated++
	}
	if secured {
		d.clients.Authenticated++
	}
	p, smoothed := d.served(d.ref.Params(now), now)
	polling.FillReference(&reply, p, d.precision)
	reply.Origin = pkt.Transmit
	reply.Receive = ntp.FromTime(measure.AddSeconds(now, smoothed))
	if rec != nil && !rec.Reported {
		// One event for a client is enough to see that it is served.
		rec.Reported = true
		d.p.Emit(trace.QueryAnswered, trace.Attrs{
			"protocol": "ntp", "from": from.String(), "question": "time", "answer": "stratum " + strconv.Itoa(p.Stratum),
		})
	}
	reply.Transmit = ntp.FromTime(measure.AddSeconds(d.cooked(), smoothed))
	if d.clients.Answers.Answer(&pkt, &reply) {
		d.clients.Interleaved++
	}
	switch {
	case pkt.Authenticated:
		reply.Sign(pkt.KeyID, key)
	case secured:
		d.nts.keys.Answer(asked, &reply, d.random)
	case err != nts.ErrNone && (d.nts.keys == nil || !nts.Refuse(asked, &reply)):
		return room
	}
	return reply.Append(room)
}
