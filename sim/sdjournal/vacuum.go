package sdjournal

import (
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// Archived is a file that vacuuming may remove.
type Archived struct {
	name string
	size int64
	at   time.Time // of its first entry
}

// Archives lists the archived files of a directory, oldest first, and the size
// of all files there.
func Archives(p *host.Proc, dir string) (list []Archived, total int64) {
	names, _ := libc.ReadDir(p, dir)
	for _, n := range names {
		old := strings.HasSuffix(n, ".journal~")
		if !strings.HasSuffix(n, ".journal") && !old {
			continue
		}
		info, err := p.Sys.Stat(path.Join(dir, n))
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		total += info.Size()
		_, tail, ok := strings.Cut(n, "@")
		if !ok {
			continue
		}
		parts := strings.Split(strings.TrimSuffix(strings.TrimSuffix(tail, "~"), ".journal"), "-")
		at := parts[len(parts)-1]
		if old {
			at = parts[0]
		}
		us, err := strconv.ParseInt(at, 16, 64)
		if err != nil {
			continue
		}
		list = append(list, Archived{n, info.Size(), time.UnixMicro(us).UTC()})
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].at.Before(list[j].at) })
	return list, total
}

// Vacuumed is a file that vacuum removed.
type Vacuumed struct {
	Name string
	Size int64
}

// Vacuum removes the oldest archived files of a directory until all files
// there take at most size bytes and are at most files, and those with nothing
// younger than before. Zero limits do not count.
func Vacuum(p *host.Proc, dir string, size int64, files int, before time.Time) (removed []Vacuumed) {
	list, total := Archives(p, dir)
	names, _ := libc.ReadDir(p, dir)
	count := 0
	for _, n := range names {
		if strings.HasSuffix(n, ".journal") {
			count++
		}
	}
	for _, a := range list {
		tooMuch := size > 0 && total > size
		tooMany := files > 0 && count > files
		tooOld := !before.IsZero() && a.at.Before(before)
		if !tooMuch && !tooMany && !tooOld {
			break
		}
		if p.Sys.Remove(path.Join(dir, a.name)) != nil {
			continue
		}
		removed = append(removed, Vacuumed{path.Join(dir, a.name), a.size})
		total -= a.size
		count--
	}
	return removed
}
