// Package ntp encodes and decodes NTP packets: the header of RFC 5905, the
// extension fields of RFC 7822 and the message authentication code that may
// follow (RFC 5905 section 7.3, RFC 8573). It does no I/O and keeps no state.
//
// Divergences from RFC 5905: mode 6 and 7 packets are not decoded; a packet
// with a crypto-NAK is returned with KeyID 0 and an empty digest.
package ntp
