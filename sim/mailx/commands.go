package mailx

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"enshu/sim/libc"
)

//go:embed features.txt
var featuresText string

//go:embed help.txt
var helpText string

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
		if s.gone(ctx) {
			return 1 // and the mailbox stays as it was
		}
		if !e.ok {
			if s.tty {
				fmt.Fprintln(s.p.Stdout, "^D")
			}
			s.quit()
			return s.failed
		}
		stop, status := false, 0
		if blockEnd(e.line) != "" && !s.misused(e.line) {
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
	case end == 0 && strings.IndexByte("[]{}<>_,)", text[0]) >= 0:
		s.complain("%s: unknown command", text[:1])
		return false, 0
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
		s.status = 1
		return false, 0
	}
	told := s.complaints
	defer func() {
		if s.status = 0; s.complaints > told {
			s.status = 1
		}
	}()
	if obsoleteCommands[full] {
		s.complain("Obsoletion warning: command will be removed: %s", full)
	}
	return s.obey(ctx, full, arg)
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
	case s.composing && needsMailbox[full] && !whileSending[full]:
		s.complain("%s: cannot be used while sending", verb)
		return false, 0
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
	if open, ok := openQuote(arg); ok {
		s.complain("No closing quote: %s", open)
		switch {
		case full == "set":
		case needsMailbox[full] && !takesFile[full]:
			s.complain("getmsglist: parsing stopped after 0 arguments (need 0+)")
			s.complain("     Input: %s", arg)
			s.complain("   Stopped: ")
		default:
			s.complain("%s: invalid argument list", verb)
		}
		return false, 0
	}
	if n, ok := arity[full]; ok {
		if given := len(s.words(arg)); given < n.least || given > n.most {
			s.complain("ERROR: %s: takes at least %d, and no more than %d arg(s)", verb, n.least, n.most)
			s.complain("Synopsis: %s: %s", verb, explanation(verb))
			return false, 0
		}
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
			if list[0] != s.dot {
				s.setDot(s.page1(list[0])[0])
			}
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
			s.reply(ctx, i, all, strings.HasPrefix(strings.ToLower(verb), "followup"))
		}
	case "mimeview":
		if list := s.chosen(s.words(arg)); len(list) > 1 {
			s.complain("mimeview: can yet only take one message, sorry!")
		} else if list != nil {
			s.print(ctx, list, showMIME, false)
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
	case "echo", "echon", "echoerr", "echoerrn":
		w, end := s.p.Stdout, "\n"
		if strings.HasPrefix(full, "echoerr") {
			w = s.p.Stderr
		}
		if strings.HasSuffix(full, "n") {
			end = ""
		}
		fmt.Fprint(w, strings.Join(s.words(arg), " "), end)
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
	case "headerpick":
		s.headerpick(s.words(arg))
	case "dotmove":
		s.moveDot(arg)
	case "spamclear", "spamforget", "spamham", "spamrate", "spamset", "spamspam":
		s.complain("%s: no *spam-interface* set", verb)
	case "uncommandalias":
		for _, w := range s.words(arg) {
			s.complain("No such `commandalias': %s", w)
		}
	case "rename":
		if w := s.words(arg); true {
			s.complain("ERROR: `rename': %s -> %s: link(2) failed: %s", w[0], w[1], noEntry)
		}
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
		s.allWords = full == "set"
		words := s.words(arg)
		s.allWords = false
		if !s.setting(append([]string{full}, words...)) {
			s.complain("%s: not modelled", full)
		}
	}
	return false, 0
}

// misused reports whether a line would begin a block and says too little for it.
func (s *session) misused(line string) bool { return strings.TrimSpace(line) == "if" }

// openQuote returns the text from a quote on that has no end.
func openQuote(text string) (rest string, open bool) {
	at := -1
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && (at < 0 || text[at] == '"'):
			i++
		case at >= 0 && c == text[at]:
			at = -1
		case at < 0 && (c == '"' || c == '\''):
			at = i
		}
	}
	if at < 0 {
		return "", false
	}
	return text[at:], true
}

// exitStatus is the status that a command to leave gives.
func exitStatus(arg string) int {
	if strings.Trim(arg, "0123456789") != "" {
		return 255
	}
	return number(arg)
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
