package kernel

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"enshu/sim/clock"
	"enshu/sim/link"
)

// testRelay is a relay of n ports that write into pipes.
func testRelay(t *testing.T, l link.Link, n int) (*relay, []*port, []*os.File) {
	t.Helper()
	r := &relay{line: clock.New(time.Time{}), between: func(string, string) link.Link { return l }, where: map[mac]*port{}, lanes: map[[2]*port]*lane{}}
	var outs []*os.File
	for i := range n {
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(); out.Close() })
		raw, err := out.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		socket, err := r.line.Socket(raw)
		if err != nil {
			t.Fatal(err)
		}
		r.ports = append(r.ports, &port{relay: r, host: string(rune('a' + i)), file: out, raw: raw, socket: socket})
		outs = append(outs, in)
	}
	return r, r.ports, outs
}

func ether(dst, src byte, size int) []byte {
	b := make([]byte, vnetHeader+ethernetHeader+size)
	b[vnetHeader+5], b[vnetHeader+11] = dst, src
	b[vnetHeader+12] = 0x08
	return b
}

func TestLaneIsBounded(t *testing.T) {
	r, ports, _ := testRelay(t, link.Link{Delay: time.Hour}, 2)
	for range 3 * laneFrames {
		r.forward(ports[0], ether(2, 1, 64))
	}
	l := r.lanes[[2]*port{ports[0], ports[1]}]
	if len(l.frames) != laneFrames {
		t.Errorf("%d frames are kept, want %d", len(l.frames), laneFrames)
	}
	for range 200 {
		r.forward(ports[1], ether(1, 2, 60000))
	}
	if l := r.lanes[[2]*port{ports[1], ports[0]}]; l.bytes > laneBytes || l.bytes < laneBytes/2 {
		t.Errorf("%d bytes are kept, of at most %d", l.bytes, laneBytes)
	}
	for src := range 4 * maxAddresses {
		b := ether(2, 1, 64)
		b[vnetHeader+9], b[vnetHeader+10] = byte(src), byte(src>>8)
		r.forward(ports[0], b)
	}
	if len(r.where) > maxAddresses {
		t.Errorf("%d addresses are remembered", len(r.where))
	}
}

// A relay learns where an address is, and sends to every port until it knows.
func TestRelayLearns(t *testing.T) {
	r, ports, outs := testRelay(t, link.Link{}, 3)
	read := func(i int) (n int) {
		raw, err := outs[i].SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1<<16)
		raw.Read(func(fd uintptr) bool { n, _ = unix.Read(int(fd), buf); return true }) // what is there, without waiting
		return max(n, 0)
	}
	size := len(ether(0, 0, 64))
	steps := []struct {
		from     int
		dst, src byte
		gets     [3]bool
	}{
		{0, 2, 1, [3]bool{false, true, true}},
		{1, 1, 2, [3]bool{true, false, false}},
		{0, 2, 1, [3]bool{false, true, false}},
	}
	for i, s := range steps {
		r.forward(ports[s.from], ether(s.dst, s.src, 64))
		for j, want := range s.gets {
			got := read(j)
			if want != (got == size) {
				t.Errorf("step %d: port %d got %d bytes", i, j, got)
			}
		}
	}
	ports[1].close()
	if r.where[mac{5: 2}] != nil || len(r.ports) != 2 {
		t.Error("a closed port is still known")
	}
}
