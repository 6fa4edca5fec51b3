package mailx

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"enshu/sim/libc"
	"enshu/sim/mailx/format"
)

const shortOptions = "+A:a:Bb:C:c:DdEeFfHhiL:M:m:NnO:q:Rr:S:s:tT:u:VvX:Y:~#"

// parse reads the command line. done is the end of the program, with status.
func (m *program) parse(args []string) (v invocation, sets []string, rc []string, done bool, status int) {
	forced := false
	if i := slices.Index(args, "-."); i >= 0 { // what follows are recipients
		v.args, forced = args[i+1:], true
		args = args[:i]
	}
	for i, a := range args { // getopt(3) has no option called ':'
		if rest, ok := strings.CutPrefix(a, "-:"); ok {
			args = slices.Clone(args)
			if args[i] = "--resource-files=" + rest; rest == "" {
				args[i] = "--resource-files"
			}
		}
	}
	options, operands, err := libc.Getopt(args, shortOptions, longOptions())
	rc = []string{"s", "u"}
	special := "" // which of -M, -m and -q were given
	for _, o := range options {
		switch o.Name {
		case "s":
			v.subject, v.hasSubject, v.sendOnly = o.Value, true, true
			if strings.ContainsAny(v.subject, "\n\r") {
				m.complain("-s: normalizing away invalid ASCII NL / CR bytes")
				v.subject = strings.Map(func(r rune) rune {
					if r == '\n' || r == '\r' {
						return ' '
					}
					return r
				}, v.subject)
			}
		case "c":
			v.cc, v.sendOnly = append(v.cc, o.Value), true
		case "b":
			v.bcc, v.sendOnly = append(v.bcc, o.Value), true
		case "a":
			v.attachments, v.sendOnly = append(v.attachments, o.Value), true
		case "C":
			name, _, ok := strings.Cut(o.Value, ":")
			if !ok || strings.ContainsAny(name, " \t") {
				m.complain("Invalid custom header (not valid \"field: body\"): %s", o.Value)
				return v, nil, nil, true, m.usage("Invalid custom header data with -C")
			}
			v.extra, v.sendOnly = append(v.extra, o.Value), true
		case "M", "m", "q":
			if special != "" && !strings.Contains(special, o.Name) {
				return v, nil, nil, true, m.usage("Only one of -M, -m or -q may be given")
			}
			special += o.Name
			v.sendOnly = true
			switch o.Name {
			case "M":
				v.kind = o.Value
			case "q":
				v.quote = o.Value
			case "m":
				if v.kind = format.KindOf(o.Value); v.kind == "" {
					m.complain("Could not `mimetype'-classify -m argument: %s", o.Value)
					return v, nil, nil, true, 1
				}
				if v.whole = o.Value; v.kind == "text/plain" {
					v.kind = ""
				}
			}
		case "r":
			a := format.AddressOf(o.Value)
			if strings.ContainsAny(a, " ,;\t") || strings.HasSuffix(a, "@") || strings.HasPrefix(a, "@") {
				return v, nil, nil, true, m.usage("Invalid address argument with -r")
			}
			if strings.Contains(a, "@") {
				m.envelope, m.envelopeName = a, format.NameOf(o.Value)
			}
			sets = append(sets, "from="+o.Value)
		case "S":
			sets = append(sets, o.Value)
		case "t":
			v.template, v.sendOnly = true, true
		case "E":
			v.skipEmpty = true
		case "u":
			v.who = o.Value
		case "f":
			v.file = true
		case "H":
			v.headers = true
		case "L":
			v.spec = o.Value
		case "e":
			v.check = true
		case "N":
			v.noHeaders = true
		case "R":
			v.readOnly = true
		case "n":
			rc = slices.DeleteFunc(rc, func(s string) bool { return s == "s" })
		case ":":
			rc = strings.Split(strings.ReplaceAll(o.Value, "/", ""), "")
		case "A":
			v.account = o.Value
		case "~":
			m.commands = true
		case "#":
			m.commands, v.batch = true, true
		case "X":
			v.startup = append(v.startup, o.Value)
		case "Y":
			v.normal = append(v.normal, o.Value)
		case "v":
			m.verbose++
		case "d":
			m.debug = true
		case "V":
			fmt.Fprintf(m.p.Stdout, "s-nail %s, %s (built for Linux)\n", version, versionDate)
			return v, nil, nil, true, 0
		case "h":
			fmt.Fprint(m.p.Stdout, m.help())
			return v, nil, nil, true, 0
		case "long-help":
			fmt.Fprint(m.p.Stdout, m.help(), longOptionsText)
			return v, nil, nil, true, 0
		}
	}
	if err != nil {
		text := err.Error()
		what := strings.Trim(text[strings.Index(text, "'"):], "'-")
		if strings.Contains(text, "requires an argument") {
			return v, nil, nil, true, m.usage("option requires argument: " + what)
		}
		return v, nil, nil, true, m.usage("invalid option: " + what)
	}
	if inputs := strings.Count(special, "M") + strings.Count(special, "m") + strings.Count(special, "q"); v.template && inputs > 0 {
		return v, nil, nil, true, m.usage("The -M, -m, -q and -t options are mutual exclusive.")
	}
	// Words after -- are for the mail system, which no variable lets through here.
	if n := len(args) - len(operands) - 1; !forced && n >= 0 && args[n] == "--" && (len(options) == 0 || options[len(options)-1].Value != "--") {
		operands = append([]string{"--"}, operands...)
	}
	if i := slices.Index(operands, "--"); i >= 0 {
		if len(operands) > i+1 && (i > 0 || !v.sendOnly) {
			m.complain("*expandargv* doesn't allow MTA arguments; consider using *mta-arguments*")
			return v, nil, nil, true, exNoHost
		}
		operands = operands[:i]
		v.sendOnly = true
	}
	v.args = append(operands, v.args...)
	if forced {
		v.sendOnly = true
	}
	return v, sets, rc, false, 0
}

// run does what a command line asks.
func (m *program) run(ctx context.Context, args []string) int {
	m.defaults()
	v, sets, rc, done, status := m.parse(args)
	if done {
		return status
	}
	receiving := v.headers || v.check || v.spec != ""
	switch {
	case v.file && v.sendOnly:
		return m.usage("Cannot give -f and people to send to.")
	case v.who != "" && (len(v.args) > 0 || v.sendOnly):
		return m.usage("The -u option cannot be used in send mode")
	case v.who != "":
		if _, ok := libc.UserByName(m.p, v.who); !ok {
			m.complain("%s is not a user of this system", v.who)
			return 1
		}
	}
	var to []string
	for _, a := range v.args {
		if strings.TrimSpace(a) != "" {
			to = append(to, a)
		}
	}
	sending := !receiving && !v.file && v.who == "" && (len(to) > 0 || v.template)
	if !sending && (v.sendOnly || !receiving && !v.file && v.who == "" && len(v.args) > 0) {
		return m.usage("Send options without primary recipient specified.")
	}
	m.sending = sending
	if slices.Contains(rc, "s") {
		m.source(ctx, "/etc/s-nail.rc", false)
	}
	if slices.Contains(rc, "u") {
		name := m.p.Getenv("MAILRC")
		if name == "" {
			name = m.home + "/.mailrc"
		}
		m.source(ctx, m.path(name), false)
	}
	for _, s := range sets {
		m.set(s)
	}
	if v.account != "" && !m.useAccount(ctx, v.account) && sending {
		return exNoHost
	}
	if v.noHeaders {
		m.unset("header")
	}
	if m.verbose > 0 || m.debug {
		m.complain("Warning -- v15-compat=yes will be default in v14.10.0!")
	}
	s := &session{program: m, readOnly: v.readOnly, onlyRead: v.readOnly}
	for _, line := range v.startup {
		if stop, status := s.command(ctx, line); stop {
			return status
		}
	}
	switch {
	case sending:
		return m.sendMode(ctx, &v, to)
	case v.batch:
		s.batch = true
		for _, line := range v.normal {
			if stop, status := s.command(ctx, line); stop {
				return status
			}
		}
		return s.commands(ctx)
	}
	return s.run(ctx, &v)
}
