package timedate

import "math"

// reform is the month in which a country left the Julian calendar for the
// Gregorian one, and the days that it has not.
type reform struct{ year, month, first, gap int }

var (
	// cal follows the British Empire, where September 1752 had no days 3 to 13.
	britishReform = reform{1752, 9, 3, 11}
	alwaysNew     = reform{year: math.MinInt}
	alwaysOld     = reform{year: math.MaxInt}
)

// daysIn returns how many days a month shows.
func (r reform) daysIn(y, m int) int {
	switch {
	case y == r.year && m == r.month:
		return 30 - r.gap
	case m == 2 && r.leap(y):
		return 29
	case m == 2:
		return 28
	case m == 4 || m == 6 || m == 9 || m == 11:
		return 30
	}
	return 31
}

func (r reform) leap(y int) bool {
	if y <= r.year {
		return y%4 == 0
	}
	return y%4 == 0 && (y%100 != 0 || y%400 == 0)
}

// day returns the number of the n-th day that a month has.
func (r reform) day(y, m, n int) int {
	if y == r.year && m == r.month && n >= r.first {
		return n + r.gap
	}
	return n
}

// yearDay counts the n-th day of a month from 1 January, which is 1.
func (r reform) yearDay(y, m, n int) int {
	for i := 1; i < m; i++ {
		n += r.daysIn(y, i)
	}
	return n
}

// weekday returns the day of the week, Sunday 0, in the calendar in use.
func (r reform) weekday(y, m, d int) int {
	a := (14 - m) / 12
	yy, mm := y+4800-a, m+12*a-3
	jdn := d + (153*mm+2)/5 + 365*yy + yy/4
	if y > r.year || y == r.year && (m > r.month || m == r.month && d >= r.first) {
		jdn += -yy/100 + yy/400 - 32045
	} else {
		jdn -= 32083
	}
	return (jdn + 1) % 7
}

// week returns the number of the week of the n-th day of a month: the ISO 8601
// one, or that in which the week of 1 January is the first.
func (r reform) week(y, m, n int, iso bool) int {
	yearDay, newYear := r.yearDay(y, m, n)-1, r.weekday(y, 1, 1)
	if !iso {
		return (yearDay+newYear)/7 + 1
	}
	newYear = (newYear + 6) % 7
	week := (yearDay + newYear) / 7
	if newYear <= 3 {
		week++
	}
	days := r.yearDay(y, 12, r.daysIn(y, 12))
	switch {
	case week == 0:
		return r.week(y-1, 12, r.daysIn(y-1, 12), true)
	case week == 53 && (newYear+days)%7 <= 3 && (newYear+days)%7 > 0:
		return 1
	}
	return week
}
