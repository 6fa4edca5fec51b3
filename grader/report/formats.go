package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"enshu/grader/junit"
)

// Submission is the report of one learner, for the formats of course staff.
type Submission struct {
	Name   string // the learner's, or the file's
	Report *Report
}

// WriteJSON writes a report as JSON.
func WriteJSON(w io.Writer, r *Report) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		*Report
		Outcome Outcome `json:"outcome"`
	}{r, r.Outcome()})
}

// said is a diagnosis in one text.
func said(c *Result, lang string) string {
	switch c.Outcome {
	case Pass:
		return c.Title.In(lang)
	case Unknown:
		return fmt.Sprintf(words["unknown"].In(lang), c.Reason)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s: %s\n", words["expected"].In(lang), c.Expected.In(lang), words["seen"].In(lang), c.Seen.In(lang))
	if c.Command != "" {
		fmt.Fprintf(&b, "%s: %s# %s\n", words["look"].In(lang), c.Host, c.Command)
	}
	fmt.Fprintf(&b, "%s: %s", words["slip"].In(lang), c.Slip.In(lang))
	return b.String()
}

// unmet says what must pass before a task is tried.
func unmet(t *Task, lang string) string {
	return fmt.Sprintf(words["needs"].In(lang), strings.Join(t.Needs, ", "))
}

// WriteJUnit writes reports as JUnit XML: a suite for each learner, a case for
// each check. What could not be tried is skipped.
func WriteJUnit(w io.Writer, all []Submission, lang string) error {
	var suites []junit.Suite
	for _, s := range all {
		suite := junit.Suite{Name: s.Name}
		for i := range s.Report.Tasks {
			t := &s.Report.Tasks[i]
			class := s.Report.Lab + "." + t.ID
			if len(t.Checks) == 0 {
				suite.Cases = append(suite.Cases, junit.Case{Class: class, Name: t.Title.In(lang), Skipped: &junit.Message{Message: unmet(t, lang)}})
			}
			for j := range t.Checks {
				c := &t.Checks[j]
				k := junit.Case{Class: class, Name: c.Title.In(lang)}
				switch c.Outcome {
				case Fail:
					k.Failure = &junit.Message{Message: c.Seen.In(lang), Type: c.Link, Text: said(c, lang)}
				case Unknown:
					k.Skipped = &junit.Message{Message: said(c, lang)}
				}
				suite.Cases = append(suite.Cases, k)
			}
		}
		suites = append(suites, suite)
	}
	return junit.Write(w, suites)
}

type gradescopeTest struct {
	Name     string  `json:"name"`
	Number   string  `json:"number"`
	Score    float64 `json:"score"`
	MaxScore float64 `json:"max_score"`
	Status   string  `json:"status,omitempty"`
	Output   string  `json:"output"`
}

// WriteGradescope writes a report as Gradescope's results.json: a test for each task.
func WriteGradescope(w io.Writer, r *Report, lang string) error {
	out := struct {
		Score float64          `json:"score"`
		Tests []gradescopeTest `json:"tests"`
	}{Score: float64(r.Points), Tests: []gradescopeTest{}}
	for i := range r.Tasks {
		t := &r.Tasks[i]
		test := gradescopeTest{Name: t.Title.In(lang), Number: strconv.Itoa(i + 1), Score: float64(t.Points), MaxScore: float64(t.Of)}
		var says []string
		if len(t.Needs) > 0 {
			says = append(says, unmet(t, lang))
		}
		for j := range t.Checks {
			says = append(says, said(&t.Checks[j], lang))
		}
		test.Output = strings.Join(says, "\n\n")
		switch t.Outcome {
		case Pass:
			test.Status = "passed"
		case Fail:
			test.Status = "failed"
		}
		out.Tests = append(out.Tests, test)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

// WriteCSV writes reports as a table: a row for each learner and task. The
// first line names the columns.
func WriteCSV(w io.Writer, all []Submission, lang string) error {
	out := csv.NewWriter(w)
	out.Write([]string{"submission", "lab", "task", "outcome", "points", "of", "link", "seen"})
	for _, s := range all {
		for i := range s.Report.Tasks {
			t := &s.Report.Tasks[i]
			link, seen := "", ""
			for j := range t.Checks {
				if c := &t.Checks[j]; c.Outcome != Pass {
					link, seen = c.Link, c.Seen.In(lang)
					if c.Outcome == Unknown {
						seen = c.Reason
					}
					break
				}
			}
			if len(t.Needs) > 0 {
				seen = unmet(t, lang)
			}
			out.Write([]string{cell(s.Name), s.Report.Lab, t.ID, string(t.Outcome), strconv.Itoa(t.Points), strconv.Itoa(t.Of), link, cell(seen)})
		}
	}
	out.Flush()
	return out.Error()
}

// cell keeps a spreadsheet from taking a text of a learner for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
