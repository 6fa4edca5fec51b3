package dnf

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

// table is the distribution of the recording; sizes that no step shows are 1.
type table []Package

func (t table) Packages(*host.Proc) []Package { return t }

func (t table) Install(_ context.Context, p *host.Proc, name string) error {
	return libc.AppendFile(p, "/var/log/packages", []byte("+"+name+"\n"), 0o644)
}

func (t table) Remove(_ context.Context, p *host.Proc, name string) error {
	return libc.AppendFile(p, "/var/log/packages", []byte("-"+name+"\n"), 0o644)
}

const k, m = 1 << 10, 1 << 20

func recorded() table {
	p := func(name, version, release, repo, summary string, size, disk int64, requires ...string) Package {
		return Package{Name: name, Version: version, Release: release, Arch: "x86_64", Repo: repo, Summary: summary, License: "GPLv2+",
			URL: "https://www.example.com/" + name, Size: size, InstalledSize: disk, Requires: requires}
	}
	postfix := p("postfix", "3.5.25", "1.el9", "appstream", "Postfix Mail Transport Agent", 14*m/10, 14*m/10, "bash", "libicu")
	postfix.Epoch, postfix.Before, postfix.After, postfix.BeforeRemove, postfix.AfterRemove = 2, true, true, true, true
	snail := p("s-nail", "14.9.22", "6.el9", "appstream", "Environment for sending and receiving mail", 612*k, 605*k, "bash")
	snail.After, snail.BeforeRemove = true, true
	snail.Files = []string{"/usr/bin/mailx", "/usr/bin/s-nail", "/usr/share/fake/s-nail.bin"}
	telnet := p("telnet", "0.17", "85.el9", "appstream", "The client program for the Telnet remote login protocol", 68*k, 62*k, "bash")
	telnet.Epoch = 1
	release := p("rocky-release", "9.4", "1.7.el9", "baseos", "Rocky Linux release files", 1, 1)
	release.Arch, release.Files, release.Config = "noarch", []string{"/etc/rocky-release"}, []string{"/etc/rocky-release"}
	chrony := p("chrony", "4.5", "1.el9", "baseos", "An NTP client/server", 1, 320007, "bash")
	chrony.Files = []string{"/usr/share/doc/chrony/README", "/usr/share/fake/chrony.bin"}
	t := table{postfix, snail, telnet, release, chrony,
		p("bash", "5.1.8", "9.el9", "baseos", "The GNU Bourne Again shell", 1, 1), p("glibc", "2.34", "100.el9", "baseos", "The GNU libc libraries", 1, 1),
		p("coreutils", "8.32", "35.el9", "baseos", "A set of basic GNU tools commonly used in shell scripts", 1, 1, "bash"),
		p("rsyslog", "8.2310.0", "4.el9", "appstream", "Enhanced system logging and kernel message trapping daemon", 739*k, 732*k, "bash"),
		p("libicu", "67.1", "9.el9", "baseos", "International Components for Unicode - libraries", 25*m/10, 25*m/10),
		p("librelp", "1.10.0", "6.el9", "appstream", "The Reliable Event Logging Protocol library", 67*k, 61*k),
		p("rsyslog-relp", "8.2310.0", "4.el9", "appstream", "RELP protocol support for rsyslog", 39*k, 32*k, "librelp"),
	}
	for i := range t {
		switch t[i].Name {
		case "rocky-release", "bash", "glibc", "coreutils", "rsyslog", "chrony":
			t[i].Preinstalled = true
		}
	}
	return t
}

func newHost(t *testing.T) *memnet.Host { return hostOn(t, memnet.New(t)) }

func hostOn(t *testing.T, n *memnet.Network) *memnet.Host {
	h := n.Host(t, memnet.Config{Name: "pkg1", Programs: map[string]host.Program{
		"/usr/bin/dnf": New(recorded()), "/usr/bin/yum": New(recorded()), "/usr/bin/rpm": Rpm(recorded()),
	}})
	h.Clock.Set(time.Date(2026, 11, 22, 1, 52, 13, 0, time.UTC))
	for id, name := range map[string]string{"appstream": "AppStream", "baseos": "BaseOS", "extras": "Extras"} {
		h.WriteFile("/etc/yum.repos.d/"+id+".repo", "["+id+"]\nname=Rocky Linux $releasever - "+name+"\nbaseurl=http://127.0.0.1:8000/"+id+"/\nenabled=1\n")
	}
	h.WriteFile("/etc/hosts", "")
	h.WriteFile("/etc/rocky-release", "")
	return h
}

type step struct {
	Run, Stdout, Stderr, Stdin string
	User                       string `yaml:"as_user"`
	Pty                        struct{ Rows, Cols int }
	Exit                       int
}

func load(t *testing.T, name string) []step {
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Steps []step }
	if err := yaml.Unmarshal(data, &r); err != nil || len(r.Steps) == 0 {
		t.Fatal(err, len(r.Steps))
	}
	return r.Steps
}

// The recordings' volatile values: speeds, made-up sizes, ages.
var (
	speed = regexp.MustCompile(`(?m)^(.{46}).*/s \|.*$`)
	age   = regexp.MustCompile(`(?m)^Last metadata expiration check: .*\n`)
)

func mask(s string) string {
	s = speed.ReplaceAllString(s, "$1")
	return age.ReplaceAllString(s, "")
}

// Steps are told by what they begin with; a reason for each that is left out.
var differ = map[string]string{
	"dnf repolist -v": "details of repositories are not modelled", "dnf history": "not modelled", "dnf check-update": "there is one version of a package",
	"dnf info rsyslog": "there is one version of a package", "dnf list rsyslog": "there is one version of a package", "dnf -y update": "there is one version of a package",
	"dnf downgrade": "there is one version of a package", "dnf deplist": "the requirement of /bin/sh",
	"dnf list available": "the recording's repositories have more packages", "dnf clean all": "the number of files of the cache",
	"dnf --nosuch": "help tells only what is modelled", "rpm -V": "the shell", "echo x": "the shell", "rpm -ivh": "there are no package files", "rpm -qp": "there are no package files",
	"rpm -qi chrony": "made-up build data", "rpm -e": "Debian's rpm warns of itself",
}

func left(run string) (string, bool) {
	for prefix, why := range differ {
		if strings.HasPrefix(run, prefix) {
			return why, true
		}
	}
	return "the text of usage", run == "dnf install"
}

func TestRecordings(t *testing.T) {
	for _, file := range []string{"dnf_install.yaml", "dnf_queries.yaml"} {
		ran, steps := 0, load(t, file)
		synctest.Test(t, func(t *testing.T) {
			h := newHost(t)
			for _, s := range steps {
				if why, skip := left(s.Run); skip {
					t.Logf("%s: left out: %s", s.Run, why)
					// What later steps rest on.
					switch {
					case strings.HasPrefix(s.Run, "dnf history undo"):
						h.Run("dnf", "-y", "remove", "s-nail")
					case s.Run == "dnf clean all":
						h.Run("dnf", "clean", "all")
					}
					continue
				}
				ran++
				command := strings.TrimSuffix(s.Run, " | sort") // it is sorted already
				r := h.RunCmd(host.Cmd{Args: strings.Fields(strings.ReplaceAll(command, "'", "")), Stdin: strings.NewReader(s.Stdin)})
				if diff := cmp.Diff(strings.Split(mask(s.Stdout), "\n"), strings.Split(mask(r.Stdout), "\n")); diff != "" {
					t.Errorf("%s: stdout (-want +got):\n%s", s.Run, diff)
				}
				if got := mask(r.Stderr); got != mask(s.Stderr) {
					t.Errorf("%s: stderr %q, want %q", s.Run, got, mask(s.Stderr))
				}
				if r.Status.Shell() != s.Exit {
					t.Errorf("%s: exit %v, want %d", s.Run, r.Status, s.Exit)
				}
			}
		})
		t.Logf("%s: %d of %d steps", file, ran, len(steps))
	}
}

// TestErrors plays the recording about what goes wrong, without the steps for
// which a server must be away: nothing is downloaded in a lab.
func TestErrors(t *testing.T) {
	ran, steps := 0, load(t, "dnf_errors.yaml")
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		for _, s := range steps {
			parts := strings.Split(s.Run, "; ")
			for _, part := range parts[:len(parts)-1] {
				w := strings.Fields(part)
				switch {
				case w[0] == "rm" && strings.HasSuffix(w[1], "*"):
					for _, name := range []string{"baseos", "extras"} {
						h.Remove("/etc/yum.repos.d/" + name + ".repo")
					}
				case w[0] == "rm":
					h.Remove(w[1])
				case w[0] == "printf":
					h.WriteFile("/etc/yum.repos.d/x.repo", "[x\nname=x\n")
				}
			}
			command := strings.TrimSuffix(parts[len(parts)-1], " | head -3")
			if strings.Contains(s.Stderr+s.Stdout, "downloading metadata") || strings.Contains(s.Run, "/srv/repo") || strings.Contains(command, "-C ") || command != parts[len(parts)-1] {
				continue
			}
			ran++
			c := host.Cmd{Args: strings.Fields(strings.ReplaceAll(command, " > /etc/yum.repos.d/x.repo", ""))}
			if s.User == "usera" {
				c.Cred = &host.Cred{UID: 1000, GID: 1000}
			}
			r := h.RunCmd(c)
			if d := cmp.Diff([]string{mask(s.Stdout), mask(s.Stderr)}, []string{mask(r.Stdout), mask(r.Stderr)}); d != "" || r.Status.Shell() != s.Exit {
				t.Errorf("%s: exit %d, want %d (-want +got):\n%s", s.Run, r.Status.Shell(), s.Exit, d)
			}
		}
	})
	t.Logf("%d of %d steps", ran, len(steps))
}

// settled is what a terminal shows in the end, without what moved.
func settled(s string) string {
	var out []string
	for _, line := range strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
		if i := strings.LastIndexByte(line, '\r'); i >= 0 {
			line = line[i+1:]
		}
		out = append(out, strings.TrimRight(line, " "))
	}
	return strings.Trim(strings.Join(out, "\n"), "\n")
}

// speeds are the columns of downloads; their order is that of arrival.
var speeds = regexp.MustCompile(`(?m)^(Total|\(\d+/\d+\): \S+|\S+\.rpm|Rocky Linux 9 - \w+) .*/s \|.*$`)

// TestTerminal plays the recording at a terminal: the widths and the colours.
func TestTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := hostOn(t, n)
		shown := func(s string) string {
			s = age.ReplaceAllString(settled(s), "")
			s = speeds.ReplaceAllString(s, "")
			return strings.Trim(strings.ReplaceAll(s, "\n\n\n", "\n\n"), "\n")
		}
		for _, s := range load(t, "dnf_install_tty.yaml") {
			term := n.Terminal("/dev/pts/0")
			term.Resize(s.Pty.Rows, s.Pty.Cols)
			if i := strings.Index(s.Stdout, "[y/N]: "); i >= 0 {
				term.TypeAfter("[y/N]: ", s.Stdout[i+7:i+8]+"\n")
			}
			r := h.RunCmd(host.Cmd{Args: strings.Fields(s.Run), Stdin: term, Stdout: term, Stderr: term})
			if d := cmp.Diff(strings.Split(shown(s.Stdout), "\n"), strings.Split(shown(term.Screen()), "\n")); d != "" || r.Status.Shell() != s.Exit {
				t.Errorf("%s: exit %d, want %d (-want +got):\n%s", s.Run, r.Status.Shell(), s.Exit, d)
			}
		}
	})
}

// TestHistory installs, asks what was done, and undoes it.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.Run("dnf", "-y", "install", "s-nail")
		if got := h.Run("dnf", "history").Stdout; !strings.Contains(got, "     1 | -y install s-nail        | 2026-11-22 01:52 | Install        |    1   \n") {
			t.Errorf("history: %q", got)
		}
		if got := h.Run("dnf", "history", "info").Stdout; !strings.Contains(got, "    Install s-nail-14.9.22-6.el9.x86_64 @appstream\n") {
			t.Errorf("history info: %q", got)
		}
		h.Run("dnf", "history", "undo", "-y", "last")
		if r := h.Run("rpm", "-q", "s-nail"); r.Stdout != "package s-nail is not installed\n" {
			t.Errorf("after undo: %+v", r)
		}
		if got := h.Run("dnf", "history", "info", "9").Stderr; got != "Error: Transaction ID \"9\" not found.\n" {
			t.Errorf("an unknown transaction: %q", got)
		}
	})
}

func TestStateOutlivesTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.Run("dnf", "-y", "-q", "install", "postfix")
		h.Run("dnf", "-y", "remove", "postfix")
		if got := h.ReadFile("/var/log/packages"); got != "+libicu\n+postfix\n-postfix\n-libicu\n" {
			t.Errorf("%q", got)
		}
		h.Run("dnf", "-y", "install", "telnet")
		state := parseState(h.ReadFile(StateFile))
		if n := len(state); n != 7 || state[n-1].name != "telnet" || state[n-1].repo != "appstream" || formatState(state) != h.ReadFile(StateFile) {
			t.Errorf("%+v", state)
		}
		time.Sleep(90 * time.Second)
		if r := h.Run("dnf", "install", "-y", "telnet"); !strings.HasPrefix(r.Stdout, "Last metadata expiration check: 0:01:30 ago on Sun Nov 22 01:52:13 2026.\nPackage telnet-1:0.17-85.el9.x86_64 is already installed.\n") {
			t.Errorf("%q", r.Stdout)
		}
		if r := h.RunCmd(host.Cmd{Args: []string{"dnf", "remove", "-y", "telnet"}, Cred: &host.Cred{UID: 1000, GID: 1000}}); r.Stderr != "Error: This command has to be run with superuser privileges (under the root user on most systems).\n" || r.Status.Code != 1 {
			t.Errorf("%+v", r)
		}
		h.Remove("/etc/yum.repos.d/appstream.repo")
		if r := h.Run("dnf", "install", "-y", "s-nail"); r.Stderr != "Error: Unable to find a match: s-nail\n" {
			t.Errorf("%+v", r)
		}
	})
}

func FuzzFiles(f *testing.F) {
	f.Add("[a]\nname=b\nenabled=0\n", "bash @System user 1\n")
	f.Fuzz(func(t *testing.T, repos, state string) {
		parseRepos(repos)
		parseHistory(state)
		all := parseState(state)
		if again := parseState(formatState(all)); len(again) != len(all) {
			t.Errorf("%d entries, then %d", len(all), len(again))
		}
	})
}
