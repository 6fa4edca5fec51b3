package chrony_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/chrony/chronyc"
	"enshu/sim/chrony/chronyd"
	"enshu/sim/chrony/measure"
	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/trace"

	"gopkg.in/yaml.v3"
)

var programs = map[string]host.Program{"/usr/sbin/chronyd": chronyd.Main, "/usr/bin/chronyc": chronyc.Main}

const passwd = "root:x:0:0:root:/root:/bin/bash\nchrony:x:993:990:chrony:/var/lib/chrony:/sbin/nologin\n"

// simCase is a case that was recorded with simulated clocks and network.
type simCase struct {
	Case       string
	RecordedAt struct {
		Start  string `yaml:"start_of_virtual_time"`
		Method string
	} `yaml:"recorded_with"`
	Hosts []struct {
		Name, Address string
		Offset        float64           `yaml:"clock_offset_s"`
		Freq          any               `yaml:"clock_freq_error"`
		Started       float64           `yaml:"started_at_s"`
		Files         map[string]string `yaml:"config_files"`
		Options       string            `yaml:"chronyd_options"`
	}
	Network struct {
		Jitter    string
		Overrides []struct{ From, To, Delay string }
		Extra     []string `yaml:"extra_simulation_settings"`
	}
	Expected []simStep
	Log      map[string]string               `yaml:"daemon_log"`
	Requests map[string]map[string][]float64 `yaml:"client_request_times_s"`
	Offsets  map[string][][2]float64         `yaml:"true_clock_offset_s"`
	Written  map[string]string               `yaml:"files_written"`
}

type simStep struct {
	At             float64 `yaml:"at_s"`
	Host, Run      string
	Exit           int
	Stdout, Stderr string
	Match          string
}

// simRun is what our programs did in such a case.
type simRun struct {
	stdout, stderr []string
	exit           []int
	log            map[string][]string // of the daemons, with time stamps
	requests       map[string]map[string][]float64
	offset         map[string]func(t float64) (float64, bool)
}

// value evaluates the expressions of a case's network and clocks: prefix
// arithmetic, with sums that keep state.
type expression struct {
	op   string
	num  float64
	args []*expression
	sum  float64
}

func parseExpression(t *testing.T, s string) *expression {
	tokens := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s))
	e, rest := parseTokens(tokens)
	if e == nil || len(rest) != 0 {
		t.Fatalf("bad expression %q", s)
	}
	return e
}

func parseTokens(tok []string) (*expression, []string) {
	if len(tok) == 0 {
		return nil, nil
	}
	if tok[0] != "(" {
		n, err := strconv.ParseFloat(tok[0], 64)
		if err != nil {
			return &expression{op: tok[0]}, tok[1:]
		}
		return &expression{num: n}, tok[1:]
	}
	e := &expression{op: tok[1]}
	tok = tok[2:]
	for len(tok) > 0 && tok[0] != ")" {
		var a *expression
		a, tok = parseTokens(tok)
		e.args = append(e.args, a)
	}
	return e, tok[1:]
}

func (e *expression) value(now float64, r *rand.Rand) float64 {
	v := make([]float64, len(e.args))
	for i, a := range e.args {
		v[i] = a.value(now, r)
	}
	switch e.op {
	case "":
		return e.num
	case "time":
		return now
	case "+":
		s := 0.0
		for _, x := range v {
			s += x
		}
		return s
	case "*":
		s := 1.0
		for _, x := range v {
			s *= x
		}
		return s
	case "min":
		return math.Min(v[0], v[1])
	case "max":
		return math.Max(v[0], v[1])
	case "%":
		return math.Mod(v[0], v[1])
	case "equal":
		if math.Abs(v[1]-v[2]) <= v[0] {
			return 1
		}
		return 0
	case "sum":
		e.sum += v[0]
		return e.sum
	case "normal":
		return r.NormFloat64()
	case "exponential":
		return r.ExpFloat64()
	}
	panic("unknown operator " + e.op)
}

func readSim(t *testing.T, file string) *simCase {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := new(simCase)
	if err := yaml.Unmarshal(data, c); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return c
}

var poolName = regexp.MustCompile(`nodes?-?([0-9-]+)\.net1\.clk`)

// play runs a case in virtual time.
func (c *simCase) play(t *testing.T) *simRun {
	run := &simRun{
		stdout: make([]string, len(c.Expected)), stderr: make([]string, len(c.Expected)), exit: make([]int, len(c.Expected)),
		log: map[string][]string{}, requests: map[string]map[string][]float64{},
	}
	start, err := time.Parse(time.RFC3339, c.RecordedAt.Start)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		n.Line = clock.New(start)
		n.Trace = trace.NewLog(n.Line)
		began := time.Now()
		since := func() float64 { return time.Since(began).Seconds() }
		at := func(s float64) { time.Sleep(time.Duration(s*1e9) - time.Since(began)) }
		r := rand.New(rand.NewPCG(1, 2))
		hosts := map[string]*memnet.Host{}
		byAddr := map[string]string{}
		var names strings.Builder
		for _, h := range c.Hosts {
			byAddr[h.Address] = h.Name
			fmt.Fprintf(&names, "%s %s.net1.clk\n", h.Address, h.Name)
			for _, text := range h.Files {
				for _, m := range poolName.FindAllStringSubmatch(text, -1) {
					for _, k := range strings.Split(m[1], "-") {
						fmt.Fprintf(&names, "192.168.123.%s %s\n", k, m[0])
					}
				}
			}
		}
		for _, st := range c.Expected {
			for _, m := range poolName.FindAllStringSubmatch(st.Run, -1) {
				for _, k := range strings.Split(m[1], "-") {
					fmt.Fprintf(&names, "192.168.123.%s %s\n", k, m[0])
				}
			}
		}
		for _, h := range c.Hosts {
			ppm, _ := h.Freq.(float64)
			m := n.Host(t, memnet.Config{
				Name: h.Name, Addrs: []string{h.Address + "/24"}, Programs: programs, Seed: 1,
				Offset: measure.Seconds(h.Offset), PPM: ppm * 1e6,
			})
			hosts[h.Name] = m
			m.WriteFile("/etc/passwd", passwd)
			hostsFile := names.String()
			if s, ok := h.Files["/etc/hosts"]; ok {
				hostsFile = s
			}
			m.WriteFile("/etc/hosts", hostsFile)
			m.MkdirAll("/var/lib/chrony", 0o755)
			m.MkdirAll("/run", 0o755)
			for name, text := range h.Files {
				switch {
				case name == "chrony.conf":
					name = "/etc/chrony.conf"
				case !strings.HasPrefix(name, "/"):
					name = "/var/lib/chrony/" + name
				}
				if name == "/etc/chrony.conf" {
					text += "clockprecision 1e-7\n" // what the recorder's clocks had
				}
				m.WriteFile(name, text)
			}
		}
		// What is asked and does not exist swallows packets, as in the recorder's
		// network, and sends no errors.
		for _, h := range c.Hosts {
			for _, a := range regexp.MustCompile(`192\.168\.123\.\d+`).FindAllString(h.Files["chrony.conf"], -1) {
				if byAddr[a] == "" {
					byAddr[a] = "nobody " + a
					hosts[byAddr[a]] = n.Host(t, memnet.Config{Name: byAddr[a], Addrs: []string{a + "/24"}})
					hosts[byAddr[a]].SetFilter(func(memnet.Packet) memnet.Verdict { return memnet.Drop })
				}
			}
		}
		helper := n.Host(t, memnet.Config{Name: "helper", Addrs: []string{"192.168.123.250/24"}, Programs: programs})
		helper.WriteFile("/etc/hosts", "")
		jitter := 20 * time.Microsecond
		if m := regexp.MustCompile(`mean (\S+) s`).FindStringSubmatch(c.Network.Jitter); m != nil {
			mean, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			jitter = measure.Seconds(2 * mean) // ours is evenly distributed
		}
		for _, a := range hosts {
			for _, b := range hosts {
				if a != b {
					n.OneWay(a, b, memnet.Link{Delay: time.Millisecond, Jitter: jitter})
				}
			}
		}
		drops := map[[2]string]*expression{}
		for _, o := range c.Network.Overrides {
			e := parseExpression(t, o.Delay)
			if strings.Contains(o.Delay, "exponential") {
				jitter := 20 * time.Microsecond
				if v := e.args[len(e.args)-1]; v.op == "*" {
					jitter = measure.Seconds(2 * v.args[0].num)
				}
				n.OneWay(hosts[o.From], hosts[o.To], memnet.Link{Delay: measure.Seconds(e.args[0].num), Jitter: jitter})
				continue
			}
			drops[[2]string{o.From, o.To}] = e
		}
		var mu sync.Mutex
		for _, h := range c.Hosts {
			from := h.Name
			hosts[from].SetFilter(func(p memnet.Packet) memnet.Verdict {
				mu.Lock()
				defer mu.Unlock()
				to := byAddr[p.Dst.Addr().String()]
				if p.Hook != memnet.OutputHook || p.Proto != "udp" {
					return memnet.Accept
				}
				if p.Dst.Port() == 123 && p.Src.Port() != 123 {
					if run.requests[from] == nil {
						run.requests[from] = map[string][]float64{}
					}
					run.requests[from][to] = append(run.requests[from][to], since())
				}
				if e := drops[[2]string{from, to}]; e != nil && e.value(since(), r) < 0 {
					return memnet.Drop
				}
				return memnet.Accept
			})
		}
		end := 1.0
		for _, st := range c.Expected {
			end = max(end, st.At)
		}
		for _, list := range c.Offsets {
			for _, o := range list {
				end = max(end, o[0])
			}
		}
		for _, log := range c.Log {
			for _, l := range strings.Split(log, "\n") {
				if strings.HasSuffix(l, "chronyd exiting") {
					if at, err := time.Parse(time.RFC3339, strings.Fields(l)[0]); err == nil && at.Sub(start) < 30*time.Hour {
						end = max(end, at.Sub(start).Seconds())
					}
				}
			}
		}
		end++
		daemons := map[string]*memnet.Daemon{}
		for _, h := range c.Hosts {
			if _, ok := h.Files["chrony.conf"]; !ok {
				continue
			}
			go func() {
				at(h.Started)
				args := append([]string{"/usr/sbin/chronyd", "-d", "-f", "/etc/chrony.conf"}, strings.Fields(h.Options)...)
				d := hosts[h.Name].Spawn(host.Cmd{Args: args})
				mu.Lock()
				daemons[h.Name] = d
				mu.Unlock()
			}()
		}
		// Clocks that move on their own.
		type wander struct {
			h    *memnet.Host
			e    *expression
			step bool
		}
		var wanders []wander
		for _, h := range c.Hosts {
			if s, ok := h.Freq.(string); ok {
				wanders = append(wanders, wander{hosts[h.Name], parseExpression(t, s), false})
			}
		}
		for _, s := range c.Network.Extra {
			name, e, _ := strings.Cut(s, "_step = ")
			if hosts[name] == nil {
				t.Fatalf("setting %q", s)
			}
			wanders = append(wanders, wander{hosts[name], parseExpression(t, e), true})
		}
		if len(wanders) > 0 {
			go func() {
				// The recorder evaluates the expressions first at the start.
				for s := 0.0; s <= end; s++ {
					at(s)
					for _, w := range wanders {
						v := w.e.value(s, r)
						switch {
						case !w.step:
							w.h.Clock.SetFrequencyError(v * 1e6)
						case v != 0:
							w.h.Clock.Step(measure.Seconds(v))
						}
					}
				}
			}()
		}
		offsets := map[string]map[float64]float64{}
		for name, list := range c.Offsets {
			offsets[name] = map[float64]float64{}
			go func() {
				for _, o := range list {
					// Before and after what happens at that moment.
					for _, s := range []float64{-0.001, 0.001} {
						at(o[0] + s)
						v := hosts[name].Clock.Offset().Seconds()
						mu.Lock()
						if was, ok := offsets[name][o[0]]; !ok || math.Abs(v-o[1]) < math.Abs(was-o[1]) {
							offsets[name][o[0]] = v
						}
						mu.Unlock()
					}
				}
			}()
		}
		run.offset = map[string]func(float64) (float64, bool){}
		for name := range c.Offsets {
			run.offset[name] = func(s float64) (float64, bool) { v, ok := offsets[name][s]; return v, ok }
		}
		var wg sync.WaitGroup
		last, same := -1.0, 0
		for i, st := range c.Expected {
			if st.Run == "" || hosts[st.Host] == nil {
				continue
			}
			when := st.At
			if same++; when != last {
				same = 0
			}
			when += 0.0005 * float64(same)
			last = st.At
			wg.Go(func() {
				at(when)
				args := splitCommand(st.Run)
				args[0] = "/usr/bin/" + args[0]
				on := hosts[st.Host]
				if strings.Contains(st.Run, "-h 192.168") {
					on = helper
				}
				res := on.Run(args...)
				run.stdout[i], run.stderr[i], run.exit[i] = res.Stdout, res.Stderr, res.Status.Shell()
			})
		}
		wg.Wait()
		at(end)
		for name, d := range daemons {
			if running, _ := d.Running(); running {
				d.Stop()
			}
			run.log[name] = strings.Split(strings.TrimSuffix(d.Stderr.String(), "\n"), "\n")
		}
		for name, want := range c.Written {
			h, file, _ := strings.Cut(name, ":")
			if want != "" {
				run.log["file "+name] = []string{hosts[h].ReadFile("/var/lib/chrony/" + file)}
			}
		}
	})
	return run
}

// splitCommand splits a command line at blanks outside of quotes.
func splitCommand(s string) []string {
	var out []string
	cur, in, quote := "", false, rune(0)
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, in = r, true
		case quote == 0 && r == ' ':
			if in {
				out = append(out, cur)
			}
			cur, in = "", false
		default:
			cur, in = cur+string(r), true
		}
	}
	if in {
		out = append(out, cur)
	}
	return out
}

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

func simFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/oracle/" + dir + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no oracle data", err)
	}
	var sim []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "clknetsim") && !strings.Contains(f, "v461-") {
			sim = append(sim, f)
		}
	}
	return sim
}

// Why a case's text can differ from the recording in more than its measured
// values.
const (
	equalSources = "which of sources that are as good is asked first, selected or combined is drawn by lot"
	pollMoment   = "a request may come a second earlier or later, and with it a sample, a poll or a reach bit"
	shape        = "the state of the filter after an outside change depends on the phase of the polls"
)

// byChance lists those cases; of their tables only the form is compared.
var byChance = map[string]string{
	"cmd-clients-serverstats": equalSources,
	"cmd-csv":                 equalSources,
	"cmd-misc-local":          pollMoment,
	"cmd-ntpdata":             pollMoment,
	"cmd-over-udp":            pollMoment,
	"external-step-3600s-at-600s-makestep-1-3":   shape,
	"external-step-5s-at-600s-makestep-1-3":      shape,
	"external-step-5s-at-600s-makestep-1-minus1": shape,
	"external-step-5s-at-600s-no-makestep":       shape,
	"loss-every-other-reply":                     pollMoment,
	"makestep-limit-counts-updates":              shape,
	"makestep-second-update":                     shape,
	"many-sources-start-spacing":                 equalSources,
	"maxchange-ignore-2":                         shape,
	"message-majority-of-three":                  equalSources,
	"message-no-majority":                        equalSources,
	"message-required-source-dies":               equalSources,
	"message-stale-clock-jump-backward":          pollMoment,
	"minpoll0-maxpoll0":                          pollMoment,
	"no-majority-then-agreement":                 equalSources,
	"offset-minus-2s-no-makestep":                shape,
	"offset-plus-0.5s-makestep":                  shape,
	"outage-and-return":                          pollMoment,
	"poll-growth-wander":                         pollMoment,
	"pool-replaces-falseticker":                  equalSources,
	"pool-replaces-unreachable":                  equalSources,
	"reach-register-loss":                        pollMoment,
	"selected-preferred-source-dies":             equalSources,
	"selected-source-dies":                       equalSources,
	"state-chain-stratum":                        pollMoment,
	"state-iburst-sync":                          pollMoment,
	"state-jittery":                              equalSources,
	"state-peer":                                 pollMoment,
	"state-pool-4":                               equalSources,
	"state-prefer-noselect-trust-require":        equalSources,
	"state-several-sources":                      equalSources,
	"state-two-disagree":                         equalSources,
	"state-unresolved-name":                      pollMoment,
	"stratumweight-0":                            equalSources,
	"stratumweight-0.1":                          equalSources,
	"stratumweight-default":                      equalSources,
	"upstream-lost-server-no-local":              pollMoment,
	"upstream-lost-server-with-local":            pollMoment,
}

// wordsByChance lists the cases of byChance whose tables may have other words
// too: only the number of lines is compared.
var wordsByChance = map[string]string{
	"cmd-clients-serverstats": "clients are listed in the order of a hash table",
	"maxchange-ignore-2":      "the daemon ends, or not, at a poll a second earlier or later",
	"state-chain-stratum":     "the third in a row is synchronised or not a second after the second",
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
			got, ok := run.offset[name](o[0])
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
			t.Run(c.Case, func(t *testing.T) {
				run := c.play(t)
				why := byChance[c.Case]
				differ := 0
				for i, st := range c.Expected {
					if st.Run == "" {
						continue
					}
					diff := st.check(run.stdout[i], run.stderr[i], run.exit[i])
					if diff == "" {
						continue
					}
					differ++
					if why == "" {
						t.Errorf("at %v s on %s: %s: %s", st.At, st.Host, st.Run, diff)
						continue
					}
					got, want := slices.Sorted(strings.SplitSeq(form(run.stdout[i]), "\n")), slices.Sorted(strings.SplitSeq(form(st.Stdout), "\n"))
					same := run.exit[i] == st.Exit && slices.Equal(got, want)
					if wordsByChance[c.Case] != "" {
						same = run.exit[i] != st.Exit || len(got) == len(want)
					}
					if !same {
						t.Errorf("at %v s on %s: %s (only the form must be the same: %s): %s", st.At, st.Host, st.Run, why, diff)
					}
				}
				if why == "" {
					if logDiffers[c.Case] == "" {
						c.checkLogs(t, run)
					}
					c.checkOffsets(t, run)
				}
				if why != "" && differ == 0 {
					t.Errorf("agrees with the recording: take it out of the table")
				}
			})
		}
	}
}
