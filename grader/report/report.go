package report

import (
	"time"

	"enshu/sim/scenario"
)

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

// Progress is how far a run has got.
type Progress struct {
	Task    string
	Check   int // from 1
	Of      int
	Title   scenario.Text
	Waiting time.Duration // how much longer it waits at most; 0 when it does not wait
}
