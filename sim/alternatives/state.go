package alternatives

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// link is a generic name: its title, and the file that links to the choice.
type link struct{ title, file string }

// candidate is a program that may be chosen, with those that go with it.
type candidate struct {
	target     string
	priority   int
	initscript string
	slaves     []string // in the order of the set's; "" for none
}

// set is all that is known of one name.
type set struct {
	manual     bool
	master     link
	slaves     []link
	candidates []candidate
}

// parse reads a file of /var/lib/alternatives: the mode, the file of the master,
// pairs of title and file for the slaves up to an empty line; then for each
// candidate its target, its priority with an init script behind, and a line for
// each slave.
func parse(name, text string) (s set, err error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 2 || lines[0] != "auto" && lines[0] != "manual" {
		return s, errors.New("bad mode on line 1")
	}
	s.manual, s.master = lines[0] == "manual", link{name, lines[1]}
	i := 2
	for ; i+1 < len(lines) && lines[i] != ""; i += 2 {
		s.slaves = append(s.slaves, link{lines[i], lines[i+1]})
	}
	for i++; i < len(lines) && lines[i] != ""; {
		c := candidate{target: lines[i]}
		if i++; i == len(lines) {
			return s, fmt.Errorf("priority expected on line %d", i+1)
		}
		priority, script, _ := strings.Cut(lines[i], " ")
		if c.priority, err = strconv.Atoi(priority); err != nil {
			return s, fmt.Errorf("numeric priority expected on line %d", i+1)
		}
		c.initscript = script
		i++
		for range s.slaves {
			if i == len(lines) {
				return s, fmt.Errorf("slave path expected on line %d", i+1)
			}
			c.slaves = append(c.slaves, lines[i])
			i++
		}
		s.candidates = append(s.candidates, c)
	}
	return s, nil
}

// String is the file of the set.
func (s set) String() string {
	var b strings.Builder
	mode := "auto"
	if s.manual {
		mode = "manual"
	}
	fmt.Fprintf(&b, "%s\n%s\n", mode, s.master.file)
	for _, l := range s.slaves {
		fmt.Fprintf(&b, "%s\n%s\n", l.title, l.file)
	}
	b.WriteByte('\n')
	for _, c := range s.candidates {
		fmt.Fprintf(&b, "%s\n%s\n", c.target, strings.TrimRight(strconv.Itoa(c.priority)+" "+c.initscript, " "))
		for _, t := range c.slaves {
			b.WriteString(t + "\n")
		}
	}
	return b.String()
}

// best is the candidate of the highest priority, the first of several.
func (s set) best() int {
	best := -1
	for i, c := range s.candidates {
		if best < 0 || c.priority > s.candidates[best].priority {
			best = i
		}
	}
	return best
}

// of returns the place of a target, -1 when it is none.
func (s set) of(target string) int {
	for i, c := range s.candidates {
		if c.target == target {
			return i
		}
	}
	return -1
}
