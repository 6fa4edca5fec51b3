package firewalld

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"enshu/sim/firewalld/conf"
	"enshu/sim/libc"
)

// defaultZoneWarning tells a user who names no zone that nothing is bound to
// the default one.
func (c *command) defaultZoneWarning() error {
	if c.has("zone") || c.has("policy") || c.has("quiet") {
		return nil
	}
	list, err := c.ask(request{Op: "get-default-zone"})
	if err != nil {
		return err
	}
	a, err := c.call(request{Op: "get-active-zones"})
	if err != nil {
		return err
	}
	var active []string
	for _, z := range a.Zones {
		active = append(active, z.Name)
	}
	if len(active) > 0 && !slices.Contains(active, list[0]) {
		c.say("You're performing an operation over default zone ('" + list[0] + "'),\n" +
			"but your connections/interfaces are in zone '" + strings.Join(active, ",") + "' (see --get-active-zones)\n" +
			"You most likely need to use --zone=" + active[0] + " option.\n")
	}
	return nil
}

// plurals are the kinds by the options that list them.
var plurals = map[string]string{"services": conf.KindService, "ports": conf.KindPort, "protocols": conf.KindProtocol, "icmp-blocks": conf.KindICMPBlock,
	"forward-ports": conf.KindForwarding, "source-ports": conf.KindSourcePort, "rich-rules": conf.KindRule, "interfaces": conf.KindInterface, "sources": conf.KindSource,
	"ingress-zones": conf.KindIngress, "egress-zones": conf.KindEgress}

// The kinds of options that only a zone or only a policy has.
var (
	zoneKinds   = []string{conf.KindInterface, conf.KindSource, conf.KindForward, conf.KindInversion, "zone"}
	policyKinds = []string{conf.KindIngress, conf.KindEgress, "priority"}
)

// checkSubject refuses an option of zones for a policy, and the other way round.
func (c *command) checkSubject(o option) error {
	_, kind, _ := strings.Cut(o.name, "-")
	if k := plurals[kind]; k != "" {
		kind = k
	}
	switch {
	case c.has("policy") && c.has("zone"):
		return c.misuse("Can't use --zone with --policy.")
	case c.has("policy") && slices.Contains(zoneKinds, kind):
		return c.misuse("Can't use --policy with zone only options.")
	case c.has("zone") && slices.Contains(policyKinds, kind):
		return c.misuse("Can't use --zone with policy only options.")
	case !c.has("policy") && slices.Contains(policyKinds, kind):
		return c.misuse("Must use --policy with policy only options.")
	}
	return nil
}

// ruled are the options about what has elements: a zone or a policy.
func (c *command) ruled(o option) error {
	if err := c.defaultZoneWarning(); err != nil {
		return err
	}
	verb, kind, _ := strings.Cut(o.name, "-")
	r := request{Op: verb, Kind: kind, Permanent: c.has("permanent"), Zone: c.get("zone"), Policy: c.get("policy")}
	switch {
	case o.name == "list-all":
		r.Op, r.Kind = "list-all", ""
		a, err := c.call(r)
		if err == nil {
			c.sayAll(a, "")
		}
		return err
	case verb == "list":
		r.Kind = plurals[kind]
		list, err := c.ask(r)
		if err == nil {
			c.say(listText(r.Kind, list))
		}
		return err
	case kind == "short", kind == "description":
		if c.has("policy") {
			return c.texts(o.name, conf.Policies, c.get("policy"))
		}
		return c.texts(o.name, conf.Zones, c.get("zone"))
	case kind == "target", kind == "priority":
		return c.property(r, o)
	case o.name == "change-zone":
		r.Kind = conf.KindInterface
	}
	items := c.values[o.name]
	if o.arity == flag {
		items = []string{""}
	}
	r.Timeout, _ = c.timeout()
	if verb == "query" {
		return c.queries(r, items)
	}
	return c.sequence(r, items)
}

// property gets or sets the target or the priority. The priority in force is
// neither told nor changed, and nobody is told so.
func (c *command) property(r request, o option) error {
	r.Op = o.name
	if r.Kind == "priority" && !r.Permanent {
		c.say("success")
		return nil
	}
	if o.arity == one {
		r.Args = []string{c.get(o.name)}
		if _, err := c.call(r); err != nil {
			return err
		}
		c.say("success")
		return nil
	}
	a, err := c.call(r)
	switch {
	case err != nil:
		return err
	case r.Kind == "priority":
		c.say(strconv.Itoa(a.Number))
	default:
		c.say(strings.Join(a.List, " "))
	}
	return nil
}

// readItem checks what firewall-cmd itself checks before it asks firewalld.
func readItem(kind, item string) error {
	var err error
	switch kind {
	case conf.KindPort, conf.KindSourcePort:
		_, err = conf.ParsePort(item)
	case conf.KindForwarding:
		_, err = conf.ParseForwardPort(item)
	}
	return err
}

// portNumbers puts the number of /etc/services in the place of a port's name.
func (c *command) portNumbers(kind, item string) string {
	id, proto, ok := strings.Cut(item, "/")
	if !ok || kind != conf.KindPort && kind != conf.KindSourcePort || id == "" || strings.Trim(id, "0123456789-") == "" {
		return item
	}
	data, _ := libc.ReadFile(c.p, "/etc/services")
	for _, line := range libc.Lines(data) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != id && !slices.Contains(f[2:], id) {
			continue
		}
		if number, _, ok := strings.Cut(f[1], "/"); ok {
			return number + "/" + proto
		}
	}
	return item
}

// sequence does the same with several items: a bad one is an error alone, and
// only a warning among others.
func (c *command) sequence(r request, items []string) error {
	if _, err := c.call(request{Op: "authorize"}); err != nil {
		return err
	}
	var codes []*conf.Error
	failed := 0
	var good []string
	problem := func(err error) error {
		var e *conf.Error
		if !errors.As(err, &e) || e.Code == "NOT_RUNNING" || e.Code == "NOT_AUTHORIZED" || len(items) == 1 {
			return err
		}
		c.complain("Warning: " + e.Error())
		if !slices.ContainsFunc(codes, func(x *conf.Error) bool { return x.Code == e.Code }) {
			codes = append(codes, e)
		}
		failed++
		return nil
	}
	for _, item := range items {
		item = c.portNumbers(r.Kind, item)
		if err := readItem(r.Kind, item); err != nil {
			if err := problem(err); err != nil {
				return err
			}
			continue
		}
		good = append(good, item)
	}
	for _, item := range good {
		r.Args = append(slices.Clone(r.Args[:len(r.Args):len(r.Args)]), item)
		q := r
		r.Args = r.Args[:len(r.Args)-1]
		if _, err := c.call(q); err != nil {
			if err := problem(err); err != nil {
				return err
			}
		}
	}
	if failed == len(items) && !slices.ContainsFunc(codes, (*conf.Error).Warning) {
		if len(codes) == 1 {
			return exit(codes[0].Status())
		}
		return exit(254)
	}
	c.say("success")
	return nil
}

// queries asks about several items; one answers with the exit status too.
func (c *command) queries(r request, items []string) error {
	if _, err := c.call(request{Op: "authorize"}); err != nil {
		return err
	}
	for _, item := range items {
		number := c.portNumbers(r.Kind, item)
		err := readItem(r.Kind, number)
		var a *reply
		if err == nil {
			q := r
			q.Args = append(slices.Clone(r.Args), number)
			a, err = c.call(q)
		}
		switch {
		case err != nil && len(items) == 1:
			return err
		case err != nil:
			c.complain("Warning: " + err.Error())
		case len(items) == 1:
			return c.answer(a.Yes)
		default:
			if r.Policy == "" {
				item = "'" + item + "'"
			}
			c.say(item + ": " + map[bool]string{true: "yes", false: "no"}[a.Yes])
		}
	}
	return nil
}
