package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The group of a lab is made in the nearest group above that is ours to change.
func TestFindGroup(t *testing.T) {
	mount := t.TempDir()
	group := func(name, shares string) {
		dir := filepath.Join(mount, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"cgroup.subtree_control": shares, "cgroup.procs": ""} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	group("user.slice/user-1000.slice/user@1000.service", "memory pids\n")
	group("user.slice/user-1000.slice/user@1000.service/app.slice", "memory\n")
	group("user.slice/user-1000.slice/user@1000.service/app.slice/run.scope", "")
	group("user.slice/user-1001.slice/session-3.scope", "")
	for own, want := range map[string]string{
		"/user.slice/user-1000.slice/user@1000.service/app.slice/run.scope": "/user.slice/user-1000.slice/user@1000.service",
		"/user.slice/user-1001.slice/session-3.scope":                       "",
		"/": "",
	} {
		parent, why := findGroup(mount, own, controllers)
		if want != "" {
			want = mount + want
		}
		if parent != want || (why == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", own, parent, why, want)
		}
	}
	if parent, _ := findGroup(mount, "/user.slice/user-1000.slice/user@1000.service/app.slice/run.scope", []string{"memory"}); !strings.HasSuffix(parent, "app.slice") {
		t.Errorf("with memory alone: %q", parent)
	}
}
