package conf

import (
	"math"
	"strconv"
	"strings"
)

// Blanks separate the words of chrony.conf and chronyc. Numbers are read as
// scanf(3) does, which takes as many characters as make sense.
const Blanks = " \t\n\v\f\r"

// Normalize joins the words of a line by single blanks. A line whose first
// character is one of !;#% is a comment, and empty.
func Normalize(line string) string {
	if i := strings.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(Blanks, r) })
	if len(words) > 0 && strings.ContainsAny(words[0][:1], "!;#%") {
		return ""
	}
	return strings.Join(words, " ")
}

// Word cuts the first word off a normalized line.
func Word(line string) (first, rest string) {
	first, rest, _ = strings.Cut(line, " ")
	return first, rest
}

// Words returns the words of a normalized line.
func Words(line string) []string {
	if line == "" {
		return nil
	}
	return strings.Split(line, " ")
}

// ScanInt reads a decimal integer at the start of s and returns what follows it.
func ScanInt(s string) (v int, rest string, ok bool) {
	t := strings.TrimLeft(s, Blanks)
	i := 0
	if i < len(t) && (t[i] == '+' || t[i] == '-') {
		i++
	}
	digits := i
	for i < len(t) && t[i] >= '0' && t[i] <= '9' {
		i++
	}
	if i == digits {
		return 0, s, false
	}
	n, err := strconv.ParseInt(t[:i], 10, 64)
	if err != nil {
		n = math.MaxInt32
		if t[0] == '-' {
			n = math.MinInt32
		}
	}
	return int(int32(n)), t[i:], true
}

// ScanFloat reads a floating-point number at the start of s: decimal,
// hexadecimal, inf or nan.
func ScanFloat(s string) (v float64, rest string, ok bool) {
	t := strings.TrimLeft(s, Blanks)
	if digits, exponent := hexFloat(t); digits > 0 {
		text := t[:digits] + "p0"
		if exponent > digits {
			text = t[:exponent]
		}
		v, err := strconv.ParseFloat(text, 64)
		return v, t[max(digits, exponent):], err == nil || math.IsInf(v, 0)
	} else if digits < 0 {
		return 0, s, false
	}
	end := 0
	for i := 1; i <= len(t) && i <= 64; i++ {
		if strings.ContainsAny(t[i-1:i], Blanks+"_xX") {
			break
		}
		if f, err := strconv.ParseFloat(t[:i], 64); err == nil || math.IsInf(f, 0) {
			v, end = f, i
		}
	}
	if end > 0 && end < len(t) && (t[end] == 'e' || t[end] == 'E') {
		// An exponent without digits is taken all the same.
		end++
		if end < len(t) && (t[end] == '+' || t[end] == '-') {
			end++
		}
	}
	return v, t[end:], end > 0
}

// hexFloat returns where the digits and the exponent of a hexadecimal number
// at the start of t end: 0 is no such number, -1 one without digits.
func hexFloat(t string) (digits, exponent int) {
	i := 0
	if i < len(t) && (t[i] == '+' || t[i] == '-') {
		i++
	}
	if len(t) < i+2 || t[i] != '0' || t[i+1] != 'x' && t[i+1] != 'X' {
		return 0, 0
	}
	i += 2
	seen, point := false, false
	for ; i < len(t); i++ {
		switch {
		case strings.IndexByte("0123456789abcdefABCDEF", t[i]) >= 0:
			seen = true
			continue
		case t[i] == '.' && !point:
			point = true
			continue
		}
		break
	}
	if !seen {
		return -1, 0
	}
	digits = i
	if i < len(t) && (t[i] == 'p' || t[i] == 'P') {
		i++
		if i < len(t) && (t[i] == '+' || t[i] == '-') {
			i++
		}
		from := i
		for i < len(t) && t[i] >= '0' && t[i] <= '9' {
			i++
		}
		if i > from {
			exponent = i
		}
	}
	return digits, exponent
}

// scanHex reads a hexadecimal number at the start of s.
func scanHex(s string) (v uint64, rest string, ok bool) {
	t := strings.TrimLeft(s, Blanks)
	t = strings.TrimPrefix(strings.TrimPrefix(t, "0x"), "0X")
	i := 0
	for i < len(t) && strings.ContainsRune("0123456789abcdefABCDEF", rune(t[i])) {
		i++
	}
	v, err := strconv.ParseUint(t[:i], 16, 64)
	return v, t[i:], err == nil
}

// skip drops the blank before the next word.
func skip(s string) string { return strings.TrimLeft(s, Blanks) }
