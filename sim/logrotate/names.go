package logrotate

import (
	"path"
	"strconv"
	"strings"
	"time"
)

// names are the names that old logs of one log have.
type names struct {
	dir     string // of old logs
	base    string // without the extension that stays behind the number
	ext     string
	comp    string // what compression adds
	start   int    // the number of the newest
	delay   bool   // the newest is not compressed yet
	date    string // suffix, when old logs have dates
	pattern string // of date suffixes
}

// names returns the names of old logs of a log rotated at now.
func (s *set) names(log string, now time.Time) names {
	n := names{dir: path.Dir(log), base: path.Base(log), start: s.start, delay: s.delayCompress}
	switch {
	case strings.HasPrefix(s.oldDir, "/"):
		n.dir = s.oldDir
	case s.oldDir != "":
		n.dir = n.dir + "/" + s.oldDir
	}
	if n.start == unset {
		n.start = 1
	}
	if s.compress {
		n.comp = s.compressExt
	}
	added := s.addExtension != "" && strings.HasSuffix(n.base, s.addExtension)
	if s.extension != "" && strings.HasSuffix(n.base, s.extension) && !added {
		n.ext = s.extension
	} else if s.addExtension != "" {
		n.ext = s.addExtension
	}
	n.base = strings.TrimSuffix(n.base, n.ext)
	format, _ := s.format()
	n.date, n.pattern, _ = suffix(format, s.suffixTime(now))
	return n
}

// prefix is the beginning of all old logs' names.
func (n names) prefix() string { return n.dir + "/" + n.base }

// plain is an old log with a number, before compression.
func (n names) plain(i int) string { return n.prefix() + "." + strconv.Itoa(i) + n.ext }

// number is an old log with a number, compressed if the set says so.
func (n names) number(i int) string { return n.plain(i) + n.comp }

// dated is an old log with the date, before compression.
func (n names) dated() string { return n.prefix() + n.date + n.ext }

// newest is the old log that this rotation makes in the end.
func (n names) newest(plain string) string {
	if n.delay {
		return plain
	}
	return plain + n.comp
}

// old is an old log that exists.
type old struct {
	name  string
	mtime time.Time
}

// tooMany returns which of the logs, oldest first, have to go before one more
// comes: all but the newest keep-1, and those older than maxAge days. keep -1
// keeps all.
func tooMany(logs []old, keep, maxAge int, now time.Time) []string {
	var gone []string
	for i, o := range logs {
		if keep >= 0 && len(logs) >= keep && i <= len(logs)-keep || tooOld(o, maxAge, now) {
			gone = append(gone, o.name)
		}
	}
	return gone
}

// tooOld reports whether maxAge days, unless they are 0, have passed.
func tooOld(o old, maxAge int, now time.Time) bool {
	return maxAge > 0 && now.Sub(o.mtime) > time.Duration(maxAge)*day
}
