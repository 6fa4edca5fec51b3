package logrotate

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// prepare makes room: it compresses what delaycompress left, and moves or
// removes old logs.
func (j *job) prepare() {
	if j.failed || !j.due() {
		return
	}
	s := j.set
	j.out.note("rotating log %s, log->rotateCount is %d\n", j.log, s.rotate)
	j.entry.last = j.now
	j.names = s.names(j.path, j.now)
	if format, own := s.format(); own {
		_, _, converted := suffix(format, j.now)
		j.out.note("Converted '%s' -> '%s'\n", format, converted)
	}
	j.out.note("dateext suffix '%s'\n", j.names.date)
	j.out.note("glob pattern '%s'\n", j.names.pattern)
	if s.compress && s.delayCompress {
		j.compressDelayed()
	}
	if s.dateExt {
		j.prepareDated()
	} else {
		j.prepareNumbered()
	}
	if j.dispose != "" {
		if !j.exists(j.dispose) {
			j.out.note("log %s doesn't exist -- won't try to dispose of it\n", j.dispose)
			j.dispose = ""
		}
	}
}

// compressDelayed compresses the old logs that an earlier run left plain.
func (j *job) compressDelayed() {
	previous := []string{j.names.plain(j.names.start)}
	if j.set.dateExt {
		previous = j.dated("")
		if len(previous) == 0 {
			j.out.note("glob finding logs to compress failed\n")
			return
		}
	}
	for _, name := range previous {
		info, err := j.p.Sys.Stat(name)
		switch {
		case errors.Is(err, syscall.ENOENT):
			j.out.note("previous log %s does not exist\n", name)
		case err != nil:
			j.out.error("cannot stat %s: %s\n", name, libc.Strerror(err))
		case !j.failed:
			j.compress(name, infoOf(info))
		}
	}
}

// dated returns the old logs with a date in their names, oldest first.
func (j *job) dated(comp string) []string {
	n := j.names
	found := j.matching(literal(n.base) + n.pattern + literal(n.ext+comp))
	if format, own := j.set.format(); own {
		sortByDate(found, len(n.prefix()), format, j.now.Location())
	}
	return found
}

// matching returns the old logs that a pattern matches.
func (j *job) matching(pattern string) []string {
	dir := j.names.dir + "/"
	in, err := j.disk.list(j.p, dir)
	if err != nil || strings.Contains(pattern, "/") {
		return matches(j.p, literal(dir)+pattern)
	}
	var found []string
	for _, n := range in.beginning(j.names.base) {
		if match(pattern, n) && (n[0] != '.' || pattern[0] == '.') {
			found = append(found, dir+n)
		}
	}
	return found
}

var magic = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// literal escapes what a pattern would take for its own.
func literal(s string) string {
	return magic.Replace(s)
}

// prepareDated removes the old logs that are too many or too old; the last of
// them goes only after the rotation.
func (j *job) prepareDated() {
	n := j.names
	var logs []old
	found := j.dated(n.comp)
	if len(found) == 0 {
		j.out.note("glob finding old rotated logs failed\n")
	}
	for _, name := range found {
		if info, err := j.p.Sys.Stat(name); err == nil {
			logs = append(logs, old{name, info.ModTime()})
		}
	}
	gone := tooMany(logs, j.set.rotate, j.set.maxAge, j.now)
	if len(gone) > 0 {
		for _, name := range gone[:len(gone)-1] {
			j.out.note("removing %s\n", name)
			j.discard(name)
		}
		j.dispose = gone[len(gone)-1]
	}
	j.final = n.dated()
	j.first = n.newest(j.final)
	if libc.Exists(j.p, j.final+n.comp) {
		j.fail("destination %s already exists, skipping rotation\n", j.first)
	}
}

// prepareNumbered removes old logs that are too old and moves each old log to
// the next number.
func (j *job) prepareNumbered() {
	n := j.names
	count := j.set.rotate
	switch {
	case count == 0:
		count = 1
	case count == -1:
		// The number of the last one, whatever the first has.
		count = 0
		for i := max(n.start, 1); libc.Exists(j.p, n.number(i)); i++ {
			count = i
		}
	}
	dir, _ := path.Split(n.number(n.start))
	present, known := j.listed(dir)
	if j.set.rotate != -1 {
		j.dispose = n.number(n.start + count)
	}
	from := n.number(n.start + count)
	for i := n.start + count - 1; i >= n.start && !j.failed; i-- {
		to := from
		from = n.number(i)
		if j.set.maxAge > 0 {
			info, err := j.stat(from, present)
			switch {
			case errors.Is(err, syscall.ENOENT):
				j.out.note("old log %s does not exist\n", from)
				continue
			case err != nil:
				j.fail("cannot stat %s: %s\n", from, libc.Strerror(err))
				continue
			case tooOld(old{from, info.ModTime()}, j.set.maxAge, j.now):
				j.settle()
				j.discard(from)
				continue
			}
		}
		j.out.note("renaming %s to %s (rotatecount %d, logstart %d, i %d), \n", from, to, count, n.start, i)
		if j.options.debug {
			continue
		}
		switch {
		case !present(from):
			j.out.note("old log %s does not exist\n", from)
		case !known:
			if err := j.move(from, to); err != nil {
				j.shiftFailed(from, to, err)
			}
		default:
			j.shifts = append(j.shifts, host.Step{Name: from, To: to})
			j.disk.note(to, true)
		}
	}
	j.final = n.plain(n.start)
	j.first = n.newest(j.final)
}

// listed reads a directory and returns whether a name is in it: one call instead
// of one for each number up to rotate, which may be in the millions. A directory
// that may be entered and not read is not known: any name may be in it.
func (j *job) listed(dir string) (present func(name string) bool, known bool) {
	if _, err := j.disk.list(j.p, dir); err != nil {
		return func(string) bool { return true }, false
	}
	return func(name string) bool {
		in, err := j.disk.list(j.p, dir) // again if it was forgotten
		return err != nil || in.there[path.Base(name)]
	}, true
}

// exists looks for an old log.
func (j *job) exists(name string) bool {
	dir, _ := path.Split(name)
	present, known := j.listed(dir)
	if !known {
		_, err := j.p.Sys.Lstat(name)
		return err == nil
	}
	return present(name)
}

// stat looks at an old log that may be there.
func (j *job) stat(name string, present func(string) bool) (fs.FileInfo, error) {
	if !present(name) {
		return nil, syscall.ENOENT
	}
	return j.p.Sys.Stat(name)
}
