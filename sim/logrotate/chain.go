package logrotate

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// abreast is how many logs are rotated with the same messages to the host.
const abreast = 32

// width is how many logs of the set go through their stages together. More than
// one do where nobody can tell: nothing but renames, creations and removals of
// one log's own files happens, no log is named as an old one of another, and
// nothing is told.
func (s *set) width(o options) int {
	silent := !o.debug && !o.verbose && o.log == ""
	quiet := s.pre == "" && s.post == "" && s.preRemove == "" && s.mail == "" && !s.compress && !s.su
	if silent && quiet && !s.dateExt && s.maxAge == 0 && !s.shred && !s.keeps() && !s.renameCopy && s.oldDir == "" && !s.entangled() {
		return abreast
	}
	return 1
}

// entangled reports whether a log's name begins as another's old logs do.
func (s *set) entangled() bool {
	names := slices.Sorted(slices.Values(s.files))
	for i, name := range names {
		if i > 0 && strings.HasPrefix(name, strings.TrimSuffix(names[i-1], s.extension)) {
			return true
		}
	}
	return false
}

// outcome is what came of a chain of calls.
type outcome struct {
	done  int
	files []*os.File
	err   error
}

// perform makes the next steps of several logs, shifts first. Where one of a log
// fails the others' go on.
func perform(jobs []*job, next func(*job) []host.Step) {
	if len(jobs) == 1 {
		return // it makes its own, in time
	}
	var steps []host.Step
	var of []*job
	var counts []int
	for _, j := range jobs {
		if j.failed || !j.due() {
			continue
		}
		mine := append(j.shifts, next(j)...)
		if len(mine) == 0 {
			continue
		}
		steps, of, counts = append(steps, mine...), append(of, j), append(counts, len(mine))
	}
	for len(steps) > 0 {
		done, files, err := of[0].disk.chain(steps)
		for len(of) > 0 {
			n := min(done, counts[0])
			opened := 0
			for _, s := range steps[:n] {
				if s.Call == host.Open {
					opened++
				}
			}
			of[0].ahead = &outcome{n, files[:opened:opened], nil}
			whole := n == counts[0]
			if !whole {
				of[0].ahead.err = err
			}
			done, files, steps = done-n, files[opened:], steps[counts[0]:]
			of, counts = of[1:], counts[1:]
			if !whole {
				break
			}
		}
	}
}

// made returns what came of steps, which are made if that was not done ahead.
func (j *job) made(steps []host.Step) outcome {
	if j.ahead != nil {
		got := *j.ahead
		j.ahead = nil
		return got
	}
	done, files, err := j.disk.chain(steps)
	return outcome{done, files, err}
}

// settle makes the shifts, which wait because they cost no message of their own
// when they go with the steps that follow, and then these: the outcome is theirs.
// A shift that fails is told and fails the log.
func (j *job) settle(last ...host.Step) outcome {
	for !j.failed && len(j.shifts)+len(last) > 0 {
		got := j.made(append(j.shifts[:len(j.shifts):len(j.shifts)], last...))
		made := min(got.done, len(j.shifts))
		for _, s := range j.shifts[:made] {
			j.moved(s.Name, s.To)
		}
		got.done, j.shifts = got.done-made, j.shifts[made:]
		if len(j.shifts) == 0 {
			return got
		}
		s := j.shifts[0]
		j.disk.forget() // it is not what it was taken for
		j.shifts = j.shifts[1:]
		j.shiftFailed(s.Name, s.To, got.err)
	}
	j.shifts = nil
	return outcome{}
}

func (j *job) shiftFailed(from, to string, err error) {
	if errors.Is(err, syscall.ENOENT) {
		j.out.note("old log %s does not exist\n", from)
		return
	}
	j.fail("error renaming %s to %s: %s\n", from, to, libc.Strerror(err))
}
