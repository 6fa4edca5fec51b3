package sim_test

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"enshu/sim/trace"
)

// forbidden are the names of the standard library that reach past a Proc, and
// what to use instead. "*" is everything of a package.
var forbidden = []struct {
	pkg, names string
	instead    string
}{
	{"time", "Now Since Until", "p.Now or p.Clock.Monotonic: the host's clock is not the machine's"},
	{"time", "Sleep After AfterFunc Tick NewTimer NewTicker", "p.Sleep or p.Clock.AfterFunc, which can be warped"},
	{"context", "WithTimeout WithDeadline WithTimeoutCause WithDeadlineCause", "p.Clock.Timeout, which can be warped"},
	{"os", "Open OpenFile Create CreateTemp MkdirTemp ReadFile WriteFile ReadDir Stat Lstat Readlink Mkdir MkdirAll Remove RemoveAll Rename Link Symlink Chmod Chown Lchown Chtimes Truncate DirFS OpenRoot CopyFS",
		"p.Sys or libc: the files are the host's"},
	{"os", "Stdin Stdout Stderr Args", "p.Stdin, p.Stdout, p.Stderr, p.Args"},
	{"os", "Getenv Setenv Unsetenv LookupEnv Environ ExpandEnv Getwd Chdir Hostname Getpid Getppid Getuid Geteuid Getgid Getegid Getgroups UserHomeDir TempDir", "the fields of the Proc, p.Getenv, libc"},
	{"os", "Exit", "return the exit status"},
	{"os", "StartProcess FindProcess", "p.Start, p.Exec, p.Sys.Kill"},
	{"os/exec", "*", "p.Start, p.Exec"},
	{"os/signal", "*", "p.Catch, p.WaitSignal"},
	{"os/user", "*", "libc.UserByName and its kin: the accounts are the host's"},
	{"net", "Dial DialTimeout DialTCP DialUDP DialUnix DialIP Listen ListenPacket ListenTCP ListenUDP ListenUnix ListenUnixgram ListenIP ListenMulticastUDP Dialer ListenConfig Resolver DefaultResolver Pipe FileConn FileListener FilePacketConn Interfaces InterfaceAddrs InterfaceByName",
		"p.Sys.Dial, p.Sys.Listen, p.Sys.ListenPacket"},
	{"net", "LookupHost LookupIP LookupAddr LookupMX LookupNS LookupTXT LookupCNAME LookupPort LookupSRV ResolveIPAddr ResolveTCPAddr ResolveUDPAddr", "libc.LookupHost and its kin"},
	{"log", "*", "libc.Syslog or p.Stderr, as the real program does"},
	{"log/slog", "*", "libc.Syslog or p.Stderr, as the real program does"},
	{"math/rand", "*", "p.Rand, which is drawn from the lab's seed"},
	{"math/rand/v2", "Int IntN Int32 Int32N Int64 Int64N Uint32 Uint32N Uint64 Uint64N UintN N Float32 Float64 NormFloat64 ExpFloat64 Perm Shuffle", "p.Rand, which is drawn from the lab's seed"},
	{"crypto/rand", "*", "p.Rand, which is drawn from the lab's seed"},
	{"syscall", "Open Socket Connect Bind Kill Exec ForkExec StartProcess Stat Lstat Unlink Rename Mkdir Chmod Chown Umask Getpid Getuid Gettimeofday Settimeofday", "p.Sys"},
	{"sync", "Cond", "clock.Queue: a goroutine that blocks must give back its wake token"},
	{"testing", "*", "nothing: this is no test"},
}

// programRules tells whether the rules for Programs hold for a package: the
// suites, what they are made of, and the pure packages.
func programRules(pkg string) bool {
	for _, p := range []string{"sim/libc", "sim/sdjournal", "sim/wire/...", "sim/nft"} {
		if covers(p, pkg) {
			return true
		}
	}
	return isSuite(pkg) && strings.HasPrefix(pkg, "sim/")
}

// TestProgramRules holds every suite to the rules of package host: a Program
// touches the world through its Proc and blocks in its calls only.
func TestProgramRules(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !programRules(s.pkg) {
			continue
		}
		imported := map[string]string{} // name in this file to path
		for _, imp := range s.file.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			name := path.Base(p)
			if name == "v2" {
				name = path.Base(path.Dir(p))
			}
			if imp.Name != nil {
				name = imp.Name.Name
			}
			if name == "." {
				t.Errorf("%s: a dot import hides what is used", s.position(imp))
			}
			imported[name] = p
			for _, f := range forbidden {
				if f.pkg == p && f.names == "*" {
					t.Errorf("%s: a Program does not use %s: use %s", s.position(imp), p, f.instead)
				}
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a Program starts threads with p.Go, which keeps count of them", s.position(n))
			case *ast.SelectStmt:
				t.Errorf("%s: a Program waits for one thing at a time: no select (clock.Queue)", s.position(n))
			case *ast.SendStmt, *ast.ChanType:
				t.Errorf("%s: a Program has no channels: use clock.Queue, whose wake tokens let time be warped", s.position(n))
			case *ast.UnaryExpr:
				if n.Op == token.ARROW {
					t.Errorf("%s: a Program does not receive from channels: ctx ends the call that blocks", s.position(n))
				}
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok {
					break
				}
				for _, f := range forbidden {
					if f.pkg == imported[x.Name] && slices.Contains(strings.Fields(f.names), n.Sel.Name) {
						t.Errorf("%s: a Program does not use %s.%s: use %s", s.position(n), x.Name, n.Sel.Name, f.instead)
					}
				}
			}
			return true
		})
		if isSuite(s.pkg) {
			checkState(t, s)
		}
	}
}

// checkState refuses package-level variables that are no tables: two hosts run
// the same Program at once. A table is a composite literal or a call with
// constants, and is never assigned to.
func checkState(t *testing.T, s source) {
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == "init" && d.Recv == nil {
				t.Errorf("%s: no init functions: sim/distro has the one table of what there is", s.position(d))
			}
		case *ast.GenDecl:
			if d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				embedded := d.Doc != nil && strings.HasPrefix(d.Doc.List[len(d.Doc.List)-1].Text, "//go:embed ")
				if v := spec.(*ast.ValueSpec); len(v.Values) == 0 && !embedded {
					t.Errorf("%s: %s is state of the package, which every host would share: put it into the Program", s.position(v), v.Names[0].Name)
				}
			}
		}
	}
}

// TestTraceKinds holds what is emitted to the closed list of kinds and their
// attributes.
func TestTraceKinds(t *testing.T) {
	all := sources(t)
	consts := map[string]trace.Kind{} // name of the constant to kind
	for _, s := range all {
		if s.name != "sim/trace/kinds.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				return true
			}
			if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				consts[v.Names[0].Name] = trace.Kind(text)
			}
			return true
		})
	}
	listed := map[trace.Kind]bool{}
	for name, kind := range consts {
		if _, ok := trace.Kinds[kind]; !ok {
			t.Errorf("trace.%s is not in trace.Kinds", name)
		}
		listed[kind] = true
	}
	for kind := range trace.Kinds {
		if !listed[kind] {
			t.Errorf("trace.Kinds has %q, which is no constant", kind)
		}
	}
	for _, s := range all {
		if s.test || s.pkg == "sim/trace" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if name, ok := ofTrace(call.Fun); ok && name == "Kind" {
				t.Errorf("%s: a kind is one of the constants of package trace", s.position(call))
			}
			for i, arg := range call.Args[:max(len(call.Args)-1, 0)] {
				name, ok := ofTrace(arg)
				kind, isKind := consts[name]
				if !ok || !isKind {
					continue
				}
				lit, ok := call.Args[i+1].(*ast.CompositeLit)
				if !ok {
					continue
				}
				for _, e := range lit.Elts {
					kv, ok := e.(*ast.KeyValueExpr)
					if !ok {
						continue
					}
					if key, ok := kv.Key.(*ast.BasicLit); ok {
						if attr, _ := strconv.Unquote(key.Value); !slices.Contains(trace.Kinds[kind], attr) {
							t.Errorf("%s: %s has no attribute %q: trace.Kinds names them all", s.position(key), kind, attr)
						}
					}
				}
			}
			return true
		})
	}
}

// ofTrace returns the name of trace.Name.
func ofTrace(e ast.Expr) (string, bool) {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	x, ok := sel.X.(*ast.Ident)
	return sel.Sel.Name, ok && x.Name == "trace"
}
