package postfix

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
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
	l := &logger{p: p, tag: "postfix/sendmail", name: name, stderr: p.Stderr}
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
	c, err := loadConfig(ctx, p, nil)
	if err == nil {
		err = c.check(globalParameters...)
	}
	if err != nil {
		l.fatal("%s", err)
		return exTempfail
	}
	s.c = c
	return s.run(ctx, rest)
}

type sendmail struct {
	p   *host.Proc
	c   *Config
	log *logger

	mode                   byte // b option
	sender, fullName       string
	hasSender, hasName     bool
	ignoreDots, fromHeader bool
	verbose                int
	queueRun               string
	hasQueueRun            bool
	notify                 dsnNotify
}

func (s *sendmail) options(args []string) (rest []string, ok bool) {
	options, rest, err := libc.Getopt(args, "+A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q::tvx", nil)
	if err != nil {
		// Two passes over the options complain.
		fmt.Fprintf(s.p.Stderr, "%s: %s\n%s: %s\n", s.log.name, err, s.log.name, err)
		s.log.fatal("usage: sendmail [options]")
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
				s.log.fatal("unsupported: -b%s", o.Value)
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
			n, ok := parseNotify(o.Value)
			if !ok {
				s.log.warning("unknown DSN NOTIFY command value \"%s\" in \"%s\"", badNotify(o.Value), o.Value)
				s.log.warning("bad -N option value -- ignored")
			} else {
				s.notify = n
			}
		case "R":
			if !strings.EqualFold(o.Value, "full") && !strings.EqualFold(o.Value, "hdrs") {
				s.log.warning("bad -R option value -- ignored")
			}
		case "n":
			s.log.fatal("-n option not supported")
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

// badNotify returns the word of a -N value that means nothing.
func badNotify(value string) string {
	for _, w := range strings.Split(value, ",") {
		if _, ok := parseNotify(w); !ok {
			return w
		}
	}
	return value
}

func (s *sendmail) run(ctx context.Context, args []string) int {
	bin := s.c.get("command_directory")
	exec := func(argv ...string) int {
		st := s.p.Exec(ctx, argv...)
		if st == 127 {
			s.log.fatal("execvp %s: No such file or directory", argv[0])
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
		argv := append([]string{bin + "/postalias"}, s.c.list("alias_database")...)
		return exec(argv...)
	case s.mode == 's':
		return exec(s.c.get("daemon_directory")+"/smtpd", "-S")
	case (s.mode == 'd' || s.mode == 'l') && len(args) > 0:
		s.log.fatal("daemon mode requires no recipient")
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
		s.log.fatal("%sRecipient addresses must be specified on the command line or via the -t option", who)
		return exTempfail
	}
	m := &dropped{sender: login, fullName: s.fullName}
	if s.hasSender {
		m.sender = ""
		if boxes := parseAddresses(s.sender); len(boxes) > 0 {
			m.sender = boxes[0].address
		}
	}
	if !s.hasName {
		if v := s.p.Getenv("NAME"); v != "" {
			m.fullName = v
		} else if u, ok := libc.UserByID(s.p, s.p.UID); ok {
			m.fullName = fullNameOf(u)
		}
	}
	for _, a := range args {
		boxes := parseAddresses(a)
		if len(boxes) == 0 {
			boxes = []mailbox{{}}
		}
		for _, b := range boxes {
			m.recipients = append(m.recipients, recipient{Address: b.address, Notify: s.notify})
		}
	}
	if s.mode == 'v' {
		m.flags = flagVerify
		var b strings.Builder
		fmt.Fprintf(&b, "From: %s\nSubject: probe\nTo:", external(m.sender))
		for i, r := range m.recipients {
			if i > 0 {
				b.WriteString(",\n")
			}
			b.WriteString("\t" + external(r.Address))
		}
		b.WriteString("\n")
		m.text = []byte(b.String())
	} else {
		if s.verbose == 1 {
			m.flags = flagRecord
		}
		if err := s.read(m); err != nil {
			s.log.fatal("%serror reading input: %s", who, libc.Strerror(err))
			return exTempfail
		}
	}
	if s.fromHeader {
		fields, _ := splitHeader(m.text)
		for _, h := range fields {
			switch strings.ToLower(h.name) {
			case "to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc":
				for _, b := range parseAddresses(h.value()) {
					m.recipients = append(m.recipients, recipient{Address: b.address, Notify: s.notify})
				}
			}
		}
		if len(m.recipients) == 0 {
			s.log.fatal("%sNo recipient addresses found in message header", who)
			return exTempfail
		}
	}
	s.note(m)
	if err := postdrop(ctx, s.p, s.c, s.log, m); err != nil {
		s.log.fatal("%s%s", who, err)
		return exTempfail
	}
	if m.flags != 0 {
		fmt.Fprintf(s.p.Stdout, "Mail Delivery Status Report will be mailed to <%s>.\n", external(m.sender))
	}
	return 0
}

// note tells the trace of the submission.
func (s *sendmail) note(m *dropped) {
	fields, _ := splitHeader(m.text)
	attrs := trace.Attrs{"sender": m.sender}
	var to []string
	for _, r := range m.recipients {
		to = append(to, r.Address)
	}
	attrs["recipients"] = strings.Join(to, " ")
	for _, h := range fields {
		switch strings.ToLower(h.name) {
		case "subject":
			attrs["subject"] = strings.TrimSpace(h.value())
		case "message-id":
			attrs["message-id"] = strings.TrimSpace(h.value())
		}
	}
	s.log.emit(trace.MailSubmitted, attrs)
}

// read takes the message from standard input: From_ lines are dropped, a line
// with a dot ends it unless that was switched off.
func (s *sendmail) read(m *dropped) error {
	var b bytes.Buffer
	r := bufio.NewReader(s.p.Stdin)
	first := true
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			ended := bytes.HasSuffix(line, []byte("\n"))
			text := bytes.TrimSuffix(line, []byte("\n"))
			if s.c.get("sendmail_fix_line_endings") != "never" {
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
	m.text = b.Bytes()
	return nil
}

// dropped is a message on its way to maildrop.
type dropped struct {
	sender, fullName string
	recipients       []recipient
	flags            int
	text             []byte
}

// encode writes the message as a maildrop file.
func (m *dropped) encode(now time.Time, lineLimit int) []byte {
	var b []byte
	if m.flags != 0 {
		b = appendRecord(b, recSize, fmt.Sprintf("%15d %15d %15d %15d %15d %15d", 0, 0, 0, m.flags, 0, 0))
	}
	b = appendRecord(b, recTime, timeRecord(now))
	b = appendRecord(b, recAttr, "rewrite_context=local")
	b = appendRecord(b, recFull, m.fullName)
	b = appendRecord(b, recSender, m.sender)
	for _, r := range m.recipients {
		if r.DSNOriginal != "" {
			b = appendRecord(b, recAttr, "dsn_orig_rcpt="+r.DSNOriginal)
		}
		if r.Notify != 0 {
			b = appendRecord(b, recAttr, fmt.Sprintf("notify_flags=%d", r.Notify))
		}
		b = appendRecord(b, recRcpt, r.Address)
	}
	b = appendRecord(b, recMessage, "")
	whole, tail := m.text, []byte(nil)
	if end := bytes.LastIndexByte(whole, '\n'); end+1 < len(whole) {
		whole, tail = whole[:end+1], whole[end+1:]
	}
	b = appendContent(b, whole, lineLimit)
	if len(tail) > 0 { // that the last line does not end is for cleanup(8) to see
		b = appendRecord(b, recCont, string(tail))
	}
	b = appendRecord(b, recExtract, "")
	return appendRecord(b, recEnd, "")
}

var errTooBig = errors.New("message file too big")

// postdrop hands a message to postdrop(1), which may write to maildrop.
func postdrop(ctx context.Context, p *host.Proc, c *Config, l *logger, m *dropped) error {
	var out bytes.Buffer
	child, err := p.Start(host.Cmd{Path: c.get("command_directory") + "/postdrop", Args: []string{"postdrop", "-r"},
		Stdin: bytes.NewReader(m.encode(p.Now(), c.int("line_length_limit"))), Stdout: &out, Stderr: p.Stderr})
	if err != nil {
		return fmt.Errorf("unable to execute %s/postdrop: %s", c.get("command_directory"), libc.Strerror(err))
	}
	st, err := child.Wait(ctx)
	switch {
	case err != nil:
		return errQueue
	case st.Success():
		return nil
	case strings.TrimSpace(out.String()) == "size":
		return errTooBig
	}
	return errors.New("queue file write error")
}

// Postdrop is /usr/sbin/postdrop (postdrop(1)), which is set-group-id to the
// group that may write to maildrop.
func Postdrop(ctx context.Context, p *host.Proc) int {
	l := commandLog(p, "postdrop")
	c, err := loadConfig(ctx, p, nil)
	if err == nil {
		err = c.check(globalParameters...)
	}
	if err != nil {
		l.fatal("%s", err)
		return 1
	}
	limit := c.int64("message_size_limit")
	var r io.Reader = p.Stdin
	if limit > 0 {
		r = io.LimitReader(r, limit+1)
	}
	data, err := io.ReadAll(r)
	if err == nil && limit > 0 && int64(len(data)) > limit {
		err = syscall.EFBIG
	}
	if err != nil {
		l.warning("uid=%d: %s", p.UID, libc.Strerror(err))
		fmt.Fprintln(p.Stdout, "size")
		return 1
	}
	if _, err := decodeEnvelope(bufio.NewReader(bytes.NewReader(data))); err != nil || !bytes.HasSuffix(data, appendRecord(nil, recEnd, "")) {
		l.fatal("uid=%d: malformed input", p.UID)
		return 1
	}
	q := openQueue(p, c)
	id, f, err := q.create(qMaildrop)
	if err != nil {
		l.warning("mail_queue_enter: create file maildrop/%s: %s", id, libc.Strerror(err))
		return 1
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	p.Stamp(f)
	f.Close()
	if err == nil {
		err = p.Sys.Chmod(q.path(qMaildrop, id), modeDropped)
	}
	if err != nil {
		l.warning("uid=%d: %s", p.UID, libc.Strerror(err))
		q.remove(qMaildrop, id)
		return 1
	}
	d := &daemon{p: p, c: c, log: l, q: q}
	if err := d.poke(ctx, pickupSocket, "incoming"); errors.Is(err, syscall.ENOENT) {
		l.warning("unable to look up public/pickup: No such file or directory")
	}
	return 0
}
