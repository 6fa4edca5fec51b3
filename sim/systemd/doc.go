// Package systemd is PID 1 of a host, the journal and what belongs to them. The
// folder itself holds no code: it is the map of the rooms below, what all of them
// differ in from the real systemd, and the tests in which they meet.
//
// # The rooms
//
//	unitfile     what a unit file can say: grammar, words, names, settings (pure)
//	calendar     times, spans and calendar events as systemd.time(7) has them (pure)
//	machine      the host's identity, its processes, the links that name them
//	tool         options, help and verbs, as all commands have them
//	screen       where tools write: colours, special characters, pager
//	units        units as the disk has them: load path, drop-ins, enable, preset
//	launch       how a command of a unit becomes a process
//	bus          how clients speak to PID 1, and the words both use
//	pid1         process 1: units in memory, transactions, jobs, services
//	systemctl    systemctl and the other commands that speak to PID 1
//	analyze      systemd-analyze
//	hostnamectl  hostnamectl
//	journald     the journal's daemon
//	journalctl   its reader, and systemd-cat
//
// All are Programs; they meet in files and sockets under /run/systemd, as the
// real ones do:
//
//   - systemctl speaks to PID 1 over /run/systemd/private (package bus).
//   - PID 1 tells journald whose process is whose by links in
//     /run/systemd/units (package machine); journald never waits for PID 1.
//   - Before there is a journal, PID 1 logs to the kernel.
//   - A host goes down by PID 1's end; its exit status says what is to follow.
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
//   - Sockets are not opened nor handed over: a socket unit is active and names what
//     its service opens itself. Mounts, devices, swaps and scopes exist in name.
//     Timers run (OnCalendar=, OnBootSec= and kin); path units look once a second.
//   - Sandboxing settings (Protect…=, Private…=, capabilities, limits) are
//     accepted and have no effect. Conditions about the machine hold as on a VM.
//   - Limits (LimitNOFILE= and kin), Nice= and OOMScoreAdjust= are checked and shown
//     and have no effect. A process keeps no core, so none is "dumped".
//   - Why a command could not be executed stands in its exit status (203/EXEC,
//     217/USER) alone: the lines of the process itself are not logged.
//   - Type=dbus waits for a Program's Ready; Type=notify for that or for READY=1 on
//     NOTIFY_SOCKET, of which STATUS=, MAINPID= and WATCHDOG= are heeded as well.
//   - The end of a process that is not PID 1's child (Type=forking) is noticed
//     within a second, its exit status is not known.
//   - No D-Bus and no polkit agent: an ordinary user is refused also on a terminal.
//   - systemctl: freeze and thaw (refused as without control groups of version 2),
//     bind, --user, -H, -M, --show-transaction are not modelled; what
//     set-property sets is kept and shown and has no effect. log-level and
//     log-target are kept. show lists units in the order of their names, and what is
//     not known of a unit has the value that it has when nothing is set.
//   - systemd-analyze has time, blame, critical-chain, verify, condition, calendar,
//     timestamp, timespan, exit-status, unit-paths and cat-config.
//   - A scheduled shutdown is PID 1's, which speaks in place of systemd-logind.
//   - How often a unit with a mistake is read, and so how often its mistakes are
//     logged, depends with the real PID 1 on how soon it forgets the unit; here it
//     forgets before every question.
//   - The dependencies on mounts that paths bring (RequiresMountsFor=) are missing.
//   - preset-all treats units in the order of their names; the real one in that of
//     the directories. A unit file that cannot be read keeps its links when it is
//     disabled.
//   - A file with a mistake in its [Install] section is read once, and its mistake
//     told once, where the real systemctl reads it anew for each step.
//   - PID 1 waits two milliseconds between the stop and the start of a restart and
//     before it answers after it logged something, so that the journal has it.
package systemd
