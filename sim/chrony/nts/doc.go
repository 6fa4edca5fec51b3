// Package nts is Network Time Security (RFC 8915) without its sockets: the messages
// of key establishment, which TLS carries, the extension fields that authenticate
// NTP packets, and a server's cookies. The one algorithm is AES-SIV-CMAC-256 (RFC
// 5297), as in chrony 4.3. It does no I/O; randomness is an argument.
package nts
