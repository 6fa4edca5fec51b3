// Package chrony is chrony 4.3: the daemon chronyd, which measures the host's
// clock against NTP servers and reference clocks, steers it and serves time, and
// its control program chronyc.
//
// The programs are in chronyd and chronyc. What has no I/O stands beside them and
// takes values and a time: conf is chrony.conf, polling asks a source and judges
// its answers (RFC 5905 sections 8 and 9), measure turns the samples into estimates
// and chooses among the sources, discipline corrects the clock, clients is what a
// server knows of those who ask it; nts is Network Time Security (RFC 8915); rtc follows the
// host's real-time clock.
//
// A reference clock is a device of the host with a time of its own, which only
// the daemon's refclock.go reads.
//
// Sources: chrony.conf(5), chronyd(8), chronyc(1) of chrony 4.3; RFC 5905, RFC
// 7822, RFC 8573; and recorded runs of the programs, which the tests repeat.
//
// # Divergences
//
//   - NTS: a client's cookies are not kept in ntsdumpdir, a name that a server of
//     keys gives for the NTP server is not followed (an address is), and
//     ntsprocesses has no effect: sessions are threads.
//   - Hardware timestamping, PTP transport, broadcast and the signing daemon of Samba
//     are read and checked without effect. rtcsync copies the system time to the
//     hardware clock at each update, where a kernel does every eleven minutes.
//   - The option xleave has no effect with a peer, whose packets stay in basic mode.
//   - maxdelayquant takes the quantile of the last 256 delays, where chronyd has an
//     estimate that never forgets.
//   - In the mode system it is chronyd that steps the clock over a leap second,
//     where on a machine the kernel does.
//   - The option filter lets the median of the samples through; chronyd combines
//     several.
//   - chronyc settime reads dates as GNU date does: the older grammar of the real
//     chronyc also takes days that a month does not have.
//   - A chronyd of a host of a lab may lock its memory no more than a process without
//     rights, and says so (lock_all, option -m).
//   - binddevice and its kin are read without effect; bindacqaddress counts with
//     acquisitionport only.
//   - A reference clock is read once a poll, with the noise that is left of the
//     readings which the filter would have combined. SHM N is the receiver /dev/gpsN
//     of the lab, whatever writes to shared memory; SOCK never delivers. The options
//     tai, width, maxlockage and maxdispersion are read without effect.
//   - The precision of the clock is 2^-25 s unless clockprecision says otherwise.
//   - Sources are asked in the order of the configuration; chronyd's order is that
//     of a hash table. So is the order of chronyc clients.
//   - A daemon's parent process leaves a child that was started anew, not forked; in
//     its environment stands CHRONYD_FORKED.
package chrony

// Version is the release that the programs behave as.
const Version = "4.3"
