package timedate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// conversion is a conversion of strftime(3) as GNU date reads it: flags, the
// least width, a modifier, colons and the letter.
type conversion struct {
	pad      byte // '_', '-', '0', '+'; 0 is the default
	upper    bool
	swap     bool
	width    int
	modifier byte // 'E' or 'O'
	colons   int
	verb     byte
	raw      string // as it was written
	usual    int    // digits of a year, when width is not about them
}

// modified lists the letters with which a modifier means something or is let
// pass; with others the conversion is text.
var modified = map[byte]string{'E': "cCnpPqrRstTuxXyYzZ", 'O': "bBCdeghGHIjklmMnNpPrRsStTuUVwWyzZ"}

// parseConversion reads the conversion that begins with the percent sign of f.
// ok is false when it means nothing and is text; so is the rest of the format.
func parseConversion(f string) (c conversion, ok bool) {
	i := 1
	done := func(end int, ok bool) (conversion, bool) {
		c.raw = f[:min(end, len(f))]
		return c, ok
	}
flags:
	for ; i < len(f); i++ {
		switch f[i] {
		case '_', '-', '0', '+':
			c.pad = f[i]
		case '^':
			c.upper = true
		case '#':
			c.swap = true
		default:
			break flags
		}
	}
	for ; i < len(f) && f[i] >= '0' && f[i] <= '9'; i++ {
		c.width = min(c.width*10+int(f[i]-'0'), 4096)
	}
	if i < len(f) && (f[i] == 'E' || f[i] == 'O') {
		c.modifier = f[i]
		i++
	}
	for i+c.colons < len(f) && f[i+c.colons] == ':' {
		c.colons++
	}
	if c.colons > 0 && (i+c.colons == len(f) || f[i+c.colons] != 'z') {
		return done(i+1, false)
	}
	if i += c.colons; i == len(f) {
		return done(i, false)
	}
	c.verb = f[i]
	return done(i+1, c.colons <= 3 && (c.modifier == 0 || strings.IndexByte(modified[c.modifier], c.verb) >= 0))
}

// format writes t as a format of date(1) says.
func (l *locale) format(t time.Time, f string) string {
	var b strings.Builder
	for {
		text, rest, found := strings.Cut(f, "%")
		b.WriteString(text)
		if !found {
			return b.String()
		}
		c, ok := parseConversion("%" + rest)
		f = rest[len(c.raw)-1:]
		s := ""
		if ok {
			s, ok = l.convert(t, c)
		}
		if !ok {
			c.swap = c.swap && strings.IndexByte("bBh", c.verb) >= 0
			s = c.text(c.raw)
		}
		b.WriteString(s)
	}
}

// text pads a text, to a width in bytes.
func (c conversion) text(s string) string {
	if c.upper || c.swap {
		s = strings.ToUpper(s)
	}
	fill := " "
	switch c.pad {
	case '-':
		return s
	case '0', '+':
		fill = "0"
	}
	return strings.Repeat(fill, max(c.width-len(s), 0)) + s
}

// lower is text that a swapped case makes small: AM, PM and names of zones.
func (c conversion) lower(s string, always bool) string {
	if c.swap || always {
		c.upper, c.swap = false, false
		s = strings.ToLower(s)
	}
	return c.text(s)
}

// part is what a shorter format writes: of the flags only ^ goes on to it.
func (l *locale) part(t time.Time, c conversion, f string) (string, bool) {
	c.swap = false
	return c.text(l.format(t, f)), true
}

// yearLike are the letters whose numbers may have a sign.
const yearLike = "CFgGyY"

// number pads a number: digits, unless the flags say otherwise.
func (l *locale) number(c conversion, v, digits int, pad byte) (string, bool) {
	if c.modifier == 'O' || c.modifier != 0 && strings.IndexByte("suq", c.verb) < 0 {
		plain, _ := l.number(conversion{}, v, digits, pad)
		if c.modifier == 'O' && v >= 0 && v < len(l.digits) {
			plain = l.digits[v]
		}
		return c.text(plain), true
	}
	signed := strings.IndexByte(yearLike, c.verb) >= 0
	switch {
	case c.pad == '+' && !signed:
		pad = '0'
	case c.pad != 0:
		pad = c.pad
	}
	if c.usual == 0 {
		c.usual = digits
	}
	if c.width > 0 {
		digits = c.width
	}
	switch pad {
	case '+':
		// A sign shows where there is more room than usual, or too little.
		if text := strconv.Itoa(v); v >= 0 && (digits > c.usual || len(text) > c.usual) {
			return fmt.Sprintf("%+0*d", max(digits, len(text)+1), v), true
		}
	case '-':
		return strconv.Itoa(v), true
	case '_':
		return fmt.Sprintf("%*d", digits, v), true
	}
	return fmt.Sprintf("%0*d", digits, v), true
}

// isoDate is %F: a year of four digits, or of what the width leaves, with a
// sign when it is longer.
func (l *locale) isoDate(c conversion, t time.Time) (string, bool) {
	year := conversion{pad: '+', usual: 4, verb: 'F'}
	digits := 4
	if c.pad != 0 || c.width > 0 {
		year.pad, digits = c.pad, max(c.width-len("-MM-DD"), 0)
	}
	text, _ := l.number(year, t.Year(), digits, '0')
	return text + t.Format("-01-02"), true
}

// nanoseconds is %N: as many digits as the width says; padding is behind them.
func (c conversion) nanoseconds(t time.Time) string {
	s := fmt.Sprintf("%09d", t.Nanosecond())
	if c.width > 0 {
		s = (s + strings.Repeat("0", max(c.width-9, 0)))[:c.width]
	}
	short := strings.TrimRight(s, "0")
	if short == "" {
		short = "0"
	}
	switch {
	case c.pad == '-' && c.width > 0:
		return short
	case c.pad == '_':
		return short + strings.Repeat(" ", len(s)-len(short))
	}
	return s
}

// convert writes one conversion; ok is false for one that date does not know.
func (l *locale) convert(t time.Time, c conversion) (s string, ok bool) {
	hour12 := (t.Hour()+11)%12 + 1
	isoYear, isoWeek := t.ISOWeek()
	weekday := int(t.Weekday())
	if c.modifier == 'E' {
		if s, ok := l.era(t, c); ok {
			return s, true
		}
	}
	switch c.verb {
	case '%':
		return "%", c.raw == "%%"
	case 'n':
		return c.text("\n"), true
	case 't':
		return c.text("\t"), true
	case 'a':
		return c.text(l.shortDays[weekday]), true
	case 'A':
		return c.text(l.days[weekday]), true
	case 'b', 'h':
		return c.text(l.short[t.Month()-1]), true
	case 'B':
		return c.text(l.months[t.Month()-1]), true
	case 'c':
		return l.part(t, c, l.c)
	case 'C':
		return l.number(c, t.Year()/100, 2, '0')
	case 'd':
		return l.number(c, t.Day(), 2, '0')
	case 'D':
		return l.part(t, c, "%m/%d/%y")
	case 'e':
		return l.number(c, t.Day(), 2, '_')
	case 'F':
		return l.isoDate(c, t)
	case 'g':
		return l.number(c, isoYear%100, 2, '0')
	case 'G':
		return l.number(c, isoYear, 4, '0')
	case 'H':
		return l.number(c, t.Hour(), 2, '0')
	case 'I':
		return l.number(c, hour12, 2, '0')
	case 'j':
		return l.number(c, t.YearDay(), 3, '0')
	case 'k':
		return l.number(c, t.Hour(), 2, '_')
	case 'l':
		return l.number(c, hour12, 2, '_')
	case 'm':
		return l.number(c, int(t.Month()), 2, '0')
	case 'M':
		return l.number(c, t.Minute(), 2, '0')
	case 'N':
		return c.nanoseconds(t), true
	case 'p', 'P':
		half := l.am
		if t.Hour() >= 12 {
			half = l.pm
		}
		return c.lower(half, c.verb == 'P'), true
	case 'q':
		return l.number(c, (int(t.Month())+2)/3, 1, '0')
	case 'r':
		return l.part(t, c, l.r)
	case 'R':
		return l.part(t, c, "%H:%M")
	case 's':
		return l.number(c, int(t.Unix()), 1, '0')
	case 'S':
		return l.number(c, t.Second(), 2, '0')
	case 'T':
		return l.part(t, c, "%H:%M:%S")
	case 'u':
		return l.number(c, (weekday+6)%7+1, 1, '0')
	case 'U':
		return l.number(c, (t.YearDay()+6-weekday)/7, 2, '0')
	case 'V':
		return l.number(c, isoWeek, 2, '0')
	case 'w':
		return l.number(c, weekday, 1, '0')
	case 'W':
		return l.number(c, (t.YearDay()+6-(weekday+6)%7)/7, 2, '0')
	case 'x':
		return l.part(t, c, l.x)
	case 'X':
		return l.part(t, c, l.X)
	case 'y':
		return l.number(c, t.Year()%100, 2, '0')
	case 'Y':
		return l.number(c, t.Year(), 4, '0')
	case 'z':
		return c.zoneOffset(t), true
	case 'Z':
		return c.lower(zoneName(t), false), true
	}
	return "", false
}

// era writes the conversions that the modifier E changes where there are eras.
func (l *locale) era(t time.Time, c conversion) (string, bool) {
	name, number, ok := l.eraOf(t)
	if !ok {
		return "", false
	}
	year := l.eraYear(t)
	switch c.verb {
	case 'C':
		return c.text(name), true
	case 'y':
		return c.text(fmt.Sprintf("%02d", number)), true
	case 'Y':
		return c.text(year), true
	case 'x':
		return c.text(year + l.format(t, "%m月%d日")), true
	case 'c':
		return c.text(year + l.format(t, "%m月%d日 %H時%M分%S秒")), true
	}
	return "", false
}

// zoneOffset is %z with its colons, padded like a number: without a width the
// hour has two digits.
func (c conversion) zoneOffset(t time.Time) string {
	_, off := t.Zone()
	sign := "+"
	if off < 0 {
		sign, off = "-", -off
	}
	h, m, s := off/3600, off/60%60, off%60
	body := ""
	switch {
	case c.colons == 0:
		body = fmt.Sprintf("%04d", h*100+m)
	case c.colons == 1, c.colons == 3 && s == 0 && m != 0:
		body = fmt.Sprintf("%02d:%02d", h, m)
	case c.colons == 3 && s == 0:
		body = fmt.Sprintf("%02d", h)
	default:
		body = fmt.Sprintf("%02d:%02d:%02d", h, m, s)
	}
	short := strings.TrimLeft(body, "0")
	if short == "" || short[0] == ':' {
		short = "0" + short
	}
	width := c.width
	if width == 0 {
		width = len(body) + 1
	}
	switch missing := max(width-len(short)-1, 0); c.pad {
	case '-':
		return sign + short
	case '_':
		return strings.Repeat(" ", missing) + sign + short
	default:
		return sign + strings.Repeat("0", missing) + short
	}
}

func zoneName(t time.Time) string {
	name, _ := t.Zone()
	return name
}
