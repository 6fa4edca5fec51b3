package logrotate

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// sh is as much of sh -c as the recorded scripts need, over a host's Sys: lists,
// && and ||, redirections, substitution of parameters and commands.
type sh struct {
	ctx    context.Context
	p      *host.Proc
	params []string
	out    io.Writer
	err    io.Writer
	exited bool
	status int
}

func shell(ctx context.Context, p *host.Proc) int {
	if len(p.Args) < 3 || p.Args[1] != "-c" {
		return 127
	}
	s := &sh{ctx: ctx, p: p, out: p.Stdout, err: p.Stderr}
	if len(p.Args) > 4 {
		s.params = p.Args[4:]
	}
	prog, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(p.Args[2]), "sh")
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 2
	}
	s.list(prog.Stmts)
	return s.status
}

func (s *sh) list(stmts []*syntax.Stmt) {
	for _, st := range stmts {
		if !s.exited {
			s.stmt(st)
		}
	}
}

func (s *sh) stmt(st *syntax.Stmt) {
	out, errs := s.out, s.err
	defer func() { s.out, s.err = out, errs }()
	for _, r := range st.Redirs {
		target := s.words(r.Word)[0]
		var w io.Writer
		switch {
		case r.Op == syntax.DplOut && target == "2":
			w = s.err
		case r.Op == syntax.DplOut:
			w = s.out
		case target == "/dev/null":
			w = io.Discard
		default:
			flag := os.O_TRUNC
			if r.Op == syntax.AppOut {
				flag = os.O_APPEND
			}
			f, err := s.p.Sys.OpenFile(target, os.O_WRONLY|os.O_CREATE|flag, 0o666)
			if err != nil {
				s.status = 1
				return
			}
			defer func() { s.p.Stamp(f); f.Close() }()
			w = f
		}
		if r.N != nil && r.N.Value == "2" {
			s.err = w
		} else {
			s.out = w
		}
	}
	switch c := st.Cmd.(type) {
	case *syntax.BinaryCmd:
		s.stmt(c.X)
		if !s.exited && (c.Op == syntax.AndStmt) == (s.status == 0) {
			s.stmt(c.Y)
		}
	case *syntax.CallExpr:
		if args := s.words(c.Args...); len(args) > 0 {
			s.status = s.run(args)
		}
	default:
		panic(fmt.Sprintf("the test's shell has no %T", c))
	}
}

func (s *sh) words(w ...*syntax.Word) []string {
	fields, err := expand.Fields(&expand.Config{
		Env: expand.FuncEnviron(func(name string) string {
			if i, err := strconv.Atoi(name); err == nil && i > 0 && i <= len(s.params) {
				return s.params[i-1]
			}
			if name == "@" || name == "*" {
				return strings.Join(s.params, " ")
			}
			return ""
		}),
		CmdSubst: func(w io.Writer, cs *syntax.CmdSubst) error {
			sub := *s
			sub.out = w
			sub.list(cs.Stmts)
			return nil
		},
	}, w...)
	if err != nil {
		panic(err)
	}
	return fields
}

func (s *sh) run(args []string) int {
	switch args[0] {
	case "echo":
		fmt.Fprintln(s.out, strings.Join(args[1:], " "))
		return 0
	case "true":
		return 0
	case "false":
		return 1
	case "exit":
		s.exited = true
		n, _ := strconv.Atoi(args[1])
		return n
	case "test":
		if _, err := s.p.Sys.Stat(args[len(args)-1]); err != nil {
			return 1
		}
		return 0
	case "cat":
		for _, name := range args[1:] {
			data, err := libc.ReadFile(s.p, name)
			if err != nil {
				fmt.Fprintf(s.err, "cat: %s: %s\n", name, libc.Strerror(err))
				return 1
			}
			s.out.Write(data)
		}
		return 0
	case "/bin/kill":
		pid, err := strconv.Atoi(args[len(args)-1])
		if err != nil || s.p.Sys.Kill(pid, syscall.SIGHUP) != nil {
			return 1
		}
		return 0
	}
	child, err := s.p.Start(host.Cmd{Args: args, Stdin: s.p.Stdin, Stdout: s.out, Stderr: s.err})
	if err != nil {
		fmt.Fprintf(s.err, "sh: %s: %s\n", args[0], libc.Strerror(err))
		return 127
	}
	st, err := child.Wait(s.ctx)
	if err != nil {
		return 1
	}
	return st.Shell()
}

// filter is a command of the machine that reads stdin and writes stdout.
func filter(name string) host.Program {
	return func(_ context.Context, p *host.Proc) int {
		c := exec.Command(name, p.Args[1:]...)
		c.Stdin, c.Stdout, c.Stderr = p.Stdin, p.Stdout, p.Stderr
		if c.Run() != nil {
			return 1
		}
		return 0
	}
}
