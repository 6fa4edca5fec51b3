package content

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

// TestMap holds the map to what is there: every objective has its lesson in
// both languages, every page of help and every lab is named, and nothing is
// named that does not exist.
func TestMap(t *testing.T) {
	named := map[string]bool{"objectives.yaml": true}
	inLabs := map[string]bool{}
	list, err := Objectives()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		if o.Title.JA == "" || o.Title.EN == "" {
			t.Errorf("%s has no title", o.ID)
		}
		for _, lang := range []string{"ja", "en"} {
			named[fmt.Sprintf("lessons/%s.%s.md", o.ID, lang)] = true
			for _, h := range o.Help {
				named[fmt.Sprintf("help/%s.%s.md", h, lang)] = true
			}
		}
		for _, l := range o.Labs {
			inLabs[l] = true
		}
	}
	fs.WalkDir(Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			t.Fatal(err)
		}
		if !d.IsDir() && !named[name] {
			t.Errorf("%s is in no objective", name)
		}
		delete(named, name)
		return nil
	})
	for name := range named {
		t.Errorf("%s is named but missing", name)
	}
	catalogue := map[string]bool{}
	fs.WalkDir(os.DirFS("../labs"), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".yaml") {
			catalogue[strings.TrimSuffix(path.Base(name), ".yaml")] = true
		}
		return err
	})
	for l := range inLabs {
		if !catalogue[l] {
			t.Errorf("there is no lab %s", l)
		}
	}
	for l := range catalogue {
		if !inLabs[l] {
			t.Errorf("the lab %s is in no objective", l)
		}
	}
}

// TestLanguages compares the two languages of a page: the same headings, tables
// and commands.
func TestLanguages(t *testing.T) {
	fs.WalkDir(Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".ja.md") {
			return err
		}
		shape := func(file string) (headings, rows int, commands []string) {
			data, err := Files.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range strings.Split(string(data), "\n") {
				switch {
				case strings.HasPrefix(l, "#"):
					headings++
				case strings.HasPrefix(l, "|"):
					rows++
				case strings.HasPrefix(l, "["):
					commands = append(commands, l)
				}
			}
			return headings, rows, commands
		}
		h1, r1, c1 := shape(name)
		h2, r2, c2 := shape(strings.TrimSuffix(name, ".ja.md") + ".en.md")
		if h1 != h2 || r1 != r2 || strings.Join(c1, "\n") != strings.Join(c2, "\n") {
			t.Errorf("%s: %d headings, %d rows, %d commands; in English %d, %d, %d", name, h1, r1, len(c1), h2, r2, len(c2))
		}
		return nil
	})
}
