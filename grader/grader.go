package grader

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"enshu/grader/check"
	"enshu/grader/report"
	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// Options say what to look at and who watches.
type Options struct {
	Tasks []string // ids; none means all. What they need is looked at too.
	// Progress, which may be nil, is called when a check begins and while it waits.
	Progress func(report.Progress)
}

// Run looks at the tasks of a lab in order.
func Run(ctx context.Context, lab check.Lab, spec *scenario.Lab, o Options) *report.Report {
	r := &report.Report{Lab: spec.ID, Title: spec.Title}
	wanted := withNeeds(spec, o.Tasks)
	outcomes := map[string]report.Outcome{}
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

func runTask(ctx context.Context, lab check.Lab, spec *scenario.Lab, t *scenario.Task, before map[string]report.Outcome, progress func(report.Progress)) report.Task {
	task := report.Task{ID: t.ID, Title: t.Title, Of: t.Points, Outcome: report.Pass}
	for _, n := range t.Needs {
		if before[string(n)] != report.Pass {
			task.Needs = append(task.Needs, string(n))
		}
	}
	if len(task.Needs) > 0 {
		task.Outcome = report.Unknown
		return task
	}
	for i := range t.Checks {
		v := &check.View{Lab: lab, Spec: spec, Check: &t.Checks[i], Start: lab.Trace().Last()}
		if progress != nil {
			at := report.Progress{Task: t.ID, Check: i + 1, Of: len(t.Checks), Title: titleOf(&t.Checks[i])}
			v.Waiting = func(d time.Duration) {
				at.Waiting = d
				progress(at)
			}
			progress(at)
		}
		v.Token = token(spec, t.ID, i, v.Start)
		res := runCheck(ctx, v)
		task.Checks = append(task.Checks, res)
		switch {
		case res.Outcome == report.Fail:
			task.Outcome = report.Fail
		case res.Outcome == report.Unknown && task.Outcome == report.Pass:
			task.Outcome = report.Unknown
		}
	}
	if task.Outcome == report.Pass {
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
func runCheck(ctx context.Context, v *check.View) report.Result {
	k := kindOf(v.Check.Kind)
	res := report.Result{Kind: k.Name, Title: titleOf(v.Check)}
	got := k.Run(ctx, v, v.Check.Args)
	for _, name := range got.Walked {
		res.Path = append(res.Path, report.Link{Name: name, Label: k.Labels[name], Holds: true})
	}
	res.Evidence, res.Lines = got.Evidence, got.Lines
	if got.Err == nil && ctx.Err() != nil {
		got.Err = context.Cause(ctx)
	}
	switch {
	case got.Err != nil:
		res.Outcome, res.Reason = report.Unknown, got.Err.Error()
		return res
	case v.Check.Not && got.Broken == "":
		got.Broken = k.Unwanted
	case v.Check.Not:
		// What keeps it from happening is as it should be.
		got.Broken = ""
	}
	if got.Broken == "" {
		res.Outcome = report.Pass
		return res
	}
	res.Outcome, res.Link = report.Fail, got.Broken
	a := k.AdviceFor(got.Broken)
	step := got.Step
	if step == "" {
		step = a.Step
	}
	if step == "" {
		step = a.Link
	}
	res.Path = append(res.Path, report.Link{Name: step, Label: k.Labels[step]})
	res.Expected, res.Seen, res.Slip = got.Params.Fill(a.Expected), got.Params.Fill(a.Seen), got.Params.Fill(a.Slip)
	res.Command = got.Params.FillIn("en", a.Command)
	on := a.On
	if on == "" {
		on = "host"
	}
	res.Host = got.Params[on].EN
	return res
}

// titleOf says what a check wants in one line.
func titleOf(c *scenario.Check) scenario.Text {
	t := kindOf(c.Kind).Title(c.Args)
	if c.Not {
		t.JA += "…ということが起こらない"
		t.EN = "It must not be that: " + t.EN
	}
	return t
}
