package command

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/header"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/trace"
)

// exTempfail and exUnavailable are exit statuses of sysexits(3).
const (
	exTempfail    = 75
	exUnavailable = 69
)

// Sendmail is /usr/sbin/sendmail, also called mailq and newaliases (sendmail(1)).
func Sendmail(ctx context.Context, p *host.Proc) int {
	name := path.Base(p.Args[0])
	name = strings.TrimSuffix(name, ".postfix")
	l := &maillog.Logger{Proc: p, Tag: "postfix/sendmail", Name: name, Stderr: p.Stderr}
	s := &sendmail{p: p, log: l, mode: 'm'}
	switch name {
	case "mailq":
		s.mode = 'p'
	case "newaliases":
		s.mode = 'i'
	}
	rest, ok := s.options(p.Args[1:])
	if !ok {
		return exTempfail
	}
	c, err := conf.Load(ctx, p, nil)
	if err == nil {
		err = c.Check(conf.Global...)
	}
	if !l.Configured(c, err) {
		return exTempfail
	}
	s.c = c
	return s.run(ctx, rest)
}

type sendmail struct {
	p   *host.Proc
	c   *conf.Config
	log *maillog.Logger

	mode                   byte // b option
	sender, fullName       string
	hasSender, hasName     bool
	ignoreDots, fromHeader bool
	verbose                int
	queueRun               string
	hasQueueRun            bool
	notify                 dsn.Notify
	ret, envelopeID        string
}

func (s *sendmail) options(args []string) (rest []string, ok bool) {
	options, rest, err := libc.Getopt(args, "+A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q::tvx", nil)
	if err != nil {
		// Two passes over the options complain.
		fmt.Fprintf(s.p.Stderr, "%s: %s\n%s: %s\n", s.log.Name, err, s.log.Name, err)
		s.log.Fatal("usage: sendmail [options]")
		return nil, false
	}
	for _, o := range options {
		switch o.Name {
		case "b":
			s.mode = 0
			if o.Value != "" {
				s.mode = o.Value[0]
			}
			if !strings.ContainsRune("mpivsdl", rune(s.mode)) {
				s.log.Fatal("unsupported: -b%s", o.Value)
				return nil, false
			}
		case "f", "r":
			s.sender, s.hasSender = o.Value, true
		case "F":
			s.fullName, s.hasName = o.Value, true
		case "I":
			s.mode = 'i'
		case "i":
			s.ignoreDots = true
		case "o":
			if o.Value == "i" {
				s.ignoreDots = true
			}
		case "t":
			s.fromHeader = true
		case "v":
			s.verbose++
		case "q":
			s.queueRun, s.hasQueueRun = o.Value, true
		case "N":
			n, ok := dsn.ParseNotify(o.Value)
			if !ok {
				s.log.Warning("unknown DSN NOTIFY command value \"%s\" in \"%s\"", dsn.BadNotify(o.Value), o.Value)
				s.log.Warning("bad -N option value -- ignored")
			} else {
				s.notify = n
			}
		case "R":
			if !strings.EqualFold(o.Value, "full") && !strings.EqualFold(o.Value, "hdrs") {
				s.log.Warning("bad -R option value -- ignored")
			} else {
				s.ret = o.Value
			}
		case "V":
			s.envelopeID = o.Value
		case "n":
			s.log.Fatal("-n option not supported")
			return nil, false
		case "C":
			dir := o.Value
			if path.Base(dir) == "main.cf" {
				dir = path.Dir(dir)
			}
			s.p.Env = append(s.p.Env, "MAIL_CONFIG="+dir)
		}
	}
	return rest, true
}

func (s *sendmail) run(ctx context.Context, args []string) int {
	bin := s.c.Get("command_directory")
	exec := func(argv ...string) int {
		st := s.p.Exec(ctx, argv...)
		if st == 127 {
			s.log.Fatal("execvp %s: No such file or directory", argv[0])
			return exTempfail
		}
		return st
	}
	switch {
	case s.hasQueueRun && s.mode == 'm':
		switch {
		case s.queueRun == "":
			return exec(bin+"/postqueue", "-f")
		case s.queueRun[0] == 'R':
			return exec(bin+"/postqueue", "-s", s.queueRun[1:])
		case s.queueRun[0] == 'I':
			return exec(bin+"/postqueue", "-i", s.queueRun[1:])
		}
		return 0
	case s.mode == 'p':
		return exec(bin+"/postqueue", "-p")
	case s.mode == 'i':
		argv := append([]string{bin + "/postalias"}, s.c.List("alias_database")...)
		return exec(argv...)
	case s.mode == 's':
		return exec(s.c.Get("daemon_directory")+"/smtpd", "-S")
	case (s.mode == 'd' || s.mode == 'l') && len(args) > 0:
		s.log.Fatal("daemon mode requires no recipient")
		return exTempfail
	case s.mode == 'd', s.mode == 'l':
		exec(bin+"/postfix", "start")
		return 0
	}
	return s.submit(ctx, args)
}

// login returns the name of the user and what fatal errors begin with.
func (s *sendmail) login() (name, prefix string) {
	name = libc.UserName(s.p, s.p.UID)
	return name, fmt.Sprintf("%s(%d): ", name, s.p.UID)
}

// fullNameOf is a user's name from the GECOS field.
func fullNameOf(u libc.User) string {
	name, _, _ := strings.Cut(u.FullName, ",")
	if strings.Contains(name, "&") && u.Name != "" {
		name = strings.ReplaceAll(name, "&", strings.ToUpper(u.Name[:1])+u.Name[1:])
	}
	return name
}

// submit takes a message and drops it into the queue.
func (s *sendmail) submit(ctx context.Context, args []string) int {
	login, who := s.login()
	if !s.fromHeader && len(args) == 0 {
		s.log.Fatal("%sRecipient addresses must be specified on the command line or via the -t option", who)
		return exTempfail
	}
	m := &service.Dropped{Sender: login, FullName: s.fullName, Attrs: queue.DSNAttrs(s.ret, s.envelopeID)}
	if s.hasSender {
		m.Sender = ""
		if boxes := mailaddr.Parse(s.sender); len(boxes) > 0 {
			m.Sender = boxes[0].Address
		}
	}
	if !s.hasName {
		if v := s.p.Getenv("NAME"); v != "" {
			m.FullName = v
		} else if u, ok := libc.UserByID(s.p, s.p.UID); ok {
			m.FullName = fullNameOf(u)
		}
	}
	for _, a := range args {
		boxes := mailaddr.Parse(a)
		if len(boxes) == 0 {
			boxes = []mailaddr.Mailbox{{}}
		}
		for _, b := range boxes {
			m.Recipients = append(m.Recipients, queue.Recipient{Address: b.Address, Notify: s.notify})
		}
	}
	if s.mode == 'v' {
		m.Flags = service.FlagVerify
		var b strings.Builder
		fmt.Fprintf(&b, "From: %s\nSubject: probe\nTo:", mailaddr.External(m.Sender))
		for i, r := range m.Recipients {
			if i > 0 {
				b.WriteString(",\n")
			}
			b.WriteString("\t" + mailaddr.External(r.Address))
		}
		b.WriteString("\n")
		m.Text = []byte(b.String())
	} else {
		if s.verbose == 1 {
			m.Flags = service.FlagRecord
		}
		if err := s.read(m); err != nil {
			s.log.Fatal("%serror reading input: %s", who, libc.Strerror(err))
			return exTempfail
		}
	}
	if s.fromHeader {
		fields, _ := header.Split(m.Text)
		for _, h := range fields {
			switch strings.ToLower(h.Name) {
			case "to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc":
				for _, b := range mailaddr.Parse(h.Value()) {
					m.Recipients = append(m.Recipients, queue.Recipient{Address: b.Address, Notify: s.notify})
				}
			}
		}
		if len(m.Recipients) == 0 {
			s.log.Fatal("%sNo recipient addresses found in message header", who)
			return exTempfail
		}
	}
	s.note(m)
	if err := service.Postdrop(ctx, s.p, s.c, s.log, m); err != nil {
		s.log.Fatal("%s%s", who, err)
		return exTempfail
	}
	if m.Flags != 0 {
		fmt.Fprintf(s.p.Stdout, "Mail Delivery Status Report will be mailed to <%s>.\n", mailaddr.External(m.Sender))
	}
	return 0
}

// note tells the trace of the submission.
func (s *sendmail) note(m *service.Dropped) {
	fields, _ := header.Split(m.Text)
	attrs := trace.Attrs{"sender": m.Sender}
	var to []string
	for _, r := range m.Recipients {
		to = append(to, r.Address)
	}
	attrs["recipients"] = strings.Join(to, " ")
	for _, h := range fields {
		switch strings.ToLower(h.Name) {
		case "subject":
			attrs["subject"] = strings.TrimSpace(h.Value())
		case "message-id":
			attrs["message-id"] = strings.TrimSpace(h.Value())
		}
	}
	s.log.Emit(trace.MailSubmitted, attrs)
}

// read takes the message from standard input: From_ lines are dropped, a line
// with a dot ends it unless that was switched off.
func (s *sendmail) read(m *service.Dropped) error {
	var b bytes.Buffer
	r := bufio.NewReader(s.p.Stdin)
	first := true
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			ended := bytes.HasSuffix(line, []byte("\n"))
			text := bytes.TrimSuffix(line, []byte("\n"))
			if s.c.Get("sendmail_fix_line_endings") != "never" {
				text = bytes.TrimSuffix(text, []byte("\r"))
			}
			skip := first && (bytes.HasPrefix(text, []byte("From ")) || bytes.HasPrefix(text, []byte(">From ")))
			first = first && skip
			if !s.ignoreDots && string(text) == "." {
				break
			}
			if !skip {
				b.Write(text)
				if ended {
					b.WriteByte('\n')
				}
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	m.Text = b.Bytes()
	return nil
}
