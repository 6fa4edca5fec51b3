// Package utillinux is the part of util-linux that looks at what the lab keeps
// in place of a kernel: dmesg(1) over the host's ring buffer. What of util-linux
// reads files only, such as wall(1) and last(1) over the records of sim/wire/utmp,
// is the machine's own; su(1) is in sim/login.
//
// Sources: dmesg(1), and recordings of util-linux 2.38, which are the tests. EL9
// has 2.37.4, whose dmesg lacks --since and --until.
//
// # Divergences
//
//   - dmesg -n, -D and -E check their arguments and change nothing: a host has no
//     console.
//   - dmesg -S and -s are accepted; there is one way to read the buffer.
//   - Only root reads the ring buffer (kernel.dmesg_restrict is 1).
package utillinux
