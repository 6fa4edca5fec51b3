package logrotate

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
)

// newFile makes a file that must not exist; one that does is put aside.
func (j *job) newFile(name string, want ownership) *os.File {
	open := func() (*os.File, error) {
		// Its mode is what it may be used for before it has its owner.
		return j.disk.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, fs.FileMode(want.mode)&0o600)
	}
	f, err := open()
	if errors.Is(err, syscall.EEXIST) {
		aside := name + j.now.Format("-2006010215") + ".backup"
		j.out.error("destination %s already exists, renaming to %s\n", name, aside)
		if err := j.move(name, aside); err != nil {
			j.fail("error renaming already existing output file %s to %s: %s\n", name, aside, libc.Strerror(err))
			return nil
		}
		f, err = open()
	}
	if err != nil {
		j.fail("error creating output file %s: %s\n", name, libc.Strerror(err))
		return nil
	}
	info, err := f.Stat()
	// Only root gives files away; others keep what they make.
	if uid, gid := ownerOf(info, err); j.p.UID == 0 && j.disk.as == nil && (uid != want.uid || gid != want.gid) {
		if err := f.Chown(want.uid, want.gid); err != nil {
			j.fail("error setting owner of %s to uid %d and gid %d: %s\n", name, want.uid, want.gid, libc.Strerror(err))
			f.Close()
			return nil
		}
	}
	if err := f.Chmod(fileMode(want.mode)); err != nil {
		j.fail("error setting mode of %s: %s\n", name, libc.Strerror(err))
		f.Close()
		return nil
	}
	return f
}

func ownerOf(info fs.FileInfo, err error) (uid, gid int) {
	if err != nil {
		return unset, unset
	}
	return libc.Owner(info)
}

func (l logInfo) ownership() ownership {
	return ownership{int(modeBits(l.mode)), l.uid, l.gid}
}

// copyLog copies the log to its old name and, unless copy says not to, empties it.
func (j *job) copyLog(source string) {
	s := j.set
	skip := s.rotate == 0 && !s.renameCopy
	if skip {
		j.out.note("skip copying %s to %s\n", source, j.final)
	} else {
		j.out.note("copying %s to %s\n", source, j.final)
	}
	if !j.options.debug {
		flag := os.O_RDWR
		if s.copy && !s.copyTruncate {
			flag = os.O_RDONLY
		}
		from, err := j.disk.regular(source, flag)
		if err != nil {
			j.fail("error opening %s: %s\n", source, libc.Strerror(err))
			return
		}
		defer from.Close()
		if !skip && !j.copyTo(from, source) {
			return
		}
		if s.copyTruncate {
			defer j.truncate(from, source)
		}
	}
	if s.copyTruncate {
		j.out.note("truncating %s\n", source)
	} else {
		j.out.note("Not truncating %s\n", source)
	}
}

func (j *job) truncate(f *os.File, name string) {
	if err := f.Truncate(0); err != nil {
		j.fail("error truncating %s: %s\n", name, libc.Strerror(err))
		return
	}
	j.p.Stamp(f)
}

// copyRenamed makes the old log of renamecopy.
func (j *job) copyRenamed() {
	name := j.temporary()
	j.copyLog(name)
	j.out.note("removing tmp log %s\n", name)
	if j.failed || j.options.debug {
		return
	}
	if err := j.disk.Remove(name); err != nil {
		j.fail("failed to remove %s: %s\n", name, libc.Strerror(err))
	}
}

func (j *job) copyTo(from *os.File, source string) bool {
	to := j.newFile(j.final, j.entry.info.ownership())
	if to == nil {
		return false
	}
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		j.fail("error writing to %s: %s\n", j.final, libc.Strerror(err))
		return false
	}
	j.p.Stamp(to)
	j.p.Emit(trace.FileRotated, trace.Attrs{"from": source, "to": j.final})
	return true
}

// compress replaces an old log by its compressed form, which keeps the time.
func (j *job) compress(name string, was logInfo) {
	s := j.set
	j.out.note("compressing log with: %s\n", s.compressCmd)
	if j.options.debug {
		return
	}
	target := name + s.compressExt
	// Only to be overwritten it has to be writable.
	flag, access := os.O_RDONLY, "read-only"
	if s.shred {
		flag, access = os.O_RDWR, "read-write"
	}
	in, err := j.disk.regular(name, flag)
	if err != nil {
		j.fail("unable to open %s (%s) for compression: %s\n", name, access, libc.Strerror(err))
		return
	}
	defer in.Close()
	out := j.newFile(target, was.ownership())
	if out == nil {
		return
	}
	err = j.pack(name, in, out)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		j.fail("failed to compress log %s\n", name)
		// It is only half written; that it may stay is not worth another message.
		_ = j.disk.Remove(target)
		return
	}
	if err := j.p.Sys.Chtimes(target, was.mtime, was.mtime); err != nil {
		j.out.note("error: error setting atime and mtime of %s: %s\n", target, libc.Strerror(err))
	}
	j.p.Emit(trace.FileRotated, trace.Attrs{"from": name, "to": target})
	j.unlink(name, in)
}

// pack compresses in to out, itself or with the command of the set.
func (j *job) pack(name string, in, out *os.File) error {
	s := j.set
	if level, ok := gzipLevel(s.compressOptions); ok && s.compressCmd == j.defaults.Compress {
		w, err := gzip.NewWriterLevel(out, level)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, in)
		return errors.Join(err, w.Close())
	}
	var told bytes.Buffer
	child, err := j.p.Start(host.Cmd{
		Path: s.compressCmd, Args: append([]string{s.compressCmd}, s.compressOptions...),
		Env:   append(j.p.Env[:len(j.p.Env):len(j.p.Env)], "LOGROTATE_COMPRESSED_FILENAME="+name),
		Stdin: in, Stdout: out, Stderr: &told, Cred: j.disk.as,
	})
	var st host.Status
	if err != nil {
		fmt.Fprintf(&told, "error: cannot execute compress command '%s': %s\n", s.compressCmd, libc.Strerror(err))
	} else {
		if as := j.disk.as; as != nil {
			j.out.note("switching uid to %d and gid to %d permanently (pid %d)\n", as.UID, as.GID, child.PID)
		}
		st, err = child.Wait(j.ctx)
	}
	if told.Len() > 0 {
		j.out.error("Compressing program wrote following message to stderr when compressing log %s:\n%s", name, told.String())
	}
	if err == nil && !st.Success() {
		err = errors.New(st.String())
	}
	return err
}

// gzipLevel reads the options of gzip that ask for a level and nothing else
// that would show.
func gzipLevel(options []string) (int, bool) {
	level := 6
	for _, o := range options {
		switch {
		case len(o) == 2 && o[0] == '-' && o[1] >= '1' && o[1] <= '9':
			level = int(o[1] - '0')
		case o == "--fast":
			level = 1
		case o == "--best":
			level = 9
		case o == "-n" || o == "--no-name":
		default:
			return 0, false
		}
	}
	return level, true
}

// remove removes an old log.
func (j *job) remove(name string) {
	j.out.note("removing old log %s\n", name)
	if j.options.debug {
		return
	}
	got := j.made(j.removal(name))
	if got.done == 0 {
		j.fail("error opening %s: %s\n", name, libc.Strerror(got.err))
		return
	}
	defer got.files[0].Close()
	if j.plainly() {
		j.unlinked(name, got.err)
	} else if !j.unlink(name, got.files[0]) {
		// The original tells an error number that some earlier call left.
		j.out.error("Failed to remove old log %s: No data available\n", name)
	}
}

// plainly reports whether to remove an old log is to unlink it.
func (j *job) plainly() bool { return j.set.preRemove == "" && !j.set.shred }

// removal are the calls that remove an old log, or those before its end.
func (j *job) removal(name string) []host.Step {
	steps := []host.Step{{Call: host.Open, Name: name, Flag: os.O_RDWR | syscall.O_NOFOLLOW | syscall.O_NONBLOCK}}
	if j.plainly() {
		steps = append(steps, host.Step{Call: host.Unlink, Name: name})
	}
	return steps
}

// removeSteps are the calls that finish makes.
func (j *job) removeSteps() []host.Step {
	if j.dispose == "" {
		return nil
	}
	return j.removal(j.dispose)
}

// unlink removes an open file, after preremove, overwritten before when shred
// asks for it. It reports false when preremove failed.
func (j *job) unlink(name string, f *os.File) bool {
	if j.set.preRemove != "" {
		j.out.note("running preremove script\n")
		if !j.script(j.set.preRemove, name, "") {
			j.fail("error running preremove script for %s of '%s'. Not removing this file.\n", name, j.set.pattern)
			return false
		}
	}
	if j.set.shred {
		j.out.note("Using shred to remove the file %s\n", name)
		cycles := j.set.shredCycles
		if cycles == 0 {
			cycles = 3
		}
		if err := overwrite(j.p, f, cycles); err != nil {
			j.out.error("Failed to shred %s, trying unlink\n", name)
		}
	}
	j.unlinked(name, j.disk.Remove(name))
	return true
}

func (j *job) unlinked(name string, err error) {
	if err != nil {
		j.fail("Failed to remove old log %s: %s\n", name, libc.Strerror(err))
		return
	}
	j.disk.note(name, false)
}

func overwrite(p *host.Proc, f *os.File, cycles int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	noise := make([]byte, 64<<10)
	for range cycles {
		for at := int64(0); at < info.Size(); at += int64(len(noise)) {
			part := noise[:min(int64(len(noise)), info.Size()-at)]
			for i := range part {
				part[i] = byte(p.Rand().Uint32())
			}
			if _, err := f.WriteAt(part, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// script runs a script with sh and reports success. Scripts run as logrotate
// itself, whatever su says.
func (r *rotation) script(text, log, rotated string) bool {
	args := []string{"sh", "-c", text, "logrotate_script", log}
	if rotated != "" {
		args = append(args, rotated)
	}
	if r.options.debug {
		r.out.note("running script with args %s %s: \"%s\"\n", log, rotated, text)
		return true
	}
	defer r.disk.forget()
	child, err := r.p.Start(host.Cmd{Path: "/bin/sh", Args: args, Stdin: r.p.Stdin, Stdout: r.p.Stdout, Stderr: r.p.Stderr})
	if err != nil {
		r.out.error("cannot run /bin/sh: %s\n", libc.Strerror(err))
		return false
	}
	if as := r.disk.as; as != nil {
		r.out.note(switching, as.UID, r.p.UID, as.GID, r.p.GID, child.PID)
	}
	st, err := child.Wait(r.ctx)
	return err == nil && st.Success()
}

// mail sends an old log, uncompressed, to the address of the set.
func (j *job) mail(name, subject string) {
	s := j.set
	f, err := j.disk.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		j.fail("failed to open %s for mailing: %s\n", name, libc.Strerror(err))
		return
	}
	defer f.Close()
	if j.options.debug {
		return
	}
	var body io.Reader = f
	var unpacked error
	if s.compress && !(s.delayCompress && s.mailFirst) {
		body, unpacked = j.unpack(f)
	}
	if !j.post(body, subject) {
		j.fail("mail command failed for %s\n", name)
	}
	if unpacked != nil {
		if errors.Is(unpacked, gzip.ErrHeader) {
			fmt.Fprint(j.p.Stderr, "\ngzip: stdin: not in gzip format\n")
		}
		j.fail("uncompress command failed mailing %s\n", name)
	}
}

// post runs the mail command and reports success.
func (j *job) post(body io.Reader, subject string) bool {
	child, err := j.p.Start(host.Cmd{
		Path: j.options.mail, Args: []string{j.options.mail, "-s", subject, j.set.mail},
		Stdin: body, Stdout: j.p.Stdout, Stderr: j.p.Stderr,
	})
	if err != nil {
		j.out.error("cannot execute mail command: %s\n", libc.Strerror(err))
		return false
	}
	st, err := child.Wait(j.ctx)
	return err == nil && st.Success()
}

// unpack returns the plain contents of a compressed log.
func (j *job) unpack(f *os.File) (io.Reader, error) {
	var plain bytes.Buffer
	if j.set.uncompressCmd == j.defaults.Uncompress {
		r, err := gzip.NewReader(f)
		if err != nil {
			return &plain, err
		}
		_, err = io.Copy(&plain, r)
		return &plain, err
	}
	child, err := j.p.Start(host.Cmd{Path: j.set.uncompressCmd, Args: []string{j.set.uncompressCmd}, Stdin: f, Stdout: &plain, Stderr: j.p.Stderr})
	if err != nil {
		return nil, err
	}
	st, err := child.Wait(j.ctx)
	if err == nil && !st.Success() {
		err = errors.New(st.String())
	}
	return &plain, err
}
