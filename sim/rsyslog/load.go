package rsyslog

import (
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// moduleDir is where the modules of the real daemon are.
const moduleDir = "/usr/lib64/rsyslog"

// knownModules are the modules that can be loaded, and whether several inputs
// of one make sense (they then complain when they have none).
var knownModules = map[string]bool{
	"imuxsock": false, "imudp": true, "imtcp": true, "imklog": false, "immark": false, "imjournal": false, "imfile": false,
	"omprog":         false,
	"builtin:omfile": false, "builtin:omfwd": false, "builtin:ompipe": false, "builtin:omusrmsg": false,
	"builtin:omdiscard": false, "builtin:omshell": false, "builtin:pmrfc3164": false, "builtin:pmrfc5424": false,
}

// report is where messages of the daemon about itself go.
type report func(severity syslog.Severity, code int, text string)

// loader reads a configuration.
type loader struct {
	p       *host.Proc
	conf    *config
	lex     *lexer
	report  report
	current *ruleset
	set     legacySettings
	files   int // included so far
}

// load reads a configuration file and all it includes. What is wrong is
// reported; what is right counts all the same. Its result is 0 or the code with
// which the daemon refuses to start.
func load(p *host.Proc, file string, r report) (*config, int) {
	c := &loader{p: p, conf: newConfig(), report: r}
	c.current = c.conf.main
	c.set = newLegacySettings()
	c.lex = &lexer{owner: c}
	data, err := readConfig(p, file)
	if err != nil {
		c.errorf(codeNoConfig, "could not open config file '%s': %s", file, libc.Strerror(err))
		return c.conf, codeNoConfig
	}
	c.open(file, data)
	parser := &parser{lex: c.lex, out: c}
	if !parser.parse() {
		c.errorf(codeSyntax, "could not interpret master config file '%s'.", file)
	} else if len(c.conf.actions) == 0 {
		c.errorf(codeNoActions, "there are no active actions configured. Inputs would run, but no output whatsoever were created.")
		return c.conf, codeNoActions
	}
	c.check()
	return c.conf, 0
}

// maxConfig bounds a configuration file.
const maxConfig = 8 << 20

func readConfig(p *host.Proc, file string) (string, error) {
	info, err := p.Sys.Stat(file)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", &os.PathError{Op: "open", Path: file, Err: syscall.EINVAL}
	}
	f, err := p.Sys.OpenFile(file, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig))
	return string(data), err
}

func (c *loader) errorf(code int, format string, args ...any) {
	c.report(syslog.Err, code, fmt.Sprintf(format, args...))
}

func (c *loader) warnf(code int, format string, args ...any) {
	c.report(syslog.Warning, code, fmt.Sprintf(format, args...))
}

// complain reports something at the place where the parser is.
func (c *loader) complain(text string) {
	at := c.lex.position()
	c.errorf(codeSyntax, "error during parsing file %s, on or before line %d: %s", at.file, at.line, text)
}

func (c *loader) complainf(format string, args ...any) { c.complain(fmt.Sprintf(format, args...)) }

// maxIncludes bounds how many files a configuration may consist of, which ends
// one that includes itself.
const maxIncludes = 500

// include makes the parser go on with the files that a pattern means. It
// reports false when one was named that is not there.
func (c *loader) include(pattern string, optional bool) bool {
	if strings.HasSuffix(pattern, "/") {
		pattern += "*"
	}
	names := []string{pattern}
	if strings.ContainsAny(pattern, "*?[") {
		names = glob(c.p, pattern)
	}
	ok := true
	for i := len(names) - 1; i >= 0; i-- {
		info, err := c.p.Sys.Stat(libc.Abs(c.p, names[i]))
		switch {
		case err != nil && optional:
		case err != nil:
			c.complainf("error accessing config file or directory '%s' [cwd: %s]: %s", names[i], c.p.Dir, libc.Strerror(err))
			ok = false
		case info.IsDir():
			if c.files++; c.files <= maxIncludes {
				ok = c.include(names[i]+"/", optional) && ok
			}
		default:
			if c.files++; c.files > maxIncludes {
				if c.files == maxIncludes+1 {
					c.complainf("too many nested files at '%s'", names[i])
				}
				return true
			}
			data, err := readConfig(c.p, libc.Abs(c.p, names[i]))
			if err != nil {
				if !optional {
					c.complainf("error accessing config file or directory '%s' [cwd: %s]: %s", names[i], c.p.Dir, libc.Strerror(err))
				}
				continue
			}
			c.open(names[i], data)
		}
	}
	return ok
}

// open makes the parser go on with a file that has been read.
func (c *loader) open(file, data string) {
	c.conf.sources = append(c.conf.sources, configFile{file, trace.Digest([]byte(data))})
	c.lex.push(newSource(file, data))
}

// glob returns the names that match a pattern, sorted.
func glob(p *host.Proc, pattern string) []string {
	dir, base := path.Split(libc.Abs(p, pattern))
	dirs := []string{dir}
	if trimmed := strings.TrimRight(dir, "/"); strings.ContainsAny(trimmed, "*?[") {
		dirs = glob(p, trimmed)
	}
	var found []string
	for _, d := range dirs {
		names, _ := libc.ReadDir(p, d)
		for _, n := range names {
			if ok, err := path.Match(base, n); err == nil && ok && (n[0] != '.' || base[0] == '.') {
				found = append(found, path.Join(d, n))
			}
		}
	}
	sort.Strings(found)
	return found
}

func (c *loader) includeObject(o *object) {
	g := c.params("include", o, includeParams)
	if g == nil {
		return
	}
	if text, ok := g.get("text"); ok {
		if c.files++; c.files > maxIncludes {
			return
		}
		c.lex.push(newSource(c.lex.position().file, text))
		return
	}
	file := g.text("file")
	if file == "" {
		c.complain(`include must have either "file" or "text" parameter`)
		return
	}
	c.include(file, strings.EqualFold(g.text("mode"), "optional"))
}

// object acts on a global(), module(), input() …
func (c *loader) object(o *object) {
	switch o.kind {
	case "global":
		c.global(o)
	case "module":
		c.moduleObject(o)
	case "input":
		c.input(o)
	case "template":
		c.templateObject(o)
	case "ruleset":
		c.rulesetObject(o)
	}
}

func (c *loader) statement(list []*stmt) { c.current.rules = append(c.current.rules, list...) }

func (c *loader) selector(t token, then []*stmt) *stmt {
	s := &stmt{kind: sSelector, pos: t.pos, text: t.value, then: then}
	var complaint string
	if s.mask, complaint = parseSelector(t.value); complaint != "" {
		c.errorf(codeNone, "%s", complaint)
	}
	return s
}

func (c *loader) propertyFilter(t token, then []*stmt) *stmt {
	s := &stmt{kind: sProperty, pos: t.pos, text: t.value, then: then}
	var complaint string
	if s.property, complaint = parsePropFilter(t.value); complaint != "" {
		c.complain(complaint)
		s.kind = sNothing
	}
	return s
}

func (c *loader) function(name string, args []expr) expr {
	e, complaints := newCall(name, args, c.conf.templates, func(text string) { c.errorf(codeNone, "%s", text) })
	for _, complaint := range complaints {
		c.complain(complaint)
	}
	return e
}

func (c *loader) selectRuleset(name string) { c.current = c.ruleset(name) }

// ruleset returns a ruleset, making it when there is none of that name.
func (c *loader) ruleset(name string) *ruleset {
	r := c.conf.rulesets[name]
	if r == nil {
		r = &ruleset{name: name}
		c.conf.rulesets[name] = r
	}
	return r
}

func (c *loader) rulesetObject(o *object) {
	g := c.params("ruleset", o, rulesetParams)
	if g == nil {
		return
	}
	name := g.text("name")
	if c.conf.rulesets[name] != nil {
		c.errorf(codeRulesetTwice, "error: ruleset '%s' specified more than once", name)
		return
	}
	r := c.ruleset(name)
	r.rules = o.script
}

func (c *loader) bsdBlock(text string) {
	c.errorf(codeBSDBlock, "BSD-style blocks are no longer supported in rsyslog, see https://www.rsyslog.com/g/BSD for details and a solution (Block '%s')", text)
}

func (c *loader) global(o *object) {
	g := c.params("global", o, globalParams)
	if g == nil {
		return
	}
	s := &c.conf.globals
	if v, ok := g.get("workdirectory"); ok {
		s.workDirectory = strings.TrimRight(v, "/")
	}
	if v, ok := g.get("localhostname"); ok {
		s.localHostname = v
	}
	s.preserveFQDN = g.onOr("preservefqdn", s.preserveFQDN)
	s.maxMessage = g.number("maxmessagesize", s.maxMessage)
	s.umask = g.number("umask", s.umask)
	s.reportSuspended = g.onOr("action.reportsuspension", s.reportSuspended)
	s.noNames = !g.onOr("net.enabledns", !s.noNames)
	z := &s.sanitizer
	z.KeepControls = !g.onOr("parser.escapecontrolcharactersonreceive", !z.KeepControls)
	z.KeepTabs = !g.onOr("parser.escapecontrolcharactertab", !z.KeepTabs)
	z.KeepTrailingLF = !g.onOr("parser.droptrailinglfonreception", !z.KeepTrailingLF)
	z.Escape8Bit = g.onOr("parser.escape8bitcharactersonreceive", z.Escape8Bit)
	z.SpaceControls = g.onOr("parser.spacelfonreceive", z.SpaceControls)
	z.EscapeCStyle = g.onOr("parser.escapecontrolcharacterscstyle", z.EscapeCStyle)
	if v := g.text("parser.controlcharacterescapeprefix"); v != "" {
		z.EscapePrefix = v[0]
	}
}

// addModule notes a module. It reports false when it is not there or loaded already.
func (c *loader) addModule(name string, legacy bool) bool {
	name = strings.TrimSuffix(name, ".so")
	if _, known := knownModules[name]; !known {
		file := name
		if !strings.HasPrefix(file, "/") {
			file = moduleDir + "/" + name + ".so"
		}
		c.errorf(codeNoModule, "could not load module '%s', errors: trying to load module %s: %s: cannot open shared object file: No such file or directory", name, file, file)
		return false
	}
	if strings.HasPrefix(name, "builtin:") {
		return true
	}
	if c.conf.module(name) != nil {
		c.errorf(codeModuleTwice, "module '%s' already in this config, cannot be added ", name)
		return false
	}
	c.conf.modules = append(c.conf.modules, &module{name: name, legacy: legacy})
	return true
}

// check completes the configuration once all is read: names become things, and
// modules say what they miss.
func (c *loader) check() {
	c.resolveCalls(c.conf.main.rules)
	for _, r := range c.conf.rulesets {
		if r != c.conf.main {
			c.resolveCalls(r.rules)
		}
	}
	for _, m := range c.conf.modules {
		switch m.name {
		case "imudp":
			for _, in := range c.conf.udp {
				in.ruleset = c.bind(m.name, in.ruleset, in.address, in.port)
			}
			if len(c.conf.udp) == 0 {
				c.errorf(codeNoListener, "imudp: module loaded, but no listeners defined - no input will be gathered")
			}
		case "imtcp":
			for _, in := range c.conf.tcp {
				in.ruleset = c.bind(m.name, in.ruleset, in.address, in.port)
			}
			if len(c.conf.tcp) == 0 {
				c.errorf(codeNoListener, "imtcp: module loaded, but no listeners defined - no input will be gathered")
			}
		case "imuxsock":
			for _, in := range c.conf.sockets {
				in.ruleset = c.bind(m.name, in.ruleset, in.name, "")
			}
		case "immark":
			c.conf.mark.ruleset = c.bind(m.name, c.conf.mark.ruleset, "", "")
		case "imfile":
			for _, in := range c.conf.files {
				in.ruleset = c.bind(m.name, in.ruleset, in.pattern, "")
			}
			if c.conf.globals.workDirectory == "" {
				c.errorf(codeWorkDir, `imfile: no working or state file directory set, imfile will create state files in the current working directory (probably the root dir). Use global(workDirectory="/some/path") to set the working directory`)
			}
			if len(c.conf.files) == 0 {
				c.errorf(codeNoListener, "imfile: no files configured to be monitored - no input will be gathered")
			}
		}
	}
}

// bind returns the ruleset of an input, "" for the default one.
func (c *loader) bind(module, name, address, port string) string {
	if name == "" || c.conf.rulesets[name] != nil {
		return name
	}
	switch module {
	case "imtcp":
		c.errorf(codeNone, "imtcp: ruleset '%s' for port %s not found - using default ruleset instead", name, port)
	case "imudp":
		if address == "" {
			address = "*"
		}
		c.errorf(codeNone, "%s: ruleset '%s' for %s:%s not found - using default ruleset instead", module, name, address, port)
	case "imuxsock", "imfile":
		c.errorf(codeNone, "%s: ruleset '%s' for %s not found - using default ruleset instead", module, name, address)
	default:
		c.errorf(codeNone, "%s: ruleset '%s' not found - using default ruleset instead", module, name)
	}
	return ""
}

// resolveCalls finds the rulesets of call statements.
func (c *loader) resolveCalls(list []*stmt) {
	for _, s := range list {
		if s.kind == sCall {
			if s.ruleset = c.conf.rulesets[s.name]; s.ruleset == nil {
				c.complainf("ruleset '%s' cannot be found ", s.name)
				s.kind = sNothing
			}
		}
		c.resolveCalls(s.then)
		c.resolveCalls(s.els)
	}
}
