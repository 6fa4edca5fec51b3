package mailx

import (
	"fmt"
	"slices"
	"strings"

	"enshu/sim/mailx/format"
	"enshu/sim/mailx/mbox"
)

// The complaints of message lists.
const (
	noMessages  = "No applicable messages"
	badEndpoint = "Invalid range endpoint"
	noEndpoint  = "Missing second range argument"
	badSyntax   = "Message list: invalid syntax"
	searchHelp  = "Missing )\nP.S.: message specifications are now shell tokens, making it necessary\nto escape/shell quote parenthesis, e.g., '(from \"me\")'\nPlease read the manual section \"Shell-style argument quoting\""
)

// list reads a message list (s-nail(1), "Specifying messages"). Messages that
// are deleted count only when asked for. problem is what to complain of.
func (s *session) list(words []string, deleted bool) (out []int, problem string) {
	hit := make([]bool, len(s.msgs))
	named := false // messages were named by number, not searched for
	defer func() {
		if s.last = out; problem != "" {
			s.last = nil
		}
	}()
	for i := 0; i < len(words); i++ {
		w, first := words[i], i == 0
		if n, open := strings.CutSuffix(w, "-"); open && n != "" && strings.Trim(n, "0123456789") == "" && i+1 < len(words) {
			i++
			if _, _, ok, _ := s.position(words[i], deleted); !ok {
				return nil, badEndpoint
			}
			w += words[i]
		}
		if problem := s.select1(w, deleted, hit, &named); problem != "" {
			return nil, problem
		}
		if first {
			s.lead = max(slices.Index(hit, true), 0)
		}
	}
	for i, h := range hit {
		if h && (s.msgs[i].Deleted == deleted || deleted && named) { // what is not deleted is undeleted all the same
			out = append(out, i)
		} else if h && named {
			return nil, fmt.Sprintf("%d: inappropriate message", i+1)
		}
	}
	if len(out) == 0 {
		return nil, noMessages
	}
	return out, ""
}

// select1 marks the messages that one word means.
func (s *session) select1(w string, deleted bool, hit []bool, named *bool) string {
	mark := func(f func(*mbox.Message) bool) {
		for i, m := range s.msgs {
			if m.Deleted == deleted && f(m) {
				hit[i] = true
			}
		}
	}
	switch {
	case w == "*":
		mark(func(*mbox.Message) bool { return true })
		return ""
	case w == "`":
		if len(s.last) == 0 {
			return "No previously marked messages"
		}
		for _, i := range s.last {
			hit[i] = true
		}
		return ""
	case strings.HasPrefix(w, "("):
		return searchHelp
	case w == "/" && s.search == "": // the last one again, and there was none
		return ""
	case w == "/":
		mark(func(m *mbox.Message) bool { return mbox.Contains(format.DecodeHeader(m.Field("Subject")), s.search) })
		return ""
	case strings.HasPrefix(w, "/"):
		s.search = w[1:]
		mark(func(m *mbox.Message) bool { return mbox.Contains(format.DecodeHeader(m.Field("Subject")), w[1:]) })
		return ""
	case strings.HasPrefix(w, "@"):
		fields, text, ok := strings.Cut(w[1:], "@")
		if !ok {
			fields, text = "subject", fields
		}
		mark(func(m *mbox.Message) bool { return m.Matches(fields, text) })
		return ""
	case strings.HasPrefix(w, ":"):
		f := colon(w[1:])
		if f == nil {
			return "Unknown or empty colon modifier: " + w
		}
		for i, m := range s.msgs {
			if f(m) && (m.Deleted == deleted || w == ":d") {
				hit[i] = true
			}
		}
		return ""
	}
	first, rest, ok, problem := s.position(w, deleted)
	if problem != "" {
		return problem
	}
	if !ok {
		mark(func(m *mbox.Message) bool { return mbox.Contains(format.DecodeHeader(m.Field("From")), w) })
		return ""
	}
	*named = true
	last := first
	if text, ranged := strings.CutPrefix(rest, "-"); ranged && w[0] >= '0' && w[0] <= '9' {
		if text == "" && first >= 0 && first < len(s.msgs) && s.msgs[first].Deleted && !deleted {
			return fmt.Sprintf("%d: inappropriate message", first+1)
		} else if text == "" {
			return noEndpoint
		}
		if last, rest, ok, problem = s.position(text, deleted); problem != "" {
			return problem
		}
		if !ok {
			rest = text
		}
	}
	if rest != "" {
		return fmt.Sprintf(badSyntax+": %s (in %s)", shellQuote(rest), shellQuote(w))
	}
	if w == "." && deleted && first >= 0 && first < len(s.msgs) && !s.msgs[first].Deleted {
		return fmt.Sprintf("%d: inappropriate message", first+1)
	}
	for _, n := range []int{first, last} {
		if n < 0 || n >= len(s.msgs) {
			return fmt.Sprintf("%d: Invalid message number", n+1)
		}
	}
	if first > last {
		first, last = last, first
	}
	for i := first; i <= last; i++ {
		hit[i] = true
	}
	return ""
}

// position reads a message number or a sign for one at the beginning of w.
func (s *session) position(w string, deleted bool) (index int, rest string, ok bool, problem string) {
	any := slices.ContainsFunc(s.msgs, func(m *mbox.Message) bool { return m.Deleted == deleted })
	switch w[0] {
	case '.', '&':
		return s.dot, w[1:], true, ""
	case '^', '$':
		if !any {
			return 0, "", true, noMessages
		}
		if w[0] == '$' {
			i := len(s.msgs) - 1
			for s.msgs[i].Deleted != deleted {
				i--
			}
			return i, w[1:], true, ""
		}
		return max(slices.IndexFunc(s.msgs, func(m *mbox.Message) bool { return m.Deleted == deleted }), 0), w[1:], true, ""
	case ';':
		if s.old < 0 {
			return 0, "", true, "No previously current message"
		}
		return s.old, w[1:], true, ""
	case '+', '-':
		if len(w) > 1 {
			return 0, w[1:], true, ""
		}
		step := 1
		if w[0] == '-' {
			step = -1
		}
		i := s.dot + step
		for i >= 0 && i < len(s.msgs) && s.msgs[i].Deleted != deleted {
			i += step
		}
		switch {
		case i < 0:
			return 0, "", true, "Referencing before first message"
		case i >= len(s.msgs):
			return 0, "", true, "Referencing beyond last message"
		}
		return i, w[1:], true, ""
	}
	end := 0
	for end < len(w) && w[end] >= '0' && w[end] <= '9' {
		end++
	}
	if end == 0 {
		return 0, w, false, ""
	}
	if end > 9 {
		return 0, "", true, w[:end] + ": Invalid message number"
	}
	n := number(w[:end])
	return n - 1, w[end:], true, ""
}

// colon is the meaning of :x, nil for an unknown letter.
func colon(letters string) func(*mbox.Message) bool {
	one := map[byte]func(*mbox.Message) bool{
		'n': func(m *mbox.Message) bool { return !m.Old }, 'o': func(m *mbox.Message) bool { return m.Old },
		'u': func(m *mbox.Message) bool { return !m.Read }, 'r': func(m *mbox.Message) bool { return m.Read },
		'd': func(m *mbox.Message) bool { return m.Deleted }, 'f': func(m *mbox.Message) bool { return m.Flagged },
		'a': func(m *mbox.Message) bool { return m.Answered }, 'L': func(*mbox.Message) bool { return false }, 'l': func(*mbox.Message) bool { return false },
		't': func(m *mbox.Message) bool { return m.Draft }, 's': func(*mbox.Message) bool { return false }, 'S': func(*mbox.Message) bool { return false },
	}
	var all []func(*mbox.Message) bool
	for i := 0; i < len(letters); i++ {
		f := one[letters[i]]
		if f == nil {
			return nil
		}
		all = append(all, f)
	}
	if all == nil {
		return nil
	}
	return func(m *mbox.Message) bool {
		return slices.ContainsFunc(all, func(f func(*mbox.Message) bool) bool { return f(m) })
	}
}
