// Package logrotate is logrotate(8): the configuration language, the decision
// whether a log is due, the names of old logs, and the work on the files.
//
// The pure parts take values and a time: the scanner of the language (scan.go),
// the directives (directive.go), the decision (due.go), date suffixes (date.go),
// names and ages of old logs (names.go), the state file (state.go). Only
// rotate.go and files.go act.
//
// Sources: logrotate(8), logrotate.conf(5) of version 3.21, glob(3), and
// recordings of the real program, which are the tests: written cases, and
// configurations that a generator made of all directives. EL9 has version 3.18;
// what its manual tells is the same but for messages.
//
// # Divergences
//
//   - The gzip family is compressed in the process when compresscmd is the
//     default and compressoptions are at most a level, which makes a thousand
//     logs three times as fast as the original; other commands are run.
//   - su is enforced by looking at owners and modes, not by a changed identity
//     of the process; supplementary groups of the user do not count, and
//     directories of old logs are read with the rights of root.
//   - A fifo or a device is not copied or compressed: the original waits for it
//     without end.
//   - shred overwrites a file in the process instead of running shred(1).
//   - ACLs and SELinux contexts are not kept; hosts have none.
//   - The lines of the state file are in the order in which the logs became
//     known; the original's follow a hash. Names that tabooext passes over are
//     told in the order of the alphabet, not of the directory.
//   - "Failed to remove old log" after a preremove script that failed gives the
//     reason ENODATA; the original's is what some call before it left.
//   - A dateformat that begins with a slash, whose directory is not there: the
//     original also tells that it cannot be read.
//   - EL9 starts it by logrotate.timer; hosts have a script in /etc/cron.daily.
package logrotate
