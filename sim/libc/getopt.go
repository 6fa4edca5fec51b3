package libc

import (
	"fmt"
	"strings"
)

// Option is one option that Getopt found.
type Option struct {
	Name  string // "p" or the full long name
	Value string // its argument
	Given bool   // an argument was given
}

// LongOption describes a long option of Getopt.
type LongOption struct {
	Name  string
	Arg   Argument
	Short string // the option it stands for; "" reports Name itself
}

// Argument says whether an option takes one.
type Argument int

// The kinds of arguments, as in getopt_long(3).
const (
	NoArgument Argument = iota
	RequiredArgument
	OptionalArgument
)

// OptionError is a bad option; its text is glibc's, without the program's name.
type OptionError struct{ Text string }

func (e *OptionError) Error() string { return e.Text }

// Getopt parses args, which do not include the program's name, as getopt_long(3)
// does: options and operands in any order unless short starts with '+'; "p:"
// takes an argument, "p::" may take one in the same word. It stops at the first
// bad option and returns what it had found; operands then holds the unread rest.
func Getopt(args []string, short string, long []LongOption) (options []Option, operands []string, err error) {
	inOrder := strings.HasPrefix(short, "+")
	short = strings.TrimPrefix(short, "+")
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			return options, append(operands, args[i+1:]...), nil
		case strings.HasPrefix(a, "--"):
			name, value, given := strings.Cut(a[2:], "=")
			o, err := findLong(long, name, a)
			if err != nil {
				return options, append(operands, args[i+1:]...), err
			}
			switch {
			case given && o.Arg == NoArgument:
				return options, append(operands, args[i+1:]...), &OptionError{fmt.Sprintf("option '--%s' doesn't allow an argument", o.Name)}
			case !given && o.Arg == RequiredArgument:
				if i+1 == len(args) {
					return options, operands, &OptionError{fmt.Sprintf("option '--%s' requires an argument", o.Name)}
				}
				i++
				value, given = args[i], true
			}
			found := o.Short
			if found == "" {
				found = o.Name
			}
			options = append(options, Option{found, value, given})
		case len(a) > 1 && a[0] == '-':
			for j := 1; j < len(a); j++ {
				c := a[j : j+1]
				at := strings.Index(short, c)
				if at < 0 || c == ":" {
					return options, append(operands, args[i+1:]...), &OptionError{fmt.Sprintf("invalid option -- '%s'", c)}
				}
				rest := short[at+1:]
				if !strings.HasPrefix(rest, ":") {
					options = append(options, Option{Name: c})
					continue
				}
				value := a[j+1:]
				switch {
				case value != "":
					options = append(options, Option{c, value, true})
				case strings.HasPrefix(rest, "::"):
					options = append(options, Option{Name: c})
				case i+1 == len(args):
					return options, operands, &OptionError{fmt.Sprintf("option requires an argument -- '%s'", c)}
				default:
					i++
					options = append(options, Option{c, args[i], true})
				}
				break
			}
		default:
			if inOrder {
				return options, append(operands, args[i:]...), nil
			}
			operands = append(operands, a)
		}
	}
	return options, operands, nil
}

// findLong finds a long option by its name or a beginning of it that is
// unambiguous: options that mean the same may share it. word is for the error.
func findLong(long []LongOption, name, word string) (LongOption, error) {
	var hits []LongOption
	same := true
	for _, o := range long {
		if o.Name == name {
			return o, nil
		}
		if strings.HasPrefix(o.Name, name) {
			hits = append(hits, o)
			same = same && o.Short != "" && o.Short == hits[0].Short && o.Arg == hits[0].Arg
		}
	}
	switch {
	case len(hits) == 0:
		return LongOption{}, &OptionError{fmt.Sprintf("unrecognized option '%s'", word)}
	case len(hits) == 1, same:
		return hits[0], nil
	}
	var names strings.Builder
	for _, o := range hits {
		fmt.Fprintf(&names, " '--%s'", o.Name)
	}
	return LongOption{}, &OptionError{fmt.Sprintf("option '%s' is ambiguous; possibilities:%s", word, names.String())}
}
