package unitfile

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/systemd/calendar"
	"enshu/sim/wire/syslog"
)

// Verdict is what systemd finds wrong with a setting.
type Verdict struct {
	Problems []string // lines to be logged
	refused  bool     // the setting has no effect
	Fatal    bool     // and the unit has no use: reading it ends here
}

// grammar judges the value of a setting. The words are those of systemd 252 (its
// load-fragment), as `systemd-analyze verify` prints them.
type grammar func(s Setting) Verdict

func accepted() Verdict { return Verdict{} }

func refuse(why string) Verdict { return Verdict{Problems: []string{why}, refused: true} }

func fatal(why string) Verdict { return Verdict{Problems: []string{why}, refused: true, Fatal: true} }

// when refuses a value unless ok; the value is named at the end of why.
func when(ok bool, why string, s Setting) Verdict {
	if ok {
		return accepted()
	}
	return refuse(why + ", ignoring: " + s.Value)
}

// check judges a setting by the grammar of its key.
func check(s Setting) Verdict {
	var g grammar
	switch s.Section {
	case "Unit":
		g = unitGrammar(s.Key)
	case "Install":
	case "Timer":
		g = timerGrammar(s.Key)
	case "Path":
		g = pathGrammar(s.Key)
	case "Mount":
		if g = mountGrammar(s.Key); g == nil && s.Key != "Type" {
			g = serviceGrammar(s.Key)
		}
	case "Socket":
		if g = socketGrammar(s.Key); g == nil {
			g = serviceGrammar(s.Key)
		}
	default:
		g = serviceGrammar(s.Key)
	}
	if g == nil {
		return accepted()
	}
	return g(s)
}

func boolean(s Setting) Verdict {
	_, ok := ParseBool(s.Value)
	return when(ok, "Failed to parse boolean value", s)
}

func isSpan(s string) bool {
	_, ok := calendar.ParseSpan(s, time.Second)
	return ok
}

func seconds(s Setting) Verdict { return when(isSpan(s.Value), "Failed to parse sec value", s) }

func timeValue(s Setting) Verdict { return when(isSpan(s.Value), "Failed to parse time value", s) }

func parameterSpan(s Setting) Verdict {
	return when(isSpan(s.Value), "Failed to parse "+s.Key+"= parameter", s)
}

func unsigned(s Setting) Verdict {
	_, err := strconv.ParseUint(s.Value, 10, 32)
	return when(err == nil, "Failed to parse unsigned value", s)
}

func integer(s Setting) Verdict {
	_, err := strconv.ParseInt(s.Value, 10, 32)
	return when(err == nil, "Failed to parse int value", s)
}

func mode(s Setting) Verdict {
	n, err := strconv.ParseUint(s.Value, 8, 32)
	return when(err == nil && n <= 0o7777, "Failed to parse mode value", s)
}

func signal(s Setting) Verdict {
	_, ok := ParseSignal(s.Value)
	return when(ok, "Failed to parse signal name", s)
}

// one takes one of the words; what says what they are.
func one(what, words string) grammar {
	return func(s Setting) Verdict { return when(hasWord(words, s.Value), "Failed to parse "+what, s) }
}

// boolOr takes a boolean or one of the words.
func boolOr(what, words string) grammar {
	return func(s Setting) Verdict {
		_, ok := ParseBool(s.Value)
		return when(ok || hasWord(words, s.Value), "Failed to parse "+what, s)
	}
}

func action(s Setting) Verdict {
	return when(hasWord("none reboot reboot-force reboot-immediate poweroff poweroff-force poweroff-immediate exit exit-force", s.Value),
		"Failed to parse "+s.Key+"=", s)
}

// absolute takes a path, or nothing.
func absolute(s Setting) Verdict {
	return when(s.Value == "" || s.Value[0] == '/', s.Key+"= path is not absolute", s)
}

func absoluteOrFatal(s Setting) Verdict {
	if name := strings.TrimPrefix(s.Value, "-"); name != "" && name[0] != '/' && !(s.Key == "WorkingDirectory" && name == "~") {
		return fatal(s.Key + "= path is not absolute: " + name)
	}
	return accepted()
}

// optionalFile is EnvironmentFile=.
func optionalFile(s Setting) Verdict {
	s.Value = strings.TrimPrefix(s.Value, "-")
	return absolute(s)
}

// each judges every word of a list; the words that are good count.
func each(syntax string, why func(s Setting, word string) string) grammar {
	return func(s Setting) (v Verdict) {
		words, ok := SplitWords(s.Value)
		for _, w := range words {
			if text := why(s, w); text != "" {
				v.Problems = append(v.Problems, text)
			}
		}
		if !ok && syntax != "" {
			v.Problems = append(v.Problems, syntax+", ignoring: "+s.Value)
		}
		return v
	}
}

func dependencies(s Setting) (v Verdict) {
	for _, name := range strings.Fields(s.Value) {
		if !ValidName(name) {
			v.Problems = append(v.Problems, "Failed to add dependency on "+name+", ignoring: Invalid argument")
		}
	}
	return v
}

// ValidURL reports whether Documentation= may name it.
func validURL(s string) bool {
	for _, scheme := range []string{"http://", "https://", "file:/", "info:", "man:"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok && rest != "" {
			return true
		}
	}
	return false
}

func wrongURL(_ Setting, w string) string {
	if validURL(w) {
		return ""
	}
	return "Invalid URL, ignoring: " + w
}

func wrongPath(s Setting, w string) string {
	if strings.HasPrefix(strings.TrimLeft(w, "+-"), "/") {
		return ""
	}
	return s.Key + "= path is not absolute, ignoring: " + strings.TrimLeft(w, "+-")
}

// validAssignment reports whether a word is NAME=value.
func validAssignment(w string) bool {
	name, _, ok := strings.Cut(w, "=")
	return ok && IsName(name)
}

func wrongAssignment(_ Setting, w string) string {
	if validAssignment(w) {
		return ""
	}
	return "Invalid environment assignment, ignoring: " + w
}

func wrongName(s Setting, w string) string {
	switch {
	case IsName(w):
	case s.Key == "PassEnvironment":
		return "Invalid environment name for PassEnvironment, ignoring: " + w
	case !validAssignment(w):
		return "Invalid environment name or assignment UnsetEnvironment, ignoring: " + w
	}
	return ""
}

func wrongSocket(_ Setting, w string) string {
	if Type(w) == "socket" && ValidName(w) {
		return ""
	}
	return "Unit must be of type socket, ignoring: " + w
}

// ExitStatus reads an exit status by number or name.
func ExitStatus(w string) (n int, ok bool) {
	if n, err := strconv.Atoi(w); err == nil {
		return n, n >= 0 && n <= 255
	}
	for n, name := range ExitNames {
		if name == w {
			return n, true
		}
	}
	for n, name := range LsbNames {
		if name == w {
			return n, true
		}
	}
	return 0, false
}

func wrongStatus(_ Setting, w string) string {
	if _, ok := ExitStatus(w); ok {
		return ""
	}
	if _, ok := Signals[strings.TrimPrefix(w, "SIG")]; ok {
		return ""
	}
	return "Failed to parse value, ignoring: " + w
}

// userName is User=, Group= and the like: a name of nearly any kind, or a number.
func userName(s Setting) Verdict {
	if s.Value == "" || ValidUser(s.Value) {
		return accepted()
	}
	return fatal("Invalid user/group name or numeric ID: " + s.Value)
}

func userNames(s Setting) Verdict {
	words, _ := SplitWords(s.Value)
	for _, w := range words {
		if !ValidUser(w) {
			return fatal("Invalid user/group name or numeric ID: " + w)
		}
	}
	return accepted()
}

// ValidUser reports whether a user or group may be called so in a unit file.
func ValidUser(s string) bool {
	if strings.Trim(s, "0123456789") == "" {
		n, err := strconv.ParseUint(s, 10, 32)
		return err == nil && n != math.MaxUint32 && n != math.MaxUint16
	}
	return !strings.ContainsAny(s, ":/\n") && s[0] != '-' && s != "." && s != ".."
}

func nice(s Setting) Verdict {
	n, err := strconv.Atoi(s.Value)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && (n < -20 || n > 19):
		return refuse("Nice priority out of range, ignoring: " + s.Value)
	case err != nil:
		return refuse("Failed to parse nice priority '" + s.Value + "', ignoring: Invalid argument")
	}
	return accepted()
}

func oomAdjust(s Setting) Verdict {
	n, err := strconv.Atoi(s.Value)
	switch {
	case s.Value == "":
	case errors.Is(err, strconv.ErrRange), err == nil && (n < -1000 || n > 1000):
		return refuse("OOM score adjust value out of range, ignoring: " + s.Value)
	case err != nil:
		return refuse("Failed to parse the OOM score adjust value '" + s.Value + "', ignoring: Invalid argument")
	}
	return accepted()
}

// Limit reads the value of a Limit…= setting: one number for both limits, or
// soft:hard. Sizes have suffixes, times of LimitCPU= and LimitRTTIME= units.
// Infinity is all ones.
func Limit(key, value string) (soft, hard uint64, ok bool) {
	number := func(s string) (uint64, bool) {
		if s == "infinity" {
			return math.MaxUint64, true
		}
		switch key {
		case "LimitNOFILE", "LimitNPROC", "LimitLOCKS", "LimitSIGPENDING", "LimitNICE", "LimitRTPRIO":
			n, err := strconv.ParseUint(s, 10, 64)
			return n, err == nil
		case "LimitCPU":
			d, ok := calendar.ParseSpan(s, time.Second)
			return uint64((d + time.Second - 1) / time.Second), ok
		case "LimitRTTIME":
			d, ok := calendar.ParseSpan(s, time.Microsecond)
			return uint64(d / time.Microsecond), ok
		}
		n, ok := ParseSize(s)
		return uint64(n), ok
	}
	first, second, both := strings.Cut(value, ":")
	soft, ok = number(first)
	if !both {
		return soft, soft, ok
	}
	hard, ok2 := number(second)
	return soft, hard, ok && ok2 && soft <= hard
}

func limit(s Setting) Verdict {
	_, _, ok := Limit(s.Key, s.Value)
	if s.Key == "LimitNICE" && !ok {
		n, err := strconv.Atoi(s.Value)
		ok = err == nil && n >= -20 && n <= 19
	}
	return when(ok, "Failed to parse resource value", s)
}

// errno is how systemd says that a number cannot be read.
func errno(s string) string {
	if s != "" && strings.Trim(strings.TrimLeft(s, "-+"), "0123456789") == "" {
		return "Numerical result out of range"
	}
	return "Invalid argument"
}

// amount takes a size, a share in percent, or infinity.
func amount(s string) bool {
	if p, ok := strings.CutSuffix(s, "%"); ok {
		n, err := strconv.ParseFloat(p, 64)
		return err == nil && n >= 0
	}
	_, ok := ParseSize(s)
	return ok || s == "infinity" || s == ""
}

func memoryLimit(s Setting) Verdict {
	if amount(s.Value) {
		return accepted()
	}
	return refuse("Invalid memory limit '" + s.Value + "', ignoring: " + errno(s.Value))
}

func tasksLimit(s Setting) Verdict {
	if amount(s.Value) {
		return accepted()
	}
	return refuse("Invalid maximum tasks value '" + s.Value + "', ignoring: " + errno(s.Value))
}

func weight(what string) grammar {
	return func(s Setting) Verdict {
		n, err := strconv.Atoi(s.Value)
		return when(s.Value == "" || err == nil && n >= 1 && n <= 10000 || what == "CPU weight" && s.Value == "idle", "Invalid "+what, s)
	}
}

func quota(s Setting) Verdict {
	p, ok := strings.CutSuffix(s.Value, "%")
	n, err := strconv.ParseFloat(p, 64)
	if s.Value == "" || ok && err == nil && n > 0 {
		return accepted()
	}
	return refuse("Invalid CPU quota '" + s.Value + "', ignoring.")
}

func exitStatusOf(s Setting) Verdict {
	n, err := strconv.Atoi(s.Value)
	switch {
	case s.Value == "", err == nil && n >= 0 && n <= 255:
		return accepted()
	case err == nil, errors.Is(err, strconv.ErrRange):
		return refuse("Failed to parse exit status '" + s.Value + "', ignoring: Numerical result out of range")
	}
	return refuse("Failed to parse exit status '" + s.Value + "', ignoring: Invalid argument")
}

func output(s Setting) Verdict {
	kind, arg, has := strings.Cut(s.Value, ":")
	ok := hasWord("file append truncate", kind) && strings.HasPrefix(arg, "/") || kind == "fd" && has ||
		hasWord("inherit null tty kmsg kmsg+console syslog syslog+console journal journal+console socket fd", s.Value)
	return when(ok, "Failed to parse output specifier", s)
}

func input(s Setting) Verdict {
	kind, arg, has := strings.Cut(s.Value, ":")
	ok := kind == "file" && strings.HasPrefix(arg, "/") || kind == "fd" && has ||
		hasWord("null tty tty-force tty-fail socket fd data", s.Value)
	return when(ok, "Failed to parse input specifier", s)
}

func facility(s Setting) Verdict {
	_, ok := syslog.ParseFacility(s.Value)
	return when(ok, "Failed to parse log facility", s)
}

func level(s Setting) Verdict {
	_, ok := syslog.ParseSeverity(s.Value)
	return when(ok, "Failed to parse log level", s)
}

// directories are RuntimeDirectory= and its kin.
func directories(s Setting) (v Verdict) {
	words, ok := SplitWords(s.Value)
	for _, w := range words {
		if strings.HasPrefix(w, "/") {
			v.Problems = append(v.Problems, s.Key+"= path is absolute, ignoring: "+w)
		}
	}
	if !ok {
		v.Problems = append(v.Problems, "Invalid syntax "+s.Key+"="+s.Value+", ignoring: Invalid argument")
	}
	return v
}

func slice(s Setting) Verdict {
	switch {
	case s.Value == "", ValidName(s.Value) && Type(s.Value) == "slice":
		return accepted()
	case ValidName(s.Value):
		return refuse("Failed to assign slice " + s.Value + " to unit, ignoring: Invalid argument")
	}
	return refuse("Failed to load slice unit " + s.Value + ", ignoring: Unit name " + s.Value + " is not valid.")
}

func unitOf(kind string) grammar {
	return func(s Setting) Verdict {
		if kind == "" {
			return when(Type(s.Value) != "", "Unit type not valid", s)
		}
		return when(Type(s.Value) == kind && ValidName(s.Value), "Unit must be of type "+kind, s)
	}
}

func removed(s Setting) Verdict {
	return refuse("Support for option " + s.Key + "= has been removed and it is ignored")
}

func busNameOK(s Setting) Verdict {
	ok := strings.Contains(s.Value, ".") && len(s.Value) <= 255
	for _, part := range strings.Split(s.Value, ".") {
		ok = ok && part != "" && strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == "" &&
			(part[0] < '0' || part[0] > '9')
	}
	return when(ok, "Invalid bus name", s)
}

// address is ListenStream= and its kin.
func address(s Setting) Verdict {
	if s.Value == "" || validAddress(s.Value) {
		return accepted()
	}
	return refuse("Failed to parse address value in '" + s.Value + "', ignoring: " + errno(s.Value))
}

// validAddress: a path, @name, a port, HOST:PORT with an address, vsock:…
func validAddress(s string) bool {
	if s[0] == '/' || s[0] == '@' || strings.HasPrefix(s, "vsock:") {
		return len(s) > 1
	}
	host, port := "", s
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i+1:]
		if strings.Trim(host, "0123456789.") != "" && !(strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")) || host == "" {
			return false
		}
		if !strings.HasPrefix(host, "[") && strings.Count(host, ".") != 3 {
			return false
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func calendarEvent(s Setting) Verdict {
	_, ok := calendar.ParseEvent(s.Value)
	return when(s.Value == "" || ok, "Failed to parse calendar specification", s)
}

func timerSpan(s Setting) Verdict {
	return when(s.Value == "" || isSpan(s.Value), "Failed to parse timer value", s)
}

// conditionPath is a condition about a path.
func conditionPath(s Setting) Verdict {
	value := s.Value
	if c := parseCondition("", value); c.Value == "" || c.Value[0] != '/' {
		if value == "" {
			return accepted()
		}
		return refuse(s.Key + "= path is not absolute, ignoring: " + c.Value)
	}
	return accepted()
}

func environmentGrammar() grammar { return each("Invalid syntax", wrongAssignment) }

// conditionKinds are all there are; those of paths want an absolute one.
var conditionKinds = strings.Fields(`PathExists PathExistsGlob PathIsDirectory PathIsSymbolicLink PathIsMountPoint PathIsReadWrite
	PathIsEncrypted DirectoryNotEmpty FileNotEmpty FileIsExecutable NeedsUpdate FirstBoot Architecture Firmware Virtualization Host
	KernelCommandLine KernelVersion Security Capability ACPower Memory CPUFeature CPUs Environment User Group ControlGroupController
	OSRelease MemoryPressure CPUPressure IOPressure Credential`)

func conditionOf(key string) (kind string, ok bool) {
	kind, ok = strings.CutPrefix(key, "Condition")
	if !ok {
		kind, ok = strings.CutPrefix(key, "Assert")
	}
	return kind, ok && slices.Contains(conditionKinds, kind)
}
