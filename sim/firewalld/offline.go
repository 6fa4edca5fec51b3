package firewalld

import (
	"context"
	"fmt"
	"slices"

	"enshu/sim/firewalld/conf"
	"enshu/sim/host"
)

// FirewallOfflineCmd is firewall-offline-cmd(1): the permanent part of
// firewall-cmd on the files themselves, without a daemon.
func FirewallOfflineCmd(ctx context.Context, p *host.Proc) int {
	if p.UID != 0 {
		fmt.Fprintf(p.Stderr, "You need to be root to run %s.\n", p.Path)
		return 255
	}
	const usage = "usage: see firewall-offline-cmd man page"
	args, problem := parseArgs(p.Args[1:])
	if problem == "" {
		for _, o := range []string{"permanent", "timeout", "state", "reload", "complete-reload", "runtime-to-permanent", "panic-on",
			"panic-off", "query-panic", "get-active-zones", "get-active-policies"} {
			if args.has(o) {
				problem = "unrecognized arguments: --" + o
			}
		}
	}
	if problem != "" {
		fmt.Fprintf(p.Stderr, "%s\n%s: error: %s\n", usage, p.Name(), problem)
		return 2
	}
	c := &command{p: p, name: p.Name(), parsed: args}
	if args.has("help") {
		fmt.Fprint(p.Stdout, helpText)
		return 0
	}
	if len(args.order) == 0 {
		c.complain("No option specified.\n" + usage)
		return 2
	}
	args.values["permanent"] = nil
	return c.status(func() error {
		main := args.order[0]
		if main.class != alone {
			if err := c.check(); err != nil {
				return err
			}
		}
		cfg, err := loadConfig(p, false)
		if err != nil {
			return err
		}
		d := &daemon{p: p, perm: cfg, lockdown: cfg.conf.Yes("Lockdown")}
		c.call = func(q request) (*reply, error) { return d.offline(q) }
		return c.run()
	})
}

// offline answers a request from the files.
func (d *daemon) offline(q request) (*reply, error) {
	setting := func(name, value string, ok bool, wrong *conf.Error) (*reply, error) {
		switch {
		case !ok:
			return nil, wrong
		case d.perm.conf.Get(name) == value:
			return nil, conf.Fail("ALREADY_SET", value)
		}
		return done(d.setConf(name, value))
	}
	switch q.Op {
	case "authorize", "check-config", "get-active-zones": // nothing is active
		return &reply{}, nil
	case "version":
		return listed([]string{version})
	case "get-default-zone":
		return listed([]string{d.perm.conf.Get("DefaultZone")})
	case "set-default-zone":
		return setting("DefaultZone", q.arg(0), d.perm.zone(q.arg(0)) != nil, &conf.Error{Code: "INVALID_ZONE", Text: q.arg(0)})
	case "get-log-denied":
		return listed([]string{d.perm.conf.Get("LogDenied")})
	case "set-log-denied":
		return setting("LogDenied", q.arg(0), slices.Contains(conf.LogDeniedValues, q.arg(0)), wrongLogDenied(q.arg(0)))
	case "list-whitelisted", "add-whitelisted", "remove-whitelisted", "query-whitelisted":
		q.Permanent = true
		return d.whitelistCall(q)
	case "lockdown-on", "lockdown-off":
		return done(d.setLockdown(q.Op == "lockdown-on"))
	case "query-lockdown":
		return &reply{Yes: d.lockdown}, nil
	case "direct":
		q.Permanent = true
		return d.directCall(q)
	}
	return d.permanent(q)
}
