package journalctl

import (
	"path"
	"sort"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/journal"
)

// catalogDir holds the texts about messages, one *.catalog file a program.
const catalogDir = "/usr/lib/systemd/catalog"

// catalog is the message catalogue: ID to text, with @FIELD@ to be filled in.
type catalog map[string]string

// readCatalog reads the host's catalogue files.
func readCatalog(p *host.Proc) catalog {
	c := catalog{}
	names, _ := libc.ReadDir(p, catalogDir)
	for _, n := range names {
		if strings.HasSuffix(n, ".catalog") {
			data, _ := libc.ReadFile(p, path.Join(catalogDir, n))
			parseCatalog(c, string(data))
		}
	}
	return c
}

// parseCatalog adds the entries of a catalogue file: "-- ID", header lines, an
// empty line, the text. Lines that begin with # are comments.
func parseCatalog(c catalog, data string) {
	id := ""
	var text strings.Builder
	done := func() {
		if id != "" {
			c[id] = strings.TrimRight(text.String(), "\n") + "\n"
		}
		text.Reset()
	}
	for _, line := range strings.Split(data, "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if rest, ok := strings.CutPrefix(line, "-- "); ok {
			word, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			if parsed, ok := journal.ParseID(word); ok {
				done()
				id = parsed.String()
				continue
			}
		}
		text.WriteString(line + "\n")
	}
	done()
}

// text returns what the catalogue has about an entry, filled in.
func (c catalog) text(e *journal.Entry) (string, bool) {
	raw, ok := c[strings.ReplaceAll(e.Get("MESSAGE_ID"), "-", "")]
	if !ok {
		return "", false
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(raw, '@')
		if i < 0 {
			break
		}
		n := strings.IndexByte(raw[i+1:], '@')
		if n < 0 {
			break
		}
		name := raw[i+1 : i+1+n]
		b.WriteString(raw[:i])
		raw = raw[i+n+2:]
		if v, ok := e.Lookup(name); ok {
			b.WriteString(v)
		} else {
			b.WriteString(name)
		}
	}
	return b.String() + raw, true
}

// documentation is where more is written about an entry: what it says itself,
// or the catalogue.
func (c catalog) documentation(e *journal.Entry) string {
	if url := e.Get("DOCUMENTATION"); url != "" {
		return url
	}
	text := c[strings.ReplaceAll(e.Get("MESSAGE_ID"), "-", "")]
	for _, line := range strings.Split(text, "\n") {
		if line == "" {
			break
		}
		if v, ok := strings.CutPrefix(line, "Documentation: "); ok {
			return v
		}
	}
	return ""
}

// ids returns the catalogue's IDs, sorted.
func (c catalog) ids() []string {
	list := make([]string, 0, len(c))
	for id := range c {
		list = append(list, id)
	}
	sort.Strings(list)
	return list
}

// subject is the first header line of an entry, and who defines it.
func subject(text string) (subject, by string) {
	for _, line := range strings.Split(text, "\n") {
		if line == "" {
			break
		}
		if v, ok := strings.CutPrefix(line, "Subject: "); ok {
			subject = v
		}
		if v, ok := strings.CutPrefix(line, "Defined-By: "); ok {
			by = v
		}
	}
	return subject, by
}
