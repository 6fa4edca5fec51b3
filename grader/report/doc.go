// Package report is what becomes of a lab when it has been looked at, and how
// it is told: to a person at a terminal ([WriteText]) and to machines (JSON,
// JUnit, Gradescope, CSV). It holds values and knows no check.
package report
