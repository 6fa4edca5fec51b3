package firewalld

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// Where the configuration stands: what the package brings, and what the
// administrator has, which wins.
const (
	stockDir = "/usr/lib/firewalld"
	userDir  = "/etc/firewalld"
	confFile = userDir + "/firewalld.conf"
)

// config is the permanent configuration.
type config struct {
	conf   confLines
	zones  map[string]*Zone
	ipsets map[string]*IPSet
	direct []directRule
	stock  map[string]bool // "zones/public": comes with the package
	user   map[string]bool // stands in userDir too

	services map[string]*Service // those that were read
}

// loadConfig reads the configuration; without the administrator's part when
// stockOnly is set. The error is about the first file that is wrong.
func loadConfig(p *host.Proc, stockOnly bool) (*config, error) {
	c := &config{zones: map[string]*Zone{}, ipsets: map[string]*IPSet{}, services: map[string]*Service{},
		stock: map[string]bool{}, user: map[string]bool{}}
	data, err := libc.ReadFile(p, confFile)
	if err == nil {
		c.conf = parseConf(data)
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
		if data, err := libc.ReadFile(p, directFile); err == nil {
			if c.direct, err = readDirect(data); err != nil {
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
		z, err := readZone(name, data)
		if err != nil {
			return err
		}
		c.zones[name] = z
	case "services":
		s, err := readService(name, data)
		if err != nil {
			return err
		}
		c.services[name] = s
	case "ipsets":
		s, err := readIPSet(name, data)
		if err != nil {
			return err
		}
		c.ipsets[name] = s
	}
	return nil
}

// service returns a service by its name, nil when there is none.
func (c *config) service(p *host.Proc, name string) *Service {
	if s := c.services[name]; s != nil || !c.stock["services/"+name] {
		return s
	}
	data, err := libc.ReadFile(p, stockDir+"/services/"+name+".xml")
	if err != nil {
		return nil
	}
	s, err := readService(name, data)
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
func (c *config) checkZone(p *host.Proc, z *Zone) error {
	for _, e := range z.Elements {
		var missing, what string
		var code Code
		switch e.Kind {
		case kindService:
			if !c.hasService(e.Value) {
				code, missing, what = "INVALID_SERVICE", e.Value, "services"
			}
		case kindICMPBlock:
			if _, ok := icmpTypes[e.Value]; !ok {
				code, missing, what = "INVALID_ICMPTYPE", e.Value, "ICMP types"
			}
		case kindSource:
			if name, ok := strings.CutPrefix(e.Value, "ipset:"); ok && c.ipsets[name] == nil {
				code, missing, what = "INVALID_IPSET", name, "ipsets"
			}
		case kindRule:
			r, err := ParseRule(e.Value)
			if err != nil {
				return err
			}
			name := ""
			if r.Element != nil {
				name = r.Element.Attrs.get("name")
			}
			switch {
			case r.Element == nil:
			case r.Element.Kind == "service" && !c.hasService(name):
				code, missing, what = "INVALID_SERVICE", name, "services"
			case strings.HasPrefix(r.Element.Kind, "icmp") && icmpTypes[name] == (icmpType{}):
				code, missing, what = "INVALID_ICMPTYPE", name, "ICMP types"
			}
		}
		if what != "" {
			return fail(code, "Zone '"+z.Name+"': '"+missing+"' not among existing "+what)
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
			return fail("INTERNAL_ERROR", "Backup of file '"+file+"' failed: "+libc.Strerror(err))
		}
	}
	if err := libc.MkdirAll(p, userDir+"/"+kind, 0o750); err != nil {
		return fail("INTERNAL_ERROR", libc.Strerror(err))
	}
	if err := libc.WriteFile(p, file, data, 0o644); err != nil {
		return fail("INTERNAL_ERROR", libc.Strerror(err))
	}
	c.user[kind+"/"+name] = true
	return nil
}

func (c *config) saveZone(p *host.Proc, z *Zone) error {
	c.zones[z.Name] = z
	return c.save(p, "zones", z.Name, z.file())
}

func (c *config) saveService(p *host.Proc, s *Service) error {
	c.services[s.Name] = s
	return c.save(p, "services", s.Name, s.file())
}

func (c *config) saveIPSet(p *host.Proc, s *IPSet) error {
	c.ipsets[s.Name] = s
	return c.save(p, "ipsets", s.Name, s.file())
}

// unsave puts a file of the administrator's part aside.
func (c *config) unsave(p *host.Proc, kind, name string) error {
	file := userDir + "/" + kind + "/" + name + ".xml"
	if err := p.Sys.Rename(file, file+".old"); err != nil && !errors.Is(err, syscall.ENOENT) {
		return fail("INTERNAL_ERROR", libc.Strerror(err))
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

// confLines is firewalld.conf(5), line by line.
type confLines []string

func parseConf(data []byte) confLines { return libc.Lines(data) }

// confDefaults are the values of what firewalld.conf does not set.
var confDefaults = map[string]string{
	"DefaultZone": "public", "CleanupOnExit": "yes", "Lockdown": "no", "IPv6_rpfilter": "yes", "LogDenied": "off",
	"FlushAllOnReload": "yes", "RFC3964_IPv4": "yes",
}

// get returns the value of a setting.
func (c confLines) get(name string) string {
	for _, line := range c {
		if k, v, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return confDefaults[name]
}

// yes reports whether a switch is on.
func (c confLines) yes(name string) bool {
	switch strings.ToLower(c.get(name)) {
	case "yes", "true":
		return true
	case "no", "false":
		return false
	}
	return confDefaults[name] == "yes"
}

// set changes a setting in its line, or adds one.
func (c *confLines) set(name, value string) {
	for i, line := range *c {
		if k, _, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == name {
			(*c)[i] = name + "=" + value
			return
		}
	}
	*c = append(*c, name+"="+value)
}

func (c confLines) save(p *host.Proc) error {
	if old, err := libc.ReadFile(p, confFile); err == nil {
		if err := libc.WriteFile(p, confFile+".old", old, 0o644); err != nil {
			return err
		}
	}
	return libc.WriteFile(p, confFile, []byte(strings.Join(c, "\n")+"\n"), 0o644)
}

// logDeniedValues are the values of LogDenied, in the order of the error text.
var logDeniedValues = []string{"all", "unicast", "broadcast", "multicast", "off"}
