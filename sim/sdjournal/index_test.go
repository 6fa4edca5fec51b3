package sdjournal

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"enshu/sim/wire/journal"
)

// busy makes entry i of a host with many units, some of them rare.
func busy(i int, rng *rand.Rand) *journal.Entry {
	unit := fmt.Sprintf("unit%d.service", rng.IntN(20))
	if rng.IntN(3000) == 0 {
		unit = "rare.service"
	}
	e := &journal.Entry{
		Seqnum: uint64(i + 1), Realtime: start.Add(time.Duration(i) * time.Millisecond), Monotonic: time.Duration(i) * time.Millisecond, BootID: journal.ID{byte(i / 7000)},
		Fields: []journal.Field{{Name: "MESSAGE", Value: fmt.Sprint("message ", i)}, {Name: "_SYSTEMD_UNIT", Value: unit}, {Name: "PRIORITY", Value: fmt.Sprint(rng.IntN(8))}},
	}
	if rng.IntN(500) == 0 {
		e.Fields = append(e.Fields, journal.Field{Name: "UNIT", Value: "rare.service"})
	}
	return e
}

// An index must not change what is found, whichever way a reader goes, with
// segments that are full, a tail without an index, and writers that were killed.
func TestIndexFindsWhatReadingFinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	f, w := empty(t)
	const n = 3*journal.SegmentSize + 700
	for i := 0; i < n; {
		var batch []*journal.Entry
		for ; i < n && len(batch) < 1+rng.IntN(300); i++ {
			batch = append(batch, busy(i, rng))
		}
		if err := w.Append(batch...); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(4) == 0 {
			var err error
			if w, err = resume(proc(), f); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, only := range [][][]journal.Field{
		{{{Name: "_SYSTEMD_UNIT", Value: "rare.service"}}},
		{{{Name: "_SYSTEMD_UNIT", Value: "rare.service"}, {Name: "UNIT", Value: "rare.service"}}},
		{{{Name: "_SYSTEMD_UNIT", Value: "unit3.service"}}, {{Name: "PRIORITY", Value: "3"}, {Name: "PRIORITY", Value: "4"}}},
		{{{Name: "_SYSTEMD_UNIT", Value: "nosuch.service"}}},
		{{{Name: "_BOOT_ID", Value: journal.ID{0}.String()}}},
	} {
		filter := func(e *journal.Entry) bool {
			for _, list := range only {
				ok := false
				for _, f := range list {
					ok = ok || e.Has(f.Name, f.Value) || f.Name == "_BOOT_ID" && e.BootID.String() == f.Value
				}
				if !ok {
					return false
				}
			}
			return true
		}
		reader := func(only [][]journal.Field) *Reader {
			s, err := openFile(f, "x")
			if err != nil {
				t.Fatal(err)
			}
			s.end()
			return &Reader{p: proc(), Filter: filter, Only: only, sources: []*source{{file: s, at: journal.HeaderSize}}}
		}
		plain, indexed := reader(nil), reader(only)
		walk := rand.New(rand.NewPCG(3, 4))
		for step := range 4000 {
			var a, b *journal.Entry
			switch at := start.Add(time.Duration(walk.IntN(n)) * time.Millisecond); {
			case step%400 == 0:
				plain.SeekTail()
				indexed.SeekTail()
			case step%150 == 0:
				plain.SeekRealtime(at)
				indexed.SeekRealtime(at)
			case step/200%2 == 0 || walk.IntN(4) == 0:
				a, _ = plain.Previous()
				b, _ = indexed.Previous()
			default:
				a, _ = plain.Next()
				b, _ = indexed.Next()
			}
			if (a == nil) != (b == nil) || a != nil && a.Seqnum != b.Seqnum {
				t.Fatalf("%v, step %d: read %v, by the index %v", only, step, a, b)
			}
		}
	}
}

func BenchmarkMillion(b *testing.B) {
	f, w := empty(b)
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 1_000_000
	for i := 0; i < n; i += 250 {
		batch := make([]*journal.Entry, 250)
		for k := range batch {
			batch[k] = busy(i+k, rng)
		}
		if err := w.Append(batch...); err != nil {
			b.Fatal(err)
		}
	}
	open := func() *Reader {
		s, err := openFile(f, "x")
		if err != nil {
			b.Fatal(err)
		}
		return &Reader{p: proc(), sources: []*source{{file: s, at: journal.HeaderSize}}}
	}
	b.Run("last-20", func(b *testing.B) {
		for b.Loop() {
			r := open()
			r.SeekTail()
			for range 20 {
				if _, err := r.Previous(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("rare-unit", func(b *testing.B) {
		for b.Loop() {
			r := open()
			r.SeekTail()
			r.SeekRealtime(start)
			r.Only = [][]journal.Field{{{Name: "_SYSTEMD_UNIT", Value: "rare.service"}}}
			r.Filter = func(e *journal.Entry) bool { return e.Has("_SYSTEMD_UNIT", "rare.service") }
			found := 0
			for {
				if _, err := r.Next(); err != nil {
					break
				}
				found++
			}
			if found < 200 {
				b.Fatal(found)
			}
		}
	})
}
