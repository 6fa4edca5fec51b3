package mailx

import (
	_ "embed"
	"slices"
	"strings"
)

// commandsText has a line for each command, in the order in which they are
// listed and abbreviations are tried: its name and what it does.
//
//go:embed commands.txt
var commandsText string

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

// short are abbreviations of POSIX that do not follow the order of the list.
var short = map[string]string{"a": "alias", "ch": "chdir", "r": "reply", "R": "Reply", "v": "visual", "w": "write", "u": "u", "p": "print", "P": "Print", "fwd": "forward"}

// same are other names of a command.
var same = map[string]string{"type": "print", "Type": "Print", "page": "more", "Page": "More", "xit": "exit", "preserve": "hold", "respond": "reply",
	"Respond": "Reply", "replyall": "reply", "replysender": "Reply", "followup": "reply", "Followup": "Reply", "followupall": "reply", "followupsender": "Reply", "respondall": "reply", "respondsender": "Reply", "folder": "file", "Folder": "File",
	"group": "alias", "ungroup": "unalias", "new": "unread", "New": "unread", "Unread": "unread", "mv": "move", "Mv": "Move", "dt": "dp",
	"cd": "chdir", "search": "from", "Seen": "seen", "discard": "ignore"}

// obsoleteCommands are told of when they are used.
var obsoleteCommands = map[string]bool{"thread": true, "unthread": true, "mv": true, "Mv": true, "ghost": true, "unghost": true,
	"fwdretain": true, "fwdignore": true, "fwddiscard": true, "saveretain": true, "saveignore": true, "savediscard": true,
	"unfwdretain": true, "unfwdignore": true, "unsaveretain": true, "unsaveignore": true}

// needsMailbox are the commands that work on messages.
var needsMailbox = map[string]bool{"print": true, "Print": true, "next": true, "headers": true, "from": true, "delete": true, "dp": true, "undelete": true,
	"save": true, "copy": true, "move": true, "Save": true, "Copy": true, "Move": true, "write": true, "mbox": true, "hold": true, "unread": true, "seen": true,
	"flag": true, "unflag": true, "answered": true, "unanswered": true, "touch": true, "size": true, "reply": true, "Reply": true, "top": true, "Top": true,
	"more": true, "More": true, "show": true, "Show": true, "pipe": true, "Pipe": true, "z": true, "Z": true, "sort": true, "forward": true, "Forward": true,
	"resend": true, "Resend": true, "mimeview": true, "dotmove": true, "noop": true, "edit": true, "visual": true, "unsort": true, "draft": true, "undraft": true}

// whileSending are those of them that a letter being written only lacks the
// mailbox for.
var whileSending = map[string]bool{"Copy": true, "Move": true, "copy": true, "move": true, "headers": true, "z": true, "Z": true, "seen": true,
	"answered": true, "unanswered": true, "draft": true, "undraft": true, "flag": true, "unflag": true}

// interactive are the commands that a mere list of commands may not use.
var interactive = map[string]bool{"mail": true, "Mail": true, "reply": true, "Reply": true, "Lreply": true, "forward": true, "Forward": true,
	"edit": true, "visual": true, "errors": true, "shell": true, "mimeview": true, "history": true}

// edits are those that a read-only mailbox refuses.
var edits = map[string]bool{"delete": true, "dp": true, "mbox": true, "hold": true, "edit": true, "visual": true, "touch": true}

// takesFile are the commands on messages whose last word is a file or a command.
var takesFile = map[string]bool{"save": true, "copy": true, "move": true, "write": true, "pipe": true, "Pipe": true, "forward": true, "Forward": true,
	"resend": true, "Resend": true}

// manyWords is how many words a command takes that takes many.
const manyWords = 511

// arity is how many words the commands take that count them.
var arity = map[string]struct{ least, most int }{
	"File": {0, 1}, "Z": {0, 1}, "chdir": {0, 1}, "colour": {0, 4}, "csop": {2, manyWords}, "cwd": {0, 0}, "elif": {1, manyWords}, "environ": {2, manyWords},
	"eval": {1, manyWords}, "file": {0, 1}, "folders": {0, 1}, "help": {0, 1}, "if": {1, manyWords}, "list": {0, 0}, "localopts": {1, 2}, "mailcap": {0, 1},
	"mtaaliases": {0, 1}, "netrc": {0, 2}, "newmail": {0, 0}, "noop": {0, 0}, "read": {1, manyWords}, "readall": {1, 1}, "remove": {1, manyWords}, "rename": {2, 2},
	"return": {0, 2}, "shell": {0, 0}, "shift": {0, 1}, "sleep": {1, 3}, "sort": {0, 1}, "source": {1, 1}, "tls": {1, manyWords}, "unaccount": {1, manyWords},
	"unalias": {1, manyWords}, "unalternates": {1, manyWords}, "uncharsetalias": {1, manyWords}, "uncolour": {2, 3}, "uncommandalias": {1, manyWords}, "undefine": {1, manyWords},
	"unfiletype": {1, manyWords}, "unghost": {1, manyWords}, "unheaderpick": {3, manyWords}, "unmimetype": {1, manyWords}, "unmlist": {1, manyWords}, "unmlsubscribe": {1, manyWords},
	"unset": {1, manyWords}, "unshortcut": {1, manyWords}, "varshow": {1, manyWords}, "version": {0, 0}, "vexpr": {1, manyWords}, "z": {0, 1},
}
