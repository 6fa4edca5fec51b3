package grader

import (
	"context"
	"fmt"
	"hash/fnv"
	"io/fs"
	"strings"
	"time"

	"enshu/sim/clock"
	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// Lab is a running lab as the grader needs it. Implementations: sim/lab, over
// namespaces, and the tests of this package, in memory.
type Lab interface {
	// Exec runs a shell script on a host. An error means that it could not be
	// run at all; a script that fails is an Output.
	Exec(ctx context.Context, host, user, script string) (Output, error)
	// ReadFile returns a file of a host as root sees it.
	ReadFile(host, name string) ([]byte, error)
	// Stat describes a file of a host; Sys() is a *syscall.Stat_t.
	Stat(host, name string) (fs.FileInfo, error)
	// Clock returns the clock of a host.
	Clock(host string) *clock.Local
	Trace() *trace.Log
}

// Output is what a command printed and how it ended.
type Output struct {
	Stdout, Stderr string
	Status         int // as a shell's $? shows it
}

// Outcome is the judgement of a check or task.
type Outcome string

// The outcomes.
const (
	Pass    Outcome = "pass"
	Fail    Outcome = "fail"
	Unknown Outcome = "unknown" // could not be tried
)

// Report is the judgement of a lab.
type Report struct {
	Lab    string        `json:"lab"`
	Title  scenario.Text `json:"title"`
	At     time.Time     `json:"at"` // true time
	Points int           `json:"points"`
	Of     int           `json:"of"`
	Tasks  []Task        `json:"tasks"`
}

// Outcome is pass when every task passed, fail when one failed.
func (r *Report) Outcome() Outcome {
	out := Pass
	for _, t := range r.Tasks {
		if t.Outcome == Fail {
			return Fail
		}
		if t.Outcome == Unknown {
			out = Unknown
		}
	}
	return out
}

// Task is the judgement of a task.
type Task struct {
	ID      string        `json:"id"`
	Title   scenario.Text `json:"title"`
	Outcome Outcome       `json:"outcome"`
	Points  int           `json:"points"`
	Of      int           `json:"of"`
	Needs   []string      `json:"needs,omitempty"` // tasks that must pass first and did not
	Checks  []Result      `json:"checks,omitempty"`
}

// Result is the judgement of a check.
type Result struct {
	Kind    string        `json:"kind"`
	Title   scenario.Text `json:"title"` // what must hold
	Outcome Outcome       `json:"outcome"`
	Path    []Link        `json:"path,omitempty"`
	// Link is the first broken link, and what follows its diagnosis.
	Link     string        `json:"link,omitempty"`
	Expected scenario.Text `json:"expected,omitzero"`
	Seen     scenario.Text `json:"seen,omitzero"`
	Slip     scenario.Text `json:"slip,omitzero"`  // the usual cause
	Host     string        `json:"host,omitempty"` // where Command shows it
	Command  string        `json:"command,omitempty"`
	Reason   string        `json:"reason,omitempty"` // why it is unknown
	Evidence []uint64      `json:"evidence,omitempty"`
	Lines    []string      `json:"lines,omitempty"` // of files and of output
}

// Link is one link of a path that was walked.
type Link struct {
	Name  string        `json:"name"`
	Label scenario.Text `json:"label"`
	Holds bool          `json:"holds"`
}

// Options say what to look at and who watches.
type Options struct {
	Tasks []string // ids; none means all. What they need is looked at too.
	// Progress, which may be nil, is called when a check begins and while it waits.
	Progress func(Progress)
}

// Progress is how far a run has got.
type Progress struct {
	Task    string
	Check   int // from 1
	Of      int
	Title   scenario.Text
	Waiting time.Duration // how much longer it waits at most; 0 when it does not wait
}

// Run looks at the tasks of a lab in order.
func Run(ctx context.Context, lab Lab, spec *scenario.Lab, o Options) *Report {
	r := &Report{Lab: spec.ID, Title: spec.Title}
	wanted := withNeeds(spec, o.Tasks)
	outcomes := map[string]Outcome{}
	for i := range spec.Tasks {
		t := &spec.Tasks[i]
		if !wanted[t.ID] {
			continue
		}
		task := runTask(ctx, lab, spec, t, outcomes, o.Progress)
		outcomes[t.ID] = task.Outcome
		r.Tasks = append(r.Tasks, task)
		r.Points += task.Points
		r.Of += task.Of
		lab.Trace().Append("", "grader", 0, trace.Checked, trace.Attrs{"task": t.ID, "outcome": string(task.Outcome)})
	}
	if len(spec.Hosts) > 0 {
		r.At = lab.Clock(spec.Hosts[0].Name).Timeline().Now()
	}
	return r
}

// withNeeds returns the tasks asked for and those that they need, all of them
// when none is asked for.
func withNeeds(spec *scenario.Lab, ids []string) map[string]bool {
	wanted := map[string]bool{}
	var add func(id string)
	add = func(id string) {
		t := spec.Task(id)
		if t == nil || wanted[id] {
			return
		}
		wanted[id] = true
		for _, n := range t.Needs {
			add(string(n))
		}
	}
	if len(ids) == 0 {
		for i := range spec.Tasks {
			wanted[spec.Tasks[i].ID] = true
		}
	}
	for _, id := range ids {
		add(id)
	}
	return wanted
}

func runTask(ctx context.Context, lab Lab, spec *scenario.Lab, t *scenario.Task, before map[string]Outcome, progress func(Progress)) Task {
	task := Task{ID: t.ID, Title: t.Title, Of: t.Points, Outcome: Pass}
	for _, n := range t.Needs {
		if before[string(n)] != Pass {
			task.Needs = append(task.Needs, string(n))
		}
	}
	if len(task.Needs) > 0 {
		task.Outcome = Unknown
		return task
	}
	for i := range t.Checks {
		v := &view{lab: lab, spec: spec, check: &t.Checks[i], start: lab.Trace().Last()}
		if progress != nil {
			at := Progress{Task: t.ID, Check: i + 1, Of: len(t.Checks), Title: titleOf(&t.Checks[i])}
			v.waiting = func(d time.Duration) {
				at.Waiting = d
				progress(at)
			}
			progress(at)
		}
		v.token = token(spec, t.ID, i, v.start)
		res := runCheck(ctx, v)
		task.Checks = append(task.Checks, res)
		switch {
		case res.Outcome == Fail:
			task.Outcome = Fail
		case res.Outcome == Unknown && task.Outcome == Pass:
			task.Outcome = Unknown
		}
	}
	if task.Outcome == Pass {
		task.Points = task.Of
	}
	return task
}

// token is a text that occurs nowhere yet. It is drawn from the attempt and
// from how far the trace has got, so that a lab that is played twice the same
// way has the same trace twice.
func token(spec *scenario.Lab, task string, check int, seq uint64) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %v %s %d %d", spec.ID, spec.Values, task, check, seq)
	const letters = "abcdefghjkmnpqrstuvwxyz23456789"
	var b strings.Builder
	for n, i := h.Sum64(), 0; i < 8; i++ {
		b.WriteByte(letters[n%uint64(len(letters))])
		n /= uint64(len(letters))
	}
	return b.String()
}

// runCheck asks a kind for its verdict and puts it into words.
func runCheck(ctx context.Context, v *view) Result {
	k := kindOf(v.check.Kind)
	res := Result{Kind: k.name, Title: titleOf(v.check)}
	got := k.run(ctx, v, v.check.Args)
	for _, name := range got.walked {
		res.Path = append(res.Path, Link{Name: name, Label: k.labels[name], Holds: true})
	}
	res.Evidence, res.Lines = got.evidence, got.lines
	if got.err == nil && ctx.Err() != nil {
		got.err = context.Cause(ctx)
	}
	switch {
	case got.err != nil:
		res.Outcome, res.Reason = Unknown, got.err.Error()
		return res
	case v.check.Not && got.broken == "":
		got.broken = k.unwanted
	case v.check.Not:
		// What keeps it from happening is as it should be.
		got.broken = ""
	}
	if got.broken == "" {
		res.Outcome = Pass
		return res
	}
	res.Outcome, res.Link = Fail, got.broken
	a := k.adviceFor(got.broken)
	step := got.step
	if step == "" {
		step = a.Step
	}
	if step == "" {
		step = a.Link
	}
	res.Path = append(res.Path, Link{Name: step, Label: k.labels[step]})
	res.Expected, res.Seen, res.Slip = fill(a.Expected, got.params), fill(a.Seen, got.params), fill(a.Slip, got.params)
	res.Command = fillString(a.Command, got.params, "en")
	on := a.On
	if on == "" {
		on = "host"
	}
	res.Host = got.params[on].EN
	return res
}

// verdict is what a kind found out.
type verdict struct {
	broken   string   // the first broken link; "" when all hold
	step     string   // the step it broke at, where that is not the link's usual one
	walked   []string // the steps of the path that hold, in order
	params   params
	evidence []uint64
	lines    []string
	err      error // it could not be tried
}

// titleOf says what a check wants in one line.
func titleOf(c *scenario.Check) scenario.Text {
	t := kindOf(c.Kind).title(c.Args)
	if c.Not {
		t.JA += "…ということが起こらない"
		t.EN = "It must not be that: " + t.EN
	}
	return t
}
