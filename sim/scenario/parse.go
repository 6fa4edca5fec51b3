package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// MaxSize is the largest lab file, in bytes.
const MaxSize = 1 << 20

// Source is a lab file that was read and is right. It makes a [Lab] for each attempt.
type Source struct {
	file  string
	lines []string
	known Known
	root  *yaml.Node
	vars  []Var
	lab   *Lab
}

// Parse reads a lab file; name is what errors call it. The error is [Errors].
func Parse(name string, data []byte, known Known) (*Source, error) {
	fail := func(line, column int, format string, args ...any) (*Source, error) {
		return nil, Errors{{name, Pos{line, column}, fmt.Sprintf(format, args...)}}
	}
	if len(data) > MaxSize {
		return fail(1, 1, "the file has more than %d bytes, the limit", MaxSize)
	}
	if at := invalidUTF8(data); at >= 0 {
		line := 1 + bytes.Count(data[:at], []byte("\n"))
		return fail(line, at-bytes.LastIndexByte(data[:at], '\n'), "the file is not UTF-8")
	}
	doc, err := document(data)
	if err != nil {
		line, text := yamlError(err)
		return fail(line, 1, "%s", text)
	}
	if doc == nil || len(doc.Content) == 0 {
		return fail(1, 1, "the file is empty")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return fail(root.Line, root.Column, "expected a mapping with the key \"lab\", found %s", kindName(root))
	}
	s := &Source{file: name, lines: strings.Split(string(data), "\n"), known: known, root: root}
	d := s.decoder()
	if n := lookup(root, "vars"); n != nil {
		d.keyed(n, reflect.ValueOf(&s.vars).Elem(), "vars")
		d.checkVars(s.vars, n)
		if len(d.errs) > 0 {
			return nil, d.errs.sorted()
		}
	}
	for i, values := range variants(s.vars) {
		lab, errs := s.fill(values)
		if len(errs) > 0 {
			if i > 0 {
				for j := range errs {
					errs[j].Text += " (with " + describe(values, s.vars) + ")"
				}
			}
			return nil, errs
		}
		if i == 0 {
			s.lab = lab
		}
	}
	return s, nil
}

// ID returns the identifier of the lab.
func (s *Source) ID() string { return s.lab.ID }

// Draw returns the lab of one attempt. Two variables may clash for some seed in
// a way that no single value does; only then there is an error.
func (s *Source) Draw(seed uint64) (*Lab, error) {
	lab, errs := s.fill(drawAll(s.vars, seed))
	if len(errs) > 0 {
		return nil, errs
	}
	return lab, nil
}

func (s *Source) decoder() *decoder {
	return &decoder{file: s.file, known: &s.known}
}

// fill decodes and checks the file with a set of values.
func (s *Source) fill(values map[string]string) (*Lab, Errors) {
	d := s.decoder()
	root := *s.root
	root.Content = nil
	for i := 0; i+1 < len(s.root.Content); i += 2 {
		k, v := s.root.Content[i], s.root.Content[i+1]
		if k.Value != "vars" {
			v = d.filled(v, values, s.lines)
		}
		root.Content = append(root.Content, k, v)
	}
	lab := &Lab{Values: values}
	d.value(&root, reflect.ValueOf(lab).Elem(), "the lab")
	d.complete(lab)
	d.crossCheck(lab, &root)
	for _, r := range d.refs {
		known := references[r.what]
		if names := known.known(&s.known, lab); !contains(names, r.name) {
			d.errorf(r.node, "unknown %s %q%s", known.noun, clip(r.name), meant(r.name, names))
		}
	}
	return lab, d.errs.sorted()
}

// complete puts in what the file left to the defaults.
func (d *decoder) complete(l *Lab) {
	if l.Shell == "" && len(l.Hosts) > 0 {
		l.Shell = HostName(l.Hosts[0].Name)
	}
	for i := range l.Hosts {
		h := &l.Hosts[i]
		if h.Hostname == "" {
			h.Hostname = h.Name
		}
		if h.Timezone == "" {
			h.Timezone = DefaultTimezone
		}
		if h.Disk == 0 {
			h.Disk = DefaultDisk
		}
		if h.Memory == 0 {
			h.Memory = DefaultMemory
		}
		if h.Pids == 0 {
			h.Pids = DefaultPids
		}
		if h.Refclock != nil && h.Refclock.RefID == "" {
			h.Refclock.RefID = "GPS"
		}
		for j := range h.Files {
			if f := &h.Files[j]; f.Mode == 0 {
				f.Mode = 0o644
			}
			if f := &h.Files[j]; f.Owner == "" {
				f.Owner = "root"
			}
		}
	}
	for i := range l.Tasks {
		if l.Tasks[i].Points == 0 {
			l.Tasks[i].Points = DefaultPoints
		}
	}
	steps := func(s []Step) {
		for i := range s {
			if s[i].User == "" {
				s[i].User = "root"
			}
		}
	}
	for i := range l.Solutions {
		steps(l.Solutions[i].Steps)
	}
	for i := range l.Mistakes {
		steps(l.Mistakes[i].Steps)
	}
}

// document returns the only document of a file.
func document(data []byte) (doc *yaml.Node, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	doc = new(yaml.Node)
	if err := dec.Decode(doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	var more yaml.Node
	switch err := dec.Decode(&more); {
	case err == nil:
		return nil, fmt.Errorf("yaml: line %d: a second document; a lab is one", more.Line)
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return doc, nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError takes the line out of an error of the YAML library.
func yamlError(err error) (line int, text string) {
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return 1, err.Error()
	}
	line, _ = strconv.Atoi(m[1])
	return max(line, 1), "not YAML: " + strings.TrimPrefix(err.Error(), m[0])
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// lookup returns the value of a key of a mapping.
func lookup(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
