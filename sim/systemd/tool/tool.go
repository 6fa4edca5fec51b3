// Package tool is what all commands of systemd do alike: they read their options
// in order, say their help and version, and find the verb that is meant.
package tool

import (
	"errors"
	"fmt"
	"io"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/machine"
)

// Tool is a command's name, its help text and its options besides -h, --help and
// --version, as [libc.Getopt] has them.
type Tool struct {
	Name, Help, Short string
	Long              []libc.LongOption
}

// Options reads the options and hands each to take, until one ends the command.
// over means that there is nothing else to do; status is what to end with then.
func (t Tool) Options(p *host.Proc, take func(o libc.Option) (over bool, status int)) (args []string, over bool, status int) {
	long := append([]libc.LongOption{{Name: "help", Short: "h"}, {Name: "version"}}, t.Long...)
	options, args, err := libc.Getopt(p.Args[1:], t.Short+"h", long)
	if err != nil {
		fmt.Fprintln(p.Stderr, t.Name+": "+err.Error())
		return nil, true, 1
	}
	for _, o := range options {
		switch o.Name {
		case "h":
			io.WriteString(p.Stdout, t.Help)
			return nil, true, 0
		case "version":
			io.WriteString(p.Stdout, "systemd "+machine.Version+"\n"+machine.Features+"\n")
			return nil, true, 0
		}
		if over, status := take(o); over {
			return nil, true, status
		}
	}
	return args, false, 0
}

// Verb takes the verb from the arguments, or the one that is meant without any.
// limits tells how many arguments it takes, if it is one; most is -1 for any number.
// The error is what a command says of a verb that it does not have, or that has too
// few or too many arguments.
func Verb(args []string, without string, limits func(name string) (least, most int, ok bool)) (name string, rest []string, err error) {
	name = without
	if len(args) > 0 {
		name, rest = args[0], args[1:]
	}
	least, most, ok := limits(name)
	switch {
	case !ok:
		err = fmt.Errorf("Unknown command verb %s.", name)
	case len(rest) < least:
		err = errors.New("Too few arguments.")
	case most >= 0 && len(rest) > most:
		err = errors.New("Too many arguments.")
	}
	return name, rest, err
}
