package session

import (
	"context"
	"fmt"
	"time"

	"enshu/grader"
	"enshu/sim/scenario"
)

// TestResult is one way of working on a lab, and whether the lab judged it as
// its file says.
type TestResult struct {
	Name   string
	Took   time.Duration
	Report *grader.Report
	Err    error // why the lab file is wrong
}

// Test starts a lab afresh for each way of working on it and calls each with
// how it went: untouched it must fail, every solution must pass, every mistake
// must fail at the links that the lab file names. The error is of a lab that
// cannot be tested at all.
func Test(ctx context.Context, l Launch, each func(TestResult)) error {
	src, err := scenario.Parse(l.File, l.Source, Known())
	if err != nil {
		return err
	}
	spec, err := src.Draw(l.Seed)
	if err != nil {
		return err
	}
	one := func(name string, work func(*Client) error, judge func(*grader.Report) error) {
		began := time.Now()
		r := TestResult{Name: name}
		r.Report, r.Err = attempt(ctx, l, work)
		if r.Err == nil {
			r.Err = judge(r.Report)
		}
		r.Took = time.Since(began)
		each(r)
	}
	one("untouched", nil, func(r *grader.Report) error {
		if r.Outcome() != grader.Fail {
			return fmt.Errorf("the untouched lab does not fail: %s", r.Outcome())
		}
		return nil
	})
	for _, s := range spec.Solutions {
		one("solution "+s.Name, func(c *Client) error { return c.Solve(ctx, s.Name, nil) }, func(r *grader.Report) error {
			if r.Outcome() != grader.Pass {
				return fmt.Errorf("the solution does not pass: %s", r.Outcome())
			}
			return nil
		})
	}
	for _, m := range spec.Mistakes {
		one("mistake "+m.Name, func(c *Client) error { return c.Mistake(ctx, m.Name, nil) }, func(r *grader.Report) error {
			return diagnosed(r, m.Fails)
		})
	}
	return ctx.Err()
}

// attempt starts a lab, has somebody work on it, and grades it.
func attempt(ctx context.Context, l Launch, work func(*Client) error) (*grader.Report, error) {
	if _, err := Start(ctx, l); err != nil {
		return nil, err
	}
	defer func() {
		if c, err := Dial(l.Name); err == nil {
			c.Finish(context.WithoutCancel(ctx))
			c.Close()
		}
	}()
	if work != nil {
		c, err := Dial(l.Name)
		if err != nil {
			return nil, err
		}
		err = work(c)
		c.Close()
		if err != nil {
			return nil, err
		}
	}
	c, err := Dial(l.Name)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Check(ctx, nil, nil)
}

// diagnosed reports an error unless each task failed at the link that is stated.
func diagnosed(r *grader.Report, want []scenario.Failure) error {
	for _, w := range want {
		for _, t := range r.Tasks {
			if t.ID != string(w.Task) {
				continue
			}
			link := ""
			for _, c := range t.Checks {
				if c.Outcome != grader.Pass {
					link = c.Link
					if c.Outcome == grader.Unknown {
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
