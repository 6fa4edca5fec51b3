package distro

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestBootLog(t *testing.T) {
	m := Machine{Seed: 7, MemoryMiB: 2048, CPUs: 2, Interfaces: []string{"eth0"}, Boot: time.Date(2026, 3, 10, 4, 0, 0, 0, time.UTC)}
	log := BootLog(m)
	if !reflect.DeepEqual(log, BootLog(m)) {
		t.Error("two boots of one seed differ")
	}
	var all strings.Builder
	last := time.Duration(0)
	for i, r := range log {
		if r.At < last || r.Seq != uint64(i) {
			t.Errorf("record %d at %v after %v", r.Seq, r.At, last)
		}
		last = r.At
		all.WriteString(r.Text + "\n")
	}
	if last > BootDuration || last < time.Second {
		t.Errorf("the boot took %v", last)
	}
	for _, want := range []string{"Linux version 5.14.0", "Hypervisor detected: KVM", "Brought up 1 node, 2 CPUs", "eth0: link becomes ready", "setting system clock to 2026-03-10T04:00:00 UTC (1773115200)"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	m.Seed = 8
	if reflect.DeepEqual(log, BootLog(m)) {
		t.Error("another seed has the same times")
	}
}
