package mailoracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// shell is bash -c, and what the test needs of a host beside.
func shell(ctx context.Context, p *host.Proc) int {
	if len(p.Args) > 1 && p.Args[1] == "--syslogd" {
		return syslogd(ctx, p)
	}
	var script string
	var params []string
	switch {
	case len(p.Args) > 2 && p.Args[1] == "-c":
		script, params = p.Args[2], p.Args[3:]
	case len(p.Args) > 1 && !strings.HasPrefix(p.Args[1], "-"):
		data, err := libc.ReadFile(p, libc.Abs(p, p.Args[1]))
		if err != nil {
			return 127
		}
		script, params = string(data), p.Args[2:]
	default:
		return 2
	}
	if script == "kill -9 $$" {
		p.Sys.Kill(p.PID, syscall.SIGKILL)
		p.Sleep(ctx, time.Second)
		return 1
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(script), "")
	if err != nil {
		fmt.Fprintf(p.Stderr, "bash: %v\n", err)
		return 2
	}
	line := p.Clock.Timeline()
	umask := 0o022
	if p.Getenv("MAIL_CONFIG") != "" {
		umask = 0o077
	}
	// A terminal goes to the programs themselves: the interpreter would read
	// ahead, and take what is typed for them.
	var terminal io.Reader
	if _, ok := p.Stdin.(host.Terminal); ok {
		terminal = p.Stdin
	}
	run := func(ctx context.Context, args []string) error {
		line.Hold()
		defer line.Release()
		hc := interp.HandlerCtx(ctx)
		if args[0] == "/usr/bin/umask" {
			fmt.Fprintf(hc.Stdout, "%04o\n", umask)
			return nil
		}
		var env []string
		hc.Env.Each(func(name string, vr expand.Variable) bool {
			if vr.Exported {
				env = append(env, name+"="+vr.String())
			}
			return true
		})
		env = append(env, "PWD="+hc.Dir)
		q := &host.Proc{Host: p.Host, Env: env, Dir: hc.Dir, Sys: p.Sys, Clock: p.Clock, UID: p.UID, GID: p.GID, Groups: p.Groups}
		in := hc.Stdin
		if in == nil {
			in = terminal
		}
		child, err := q.Start(host.Cmd{Args: args, Env: env, Dir: hc.Dir, Stdin: in, Stdout: hc.Stdout, Stderr: hc.Stderr})
		if err != nil {
			fmt.Fprintf(hc.Stderr, "bash: line 1: %s: command not found\n", args[0])
			return interp.ExitStatus(127)
		}
		st, _ := child.Wait(context.Background())
		if st.Success() {
			return nil
		}
		return interp.ExitStatus(uint8(st.Shell()))
	}
	var env []string
	env = append(env, p.Env...)
	var stdin io.Reader
	if terminal == nil {
		stdin = &awake{p.Clock.Timeline(), p.Stdin}
	}
	r, err := interp.New(interp.Env(expand.ListEnviron(env...)), interp.StdIO(stdin, p.Stdout, p.Stderr), interp.Params(append([]string{"--"}, params...)...),
		interp.CallHandler(func(ctx context.Context, args []string) ([]string, error) {
			if args[0] == "umask" {
				args = []string{"/usr/bin/umask"}
			}
			return args, nil
		}),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return run }),
		interp.OpenHandler(func(ctx context.Context, name string, flag int, perm os.FileMode) (io.ReadWriteCloser, error) {
			hc := interp.HandlerCtx(ctx)
			if name == "/dev/null" {
				return os.OpenFile(name, flag, perm)
			}
			if !strings.HasPrefix(name, "/") {
				name = hc.Dir + "/" + name
			}
			return p.Sys.OpenFile(name, flag, perm)
		}),
		interp.StatHandler(func(ctx context.Context, name string, follow bool) (fs.FileInfo, error) {
			if follow {
				return p.Sys.Stat(name)
			}
			return p.Sys.Lstat(name)
		}),
		interp.AccessHandler(func(ctx context.Context, name string, mode interp.AccessMode) error {
			_, err := p.Sys.Stat(name)
			return err
		}),
		interp.ReadDirHandler2(func(ctx context.Context, dir string) ([]fs.DirEntry, error) {
			names, err := libc.ReadDir(p, dir)
			var out []fs.DirEntry
			for _, n := range names {
				if info, err := p.Sys.Lstat(dir + "/" + n); err == nil {
					out = append(out, fs.FileInfoToDirEntry(info))
				}
			}
			return out, err
		}))
	if err != nil {
		fmt.Fprintf(p.Stderr, "bash: %v\n", err)
		return 2
	}
	r.Dir = p.Dir
	err = r.Run(context.Background(), file)
	var status interp.ExitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	if err != nil {
		return 1
	}
	return 0
}

// filter runs one of the machine's own text tools; files are read as the host's.
func filter(ctx context.Context, p *host.Proc) int {
	name := path.Base(p.Args[0])
	args := p.Args[1:]
	inPlace := false
	var kept []string
	var files []string
	operands := 0
	for i, a := range args {
		switch {
		case name == "sed" && a == "-i":
			inPlace = true
			continue
		case strings.HasPrefix(a, "/") && operands > 0 || name == "cat" && !strings.HasPrefix(a, "-") || strings.HasPrefix(a, "/") && (name == "tail" || name == "head" || name == "wc" || name == "sort" || name == "cut"):
			if !strings.HasPrefix(a, "/^") && !(name == "sed" && operands == 0) {
				files = append(files, libc.Abs(p, a))
				continue
			}
		}
		if !strings.HasPrefix(a, "-") && !(i > 0 && (args[i-1] == "-n" && name != "sed" && name != "grep")) {
			operands++
		}
		kept = append(kept, a)
	}
	var in []byte
	status := 0
	for _, f := range files {
		data, err := libc.ReadFile(p, f)
		if err != nil {
			fmt.Fprintf(p.Stderr, "%s: %s: %s\n", name, f, libc.Strerror(err))
			status = 1
			continue
		}
		in = append(in, data...)
	}
	if len(files) == 0 && name != "seq" && name != "printf" {
		in, _ = io.ReadAll(p.Stdin)
	}
	cmd := exec.Command(name, kept...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}
	cmd.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	p.Stderr.Write(errs.Bytes())
	if inPlace && len(files) == 1 {
		libc.WriteFile(p, files[0], out.Bytes(), 0o644)
	} else {
		p.Stdout.Write(out.Bytes())
	}
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		return ee.ExitCode()
	}
	return status
}
