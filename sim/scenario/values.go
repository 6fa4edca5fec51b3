package scenario

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"enshu/sim/lang"
	"enshu/sim/wire/syslog"
)

// The plain values of a lab file. Each reads itself from text; what it returns
// is shown to the author behind the position.

// Duration is a time span: "90s", "-1m30s", "2d12h".
type Duration time.Duration

// UnmarshalText reads Go's notation with days before it.
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	var days time.Duration
	rest, minus := strings.CutPrefix(s, "-")
	if n, after, ok := strings.Cut(rest, "d"); ok {
		v, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return durationError(s)
		}
		days, rest = time.Duration(v)*24*time.Hour, after
	}
	if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return durationError(s)
	}
	v := time.Duration(0)
	if rest != "" || days == 0 {
		var err error
		if v, err = time.ParseDuration(rest); err != nil {
			return durationError(s)
		}
	}
	if v > math.MaxInt64-days {
		return durationError(s)
	}
	v += days
	if minus {
		v = -v
	}
	*d = Duration(v)
	return nil
}

func durationError(s string) error {
	return lang.Errorf("%q は時間ではありません。5s、20m、-90s、1d12h のように書きます", "%q is not a time span; write it as 5s, 20m, -90s or 1d12h", s)
}

func (d Duration) String() string { return time.Duration(d).String() }

// Pattern is the regular expression of the notation, for the JSON Schema.
func (Duration) Pattern() string { return `^-?(\d+d)?(\d+(\.\d+)?(ns|us|ms|s|m|h))*$` }

// PPM is a frequency error in parts per million: "20ppm".
type PPM float64

// UnmarshalText reads a number with the unit.
func (p *PPM) UnmarshalText(b []byte) error {
	n, ok := strings.CutSuffix(string(b), "ppm")
	v, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
	if !ok || err != nil || math.IsNaN(v) {
		return lang.Errorf("%q は周波数の誤差ではありません。20ppm、-1.5ppm のように書きます", "%q is not a frequency error; write it as 20ppm or -1.5ppm", b)
	}
	if v < -100000 || v > 100000 {
		return lang.Errorf("周波数の誤差 %sppm は大きすぎます。上限は 100000ppm です", "a frequency error of %sppm is too large; the limit is 100000ppm", strings.TrimSpace(n))
	}
	*p = PPM(v)
	return nil
}

// Pattern is for the JSON Schema.
func (PPM) Pattern() string { return `^-?\d+(\.\d+)? ?ppm$` }

// Percent is a share, "1%" is 0.01.
type Percent float64

// UnmarshalText reads a number with the sign.
func (p *Percent) UnmarshalText(b []byte) error {
	n, ok := strings.CutSuffix(string(b), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
	if !ok || err != nil || !(v >= 0 && v <= 100) {
		return lang.Errorf("%q は割合ではありません。1%%、0.5%% のように書きます", "%q is not a share; write it as 1%% or 0.5%%", b)
	}
	*p = Percent(v / 100)
	return nil
}

// Pattern is for the JSON Schema.
func (Percent) Pattern() string { return `^\d+(\.\d+)? ?%$` }

// Size is a number of bytes: "64M".
type Size int64

// UnmarshalText reads a whole number with K, M or G (powers of 1024).
func (s *Size) UnmarshalText(b []byte) error {
	n, shift := string(b), 0
	for i, unit := range []string{"K", "M", "G"} {
		if before, ok := strings.CutSuffix(n, unit); ok {
			n, shift = before, 10*(i+1)
			break
		}
	}
	v, err := strconv.ParseInt(n, 10, 64)
	if err != nil || v <= 0 || v > math.MaxInt64>>shift {
		return lang.Errorf("%q は大きさではありません。512K、64M、1G のように書きます", "%q is not a size; write it as 512K, 64M or 1G", b)
	}
	*s = Size(v << shift)
	return nil
}

// Pattern is for the JSON Schema.
func (Size) Pattern() string { return `^[1-9]\d*[KMG]?$` }

// Mode is a file's permission bits: "0644".
type Mode fs.FileMode

// UnmarshalText reads an octal number.
func (m *Mode) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(string(b), 8, 12)
	if err != nil || len(b) < 3 {
		return lang.Errorf("%q はファイルのモードではありません。0644 のように書きます", "%q is not a file mode; write it as 0644", b)
	}
	mode := fs.FileMode(v & 0o777)
	for bit, special := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if v&bit != 0 {
			mode |= special
		}
	}
	*m = Mode(mode)
	return nil
}

// Pattern is for the JSON Schema.
func (Mode) Pattern() string { return `^[0-7]{3,4}$` }

// Path is an absolute, clean file name.
type Path string

// UnmarshalText refuses relative names and detours.
func (p *Path) UnmarshalText(b []byte) error {
	s := string(b)
	switch {
	case !strings.HasPrefix(s, "/"):
		return lang.Errorf("%q は絶対パスではありません", "%q is not an absolute path", s)
	case path.Clean(s) != s || s == "/":
		return lang.Errorf("%q は普通のパスではありません。//、.、.. を使わずに書きます", "%q is not a plain path; write it without //, . and ..", s)
	case strings.ContainsRune(s, 0) || len(s) > 4095:
		return lang.Errorf("パスが長すぎるか、値 0 のバイトを含んでいます", "a path may not be this long or hold a zero byte")
	}
	*p = Path(s)
	return nil
}

// Pattern is for the JSON Schema.
func (Path) Pattern() string { return `^/.+$` }

// Port is a port of a transport: "514/tcp".
type Port struct {
	Number    uint16
	Transport string // tcp or udp
}

// UnmarshalText reads number/transport.
func (p *Port) UnmarshalText(b []byte) error {
	n, transport, ok := strings.Cut(string(b), "/")
	v, err := strconv.ParseUint(n, 10, 16)
	if !ok || err != nil || v == 0 || transport != "tcp" && transport != "udp" {
		return lang.Errorf("%q はポートではありません。514/tcp、123/udp のように書きます", "%q is not a port; write it as 514/tcp or 123/udp", b)
	}
	*p = Port{uint16(v), transport}
	return nil
}

func (p Port) String() string { return fmt.Sprintf("%d/%s", p.Number, p.Transport) }

// Pattern is for the JSON Schema.
func (Port) Pattern() string { return `^\d+/(tcp|udp)$` }

// Priority is a facility and a severity: "local3.info".
type Priority syslog.Priority

// UnmarshalText reads facility.severity with the names of syslog.conf(5).
func (p *Priority) UnmarshalText(b []byte) error {
	f, s, ok := strings.Cut(string(b), ".")
	if !ok {
		return lang.Errorf("%q はプライオリティではありません。user.info のように書きます", "%q is not a priority; write it as user.info", b)
	}
	facility, ok := syslog.ParseFacility(f)
	if !ok {
		return lang.Errorf("ファシリティ %q はありません%s", "unknown facility %q%s", f, meant(f, facilities))
	}
	severity, ok := syslog.ParseSeverity(s)
	if !ok {
		return lang.Errorf("重要度 %q はありません%s", "unknown severity %q%s", s, meant(s, severities))
	}
	*p = Priority(syslog.Make(facility, severity))
	return nil
}

func (p Priority) String() string { return syslog.Priority(p).String() }

// Pattern is for the JSON Schema.
func (Priority) Pattern() string { return `^[a-z0-9]+\.[a-z]+$` }

var (
	facilities = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}
	severities = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
)

// Timezone is a name of the tz database: "Asia/Tokyo".
type Timezone string

// UnmarshalText refuses a zone that the tz database does not have.
func (z *Timezone) UnmarshalText(b []byte) error {
	if s := string(b); s != "" && s != "Local" {
		if _, err := time.LoadLocation(s); err == nil {
			*z = Timezone(s)
			return nil
		}
	}
	return lang.Errorf("タイムゾーン %q はありません。Asia/Tokyo、UTC のように書きます", "unknown time zone %q; write it as Asia/Tokyo or UTC", b)
}

// Regexp is a regular expression in Go's syntax (RE2).
type Regexp struct {
	*regexp.Regexp
	Text string // as it was written
}

func (r *Regexp) String() string { return r.Text }

// UnmarshalText compiles it; ^ and $ match at lines.
func (r *Regexp) UnmarshalText(b []byte) error {
	re, err := regexp.Compile("(?m:" + string(b) + ")")
	if err != nil {
		return lang.Errorf("%q は正規表現ではありません: %s", "%q is not a regular expression: %s", b, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	r.Regexp, r.Text = re, string(b)
	return nil
}
