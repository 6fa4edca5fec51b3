package cron

import (
	"io/fs"
	"os"
	"time"

	"enshu/sim/host"
)

// watch tells whether any of a list of files and directories has changed. It
// has them open, as crond with inotify(7) has: to look costs no call by name.
type watch struct {
	p     *host.Proc
	files []watched
	blind bool // one of them could not be opened
}

// watched is an open file as it was when it was last looked at.
type watched struct {
	file  *os.File
	mtime time.Time
	size  int64
}

// add opens a file or directory. A change counts from what it was according to
// seen; nil is from now.
func (w *watch) add(name string, seen fs.FileInfo) {
	f, err := w.p.Sys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		w.blind = true
		return
	}
	e := watched{file: f}
	if seen == nil {
		e.look()
	} else {
		e.mtime, e.size = seen.ModTime(), seen.Size()
	}
	w.files = append(w.files, e)
}

// changed reports whether something may have changed since it was last asked.
func (w *watch) changed() bool {
	changed := w.blind
	for i := range w.files {
		changed = w.files[i].look() || changed
	}
	return changed
}

// close forgets the list.
func (w *watch) close() {
	for _, e := range w.files {
		e.file.Close()
	}
	w.files, w.blind = nil, false
}

// look notes how the file is now, and reports whether it was different.
func (e *watched) look() bool {
	info, err := e.file.Stat()
	if err != nil {
		return true
	}
	same := e.mtime.Equal(info.ModTime()) && e.size == info.Size()
	e.mtime, e.size = info.ModTime(), info.Size()
	return !same
}
