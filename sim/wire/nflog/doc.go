// Package nflog decodes the messages of the kernel's NFLOG target
// (linux/netfilter/nfnetlink_log.h) and writes for each the line that the
// kernel itself would have logged. It does no I/O.
//
// The kernel's own "log" does not leave the first network namespace, so a host
// of a lab has its packets logged through NFLOG and the text rebuilt here.
//
// Sources: the vectors in testdata, each an NFLOG message beside the kernel's
// line for the same packet (Linux 6.18); RFC 791, 792, 793, 768, 8200, 4443.
//
// # Divergences
//
//   - Bridge ports (PHYSIN=, PHYSOUT=) and VLAN tags are not written.
//   - MAC= of a device that is not Ethernet is its link layer header as it is.
package nflog
