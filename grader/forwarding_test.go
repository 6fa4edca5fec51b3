package grader

import (
	"bytes"
	"context"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"enshu/grader/report"
	"enshu/labs"
	"enshu/sim/scenario"
)

// TestForwardingInMemory plays the second solution of tcp-forwarding, and
// mistakes made from it, over the real programs in virtual time.
func TestForwardingInMemory(t *testing.T) {
	const file = "1.09.2/tcp-forwarding.yaml"
	data, err := fs.ReadFile(labs.Files, file)
	if err != nil {
		t.Fatal(err)
	}
	src, err := scenario.Parse(file, data, known)
	if err != nil {
		t.Fatal(err)
	}
	drop := func(spec *scenario.Lab, without string, replace map[string]string) []scenario.Step {
		var out []scenario.Step
		for _, s := range spec.Solution("drop-in").Steps {
			if run, ok := replace[s.ID]; ok {
				s.Run = run
			}
			if s.ID != without {
				out = append(out, s)
			}
		}
		return out
	}
	forward := func(rule string) map[string]string {
		return map[string]string{"forward": "echo '" + rule + "' > /etc/rsyslog.d/10-forward.conf"}
	}
	for _, tt := range []struct {
		name    string
		without string
		replace map[string]string
		idle    bool
		link    string // of the first check that does not pass; "" when all do
	}{
		{name: "solution"},
		{name: "untouched", idle: true, link: "input-commented"},
		{name: "server not restarted", without: "restart-server", link: "rsyslog-not-restarted"},
		{name: "client not restarted", without: "restart-client", link: "rsyslog-not-restarted"},
		{name: "firewall closed", without: "open", link: "firewall-closed"},
		{name: "firewall runtime only", without: "keep", link: "firewall-not-permanent"},
		{name: "udp", replace: forward("user.info @192.168.0.10:514"), link: "sent-over-udp"},
		{name: "selector", replace: forward("mail.info @@192.168.0.10:514"), link: "selector-misses"},
		{name: "severity", replace: forward("user.warning @@192.168.0.10:514"), link: "selector-misses"},
		{name: "address", replace: forward("user.info @@192.168.0.11:514"), link: "wrong-address"},
		{name: "port", replace: forward("user.info @@192.168.0.10:515"), link: "wrong-port"},
		{name: "no rule", without: "forward", link: "forward-missing"},
		{name: "old rule deleted, not restarted", replace: map[string]string{
			"forward":        "echo 'user.info @192.168.0.10:514' > /etc/rsyslog.d/10-forward.conf",
			"restart-client": "systemctl restart rsyslog && rm /etc/rsyslog.d/10-forward.conf"}, link: "rsyslog-not-restarted"},
		{name: "stopped", replace: map[string]string{"restart-client": "systemctl stop rsyslog"}, link: "rsyslog-not-running"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				spec, err := src.Draw(1)
				if err != nil {
					t.Fatal(err)
				}
				l := newMemLab(t, spec)
				time.Sleep(5 * time.Second)
				if !tt.idle {
					l.play(drop(spec, tt.without, tt.replace))
				}
				time.Sleep(time.Second)
				got := Run(context.Background(), l, spec, Options{})
				link := ""
				for _, task := range got.Tasks {
					for _, c := range task.Checks {
						if c.Outcome != report.Pass && link == "" {
							link = c.Link
							if c.Outcome == report.Unknown {
								link = "unknown: " + c.Reason
							}
						}
					}
				}
				if link != tt.link {
					var b bytes.Buffer
					report.WriteText(&b, got, report.Style{Lang: "en", Verbose: true})
					t.Errorf("the link is %q, want %q\n%s", link, tt.link, b.String())
				}
			})
		})
	}
}
