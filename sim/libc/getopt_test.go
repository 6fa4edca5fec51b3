package libc_test

import (
	"strings"
	"testing"

	"enshu/sim/libc"
)

var long = []libc.LongOption{
	{Name: "priority", Arg: libc.RequiredArgument, Short: "p"},
	{Name: "prio-prefix"},
	{Name: "id", Arg: libc.OptionalArgument, Short: "i"},
	{Name: "stderr", Short: "s"},
	{Name: "size", Arg: libc.RequiredArgument},
	{Name: "tcp", Short: "T"},
}

// The texts are those of getopt_long(3) of glibc, after the program's name.
func TestGetopt(t *testing.T) {
	const short = "p:i::sT"
	for _, c := range []struct {
		short, args, want string
	}{
		{short, "", ""},
		{short, "a b", "| a b"},
		{short, "-s -T", "s T"},
		{short, "-sT", "s T"},
		{short, "-p user.info hi", "p=user.info | hi"},
		{short, "-puser.info hi", "p=user.info | hi"},
		{short, "-sp x", "s p=x"},
		{short, "-spx", "s p=x"},
		{short, "hi -s there", "s | hi there"},
		{"+" + short, "hi -s there", "| hi -s there"},
		{"+" + short, "-s hi -T", "s | hi -T"},
		{short, "-s -- -T", "s | -T"},
		{short, "-- -T --", "| -T --"},
		{short, "- -s", "s | -"},
		{short, "-p -s", "p=-s"},
		{short, "-p --", "p=--"},
		{short, "-i 5", "i | 5"},
		{short, "-i5", "i=5"},
		{short, "--priority=a", "p=a"},
		{short, "--priority a b", "p=a | b"},
		{short, "--priority=", "p="},
		{short, "--id 5", "i | 5"},
		{short, "--id=5", "i=5"},
		{short, "--stderr x", "s | x"},
		{short, "--prio-prefix", "prio-prefix"},
		{short, "--prior=a", "p=a"},
		{short, "--st", "s"},
		{short, "--t", "T"},
		{short, "-x", "! invalid option -- 'x'"},
		{short, "-sx", "s ! invalid option -- 'x'"},
		{short, "-:", "! invalid option -- ':'"},
		{short, "-p", "! option requires an argument -- 'p'"},
		{short, "-sp", "s ! option requires an argument -- 'p'"},
		{short, "--priority", "! option '--priority' requires an argument"},
		{short, "--prior", "! option '--priority' requires an argument"},
		{short, "--stderr=1", "! option '--stderr' doesn't allow an argument"},
		{short, "--nonsense", "! unrecognized option '--nonsense'"},
		{short, "--nonsense=5", "! unrecognized option '--nonsense=5'"},
		{short, "--prio", "! option '--prio' is ambiguous; possibilities: '--priority' '--prio-prefix'"},
		{short, "--s=3", "! option '--s=3' is ambiguous; possibilities: '--stderr' '--size'"},
	} {
		t.Run(c.args, func(t *testing.T) {
			options, operands, err := libc.Getopt(strings.Fields(c.args), c.short, long)
			var got []string
			for _, o := range options {
				s := o.Name
				if o.Given {
					s += "=" + o.Value
				}
				got = append(got, s)
			}
			if err != nil {
				got = append(got, "!", err.Error())
			} else if len(operands) > 0 {
				got = append(append(got, "|"), operands...)
			}
			if g := strings.Join(got, " "); g != c.want {
				t.Errorf("got %q, want %q", g, c.want)
			}
		})
	}
}

// Whatever is typed: no panic, and every word comes back as an option, an
// argument or an operand.
func FuzzGetopt(f *testing.F) {
	f.Add("-p user.info hi", "p:i::s")
	f.Add("--prio x -- y", "+s")
	f.Add("- -- -:-", ":")
	f.Fuzz(func(t *testing.T, line, short string) {
		args := strings.Fields(line)
		options, operands, err := libc.Getopt(args, short, long)
		if err == nil && len(options)+len(operands) < len(args)/2-1 {
			t.Errorf("%q: %v %q", args, options, operands)
		}
		for _, o := range options {
			if o.Name == "" {
				t.Errorf("%q: an option without a name", args)
			}
			if o.Value != "" && !o.Given {
				t.Errorf("%q: an argument that was not given: %v", args, o)
			}
		}
		if err != nil && err.Error() == "" {
			t.Errorf("%q: an error without a text", args)
		}
	})
}
