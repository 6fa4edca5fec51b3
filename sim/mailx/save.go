package mailx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"sort"
	"strings"
	"syscall"

	"enshu/sim/libc"
	"enshu/sim/mailx/format"
	"enshu/sim/mailx/mbox"
)

// save appends messages to a folder, or with write their text to a file.
func (s *session) save(ctx context.Context, how, arg string) {
	words := s.words(arg)
	name := ""
	bySender := how == "Save" || how == "Copy" || how == "Move"
	if n := len(words); n > 0 && !bySender {
		name, words = words[n-1], words[:n-1]
	}
	list := s.chosenFor(how, arg, words)
	if list == nil {
		return
	}
	if bySender {
		name, _, _ = strings.Cut(format.AddressOf(s.msgs[s.leader(list)].Field("From")), "@")
	}
	if name == "" {
		name = s.path(s.vars["MBOX"])
	}
	file := s.folder(name)
	if !s.isSet("bsdcompat") {
		name = s.path(name)
	}
	if strings.ContainsAny(name[:1], "%&#+") {
		name = file
	}
	file = libc.Abs(s.p, file)
	var b bytes.Buffer
	var parts []*mbox.Message
	for _, i := range list {
		m := s.msgs[i]
		switch {
		case how != "write":
			b.Write(s.message(m))
			continue
		case strings.HasPrefix(m.Field("Content-Type"), "multipart/"):
			parts = append(parts, m)
			if s.tty {
				s.writeParts(ctx, m)
			}
		default:
			b.Write(bytes.TrimSuffix(format.DecodeBody(m.Field("Content-Transfer-Encoding"), bytes.TrimPrefix(m.Body, []byte("\n"))), []byte("\n")))
		}
	}
	state, gap := "[New file]", ""
	if data, err := libc.ReadFile(s.p, file); err == nil && len(data) > 0 {
		state = "[Appended]"
		if !bytes.HasSuffix(data, []byte("\n\n")) {
			gap = "\n"
		}
	}
	if how == "write" {
		name = "file://" + name
	}
	if err := libc.AppendFile(s.p, file, append([]byte(gap), b.Bytes()...), 0o600); err != nil {
		s.complain("%s: %s", name, strerror(err))
		return
	}
	for _, m := range parts {
		if !s.tty { // nobody is asked for names
			s.writeParts(ctx, m)
		}
	}
	fmt.Fprintf(s.p.Stdout, "%s %s %d bytes\n", shellQuote(name), state, b.Len())
	for _, i := range list {
		m := s.msgs[i]
		m.Read, m.Touched = true, true
		s.seen = s.seen || i == s.dot
		switch how {
		case "save", "Save":
			m.Saved = true
		case "move", "Move":
			m.Deleted = true
		}
	}
	if how == "move" || how == "Move" {
		s.dotAfter(list[len(list)-1])
	}
}

// leader is the message of a list that was named first.
func (s *session) leader(list []int) int {
	if slices.Contains(list, s.lead) {
		return s.lead
	}
	return list[0]
}

// chosenFor returns the messages of a command that takes a file or a command
// after them; what is wrong with them is said with how the command is used.
func (s *session) chosenFor(how, arg string, words []string) []int {
	if len(words) == 0 {
		return s.chosen(words)
	}
	list, problem := s.list(words, false)
	if problem == "" {
		return list
	}
	reason := "Bad message"
	switch {
	case problem == noMessages:
		reason = "No message of desired type"
	case problem == badEndpoint, problem == noEndpoint:
		reason = "Invalid argument"
	case strings.HasPrefix(problem, badSyntax):
		reason = "Invalid argument"
		problem = problem[:strings.LastIndex(problem, "(in ")] + "(in " + shellQuote(arg) + ")"
	}
	for line := range strings.Lines(problem) {
		s.complain("%s", strings.TrimSuffix(line, "\n"))
	}
	s.complain("%s: %s", how, reason)
	if text := explanation(how); text != "" {
		s.complain("Synopsis: %s: %s", how, text)
	}
	return nil
}

// message is a message for another folder, with its marks as they are now.
func (s *session) message(m *mbox.Message) []byte {
	if m.From == nil {
		return append([]byte("From "+format.AddressOf(m.Field("From"))+" "+s.ctime()+"\n"), m.WithStatus(m.WasOld)...)
	}
	return m.WithStatus(m.WasOld)
}

func (m *program) ctime() string { return libc.LocalTime(m.p).Format("Mon Jan _2 15:04:05 2006") }

// writeParts asks for a file name for each part; the part's own name is what an
// empty answer means.
func (s *session) writeParts(ctx context.Context, m *mbox.Message) {
	if s.tty {
		fmt.Fprintln(s.p.Stdout, "# All file names need to be sh(1)ell-style quoted, everywhere")
	}
	for _, p := range m.Parts("1") {
		if p.Multiple {
			continue
		}
		name := p.Name
		if s.tty {
			fmt.Fprintf(s.p.Stdout, "Enter filename for part %s (%s): %s", p.Number, p.Kind, name)
			if e := s.in.next(ctx); e.ok && e.line != "" {
				name = e.line
			}
		}
		if name == "" {
			continue
		}
		text := p.Text
		if p.Encoding != "base64" {
			text = bytes.TrimSuffix(text, []byte("\n"))
			if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
				text = append(text, '\n')
			}
		}
		if err := libc.AppendFile(s.p, libc.Abs(s.p, path.Clean(name)), text, 0o600); err != nil {
			s.complain("%s: %s", name, strerror(err))
		}
	}
}

// quit writes the folder back: deleted messages go, read ones go to mbox unless
// they are held, the others keep their marks.
func (s *session) quit() {
	switch {
	case s.file == "" || s.readOnly:
		return
	case s.maildir:
		s.quitMaildir()
		return
	}
	now, err := libc.ReadFile(s.p, s.file)
	if err != nil {
		return
	}
	var fresh []byte
	if len(now) > len(s.data) && bytes.Equal(now[:len(s.data)], s.data) {
		fresh = now[len(s.data):]
		fmt.Fprintln(s.p.Stdout, "New mail has arrived.")
	}
	sort.SliceStable(s.msgs, func(i, j int) bool { return s.msgs[i].At < s.msgs[j].At })
	var kept, mbox bytes.Buffer
	held, moved := 0, 0
	hold := s.isSet("hold") || !s.system
	for _, m := range s.msgs {
		switch {
		case m.Deleted, s.system && m.Saved && !s.isSet("keepsave"):
			continue
		case s.system && (m.ToMbox || !hold && !m.Hold && m.Read && m.Touched):
			mbox.Write(m.WithStatus(true))
			moved++
			continue
		}
		kept.Write(m.WithStatus(true))
		held++
	}
	kept.Write(fresh)
	if moved > 0 {
		file := s.path(s.vars["MBOX"])
		if !s.isSet("append") { // put before what was there, with an empty line between
			old, _ := libc.ReadFile(s.p, libc.Abs(s.p, file))
			mbox.WriteByte('\n')
			mbox.Write(old)
			s.p.Sys.Remove(file)
		}
		if err := libc.AppendFile(s.p, file, mbox.Bytes(), 0o600); err != nil {
			s.complain("%s: %s", file, strerror(err))
			return
		}
		fmt.Fprintf(s.p.Stdout, "Saved %d message%s in mbox\n", moved, plural(moved))
	}
	changed := !bytes.Equal(kept.Bytes(), now)
	switch {
	case changed && kept.Len() == 0 && !s.system && !s.isSet("keep"):
		s.p.Sys.Remove(s.file)
	case changed:
		if f, err := s.p.Sys.OpenFile(s.file, os.O_WRONLY|os.O_TRUNC, 0); err != nil {
			s.complain("%s: %s", s.file, strerror(err))
			return
		} else {
			f.Write(kept.Bytes())
			s.p.Stamp(f)
			f.Close()
		}
	}
	switch {
	case s.system && held > 0:
		fmt.Fprintf(s.p.Stdout, "Held %d message%s in %s\n", held, plural(held), s.file)
	case !s.system && changed && kept.Len() == 0 && s.isSet("keep"):
		fmt.Fprintf(s.p.Stdout, "%s truncated\n", s.file)
	case !s.system && changed && kept.Len() == 0:
		fmt.Fprintf(s.p.Stdout, "%s removed\n", s.file)
	case !s.system && changed:
		fmt.Fprintf(s.p.Stdout, "%s complete\n", s.file)
	}
}

// readMaildir reads a Maildir folder: the messages in cur and new, by name.
func (s *session) readMaildir(dir string) ([]*mbox.Message, error) {
	var out []*mbox.Message
	for _, sub := range []string{"cur", "new"} {
		names, err := libc.ReadDir(s.p, dir+"/"+sub)
		if errors.Is(err, syscall.ENOENT) {
			return nil, syscall.EISDIR // a directory, and no Maildir
		} else if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasPrefix(name, ".") {
				continue
			}
			raw, err := libc.ReadFile(s.p, dir+"/"+sub+"/"+name)
			if errors.Is(err, syscall.ENOENT) {
				continue
			} else if err != nil {
				return nil, err
			}
			m := mbox.ParseMessage(append(raw, '\n'))
			_, flags, _ := strings.Cut(name, ":2,")
			m.File = sub + "/" + name
			m.Read, m.Old = strings.Contains(flags, "S"), sub == "cur"
			m.Answered, m.Flagged, m.Draft = strings.Contains(flags, "R"), strings.Contains(flags, "F"), strings.Contains(flags, "D")
			m.WasRead, m.WasOld, m.WasAnswered, m.WasFlagged, m.WasDraft = m.Read, m.Old, m.Answered, m.Flagged, m.Draft
			out = append(out, m)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return path.Base(out[i].File) < path.Base(out[j].File) })
	for i, m := range out {
		m.At = i
	}
	return out, nil
}

// quitMaildir removes what was deleted and puts the marks into the names.
func (s *session) quitMaildir() {
	changed, held := false, 0
	for _, m := range s.msgs {
		from := s.file + "/" + m.File
		if m.Deleted {
			if err := s.p.Sys.Remove(from); err != nil {
				s.complain("%s: %s", from, strerror(err))
			}
			changed = true
			continue
		}
		held++
		base, _, _ := strings.Cut(path.Base(m.File), ":2,")
		flags := ""
		for _, f := range []struct {
			set  bool
			name string
		}{{m.Draft, "D"}, {m.Flagged, "F"}, {m.Answered, "R"}, {m.Read, "S"}} {
			if f.set {
				flags += f.name
			}
		}
		if to := "cur/" + base + ":2," + flags; to != m.File {
			if err := s.p.Sys.Rename(from, s.file+"/"+to); err != nil {
				s.complain("%s: %s", from, strerror(err))
			}
			changed = true
		}
	}
	switch {
	case s.system && held > 0:
		fmt.Fprintf(s.p.Stdout, "Held %d message%s in %s\n", held, plural(held), s.file)
	case !s.system && changed:
		fmt.Fprintf(s.p.Stdout, "%s complete\n", s.file)
	}
}
