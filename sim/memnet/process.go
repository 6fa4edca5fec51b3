package memnet

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"syscall"

	"enshu/sim/host"
)

// process is an entry of a host's process table.
type process struct {
	proc    *host.Proc
	sys     *sys
	parent  *process
	session int
	group   int
}

// Start starts a child, as fork(2) and execve(2) do.
func (s *sys) Start(c host.Cmd) (*host.Process, error) {
	if errno := s.alive(); errno != 0 {
		return nil, fail("fork/exec", c.Path, errno)
	}
	return s.h.exec(s, c, nil)
}

// exec starts a process with the rights of a parent. A nil program is the one
// that the host has at the path.
func (h *Host) exec(parent *sys, c host.Cmd, prog host.Program) (*host.Process, error) {
	cred := parent.cred
	if c.Cred != nil {
		if parent.cred.UID != 0 && (c.Cred.UID != parent.cred.UID || c.Cred.GID != parent.cred.GID) {
			return nil, fail("fork/exec", c.Path, syscall.EPERM)
		}
		cred = *c.Cred
	}
	if c.Dir == "" {
		c.Dir = "/"
	}
	as := h.newSys(parent.ctx, cred, 0, 0)
	nd, errno := as.find(c.Dir, true)
	if errno == 0 && nd.kind() != syscall.S_IFDIR {
		errno = syscall.ENOTDIR
	}
	if errno == 0 && !may(&cred, &nd.st, mayExec) {
		errno = syscall.EACCES
	}
	if errno != 0 {
		return nil, fail("chdir", c.Dir, errno)
	}
	file := c.Path
	if prog == nil {
		var errno syscall.Errno
		if prog, file, errno = h.load(as, &c, &cred); errno != 0 {
			return nil, fail("fork/exec", file, errno)
		}
	}
	umask := uint32(c.Umask)
	if umask == 0 {
		umask = parent.umask
	}
	ctx, cancel := context.WithCancel(h.ctx)
	child := h.newSys(ctx, cred, 0, umask)
	child.cancel = cancel

	h.mu.Lock()
	if h.down {
		h.mu.Unlock()
		cancel()
		return nil, fail("fork/exec", c.Path, syscall.EAGAIN)
	}
	h.lastPID++
	pid := h.lastPID
	child.pid = pid
	e := &process{sys: child, session: pid, group: pid, parent: h.procs[parent.pid]}
	if e.parent != nil && !c.Session {
		e.session, e.group = e.parent.session, e.parent.group
	}
	p := &host.Proc{
		Host: h.Host, Path: file, Args: c.Args, Env: c.Env, Dir: c.Dir, PID: pid, PPID: parent.pid,
		UID: cred.UID, GID: cred.GID, Groups: cred.Groups, Sys: child, Clock: h.Clock,
		Stdin: eof{}, Stdout: io.Discard, Stderr: io.Discard,
	}
	e.proc = p
	h.procs[pid] = e
	h.running.Add(1)
	h.mu.Unlock()

	if c.Stdin != nil {
		p.Stdin = child.inherit(c.Stdin).(io.Reader)
	}
	if c.Stdout != nil {
		p.Stdout = child.inherit(c.Stdout).(io.Writer)
	}
	if c.Stderr != nil {
		p.Stderr = child.inherit(c.Stderr).(io.Writer)
	}
	giveBack := func() {}
	if t, ok := p.Stdin.(*Terminal); ok {
		before := t.foreground(e)
		giveBack = func() { t.release(e, before) }
	}
	handle := host.NewProcess(h.net.Line, pid, func(sig syscall.Signal) error {
		if !h.signal(e, sig) {
			return os.ErrProcessDone
		}
		return nil
	})
	// A token is held from here until Run has its own, and again from the
	// Program's end until its parent knows.
	line := h.net.Line
	line.Hold()
	go func() {
		defer h.running.Done()
		defer line.Release()
		st := p.Run(h.ctx, func(ctx context.Context, p *host.Proc) int {
			line.Release()
			defer line.Hold()
			// What a process has open goes with it, which also ends its threads.
			defer child.close()
			return prog(ctx, p)
		}, handle.MarkReady)
		child.close()
		h.reap(e)
		giveBack()
		handle.Exited(st)
		if err := p.Crash(); err != nil {
			h.crashed(err)
		}
	}()
	return handle, nil
}

// load finds the Program of an executable; a script ("#!") is its interpreter's.
func (h *Host) load(as *sys, c *host.Cmd, cred *host.Cred) (host.Program, string, syscall.Errno) {
	name := c.Path
	for range 4 {
		file := name
		if !strings.HasPrefix(file, "/") {
			file = path.Join(c.Dir, file)
		}
		nd, errno := as.find(file, true)
		switch {
		case errno != 0:
			return nil, name, errno
		case nd.kind() != syscall.S_IFREG, !may(&as.cred, &nd.st, mayExec):
			return nil, name, syscall.EACCES
		}
		if prog := h.Programs[nd.name]; prog != nil {
			if nd.st.Mode&syscall.S_ISUID != 0 {
				cred.UID = int(nd.st.Uid)
			}
			if nd.st.Mode&syscall.S_ISGID != 0 {
				cred.GID = int(nd.st.Gid)
			}
			return prog, file, 0
		}
		interpreter, arg, ok := h.shebang(nd.name)
		if !ok {
			return nil, name, syscall.ENOEXEC
		}
		args := []string{interpreter}
		if arg != "" {
			args = append(args, arg)
		}
		args = append(args, file)
		if len(c.Args) > 1 {
			args = append(args, c.Args[1:]...)
		}
		c.Args, name = args, interpreter
	}
	return nil, name, syscall.ELOOP
}

// shebang reads the first line of a script (execve(2)).
func (h *Host) shebang(name string) (interpreter, arg string, ok bool) {
	f, err := os.Open(h.disk.at(name))
	if err != nil {
		return "", "", false
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) || !strings.HasPrefix(line, "#!") {
		return "", "", false
	}
	interpreter, arg, _ = strings.Cut(strings.TrimSpace(line[2:]), " ")
	return interpreter, strings.TrimSpace(arg), interpreter != ""
}

// signal delivers a signal; it reports false when the process has ended.
func (h *Host) signal(e *process, sig syscall.Signal) bool {
	h.mu.Lock()
	live := h.procs[e.proc.PID] == e
	h.mu.Unlock()
	if !live {
		return false
	}
	if sig == 0 {
		return true
	}
	e.proc.Deliver(sig)
	if sig == syscall.SIGKILL {
		e.sys.close()
	}
	return true
}

// reap takes an ended process from the table. Its children become those of
// process 1; when process 1 ends, all others are killed.
func (h *Host) reap(e *process) {
	h.mu.Lock()
	delete(h.procs, e.proc.PID)
	var orphans []*process
	for _, o := range h.procs {
		if o.parent == e {
			o.parent = h.procs[1]
		}
		if e.proc.PID == 1 {
			orphans = append(orphans, o)
		}
	}
	parent := e.parent
	if parent != nil && h.procs[parent.proc.PID] != parent {
		parent = nil
	}
	h.mu.Unlock()
	for _, o := range orphans {
		h.signal(o, syscall.SIGKILL)
	}
	if parent != nil {
		parent.proc.Deliver(syscall.SIGCHLD)
	}
}

// Kill is kill(2): a positive pid is a process, 0 the caller's group, -1 all
// but process 1 and the caller, any other negative number a group.
func (s *sys) Kill(pid int, sig syscall.Signal) error {
	if errno := s.alive(); errno != 0 {
		return errno
	}
	if sig < 0 || sig > 64 {
		return syscall.EINVAL
	}
	h := s.h
	h.mu.Lock()
	var targets []*process
	group := -pid
	if self := h.procs[s.pid]; pid == 0 && self != nil {
		group = self.group
	}
	for _, e := range h.table() {
		switch {
		case pid > 0 && e.proc.PID == pid,
			pid == -1 && e.proc.PID != 1 && e.sys != s,
			pid <= 0 && pid != -1 && e.group == group:
			targets = append(targets, e)
		}
	}
	h.mu.Unlock()
	if len(targets) == 0 {
		return syscall.ESRCH
	}
	sent := false
	for _, e := range targets {
		if s.cred.UID == 0 || s.cred.UID == e.sys.cred.UID {
			sent = h.signal(e, sig) || sent
		}
	}
	if !sent {
		return syscall.EPERM
	}
	return nil
}

// eof is /dev/null as standard input.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
