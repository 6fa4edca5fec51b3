package getdate

import (
	"math"
	"strings"
	"time"
)

// tokenKind is what a word of a date string may be.
type tokenKind int

const (
	tokEnd    tokenKind = iota
	tokNumber           // without a sign
	tokSigned           // with one
	tokChar
	tokMonth
	tokDay
	tokUnit
	tokShift // today, tomorrow, yesterday: days
	tokOrdinal
	tokAgo       // the sign that it gives
	tokMeridian  // 12 is pm
	tokZone      // minutes east of UTC
	tokDayZone   // the same, of a zone in summer
	tokLocalZone // a name of the host's own zone; 1 is that of summer
	tokDST
)

// token is a word of a date string.
type token struct {
	kind     tokenKind
	value    int
	digits   int
	negative bool // -0 counts
	frac     int  // nanoseconds behind a point or comma
	decimal  bool // there was one
	unit     string
	char     byte
}

// lexer splits a date string. Words are looked up as the string's context says:
// the names of the local zone are words too.
type lexer struct {
	zone map[string]token
}

const blanks = " \t\n\v\f\r"

func isDigit(s string, i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// split returns the tokens of s; false when a word is none that dates have.
func (l *lexer) split(s string) ([]token, bool) {
	var tok []token
	for i := 0; ; {
		for i < len(s) && strings.IndexByte(blanks, s[i]) >= 0 {
			i++
		}
		if i == len(s) {
			return tok, true
		}
		switch c := s[i]; {
		case isDigit(s, i), c == '+', c == '-':
			t := token{kind: tokNumber}
			if c == '+' || c == '-' {
				t.kind, t.negative = tokSigned, c == '-'
				for i++; i < len(s) && strings.IndexByte(blanks, s[i]) >= 0; i++ {
				}
				if !isDigit(s, i) {
					continue // a sign of nothing
				}
			}
			var ok bool
			if i, ok = t.number(s, i); !ok {
				return nil, false
			}
			tok = append(tok, t)
		case isLetter(c):
			j := i
			for j < len(s) && (isLetter(s[j]) || s[j] == '.') {
				j++
			}
			t, ok := l.lookup(strings.ToLower(s[i:j]))
			if !ok {
				return nil, false
			}
			tok = append(tok, t)
			i = j
		case c == '(':
			// A comment; one that is not closed goes on to the end.
			depth := 0
			for ; i < len(s); i++ {
				if s[i] == '(' {
					depth++
				} else if s[i] == ')' {
					if depth--; depth == 0 {
						i++
						break
					}
				}
			}
		default:
			tok = append(tok, token{kind: tokChar, char: c})
			i++
		}
	}
}

// number reads digits, and a fraction of seconds behind them.
func (t *token) number(s string, i int) (end int, ok bool) {
	for ; isDigit(s, i); i++ {
		d := int(s[i] - '0')
		if t.value > (math.MaxInt64-d)/10 {
			return i, false
		}
		t.value = t.value*10 + d
		t.digits++
	}
	if i < len(s) && (s[i] == '.' || s[i] == ',') && isDigit(s, i+1) {
		t.decimal = true
		scale := 100000000
		for i++; isDigit(s, i); i++ {
			t.frac += int(s[i]-'0') * scale
			scale /= 10
		}
	}
	if t.negative {
		t.value, t.frac = -t.value, -t.frac
	}
	return i, true
}

var monthNames = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}
var dayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// Month returns the number of a month that is given by its English name or a short
// form of it, in lower case.
func Month(w string) (int, bool) {
	for i, m := range monthNames {
		if w == m || w == m[:3] || w == "sept" && i == 8 {
			return i + 1, true
		}
	}
	return 0, false
}

func dayOf(w string) (int, bool) {
	for i, d := range dayNames {
		if w == d || w == d[:3] || w == "tues" && i == 2 || w == "wednes" && i == 3 || (w == "thur" || w == "thurs") && i == 4 {
			return i, true
		}
	}
	return 0, false
}

// words are those that are no names of months, days, units or zones.
var words = map[string]token{
	"am": {kind: tokMeridian}, "a.m.": {kind: tokMeridian},
	"pm": {kind: tokMeridian, value: 12}, "p.m.": {kind: tokMeridian, value: 12},
	"ago": {kind: tokAgo, value: -1}, "hence": {kind: tokAgo, value: 1}, "dst": {kind: tokDST},
	"today": {kind: tokShift}, "now": {kind: tokShift}, "tomorrow": {kind: tokShift, value: 1}, "yesterday": {kind: tokShift, value: -1},
	"last": {kind: tokOrdinal, value: -1}, "this": {kind: tokOrdinal}, "next": {kind: tokOrdinal, value: 1},
	"first": {kind: tokOrdinal, value: 1}, "third": {kind: tokOrdinal, value: 3}, "fourth": {kind: tokOrdinal, value: 4},
	"fifth": {kind: tokOrdinal, value: 5}, "sixth": {kind: tokOrdinal, value: 6}, "seventh": {kind: tokOrdinal, value: 7},
	"eighth": {kind: tokOrdinal, value: 8}, "ninth": {kind: tokOrdinal, value: 9}, "tenth": {kind: tokOrdinal, value: 10},
	"eleventh": {kind: tokOrdinal, value: 11}, "twelfth": {kind: tokOrdinal, value: 12},
}

// units are the words of relative items.
var units = map[string]string{
	"year": "year", "month": "month", "fortnight": "fortnight", "week": "week", "day": "day",
	"hour": "hour", "minute": "minute", "min": "minute", "second": "second", "sec": "second",
}

// standardZones and summerZones are the time zones that date input knows by
// name, minutes east of UTC; those of summer are given without their hour.
var standardZones = map[string]int{"gmt": 0, "ut": 0, "utc": 0, "wet": 0, "cet": 60, "met": 60, "eet": 120, "mez": 60, "msk": 180,
	"eat": 180, "ist": 330, "sgt": 480, "jst": 540, "kst": 540, "gst": 600, "nzst": 720, "est": -300, "cst": -360, "mst": -420, "pst": -480,
	"akst": -540, "hst": -600, "hast": -600, "sst": -720, "brt": -180, "art": -180, "clt": -240, "ast": -240, "nst": -210, "wat": 60,
	"cat": 120, "sast": 120}
var summerZones = map[string]int{"west": 0, "bst": 0, "cest": 60, "mest": 60, "eest": 120, "mesz": 60, "msd": 180, "nzdt": 720,
	"edt": -300, "cdt": -360, "mdt": -420, "pdt": -480, "akdt": -540, "hadt": -600, "brst": -180, "clst": -240, "adt": -240, "ndt": -210}

// lookup finds what a word in lower case is.
func (l *lexer) lookup(w string) (token, bool) {
	if t, ok := words[w]; ok {
		return t, true
	}
	// Abbreviated names may end with a point.
	name := w
	if len(w) == 4 && w[3] == '.' {
		name = w[:3]
	}
	if m, ok := Month(name); ok {
		return token{kind: tokMonth, value: m}, true
	}
	if d, ok := dayOf(name); ok {
		return token{kind: tokDay, value: d}, true
	}
	if t, ok := l.zoneToken(w); ok {
		return t, true
	}
	if u, ok := units[strings.TrimSuffix(w, "s")]; ok {
		return token{kind: tokUnit, unit: u}, true
	}
	if len(w) == 1 {
		if east, ok := militaryZone(w[0]); ok {
			return token{kind: tokZone, value: east, char: w[0]}, true
		}
	}
	if bare := strings.ReplaceAll(w, ".", ""); bare != w {
		return l.zoneToken(bare)
	}
	return token{}, false
}

func (l *lexer) zoneToken(w string) (token, bool) {
	if t, ok := l.zone[w]; ok && w != "utc" && w != "gmt" && w != "ut" {
		return t, true
	}
	if east, ok := standardZones[w]; ok {
		return token{kind: tokZone, value: east}, true
	}
	east, ok := summerZones[w]
	return token{kind: tokDayZone, value: east + 60}, ok
}

// militaryZone returns the zone of a letter (A is an hour east of Greenwich, N
// one west of it, J none), minutes east.
func militaryZone(c byte) (int, bool) {
	switch {
	case c >= 'a' && c <= 'i':
		return int(c-'a'+1) * 60, true
	case c >= 'k' && c <= 'm':
		return int(c-'k'+10) * 60, true
	case c >= 'n' && c <= 'y':
		return -int(c-'n'+1) * 60, true
	}
	return 0, c == 'z'
}

// localZones returns the names that the zone of a time has in winter and summer.
func localZones(now time.Time) map[string]token {
	names := map[string]token{}
	for _, t := range []time.Time{now, time.Date(now.Year(), 1, 1, 0, 0, 0, 0, now.Location()), time.Date(now.Year(), 7, 1, 0, 0, 0, 0, now.Location())} {
		name, _ := t.Zone()
		summer := 0
		if t.IsDST() {
			summer = 1
		}
		names[strings.ToLower(name)] = token{kind: tokLocalZone, value: summer}
	}
	return names
}
