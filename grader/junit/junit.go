// Package junit writes results in the XML that continuous integration reads,
// first that of JUnit's Ant task.
package junit

import (
	"encoding/xml"
	"io"
)

// Suite is some cases under one name.
type Suite struct {
	Name  string
	Cases []Case
}

// Case is one result: it passed, unless it has a Failure or was Skipped.
type Case struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Seconds string   `xml:"time,attr,omitempty"` // that it took, as a decimal number; may be left out
	Failure *Message `xml:"failure,omitempty"`
	Skipped *Message `xml:"skipped,omitempty"`
}

// Message says why a case did not pass.
type Message struct {
	Message string `xml:"message,attr,omitempty"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

type testsuites struct {
	XMLName xml.Name    `xml:"testsuites"`
	Suites  []testsuite `xml:"testsuite"`
}

type testsuite struct {
	Name     string `xml:"name,attr"`
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Skipped  int    `xml:"skipped,attr"`
	Cases    []Case `xml:"testcase"`
}

// Write writes a whole document.
func Write(w io.Writer, suites []Suite) error {
	var out testsuites
	for _, s := range suites {
		t := testsuite{Name: s.Name, Tests: len(s.Cases), Cases: s.Cases}
		for _, c := range s.Cases {
			switch {
			case c.Failure != nil:
				t.Failures++
			case c.Skipped != nil:
				t.Skipped++
			}
		}
		out.Suites = append(out.Suites, t)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
