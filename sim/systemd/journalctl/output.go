package journalctl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"enshu/sim/host"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// OutputModes are the words that -o takes.
var OutputModes = []string{"short", "short-full", "short-iso", "short-iso-precise", "short-precise", "short-monotonic", "short-delta", "short-unix",
	"verbose", "export", "json", "json-pretty", "json-sse", "json-seq", "cat", "with-unit"}

// Limits of what is shown without --all and --full.
const (
	manyChars = 300
	manyLines = 3
	longField = 4096 // in JSON
)

// Printer writes entries as journalctl's -o says.
type Printer struct {
	*screen.Screen
	P          *host.Proc
	Mode       string
	Zone       *time.Location
	Full       bool // do not ellipsize
	all        bool // show everything as it is
	noHostname bool
	fields     []string // of --output-fields
	catalog    catalog  // the texts about messages
	explained  bool     // -x: add those texts
	highlight  func(text string) (from, to int)
	OneLine    bool // of systemctl status

	Cut  bool           // something was ellipsized
	last *journal.Entry // for short-delta
}

// columns is the width to ellipsize to.
func (pr *Printer) columns() int {
	if pr.Width > 0 {
		return pr.Width
	}
	return 80
}

// levelColors are the colours of a message and of what is marked in it.
func (pr *Printer) levelColors(e *journal.Entry) (on, off, mark string) {
	v, ok := e.Lookup("PRIORITY")
	if !ok || len(v) != 1 || v[0] < '0' || v[0] > '7' || !pr.Colors {
		return "", "", ""
	}
	switch syslog.Severity(v[0] - '0') {
	case syslog.Emerg, syslog.Alert, syslog.Crit, syslog.Err:
		return screen.Red, screen.Normal, screen.Bold
	case syslog.Warning:
		return pr.Shade(screen.Yellow), screen.Normal, screen.Bold
	case syslog.Notice:
		return screen.Bold, screen.Normal, screen.Red
	case syslog.Debug:
		return pr.Shade(screen.Grey), screen.Normal, screen.Red
	}
	return "", "", ""
}

// Format returns the text of an entry, the last line feed included.
func (pr *Printer) Format(e *journal.Entry) string {
	var b strings.Builder
	switch pr.Mode {
	case "verbose":
		pr.verbose(&b, e)
	case "export":
		b.Write(journal.AppendExport(nil, e, pr.wanted))
	case "json", "json-pretty", "json-sse", "json-seq":
		pr.json(&b, e)
	case "cat":
		pr.cat(&b, e)
	default:
		pr.short(&b, e)
	}
	if pr.explained && b.Len() > 0 && (strings.HasPrefix(pr.Mode, "short") || pr.Mode == "verbose" || pr.Mode == "with-unit") {
		pr.explain(&b, e)
	}
	return b.String()
}

// wanted reports whether a field is to be shown (--output-fields).
func (pr *Printer) wanted(name string) bool {
	return len(pr.fields) == 0 || slices.Contains(pr.fields, name)
}

// realtime is when the sender says it happened, else when it arrived.
func realtime(e *journal.Entry) time.Time {
	if n, err := strconv.ParseInt(e.Get("_SOURCE_REALTIME_TIMESTAMP"), 10, 64); err == nil && n > 0 {
		return time.UnixMicro(n)
	}
	return e.Realtime
}

func monotonic(e *journal.Entry) time.Duration {
	if n, err := strconv.ParseInt(e.Get("_SOURCE_MONOTONIC_TIMESTAMP"), 10, 64); err == nil {
		return time.Duration(n) * time.Microsecond
	}
	return e.Monotonic
}

// short is the layout of a syslog file.
func (pr *Printer) short(b *strings.Builder, e *journal.Entry) {
	last := pr.last
	pr.last = e
	message, ok := e.Lookup("MESSAGE")
	if !ok {
		return
	}
	if !pr.all {
		message = stripped(message)
	}
	line := pr.stamp(e, last)
	if name := e.Get("_HOSTNAME"); name != "" && !pr.noHostname && pr.printable(name) {
		line += " " + name
	}
	// What the real one forgets to count when it indents further lines.
	uncounted := 0
	unit, userUnit := e.Get("_SYSTEMD_UNIT"), e.Get("_SYSTEMD_USER_UNIT")
	switch ident, comm := e.Get("SYSLOG_IDENTIFIER"), e.Get("_COMM"); {
	case pr.Mode == "with-unit" && unit != "" && userUnit != "":
		line += " " + unit + "/" + userUnit
		uncounted = len(userUnit) - len(unit)
	case pr.Mode == "with-unit" && unit+userUnit != "":
		line += " " + unit + userUnit
	case ident != "" && pr.printable(ident):
		line += " " + ident
	case comm != "" && pr.printable(comm):
		line += " " + comm
	default:
		line += " unknown"
		uncounted = len(" unknown")
	}
	pid := e.Get("_PID")
	if pid == "" {
		pid = e.Get("SYSLOG_PID")
	}
	if pid != "" && pr.printable(pid) {
		line += "[" + pid + "]"
	}
	line += ": "
	b.WriteString(line)
	if pr.Links {
		if url := pr.catalog.documentation(e); url != "" {
			b.WriteString(pr.Link(url, pr.Glyph("external")) + " ")
		}
	}
	if !pr.all && !printableText(message) {
		b.WriteString("[" + unitfile.FormatSize(int64(len(message))) + " blob data]\n")
		return
	}
	on, off, mark := pr.levelColors(e)
	pr.multiline(b, len(line)-uncounted, message, on, off, mark)
}

// stamp is the time of an entry in one of the short layouts; last is the entry
// before it, whether it was shown or not.
func (pr *Printer) stamp(e, last *journal.Entry) string {
	at := realtime(e).In(pr.Zone)
	switch pr.Mode {
	case "short-full", "with-unit":
		return at.Format("Mon 2006-01-02 15:04:05 MST")
	case "short-iso":
		return at.Format("2006-01-02T15:04:05-0700")
	case "short-iso-precise":
		return at.Format("2006-01-02T15:04:05.000000-0700")
	case "short-precise":
		return at.Format("Jan 02 15:04:05.000000")
	case "short-unix":
		return fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000)
	case "short-monotonic":
		us := monotonic(e).Microseconds()
		return fmt.Sprintf("[%5d.%06d]", us/1e6, us%1e6)
	case "short-delta":
		us := monotonic(e).Microseconds()
		return fmt.Sprintf("[%5d.%06d%s]", us/1e6, us%1e6, delta(e, last))
	}
	return at.Format("Jan 02 15:04:05")
}

// delta is how long after the entry before it an entry is; across a boot, as
// far as the clocks tell.
func delta(e, last *journal.Entry) string {
	if last == nil {
		return strings.Repeat(" ", 16)
	}
	d, mark := monotonic(e)-monotonic(last), " "
	if last.BootID != e.BootID {
		d, mark = realtime(e).Sub(realtime(last)), "*"
	}
	us := max(0, d.Microseconds())
	return fmt.Sprintf(" <%5d.%06d%s>", us/1e6, us%1e6, mark)
}

// printable says whether a short field may be shown.
func (pr *Printer) printable(s string) bool {
	return pr.all || len(s) < manyChars && printableText(s)
}

// printableText is utf8_is_printable_newline: text, tabs and line feeds.
func printableText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' || r >= 0x7f && r <= 0x9f {
			return false
		}
	}
	return true
}

// stripped takes escape sequences out and makes eight blanks of a tab.
func stripped(s string) string {
	if !strings.ContainsAny(s, "\t\x1b\r") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\t':
			b.WriteString("        ")
		case s[i] == '\x1b' && i+1 < len(s) && s[i+1] == '[':
			end := i + 2
			for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == ';') {
				end++
			}
			if end < len(s) && (unicode.IsLetter(rune(s[end]))) {
				i = end
				continue
			}
			b.WriteByte(s[i])
		case s[i] == '\x1b' && i+1 < len(s) && s[i+1] == ']':
			end := strings.IndexByte(s[i:], '\a')
			if end > 0 {
				i += end
				continue
			}
			b.WriteByte(s[i])
		case s[i] == '\r' && (i+1 == len(s) || s[i+1] == '\n'):
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// multiline writes a text whose first line follows a prefix that is already
// there; further lines are indented as far. Widths are counted in bytes, as the
// real one does; of a line with a NUL byte only what is before it is seen.
func (pr *Printer) multiline(b *strings.Builder, prefix int, text, on, off, mark string) {
	from, to := 0, 0
	if pr.highlight != nil {
		from, to = pr.highlight(text)
	}
	if text == "" {
		b.WriteByte('\n')
		return
	}
	for line, pos := 0, 0; pos < len(text); line++ {
		end := strings.IndexByte(text[pos:], '\n')
		if end < 0 {
			end = len(text)
		} else {
			end += pos
		}
		part := text[pos:end]
		if line > 0 && (pr.Full || pr.all || pr.columns()-prefix >= 3) {
			b.WriteString(strings.Repeat(" ", prefix))
		}
		// The last line that is shown of a text which may go on.
		tail := line+1 == manyLines || end+1 >= manyChars
		room := pr.columns() - prefix
		switch {
		case pr.Full || pr.all || prefix+len(part)+1 < pr.columns() && !tail:
			if on != "" && end >= from && pos <= to {
				a, z := max(from-pos, 0), min(max(to-pos, 0), len(part))
				a = min(a, z)
				b.WriteString(on + cString(part[:a]) + mark + cString(part[a:z]) + on + cString(part[z:]) + off + "\n")
			} else {
				b.WriteString(on + cString(part) + off + "\n")
			}
			tail = false
		case room > len(part)+3:
			pr.Cut = true
			b.WriteString(on + cString(part) + "..." + off + "\n")
		case room >= 3:
			pr.Cut = true
			percent := 90
			if tail {
				percent = 100
			}
			b.WriteString(on + screen.Ellipsize(part, room, percent, pr.Glyph("ellipsis")) + off + "\n")
		default:
			pr.Cut = true
			b.WriteString("...\n")
		}
		if tail {
			return
		}
		pos = end + 1
	}
}

// cString is what printf("%s") shows of bytes that may have a NUL among them.
func cString(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}

// verbose writes all fields of an entry.
func (pr *Printer) verbose(b *strings.Builder, e *journal.Entry) {
	fmt.Fprintf(b, "%s [%s]\n", realtime(e).In(pr.Zone).Format("Mon 2006-01-02 15:04:05.000000 MST"), e.Cursor())
	whole := *pr
	whole.Full = true
	for _, f := range e.Fields {
		if !pr.wanted(f.Name) {
			continue
		}
		on, off := "", ""
		if pr.Colors && f.Name == "MESSAGE" {
			on, off = screen.Bold, screen.Normal
		}
		b.WriteString("    " + on + f.Name + "=")
		if pr.all || (len(f.Name)+1+len(f.Value) < manyChars || pr.Full) && printableText(f.Value) {
			whole.multiline(b, len(f.Name)+5, f.Value, "", "", "")
			b.WriteString(off)
		} else {
			b.WriteString("[" + unitfile.FormatSize(int64(len(f.Value))) + " blob data]" + off + "\n")
		}
	}
}

// cat writes the message alone, or the chosen fields.
func (pr *Printer) cat(b *strings.Builder, e *journal.Entry) {
	names := pr.fields
	if len(names) == 0 {
		names = []string{"MESSAGE"}
	}
	on, off, mark := pr.levelColors(e)
	for _, name := range names {
		v, ok := e.Lookup(name)
		if !ok {
			continue
		}
		if on == "" {
			b.WriteString(v + "\n")
			continue
		}
		from, to := 0, 0
		if pr.highlight != nil {
			from, to = pr.highlight(v)
		}
		b.WriteString(on + v[:from] + mark + v[from:to] + on + v[to:] + off + "\n")
	}
}

// json writes an entry as one object.
func (pr *Printer) json(b *strings.Builder, e *journal.Entry) {
	type value struct {
		name string
		all  []string
	}
	list := []value{
		{"__CURSOR", []string{e.Cursor().String()}},
		{"__REALTIME_TIMESTAMP", []string{strconv.FormatInt(e.Realtime.UnixMicro(), 10)}},
		{"__MONOTONIC_TIMESTAMP", []string{strconv.FormatInt(e.Monotonic.Microseconds(), 10)}},
		{"_BOOT_ID", []string{e.BootID.String()}},
	}
	index := map[string]int{"_BOOT_ID": 3}
	for _, f := range e.Fields {
		if f.Name == "_BOOT_ID" || !pr.wanted(f.Name) {
			continue
		}
		i, ok := index[f.Name]
		if !ok {
			i = len(list)
			index[f.Name] = i
			list = append(list, value{name: f.Name})
		}
		list[i].all = append(list[i].all, f.Value)
	}
	sep, open, end, colon := ",", "{", "}", ":"
	switch pr.Mode {
	case "json-pretty":
		sep, open, end, colon = ",\n\t", "{\n\t", "\n}", " : "
	case "json-sse":
		open = "data: {"
		end = "}\n"
	case "json-seq":
		open = "\x1e{"
	}
	green := func(s string) string {
		if !pr.Colors {
			return s
		}
		return "\x1b[0;32m" + s + screen.Normal
	}
	b.WriteString(open)
	for i, v := range list {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(`"` + green(strings.Trim(jsonString(v.name), `"`)) + `"` + colon)
		texts := make([]string, len(v.all))
		for i, s := range v.all {
			texts[i] = pr.jsonValue(v.name, s, green)
		}
		if len(texts) == 1 {
			b.WriteString(texts[0])
		} else if pr.Mode == "json-pretty" {
			b.WriteString("[\n\t\t" + strings.Join(texts, ",\n\t\t") + "\n\t]")
		} else {
			b.WriteString("[" + strings.Join(texts, ",") + "]")
		}
	}
	b.WriteString(end + "\n")
}

func (pr *Printer) jsonValue(name, s string, paint func(string) string) string {
	if len(name)+1+len(s) >= longField && !pr.all {
		return "null"
	}
	if printableText(s) {
		quoted := jsonString(s)
		return `"` + paint(quoted[1:len(quoted)-1]) + `"`
	}
	var b strings.Builder
	b.WriteByte('[')
	for i := 0; i < len(s); i++ {
		if i > 0 {
			b.WriteByte(',')
			if pr.Mode == "json-pretty" {
				b.WriteByte(' ')
			}
		}
		b.WriteString(strconv.Itoa(int(s[i])))
	}
	b.WriteByte(']')
	return b.String()
}

func jsonString(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// explain adds the catalogue's text about a message.
func (pr *Printer) explain(b *strings.Builder, e *journal.Entry) {
	text, ok := pr.catalog.text(e)
	if !ok {
		return
	}
	bar := pr.Glyph("shade") + pr.Glyph("shade")
	subject := true
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if !pr.Colors {
			fmt.Fprintf(b, "%s %s\n", bar, line)
			continue
		}
		if subject {
			fmt.Fprintf(b, "%s %s%s%s\n", pr.Shade(screen.Grey)+bar, screen.Normal, "\x1b[0;32m"+line, screen.Normal)
			subject = false
			continue
		}
		fmt.Fprintf(b, "%s%s%s %s%s%s\n", pr.Shade(screen.Grey), bar, screen.Normal, "\x1b[0;32m", line, screen.Normal)
	}
}
