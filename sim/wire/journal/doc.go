// Package journal encodes and decodes what the journal of a host is made of:
// entries, journal files, cursors, the native protocol of
// /run/systemd/journal/socket, and the export format. It does no I/O.
//
// Sources: systemd's documentation "Native Journal Protocol" and "Journal
// Export Formats", systemd.journal-fields(7), sd_journal_get_cursor(3).
//
// # Journal files
//
// A journal file is append-only: a header of [HeaderSize] bytes, then records,
// then zeros up to the size that the file was given beforehand. Numbers are
// little endian.
//
//	header: 0 magic "ENSHUJNL" · 8 version (4) · 12 flags (4, bit 0: archived) ·
//	        16 file ID · 32 machine ID · 48 sequence number ID (16 each) ·
//	        64 tail hint (8): an offset at which a record ends, or the last one ·
//	        72 index hint (8): where the last index record stands, or one before
//	record: sync mark (4) · length of the body (4) · checksum of the body (4) ·
//	        body · length of the body (4)
//	body:   sequence number (8) · realtime µs (8) · monotonic µs (8) · boot ID (16) ·
//	        number of fields, then each field's length (uvarint) and "NAME=value"
//
// After every [SegmentSize] entries a record follows whose sequence number is 0:
// the index of these entries (index.go). Index records lead from the last to
// the first; where there is none, entries are found by reading them.
//
// A record whose mark, lengths or checksum do not agree is not there (yet): a
// writer that was killed leaves the file readable, and a reader may look at
// any time. Realtime and sequence number never fall inside a file, so a reader
// bisects it: from any offset the next record is found by its mark. Mark and
// checksum are seeded with the file ID, which who writes a message does not
// know, so no message can pass for a record.
//
// # Divergences
//
// The real files have a format of their own with hash tables, compression,
// sealing and locks; nothing but this package reads these.
package journal
