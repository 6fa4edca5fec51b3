package chronyc

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// The columns of chronyc's reports.

// interval4 shows a number of seconds in four columns.
func interval4(s uint32) string {
	switch {
	case s == candm.Never:
		return "   -"
	case s < 1200:
		return fmt.Sprintf("%4d", s)
	case s < 36000:
		return fmt.Sprintf("%3dm", s/60)
	case s < 345600:
		return fmt.Sprintf("%3dh", s/3600)
	}
	days := s / 86400
	if days > 999 {
		return fmt.Sprintf("%3dy", days/365)
	}
	return fmt.Sprintf("%3dd", days)
}

// offset6 shows seconds without a sign in six columns.
func offset6(s float64) string { return scaled(math.Abs(s), 4, "") }

// offset7 shows seconds with a sign in seven columns.
func offset7(s float64) string { return scaled(s, 5, "+") }

func scaled(s float64, width int, flag string) string {
	a := math.Abs(s)
	put := func(v float64, width, decimals int, unit string) string {
		return fmt.Sprintf("%"+flag+strconv.Itoa(width)+"."+strconv.Itoa(decimals)+"f%s", v, unit)
	}
	switch {
	case a < 9999.5e-9:
		return put(s*1e9, width, 0, "ns")
	case a < 9999.5e-6:
		return put(s*1e6, width, 0, "us")
	case a < 9999.5e-3:
		return put(s*1e3, width, 0, "ms")
	case a < 999.5:
		return put(s, width+1, 1, "s")
	case a < 99999.5:
		return put(s, width+1, 0, "s")
	case a < 99999.5*60:
		return put(s/60, width+1, 0, "m")
	case a < 99999.5*3600:
		return put(s/3600, width+1, 0, "h")
	case a < 99999.5*86400:
		return put(s/86400, width+1, 0, "d")
	}
	return put(s/(86400*365), width+1, 0, "y")
}

// ppm10 shows a frequency in ten columns.
func ppm10(v float64, flag string) string {
	if math.Abs(v) < 99999.5 {
		return fmt.Sprintf("%"+flag+"10.3f", v)
	}
	return fmt.Sprintf("%"+flag+"10.0f", v)
}

// log2Interval shows an interval of chronyc clients in two columns.
func log2Interval(v int8) string {
	if v >= candm.NoInterval {
		return " -"
	}
	return fmt.Sprintf("%2d", v)
}

// log2Seconds returns 2^v, within what 32 bits can say.
func log2Seconds(v int8) float64 { return math.Ldexp(1, min(max(int(v), -31), 31)) }

func leapText(v uint16) string {
	switch ntp.Leap(v) {
	case ntp.LeapNone:
		return "Normal"
	case ntp.LeapInsert:
		return "Insert second"
	case ntp.LeapDelete:
		return "Delete second"
	case ntp.LeapUnsynchronised:
		return "Not synchronised"
	}
	return "Invalid"
}

func modeText(m uint8) string {
	switch ntp.Mode(m) {
	case ntp.SymmetricActive:
		return "Symmetric active"
	case ntp.SymmetricPassive:
		return "Symmetric passive"
	case ntp.Server:
		return "Server"
	}
	return "Invalid"
}

func stampText(c uint8) string {
	switch c {
	case 'D':
		return "Daemon"
	case 'K':
		return "Kernel"
	case 'H':
		return "Hardware"
	}
	return "Invalid"
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}

func yn(b bool) string { return yesNo(b)[:1] }

// refTime is the form of a reference time.
func refTime(t time.Time) string { return t.UTC().Format("Mon Jan 02 15:04:05 2006") }

// csvTime is a time as seconds since 1970.
func csvTime(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

// fastSlow shows a value without its sign and says which way it goes.
func fastSlow(v float64, decimals int, unit, positive, negative string) string {
	way := negative
	if v > 0 {
		way = positive
	}
	return fmt.Sprintf("%.*f %s %s", decimals, math.Abs(v), unit, way)
}

// number prints a float as C does, where minus zero keeps its sign.
func number(decimals int, v float64) string { return fmt.Sprintf("%.*f", decimals, v) }
