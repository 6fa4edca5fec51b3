package logrotate

import (
	"context"
	"fmt"
	"os"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// version is the release whose behaviour this is.
const version = "3.21.0"

// Defaults are what a distribution fixes when it builds logrotate.
type Defaults struct {
	Mail, Compress, Uncompress, CompressExt, StateFile string
}

// EL9 is how AlmaLinux 9 builds it.
var EL9 = Defaults{"/bin/mail", "/bin/gzip", "/bin/gunzip", ".gz", "/var/lib/logrotate/logrotate.status"}

// Logrotate is /usr/sbin/logrotate of AlmaLinux 9.
func Logrotate(ctx context.Context, p *host.Proc) int { return New(EL9)(ctx, p) }

// New returns logrotate(8) as a distribution builds it.
func New(d Defaults) host.Program {
	return func(ctx context.Context, p *host.Proc) int { return run(ctx, p, d) }
}

// options are those of the command line.
type options struct {
	debug, force, verbose, skipLock, waitLock bool
	mail, stateFile, log                      string
}

const short = "dfm:s:vl:?"

var long = []libc.LongOption{
	{Name: "debug", Short: "d"}, {Name: "force", Short: "f"}, {Name: "mail", Short: "m", Arg: libc.RequiredArgument},
	{Name: "state", Short: "s", Arg: libc.RequiredArgument}, {Name: "skip-state-lock"}, {Name: "wait-for-state-lock"},
	{Name: "verbose", Short: "v"}, {Name: "log", Short: "l", Arg: libc.RequiredArgument}, {Name: "version"},
	{Name: "help", Short: "?"}, {Name: "usage"},
}

func run(ctx context.Context, p *host.Proc, d Defaults) int {
	o := options{mail: d.Mail, stateFile: d.StateFile}
	given, files, err := libc.Getopt(p.Args[1:], short, long)
	for _, g := range given {
		switch g.Name {
		case "d":
			o.debug, o.verbose = true, true
		case "f":
			o.force = true
		case "m":
			o.mail = g.Value
		case "s":
			o.stateFile = g.Value
		case "skip-state-lock":
			o.skipLock = true
		case "wait-for-state-lock":
			o.waitLock = true
		case "v":
			o.verbose = true
		case "l":
			o.log = g.Value
		case "version":
			fmt.Fprint(p.Stdout, versionText(d))
			return 0
		case "?":
			fmt.Fprint(p.Stdout, helpText(d))
			return 0
		case "usage":
			fmt.Fprint(p.Stdout, usage)
			return 0
		}
	}
	if err != nil {
		fmt.Fprintf(p.Stderr, "logrotate: bad argument %s: %s\n", badArgument(p.Args[1:], files), poptError(err))
		return 2
	}
	out := &messages{out: p.Stderr, verbose: o.verbose}
	if o.debug {
		out.warn("logrotate in debug mode does nothing except printing debug messages!  Consider using verbose mode (-v) instead if this is not what you want.\n\n")
	}
	switch {
	case o.log == "syslog":
		out.log = toSyslog(p)
	case o.log != "":
		f, err := p.Sys.OpenFile(libc.Abs(p, o.log), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
		if err != nil {
			out.error("error opening log file %s: %s\n", o.log, libc.Strerror(err))
		} else {
			defer func() { p.Stamp(f); f.Close() }()
			out.log = toFile(f)
		}
	}
	if len(files) == 0 {
		fmt.Fprintf(p.Stderr, "logrotate %s - Copyright (C) 1995-2001 Red Hat, Inc.\nThis may be freely redistributed under the terms of the GNU General Public License\n\n%s", version, usage)
		return 1
	}
	return rotateAll(ctx, p, d, o, files, out)
}

// rotateAll reads the configuration and the state, rotates, and writes the state.
func rotateAll(ctx context.Context, p *host.Proc, d Defaults, o options, files []string, out *messages) int {
	c := &config{p: p, out: out, global: newSet(d), known: map[string]*set{}, taboos: taboos}
	c.base = &c.global
	ok := true
	for _, f := range files {
		ok = c.read(f, p.Dir) && ok
	}
	if !o.debug {
		lock, err := lockState(ctx, p, o, out)
		if err != nil {
			return 3
		}
		if lock != nil {
			defer lock.Close()
		}
	}
	r := &rotation{ctx: ctx, p: p, defaults: d, options: o, out: out, now: libc.LocalTime(p), state: newState(out.note)}
	ok = r.readState() && ok
	out.note("\nHandling %d logs\n", len(c.sets))
	for _, s := range c.sets {
		if ctx.Err() != nil {
			return 1
		}
		ok = r.set(s) && ok
	}
	if !o.debug {
		ok = r.writeState() && ok
	}
	if !ok {
		return 1
	}
	return 0
}

// badArgument finds the argument at which Getopt stopped; unread is what it left.
func badArgument(args, unread []string) string {
	if at := len(args) - len(unread) - 1; at >= 0 && at < len(args) {
		return args[at]
	}
	return args[len(args)-1]
}

// poptError gives an option error the words of popt.
func poptError(err error) string {
	if e := err.Error(); len(e) > 6 && (e[:6] == "option") {
		return "missing argument"
	}
	return "unknown error"
}

const usage = `Usage: logrotate [-dfv?] [-d|--debug] [-f|--force] [-m|--mail=command]
        [-s|--state=statefile] [--skip-state-lock] [--wait-for-state-lock]
        [-v|--verbose] [-l|--log=logfile] [--version] [-?|--help] [--usage]
        [OPTION...] <configfile>
`

func versionText(d Defaults) string {
	return fmt.Sprintf(`logrotate %s

    Default mail command:       %s
    Default compress command:   %s
    Default uncompress command: %s
    Default compress extension: %s
    Default state file path:    %s
    ACL support:                yes
    SELinux support:            yes
`, version, d.Mail, d.Compress, d.Uncompress, d.CompressExt, d.StateFile)
}

func helpText(d Defaults) string {
	return fmt.Sprintf("Usage: logrotate [OPTION...] <configfile>\n"+
		"  -d, --debug               Don't do anything, just test and print debug messages\n"+
		"  -f, --force               Force file rotation\n"+
		"  -m, --mail=command        Command to send mail (instead of `%s')\n"+
		"  -s, --state=statefile     Path of state file\n"+
		"      --skip-state-lock     Do not lock the state file\n"+
		"      --wait-for-state-lock Wait for lock on the state file\n"+
		"  -v, --verbose             Display messages during rotation\n"+
		"  -l, --log=logfile         Log file or 'syslog' to log to syslog\n"+
		"      --version             Display version information\n\n"+
		"Help options:\n"+
		"  -?, --help                Show this help message\n"+
		"      --usage               Display brief usage message\n", d.Mail)
}
