package launch

import (
	"context"
	"strconv"

	"enshu/sim/host"
)

// executorPath is what stands in for a command that cannot be started, so that
// a process fails with systemd's own exit status as it does after a real fork.
const executorPath = "/usr/lib/systemd/systemd-executor"

// Executor is the program that PID 1 runs when a command of a unit cannot be
// started: its only argument is the exit status (systemd.exec(5)).
func Executor(_ context.Context, p *host.Proc) int {
	if len(p.Args) != 2 {
		return 1
	}
	n := 0
	for _, c := range p.Args[1] {
		if c < '0' || c > '9' {
			return 1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// Failing is a command that fails with an exit status, in place of one that cannot
// be started.
func (u Unit) Failing(name string, code int) host.Cmd {
	return host.Cmd{Path: executorPath, Args: []string{name, strconv.Itoa(code)}, Env: u.Env, Dir: "/", Cred: &host.Cred{}, Session: true}
}
