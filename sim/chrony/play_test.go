package chrony_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
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
)

var programs = map[string]host.Program{"/usr/sbin/chronyd": chronyd.Main, "/usr/bin/chronyc": chronyc.Main}

const passwd = "root:x:0:0:root:/root:/bin/bash\nchrony:x:993:990:chrony:/var/lib/chrony:/sbin/nologin\n"

// simRun is what our programs did in a recorded case.
type simRun struct {
	steps    []stepRun
	log      map[string][]string // of the daemons, with time stamps
	requests map[string]map[string][]float64
	offset   map[string]map[float64]float64 // of the hosts' clocks, at the seconds that were recorded
}

// stepRun is what a command of a case printed.
type stepRun struct {
	Stdout, Stderr string
	Exit           int
}

// stage is where a case is played.
type stage struct {
	c     *simCase
	start time.Time // of virtual time
	net   *memnet.Network
	began time.Time // in the bubble
	rand  *rand.Rand
	hosts map[string]*memnet.Host // by name
	names map[string]string       // of hosts, by address

	mu      sync.Mutex // guards what follows, and rand
	run     simRun
	daemons map[string]*memnet.Daemon
}

// play runs a case in virtual time. Runs with one seed are the same.
func (c *simCase) play(t *testing.T, seed uint64) *simRun {
	start, err := time.Parse(time.RFC3339, c.RecordedAt.Start)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{
		c: c, start: start, rand: rand.New(rand.NewPCG(seed, 2)), hosts: map[string]*memnet.Host{}, names: map[string]string{},
		daemons: map[string]*memnet.Daemon{},
		run: simRun{
			steps: make([]stepRun, len(c.Expected)), log: map[string][]string{},
			requests: map[string]map[string][]float64{}, offset: map[string]map[float64]float64{},
		},
	}
	synctest.Test(t, func(t *testing.T) {
		s.net = memnet.New(t)
		s.net.Line = clock.New(start)
		s.net.Seed = seed
		s.net.Trace = trace.NewLog(s.net.Line)
		s.began = time.Now()
		s.buildHosts(t, seed)
		s.link(t)
		end := s.end()
		for _, h := range c.Hosts {
			s.filter(t, h.Name)
			if _, ok := h.Files["chrony.conf"]; ok {
				go s.daemon(h.Name, h.Started, strings.Fields(h.Options))
			}
		}
		s.moveClocks(t, end)
		for name, list := range c.Offsets {
			s.run.offset[name] = map[float64]float64{}
			go s.watch(name, list)
		}
		s.commands()
		s.at(end)
		for name, d := range s.daemons {
			if running, _ := d.Running(); running {
				d.Stop()
			}
			s.run.log[name] = strings.Split(strings.TrimSuffix(d.Stderr.String(), "\n"), "\n")
		}
	})
	return &s.run
}

// at waits until a second of true time.
func (s *stage) at(second float64) {
	time.Sleep(time.Duration(second*1e9) - time.Since(s.began))
}

func (s *stage) now() float64 { return time.Since(s.began).Seconds() }

var (
	poolName = regexp.MustCompile(`nodes?-?([0-9-]+)\.net1\.clk`)
	nodeAddr = regexp.MustCompile(`192\.168\.123\.\d+`)
)

// hostsFile is the /etc/hosts of the recorder's network: a name for each host,
// and those with several addresses that the case uses.
func (c *simCase) hostsFile() string {
	var b strings.Builder
	pools := func(text string) {
		for _, m := range poolName.FindAllStringSubmatch(text, -1) {
			for _, k := range strings.Split(m[1], "-") {
				fmt.Fprintf(&b, "192.168.123.%s %s\n", k, m[0])
			}
		}
	}
	for _, h := range c.Hosts {
		fmt.Fprintf(&b, "%s %s.net1.clk\n", h.Address, h.Name)
		for _, text := range h.Files {
			pools(text)
		}
	}
	for _, st := range c.Expected {
		pools(st.Run)
	}
	return b.String()
}

func (s *stage) buildHosts(t *testing.T, seed uint64) {
	hostsFile := s.c.hostsFile()
	for _, h := range s.c.Hosts {
		s.names[h.Address] = h.Name
	}
	for _, h := range s.c.Hosts {
		ppm, _ := h.Freq.(float64)
		m := s.net.Host(t, memnet.Config{
			Name: h.Name, Addrs: []string{h.Address + "/24"}, Programs: programs, Seed: seed,
			Offset: measure.Seconds(h.Offset), PPM: ppm * 1e6,
		})
		s.hosts[h.Name] = m
		m.WriteFile("/etc/passwd", passwd)
		m.WriteFile("/etc/hosts", hostsFile)
		m.MkdirAll("/var/lib/chrony", 0o755)
		m.MkdirAll("/run", 0o755)
		for name, text := range h.Files {
			switch {
			case name == "chrony.conf":
				name = "/etc/chrony.conf"
				text += "clockprecision 1e-7\n" // what the recorder's clocks had
			case !strings.HasPrefix(name, "/"):
				name = "/var/lib/chrony/" + name
			}
			m.WriteFile(name, text)
		}
		// What is asked and does not exist swallows packets, as in the recorder's
		// network, and sends no errors.
		for _, a := range nodeAddr.FindAllString(h.Files["chrony.conf"], -1) {
			if s.names[a] == "" {
				s.names[a] = "nobody " + a
				nobody := s.net.Host(t, memnet.Config{Name: s.names[a], Addrs: []string{a + "/24"}})
				nobody.SetFilter(func(memnet.Packet) memnet.Verdict { return memnet.Drop })
				s.hosts[s.names[a]] = nobody
			}
		}
	}
	s.hosts["helper"] = s.net.Host(t, memnet.Config{Name: "helper", Addrs: []string{"192.168.123.250/24"}, Programs: programs})
	s.hosts["helper"].WriteFile("/etc/hosts", "")
}

// link gives the links their delays. The recorder's jitter is an exponential
// distribution, ours an even one of the same mean.
func (s *stage) link(t *testing.T) {
	jitter := 20 * time.Microsecond
	if m := regexp.MustCompile(`mean (\S+) s`).FindStringSubmatch(s.c.Network.Jitter); m != nil {
		mean, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		jitter = measure.Seconds(2 * mean)
	}
	for _, a := range s.hosts {
		for _, b := range s.hosts {
			if a != b && a != s.hosts["helper"] && b != s.hosts["helper"] {
				s.net.OneWay(a, b, memnet.Link{Delay: time.Millisecond, Jitter: jitter})
			}
		}
	}
	for _, o := range s.c.Network.Overrides {
		e := parseExpression(t, o.Delay)
		if !strings.Contains(o.Delay, "exponential") {
			// Only losses; what arrives has the delay of before them, without jitter.
			if delay := e.value(0, s.rand); delay > 0 {
				s.net.OneWay(s.hosts[o.From], s.hosts[o.To], memnet.Link{Delay: measure.Seconds(delay)})
			}
			continue
		}
		jitter := 20 * time.Microsecond
		if v := e.args[len(e.args)-1]; v.op == "*" {
			jitter = measure.Seconds(2 * v.args[0].num)
		}
		s.net.OneWay(s.hosts[o.From], s.hosts[o.To], memnet.Link{Delay: measure.Seconds(e.args[0].num), Jitter: jitter})
	}
}

// filter loses the packets of a host that the case loses, and writes down its
// requests.
func (s *stage) filter(t *testing.T, from string) {
	lost := map[string]*expression{}
	for _, o := range s.c.Network.Overrides {
		if o.From == from && !strings.Contains(o.Delay, "exponential") {
			lost[o.To] = parseExpression(t, o.Delay)
		}
	}
	s.hosts[from].SetFilter(func(p memnet.Packet) memnet.Verdict {
		s.mu.Lock()
		defer s.mu.Unlock()
		to := s.names[p.Dst.Addr().String()]
		if p.Hook != memnet.OutputHook || p.Proto != "udp" {
			return memnet.Accept
		}
		if p.Dst.Port() == 123 && p.Src.Port() != 123 {
			if s.run.requests[from] == nil {
				s.run.requests[from] = map[string][]float64{}
			}
			s.run.requests[from][to] = append(s.run.requests[from][to], s.now())
		}
		if e := lost[to]; e != nil && e.value(s.now(), s.rand) < 0 {
			return memnet.Drop
		}
		return memnet.Accept
	})
}

// end is the second when everything was recorded that a case has.
func (s *stage) end() float64 {
	end := 1.0
	for _, st := range s.c.Expected {
		end = max(end, st.At)
	}
	for _, list := range s.c.Offsets {
		for _, o := range list {
			end = max(end, o[0])
		}
	}
	for _, log := range s.c.Log {
		for _, l := range strings.Split(log, "\n") {
			if !strings.HasSuffix(l, "chronyd exiting") {
				continue
			}
			if at, err := time.Parse(time.RFC3339, strings.Fields(l)[0]); err == nil && at.Sub(s.start) < 30*time.Hour {
				end = max(end, at.Sub(s.start).Seconds())
			}
		}
	}
	return end + 1
}

func (s *stage) daemon(name string, started float64, options []string) {
	s.at(started)
	args := append([]string{"/usr/sbin/chronyd", "-d", "-f", "/etc/chrony.conf"}, options...)
	d := s.hosts[name].Spawn(host.Cmd{Args: args})
	s.mu.Lock()
	s.daemons[name] = d
	s.mu.Unlock()
}

// moveClocks lets the clocks wander and jump as the case says, once a second;
// the recorder evaluates the expressions first at the start.
func (s *stage) moveClocks(t *testing.T, end float64) {
	var each []func(second float64)
	for _, h := range s.c.Hosts {
		if text, ok := h.Freq.(string); ok {
			e := parseExpression(t, text)
			each = append(each, func(second float64) {
				s.hosts[h.Name].Clock.SetFrequencyError(e.value(second, s.rand) * 1e6)
			})
		}
	}
	for _, setting := range s.c.Network.Extra {
		name, text, _ := strings.Cut(setting, "_step = ")
		if s.hosts[name] == nil {
			t.Fatalf("setting %q", setting)
		}
		e := parseExpression(t, text)
		each = append(each, func(second float64) {
			if v := e.value(second, s.rand); v != 0 {
				s.hosts[name].Clock.Step(measure.Seconds(v))
			}
		})
	}
	if len(each) == 0 {
		return
	}
	go func() {
		for second := 0.0; second <= end; second++ {
			s.at(second)
			for _, f := range each {
				s.mu.Lock()
				f(second)
				s.mu.Unlock()
			}
		}
	}()
}

// watch looks at a host's clock when the recorder did, before and after what
// happens at that very moment, and keeps what is nearer to the recording.
func (s *stage) watch(name string, list [][2]float64) {
	for _, o := range list {
		for _, d := range []float64{-0.001, 0.001} {
			s.at(o[0] + d)
			v := s.hosts[name].Clock.Offset().Seconds()
			s.mu.Lock()
			if was, ok := s.run.offset[name][o[0]]; !ok || math.Abs(v-o[1]) < math.Abs(was-o[1]) {
				s.run.offset[name][o[0]] = v
			}
			s.mu.Unlock()
		}
	}
}

// commands runs the case's commands at their times, half a millisecond apart.
func (s *stage) commands() {
	var wg sync.WaitGroup
	last, same := -1.0, 0
	for i, st := range s.c.Expected {
		if st.Run == "" || s.hosts[st.Host] == nil {
			continue
		}
		if same++; st.At != last {
			same = 0
		}
		last = st.At
		when := st.At + 0.0005*float64(same)
		wg.Go(func() {
			s.at(when)
			args := splitCommand(st.Run)
			args[0] = "/usr/bin/" + args[0]
			on := s.hosts[st.Host]
			if strings.Contains(st.Run, "-h 192.168") {
				on = s.hosts["helper"]
			}
			res := on.Run(args...)
			s.run.steps[i] = stepRun{res.Stdout, res.Stderr, res.Status.Shell()}
		})
	}
	wg.Wait()
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
