// Package rsyslog is the syslog daemon of a host, rsyslogd(8). The command that
// talks to it, logger(1), is in package logger.
//
// A message's way is the order of the packages: an input (package input) takes it
// from a socket, the journal or a file; sim/wire/syslog takes it apart into a
// message; the main queue (daemon.go) hands it to the rules (run.go), whose filters
// and expressions are those of package script; templates make the text that actions
// (action.go) write with outputs (package output).
//
// The configuration is read as rsyslog's own lexer and parser read it (package
// script), including what they make of lines that are wrong: an action is entered,
// and a complaint made, at the moment at which an LALR parser with default
// reductions would. Package config acts on what was read; what comes of it is
// values, from which the daemon is built.
//
// Sources: rsyslogd(8), rsyslog.conf(5), syslog.conf(5), logger(1), rsyslog's
// documentation, RFC 3164, RFC 5424, RFC 6587, and recordings of rsyslogd
// 8.2302 and logger 2.38 (testdata/oracle).
//
// # The trace
//
// For each message: received, rules matched, rules about its facility missed,
// sent, written, dropped. Of a flood the trace takes the first 500 messages and
// 100 a second after that, so that it stays bounded; the messages themselves all
// go their way.
//
// # Divergences
//
//   - Compression ((z9), zipLevel) and TLS are read and not done: text goes out
//     as it is. Statistics (impstats, dyn_stats), output channels, signatures,
//     encryption, timezone(), main_queue() and modules other than imuxsock, imudp, imtcp,
//     imklog, immark, imjournal, imfile, omfile, omfwd, ompipe, omusrmsg, omprog,
//     omshell and omdiscard are not there; loading them fails as for a module
//     that is not installed.
//   - A queue is in memory, of type disk, too. With a file name and either that
//     type or saveOnShutdown what is left at the end is kept in one file of our own
//     form and sent after the next start; a daemon that is killed loses it. A queue
//     that is full drops messages instead of using the disk.
//   - A message that waited in a queue for a remote that was down is sent once;
//     the real daemon was seen to send it twice.
//   - Every queue has one worker; queue.dequeueSlowDown and time windows, worker
//     counts and watermarks make no difference. The main queue holds 50,000
//     messages; sources that can be held up are, UDP is dropped.
//   - Files are written at the end of each batch, as with flushOnTXEnd="on"; with
//     "off" they are written when ioBufferSize is full, at SIGHUP and at the end,
//     and flushInterval and asyncWriting are not followed.
//   - A log file that is a fifo without a reader is told of and tried again later,
//     like any file that cannot be opened; the real daemon waits for a reader with
//     all its rules, and does not end at SIGTERM meanwhile.
//   - A directory that cannot be made for a log file is told of once for each batch
//     of messages, not for each message. A dynamic file that could not be opened is
//     tried again at each message; the real one may lose the next file's message, too.
//   - imfile looks at its files twice a second in either mode and in the order of
//     their names, knows no readTimeout, keeps its place in a state file of our own
//     form, and adds no NUL behind what addCeeTag marks.
//   - imklog begins with what the kernel's buffer holds each time it starts; the
//     real one reads a line only once.
//   - imjournal says at every start that journal files changed.
//   - $Umask is applied to the files and directories that omfile makes.
//   - Dropping privileges is read and not done.
//   - A call of a function that is not known, or with wrong arguments, yields 0:
//     the real daemon crashes or complains again at each message. The functions
//     that count (dyn_inc, percentile_observe) are not known.
//     global(variables.caseSensitive) is read and not followed.
//   - format_time() of what is no form of it yields its first argument, where the
//     real one shows memory. A JSON value at the right of <, <=, > or >= beside a
//     text counts as its number, where the real one may compare an address.
//   - reload_lookup_table reads the file before the next statement, the real one
//     beside the messages.
//   - imudp binds addresses of the host only (the real one uses IP_FREEBIND);
//     texts that the real daemon takes from a stale errno are left out.
//   - A forward by UDP to an empty port goes nowhere, and the reason is told in other
//     words. The forms "@host:" and "@[address]:port" of old rules are read otherwise
//     than the real one reads them.
//   - position.from of a property option may not be negative. A position.to below zero
//     that ends before position.from yields nothing, and so does a field behind the
//     last one where the delimiter is NUL; the real daemon crashes or shows memory.
//   - POSIX regular expressions are Go's with leftmost-longest matching: no
//     back-references; one to a group that is not there is an error, as it should be.
//   - Objects with values that make no sense, several at a time, are complained of in
//     another order, or of another parameter first, in every third of random ones
//     (module, input, action, ruleset; parameters known here are fewer).
//   - A selector that ends in a dot or a semicolon before an action of its own may be
//     told of as a warning where the real daemon says nothing.
//   - An unknown group in an object is told, and the object's other parameters count;
//     the real daemon then misses them.
//   - logger --id=PID does not make the kernel vouch for that process as root's can:
//     journald sees logger's own. Its --help has words of its own.
//   - The time quality of logger's RFC 5424 header always says that the clock is
//     not synchronised.
package rsyslog
