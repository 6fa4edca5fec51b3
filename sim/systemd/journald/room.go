package journald

import (
	"os"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/sdjournal"
)

// limits are what the files of a directory may take, in bytes (journald.conf(5)
// SystemMaxUse= and so on); 0 is the default, a part of the file system.
type limits struct {
	use, keepFree, file int64
	files               int
}

// Bounds of the defaults (journald.conf(5)).
const (
	mostUse     = 4 << 30
	leastUse    = 16 << 20 // is left to the journal however full the disk is
	mostFile    = 128 << 20
	mostKept    = 4 << 30
	unknownDisk = 1 << 30 // where the size cannot be asked for
)

// room is how much the journal of a directory takes and may take, in bytes.
type room struct {
	used, max, keepFree, available int64 // available is what the file system has left
	limit                          int64 // what the files may take now: max, or less to keep keepFree
}

// free is what the journal may still take.
func (r room) free() int64 { return max(0, r.limit-r.used) }

// measure asks the file system of a directory.
func (l limits) measure(p *host.Proc, dir string) room {
	total, available := int64(unknownDisk), int64(unknownDisk)
	if f, err := p.Sys.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0); err == nil {
		var st syscall.Statfs_t
		if c, err := f.SyscallConn(); err == nil {
			c.Control(func(fd uintptr) {
				if syscall.Fstatfs(int(fd), &st) == nil && st.Blocks > 0 {
					total, available = int64(st.Blocks)*st.Bsize, int64(st.Bavail)*st.Bsize
				}
			})
		}
		f.Close()
	}
	_, used := sdjournal.Archives(p, dir)
	r := room{used: used, max: l.use, keepFree: l.keepFree, available: available}
	if r.max == 0 {
		r.max = min(max(total/10, leastUse), mostUse)
	}
	if r.keepFree == 0 {
		r.keepFree = min(total/20, mostKept)
	}
	r.limit = min(r.max, max(leastUse, used+max(0, available-r.keepFree)))
	return r
}

// fileSize is how large one file may become.
func (l limits) fileSize(r room) int64 {
	if l.file > 0 {
		return l.file
	}
	return min(max(r.max/8, 512<<10), mostFile)
}
