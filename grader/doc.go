// Package grader looks at what a lab does and says what holds, what does not
// yet, and why.
//
// A check that can be exercised is exercised: the log check sends a line with
// a fresh token through the learner's own logger and waits for it at its end.
// What a file says never passes such a check; it only helps to find where the
// road ends. A check is a path of links in the order in which things happen
// (unit active, rule, transport, address, filter, listener, rule of the
// receiver, line in the file). The first that is broken is the diagnosis, and
// it is the only one told: what was expected, what was seen, the command that
// shows it, and the usual slip.
//
// Package check is the contract of a kind, the packages below kinds hold the
// kinds by what they are about, probe asks what several of them ask, and report
// is the judgement and its forms. Here is the table of the kinds, and the run.
//
// The grader sees what an administrator sees (commands, files) and the trace.
// It imports no suite: what it needs to know about a daemon, a learner needs to
// know too, and there is a command or a file that tells.
//
// Outcomes are pass, fail and unknown. Unknown means that it could not be
// tried, and is never shown as a failure.
//
// # Adding a kind
//
// A kind of check is one file in a package below kinds: a struct for its
// arguments, a function that walks its path, a table of advice in Japanese and
// English for each link that may break, and one line in the table of kinds.go. Tests range over the table: each advice
// must be complete and each link must be reached by a test.
package grader
