package chronyd

import (
	"errors"
	"strings"

	"enshu/sim/chrony/conf"
	"enshu/sim/libc"
)

// features are what chronyd was built with.
const features = "+CMDMON +NTP +REFCLOCK +RTC +PRIVDROP +SCFILTER +SIGND +ASYNCDNS +NTS +SECHASH +IPV6 -DEBUG"

// options are the arguments of chronyd(8).
type options struct {
	ipv4, ipv6    bool
	configFile    string
	foreground    bool // -n
	stderr        bool // -d
	logFile       string
	level         int
	print         bool // -p
	filter        int  // -F, level of the system call filter
	priority      int  // -P
	lock          bool // -m
	mode          refMode
	reload        bool // -r
	restart       bool // -R
	fromRTC       bool // -s
	timeout       int  // -t, seconds; below 0 is none
	user          string
	noRootCheck   bool
	noControl     bool // -x
	version, help bool
	directives    []string
}

// refMode is what chronyd is started for.
type refMode int

const (
	modeNormal    refMode = iota
	modeSetOnce           // -q
	modePrintOnce         // -Q
)

const defaultConfigFile = "/etc/chrony.conf"

// argumentError is a number of an option that is none.
type argumentError struct{ text string }

func (e argumentError) Error() string { return "Invalid argument " + e.text }

func parseOptions(args []string) (options, error) {
	o := options{configFile: defaultConfigFile, timeout: -1}
	found, rest, err := libc.Getopt(args, "+46df:F:hl:L:mnpP:qQrRst:u:Uvx",
		[]libc.LongOption{{Name: "help", Short: "h"}, {Name: "version", Short: "v"}})
	for _, f := range found {
		switch f.Name {
		case "L", "t", "F", "P":
			n, _, ok := conf.ScanInt(f.Value)
			if !ok {
				return o, argumentError{f.Value}
			}
			switch f.Name {
			case "L":
				o.level = n
			case "t":
				o.timeout = n
			case "F":
				o.filter = n
			case "P":
				o.priority = n
			}
		case "4":
			o.ipv4 = true
		case "6":
			o.ipv6 = true
		case "d":
			o.stderr, o.foreground = true, true
		case "f":
			o.configFile = f.Value
		case "h":
			o.help = true
			return o, nil
		case "l":
			o.logFile = f.Value
		case "m":
			o.lock = true
		case "n":
			o.foreground = true
		case "p":
			o.print, o.stderr, o.foreground, o.noRootCheck = true, true, true, true
		case "q", "Q":
			o.mode = modeSetOnce
			if f.Name == "Q" {
				o.mode, o.noControl, o.noRootCheck = modePrintOnce, true, true
			}
			o.stderr, o.foreground = true, true
		case "r":
			o.reload = true
		case "R":
			o.restart = true
		case "s":
			o.fromRTC = true
		case "u":
			o.user = f.Value
		case "U":
			o.noRootCheck = true
		case "v":
			o.version = true
			return o, nil
		case "x":
			o.noControl = true
		}
	}
	if err != nil {
		if strings.HasPrefix(err.Error(), "unrecognized option") {
			// Of long options chronyd knows two by their full names only.
			err = errors.New("invalid option -- '-'")
		}
		return o, err
	}
	o.directives = rest
	return o, nil
}

// usage is the text of -h; its verb is the name under which chronyd was called.
const usage = `Usage: %s [OPTION]... [DIRECTIVE]...

Options:
  -4		Use IPv4 addresses only
  -6		Use IPv6 addresses only
  -f FILE	Specify configuration file (/etc/chrony.conf)
  -n		Don't run as daemon
  -d		Don't run as daemon and log to stderr
  -l FILE	Log to file
  -L LEVEL	Set logging threshold (0)
  -p		Print configuration and exit
  -q		Set clock and exit
  -Q		Log offset and exit
  -r		Reload dump files
  -R		Adapt configuration for restart
  -s		Set clock from RTC
  -t SECONDS	Exit after elapsed time
  -u USER	Specify user (chrony)
  -U		Don't check for root
  -F LEVEL	Set system call filter level (0)
  -P PRIORITY	Set process priority (0)
  -m		Lock memory
  -x		Don't control clock
  -v, --version	Print version and exit
  -h, --help	Print usage and exit
`
