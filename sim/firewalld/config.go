package firewalld

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"

	"enshu/sim/firewalld/conf"
	"enshu/sim/host"
	"enshu/sim/libc"
)

// Where the configuration stands: what the package brings, and what the
// administrator has, which wins.
const (
	stockDir      = "/usr/lib/firewalld"
	userDir       = "/etc/firewalld"
	confFile      = userDir + "/firewalld.conf"
	whitelistFile = userDir + "/lockdown-whitelist.xml"
	directFile    = userDir + "/direct.xml"
)

// config is the permanent configuration. A definition that is kept in it is not
// changed any more: who edits it keeps an edited copy.
type config struct {
	conf   conf.Settings
	direct conf.Direct
	// whitelist is who may make changes under lockdown.
	whitelist conf.Whitelist
	stock     map[key]bool // comes with the package
	user      map[key]bool // stands in userDir too
	defs      map[key]conf.Definition
}

// key names a definition.
type key struct {
	kind conf.Kind
	name string
}

// lazily are the kinds of which the package brings many: these are read when
// they are asked for.
var lazily = []conf.Kind{conf.Services, conf.ICMPNames, conf.Helpers}

func newConfig() *config {
	return &config{whitelist: conf.Whitelist{}, stock: map[key]bool{}, user: map[key]bool{}, defs: map[key]conf.Definition{}}
}

// loadConfig reads the configuration; without the administrator's part when
// stockOnly is set. The error is about the first file that is wrong.
func loadConfig(p *host.Proc, stockOnly bool) (*config, error) {
	c := newConfig()
	data, err := libc.ReadFile(p, confFile)
	if err == nil {
		c.conf = conf.ParseSettings(data)
	}
	for _, dir := range []string{stockDir, userDir} {
		if dir == userDir && stockOnly {
			break
		}
		for _, kind := range conf.Kinds {
			if err := c.loadDir(p, dir, kind); err != nil {
				return nil, err
			}
		}
	}
	if !stockOnly {
		if data, err := libc.ReadFile(p, whitelistFile); err == nil {
			if c.whitelist, err = conf.ReadWhitelist(data); err != nil {
				return nil, err
			}
		}
		if data, err := libc.ReadFile(p, directFile); err == nil {
			if c.direct, err = conf.ReadDirect(data); err != nil {
				return nil, err
			}
		}
	}
	for _, kind := range conf.Kinds {
		for _, name := range c.names(kind) {
			if x := c.defs[key{kind, name}]; x != nil {
				if err := c.check(p, x); err != nil {
					return nil, err
				}
			}
		}
	}
	return c, nil
}

// clone returns a copy to which nothing is added when c changes.
func (c *config) clone() *config {
	k := *c
	k.stock, k.user, k.defs = maps.Clone(c.stock), maps.Clone(c.user), maps.Clone(c.defs)
	return &k
}

func (c *config) loadDir(p *host.Proc, dir string, kind conf.Kind) error {
	names, err := libc.ReadDir(p, dir+"/"+kind.Dir())
	if err != nil {
		return nil // a missing directory has nothing in it
	}
	for _, file := range names {
		name, ok := strings.CutSuffix(file, ".xml")
		if !ok {
			continue
		}
		k := key{kind, name}
		if dir == stockDir {
			c.stock[k] = true
			if slices.Contains(lazily, kind) {
				continue
			}
		} else {
			c.user[k] = true
		}
		if err := c.read(p, dir, k); err != nil {
			return err
		}
	}
	return nil
}

// read reads a definition's file in a directory, if it can be read at all.
func (c *config) read(p *host.Proc, dir string, k key) error {
	data, err := libc.ReadFile(p, dir+"/"+k.file())
	if err != nil {
		return nil
	}
	x, err := k.kind.Read(k.name, data)
	if err == nil {
		c.defs[k] = x
	}
	return err
}

// file is where a definition stands, below stockDir or userDir.
func (k key) file() string { return k.kind.Dir() + "/" + k.name + ".xml" }

// find returns a definition, nil when there is none.
func (c *config) find(p *host.Proc, kind conf.Kind, name string) conf.Definition {
	k := key{kind, name}
	if c.defs[k] == nil && c.stock[k] {
		c.read(p, stockDir, k) // a file of the package that is wrong is none
	}
	return c.defs[k]
}

// get returns a definition of a type, nil when there is none.
func get[T any](c *config, p *host.Proc, kind conf.Kind, name string) *T {
	x, _ := any(c.find(p, kind, name)).(*T)
	return x
}

func (c *config) zone(name string) *conf.Zone {
	z, _ := c.defs[key{conf.Zones, name}].(*conf.Zone)
	return z
}

func (c *config) has(kind conf.Kind, name string) bool {
	k := key{kind, name}
	return c.defs[k] != nil || c.stock[k]
}

// names lists every definition of a kind.
func (c *config) names(kind conf.Kind) []string {
	var names []string
	for k := range c.defs {
		if k.kind == kind {
			names = append(names, k.name)
		}
	}
	for k := range c.stock {
		if k.kind == kind && c.defs[k] == nil {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	return names
}

// check looks up what a definition names.
func (c *config) check(p *host.Proc, x conf.Definition) error {
	switch x := x.(type) {
	case *conf.Zone:
		if c.has(conf.Policies, x.Name) {
			return conf.Fail("NAME_CONFLICT", "Zone '"+x.Name+"': Can't have the same name as a policy.")
		}
		return c.checkElements("Zone", x)
	case *conf.Policy:
		if err := c.checkElements("Policy", &x.Zone); err != nil {
			return err
		}
		if c.has(conf.Zones, x.Name) {
			return conf.Fail("NAME_CONFLICT", "Policy '"+x.Name+"': Can't have the same name as a zone.")
		}
		return x.Check(c.zone)
	}
	return nil
}

// checkElements looks up what the elements of a zone or policy name.
func (c *config) checkElements(title string, z *conf.Zone) error {
	for _, e := range z.Elements {
		kind, name := conf.Kind(""), e.Value
		switch e.Kind {
		case conf.KindService:
			kind = conf.Services
		case conf.KindICMPBlock:
			kind = conf.ICMPNames
		case conf.KindRule:
			r, err := conf.ParseRule(e.Value)
			if err != nil {
				return err
			}
			if r.Element != nil && strings.HasPrefix(r.Element.Kind, "icmp") {
				kind, name = conf.ICMPNames, r.Element.Attrs.Get("name")
			}
		}
		if kind != "" && !c.has(kind, name) {
			what := map[conf.Kind]string{conf.Services: "services", conf.ICMPNames: "ICMP types"}[kind]
			return conf.Fail(conf.Code("INVALID_"+strings.ToUpper(string(kind))), title+" '"+z.Name+"': '"+name+"' not among existing "+what)
		}
	}
	return nil
}

// kindOf is the kind of a definition.
func kindOf(x conf.Definition) conf.Kind {
	switch x.(type) {
	case *conf.Zone:
		return conf.Zones
	case *conf.Policy:
		return conf.Policies
	case *conf.Service:
		return conf.Services
	case *conf.IPSet:
		return conf.IPSets
	case *conf.ICMPName:
		return conf.ICMPNames
	}
	return conf.Helpers
}

// save keeps a definition, writes its file in the administrator's part and keeps
// the one before as ".old".
func (c *config) save(p *host.Proc, x conf.Definition) error {
	k := key{kindOf(x), x.About().Name}
	file := userDir + "/" + k.file()
	c.defs[k] = x
	if old, err := libc.ReadFile(p, file); err == nil {
		if err := libc.WriteFile(p, file+".old", old, 0o644); err != nil {
			return conf.Fail("INTERNAL_ERROR", "Backup of file '"+file+"' failed: "+libc.Strerror(err))
		}
	}
	if err := libc.MkdirAll(p, path.Dir(file), 0o750); err != nil {
		return conf.Fail("INTERNAL_ERROR", libc.Strerror(err))
	}
	if err := libc.WriteFile(p, file, x.File(), 0o644); err != nil {
		return conf.Fail("INTERNAL_ERROR", libc.Strerror(err))
	}
	c.user[k] = true
	return nil
}

// unsave puts a file of the administrator's part aside.
func (c *config) unsave(p *host.Proc, k key) error {
	file := userDir + "/" + k.file()
	if err := p.Sys.Rename(file, file+".old"); err != nil && !errors.Is(err, syscall.ENOENT) {
		return conf.Fail("INTERNAL_ERROR", libc.Strerror(err))
	}
	delete(c.user, k)
	delete(c.defs, k)
	return nil
}

// path returns the file of something.
func (c *config) path(k key) string {
	if c.user[k] {
		return userDir + "/" + k.file()
	}
	return stockDir + "/" + k.file()
}

// saveLines writes firewalld.conf and keeps the one before as ".old".
func saveLines(p *host.Proc, c conf.Settings) error {
	if old, err := libc.ReadFile(p, confFile); err == nil {
		if err := libc.WriteFile(p, confFile+".old", old, 0o644); err != nil {
			return err
		}
	}
	return libc.WriteFile(p, confFile, []byte(strings.Join(c, "\n")+"\n"), 0o644)
}
