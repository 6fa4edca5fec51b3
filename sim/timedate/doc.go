// Package timedate has the commands with which an administrator looks at and
// sets the time: date(1), timedatectl(1), hwclock(8) and cal(1). They show and
// set the host's local clock and its hardware clock.
//
// Sources: coreutils 8.32 date (and its info pages on date input formats),
// systemd 252 timedatectl, util-linux 2.38 hwclock and cal.
//
// # Divergences
//
//   - date and cal: locales other than C, POSIX, en_US and ja_JP print as C, and
//     messages are in English in all of them. date --debug says nothing more, a
//     zone given as a rule in a date (TZ="EST5EDT,M3.2.0,M11.1.0") is read as
//     UTC, and the modifiers E and O of what they mean nothing for (%Oq, %O:z)
//     may be padded otherwise.
//   - cal follows util-linux 2.38, which also has --vertical; a calendar has no
//     other colour than the marked day.
//   - timedatectl has no systemd-timedated behind it: it reads and writes the
//     files that the service would, and asks systemctl for the NTP unit, which
//     is always chronyd. -H and -M are refused.
//   - hwclock sets the hardware clock without an error of its own: what it shows
//     afterwards is right to the microsecond. It has no parameters (--param-get)
//     and no ISA bus, and hwclock refuses dates before 1970, which the real one
//     takes for dates of the far future.
package timedate
