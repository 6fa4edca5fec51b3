package lab

import (
	"strings"
	"testing"
	"testing/synctest"

	"enshu/sim/distro"
	"enshu/sim/host"
	"enshu/sim/kernel"
	"enshu/sim/memnet"
)

func TestPackagesOnARunningHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRepo(distro.New())
		programs := map[string]host.Program{}
		for _, p := range r.tools() {
			for name, program := range p.Programs {
				programs[name] = program
			}
			if err := r.distro.Add(p); err != nil {
				t.Fatal(err)
			}
		}
		r.fresh["server"] = []string{"rpm", "dnf"}
		h := memnet.New(t).Host(t, memnet.Config{Name: "server", Programs: programs})
		for _, id := range []string{"baseos", "appstream"} {
			h.WriteFile("/etc/yum.repos.d/"+id+".repo", "["+id+"]\nname="+id+"\n")
		}
		h.WriteFile("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
		h.WriteFile("/etc/group", "root:x:0:\npostfix:x:89:\n")
		h.WriteFile("/etc/shadow", "root:*:19700:0:99999:7:::\n")
		h.WriteFile("/etc/postfix/main.cf", "mine = yes\n")
		run := func(args ...string) string {
			t.Helper()
			got := h.Run(args...)
			if !got.Status.Success() {
				t.Fatalf("%v: %+v", args, got)
			}
			return got.Stdout
		}
		run("dnf", "install", "-y", "postfix")
		if got := run("rpm", "-qa"); !strings.Contains(got, "postfix-3.5") || !strings.Contains(got, "dnf-") || strings.Contains(got, "httpd") {
			t.Errorf("installed: %s", got)
		}
		for _, f := range []struct{ name, has string }{
			{"/etc/passwd", "\npostfix:x:89:89:"}, {"/etc/group", "\npostdrop:x:90:"}, {"/etc/shadow", "\npostfix:!!:"},
			{"/etc/postfix/main.cf", "mine = yes"}, {"/etc/postfix/main.cf.rpmnew", "queue_directory"}, {"/" + unitDir + "/postfix.service", "[Service]"},
		} {
			if got := h.ReadFile(f.name); strings.Count(got, f.has) != 1 {
				t.Errorf("%s has no %q, or more than one:\n%s", f.name, f.has, got)
			}
		}
		if got := h.ReadFile("/etc/group"); strings.Count(got, "postfix:x:89:") != 1 {
			t.Errorf("a group that is there is added again: %s", got)
		}
		if got := run("rpm", "-qf", "/usr/sbin/postfix"); !strings.HasPrefix(got, "postfix-") {
			t.Errorf("owner: %q", got)
		}
		if target, err := h.Sys().Readlink("/usr/sbin/postfix"); err != nil || target != kernel.ProgramsDir+"/usr/sbin/postfix" {
			t.Errorf("program: %q %v", target, err)
		}
		run("dnf", "remove", "-y", "postfix")
		if got := h.ReadFile("/etc/postfix/main.cf.rpmsave"); got != "mine = yes\n" {
			t.Errorf("the changed file became %q", got)
		}
		if _, err := h.Sys().Lstat("/usr/sbin/postfix"); err == nil {
			t.Error("the program stays after the removal")
		}
	})
}
