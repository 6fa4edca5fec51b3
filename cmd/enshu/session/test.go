package session

import (
	"context"
	"fmt"
	"strings"
	"time"

	"enshu/grader/report"
	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// Play is one way of working on a lab that its file tells of. The lab is
// started afresh for it.
type Play struct {
	Name string

	launch Launch
	work   func(context.Context, *Client) error // nil is nothing
	judge  func(*report.Report) error
	twice  bool // two runs must leave equal traces
}

// TestResult is how a play went.
type TestResult struct {
	Took   time.Duration
	Report *report.Report
	Err    error // why the lab, or its file, is wrong
}

// Plays returns every way of working on a lab: untouched it must fail, every
// solution must pass, every mistake must fail at the links that the lab file
// names. The first solution is played twice, and the outline of the trace
// ([trace.Outline]) and the diagnosis must be the same. The error is of a lab
// that cannot be tested at all.
func Plays(l Launch) ([]Play, error) {
	src, err := scenario.Parse(l.File, l.Source, Known())
	if err != nil {
		return nil, err
	}
	spec, err := src.Draw(l.Seed)
	if err != nil {
		return nil, err
	}
	plays := []Play{{Name: "untouched", launch: l, judge: func(r *report.Report) error {
		if r.Outcome() != report.Fail {
			return fmt.Errorf("the untouched lab does not fail: %s", r.Outcome())
		}
		return nil
	}}}
	for i, s := range spec.Solutions {
		plays = append(plays, Play{Name: "solution " + s.Name, launch: l, twice: i == 0,
			work: func(ctx context.Context, c *Client) error { return c.Solve(ctx, s.Name, nil) },
			judge: func(r *report.Report) error {
				if r.Outcome() != report.Pass {
					return fmt.Errorf("the solution does not pass: %s", r.Outcome())
				}
				return nil
			}})
	}
	for _, m := range spec.Mistakes {
		plays = append(plays, Play{Name: "mistake " + m.Name, launch: l,
			work:  func(ctx context.Context, c *Client) error { return c.Mistake(ctx, m.Name, nil) },
			judge: func(r *report.Report) error { return diagnosed(r, m.Fails) }})
	}
	return plays, nil
}

// Run plays on a lab of the name, which must not run yet.
func (p *Play) Run(ctx context.Context, name string) TestResult {
	began := time.Now()
	r := TestResult{}
	var outline string
	r.Report, outline, r.Err = p.attempt(ctx, name)
	if r.Err == nil {
		r.Err = p.judge(r.Report)
	}
	if r.Err == nil && p.twice {
		again, outlineAgain, err := p.attempt(ctx, name)
		switch {
		case err != nil:
			r.Err = fmt.Errorf("the second time: %w", err)
		case verdicts(again) != verdicts(r.Report):
			r.Report, r.Err = again, fmt.Errorf("the second time the outcome is another:\n%s", difference(verdicts(r.Report), verdicts(again)))
		case outline != outlineAgain:
			r.Err = fmt.Errorf("the second time the trace is another:\n%s", difference(outline, outlineAgain))
		}
	}
	r.Took = time.Since(began)
	return r
}

// attempt starts a lab, has somebody work on it, and grades it. It returns the
// outline of what had happened when the work was done.
func (p *Play) attempt(ctx context.Context, name string) (_ *report.Report, outline string, err error) {
	l := p.launch
	l.Name = name
	if _, err := Start(ctx, l); err != nil {
		return nil, "", err
	}
	defer func() {
		if c, derr := Dial(l.Name); derr == nil {
			c.Finish(context.WithoutCancel(ctx))
			c.Close()
		}
	}()
	if p.work != nil {
		if err := ask(l.Name, func(c *Client) error { return p.work(ctx, c) }); err != nil {
			return nil, "", err
		}
	}
	var events []trace.Event
	err = ask(l.Name, func(c *Client) error {
		return c.Events(ctx, 0, false, func(more []trace.Event) error {
			events = append(events, more...)
			return nil
		})
	})
	if err != nil {
		return nil, "", err
	}
	var result *report.Report
	err = ask(l.Name, func(c *Client) error {
		result, err = c.Check(ctx, nil, nil)
		return err
	})
	return result, trace.Outline(events), err
}

// ask makes one request of a lab.
func ask(name string, request func(*Client) error) error {
	c, err := Dial(name)
	if err != nil {
		return err
	}
	defer c.Close()
	return request(c)
}

// verdicts are what must not change from one run to another: outcomes and
// diagnoses, one line a check.
func verdicts(r *report.Report) string {
	var b []byte
	for _, t := range r.Tasks {
		b = fmt.Appendf(b, "%s %s\n", t.ID, t.Outcome)
		for i, c := range t.Checks {
			b = fmt.Appendf(b, "%s check %d: %s %s\n", t.ID, i+1, c.Outcome, c.Link)
		}
	}
	return string(b)
}

// difference shows the lines that only one of two texts has.
func difference(a, b string) string {
	return onlyIn("-", a, b) + onlyIn("+", b, a)
}

func onlyIn(mark, a, b string) string {
	there := map[string]bool{}
	for line := range strings.Lines(b) {
		there[line] = true
	}
	var out strings.Builder
	for line := range strings.Lines(a) {
		if !there[line] {
			out.WriteString(mark + " " + line)
		}
	}
	return out.String()
}

// diagnosed reports an error unless each task failed at the link that is stated.
func diagnosed(r *report.Report, want []scenario.Failure) error {
	for _, w := range want {
		for _, t := range r.Tasks {
			if t.ID != string(w.Task) {
				continue
			}
			link := ""
			for _, c := range t.Checks {
				if c.Outcome != report.Pass {
					link = c.Link
					if c.Outcome == report.Unknown {
						link = "unknown: " + c.Reason
					}
					break
				}
			}
			if link != w.Link {
				return fmt.Errorf("task %s: the diagnosis is %q, the lab file says %q", w.Task, link, w.Link)
			}
		}
	}
	return nil
}
