package firewalld

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"enshu/sim/trace"
)

// public are the calls that a user without rights may make.
var public = []string{"get-default-zone", "get-active-zones", "get-zones", "get-services", "get-icmptypes", "get-helpers",
	"get-ipsets", "get-policies", "get-zone-of-interface", "get-zone-of-source", "query-panic"}

// errRefused is what a user without rights is told.
var errRefused = &Error{Code: "NOT_AUTHORIZED"}

// handle answers a request. The caller holds mu.
func (d *daemon) handle(ctx context.Context, q request, root bool) *reply {
	if !root && (q.Permanent || !slices.Contains(public, q.Op)) {
		return &reply{Error: errRefused.Error()}
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
	"query-lockdown":       func(d *daemon, _ request) (*reply, error) { return &reply{Yes: d.perm.conf.yes("Lockdown")}, nil },
	"get-default-zone":     func(d *daemon, _ request) (*reply, error) { return listed([]string{d.rt.Default}) },
	"set-default-zone":     func(d *daemon, q request) (*reply, error) { return done(d.setDefault(q.arg(0))) },
	"get-active-zones":     func(d *daemon, _ request) (*reply, error) { return d.activeZones(), nil },
	"direct":               func(d *daemon, q request) (*reply, error) { return d.directCall(q) },
}

func (d *daemon) activeZones() *reply {
	a := &reply{}
	for _, name := range slices.Sorted(maps.Keys(d.rt.Zones)) {
		if z := d.rt.Zones[name]; d.active(z) {
			a.Zones = append(a.Zones, z)
		}
	}
	return a
}

// active reports whether anything is bound to a zone.
func (d *daemon) active(z *Zone) bool {
	return len(z.Values(kindInterface))+len(z.Values(kindSource)) > 0
}

func (d *daemon) setLogDenied(value string) error {
	if !slices.Contains(logDeniedValues, value) {
		return wrongLogDenied(value)
	}
	if value == d.rt.Denied {
		return fail("ALREADY_SET", value)
	}
	if err := d.setConf("LogDenied", value); err != nil {
		return err
	}
	return d.reload()
}

func wrongLogDenied(value string) *Error {
	return &Error{"INVALID_VALUE", "'" + value + "', choose from 'all','unicast','broadcast','multicast','off'"}
}

func (d *daemon) setConf(name, value string) error {
	d.perm.conf.set(name, value)
	if err := d.perm.conf.save(d.p); err != nil {
		return fail("COMMAND_FAILED", err.Error())
	}
	return nil
}

func (d *daemon) setPanic(on bool) error {
	switch {
	case on && d.rt.Panic:
		return fail("ALREADY_ENABLED", "panic mode already enabled")
	case !on && !d.rt.Panic:
		return fail("NOT_ENABLED", "panic mode is not enabled")
	}
	d.rt.Panic = on
	d.changed("", map[bool]string{true: "panic on", false: "panic off"}[on])
	return d.apply()
}

func (d *daemon) setLockdown(on bool) error {
	switch {
	case on && d.perm.conf.yes("Lockdown"):
		return fail("ALREADY_ENABLED", "enable_lockdown()")
	case !on && !d.perm.conf.yes("Lockdown"):
		return fail("NOT_ENABLED", "disable_lockdown()")
	}
	return d.setConf("Lockdown", map[bool]string{true: "yes", false: "no"}[on])
}

func (d *daemon) setDefault(zone string) error {
	if d.rt.Zones[zone] == nil {
		return fail("INVALID_ZONE", zone)
	}
	if zone == d.rt.Default {
		return fail("ZONE_ALREADY_SET", zone)
	}
	if err := d.setConf("DefaultZone", zone); err != nil {
		return err
	}
	old := d.rt.Default
	d.rt.Default = zone
	d.applied(zone)
	for _, name := range slices.Sorted(maps.Keys(d.auto)) {
		if d.rt.Zones[old].remove(Element{kindInterface, name}) {
			d.bind(zone, kindInterface, name)
		}
	}
	d.changed(zone, "default zone")
	return d.apply()
}

// bind puts an interface or source into a zone.
func (d *daemon) bind(zone, kind, value string) {
	d.rt.Zones[zone].add(Element{kind, value})
	d.applied(zone)
	if kind == kindInterface {
		d.rt.bound = slices.DeleteFunc(d.rt.bound, func(s string) bool { return s == value })
		d.rt.bound = append(d.rt.bound, value)
	}
}

func (d *daemon) changed(zone, change string) {
	d.p.Emit(trace.FirewallChanged, trace.Attrs{"zone": zone, "change": strings.TrimSpace(change)})
}

// zone finds a zone of the runtime configuration; "" is the default one.
func (d *daemon) zone(name string) (*Zone, error) {
	if name == "" {
		name = d.rt.Default
	}
	if z := d.rt.Zones[name]; z != nil {
		return z, nil
	}
	return nil, fail("INVALID_ZONE", name)
}

// runtime answers what is about the configuration in force.
func (d *daemon) runtime(ctx context.Context, q request) (*reply, error) {
	switch q.Op {
	case "get-zones":
		return listed(slices.Sorted(maps.Keys(d.rt.Zones)))
	case "get-services":
		return listed(d.loaded.serviceNames())
	case "get-icmptypes":
		return listed(icmpTypeNames())
	case "get-helpers":
		return listed(slices.Sorted(maps.Keys(helpers)))
	case "get-ipsets":
		return listed(slices.Sorted(maps.Keys(d.rt.IPSets)))
	case "get-policies":
		return listed([]string{hostPolicy})
	case "get-zone-of-interface", "get-zone-of-source":
		kind := strings.TrimPrefix(q.Op, "get-zone-of-")
		e, err := Element{kind, q.arg(0)}.normal()
		if err != nil {
			return nil, err
		}
		if z := d.rt.zoneOf(kind, e.Value); z != "" {
			return listed([]string{z})
		}
		return &reply{}, nil
	case "info-service":
		if s := d.loaded.service(d.p, q.arg(0)); s != nil {
			return &reply{Service: s}, nil
		}
		return nil, fail("INVALID_SERVICE", q.arg(0))
	case "list-all-zones":
		a := &reply{}
		for _, name := range slices.Sorted(maps.Keys(d.rt.Zones)) {
			z := d.rt.Zones[name]
			a.Zones, a.Active = append(a.Zones, z), append(a.Active, d.active(z))
		}
		return a, nil
	case "info-ipset", "query-entry", "add-entry", "remove-entry":
		return d.ipset(q)
	}
	z, err := d.zone(q.Zone)
	if err != nil {
		return nil, err
	}
	switch q.Op {
	case "list-all":
		return &reply{Zones: []*Zone{z}, Active: []bool{d.active(z)}}, nil
	case "list":
		return listed(z.Values(q.Kind))
	case "change":
		return done(d.change(z, q.Kind, q.arg(0)))
	}
	e, err := d.lookup(Element{q.Kind, q.arg(0)})
	if err != nil {
		return nil, err
	}
	switch q.Op {
	case "query":
		return &reply{Yes: z.queries(e)}, nil
	case "add":
		if err := d.add(z, e); err != nil {
			return nil, err
		}
		if q.Timeout > 0 {
			d.expire(ctx, z.Name, e, time.Duration(q.Timeout)*time.Second)
		}
		return &reply{}, nil
	case "remove":
		return done(d.remove(z, e))
	}
	return nil, fail("INVALID_COMMAND", q.Op)
}

// queries reports whether the zone has an element, a port also as a part of a range.
func (z *Zone) queries(e Element) bool {
	if e.Kind == kindPort || e.Kind == kindSourcePort {
		p, err := ParsePort(e.Value)
		return err == nil && slices.ContainsFunc(z.ports(e.Kind), func(q Port) bool { return covers(q, p) })
	}
	return z.Has(e.Kind, e.Value)
}

// lookup checks an element and what it names against the loaded configuration.
func (d *daemon) lookup(e Element) (Element, error) {
	e, err := e.normal()
	if err != nil {
		return e, err
	}
	service, icmp, set := "", "", ""
	switch e.Kind {
	case kindService:
		service = e.Value
	case kindICMPBlock:
		icmp = e.Value
	case kindSource:
		set, _ = strings.CutPrefix(e.Value, "ipset:")
		if set == e.Value {
			set = ""
		}
	case kindRule:
		if r, _ := ParseRule(e.Value); r.Element != nil {
			switch r.Element.Kind {
			case "service":
				service = r.Element.Attrs.get("name")
				if s := d.loaded.service(d.p, service); s != nil && r.Destination != nil && len(s.Destination) > 0 {
					return e, fail("INVALID_RULE", "Destination conflict with service.")
				}
			case "icmp-block", "icmp-type":
				icmp = r.Element.Attrs.get("name")
			}
		}
	}
	switch {
	case (service != "" || e.Kind == kindService) && !d.loaded.hasService(service):
		return e, fail("INVALID_SERVICE", service)
	case (icmp != "" || e.Kind == kindICMPBlock) && icmpTypes[icmp] == (icmpType{}):
		return e, fail("INVALID_ICMPTYPE", icmp)
	case set != "" && d.rt.IPSets[set] == nil:
		return e, fail("INVALID_IPSET", set)
	}
	return e, nil
}

// enabled says that a zone has an element already, or not.
func enabled(code Code, e Element, z *Zone) error {
	already := code == "ALREADY_ENABLED"
	switch {
	case slices.Contains(switches, e.Kind) && already:
		return fail(code, e.Kind+" already enabled in '"+z.Name+"'")
	case slices.Contains(switches, e.Kind):
		return fail(code, e.Kind+" not enabled in '"+z.Name+"'")
	case already:
		return fail(code, "'"+e.id()+"' already in '"+z.Name+"'")
	}
	return fail(code, "'"+e.id()+"' not in '"+z.Name+"'")
}

func (d *daemon) add(z *Zone, e Element) error {
	if e.Kind == kindInterface || e.Kind == kindSource {
		switch of := d.rt.zoneOf(e.Kind, e.Value); {
		case of == z.Name:
			return fail("ZONE_ALREADY_SET", "'"+e.Value+"' already bound to '"+of+"'")
		case of != "" && e.Kind == kindInterface:
			return fail("ZONE_CONFLICT", "'"+e.Value+"' already bound to '"+of+"'")
		case of != "":
			return fail("ZONE_CONFLICT", "'"+e.Value+"' already bound to a zone")
		}
		d.bind(z.Name, e.Kind, e.Value)
		delete(d.auto, e.Value)
	} else if !z.add(e) {
		return enabled("ALREADY_ENABLED", e, z)
	}
	d.changed(z.Name, "add "+e.Kind+" "+e.Value)
	return d.apply()
}

func (d *daemon) remove(z *Zone, e Element) error {
	if e.Kind == kindInterface || e.Kind == kindSource {
		of := d.rt.zoneOf(e.Kind, e.Value)
		if of == "" {
			return fail(Code("UNKNOWN_"+strings.ToUpper(e.Kind)), "'"+e.Value+"' is not in any zone")
		}
		if of != z.Name {
			return fail("ZONE_CONFLICT", "remove_"+e.Kind+"("+z.Name+", "+e.Value+"): zo"+e.Kind[:1]+"='"+of+"'")
		}
	}
	if !z.remove(e) {
		return enabled("NOT_ENABLED", e, z)
	}
	if e.Kind == kindInterface {
		d.rt.bound = slices.DeleteFunc(d.rt.bound, func(s string) bool { return s == e.Value })
		delete(d.auto, e.Value)
	}
	d.changed(z.Name, "remove "+e.Kind+" "+e.Value)
	return d.apply()
}

// change moves an interface or source to a zone.
func (d *daemon) change(z *Zone, kind, value string) error {
	e, err := d.lookup(Element{kind, value})
	if err != nil {
		return err
	}
	of := d.rt.zoneOf(kind, e.Value)
	if of == z.Name {
		return nil
	}
	if of != "" {
		d.rt.Zones[of].remove(e)
	}
	d.bind(z.Name, kind, e.Value)
	delete(d.auto, e.Value)
	d.changed(z.Name, "change "+kind+" "+e.Value)
	return d.apply()
}

// expire takes an element out of its zone after a time, unless a reload did.
func (d *daemon) expire(ctx context.Context, zone string, e Element, after time.Duration) {
	age := d.age
	d.p.Go(func() {
		if d.p.Sleep(ctx, after) != nil {
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if z := d.rt.Zones[zone]; d.age == age && z != nil && z.queries(e) {
			if err := d.remove(z, e); err != nil {
				d.log(err)
			}
		}
	})
}

// ipset answers what is about the entries of a set in force.
func (d *daemon) ipset(q request) (*reply, error) {
	s := d.rt.IPSets[q.arg(0)]
	if s == nil {
		return nil, fail("INVALID_IPSET", q.arg(0))
	}
	if q.Op == "info-ipset" {
		return &reply{IPSet: s}, nil
	}
	entry := q.arg(1)
	if err := s.checkEntry(entry); err != nil {
		return nil, err
	}
	at := slices.Index(s.Entries, entry)
	switch {
	case q.Op == "query-entry":
		return &reply{Yes: at >= 0}, nil
	case q.Op == "add-entry" && at >= 0:
		return nil, fail("ALREADY_ENABLED", "'"+entry+"' already is in '"+s.Name+"'")
	case q.Op == "add-entry":
		s.Entries = append(s.Entries, entry)
	case at < 0:
		return nil, fail("NOT_ENABLED", "'"+entry+"' not in '"+s.Name+"'")
	default:
		s.Entries = slices.Delete(s.Entries, at, at+1)
	}
	d.changed("", q.Op+" "+s.Name+" "+entry)
	return done(d.apply())
}

// directCall answers --direct.
func (d *daemon) directCall(q request) (*reply, error) {
	list := &d.perm.direct
	if !q.Permanent {
		list = &d.rt.Direct
	}
	if q.Kind == "get-all" {
		var texts []string
		for _, r := range *list {
			texts = append(texts, r.String())
		}
		return listed(texts)
	}
	r, err := parseDirect(q.Args)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(*list, r.equal)
	switch {
	case q.Kind == "query":
		return &reply{Yes: at >= 0}, nil
	case q.Kind == "add" && at >= 0:
		return nil, fail("ALREADY_ENABLED", "rule '"+strings.Join(r.Args, " ")+"' already is in '"+r.Family+":"+r.Table+":"+r.Chain+"'")
	case q.Kind == "remove" && at < 0:
		return nil, fail("NOT_ENABLED", "rule '"+strings.Join(r.Args, " ")+"' is not in '"+r.Family+":"+r.Table+":"+r.Chain+"'")
	case q.Kind == "add":
		if _, err := r.compile(); err != nil {
			return nil, err
		}
		*list = append(*list, r)
	default:
		*list = slices.Delete(*list, at, at+1)
	}
	if q.Permanent {
		return done(d.saveDirect())
	}
	d.changed("", q.Kind+" direct rule "+r.String())
	return done(d.apply())
}
