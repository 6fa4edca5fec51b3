package firewalld

import (
	"maps"
	"path"
	"slices"
	"strings"

	"enshu/sim/firewalld/conf"
	"enshu/sim/libc"
)

// permanentZone finds a zone of the permanent configuration.
func (d *daemon) permanentZone(name string) (*conf.Zone, error) {
	if name == "" {
		name = d.perm.conf.Get("DefaultZone")
	}
	if z := d.perm.zones[name]; z != nil {
		return z, nil
	}
	return nil, conf.Fail("INVALID_ZONE", name)
}

// zoneOf returns the zone that has an interface or source, "" when none has or
// when the element is something else.
func (c *config) zoneOf(e conf.Element) string {
	if e.Kind != conf.KindInterface && e.Kind != conf.KindSource {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(c.zones)) {
		if c.zones[name].Has(e.Kind, e.Value) {
			return name
		}
	}
	return ""
}

// permanent answers what is about the permanent configuration, which is
// written at once and comes into force by a reload.
func (d *daemon) permanent(q request) (*reply, error) {
	switch q.Op {
	case "get-zones":
		return listed(slices.Sorted(maps.Keys(d.perm.zones)))
	case "get-services":
		return listed(d.perm.serviceNames())
	case "get-icmptypes":
		return listed(conf.ICMPTypeNames())
	case "get-helpers":
		return listed(slices.Sorted(maps.Keys(conf.Helpers)))
	case "get-ipsets":
		return listed(slices.Sorted(maps.Keys(d.perm.ipsets)))
	case "get-policies":
		return listed([]string{conf.HostPolicy})
	case "get-zone-of-interface", "get-zone-of-source":
		if of := d.perm.zoneOf(conf.Element{Kind: strings.TrimPrefix(q.Op, "get-zone-of-"), Value: q.arg(0)}); of != "" {
			return listed([]string{of})
		}
		return &reply{}, nil
	case "list-all-zones":
		a := &reply{}
		for _, name := range slices.Sorted(maps.Keys(d.perm.zones)) {
			z := d.perm.zones[name]
			a.Zones, a.Active = append(a.Zones, z), append(a.Active, d.active(z))
		}
		return a, nil
	case "new", "new-from-file", "delete", "load-defaults", "path":
		return d.manage(q)
	case "info-service", "add-to-service", "remove-from-service", "query-service", "get-service-text", "set-service-text":
		return d.editService(q)
	case "info-ipset", "query-entry", "add-entry", "remove-entry", "get-ipset-text", "set-ipset-text":
		return d.editIPSet(q)
	}
	z, err := d.permanentZone(q.Zone)
	if err != nil {
		return nil, err
	}
	switch q.Op {
	case "list-all":
		return &reply{Zones: []*conf.Zone{z}, Active: []bool{d.active(z)}}, nil
	case "list":
		return listed(z.Values(q.Kind))
	case "get-target":
		return listed([]string{strings.Trim(z.Target, "%")})
	case "get-text":
		return listed([]string{*z.Text(q.Kind)})
	}
	c := z.Clone()
	switch q.Op {
	case "set-target":
		c.Target, err = conf.ReadTarget(z.Name, q.arg(0))
		if err != nil {
			return nil, err
		}
		return done(d.perm.saveZone(d.p, c))
	case "set-text":
		*c.Text(q.Kind) = q.arg(0)
		return done(d.perm.saveZone(d.p, c))
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
		if err := d.perm.checkZone(d.p, c); err != nil {
			return nil, err
		}
	case "change":
		for _, name := range slices.Sorted(maps.Keys(d.perm.zones)) {
			if o := d.perm.zones[name].Clone(); name != z.Name && o.Remove(e) {
				if err := d.perm.saveZone(d.p, o); err != nil {
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
	return done(d.perm.saveZone(d.p, c))
}

// save makes the runtime configuration the permanent one.
func (d *daemon) save() error {
	for _, name := range slices.Sorted(maps.Keys(d.rt.Zones)) {
		z := d.rt.Zones[name].Clone()
		z.ShowTarget = false
		if err := d.perm.saveZone(d.p, z); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.rt.IPSets)) {
		s := *d.rt.IPSets[name]
		s.Entries = slices.Clone(s.Entries)
		if err := d.perm.saveIPSet(d.p, &s); err != nil {
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
	for key := range maps.Clone(d.perm.user) {
		kind, name, _ := strings.Cut(key, "/")
		if err := d.perm.unsave(d.p, kind, name); err != nil {
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

// manage makes and deletes zones, services and ipsets.
func (d *daemon) manage(q request) (*reply, error) {
	kind, name := q.Kind, q.arg(0)
	exists := map[string]bool{"zone": d.perm.zones[name] != nil, "service": d.perm.hasService(name), "ipset": d.perm.ipsets[name] != nil}[kind]
	dir := kind + "s"
	missing := conf.Fail(conf.Code("INVALID_"+strings.ToUpper(kind)), name)
	switch q.Op {
	case "new", "new-from-file":
		if q.Op == "new-from-file" && name == "" {
			name = strings.TrimSuffix(path.Base(q.arg(1)), ".xml")
			exists = map[string]bool{"zone": d.perm.zones[name] != nil, "service": d.perm.hasService(name), "ipset": d.perm.ipsets[name] != nil}[kind]
		}
		limit := map[string]int{"zone": 17}[kind]
		if err := conf.CheckName(strings.ToUpper(kind[:1])+kind[1:], name, limit); err != nil {
			return nil, err
		}
		if exists {
			return nil, conf.Fail("NAME_CONFLICT", "new_"+kind+"(): '"+name+"'")
		}
		if q.Op == "new-from-file" {
			return done(d.newFromFile(kind, name, q.arg(2)))
		}
		switch kind {
		case "zone":
			return done(d.perm.saveZone(d.p, &conf.Zone{Name: name, Target: "default"}))
		case "service":
			return done(d.perm.saveService(d.p, &conf.Service{Name: name}))
		}
		return done(d.newIPSet(name, q.Args[1:]))
	case "path":
		if !exists {
			return nil, missing
		}
		return listed([]string{d.perm.path(dir, name)})
	case "load-defaults":
		switch {
		case !exists:
			return nil, missing
		case !d.perm.user[dir+"/"+name]:
			return nil, conf.Fail("NO_DEFAULTS", name)
		case !d.perm.stock[dir+"/"+name]:
			return nil, conf.Fail("NO_DEFAULTS", "'"+name+"' not a built-in "+kind)
		}
		return done(d.loadDefaults(dir, name))
	}
	switch {
	case !exists:
		return nil, missing
	case d.perm.stock[dir+"/"+name]:
		return nil, conf.Fail(conf.Code("BUILTIN_"+strings.ToUpper(kind)), "'"+name+"' is built-in "+kind)
	}
	return done(d.delete(kind, name))
}

func (d *daemon) newFromFile(kind, name, content string) error {
	switch kind {
	case "zone":
		z, err := conf.ReadZone(name, []byte(content))
		if err != nil {
			return err
		}
		if err := d.perm.checkZone(d.p, z); err != nil {
			return err
		}
		return d.perm.saveZone(d.p, z)
	case "service":
		s, err := conf.ReadService(name, []byte(content))
		if err != nil {
			return err
		}
		return d.perm.saveService(d.p, s)
	}
	s, err := conf.ReadIPSet(name, []byte(content))
	if err != nil {
		return err
	}
	return d.perm.saveIPSet(d.p, s)
}

// newIPSet makes a set of a type with options "name=value".
func (d *daemon) newIPSet(name string, args []string) error {
	s := &conf.IPSet{Name: name}
	if len(args) > 0 {
		s.Type = args[0]
	}
	if !slices.Contains(conf.IPSetTypes, s.Type) {
		return conf.Fail("INVALID_TYPE", "'"+s.Type+"' is not valid ipset type")
	}
	for _, o := range args[1:] {
		k, v, _ := strings.Cut(o, "=")
		if err := s.AddOption(k, v); err != nil {
			return err
		}
	}
	return d.perm.saveIPSet(d.p, s)
}

func (d *daemon) loadDefaults(dir, name string) error {
	if err := d.perm.unsave(d.p, dir, name); err != nil {
		return err
	}
	delete(d.perm.services, name)
	data, err := libc.ReadFile(d.p, stockDir+"/"+dir+"/"+name+".xml")
	if err != nil {
		return conf.Fail("COMMAND_FAILED", libc.Strerror(err))
	}
	return d.perm.parse(dir, name, data)
}

// delete takes a file away, and a service out of the zones that have it.
func (d *daemon) delete(kind, name string) error {
	switch kind {
	case "zone":
		delete(d.perm.zones, name)
	case "ipset":
		delete(d.perm.ipsets, name)
	case "service":
		delete(d.perm.services, name)
		for _, zone := range slices.Sorted(maps.Keys(d.perm.zones)) {
			z := d.perm.zones[zone].Clone()
			if z.Remove(conf.Element{Kind: conf.KindService, Value: name}) {
				z.ShowTarget = true
				if err := d.perm.saveZone(d.p, z); err != nil {
					return err
				}
			}
		}
	}
	return d.perm.unsave(d.p, kind+"s", name)
}

// editService answers what is about one service: its name is the first
// argument, the kind of what is edited in Kind.
func (d *daemon) editService(q request) (*reply, error) {
	old := d.perm.service(d.p, q.arg(0))
	if old == nil {
		return nil, conf.Fail("INVALID_SERVICE", q.arg(0))
	}
	if q.Op == "info-service" {
		return &reply{Service: old}, nil
	}
	s := *old
	value := q.arg(1)
	text := &s.Short
	if q.Kind == "description" {
		text = &s.Description
	}
	switch q.Op {
	case "get-service-text":
		return listed([]string{*text})
	case "set-service-text":
		*text = value
		return done(d.perm.saveService(d.p, &s))
	}
	has, id, err := s.Edit(q.Kind, value, q.Op)
	switch {
	case err != nil:
		return nil, err
	case q.Op == "query-service":
		return &reply{Yes: has}, nil
	case q.Op == "add-to-service" && has:
		return nil, conf.Fail("ALREADY_ENABLED", "'"+id+"'")
	case q.Op == "remove-from-service" && !has:
		return nil, conf.Fail("NOT_ENABLED", "'"+id+"'")
	case q.Kind == "include" && q.Op == "add-to-service" && !d.perm.hasService(value):
		return nil, conf.Fail("INVALID_SERVICE", value)
	}
	return done(d.perm.saveService(d.p, &s))
}

// editIPSet answers what is about one ipset.
func (d *daemon) editIPSet(q request) (*reply, error) {
	old := d.perm.ipsets[q.arg(0)]
	if old == nil {
		return nil, conf.Fail("INVALID_IPSET", q.arg(0))
	}
	s := *old
	text := &s.Short
	if q.Kind == "description" {
		text = &s.Description
	}
	switch q.Op {
	case "info-ipset":
		return &reply{IPSet: old}, nil
	case "get-ipset-text":
		return listed([]string{*text})
	case "set-ipset-text":
		*text = q.arg(1)
		return done(d.perm.saveIPSet(d.p, &s))
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
		return nil, conf.Fail("ALREADY_ENABLED", entry)
	case q.Op == "add-entry" && s.Options.Get("timeout") != "":
		return nil, &conf.Error{Code: "IPSET_WITH_TIMEOUT"}
	case q.Op == "add-entry":
		if err := s.CheckOverlap(entry); err != nil {
			return nil, err
		}
		s.Entries = append(slices.Clone(s.Entries), entry)
	case at < 0:
		return nil, conf.Fail("NOT_ENABLED", entry)
	default:
		s.Entries = slices.Delete(slices.Clone(s.Entries), at, at+1)
	}
	return done(d.perm.saveIPSet(d.p, &s))
}
