// Package candm is chrony's monitoring and command protocol, version 6, as
// chrony 4.3 speaks it over /run/chrony/chronyd.sock and UDP port 323: requests,
// replies, the 32-bit float format, and the padding of requests. One
// description of each message serves for encoding and decoding. It does no
// I/O.
//
// Source: recorded datagrams of chronyc and chronyd 4.3. Later releases add
// replies (25, 26) and commands (72 and up), which are unknown here.
package candm
