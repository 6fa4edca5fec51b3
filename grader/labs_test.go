package grader

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"enshu/labs"
	"enshu/sim/scenario"
)

// known is what labs of the catalogue may name. The command line takes it from
// sim/distro; a test there compares the two.
var known = scenario.Known{
	Packages: []string{"postfix", "s-nail", "httpd", "bind", "bind-utils", "telnet", "rsyslog", "chrony", "firewalld", "logrotate"},
	Programs: []string{"rsyslogd", "chronyd", "master", "smtpd", "httpd", "named", "sshd"},
	Units:    []string{"rsyslog", "chronyd", "firewalld", "postfix", "httpd", "named", "sshd", "crond", "systemd-journald"},
	Users:    []string{"root", "linuc"},
	Kinds:    Kinds(),
}

// catalogue returns every lab of the catalogue by its file.
func catalogue(t *testing.T) map[string]*scenario.Source {
	t.Helper()
	all := map[string]*scenario.Source{}
	err := fs.WalkDir(labs.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(labs.Files, name)
		if err != nil {
			return err
		}
		s, err := scenario.Parse("labs/"+name, data, known)
		if err != nil {
			t.Error(err)
			return nil
		}
		all[name] = s
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCatalogue holds the labs to what the catalogue promises.
func TestCatalogue(t *testing.T) {
	for name, s := range catalogue(t) {
		t.Run(name, func(t *testing.T) {
			lab, err := s.Draw(1)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.TrimSuffix(path.Base(name), ".yaml"); lab.ID != want {
				t.Errorf("the file %s has lab %s", name, lab.ID)
			}
			if dir := path.Dir(name); lab.Objectives[0] != dir {
				t.Errorf("the folder is %s, the first objective %s", dir, lab.Objectives[0])
			}
			if len(lab.Solutions) == 0 || len(lab.Mistakes) < 4 {
				t.Errorf("%d solutions and %d mistakes", len(lab.Solutions), len(lab.Mistakes))
			}
			points := 0
			for _, task := range lab.Tasks {
				points += task.Points
				if len(task.Hints) == 0 {
					t.Errorf("task %s has no hint", task.ID)
				}
			}
			if points != 100 {
				t.Errorf("%d points, not 100", points)
			}
		})
	}
}
