// Package getdate reads dates as people type them: the date strings of GNU date
// ("last friday 10:00", "2 days ago"), which chronyc settime and hwclock --date
// take too (coreutils info, Date input formats). Text and the present time in, a
// time out.
package getdate

import (
	"math"
	"strings"
	"time"
)

// dateParser reads the date strings of date -d (coreutils info, Date input
// formats): items in any order, each of a kind at most once but relative ones.
// Which words belong together is decided as the real grammar does, with one
// word of lookahead: "5 jan 10:00" is the year 10 and an error.
type dateParser struct {
	tok []token
	at  int

	year, yearDigits, month, day     int
	hour, minute, second, nsec       int
	weekday, ordinal                 int
	east                             int  // of the zone, minutes
	dates, times, days, zones, shift int  // how many items there were; shift is relative ones
	locals                           int  // names of the host's own zone
	summer                           bool // the one of summer
	relYear, relMonth, relDay        int
	relHour, relMinute, relSecond    int
	relNsec                          int
	overflow                         bool
}

// Parse reads a date string; what it does not say is taken from now, and
// the time of day is midnight when only a date is given.
func Parse(s string, now time.Time) (time.Time, bool) {
	home := now.Location()
	s = strings.TrimLeft(s, blanks)
	if rest, ok := strings.CutPrefix(s, `TZ="`); ok {
		name, rest, ok := quoted(rest)
		if !ok {
			return time.Time{}, false
		}
		zone, err := time.LoadLocation(name)
		if err != nil {
			zone = time.UTC
		}
		now, s = now.In(zone), rest
	}
	l := lexer{localZones(now)}
	tok, ok := l.split(s)
	if !ok {
		return time.Time{}, false
	}
	if len(tok) > 0 && tok[0].kind == tokChar && tok[0].char == '@' {
		if len(tok) != 2 || tok[1].kind > tokSigned {
			return time.Time{}, false
		}
		return time.Unix(int64(tok[1].value), int64(tok[1].frac)).In(home), true
	}
	p := &dateParser{tok: tok}
	for p.at < len(p.tok) {
		if !p.item() {
			return time.Time{}, false
		}
	}
	t, ok := p.result(now)
	return t.In(home), ok
}

// quoted reads up to the closing quote; a backslash takes the next character as
// it is.
func quoted(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

func (p *dateParser) peek(i int) token {
	if p.at+i < len(p.tok) {
		return p.tok[p.at+i]
	}
	return token{}
}

func (p *dateParser) is(i int, kinds ...tokenKind) bool {
	for k, kind := range kinds {
		if t := p.peek(i + k); t.kind != kind || t.decimal {
			return false
		}
	}
	return true
}

func (p *dateParser) isChar(i int, c byte) bool {
	t := p.peek(i)
	return t.kind == tokChar && t.char == c
}

// item reads one item.
func (p *dateParser) item() bool {
	t := p.peek(0)
	switch t.kind {
	case tokMonth:
		return p.monthItem(t)
	case tokDay:
		p.at++
		if p.isChar(0, ',') {
			p.at++
		}
		return p.setDay(t.value, 0)
	case tokOrdinal:
		if p.is(1, tokDay) {
			p.at += 2
			return p.setDay(p.tok[p.at-1].value, t.value)
		}
		return p.is(1, tokUnit) && p.unit(1, t)
	case tokUnit:
		return p.unit(0, token{value: 1})
	case tokShift:
		p.at++
		p.relDay += t.value
		p.shift++
		return true
	case tokZone, tokDayZone:
		return p.zoneItem(t)
	case tokLocalZone:
		p.at++
		if p.is0(0, tokDST) {
			p.at++
			t.value = 1
		}
		p.locals++
		p.summer = t.value == 1
		return p.locals == 1
	case tokSigned:
		return p.is0(1, tokUnit) && p.unit(1, t)
	case tokNumber:
		return p.numberItem(t)
	}
	return false
}

// is0 is is for what may follow a decimal number.
func (p *dateParser) is0(i int, kind tokenKind) bool { return p.peek(i).kind == kind }

// monthItem is MONTH-DD-YYYY, MONTH DD, MONTH DD, YYYY.
func (p *dateParser) monthItem(m token) bool {
	switch {
	case p.is(1, tokSigned, tokSigned):
		p.at += 3
		return p.setDate(-p.tok[p.at-1].value, p.tok[p.at-1].digits, m.value, -p.tok[p.at-2].value)
	case p.is(1, tokNumber) && p.isChar(2, ','):
		if !p.is(3, tokNumber) {
			return false
		}
		p.at += 4
		return p.setDate(p.tok[p.at-1].value, p.tok[p.at-1].digits, m.value, p.tok[p.at-3].value)
	case p.is(1, tokNumber):
		p.at += 2
		return p.setMonthDay(m.value, p.tok[p.at-1].value)
	}
	return false
}

// zoneItem is a zone by name, with DST or a correction behind it.
func (p *dateParser) zoneItem(z token) bool {
	p.at++
	east := z.value
	switch next := p.peek(0); {
	case next.kind == tokDST && z.kind == tokZone:
		p.at++
		east += 60
	case next.kind == tokSigned && z.kind == tokZone && p.is0(1, tokUnit):
		// "UTC -1 day": not a correction of the zone; no "ago" may follow.
		if !p.relative(next, p.peek(1), 1) {
			return false
		}
		p.at += 2
	case next.kind == tokSigned && !next.decimal && z.kind == tokZone:
		minutes, ok := p.zoneOffset()
		if !ok {
			return false
		}
		east += minutes
	}
	return p.setZone(east)
}

// numberItem is what may begin with a number.
func (p *dateParser) numberItem(t token) bool {
	if t.decimal {
		return p.is0(1, tokUnit) && p.unit(1, t)
	}
	next := p.peek(1)
	switch {
	case p.isChar(1, '/'):
		return p.slashDate(t)
	case p.isChar(1, ':'):
		return p.clock(t)
	case next.kind == tokMeridian:
		p.at += 2
		return p.setTime(t.value, 0, token{}, next.value, true)
	case next.kind == tokMonth:
		p.at += 2
		if y := p.peek(0); !y.decimal && (y.kind == tokNumber || y.kind == tokSigned) {
			p.at++
			return p.setDate(max(y.value, -y.value), y.digits, next.value, t.value)
		}
		return p.setMonthDay(next.value, t.value)
	case next.kind == tokDay:
		p.at += 2
		return p.setDay(next.value, t.value)
	case next.kind == tokUnit:
		return p.unit(1, t)
	case p.is(1, tokSigned, tokSigned):
		p.at += 3
		if !p.setDate(t.value, t.digits, -next.value, -p.tok[p.at-1].value) {
			return false
		}
		if sep := p.peek(0); sep.kind == tokZone && sep.char == 't' {
			// The T of ISO 8601, and behind it no number alone.
			p.at++
			h := p.peek(0)
			switch {
			case !p.is(0, tokNumber):
			case p.isChar(1, ':'):
				return p.clock(h)
			case p.is(1, tokSigned):
				return p.hourAndZone(h)
			}
			return false
		}
		return true
	case next.kind == tokSigned && p.is0(2, tokUnit):
		p.at++
		if !p.bareNumber(t) || !p.relative(next, p.peek(1), 1) {
			return false
		}
		p.at += 2
		return true
	case next.kind == tokSigned && !next.decimal:
		return p.hourAndZone(t)
	}
	p.at++
	return p.bareNumber(t)
}

// slashDate is MM/DD, MM/DD/YYYY or YYYY/MM/DD.
func (p *dateParser) slashDate(a token) bool {
	if !p.is(2, tokNumber) {
		return false
	}
	b := p.peek(2)
	if !p.isChar(3, '/') {
		p.at += 3
		return p.setMonthDay(a.value, b.value)
	}
	if !p.is(4, tokNumber) {
		return false
	}
	c := p.peek(4)
	p.at += 5
	if a.digits >= 4 {
		return p.setDate(a.value, a.digits, b.value, c.value)
	}
	return p.setDate(c.value, c.digits, a.value, b.value)
}

// clock is HH:MM[:SS[.FRACTION]] with am or pm or the offset of a zone behind it.
func (p *dateParser) clock(h token) bool {
	if !p.is(2, tokNumber) {
		return false
	}
	m, s := p.peek(2), token{}
	p.at += 3
	if p.isChar(0, ':') {
		if p.peek(1).kind != tokNumber {
			return false
		}
		s = p.peek(1)
		p.at += 2
	}
	switch next := p.peek(0); {
	case next.kind == tokMeridian:
		p.at++
		return p.setTime(h.value, m.value, s, next.value, true)
	case next.kind == tokSigned && !next.decimal:
		// A signed number behind a time of day is a zone, whatever follows.
		minutes, ok := p.zoneOffset()
		if !ok || !p.setZone(minutes) {
			return false
		}
	}
	return p.setTime(h.value, m.value, s, 0, false)
}

// hourAndZone is an hour and the offset of a zone.
func (p *dateParser) hourAndZone(h token) bool {
	p.at++
	minutes, ok := p.zoneOffset()
	return ok && p.setZone(minutes) && p.setTime(h.value, 0, token{}, 0, false)
}

// zoneOffset reads ±HH, ±HHMM or ±HH:MM, minutes east.
func (p *dateParser) zoneOffset() (int, bool) {
	t := p.peek(0)
	p.at++
	minutes := t.value * 60
	switch {
	case p.isChar(0, ':'):
		if !p.is(1, tokNumber) {
			return 0, false
		}
		m := p.peek(1).value
		if t.negative {
			m = -m
		}
		minutes += m
		p.at += 2
	case t.digits > 2:
		minutes = t.value/100*60 + t.value%100
	}
	return minutes, t.digits < 9 && minutes >= -24*60 && minutes <= 24*60
}

// bareNumber is a number alone: a year, a date or a time, by its length and
// what came before.
func (p *dateParser) bareNumber(t token) bool {
	switch {
	case p.dates > 0 && p.yearDigits == 0 && p.shift == 0 && (p.times > 0 || t.digits > 2):
		p.year, p.yearDigits = t.value, t.digits
		return true
	case t.digits > 4:
		return p.setDate(t.value/10000, t.digits-4, t.value/100%100, t.value%100)
	case t.digits <= 2:
		return p.setTime(t.value, 0, token{}, 0, false)
	}
	return p.setTime(t.value/100, t.value%100, token{}, 0, false)
}

// setMonthDay is a date without a year.
func (p *dateParser) setMonthDay(m, d int) bool {
	p.dates++
	p.month, p.day = m, d
	return p.dates == 1
}

func (p *dateParser) setDate(y, digits, m, d int) bool {
	p.year, p.yearDigits = y, digits
	return p.setMonthDay(m, d)
}

func (p *dateParser) setTime(h, m int, s token, noon int, twelve bool) bool {
	p.times++
	if twelve {
		if h < 1 || h > 12 {
			return false
		}
		h = h%12 + noon
	}
	p.hour, p.minute, p.second, p.nsec = h, m, s.value, s.frac
	return p.times == 1 && h < 24 && m < 60 && s.value < 60
}

func (p *dateParser) setDay(d, ordinal int) bool {
	p.days++
	p.weekday, p.ordinal = d, ordinal
	return p.days == 1
}

func (p *dateParser) setZone(east int) bool {
	p.zones++
	p.east = east
	return p.zones == 1
}

// unit reads the unit i tokens ahead, of which there are n, and "ago".
func (p *dateParser) unit(i int, n token) bool {
	u := p.peek(i)
	p.at += i + 1
	sign := 1
	if p.is0(0, tokAgo) {
		sign = p.peek(0).value
		p.at++
	}
	return p.relative(n, u, sign)
}

// relative adds n units.
func (p *dateParser) relative(n, u token, sign int) bool {
	if n.decimal && u.unit != "second" {
		return false
	}
	p.shift++
	v := sign * n.value
	add := func(to *int, scale int) {
		if max(v, -v) > math.MaxInt32*1000/scale {
			p.overflow = true
			return
		}
		*to += v * scale
	}
	switch u.unit {
	case "year":
		add(&p.relYear, 1)
	case "month":
		add(&p.relMonth, 1)
	case "fortnight":
		add(&p.relDay, 14)
	case "week":
		add(&p.relDay, 7)
	case "day":
		add(&p.relDay, 1)
	case "hour":
		add(&p.relHour, 1)
	case "minute":
		add(&p.relMinute, 1)
	case "second":
		add(&p.relSecond, 1)
		p.relNsec += sign * n.frac
	}
	return true
}

// result puts the items together.
func (p *dateParser) result(now time.Time) (time.Time, bool) {
	year, month, day := now.Year(), int(now.Month()), now.Day()
	if p.dates > 0 {
		month, day = p.month, p.day
		if p.yearDigits > 0 {
			year = p.fullYear()
		}
	}
	hour, minute, second, nsec := p.hour, p.minute, p.second, p.nsec
	switch {
	case p.times > 0:
	case p.shift > 0 && p.dates == 0 && p.days == 0:
		hour, minute, second, nsec = now.Hour(), now.Minute(), now.Second(), now.Nanosecond()
	}
	loc := now.Location()
	if p.zones > 0 {
		// The calendar is that of home; the zone moves the result.
		loc = time.UTC
	}
	if p.overflow || month < 1 || month > 12 || day < 1 || day > 31 || year > 1<<31 || year < -1<<31 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nsec, loc)
	if t.Day() != day || t.Hour() != hour || t.Minute() != minute {
		// No such day in the month, or no such time on the day that summer begins.
		return time.Time{}, false
	}
	if p.locals > 0 && t.IsDST() != p.summer || p.locals > 0 && p.zones > 0 {
		return time.Time{}, false
	}
	if p.days > 0 && p.dates == 0 {
		ordinal := p.ordinal
		if ordinal > 0 && int(t.Weekday()) != p.weekday {
			ordinal--
		}
		if max(ordinal, -ordinal) > 1<<32 {
			return time.Time{}, false
		}
		t = time.Date(year, time.Month(month), day+(p.weekday-int(t.Weekday())+7)%7+7*ordinal, 12, 0, 0, 0, time.UTC)
		year, month, day = t.Year(), int(t.Month()), t.Day()
	}
	if max(p.relYear, -p.relYear, p.relMonth, -p.relMonth) > 1<<31 || max(day+p.relDay, -day-p.relDay) > math.MaxInt32 {
		return time.Time{}, false
	}
	t = time.Date(year+p.relYear, time.Month(month+p.relMonth), day+p.relDay, hour, minute, second, nsec, loc)
	if p.dates+p.days+p.times+p.zones == 0 && t.IsDST() != now.IsDST() {
		// What is relative to now keeps the kind of time, summer or not.
		_, then := t.Zone()
		_, before := now.Zone()
		t = t.Add(time.Duration(then-before) * time.Second)
	}
	t = t.Add(-time.Duration(p.zoneShift()) * time.Minute)
	seconds := p.relHour*3600 + p.relMinute*60 + p.relSecond
	return time.Unix(t.Unix()+int64(seconds), int64(t.Nanosecond()+p.relNsec)), true
}

func (p *dateParser) zoneShift() int {
	if p.zones == 0 {
		return 0
	}
	return p.east
}

// fullYear reads a year of two digits as POSIX does.
func (p *dateParser) fullYear() int {
	switch {
	case p.yearDigits != 2:
		return p.year
	case p.year >= 0 && p.year < 69:
		return 2000 + p.year
	case p.year < 0:
		return p.year
	}
	return 1900 + p.year
}
