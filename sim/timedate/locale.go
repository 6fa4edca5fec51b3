package timedate

import (
	"fmt"
	"strings"
	"time"
)

// locale is what of LC_TIME shows in the output of date.
type locale struct {
	full      string // format of date without arguments
	c, x, X   string // written by the C library, which does not pad years
	r         string
	months    [12]string
	short     [12]string
	days      [7]string
	shortDays [7]string
	am, pm    string
	eras      []era    // of the modifier E, the latest first
	digits    []string // numbers of the modifier O, from 0
	unicode   bool     // quotes are ‘typographic’
}

// era is how years are counted from a day on.
type era struct {
	name             string
	year, month, day int // its first
	number           int // of that year
	down             bool
}

// japaneseEras are those of the locale ja_JP.
var japaneseEras = []era{
	{"令和", 2019, 5, 1, 1, false}, {"平成", 1989, 1, 8, 1, false}, {"昭和", 1926, 12, 25, 1, false}, {"大正", 1912, 7, 30, 1, false},
	{"明治", 1873, 1, 1, 6, false}, {"西暦", 1, 1, 1, 1, false}, {"紀元前", 0, 12, 31, 1, true},
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
		full: "%a %b %e %H:%M:%S %Z %Y", c: "%a %b %e %H:%M:%S %-Y", x: "%m/%d/%y", X: "%H:%M:%S", r: "%I:%M:%S %p",
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
		l.full, l.c, l.x, l.X = "%a %b %e %r %Z %Y", "%a %d %b %-Y %r %Z", "%m/%d/%-Y", "%r"
	case strings.HasPrefix(name, "ja_JP"):
		l.full, l.c, l.x, l.X, l.r = "%Y年 %b %e日 %A %H:%M:%S %Z", "%-Y年%m月%d日 %H時%M分%S秒", "%-Y年%m月%d日", "%H時%M分%S秒", "%p%I時%M分%S秒"
		l.am, l.pm = "午前", "午後"
		for i := range 12 {
			l.months[i] = fmt.Sprintf("%d月", i+1)
			l.short[i] = fmt.Sprintf("%2d月", i+1)
		}
		for i, d := range []string{"日", "月", "火", "水", "木", "金", "土"} {
			l.days[i], l.shortDays[i] = d+"曜日", d
		}
		l.eras, l.digits = japaneseEras, kanjiNumbers()
	}
	return l
}

// kanjiNumbers are 0 to 99.
func kanjiNumbers() []string {
	ones := []string{"", "一", "二", "三", "四", "五", "六", "七", "八", "九"}
	out := []string{"〇"}
	for n := 1; n < 100; n++ {
		tens := ones[n/10] + "十"
		switch n / 10 {
		case 0:
			tens = ""
		case 1:
			tens = "十"
		}
		out = append(out, tens+ones[n%10])
	}
	return out
}

// eraOf returns the era of a day and the number of its year there.
func (l *locale) eraOf(t time.Time) (name string, number int, ok bool) {
	for _, e := range l.eras {
		switch {
		case e.down && t.Year() <= e.year:
			return e.name, e.number + e.year - t.Year(), true
		case !e.down && !t.Before(time.Date(e.year, time.Month(e.month), e.day, 0, 0, 0, 0, t.Location())):
			return e.name, e.number + t.Year() - e.year, true
		}
	}
	return "", 0, false
}

// eraYear is the full year of an era: the first year of a reign has a name.
func (l *locale) eraYear(t time.Time) string {
	name, number, _ := l.eraOf(t)
	if number == 1 && t.Year() > 1 {
		return name + "元年"
	}
	return fmt.Sprintf("%s%02d年", name, number)
}

// quote puts a text of the user in quotes for a message; what does not print is
// shown as C writes it.
func (l *locale) quote(s string) string {
	open, end := "'", "'"
	if l.unicode {
		open, end = "‘", "’"
	}
	var b strings.Builder
	b.WriteString(open)
	for i, r := range s {
		size := len(string(r))
		if r == '\uFFFD' && !strings.HasPrefix(s[i:], "\uFFFD") {
			size = 1
		}
		switch at := strings.IndexRune("\a\b\t\n\v\f\r\\", r); {
		case at >= 0:
			b.WriteString(`\` + `abtnvfr\`[at:at+1])
		case string(r) == end:
			b.WriteString(`\` + end)
		case r < ' ' || r == 0x7f || r > 0x7f && !l.unicode || size == 1 && r > 0x7f:
			for _, c := range []byte(s[i : i+size]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + end
}
