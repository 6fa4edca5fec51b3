// Package journalctl is journalctl(1) and systemd-cat(1): reading the journal, and
// writing into it. How entries are matched and printed is for systemctl status
// as well.
//
// Sources: journalctl(1), systemd-cat(1), recorded output of version 252.
//
// # Divergences
//
//   - --machine, --namespace and --setup-keys are not modelled.
//   - Regular expressions of -g are Go's, which lack backreferences.
package journalctl
