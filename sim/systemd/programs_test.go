package systemd_test

import (
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// shell is as much of sh -c as the units of the tests say: commands parted by
// semicolons, echo, sleep, exit, kill, true, >&2, $$ and $NAME.
func shell(ctx context.Context, p *host.Proc) int {
	if len(p.Args) < 3 || p.Args[1] != "-c" {
		return 2
	}
	p.Sleep(ctx, time.Millisecond) // until it runs
	status := 0
	for _, line := range strings.Split(p.Args[2], ";") {
		out := p.Stdout
		if l, ok := strings.CutSuffix(strings.TrimSpace(line), ">&2"); ok {
			line, out = l, p.Stderr
		}
		words := strings.Fields(line)
		for i, w := range words {
			if w == "$$" {
				words[i] = strconv.Itoa(p.PID)
			} else if strings.HasPrefix(w, "$") {
				words[i] = p.Getenv(w[1:])
			}
		}
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "echo":
			if out != nil {
				fmt.Fprintln(out, strings.Join(words[1:], " "))
			}
		case "exit":
			n, _ := strconv.Atoi(words[1])
			return n
		case "sleep":
			d, _ := strconv.ParseFloat(words[1], 64)
			if p.Sleep(ctx, time.Duration(d*float64(time.Second))) != nil {
				return 143
			}
		case "kill":
			pid, _ := strconv.Atoi(words[2])
			p.Sys.Kill(pid, syscall.SIGKILL)
			p.Sleep(ctx, time.Second)
		case "daemonize":
			child, err := p.Start(host.Cmd{Args: []string{"/bin/sleep", "100000"}})
			if err != nil {
				return 1
			}
			libc.WriteFile(p, words[1], []byte(strconv.Itoa(child.PID)+"\n"), 0o644)
		}
	}
	return status
}

func sleep(ctx context.Context, p *host.Proc) int {
	d, err := strconv.ParseFloat(p.Args[len(p.Args)-1], 64)
	if err != nil {
		return 1
	}
	p.Sleep(ctx, time.Duration(d*float64(time.Second)))
	return 0
}

func kill(_ context.Context, p *host.Proc) int {
	pid, err := strconv.Atoi(p.Args[len(p.Args)-1])
	if err != nil {
		return 1
	}
	sig := syscall.SIGTERM
	if len(p.Args) > 2 && p.Args[1] == "-HUP" {
		sig = syscall.SIGHUP
	}
	if p.Sys.Kill(pid, sig) != nil {
		return 1
	}
	return 0
}

// logger sends its operands, or what it reads, to /dev/log.
func logger(_ context.Context, p *host.Proc) int {
	tag, priority, args := "root", syslog.Make(syslog.User, syslog.Notice), p.Args[1:]
	for len(args) > 1 && args[0] != "" && args[0][0] == '-' {
		switch args[0] {
		case "-t":
			tag = args[1]
		case "-p":
			f, s, _ := strings.Cut(args[1], ".")
			facility, _ := syslog.ParseFacility(f)
			severity, _ := syslog.ParseSeverity(s)
			priority = syslog.Make(facility, severity)
		}
		args = args[2:]
	}
	text := strings.Join(args, " ")
	if text == "" {
		b, _ := io.ReadAll(p.Stdin)
		text = string(b)
	}
	if libc.Syslog(p, priority, tag, 0, text) != nil {
		return 1
	}
	return 0
}

// forker leaves a daemon behind, as chronyd does.
func forker(_ context.Context, p *host.Proc) int {
	child, err := p.Start(host.Cmd{Path: "/usr/sbin/sshd", Args: []string{"/usr/sbin/chronyd", "-F", "0", "-x"}})
	if err != nil {
		return 1
	}
	libc.MkdirAll(p, "/run/chrony", 0o755)
	libc.WriteFile(p, "/run/chrony/chronyd.pid", []byte(strconv.Itoa(child.PID)+"\n"), 0o644)
	return 0
}

func rm(_ context.Context, p *host.Proc) int {
	for _, name := range p.Args[1:] {
		dir, base := path.Split(name)
		names, _ := libc.ReadDir(p, path.Clean(dir))
		for _, n := range names {
			if ok, _ := path.Match(base, n); ok {
				p.Sys.Remove(path.Join(dir, n))
			}
		}
	}
	return 0
}

func cp(_ context.Context, p *host.Proc) int {
	if len(p.Args) != 3 {
		return 1
	}
	data, err := libc.ReadFile(p, p.Args[1])
	if err != nil || libc.WriteFile(p, p.Args[2], data, 0o644) != nil {
		return 1
	}
	return 0
}
