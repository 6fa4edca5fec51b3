package timedate

import (
	"math"
	"strings"
	"time"
)

// parser reads the date strings of date -d (coreutils info, Date input
// formats): items in any order, each replacing what it says of now.
type parser struct {
	tok []token
	at  int

	now  time.Time
	zone *time.Location // of a zone item; nil is that of now

	year, month, day     int
	hour, minute, second int
	nsec                 int
	haveDate, haveTime   bool
	haveDay              bool
	haveRel              bool
	weekday              int
	ordinal              int // of the weekday: "next" is 1
	relY, relM, relD     int
	rel                  time.Duration
	haveZone             bool
}

type tokenKind int

const (
	tokNumber tokenKind = iota
	tokSigned           // with a sign before it
	tokWord
	tokChar
)

type token struct {
	kind   tokenKind
	value  int
	digits int
	frac   int // nanoseconds after a point or comma
	isFrac bool
	word   string
	char   byte
	spaced bool // blanks before it
}

// lex splits a date string; comments in parentheses are left out.
func lex(s string) ([]token, bool) {
	var tok []token
	for i := 0; i < len(s); {
		start := i
		for i < len(s) && strings.IndexByte(" \t\n\v\f\r", s[i]) >= 0 {
			i++
		}
		spaced := i > start
		if i == len(s) {
			break
		}
		c := s[i]
		switch {
		case c >= '0' && c <= '9', (c == '+' || c == '-') && signedNumber(s[i+1:]):
			t := token{kind: tokNumber, spaced: spaced}
			negative := false
			if c == '+' || c == '-' {
				t.kind, negative = tokSigned, c == '-'
				i++
				for s[i] == ' ' || s[i] == '\t' {
					i++
				}
			}
			for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
				t.digits++
				if t.value > math.MaxInt/20 {
					return nil, false
				}
				t.value = t.value*10 + int(s[i]-'0')
			}
			if i+1 < len(s) && (s[i] == '.' || s[i] == ',') && s[i+1] >= '0' && s[i+1] <= '9' {
				t.isFrac = true
				i++
				scale := 100000000
				for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
					t.frac += int(s[i]-'0') * scale
					scale /= 10
				}
			}
			if negative {
				t.value, t.frac = -t.value, -t.frac
			}
			tok = append(tok, t)
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			j := i
			for j < len(s) && (s[j] >= 'a' && s[j] <= 'z' || s[j] >= 'A' && s[j] <= 'Z' || s[j] == '.') {
				j++
			}
			tok = append(tok, token{kind: tokWord, word: strings.TrimSuffix(strings.ToLower(s[i:j]), "."), spaced: spaced})
			i = j
		case c == '(':
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
			if depth > 0 {
				return nil, false
			}
		default:
			tok = append(tok, token{kind: tokChar, char: c, spaced: spaced})
			i++
		}
	}
	return tok, true
}

func signedNumber(rest string) bool {
	rest = strings.TrimLeft(rest, " \t")
	return rest != "" && rest[0] >= '0' && rest[0] <= '9'
}

var monthNames = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}
var dayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

func monthOf(w string) (int, bool) {
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

var ordinals = map[string]int{"last": -1, "this": 0, "next": 1, "first": 1, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6,
	"seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12}

// zones are the names of time zones that date input knows, minutes east.
var zones = map[string]int{"utc": 0, "gmt": 0, "ut": 0, "z": 0, "wet": 0, "west": 60, "bst": 60, "cet": 60, "cest": 120, "met": 60,
	"mest": 120, "eet": 120, "eest": 180, "msk": 180, "ist": 330, "sgt": 480, "jst": 540, "kst": 540, "nzst": 720, "nzdt": 780,
	"est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "akst": -540,
	"akdt": -480, "hst": -600, "brt": -180, "art": -180, "clt": -240, "ast": -240, "adt": -180, "nst": -210, "ndt": -150}

// parseDate reads a date string; what it does not say is taken from now, and
// the time of day is midnight when only a date is given.
func parseDate(s string, now time.Time) (time.Time, bool) {
	tok, ok := lex(s)
	if !ok {
		return time.Time{}, false
	}
	p := &parser{tok: tok, now: now}
	p.year, p.month, p.day = now.Year(), int(now.Month()), now.Day()
	p.hour, p.minute, p.second, p.nsec = now.Hour(), now.Minute(), now.Second(), now.Nanosecond()
	if len(tok) > 0 && tok[0].kind == tokChar && tok[0].char == '@' {
		return p.epoch()
	}
	for p.at < len(p.tok) {
		if !p.item() {
			return time.Time{}, false
		}
	}
	return p.result()
}

// epoch reads @SECONDS.
func (p *parser) epoch() (time.Time, bool) {
	if len(p.tok) != 2 || p.tok[1].kind > tokSigned {
		return time.Time{}, false
	}
	t := p.tok[1]
	return time.Unix(int64(t.value), int64(t.frac)).In(p.now.Location()), true
}

func (p *parser) peek(i int) token {
	if p.at+i < len(p.tok) {
		return p.tok[p.at+i]
	}
	return token{kind: tokChar}
}

func (p *parser) isChar(i int, c byte) bool {
	t := p.peek(i)
	return p.at+i < len(p.tok) && t.kind == tokChar && t.char == c
}

// item reads one item.
func (p *parser) item() bool {
	t := p.peek(0)
	switch {
	case t.kind == tokChar && t.char == ',', t.kind == tokChar && t.char == '-' && p.haveDate:
		p.at++
		return true
	case t.kind == tokWord:
		return p.wordItem(t.word)
	case t.kind == tokNumber && p.isChar(1, ':') && p.peek(2).kind == tokNumber:
		return p.timeItem()
	case t.kind == tokNumber && p.isChar(1, '/') && p.peek(2).kind == tokNumber:
		return p.slashDate()
	case t.kind == tokNumber && p.peek(1).kind == tokSigned && p.peek(1).value < 0 && !p.peek(1).spaced &&
		p.peek(2).kind == tokSigned && p.peek(2).value < 0 && !p.peek(2).spaced:
		return p.date(p.century(t), -p.peek(1).value, -p.peek(2).value, 3)
	case t.kind == tokNumber && p.peek(1).kind == tokSigned && !p.peek(1).spaced && t.digits == 4 && p.peek(1).value < 0:
		return p.date(t.value, -p.peek(1).value, 1, 2)
	case t.kind == tokNumber && p.peek(1).kind == tokWord:
		if m, ok := monthOf(p.peek(1).word); ok {
			year, n := p.now.Year(), 2
			if y := p.peek(2); y.kind == tokNumber && !p.isChar(3, ':') {
				year, n = p.century(y), 3
			}
			return p.date(year, m, t.value, n)
		}
		if _, ok := p.meridian(1); ok {
			return p.timeItem()
		}
		if p.unit(1, t.value, t.frac) {
			return true
		}
	case t.kind == tokSigned && p.peek(1).kind == tokWord && p.unit(1, t.value, t.frac):
		return true
	case t.kind == tokNumber && p.peek(1).kind == tokSigned && p.peek(1).digits == 0:
		return false
	}
	if t.kind == tokNumber {
		return p.bareNumber(t)
	}
	return false
}

// bareNumber is a number alone: a year, a date or a time, by its length.
func (p *parser) bareNumber(t token) bool {
	p.at++
	switch {
	case p.haveDate && p.year == p.now.Year() && !p.haveRel && (p.haveTime || t.digits > 2) && t.digits <= 4 && t.digits >= 3 && p.haveTime:
		p.year = t.value
		return true
	case t.digits > 4:
		if p.haveDate {
			return false
		}
		p.at--
		return p.date(t.value/10000, t.value/100%100, t.value%100, 1)
	case p.haveTime:
		return false
	case t.digits <= 2:
		return p.setTime(t.value, 0, 0, 0)
	}
	return p.setTime(t.value/100, t.value%100, 0, 0)
}

// century reads a year of two digits as POSIX does.
func (p *parser) century(t token) int {
	if t.digits != 2 {
		return t.value
	}
	if t.value < 69 {
		return 2000 + t.value
	}
	return 1900 + t.value
}

func (p *parser) date(y, m, d, tokens int) bool {
	if p.haveDate || m < 1 || m > 12 || d < 1 || d > 31 || y < 0 || y > 1<<31 {
		return false
	}
	p.at += tokens
	p.year, p.month, p.day, p.haveDate = y, m, d, true
	return true
}

// slashDate reads MM/DD, MM/DD/YYYY and YYYY/MM/DD.
func (p *parser) slashDate() bool {
	a, b := p.peek(0), p.peek(2)
	if !p.isChar(3, '/') || p.peek(4).kind != tokNumber {
		return p.date(p.now.Year(), a.value, b.value, 3)
	}
	c := p.peek(4)
	if a.digits >= 4 {
		return p.date(a.value, b.value, c.value, 5)
	}
	return p.date(p.century(c), a.value, b.value, 5)
}

func (p *parser) setTime(h, m, s, ns int) bool {
	if p.haveTime || h > 24 || h == 24 && (m|s|ns) != 0 || m > 59 || s > 60 {
		return false
	}
	p.hour, p.minute, p.second, p.nsec, p.haveTime = h, m, s, ns, true
	return true
}

// meridian reads am or pm.
func (p *parser) meridian(i int) (pm, ok bool) {
	if t := p.peek(i); p.at+i < len(p.tok) && t.kind == tokWord {
		switch strings.ReplaceAll(t.word, ".", "") {
		case "am":
			return false, true
		case "pm":
			return true, true
		}
	}
	return false, false
}

// timeItem reads HH[:MM[:SS[.fraction]]] with am or pm, or a zone, behind it.
func (p *parser) timeItem() bool {
	h, m, s, ns := p.peek(0).value, 0, 0, 0
	p.at++
	if p.isChar(0, ':') {
		m = p.peek(1).value
		p.at += 2
		if p.isChar(0, ':') && p.peek(1).kind == tokNumber {
			s, ns = p.peek(1).value, p.peek(1).frac
			p.at += 2
		}
	}
	if pm, ok := p.meridian(0); ok {
		p.at++
		if h < 1 || h > 12 {
			return false
		}
		h %= 12
		if pm {
			h += 12
		}
	} else if t := p.peek(0); p.at < len(p.tok) && t.kind == tokSigned {
		// A signed number behind a time of day is a zone, whatever follows.
		p.at++
		minutes := t.value * 60
		if t.digits > 2 {
			minutes = t.value/100*60 + t.value%100
		} else if p.isChar(0, ':') && p.peek(1).kind == tokNumber {
			mm := p.peek(1).value
			if t.value < 0 {
				mm = -mm
			}
			minutes += mm
			p.at += 2
		}
		if max(minutes, -minutes) > 24*60 {
			return false
		}
		p.setZone(minutes)
	}
	return p.setTime(h, m, s, ns)
}

func (p *parser) setZone(minutes int) {
	p.zone, p.haveZone = time.FixedZone("", minutes*60), true
}

// wordItem reads an item that begins with a word.
func (p *parser) wordItem(w string) bool {
	switch w {
	case "t":
		if p.haveDate && p.peek(1).kind == tokNumber {
			p.at++
			return p.item()
		}
	case "now", "today":
		p.at++
		p.haveRel = true
		return true
	case "yesterday":
		p.at++
		p.relD, p.haveRel = p.relD-1, true
		return true
	case "tomorrow":
		p.at++
		p.relD, p.haveRel = p.relD+1, true
		return true
	case "noon":
		p.at++
		return p.setTime(12, 0, 0, 0)
	case "midnight":
		p.at++
		return p.setTime(0, 0, 0, 0)
	case "ago":
		p.at++
		p.relY, p.relM, p.relD, p.rel = -p.relY, -p.relM, -p.relD, -p.rel
		return true
	case "and", "on", "at":
		p.at++
		return true
	}
	if m, ok := monthOf(w); ok {
		d := p.peek(1)
		if d.kind != tokNumber && d.kind != tokSigned {
			return false
		}
		day := max(d.value, -d.value)
		year, n := p.now.Year(), 2
		if p.isChar(2, ',') && p.peek(3).kind == tokNumber {
			year, n = p.century(p.peek(3)), 4
		} else if y := p.peek(2); y.kind == tokNumber && !p.isChar(3, ':') && y.digits == 4 {
			year, n = y.value, 3
		}
		return p.date(year, m, day, n)
	}
	if d, ok := dayOf(w); ok {
		p.at++
		return p.setDay(d, 0)
	}
	if n, ok := ordinals[w]; ok && p.peek(1).kind == tokWord {
		next := p.peek(1).word
		if d, ok := dayOf(next); ok {
			p.at += 2
			return p.setDay(d, n)
		}
		return p.unit(1, n, 0)
	}
	if minutes, ok := zones[w]; ok && !p.haveZone {
		p.at++
		p.setZone(minutes)
		// "UTC+9" corrects the zone.
		if t := p.peek(0); p.at < len(p.tok) && t.kind == tokSigned && !t.spaced && p.peek(1).kind != tokWord {
			p.at++
			p.setZone(minutes + t.value*60)
		}
		return true
	}
	if name := zoneName(p.now); strings.EqualFold(name, w) {
		p.at++
		return true
	}
	return p.unit(0, 1, 0)
}

func (p *parser) setDay(d, ordinal int) bool {
	if p.haveDay {
		return false
	}
	p.weekday, p.ordinal, p.haveDay = d, ordinal, true
	return true
}

// unit reads a unit of time i tokens ahead, of which there are n.
func (p *parser) unit(i, n, frac int) bool {
	if p.at+i >= len(p.tok) || p.peek(i).kind != tokWord || max(n, -n) > 1<<40 {
		return false
	}
	w := strings.TrimSuffix(p.peek(i).word, "s")
	scale := time.Duration(0)
	switch w {
	case "year":
		p.relY += n
	case "month":
		p.relM += n
	case "fortnight":
		p.relD += 14 * n
	case "week":
		p.relD += 7 * n
	case "day":
		p.relD += n
	case "hour":
		scale = time.Hour
	case "minute", "min":
		scale = time.Minute
	case "second", "sec":
		scale = time.Second
		p.rel += time.Duration(frac)
	default:
		return false
	}
	if scale > 0 {
		if max(n, -n) > int(math.MaxInt64/int64(scale)) {
			return false
		}
		p.rel += time.Duration(n) * scale
	}
	p.haveRel = true
	p.at += i + 1
	return true
}

// result puts the items together.
func (p *parser) result() (time.Time, bool) {
	loc := p.now.Location()
	if p.haveZone {
		loc = p.zone
		if !p.haveDate {
			n := p.now.In(loc)
			p.year, p.month, p.day = n.Year(), int(n.Month()), n.Day()
		}
	}
	if !p.haveTime && (p.haveDate || p.haveDay || !p.haveRel) {
		p.hour, p.minute, p.second, p.nsec = 0, 0, 0, 0
	}
	if p.haveDate {
		// A day that the month does not have is an error, before anything is added.
		if t := time.Date(p.year, time.Month(p.month), p.day, 12, 0, 0, 0, time.UTC); t.Day() != p.day {
			return time.Time{}, false
		}
	}
	if max(p.relY, -p.relY, p.relM, -p.relM) > 1<<32 || max(p.relD, -p.relD) > 1<<36 {
		return time.Time{}, false
	}
	t := time.Date(p.year+p.relY, time.Month(p.month+p.relM), p.day+p.relD, p.hour, p.minute, p.second, p.nsec, loc)
	if p.haveDay && !p.haveDate {
		days := (p.weekday - int(t.Weekday()) + 7) % 7
		n := p.ordinal
		if n > 0 && days != 0 {
			n--
		}
		t = t.AddDate(0, 0, days+7*n)
	}
	return t.Add(p.rel).In(p.now.Location()), true
}
