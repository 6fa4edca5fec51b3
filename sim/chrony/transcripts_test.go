package chrony_test

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// check compares the text of a step.
func (st *simStep) check(stdout, stderr string, exit int) string {
	want := st.Stdout
	switch {
	case exit != st.Exit:
		return fmt.Sprintf("exit status %d, want %d\n%s%s", exit, st.Exit, stdout, stderr)
	case st.Match != "":
		re, err := regexp.Compile(st.Match)
		if err != nil {
			return err.Error()
		}
		if !re.MatchString(stdout) {
			return difference(stdout, want)
		}
	case loose(stdout) != loose(want):
		return difference(loose(stdout), loose(want))
	}
	if stderr != st.Stderr {
		return fmt.Sprintf("errors %q, want %q", stderr, st.Stderr)
	}
	return ""
}

var measured = regexp.MustCompile(`[+-]?\b\d+(?:\.\d+)?(?:ns|us|ms|[smhdy]\b)|\b\d+\.\d+\b|packets received +: \d+`)

// loose takes out of a text what was measured, where the recording does not
// say what else it may be. Addresses stay.
func loose(s string) string {
	s = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`).ReplaceAllStringFunc(s, func(a string) string { return strings.ReplaceAll(a, ".", "_") })
	s = strings.ReplaceAll(s, "192_168_123_250", "192_168_123_8  ")
	s = measured.ReplaceAllString(s, "#")
	return regexp.MustCompile(` *# *`).ReplaceAllString(s, " # ")
}

// difference shows the lines of two texts that are not the same.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	var b strings.Builder
	for i := range max(len(g), len(w)) {
		var x, y string
		if i < len(g) {
			x = g[i]
		}
		if i < len(w) {
			y = w[i]
		}
		if x != y {
			fmt.Fprintf(&b, "\n got  %s\n want %s", x, y)
		}
	}
	return b.String()
}

// Why a case's text can differ from the recording in more than its measured
// values.
const (
	equalSources = "which of sources that are as good is asked first, selected or combined is drawn by lot"
	pollMoment   = "a request may come a second earlier or later, and with it a sample, a poll or a reach bit"
	shape        = "the state of the filter after an outside change depends on the phase of the polls"
)

// offsetsByChance lists the cases whose clocks may be elsewhere, though chronyc
// prints what was recorded.
var offsetsByChance = map[string]string{
	"makestep-second-update": shape,
}

// byChance lists those cases of which there are no runs of the real programs with
// other noise (TestDynamics); of their tables only the form is compared.
var byChance = map[string]string{
	"cmd-clients-serverstats": equalSources,
	"cmd-misc-local":          pollMoment,

	"makestep-limit-counts-updates":       shape,
	"many-sources-start-spacing":          equalSources,
	"maxchange-ignore-2":                  shape,
	"message-majority-of-three":           equalSources,
	"message-stale-clock-jump-backward":   pollMoment,
	"offset-minus-2s-no-makestep":         shape,
	"offset-plus-0.5s-makestep":           shape,
	"poll-growth-wander":                  pollMoment,
	"pool-replaces-falseticker":           equalSources,
	"pool-replaces-unreachable":           equalSources,
	"reach-register-loss":                 pollMoment,
	"selected-preferred-source-dies":      equalSources,
	"selected-source-dies":                equalSources,
	"state-peer":                          pollMoment,
	"state-pool-4":                        equalSources,
	"state-prefer-noselect-trust-require": equalSources,
	"state-several-sources":               equalSources,
	"state-unresolved-name":               pollMoment,
	"stratumweight-0":                     equalSources,
	"stratumweight-0.1":                   equalSources,
	"stratumweight-default":               equalSources,
	"upstream-lost-server-no-local":       pollMoment,
	"upstream-lost-server-with-local":     pollMoment,
}

// wordsByChance lists the cases of byChance whose tables may have other words
// too: only the number of lines is compared.
var wordsByChance = map[string]string{
	"cmd-clients-serverstats": "clients are listed in the order of a hash table",
	"maxchange-ignore-2":      "the daemon ends, or not, at a poll a second earlier or later",
}

// logDiffers lists the cases whose log has other lines than the recording.
var logDiffers = map[string]string{
	"message-not-enough-sources": "when a dead source is older than a live one's samples depends on how many those are",
	"cmd-online-offline":         "the last loss of all sources is logged, which chronyd passes over",
}

// form takes out of a table what chance decides: states, numbers and names.
func form(s string) string {
	s = regexp.MustCompile(`(?m)^[\^=#][*+x?~-]|^[*+xdDTwWUMsNSP~-] |^[\^=#],[*+x?~-],|^[*+xDTwWUMsNSP~-],`).ReplaceAllString(s, "S")
	s = regexp.MustCompile(`[0-9A-F]{8}`).ReplaceAllString(s, "#")
	s = regexp.MustCompile(`node\d`).ReplaceAllString(s, "#")
	s = regexp.MustCompile(`[+-]?\d+(?:[._]\d+)*(?:ns|us|ms|[smhdy]\b)?`).ReplaceAllString(s, "#")
	s = regexp.MustCompile(`\b(?:fast|slow)\b`).ReplaceAllString(s, "#")
	s = regexp.MustCompile(` - | \?| N\b`).ReplaceAllString(s, "# ")
	s = regexp.MustCompile(`(?:[ \[\]+-]*#[ \[\]+-]*)+`).ReplaceAllString(s, "#")
	return s
}

// messages returns the messages of a log without their times, which are
// returned beside them, and without measured values.
func messages(log []string) (texts []string, at []time.Time) {
	number := regexp.MustCompile(`-?\d+\.\d+`)
	for _, l := range log {
		stamp, text, _ := strings.Cut(l, " ")
		when, err := time.Parse(time.RFC3339, stamp)
		if err != nil || strings.Contains(text, " starting (") || text == "chronyd exiting" {
			continue
		}
		texts = append(texts, strings.TrimSpace(number.ReplaceAllString(text, "#")))
		at = append(at, when)
	}
	return texts, at
}

// checkLogs compares what the daemons logged, and when.
func (c *simCase) checkLogs(t *testing.T, run *simRun) {
	for name, log := range c.Log {
		want, wantAt := messages(strings.Split(log, "\n"))
		got, gotAt := messages(run.log[name])
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s logged\n  %s\nwant\n  %s", name, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			continue
		}
		for i := range got {
			if d := gotAt[i].Sub(wantAt[i]).Abs(); d > 20*time.Second {
				t.Errorf("%s logged %q at %v, want %v", name, got[i], gotAt[i], wantAt[i])
			}
		}
	}
}

// checkOffsets compares the true offsets of the clocks: within what noise of
// the network, the moment of an update and the skew of the first estimates
// explain.
func (c *simCase) checkOffsets(t *testing.T, run *simRun) {
	for name, list := range c.Offsets {
		for _, o := range list {
			got, ok := run.offset[name][o[0]]
			if !ok {
				continue
			}
			if tolerance := max(2e-3, 0.15*math.Abs(o[1])); math.Abs(got-o[1]) > tolerance {
				t.Errorf("%s is off by %g s at %g s, want %g", name, got, o[0], o[1])
			}
		}
	}
}

func TestTranscripts(t *testing.T) {
	for _, dir := range []string{"transcripts", "dynamics"} {
		for _, f := range simFiles(t, dir) {
			c := readSim(t, f)
			if _, err := os.Stat("testdata/recorded/dynamics/" + c.Case + ".yaml"); err == nil {
				continue // TestDynamics compares it with more than one run
			}
			t.Run(c.Case, func(t *testing.T) {
				run := c.play(t, 1)
				why := byChance[c.Case]
				differ := 0
				for i, st := range c.Expected {
					if st.Run == "" {
						continue
					}
					diff := st.check(run.steps[i].Stdout, run.steps[i].Stderr, run.steps[i].Exit)
					if diff == "" {
						continue
					}
					differ++
					if why == "" {
						t.Errorf("at %v s on %s: %s: %s", st.At, st.Host, st.Run, diff)
						continue
					}
					got, want := slices.Sorted(strings.SplitSeq(form(run.steps[i].Stdout), "\n")), slices.Sorted(strings.SplitSeq(form(st.Stdout), "\n"))
					same := run.steps[i].Exit == st.Exit && slices.Equal(got, want)
					if wordsByChance[c.Case] != "" {
						same = run.steps[i].Exit != st.Exit || len(got) == len(want)
					}
					if !same {
						t.Errorf("at %v s on %s: %s (only the form must be the same: %s): %s", st.At, st.Host, st.Run, why, diff)
					}
				}
				if why == "" {
					if logDiffers[c.Case] == "" {
						c.checkLogs(t, run)
					}
					if offsetsByChance[c.Case] == "" {
						c.checkOffsets(t, run)
					}
				}
				if why != "" && differ == 0 {
					t.Errorf("agrees with the recording: take it out of the table")
				}
			})
		}
	}
}
