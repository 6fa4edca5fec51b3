// Package sdjournal is a host's journal as Programs see it: sd-journal(3).
// journald writes files with [Writer]; journalctl and rsyslog's imjournal read
// with [Reader], which interleaves the files of directories, follows new
// entries and survives rotation.
//
// A Reader stands in a gap between two entries, not on one: Next returns the
// entry after the gap and moves behind it, Previous the entry before it.
//
// A reader that follows blocks on /run/systemd/journal/notify, a stream socket
// on which journald writes a byte after it appended entries; where nothing
// listens it looks again every second.
//
// # Divergences
//
//   - sd_journal_get_fd and inotify have no counterpart; see above.
//   - Matches are predicates over entries (see [Reader.Filter]); what the indexes of
//     the files know narrows them (see [Reader.Only]).
package sdjournal
