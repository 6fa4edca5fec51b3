package rsyslog

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

// collector is the remote collector of a case.
type collector struct {
	r   *oracleRun
	h   *memnet.Host
	mu  sync.Mutex
	got map[string][]string // address to what arrived: datagrams, or one text a connection
	on  map[string][]io.Closer
}

func (c *collector) keep(at string, x io.Closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.on == nil {
		c.on = map[string][]io.Closer{}
	}
	c.on[at] = append(c.on[at], x)
}

// listen opens "udp 192.0.2.10:514" or the like.
func (c *collector) listen(at string) {
	kind, addr, _ := strings.Cut(at, " ")
	c.h.Go(nil, func(ctx context.Context, p *host.Proc) int {
		if kind == "udp" {
			conn, err := p.Sys.ListenPacket("udp4", addr)
			if err != nil {
				c.r.t.Error(err)
				return 1
			}
			c.keep(at, conn)
			b := make([]byte, 1<<16)
			for {
				n, _, err := conn.ReadFrom(b)
				if err != nil {
					return 0
				}
				c.mu.Lock()
				c.got[at] = append(c.got[at], string(b[:n]))
				c.mu.Unlock()
			}
		}
		l, err := p.Sys.Listen("tcp4", addr)
		if err != nil {
			c.r.t.Error(err)
			return 1
		}
		c.keep(at, l)
		for {
			conn, err := l.Accept()
			if err != nil {
				return 0
			}
			c.keep(at, conn)
			c.mu.Lock()
			slot := len(c.got[at])
			c.got[at] = append(c.got[at], "")
			c.mu.Unlock()
			p.Go(func() { c.read(at, slot, conn) })
		}
	})
	time.Sleep(time.Millisecond)
}

func (c *collector) read(at string, slot int, conn net.Conn) {
	b := make([]byte, 1<<16)
	for {
		n, err := conn.Read(b)
		c.mu.Lock()
		if slot < len(c.got[at]) {
			c.got[at][slot] += string(b[:n])
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *collector) close(at string) {
	c.mu.Lock()
	list := c.on[at]
	delete(c.on, at)
	c.mu.Unlock()
	for _, x := range list {
		x.Close()
	}
}

// take returns what arrived and forgets it.
func (c *collector) take(at string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got[at]
	if strings.HasPrefix(at, "udp") {
		delete(c.got, at)
	}
	return got
}

// nameServer answers every question with "no such name".
func nameServer(t *testing.T, h *memnet.Host) {
	h.Go(nil, func(ctx context.Context, p *host.Proc) int {
		conn, err := p.Sys.ListenPacket("udp4", "192.0.2.53:53")
		if err != nil {
			t.Error(err)
			return 1
		}
		b := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return 1
			}
			var q dns.Msg
			if q.Unpack(b[:n]) != nil {
				continue
			}
			answer, _ := new(dns.Msg).SetRcode(&q, dns.RcodeNameError).Pack()
			conn.WriteTo(answer, from)
		}
	})
	time.Sleep(time.Millisecond)
}

type shellResult struct {
	stdout, stderr string
	status         int
}

// shell runs a line of the recordings: our programs as processes of the server,
// the few others that occur by doing what they do.
func (r *oracleRun) shell(line string) shellResult {
	file, err := syntax.NewParser().Parse(strings.NewReader(line), "")
	if err != nil {
		r.t.Fatalf("%s: %v", line, err)
	}
	var out, errs bytes.Buffer
	status := r.stmts(file.Stmts, nil, &out, &errs)
	return shellResult{out.String(), errs.String(), status}
}

func (r *oracleRun) stmts(list []*syntax.Stmt, in []byte, out, errs *bytes.Buffer) (status int) {
	for _, s := range list {
		status = r.stmt(s, in, out, errs)
	}
	return status
}

// stmt runs one statement; a pipeline runs its sides one after the other.
func (r *oracleRun) stmt(s *syntax.Stmt, in []byte, out, errs *bytes.Buffer) int {
	var file string
	appended := false
	for _, red := range s.Redirs {
		name := filepath.Join(r.server.Dir(), r.words(red.Word)[0])
		switch red.Op {
		case syntax.RdrOut, syntax.AppOut:
			file, appended = name, red.Op == syntax.AppOut
			out = &bytes.Buffer{}
		case syntax.RdrIn:
			in, _ = os.ReadFile(name)
			if in == nil {
				in = []byte{}
			}
		}
	}
	status := 0
	switch c := s.Cmd.(type) {
	case *syntax.BinaryCmd:
		if c.Op == syntax.Pipe {
			var pipe bytes.Buffer
			r.stmt(c.X, in, &pipe, errs)
			status = r.stmt(c.Y, append([]byte{}, pipe.Bytes()...), out, errs)
		} else if status = r.stmt(c.X, in, out, errs); status == 0 {
			status = r.stmt(c.Y, in, out, errs)
		}
	case *syntax.CallExpr:
		status = r.exec(r.words(c.Args...), in, out, errs)
	}
	if file != "" {
		flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		if appended {
			flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
		}
		f, err := os.OpenFile(file, flag, 0o644)
		if err != nil {
			r.t.Fatal(err)
		}
		f.Write(out.Bytes())
		f.Close()
	}
	return status
}

// words expands the words of a command.
func (r *oracleRun) words(list ...*syntax.Word) []string {
	fields, err := expand.Fields(&expand.Config{
		Env: expand.ListEnviron("HOME=/root"),
		CmdSubst: func(w io.Writer, cs *syntax.CmdSubst) error {
			var out, errs bytes.Buffer
			r.stmts(cs.Stmts, nil, &out, &errs)
			_, err := w.Write(out.Bytes())
			return err
		},
	}, list...)
	if err != nil {
		r.t.Fatal(err)
	}
	return fields
}

func (r *oracleRun) exec(args []string, in []byte, out, errs *bytes.Buffer) int {
	at := func(name string) string { return filepath.Join(r.server.Dir(), name) }
	result := func(err error) int {
		if err == nil {
			return 0
		}
		errs.WriteString(args[0] + ": " + err.Error() + "\n")
		return 1
	}
	last := args[len(args)-1]
	switch args[0] {
	case "logger", "rsyslogd":
		cmd := host.Cmd{Args: args, Stdout: out, Stderr: errs, Env: r.env}
		if in != nil {
			cmd.Stdin = bytes.NewReader(in)
		}
		return r.server.RunCmd(cmd).Status.Shell()
	case "sleep":
		s, _ := strconv.ParseFloat(args[1], 64)
		time.Sleep(time.Duration(s * float64(time.Second)))
		return 0
	case ":":
		return 0
	case "printf":
		out.WriteString(strings.ReplaceAll(args[1], `\n`, "\n"))
		return 0
	case "echo":
		if args[1] == "-n" {
			out.WriteString(strings.Join(args[2:], " "))
		} else {
			out.WriteString(strings.Join(args[1:], " ") + "\n")
		}
		return 0
	case "kill":
		pid, _ := strconv.Atoi(strings.TrimSpace(last))
		return result(r.server.Sys().Kill(pid, syscall.SIGHUP))
	case "cat":
		data, err := os.ReadFile(at(last))
		out.Write(data)
		return result(err)
	case "mv":
		return result(os.Rename(at(args[1]), at(last)))
	case "rm":
		return result(os.Remove(at(last)))
	case "touch":
		r.server.WriteFile(last, "")
		return 0
	case "mkdir":
		return result(r.server.Sys().Mkdir(last, 0o755))
	case "mkfifo":
		return result(r.server.Sys().Mkfifo(last, 0o600))
	case "ln":
		r.server.Symlink(args[2], last)
		return 0
	case "head":
		n, _ := strconv.Atoi(args[2])
		out.Write(make([]byte, n))
		return 0
	case "tr":
		out.Write(bytes.ReplaceAll(in, []byte{0}, []byte(args[2])))
		return 0
	case "sed":
		line, _, _ := strings.Cut(strings.TrimSuffix(string(in), "\n"), " (")
		out.WriteString(line + "\n")
		return 0
	case "ls":
		if _, err := os.Lstat(at(last)); err != nil {
			errs.WriteString("ls: cannot access '" + last + "': No such file or directory\n")
			return 2
		}
		return 0
	}
	r.t.Fatalf("the test has no %s", args[0])
	return 1
}

// command runs a command among the inputs and compares what it did.
func (r *oracleRun) command(in *oracleInput) {
	res := r.shell(in.Run)
	if in.Exit != nil && res.status != *in.Exit {
		r.t.Errorf("%s: exit %d, want %d (%s)", in.Run, res.status, *in.Exit, res.stderr)
	}
	r.compare(in.Run+": stdout", linesOf(res.stdout), in.Stdout)
	r.compare(in.Run+": stderr", linesOf(res.stderr), in.Stderr)
}
