// Package journalctl is journalctl(1) and systemd-cat(1): reading the journal, and
// writing into it. How entries are matched and printed is for systemctl status
// as well.
//
// Sources: journalctl(1), systemd-cat(1), recorded output of version 252.
//
// # Divergences
//
//   - --machine, --namespace and --setup-keys are not modelled. No file is sealed: a
//     key of --verify-key must be well-formed, no more. --header shows what files of
//     this format have.
//   - -N sorts the names, and -o cat keeps the order of --output-fields, where the
//     real one has that of a hash table.
//   - systemd-cat starts its command, or copies, as a process of its own: _COMM of
//     what it wrote is systemd-cat's.
package journalctl
