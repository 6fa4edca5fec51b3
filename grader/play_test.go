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

// TestLabsInMemory plays solutions of the catalogue, and the mistakes made from
// them, over the real programs in virtual time. The rest of the catalogue needs
// tools of the machine and is run live, by enshu test.
func TestLabsInMemory(t *testing.T) {
	for _, tt := range []struct{ file, solution string }{
		{"1.09.2/udp-and-tcp-forwarding.yaml", "drop-in"},
		{"1.09.2/selectors.yaml", "stop"},
		{"1.09.2/lost-messages.yaml", "reference"},
	} {
		data, err := fs.ReadFile(labs.Files, tt.file)
		if err != nil {
			t.Fatal(err)
		}
		src, err := scenario.Parse(tt.file, data, known)
		if err != nil {
			t.Fatal(err)
		}
		spec, err := src.Draw(1)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(spec.ID, func(t *testing.T) {
			t.Run("solution", func(t *testing.T) { playLab(t, spec, spec.Solution(tt.solution).Steps, nil) })
			for i := range spec.Mistakes {
				if m := &spec.Mistakes[i]; m.From == tt.solution {
					t.Run(m.Name, func(t *testing.T) { playLab(t, spec, spec.StepsOf(m), m.Fails) })
				}
			}
		})
	}
}

// playLab plays steps and compares the diagnosis of each task that must fail;
// with none, all must pass.
func playLab(t *testing.T, spec *scenario.Lab, steps []scenario.Step, fails []scenario.Failure) {
	synctest.Test(t, func(t *testing.T) {
		l := newMemLab(t, spec)
		time.Sleep(5 * time.Second)
		var setup []scenario.Step
		for i := range spec.Hosts {
			if h := &spec.Hosts[i]; h.Setup != "" {
				setup = append(setup, scenario.Step{Host: scenario.HostName(h.Name), Run: h.Setup})
			}
		}
		l.play(setup)
		l.play(steps)
		time.Sleep(time.Second)
		got := Run(context.Background(), l, spec, Options{})
		links := map[string]string{}
		for _, task := range got.Tasks {
			for _, c := range task.Checks {
				if c.Outcome != report.Pass && links[task.ID] == "" {
					links[task.ID] = c.Link + c.Reason
				}
			}
		}
		var b bytes.Buffer
		report.WriteText(&b, got, report.Style{Lang: "en", Verbose: true})
		if len(fails) == 0 && got.Outcome() != report.Pass {
			t.Errorf("the solution does not pass\n%s", b.String())
		}
		for _, f := range fails {
			if links[string(f.Task)] != f.Link {
				t.Errorf("task %s: the diagnosis is %q, the lab says %q\n%s", f.Task, links[string(f.Task)], f.Link, b.String())
			}
		}
	})
}
