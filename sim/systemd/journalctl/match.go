package journalctl

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"enshu/sim/wire/journal"
)

// Matcher says whether an entry is wanted.
type Matcher func(*journal.Entry) bool

// Field matches entries one of whose values of a field is value.
func Field(name, value string) Matcher {
	return func(e *journal.Entry) bool { return e.Has(name, value) }
}

// AnyOf matches what one of the matchers does; without any, nothing.
func AnyOf(list ...Matcher) Matcher {
	return func(e *journal.Entry) bool {
		for _, m := range list {
			if m(e) {
				return true
			}
		}
		return false
	}
}

// allOf matches what every one of the matchers does.
func allOf(list ...Matcher) Matcher {
	return func(e *journal.Entry) bool {
		for _, m := range list {
			if !m(e) {
				return false
			}
		}
		return true
	}
}

// UnitMatch matches what a unit's processes wrote, what PID 1 and other
// privileged programs wrote about it, and its core dumps.
func UnitMatch(unit string) Matcher {
	slice := strings.HasSuffix(unit, ".slice")
	return func(e *journal.Entry) bool {
		return e.Has("_SYSTEMD_UNIT", unit) ||
			e.Has("UNIT", unit) && (e.Has("_PID", "1") || e.Get("_PID") == "" && e.Has("_TRANSPORT", "kernel")) ||
			e.Has("OBJECT_SYSTEMD_UNIT", unit) && e.Has("_UID", "0") ||
			e.Has("COREDUMP_UNIT", unit) && e.Has("_UID", "0") && e.Has("MESSAGE_ID", msgCoredump) ||
			slice && e.Has("_SYSTEMD_SLICE", unit)
	}
}

// msgCoredump is the ID of the message about a process that crashed.
const msgCoredump = "fc2e22bc6ee647b6b90729ab34a250b1"

// userUnitMatch is UnitMatch for a unit of a user's own service manager.
func userUnitMatch(unit string, uid int) Matcher {
	owner := strconv.Itoa(uid)
	slice := strings.HasSuffix(unit, ".slice")
	return func(e *journal.Entry) bool {
		if !e.Has("_UID", owner) && !e.Has("_UID", "0") {
			return false
		}
		return e.Has("_UID", owner) && (e.Has("_SYSTEMD_USER_UNIT", unit) || e.Has("USER_UNIT", unit) || slice && e.Has("_SYSTEMD_USER_SLICE", unit)) ||
			e.Has("COREDUMP_USER_UNIT", unit) || e.Has("OBJECT_SYSTEMD_USER_UNIT", unit)
	}
}

// Fields whose values are units, to be compared with a pattern.
var (
	systemUnitFields = []string{"_SYSTEMD_UNIT", "COREDUMP_UNIT", "UNIT", "OBJECT_SYSTEMD_UNIT", "_SYSTEMD_SLICE"}
	userUnitFields   = []string{"_SYSTEMD_USER_UNIT", "USER_UNIT", "COREDUMP_USER_UNIT", "OBJECT_SYSTEMD_USER_UNIT", "_SYSTEMD_USER_SLICE"}
)

// UnitFields are fields of which every entry that UnitMatch matches has one.
func UnitFields(unit string) []journal.Field {
	list := []journal.Field{{Name: "_SYSTEMD_UNIT", Value: unit}, {Name: "UNIT", Value: unit},
		{Name: "OBJECT_SYSTEMD_UNIT", Value: unit}, {Name: "COREDUMP_UNIT", Value: unit}}
	if strings.HasSuffix(unit, ".slice") {
		list = append(list, journal.Field{Name: "_SYSTEMD_SLICE", Value: unit})
	}
	return list
}

// indexedTerms are the FIELD=VALUE words, by their fields, that an index knows;
// of alternatives parted by "+" it is of no use.
func indexedTerms(words []string) [][]journal.Field {
	var names []string
	byName := map[string][]journal.Field{}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		switch {
		case w == "+":
			return nil
		case !ok || !slices.Contains(journal.Indexed, name):
			continue
		case byName[name] == nil:
			names = append(names, name)
		}
		byName[name] = append(byName[name], journal.Field{Name: name, Value: value})
	}
	var lists [][]journal.Field
	for _, n := range names {
		lists = append(lists, byName[n])
	}
	return lists
}

// hasGlob reports whether one of the fields has a value that a pattern means.
func hasGlob(e *journal.Entry, pattern string, fields []string) bool {
	for _, f := range e.Fields {
		if slices.Contains(fields, f.Name) {
			if ok, _ := path.Match(pattern, f.Value); ok {
				return true
			}
		}
	}
	return false
}

// globMatch matches the units that a pattern means: every unit that an entry
// can belong to is the value of one of its fields.
func globMatch(pattern string, fields []string, of func(string) Matcher) Matcher {
	return func(e *journal.Entry) bool {
		for _, f := range e.Fields {
			if slices.Contains(fields, f.Name) {
				if ok, _ := path.Match(pattern, f.Value); ok && of(f.Value)(e) {
					return true
				}
			}
		}
		return false
	}
}

// parseMatches reads FIELD=VALUE words: the same field again is an
// alternative, other fields narrow, "+" begins a new alternative. A path stands
// for the terms that terms returns; first are terms of the first alternative.
func parseMatches(words []string, first []journal.Field, terms func(path string) ([]journal.Field, error)) (Matcher, error) {
	var alternatives []Matcher
	byField := map[string][]Matcher{}
	for _, f := range first {
		byField[f.Name] = append(byField[f.Name], Field(f.Name, f.Value))
	}
	done := func() {
		if len(byField) == 0 {
			return
		}
		var all []Matcher
		for _, list := range byField {
			all = append(all, AnyOf(list...))
		}
		alternatives = append(alternatives, allOf(all...))
		byField = map[string][]Matcher{}
	}
	term := false
	for _, w := range words {
		if w == "+" {
			if !term {
				return nil, errPlus
			}
			done()
			term = false
			continue
		}
		term = true
		fields := []journal.Field{}
		if strings.HasPrefix(w, "/") {
			var err error
			if fields, err = terms(w); err != nil {
				return nil, err
			}
		} else {
			name, value, ok := strings.Cut(w, "=")
			if !ok || !validTerm(name) {
				return nil, fmt.Errorf("Failed to add match '%s': Invalid argument", w) //nolint:staticcheck // the real text
			}
			fields = append(fields, journal.Field{Name: name, Value: value})
		}
		for _, f := range fields {
			byField[f.Name] = append(byField[f.Name], Field(f.Name, f.Value))
		}
	}
	if !term && len(words) > 0 {
		return nil, errPlus
	}
	done()
	if len(alternatives) == 0 {
		return nil, nil
	}
	return AnyOf(alternatives...), nil
}

var errPlus = errors.New("\"+\" can only be used between terms")

// validTerm reports whether a match may be about a field; unlike a field that
// is written, it may begin with a digit.
func validTerm(name string) bool {
	if name == "" || strings.HasPrefix(name, "__") {
		return false
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
