package mailx

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"enshu/sim/mailx/format"
	"enshu/sim/mailx/mbox"
)

// sortedNames are the names of a set, in order.
func sortedNames(set map[string]bool) []string {
	return slices.Sorted(maps.Keys(set))
}

// retain shows what a list of header fields covers.
func (s *session) retain(arg, what string, names []string) {
	switch {
	case arg != "":
		for _, name := range s.words(arg) {
			if what == "type retain" {
				s.shown[strings.ToLower(name)] = true
			} else {
				s.hidden[strings.ToLower(name)] = true
			}
		}
	case len(names) == 0:
		fmt.Fprintf(s.p.Stdout, "#headerpick %s currently covers no fields\n", what)
	default:
		text, column := "headerpick "+what, len("headerpick "+what)
		for _, name := range names {
			if column+1+len(name) > s.width()-1 {
				text += " \\\n "
				column = 1
			}
			text += " " + name
			column += 1 + len(name)
		}
		fmt.Fprintln(s.p.Stdout, text)
	}
}

// headerpick shows or extends the lists of header fields that print goes by;
// those of other contexts are read and have no effect.
func (s *session) headerpick(words []string) {
	if len(words) > 0 && words[0] != "type" && words[0] != "top" {
		return
	}
	which, fields := "", ""
	if len(words) > 1 {
		which, fields = words[1], strings.Join(words[2:], " ")
	}
	if which == "" || which == "retain" {
		s.retain(fields, "type retain", sortedNames(s.shown))
	}
	if which == "" || which == "ignore" {
		s.retain(fields, "type ignore", sortedNames(s.hidden))
	}
}

// moveDot makes a neighbour the current message.
func (s *session) moveDot(arg string) {
	if arg != "+" && arg != "-" {
		s.complain("Synopsis: dotmove: %s", explanation("dotmove"))
		return
	}
	if list := s.chosen([]string{arg}); list != nil {
		s.setDot(list[0])
		s.headers(s.dot)
	}
}

// sortBy orders the messages by a field.
func (s *session) sortBy(full, arg string) {
	keys := map[string]func(*mbox.Message) string{
		"from":    func(m *mbox.Message) string { return strings.ToLower(format.NameOrAddress(m.Field("From"))) },
		"to":      func(m *mbox.Message) string { return strings.ToLower(format.NameOrAddress(m.Field("To"))) },
		"subject": func(m *mbox.Message) string { return format.BareSubject(m.Field("Subject")) },
		"date":    func(m *mbox.Message) string { return fmt.Sprintf("%020d", m.Date().Unix()) },
		"size":    func(m *mbox.Message) string { _, n := m.Size(); return fmt.Sprintf("%020d", n) },
		"status":  func(m *mbox.Message) string { return string(m.Mark()) },
	}
	if full == "sort" && arg == "" {
		by := s.sorted
		if by == "" {
			by = "unsorted"
		}
		fmt.Fprintf(s.p.Stdout, "Current sorting criterion is: %s\n", by)
		return
	}
	key := keys[arg]
	if full != "sort" || arg == "" || key == nil {
		key = func(m *mbox.Message) string { return fmt.Sprintf("%020d", m.At) }
	}
	if full == "sort" && arg != "" && keys[arg] == nil && arg != "thread" && arg != "none" {
		s.complain("Unknown sorting method: %s", arg)
		return
	}
	if s.sorted = arg; full != "sort" || arg == "none" {
		s.sorted = ""
	}
	s.order = make([]int, len(s.msgs))
	for i := range s.order {
		s.order[i] = i
	}
	sort.SliceStable(s.order, func(i, j int) bool { return key(s.msgs[s.order[i]]) < key(s.msgs[s.order[j]]) })
	if s.isSet("header") {
		s.headers(s.dot)
	}
}
