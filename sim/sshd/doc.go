// Package sshd is the OpenSSH server 8.7 of EL9, sshd(8): passwords and public
// keys, shells and commands with and without a terminal, sshd_config(5), and what
// it writes to the log and to utmp, wtmp, btmp and lastlog.
//
// A connection's way reads off the files: sshd.go listens and starts a process
// for each connection, conn.go speaks the protocol (RFC 4253, by
// golang.org/x/crypto/ssh), auth.go decides who may in (RFC 4252), session.go
// runs the shell or the command (RFC 4254), records.go notes it. config.go
// and directives.go are sshd_config.
//
// Sources: sshd(8), sshd_config(5), OpenSSH's log messages as an administrator of
// EL9 knows them, RFC 4251 to 4254.
//
// # Divergences
//
//   - Host keys that are missing are made by sshd itself when it starts, of types
//     ed25519 and ecdsa; on EL9 the units sshd-keygen@ do it, and make an RSA key too.
//   - There is no PAM: what the stacks of EL9 do is done here, and UsePAM changes
//     nothing. A wrong password costs two seconds.
//   - Forwarding of ports, X11 and agents is refused; GSSAPI, host-based and
//     keyboard-interactive authentication, certificates, ChrootDirectory and
//     AuthorizedKeysCommand are read without effect.
//   - Match knows User, Group, Address and All.
//   - Ciphers, MACs and KexAlgorithms are read without effect: the library's
//     defaults are offered.
//   - A client that may try both methods is told "password,publickey", without
//     those of GSSAPI.
//   - ps(1) shows a connection's process as "sshd: [accepted] -R" throughout.
package sshd
