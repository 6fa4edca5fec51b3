package firewalld

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"enshu/sim/firewalld/conf"
	"enshu/sim/trace"
)

// public are the calls that a user without rights may make.
var public = []string{"get-default-zone", "get-active-zones", "get-active-policies", "get-all-zone", "get-all-service", "get-all-icmptype",
	"get-all-helper", "get-all-ipset", "get-all-policy", "get-zone-of-interface", "get-zone-of-source", "query-panic"}

// errRefused is what a user without rights is told.
var errRefused = &conf.Error{Code: "NOT_AUTHORIZED"}

const mustBeFixed = "The permanent configuration must be fixed and then firewalld restarted. Try `firewall-offline-cmd --check-config`."

// handle answers a request of a user. The caller holds mu.
func (d *daemon) handle(ctx context.Context, q request, uid int) *reply {
	if uid != 0 && (q.Permanent || !slices.Contains(public, q.Op)) {
		return &reply{Error: errRefused.Error()}
	}
	if !q.unchanging() {
		switch {
		case d.locked(uid):
			return d.answer(conf.Fail("ACCESS_DENIED", "lockdown is enabled"))
		case d.failed && q.Permanent:
			return d.answer(conf.Fail("RUNNING_BUT_FAILED", "Changing permanent configuration is not allowed while firewalld is in FAILED state. "+mustBeFixed))
		}
	}
	if f, ok := general[q.Op]; ok {
		a, err := f(d, q)
		if err != nil {
			return d.answer(err)
		}
		return a
	}
	var a *reply
	var err error
	if q.Permanent {
		a, err = d.permanent(q)
	} else {
		a, err = d.runtime(ctx, q)
	}
	if err != nil {
		return d.answer(err)
	}
	return a
}

// arg returns an argument, "" when it is missing.
func (q request) arg(i int) string {
	if i < len(q.Args) {
		return q.Args[i]
	}
	return ""
}

func done(err error) (*reply, error)        { return &reply{}, err }
func listed(names []string) (*reply, error) { return &reply{List: names}, nil }

// general are the calls that are about the daemon, not about a zone.
var general = map[string]func(*daemon, request) (*reply, error){
	"state":                func(d *daemon, _ request) (*reply, error) { return &reply{Yes: !d.failed}, nil },
	"version":              func(d *daemon, _ request) (*reply, error) { return listed([]string{version}) },
	"authorize":            func(d *daemon, _ request) (*reply, error) { return &reply{}, nil },
	"reload":               func(d *daemon, _ request) (*reply, error) { return done(d.reload()) },
	"complete-reload":      func(d *daemon, _ request) (*reply, error) { return done(d.reload()) },
	"check-config":         func(d *daemon, _ request) (*reply, error) { _, err := loadConfig(d.p, false); return done(err) },
	"reset-to-defaults":    func(d *daemon, _ request) (*reply, error) { return done(d.reset()) },
	"runtime-to-permanent": func(d *daemon, _ request) (*reply, error) { return done(d.save()) },
	"get-log-denied":       func(d *daemon, _ request) (*reply, error) { return listed([]string{d.rt.Denied}) },
	"set-log-denied":       func(d *daemon, q request) (*reply, error) { return done(d.setLogDenied(q.arg(0))) },
	"panic-on":             func(d *daemon, _ request) (*reply, error) { return done(d.setPanic(true)) },
	"panic-off":            func(d *daemon, _ request) (*reply, error) { return done(d.setPanic(false)) },
	"query-panic":          func(d *daemon, _ request) (*reply, error) { return &reply{Yes: d.rt.Panic}, nil },
	"lockdown-on":          func(d *daemon, _ request) (*reply, error) { return done(d.setLockdown(true)) },
	"lockdown-off":         func(d *daemon, _ request) (*reply, error) { return done(d.setLockdown(false)) },
	"query-lockdown":       func(d *daemon, _ request) (*reply, error) { return &reply{Yes: d.lockdown}, nil },
	"get-default-zone":     func(d *daemon, _ request) (*reply, error) { return listed([]string{d.rt.Default}) },
	"set-default-zone":     func(d *daemon, q request) (*reply, error) { return done(d.setDefault(q.arg(0))) },
	"get-active-zones":     func(d *daemon, _ request) (*reply, error) { return d.activeZones(), nil },
	"list-whitelisted":     (*daemon).whitelistCall,
	"add-whitelisted":      (*daemon).whitelistCall,
	"remove-whitelisted":   (*daemon).whitelistCall,
	"query-whitelisted":    (*daemon).whitelistCall,
	"direct":               func(d *daemon, q request) (*reply, error) { return d.directCall(q) },
}

func (d *daemon) activeZones() *reply {
	a := &reply{}
	for _, name := range slices.Sorted(maps.Keys(d.rt.Zones)) {
		if z := d.rt.Zones[name]; active(z) {
			a.Zones = append(a.Zones, z)
		}
	}
	return a
}

// active reports whether anything is bound to a zone.
func active(z *conf.Zone) bool {
	return len(z.Values(conf.KindInterface))+len(z.Values(conf.KindSource)) > 0
}

func (d *daemon) setLogDenied(value string) error {
	if !slices.Contains(conf.LogDeniedValues, value) {
		return wrongLogDenied(value)
	}
	if value == d.rt.Denied {
		return conf.Fail("ALREADY_SET", value)
	}
	if err := d.setConf("LogDenied", value); err != nil {
		return err
	}
	return d.reload()
}

func wrongLogDenied(value string) *conf.Error {
	return &conf.Error{Code: "INVALID_VALUE", Text: "'" + value + "', choose from 'all','unicast','broadcast','multicast','off'"}
}

func (d *daemon) setConf(name, value string) error {
	d.perm.conf.Set(name, value)
	if err := saveLines(d.p, d.perm.conf); err != nil {
		return conf.Fail("COMMAND_FAILED", err.Error())
	}
	return nil
}

func (d *daemon) setPanic(on bool) error {
	switch {
	case on && d.rt.Panic:
		return conf.Fail("ALREADY_ENABLED", "panic mode already enabled")
	case !on && !d.rt.Panic:
		return conf.Fail("NOT_ENABLED", "panic mode is not enabled")
	}
	d.rt.Panic = on
	d.changed("", map[bool]string{true: "panic on", false: "panic off"}[on])
	return d.apply()
}

func (d *daemon) setLockdown(on bool) error {
	switch {
	case on && d.lockdown:
		return conf.Fail("ALREADY_ENABLED", "enable_lockdown()")
	case !on && !d.lockdown:
		return conf.Fail("NOT_ENABLED", "disable_lockdown()")
	}
	d.lockdown = on
	return d.setConf("Lockdown", map[bool]string{true: "yes", false: "no"}[on])
}

func (d *daemon) setDefault(zone string) error {
	if d.rt.Zones[zone] == nil {
		return conf.Fail("INVALID_ZONE", zone)
	}
	if zone == d.rt.Default {
		return conf.Fail("ZONE_ALREADY_SET", zone)
	}
	if err := d.setConf("DefaultZone", zone); err != nil {
		return err
	}
	old := d.rt.Default
	d.rt.Default = zone
	d.applied(zone)
	for _, name := range slices.Sorted(maps.Keys(d.auto)) {
		if d.rt.Zones[old].Remove(conf.Element{Kind: conf.KindInterface, Value: name}) {
			d.bind(zone, conf.KindInterface, name)
		}
	}
	d.changed(zone, "default zone")
	return d.apply()
}

// bind puts an interface or source into a zone.
func (d *daemon) bind(zone, kind, value string) {
	d.rt.Zones[zone].Add(conf.Element{Kind: kind, Value: value})
	d.applied(zone)
	if kind == conf.KindInterface {
		d.rt.Bound = slices.DeleteFunc(d.rt.Bound, func(s string) bool { return s == value })
		d.rt.Bound = append(d.rt.Bound, value)
	}
}

func (d *daemon) changed(zone, change string) {
	d.p.Emit(trace.FirewallChanged, trace.Attrs{"zone": zone, "change": strings.TrimSpace(change)})
}

// zone finds a zone of the runtime configuration; "" is the default one.
func (d *daemon) zone(name string) (*conf.Zone, error) {
	if name == "" {
		name = d.rt.Default
	}
	if z := d.rt.Zones[name]; z != nil {
		return z, nil
	}
	return nil, conf.Fail("INVALID_ZONE", name)
}

// runtime answers what is about the configuration in force.
func (d *daemon) runtime(ctx context.Context, q request) (*reply, error) {
	if kind, ok := strings.CutPrefix(q.Op, "get-all-"); ok {
		return listed(d.definitions(conf.Kind(kind)))
	}
	if kind, ok := strings.CutPrefix(q.Op, "info-"); ok {
		return d.info(conf.Kind(kind), q.arg(0))
	}
	switch q.Op {
	case "get-zone-of-interface", "get-zone-of-source":
		kind := strings.TrimPrefix(q.Op, "get-zone-of-")
		e, err := conf.Element{Kind: kind, Value: q.arg(0)}.Normal()
		if err != nil {
			return nil, err
		}
		if z := d.rt.ZoneOf(kind, e.Value); z != "" {
			return listed([]string{z})
		}
		return &reply{}, nil
	case "list-all-zones":
		a := &reply{}
		for _, name := range d.definitions(conf.Zones) {
			a.Zones = append(a.Zones, d.rt.Zones[name])
		}
		return a, nil
	case "list-all-policies", "get-active-policies":
		a := &reply{}
		for _, name := range d.definitions(conf.Policies) {
			if p := d.rt.Policies[name]; q.Op == "list-all-policies" || d.rt.Active(p) {
				a.Policies = append(a.Policies, p)
			}
		}
		return a, nil
	case "query-entry", "add-entry", "remove-entry":
		return d.ipset(q)
	}
	if q.Policy != "" {
		return d.policyCall(ctx, q)
	}
	return d.zoneCall(ctx, q)
}

// definitions lists the names of a kind that are in force.
func (d *daemon) definitions(kind conf.Kind) []string {
	switch kind {
	case conf.Zones:
		return slices.Sorted(maps.Keys(d.rt.Zones))
	case conf.Policies:
		return slices.Sorted(maps.Keys(d.rt.Policies))
	case conf.IPSets:
		return slices.Sorted(maps.Keys(d.rt.IPSets))
	}
	return d.loaded.names(kind)
}

// info returns one definition that is in force.
func (d *daemon) info(kind conf.Kind, name string) (*reply, error) {
	switch kind {
	case conf.Zones:
		if z := d.rt.Zones[name]; z != nil {
			return &reply{Zones: []*conf.Zone{z}}, nil
		}
	case conf.Policies:
		if p := d.rt.Policies[name]; p != nil {
			return &reply{Policies: []*conf.Policy{p}}, nil
		}
	case conf.IPSets:
		if s := d.rt.IPSets[name]; s != nil {
			return &reply{IPSet: s}, nil
		}
	default:
		return d.loaded.info(d.p, kind, name)
	}
	return nil, unknown(kind, name)
}

// unknown is that there is no definition of a name.
func unknown(kind conf.Kind, name string) error {
	return conf.Fail(conf.Code("INVALID_"+strings.ToUpper(string(kind))), name)
}

// zoneCall answers what is about one zone in force.
func (d *daemon) zoneCall(ctx context.Context, q request) (*reply, error) {
	z, err := d.zone(q.Zone)
	if err != nil {
		// A source is read before its zone is looked for, and what is to be taken
		// out is looked for first.
		e, wrong := conf.Element{Kind: q.Kind, Value: q.arg(0)}.Normal()
		bound := q.Kind == conf.KindInterface || q.Kind == conf.KindSource
		switch {
		case q.Kind == conf.KindSource && wrong != nil:
			return nil, wrong
		case q.Op == "remove" && bound && wrong == nil && d.rt.ZoneOf(q.Kind, e.Value) == "":
			return nil, unbound(e)
		}
		return nil, err
	}
	switch q.Op {
	case "list-all":
		return &reply{Zones: []*conf.Zone{z}}, nil
	case "list":
		return listed(z.Values(q.Kind))
	case "change":
		return done(d.change(z, q.Kind, q.arg(0)))
	}
	e, err := d.lookup(conf.Element{Kind: q.Kind, Value: q.arg(0)})
	if err != nil {
		return nil, err
	}
	switch q.Op {
	case "query":
		return &reply{Yes: z.Queries(e)}, nil
	case "add":
		if err := d.add(z, q.Zone, e); err != nil {
			return nil, err
		}
		if e.Kind == conf.KindInterface && q.Zone == "" {
			d.auto[e.Value] = true // it goes along when another zone becomes the default
		}
		d.expire(ctx, q.Timeout, func() error {
			if z := d.rt.Zones[z.Name]; z != nil && z.Queries(e) {
				return d.remove(z, e)
			}
			return nil
		})
		return &reply{}, nil
	case "remove":
		return done(d.remove(z, e))
	}
	return nil, conf.Fail("INVALID_COMMAND", q.Op)
}

// policyCall answers what is about one policy in force.
func (d *daemon) policyCall(ctx context.Context, q request) (*reply, error) {
	p := d.rt.Policies[q.Policy]
	if p == nil {
		return nil, unknown(conf.Policies, q.Policy)
	}
	switch q.Op {
	case "list-all":
		return &reply{Policies: []*conf.Policy{p}}, nil
	case "list":
		return listed(p.Values(q.Kind))
	}
	e, err := d.lookup(conf.Element{Kind: q.Kind, Value: q.arg(0)})
	if err != nil {
		return nil, err
	}
	switch q.Op {
	case "query":
		return &reply{Yes: p.Queries(e)}, nil
	case "add", "remove":
		if err := d.editPolicy(q.Policy, q.Op, e); err != nil {
			return nil, err
		}
		if q.Op == "add" {
			d.expire(ctx, q.Timeout, func() error {
				if p := d.rt.Policies[q.Policy]; p != nil && p.Queries(e) {
					return d.editPolicy(q.Policy, "remove", e)
				}
				return nil
			})
		}
		return &reply{}, nil
	}
	return nil, conf.Fail("INVALID_COMMAND", q.Op)
}

// editPolicy adds an element to a policy in force or takes it out, unless the
// policy would be wrong with it.
func (d *daemon) editPolicy(name, op string, e conf.Element) error {
	c := d.rt.Policies[name].Clone()
	switch {
	case op == "add" && !c.Add(e):
		return conf.Fail("ALREADY_ENABLED", e.Quoted())
	case op == "remove" && !c.Remove(e):
		return conf.Fail("NOT_ENABLED", e.Quoted())
	}
	if err := c.Check(func(name string) *conf.Zone { return d.rt.Zones[name] }); err != nil {
		return err
	}
	if err := d.rt.Fits(c); err != nil {
		return err
	}
	old := d.rt.Policies[name]
	d.rt.Policies[name] = c
	if err := d.apply(); err != nil {
		d.rt.Policies[name] = old
		d.apply()
		return err
	}
	d.changed("", op+" "+e.Kind+" "+e.Value+" in policy "+name)
	return nil
}

// lookup checks an element and what it names against the loaded configuration.
func (d *daemon) lookup(e conf.Element) (conf.Element, error) {
	e, err := e.Normal()
	if err != nil {
		return e, err
	}
	service, icmp, set := "", "", ""
	switch e.Kind {
	case conf.KindService:
		service = e.Value
	case conf.KindICMPBlock:
		icmp = e.Value
	case conf.KindSource:
		set, _ = strings.CutPrefix(e.Value, "ipset:")
		if set == e.Value {
			set = ""
		}
	case conf.KindRule:
		r, err := conf.ParseRule(e.Value)
		if err != nil {
			return e, err
		}
		for _, a := range []*conf.RuleAddr{r.Source, r.Destination} {
			if a != nil && a.IPSet != "" {
				set = a.IPSet
			}
		}
		if r.Element != nil {
			switch r.Element.Kind {
			case "service":
				service = r.Element.Attrs.Get("name")
				if s := get[conf.Service](d.loaded, d.p, conf.Services, service); s != nil && r.Destination != nil && len(s.Destination) > 0 {
					return e, conf.Fail("INVALID_RULE", "Destination conflict with service.")
				}
			case "icmp-block", "icmp-type":
				icmp = r.Element.Attrs.Get("name")
			}
		}
	}
	switch {
	case (service != "" || e.Kind == conf.KindService) && !d.loaded.has(conf.Services, service):
		return e, conf.Fail("INVALID_SERVICE", service)
	case (icmp != "" || e.Kind == conf.KindICMPBlock) && !d.loaded.has(conf.ICMPNames, icmp):
		return e, conf.Fail("INVALID_ICMPTYPE", icmp)
	case icmp != "" && conf.ICMPTypes[icmp] == (conf.ICMPType{}):
		return e, conf.Fail("INVALID_ICMPTYPE", "ICMP type '"+icmp+"' not supported by nftables for ipv4")
	case set != "" && d.rt.IPSets[set] == nil:
		return e, conf.Fail("INVALID_IPSET", set)
	}
	return e, nil
}

// enabled says that a zone has an element already, or not.
func enabled(code conf.Code, e conf.Element, z *conf.Zone) error {
	already := code == "ALREADY_ENABLED"
	switch {
	case slices.Contains(conf.Switches, e.Kind) && already:
		return conf.Fail(code, e.Kind+" already enabled in '"+z.Name+"'")
	case slices.Contains(conf.Switches, e.Kind):
		return conf.Fail(code, e.Kind+" not enabled in '"+z.Name+"'")
	case already:
		return conf.Fail(code, "'"+e.Id()+"' already in '"+z.Name+"'")
	}
	return conf.Fail(code, "'"+e.Id()+"' not in '"+z.Name+"'")
}

// add puts an element into a zone, which was asked for by a name or, with "", as
// the default.
func (d *daemon) add(z *conf.Zone, asked string, e conf.Element) error {
	if e.Kind == conf.KindInterface || e.Kind == conf.KindSource {
		switch of := d.rt.ZoneOf(e.Kind, e.Value); {
		case of == z.Name && e.Kind == conf.KindInterface:
			return conf.Fail("ZONE_ALREADY_SET", "'"+e.Value+"' already bound to '"+asked+"'")
		case of == z.Name:
			return conf.Fail("ZONE_ALREADY_SET", "'"+e.Value+"' already bound to '"+of+"'")
		case of != "" && e.Kind == conf.KindInterface:
			return conf.Fail("ZONE_CONFLICT", "'"+e.Value+"' already bound to '"+of+"'")
		case of != "":
			return conf.Fail("ZONE_CONFLICT", "'"+e.Value+"' already bound to a zone")
		}
		d.bind(z.Name, e.Kind, e.Value)
		delete(d.auto, e.Value)
	} else if !z.Add(e) {
		if e.Kind == conf.KindForward {
			return nil // firewalld does not say that it is so already
		}
		return enabled("ALREADY_ENABLED", e, z)
	}
	d.changed(z.Name, "add "+e.Kind+" "+e.Value)
	return d.apply()
}

func unbound(e conf.Element) error {
	return conf.Fail(conf.Code("UNKNOWN_"+strings.ToUpper(e.Kind)), "'"+e.Value+"' is not in any zone")
}

func (d *daemon) remove(z *conf.Zone, e conf.Element) error {
	if e.Kind == conf.KindInterface || e.Kind == conf.KindSource {
		of := d.rt.ZoneOf(e.Kind, e.Value)
		if of == "" {
			return unbound(e)
		}
		if of != z.Name {
			return conf.Fail("ZONE_CONFLICT", "remove_"+e.Kind+"("+z.Name+", "+e.Value+"): zo"+e.Kind[:1]+"='"+of+"'")
		}
	}
	if !z.Remove(e) {
		if e.Kind == conf.KindForward {
			return nil
		}
		return enabled("NOT_ENABLED", e, z)
	}
	if e.Kind == conf.KindInterface {
		d.rt.Bound = slices.DeleteFunc(d.rt.Bound, func(s string) bool { return s == e.Value })
		delete(d.auto, e.Value)
	}
	d.changed(z.Name, "remove "+e.Kind+" "+e.Value)
	return d.apply()
}

// change moves an interface or source to a zone.
func (d *daemon) change(z *conf.Zone, kind, value string) error {
	e, err := d.lookup(conf.Element{Kind: kind, Value: value})
	if err != nil {
		return err
	}
	of := d.rt.ZoneOf(kind, e.Value)
	if of == z.Name {
		return nil
	}
	if of != "" {
		d.rt.Zones[of].Remove(e)
	}
	d.bind(z.Name, kind, e.Value)
	delete(d.auto, e.Value)
	d.changed(z.Name, "change "+kind+" "+e.Value)
	return d.apply()
}

// expire calls end after some seconds, unless they are none or a reload came
// between.
func (d *daemon) expire(ctx context.Context, seconds int, end func() error) {
	if seconds <= 0 {
		return
	}
	age := d.age
	d.p.Go(func() {
		if d.p.Sleep(ctx, time.Duration(seconds)*time.Second) != nil {
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.age == age {
			if err := end(); err != nil {
				d.log(err)
			}
		}
	})
}

// ipset answers what is about the entries of a set in force.
func (d *daemon) ipset(q request) (*reply, error) {
	s := d.rt.IPSets[q.arg(0)]
	if s == nil {
		return nil, conf.Fail("INVALID_IPSET", q.arg(0))
	}
	entry := q.arg(1)
	if err := s.CheckEntry(entry); err != nil {
		return nil, err
	}
	at := slices.Index(s.Entries, entry)
	switch {
	case q.Op == "query-entry":
		return &reply{Yes: at >= 0}, nil
	case q.Op == "add-entry" && at >= 0:
		return nil, conf.Fail("ALREADY_ENABLED", "'"+entry+"' already is in '"+s.Name+"'")
	case q.Op == "add-entry":
		if err := s.CheckOverlap(entry); err != nil {
			return nil, err
		}
		s.Entries = append(s.Entries, entry)
	case at < 0:
		return nil, conf.Fail("NOT_ENABLED", "'"+entry+"' not in '"+s.Name+"'")
	default:
		s.Entries = slices.Delete(s.Entries, at, at+1)
	}
	d.changed("", q.Op+" "+s.Name+" "+entry)
	return done(d.apply())
}
