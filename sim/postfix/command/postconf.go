package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sort"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/maillog"
)

// mapTypes are what postconf -m lists.
var mapTypes = []string{"btree", "cidr", "environ", "fail", "hash", "inline", "internal", "memcache", "pipemap", "proxy", "randmap", "regexp",
	"socketmap", "static", "tcp", "texthash", "unionmap", "unix"}

// Postconf is /usr/sbin/postconf (postconf(1)).
func Postconf(ctx context.Context, p *host.Proc) int {
	l := &maillog.Logger{Proc: p, Name: p.Args[0], Stderr: p.Stderr, Quiet: true}
	if !strings.Contains(l.Name, "/") {
		l.Name = "postconf"
	}
	options, names, err := libc.Getopt(p.Args[1:], "+aAbc:C:deEfFhHlmMno:pPtT:vxX#", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %s\n", l.Name, err)
		l.Fatal("usage: postconf [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] [-c config_dir] [-c param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] [-F (master.cf fields)] [-h (no names)] [-H (no values)] [-l (lock types)] [-m (map types)] [-M (master.cf)] [-n (non-default parameters)] [-o name=value (override parameter value)] [-p (main.cf, default)] [-P (master.cf parameters)] [-t (bounce templates)] [-T compile-version|run-version|public-key-algorithms] [-v (verbose)] [-x (expand parameter values)] [-X (exclude)] [-# (comment-out)] [name...]")
		return 1
	}
	has := map[string]bool{}
	var overrides []string
	class := "builtin"
	for _, o := range options {
		has[o.Name] = true
		switch o.Name {
		case "o":
			if _, _, problem := conf.SplitNameValue(o.Value); problem != "" {
				l.Fatal("invalid parameter override: %s: %s", o.Value, problem)
				return 1
			}
			overrides = append(overrides, o.Value)
		case "C":
			for _, w := range conf.SplitList(o.Value) {
				if w != "builtin" && w != "service" && w != "user" && w != "all" {
					l.Fatal("unknown -C option value \"%s\" in \"%s\"", w, o.Value)
					return 1
				}
				class = w
			}
		case "c":
			p.Env = append(p.Env, "MAIL_CONFIG="+o.Value)
		}
	}
	dir := p.Getenv("MAIL_CONFIG")
	if dir == "" {
		dir = conf.DefaultDir
	}
	if problem := contradiction(has, names); problem != "" {
		l.Fatal("%s", problem)
		return 1
	}
	switch {
	case has["m"]:
		for _, m := range mapTypes {
			fmt.Fprintln(p.Stdout, m)
		}
		return 0
	case has["l"]:
		fmt.Fprint(p.Stdout, "flock\nfcntl\ndotlock\n")
		return 0
	case has["a"]:
		fmt.Fprint(p.Stdout, "cyrus\ndovecot\n")
		return 0
	case has["A"]:
		fmt.Fprint(p.Stdout, "cyrus\n")
		return 0
	case has["T"]:
		fmt.Fprint(p.Stdout, tlsVersions)
		return 0
	case has["t"], has["b"]:
		return showTemplates(ctx, p, names, has["b"])
	}
	if has["e"] && len(names) == 0 {
		l.Fatal("-e requires name=value argument")
		return 1
	}
	if has["M"] || has["F"] || has["P"] {
		return masterCommand(ctx, p, l, dir, names, has)
	}
	edit := has["e"] || has["X"] || has["#"]
	for _, n := range names {
		edit = edit || strings.Contains(n, "=") && !has["d"] && !has["n"]
	}
	if edit {
		return editMain(p, l, dir+"/main.cf", names, has)
	}
	var c *conf.Config
	path := dir + "/main.cf"
	data, rerr := libc.ReadFile(p, path)
	if rerr != nil && !has["d"] {
		l.Fatal("open %s: %s", path, libc.Strerror(rerr))
		return 1
	}
	if has["d"] {
		data = nil
	}
	if c, err = conf.New(dir, path, data, overrides); err != nil {
		l.Fatal("%s", err)
		return 1
	}
	c.HostDefaults(ctx, p)
	err = c.SetNetworkDefaults(ctx, p)
	if !l.Configured(c, err) {
		return 1
	}
	services, err := masterServices(p, l, dir)
	if !l.Configured(nil, err) {
		return 1
	}
	c.Services(services)
	if len(names) == 0 {
		if class == "builtin" || class == "all" {
			for _, q := range conf.Parameters() {
				names = append(names, q.Name)
			}
		}
		if has["n"] && class != "user" && class != "service" {
			names = names[:0]
			for n := range c.Set {
				if c.Known(n) {
					names = append(names, n)
				}
			}
		}
		sort.Strings(names)
	}
	if has["x"] || !has["d"] {
		for name := range c.Set { // what the programs die of, it dies of
			c.Get(name)
		}
		if !l.Configured(nil, c.Fault()) {
			return 1
		}
	}
	for _, name := range names {
		value, _ := c.Raw(name)
		_, set := c.Set[name]
		switch {
		case !c.Known(name):
			l.Warning("%s: unknown parameter", name)
			continue
		case has["n"] && !set:
			continue
		}
		if has["x"] {
			value = c.Get(name)
		}
		switch {
		case has["H"]:
			fmt.Fprintln(p.Stdout, name)
		case has["h"]:
			fmt.Fprintln(p.Stdout, value)
		default:
			line := strings.TrimRight(name+" = "+value, " ")
			if has["f"] {
				line = foldWords(line)
			}
			fmt.Fprintln(p.Stdout, line)
		}
	}
	if !has["d"] {
		warnUnused(l, c, path, data)
		for _, name := range c.Undefined() {
			l.Warning("%s: undefined parameter: %s", path, name)
		}
	}
	warnUnusedServices(l, c, dir+"/master.cf", services)
	return 0
}

// exclusive are the options of which each run has one at most, and the order in
// which they are named.
const exclusive = "abdeFlmMnPtTX#hH"

// contradiction says what is wrong with the options together.
func contradiction(has map[string]bool, names []string) string {
	editing := has["e"] || has["X"] || has["#"]
	for _, n := range names {
		if strings.Contains(n, "=") && !editing && !has["M"] && !has["F"] && !has["P"] {
			for _, other := range []string{"n", "d"} {
				if has[other] {
					return "specify one of -" + map[string]string{"n": "e -n", "d": "d -e"}[other]
				}
			}
		}
		if strings.Contains(n, "=") && has["X"] {
			return "specify one of -e -X"
		}
		if strings.Contains(n, "=") && has["#"] {
			return "specify one of -e -#"
		}
		if editing && strings.Contains(n, "\n") {
			return "-Me, -Fe, -Pe, -X, or -# accept no multi-line input"
		}
	}
	if has["F"] && has["M"] {
		return "specify one of -F -M"
	}
	for _, o := range []struct{ mode, not string }{{"M", "dn"}, {"F", "dnX#"}, {"P", "dn#"}} {
		for _, not := range strings.Split(o.not, "") {
			if has[o.mode] && has[not] {
				return fmt.Sprintf("with option -%s, do not specify -%s", o.mode, not)
			}
		}
	}
	var modes []string
	for _, m := range strings.Split(exclusive, "") {
		if has[m] && m != "M" && m != "F" && m != "P" && m != "h" && m != "H" {
			modes = append(modes, "-"+m)
		}
	}
	switch {
	case len(modes) > 1:
		return "specify one of " + strings.Join(modes, " ")
	case has["h"] && has["H"]:
		return "specify one of -h -H"
	case (has["X"] || has["#"]) && len(names) == 0:
		return "missing service argument"
	}
	return ""
}

// masterServices reads master.cf for what it says of parameters.
func masterServices(p *host.Proc, l *maillog.Logger, dir string) ([]conf.Service, error) {
	file := dir + "/master.cf"
	data, err := libc.ReadFile(p, file)
	if err != nil {
		l.Warning("open %s: %s", file, libc.Strerror(err))
		return nil, nil
	}
	return conf.EditMaster(file, data)
}

// warnUnusedServices is warnUnused for the -o options of master.cf.
func warnUnusedServices(l *maillog.Logger, c *conf.Config, file string, services []conf.Service) {
	for _, e := range services {
		for _, o := range e.Overrides {
			if name, _, _ := strings.Cut(o, "="); !c.Known(name) {
				l.Warning("%s: unused parameter: %s", file, o)
			}
		}
	}
}

// tlsVersions is postconf -T.
const tlsVersions = "OpenSSL 3.0.7 1 Nov 2022\n"

// foldWidth is how long a line of postconf -f may be.
const foldWidth = 80

// foldWords breaks a line at blanks; what follows is indented by four.
func foldWords(line string) string {
	var b strings.Builder
	width := 0
	for i, w := range strings.Fields(line) {
		switch {
		case i == 0:
		case width+1+len(w) > foldWidth:
			b.WriteString("\n    ")
			width = 4
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(w)
		width += len(w)
	}
	return b.String()
}

func warnUnused(l *maillog.Logger, c *conf.Config, path string, data []byte) {
	for _, s := range c.Unused(data) {
		l.Warning("%s: unused parameter: %s=%s", path, s.Name, s.Value)
	}
}

// editMain changes main.cf: -e and name=value set, -X removes, -# comments out.
func editMain(p *host.Proc, l *maillog.Logger, path string, names []string, has map[string]bool) int {
	values := map[string]string{}
	var order []string
	for _, n := range names {
		name, value := strings.TrimSpace(n), ""
		if !has["X"] && !has["#"] {
			var problem string
			if name, value, problem = conf.SplitNameValue(n); problem != "" {
				l.Fatal("%s: \"%s\"", problem, n)
				return 1
			}
		}
		old, dup := values[name]
		if !dup {
			order = append(order, name)
		} else if !has["X"] && !has["#"] {
			l.Warning("ignoring earlier request: '%s = %s'", name, old)
		}
		values[name] = value
	}
	data, err := libc.ReadFile(p, path)
	if err != nil {
		l.Fatal("open %s: %s", path, libc.Strerror(err))
		return 1
	}
	text := editLines(string(data), order, values, has["X"], has["#"])
	return replaceFile(p, l, path, text)
}

// replaceFile gives a configuration file a new text.
func replaceFile(p *host.Proc, l *maillog.Logger, path, text string) int {
	tmp := path + ".tmp"
	mode := fs.FileMode(0o644)
	if info, err := p.Sys.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := p.Sys.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		l.Fatal("open %s: %s", tmp, libc.Strerror(err))
		return 1
	}
	_, err = f.Write([]byte(text))
	p.Stamp(f)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = p.Sys.Rename(tmp, path)
	}
	if err != nil {
		l.Fatal("rename %s: %s", tmp, libc.Strerror(err))
		return 1
	}
	return 0
}

// editLines is the text of main.cf after an edit: settings are replaced in
// place, comments stay, new settings go to the end.
func editLines(text string, order []string, values map[string]string, remove, comment bool) string {
	var out strings.Builder
	done := map[string]bool{}
	skipping := false
	for _, line := range strings.SplitAfter(text, "\n") {
		if line == "" {
			continue
		}
		body := strings.TrimRight(line, "\n")
		trimmed := strings.TrimLeft(body, " \t")
		switch {
		case trimmed == "" || trimmed[0] == '#':
			out.WriteString(line)
			continue
		case trimmed != body: // a continuation
			if skipping && comment {
				out.WriteString("#" + line)
			}
			if !skipping {
				out.WriteString(line)
			}
			continue
		}
		name, _, _ := strings.Cut(trimmed, "=")
		name = strings.TrimSpace(name)
		value, hit := values[name]
		skipping = hit
		switch {
		case !hit:
			out.WriteString(line)
		case comment:
			out.WriteString("#" + line)
		case remove, done[name]:
		default:
			out.WriteString(name + " = " + value + "\n")
			done[name] = true
		}
	}
	if !remove && !comment {
		s := out.String()
		if s != "" && !strings.HasSuffix(s, "\n") {
			out.WriteByte('\n')
		}
		for _, name := range order {
			if !done[name] {
				out.WriteString(name + " = " + values[name] + "\n")
			}
		}
	}
	return out.String()
}
