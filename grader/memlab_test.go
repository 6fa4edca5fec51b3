package grader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"enshu/grader/check"
	"enshu/sim/clock"
	"enshu/sim/distro"
	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/nft"
	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// memLab is a lab in memory: the distribution's own programs, booted by its own
// process 1, with a shell that runs scripts as the lab's would.
type memLab struct {
	t     *testing.T
	net   *memnet.Network
	hosts map[string]*memnet.Host
}

// newMemLab boots the hosts of a lab.
func newMemLab(t *testing.T, spec *scenario.Lab) *memLab {
	l := &memLab{t: t, net: memnet.New(t), hosts: map[string]*memnet.Host{}}
	d := distro.New()
	var names strings.Builder
	names.WriteString("127.0.0.1 localhost\n")
	for i := range spec.Hosts {
		for _, f := range spec.Hosts[i].Networks {
			fmt.Fprintf(&names, "%s %s %s\n", f.Address, spec.Hosts[i].Hostname, spec.Hosts[i].Name)
		}
	}
	for i := range spec.Hosts {
		h := &spec.Hosts[i]
		var extra []string
		for _, p := range h.Packages {
			extra = append(extra, string(p))
		}
		installed, err := d.Installed(extra)
		if err != nil {
			t.Fatal(err)
		}
		var addrs []string
		for _, f := range h.Networks {
			addrs = append(addrs, f.Address.String()+"/24")
		}
		programs := map[string]host.Program{}
		for _, name := range installed {
			p, _ := d.Find(name)
			for file, prog := range p.Programs {
				programs[file] = prog
			}
		}
		m := l.net.Host(t, memnet.Config{Name: h.Name, Addrs: addrs, Programs: programs, Seed: 1})
		for _, name := range installed {
			p, _ := d.Find(name)
			install(t, m, p)
		}
		accounts, err := d.Accounts(installed)
		if err != nil {
			t.Fatal(err)
		}
		var passwd strings.Builder
		for _, a := range accounts {
			passwd.WriteString(a.Line + "\n")
		}
		m.WriteFile("/etc/passwd", passwd.String())
		m.WriteFile("/etc/group", strings.Join(d.GroupLines(installed), "\n")+"\n")
		m.WriteFile("/etc/hostname", h.Hostname+"\n")
		m.WriteFile("/etc/hosts", names.String())
		m.WriteFile("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
		for _, dir := range []string{"/sys/class/net/eth0", "/sys/class/net/lo"} {
			m.MkdirAll(dir, 0o755)
		}
		m.Host.Filter = &memFilter{h: m}
		for _, f := range h.Files {
			m.MkdirAll(path.Dir(string(f.Path)), 0o755)
			m.WriteFile(string(f.Path), f.Content)
		}
		l.hosts[h.Name] = m
		m.Boot("/usr/lib/systemd/systemd")
	}
	return l
}

// install puts the files of a package on a host.
func install(t *testing.T, m *memnet.Host, p *distro.Package) {
	for name, f := range p.Files {
		switch {
		case f.Link != "":
			m.MkdirAll(path.Dir(name), 0o755)
			if _, err := os.Lstat(filepath.Join(m.Dir(), name)); err != nil {
				m.Symlink(f.Link, name)
			}
		case f.Mode.IsDir():
			m.MkdirAll(name, 0o755)
		}
	}
	tree, err := p.Tree()
	if err != nil {
		return // a package without files
	}
	fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			t.Fatal(err)
		}
		m.MkdirAll(path.Dir("/"+name), 0o755)
		m.WriteFile("/"+name, string(data))
		return nil
	})
}

// memFilter is the packet filter of a host.
type memFilter struct {
	h   *memnet.Host
	mu  sync.Mutex
	eng *nft.Engine
}

func (f *memFilter) Apply(r *nft.Ruleset) error {
	f.mu.Lock()
	f.eng = nft.NewEngine(r)
	f.mu.Unlock()
	f.h.SetFilter(f.judge)
	return nil
}

func (f *memFilter) judge(pk memnet.Packet) memnet.Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	proto, _ := nft.ProtocolNumber(pk.Proto)
	hook := map[memnet.Hook]nft.Hook{memnet.InputHook: nft.Input, memnet.OutputHook: nft.Output, memnet.ForwardHook: nft.Forward}[pk.Hook]
	states := map[memnet.State]nft.State{memnet.StateNew: nft.New, memnet.StateEstablished: nft.Established, memnet.StateRelated: nft.Related}
	p := nft.Packet{In: pk.In, Out: pk.Out, Proto: proto, Src: pk.Src.Addr(), Dst: pk.Dst.Addr(), SrcPort: pk.Src.Port(), DstPort: pk.Dst.Port(), State: states[pk.State]}
	if pk.SYN {
		p.TCPFlags = 2
	}
	switch out := f.eng.Eval(hook, &p, f.h.Clock.Now()); {
	case out.Verdict == nft.Accept:
		return memnet.Accept
	case out.Reject == nil:
		return memnet.Drop
	}
	return memnet.RejectAdmin
}

func (l *memLab) Clock(name string) *clock.Local { return l.hosts[name].Clock }
func (l *memLab) Trace() *trace.Log              { return l.net.Trace }

func (l *memLab) ReadFile(name, file string) ([]byte, error) {
	return os.ReadFile(filepath.Join(l.hosts[name].Dir(), file))
}

func (l *memLab) Stat(name, file string) (fs.FileInfo, error) {
	return os.Stat(filepath.Join(l.hosts[name].Dir(), file))
}

// Exec runs a script as root; users are not told apart.
func (l *memLab) Exec(ctx context.Context, name, _, script string) (check.Output, error) {
	h := l.hosts[name]
	file, err := syntax.NewParser().Parse(strings.NewReader(script), "")
	if err != nil {
		return check.Output{}, err
	}
	var out, errs bytes.Buffer
	inside := func(dir, file string) string {
		if file == "/dev/null" {
			return file
		}
		if !path.IsAbs(file) {
			file = path.Join(dir, file)
		}
		return filepath.Join(h.Dir(), file)
	}
	r, err := interp.New(interp.StdIO(nil, &out, &errs), interp.Env(expand.ListEnviron("PATH=/usr/sbin:/usr/bin")), interp.Dir("/"),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc {
			return func(ctx context.Context, args []string) error { return l.command(interp.HandlerCtx(ctx), h, args) }
		}),
		interp.OpenHandler(func(ctx context.Context, file string, flag int, perm os.FileMode) (io.ReadWriteCloser, error) {
			return os.OpenFile(inside(interp.HandlerCtx(ctx).Dir, file), flag, perm)
		}),
		interp.ReadDirHandler2(func(ctx context.Context, dir string) ([]fs.DirEntry, error) {
			return os.ReadDir(inside(interp.HandlerCtx(ctx).Dir, dir))
		}),
		interp.StatHandler(func(ctx context.Context, file string, follow bool) (fs.FileInfo, error) {
			if !follow {
				return os.Lstat(inside(interp.HandlerCtx(ctx).Dir, file))
			}
			return os.Stat(inside(interp.HandlerCtx(ctx).Dir, file))
		}))
	if err != nil {
		return check.Output{}, err
	}
	err = r.Run(ctx, file)
	var status interp.ExitStatus
	if err != nil && !errors.As(err, &status) {
		return check.Output{}, err
	}
	return check.Output{Stdout: out.String(), Stderr: errs.String(), Status: int(status)}, nil
}

// command runs a program of the host, or one of the few of the machine's own
// that scripts here need.
func (l *memLab) command(hc interp.HandlerContext, h *memnet.Host, args []string) error {
	switch args[0] {
	case "cat":
		if len(args) == 1 {
			_, err := io.Copy(hc.Stdout, hc.Stdin)
			return err
		}
		for _, file := range args[1:] {
			data, err := os.ReadFile(filepath.Join(h.Dir(), file))
			if err != nil {
				fmt.Fprintf(hc.Stderr, "cat: %s: No such file or directory\n", file)
				return interp.ExitStatus(1)
			}
			hc.Stdout.Write(data)
		}
		return nil
	case "rm":
		return h.Sys().Remove(args[len(args)-1])
	case "ss":
		fmt.Fprint(hc.Stdout, l.ss(h))
		return nil
	}
	r := h.Run(args...)
	io.WriteString(hc.Stdout, r.Stdout)
	io.WriteString(hc.Stderr, r.Stderr)
	if code := r.Status.Shell(); code != 0 {
		return interp.ExitStatus(code)
	}
	return nil
}

// ss lists the low ports as ss -H -tulnp does.
func (l *memLab) ss(h *memnet.Host) string {
	var b strings.Builder
	names := map[int]string{}
	for _, p := range h.Processes() {
		names[p.PID] = p.Name()
	}
	for _, transport := range []string{"tcp", "udp"} {
		for port := range uint16(1024) {
			if pid := h.Listening(transport+"4", port); pid != 0 {
				fmt.Fprintf(&b, "%s LISTEN 0 0 0.0.0.0:%d 0.0.0.0:* users:((%q,pid=%d,fd=3))\n", transport, port, names[pid], pid)
			}
		}
	}
	return b.String()
}

// play runs steps; one that fails is an error of the lab.
func (l *memLab) play(steps []scenario.Step) {
	for _, s := range steps {
		out, err := l.Exec(context.Background(), string(s.Host), string(s.User), s.Run)
		if err != nil || out.Status != 0 {
			l.t.Errorf("%s# %s: %v %+v", s.Host, s.Run, err, out)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
