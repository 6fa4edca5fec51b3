package config

import (
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"sort"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/rsyslog/script"
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

// Report is where messages of the daemon about itself go.
type Report func(severity syslog.Severity, code int, text string)

// loader reads a configuration.
type loader struct {
	p       *host.Proc
	conf    *Config
	lex     *script.Lexer
	report  Report
	current *script.Ruleset
	order   []*script.Ruleset // as they were met

	globals    map[string]bool // parameters of global() that were given
	builtinSet map[string]bool // built-in modules whose parameters were given
	atEnd      []func()        // what takes effect once all is read
	set        legacySettings
	files      int    // included so far
	refused    bool   // the directive at hand was; what follows on its line is not looked at
	fatal      string // for which the daemon ends at once; what follows is not looked at
}

// Load reads a configuration file and all it includes. What is wrong is
// reported; what is right counts all the same. Its result is 0 or the code with
// which the daemon refuses to start: CodeAbort when it is to end at once, after the
// last report.
func Load(p *host.Proc, file string, r Report) (*Config, int) {
	c := &loader{p: p, conf: New(), report: r}
	c.current = c.conf.Main
	c.order = append(c.order, c.current)
	c.globals, c.builtinSet = map[string]bool{}, map[string]bool{}
	c.set = newLegacySettings()
	c.lex = &script.Lexer{Owner: c}
	data, err := readConfig(p, file)
	if err != nil {
		c.errorf(codeNoConfig, "could not open config file '%s': %s", file, libc.Strerror(err))
		return c.conf, codeNoConfig
	}
	c.open(file, data)
	parser := &script.Parser{Lex: c.lex, Out: c}
	parsed := parser.Parse()
	if c.fatal != "" {
		return c.conf, CodeAbort
	}
	if !parsed {
		c.errorf(CodeSyntax, "could not interpret master config file '%s'.", file)
	} else if len(c.conf.Actions) == 0 {
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

// abort gives the configuration up for a reason that is told as it is.
func (c *loader) abort(why string) {
	if c.fatal == "" {
		c.fatal = why
		c.report(syslog.Err, CodeAbort, why)
	}
}

func (c *loader) errorf(code int, format string, args ...any) {
	if c.fatal != "" {
		return
	}
	c.report(syslog.Err, code, fmt.Sprintf(format, args...))
}

func (c *loader) warnf(code int, format string, args ...any) {
	if c.fatal != "" {
		return
	}
	c.report(syslog.Warning, code, fmt.Sprintf(format, args...))
}

// Complain reports something at the place where the parser is.
func (c *loader) Complain(text string) {
	at := c.lex.Position()
	c.errorf(CodeSyntax, "error during parsing file %s, on or before line %d: %s", at.File, at.Line, text)
}

func (c *loader) complainf(format string, args ...any) { c.Complain(fmt.Sprintf(format, args...)) }

// maxIncludes bounds how many files a configuration may consist of, which ends
// one that includes itself.
const maxIncludes = 500

// Include makes the parser go on with the files that a pattern means. It
// reports false when one was named that is not there.
func (c *loader) Include(pattern string, optional bool) bool {
	if folder, ok := strings.CutSuffix(pattern, "/"); ok {
		if !strings.ContainsAny(folder, "*?[") && !libc.Exists(c.p, libc.Abs(c.p, folder)) && !optional {
			c.complainf("error accessing config file or directory '%s' [cwd: %s]: %s", folder, c.p.Dir, libc.Strerror(syscall.ENOENT))
			return false
		}
		pattern += "*"
	}
	names := []string{pattern}
	if strings.ContainsAny(pattern, "*?[") {
		names = Glob(c.p, pattern)
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
				ok = c.Include(names[i]+"/", optional) && ok
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
	c.conf.Sources = append(c.conf.Sources, Source{file, trace.Digest([]byte(data))})
	c.lex.Push(script.NewSource(file, data))
}

// Glob returns the names that match a pattern, sorted.
func Glob(p *host.Proc, pattern string) []string {
	dir, base := path.Split(libc.Abs(p, pattern))
	dirs := []string{dir}
	if trimmed := strings.TrimRight(dir, "/"); strings.ContainsAny(trimmed, "*?[") {
		dirs = Glob(p, trimmed)
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

// IncludeObject acts on include(): the parser goes on with a file or a text.
func (c *loader) IncludeObject(o *script.Object) {
	g := c.take(o, includeParams)
	if g == nil {
		return
	}
	if g.has("text") && g.has("file") {
		c.Complain("include() must have either 'file' or 'text' parameter, but both are set - ignored")
		return
	}
	if text, ok := g.get("text"); ok {
		if c.files++; c.files > maxIncludes {
			return
		}
		c.lex.Push(script.NewSource(c.lex.Position().File, text))
		return
	}
	file := g.text("file")
	if file == "" {
		c.Complain(`include must have either "file" or "text" parameter`)
		return
	}
	c.Include(file, strings.EqualFold(g.text("mode"), "optional"))
}

// Object acts on a global(), module(), input() …
func (c *loader) Object(o *script.Object) {
	c.duplicates(o)
	for _, sub := range o.Subs {
		c.duplicates(sub)
	}
	defer c.unused(o)
	switch o.Kind {
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
	case "main_queue":
		c.take(o, queueParams)
	case "lookup_table":
		c.lookupTable(o)
	case "timezone":
		c.take(o, params(`id:t! offset:t!`))
	}
}

// Statement enters statements into the ruleset that is being filled.
func (c *loader) Statement(list []*script.Statement) {
	c.current.Rules = append(c.current.Rules, list...)
}

// Selector makes a rule of a selector.
func (c *loader) Selector(t script.Token, then []*script.Statement) *script.Statement {
	s := &script.Statement{Kind: script.IfSelector, Pos: t.Pos, Text: t.Value, Then: then}
	var complaint string
	if s.Mask, complaint = script.ParseSelector(t.Value); complaint != "" {
		c.errorf(CodeNone, "%s", complaint)
	}
	return s
}

// PropertyFilter makes a rule of a property filter.
func (c *loader) PropertyFilter(t script.Token, then []*script.Statement) *script.Statement {
	s := &script.Statement{Kind: script.IfProperty, Pos: t.Pos, Text: t.Value, Then: then}
	var complaint string
	if s.Property, complaint = script.ParsePropertyFilter(t.Value); complaint != "" {
		c.Complain(complaint)
		s.Kind = script.DoNothing
	}
	return s
}

// Function makes the call of a function.
func (c *loader) Function(name string, args []script.Expr) script.Expr {
	e, complaints := script.NewCall(name, args, c.conf.Templates, c.conf.Lookups, func(text string) { c.errorf(CodeNone, "%s", text) })
	for _, complaint := range complaints {
		c.Complain(complaint)
	}
	return e
}

// SelectRuleset is $RuleSet: what follows goes there.
func (c *loader) SelectRuleset(line string) {
	name, rest, _ := strings.Cut(line, " ")
	c.current = c.ruleset(name)
	c.extra(rest)
}

// ruleset returns a ruleset, making it when there is none of that name.
func (c *loader) ruleset(name string) *script.Ruleset {
	r := c.conf.Rulesets[name]
	if r == nil {
		r = &script.Ruleset{Name: name}
		c.conf.Rulesets[name] = r
		c.order = append(c.order, r)
	}
	return r
}

func (c *loader) rulesetObject(o *script.Object) {
	g := c.take(o, rulesetParams)
	if g == nil {
		return
	}
	name := g.text("name")
	q := c.take(o, queueParams)
	if q == nil {
		return
	}
	if c.conf.Rulesets[name] != nil {
		c.errorf(codeRulesetTwice, "error: ruleset '%s' specified more than once", name)
		return
	}
	r := c.ruleset(name)
	r.Rules = o.Script
}

// BSDBlock complains about a block that only old syslogds know.
func (c *loader) BSDBlock(text string) {
	c.errorf(codeBSDBlock, "BSD-style blocks are no longer supported in rsyslog, see https://www.rsyslog.com/g/BSD for details and a solution (Block '%s')", text)
}

func (c *loader) global(o *script.Object) {
	// What an earlier global() told counts.
	fresh := slices.DeleteFunc(slices.Clone(globalParams), func(p param) bool {
		if !slices.ContainsFunc(o.Params, func(v *script.Param) bool { return strings.EqualFold(v.Name, p.name) }) {
			return false
		}
		if c.globals[p.name] {
			c.complainf("parameter '%s' specified more than once - one instance is ignored. Fix config", p.name)
		}
		return c.globals[p.name]
	})
	g := c.take(o, fresh)
	if g == nil {
		c.errorf(codeMissingParam, "error processing global config parameters [global(...)]")
		return
	}
	for name := range g.values {
		c.globals[name] = true
	}
	s := &c.conf.Globals
	if v, ok := g.get("workdirectory"); ok {
		c.atEnd = append(c.atEnd, func() { c.workDirectory(v) })
	}
	if v, ok := g.get("localhostname"); ok {
		s.LocalHostname = v
	}
	s.PreserveFQDN = g.onOr("preservefqdn", s.PreserveFQDN)
	if n, ok := g.codes["maxmessagesize"]; ok {
		c.atEnd = append(c.atEnd, func() { c.maxMessage(int(n)) })
	}
	s.Umask = g.number("umask", s.Umask)
	s.reportSuspended = g.onOr("action.reportsuspension", s.reportSuspended)
	s.NoNames = !g.onOr("net.enabledns", !s.NoNames)
	z := &s.Sanitizer
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

// workDirectory takes over the folder for state files when it is there.
func (c *loader) workDirectory(name string) {
	name = strings.TrimRight(name, "/")
	c.refused = true
	if name == "" {
		c.errorf(codeNoWorkDir, "$WorkDirectory: empty value - directive ignored")
		return
	}
	if info, err := c.p.Sys.Stat(libc.Abs(c.p, name)); err != nil {
		c.errorf(codeNoWorkDir, "$WorkDirectory: %s can not be accessed, probably does not exist - directive ignored", name)
	} else if !info.IsDir() {
		c.errorf(codeNoWorkDir, "$WorkDirectory: %s not a directory - directive ignored", name)
	} else {
		c.conf.Globals.WorkDirectory = name
		c.refused = false
	}
}

// minMessage is the least that maxMessageSize may be.
const minMessage = 128

func (c *loader) maxMessage(n int) {
	if n < minMessage {
		c.errorf(codeBadNumber, "maxMessageSize tried to set to %d, but cannot be less than %d - set to %d instead", n, minMessage, minMessage)
		n = minMessage
	}
	if n > math.MaxInt32 {
		c.errorf(codeBadNumber, "maxMessageSize larger than INT_MAX (2147483647) - reduced to INT_MAX")
		n = math.MaxInt32
	}
	c.conf.Globals.MaxMessage = n
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
	c.conf.Modules = append(c.conf.Modules, &Module{Name: name, legacy: legacy})
	return true
}

// lookupTable acts on lookup_table(). One whose file cannot be read yields nothing.
func (c *loader) lookupTable(o *script.Object) {
	g := c.take(o, params(`name:t! file:t! reloadonhup:b`))
	if g == nil {
		return
	}
	t := &script.LookupTable{Name: g.text("name"), File: g.text("file"), ReloadOnHUP: g.onOr("reloadonhup", true)}
	c.conf.Lookups[t.Name] = t
	ReadLookup(c.p, t, c.report)
}

// ReadLookup reads the file of a lookup table anew. It reports false when the table
// is as it was before.
func ReadLookup(p *host.Proc, t *script.LookupTable, r Report) bool {
	text, err := readConfig(p, libc.Abs(p, t.File))
	if err != nil {
		r(syslog.Err, CodeNotFound, fmt.Sprintf("lookup table file '%s' could not be opened: %s", t.File, libc.Strerror(err)))
		return false
	}
	complaints, ok := t.Parse(text)
	for _, complaint := range complaints {
		code := codeBadNumber
		if strings.HasSuffix(complaint, "json parsing error") {
			code = codeBadJSON
		}
		r(syslog.Err, code, complaint)
	}
	return ok
}

// check completes the configuration once all is read: names become things, and
// modules say what they miss.
func (c *loader) check() {
	for _, r := range c.order {
		c.optimize(r.Rules)
	}
	for _, f := range c.atEnd {
		f()
	}
	for _, m := range c.conf.Modules {
		switch m.Name {
		case "imudp":
			for _, in := range c.conf.UDP {
				in.Ruleset = c.bind(m.Name, in.Ruleset, in.Address, in.Port)
			}
			if len(c.conf.UDP) == 0 {
				c.errorf(codeNoListener, "imudp: module loaded, but no listeners defined - no input will be gathered")
			}
		case "imtcp":
			for _, in := range c.conf.TCP {
				in.Ruleset = c.bind(m.Name, in.Ruleset, in.Address, in.Port)
			}
			if len(c.conf.TCP) == 0 {
				c.errorf(codeNoListener, "imtcp: module loaded, but no listeners defined - no input will be gathered")
			}
		case "imuxsock":
			for _, in := range c.conf.Sockets {
				in.Ruleset = c.bind(m.Name, in.Ruleset, in.Name, "")
			}
		case "immark":
			c.conf.Mark.ruleset = c.bind(m.Name, c.conf.Mark.ruleset, "", "")
		case "imfile":
			for _, in := range c.conf.Files {
				in.Ruleset = c.bind(m.Name, in.Ruleset, in.Pattern, "")
			}
			if c.conf.Globals.WorkDirectory == "" {
				c.errorf(codeWorkDir, `imfile: no working or state file directory set, imfile will create state files in the current working directory (probably the root dir). Use global(workDirectory="/some/path") to set the working directory`)
			}
			if len(c.conf.Files) == 0 {
				c.errorf(codeNoListener, "imfile: no files configured to be monitored - no input will be gathered")
			}
		}
	}
}

// bind returns the ruleset of an input, "" for the default one.
func (c *loader) bind(module, name, address, port string) string {
	if name == "" || c.conf.Rulesets[name] != nil {
		return name
	}
	switch module {
	case "imtcp":
		c.errorf(CodeNone, "imtcp: ruleset '%s' for port %s not found - using default ruleset instead", name, port)
	case "imudp":
		if address == "" {
			address = "*"
		}
		c.errorf(CodeNone, "%s: ruleset '%s' for %s:%s not found - using default ruleset instead", module, name, address, port)
	case "imuxsock", "imfile":
		c.errorf(CodeNone, "%s: ruleset '%s' for %s not found - using default ruleset instead", module, name, address)
	default:
		c.errorf(CodeNone, "%s: ruleset '%s' not found - using default ruleset instead", module, name)
	}
	return ""
}

// optimize completes the rules once all of them are known: constants are computed,
// and call statements find their rulesets.
func (c *loader) optimize(list []*script.Statement) {
	for _, s := range list {
		switch s.Kind {
		case script.IfExpr, script.DoSet, script.DoForeach, script.DoCallIndirect:
			s.Cond = script.Optimize(s.Cond, c.Complain)
		case script.DoReload:
			if c.conf.Lookups[s.Name] == nil {
				c.complainf("lookup table '%s' not found ", s.Name)
				s.Kind = script.DoNothing
			}
		case script.DoCall:
			if s.Ruleset = c.conf.Rulesets[s.Name]; s.Ruleset == nil {
				c.complainf("ruleset '%s' cannot be found ", s.Name)
				s.Kind = script.DoNothing
			}
		}
		c.optimize(s.Then)
		c.optimize(s.Else)
	}
}
