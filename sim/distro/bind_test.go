package distro_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"

	"enshu/sim/distro"
	"enshu/sim/memnet"
)

// named starts with the files of its package.
func TestBindStarts(t *testing.T) {
	p, ok := distro.New().Find("bind")
	if !ok {
		t.Fatal("no package bind")
	}
	tree, err := p.Tree()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		h := memnet.New(t).Host(t, memnet.Config{Name: "ns", Programs: p.Programs})
		err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := fs.ReadFile(tree, name)
			h.WriteFile("/"+name, string(data))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if r := h.Run("named-checkconf", "-z"); !r.Status.Success() || strings.Count(r.Stdout, ": loaded serial 0\n") != 5 {
			t.Errorf("named-checkconf: %d\n%s", r.Status.Code, r.Stdout)
		}
		d := h.Start("named", "-g")
		if log := d.Stderr.String(); strings.Contains(log, "failed") || !strings.Contains(log, "listening on IPv6 interfaces, ::1#53") {
			t.Errorf("log:\n%s", log)
		}
	})
}
