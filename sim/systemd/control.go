package systemd

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
	"enshu/sim/systemd/machine"
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
	answers := clock.NewQueue[reply](m.p.Clock.Timeline(), 1)
	defer m.post(func() { m.forget(c.wait) })
	for {
		line, err := readLine(in)
		if err != nil {
			return
		}
		req, err := decodeRequest(line)
		if err != nil {
			answers.TryPut(reply{Error: errInvalidArgs, Text: "Invalid request"})
		} else {
			m.post(func() {
				logged := m.logged
				c.handle(req, func(r reply) {
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
		case errors.Is(err, bufio.ErrBufferFull) && len(line) < maxRequest:
			continue
		case err != nil:
			return nil, err
		}
		return line, nil
	}
}

// open are the methods that change nothing.
var open = []string{"Show", "List", "UnitByPID", "State", "Wait", "Environment", "Jobs", "ShowAll"}

// handle executes one request on the loop and answers once.
func (c *client) handle(r request, answer func(reply)) {
	m := c.m
	if !slices.Contains(open, r.Method) && c.uid != 0 {
		answer(reply{Error: errAuth, Text: "Interactive authentication required."})
		return
	}
	fail := func(err error) {
		e := asErrUnit(err)
		answer(reply{Error: e.name, Text: e.text})
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
		m.await(c.wait, func(results []jobResult) {
			c.wait = &jobWait{jobs: map[int]bool{}}
			answer(reply{Results: results})
		})
	case "Show":
		m.collect()
		u := m.get(r.Unit)
		st := u.snapshot()
		answer(reply{Unit: &st})
	case "List":
		m.collect()
		var list []UnitState
		for _, u := range m.sorted() {
			list = append(list, u.snapshot())
		}
		answer(reply{Units: list})
	case "UnitByPID":
		u := m.unitOf(r.PID)
		if u == nil {
			answer(reply{Error: errNoPID, Text: "PID " + strconv.Itoa(r.PID) + " does not belong to any loaded unit."})
			return
		}
		st := u.snapshot()
		answer(reply{Unit: &st})
	case "State":
		answer(reply{State: m.systemState()})
	case "Jobs":
		var jobs []Job
		for _, j := range m.jobs {
			state := "waiting"
			if j.running {
				state = "running"
			}
			jobs = append(jobs, Job{j.id, j.u.name, j.kind, state})
		}
		answer(reply{Jobs: jobs})
	case "Kill":
		if err := m.kill(r); err != nil {
			fail(err)
			return
		}
		answer(reply{})
	case "ResetFailed":
		if err := m.resetFailed(r.Unit); err != nil {
			fail(err)
			return
		}
		answer(reply{})
	case "Reload":
		m.reload()
		answer(reply{})
	case "Environment":
		answer(reply{Env: m.environ()})
	case "SetEnvironment", "UnsetEnvironment":
		m.setEnvironment(r)
		answer(reply{})
	case "Shutdown":
		m.log(syslog.Info, "System is "+map[string]string{"reboot": "rebooting", "poweroff": "powering down", "halt": "halting"}[r.Kind]+".")
		m.shutdown(r.Kind, r.Force)
		answer(reply{})
	case "Enable", "Disable", "Reenable", "Mask", "Unmask", "Preset", "PresetAll", "SetDefault", "Revert", "Link", "AddWants", "AddRequires":
		op := installer{p: m.p, l: newLoader(m.p), runtime: r.Runtime, force: r.Force, mode: r.Mode}
		if err := op.do(r.Method, r.Units); err != nil {
			fail(err)
			return
		}
		answer(reply{Changes: op.changes, NoInstall: op.noInstall})
	default:
		answer(reply{Error: errInvalidArgs, Text: "Unknown method " + r.Method + "."})
	}
}

// took answers with a job, whose end the client may wait for; no job means
// that there was nothing to do.
func (c *client) took(j *job, answer func(reply)) {
	if j == nil {
		answer(reply{})
		return
	}
	c.m.watch(c.wait, j)
	answer(reply{Job: j.id})
}

// kill is systemctl kill.
func (m *manager) kill(r request) error {
	u := m.get(r.Unit)
	if u.frag.state == loadNotFound && u.state == inactive {
		return &errUnit{errNoSuchUnit, "Unit " + r.Unit + " not loaded."}
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
			return &errUnit{errNoProcess, "No main process to kill"}
		}
	case "control":
		if s.control == nil {
			return &errUnit{errNoProcess, "No control process to kill"}
		}
	default:
		return &errUnit{errInvalidArgs, "Invalid who argument " + r.Whom}
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
			u.say(syslog.Info, "", "Sent signal SIG%s to %s process %d (%s) on client request.", signalName(sig), what, pid, s.comm(pid))
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
		if u == nil || u.frag.state == loadNotFound && u.state == inactive {
			return &errUnit{errNoSuchUnit, "Unit " + name + " not loaded."}
		}
		list = []*unit{u}
	}
	for _, u := range list {
		u.windowN = 0
		if u.svc != nil {
			u.svc.restarts = 0
		}
		if u.state == failed {
			u.result = resultSuccess
			u.set(inactive, "dead")
		}
	}
	return nil
}

func (m *manager) setEnvironment(r request) {
	for _, e := range r.Env {
		name, _, _ := strings.Cut(e, "=")
		m.env = slices.DeleteFunc(m.env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		if r.Method == "SetEnvironment" && strings.Contains(e, "=") {
			m.env = append(m.env, e)
		}
	}
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
