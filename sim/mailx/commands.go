package mailx

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/mailx/format"
	"enshu/sim/mailx/mbox"
)

// commandsText has a line for each command, in the order in which they are
// listed and abbreviations are tried: its name and what it does.
//
//go:embed commands.txt
var commandsText string

//go:embed features.txt
var featuresText string

//go:embed help.txt
var helpText string

// commandNames are the names of all commands: an abbreviation means the first
// that it begins.
func commandNames() (names []string) {
	for _, line := range strings.Split(strings.TrimSpace(commandsText), "\n") {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	return names
}

// explanation is what a command does, in a sentence.
func explanation(name string) string {
	for _, line := range strings.Split(commandsText, "\n") {
		if text, ok := strings.CutPrefix(line, name+": "); ok {
			return text
		}
	}
	return ""
}

// listCommands prints the names of all commands in lines of 72 columns.
func (m *program) listCommands() {
	text, column := "Commands are:\n", 0
	names := commandNames()
	for i, name := range names {
		word := name
		if i < len(names)-1 {
			word += ", "
		}
		if column+len(word) > 72 {
			text, column = strings.TrimRight(text, " ")+"\n", 0
		}
		text += word
		column += len(word)
	}
	fmt.Fprintln(m.p.Stdout, text)
}

// short are abbreviations of POSIX that do not follow the order of the list.
var short = map[string]string{"a": "alias", "ch": "chdir", "r": "reply", "R": "Reply", "v": "visual", "w": "write", "u": "u", "p": "print", "P": "Print", "fwd": "forward"}

// same are other names of a command.
var same = map[string]string{"type": "print", "Type": "Print", "page": "more", "Page": "More", "xit": "exit", "preserve": "hold", "respond": "reply",
	"Respond": "Reply", "replyall": "reply", "replysender": "Reply", "followup": "reply", "Followup": "Reply", "folder": "file", "Folder": "File",
	"group": "alias", "ungroup": "unalias", "new": "unread", "New": "unread", "Unread": "unread", "mv": "move", "Mv": "Move", "dt": "dp",
	"cd": "chdir", "search": "from", "Seen": "seen", "discard": "ignore"}

// obsoleteCommands are told of when they are used.
var obsoleteCommands = map[string]bool{"thread": true, "unthread": true, "mv": true, "Mv": true, "ghost": true}

// needsMailbox are the commands that work on messages.
var needsMailbox = map[string]bool{"print": true, "Print": true, "next": true, "headers": true, "from": true, "delete": true, "dp": true, "undelete": true,
	"save": true, "copy": true, "move": true, "Save": true, "Copy": true, "Move": true, "write": true, "mbox": true, "hold": true, "unread": true, "seen": true,
	"flag": true, "unflag": true, "answered": true, "unanswered": true, "touch": true, "size": true, "reply": true, "Reply": true, "top": true, "Top": true,
	"more": true, "More": true, "show": true, "Show": true, "pipe": true, "Pipe": true, "z": true, "Z": true, "sort": true, "forward": true, "Forward": true,
	"resend": true, "Resend": true, "edit": true, "visual": true, "unsort": true, "draft": true, "undraft": true}

// interactive are the commands that a mere list of commands may not use.
var interactive = map[string]bool{"mail": true, "Mail": true, "reply": true, "Reply": true, "Lreply": true, "forward": true, "Forward": true,
	"edit": true, "visual": true, "errors": true, "shell": true, "mimeview": true}

// edits are those that a read-only mailbox refuses.
var edits = map[string]bool{"delete": true, "dp": true, "mbox": true, "hold": true, "edit": true, "visual": true, "touch": true}

// commands reads and obeys until the end.
func (s *session) commands(ctx context.Context) int {
	if s.tty {
		s.in.catch(ctx)
	}
	for ctx.Err() == nil {
		if s.tty {
			s.hint()
			fmt.Fprint(s.p.Stdout, s.vars["prompt"])
		}
		e := s.in.next(ctx)
		if e.interrupt {
			s.interrupted()
			fmt.Fprintln(s.p.Stdout)
			continue
		}
		if !e.ok {
			if s.tty {
				fmt.Fprintln(s.p.Stdout, "^D")
			}
			s.quit()
			return 0
		}
		stop, status := false, 0
		if blockEnd(e.line) != "" {
			s.script(ctx, s.block(ctx, e.line))
		} else {
			stop, status = s.command(ctx, e.line)
		}
		if stop {
			return status
		}
	}
	return 0
}

// command obeys a line.
func (s *session) command(ctx context.Context, line string) (stop bool, status int) {
	text := strings.TrimSpace(line)
	if text == "" || strings.HasPrefix(text, "#") {
		if text == "" && s.tty {
			s.next()
		}
		return false, 0
	}
	if text[0] == '!' {
		s.shell(ctx, strings.TrimSpace(text[1:]))
		if s.tty {
			fmt.Fprintln(s.p.Stdout, "!")
		}
		return false, 0
	}
	if first, rest, more := cutCommand(text); more {
		if stop, status = s.command(ctx, first); stop || rest == "" {
			return stop, status
		}
		return s.command(ctx, rest)
	}
	switch text[0] {
	case '?':
		s.help(strings.TrimSpace(text[1:]))
		return false, 0
	case '|':
		if s.file == "" {
			s.complain("|: needs an active mailbox")
			return false, 0
		}
		s.pipe(ctx, strings.TrimSpace(text[1:]), showShort)
		return false, 0
	case '=':
		if s.file == "" {
			s.complain("=: needs an active mailbox")
			return false, 0
		}
		if list := s.chosenFor("pdot", strings.TrimSpace(text[1:]), s.words(text[1:])); list != nil {
			var b strings.Builder
			for k, i := range list {
				if k > 0 {
					b.WriteByte(' ')
				}
				fmt.Fprint(&b, i+1)
			}
			fmt.Fprintln(s.p.Stdout, b.String())
		}
		return false, 0
	}
	end := 0
	for end < len(text) && (text[end] >= 'a' && text[end] <= 'z' || text[end] >= 'A' && text[end] <= 'Z') {
		end++
	}
	verb, arg := text[:end], strings.TrimSpace(text[end:])
	switch {
	case end == 0:
		s.byDefault(ctx, text)
		return false, 0
	case verb == "u", verb == "U": // a modifier of commands
		s.tell("Ignoring yet unused `u' command modifier!", "")
		s.ring.open = arg != ""
		if arg == "" {
			s.next()
			return false, 0
		}
		return s.command(ctx, arg)
	}
	full := short[verb]
	if full == "" {
		full = commandOf(verb)
	}
	if full == "" {
		s.complain("%s: unknown command", verb)
		return false, 0
	}
	if obsoleteCommands[full] {
		s.complain("Obsoletion warning: command will be removed: %s", full)
	}
	return s.obey(ctx, full, arg)
}

// commandOf resolves a command's name or an abbreviation of it.
func commandOf(verb string) string {
	all := commandNames()
	if slices.Contains(all, verb) {
		return verb
	}
	if i := slices.IndexFunc(all, func(name string) bool { return strings.HasPrefix(name, verb) }); i >= 0 {
		return all[i]
	}
	return ""
}

// cutCommand splits a line at the first semicolon that is not quoted.
func cutCommand(text string) (first, rest string, more bool) {
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quote != '\'':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == ';':
			return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:]), true
		}
	}
	return text, "", false
}

// byDefault obeys a line that begins with no command: it is an argument of next.
func (s *session) byDefault(ctx context.Context, text string) {
	if !s.tty {
		s.complain("The empty (default) command is ignored here, but has arguments: %s", text)
		return
	}
	if s.file == "" {
		s.complain("next: needs an active mailbox")
		return
	}
	s.nextOf(ctx, s.chosen(s.words(text)))
}

// nextOf shows the first of some messages that comes after the current one, or
// the first of all.
func (s *session) nextOf(ctx context.Context, list []int) {
	if len(list) == 0 {
		return
	}
	i := max(slices.IndexFunc(list, func(i int) bool { return i > s.dot }), 0)
	s.print(ctx, list[i:i+1], showShort, false)
}

// next shows the message after the current one.
func (s *session) next() {
	start := s.dot
	if s.seen {
		start++
	}
	for i := start; i < len(s.msgs); i++ {
		if !s.msgs[i].Deleted {
			s.print(context.Background(), []int{i}, showShort, false)
			return
		}
	}
	fmt.Fprintln(s.p.Stdout, "At EOF")
}

// chosen returns the messages of an argument, the current one without; nil when
// a complaint has been made.
func (s *session) chosen(words []string) []int {
	if len(words) == 0 {
		words = []string{"."}
		if s.dot < 0 || s.dot >= len(s.msgs) || s.msgs[s.dot].Deleted {
			s.complain(noMessages)
			return nil
		}
	}
	list, problem := s.list(words, false)
	for _, line := range strings.Split(problem, "\n") {
		if line != "" {
			s.complain("%s", line)
		}
	}
	return list
}

// obey does a command.
func (s *session) obey(ctx context.Context, full, arg string) (stop bool, status int) {
	verb := full
	if other := same[full]; other != "" {
		full = other
	}
	switch {
	case interactive[full] && !s.tty && !s.batch:
		s.complain("%s: can only be used batch or interactive mode", verb)
		return false, 0
	case needsMailbox[full] && s.file == "":
		s.complain("%s: needs an active mailbox", verb)
		return false, 0
	case edits[full] && s.readOnly:
		s.complain("%s: cannot be used in read-only mailbox", verb)
		return false, 0
	}
	switch full {
	case "print", "Print", "more", "More", "show", "Show", "top", "Top":
		how := map[string]fullness{"print": showShort, "more": showShort, "Print": showAll, "More": showAll, "show": showRaw, "Show": showRaw, "top": showTop, "Top": showTopAll}[full]
		if list := s.chosen(s.words(arg)); list != nil {
			s.print(ctx, list, how, full == "more" || full == "More")
		}
	case "next":
		if arg == "" {
			s.next()
		} else {
			s.nextOf(ctx, s.chosen(s.words(arg)))
		}
	case "headers":
		if arg == "" {
			s.headers(s.dot)
		} else if list := s.chosen(s.words(arg)); list != nil {
			s.setDot(s.page1(list[0])[0])
			s.headers(s.dot)
		}
	case "z", "Z":
		s.scroll(arg)
	case "from":
		if list := s.chosen(s.words(arg)); list != nil {
			s.setDot(list[0])
			s.seen = false
			for _, i := range list {
				s.summary(i, s.columns())
			}
		}
	case "delete", "dp":
		s.delete(ctx, s.chosen(s.words(arg)), full == "dp")
	case "undelete":
		s.undelete(arg)
	case "save", "copy", "write", "Save", "Copy", "move", "Move":
		s.save(ctx, full, arg)
	case "hold":
		list := s.chosen(s.words(arg))
		if list != nil && !s.system {
			fmt.Fprintln(s.p.Stdout, "preserve: cannot be used in a system mailbox")
			return false, 0
		}
		for _, i := range list {
			s.markAs(i, full)
		}
	case "mbox", "unread", "touch", "flag", "unflag", "answered", "unanswered", "draft", "undraft", "seen":
		for _, i := range s.chosen(s.words(arg)) {
			s.markAs(i, full)
		}
	case "size":
		for _, i := range s.chosen(s.words(arg)) {
			lines, size := s.msgs[i].Size()
			fmt.Fprintf(s.p.Stdout, "%d: %d/%d\n", i+1, lines, size)
		}
	case "reply", "Reply":
		all := full == "reply"
		if s.isSet("flipr") {
			all = !all
		}
		for k, i := range s.chosen(s.words(arg)) {
			if k > 0 {
				fmt.Fprintln(s.p.Stdout, "Waiting a second before proceeding to the next message..")
				s.p.Sleep(ctx, time.Second)
			}
			s.reply(ctx, i, all)
		}
	case "forward", "Forward", "resend", "Resend":
		s.forward(ctx, full, arg)
	case "mail", "Mail":
		s.mail(ctx, arg)
	case "file", "File":
		s.change(arg, full == "File")
	case "pipe", "Pipe":
		how := showShort
		if full == "Pipe" {
			how = showAll
		}
		s.pipe(ctx, arg, how)
	case "sort", "thread", "unthread", "unsort":
		s.sortBy(full, arg)
	case "edit", "visual":
		s.edit(ctx, full, arg)
	case "quit":
		s.quit()
		return true, exitStatus(arg)
	case "exit":
		return true, exitStatus(arg)
	case "help":
		s.help(arg)
	case "list":
		s.listCommands()
	case "echo":
		fmt.Fprintln(s.p.Stdout, strings.Join(s.words(arg), " "))
	case "version":
		fmt.Fprintf(s.p.Stdout, "s-nail %s, %s (built for Linux)\n%s", version, versionDate, featuresText)
	case "errors":
		s.errors(arg)
	case "shell":
		s.p.Exec(ctx, s.shellPath())
		fmt.Fprintln(s.p.Stdout)
	case "chdir":
		s.chdir(arg)
	case "cwd":
		fmt.Fprintln(s.p.Stdout, s.p.Dir)
	case "folders":
		s.folders(ctx)
	case "ghost", "commandalias":
		fmt.Fprintln(s.p.Stdout, "# `commandalias': no data available")
	case "call":
		s.call(ctx, s.words(arg))
	case "eval":
		return s.command(ctx, strings.Join(s.words(arg), " "))
	case "newmail", "noop":
	case "else", "elif", "endif":
		s.complain("%s: no matching `if'", full)
	case "Lreply":
		s.complain("No recipients specified for `Lreply'")
	case "account":
		if w := s.words(arg); len(w) == 1 {
			s.useAccount(ctx, w[0])
		}
	case "source":
		for _, w := range s.words(arg) {
			s.source(ctx, libc.Abs(s.p, s.path(w)), true)
		}
	case "varshow":
		if arg == "" {
			s.complain("ERROR: varshow: takes at least 1, and no more than 511 arg(s)")
			s.complain("Synopsis: varshow: %s", explanation(full))
		}
		for _, name := range s.words(arg) {
			switch {
			case s.isSet(name):
				fmt.Fprintln(s.p.Stdout, s.varLine(name))
			case booleans[name]:
				fmt.Fprintf(s.p.Stdout, "#boolean; variable not set: %s\n", name)
			default:
				fmt.Fprintf(s.p.Stdout, "#variable not set: %s\n", name)
			}
		}
	case "retain":
		s.retain(arg, "type retain", sortedNames(s.shown))
	case "ignore":
		s.retain(arg, "type ignore", sortedNames(s.hidden))
	case "unretain":
		for _, name := range s.words(arg) {
			delete(s.shown, strings.ToLower(name))
		}
	case "unignore":
		if len(s.hidden) == 0 {
			s.complain("No fields currently being ignored")
		}
		for _, name := range s.words(arg) {
			delete(s.hidden, strings.ToLower(name))
		}
	default:
		if !s.setting(append([]string{full}, s.words(arg)...)) {
			s.complain("%s: not modelled", full)
		}
	}
	return false, 0
}

// exitStatus is the status that a command to leave gives.
func exitStatus(arg string) int {
	if strings.Trim(arg, "0123456789") != "" {
		return 255
	}
	return number(arg)
}

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

// errors shows or clears the error ring.
func (s *session) errors(arg string) {
	switch {
	case arg == "clear":
		s.ring = ring{}
	case arg != "" && arg != "show":
		s.complain("Synopsis: errors: Control message ring: [<show>|clear]")
	case len(s.ring.entries) == 0:
		fmt.Fprintln(s.p.Stdout, "The error ring is empty")
	}
	for i, e := range s.ring.entries {
		fmt.Fprintf(s.p.Stdout, "%4d/%d   %s\n", i+1, e.times, e.text)
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
		s.complain("sort: invalid sorting method: %s", arg)
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

// help explains commands.
func (s *session) help(arg string) {
	if arg == "" {
		io.WriteString(s.p.Stdout, helpText)
		return
	}
	full := short[arg]
	if full == "" {
		full = commandOf(arg)
	}
	text := explanation(full)
	switch {
	case full == "":
		s.complain("Unknown command: `%s'", arg)
	case full == arg:
		fmt.Fprintf(s.p.Stdout, "%s: %s\n", full, text)
	default:
		fmt.Fprintf(s.p.Stdout, "%s (%s): %s\n", arg, full, text)
	}
}
