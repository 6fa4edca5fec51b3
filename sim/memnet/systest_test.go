package memnet_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/host/systest"
	"enshu/sim/memnet"
)

func world(t *testing.T, programs map[string]host.Program, check func(t *testing.T, w *systest.World)) {
	n := memnet.New(t)
	join := func(name string, last byte) (*memnet.Host, systest.Host) {
		four := netip.AddrFrom4([4]byte{192, 0, 2, last})
		six := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: last})
		h := n.Host(t, memnet.Config{Name: name, Addrs: []string{four.String() + "/24", six.String() + "/64"}, Programs: programs, Offset: -time.Hour, PPM: 50, MayCrash: true})
		return h, systest.Host{Name: name, Addr4: four, Addr6: six, Unused4: netip.MustParseAddr("192.0.2.99"),
			Start: func(cred *host.Cred, f host.Program) *host.Process { return h.Go(cred, f) },
			Wait:  func(p *host.Process) host.Status { return h.Wait(p) }}
	}
	a, wa := join("a", 1)
	b, wb := join("b", 2)
	n.Link(a, b, memnet.Link{Delay: time.Millisecond})
	check(t, &systest.World{A: wa, B: wb})
}

func TestSys(t *testing.T) {
	systest.Test(t, systest.Arm{Run: func(t *testing.T, programs map[string]host.Program, check func(t *testing.T, w *systest.World)) {
		synctest.Test(t, func(t *testing.T) { world(t, programs, check) })
	}})
}

// TestSysLive is the suite in real time.
func TestSysLive(t *testing.T) {
	systest.Test(t, systest.Arm{Run: world})
}
