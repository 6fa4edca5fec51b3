package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"syscall"

	"enshu/cmd/enshu/session"
	"enshu/labs"
	"enshu/sim/lang"
	"enshu/sim/scenario"
)

// entry is a lab file of the catalogue or of the user's.
type entry struct {
	id   string
	file string
	data []byte
}

// catalogue returns the labs that the binary has, in the order of their files.
func catalogue() ([]entry, error) {
	var entries []entry
	err := fs.WalkDir(labs.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		data, err := fs.ReadFile(labs.Files, name)
		entries = append(entries, entry{strings.TrimSuffix(path.Base(name), ".yaml"), "labs/" + name, data})
		return err
	})
	return entries, err
}

// find returns the lab that a word means: an id of the catalogue, or a path.
func find(word string) (entry, error) {
	entries, err := catalogue()
	if err != nil {
		return entry{}, err
	}
	var ids []string
	for _, e := range entries {
		if e.id == word {
			return e, nil
		}
		ids = append(ids, e.id)
	}
	data, err := readLab(word)
	switch {
	case err == nil:
		return entry{strings.TrimSuffix(path.Base(word), path.Ext(word)), word, data}, nil
	case strings.ContainsAny(word, "/.") || !errors.Is(err, fs.ErrNotExist):
		return entry{}, err
	}
	return entry{}, lang.Errorf("ラボ %q はありません%s (一覧は `enshu list`)", "there is no lab %q%s (`enshu list` shows them)", word, meant(word, ids))
}

// meant asks whether a word was to be one of those that are known.
func meant(word string, known []string) lang.Text {
	best := scenario.Nearest(word, known)
	if best == "" {
		return lang.Text{}
	}
	return lang.Both(fmt.Sprintf("。%q のことですか?", best), fmt.Sprintf("; did you mean %q?", best))
}

// readLab reads a lab file, which may be a pipe, and not much more than a lab
// may have.
func readLab(name string) ([]byte, error) {
	// A named pipe that nobody writes to is an empty file, not a wait for ever.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, scenario.MaxSize+1))
}

// parse checks the lab file.
func (e entry) parse() (*scenario.Source, error) {
	return scenario.Parse(e.file, e.data, session.Known())
}

// draw returns the lab as any attempt sees it first.
func (e entry) draw(seed uint64) (*scenario.Lab, error) {
	src, err := e.parse()
	if err != nil {
		return nil, err
	}
	return src.Draw(seed)
}

// freshSeed is the seed of an attempt that asked for none.
func freshSeed() uint64 { return rand.Uint64N(1 << 32) }
