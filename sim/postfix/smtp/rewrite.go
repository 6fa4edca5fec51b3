package smtp

import (
	"bytes"
	"slices"
	"strings"

	"enshu/sim/host"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/header"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/mime"
	"enshu/sim/postfix/table"
)

// outbound is what becomes of a mail when it leaves this host: addresses by
// generic(5), lines by smtp_header_checks and its kin (header_checks(5)).
type outbound struct {
	conf        *conf.Config
	log         *maillog.Logger
	generic     table.Maps
	destination *table.List
	checks      map[string]table.Maps // by the name of their parameter
}

// checkParams are the parameters of tables by kind of header; the last is for
// lines of the body.
var checkParams = [...]string{mime.Primary: "smtp_header_checks", mime.Part: "smtp_mime_header_checks", mime.Nested: "smtp_nested_header_checks", bodyChecks: "smtp_body_checks"}

const bodyChecks = mime.Nested + 1

func newOutbound(p *host.Proc, c *conf.Config, l *maillog.Logger) *outbound {
	open := func(name string) table.Maps { return table.OpenMaps(p, c, l, c.Get(name), table.FlagsLookup) }
	o := &outbound{conf: c, log: l, generic: open("smtp_generic_maps"), checks: map[string]table.Maps{}}
	o.destination = table.OpenList(p, c, l, "mydestination", false)
	for _, name := range checkParams {
		if maps := open(name); len(maps) > 0 {
			o.checks[name] = maps
		}
	}
	return o
}

// tables are those that are opened anew when they change.
func (o *outbound) tables() table.Maps {
	all := slices.Clone(o.generic)
	for _, maps := range o.checks {
		all = append(all, maps...)
	}
	return all
}

// address maps an address by smtp_generic_maps.
func (o *outbound) address(address string) (string, error) {
	if address == "" || len(o.generic) == 0 {
		return address, nil
	}
	local := func(domain string) bool {
		ours, _ := o.destination.Match(o.log, domain, "")
		return ours || strings.EqualFold(domain, o.conf.Get("myorigin"))
	}
	to, extension, ok, err := o.generic.Address(o.log, address, o.conf.Get("recipient_delimiter"), local, true)
	if err != nil || !ok {
		return address, err
	}
	user, domain, has := mailaddr.Split(to)
	if user == "" {
		user, _, _ = mailaddr.Split(address)
		extension = ""
	}
	if !has {
		domain = o.conf.Get("myorigin")
	}
	return user + extension + "@" + domain, nil
}

// text returns the message id as it is sent.
func (o *outbound) text(id string, text []byte) ([]byte, error) {
	if len(o.generic)+len(o.checks) == 0 {
		return text, nil
	}
	var out bytes.Buffer
	var failed error
	mime.Walk(text, mime.Visitor{
		Done: func() bool { return failed != nil },
		Field: func(k mime.Kind, f header.Field) {
			lines := string(bytes.Join(f.Lines, []byte("\n")))
			if header.AddressFields[strings.ToLower(f.Name)] && k == mime.Primary && len(o.generic) > 0 {
				lines, failed = o.addresses(f, lines)
			}
			o.line(&out, id, checkParams[k], "header", lines+"\n")
		},
		Line: func(line []byte) { o.line(&out, id, checkParams[bodyChecks], "body", string(line)) },
	})
	return out.Bytes(), failed
}

// addresses maps those of a header field.
func (o *outbound) addresses(f header.Field, lines string) (string, error) {
	boxes, changed := mailaddr.ParseField(f.Value()), false
	var list []string
	for _, m := range boxes {
		to, err := o.address(m.Address)
		if err != nil {
			return lines, err
		}
		changed = changed || to != m.Address
		m.Address = to
		list = append(list, m.Format())
	}
	if !changed {
		return lines, nil
	}
	return strings.Join(header.Fold(f.Name, list), "\n"), nil
}

// line writes what a table makes of a line, or of a header with its continuation
// lines. What would end or delay the delivery is not for smtp(8) to do.
func (o *outbound) line(out *bytes.Buffer, id, param, what, line string) {
	text, end := strings.TrimSuffix(line, "\n"), line[len(strings.TrimSuffix(line, "\n")):]
	value, ok, err := o.checks[param].Lookup(o.log, text)
	if err != nil || !ok {
		out.WriteString(line)
		return
	}
	verb, arg, _ := strings.Cut(strings.TrimSpace(value), " ")
	arg = strings.TrimSpace(arg)
	tell := func() {
		said := ""
		if arg != "" {
			said = ": " + arg
		}
		action := strings.ToLower(verb)
		if action == "warn" {
			action = "warning"
		}
		o.log.Info("%s: %s: %s %.200s%s", id, action, what, maillog.OneLine(text), said)
	}
	switch strings.ToUpper(verb) {
	case "IGNORE":
	case "STRIP":
		tell()
	case "REPLACE":
		tell()
		out.WriteString(arg + end)
	case "PREPEND":
		tell()
		out.WriteString(arg + "\n" + line)
	case "WARN", "INFO":
		tell()
		out.WriteString(line)
	case "DUNNO", "OK":
		out.WriteString(line)
	default:
		o.log.Warning("unknown command in %s map: %s", param, value)
		out.WriteString(line)
	}
}
