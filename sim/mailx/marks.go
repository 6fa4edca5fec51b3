package mailx

import (
	"context"
	"fmt"
	"slices"
)

// markAs gives a message a mark.
func (s *session) markAs(i int, what string) {
	m := s.msgs[i]
	switch what {
	case "mbox":
		m.toMbox, m.hold = true, false
	case "hold":
		m.hold, m.toMbox = true, false
	case "unread":
		m.read = false
	case "seen":
		m.read = true
	case "touch":
		m.touched = true
	case "flag":
		m.flagged = true
	case "unflag":
		m.flagged = false
	case "draft":
		m.draft = true
	case "undraft":
		m.draft = false
	case "answered":
		m.answered = true
	case "unanswered":
		m.answered = false
	}
	s.setDot(i)
	switch what {
	case "mbox", "hold", "unread", "touch":
		s.seen = true
	}
}

// delete marks messages as deleted; show prints the one after them.
func (s *session) delete(ctx context.Context, list []int, show bool) {
	if len(list) == 0 {
		return
	}
	for _, i := range list {
		m := s.msgs[i]
		m.deleted, m.read, m.touched, m.hold, m.saved, m.toMbox = true, true, true, false, false, false
	}
	before := s.dot
	left := s.dotAfter(list[len(list)-1])
	switch {
	case !show:
	case !left:
		fmt.Fprintln(s.p.Stdout, "No more messages")
	case s.dot > before:
		s.print(ctx, []int{s.dot}, showShort, false)
	default:
		fmt.Fprintln(s.p.Stdout, "At EOF")
	}
}

// dotAfter makes the first message that is left after message i the current
// one, or the last before it. It reports false when none is left.
func (s *session) dotAfter(i int) bool {
	live := func(m *message) bool { return !m.deleted }
	if k := slices.IndexFunc(s.msgs[i:], live); k >= 0 {
		s.setDot(i + k)
		s.seen = false
		return true
	}
	for k := i - 1; k >= 0; k-- {
		if live(s.msgs[k]) {
			s.setDot(k)
			s.seen = false
			return true
		}
	}
	return false
}

func (s *session) undelete(arg string) {
	words := s.words(arg)
	if arg == "" {
		words = []string{"."}
	}
	list, problem := s.list(words, true)
	if problem != "" {
		s.complain("%s", problem)
		return
	}
	for _, i := range list {
		s.msgs[i].deleted = false
		s.setDot(i)
	}
}
