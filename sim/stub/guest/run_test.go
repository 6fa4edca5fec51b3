package guest

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// needless are the functions outside of this package that a stub may call: they
// need no runtime. The rest of what the compiler puts in is never reached: stacks
// do not grow, no collector is on, and a panic ends a stub one way or the other.
var needless = []string{
	"syscall.RawSyscall", "syscall.RawSyscall6", "runtime.memequal", "runtime.memmove",
	"runtime.morestack_noctxt", "runtime.gcWriteBarrier",
	"runtime.panicBounds", "runtime.panicunsafeslicelen", "runtime.panicunsafeslicenilptr",
}

// TestNoRuntime reads in the machine code what a stub calls.
func TestNoRuntime(t *testing.T) {
	object := filepath.Join(t.TempDir(), "guest.a")
	if out, err := exec.Command("go", "build", "-o", object, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	code, err := exec.Command("go", "tool", "objdump", object).Output()
	if err != nil {
		t.Fatalf("go tool objdump: %v", err)
	}
	const own = "enshu/sim/stub/guest."
	calls := map[string][]string{}
	var in string
	called := regexp.MustCompile(`R_CALL[A-Z0-9]*:([^\s<]*)`)
	for line := range strings.Lines(string(code)) {
		if name, ok := strings.CutPrefix(line, "TEXT "); ok {
			in, _, _ = strings.Cut(name, "(SB)")
		} else if m := called.FindStringSubmatch(line); m != nil {
			calls[in] = append(calls[in], m[1])
		}
	}
	seen := map[string]bool{}
	var follow func(name string)
	follow = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for _, c := range calls[name] {
			if strings.HasPrefix(c, own) {
				follow(c)
			} else if !slices.Contains(needless, strings.TrimRight(c, "12345678")) && !slices.Contains(needless, c) {
				t.Errorf("%s calls %q, which may need the Go runtime", name, c)
			}
		}
	}
	follow(own + "run")
	if !seen[own+"(*desk).takeFiles"] {
		t.Errorf("the way from run was lost: it was seen to call %v", slices.Sorted(maps.Keys(seen)))
	}
}

// TestMakeStub: a stub outside of a host says so, and nothing of Go's runs in it.
func TestMakeStub(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "logger")
	if err := os.WriteFile(name, self, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := MakeStub(f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	c := exec.Command(name, "hello")
	c.Env = []string{"GODEBUG=inittrace=1"}
	var said bytes.Buffer
	c.Stderr = &said
	err = c.Run()
	if want := name + ": the lab does not answer\n"; said.String() != want || c.ProcessState.ExitCode() != 126 {
		t.Errorf("%v, said %q, want %q", err, &said, want)
	}
}
