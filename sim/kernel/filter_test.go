package kernel

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
)

// TestFloodOfPackets: of a flood the ring buffer has as many lines as the limit lets
// through, and with the first line after it how many it lacks.
func TestFloodOfPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kmsg := host.NewKmsg(clock.NewLocal(clock.New(time.Time{}), 0, 0), 10000)
		log := packetLog{kmsg: kmsg, limit: floodLimit}
		for i := range floodLimit.Burst + 7 {
			log.print(4, fmt.Sprint("packet ", i))
		}
		if lines := kmsg.Since(0); len(lines) != floodLimit.Burst || lines[len(lines)-1].Text != fmt.Sprint("packet ", floodLimit.Burst-1) {
			t.Fatalf("%d lines, want %d", len(lines), floodLimit.Burst)
		}
		time.Sleep(floodLimit.Interval)
		log.print(6, "a packet alone")
		lines := kmsg.Since(uint64(floodLimit.Burst))
		if len(lines) != 2 || lines[0].Text != "nf_log_buf_close: 7 callbacks suppressed" || lines[1].Text != "a packet alone" {
			t.Errorf("afterwards: %+v", lines)
		}
	})
}
