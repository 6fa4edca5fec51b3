package logrotate

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
)

// rotation is one run over all sets.
type rotation struct {
	ctx      context.Context
	p        *host.Proc
	defaults Defaults
	options  options
	out      *messages
	now      time.Time // local; all logs of a run share it
	state    *state

	// Of the set at hand.
	disk    disk
	parents map[string]host.Stated // the directories of its logs
}

// logInfo is what is kept of a log's file before it is rotated.
type logInfo struct {
	mode     fs.FileMode
	uid, gid int
	mtime    time.Time
}

func infoOf(info fs.FileInfo) logInfo {
	uid, gid := libc.Owner(info)
	return logInfo{info.Mode(), uid, gid, info.ModTime()}
}

// job is one log on its way.
type job struct {
	*rotation
	set    *set
	log    string // as the configuration names it
	path   string // absolute
	entry  *entry
	names  names
	failed bool
	fresh  bool        // the new log is there: it was made when the old one was moved
	shifts []host.Step // old logs that go to the next number before anything else is done
	ahead  *outcome    // of the next steps, when they were made before their time

	first   string // old log that mailfirst sends
	final   string // where the log goes
	dispose string // old log that goes afterwards; "" is none
}

// fail tells an error and marks the log.
func (j *job) fail(format string, args ...any) {
	j.out.error(format, args...)
	j.failed = true
}

// set rotates one set of logs and reports whether all went well. The order is
// that of logrotate(8): decide for all logs, then firstaction, and then, for
// each log or with sharedscripts for all at once: prepare, prerotate, rotate,
// postrotate, compress and dispose; lastaction in the end.
func (r *rotation) set(s *set) bool {
	r.introduce(s)
	if len(s.files) == 0 {
		r.out.note("No logs found. Rotation not needed.\n")
		return true
	}
	var back func()
	r.disk, back = rights(r.p, s, r.out)
	defer back()
	r.parents = map[string]host.Stated{}
	jobs := make([]*job, len(s.files))
	paths := make([]string, len(s.files))
	for i, log := range s.files {
		paths[i] = libc.Abs(r.p, log)
		jobs[i] = &job{rotation: r, set: s, log: log, path: paths[i]}
	}
	looks := host.Lstats(r.p.Sys, paths)
	due, failed := 0, false
	for i, log := range s.files {
		j := jobs[i]
		j.consider(looks[i].Info, looks[i].Err)
		// A log that is not there gets its entry too.
		r.state.find(log, r.now)
		failed = failed || j.failed
		if j.due() {
			due++
		}
	}
	if s.first != "" {
		if due == 0 {
			r.out.note("not running first action script, since no logs will be rotated\n")
		} else {
			r.out.note("running first action script\n")
			if !r.script(s.first, s.pattern, "") {
				r.out.error("error running first action script for %s\n", s.pattern)
				return false
			}
		}
	}
	if s.sharedScripts {
		failed = r.together(s, jobs, due, failed)
	} else {
		for few := range slices.Chunk(jobs, s.width(r.options)) {
			alone(few)
			for _, j := range few {
				failed = failed || j.failed
			}
		}
	}
	if s.last != "" {
		if due == 0 {
			r.out.note("not running last action script, since no logs will be rotated\n")
		} else {
			r.out.note("running last action script\n")
			if !r.script(s.last, s.pattern, "") {
				r.out.error("error running last action script for %s\n", s.pattern)
				failed = true
			}
		}
	}
	return !failed
}

// introduce tells what the set asks for.
func (r *rotation) introduce(s *set) {
	note := r.out.note
	note("\nrotating pattern: %s ", s.pattern)
	switch {
	case r.options.force:
		note("forced from command line ")
	case s.by == daily:
		note("after %d days ", s.threshold)
	case s.by == bySize:
		note("%d bytes ", s.threshold)
	default:
		note("%s ", s.by)
	}
	switch {
	case s.rotate > 0:
		note("(%d rotations)\n", s.rotate)
	case s.rotate == 0:
		note("(no old logs will be kept)\n")
	}
	if s.oldDir != "" {
		note("olddir is %s, ", s.oldDir)
	}
	if s.ifEmpty {
		note("empty log files are rotated, ")
	} else {
		note("empty log files are not rotated, ")
	}
	if s.minSize > 0 {
		note("only log files >= %d bytes are rotated, ", s.minSize)
	}
	if s.maxSize > 0 {
		note("log files >= %d are rotated earlier, ", s.maxSize)
	}
	if s.minAge > 0 {
		note("only log files older than %d days are rotated, ", s.minAge)
	}
	if s.mail != "" {
		note("old logs mailed to %s\n", s.mail)
	} else {
		note("old logs are removed\n")
	}
}

func (j *job) due() bool { return j.entry != nil && j.entry.due }

// consider decides whether the log is to be rotated; it takes what Lstat said.
func (j *job) consider(info fs.FileInfo, err error) {
	j.out.note("considering log %s\n", j.log)
	if !j.set.su && j.p.UID == 0 && !j.safeParent() {
		return
	}
	switch {
	case errors.Is(err, syscall.ENOENT) && j.set.missingOK:
		j.out.note("  log %s does not exist -- skipping\n", j.log)
		return
	case err != nil:
		j.fail("stat of %s failed: %s\n", j.log, libc.Strerror(err))
		return
	}
	e := j.state.find(j.log, j.now)
	e.used, e.due = true, false
	e.fact = fact{info.Size(), info.ModTime()}
	e.info = infoOf(info)
	j.entry = e
	if info.Mode()&fs.ModeSymlink != 0 {
		j.out.note("  log %s is symbolic link. Rotation of symbolic links is not allowed to avoid security issues -- skipping.\n", j.log)
		return
	}
	if n := links(info); n > 1 && !j.set.allowHardlink {
		j.out.note("  log %s has multiple (%d) hard links. Rotation of files with multiple hard links is not allowed for %s -- skipping.\n", j.log, n, j.set.pattern)
		return
	}
	j.out.note("  Now: %s\n", minute(j.now))
	j.out.note("  Last rotated at %s\n", minute(e.last))
	v := j.set.due(e.fact, e.last, j.now, j.options.force)
	if v.future {
		j.out.error("log %s last rotated in the future -- rotation forced\n", j.log)
	}
	for _, why := range v.why {
		j.out.note("  log does not need rotating (%s)\n", why)
	}
	if e.due = v.due; e.due {
		j.out.note("  log needs rotating\n")
	}
}

// safeParent reports whether only root can change the directory of the log.
func (j *job) safeParent() bool {
	dir := path.Dir(j.log)
	info, err := j.parent(dir)
	if err != nil {
		if !errors.Is(err, syscall.ENOENT) || !j.set.missingOK {
			j.fail("stat of %s failed: %s\n", dir, libc.Strerror(err))
		}
		return false
	}
	_, gid := libc.Owner(info)
	if mode := info.Mode(); mode&0o002 != 0 || gid != 0 && mode&0o020 != 0 {
		j.fail("skipping \"%s\" because parent directory has insecure permissions (It's world writable or writable by group which is not \"root\") Set \"su\" directive in config file to tell logrotate which user/group should be used for rotation.\n", j.log)
		return false
	}
	return true
}

// parent looks at the directory of a log, once for all logs of the set.
func (r *rotation) parent(dir string) (fs.FileInfo, error) {
	p, ok := r.parents[dir]
	if !ok {
		p.Info, p.Err = r.p.Sys.Stat(libc.Abs(r.p, dir))
		r.parents[dir] = p
	}
	return p.Info, p.Err
}

func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}

// alone takes each of the logs through its stages. Of more than one the calls are
// made together (see width).
func alone(jobs []*job) {
	for _, j := range jobs {
		j.prepare()
		if j.set.pre != "" {
			j.settle()
		}
		if j.set.pre != "" && !j.failed && j.due() {
			j.out.note("running prerotate script\n")
			if !j.script(j.set.pre, j.log, "") {
				j.fail("error running non-shared prerotate script for %s of '%s'\n", j.log, j.set.pattern)
			}
		}
	}
	perform(jobs, (*job).rotateSteps)
	for _, j := range jobs {
		j.rotate()
		if j.set.post != "" && !j.failed && j.due() {
			j.out.note("running postrotate script\n")
			if !j.script(j.set.post, j.log, j.final) {
				j.fail("error running non-shared postrotate script for %s of '%s'\n", j.log, j.set.pattern)
			}
		}
	}
	perform(jobs, (*job).removeSteps)
	for _, j := range jobs {
		j.finish()
	}
}

// together takes all logs of a set through the stages, with shared scripts. One
// failure keeps all of them from the next stage.
func (r *rotation) together(s *set, jobs []*job, due int, failed bool) bool {
	each := func(stage func(*job)) {
		for _, j := range jobs {
			j.failed = j.failed || failed
			stage(j)
			failed = failed || j.failed
		}
	}
	shared := func(text, which, tense string) {
		switch {
		case text == "" || failed:
		case due == 0:
			r.out.note("not running %s script, since no logs %s rotated\n", which, tense)
		default:
			r.out.note("running %s script\n", which)
			if !r.script(text, s.pattern, "") {
				r.out.error("error running shared %s script for '%s'\n", which, s.pattern)
				failed = true
			}
		}
	}
	for _, j := range jobs {
		j.prepare()
		j.settle()
		failed = failed || j.failed
	}
	shared(s.pre, "prerotate", "will be")
	each((*job).rotate)
	shared(s.post, "postrotate", "were")
	each((*job).finish)
	return failed
}

// move renames a log.
func (j *job) move(from, to string) error {
	err := j.disk.Rename(from, to)
	if err == nil {
		j.moved(from, to)
	}
	return err
}

func (j *job) moved(from, to string) {
	j.disk.note(from, false)
	j.disk.note(to, true)
	j.p.Emit(trace.FileRotated, trace.Attrs{"from": from, "to": to})
}

// rotate moves or copies the log and makes the new one.
func (j *job) rotate() {
	if j.failed || !j.due() {
		return
	}
	s := j.set
	if s.keeps() {
		if j.settle(); !s.renameCopy && !j.failed {
			j.copyLog(j.path)
		}
		return
	}
	target := j.target()
	var err error
	if !j.options.debug {
		var got outcome
		if got = j.settle(j.rotateSteps()...); j.failed {
			return
		}
		if err = got.err; got.done > 0 {
			j.moved(j.path, target)
			err = nil // createLog tells it
		}
		j.fresh = got.done > 1
	}
	gone := errors.Is(err, syscall.ENOENT) && !libc.Exists(j.p, j.path)
	if gone { // the original looks at the log before it moves it
		j.fail("getting file ACL %s: %s\n", j.log, libc.Strerror(err))
	}
	j.out.note("renaming %s to %s\n", j.log, target)
	if err != nil && !gone {
		j.fail("failed to rename %s to %s: %s\n", j.log, target, libc.Strerror(err))
	}
	if s.rotate == 0 {
		j.dispose = j.names.newest(j.final)
		j.out.note("disposeName will be %s\n", j.dispose)
	}
	if s.create && !j.failed {
		j.createLog()
	}
}

// target is where the log itself is moved.
func (j *job) target() string {
	if j.set.renameCopy {
		return j.temporary()
	}
	return j.final
}

// rotateSteps are the calls that move the log.
func (j *job) rotateSteps() []host.Step {
	steps := []host.Step{{Name: j.path, To: j.target()}}
	// To give a file away takes more than to make it.
	if want := j.fileWanted(); j.set.create && want.uid == j.p.UID && want.gid == j.p.GID && j.disk.as == nil {
		steps = append(steps, host.Step{Call: host.Create, Name: j.path, Perm: fileMode(want.mode), Time: j.p.Clock.Now()})
	}
	return steps
}

// temporary is where renamecopy keeps the log until postrotate has run.
func (j *job) temporary() string { return j.path + ".tmp" }

// fileWanted is the mode and the owner of the new log.
func (j *job) fileWanted() ownership {
	want, was := j.set.newFile, j.entry.info
	if want.mode == unset {
		want.mode = int(was.mode.Perm())
	}
	if want.uid == unset {
		want.uid = was.uid
	}
	if want.gid == unset {
		want.gid = was.gid
	}
	return want
}

// createLog makes the new, empty log.
func (j *job) createLog() {
	want := j.fileWanted()
	j.out.note("creating new %s mode = 0%o uid = %d gid = %d\n", j.log, want.mode, want.uid, want.gid)
	switch {
	case j.options.debug:
		return
	case j.fresh:
		j.disk.note(j.path, true)
		return
	}
	if f := j.newFile(j.path, want); f != nil {
		j.p.Stamp(f)
		f.Close()
	}
}

// finish compresses, mails and removes.
func (j *job) finish() {
	if j.failed || !j.due() {
		return
	}
	s := j.set
	if s.renameCopy {
		j.copyRenamed()
	}
	if !j.failed && s.compress && !s.delayCompress {
		j.compress(j.final, j.entry.info)
	}
	if !j.failed && s.mail != "" {
		switch {
		case s.mailFirst && s.compress && !s.delayCompress:
			j.mail(j.first, j.log)
		case s.mailFirst:
			j.mail(j.first, j.first)
		case j.dispose != "":
			j.mail(j.dispose, j.dispose)
		}
	}
	if !j.failed && j.dispose != "" {
		j.remove(j.dispose)
	}
}

// discard removes an old log before its time, mailed if mails are wanted.
func (j *job) discard(name string) {
	if !j.failed && j.set.mail != "" {
		j.mail(name, name)
	}
	if !j.failed {
		j.remove(name)
	}
}
