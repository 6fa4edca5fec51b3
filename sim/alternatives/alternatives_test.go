package alternatives

import (
	"strings"
	"testing"
	"testing/synctest"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

const postfixState = `auto
/usr/sbin/sendmail
mta-mailq
/usr/bin/mailq

/usr/sbin/sendmail.postfix
60 postfix
/usr/bin/mailq.postfix
`

func newHost(t *testing.T) *memnet.Host {
	h := memnet.New(t).Host(t, memnet.Config{Name: "a", Programs: map[string]host.Program{"/usr/sbin/alternatives": Alternatives}})
	h.MkdirAll("/var/lib/alternatives", 0o755)
	h.WriteFile("/var/lib/alternatives/mta", postfixState)
	h.MkdirAll("/etc/alternatives", 0o755)
	h.MkdirAll("/usr/bin", 0o755)
	h.Symlink("/usr/sbin/sendmail.postfix", "/etc/alternatives/mta")
	return h
}

func TestDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := newHost(t).Run("alternatives", "--display", "mta")
		want := "mta - status is auto.\n link currently points to /usr/sbin/sendmail.postfix\n/usr/sbin/sendmail.postfix - priority 60\n" +
			" slave mta-mailq: /usr/bin/mailq.postfix\nCurrent `best' version is /usr/sbin/sendmail.postfix.\n"
		if got.Stdout != want {
			t.Errorf("got %q, want %q", got.Stdout, want)
		}
	})
}

func TestChoice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		leads := func(want string) {
			t.Helper()
			if got, _ := h.Sys().Readlink("/etc/alternatives/mta"); got != want {
				t.Errorf("mta leads to %q, want %q", got, want)
			}
		}
		run := func(status int, args ...string) memnet.Result {
			t.Helper()
			r := h.Run(append([]string{"alternatives"}, args...)...)
			if r.Status.Shell() != status {
				t.Fatalf("%q: exit %d, want %d\n%s", args, r.Status.Shell(), status, r.Stderr)
			}
			return r
		}
		run(0, "--install", "/usr/sbin/sendmail", "mta", "/usr/sbin/sendmail.exim", "10", "--slave", "/usr/bin/rmail", "mta-rmail", "/usr/bin/rmail.exim")
		leads("/usr/sbin/sendmail.postfix")
		run(2, "--set", "mta", "/nowhere")
		run(0, "--set", "mta", "/usr/sbin/sendmail.exim")
		leads("/usr/sbin/sendmail.exim")
		if got, _ := h.Sys().Readlink("/usr/bin/rmail"); got != "/etc/alternatives/mta-rmail" {
			t.Errorf("rmail leads to %q", got)
		}
		if !strings.HasPrefix(h.ReadFile("/var/lib/alternatives/mta"), "manual\n") {
			t.Error("a choice made by hand is not kept as such")
		}
		r := h.RunCmd(host.Cmd{Args: []string{"alternatives", "--config", "mta"}, Stdin: strings.NewReader("7\n")})
		if strings.Count(r.Stdout, "There are 2 programs which provide 'mta'.") != 2 {
			t.Errorf("a wrong number is not asked again:\n%s", r.Stdout)
		}
		leads("/usr/sbin/sendmail.exim")
		run(0, "--auto", "mta")
		leads("/usr/sbin/sendmail.postfix")
		run(0, "--remove", "mta", "/usr/sbin/sendmail.postfix")
		leads("/usr/sbin/sendmail.exim")
		run(0, "--remove", "mta", "/usr/sbin/sendmail.exim")
		run(2, "--display", "mta")
	})
}

func FuzzState(f *testing.F) {
	f.Add(postfixState)
	f.Add("manual\n/a\n\n/b\n1\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse("mta", text)
		if err != nil {
			return
		}
		s.best()
		if again, err := parse("mta", s.String()); err != nil || again.String() != s.String() {
			t.Errorf("%q does not read back: %v", s.String(), err)
		}
	})
}
