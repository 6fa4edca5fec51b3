package chrony_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// dynamics is what several runs of the real chronyd and chronyc, on simulated
// clocks and a simulated network of other noise each, made of one case.
type dynamics struct {
	simCase `yaml:",inline"`
	Oracle  string // the case, when it is one of the oracle's
	Real    struct {
		Runs  int
		Steps []struct {
			Step  int // index in the case's commands
			Exits []int
			Lines []seenLine
		}
		Logs    map[string][]string // of each host: the messages of each run
		Offsets map[string][][3]float64
	}
}

// seenLine is a line that real runs printed: with # for numbers, and the least
// and the most of each of them in the seconds or whatever unit they have.
type seenLine struct {
	Text        string
	Least, Most []float64
}

// seeds are those of our runs: what is not as in any run of the real program
// must be so in all of ours to count.
const seeds = 3

// TestDynamics plays cases with several seeds and compares them with several runs
// of the real programs: the words must be those of one of them, the numbers lie
// where theirs lie. What chance decides, such as which of sources that are as good
// is selected, is so known from the real runs themselves.
func TestDynamics(t *testing.T) {
	files, err := filepath.Glob("testdata/recorded/dynamics/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no recorded dynamics", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".yaml"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var d dynamics
			if err := yaml.Unmarshal(data, &d); err != nil {
				t.Fatal(err)
			}
			if d.Oracle != "" {
				d.simCase = *readSim(t, filepath.Join("testdata/oracle", d.Oracle))
			}
			var runs [seeds]*simRun
			for i := range runs {
				runs[i] = d.play(t, uint64(i+1))
			}
			d.checkSteps(t, runs[:])
			d.checkMessages(t, runs[:])
			d.checkClocks(t, runs[:])
		})
	}
}

// always returns the first of the differences when each run has one, or "".
func always(runs []*simRun, differs func(*simRun) string) string {
	first := ""
	for _, r := range runs {
		diff := differs(r)
		if diff == "" {
			return ""
		}
		if first == "" {
			first = diff
		}
	}
	return first
}

func (d *dynamics) checkSteps(t *testing.T, runs []*simRun) {
	for _, st := range d.Real.Steps {
		e := d.Expected[st.Step]
		where := fmt.Sprintf("at %v s on %s: %s", e.At, e.Host, e.Run)
		for _, r := range runs {
			if got := r.steps[st.Step]; !slices.Contains(st.Exits, got.Exit) {
				t.Errorf("%s: exit status %d, the real one %v: %s", where, got.Exit, st.Exits, got.Stderr)
			}
		}
		longest := 0
		for _, r := range runs {
			longest = max(longest, strings.Count(r.steps[st.Step].Stdout, "\n"))
		}
		for n := range longest {
			if diff := always(runs, func(r *simRun) string {
				lines := strings.Split(r.steps[st.Step].Stdout, "\n")
				if n >= len(lines) || lines[n] == "" {
					return ""
				}
				return seenIn(st.Lines, lines[n])
			}); diff != "" {
				t.Errorf("%s: line %d: %s", where, n+1, diff)
			}
		}
	}
}

// seenIn returns how a line differs from all that real runs printed.
func seenIn(lines []seenLine, line string) string {
	text, numbers := numbersOf(line)
	if text == "" {
		return ""
	}
	var b strings.Builder
	for _, l := range lines {
		if l.Text != text {
			continue
		}
		for i, v := range numbers {
			if lo, hi := l.Least[i], l.Most[i]; !near(v, (lo+hi)/2, allowance(lo, hi)) {
				return fmt.Sprintf("%s: %v is not within %v and %v", line, v, lo, hi)
			}
		}
		return ""
	}
	for _, l := range lines {
		fmt.Fprintf(&b, "\n  %s", l.Text)
	}
	return fmt.Sprintf("not of a real run: %s\nas %s; those are%s", line, text, &b)
}

// allowance is how far from the middle of the real runs' values ours may be: a
// few runs do not show all that chance can do. Whole numbers may be one off.
func allowance(lo, hi float64) float64 {
	a := 2.5*(hi-lo) + 0.5*max(math.Abs(lo), math.Abs(hi))
	if max(math.Abs(lo), math.Abs(hi)) >= 0.5 || lo == 0 && hi == 0 {
		return a + 1.01
	}
	return a + 1e-8
}

var (
	dotted   = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`)
	nodeName = regexp.MustCompile(`node(\d)`)
	aNumber  = regexp.MustCompile(`[+-]?\d+(?:\.\d+)?(?:ns|us|ms|[smhdy]\b)?`)
	around   = regexp.MustCompile(`[ \[\]]*#[ \[\]]*`)
	units    = map[string]float64{"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365.25 * 86400}
)

// numbersOf takes the numbers out of a line. Those that are part of a word or an
// address stay, and so do the times of day, which go with the line.
func numbersOf(line string) (text string, numbers []float64) {
	switch {
	case strings.Contains(line, "timestamping"):
		return "", nil // the simulated network has no time stamps of a kernel
	case strings.Contains(line, "UTC"):
		line = regexp.MustCompile(`Ref time.*`).ReplaceAllString(line, "")
	case strings.Contains(line, "System time"):
		line = regexp.MustCompile(`slow|fast`).ReplaceAllString(line, "X")
	}
	line = strings.NewReplacer("Kernel,Kernel", "D", "Daemon,Daemon", "D").Replace(line)
	line = dotted.ReplaceAllStringFunc(line, func(a string) string { return strings.ReplaceAll(a, ".", "_") })
	line = nodeName.ReplaceAllString(line, "nodeX${1}_")
	var b strings.Builder
	end := 0
	for _, m := range aNumber.FindAllStringIndex(line, -1) {
		if m[0] > 0 && word(line[m[0]-1]) || m[1] < len(line) && word(line[m[1]]) {
			continue
		}
		digits := strings.TrimRight(line[m[0]:m[1]], "nusmhdy")
		v, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			continue
		}
		if unit := line[m[0]+len(digits) : m[1]]; unit != "" {
			v *= units[unit]
		}
		numbers = append(numbers, v)
		b.WriteString(line[end:m[0]] + "#")
		end = m[1]
	}
	return around.ReplaceAllString(b.String()+line[end:], " # "), numbers
}

func word(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// checkMessages compares what the daemons logged: all of it, as one of the real
// runs.
func (d *dynamics) checkMessages(t *testing.T, runs []*simRun) {
	for name, logs := range d.Real.Logs {
		if diff := always(runs, func(r *simRun) string {
			texts, _ := messages(r.log[name])
			if got := strings.Join(texts, "\n"); !slices.Contains(logs, got) {
				return got
			}
			return ""
		}); diff != "" {
			t.Errorf("%s logged\n%s\nand the real ones\n%s", name, diff, strings.Join(logs, "\nor\n"))
		}
	}
}

// checkClocks compares the true offsets of the clocks.
func (d *dynamics) checkClocks(t *testing.T, runs []*simRun) {
	for name, list := range d.Real.Offsets {
		for _, o := range list {
			lo, hi := o[1], o[2]
			within := 2.5*(hi-lo) + 0.2*max(math.Abs(lo), math.Abs(hi)) + 3e-5
			if diff := always(runs, func(r *simRun) string {
				if v := r.offset[name][o[0]]; !near(v, (lo+hi)/2, within) {
					return fmt.Sprint(v)
				}
				return ""
			}); diff != "" {
				t.Errorf("%s is off by %s s at %v s, the real ones by %v to %v", name, diff, o[0], lo, hi)
			}
		}
	}
}
