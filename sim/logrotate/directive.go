package logrotate

import (
	"errors"
	"fmt"
	"strings"
)

// shape says what follows a keyword.
type shape int

const (
	flag     shape = iota // nothing
	value                 // [=] the rest of the line, which must not be empty
	line                  // the rest of the line, which may be empty
	assigned              // [=] the rest of the line, which may be empty
	script                // lines up to endscript
	global                // a value that is not about logs but about directories of configuration files
)

// directive is one keyword of the language. apply changes a set; its error is
// the message without file and line, and makes the block invalid.
type directive struct {
	shape   shape
	what    string // of value: what the argument is called in messages
	apply   func(s *set, arg string, l *lookups) error
	lenient bool // a missing value is told, and that is all
	fatal   bool // an error ends the reading of the file
}

// lookups are what directives need from the host and the file.
type lookups struct {
	uid, gid func(name string) (int, bool)
	note     func(format string, args ...any) // a message of -v
	bySet    *bool                            // a criterion was set before

	// Some messages of the original show more than the value, as C strings that
	// nothing ends.
	raw    string // from the keyword to the end of the line, without spaces there
	unread string // from the keyword to the end of the file
	last   string // from the last character of the line to the end of the file
}

// errDeprecated is for a directive that has no effect any more.
var errDeprecated = errors.New("deprecated")

func on(field func(*set) *bool) directive  { return boolean(field, true) }
func off(field func(*set) *bool) directive { return boolean(field, false) }

func boolean(field func(*set) *bool, to bool) directive {
	return directive{apply: func(s *set, _ string, _ *lookups) error { *field(s) = to; return nil }}
}

func period(c criterion) directive {
	return directive{apply: func(s *set, _ string, l *lookups) error {
		s.criterion(c, l)
		if c == daily {
			s.threshold = 1
		}
		return nil
	}}
}

// criterion sets what makes the log due and tells when that replaces another.
func (s *set) criterion(c criterion, l *lookups) {
	if *l.bySet && s.by != c {
		l.note("note: '%s' overrides previously specified '%s'\n", c, s.by)
	}
	s.by, *l.bySet = c, true
}

func size(what string, put func(*set, int64, *lookups)) directive {
	return directive{shape: value, what: what, lenient: true, apply: func(s *set, arg string, l *lookups) error {
		n, err := parseSize(arg)
		if err == nil {
			put(s, n, l)
		}
		return err
	}}
}

func count(what, bad string, least int64, field func(*set) *int) directive {
	return directive{shape: value, what: what, apply: func(s *set, arg string, _ *lookups) error {
		n, rest := cNumber(arg)
		// The number is taken even if it is bad, which shows in a block that the
		// end of the file closes.
		*field(s) = int(max(min(n, 1<<31-1), -1<<31))
		if rest != "" || n < least {
			return fmt.Errorf("bad %s '%s'", bad, arg)
		}
		return nil
	}}
}

// age is a number of days.
func age(what string, field func(*set) *int) directive {
	return directive{shape: value, what: what + "age count", apply: func(s *set, arg string, l *lookups) error {
		n, rest := cNumber(arg)
		*field(s) = int(max(min(n, 1<<31-1), 0))
		if rest != "" || n < 0 {
			return fmt.Errorf("bad %simum age '%s'", what, l.last)
		}
		return nil
	}}
}

func text(sh shape, what, told string, field func(*set) *string) directive {
	return directive{shape: sh, what: what, apply: func(s *set, arg string, l *lookups) error {
		*field(s) = arg
		if told != "" {
			l.note("%s is now %s\n", told, arg)
		}
		return nil
	}}
}

// name is a value that must be one word of printable ASCII, what messages call
// a path.
func name(what string, put func(s *set, arg string, l *lookups)) directive {
	return directive{shape: value, what: what, apply: func(s *set, arg string, l *lookups) error {
		if !printable(arg) {
			return fmt.Errorf("bad %s path %s", what, arg)
		}
		put(s, arg, l)
		return nil
	}}
}

// told puts a value into a field and tells.
func told(what string, field func(*set) *string) func(*set, string, *lookups) {
	return func(s *set, arg string, l *lookups) {
		*field(s) = arg
		l.note("%s is now %s\n", what, arg)
	}
}

// printable reports whether a value has neither spaces nor what is not ASCII.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func code(field func(*set) *string) directive { return text(script, "", "", field) }

func owners(name string, on func(*set) *bool, field func(*set) *ownership) directive {
	return directive{shape: line, apply: func(s *set, arg string, l *lookups) error {
		o, err := parseOwnership(name, arg, *field(s), l)
		if err == nil {
			*field(s) = o
			*on(s) = true
		}
		return err
	}}
}

// without makes an option empty.
func without(field func(*set) *string) directive {
	return directive{apply: func(s *set, _ string, _ *lookups) error { *field(s) = ""; return nil }}
}

// directives is the language (logrotate.conf(5)); include, tabooext and
// taboopat are the reader's own.
var directives = map[string]directive{
	"compress":        on(func(s *set) *bool { return &s.compress }),
	"nocompress":      off(func(s *set) *bool { return &s.compress }),
	"delaycompress":   on(func(s *set) *bool { return &s.delayCompress }),
	"nodelaycompress": off(func(s *set) *bool { return &s.delayCompress }),
	"compresscmd": name("compress", func(s *set, arg string, l *lookups) {
		s.compressCmd = arg
		l.note("compress_prog is now %s\n", arg)
		if ext := extensionOf(arg); ext != "" {
			s.compressExt = ext
			l.note("compress_ext was changed to %s\n", ext)
		}
	}),
	"uncompresscmd": name("uncompress", told("uncompress_prog", func(s *set) *string { return &s.uncompressCmd })),
	"compressext":   name("compress-ext", told("compress_ext", func(s *set) *string { return &s.compressExt })),
	"compressoptions": {shape: line, apply: func(s *set, arg string, l *lookups) error {
		options, ok := words(arg)
		if !ok || len(options) == 0 {
			return errors.New("invalid compression options")
		}
		s.compressOptions = options
		l.note("compress_options is now %s\n", l.raw)
		return nil
	}},

	"shred":       on(func(s *set) *bool { return &s.shred }),
	"noshred":     off(func(s *set) *bool { return &s.shred }),
	"shredcycles": count("shred cycles", "shred cycles", 0, func(s *set) *int { return &s.shredCycles }),

	"sharedscripts":   on(func(s *set) *bool { return &s.sharedScripts }),
	"nosharedscripts": off(func(s *set) *bool { return &s.sharedScripts }),

	"copy":   on(func(s *set) *bool { return &s.copy }),
	"nocopy": off(func(s *set) *bool { return &s.copy }),
	"copytruncate": {apply: func(s *set, _ string, _ *lookups) error {
		s.copyTruncate, s.renameCopy = true, false
		return nil
	}},
	"nocopytruncate": off(func(s *set) *bool { return &s.copyTruncate }),
	"renamecopy": {apply: func(s *set, _ string, _ *lookups) error {
		s.copyTruncate, s.renameCopy = false, true
		return nil
	}},
	"norenamecopy": off(func(s *set) *bool { return &s.renameCopy }),
	"create": owners("create", func(s *set) *bool { return &s.create },
		func(s *set) *ownership { return &s.newFile }),
	"nocreate": off(func(s *set) *bool { return &s.create }),

	"olddir":   name("olddir", told("olddir", func(s *set) *string { return &s.oldDir })),
	"noolddir": without(func(s *set) *string { return &s.oldDir }),
	"createolddir": owners("createolddir", func(s *set) *bool { return &s.createOldDir },
		func(s *set) *ownership { return &s.newDir }),
	"nocreateolddir": off(func(s *set) *bool { return &s.createOldDir }),

	"su": owners("su", func(s *set) *bool { return &s.su }, func(s *set) *ownership { return &s.as }),

	"ifempty":          on(func(s *set) *bool { return &s.ifEmpty }),
	"notifempty":       off(func(s *set) *bool { return &s.ifEmpty }),
	"missingok":        on(func(s *set) *bool { return &s.missingOK }),
	"nomissingok":      off(func(s *set) *bool { return &s.missingOK }),
	"ignoreduplicates": on(func(s *set) *bool { return &s.ignoreDuplicates }),
	"errors":           {apply: func(*set, string, *lookups) error { return errDeprecated }},
	"allowhardlink":    on(func(s *set) *bool { return &s.allowHardlink }),
	"noallowhardlink":  off(func(s *set) *bool { return &s.allowHardlink }),

	"mail": {shape: value, what: "mail", apply: func(s *set, arg string, l *lookups) error {
		if !printable(arg) {
			return fmt.Errorf("bad mail address %s", l.unread)
		}
		s.mail = arg
		return nil
	}},
	"nomail":    without(func(s *set) *string { return &s.mail }),
	"mailfirst": on(func(s *set) *bool { return &s.mailFirst }),
	"maillast":  off(func(s *set) *bool { return &s.mailFirst }),

	"hourly":  period(hourly),
	"daily":   period(daily),
	"monthly": period(monthly),
	"yearly":  period(yearly),
	"weekly": {shape: line, fatal: true, apply: func(s *set, arg string, l *lookups) error {
		s.criterion(weekly, l)
		if arg != "" && (len(arg) != 1 || arg[0] < '0' || arg[0] > '7') {
			return fmt.Errorf("bad weekly directive '%s'", l.raw)
		}
		s.weekday = 0
		if arg != "" {
			s.weekday = int(arg[0] - '0')
		}
		return nil
	}},
	"size": size("size", func(s *set, n int64, l *lookups) {
		s.criterion(bySize, l)
		s.threshold = n
	}),
	"minsize": size("minsize", func(s *set, n int64, _ *lookups) { s.minSize = n }),
	"maxsize": size("maxsize", func(s *set, n int64, _ *lookups) { s.maxSize = n }),
	"rotate":  count("rotate count", "rotation count", -1, func(s *set) *int { return &s.rotate }),
	"start":   count("start count", "start count", 0, func(s *set) *int { return &s.start }),
	"minage":  age("min", func(s *set) *int { return &s.minAge }),
	"maxage":  age("max", func(s *set) *int { return &s.maxAge }),

	"extension":     text(value, "extension name", "extension", func(s *set) *string { return &s.extension }),
	"addextension":  text(value, "addextension name", "addextension", func(s *set) *string { return &s.addExtension }),
	"dateext":       on(func(s *set) *bool { return &s.dateExt }),
	"nodateext":     off(func(s *set) *bool { return &s.dateExt }),
	"dateyesterday": on(func(s *set) *bool { return &s.dateYesterday }),
	"datehourago":   on(func(s *set) *bool { return &s.dateHour }),
	"dateformat": {shape: assigned, lenient: true, apply: func(s *set, arg string, _ *lookups) error {
		// Without one that of an outer level is gone all the same.
		if s.dateFormat = arg; arg == "" {
			return errors.New("argument expected after dateformat")
		}
		return nil
	}},

	"firstaction": code(func(s *set) *string { return &s.first }),
	"prerotate":   code(func(s *set) *string { return &s.pre }),
	"postrotate":  code(func(s *set) *string { return &s.post }),
	"lastaction":  code(func(s *set) *string { return &s.last }),
	"preremove":   code(func(s *set) *string { return &s.preRemove }),
	"include":     {shape: global, what: "include"},
	"tabooext":    {shape: global, what: "tabooext", lenient: true},
	"taboopat":    {shape: global, what: "taboopat", lenient: true},
}

// parseSize reads bytes, or a number with k, M or G.
func parseSize(arg string) (int64, error) {
	number, unit := arg, int64(1)
	switch last := arg[len(arg)-1]; last {
	case 'k', 'K':
		number, unit = arg[:len(arg)-1], 1<<10
	case 'M':
		number, unit = arg[:len(arg)-1], 1<<20
	case 'G':
		number, unit = arg[:len(arg)-1], 1<<30
	default:
		if last < '0' || last > '9' {
			return 0, fmt.Errorf("unknown unit '%c'", last)
		}
	}
	n, rest := cNumber(number)
	if rest != "" || n < 0 || n == 1<<63-1 {
		return 0, fmt.Errorf("bad size '%s'", number)
	}
	return n * unit, nil
}

// parseOwnership reads "[MODE] [OWNER [GROUP]]"; su has no mode.
func parseOwnership(name, arg string, o ownership, l *lookups) (ownership, error) {
	f := strings.Fields(arg)
	if len(f) > 0 && name != "su" {
		if mode, rest, ok := octal(f[0]); ok {
			o.mode = mode
			// What is left of the word is read as the owner.
			if f[0] = rest; rest == "" {
				f = f[1:]
			}
		}
	}
	if len(f) > 2 {
		return o, fmt.Errorf("extra arguments for %s", name)
	}
	if name == "su" && len(f) < 2 {
		if len(f) == 1 {
			if _, ok := l.uid(f[0]); !ok {
				return o, fmt.Errorf("unknown user '%s'", f[0])
			}
			return o, errors.New("no group for su")
		}
		return o, errors.New("no user for su")
	}
	var ok bool
	if len(f) > 0 {
		if o.uid, ok = l.uid(f[0]); !ok {
			return o, fmt.Errorf("unknown user '%s'", f[0])
		}
	}
	if len(f) > 1 {
		if o.gid, ok = l.gid(f[1]); !ok {
			return o, fmt.Errorf("unknown group '%s'", f[1])
		}
	}
	return o, nil
}

// octal reads a mode of 16 bits from the beginning of s as scanf(3) does: with a sign.
func octal(s string) (mode int, rest string, ok bool) {
	t := strings.TrimPrefix(s, "+")
	negative := strings.HasPrefix(t, "-")
	t = strings.TrimPrefix(t, "-")
	for ; t != "" && t[0] >= '0' && t[0] <= '7'; t = t[1:] {
		mode, ok = (mode<<3|int(t[0]-'0'))&0xffff, true
	}
	if negative {
		mode = -mode & 0xffff
	}
	return mode, t, ok
}

// cNumber reads a whole number from the beginning of s as strtol(3) does with
// base 0, and returns what is left of s; all of it when there is no number.
func cNumber(s string) (n int64, rest string) {
	t := strings.TrimLeft(s, " \t")
	negative := strings.HasPrefix(t, "-")
	if negative || strings.HasPrefix(t, "+") {
		t = t[1:]
	}
	base, some := int64(10), false
	switch {
	case len(t) > 2 && t[0] == '0' && t[1]|0x20 == 'x' && digit(t[2]) < 16:
		base, t = 16, t[2:]
	case strings.HasPrefix(t, "0"):
		base = 8
	}
	for ; t != "" && digit(t[0]) < base; t = t[1:] {
		some = true
		if n > (1<<63-1-digit(t[0]))/base {
			n = 1<<63 - 1
			continue
		}
		n = n*base + digit(t[0])
	}
	if !some {
		return 0, s
	}
	if negative {
		n = -n
	}
	return n, t
}

// digit returns the value of a digit, 99 when it is none.
func digit(c byte) int64 {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int64(c|0x20-'a') + 10
	}
	return 99
}
