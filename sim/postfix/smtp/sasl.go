package smtp

import (
	"encoding/base64"
	"fmt"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
)

// mechanisms are those that the client knows, best first.
var mechanisms = []string{"PLAIN", "LOGIN"}

// login authenticates the client to a server, when there is a password for it
// and both sides can.
func (s *session) login(nexthop string) error {
	offered, ok := s.offers["AUTH"]
	if !ok || !s.Conf.Bool("smtp_sasl_auth_enable") {
		return nil
	}
	entry, found, err := s.passwords.Lookup(s.Log, nexthop)
	if err == nil && !found {
		entry, found, err = s.passwords.Lookup(s.Log, s.host.name)
	}
	if err != nil {
		return talkError{f: service.Fate{Status: "4.3.0", Text: "smtp_sasl_password_maps lookup error"}}
	}
	if !found {
		return nil
	}
	user, password, _ := strings.Cut(entry, ":")
	cannot := func(why string) error {
		return talkError{f: service.Fate{Status: "4.7.0", Text: fmt.Sprintf("SASL authentication failed; cannot authenticate to server %s: %s", s.name(), why)}}
	}
	options := "smtp_sasl_security_options"
	if s.tls {
		options = "smtp_sasl_tls_security_options"
	}
	plain := true
	for _, o := range s.Conf.List(options) {
		plain = plain && o != "noplaintext"
	}
	mechanism := ""
	for _, m := range mechanisms {
		for _, o := range strings.Fields(offered) {
			if mechanism == "" && strings.EqualFold(o, m) && plain {
				mechanism = m
			}
		}
	}
	if mechanism == "" {
		s.Log.Warning("SASL authentication failure: No worthy mechs found")
		return cannot("no mechanism available")
	}
	encode := func(t string) string { return base64.StdEncoding.EncodeToString([]byte(t)) }
	lines := []string{"AUTH PLAIN " + encode("\x00"+user+"\x00"+password)}
	if mechanism == "LOGIN" {
		lines = []string{"AUTH LOGIN", encode(user), encode(password)}
	}
	s.deadline("smtp_mail_timeout")
	for i, line := range lines {
		if err := s.send(line); err != nil {
			return s.broken(err, "performing the SASL handshake")
		}
		rep, err := s.read("performing the SASL handshake")
		if err != nil {
			return err
		}
		if rep.code/100 != 3 && i+1 < len(lines) || i+1 == len(lines) && rep.code/100 != 2 {
			f := s.refused(rep, "AUTH")
			f.Text = fmt.Sprintf("SASL authentication failed; server %s said: %s", s.name(), rep.text)
			if s.Conf.Bool("smtp_sasl_auth_soft_bounce") {
				f.Status = "4" + f.Status[1:]
			}
			return talkError{f: f}
		}
	}
	return nil
}

// passwordTables opens smtp_sasl_password_maps. Their files may be root's alone:
// then master(8) has read them.
func passwordTables(p *host.Proc, c *conf.Config, l *maillog.Logger, given map[string][]byte) table.Maps {
	var m table.Maps
	for _, spec := range conf.SplitList(c.Get("smtp_sasl_password_maps")) {
		d := table.OpenWith(p, c, spec, table.FlagsLookup, func(file string) ([]byte, error) {
			if data, ok := given[file]; ok {
				return data, nil
			}
			return libc.ReadFile(p, file)
		})
		if d.Broken != "" {
			l.Error("%s", d.Broken)
		}
		m = append(m, d)
	}
	return m
}
