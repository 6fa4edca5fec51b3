package firewalld

import (
	"maps"
	"path"
	"slices"
	"strings"

	"enshu/sim/libc"
)

// permanentZone finds a zone of the permanent configuration.
func (d *daemon) permanentZone(name string) (*Zone, error) {
	if name == "" {
		name = d.perm.conf.get("DefaultZone")
	}
	if z := d.perm.zones[name]; z != nil {
		return z, nil
	}
	return nil, fail("INVALID_ZONE", name)
}

// zoneOf returns the zone that has an interface or source, "" when none has or
// when the element is something else.
func (c *config) zoneOf(e Element) string {
	if e.Kind != kindInterface && e.Kind != kindSource {
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
		return listed(icmpTypeNames())
	case "get-helpers":
		return listed(slices.Sorted(maps.Keys(helpers)))
	case "get-ipsets":
		return listed(slices.Sorted(maps.Keys(d.perm.ipsets)))
	case "get-policies":
		return listed([]string{hostPolicy})
	case "get-zone-of-interface", "get-zone-of-source":
		if of := d.perm.zoneOf(Element{strings.TrimPrefix(q.Op, "get-zone-of-"), q.arg(0)}); of != "" {
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
		return &reply{Zones: []*Zone{z}, Active: []bool{d.active(z)}}, nil
	case "list":
		return listed(z.Values(q.Kind))
	case "get-target":
		return listed([]string{z.Target})
	case "get-text":
		return listed([]string{*z.text(q.Kind)})
	}
	c := z.clone()
	switch q.Op {
	case "set-target":
		c.Target, err = readTarget(z.Name, q.arg(0))
		if err != nil {
			return nil, err
		}
		return done(d.perm.saveZone(d.p, c))
	case "set-text":
		*c.text(q.Kind) = q.arg(0)
		return done(d.perm.saveZone(d.p, c))
	}
	e, err := Element{q.Kind, q.arg(0)}.normal()
	if err != nil {
		return nil, err
	}
	switch q.Op {
	case "query":
		return &reply{Yes: z.queries(e)}, nil
	case "add":
		if !c.add(e) {
			return nil, fail("ALREADY_ENABLED", e.id())
		}
		if of := d.perm.zoneOf(e); of != "" {
			return nil, fail("ZONE_CONFLICT", "'"+e.Value+"' already bound to '"+of+"'")
		}
		if err := d.perm.checkZone(d.p, c); err != nil {
			return nil, err
		}
	case "change":
		for _, name := range slices.Sorted(maps.Keys(d.perm.zones)) {
			if o := d.perm.zones[name].clone(); name != z.Name && o.remove(e) {
				if err := d.perm.saveZone(d.p, o); err != nil {
					return nil, err
				}
			}
		}
		if !c.add(e) {
			return &reply{}, nil
		}
	case "remove":
		if !c.remove(e) {
			return nil, fail("NOT_ENABLED", e.id())
		}
	default:
		return nil, fail("INVALID_COMMAND", q.Op)
	}
	return done(d.perm.saveZone(d.p, c))
}

// text is the place of the short name or the description.
func (z *Zone) text(kind string) *string {
	if kind == "short" {
		return &z.Short
	}
	return &z.Description
}

// save makes the runtime configuration the permanent one.
func (d *daemon) save() error {
	for _, name := range slices.Sorted(maps.Keys(d.rt.Zones)) {
		z := d.rt.Zones[name].clone()
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
	if len(d.rt.Direct) > 0 || len(d.perm.direct) > 0 {
		d.perm.direct = slices.Clone(d.rt.Direct)
		return d.saveDirect()
	}
	return nil
}

func (d *daemon) saveDirect() error {
	if err := libc.WriteFile(d.p, directFile, writeDirect(d.perm.direct), 0o644); err != nil {
		return fail("COMMAND_FAILED", libc.Strerror(err))
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
	for name, value := range confDefaults {
		if d.perm.conf.get(name) != value {
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
	missing := fail(Code("INVALID_"+strings.ToUpper(kind)), name)
	switch q.Op {
	case "new", "new-from-file":
		if q.Op == "new-from-file" && name == "" {
			name = strings.TrimSuffix(path.Base(q.arg(1)), ".xml")
			exists = map[string]bool{"zone": d.perm.zones[name] != nil, "service": d.perm.hasService(name), "ipset": d.perm.ipsets[name] != nil}[kind]
		}
		limit := map[string]int{"zone": 17, "ipset": 31}[kind]
		if err := checkName(strings.ToUpper(kind[:1])+kind[1:], name, limit); err != nil {
			return nil, err
		}
		if exists {
			return nil, fail("NAME_CONFLICT", "new_"+kind+"(): '"+name+"'")
		}
		if q.Op == "new-from-file" {
			return done(d.newFromFile(kind, name, q.arg(2)))
		}
		switch kind {
		case "zone":
			return done(d.perm.saveZone(d.p, &Zone{Name: name, Target: "default"}))
		case "service":
			return done(d.perm.saveService(d.p, &Service{Name: name}))
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
		case !d.perm.stock[dir+"/"+name] || !d.perm.user[dir+"/"+name]:
			return nil, fail("NO_DEFAULTS", "'"+name+"' not in '"+stockDir+"/"+dir+"'")
		}
		return done(d.loadDefaults(dir, name))
	}
	switch {
	case !exists:
		return nil, missing
	case d.perm.stock[dir+"/"+name]:
		return nil, fail(Code("BUILTIN_"+strings.ToUpper(kind)), "'"+name+"' is built-in "+kind)
	}
	return done(d.delete(kind, name))
}

func (d *daemon) newFromFile(kind, name, content string) error {
	switch kind {
	case "zone":
		z, err := readZone(name, []byte(content))
		if err != nil {
			return err
		}
		if err := d.perm.checkZone(d.p, z); err != nil {
			return err
		}
		return d.perm.saveZone(d.p, z)
	case "service":
		s, err := readService(name, []byte(content))
		if err != nil {
			return err
		}
		return d.perm.saveService(d.p, s)
	}
	s, err := readIPSet(name, []byte(content))
	if err != nil {
		return err
	}
	return d.perm.saveIPSet(d.p, s)
}

// newIPSet makes a set of a type with options "name=value".
func (d *daemon) newIPSet(name string, args []string) error {
	s := &IPSet{Name: name}
	if len(args) > 0 {
		s.Type = args[0]
	}
	if !slices.Contains(ipsetTypes, s.Type) {
		return fail("INVALID_TYPE", s.Type+" not supported")
	}
	for _, o := range args[1:] {
		k, v, _ := strings.Cut(o, "=")
		if !slices.Contains([]string{"family", "hashsize", "maxelem", "timeout"}, k) {
			return fail("INVALID_OPTION", "option '"+k+"' is not valid")
		}
		s.Options = append(s.Options, [2]string{k, v})
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
		return fail("COMMAND_FAILED", libc.Strerror(err))
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
			z := d.perm.zones[zone].clone()
			if z.remove(Element{kindService, name}) {
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
		return nil, fail("INVALID_SERVICE", q.arg(0))
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
	has, id, err := s.edit(q.Kind, value, q.Op)
	switch {
	case err != nil:
		return nil, err
	case q.Op == "query-service":
		return &reply{Yes: has}, nil
	case q.Op == "add-to-service" && has:
		return nil, fail("ALREADY_ENABLED", "'"+id+"'")
	case q.Op == "remove-from-service" && !has:
		return nil, fail("NOT_ENABLED", "'"+id+"'")
	case q.Kind == "include" && q.Op == "add-to-service" && !d.perm.hasService(value):
		return nil, fail("INVALID_SERVICE", value)
	}
	return done(d.perm.saveService(d.p, &s))
}

// edit adds or removes a part of a service, unless op only asks. It reports
// whether the service had it and how messages name it.
func (s *Service) edit(kind, value, op string) (has bool, id string, err error) {
	change := func(list *[]string) {
		at := slices.Index(*list, value)
		has, id = at >= 0, value
		switch {
		case op == "add-to-service" && !has:
			*list = append(slices.Clone(*list), value)
		case op == "remove-from-service" && has:
			*list = slices.Delete(slices.Clone(*list), at, at+1)
		}
	}
	switch kind {
	case kindPort, kindSourcePort:
		p, err := ParsePort(value)
		if err != nil {
			return false, "", err
		}
		list := &s.Ports
		if kind == kindSourcePort {
			list = &s.SourcePorts
		}
		at := slices.Index(*list, p)
		has, id = at >= 0, p.ID()+":"+p.Proto
		switch {
		case op == "add-to-service" && !has:
			*list = append(slices.Clone(*list), p)
		case op == "remove-from-service" && has:
			*list = slices.Delete(slices.Clone(*list), at, at+1)
		}
	case kindProtocol:
		if _, err := (Element{kind, value}).normal(); err != nil {
			return false, "", err
		}
		change(&s.Protocols)
	case "module":
		change(&s.Modules)
	case "helper":
		if _, ok := helpers[value]; !ok {
			return false, "", fail("INVALID_HELPER", value)
		}
		change(&s.Helpers)
	case "include":
		change(&s.Includes)
	case "destination":
		family, addr, _ := strings.Cut(value, ":")
		p, ok := parseAddress(addr)
		if family != "ipv4" && family != "ipv6" {
			return false, "", fail("INVALID_DESTINATION", "Ip version '"+family+"' is not valid")
		}
		if op != "remove-from-service" && (!ok || p.Addr().Is6() != (family == "ipv6")) {
			return false, "", fail("INVALID_ADDR", addr)
		}
		id, has = family, s.Destination[family] == addr || op == "remove-from-service" && s.Destination[family] != ""
		dest := map[string]string{}
		for k, v := range s.Destination {
			dest[k] = v
		}
		if op == "add-to-service" {
			dest[family] = addr
		} else if op == "remove-from-service" {
			delete(dest, family)
		}
		s.Destination = dest
	}
	return has, id, nil
}

// editIPSet answers what is about one ipset.
func (d *daemon) editIPSet(q request) (*reply, error) {
	old := d.perm.ipsets[q.arg(0)]
	if old == nil {
		return nil, fail("INVALID_IPSET", q.arg(0))
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
	if err := s.checkEntry(entry); err != nil {
		return nil, err
	}
	at := slices.Index(s.Entries, entry)
	switch {
	case q.Op == "query-entry":
		return &reply{Yes: at >= 0}, nil
	case q.Op == "add-entry" && at >= 0:
		return nil, fail("ALREADY_ENABLED", entry)
	case q.Op == "add-entry":
		s.Entries = append(slices.Clone(s.Entries), entry)
	case at < 0:
		return nil, fail("NOT_ENABLED", entry)
	default:
		s.Entries = slices.Delete(slices.Clone(s.Entries), at, at+1)
	}
	return done(d.perm.saveIPSet(d.p, &s))
}
