// Package saslauthd stands for saslauthd(8) of Cyrus SASL: it tells network
// services, which may not read /etc/shadow, whether a password is that of a user
// of the host. smtpd(8) asks it for AUTH.
//
// The protocol on RUN_DIR/mux is saslauthd's own: the user, the password, the
// service and the realm, each a length of two bytes and its bytes, answered by
// one such string that begins with "OK" or "NO".
//
// # Divergences
//
//   - The mechanisms pam and shadow both look into /etc/shadow; there is no
//     other. -n, -c and -s (processes, cache) are taken and mean nothing.
package saslauthd
