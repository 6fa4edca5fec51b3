// Package cron is cronie 1.5.7 as AlmaLinux 9 has it: crond(8), crontab(1),
// anacron(8), and the run-parts of the package crontabs. All of it runs on the
// host's local clock, so a warped lab runs its jobs at their times.
//
// Sources: crond(8), crontab(1), crontab(5), anacron(8), anacrontab(5), and the
// layout of the lines that cronie writes to /var/log/cron.
//
// # Divergences
//
//   - crond looks at its files once a minute, where the original uses inotify(7).
//   - A clock that was set back runs no job a second time for up to three hours,
//     as with the original; jobs with a * in hour or minute run meanwhile.
//   - PAM sessions, SELinux contexts, clustering (-c) and crond's -m and -x are
//     not there; the options are refused.
//   - anacron takes no lock against a second anacron other than on the time stamp.
//   - CRON_TZ names a file of zones or a rule of POSIX; one that is neither is
//     UTC, not the host's zone.
//   - crontab -e runs the editor without a copy of the terminal's modes.
package cron
