package sdjournal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/wire/journal"
)

var start = time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)

// sample makes entry i; sizes vary from some bytes to some chunks.
func sample(i int) *journal.Entry {
	text := fmt.Sprint("message ", i)
	if i%97 == 0 {
		text += strings.Repeat("x", chunk*(1+i%3))
	}
	return &journal.Entry{
		Seqnum: uint64(i + 1), Realtime: start.Add(time.Duration(i) * time.Second),
		Monotonic: time.Duration(i) * time.Second, BootID: journal.ID{7},
		Fields: []journal.Field{{Name: "MESSAGE", Value: text}, {Name: "_PID", Value: "1"}},
	}
}

func proc() *host.Proc {
	return &host.Proc{Clock: clock.NewLocal(clock.New(start), 0, 0)}
}

// empty makes a file without entries.
func empty(t testing.TB) (*os.File, *Writer) {
	t.Helper()
	f, err := os.Create(t.TempDir() + "/system.journal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	w, err := create(proc(), f, journal.Header{FileID: journal.ID{1}, SeqnumID: journal.ID{2}})
	if err != nil {
		t.Fatal(err)
	}
	return f, w
}

// written makes a file with n entries in batches.
func written(t *testing.T, n int) (*os.File, *Writer) {
	t.Helper()
	f, w := empty(t)
	for i := 0; i < n; {
		var batch []*journal.Entry
		for ; i < n && len(batch) < 1+i%5; i++ {
			batch = append(batch, sample(i))
		}
		if err := w.Append(batch...); err != nil {
			t.Fatal(err)
		}
	}
	return f, w
}

func TestForwardsAndBackwards(t *testing.T) {
	const n = 1000
	f, w := written(t, n)
	s, err := openFile(f, "x")
	if err != nil {
		t.Fatal(err)
	}
	off := int64(journal.HeaderSize)
	for i := range n {
		e, next := s.at(off, false)
		if e == nil || e.Seqnum != uint64(i+1) || e.Fields[0] != sample(i).Fields[0] {
			t.Fatalf("entry %d is %v", i, e)
		}
		off = next
	}
	if end := s.end(); off != end || end != w.Used() {
		t.Fatalf("read to %d, end %d, used %d", off, end, w.Used())
	}
	for i := n - 1; i >= 0; i-- {
		e, beg := s.before(off)
		if e == nil || e.Seqnum != uint64(i+1) {
			t.Fatalf("backwards, entry %d is %v", i, e)
		}
		off = beg
	}
	if e, _ := s.before(off); e != nil {
		t.Errorf("before the first entry there is %v", e)
	}
}

func TestSearch(t *testing.T) {
	for _, n := range []int{0, 1, 2, 50, 1000} {
		f, _ := written(t, n)
		s, _ := openFile(f, "x")
		for i := 0; i <= n; i++ {
			off := s.search(func(e *journal.Entry) bool { return e.Seqnum >= uint64(i+1) })
			e, _ := s.at(off, false)
			switch {
			case i == n && e != nil:
				t.Fatalf("%d entries: found %d behind the last", n, e.Seqnum)
			case i < n && (e == nil || e.Seqnum != uint64(i+1)):
				t.Fatalf("%d entries: looked for %d, found %v", n, i+1, e)
			}
		}
	}
}

// Whatever a killed writer left behind the last record, it and its reader come
// to the same end, and appending goes on.
func TestKilledWriter(t *testing.T) {
	f, w := written(t, 100)
	rnd := rand.New(rand.NewPCG(1, 2))
	whole, err := w.head.AppendRecord(nil, sample(100))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		cut := whole[:rnd.IntN(len(whole))]
		if _, err := f.WriteAt(cut, w.Used()); err != nil {
			t.Fatal(err)
		}
		s, _ := openFile(f, "x")
		if end := s.end(); end != w.Used() {
			t.Fatalf("reader's end is %d, want %d", end, w.Used())
		}
		again, err := resume(proc(), f)
		if err != nil {
			t.Fatal(err)
		}
		if again.Last().Seqnum != 100 || again.Used() != w.Used() {
			t.Fatalf("resumed behind %d at %d", again.Last().Seqnum, again.Used())
		}
	}
	// A whole record whose hint was not written counts.
	if _, err := f.WriteAt(whole, w.Used()); err != nil {
		t.Fatal(err)
	}
	again, err := resume(proc(), f)
	if err != nil {
		t.Fatal(err)
	}
	if again.Last().Seqnum != 101 {
		t.Errorf("resumed behind %d, want 101", again.Last().Seqnum)
	}
	if err := again.Append(sample(101)); err != nil {
		t.Fatal(err)
	}
	s, _ := openFile(f, "x")
	if e, _ := s.before(s.end()); e == nil || e.Seqnum != 102 {
		t.Errorf("last entry %v, want 102", e)
	}
}

func FuzzOpenFile(f *testing.F) {
	f.Add([]byte("ENSHUJNL"), int64(300))
	f.Fuzz(func(t *testing.T, tail []byte, hint int64) {
		file, err := os.Create(t.TempDir() + "/x")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		head := journal.Header{FileID: journal.ID{1}, Tail: hint}
		file.Write(head.Encode())
		file.Write(tail)
		s, err := openFile(file, "x")
		if err != nil {
			return
		}
		s.end()
		s.before(hint)
		s.search(func(e *journal.Entry) bool { return e.Seqnum > 1 })
	})
}
