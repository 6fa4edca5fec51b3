package systemctl

import (
	"context"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/tool"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const systemdNotifyHelp = `systemd-notify [OPTIONS...] [VARIABLE=VALUE...]

Notify the init system about service status updates.

  -h --help            Show this help
     --version         Show package version
     --ready           Inform the service manager about service start-up/reload
                       completion
     --pid[=PID]       Set main PID of daemon
     --uid=USER        Set user to send from
     --status=TEXT     Set status text
     --booted          Check if the system was booted up with systemd
     --no-block        Do not wait until operation finished

See the systemd-notify(1) man page for details.
`

// Notify is /usr/bin/systemd-notify: sd_notify(3) for scripts.
func Notify(ctx context.Context, p *host.Proc) int {
	fail := func(format string, args ...any) int {
		fmt.Fprintf(p.Stderr, format+"\n", args...)
		return 1
	}
	var lines []string
	args, over, status := tool.Tool{Name: "systemd-notify", Help: systemdNotifyHelp, Long: []libc.LongOption{
		{Name: "ready"}, {Name: "pid", Arg: libc.OptionalArgument}, {Name: "uid", Arg: libc.RequiredArgument},
		{Name: "status", Arg: libc.RequiredArgument}, {Name: "booted"}, {Name: "no-block"},
	}}.Options(p, func(o libc.Option) (over bool, status int) {
		switch o.Name {
		case "booted":
			if libc.Exists(p, "/run/systemd/system") {
				return true, 0
			}
			return true, 1
		case "ready":
			lines = append(lines, "READY=1")
		case "status":
			lines = append(lines, "STATUS="+o.Value)
		case "pid":
			pid := p.PPID
			if o.Given {
				var err error
				if pid, err = strconv.Atoi(o.Value); err != nil || pid <= 0 {
					return true, fail("Failed to parse PID %s.", o.Value)
				}
			}
			lines = append(lines, "MAINPID="+strconv.Itoa(pid))
		}
		return false, 0
	})
	if over {
		return status
	}
	lines = append(lines, args...)
	if len(lines) == 0 {
		io.WriteString(p.Stdout, systemdNotifyHelp)
		return 1
	}
	if p.Getenv("NOTIFY_SOCKET") == "" {
		return fail("No status data could be sent: $NOTIFY_SOCKET was not set")
	}
	if err := machine.Notify(ctx, p, strings.Join(lines, "\n")+"\n"); err != nil && !errors.Is(err, context.Canceled) {
		return fail("Failed to notify init system: %s", libc.Strerror(err))
	}
	return 0
}
