package named

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// CheckConf is named-checkconf(8): named-checkconf [-hpvxz] [FILE]
func CheckConf(ctx context.Context, p *host.Proc) int {
	options, operands, err := libc.Getopt(p.Args[1:], "chijlvzt:px", nil)
	if err != nil || len(operands) > 1 {
		if err != nil {
			fmt.Fprintf(p.Stderr, "named-checkconf: %v\n", err)
		}
		fmt.Fprint(p.Stderr, "usage: named-checkconf [-chijlvz] [-p [-x]] [-t directory] [named.conf]\n")
		return 1
	}
	zones := false
	for _, o := range options {
		switch o.Name {
		case "v":
			fmt.Fprintln(p.Stdout, banner)
			return 0
		case "z":
			zones = true
		}
	}
	file := "/etc/named.conf"
	if len(operands) == 1 {
		file = operands[0]
	}
	c, err := load(file, reader(p))
	var ce *confError
	switch {
	case errors.As(err, &ce):
		fmt.Fprintln(p.Stdout, err)
		return 1
	case err != nil:
		fmt.Fprintf(p.Stdout, "open: %s: %s\n", file, fileText(err))
		return 1
	}
	status := 0
	for _, z := range c.zones {
		if !zones || z.kind != "primary" {
			continue
		}
		loaded, lines := readZoneFile(p, z)
		for _, l := range lines {
			fmt.Fprintln(p.Stdout, l)
		}
		if loaded == nil {
			fmt.Fprintf(p.Stdout, "_default/%s/IN: bad zone\n", strings.TrimSuffix(z.name, "."))
			status = 1
			continue
		}
		fmt.Fprintf(p.Stdout, "zone %s/IN: loaded serial %d\n", strings.TrimSuffix(z.name, "."), loaded.soa.Serial)
	}
	return status
}

// CheckZone is named-checkzone(8): named-checkzone [-q] ZONE FILE
func CheckZone(ctx context.Context, p *host.Proc) int {
	options, operands, err := libc.Getopt(p.Args[1:], "c:df:hi:jJ:k:m:n:qr:s:t:vw:C:DF:L:M:S:T:W:o:l:", nil)
	if err != nil || len(operands) != 2 {
		if err != nil {
			fmt.Fprintf(p.Stderr, "named-checkzone: %v\n", err)
		}
		fmt.Fprint(p.Stderr, "usage: named-checkzone [-djqvD] [-c class] [-f inputformat] [-F outputformat] [-J filename] [-s (full|relative)] [-t directory] "+
			"[-w directory] [-k (ignore|warn|fail)] [-m (ignore|warn|fail)] [-n (ignore|warn|fail)] [-r (ignore|warn|fail)] [-i (full|full-sibling|local|local-sibling|none)] "+
			"[-M (ignore|warn|fail)] [-S (ignore|warn|fail)] [-W (ignore|warn)] [-o filename] zonename [ (filename|-) ]\n")
		return 1
	}
	out := p.Stdout
	quiet := false
	for _, o := range options {
		quiet = quiet || o.Name == "q"
	}
	say := func(format string, args ...any) {
		if !quiet {
			fmt.Fprintf(out, format, args...)
		}
	}
	name := dns.CanonicalName(operands[0])
	if _, ok := dns.IsDomainName(name); !ok {
		say("unable to parse '%s'\n", operands[0])
		return 1
	}
	z, lines := readZoneFile(p, zoneConf{name: name, file: operands[1]})
	for _, l := range lines {
		say("%s\n", l)
	}
	if z == nil {
		return 1
	}
	say("zone %s/IN: loaded serial %d\nOK\n", strings.TrimSuffix(name, "."), z.soa.Serial)
	return 0
}
