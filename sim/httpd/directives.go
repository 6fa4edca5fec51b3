package httpd

import (
	"fmt"
	"strconv"
	"strings"
)

// directive says how many arguments a directive takes and what it does; nil is
// nothing. max -1 is any number.
type directive struct {
	min, max int
	usage    string
	do       func(*parser, []string) error
}

// modules are those that the package loads by default, by the names of
// <IfModule>.
var modules = map[string]bool{"log_config.c": true, "log_config_module": true, "mime.c": true, "mime_module": true, "dir.c": true,
	"dir_module": true, "alias.c": true, "alias_module": true, "mime_magic.c": true, "mime_magic_module": true,
	"authz_core.c": true, "authz_core_module": true, "logio.c": true, "logio_module": true, "unixd.c": true, "unixd_module": true}

// optionNames are the words of Options.
var optionNames = map[string]bool{"none": true, "all": true, "indexes": true, "includes": true, "includesnoexec": true, "followsymlinks": true,
	"symlinksifownermatch": true, "execcgi": true, "multiviews": true}

var ignored = directive{0, -1, "", nil}

// directives are what httpd knows, in lower case.
var directives = map[string]directive{
	"listen": {1, 2, "a port number or address:port, and optional protocol", func(p *parser, a []string) error { return p.listen(a[0]) }},
	"serverroot": {1, 1, "", func(p *parser, a []string) error {
		if !p.fs.IsDir(a[0]) {
			return fmt.Errorf("ServerRoot must be a valid directory")
		}
		p.c.root = strings.TrimSuffix(a[0], "/")
		return nil
	}},
	"documentroot": {1, 1, "", func(p *parser, a []string) error {
		dir := p.c.abs(a[0])
		if !p.fs.IsDir(dir) {
			return fmt.Errorf("DocumentRoot '%s' is not a directory, or is not readable", dir)
		}
		p.site.docRoot = dir
		return nil
	}},
	"servername":  {1, 1, "", func(p *parser, a []string) error { p.site.name = a[0]; return nil }},
	"serveralias": {1, -1, "", func(p *parser, a []string) error { p.site.aliases = append(p.site.aliases, a...); return nil }},
	"serveradmin": {1, 1, "", func(p *parser, a []string) error { p.site.admin = a[0]; return nil }},
	"user":        {1, 1, "", func(p *parser, a []string) error { p.c.user = a[0]; return nil }},
	"group":       {1, 1, "", func(p *parser, a []string) error { p.c.group = a[0]; return nil }},
	"pidfile":     {1, 1, "", func(p *parser, a []string) error { p.c.pidFile = a[0]; return nil }},
	"errorlog":    {1, 1, "", func(p *parser, a []string) error { p.site.errorLog = a[0]; return nil }},
	"loglevel": {1, -1, "", func(p *parser, a []string) error {
		for _, w := range a {
			module, name, one := strings.Cut(w, ":")
			if !one {
				name = module
			}
			l, ok := logLevels[strings.ToLower(name)]
			if !ok {
				return fmt.Errorf("LogLevel requires level keyword: one of emerg/alert/crit/error/warn/notice/info/debug/trace1/trace2/trace3/trace4/trace5/trace6/trace7/trace8")
			}
			if !one {
				p.site.level = l
			}
		}
		return nil
	}},
	"logformat": {1, 2, "a log format string (see docs) and an optional format name", func(p *parser, a []string) error {
		if len(a) == 2 {
			p.c.formats[a[1]] = a[0]
		}
		return nil
	}},
	"customlog": {2, 3, "a file name, a custom log format string or format name, and an optional \"env=\" or \"expr=\" clause (see docs)",
		func(p *parser, a []string) error {
			format := a[1]
			if f, ok := p.c.formats[format]; ok {
				format = f
			}
			p.site.logs = append(p.site.logs, customLog{a[0], format})
			return nil
		}},
	"transferlog": {1, 1, "", func(p *parser, a []string) error {
		p.site.logs = append(p.site.logs, customLog{a[0], commonFormat})
		return nil
	}},
	"directoryindex": {1, -1, "", func(p *parser, a []string) error {
		if p.section != nil {
			p.section.index = a
		} else {
			p.site.index = a
		}
		return nil
	}},
	"adddefaultcharset": {1, 1, "", func(p *parser, a []string) error {
		p.site.charset = a[0]
		if strings.EqualFold(a[0], "off") {
			p.site.charset = ""
		}
		return nil
	}},
	"addtype": {2, -1, "a mime type followed by one or more file extensions", func(p *parser, a []string) error {
		for _, ext := range a[1:] {
			p.c.types[strings.TrimPrefix(ext, ".")] = a[0]
		}
		return nil
	}},
	"alias": {2, 2, "a fakename and a realname", func(p *parser, a []string) error {
		p.site.alias = append(p.site.alias, mapping{a[0], p.c.abs(a[1])})
		return nil
	}},
	"redirect": {2, 3, "an optional status, then document to be redirected and destination URL", func(p *parser, a []string) error {
		r := redirect{status: 302}
		if len(a) == 3 {
			n, err := strconv.Atoi(a[0])
			if known := map[string]int{"permanent": 301, "temp": 302, "seeother": 303}[strings.ToLower(a[0])]; known != 0 {
				n, err = known, nil
			}
			if err != nil || n < 300 || n > 399 {
				return fmt.Errorf("Redirect URL not valid for this status")
			}
			r.status, a = n, a[1:]
		}
		r.from, r.to = a[0], a[1]
		p.site.redirect = append(p.site.redirect, r)
		return nil
	}},
	"errordocument": {2, 2, "", func(p *parser, a []string) error {
		n, err := strconv.Atoi(a[0])
		if err != nil || statusTexts[n] == "" {
			return fmt.Errorf("Unsupported HTTP response code %s", a[0])
		}
		if p.section != nil {
			p.section.errDocs[n] = a[1]
		} else {
			p.site.errDocs[n] = a[1]
		}
		return nil
	}},
	"options": {1, -1, "", func(p *parser, a []string) error {
		// A list without signs says all; with signs it changes what was.
		list := false
		for _, o := range a {
			name := strings.ToLower(strings.TrimLeft(o, "+-"))
			if !optionNames[name] {
				return fmt.Errorf("Illegal option %s", o)
			}
			switch {
			case name != "indexes" && name != "all":
			case strings.HasPrefix(o, "-"):
				list = false
			default:
				list = true
			}
		}
		relative := strings.HasPrefix(a[0], "+") || strings.HasPrefix(a[0], "-")
		names := strings.ToLower(strings.Join(a, " "))
		if p.section != nil && (!relative || strings.Contains(names, "indexes") || strings.Contains(names, "all")) {
			p.section.listing = &list
		}
		return nil
	}},
	"require": {1, -1, "", func(p *parser, a []string) error {
		known := map[string]bool{"all": true, "ip": true, "not": true, "local": true, "host": true, "valid-user": true, "user": true, "group": true, "method": true, "env": true, "expr": true}
		if !known[strings.ToLower(a[0])] {
			return fmt.Errorf("Unknown Authz provider: %s", a[0])
		}
		if p.section != nil {
			p.section.require = append(p.section.require, strings.ToLower(strings.Join(a, " ")))
		}
		return nil
	}},
	"include":         {1, 1, "", nil}, // see parser.directive
	"includeoptional": {1, 1, "", nil},
	"define":          {1, 2, "", func(p *parser, a []string) error { p.defines[a[0]] = true; return nil }},

	"acceptfilter": ignored, "accessfilename": ignored, "addcharset": ignored, "adddescription": ignored, "addencoding": ignored,
	"addhandler": ignored, "addicon": ignored, "addiconbyencoding": ignored, "addiconbytype": ignored, "addlanguage": ignored,
	"addoutputfilter": ignored, "allow": ignored, "allowoverride": ignored, "authname": ignored, "authtype": ignored,
	"authuserfile": ignored, "browsermatch": ignored, "defaulticon": ignored, "deny": ignored, "directoryslash": ignored,
	"enablemmap": ignored, "enablesendfile": ignored, "expiresactive": ignored, "expiresbytype": ignored, "extendedstatus": ignored,
	"fileetag": ignored, "forcelanguagepriority": ignored, "header": ignored, "headername": ignored, "hostnamelookups": ignored,
	"indexignore": ignored, "indexoptions": ignored, "keepalive": ignored, "keepalivetimeout": ignored, "languagepriority": ignored,
	"limitrequestbody": ignored, "loadmodule": ignored, "maxconnectionsperchild": ignored, "maxkeepaliverequests": ignored,
	"maxrequestworkers": ignored, "mimemagicfile": ignored, "minspareservers": ignored, "maxspareservers": ignored,
	"minsparethreads": ignored, "maxsparethreads": ignored, "mutex": ignored, "order": ignored,
	"readmename": ignored, "requestheader": ignored, "satisfy": ignored, "scriptalias": ignored, "serverlimit": ignored,
	"serversignature": ignored, "servertokens": ignored, "setenv": ignored, "setenvif": ignored, "sethandler": ignored,
	"startservers": ignored, "suexecusergroup": ignored, "threadsperchild": ignored, "timeout": ignored, "traceenable": ignored,
	"typesconfig": ignored, "usecanonicalname": ignored, "userdir": ignored,
}
