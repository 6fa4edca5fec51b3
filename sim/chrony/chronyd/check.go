package chronyd

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"enshu/sim/chrony/conf"
	"enshu/sim/libc"
)

// maxPriority is the highest real-time priority of a process (sched(7)).
const maxPriority = 100

// filterLevels are the levels of the system call filter (option -F); those
// below zero only log.
const filterLevels = 2

// checkConfig refuses what a configuration asks for and cannot be had together.
func (d *daemon) checkConfig() error {
	c, o := d.conf, &d.opts
	level := max(o.filter, -o.filter)
	switch {
	case c.RTCFile != "" && c.RTCSync:
		return conf.Errorf("rtcfile directive cannot be used with rtcsync")
	case c.NoClientLog && (c.RateLimit.Enabled || c.CmdRateLimit.Enabled || c.NTSRateLimit.Enabled):
		return conf.Errorf("Rate limiting cannot be enabled with noclientlog")
	case o.priority < 0 || o.priority > maxPriority:
		return conf.Errorf("Bad scheduler priority: %d", o.priority)
	case c.SchedPriority < 0 || c.SchedPriority > maxPriority:
		return conf.Errorf("Bad scheduler priority: %d", c.SchedPriority)
	case level != 0 && c.MailUser != "":
		return conf.Errorf("mailonchange directive cannot be used with -F enabled")
	case level > filterLevels:
		return conf.Errorf("Unsupported filter level")
	case len(c.NTS.Keys) != len(c.NTS.Certs):
		return conf.Errorf("Uneven number of NTS certs and keys")
	}
	for _, h := range c.HWTimestamp {
		if h.Interface != "*" {
			// No network card of a virtual host has a clock.
			return conf.Errorf("Could not enable HW timestamping on %s", h.Interface)
		}
	}
	return nil
}

// checkDir reports what is wrong with a directory that only the daemon's user
// and group may enter.
func (d *daemon) checkDir(dir string) error {
	st, err := d.p.Sys.Stat(dir)
	if err != nil {
		return nil
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	ok = ok && !libc.OneID(d.p)
	switch {
	case !st.IsDir():
		return fmt.Errorf("%s is not directory", dir)
	case st.Mode()&fs.ModePerm&0o007 != 0:
		return fmt.Errorf("Wrong permissions on %s", dir) //nolint:staticcheck // the program's words
	case ok && int(sys.Uid) != d.user.UID:
		return fmt.Errorf("Wrong owner of %s (UID != %d)", dir, d.user.UID) //nolint:staticcheck // the program's words
	case ok && int(sys.Gid) != d.user.GID:
		return fmt.Errorf("Wrong owner of %s (GID != %d)", dir, d.user.GID) //nolint:staticcheck // the program's words
	}
	return nil
}

// refclockOptions are what may follow a device, by driver.
var refclockOptions = map[string][]string{
	"SHM": {"perm"}, "PPS": {"clear"}, "PHC": {"nocrossts", "extpps", "pin", "channel", "clear"}, "SOCK": nil,
}

// checkRefclock refuses options that a driver does not have.
func (d *daemon) checkRefclock(c conf.Refclock) error {
	known, ok := refclockOptions[strings.ToUpper(c.Driver)]
	if !ok {
		return conf.Errorf("unknown refclock driver %s", c.Driver)
	}
	_, options, _ := strings.Cut(c.Parameter, ":")
next:
	for o := range strings.SplitSeq(options, ":") {
		for _, k := range known {
			if o == k || strings.HasPrefix(o, k+"=") {
				continue next
			}
		}
		if o != "" {
			return conf.Errorf("Invalid refclock driver option %s", o)
		}
	}
	if c.TAI && len(d.leap.table) == 0 && d.conf.LeapZone == "" {
		return conf.Errorf("refclock tai option requires leapsectz")
	}
	return nil
}

var errNoPHC = errors.New("Could not open PHC") //nolint:staticcheck // the program's words
