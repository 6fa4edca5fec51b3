package mailx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/libc"
)

// session is a folder that is being read.
type session struct {
	*program
	file   string
	system bool // the user's inbox: read mail stays or goes to mbox on quit
	owner  string
	quiet  bool

	data []byte // of the file when it was read
	msgs []*message
	dot  int // index of the current message
	seen bool
}

// run opens the folder and does what the options ask.
func (s *session) run(ctx context.Context, headersOnly, check bool, spec string) int {
	data, err := libc.ReadFile(s.p, s.file)
	empty := func() { fmt.Fprintf(s.p.Stderr, "s-nail: No mail for %s at %s\n", s.owner, s.file) }
	if err != nil {
		if s.system && errors.Is(err, syscall.ENOENT) && !check {
			empty()
		}
		fmt.Fprintf(s.p.Stderr, "s-nail: %s: %s\n", s.file, strerror(err))
		return 1
	}
	s.data, s.msgs = data, parseMbox(data)
	if len(s.msgs) == 0 {
		if s.system && !check {
			empty()
		}
		return 1
	}
	s.firstDot()
	switch {
	case check:
		return 0
	case headersOnly:
		s.dot = 0
		for i := range s.msgs {
			s.summary(i)
		}
		return 0
	case spec != "":
		list, problem := s.list(spec, false)
		if problem != "" || len(list) == 0 {
			return 1
		}
		s.dot = -1
		for _, i := range list {
			s.summary(i)
		}
		return 0
	}
	s.greet()
	s.loop = true
	return s.commands(ctx)
}

// firstDot chooses where to start: the first new message, else unread, else the first.
func (s *session) firstDot() {
	for i, m := range s.msgs {
		if !m.read && !m.old {
			s.dot = i
			return
		}
	}
	for i, m := range s.msgs {
		if !m.read {
			s.dot = i
			return
		}
	}
}

func (s *session) greet() {
	if !s.quiet {
		fmt.Fprintf(s.p.Stdout, "s-nail version %s.  Type `?' for help\n", version)
	}
	fresh, unread := 0, 0
	for _, m := range s.msgs {
		if !m.read {
			unread++
			if !m.old {
				fresh++
			}
		}
	}
	text := fmt.Sprintf("%s: %d message%s", s.file, len(s.msgs), plural(len(s.msgs)))
	if fresh > 0 {
		text += fmt.Sprintf(" %d new", fresh)
	}
	if unread > fresh {
		text += fmt.Sprintf(" %d unread", unread)
	}
	fmt.Fprintln(s.p.Stdout, text)
	if !s.quiet {
		s.headers()
	}
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// summary prints one line of the header summary.
func (s *session) summary(i int) {
	m := s.msgs[i]
	mark := byte(' ')
	switch {
	case m.toMbox:
		mark = 'M'
	case m.saved:
		mark = '*'
	case m.answered:
		mark = 'A'
	case m.flagged:
		mark = 'F'
	case !m.read && m.old:
		mark = 'U'
	case !m.read:
		mark = 'N'
	}
	dot := " "
	if i == s.dot {
		dot = "▸"
	}
	from := decodeHeader(m.field("From"))
	who := nameOf(from)
	if who == "" {
		who = addressOf(from)
	}
	lines, size := m.size()
	columns := 21
	if s.tty {
		columns = 22
		if t, ok := libc.Terminal(s.p.Stdout); ok {
			if _, cols := t.Size(); cols > 60 {
				columns = cols - 58
			}
		}
	}
	subject := strings.Repeat(" ", columns)
	if m.field("Subject") != "" {
		subject = `"` + fit(strings.TrimSpace(decodeHeader(m.field("Subject"))), columns) + `"`
	}
	fmt.Fprintf(s.p.Stdout, "%s%c%3d %s  %16s %4d/%-5d %s\n", dot, mark, i+1, fit(who, 20), s.date(m), lines, size, subject)
}

// date is the date column: without the time when it is half a year ago.
func (s *session) date(m *message) string {
	now := libc.LocalTime(s.p)
	text := m.field("Date")
	if i := strings.IndexByte(text, '('); i > 0 {
		text = strings.TrimSpace(text[:i])
	}
	for _, layout := range []string{"Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700"} {
		if t, err := time.Parse(layout, strings.Join(strings.Fields(text), " ")); err == nil {
			t = t.In(now.Location())
			if now.Sub(t) > 182*24*time.Hour || t.Sub(now) > 24*time.Hour {
				return t.Format("2006-01-02")
			}
			return t.Format("2006-01-02 15:04")
		}
	}
	if f := bytes.Fields(m.from); len(f) >= 6 {
		return string(bytes.Join(f[2:6], []byte(" ")))[:16]
	}
	return ""
}

func (s *session) headers() {
	for i, m := range s.msgs {
		if !m.deleted {
			s.summary(i)
		}
	}
}

// list reads a message list; problem is what to complain of.
func (s *session) list(spec string, deleted bool) (out []int, problem string) {
	add := func(i int) {
		if s.msgs[i].deleted == deleted {
			out = append(out, i)
		}
	}
	number := func(w string) (int, bool) {
		switch w {
		case ".":
			return s.dot + 1, true
		case "$":
			return len(s.msgs), true
		case "^":
			return 1, true
		}
		n, err := strconv.Atoi(w)
		return n, err == nil
	}
	for _, w := range strings.FieldsFunc(spec, func(r rune) bool { return r == ' ' || r == ',' }) {
		from, to, ranged := strings.Cut(w, "-")
		a, ok1 := number(from)
		b, ok2 := a, true
		if ranged {
			b, ok2 = number(to)
		}
		switch {
		case w == "*":
			for i := range s.msgs {
				add(i)
			}
		case strings.HasPrefix(w, ":") && len(w) == 2:
			for i, m := range s.msgs {
				hit := map[byte]bool{'n': !m.read && !m.old, 'u': !m.read, 'r': m.read, 'o': m.old, 'd': m.deleted, 'a': m.answered, 'f': m.flagged}[w[1]]
				if hit {
					add(i)
				}
			}
		case ok1 && ok2:
			if a < 1 || a > len(s.msgs) {
				return nil, fmt.Sprintf("%d: Invalid message number", a)
			}
			if b > len(s.msgs) {
				return nil, fmt.Sprintf("%d: Invalid message number", b)
			}
			for i := a; i <= b; i++ {
				add(i - 1)
			}
		default:
			for i, m := range s.msgs {
				if strings.Contains(strings.ToLower(m.field("From")), strings.ToLower(w)) {
					add(i)
				}
			}
		}
	}
	if len(out) == 0 {
		return nil, "No applicable messages"
	}
	return out, ""
}

// shown are the header fields that print shows.
var shown = map[string]bool{"date": true, "from": true, "to": true, "cc": true, "subject": true, "message-id": true, "mail-followup-to": true,
	"reply-to": true, "bcc": true, "openpgp": true, "sender": true}

// print shows a message.
func (s *session) print(i int, all bool) {
	m := s.msgs[i]
	s.dot, s.seen = i, true
	m.read, m.touched = true, true
	lines, size := m.size()
	w := s.p.Stdout
	fmt.Fprintf(w, "[-- Message %2d -- %d lines, %d bytes --]:\n", i+1, lines, size)
	for _, f := range m.fields() {
		if all || shown[strings.ToLower(f.name)] {
			fmt.Fprintf(w, "%s: %s\n", f.name, decodeHeader(unfold(f.value)))
		}
	}
	s.showBody(m)
}

// showBody shows the text of a message, part by part when it has several.
func (s *session) showBody(m *message) {
	w := s.p.Stdout
	kind := m.field("Content-Type")
	if !strings.HasPrefix(strings.ToLower(kind), "multipart/") {
		w.Write([]byte("\n"))
		w.Write(decodeBody(m.field("Content-Transfer-Encoding"), bytes.TrimPrefix(m.body, []byte("\n"))))
		return
	}
	boundary := parameter(kind, "boundary")
	io.WriteString(w, "\n")
	for n, raw := range parts(m.body, boundary) {
		part := parseMessage(raw)
		body := bytes.TrimPrefix(part.body, []byte("\n"))
		kind, _, _ := strings.Cut(part.field("Content-Type"), ";")
		if kind == "" {
			kind = "text/plain"
		}
		charset := parameter(part.field("Content-Type"), "charset")
		if charset == "" {
			charset = "us-ascii"
		}
		encoding := part.field("Content-Transfer-Encoding")
		if encoding == "" {
			encoding = "7bit"
		}
		text := strings.HasPrefix(kind, "text/")
		mark := ""
		if !text {
			mark = "+"
		}
		fmt.Fprintf(w, "\n[-- #1.%d %d/%d %s%s, %s, %s --]\n", n+1, bytes.Count(raw, []byte("\n"))+1, len(raw)+1, mark, kind, encoding, charset)
		if name := parameter(part.field("Content-Disposition"), "filename"); name != "" {
			fmt.Fprintf(w, "[-- %s --]\n", name)
		}
		io.WriteString(w, "\n")
		if !text {
			io.WriteString(w, "[-- No MIME handler installed, or not applicable --]\n")
			continue
		}
		w.Write(decodeBody(encoding, body))
	}
}

// parameter returns a parameter of a MIME header.
func parameter(value, name string) string {
	for _, p := range strings.Split(value, ";") {
		k, v, ok := strings.Cut(strings.TrimSpace(p), "=")
		if ok && strings.EqualFold(k, name) {
			return strings.Trim(v, "\"")
		}
	}
	return ""
}

// parts splits a multipart body.
func parts(body []byte, boundary string) [][]byte {
	var out [][]byte
	if boundary == "" {
		return nil
	}
	sep := []byte("\n--" + boundary)
	pieces := bytes.Split(body, sep)
	for _, p := range pieces[1:] {
		if bytes.HasPrefix(p, []byte("--")) {
			break
		}
		if end := bytes.IndexByte(p, '\n'); end >= 0 {
			out = append(out, p[end+1:])
		}
	}
	return out
}

// commandNames resolves abbreviations, in the order in which they are tried.
var commandNames = []string{"print", "type", "Print", "Type", "next", "delete", "dp", "undelete", "headers", "from", "save", "copy", "write", "quit",
	"exit", "xit", "mbox", "hold", "preserve", "reply", "Reply", "respond", "Respond", "mail", "file", "folder", "top", "unread", "Unread", "new", "size",
	"help", "echo", "set", "unset", "alias", "version", "touch", "flag", "answered"}

// shortNames are abbreviations that do not follow that order.
var shortNames = map[string]string{"p": "print", "t": "type", "n": "next", "d": "delete", "h": "headers", "f": "from", "s": "save", "c": "copy",
	"w": "write", "q": "quit", "x": "exit", "r": "reply", "R": "Reply", "m": "mail", "fi": "file", "?": "help", "ho": "hold", "pre": "hold",
	"P": "Print", "T": "Type", "mb": "mbox", "und": "undelete", "co": "copy", "e": "edit", "U": "unread", "a": "alias"}

// commands reads and obeys until the end.
func (s *session) commands(ctx context.Context) int {
	for ctx.Err() == nil {
		if s.tty {
			io.WriteString(s.p.Stdout, "& ")
		}
		line, ok := s.readLine()
		if !ok {
			s.quit()
			return 0
		}
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "#") {
			continue
		}
		if strings.HasPrefix(text, "!") {
			s.shell(ctx, strings.TrimSpace(text[1:]))
			fmt.Fprintln(s.p.Stdout, "!")
			continue
		}
		end := 0
		for end < len(text) && (text[end] >= 'a' && text[end] <= 'z' || text[end] >= 'A' && text[end] <= 'Z') {
			end++
		}
		verb, arg := text[:end], strings.TrimSpace(text[end:])
		switch {
		case text == "":
			s.next()
			continue
		case text == "=":
			fmt.Fprintln(s.p.Stdout, s.dot+1)
			continue
		case text == "?":
			verb, arg = "help", ""
		case end == 0:
			verb, arg = "print", text
		}
		full := shortNames[verb]
		for _, name := range commandNames {
			if full == "" && strings.HasPrefix(name, verb) && (name == verb || len(verb) > 1) {
				full = name
			}
		}
		if verb == "u" {
			s.complain("Ignoring yet unused `u' command modifier!%s: inappropriate message", arg)
			continue
		}
		if stop, status := s.obey(ctx, full, verb, arg); stop {
			return status
		}
	}
	return 0
}

// next shows the message after the current one.
func (s *session) next() {
	start := s.dot
	if s.seen {
		start++
	}
	for i := start; i < len(s.msgs); i++ {
		if !s.msgs[i].deleted {
			s.print(i, false)
			return
		}
	}
	fmt.Fprintln(s.p.Stdout, "At EOF")
}

// chosen returns the messages of an argument, the current one without; nil when
// a complaint has been made.
func (s *session) chosen(arg string) []int {
	if arg == "" {
		if s.dot < 0 || s.dot >= len(s.msgs) || s.msgs[s.dot].deleted {
			s.complain("No applicable messages")
			return nil
		}
		return []int{s.dot}
	}
	list, problem := s.list(arg, false)
	if problem != "" {
		s.complain("%s", problem)
	}
	return list
}

func (s *session) obey(ctx context.Context, full, verb, arg string) (stop bool, status int) {
	switch full {
	case "print", "type", "Print", "Type", "top":
		for _, i := range s.chosen(arg) {
			s.print(i, full == "Print" || full == "Type")
		}
	case "next":
		s.next()
	case "headers":
		s.headers()
	case "from":
		for _, i := range s.chosen(arg) {
			s.dot = i
			s.summary(i)
		}
	case "delete", "dp":
		s.delete(s.chosen(arg), full == "dp")
	case "undelete":
		if arg == "" {
			arg = strconv.Itoa(s.dot + 1)
		}
		list, problem := s.list(arg, true)
		if problem != "" {
			s.complain("%s", problem)
		}
		for _, i := range list {
			s.msgs[i].deleted = false
			s.msgs[i].read = s.msgs[i].wasRead
			s.dot = i
		}
	case "save", "copy", "write":
		s.save(full, arg)
	case "mbox", "hold", "unread", "Unread", "new", "touch", "flag", "answered":
		for _, i := range s.chosen(arg) {
			m := s.msgs[i]
			switch full {
			case "mbox":
				m.toMbox, m.hold = true, false
			case "hold":
				m.hold, m.toMbox = true, false
			case "unread", "Unread":
				m.read = false
			case "new":
				m.read, m.old = false, false
			case "touch":
				m.touched = true
			case "flag":
				m.flagged = true
			case "answered":
				m.answered = true
			}
			s.dot = i
		}
	case "size":
		for _, i := range s.chosen(arg) {
			lines, size := s.msgs[i].size()
			fmt.Fprintf(s.p.Stdout, "%d: %d/%d\n", i+1, lines, size)
		}
	case "reply", "respond", "Reply", "Respond":
		s.reply(ctx, s.chosen(arg), full == "reply" || full == "respond")
	case "mail":
		s.send(ctx, s.composed(ctx, &draft{to: splitAddresses(strings.ReplaceAll(arg, " ", ",")), from: s.vars["from"]}))
	case "file", "folder":
		if arg != "" {
			s.quit()
			data, err := libc.ReadFile(s.p, libc.Abs(s.p, arg))
			if err != nil {
				s.complain("%s: %s", arg, strerror(err))
				return false, 0
			}
			s.file, s.system, s.data, s.msgs, s.dot, s.seen = libc.Abs(s.p, arg), false, data, parseMbox(data), 0, false
			s.firstDot()
		}
		s.greet()
	case "quit":
		s.quit()
		return true, 0
	case "exit", "xit":
		return true, 0
	case "help":
		io.WriteString(s.p.Stdout, helpText)
	case "echo":
		fmt.Fprintln(s.p.Stdout, arg)
	case "version":
		fmt.Fprintf(s.p.Stdout, "s-nail version %s\n", version)
	case "set":
		for _, w := range shellWords(arg) {
			s.setVar(w)
		}
	case "unset":
		for _, w := range shellWords(arg) {
			delete(s.set, w)
			delete(s.vars, w)
		}
	case "alias":
		if w := shellWords(arg); len(w) > 1 {
			s.program.alias[w[0]] = append(s.program.alias[w[0]], w[1:]...)
		}
	default:
		s.complain("%s: unknown command", verb)
	}
	return false, 0
}

func (s *session) delete(list []int, show bool) {
	if len(list) == 0 {
		return
	}
	for _, i := range list {
		s.msgs[i].deleted = true
	}
	last := list[len(list)-1]
	after, before := -1, -1
	for i, m := range s.msgs {
		if m.deleted {
			continue
		}
		if i > last && after < 0 {
			after = i
		}
		if i < last {
			before = i
		}
	}
	switch {
	case after >= 0:
		s.dot, s.seen = after, false
		if show {
			s.print(after, false)
		}
	case show:
		fmt.Fprintln(s.p.Stdout, "No more messages")
		if before >= 0 {
			s.dot = before
		}
	case before >= 0:
		s.dot = before
	}
}

// save appends messages to a folder, or their text to a file.
func (s *session) save(how, arg string) {
	words := shellWords(arg)
	name := ""
	if n := len(words); n > 0 {
		if _, err := strconv.Atoi(words[n-1]); err != nil || n > 1 {
			name = words[n-1]
			words = words[:n-1]
		}
	}
	list := s.chosen(strings.Join(words, " "))
	if len(list) == 0 {
		return
	}
	shownName := name
	if name == "" {
		name = s.home + "/mbox"
		shownName = name
	}
	file := libc.Abs(s.p, name)
	var b bytes.Buffer
	for _, i := range list {
		m := s.msgs[i]
		if how == "write" {
			b.Write(bytes.TrimSuffix(decodeBody(m.field("Content-Transfer-Encoding"), bytes.TrimPrefix(m.body, []byte("\n"))), []byte("\n")))
			continue
		}
		if m.read && !m.wasRead || name == s.home+"/mbox" {
			m.read = true
			b.Write(m.withStatus(m.wasOld))
		} else {
			b.Write(append(append(append([]byte(nil), m.from...), m.header...), m.body...))
		}
	}
	state := "[New file]"
	if info, err := s.p.Sys.Stat(file); err == nil && info.Size() > 0 {
		state = "[Appended]"
	}
	if err := libc.AppendFile(s.p, file, b.Bytes(), 0o600); err != nil {
		s.complain("%s: %s", name, strerror(err))
		return
	}
	if how == "write" {
		shownName = "file://" + shownName
	}
	fmt.Fprintf(s.p.Stdout, "%s %s %d bytes\n", shownName, state, b.Len())
	for _, i := range list {
		s.msgs[i].touched = true
		s.msgs[i].saved = true
		s.msgs[i].read = true
		s.dot = i
	}
}

// composed runs the composer.
func (s *session) composed(ctx context.Context, d *draft) *draft {
	if s.tty && s.compose(ctx, d) != composeSend {
		d.to = nil
	}
	return d
}

// send sends unless the composing was given up.
func (s *session) send(ctx context.Context, d *draft) {
	if len(d.to) > 0 {
		s.program.send(ctx, d)
	}
}

// reply answers a message; all adds its other recipients.
func (s *session) reply(ctx context.Context, list []int, all bool) {
	if len(list) == 0 {
		return
	}
	i := list[0]
	m := s.msgs[i]
	s.dot = i
	to := m.field("Reply-To")
	if to == "" {
		to = m.field("From")
	}
	d := &draft{to: splitAddresses(to), from: s.vars["from"], hasSubject: true, inReplyTo: m.field("Message-ID")}
	d.references = strings.TrimSpace(m.field("References") + " " + d.inReplyTo)
	d.subject = decodeHeader(m.field("Subject"))
	if !strings.HasPrefix(strings.ToLower(d.subject), "re:") {
		d.subject = "Re: " + d.subject
	}
	if all {
		for _, field := range []string{"To", "Cc"} {
			for _, a := range splitAddresses(m.field(field)) {
				if addressOf(a) != s.user.Name {
					d.cc = append(d.cc, a)
				}
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s wrote:\n\n", strings.Join(splitAddresses(m.field("From")), ", "))
	body := string(decodeBody(m.field("Content-Transfer-Encoding"), bytes.TrimPrefix(m.body, []byte("\n"))))
	for _, line := range strings.Split(strings.TrimRight(body, "\n"), "\n") {
		b.WriteString("> " + line + "\n")
	}
	d.body = b.String()
	d = s.composed(ctx, d)
	if len(d.to) > 0 {
		m.answered, m.read, m.touched = true, true, true
		s.program.send(ctx, d)
	}
}

// quit writes the folder back: deleted messages go, read ones go to mbox unless
// they are held, the others keep their marks.
func (s *session) quit() {
	now, err := libc.ReadFile(s.p, s.file)
	if err != nil {
		return
	}
	var fresh []byte
	if len(now) > len(s.data) && bytes.Equal(now[:len(s.data)], s.data) {
		fresh = now[len(s.data):]
		fmt.Fprintln(s.p.Stdout, "New mail has arrived.")
	}
	var kept, mbox bytes.Buffer
	held, moved, changed := 0, 0, false
	hold := s.isSet("hold") || !s.system
	for _, m := range s.msgs {
		switch {
		case m.deleted:
			changed = true
			continue
		case s.system && (m.toMbox || !hold && !m.hold && m.read && m.touched):
			mbox.Write(m.withStatus(true))
			moved++
			changed = true
			continue
		}
		text := m.withStatus(s.system || m.wasOld || m.touched)
		if !s.system && !m.touched && !m.answered {
			text = append(append(append([]byte(nil), m.from...), m.header...), m.body...)
		}
		kept.Write(text)
		held++
	}
	kept.Write(fresh)
	if !bytes.Equal(kept.Bytes(), now) {
		changed = true
	}
	if moved > 0 {
		if err := libc.AppendFile(s.p, s.home+"/mbox", mbox.Bytes(), 0o600); err != nil {
			s.complain("%s/mbox: %s", s.home, strerror(err))
			return
		}
		fmt.Fprintf(s.p.Stdout, "Saved %d message%s in mbox\n", moved, plural(moved))
	}
	if changed {
		if f, err := s.p.Sys.OpenFile(s.file, os.O_WRONLY|os.O_TRUNC, 0); err != nil {
			s.complain("%s: %s", s.file, strerror(err))
		} else {
			f.Write(kept.Bytes())
			s.p.Stamp(f)
			f.Close()
		}
	}
	if held > 0 && s.system {
		fmt.Fprintf(s.p.Stdout, "Held %d message%s in %s\n", held, plural(held), s.file)
	}
}

const helpText = "mail commands -- <msglist> denotes message specification tokens, e.g.,\n" +
	"1-5, :n, @f@Ulf or . (current, the \"dot\"), separated by *ifs*:\n\n" +
	"type <msglist>         type (`print') messages (honour `headerpick' etc.)\n" +
	"Type <msglist>         like `type' but always show all headers\n" +
	"next                   goto and type next message\n" +
	"headers                header summary ... for messages surrounding \"dot\"\n" +
	"search <msglist>       ... for the given expression list (alias for `from')\n" +
	"delete <msglist>       delete messages (can be `undelete'd)\n\n" +
	"save <msglist> folder  append messages to folder and mark as saved\n" +
	"copy <msglist> folder  like `save', but do not mark them (`move' moves)\n" +
	"write <msglist> file   write message contents to file (prompts for parts)\n" +
	"Reply <msglist>        reply to message sender(s) only\n" +
	"reply <msglist>        like `Reply', but address all recipients\n" +
	"Lreply <msglist>       forced mailing list `reply' (see `mlist')\n\n" +
	"mail <recipients>      compose a mail for the given recipients\n" +
	"file folder            change to another mailbox\n" +
	"File folder            like `file', but open readonly\n" +
	"quit                   quit and apply changes to the current mailbox\n" +
	"xit or exit            like `quit', but discard changes\n" +
	"!shell command         shell escape\n" +
	"list                   show all commands (reacts upon *verbose*)\n"
