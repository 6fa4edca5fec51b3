package chrony_test

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

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

// expression is one of the recorder, of a case's network and clocks: prefix
// arithmetic, with sums that keep state.
type expression struct {
	op   string
	num  float64
	args []*expression
	sum  float64
}

func parseExpression(t *testing.T, s string) *expression {
	e, rest := parseTokens(strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s)))
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

// value evaluates an expression at a second of true time.
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
