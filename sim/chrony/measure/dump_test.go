package measure

import (
	"strings"
	"testing"
	"time"
)

// recordedDump is what the real chronyd 4.3 wrote.
const recordedDump = `SRC0
127.0.0.1
0 77 6 1 0
6 3
1795335810.429475338 -9.258920e-08 1.803000e-06 6.526000e-06 2.401163e-07 6.526000e-06 2.401163e-07
1795335810.759768361 1.645830e-07 2.004000e-06 7.280000e-06 1.813983e-07 7.280000e-06 1.813983e-07
1795335811.023633303 1.062746e-05 1.242200e-05 2.720300e-05 1.070918e-05 2.720300e-05 1.070918e-05
1795335811.301010238 1.236785e-07 -5.260000e-07 7.532000e-06 1.178422e-07 7.532000e-06 1.178422e-07
1795335812.313597983 -1.539521e-07 -6.350000e-07 5.761000e-06 7.241466e-08 5.761000e-06 7.241466e-08
1795335813.323749837 1.136935e-07 3.190000e-07 6.289000e-06 7.205923e-08 6.289000e-06 7.205923e-08
`

func newCandidate() *Candidate {
	return &Candidate{Stats: NewStats(6, 0, 0, 1)}
}

func TestRecordedDump(t *testing.T) {
	now := time.Unix(1795335820, 0)
	c := newCandidate()
	if !c.LoadDump(recordedDump, "127.0.0.1", now) {
		t.Fatal("not read")
	}
	if c.Reach != 0o77 || c.Stratum != 1 || c.Stats.Last().Offset != 1.136935e-07 || c.Stats.Last().Original != 3.19e-07 {
		t.Errorf("read as %+v, last sample %+v", c, c.Stats.Last())
	}
	// chronyd had kept all six; a regression may drop samples, and the lines of
	// those that are left are the same.
	got := strings.Split(c.Dump("127.0.0.1", false), "\n")
	want := strings.Split(recordedDump, "\n")
	for i, line := range got[4:] {
		if w := want[len(want)-len(got)+4+i]; line != w {
			t.Errorf("wrote %q, read %q", line, w)
		}
	}
	if newCandidate().LoadDump(recordedDump, "127.0.0.2", now) || newCandidate().LoadDump(recordedDump, "127.0.0.1", now.Add(-time.Hour)) {
		t.Error("the dump of another source, or of the future, was taken")
	}
}

func FuzzDump(f *testing.F) {
	f.Add(recordedDump)
	f.Fuzz(func(t *testing.T, text string) {
		c := newCandidate()
		if c.LoadDump(text, "127.0.0.1", time.Unix(1795335820, 0)) && c.Stats.Samples() > 0 {
			c.Stats.SelectionAt(time.Unix(1795335820, 0), 1, selection{})
		}
	})
}
