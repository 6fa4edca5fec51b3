package firewalld

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"enshu/sim/firewalld/conf"
	"enshu/sim/host"
	"enshu/sim/libc"
)

//go:embed help.txt
var helpText string

const usageLine = "usage: 'firewall-cmd --help' for usage information or see firewall-cmd(1) man page"

// command is a running firewall-cmd.
type command struct {
	p    *host.Proc
	name string
	*parsed
	call func(request) (*reply, error)
}

// exit ends the program with a status, through the calls in between.
type exit int

func (e exit) Error() string { return "exit " + strconv.Itoa(int(e)) }

// FirewallCmd is firewall-cmd(1).
func FirewallCmd(ctx context.Context, p *host.Proc) int {
	args, problem := parseArgs(p.Args[1:])
	if problem != "" {
		fmt.Fprintf(p.Stderr, "%s\n%s: error: %s\n", usageLine, p.Name(), problem)
		return 2
	}
	c := &command{p: p, name: p.Name(), parsed: args}
	return c.status(func() error {
		if err := c.check(); err != nil {
			return err
		}
		conn, err := dial(ctx, p)
		if err != nil {
			return c.notRunning()
		}
		defer conn.conn.Close()
		c.call = conn.call
		return c.run()
	})
}

// status runs f and turns how it ended into an exit status.
func (c *command) status(f func() error) int {
	err := f()
	var code exit
	var refused *conf.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &refused) && refused.Code == "NOT_AUTHORIZED":
		c.complain("Authorization failed.\n    Make sure polkit agent is running or run the application as superuser.")
		return 253
	case errors.As(err, &refused) && refused.Code == "NOT_RUNNING":
		c.complain("FirewallD is not running")
		return 252
	case errors.As(err, &refused) && refused.Warning():
		c.complain("Warning: " + refused.Error())
		c.say("success")
		return 0
	case errors.As(err, &refused):
		c.complain("Error: " + refused.Error())
		return refused.Status()
	}
	c.complain("Error: " + err.Error())
	return 254
}

func (c *command) notRunning() error {
	if len(c.order) > 0 && c.order[0].name == "state" {
		c.complain("not running")
	} else {
		c.complain("FirewallD is not running")
	}
	return exit(252)
}

// complain writes to stderr, in red on a terminal.
func (c *command) complain(text string) {
	if c.has("quiet") {
		return
	}
	if _, ok := libc.Terminal(c.p.Stderr); ok {
		text = "\033[91m" + text + "\033[00m"
	}
	fmt.Fprintln(c.p.Stderr, text)
}

func (c *command) say(text string) {
	if !c.has("quiet") {
		fmt.Fprintln(c.p.Stdout, text)
	}
}

// misuse is a wrong combination of options.
func (c *command) misuse(text string) error {
	c.complain(usageLine + "\n" + text)
	return exit(2)
}

var timeoutText = regexp.MustCompile(`^([0-9]+)([smh]?)$`)

// timeout reads --timeout, in seconds.
func (c *command) timeout() (int, bool) {
	if !c.has("timeout") {
		return 0, true
	}
	m := timeoutText.FindStringSubmatch(c.get("timeout"))
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(m[1], 10, 31)
	return int(n) * map[string]int{"": 1, "s": 1, "m": 60, "h": 3600}[m[2]], err == nil
}

// check refuses options that do not go together, before anything is asked.
func (c *command) check() error {
	if c.has("help") {
		fmt.Fprint(c.p.Stdout, helpText)
		return exit(0)
	}
	if c.has("direct") && (len(c.order) == 0 || c.order[0].class != directOnly && c.order[0].class != unmodelled) {
		return c.misuse("Wrong usage of 'direct' options.")
	}
	if len(c.order) == 0 {
		return nil // said when the state is known
	}
	others := func(cl class) bool {
		return slices.ContainsFunc(c.order, func(o option) bool { return o.class != cl })
	}
	main := c.order[0]
	for _, o := range c.order {
		if o.class == alone {
			main = o
			break
		}
	}
	for _, o := range c.order {
		if o.class == unmodelled {
			return c.misuse("--" + o.name + " is not modelled here.")
		}
	}
	for _, o := range []string{"add", "remove", "query"} {
		for _, v := range c.values[o+"-lockdown-whitelist-uid"] {
			if _, err := strconv.Atoi(v); err != nil {
				c.complain(usageLine + "\n" + c.name + ": error: argument --" + o + "-lockdown-whitelist-uid: invalid int value: '" + v + "'")
				return exit(2)
			}
		}
	}
	perm := c.has("permanent")
	switch main.class {
	case alone:
		if others(alone) || perm || c.has("zone") || c.has("timeout") || c.has("direct") || c.has("service") || c.has("ipset") {
			return c.misuse("Can't use stand-alone options with other options.")
		}
	case wide:
		if c.has("zone") || others(wide) {
			switch main.name {
			case "get-zones", "get-services", "get-icmptypes", "get-policies":
				return c.misuse("Wrong usage of --get-zones | --get-services | --get-icmptypes | --get-policies.")
			}
			return c.misuse("Wrong usage of --" + main.name + ".")
		}
	case permOnly:
		if !perm {
			return c.misuse("Option can be used only with --permanent.")
		}
	case serviceOnly:
		if !c.has("service") && !c.has("icmptype") && !c.has("helper") {
			if strings.HasSuffix(main.name, "-destination") || main.name == "get-destinations" {
				return c.misuse("No icmptype specified.")
			}
			return c.misuse("Option can be used only with --service=<service>.")
		}
	case zoned:
		if err := c.checkSubject(main); err != nil {
			return err
		}
	case setOnly:
		if !c.has("ipset") {
			return c.misuse("No ipset specified.")
		}
	case directOnly:
		if !c.has("direct") {
			return c.misuse("Wrong usage of 'direct' options.")
		}
	}
	if slices.Contains([]string{"get-target", "set-target", "get-short", "set-short", "get-description", "set-description"}, main.name) ||
		c.has("service") || c.has("icmptype") || c.has("helper") {
		if !perm {
			return c.misuse("Option can be used only with --permanent.")
		}
	}
	return c.checkOutput(main)
}

func (c *command) checkOutput(main option) error {
	if c.has("timeout") {
		kind, isAdd := strings.CutPrefix(main.name, "add-")
		timed := slices.Contains([]string{conf.KindService, conf.KindPort, conf.KindProtocol, conf.KindSourcePort, conf.KindICMPBlock, conf.KindMasquerade, conf.KindForwarding, conf.KindRule}, kind)
		if !isAdd || !timed {
			return c.misuse("Wrong --timeout usage")
		}
		if c.has("permanent") {
			return c.misuse("Can't specify timeout for permanent action.")
		}
		if _, ok := c.timeout(); !ok {
			return c.misuse("'" + c.get("timeout") + "' is wrong timeout value. Use for example '2m' or '1h'")
		}
	}
	for _, verb := range []string{"list-", "get-", "info-", "path-"} {
		if c.has("quiet") && strings.HasPrefix(main.name, verb) {
			fmt.Fprintln(c.p.Stderr, "-q/--quiet can't be used with this option(s)")
			return exit(2)
		}
	}
	return nil
}

// run does what was asked.
func (c *command) run() error {
	if len(c.order) == 0 {
		a, err := c.call(request{Op: "state"})
		if err != nil {
			return err
		}
		if c.has("policy") {
			c.say("success")
			return nil
		}
		c.complain("State: " + map[bool]string{true: "running", false: "failed"}[a.Yes] + "\n\nNo options specified\n" + usageLine)
		return exit(2)
	}
	main := c.order[0]
	switch main.class {
	case alone:
		return c.general(main.name)
	case wide:
		return c.configuration(main.name)
	case permOnly:
		return c.manage(main.name)
	case setOnly:
		return c.entries(main.name)
	case directOnly:
		return c.direct(main.name)
	case whitelisting:
		return c.whitelist(main.name)
	}
	for _, kind := range []conf.Kind{conf.Services, conf.ICMPNames, conf.Helpers} {
		if c.has(string(kind)) {
			return c.edit(kind, main.name)
		}
	}
	if c.has("ipset") {
		return c.texts(main.name, conf.IPSets, c.get("ipset"))
	}
	return c.ruled(main)
}

// ask calls and returns the answer's list.
func (c *command) ask(r request) ([]string, error) {
	a, err := c.call(r)
	if err != nil {
		return nil, err
	}
	return a.List, nil
}

// answer says yes or no, and ends with 0 or 1.
func (c *command) answer(yes bool) error {
	if yes {
		c.say("yes")
		return nil
	}
	c.say("no")
	return exit(1)
}

// general are the options that stand alone.
func (c *command) general(name string) error {
	switch name {
	case "state":
		a, err := c.call(request{Op: "state"})
		if err != nil {
			return err
		}
		if !a.Yes {
			c.complain("failed")
			return exit(251)
		}
		c.say("running")
		return nil
	case "get-ipset-types":
		if _, err := c.call(request{Op: "authorize"}); err != nil {
			return err
		}
		c.say("hash:ip hash:ip,mark hash:ip,port hash:ip,port,ip hash:ip,port,net hash:mac hash:net hash:net,iface hash:net,net hash:net,port hash:net,port,net")
		return nil
	case "get-automatic-helpers":
		c.say("no")
		return nil
	case "set-automatic-helpers":
		c.say("success")
		return nil
	case "query-panic", "query-lockdown":
		a, err := c.call(request{Op: name})
		if err != nil {
			return err
		}
		return c.answer(a.Yes)
	case "get-active-zones":
		a, err := c.call(request{Op: name})
		if err != nil {
			return err
		}
		for _, z := range a.Zones {
			c.say(z.Name)
			if l := z.Values(conf.KindInterface); len(l) > 0 {
				c.say("  interfaces: " + strings.Join(l, " "))
			}
			if l := z.Values(conf.KindSource); len(l) > 0 {
				c.say("  sources: " + strings.Join(l, " "))
			}
		}
		return nil
	case "get-active-policies":
		a, err := c.call(request{Op: name})
		if err != nil {
			return err
		}
		for _, p := range a.Policies {
			c.say(p.Name + "\n  ingress-zones: " + strings.Join(p.Values(conf.KindIngress), " ") + "\n  egress-zones: " + strings.Join(p.Values(conf.KindEgress), " "))
		}
		return nil
	case "get-default-zone", "get-log-denied", "version":
		list, err := c.ask(request{Op: name})
		if err == nil {
			c.say(strings.Join(list, " "))
		}
		return err
	}
	_, err := c.call(request{Op: name, Args: c.values[name]})
	if err == nil {
		c.say("success")
	}
	return err
}

// configuration are the options about everything at once.
func (c *command) configuration(name string) error {
	r := request{Op: name, Permanent: c.has("permanent"), Args: c.values[name]}
	if kind, ok := strings.CutPrefix(name, "info-"); ok {
		return c.info(conf.Kind(kind), c.get(name))
	}
	switch name {
	case "get-zones", "get-services", "get-icmptypes", "get-ipsets", "get-helpers", "get-policies":
		kind := strings.TrimSuffix(strings.TrimPrefix(name, "get-"), "s")
		if name == "get-policies" {
			kind = string(conf.Policies)
		}
		r.Op = "get-all-" + kind
		list, err := c.ask(r)
		if err == nil {
			c.say(strings.Join(list, " "))
		}
		return err
	case "get-zone-of-interface", "get-zone-of-source":
		list, err := c.ask(r)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			c.complain("no zone")
			return exit(2)
		}
		c.say(list[0])
		return nil
	}
	a, err := c.call(r) // --list-all-zones, --list-all-policies
	if err == nil {
		c.sayAll(a, "\n")
	}
	return err
}

// info is --info-… of a definition.
func (c *command) info(kind conf.Kind, name string) error {
	a, err := c.call(request{Op: "info-" + string(kind), Permanent: c.has("permanent"), Args: []string{name}})
	if err == nil {
		c.sayAll(a, "")
	}
	return err
}

// sayAll prints every definition of an answer, and end after each.
func (c *command) sayAll(a *reply, end string) {
	for _, z := range a.Zones {
		c.say(c.zoneText(z) + end)
	}
	for _, p := range a.Policies {
		c.say(c.policyText(p) + end)
	}
	switch {
	case a.Service != nil:
		c.say(c.serviceText(a.Service) + end)
	case a.IPSet != nil:
		c.say(c.ipsetText(a.IPSet) + end)
	case a.ICMPType != nil:
		c.say(c.icmpText(a.ICMPType) + end)
	case a.Helper != nil:
		c.say(c.helperText(a.Helper) + end)
	}
}
