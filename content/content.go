package content

import (
	"bytes"
	"fmt"

	"gopkg.in/yaml.v3"

	"enshu/sim/lang"
)

// Objective is one of the exam, or a subject of its own beside them: it has a
// lesson, pages of help and labs, in the order in which they are learnt.
type Objective struct {
	ID    string
	Title lang.Text
	Help  []string // names of pages
	Labs  []string // ids of the catalogue
}

// Objectives reads the map of the objectives.
func Objectives() ([]Objective, error) {
	data, err := Files.ReadFile("objectives.yaml")
	if err != nil {
		return nil, err
	}
	var m struct{ Objectives []Objective }
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&m); err != nil {
		return nil, fmt.Errorf("objectives.yaml: %w", err)
	}
	return m.Objectives, nil
}

// Lesson returns the lesson of an objective, in Markdown.
func Lesson(id, lang string) ([]byte, error) { return page("lessons", id, lang) }

// Help returns the help on a command or file, in Markdown.
func Help(name, lang string) ([]byte, error) { return page("help", name, lang) }

func page(folder, name, lang string) ([]byte, error) {
	return Files.ReadFile(folder + "/" + name + "." + lang + ".md")
}
