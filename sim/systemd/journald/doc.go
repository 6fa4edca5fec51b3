// Package journald is systemd-journald(8): it takes the messages of a host and
// keeps them in files.
//
// # The roads
//
//   - Messages come in by /run/systemd/journal/socket (native protocol) and dev-log
//     (/dev/log leads there), outputs of services by /run/systemd/journal/stdout, the
//     kernel's from its ring buffer.
//   - Whose process is whose journald learns from PID 1's links
//     (sim/systemd/machine); it never waits for PID 1.
//   - The files are those of sim/wire/journal; sim/sdjournal writes and reads them,
//     also for programs of other suites.
//   - It tells readers of new entries over /run/systemd/journal/notify, and does
//     what journalctl --rotate, --flush and --sync want over
//     /run/systemd/journal/io.systemd.journal.
//
// Sources: systemd-journald.service(8), journald.conf(5), systemd.journal-fields(7),
// sd_journal_stream_fd(3), recorded output of version 252.
//
// # Divergences
//
//   - Journal files have a format of their own; sealing, compression, namespaces
//     and memfd messages are not modelled. Fields of an entry stand in the order in
//     which they came, not in that of their first occurrence in the file.
//     SyncIntervalSec= has no effect: what is accepted is written.
//   - A disk that is fuller than SystemKeepFree= allows makes the journal smaller,
//     where the real one refuses to grow and loses messages.
//   - SystemMaxUse= is 48 MiB at least, where the real default is a tenth of the
//     disk: a host's disk has 64 MiB.
//   - Login sessions have no scopes: RateLimitBurst= counts the messages of all
//     sessions of a user together, as user-UID.slice.
//   - The volatile journal is not waited for at boot: /var is there from the start,
//     so journald opens the persistent one at once where it is wanted.
//   - systemd-journal-flush.service is not part of the boot: journald does by itself,
//     when it begins, what that asks for.
//   - The messages of PID 1 have no CODE_FILE=, CODE_LINE= and CODE_FUNC=.
//   - Nothing can be written to the kernel's log by /dev/kmsg, which hosts lack.
//   - Who has gone by the time that a message is read has neither _COMM nor _EXE, as
//     with the real one. Without /proc, _COMM, _EXE, _CMDLINE and _CAP_EFFECTIVE are missing.
package journald
