package journalctl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
)

// filter makes one matcher of the options; status is -1 when all is well.
func (j *query) filter(r *sdjournal.Reader, args []string) (m func(*journal.Entry) bool, status int) {
	var all []Matcher
	if j.boot {
		id, st := j.findBoot(r)
		if st >= 0 {
			return nil, st
		}
		all = append(all, func(e *journal.Entry) bool { return e.BootID == id })
		r.Only = append(r.Only, []journal.Field{{Name: "_BOOT_ID", Value: id.String()}})
	}
	if j.kernel {
		r.Only = append(r.Only, []journal.Field{{Name: "_TRANSPORT", Value: "kernel"}})
		all = append(all, Field("_TRANSPORT", "kernel"))
	}
	if len(j.units)+len(j.userUnits) > 0 {
		m, only, st := j.unitFilter(r)
		if st >= 0 {
			return nil, st
		}
		all = append(all, m)
		if only != nil {
			r.Only = append(r.Only, only)
		}
	}
	if len(j.identifiers) > 0 {
		var list []Matcher
		var named []journal.Field
		for _, t := range j.identifiers {
			list = append(list, Field("SYSLOG_IDENTIFIER", t))
			named = append(named, journal.Field{Name: "SYSLOG_IDENTIFIER", Value: t})
		}
		r.Only = append(r.Only, named)
		all = append(all, AnyOf(list...))
	}
	bits := func(name string, set uint32) Matcher {
		return func(e *journal.Entry) bool {
			for _, f := range e.Fields {
				if f.Name == name {
					if n, err := strconv.Atoi(f.Value); err == nil && n >= 0 && n < 32 && set&(1<<n) != 0 {
						return true
					}
				}
			}
			return false
		}
	}
	if j.priorities != 0 {
		all = append(all, bits("PRIORITY", j.priorities))
		var named []journal.Field
		for n := range 8 {
			if j.priorities&(1<<n) != 0 {
				named = append(named, journal.Field{Name: "PRIORITY", Value: strconv.Itoa(n)})
			}
		}
		r.Only = append(r.Only, named)
	}
	// What --facility names belongs to the first of the alternatives that "+" parts.
	var first []journal.Field
	for _, f := range j.facilities {
		first = append(first, journal.Field{Name: "SYSLOG_FACILITY", Value: f})
	}
	match, err := parseMatches(args, first, j.pathTerms)
	if err != nil {
		j.Fail("%s", err)
		return nil, 1
	}
	if match != nil {
		all = append(all, match)
		r.Only = append(r.Only, indexedTerms(args)...)
	}
	if len(all) == 0 {
		return nil, -1
	}
	return allOf(all...), -1
}

// unitFilter matches what -u and --user-unit name, and of which fields each
// such entry has one, which is nil when that is not known.
func (j *query) unitFilter(r *sdjournal.Reader) (m Matcher, only []journal.Field, status int) {
	var list []Matcher
	known := true
	// A pattern stands for the units that the journal knows of; it is an error
	// when there is none, or everything would be shown.
	pattern := func(name string, fields []string, of func(string) Matcher) {
		m := globMatch(name, fields, of)
		r.SeekHead()
		r.Filter = func(e *journal.Entry) bool { return hasGlob(e, name, fields) }
		if _, err := r.Next(); err == nil {
			list = append(list, m)
			known = false
		}
		r.Filter = nil
	}
	user := func(unit string) Matcher { return userUnitMatch(unit, j.p.UID) }
	if slices.Contains(j.units, "") || slices.Contains(j.userUnits, "") {
		j.Fail("Failed to add filter for units: Invalid argument")
		return nil, nil, 1
	}
	for _, u := range j.units {
		name := j.unitName(u)
		if unitfile.IsGlob(name) {
			pattern(name, systemUnitFields, UnitMatch)
			continue
		}
		list = append(list, UnitMatch(name))
		only = append(only, UnitFields(name)...)
	}
	for _, u := range j.userUnits {
		name := j.unitName(u)
		if unitfile.IsGlob(name) {
			pattern(name, userUnitFields, user)
			continue
		}
		list = append(list, user(name))
		for _, f := range userUnitFields {
			only = append(only, journal.Field{Name: f, Value: name})
		}
		known = false
	}
	if len(list) == 0 {
		j.Fail("Failed to add filter for units: No data available")
		return nil, nil, 1
	}
	if !known {
		only = nil
	}
	return AnyOf(list...), only, -1
}

// unitName makes a unit's name of what was typed, and says so when it had to be
// changed.
func (j *query) unitName(typed string) string {
	name := unitfile.Mangle(typed)
	if escaped := strings.TrimSuffix(name, ".service"); strings.Contains(escaped, "\\x") && !strings.Contains(typed, "\\x") && !strings.HasPrefix(typed, "/") && !j.quiet {
		j.Notice("Invalid unit name \"%s\" escaped as \"%s\" (maybe you should use systemd-escape?).", typed, escaped)
	}
	return name
}

// pathTerms are the terms that the path of a file stands for: the program, the
// script and its interpreter, or the device.
func (j *query) pathTerms(name string) ([]journal.Field, error) {
	real, err := libc.RealPath(j.p, name)
	if err != nil {
		return nil, fmt.Errorf("Couldn't canonicalize path: %s", libc.Strerror(err)) //nolint:staticcheck // the real text
	}
	info, err := j.p.Sys.Lstat(real)
	if err != nil {
		return nil, fmt.Errorf("Couldn't stat file: %s", libc.Strerror(err)) //nolint:staticcheck // the real text
	}
	switch mode := info.Mode(); {
	case mode.IsRegular() && mode.Perm()&0o111 != 0:
		interpreter := j.interpreter(real)
		if interpreter == "" {
			return []journal.Field{{Name: "_EXE", Value: real}}, nil
		}
		comm := path.Base(real)
		terms := []journal.Field{{Name: "_COMM", Value: comm[:min(len(comm), 15)]}}
		// Where the interpreter is a link, what runs is called otherwise.
		if i, err := j.p.Sys.Lstat(interpreter); err == nil && i.Mode()&fs.ModeSymlink == 0 {
			terms = append(terms, journal.Field{Name: "_EXE", Value: interpreter})
		}
		return terms, nil
	case mode&fs.ModeDevice != 0:
		kind := "b"
		if mode&fs.ModeCharDevice != 0 {
			kind = "c"
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil, errors.New("Failed to get device from path: No such device") //nolint:staticcheck // the real text
		}
		return []journal.Field{{Name: "_KERNEL_DEVICE", Value: fmt.Sprintf("%s%d:%d", kind, st.Rdev>>8&0xfff, st.Rdev&0xff|st.Rdev>>12&0xfff00)}}, nil
	}
	return nil, fmt.Errorf("File is neither a device node, nor regular file, nor executable: %s", name) //nolint:staticcheck // the real text
}

// interpreter is what the first line of a script names, "" of another file.
func (j *query) interpreter(name string) string {
	f, err := j.p.Sys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head)
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	words, ok := strings.CutPrefix(line, "#!")
	if first := strings.Fields(words); ok && len(first) > 0 {
		return first[0]
	}
	return ""
}
