// Package utillinux is the part of util-linux that looks at what the lab keeps
// in place of a kernel or of logins: dmesg(1) over the host's ring buffer, and
// wall(1), write(1) and mesg(1) over the records of logged-in users.
//
// Sources: the manual pages, and recordings of util-linux 2.38, which are the
// tests. EL9 has 2.37.4, whose dmesg lacks --since and --until.
//
// # Divergences
//
//   - dmesg -J of a file gives each record its own text; 2.38 repeats the rest of
//     the file in it.
//   - dmesg -n, -D and -E check their arguments and change nothing: a host has no
//     console.
//   - dmesg -S and -s are accepted; there is one way to read the buffer.
//   - Only root reads the ring buffer (kernel.dmesg_restrict is 1).
package utillinux
