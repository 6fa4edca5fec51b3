package unitfile

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/systemd/calendar"
)

// Bool hands a boolean value to set, and returns what systemd logs about a value
// that is none.
func (s Setting) Bool(set func(bool)) string {
	b, ok := ParseBool(s.Value)
	if !ok {
		return "Failed to parse boolean value, ignoring: " + s.Value
	}
	set(b)
	return ""
}

// Span stores a time span, whose unit is seconds where it names none.
func (s Setting) Span(into *time.Duration) string {
	d, ok := calendar.ParseSpan(s.Value, time.Second)
	if !ok {
		return "Failed to parse " + s.Key + "= parameter, ignoring: " + s.Value
	}
	*into = d
	return ""
}

// Word stores one of the words; another is told as a bad value of what.
func (s Setting) Word(into *string, what string, words ...string) string {
	if !slices.Contains(words, s.Value) {
		return "Failed to parse " + what + ", ignoring: " + s.Value
	}
	*into = s.Value
	return ""
}

// ParseSize reads a size with a suffix to the base of 1024.
func ParseSize(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	n := 0
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '.') {
		n++
	}
	v, err := strconv.ParseFloat(s[:n], 64)
	if err != nil {
		return 0, false
	}
	shift, ok := map[string]int{"": 0, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}[strings.TrimSpace(s[n:])]
	v *= math.Pow(2, float64(shift))
	if !ok || v > math.MaxInt64 {
		return 0, false
	}
	return int64(v), true
}

// FormatSize writes a size as systemd does: "8.0M", "512B".
func FormatSize(n int64) string {
	units := "KMGTPE"
	if n < 1024 {
		return strconv.FormatInt(n, 10) + "B"
	}
	f, i := int64(1024), 0
	for i < len(units)-1 && n >= f*1024 {
		f *= 1024
		i++
	}
	whole, tenth := n/f, n%f*10/f
	return strconv.FormatInt(whole, 10) + "." + strconv.FormatInt(tenth, 10) + units[i:i+1]
}

// ParseBool reads the words of parse_boolean.
func ParseBool(s string) (bool, bool) {
	switch strings.ToLower(s) {
	case "1", "yes", "y", "true", "t", "on":
		return true, true
	case "0", "no", "n", "false", "f", "off":
		return false, true
	}
	return false, false
}

// CPUList reads a list of processors like "0-3 5,7" (CPUAffinity=); none of one
// that has a mistake.
func CPUList(s string) []int {
	var list []int
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
		first, last, span := strings.Cut(w, "-")
		if !span {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || from < 0 || to < from || to >= maxCPUs {
			return nil
		}
		for n := from; n <= to; n++ {
			list = append(list, n)
		}
	}
	return list
}

// maxCPUs are as many as the kernel can be built for.
const maxCPUs = 8192
