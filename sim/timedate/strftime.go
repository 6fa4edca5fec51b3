package timedate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// locale is what of LC_TIME shows in the output of date.
type locale struct {
	full      string // format of date without arguments
	c, x, X   string
	r         string
	months    [12]string // nil entries are English
	short     [12]string
	days      [7]string
	shortDays [7]string
	am, pm    string
	unicode   bool // quotes are ‘typographic’
}

// quote puts a text of the user in quotes for a message.
func (l *locale) quote(s string) string {
	if l.unicode {
		return "‘" + s + "’"
	}
	return "'" + s + "'"
}

// localeOf finds the locale of an environment.
func localeOf(getenv func(string) string) locale {
	name := ""
	for _, v := range []string{"LC_ALL", "LC_TIME", "LANG"} {
		if name = getenv(v); name != "" {
			break
		}
	}
	l := locale{
		full: "%a %b %e %H:%M:%S %Z %Y", c: "%a %b %e %H:%M:%S %Y", x: "%m/%d/%y", X: "%H:%M:%S", r: "%I:%M:%S %p",
		am: "AM", pm: "PM", unicode: strings.Contains(strings.ToUpper(name), "UTF"),
	}
	for i := range 12 {
		l.months[i] = time.Month(i + 1).String()
		l.short[i] = l.months[i][:3]
	}
	for i := range 7 {
		l.days[i] = time.Weekday(i).String()
		l.shortDays[i] = l.days[i][:3]
	}
	switch {
	case strings.HasPrefix(name, "en_US"):
		l.full, l.c, l.x, l.X = "%a %b %e %r %Z %Y", "%a %d %b %Y %r %Z", "%m/%d/%Y", "%r"
	case strings.HasPrefix(name, "ja_JP"):
		l.full, l.c, l.x, l.X, l.r = "%Y年 %b %e日 %A %H:%M:%S %Z", "%Y年%m月%d日 %H時%M分%S秒", "%Y年%m月%d日", "%H時%M分%S秒", "%p%I時%M分%S秒"
		l.am, l.pm = "午前", "午後"
		for i := range 12 {
			l.months[i] = fmt.Sprintf("%d月", i+1)
			l.short[i] = fmt.Sprintf("%2d月", i+1)
		}
		for i, d := range []string{"日", "月", "火", "水", "木", "金", "土"} {
			l.days[i], l.shortDays[i] = d+"曜日", d
		}
	}
	return l
}

// conversion is a conversion of strftime(3) as GNU date reads it.
type conversion struct {
	pad    rune // '_', '-', '0'; 0 is the default
	upper  bool
	swap   bool
	width  int
	colons int
	verb   rune
	usual  int // digits of a year, when width is not about them
}

// isoDate is %F: a year of four digits, or of what the width leaves, with a
// sign when it is longer.
func (c conversion) isoDate(t time.Time) string {
	year := conversion{pad: '+', usual: 4}
	digits := 4
	if c.pad != 0 || c.width > 0 {
		year.pad, digits = c.pad, max(c.width-len("-MM-DD"), 0)
	}
	return year.number(t.Year(), digits, '0') + t.Format("-01-02")
}

// nanoseconds is %N: as many digits as the width says; padding is behind them.
func (c conversion) nanoseconds(t time.Time) string {
	s := fmt.Sprintf("%09d", t.Nanosecond())
	if c.width > 0 {
		s = (s + strings.Repeat("0", max(c.width-9, 0)))[:c.width]
	}
	short := strings.TrimRight(s, "0")
	switch {
	case c.pad == '-' && c.width > 0 && short != "":
		return short
	case c.pad == '_':
		if short == "" {
			short = "0"
		}
		return short + strings.Repeat(" ", len(s)-len(short))
	}
	return s
}

// format writes t as a format of date(1) says.
func (l *locale) format(t time.Time, f string) string {
	var b strings.Builder
	runes := []rune(f)
	for i := 0; i < len(runes); i++ {
		if runes[i] != '%' {
			b.WriteRune(runes[i])
			continue
		}
		start := i
		c := conversion{}
		i++
	flags:
		for ; i < len(runes); i++ {
			switch runes[i] {
			case '_', '-', '0', '+':
				c.pad = runes[i]
			case '^':
				c.upper = true
			case '#':
				c.swap = true
			default:
				break flags
			}
		}
		for ; i < len(runes) && unicode.IsDigit(runes[i]); i++ {
			c.width = min(c.width*10+int(runes[i]-'0'), 4096)
		}
		for ; i < len(runes) && (runes[i] == 'E' || runes[i] == 'O'); i++ {
		}
		for ; i < len(runes) && runes[i] == ':'; i++ {
			c.colons++
		}
		if i == len(runes) {
			b.WriteString(string(runes[start:]))
			break
		}
		c.verb = runes[i]
		s, ok := l.convert(t, c)
		if !ok {
			s = string(runes[start : i+1])
		}
		b.WriteString(s)
	}
	return b.String()
}

// number pads a number: width digits, unless the flags say otherwise.
func (c conversion) number(v, digits int, pad rune) string {
	if c.pad != 0 {
		pad = c.pad
	}
	if c.usual == 0 {
		c.usual = digits
	}
	if c.width > digits {
		digits = c.width
	}
	switch pad {
	case '+':
		// A sign shows where there is more room than usual, or too little.
		if text := strconv.Itoa(v); digits > c.usual || len(text) > c.usual {
			return fmt.Sprintf("%+0*d", max(digits, len(text)+1), v)
		}
	case '-':
		return strconv.Itoa(v)
	case '_':
		return fmt.Sprintf("%*d", digits, v)
	}
	return fmt.Sprintf("%0*d", digits, v)
}

func (c conversion) text(s string) string {
	switch {
	case c.upper:
		s = strings.ToUpper(s)
	case c.swap && s == strings.ToUpper(s):
		s = strings.ToLower(s)
	case c.swap:
		s = strings.ToUpper(s)
	}
	for n := len([]rune(s)); n < c.width && c.pad != '-'; n++ {
		fill := " "
		if c.pad == '0' {
			fill = "0"
		}
		s = fill + s
	}
	return s
}

func (l *locale) convert(t time.Time, c conversion) (string, bool) {
	hour12 := (t.Hour()+11)%12 + 1
	isoYear, isoWeek := t.ISOWeek()
	weekday := int(t.Weekday())
	switch c.verb {
	case '%':
		return "%", true
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
		return c.text(l.format(t, l.c)), true
	case 'C':
		return c.number(t.Year()/100, 2, '0'), true
	case 'd':
		return c.number(t.Day(), 2, '0'), true
	case 'D':
		return c.text(l.format(t, "%m/%d/%y")), true
	case 'e':
		return c.number(t.Day(), 2, '_'), true
	case 'F':
		return c.isoDate(t), true
	case 'g':
		return c.number(isoYear%100, 2, '0'), true
	case 'G':
		return c.number(isoYear, 4, '0'), true
	case 'H':
		return c.number(t.Hour(), 2, '0'), true
	case 'I':
		return c.number(hour12, 2, '0'), true
	case 'j':
		return c.number(t.YearDay(), 3, '0'), true
	case 'k':
		return c.number(t.Hour(), 2, '_'), true
	case 'l':
		return c.number(hour12, 2, '_'), true
	case 'm':
		return c.number(int(t.Month()), 2, '0'), true
	case 'M':
		return c.number(t.Minute(), 2, '0'), true
	case 'N':
		return c.nanoseconds(t), true
	case 'p', 'P':
		s := l.am
		if t.Hour() >= 12 {
			s = l.pm
		}
		if c.verb == 'P' {
			c.upper, c.swap = false, false
			s = strings.ToLower(s)
		}
		return c.text(s), true
	case 'q':
		return c.number((int(t.Month())+2)/3, 1, '0'), true
	case 'r':
		return c.text(l.format(t, l.r)), true
	case 'R':
		return c.text(l.format(t, "%H:%M")), true
	case 's':
		return c.number(int(t.Unix()), 1, '-'), true
	case 'S':
		return c.number(t.Second(), 2, '0'), true
	case 'T':
		return c.text(l.format(t, "%H:%M:%S")), true
	case 'u':
		return c.number((weekday+6)%7+1, 1, '0'), true
	case 'U':
		return c.number((t.YearDay()+6-weekday)/7, 2, '0'), true
	case 'V':
		return c.number(isoWeek, 2, '0'), true
	case 'w':
		return c.number(weekday, 1, '0'), true
	case 'W':
		return c.number((t.YearDay()+6-(weekday+6)%7)/7, 2, '0'), true
	case 'x':
		return c.text(l.format(t, l.x)), true
	case 'X':
		return c.text(l.format(t, l.X)), true
	case 'y':
		return c.number(t.Year()%100, 2, '0'), true
	case 'Y':
		return c.number(t.Year(), 4, '0'), true
	case 'z':
		return c.zoneOffset(t)
	case 'Z':
		return c.text(zoneName(t)), true
	}
	return "", false
}

// zoneOffset is %z with its colons, padded like a number.
func (c conversion) zoneOffset(t time.Time) (string, bool) {
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
	case c.colons == 2, c.colons == 3 && s != 0:
		body = fmt.Sprintf("%02d:%02d:%02d", h, m, s)
	case c.colons == 3:
		body = fmt.Sprintf("%02d", h)
	default:
		return "", false
	}
	usual := len(body) + 1
	short := strings.TrimLeft(body, "0")
	if short == "" || short[0] == ':' {
		short = "0" + short
	}
	switch width := max(c.width, usual); c.pad {
	case '-':
		return sign + short, true
	case '_':
		return fmt.Sprintf("%*s", width, sign+short), true
	default:
		return sign + strings.Repeat("0", width-usual) + body, true
	}
}

func zoneName(t time.Time) string {
	name, _ := t.Zone()
	return name
}
