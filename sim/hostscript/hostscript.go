// Package hostscript plays txtar scripts whose verbs are the hosts of a lab:
//
//	lab tcp-forwarding
//
//	# a message of the client is in its own log
//	client logger -p user.info hello
//	await client /var/log/messages hello
//	client 'cat /var/log/messages'
//	stdout hello
//	advance 10m
//	! server ls /nowhere
//
// The first line names a lab of the catalogue. HOST WORD… runs a command as
// root, one word with blanks in it a line of shell; stdout and stderr then match
// what it printed, as in any testscript. await HOST FILE PATTERN waits until a
// line of a file matches, advance DURATION lets the lab's time pass.
//
// The same scripts run in memory, in virtual time, and over real namespaces.
//
// For tests only.
package hostscript

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Lab is a running lab.
type Lab interface {
	// Run runs a line of shell as root.
	Run(host, line string) (stdout, stderr string, status int)
	// Wait returns once a line of a file matches, or an error when none does in time.
	Wait(host, file string, pattern *regexp.Regexp) error
	// Advance lets time pass.
	Advance(d time.Duration) error
}

// Files returns the scripts.
func Files(t *testing.T) []string {
	t.Helper()
	root, err := os.Getwd()
	for err == nil && root != "/" {
		if files, _ := filepath.Glob(filepath.Join(root, "sim/hostscript/testdata/*.txtar")); len(files) > 0 {
			return files
		}
		root = filepath.Dir(root)
	}
	t.Fatal("no scripts")
	return nil
}

// LabOf returns the lab that a script is about.
func LabOf(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	name, ok := strings.CutPrefix(first, "lab ")
	if !ok {
		t.Fatalf("%s: the first line names no lab", file)
	}
	return strings.TrimSpace(name)
}

// Play plays a script on a lab with the given hosts.
func Play(t *testing.T, file string, l Lab, hosts []string) {
	verbs := map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"lab": func(*testscript.TestScript, bool, []string) {}, // LabOf read it
		"await": func(ts *testscript.TestScript, neg bool, args []string) {
			if len(args) != 3 || neg {
				ts.Fatalf("usage: await HOST FILE PATTERN")
			}
			pattern, err := regexp.Compile(args[2])
			ts.Check(err)
			ts.Check(l.Wait(args[0], args[1], pattern))
		},
		"advance": func(ts *testscript.TestScript, neg bool, args []string) {
			if len(args) != 1 || neg {
				ts.Fatalf("usage: advance DURATION")
			}
			d, err := time.ParseDuration(args[0])
			ts.Check(err)
			ts.Check(l.Advance(d))
		},
	}
	for _, name := range hosts {
		verbs[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if len(args) == 0 {
				ts.Fatalf("usage: %s COMMAND", name)
			}
			stdout, stderr, status := l.Run(name, line(args))
			fmt.Fprint(ts.Stdout(), stdout)
			fmt.Fprint(ts.Stderr(), stderr)
			if (status != 0) != neg {
				ts.Fatalf("%s: %s: exit status %d\n%s%s", name, line(args), status, stdout, stderr)
			}
		}
	}
	testscript.RunT(script{t}, testscript.Params{Files: []string{file}, Cmds: verbs})
}

// line is the words of a command as shell.
func line(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}

// script is a test that plays one script, without tests of its own: a bubble of
// virtual time cannot have any.
type script struct{ *testing.T }

func (s script) Run(_ string, f func(testscript.T)) { f(s) }
func (s script) Parallel()                          {}
func (s script) Verbose() bool                      { return testing.Verbose() }
