// Package timedate has the commands with which an administrator looks at and
// sets the time: date(1), timedatectl(1), hwclock(8) and cal(1). They show and
// set the host's local clock and its hardware clock.
//
// Sources: coreutils 8.32 date (and its info pages on date input formats),
// systemd 252 timedatectl, util-linux 2.38 hwclock and cal.
//
// # Divergences
//
//   - date: locales other than C, POSIX, en_US and ja_JP print as C; --debug is
//     not modelled. A percent sign with a width (%5%) is printed without it.
//   - timedatectl has no systemd-timedated behind it: it reads and writes the
//     files that the service would, and asks systemctl for the NTP unit, which
//     is always chronyd. -H and -M are refused.
//   - hwclock sets and reads the clock at once, without waiting for its tick; the
//     drift of /etc/adjtime is kept at zero.
package timedate
