package firewalld

import (
	"maps"
	"strings"

	"enshu/sim/firewalld/conf"
	"enshu/sim/libc"
)

// zoneOf returns the zone that has an interface or source, "" when none has or
// when the element is something else.
func (c *config) zoneOf(e conf.Element) string {
	if e.Kind != conf.KindInterface && e.Kind != conf.KindSource {
		return ""
	}
	for _, name := range c.names(conf.Zones) {
		if c.zone(name).Has(e.Kind, e.Value) {
			return name
		}
	}
	return ""
}

// permanent answers what is about the permanent configuration, which is
// written at once and comes into force by a reload.
func (d *daemon) permanent(q request) (*reply, error) {
	if kind, ok := strings.CutPrefix(q.Op, "get-all-"); ok {
		return listed(d.perm.names(conf.Kind(kind)))
	}
	if kind, ok := strings.CutPrefix(q.Op, "info-"); ok {
		return d.perm.info(d.p, conf.Kind(kind), q.arg(0))
	}
	switch q.Op {
	case "get-zone-of-interface", "get-zone-of-source":
		if of := d.perm.zoneOf(conf.Element{Kind: strings.TrimPrefix(q.Op, "get-zone-of-"), Value: q.arg(0)}); of != "" {
			return listed([]string{of})
		}
		return &reply{}, nil
	case "list-all-zones":
		a := &reply{}
		for _, name := range d.perm.names(conf.Zones) {
			a.Zones = append(a.Zones, d.perm.zone(name))
		}
		return a, nil
	case "list-all-policies":
		a := &reply{}
		for _, name := range d.perm.names(conf.Policies) {
			a.Policies = append(a.Policies, get[conf.Policy](d.perm, d.p, conf.Policies, name))
		}
		return a, nil
	case "new", "new-from-file", "delete", "load-defaults", "path":
		return d.manage(q)
	case "get-text", "set-text":
		return d.text(q)
	case "add-to", "remove-from", "query-of":
		return d.editDefinition(q)
	case "set-helper":
		return d.setHelper(q)
	case "query-entry", "add-entry", "remove-entry":
		return d.editIPSet(q)
	}
	if q.Policy != "" {
		return d.permanentPolicy(q)
	}
	return d.permanentZone(q)
}

// permanentZone answers what is about one zone's elements.
func (d *daemon) permanentZone(q request) (*reply, error) {
	z, err := d.zoneAsked(q.Zone)
	if err != nil {
		return nil, err
	}
	switch q.Op {
	case "list-all":
		return &reply{Zones: []*conf.Zone{z}}, nil
	case "list":
		return listed(z.Values(q.Kind))
	case "get-target":
		return listed([]string{strings.Trim(z.Target, "%")})
	}
	c := z.Clone()
	if q.Op == "set-target" {
		c.Target, err = conf.ReadTarget(z.Name, q.arg(0))
		if err != nil {
			return nil, err
		}
		return done(d.perm.save(d.p, c))
	}
	e, err := conf.Element{Kind: q.Kind, Value: q.arg(0)}.Normal()
	if err != nil && q.Kind == conf.KindInterface {
		// Looked for as it is, and wrong only in a zone that is to have it.
		if err = nil; q.Op == "add" || q.Op == "change" {
			err = conf.Fail("INVALID_INTERFACE", "Zone '"+z.Name+"': invalid interface '"+e.Value+"'")
		}
	}
	if err != nil {
		return nil, err
	}
	switch q.Op {
	case "query":
		return &reply{Yes: z.Queries(e)}, nil
	case "add":
		switch {
		case c.Add(e):
		case e.Kind == conf.KindForward:
			return &reply{}, nil
		default:
			return nil, conf.Fail("ALREADY_ENABLED", e.Id())
		}
		if of := d.perm.zoneOf(e); of != "" {
			return nil, conf.Fail("ZONE_CONFLICT", e.Value)
		}
		if err := d.perm.check(d.p, c); err != nil {
			return nil, err
		}
	case "change":
		for _, name := range d.perm.names(conf.Zones) {
			if o := d.perm.zone(name).Clone(); name != z.Name && o.Remove(e) {
				if err := d.perm.save(d.p, o); err != nil {
					return nil, err
				}
			}
		}
		if !c.Add(e) {
			return &reply{}, nil
		}
	case "remove":
		switch {
		case c.Remove(e):
		case e.Kind == conf.KindForward:
			return &reply{}, nil
		default:
			return nil, conf.Fail("NOT_ENABLED", e.Id())
		}
	default:
		return nil, conf.Fail("INVALID_COMMAND", q.Op)
	}
	return done(d.perm.save(d.p, c))
}

// zoneAsked finds a zone of the permanent configuration; "" is the default one.
func (d *daemon) zoneAsked(name string) (*conf.Zone, error) {
	if name == "" {
		name = d.perm.conf.Get("DefaultZone")
	}
	if z := d.perm.zone(name); z != nil {
		return z, nil
	}
	return nil, unknown(conf.Zones, name)
}

// permanentPolicy answers what is about one policy's elements.
func (d *daemon) permanentPolicy(q request) (*reply, error) {
	p := get[conf.Policy](d.perm, d.p, conf.Policies, q.Policy)
	if p == nil {
		return nil, unknown(conf.Policies, q.Policy)
	}
	switch q.Op {
	case "list-all":
		return &reply{Policies: []*conf.Policy{p}}, nil
	case "list":
		return listed(p.Values(q.Kind))
	case "get-target":
		return listed([]string{p.Target})
	case "get-priority":
		return &reply{Number: p.Priority}, nil
	}
	c := p.Clone()
	var err error
	switch q.Op {
	case "set-target":
		c.Target, err = p.ReadTarget(q.arg(0))
	case "set-priority":
		c.Priority, err = p.ReadPriority(q.arg(0))
	default:
		var e conf.Element
		if e, err = (conf.Element{Kind: q.Kind, Value: q.arg(0)}).Normal(); err != nil {
			return nil, err
		}
		switch {
		case q.Op == "query":
			return &reply{Yes: p.Queries(e)}, nil
		case q.Op == "add" && !c.Add(e):
			return nil, conf.Fail("ALREADY_ENABLED", e.Quoted())
		case q.Op == "remove" && !c.Remove(e):
			return nil, conf.Fail("NOT_ENABLED", e.Quoted())
		case q.Op != "add" && q.Op != "remove":
			return nil, conf.Fail("INVALID_COMMAND", q.Op)
		}
		err = d.perm.check(d.p, c)
	}
	if err != nil {
		return nil, err
	}
	return done(d.perm.save(d.p, c))
}

// save makes the runtime configuration the permanent one.
func (d *daemon) save() error {
	if d.failed {
		return conf.Fail("RUNNING_BUT_FAILED", "Saving runtime to permanent is not allowed while firewalld is in FAILED state. "+mustBeFixed)
	}
	for _, name := range d.definitions(conf.Zones) {
		z := d.rt.Zones[name].Clone()
		z.ShowTarget = false
		if err := d.perm.save(d.p, z); err != nil {
			return err
		}
	}
	for _, name := range d.definitions(conf.Policies) {
		if err := d.perm.save(d.p, d.rt.Policies[name].Copy()); err != nil {
			return err
		}
	}
	for _, name := range d.definitions(conf.IPSets) {
		if err := d.perm.save(d.p, d.rt.IPSets[name].Copy()); err != nil {
			return err
		}
	}
	if !d.rt.Direct.Empty() || !d.perm.direct.Empty() {
		d.perm.direct = d.rt.Direct.Clone()
		return d.saveDirect()
	}
	return nil
}

func (d *daemon) saveDirect() error {
	if err := libc.WriteFile(d.p, directFile, d.perm.direct.File(), 0o644); err != nil {
		return conf.Fail("COMMAND_FAILED", libc.Strerror(err))
	}
	return nil
}

// reset puts every file of the administrator aside, and loads the package's.
func (d *daemon) reset() error {
	for k := range maps.Clone(d.perm.user) {
		if err := d.perm.unsave(d.p, k); err != nil {
			return err
		}
	}
	for name, value := range conf.SettingDefaults {
		if d.perm.conf.Get(name) != value {
			if err := d.setConf(name, value); err != nil {
				return err
			}
		}
	}
	return d.reload()
}
