package journalctl

import (
	"path"
	"slices"
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

// UnitMatch matches what a unit's processes wrote, what PID 1 wrote about it,
// and its core dumps (add_matches_for_unit).
func UnitMatch(unit string) Matcher {
	return func(e *journal.Entry) bool {
		switch {
		case e.Has("_SYSTEMD_UNIT", unit):
			return true
		case e.Has("UNIT", unit):
			return e.Has("_PID", "1") || e.Get("_PID") == "" && e.Has("_TRANSPORT", "kernel")
		case e.Has("OBJECT_SYSTEMD_UNIT", unit), e.Has("COREDUMP_UNIT", unit):
			return e.Has("_UID", "0")
		case strings.HasSuffix(unit, ".slice"):
			return e.Has("_SYSTEMD_SLICE", unit)
		}
		return false
	}
}

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

// globMatch matches the units that a pattern means.
func globMatch(pattern string) Matcher {
	has := func(v string) bool { ok, _ := path.Match(pattern, v); return v != "" && ok }
	return func(e *journal.Entry) bool {
		return has(e.Get("_SYSTEMD_UNIT")) || has(e.Get("UNIT")) && e.Has("_PID", "1") ||
			has(e.Get("OBJECT_SYSTEMD_UNIT")) && e.Has("_UID", "0")
	}
}

// parseMatches reads FIELD=VALUE words: the same field again is an
// alternative, other fields narrow, "+" begins a new alternative. bad is the
// first word that is no match.
func parseMatches(words []string, executable func(string) bool) (m Matcher, bad string) {
	var alternatives []Matcher
	byField := map[string][]Matcher{}
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
	for _, w := range words {
		if w == "+" {
			if len(byField) == 0 {
				return nil, w
			}
			done()
			continue
		}
		if strings.HasPrefix(w, "/") {
			switch {
			case strings.HasPrefix(w, "/dev/"):
				byField["_KERNEL_DEVICE"] = append(byField["_KERNEL_DEVICE"], Field("_KERNEL_DEVICE", "n"+path.Base(w)))
			case executable(w):
				byField["_EXE"] = append(byField["_EXE"], Field("_EXE", w))
			default:
				byField["_EXE"] = append(byField["_EXE"], Field("_EXE", w))
			}
			continue
		}
		name, value, ok := strings.Cut(w, "=")
		if !ok || !journal.ValidName(name, true) {
			return nil, w
		}
		byField[name] = append(byField[name], Field(name, value))
	}
	done()
	if len(alternatives) == 0 {
		return nil, ""
	}
	return AnyOf(alternatives...), ""
}
