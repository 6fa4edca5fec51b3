package chrony_test

import (
	"net/netip"
	"testing"
	"time"

	"enshu/sim/chrony/clients"
	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/discipline"
	"enshu/sim/chrony/measure"
	"enshu/sim/chrony/polling"
	"enshu/sim/wire/ntp"
)

// BenchmarkDecodeAndReply measures the codec's share of a server answer.
func BenchmarkDecodeAndReply(b *testing.B) {
	req := ntp.Packet{Version: 4, Mode: ntp.Client, Poll: 6, Precision: 32, Transmit: 0xc0ffee0112345678}
	raw := req.Append(nil)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ref := discipline.Params{Synchronised: true, Stratum: 2, ID: 0xC0000201, At: now, RootDelay: 1e-3, RootDispersion: 1e-4}
	var table clients.Access
	table.Add(conf.AccessRule{Allow: true})
	from := netip.MustParseAddr("192.0.2.100")
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		p, err := ntp.Decode(raw)
		if err != nil || !table.Allows(from) {
			b.Fatal("refused")
		}
		reply := ntp.Packet{Version: p.Version, Mode: ntp.Server, Poll: p.Poll, Origin: p.Transmit, Receive: ntp.FromTime(now), Transmit: ntp.FromTime(now)}
		polling.FillReference(&reply, ref, -25)
		buf = reply.Append(buf[:0])
	}
}

// BenchmarkRegression measures a new sample of a source with a full register.
func BenchmarkRegression(b *testing.B) {
	s := measure.NewStats(6, 0, 0, 1)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		at = at.Add(64 * time.Second)
		jitter := float64(i*7919%1000) * 1e-8
		s.Add(measure.Sample{At: at, Offset: jitter, PeerDelay: 2e-3 + jitter, PeerDispersion: 1e-6, RootDelay: 2e-3, RootDispersion: 1e-6})
		s.Regress()
	}
}
