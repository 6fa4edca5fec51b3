package timedate

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

const timedatectlUsage = `timedatectl [OPTIONS...] COMMAND ...

Query or change system time and date settings.

Commands:
  status                   Show current time settings
  show                     Show properties of systemd-timedated
  set-time TIME            Set system time
  set-timezone ZONE        Set system time zone
  list-timezones           Show known time zones
  set-local-rtc BOOL       Control whether RTC is in local time
  set-ntp BOOL             Enable or disable network time synchronization

systemd-timesyncd Commands:
  timesync-status          Show status of systemd-timesyncd
  show-timesync            Show properties of systemd-timesyncd

Options:
  -h --help                Show this help message
     --version             Show package version
     --no-pager            Do not pipe output into a pager
     --no-ask-password     Do not prompt for password
  -H --host=[USER@]HOST    Operate on remote host
  -M --machine=CONTAINER   Operate on local container
     --adjust-system-clock Adjust system clock when changing local RTC mode
     --monitor             Monitor status of systemd-timesyncd
  -p --property=NAME       Show only properties by this name
  -a --all                 Show all properties, including empty ones
     --value               When showing properties, only print the value

See the timedatectl(1) man page for details.
`

const (
	ntpUnit      = "chronyd.service"
	zoneInfo     = "/usr/share/zoneinfo"
	localTimeRTC = `
Warning: The system is configured to read the RTC time in the local time zone.
         This mode cannot be fully supported. It will create various problems
         with time zone changes and daylight saving time adjustments. The RTC
         time is never updated, it relies on external facilities to maintain it.
         If at all possible, use RTC in UTC by calling
         'timedatectl set-local-rtc 0'.
`
)

// settings is a run of timedatectl.
type settings struct {
	ctx        context.Context
	p          *host.Proc
	properties []string
	value      bool
	adjust     bool
}

// verb is a command of timedatectl: its least and most number of arguments.
type verb struct {
	min, max int
	run      func(s *settings, args []string) int
}

var verbs = map[string]verb{
	"status":          {0, 0, (*settings).status},
	"show":            {0, 0, (*settings).show},
	"set-time":        {1, 1, (*settings).setTime},
	"set-timezone":    {1, 1, (*settings).setZone},
	"list-timezones":  {0, 0, (*settings).listZones},
	"set-local-rtc":   {1, 1, (*settings).setLocalRTC},
	"set-ntp":         {1, 1, (*settings).setNTP},
	"timesync-status": {0, 0, noTimesync("Failed to query server: The name org.freedesktop.timesync1 was not provided by any .service files")},
	"show-timesync":   {0, 0, noTimesync("Failed to parse bus message: No route to host")},
	"ntp-servers":     {2, 1 << 10, noTimesync("Failed to set NTP servers: The name org.freedesktop.network1 was not provided by any .service files")},
	"revert":          {1, 1, noTimesync("Failed to revert interface configuration: The name org.freedesktop.network1 was not provided by any .service files")},
}

func noTimesync(text string) func(*settings, []string) int {
	return func(s *settings, _ []string) int { return s.fail("%s", text) }
}

// Timedatectl is /usr/bin/timedatectl (timedatectl(1)).
func Timedatectl(ctx context.Context, p *host.Proc) int {
	s := &settings{ctx: ctx, p: p}
	found, operands, err := libc.Getopt(p.Args[1:], "hH:M:p:aP:", []libc.LongOption{
		{Name: "help", Short: "h"}, {Name: "version"}, {Name: "no-pager"}, {Name: "no-ask-password"}, {Name: "adjust-system-clock"},
		{Name: "monitor"}, {Name: "value"}, {Name: "all", Short: "a"}, {Name: "host", Arg: libc.RequiredArgument, Short: "H"},
		{Name: "machine", Arg: libc.RequiredArgument, Short: "M"}, {Name: "property", Arg: libc.RequiredArgument, Short: "p"},
	})
	for _, o := range found {
		switch o.Name {
		case "h":
			io.WriteString(p.Stdout, timedatectlUsage)
			return 0
		case "version":
			fmt.Fprintln(p.Stdout, "systemd 252 (252-46.el9_5.3.alma.1)")
			return 0
		case "p", "P":
			s.properties = append(s.properties, strings.Split(o.Value, ",")...)
			s.value = s.value || o.Name == "P"
		case "value":
			s.value = true
		case "adjust-system-clock":
			s.adjust = true
		case "H", "M":
			return s.fail("Failed to query server: Transport endpoint is not connected")
		}
	}
	if err != nil {
		return s.fail("timedatectl: %v", err)
	}
	name := "status"
	if len(operands) > 0 {
		name, operands = operands[0], operands[1:]
	}
	v, ok := verbs[name]
	switch {
	case !ok:
		return s.fail("Unknown command verb %s.", name)
	case len(operands) < v.min:
		return s.fail("Too few arguments.")
	case len(operands) > v.max:
		return s.fail("Too many arguments.")
	}
	return v.run(s, operands)
}

func (s *settings) fail(format string, args ...any) int {
	fmt.Fprintf(s.p.Stderr, format+"\n", args...)
	return 1
}

// systemctl runs a systemctl command in silence and returns its output and status.
func (s *settings) systemctl(args ...string) (string, int) {
	var out strings.Builder
	child, err := s.p.Start(host.Cmd{Args: append([]string{"systemctl"}, args...), Stdout: &out, Stderr: &out})
	if err != nil {
		return "", 127
	}
	st, err := child.Wait(s.ctx)
	if err != nil {
		return "", 126
	}
	return strings.TrimSpace(out.String()), st.Shell()
}

// ntp returns whether there is a unit for NTP and whether it runs.
func (s *settings) ntp() (known, active bool) {
	state, _ := s.systemctl("show", "-p", "LoadState", "-p", "ActiveState", ntpUnit)
	known = strings.Contains(state, "LoadState=loaded")
	active = strings.Contains(state, "ActiveState=active") || strings.Contains(state, "ActiveState=activating") ||
		strings.Contains(state, "ActiveState=reloading")
	return known, known && active
}

func (s *settings) zoneName() string {
	if target, err := s.p.Sys.Readlink("/etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(target, "zoneinfo/"); ok && name != "" {
			return name
		}
	}
	return "UTC"
}

func (s *settings) localRTC() bool {
	data, _ := libc.ReadFile(s.p, adjtimeFile)
	return adjtimeIsLocal(libc.Lines(data))
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (s *settings) status([]string) int {
	p := s.p
	zone := libc.Zone(p)
	now := p.Now()
	local := now.In(zone)
	rtc := "n/a"
	if p.Host.RTC != nil {
		rtc = p.Host.RTC.Now().Format("Mon 2006-01-02 15:04:05")
	}
	service := "n/a"
	if known, active := s.ntp(); active {
		service = "active"
	} else if known {
		service = "inactive"
	}
	offset := conversion{}.zoneOffset(local)
	fmt.Fprintf(p.Stdout, "               Local time: %s %s\n", local.Format("Mon 2006-01-02 15:04:05"), zoneName(local))
	fmt.Fprintf(p.Stdout, "           Universal time: %s UTC\n", now.Format("Mon 2006-01-02 15:04:05"))
	fmt.Fprintf(p.Stdout, "                 RTC time: %s\n", rtc)
	fmt.Fprintf(p.Stdout, "                Time zone: %s (%s, %s)\n", s.zoneName(), zoneName(local), offset)
	fmt.Fprintf(p.Stdout, "System clock synchronized: %s\n", yes(p.Clock.Synchronised()))
	fmt.Fprintf(p.Stdout, "              NTP service: %s\n", service)
	fmt.Fprintf(p.Stdout, "          RTC in local TZ: %s\n", yes(s.localRTC()))
	if s.localRTC() {
		io.WriteString(p.Stdout, localTimeRTC)
	}
	return 0
}

func (s *settings) show([]string) int {
	p := s.p
	zone := libc.Zone(p)
	known, active := s.ntp()
	stamp := func(t time.Time) string { t = t.In(zone); return t.Format("Mon 2006-01-02 15:04:05 ") + zoneName(t) }
	lines := [][2]string{
		{"Timezone", s.zoneName()}, {"LocalRTC", yes(s.localRTC())}, {"CanNTP", yes(known)}, {"NTP", yes(active)},
		{"NTPSynchronized", yes(p.Clock.Synchronised())}, {"TimeUSec", stamp(p.Now())},
	}
	if p.Host.RTC != nil {
		lines = append(lines, [2]string{"RTCTimeUSec", stamp(readRTC(p.Host.RTC, s.localRTC(), zone))})
	}
	for _, l := range lines {
		switch {
		case len(s.properties) > 0 && !slices.Contains(s.properties, l[0]):
		case s.value:
			fmt.Fprintln(p.Stdout, l[1])
		default:
			fmt.Fprintf(p.Stdout, "%s=%s\n", l[0], l[1])
		}
	}
	return 0
}

const needAuth = "Interactive authentication required."

func (s *settings) setTime(args []string) int {
	p := s.p
	now := p.Now().In(libc.Zone(p))
	t, ok := parseTimestamp(args[0], now)
	if !ok {
		return s.fail("Failed to parse time specification '%s': Invalid argument", args[0])
	}
	if _, active := s.ntp(); active {
		return s.fail("Failed to set time: Automatic time synchronization is enabled")
	}
	if p.UID != 0 {
		return s.fail("Failed to set time: %s", needAuth)
	}
	if err := setClock(p, t, "timedatectl set-time"); err != nil {
		return s.fail("Failed to set time: Access denied")
	}
	if p.Host.RTC != nil {
		writeRTC(p.Host.RTC, t, s.localRTC(), libc.Zone(p))
	}
	return 0
}

// validZone reports whether a name is that of an installed time zone.
func (s *settings) validZone(name string) bool {
	if name == "" || strings.HasPrefix(name, "/") || strings.Contains(name, "..") || strings.Contains(name, "//") {
		return false
	}
	for _, c := range name {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.ContainsRune("-_+/", c)) {
			return false
		}
	}
	if name == "UTC" {
		return true
	}
	data, err := libc.ReadFile(s.p, path.Join(zoneInfo, name))
	return err == nil && strings.HasPrefix(string(data), "TZif")
}

func (s *settings) setZone(args []string) int {
	p := s.p
	name := args[0]
	if !s.validZone(name) {
		return s.fail("Failed to set time zone: Invalid or not installed time zone '%s'", name)
	}
	if name == s.zoneName() {
		return 0
	}
	if p.UID != 0 {
		return s.fail("Failed to set time zone: %s", needAuth)
	}
	old := libc.Zone(p)
	p.Sys.Remove("/etc/localtime.tmp")
	err := p.Sys.Symlink(path.Join("../usr/share/zoneinfo", name), "/etc/localtime.tmp")
	if err == nil {
		err = p.Sys.Rename("/etc/localtime.tmp", "/etc/localtime")
	}
	if err != nil {
		return s.fail("Failed to set time zone: %s", libc.Strerror(err))
	}
	if s.localRTC() && p.Host.RTC != nil {
		writeRTC(p.Host.RTC, readRTC(p.Host.RTC, true, old), true, libc.Zone(p))
	}
	return 0
}

// listZones prints the names of tzdata's table, as far as they are installed.
func (s *settings) listZones([]string) int {
	var names []string
	data, err := libc.ReadFile(s.p, path.Join(zoneInfo, "tzdata.zi"))
	if err == nil {
		for _, line := range libc.Lines(data) {
			f := strings.Fields(line)
			switch {
			case len(f) >= 2 && f[0] == "Z":
				names = append(names, f[1])
			case len(f) >= 3 && f[0] == "L":
				names = append(names, f[2])
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !s.validZone(n) })
	if len(names) == 0 {
		names = []string{"UTC"}
	}
	for _, n := range names {
		fmt.Fprintln(s.p.Stdout, n)
	}
	return 0
}

func parseBool(text string) (on, ok bool) {
	switch strings.ToLower(text) {
	case "1", "yes", "y", "true", "t", "on":
		return true, true
	case "0", "no", "n", "false", "f", "off":
		return false, true
	}
	return false, false
}

func (s *settings) setLocalRTC(args []string) int {
	p := s.p
	on, ok := parseBool(args[0])
	if !ok {
		return s.fail("Failed to parse local RTC setting '%s': Invalid argument", args[0])
	}
	if on == s.localRTC() {
		return 0
	}
	if p.UID != 0 {
		return s.fail("Failed to set local RTC: %s", needAuth)
	}
	zone := libc.Zone(p)
	if err := setAdjtimeScale(p, on); err != nil {
		return s.fail("Failed to set local RTC: %s", libc.Strerror(err))
	}
	if rtc := p.Host.RTC; rtc != nil {
		if s.adjust {
			setClock(p, readRTC(rtc, on, zone), "timedatectl set-local-rtc")
		} else {
			writeRTC(rtc, p.Now(), on, zone)
		}
	}
	return 0
}

func (s *settings) setNTP(args []string) int {
	on, ok := parseBool(args[0])
	if !ok {
		return s.fail("Failed to parse NTP setting '%s': Invalid argument", args[0])
	}
	known, _ := s.ntp()
	switch {
	case !known:
		return s.fail("Failed to set ntp: NTP not supported")
	case s.p.UID != 0:
		return s.fail("Failed to set ntp: %s", needAuth)
	}
	action, job := "disable", "stop"
	if on {
		action, job = "enable", "start"
	}
	if text, status := s.systemctl(action, ntpUnit); status != 0 {
		return s.fail("Failed to set ntp: %s", text)
	}
	s.systemctl("--no-block", job, ntpUnit)
	return 0
}
