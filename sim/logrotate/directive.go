package logrotate

import (
	"errors"
	"fmt"
	"strings"
)

// shape says what follows a keyword.
type shape int

const (
	flag   shape = iota // nothing
	value               // [=] the rest of the line, which must not be empty
	line                // the rest of the line, which may be empty
	script              // lines up to endscript
	global              // the rest of the line; not within a block
)

// directive is one keyword of the language. apply changes a set; its error is
// the message without file and line, and makes the block invalid.
type directive struct {
	shape shape
	what  string // of value: what the argument is called in messages
	apply func(s *set, arg string, l *lookups) error
}

// lookups are what directives need from the host.
type lookups struct {
	uid, gid func(name string) (int, bool)
	note     func(format string, args ...any) // a message of -v
}

func on(field func(*set) *bool) directive  { return boolean(field, true) }
func off(field func(*set) *bool) directive { return boolean(field, false) }

func boolean(field func(*set) *bool, to bool) directive {
	return directive{flag, "", func(s *set, _ string, _ *lookups) error { *field(s) = to; return nil }}
}

func period(c criterion) directive {
	return directive{flag, "", func(s *set, _ string, l *lookups) error {
		s.criterion(c, l)
		if c == daily {
			s.threshold = 1
		}
		return nil
	}}
}

// criterion sets what makes the log due and tells when that replaces another.
func (s *set) criterion(c criterion, l *lookups) {
	if s.bySet && s.by != c {
		l.note("note: '%s' overrides previously specified '%s'\n", c, s.by)
	}
	s.by, s.bySet = c, true
}

func size(what string, put func(*set, int64, *lookups)) directive {
	return directive{value, what, func(s *set, arg string, l *lookups) error {
		n, err := parseSize(arg)
		if err == nil {
			put(s, n, l)
		}
		return err
	}}
}

func count(what, bad string, least int64, field func(*set) *int) directive {
	return directive{value, what, func(s *set, arg string, _ *lookups) error {
		n, rest := cNumber(arg)
		// The number is taken even if it is bad, which shows in a block that the
		// end of the file closes.
		*field(s) = int(max(min(n, 1<<31-1), least))
		if rest != "" || n < least {
			return fmt.Errorf("bad %s '%s'", bad, arg)
		}
		return nil
	}}
}

func text(sh shape, what, told string, field func(*set) *string) directive {
	return directive{sh, what, func(s *set, arg string, l *lookups) error {
		*field(s) = arg
		if told != "" {
			l.note("%s is now %s\n", told, arg)
		}
		return nil
	}}
}

func code(field func(*set) *string) directive { return text(script, "", "", field) }

func owners(name string, on func(*set) *bool, field func(*set) *ownership) directive {
	return directive{line, "", func(s *set, arg string, l *lookups) error {
		o, err := parseOwnership(name, arg, *field(s), l)
		if err == nil {
			*field(s) = o
			*on(s) = true
		}
		return err
	}}
}

// clear makes an option empty.
func clear(field func(*set) *string) directive {
	return directive{flag, "", func(s *set, _ string, _ *lookups) error { *field(s) = ""; return nil }}
}

// directives is the language (logrotate.conf(5)); include, tabooext and
// taboopat are the reader's own.
var directives = map[string]directive{
	"compress":        on(func(s *set) *bool { return &s.compress }),
	"nocompress":      off(func(s *set) *bool { return &s.compress }),
	"delaycompress":   on(func(s *set) *bool { return &s.delayCompress }),
	"nodelaycompress": off(func(s *set) *bool { return &s.delayCompress }),
	"compresscmd": {value, "compress command", func(s *set, arg string, l *lookups) error {
		s.compressCmd = arg
		l.note("compress_prog is now %s\n", arg)
		if ext := extensionOf(arg); ext != "" {
			s.compressExt = ext
			l.note("compress_ext was changed to %s\n", ext)
		}
		return nil
	}},
	"uncompresscmd": text(value, "uncompress command", "uncompress_prog", func(s *set) *string { return &s.uncompressCmd }),
	"compressext":   text(value, "compress extension name", "compress_ext", func(s *set) *string { return &s.compressExt }),
	"compressoptions": {line, "", func(s *set, arg string, l *lookups) error {
		options, ok := words(arg)
		if !ok || len(options) == 0 {
			return errors.New("invalid compression options")
		}
		s.compressOptions = options
		l.note("compress_options is now %s\n", arg)
		return nil
	}},

	"shred":       on(func(s *set) *bool { return &s.shred }),
	"noshred":     off(func(s *set) *bool { return &s.shred }),
	"shredcycles": count("shred cycles", "shred cycles", 0, func(s *set) *int { return &s.shredCycles }),

	"sharedscripts":   on(func(s *set) *bool { return &s.sharedScripts }),
	"nosharedscripts": off(func(s *set) *bool { return &s.sharedScripts }),

	"copy":   on(func(s *set) *bool { return &s.copy }),
	"nocopy": off(func(s *set) *bool { return &s.copy }),
	"copytruncate": {flag, "", func(s *set, _ string, _ *lookups) error {
		s.copyTruncate, s.renameCopy = true, false
		return nil
	}},
	"nocopytruncate": off(func(s *set) *bool { return &s.copyTruncate }),
	"renamecopy": {flag, "", func(s *set, _ string, _ *lookups) error {
		s.copyTruncate, s.renameCopy = false, true
		return nil
	}},
	"norenamecopy": off(func(s *set) *bool { return &s.renameCopy }),
	"create": owners("create", func(s *set) *bool { return &s.create },
		func(s *set) *ownership { return &s.newFile }),
	"nocreate": off(func(s *set) *bool { return &s.create }),

	"olddir":   text(value, "olddir", "olddir", func(s *set) *string { return &s.oldDir }),
	"noolddir": clear(func(s *set) *string { return &s.oldDir }),
	"createolddir": owners("createolddir", func(s *set) *bool { return &s.createOldDir },
		func(s *set) *ownership { return &s.newDir }),
	"nocreateolddir": off(func(s *set) *bool { return &s.createOldDir }),

	"su": owners("su", func(s *set) *bool { return &s.su }, func(s *set) *ownership { return &s.as }),

	"ifempty":          on(func(s *set) *bool { return &s.ifEmpty }),
	"notifempty":       off(func(s *set) *bool { return &s.ifEmpty }),
	"missingok":        on(func(s *set) *bool { return &s.missingOK }),
	"nomissingok":      off(func(s *set) *bool { return &s.missingOK }),
	"ignoreduplicates": {flag, "", func(*set, string, *lookups) error { return nil }},
	"allowhardlink":    on(func(s *set) *bool { return &s.allowHardlink }),
	"noallowhardlink":  off(func(s *set) *bool { return &s.allowHardlink }),

	"mail":      text(value, "mail", "", func(s *set) *string { return &s.mail }),
	"nomail":    clear(func(s *set) *string { return &s.mail }),
	"mailfirst": on(func(s *set) *bool { return &s.mailFirst }),
	"maillast":  off(func(s *set) *bool { return &s.mailFirst }),

	"hourly":  period(hourly),
	"daily":   period(daily),
	"monthly": period(monthly),
	"yearly":  period(yearly),
	"weekly": {line, "", func(s *set, arg string, l *lookups) error {
		if arg != "" && arg[0] == '#' {
			arg = ""
		}
		if arg != "" && (len(arg) != 1 || arg[0] < '0' || arg[0] > '7') {
			return fmt.Errorf("bad weekly directive '%s'", arg)
		}
		s.criterion(weekly, l)
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
	"minage":  count("minage count", "minimum age", 0, func(s *set) *int { return &s.minAge }),
	"maxage":  count("maxage count", "maximum age", 0, func(s *set) *int { return &s.maxAge }),

	"extension":     text(value, "extension name", "extension", func(s *set) *string { return &s.extension }),
	"addextension":  text(value, "addextension name", "addextension", func(s *set) *string { return &s.addExtension }),
	"dateext":       on(func(s *set) *bool { return &s.dateExt }),
	"nodateext":     off(func(s *set) *bool { return &s.dateExt }),
	"dateyesterday": on(func(s *set) *bool { return &s.dateYesterday }),
	"datehourago":   on(func(s *set) *bool { return &s.dateHour }),
	"dateformat":    text(line, "", "", func(s *set) *string { return &s.dateFormat }),

	"firstaction": code(func(s *set) *string { return &s.first }),
	"prerotate":   code(func(s *set) *string { return &s.pre }),
	"postrotate":  code(func(s *set) *string { return &s.post }),
	"lastaction":  code(func(s *set) *string { return &s.last }),
	"preremove":   code(func(s *set) *string { return &s.preRemove }),
	"include":     {shape: global},
	"tabooext":    {shape: global},
	"taboopat":    {shape: global},
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
	if rest != "" || n < 0 || n > (1<<63-1)/unit {
		return 0, fmt.Errorf("bad size '%s'", number)
	}
	return n * unit, nil
}

// parseOwnership reads "[MODE] [OWNER [GROUP]]"; su has no mode.
func parseOwnership(name, arg string, o ownership, l *lookups) (ownership, error) {
	f := strings.Fields(arg)
	if len(f) > 0 && name != "su" {
		digits := len(f[0]) - len(strings.TrimLeft(f[0], "01234567"))
		switch {
		case digits == len(f[0]):
			o.mode = 0
			for _, c := range f[0] {
				o.mode = (o.mode<<3 | int(c-'0')) & 0o7777
			}
			f = f[1:]
		case digits > 0:
			// What is left of the word is read as the owner.
			o.mode = 0
			for _, c := range f[0][:digits] {
				o.mode = (o.mode<<3 | int(c-'0')) & 0o7777
			}
			f[0] = f[0][digits:]
		}
	}
	if len(f) > 2 {
		return o, fmt.Errorf("extra arguments for %s", name)
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
