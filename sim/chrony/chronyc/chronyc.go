// Package chronyc is the control program: it turns lines into requests of the
// control protocol (package candm) and replies into reports.
package chronyc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"enshu/sim/chrony"
	"enshu/sim/chrony/conf"
	"enshu/sim/host"
	"enshu/sim/libc"
)

// clientUsage is the text of --help; its verb is the name of the program.
const clientUsage = `Usage: %s [OPTION]... [COMMAND]...

Options:
  -4		Use IPv4 addresses only
  -6		Use IPv6 addresses only
  -n		Don't resolve hostnames
  -N		Print original source names
  -c		Enable CSV format
  -m		Accept multiple commands
  -h HOST	Specify server (/run/chrony/chronyd.sock,127.0.0.1,::1)
  -p PORT	Specify UDP port (323)
  -v, --version	Print version and exit
      --help	Print usage and exit
`

const clientBanner = `chrony version 4.3
Copyright (C) 1997-2003, 2007, 2009-2022 Richard P. Curnow and others
chrony comes with ABSOLUTELY NO WARRANTY.  This is free software, and
you are welcome to redistribute it under certain conditions.  See the
GNU General Public License version 2 for details.

`

// client is a running chronyc.
type client struct {
	ctx context.Context
	p   *host.Proc
	out *bufio.Writer

	noDNS, names, csv bool
	ipv4, ipv6        bool
	link              *link
	quit              bool
	gap               bool // an empty line comes before the next record
}

// Main is /usr/bin/chronyc (chronyc(1)).
func Main(ctx context.Context, p *host.Proc) int {
	c := &client{ctx: ctx, p: p, out: bufio.NewWriter(p.Stdout)}
	defer c.out.Flush()
	hosts, port, multi := "/run/chrony/chronyd.sock,127.0.0.1,::1", 323, false
	found, args, err := libc.Getopt(p.Args[1:], "+46acdf:h:mnNp:v",
		[]libc.LongOption{{Name: "help"}, {Name: "version", Short: "v"}})
	for _, o := range found {
		switch o.Name {
		case "4":
			c.ipv4 = true
		case "6":
			c.ipv6 = true
		case "c":
			c.csv, c.noDNS = true, true
		case "h":
			hosts = o.Value
		case "m":
			multi = true
		case "n":
			c.noDNS = true
		case "N":
			c.names = true
		case "p":
			port, _, _ = conf.ScanInt(o.Value)
		case "v":
			fmt.Fprintf(c.out, "chronyc (chrony) version %s (+READLINE +SECHASH +IPV6 -DEBUG)\n", chrony.Version)
			return 0
		case "help":
			fmt.Fprintf(c.out, clientUsage, p.Args[0])
			return 0
		}
	}
	if err != nil {
		if strings.HasPrefix(err.Error(), "unrecognized option") {
			// Of long options chronyc knows two by their full names only.
			err = errors.New("invalid option -- '-'")
		}
		fmt.Fprintf(p.Stderr, "%s: %v\n", p.Args[0], err)
		fmt.Fprintf(c.out, clientUsage, p.Args[0])
		return 1
	}
	c.link = newLink(c, hosts, port)
	defer c.link.close()
	if !c.link.open() {
		c.complain("Could not open connection to daemon")
		return 1
	}
	ok := true
	switch {
	case len(args) > 0 && multi:
		for _, line := range args {
			if ok = c.run(line); !ok || c.quit {
				break
			}
		}
	case len(args) > 0:
		ok = c.run(strings.Join(args, " "))
	default:
		ok = c.interact()
	}
	if ok {
		return 0
	}
	return 1
}

// interact reads commands from standard input.
func (c *client) interact() bool {
	_, tty := libc.Terminal(c.p.Stdin)
	if tty {
		io.WriteString(c.out, clientBanner)
	}
	in := bufio.NewScanner(c.p.Stdin)
	ok := true
	for !c.quit {
		if tty {
			io.WriteString(c.out, "chronyc> ")
		}
		c.out.Flush()
		if !in.Scan() {
			break
		}
		ok = c.run(in.Text())
		c.out.Flush()
	}
	if tty && !c.quit {
		fmt.Fprintln(c.out)
	}
	return ok
}

// complain prints an error of chronyc's own.
func (c *client) complain(text string) {
	c.out.Flush()
	fmt.Fprintln(c.p.Stderr, text)
}

// run executes a command line and reports success.
func (c *client) run(line string) bool {
	name, args := conf.Word(conf.Normalize(line))
	if name == "" {
		return true
	}
	cmd, ok := clientCommands[name]
	if !ok {
		c.complain("Unrecognized command")
		return false
	}
	return cmd(c, args)
}
