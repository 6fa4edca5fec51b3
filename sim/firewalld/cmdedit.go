package firewalld

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"syscall"

	"enshu/sim/firewalld/conf"
	"enshu/sim/libc"
)

// manage are the options that make and delete definitions.
func (c *command) manage(name string) error {
	verb, rest, _ := strings.Cut(name, "-")
	what, suffix, _ := strings.Cut(rest, "-")
	r := request{Op: verb, Of: conf.Kind(what), Permanent: true, Args: []string{c.get(name)}}
	if suffix != "" {
		r.Op += "-" + suffix
	}
	switch {
	case suffix == "from-file":
		file := c.get(name)
		if base := path.Base(file); !strings.HasSuffix(base, ".xml") {
			c.complain("Failed to load " + what + " file '" + file + "': INVALID_NAME: '" + base + "' is missing .xml suffix")
			return exit(2)
		}
		data, err := libc.ReadFile(c.p, libc.Abs(c.p, file))
		if err != nil {
			c.complain(fmt.Sprintf("Failed to load %s file: [Errno %d] %s: '%s'", what, errno(err), libc.Strerror(err), file))
			return exit(2)
		}
		name := c.get("name")
		if _, err := r.Of.Read(name, data); err != nil {
			c.complain(fmt.Sprintf("Failed to load %s file '%s': %s", what, file, err))
			return exit(2)
		}
		r.Args = []string{name, file, string(data)}
	case name == "new-ipset":
		if !c.has("type") {
			return c.misuse("No type specified.")
		}
		r.Args = append(r.Args, c.get("type"))
		if f := c.get("family"); f != "" {
			r.Args = append(r.Args, "family="+f)
		}
		r.Args = append(r.Args, c.values["option"]...)
	case name == "new-helper":
		if !c.has("module") {
			return c.misuse("No module specified.")
		}
		r.Args = append(r.Args, c.get("module"), c.get("family"))
	case verb == "path":
		list, err := c.ask(r)
		if err == nil {
			c.say(strings.Join(list, " "))
		}
		return err
	}
	if _, err := c.call(r); err != nil {
		return err
	}
	c.say("success")
	return nil
}

// entries are the options about the entries of an ipset.
func (c *command) entries(name string) error {
	r := request{Op: name, Permanent: c.has("permanent"), Args: []string{c.get("ipset")}}
	if name == "get-entries" {
		r.Op = "info-" + string(conf.IPSets)
		a, err := c.call(r)
		if err == nil {
			c.say(strings.Join(a.IPSet.Entries, "\n"))
		}
		return err
	}
	if verb, ok := strings.CutSuffix(name, "-entries-from-file"); ok {
		return c.entriesFromFile(r, verb, c.values[name])
	}
	if name == "query-entry" {
		return c.queries(r, c.values[name])
	}
	return c.sequence(r, c.values[name])
}

// entriesFromFile adds or removes the entries that stand in files, one a line.
// What is so already is passed over.
func (c *command) entriesFromFile(r request, verb string, files []string) error {
	r.Op = verb + "-entry"
	for _, file := range files {
		data, err := libc.ReadFile(c.p, libc.Abs(c.p, file))
		if err != nil {
			c.say(fmt.Sprintf("Failed to read file '%s': [Errno %d] %s: '%s'", file, errno(err), libc.Strerror(err), file))
			return nil
		}
		for _, line := range libc.Lines(data) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' || line[0] == ';' {
				continue
			}
			q := r
			q.Args = []string{r.Args[0], line}
			var refused *conf.Error
			if _, err := c.call(q); err != nil && !(errors.As(err, &refused) && refused.Warning()) {
				return err
			}
		}
	}
	c.say("success")
	return nil
}

// texts gets and sets the short name and the description of a definition.
func (c *command) texts(name string, of conf.Kind, which string) error {
	verb, kind, _ := strings.Cut(name, "-")
	if kind != "short" && kind != "description" || !c.has("permanent") {
		return c.misuse("Option can be used only with --permanent.")
	}
	r := request{Op: verb + "-text", Of: of, Kind: kind, Permanent: true, Args: []string{which, c.get(name)}}
	list, err := c.ask(r)
	switch {
	case err != nil:
		return err
	case verb == "set":
		c.say("success")
	default:
		c.say(strings.Join(list, " "))
	}
	return nil
}

// edit are the options about what a service, ICMP type or helper has.
func (c *command) edit(of conf.Kind, name string) error {
	which := c.get(string(of))
	verb, kind, _ := strings.Cut(name, "-")
	if kind == "short" || kind == "description" {
		return c.texts(name, of, which)
	}
	r := request{Of: of, Kind: kind, Permanent: true, Args: []string{which}}
	switch verb {
	case "get":
		return c.parts(of, kind, which)
	case "query":
		r.Op = "query-of"
		return c.queries(r, c.values[name])
	case "set":
		if of == conf.Helpers {
			r.Op, r.Args = "set-helper", append(r.Args, c.get(name))
			if _, err := c.call(r); err != nil {
				return err
			}
			c.say("success")
			return nil
		}
		r.Op = "add-to"
	case "add":
		r.Op = "add-to"
	case "remove":
		r.Op = "remove-from"
	default:
		return c.misuse("Wrong usage of --" + string(of) + ".")
	}
	return c.sequence(r, c.values[name])
}

// parts prints what a service, ICMP type or helper has of a kind.
func (c *command) parts(of conf.Kind, kind, which string) error {
	a, err := c.call(request{Op: "info-" + string(of), Permanent: true, Args: []string{which}})
	if err != nil {
		return err
	}
	switch {
	case a.Service != nil:
		s := a.Service
		c.say(map[string]string{"ports": joinPorts(s.Ports), "source-ports": joinPorts(s.SourcePorts), "protocols": strings.Join(s.Protocols, " "),
			"modules": strings.Join(s.Modules, " "), "service-helpers": strings.Join(s.Helpers, " "),
			"includes": strings.Join(s.Includes, " "), "destinations": s.Destinations()}[kind])
	case a.ICMPType != nil:
		c.say(strings.Join(a.ICMPType.Families(), "\n"))
	case a.Helper != nil:
		c.say(map[string]string{"ports": joinPorts(a.Helper.Ports), "family": a.Helper.Family, "module": a.Helper.Module}[kind])
	}
	return nil
}

// direct are the options of --direct.
func (c *command) direct(name string) error {
	r := request{Op: "direct", Kind: name, Permanent: c.has("permanent"), Args: c.values[name]}
	switch verb, what, _ := strings.Cut(name, "-"); {
	case what == "rule":
		if _, err := conf.ParseDirect(r.Args); len(r.Args) < 5 || !isNumber(r.Args[3]) && err != nil {
			c.complain("usage: --direct --" + name + " { ipv4 | ipv6 | eb } <table> <chain> <priority> <args>")
			return exit(2)
		}
	case what == "passthrough" && len(r.Args) < 2:
		c.complain("usage: --direct --" + name + " { ipv4 | ipv6 | eb } <args>")
		return exit(2)
	case verb == "get":
		list, err := c.ask(r)
		for _, line := range list {
			c.say(line)
		}
		return err
	}
	a, err := c.call(r)
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(name, "query-"):
		return c.answer(a.Yes)
	}
	c.say("success")
	return nil
}

func isNumber(s string) bool { _, err := strconv.Atoi(s); return err == nil }

// whitelist are the options about who may make changes under lockdown.
func (c *command) whitelist(name string) error {
	verb, kind, _ := strings.Cut(name, "-lockdown-whitelist-")
	r := request{Op: verb + "-whitelisted", Kind: strings.TrimSuffix(kind, "s"), Permanent: c.has("permanent")}
	switch verb {
	case "list":
		list, err := c.ask(r)
		if err == nil {
			c.say(strings.Join(list, "\n"))
		}
		return err
	case "query":
		return c.queries(r, c.values[name])
	}
	return c.sequence(r, c.values[name])
}

// errno is the number of a system error.
func errno(err error) int {
	var n syscall.Errno
	if errors.As(err, &n) {
		return int(n)
	}
	return 0
}
