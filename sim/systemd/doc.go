// Package systemd is PID 1 of a host and what belongs to it: unit files and
// services ([Init], [Systemctl], [Service]) and the host's name ([Hostnamectl]).
// The journal is in the packages journald and journalctl below; unitfile, calendar,
// machine and screen are what all of them are made of. All are Programs; they meet
// in files and sockets under /run/systemd, as the real ones do.
//
// # The roads
//
//   - systemctl speaks to PID 1 over /run/systemd/private (control.go).
//   - PID 1 tells journald whose process is whose by links in
//     /run/systemd/units ([manager.publish]); journald never waits for PID 1.
//   - Before there is a journal, PID 1 logs to the kernel.
//   - A host goes down by PID 1's end; its exit status says what is to follow
//     ([ExitPoweroff], [ExitReboot], [ExitHalt]).
//
// A unit's processes are those PID 1 started and those that carry the unit's
// INVOCATION_ID in their environment, which stands for a control group.
//
// Sources: systemd(1), systemd.unit(5), systemd.service(5), systemd.exec(5),
// systemd.kill(5), systemd.syntax(7), systemd.time(7), systemd.preset(5),
// systemctl(1), hostnamectl(1), recorded output of version 252.
//
// # Divergences
//
//   - No control groups: no limits, accounting of the living only (CPU: of a dead
//     unit is missing), and a process that clears its environment and forks away
//     from PID 1's children is lost. Login sessions have no scopes.
//   - Sockets are not handed over: a socket unit is active and names what its
//     service opens itself. Mounts, devices, paths, swaps and scopes exist in
//     name; timers run (OnCalendar=, OnBootSec= and kin).
//   - Sandboxing settings (Protect…=, Private…=, capabilities, limits) are
//     accepted and have no effect. Conditions about the machine hold as on a VM.
//   - Type=dbus waits for a Program's Ready; Type=notify for that or for READY=1 on
//     NOTIFY_SOCKET, of which STATUS= and MAINPID= are heeded as well. There is no
//     watchdog.
//   - The end of a process that is not PID 1's child (Type=forking) is noticed
//     within a second, its exit status is not known.
//   - No D-Bus and no polkit agent: an ordinary user is refused also on a terminal.
//   - systemctl: freeze, thaw, clean, set-property, scheduled shutdowns, --root,
//     --user, -H, -M are not modelled; systemd-analyze has time, blame, verify,
//     unit-paths and cat-config.
//   - preset-all treats units in the order of their names; the real one in that of
//     the directories. A unit file that cannot be read keeps its links when it is
//     disabled.
//   - A file with a mistake in its [Install] section is read once, and its mistake
//     told once, where the real systemctl reads it anew for each step.
//   - PID 1 waits two milliseconds between the stop and the start of a restart and
//     before it answers after it logged something, so that the journal has it.
package systemd
