package mailx

import (
	"context"
	"fmt"
	"slices"

	"enshu/sim/mailx/mbox"
)

// markAs gives a message a mark.
func (s *session) markAs(i int, what string) {
	m := s.msgs[i]
	switch what {
	case "mbox":
		m.ToMbox, m.Hold = true, false
	case "hold":
		m.Hold, m.ToMbox = true, false
	case "unread":
		m.Read = false
	case "seen":
		m.Read = true
	case "touch":
		m.Touched = true
	case "flag":
		m.Flagged = true
	case "unflag":
		m.Flagged = false
	case "draft":
		m.Draft = true
	case "undraft":
		m.Draft = false
	case "answered":
		m.Answered = true
	case "unanswered":
		m.Answered = false
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
		m.Deleted, m.Read, m.Touched, m.Hold, m.Saved, m.ToMbox = true, true, true, false, false, false
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
	live := func(m *mbox.Message) bool { return !m.Deleted }
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
		m := s.msgs[i]
		m.Deleted, m.Read, m.Touched = false, true, true
		s.setDot(i)
	}
}
