package firewalld

import (
	"path"
	"slices"
	"strings"

	"enshu/sim/firewalld/conf"
	"enshu/sim/host"
)

// info returns one definition.
func (c *config) info(p *host.Proc, kind conf.Kind, name string) (*reply, error) {
	switch x := c.find(p, kind, name).(type) {
	case *conf.Zone:
		return &reply{Zones: []*conf.Zone{x}}, nil
	case *conf.Policy:
		return &reply{Policies: []*conf.Policy{x}}, nil
	case *conf.Service:
		return &reply{Service: x}, nil
	case *conf.IPSet:
		return &reply{IPSet: x}, nil
	case *conf.ICMPName:
		return &reply{ICMPType: x}, nil
	case *conf.Helper:
		return &reply{Helper: x}, nil
	}
	return nil, unknown(kind, name)
}

// manage makes and deletes definitions. Of is their kind, and the first argument
// the name.
func (d *daemon) manage(q request) (*reply, error) {
	if q.Op == "new-from-file" && q.arg(0) == "" {
		q.Args[0] = strings.TrimSuffix(path.Base(q.arg(1)), ".xml")
	}
	k := key{q.Of, q.arg(0)}
	exists := d.perm.has(k.kind, k.name)
	switch {
	case strings.HasPrefix(q.Op, "new"):
		if err := k.kind.CheckName(k.name); err != nil {
			return nil, err
		}
		if exists {
			what := string(k.kind)
			if k.kind == conf.Policies {
				what = "policy_object"
			}
			return nil, conf.Fail("NAME_CONFLICT", "new_"+what+"(): '"+k.name+"'")
		}
		x, err := q.definition()
		if err == nil {
			err = d.perm.check(d.p, x)
		}
		if err != nil {
			return nil, err
		}
		return done(d.perm.save(d.p, x))
	case !exists:
		return nil, unknown(k.kind, k.name)
	case q.Op == "path":
		return listed([]string{d.perm.path(k)})
	case q.Op == "load-defaults":
		switch {
		case !d.perm.stock[k]:
			return nil, conf.Fail("NO_DEFAULTS", "'"+k.name+"' not a built-in "+string(k.kind))
		case !d.perm.user[k]:
			return nil, conf.Fail("NO_DEFAULTS", k.name)
		}
		if err := d.perm.unsave(d.p, k); err != nil {
			return nil, err
		}
		return done(d.perm.read(d.p, stockDir, k))
	case d.perm.stock[k]:
		what := string(k.kind)
		if k.kind == conf.ICMPNames {
			what = "icmp type"
		}
		return nil, conf.Fail(conf.Code("BUILTIN_"+strings.ToUpper(string(k.kind))), "'"+k.name+"' is built-in "+what)
	}
	return done(d.delete(k))
}

// definition makes what a request for a new one asks for: its arguments are the
// name, the file it was read from and that file's content; or the name and what
// the options beside --new-… say.
func (q request) definition() (conf.Definition, error) {
	label := conf.Label{Name: q.arg(0)}
	if q.Op == "new-from-file" {
		return q.Of.Read(label.Name, []byte(q.arg(2)))
	}
	switch q.Of {
	case conf.Zones:
		return &conf.Zone{Label: label, Target: "default"}, nil
	case conf.Policies:
		return conf.NewPolicy(label.Name), nil
	case conf.Services:
		return &conf.Service{Label: label}, nil
	case conf.ICMPNames:
		return &conf.ICMPName{Label: label}, nil
	case conf.Helpers:
		h := &conf.Helper{Label: label, Family: q.arg(2)}
		return h, h.SetModule(q.arg(1))
	}
	s := &conf.IPSet{Label: label, Type: q.arg(1)}
	if !slices.Contains(conf.IPSetTypes, s.Type) {
		return nil, conf.Fail("INVALID_TYPE", "'"+s.Type+"' is not valid ipset type")
	}
	for _, o := range q.Args[2:] {
		name, value, _ := strings.Cut(o, "=")
		if err := s.AddOption(name, value); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// delete takes a file away, and a service out of the zones and policies that
// have it.
func (d *daemon) delete(k key) error {
	if k.kind == conf.Services {
		for _, name := range d.perm.names(conf.Policies) {
			p := get[conf.Policy](d.perm, d.p, conf.Policies, name).Clone()
			if p.Remove(conf.Element{Kind: conf.KindService, Value: k.name}) {
				if err := d.perm.save(d.p, p); err != nil {
					return err
				}
			}
		}
		for _, zone := range d.perm.names(conf.Zones) {
			z := d.perm.zone(zone).Clone()
			if z.Remove(conf.Element{Kind: conf.KindService, Value: k.name}) {
				z.ShowTarget = true
				if err := d.perm.save(d.p, z); err != nil {
					return err
				}
			}
		}
	}
	return d.perm.unsave(d.p, k)
}

// text gets or sets the short name or the description of a definition.
func (d *daemon) text(q request) (*reply, error) {
	name := q.arg(0)
	if q.Of == conf.Zones {
		z, err := d.zoneAsked(name)
		if err != nil {
			return nil, err
		}
		name = z.Name
	}
	old := d.perm.find(d.p, q.Of, name)
	if old == nil {
		return nil, unknown(q.Of, name)
	}
	if q.Op == "get-text" {
		return listed([]string{*old.About().Text(q.Kind)})
	}
	x := old.Copy()
	*x.About().Text(q.Kind) = q.arg(1)
	return done(d.perm.save(d.p, x))
}

// setHelper sets the family or the module of a helper.
func (d *daemon) setHelper(q request) (*reply, error) {
	old := get[conf.Helper](d.perm, d.p, conf.Helpers, q.arg(0))
	if old == nil {
		return nil, unknown(conf.Helpers, q.arg(0))
	}
	h := *old
	if err := h.Set(q.Kind, q.arg(1)); err != nil {
		return nil, err
	}
	return done(d.perm.save(d.p, &h))
}

// editDefinition answers what is about a part of one service, ICMP type or
// helper: its name is the first argument, the kind of part in Kind.
func (d *daemon) editDefinition(q request) (*reply, error) {
	old := d.perm.find(d.p, q.Of, q.arg(0))
	if old == nil {
		return nil, unknown(q.Of, q.arg(0))
	}
	x, value := old.Copy(), q.arg(1)
	edit := conf.Edits[q.Op]
	var has bool
	var id string
	var err error
	switch x := x.(type) {
	case *conf.Service:
		has, id, err = x.Edit(q.Kind, value, edit)
	case *conf.ICMPName:
		has, id, err = x.Edit(q.Kind, value, edit)
	case *conf.Helper:
		has, id, err = x.Edit(q.Kind, value, edit)
	default:
		err = conf.Fail("INVALID_COMMAND", q.Op)
	}
	switch {
	case err != nil:
		return nil, err
	case edit == conf.Ask:
		return &reply{Yes: has}, nil
	case edit == conf.Put && has:
		return nil, conf.Fail("ALREADY_ENABLED", id)
	case edit == conf.Take && !has:
		return nil, conf.Fail("NOT_ENABLED", id)
	case q.Kind == "include" && edit == conf.Put && !d.perm.has(conf.Services, value):
		return nil, unknown(conf.Services, value)
	}
	return done(d.perm.save(d.p, x))
}

// editIPSet answers what is about one ipset.
func (d *daemon) editIPSet(q request) (*reply, error) {
	old := get[conf.IPSet](d.perm, d.p, conf.IPSets, q.arg(0))
	if old == nil {
		return nil, unknown(conf.IPSets, q.arg(0))
	}
	s := *old
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
	return done(d.perm.save(d.p, &s))
}
