package journalctl

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
)

// bootSpan is a boot that the journal knows of.
type bootSpan struct {
	id          journal.ID
	first, last time.Time
}

// boots lists the boots in the order in which they began.
func boots(r *sdjournal.Reader) []bootSpan {
	var list []bootSpan
	filter := r.Filter
	defer func() { r.Filter = filter }()
	r.Filter, r.Only = nil, nil
	r.SeekHead()
	for {
		e, err := r.Next()
		if err != nil {
			return list
		}
		i := len(list) - 1
		if i < 0 || list[i].id != e.BootID {
			i = slices.IndexFunc(list, func(b bootSpan) bool { return b.id == e.BootID })
		}
		if i < 0 {
			list = append(list, bootSpan{e.BootID, e.Realtime, e.Realtime})
			continue
		}
		list[i].last = e.Realtime
	}
}

// findBoot resolves -b. status is -1 when there is such a boot.
func (j *query) findBoot(r *sdjournal.Reader) (id journal.ID, status int) {
	elsewhere := len(j.open.Files)+len(j.open.Dirs) > 0
	if j.bootOffset == 0 && j.bootID == (journal.ID{}) && !elsewhere {
		return machine.BootID(j.p), -1
	}
	if !elsewhere && !j.persistent(r) && j.bootID == (journal.ID{}) {
		if !j.quiet {
			j.Notice("Specifying boot ID or boot offset has no effect, no persistent journal was found.")
		}
		return id, 0
	}
	list := boots(r)
	at := len(list) - 1
	switch {
	case j.bootID != (journal.ID{}):
		at = slices.IndexFunc(list, func(b bootSpan) bool { return b.id == j.bootID })
		if at >= 0 {
			at += j.bootOffset
		}
	case j.bootOffset > 0:
		at = j.bootOffset - 1
	default:
		at += j.bootOffset
	}
	if at >= 0 && at < len(list) {
		return list[at].id, -1
	}
	if len(list) == 0 && j.bootOffset == 0 && j.bootID == (journal.ID{}) {
		return id, -1
	}
	what := fmt.Sprintf("%+d", j.bootOffset)
	if j.bootOffset == 0 {
		what = "0"
	}
	if j.bootID != (journal.ID{}) {
		what = j.bootID.String()
		if j.bootOffset != 0 {
			what += fmt.Sprintf("%+d", j.bootOffset)
		}
	}
	j.Fail("Data from the specified boot (%s) is not available: No such boot ID in journal", what)
	return id, 1
}

// persistent reports whether the journal that is read is on disk.
func (j *query) persistent(r *sdjournal.Reader) bool {
	for _, f := range r.Files() {
		if strings.HasPrefix(f, sdjournal.PersistentDir) {
			return true
		}
	}
	return false
}

func (j *query) listBoots(r *sdjournal.Reader) int {
	list := boots(r)
	if len(list) == 0 {
		return 0
	}
	zone := libc.Zone(j.p)
	if j.utc {
		zone = time.UTC
	}
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	if j.reverse {
		slices.Reverse(order)
	}
	if strings.HasPrefix(j.output, "json") {
		j.bootsJSON(list, order)
		return 0
	}
	width := len(fmt.Sprint(1 - len(list)))
	if !j.quiet {
		width = max(width, 3)
	}
	stamp := func(t time.Time) string { return t.In(zone).Format("Mon 2006-01-02 15:04:05 MST") }
	if !j.quiet {
		cells := []string{fmt.Sprintf("%*s", width, "IDX"), fmt.Sprintf("%-32s", "BOOT ID"),
			fmt.Sprintf("%-*s", len(stamp(list[0].first)), "FIRST ENTRY"), fmt.Sprintf("%-*s", len(stamp(list[0].last)), "LAST ENTRY")}
		if j.Colors {
			for i, c := range cells {
				if i > 0 {
					c = " " + c
				}
				fmt.Fprint(j.Out, screen.Normal+screen.Under+c+screen.Normal)
			}
			fmt.Fprintln(j.Out)
		} else {
			fmt.Fprintln(j.Out, strings.TrimRight(strings.Join(cells, " "), " "))
		}
	}
	for _, i := range order {
		fmt.Fprintf(j.Out, "%*d %s %s %s\n", width, i-len(list)+1, list[i].id, stamp(list[i].first), stamp(list[i].last))
	}
	return 0
}

// bootsJSON lists the boots in one of the forms of JSON.
func (j *query) bootsJSON(list []bootSpan, order []int) {
	pretty := j.output == "json-pretty"
	form := `{"index":%d,"boot_id":"%s","first_entry":%d,"last_entry":%d}`
	begin, between, end := "[", ",", "]"
	switch {
	case pretty:
		form = "\t{\n\t\t\"index\" : %d,\n\t\t\"boot_id\" : \"%s\",\n\t\t\"first_entry\" : %d,\n\t\t\"last_entry\" : %d\n\t}"
		begin, between, end = "[\n", ",\n", "\n]"
	case j.output == "json-sse":
		begin, end = "data: [", "]\n"
	case j.output == "json-seq":
		begin = "\x1e["
	}
	var rows []string
	for _, i := range order {
		b := list[i]
		rows = append(rows, fmt.Sprintf(form, i-len(list)+1, b.id, b.first.UnixMicro(), b.last.UnixMicro()))
	}
	fmt.Fprintln(j.Out, begin+strings.Join(rows, between)+end)
}

// fieldValues prints the values that a field has, each once, whatever else was
// asked for: what came last for the first time is first, as in the chains of
// the real files.
func (j *query) fieldValues(r *sdjournal.Reader) int {
	if !journal.ValidName(j.argument, true) || strings.HasPrefix(j.argument, "__") {
		j.Fail("Failed to query unique data objects: Invalid argument")
		return 1
	}
	r.Filter, r.Only = nil, nil
	r.SeekHead()
	seen := map[string]bool{}
	var values []string
	for {
		e, err := r.Next()
		if err != nil {
			break
		}
		for _, f := range e.Fields {
			if f.Name == j.argument && !seen[f.Value] {
				seen[f.Value] = true
				values = append(values, f.Value)
			}
		}
	}
	slices.Reverse(values)
	if j.lines >= 0 {
		values = values[:min(j.lines, len(values))]
	}
	for _, v := range values {
		text, _, _ := strings.Cut(v, "\x00")
		fmt.Fprintln(j.Out, text)
	}
	if j.patternGiven && len(values) == 0 {
		return 1
	}
	return 0
}

// fieldNames prints the names of all fields.
func (j *query) fieldNames(r *sdjournal.Reader) int {
	seen := map[string]bool{}
	r.Filter, r.Only = nil, nil
	for {
		e, err := r.Next()
		if err != nil {
			break
		}
		for _, f := range e.Fields {
			seen[f.Name] = true
		}
	}
	names := make([]string, 0, len(seen))
	for n := range seen {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Fprintln(j.Out, n)
	}
	return 0
}

func (j *query) diskUsage(r *sdjournal.Reader) int {
	var total int64
	for _, f := range r.Files() {
		if info, err := j.p.Sys.Stat(f); err == nil {
			total += info.Size()
		}
	}
	fmt.Fprintf(j.Out, "Archived and active journals take up %s in the file system.\n", unitfile.FormatSize(total))
	return 0
}

func (j *query) doVacuum() int {
	id := machine.ID(j.p)
	dirs := []string{path.Join(sdjournal.PersistentDir, id), path.Join(sdjournal.VolatileDir, id), sdjournal.PersistentDir, sdjournal.VolatileDir}
	if len(j.open.Dirs) > 0 {
		dirs = j.open.Dirs
	} else if len(j.open.Files) > 0 {
		dirs = nil
	}
	for _, dir := range dirs {
		if !libc.Exists(j.p, dir) {
			continue
		}
		var before time.Time
		if j.vacuumTime > 0 {
			before = j.p.Now().Add(-j.vacuumTime)
		}
		var freed int64
		for _, v := range sdjournal.Vacuum(j.p, dir, j.vacuumSize, j.vacuumFiles, before) {
			freed += v.Size
			j.Note("Deleted archived journal %s (%s).", v.Name, unitfile.FormatSize(v.Size))
		}
		j.Note("Vacuuming done, freed %s of archived journals from %s.", unitfile.FormatSize(freed), dir)
	}
	return 0
}

// verify tells which files are whole. None is sealed, so all that a key of
// --verify-key must be is well-formed.
func (j *query) verify(r *sdjournal.Reader) int {
	if j.sealed && !sealingKey.MatchString(j.sealing) {
		j.Fail("Failed to parse seed.")
		return 1
	}
	for _, f := range r.Files() {
		j.Note("PASS: %s", f)
	}
	for f := range r.Bad {
		j.Fail("FAIL: %s (Bad message)", f)
	}
	if len(r.Bad) > 0 {
		return 1
	}
	return 0
}

// sealingKey is twelve bytes, perhaps parted by hyphens, and the number and the
// length of the first interval.
var sealingKey = regexp.MustCompile(`^(-*[0-9a-fA-F]{2}){12}/[0-9a-fA-F]+-[0-9a-fA-F]+`)

// header shows what is in the heads of the files.
func (j *query) header(r *sdjournal.Reader) int {
	zone := libc.Zone(j.p)
	for i, f := range r.Files() {
		one, err := sdjournal.Open(j.p, sdjournal.Options{Files: []string{f}})
		if err != nil {
			continue
		}
		if i > 0 {
			fmt.Fprintln(j.Out)
		}
		head, size := one.Head(f)
		var first, last *journal.Entry
		n := 0
		for {
			e, err := one.Next()
			if err != nil {
				break
			}
			if first == nil {
				first = e
			}
			last = e
			n++
		}
		one.Close()
		state := "ONLINE"
		if head.Archived {
			state = "ARCHIVED"
		}
		fmt.Fprintf(j.Out, "File path: %s\nFile ID: %s\nMachine ID: %s\n", f, head.FileID, head.MachineID)
		if last != nil {
			fmt.Fprintf(j.Out, "Boot ID: %s\n", last.BootID)
		}
		fmt.Fprintf(j.Out, "Sequential number ID: %s\nState: %s\nCompatible flags:\nIncompatible flags:\nHeader size: %d\nArena size: %d\nRotate suggested: no\n",
			head.SeqnumID, state, journal.HeaderSize, size-journal.HeaderSize)
		if last != nil {
			fmt.Fprintf(j.Out, "Head sequential number: %d (%x)\nTail sequential number: %d (%x)\n", first.Seqnum, first.Seqnum, last.Seqnum, last.Seqnum)
			for _, t := range []struct {
				name string
				at   time.Time
			}{{"Head", first.Realtime}, {"Tail", last.Realtime}} {
				fmt.Fprintf(j.Out, "%s realtime timestamp: %s (%x)\n", t.name, t.at.In(zone).Format("Mon 2006-01-02 15:04:05 MST"), t.at.UnixMicro())
			}
			fmt.Fprintf(j.Out, "Tail monotonic timestamp: %s (%x)\n", calendar.FormatSpan(last.Monotonic, time.Millisecond), last.Monotonic.Microseconds())
		}
		fmt.Fprintf(j.Out, "Entry objects: %d\nDisk usage: %s\n", n, unitfile.FormatSize(size))
	}
	return 0
}

// newID draws an ID and shows it in the forms of systemd-id128(1).
func (j *query) newID() {
	id := machine.DrawID(j.p, "new", j.p.Now().UnixNano(), j.p.PID).String()
	var bytes []string
	for i := 0; i < len(id); i += 2 {
		bytes = append(bytes, id[i:i+2])
	}
	bold := func(s string) string { return j.Paint(screen.Bold, s) }
	fmt.Fprintf(j.Out, "As string:\n%s\n\nAs UUID:\n%s\n\nAs %s macro:\n%s\n\nAs Python constant:\n>>> import %s\n>>> %s\n",
		bold(id), bold(strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")),
		j.Link("man:systemd-id128(1)", "systemd-id128(1)"), bold("#define XYZ SD_ID128_MAKE("+strings.Join(bytes, ",")+")"),
		j.Link("https://docs.python.org/3/library/uuid.html", "uuid"), bold("XYZ = uuid.UUID('"+id+"')"))
}

// showCatalog lists or dumps the message catalogue.
func (j *query) showCatalog(args []string) int {
	c := readCatalog(j.p)
	ids := c.ids()
	if len(args) > 0 {
		ids = nil
		for _, a := range args {
			id, ok := journal.ParseID(a)
			if !ok {
				j.Fail("Failed to parse id128 '%s': Invalid argument", a)
				j.Fail("Failed to list catalog: Invalid argument")
				return 1
			}
			ids = append(ids, id.String())
		}
	}
	status := 0
	for _, id := range ids {
		text, ok := c[id]
		if !ok {
			j.Fail("Failed to retrieve catalog entry for '%s': No such file or directory", id)
			status = 1
			continue
		}
		if j.action == "list-catalog" {
			title, by := subject(text)
			fmt.Fprintf(j.Out, "%s %s: %s\n", id, by, title)
			continue
		}
		fmt.Fprintf(j.Out, "-- %s\n%s\n", id, text)
	}
	if status != 0 {
		j.Fail("Failed to list catalog: No such file or directory")
	}
	return status
}
