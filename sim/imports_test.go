// Package sim_test holds the module to its design: who may import whom, and
// what Programs may do.
package sim_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path of this module; root is its folder as seen from here.
const (
	module = "enshu"
	root   = ".."
)

// rule says what a package may import besides the standard library. Names in
// may are packages of this module ("/..." covers what is below, SUITE the
// suites) or modules of others. Changing a rule is a decision, not a fix.
type rule struct {
	pkg string
	may string
	why string
}

// rules are read from the top; the first that covers a package holds.
var rules = []rule{
	{"sim/stub/guest", "", "it is the process a learner sees, started for each command: what it imports costs every command its start"},
	{"sim/clock", "golang.org/x/sys", "time is below everything"},
	{"sim/trace", "sim/clock", "the record is stamped with true time and knows nobody who writes it"},
	{"sim/wire/...", "", "encode and decode; no I/O, no clock"},
	{"sim/nft", "sim/wire/...", "values: what a packet filter is"},
	{"sim/lang", "", "texts in both languages; anybody may have something to tell a learner"},
	{"sim/link", "", "values: what a wire does to packets, for both implementations of the contract"},
	{"sim/nft/nftnl", "sim/nft golang.org/x/sys github.com/google/nftables github.com/mdlayher/netlink", "from the model to the kernel's messages"},
	{"sim/host", "sim/clock sim/trace sim/nft", "the contract between software and the world: below both"},
	{"sim/host/systest", "sim/host sim/libc sim/clock", "the contract as checks, run on every implementation"},
	{"sim/libc/regex", "", "pure: regular expressions as the C library has them"},
	{"sim/pcre", "", "pure: regular expressions as Perl has them"},
	{"sim/libc", "sim/host sim/clock sim/trace sim/wire/... github.com/miekg/dns golang.org/x/text", "what a C library gives a program, through the contract only"},
	{"sim/sdjournal", "sim/host sim/clock sim/libc sim/wire/...", "the files of the journal, for those who write and those who read them"},
	{"sim/memnet", "sim/host sim/link sim/clock sim/trace sim/nft sim/wire/... golang.org/x/sys", "an implementation of the contract, for tests"},
	{"sim/stub", "sim/host sim/clock sim/trace sim/stub/guest sim/wire/... golang.org/x/sys", "an implementation of the contract, over real processes"},
	{"sim/kernel", "sim/lang sim/host sim/link sim/clock sim/trace sim/stub sim/stub/guest sim/nft/... sim/wire/... golang.org/x/sys github.com/google/nftables github.com/mdlayher/netlink github.com/vishvananda/netlink",
		"namespaces and wires, under the software and ignorant of it"},
	{"sim/scenario", "sim/lang sim/wire/... gopkg.in/yaml.v3 github.com/invopop/jsonschema", "what a lab file says; data for whoever builds the lab"},
	{"sim/distro", "sim/host SUITE", "the one table that knows all software"},
	{"sim/lab", "sim/lang sim/scenario sim/distro sim/kernel sim/stub sim/memnet sim/host sim/link sim/libc sim/clock sim/trace sim/nft/... sim/wire/... sim/systemd/pid1 sim/dnf golang.org/x/sys golang.org/x/crypto",
		"builds and runs a lab; of the suites it knows the one whose Program is process 1 and the one that puts packages on a running host"},
	{"sim/peer", "", "tests only: where the real programs are that they run beside ours"},
	{"sim/hostscript", "github.com/rogpeppe/go-internal", "tests only: scripts that command a lab, wherever it runs"},
	{"sim/recorded", "sim/host sim/memnet gopkg.in/yaml.v3", "tests only: recordings of real programs, run in memory"},
	{"sim/mailoracle", "", "tests only: recordings of more than one suite, run on hosts of the distribution"},
	{"sim/systemd/calendar", "", "pure: times as systemd writes them"},
	{"sim/systemd/unitfile", "sim/wire/... sim/systemd/calendar", "pure: the grammar of systemd's files"},
	{"sim/...", "sim/host sim/libc/... sim/clock sim/trace sim/wire/... sim/nft sim/pcre sim/sdjournal github.com/miekg/dns golang.org/x/crypto golang.org/x/net",
		"a suite meets other suites in files, sockets and commands, as on a real system, and the world through the contract"},
	{"labs", "gopkg.in/yaml.v3", "data"},
	{"content", "sim/lang gopkg.in/yaml.v3", "data"},
	{"grader/report", "sim/lang grader/junit sim/scenario sim/libc", "values and their forms; knows no check"},
	{"grader/check", "sim/lang sim/scenario sim/clock sim/trace", "the contract of a kind; knows no kind"},
	{"grader/probe", "grader/check sim/scenario sim/trace sim/wire/...", "questions that kinds share"},
	{"grader/kinds/...", "grader/check grader/probe sim/scenario sim/trace sim/wire/...", "a kind asks a host and knows no other kind"},
	{"grader/...", "grader/... labs content sim/lang sim/lab sim/scenario sim/trace sim/clock sim/libc sim/wire/... gopkg.in/yaml.v3",
		"it sees what an administrator can see and the trace; no suite, or it would grade its own words"},
	{"cmd/...", "cmd/... grader/... labs content sim/lang sim/lab sim/scenario sim/distro sim/kernel sim/stub/... sim/host sim/libc sim/trace sim/clock sim/wire/... github.com/spf13/cobra github.com/gopacket/gopacket github.com/yuin/goldmark golang.org/x/term golang.org/x/sys",
		"the product puts the parts together; what software does is the suites' matter"},
}

// inTests is what tests may import besides: both implementations of the
// contract, the distribution as a whole, other people's clients and servers,
// and other suites, which are as good as the real software there.
const inTests = "sim/memnet sim/peer sim/recorded sim/hostscript sim/host/systest sim/host sim/libc sim/clock sim/trace sim/scenario sim/kernel sim/nft/... sim/distro SUITE labs " +
	"github.com/google/nftables github.com/google/go-cmp github.com/rogpeppe/go-internal pgregory.net/rapid github.com/beevik/ntp github.com/miekg/dns gopkg.in/yaml.v3 " +
	"mvdan.cc/sh github.com/mdlayher/netlink github.com/vishvananda/netlink golang.org/x/sys golang.org/x/net/ipv4 github.com/creack/pty"

// notSuites are the folders of sim that are no software of a host.
var notSuites = []string{"clock", "trace", "wire", "link", "host", "stub", "memnet", "kernel", "distro", "scenario", "lab", "nft", "libc", "sdjournal", "peer", "mailoracle", "recorded", "hostscript"}

func isSuite(pkg string) bool {
	rest, ok := strings.CutPrefix(pkg, "sim/")
	first, _, _ := strings.Cut(rest, "/")
	return ok && !slices.Contains(notSuites, first)
}

// sameSuite reports whether two packages are rooms of one suite, which may know
// each other; that no two do so mutually the compiler sees to.
func sameSuite(a, b string) bool {
	suite := func(pkg string) string {
		parts := strings.SplitN(pkg, "/", 3)
		return strings.Join(parts[:min(len(parts), 2)], "/")
	}
	return isSuite(a) && suite(a) == suite(b)
}

// covers reports whether a pattern of a rule covers a package.
func covers(pattern, pkg string) bool {
	if pattern == "SUITE" {
		return isSuite(pkg)
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	// Of other modules every package.
	return pkg == pattern || strings.Contains(strings.Split(pattern, "/")[0], ".") && strings.HasPrefix(pkg, pattern+"/")
}

// source is one file of the module.
type source struct {
	pkg  string // folder, from the root
	name string // path, from the root
	test bool
	file *ast.File
	fset *token.FileSet
}

// sources parses the module.
func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, mod := os.Stat(filepath.Join(name, "go.mod"))
			if rel != "." && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || mod == nil) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		list = append(list, source{path.Dir(rel), rel, strings.HasSuffix(rel, "_test.go"), f, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 50 {
		t.Fatalf("found %d files of Go: this test looks in the wrong place", len(list))
	}
	return list
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		i := slices.IndexFunc(rules, func(r rule) bool { return covers(r.pkg, s.pkg) })
		if s.pkg == "sim" {
			continue // this test
		}
		if i < 0 {
			t.Errorf("%s: no rule covers %s: say in this table what it may import, and why", s.name, s.pkg)
			continue
		}
		r := rules[i]
		may := strings.Fields(r.may)
		if s.test {
			may = append(may, strings.Fields(inTests)...)
		}
		for _, imp := range s.file.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			if p == module || strings.HasPrefix(p, module+"/") {
				p = strings.TrimPrefix(p, module+"/")
			} else if !strings.Contains(strings.Split(p, "/")[0], ".") {
				continue // the standard library
			}
			if r.pkg == "sim/..." && sameSuite(p, s.pkg) {
				continue
			}
			if p == s.pkg || slices.ContainsFunc(may, func(m string) bool { return covers(m, p) }) {
				continue
			}
			t.Errorf("%s: %s may not import %s: %s", s.fset.Position(imp.Pos()), s.pkg, p, r.why)
		}
	}
}

// Every rule is of use, or it would permit what nobody decided.
func TestRulesAreUsed(t *testing.T) {
	used := map[string]bool{}
	for _, s := range sources(t) {
		for _, r := range rules {
			if covers(r.pkg, s.pkg) {
				used[r.pkg] = true
				break
			}
		}
	}
	for _, r := range rules {
		if !used[r.pkg] && r.pkg != "content" {
			t.Errorf("the rule of %s covers no package", r.pkg)
		}
		if r.why == "" {
			t.Errorf("the rule of %s has no reason", r.pkg)
		}
	}
	for _, n := range notSuites {
		if _, err := os.Stat(n); err != nil {
			t.Errorf("%s, which is said to be no suite, is not there", n)
		}
	}
}

// position is where a node of a file is, as an editor jumps to it.
func (s source) position(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.name, s.fset.Position(n.Pos()).Line)
}
