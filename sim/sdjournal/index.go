package sdjournal

import (
	"slices"
	"sort"

	"enshu/sim/wire/journal"
)

// segments are the indexed stretches of a file, in their order.
type segments struct {
	loaded bool
	list   []segment
	// found are the entries of segment at that may be wanted; all means every one.
	at    int
	found []int64
	all   bool
	known bool
}

// segment is a stretch of entries with its index record, which stands at end.
type segment struct{ start, end int64 }

// index reads the index record at off and returns where it ends; nil when none
// stands there.
func (s *file) index(off int64) (*journal.Index, int64) {
	if off < journal.HeaderSize {
		return nil, off
	}
	size, err := s.head.RecordHead(s.bytes(off, journal.RecordHeadSize))
	if err != nil {
		return nil, off
	}
	x, err := s.head.DecodeIndex(s.bytes(off, size))
	if err != nil || x.Start >= off || x.Prev >= x.Start {
		return nil, off
	}
	return x, off + int64(size)
}

// bytes reads n bytes at off, fewer at the end of the file, past the window on
// the entries.
func (s *file) bytes(off int64, n int) []byte {
	s.side = slices.Grow(s.side[:0], n)[:n]
	got, _ := s.f.ReadAt(s.side, off)
	return s.side[:got]
}

// load follows the index records from the last to the first.
func (s *source) load() {
	s.segments.loaded = true
	for off := s.head.Index; off > 0; {
		x, _ := s.index(off)
		if x == nil {
			break
		}
		s.segments.list = append(s.segments.list, segment{x.Start, off})
		off = x.Prev
	}
	slices.Reverse(s.segments.list)
}

// candidates are the entries of a segment that may be wanted.
func (s *source) candidates(i int, only [][]journal.Field) (found []int64, all bool) {
	g := &s.segments
	if g.known && g.at == i {
		return g.found, g.all
	}
	g.at, g.known, g.found, g.all = i, true, nil, true
	x, _ := s.index(g.list[i].end)
	if x == nil {
		return nil, true
	}
	for _, fields := range only {
		var list []int64
		every := false
		for _, f := range fields {
			var all bool
			if list, all = x.Find(list, f); all {
				every = true
				break
			}
		}
		if every {
			continue
		}
		slices.Sort(list)
		list = slices.Compact(list)
		if g.all {
			g.found, g.all = list, false
			continue
		}
		g.found = slices.DeleteFunc(g.found, func(off int64) bool {
			_, in := slices.BinarySearch(list, off)
			return !in
		})
	}
	return g.found, g.all
}

// next decodes the first entry from the gap on that may be wanted, and returns
// where it ends.
func (s *source) next(only [][]journal.Field) (*journal.Entry, int64) {
	if len(only) == 0 {
		return s.file.at(s.at, false)
	}
	if !s.segments.loaded {
		s.load()
	}
	list := s.segments.list
	for {
		i := sort.Search(len(list), func(i int) bool { return list[i].end > s.at })
		if i == len(list) || s.at < list[i].start {
			return s.file.at(s.at, false)
		}
		found, all := s.candidates(i, only)
		if all {
			return s.file.at(s.at, false)
		}
		k, _ := slices.BinarySearch(found, s.at)
		if k < len(found) {
			return s.file.at(found[k], false)
		}
		s.at = list[i].end
		if i+1 == len(list) || list[i+1].start > s.at {
			_, end := s.index(s.at)
			if end == s.at {
				return s.file.at(s.at, false)
			}
			s.at = end
		}
	}
}

// previous decodes the last entry before the gap that may be wanted, and
// returns where it begins.
func (s *source) previous(only [][]journal.Field) (*journal.Entry, int64) {
	if len(only) == 0 {
		return s.file.before(s.at)
	}
	if !s.segments.loaded {
		s.load()
	}
	list := s.segments.list
	for {
		// The last segment that begins before the gap.
		i := sort.Search(len(list), func(i int) bool { return list[i].start >= s.at }) - 1
		if i < 0 {
			return s.file.before(s.at)
		}
		if s.at > list[i].end {
			if _, end := s.index(list[i].end); s.at > end {
				return s.file.before(s.at)
			}
		}
		found, all := s.candidates(i, only)
		if all {
			return s.file.before(s.at)
		}
		k, _ := slices.BinarySearch(found, s.at)
		if k > 0 {
			e, _ := s.file.at(found[k-1], true)
			return e, found[k-1]
		}
		s.at = list[i].start
	}
}
