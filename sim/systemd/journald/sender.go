package journald

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/systemd/machine"
	"enshu/sim/wire/journal"
)

func fsMode(m uint32) fs.FileMode { return fs.FileMode(m) }

// sender is what journald knows of a process.
type sender struct {
	until                             time.Duration // monotonic; asked anew then
	unit, invocation, comm, exe, args string
	capabilities                      string
}

// senderLife is how long what was read of a process is believed.
const senderLife = time.Second

// sender finds out about the process a message is from.
func (j *daemon) sender(m *message) *sender {
	now := j.p.Clock.Monotonic()
	pid := m.cred.PID
	if s := j.known[pid]; s != nil && now < s.until && (m.unit == "" || m.unit == s.unit) {
		return s
	}
	if len(j.known) > 1024 {
		j.known = map[int]*sender{}
	}
	s := &sender{until: now + senderLife, unit: m.unit}
	j.known[pid] = s
	if pid > 0 {
		s.comm = machine.ProcComm(j.p, pid)
		if target, err := j.p.Sys.Readlink("/proc/" + strconv.Itoa(pid) + "/exe"); err == nil {
			s.exe = target
		}
		if pid == 1 {
			// What runs there is the lab's own binary, which the host does not have.
			s.exe = "/usr/lib/systemd/systemd"
		}
		args := machine.ProcArgs(j.p, pid)
		for i, a := range args {
			if a == "" || strings.ContainsAny(a, " \t\n\"'\\$`") {
				args[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(a) + `"`
			}
		}
		s.args = strings.Join(args, " ")
		for _, line := range libc.Lines(machine.ProcFile(j.p, pid, "status")) {
			if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
				if s.capabilities = strings.TrimLeft(strings.TrimSpace(v), "0"); s.capabilities == "" {
					s.capabilities = "0"
				}
			}
		}
		if s.unit == "" {
			s.unit = j.unitOf(pid)
		}
	}
	if s.unit != "" {
		s.invocation, _ = j.p.Sys.Readlink(path.Join(machine.UnitsDir, "invocation:"+s.unit))
	}
	return s
}

// unitOf asks the links of PID 1, for the process and its parents, and what
// PID 1 put into its environment.
func (j *daemon) unitOf(pid int) string {
	for range 64 {
		switch {
		case pid == 1:
			return ""
		case pid <= 0:
			return ""
		}
		if unit, err := j.p.Sys.Readlink(path.Join(machine.UnitsDir, "pid:"+strconv.Itoa(pid))); err == nil {
			return unit
		}
		if id := machine.ProcInvocation(j.p, pid); id != "" {
			names, _ := libc.ReadDir(j.p, machine.UnitsDir)
			for _, n := range names {
				if unit, ok := strings.CutPrefix(n, "invocation:"); ok {
					if target, err := j.p.Sys.Readlink(path.Join(machine.UnitsDir, n)); err == nil && target == id {
						return unit
					}
				}
			}
		}
		pid = machine.ProcParent(j.p, pid)
	}
	return ""
}

// here are the fields that say on which machine this is. Its name is asked anew
// once in a while.
func (j *daemon) here() []journal.Field {
	if now := j.p.Clock.Monotonic(); len(j.hereFields) == 0 || now >= j.hereUntil {
		j.hereUntil = now + senderLife
		j.hereFields = []journal.Field{
			{Name: "_BOOT_ID", Value: j.boot.String()}, {Name: "_MACHINE_ID", Value: j.machine}, {Name: "_HOSTNAME", Value: machine.Hostname(j.p)},
		}
	}
	return j.hereFields
}

// trusted are the fields that journald adds: who sent the message.
func (j *daemon) trusted(m *message) []journal.Field {
	fields := append(make([]journal.Field, 0, 16), j.here()...)
	if m.cred.PID == 0 && m.unit == "" {
		return fields // the kernel
	}
	s := j.sender(m)
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, journal.Field{Name: name, Value: value})
		}
	}
	if m.cred.PID > 0 {
		add("_PID", strconv.Itoa(m.cred.PID))
	}
	add("_UID", strconv.Itoa(m.cred.UID))
	add("_GID", strconv.Itoa(m.cred.GID))
	add("_COMM", s.comm)
	add("_EXE", s.exe)
	add("_CMDLINE", s.args)
	add("_CAP_EFFECTIVE", s.capabilities)
	unit := s.unit
	if m.cred.PID == 1 && unit == "" {
		unit = "init.scope"
	}
	switch {
	case unit == "init.scope":
		add("_SYSTEMD_CGROUP", "/init.scope")
		add("_SYSTEMD_UNIT", unit)
		add("_SYSTEMD_SLICE", "-.slice")
	case unit != "":
		add("_SYSTEMD_CGROUP", "/system.slice/"+unit)
		add("_SYSTEMD_UNIT", unit)
		add("_SYSTEMD_SLICE", "system.slice")
		add("_SYSTEMD_INVOCATION_ID", s.invocation)
	}
	add("_RUNTIME_SCOPE", "system")
	return fields
}

// object are the fields of a message of journald's own that is about another's
// sender.
func object(m *message, s *sender) []journal.Field {
	var fields []journal.Field
	for _, f := range [][2]string{
		{"PID", strconv.Itoa(m.cred.PID)}, {"UID", strconv.Itoa(m.cred.UID)}, {"GID", strconv.Itoa(m.cred.GID)}, {"COMM", s.comm}, {"EXE", s.exe},
		{"CMDLINE", s.args}, {"CAP_EFFECTIVE", s.capabilities}, {"SYSTEMD_UNIT", s.unit}, {"SYSTEMD_INVOCATION_ID", s.invocation},
	} {
		if f[1] != "" {
			fields = append(fields, journal.Field{Name: "OBJECT_" + f[0], Value: f[1]})
		}
	}
	return fields
}

// limitedAs is whose messages are counted together: those of a unit, and for
// want of sessions' scopes those of all the sessions of a user.
func (s *sender) limitedAs(m *message) string {
	if s.unit == "" && m.cred.PID > 1 {
		return "user-" + strconv.Itoa(m.cred.UID) + ".slice"
	}
	return s.unit
}
