package mailx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"enshu/sim/libc"
	"enshu/sim/mailx/format"
	"enshu/sim/mailx/mbox"
)

// session is a folder that is being read; without one msgs is nil.
type session struct {
	*program
	file      string
	before    string // the folder before this one: #
	system    bool   // the user's inbox: read mail stays or goes to mbox on quit
	maildir   bool
	readOnly  bool
	onlyRead  bool // -R: every folder is read-only
	composing bool // there is no folder, but a letter in send mode
	batch     bool // -#: commands from a pipe may do what a user may
	owner     string

	data   []byte // of the file when it was read
	msgs   []*mbox.Message
	dot    int  // index of the current message
	old    int  // index of the one that was current before
	seen   bool // the current message has been shown
	last   []int
	search string // the last text that / looked for
	lead   int    // the first message of the first word of the last message list
	sorted string // what sort was told last
	order  []int  // in which the summary lists messages; nil is that of the folder
}

// run opens the folder and does what the options ask.
func (s *session) run(ctx context.Context, v *invocation) int {
	file, system, owner := s.inbox(""), true, s.user.Name
	shown := file
	switch {
	case v.who != "":
		file, owner = s.inbox(v.who), v.who
		shown = file
	case v.file && len(v.args) > 0:
		shown = v.args[0]
		file = libc.Abs(s.p, s.folder(shown))
		system = file == s.inbox("")
	case v.file:
		file, system = s.path(s.vars["MBOX"]), false
		shown = file
	}
	if real := s.resolved(file); real != file {
		file, shown = real, real
	}
	if err := s.open(file, system, owner); err != nil {
		if system && errors.Is(err, syscall.ENOENT) && !v.check && !v.headers {
			s.noMail(owner, file)
		}
		s.complain("%s: %s", shown, strerror(err))
		return 1
	}
	if len(s.msgs) == 0 {
		if s.system && !v.check {
			s.noMail(owner, file)
			return 1
		}
		return 1
	}
	if v.spec != "" && v.headers {
		s.complain("Obsoletion warning: please use \"-e -L xy\" instead of \"-H -L xy\"")
	}
	switch {
	case v.spec != "":
		list, problem := s.list(s.words(v.spec), false)
		if v.check {
			if problem != "" {
				return 1
			}
			return 0
		}
		if problem != "" {
			s.complain("%s", problem)
			return 0
		}
		s.dot = 0
		for _, i := range list {
			s.summary(i, 21)
		}
		return 0
	case v.check:
		return 0
	case v.headers:
		if s.dot = 0; s.maildir {
			s.dot = -1
		}
		for i := range s.msgs {
			s.summary(i, 21)
		}
		return 0
	}
	if !s.isSet("quiet") {
		fmt.Fprintf(s.p.Stdout, "s-nail version %s.  Type `?' for help\n", version)
	}
	if s.isSet("header") {
		s.greet()
		if len(s.msgs) > 0 {
			s.headers(s.dot)
		}
	}
	for _, line := range v.normal {
		if stop, status := s.command(ctx, line); stop {
			return status
		}
	}
	return s.commands(ctx)
}

func (s *session) noMail(owner, file string) { s.complain("No mail for %s at %s", owner, file) }

// inbox is the system mailbox of a user: $MAIL is the own one.
func (s *session) inbox(user string) string {
	if user == "" {
		if file := s.p.Getenv("MAIL"); file != "" {
			return file
		}
		user = s.user.Name
	}
	return "/var/mail/" + user
}

// resolved is a file of the system mailbox by its real name, when it is there:
// /var/mail is a symbolic link.
func (s *session) resolved(file string) string {
	rest, ok := strings.CutPrefix(file, "/var/mail/")
	if !ok {
		return file
	}
	target, err := s.p.Sys.Readlink("/var/mail")
	if err != nil {
		return file
	}
	real := path.Join("/var", target, rest)
	if path.IsAbs(target) {
		real = path.Join(target, rest)
	}
	if _, err := s.p.Sys.Stat(real); err != nil {
		return file
	}
	return real
}

// folder is the file that the name of a folder stands for (s-nail(1), "folder").
func (s *session) folder(name string) string {
	switch {
	case name == "%":
		return s.inbox("")
	case strings.HasPrefix(name, "%") && !strings.HasPrefix(name, "%:"):
		return s.inbox(name[1:])
	case name == "#":
		return s.before
	case name == "&":
		return s.path(s.vars["MBOX"])
	case strings.HasPrefix(name, "+") && s.vars["folder"] != "":
		return s.inFolder(name[1:])
	case strings.HasPrefix(name, "file://"):
		return strings.TrimPrefix(name, "file://")
	}
	return s.path(name)
}

// inFolder is a name below the variable folder, which is below the home.
func (m *program) inFolder(name string) string {
	dir := m.path(m.vars["folder"])
	if !strings.HasPrefix(dir, "/") {
		dir = m.home + "/" + dir
	}
	return dir + "/" + name
}

// open reads a folder.
func (s *session) open(file string, system bool, owner string) error {
	var msgs []*mbox.Message
	var data []byte
	info, err := s.p.Sys.Stat(file)
	if err != nil {
		return err
	}
	maildir := info.IsDir()
	if maildir {
		msgs, err = s.readMaildir(file)
	} else if data, err = libc.ReadFile(s.p, file); err == nil {
		text := data
		if len(data) > 0 && data[len(data)-1] != '\n' { // a line that was cut off counts as one
			text = append(slices.Clone(data), '\n')
		}
		msgs = mbox.Parse(text)
	}
	if err != nil {
		return err
	}
	s.before = s.file
	s.file, s.system, s.owner, s.maildir = file, system, owner, maildir
	s.data, s.msgs, s.last, s.seen, s.order = data, msgs, nil, false, nil
	s.dot, s.old = s.first(), -1
	return nil
}

// first is where to start: the first new message, else one with a flag, else
// unread, else the first.
func (s *session) first() int {
	for _, want := range []func(*mbox.Message) bool{
		func(m *mbox.Message) bool { return !m.Old && !m.Deleted },
		func(m *mbox.Message) bool { return m.Flagged && !m.Deleted },
		func(m *mbox.Message) bool { return !m.Read && !m.Deleted },
	} {
		if i := slices.IndexFunc(s.msgs, want); i >= 0 {
			return i
		}
	}
	return 0
}

// greet prints the line about the folder.
func (s *session) greet() {
	fresh, unread, deleted, saved := 0, 0, 0, 0
	for _, m := range s.msgs {
		if m.Saved {
			saved++
		}
		if m.Deleted {
			deleted++
		}
		if !m.Old {
			fresh++
		}
		if !m.Read {
			unread++
		}
	}
	text := fmt.Sprintf("%s: %d message%s", s.file, len(s.msgs), plural(len(s.msgs)))
	if fresh > 0 {
		text += fmt.Sprintf(" %d new", fresh)
	}
	if unread > fresh {
		text += fmt.Sprintf(" %d unread", unread)
	}
	if deleted > 0 {
		text += fmt.Sprintf(" %d deleted", deleted)
	}
	if saved > 0 {
		text += fmt.Sprintf(" %d saved", saved)
	}
	if s.readOnly {
		text += " [Read-only]"
	}
	fmt.Fprintln(s.p.Stdout, text)
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// screen is how many header lines fit.
func (s *session) screen() int {
	rows := 24
	if t, ok := libc.Terminal(s.p.Stdout); ok {
		if r, _ := t.Size(); r > 0 {
			rows = r
		}
	}
	if n := number(s.vars["screen"]); n > 0 {
		rows = n
	}
	return max(rows-2, 1)
}

// columns is the width of the subject.
func (s *session) columns() int {
	return max(s.width()-58, 0)
}

// width is how many columns the terminal has.
func (s *session) width() int {
	if t, ok := libc.Terminal(s.p.Stdout); ok {
		if _, c := t.Size(); c > 0 {
			return c
		}
		return 80
	}
	return 79
}

// summary prints one line of the header summary.
func (s *session) summary(i, columns int) {
	m := s.msgs[i]
	dot := " "
	if i == s.dot {
		dot = ">"
		if s.utf8 {
			dot = "▸"
		}
	}
	from := format.DecodeHeader(m.Field("From"))
	if f := bytes.Fields(m.From); from == "" && len(f) > 1 {
		from = string(f[1])
	}
	who := format.NameOf(from)
	switch {
	case !s.utf8 && !format.ASCII(who), who == "":
		who = format.AddressOf(from)
	case len(who) == 1: // too short to be a name by itself
		who = from
	}
	lines, size := m.Size()
	number, sizes := fmt.Sprintf("%3d", i+1), fmt.Sprintf("%4d/%-5d", lines, size)
	if columns > 0 { // what large numbers take, the subject has not
		columns = max(0, columns-len(number+sizes)+len("1231234/12345"))
	}
	subject := strings.Repeat(" ", columns)
	if columns > 0 && m.Field("Subject") != "" {
		subject = `"` + format.Fit(s.visible(strings.TrimSpace(format.DecodeHeader(m.Field("Subject")))), columns) + `"`
	}
	if !s.isSet("bsdcompat") {
		s.wideSummary(m, i, dot)
		return
	}
	fmt.Fprintf(s.p.Stdout, "%s%c%s %s  %16s %s %s\n", dot, m.Mark(), number, format.Fit(who, 20), s.date(m), sizes, subject)
}

// wideSummary is the line of the header summary where the system's settings have
// not been read (mail -n): the subject has the rest of the line.
func (s *session) wideSummary(m *mbox.Message, i int, dot string) {
	mark := m.Mark()
	if mark == ' ' && m.Old {
		mark = 'O'
	}
	who := format.AddressOf(format.DecodeHeader(m.Field("From")))
	if s.isSet("showname") {
		who = format.NameOrAddress(m.Field("From"))
	}
	lines, size := m.Size()
	subject := s.visible(strings.TrimSpace(format.DecodeHeader(m.Field("Subject"))))
	line := fmt.Sprintf("%s%c%3d %s %-16s %4d/%-5d ", dot, mark, i+1, format.Fit(who, 18), s.date(m), lines, size)
	fmt.Fprintln(s.p.Stdout, line+format.Fit(subject, max(s.width()-libc.Columns(line), 0)))
}

// visible is text as the locale can show it.
func (s *session) visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t' || r == '\n' || r >= 0x20 && r < 0x7f:
			b.WriteRune(r)
		case !s.utf8:
			b.WriteString(strings.Repeat("?", len(string(r))))
		case r < 0x20:
			b.WriteRune(0x2400 + r)
		case r == 0x7f:
			b.WriteRune(0x2421)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// date is the date column: without the time when it is half a year ago.
func (s *session) date(m *mbox.Message) string {
	now := libc.LocalTime(s.p)
	text := m.Field("Date")
	if text == "" {
		if f := bytes.Fields(m.From); len(f) >= 6 {
			_, date, _ := bytes.Cut(bytes.TrimPrefix(m.From, []byte("From ")), []byte(" "))
			return fmt.Sprintf("%.16s", bytes.TrimLeft(date, " "))
		}
	}
	t := m.Date()
	t = t.In(now.Location())
	if now.Sub(t) > 183*24*time.Hour || t.Sub(now) > 24*time.Hour {
		return t.Format("2006-01-02")
	}
	return t.Format("2006-01-02 15:04")
}

// headers prints the screenful of the summary that holds message i.
func (s *session) headers(i int) {
	if list := s.page1(i); len(list) == 0 {
		s.complain(noMessages)
	} else {
		for _, k := range list {
			s.summary(k, s.columns())
		}
	}
}

// page1 returns the messages of the screenful that holds message i.
func (s *session) page1(i int) []int {
	live, at := s.live(i)
	if len(live) == 0 {
		return nil
	}
	per := s.screen()
	page := min(at, len(live)-1) / per
	return live[page*per : min((page+1)*per, len(live))]
}

// live returns the messages that are not deleted, as they are sorted, and the
// place of message i among them.
func (s *session) live(i int) (list []int, at int) {
	for k := range s.msgs {
		if s.order != nil {
			k = s.order[k]
		}
		if k == i {
			at = len(list)
		}
		if !s.msgs[k].Deleted {
			list = append(list, k)
		}
	}
	return list, at
}

// scroll obeys the command z: to another screenful.
func (s *session) scroll(arg string) {
	live, at := s.live(s.dot)
	per := s.screen()
	page, lastPage := max(min(at, len(live)-1), 0)/per, max(len(live)-1, 0)/per
	want := page
	step, signed := strings.CutPrefix(arg, "-")
	if !signed {
		step, signed = strings.CutPrefix(arg, "+")
	}
	switch {
	case len(live) == 0:
		s.complain(noMessages)
		return
	case arg == "" || arg == "+":
		want++
	case arg == "-":
		want--
	case arg == "$":
		want = lastPage + 1
	case arg == "0" || arg == "^":
		want = 0
	case strings.Trim(arg, "0123456789") == "":
		want = number(arg)
	case signed && strings.Trim(step, "0123456789") == "" && arg[0] == '-':
		want -= number(step)
	case signed && strings.Trim(step, "0123456789") == "":
		want += number(step)
	default:
		s.complain("Unrecognized scrolling command: %s", arg)
		return
	}
	switch {
	case want < 0:
		fmt.Fprintln(s.p.Stdout, "On first screenful of messages")
	case want > lastPage:
		fmt.Fprintln(s.p.Stdout, "On last screenful of messages")
	}
	s.setDot(live[min(max(want, 0), lastPage)*per])
	s.headers(s.dot)
}

func (s *session) setDot(i int) {
	if i != s.dot {
		s.seen = false
	}
	s.dot = i
}

// number reads a count, 0 when it is none.
func number(text string) int {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' || n > 1e6 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}
