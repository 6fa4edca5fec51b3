package distro

import (
	"io/fs"

	"enshu/sim/host"
	"enshu/sim/postfix/cleanup"
	"enshu/sim/postfix/command"
	"enshu/sim/postfix/local"
	"enshu/sim/postfix/master"
	"enshu/sim/postfix/qmgr"
	"enshu/sim/postfix/rewrite"
	"enshu/sim/postfix/smtp"
	"enshu/sim/postfix/smtpd"
)

func postfixPackage() Package {
	spool := func(mode fs.FileMode) File { return File{Mode: fs.ModeDir | mode, User: "postfix"} }
	q := "/var/spool/postfix/"
	return Package{
		Name: "postfix", Epoch: 2, Version: "3.5.25", Release: "1.el9", Arch: "x86_64",
		Summary: "Postfix Mail Transport Agent",
		Programs: map[string]host.Program{
			"/usr/sbin/postfix":                    command.Postfix,
			"/usr/sbin/postalias":                  command.Postalias,
			"/usr/sbin/postcat":                    command.Postcat,
			"/usr/sbin/postconf":                   command.Postconf,
			"/usr/sbin/postdrop":                   command.Postdrop,
			"/usr/sbin/postlog":                    command.Postlog,
			"/usr/sbin/postmap":                    command.Postmap,
			"/usr/sbin/postqueue":                  command.Postqueue,
			"/usr/sbin/postsuper":                  command.Postsuper,
			"/usr/sbin/sendmail.postfix":           command.Sendmail,
			"/usr/libexec/postfix/master":          master.Master,
			"/usr/libexec/postfix/pickup":          cleanup.Pickup,
			"/usr/libexec/postfix/qmgr":            qmgr.Qmgr,
			"/usr/libexec/postfix/cleanup":         cleanup.Cleanup,
			"/usr/libexec/postfix/trivial-rewrite": rewrite.TrivialRewrite,
			"/usr/libexec/postfix/local":           local.Local,
			"/usr/libexec/postfix/smtp":            smtp.SMTP,
			"/usr/libexec/postfix/smtpd":           smtpd.SMTPD,
			"/usr/libexec/postfix/bounce":          qmgr.Bounce,
			"/usr/libexec/postfix/error":           qmgr.Error,
			"/usr/libexec/postfix/discard":         qmgr.Discard,
			"/usr/libexec/postfix/showq":           qmgr.Showq,
			"/usr/libexec/postfix/anvil":           smtpd.Anvil,
			"/usr/libexec/postfix/aliasesdb":       command.AliasesDB,
		},
		Files: map[string]File{
			"/usr/sbin/postdrop":  {Mode: 0o755 | fs.ModeSetgid, Group: "postdrop"},
			"/usr/sbin/postqueue": {Mode: 0o755 | fs.ModeSetgid, Group: "postdrop"},
			// What alternatives(8) set at the installation; /var/lib/alternatives/mta is its note of it.
			"/etc/alternatives/mta":            {Link: "/usr/sbin/sendmail.postfix"},
			"/etc/alternatives/mta-mailq":      {Link: "/usr/bin/mailq.postfix"},
			"/etc/alternatives/mta-newaliases": {Link: "/usr/bin/newaliases.postfix"},
			"/usr/sbin/sendmail":               {Link: "/etc/alternatives/mta"},
			"/usr/lib/sendmail":                {Link: "/etc/alternatives/mta-sendmail"},
			"/etc/alternatives/mta-sendmail":   {Link: "/usr/lib/sendmail.postfix"},
			"/usr/lib/sendmail.postfix":        {Link: "../sbin/sendmail.postfix"},
			"/usr/bin/mailq":                   {Link: "/etc/alternatives/mta-mailq"},
			"/usr/bin/newaliases":              {Link: "/etc/alternatives/mta-newaliases"},
			"/usr/bin/mailq.postfix":           {Link: "../sbin/sendmail.postfix"},
			"/usr/bin/newaliases.postfix":      {Link: "../sbin/sendmail.postfix"},
			"/etc/postfix":                     {Mode: fs.ModeDir | 0o755},
			"/var/lib/postfix":                 {Mode: fs.ModeDir | 0o700, User: "postfix"},
			"/var/spool/postfix":               {Mode: fs.ModeDir | 0o755},
			q + "active":                       spool(0o700), q + "bounce": spool(0o700), q + "corrupt": spool(0o700), q + "defer": spool(0o700),
			q + "deferred": spool(0o700), q + "flush": spool(0o700), q + "hold": spool(0o700), q + "incoming": spool(0o700),
			q + "private": spool(0o700), q + "saved": spool(0o700), q + "trace": spool(0o700),
			q + "maildrop": {Mode: fs.ModeDir | 0o730, User: "postfix", Group: "postdrop"},
			q + "public":   {Mode: fs.ModeDir | 0o710, User: "postfix", Group: "postdrop"},
			q + "pid":      {Mode: fs.ModeDir | 0o755},
		},
		Users:  []string{"postfix:x:89:89::/var/spool/postfix:/sbin/nologin"},
		Groups: []string{"postdrop:x:90:", "postfix:x:89:"},
	}
}
