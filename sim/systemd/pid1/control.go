package pid1

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
	"enshu/sim/wire/syslog"
)

// client is one connection to PID 1.
type client struct {
	m    *manager
	uid  int
	wait *jobWait
}

// serve answers one connection until it ends.
func (m *manager) serve(conn net.Conn) {
	defer conn.Close()
	c := &client{m: m, uid: -1, wait: &jobWait{jobs: map[int]bool{}}}
	if pc, ok := conn.(host.PeerCred); ok {
		if cred, err := pc.PeerCred(); err == nil {
			c.uid = cred.UID
		}
	}
	in := bufio.NewReaderSize(io.LimitReader(conn, 1<<30), 4096)
	answers := clock.NewQueue[bus.Reply](m.p.Clock.Timeline(), 1)
	defer m.post(func() { m.forget(c.wait) })
	for {
		line, err := readLine(in)
		if err != nil {
			return
		}
		req, err := bus.DecodeRequest(line)
		if err != nil {
			answers.TryPut(bus.Reply{Error: bus.ErrInvalidArgs, Text: "Invalid request"})
		} else {
			m.post(func() {
				logged := m.logged
				c.handle(req, func(r bus.Reply) {
					if m.logged == logged {
						answers.TryPut(r)
						return
					}
					m.later(journalLag, func() { answers.TryPut(r) })
				})
			})
		}
		r, err := answers.Get(m.ctx)
		if err != nil {
			return
		}
		out, err := json.Marshal(r)
		if err != nil {
			return
		}
		if _, err := conn.Write(append(out, '\n')); err != nil {
			return
		}
	}
}

func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) < bus.MaxRequest:
			continue
		case err != nil:
			return nil, err
		}
		return line, nil
	}
}

// open are the methods that change nothing.
var open = []string{"Show", "Get", "FileState", "List", "UnitByPID", "State", "Wait", "Environment", "Jobs", "LogLevel", "LogTarget", "Scheduled"}

// goingDown is what is said of a kind of shutdown when it begins.
var goingDown = map[string]string{"reboot": "rebooting", "poweroff": "powering down", "halt": "halting"}

// handle executes one request on the loop and answers once.
func (c *client) handle(r bus.Request, answer func(bus.Reply)) {
	m := c.m
	if !slices.Contains(open, r.Method) && c.uid != 0 {
		answer(bus.Reply{Error: bus.ErrAuth, Text: "Interactive authentication required."})
		return
	}
	fail := func(err error) {
		e := asErrUnit(err)
		answer(bus.Reply{Error: e.Name, Text: e.Text})
	}
	reply := func(err error) {
		if err != nil {
			fail(err)
			return
		}
		answer(bus.Reply{})
	}
	switch r.Method {
	case "Job":
		j, err := m.request(r.Unit, r.Kind, r.Mode)
		if err != nil {
			fail(err)
			return
		}
		c.took(j, answer)
	case "Wait":
		m.await(c.wait, func(results []bus.JobResult) {
			c.wait = &jobWait{jobs: map[int]bool{}}
			answer(bus.Reply{Results: results})
		})
	case "Show", "Get":
		m.collect()
		u := m.get(r.Unit)
		if r.Method == "Show" && !u.fileStateTold {
			u.fileStateTold = true
			m.installProblems(u.frag)
		}
		st := u.snapshot()
		answer(bus.Reply{Unit: &st})
	case "FileState":
		m.installProblems(m.loader.Load(r.Unit))
		answer(bus.Reply{State: units.FileState(m.p, m.loader, r.Unit)})
	case "List":
		m.collect()
		var list []bus.UnitState
		for _, u := range m.sorted() {
			list = append(list, u.snapshot())
		}
		answer(bus.Reply{Units: list})
	case "UnitByPID":
		u := m.unitOf(r.PID)
		if u == nil {
			answer(bus.Reply{Error: bus.ErrNoPID, Text: "PID " + strconv.Itoa(r.PID) + " does not belong to any loaded unit."})
			return
		}
		st := u.snapshot()
		answer(bus.Reply{Unit: &st})
	case "State":
		answer(bus.Reply{State: m.systemState()})
	case "Jobs":
		var jobs []bus.Job
		for _, j := range m.jobs {
			state := "waiting"
			if j.running {
				state = "running"
			}
			jobs = append(jobs, bus.Job{ID: j.id, Unit: j.u.name, Kind: j.kind, State: state})
		}
		answer(bus.Reply{Jobs: jobs})
	case "Kill":
		reply(m.kill(r))
	case "ResetFailed":
		reply(m.resetFailed(r.Unit))
	case "Reload":
		m.reload()
		answer(bus.Reply{})
	case "Nothing":
		answer(bus.Reply{})
	case "LogLevel":
		answer(bus.Reply{State: m.logLevel})
	case "LogTarget":
		answer(bus.Reply{State: m.logTarget})
	case "SetLogLevel":
		m.logLevel = r.Kind
		answer(bus.Reply{})
	case "SetLogTarget":
		m.logTarget = r.Kind
		answer(bus.Reply{})
	case "SetProperty":
		reply(m.setProperty(r))
	case "Clean":
		reply(m.clean(r))
	case "Cancel":
		reply(m.cancel(r.PID))
	case "CancelAll":
		for _, j := range slices.Clone(m.jobs) {
			m.finish(j, bus.ResultCanceled)
		}
		answer(bus.Reply{})
	case "Environment":
		answer(bus.Reply{Env: m.environ()})
	case "SetEnvironment", "UnsetEnvironment":
		reply(m.setEnvironment(r))
	case "Schedule":
		if r.Shutdown == nil || goingDown[r.Shutdown.Kind] == "" {
			fail(bus.NewError(bus.ErrInvalidArgs, "Unsupported shutdown type"))
			return
		}
		m.schedule(*r.Shutdown)
		answer(bus.Reply{Shutdown: r.Shutdown})
	case "Scheduled":
		var s *bus.Shutdown
		if m.planned != nil {
			s = &m.planned.Shutdown
		}
		answer(bus.Reply{Shutdown: s})
	case "Unschedule":
		if m.unschedule() && r.Kind == "wall" {
			text := "System shutdown has been cancelled"
			m.log(syslog.Info, text)
			machine.Wall(m.p, "root", text)
		}
		answer(bus.Reply{})
	case "Shutdown":
		m.log(syslog.Info, "System is "+goingDown[r.Kind]+".")
		m.shutdown(r.Kind, r.Force)
		answer(bus.Reply{})
	case "Enable", "Disable", "Reenable", "Mask", "Unmask", "Preset", "PresetAll", "SetDefault", "Revert", "Link", "AddWants", "AddRequires":
		op := units.Installer{Proc: m.p, Loader: units.NewLoader(m.p), Runtime: r.Runtime, Force: r.Force, Mode: r.Mode}
		err := op.Do(r.Method, r.Units)
		for _, line := range op.Loader.TakeTold() {
			m.log(syslog.Warning, line)
		}
		if err != nil {
			fail(err)
			return
		}
		answer(bus.Reply{Changes: op.Changes, NoInstall: op.NoInstall})
	default:
		answer(bus.Reply{Error: bus.ErrInvalidArgs, Text: "Unknown method " + r.Method + "."})
	}
}

// took answers with a job, whose end the client may wait for; no job means
// that there was nothing to do.
func (c *client) took(j *job, answer func(bus.Reply)) {
	if j == nil {
		answer(bus.Reply{})
		return
	}
	c.m.watch(c.wait, j)
	answer(bus.Reply{Job: j.id})
}

// kill is systemctl kill.
func (m *manager) kill(r bus.Request) error {
	m.collect()
	u := m.units[m.realName(r.Unit)]
	if u == nil || u.frag.State == units.NotFound && u.state == bus.Inactive {
		return bus.NewError(bus.ErrNoSuchUnit, "Unit "+r.Unit+" not loaded.")
	}
	if u.svc == nil {
		return nil
	}
	s, sig := u.svc, syscall.Signal(r.Signal)
	switch r.Whom {
	case "", "all":
		r.Whom = "all"
	case "main":
		if s.mainPID == 0 {
			return bus.NewError(bus.ErrNoProcess, "No main process to kill")
		}
	case "control":
		if s.control == nil {
			return bus.NewError(bus.ErrNoProcess, "No control process to kill")
		}
	default:
		return bus.NewError(bus.ErrInvalidArgs, "Invalid who argument "+r.Whom)
	}
	for _, pid := range s.members() {
		what := ""
		switch {
		case pid == s.mainPID:
			what = "main"
		case s.control != nil && pid == s.control.PID:
			what = "control"
		}
		if r.Whom != "all" && r.Whom != what {
			continue
		}
		if what != "" {
			u.say(syslog.Info, "", "Sent signal SIG%s to %s process %d (%s) on client request.", unitfile.SignalName(sig), what, pid, s.comm(pid))
		}
		m.signal(pid, sig)
	}
	return nil
}

// resetFailed forgets that a unit, or every unit, failed.
func (m *manager) resetFailed(name string) error {
	list := m.sorted()
	if name != "" {
		m.collect()
		u := m.units[m.realName(name)]
		if u == nil || u.frag.State == units.NotFound && u.state == bus.Inactive {
			return bus.NewError(bus.ErrNoSuchUnit, "Unit "+name+" not loaded.")
		}
		list = []*unit{u}
	}
	for _, u := range list {
		u.windowN = 0
		if u.svc != nil {
			u.svc.restarts = 0
		}
		if u.state == bus.Failed {
			u.result = bus.ResultSuccess
			u.set(bus.Inactive, "dead")
		}
	}
	return nil
}

func (m *manager) setEnvironment(r bus.Request) error {
	for _, e := range r.Env {
		name, _, assigned := strings.Cut(e, "=")
		if !unitfile.IsName(name) || r.Method == "SetEnvironment" && !assigned {
			return bus.NewError(bus.ErrInvalidArgs, "Invalid environment assignments")
		}
	}
	for _, e := range r.Env {
		name, _, assigned := strings.Cut(e, "=")
		m.env = slices.DeleteFunc(m.env, func(old string) bool {
			return old == e || strings.HasPrefix(old, name+"=") && (r.Method == "SetEnvironment" || !assigned)
		})
		if r.Method == "SetEnvironment" {
			m.env = append(m.env, e)
		}
	}
	slices.Sort(m.env)
	return nil
}

// setProperty changes properties of a loaded unit and keeps them in drop-ins.
func (m *manager) setProperty(r bus.Request) error {
	u := m.get(r.Unit)
	if err := u.loadProblem(); err != nil {
		return err
	}
	for _, a := range r.Env {
		if name, _, _ := strings.Cut(a, "="); !unitfile.Settable(name) {
			return bus.NewError(bus.ErrInvalidArgs, "Cannot set property "+name+", or unknown property.")
		}
	}
	if err := units.SetProperty(m.p, u.name, r.Env, r.Runtime); err != nil {
		return err
	}
	m.loader = units.NewLoader(m.p)
	m.reloadUnit(u)
	return nil
}

// clean removes what a service that is down keeps in directories of its own.
func (m *manager) clean(r bus.Request) error {
	u := m.get(r.Unit)
	if !u.isInactive() || u.job != nil {
		return bus.NewError(bus.ErrBusy, "Unit is not inactive or has pending job.")
	}
	var dirs []string
	if v := u.config().Service; v != nil {
		kinds := r.Units
		if len(kinds) == 0 {
			kinds = []string{"cache", "runtime"}
		}
		for _, kind := range kinds {
			dirs = append(dirs, v.Directories(kind)...)
		}
	}
	if len(dirs) == 0 {
		return bus.NewError(bus.ErrNothingToClean, "No matching resources found.")
	}
	for _, d := range dirs {
		libc.RemoveAll(m.p, d)
	}
	return nil
}

// cancel takes back a job.
func (m *manager) cancel(id int) error {
	for _, j := range m.jobs {
		if j.id == id {
			m.finish(j, bus.ResultCanceled)
			return nil
		}
	}
	return bus.NewError(bus.ErrNoSuchJob, "Job "+strconv.Itoa(id)+" does not exist.")
}

// unitOf returns the unit that a process belongs to.
func (m *manager) unitOf(pid int) *unit {
	if pid == 1 {
		return m.units["init.scope"]
	}
	for range 64 {
		if u := m.byPID[pid]; u != nil {
			return u
		}
		if id := machine.ProcInvocation(m.p, pid); id != "" {
			for _, u := range m.units {
				if u.invocation.String() == id {
					return u
				}
			}
		}
		if pid = machine.ProcParent(m.p, pid); pid <= 1 {
			return nil
		}
	}
	return nil
}
