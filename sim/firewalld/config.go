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

// config is the permanent configuration.
type config struct {
	conf   conf.Settings
	zones  map[string]*conf.Zone
	ipsets map[string]*conf.IPSet
	direct conf.Direct
	// whitelist is who may make changes under lockdown.
	whitelist conf.Whitelist
	stock     map[string]bool // "zones/public": comes with the package
	user      map[string]bool // stands in userDir too

	services map[string]*conf.Service // those that were read
}

// loadConfig reads the configuration; without the administrator's part when
// stockOnly is set. The error is about the first file that is wrong.
func loadConfig(p *host.Proc, stockOnly bool) (*config, error) {
	c := &config{zones: map[string]*conf.Zone{}, whitelist: conf.Whitelist{}, ipsets: map[string]*conf.IPSet{}, services: map[string]*conf.Service{},
		stock: map[string]bool{}, user: map[string]bool{}}
	data, err := libc.ReadFile(p, confFile)
	if err == nil {
		c.conf = conf.ParseSettings(data)
	}
	for _, dir := range []string{stockDir, userDir} {
		if dir == userDir && stockOnly {
			break
		}
		for _, kind := range []string{"services", "ipsets", "zones"} {
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
	for _, name := range slices.Sorted(maps.Keys(c.zones)) {
		if err := c.checkZone(p, c.zones[name]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// clone returns a copy to which nothing is added when c changes.
func (c *config) clone() *config {
	k := *c
	k.zones, k.ipsets, k.services = maps.Clone(c.zones), maps.Clone(c.ipsets), maps.Clone(c.services)
	k.stock, k.user = maps.Clone(c.stock), maps.Clone(c.user)
	return &k
}

func (c *config) loadDir(p *host.Proc, dir, kind string) error {
	names, err := libc.ReadDir(p, dir+"/"+kind)
	if err != nil {
		return nil // a missing directory has nothing in it
	}
	for _, file := range names {
		name, ok := strings.CutSuffix(file, ".xml")
		if !ok {
			continue
		}
		key := kind + "/" + name
		if dir == stockDir {
			c.stock[key] = true
		} else {
			c.user[key] = true
		}
		if kind == "services" && dir == stockDir {
			continue // two hundred files that come with the package: read when asked for
		}
		data, err := libc.ReadFile(p, dir+"/"+kind+"/"+file)
		if err != nil {
			continue
		}
		if err := c.parse(kind, name, data); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) parse(kind, name string, data []byte) error {
	switch kind {
	case "zones":
		z, err := conf.ReadZone(name, data)
		if err != nil {
			return err
		}
		c.zones[name] = z
	case "services":
		s, err := conf.ReadService(name, data)
		if err != nil {
			return err
		}
		c.services[name] = s
	case "ipsets":
		s, err := conf.ReadIPSet(name, data)
		if err != nil {
			return err
		}
		c.ipsets[name] = s
	}
	return nil
}

// service returns a service by its name, nil when there is none.
func (c *config) service(p *host.Proc, name string) *conf.Service {
	if s := c.services[name]; s != nil || !c.stock["services/"+name] {
		return s
	}
	data, err := libc.ReadFile(p, stockDir+"/services/"+name+".xml")
	if err != nil {
		return nil
	}
	s, err := conf.ReadService(name, data)
	if err != nil {
		return nil
	}
	c.services[name] = s
	return s
}

// serviceNames lists every service.
func (c *config) serviceNames() []string {
	names := slices.Collect(maps.Keys(c.services))
	for key := range c.stock {
		if name, ok := strings.CutPrefix(key, "services/"); ok && c.services[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (c *config) hasService(name string) bool {
	return c.services[name] != nil || c.stock["services/"+name]
}

// checkZone looks up what a zone names.
func (c *config) checkZone(p *host.Proc, z *conf.Zone) error {
	for _, e := range z.Elements {
		var missing, what string
		var code conf.Code
		switch e.Kind {
		case conf.KindService:
			if !c.hasService(e.Value) {
				code, missing, what = "INVALID_SERVICE", e.Value, "services"
			}
		case conf.KindICMPBlock:
			if _, ok := conf.ICMPTypes[e.Value]; !ok {
				code, missing, what = "INVALID_ICMPTYPE", e.Value, "ICMP types"
			}
		case conf.KindRule:
			r, err := conf.ParseRule(e.Value)
			if err != nil {
				return err
			}
			name := ""
			if r.Element != nil {
				name = r.Element.Attrs.Get("name")
			}
			switch {
			case r.Element == nil:
			case strings.HasPrefix(r.Element.Kind, "icmp") && conf.ICMPTypes[name] == (conf.ICMPType{}):
				code, missing, what = "INVALID_ICMPTYPE", name, "ICMP types"
			}
		}
		if what != "" {
			return conf.Fail(code, "Zone '"+z.Name+"': '"+missing+"' not among existing "+what)
		}
	}
	return nil
}

// save writes a file of the administrator's part and keeps the one before as
// ".old".
func (c *config) save(p *host.Proc, kind, name string, data []byte) error {
	file := userDir + "/" + kind + "/" + name + ".xml"
	if old, err := libc.ReadFile(p, file); err == nil {
		if err := libc.WriteFile(p, file+".old", old, 0o644); err != nil {
			return conf.Fail("INTERNAL_ERROR", "Backup of file '"+file+"' failed: "+libc.Strerror(err))
		}
	}
	if err := libc.MkdirAll(p, path.Dir(file), 0o750); err != nil {
		return conf.Fail("INTERNAL_ERROR", libc.Strerror(err))
	}
	if err := libc.WriteFile(p, file, data, 0o644); err != nil {
		return conf.Fail("INTERNAL_ERROR", libc.Strerror(err))
	}
	c.user[kind+"/"+name] = true
	return nil
}

func (c *config) saveZone(p *host.Proc, z *conf.Zone) error {
	c.zones[z.Name] = z
	return c.save(p, "zones", z.Name, z.File())
}

func (c *config) saveService(p *host.Proc, s *conf.Service) error {
	c.services[s.Name] = s
	return c.save(p, "services", s.Name, s.File())
}

func (c *config) saveIPSet(p *host.Proc, s *conf.IPSet) error {
	c.ipsets[s.Name] = s
	return c.save(p, "ipsets", s.Name, s.File())
}

// unsave puts a file of the administrator's part aside.
func (c *config) unsave(p *host.Proc, kind, name string) error {
	file := userDir + "/" + kind + "/" + name + ".xml"
	if err := p.Sys.Rename(file, file+".old"); err != nil && !errors.Is(err, syscall.ENOENT) {
		return conf.Fail("INTERNAL_ERROR", libc.Strerror(err))
	}
	delete(c.user, kind+"/"+name)
	return nil
}

// path returns the file of something.
func (c *config) path(kind, name string) string {
	dir := stockDir
	if c.user[kind+"/"+name] {
		dir = userDir
	}
	return dir + "/" + kind + "/" + name + ".xml"
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
