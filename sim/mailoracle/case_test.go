package mailoracle

import (
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// oracleCase is one recording.
type oracleCase struct {
	Case     string               `yaml:"case"`
	Level    string               `yaml:"level"`
	Hosts    yaml.Node            `yaml:"hosts"`
	Users    map[string]yaml.Node `yaml:"users"`
	MainCf   yaml.Node            `yaml:"main_cf"`
	Files    yaml.Node            `yaml:"files"`
	DNS      map[string]yaml.Node `yaml:"dns"`
	EtcHosts string               `yaml:"etc_hosts"`
	TLS      string               `yaml:"tls"`
	Before   []string             `yaml:"before"`
	Steps    []step               `yaml:"steps"`
	Expected struct {
		Steps   []expectation `yaml:"steps"`
		Mailbox yaml.Node     `yaml:"mailbox"`
		Queue   yaml.Node     `yaml:"queue"`
		Files   yaml.Node     `yaml:"files_after"`
	} `yaml:"expected"`
	Also map[string]yaml.Node `yaml:"also_run_with"`

	hostNames []string
}

type step struct {
	Host     string            `yaml:"host"`
	User     string            `yaml:"user"`
	Run      string            `yaml:"run"`
	Stdin    string            `yaml:"stdin"`
	Env      map[string]string `yaml:"env"`
	TTY      string            `yaml:"tty"`
	Keys     []key             `yaml:"keys"`
	SMTPTo   string            `yaml:"smtp_to"`
	Dialogue []yaml.Node       `yaml:"dialogue"`
}

type key struct {
	WaitFor *string `yaml:"wait_for"`
	Type    string  `yaml:"type"`
}

type expectation struct {
	Exit       int                 `yaml:"exit"`
	Stdout     string              `yaml:"stdout"`
	Stderr     string              `yaml:"stderr"`
	Screen     *string             `yaml:"screen"`
	Transcript []string            `yaml:"transcript"`
	Maillog    map[string][]string `yaml:"maillog"`
}

type fileSpec struct {
	Content, Append    *string
	Mode, Owner, Group string
	Type, Target       string
}

type mailboxSpec struct {
	Mode, Owner, Group, Content, Type string
}

var surrogate = regexp.MustCompile(`\\u[dD][cC]([0-9a-fA-F]{2})`)

// rawBytes undoes what loadCases did with bytes that are not UTF-8.
func rawBytes(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= 0xe000 && r <= 0xe0ff {
			b.WriteByte(byte(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func loadCases(t *testing.T) []*oracleCase {
	t.Helper()
	names, _ := filepath.Glob("testdata/*.yaml")
	var out []*oracleCase
	for _, n := range names {
		if filepath.Base(n) == "BASE.yaml" {
			continue
		}
		data, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		// The recorder writes bytes that are not UTF-8 as lone surrogates, which
		// YAML forbids: they go through the private use area.
		data = surrogate.ReplaceAll(data, []byte(`\uE0$1`))
		c := &oracleCase{}
		if err := yaml.Unmarshal(data, c); err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		for i := 0; i+1 < len(c.Hosts.Content); i += 2 {
			c.hostNames = append(c.hostNames, c.Hosts.Content[i].Value)
		}
		out = append(out, c)
	}
	return out
}

// perHost decodes a node that is keyed by host when there are several.
func perHost[T any](c *oracleCase, n yaml.Node, name string) (v T) {
	if n.Kind == 0 {
		return v
	}
	if len(c.hostNames) > 1 {
		m := map[string]yaml.Node{}
		if n.Decode(&m) != nil {
			return v
		}
		n = m[name]
		if n.Kind == 0 {
			return v
		}
	}
	n.Decode(&v)
	return v
}

// only35 returns what 3.5.25 wrote otherwise: lines of 3.7.11 to the lines of 3.5.25.
func (c *oracleCase) replacements() (from, to []string) {
	for k, n := range c.Also {
		if !strings.Contains(k, "3.5.25") || n.Kind != yaml.MappingNode {
			continue
		}
		var d struct {
			Old []string `yaml:"only_in_3.7.11"`
			New []string `yaml:"only_in_3.5.25"`
		}
		n.Decode(&d)
		return d.Old, d.New
	}
	return nil, nil
}

// The forms that a recording has tokens for.
var tokens = []struct {
	re *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`v14\.9\.2[24]`), "v14.9.22"},
	{regexp.MustCompile(`arc4random`), "*TLS RAND_*"}, // what EL9 has was built otherwise
	{regexp.MustCompile(`delay=[0-9.]+, delays=[0-9./]+`), "delay=<DELAY>, delays=<DELAYS>"},
	{regexp.MustCompile(`(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [ 0-3][0-9] [A-Z][a-z][a-z] 20[0-9]{2} [0-9:]{8} \+0900( \(JST\))?`), "<DATE>"},
	{regexp.MustCompile(`(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z][a-z] [ 0-3][0-9] [0-9:]{8}( 20[0-9]{2})?`), "<DATE>"},
	{regexp.MustCompile(`\b2026-11-2[0-9] [0-9:]{5}`), "<DATE>"},
	{regexp.MustCompile(`\bMar [ 0-3][0-9] [0-9:]{8} hosta`), "<DATE> <HOST>"},
	{regexp.MustCompile(`\b(Nov|Dec) [ 0-3][0-9] [0-9:]{8}`), "<DATE>"},
	{regexp.MustCompile(`<2026112[0-9][0-9]{6}\.`), "<<DATE>."},
	{regexp.MustCompile(`\[[0-9]+\]: `), "[<PID>]: "},
	{regexp.MustCompile(`\bpid [0-9]+`), "pid <PID>"},
	{regexp.MustCompile(`PID: [0-9]+`), "PID: <PID>"},
	{regexp.MustCompile(`<DATE>\.[A-Za-z0-9_-]{5}%`), "<DATE>.<RANDOM>%"},
	{regexp.MustCompile(`=-=[A-Za-z0-9_-]{36}=-=`), "=-=<RANDOM>=-="},
	{regexp.MustCompile(`boundary="=-=<RANDOM>=-="`), `boundary="<BOUNDARY>"`},
	{regexp.MustCompile(`\.17[0-9]{8}/`), ".<EPOCH>/"},
	{regexp.MustCompile(`deferred/[0-9A-F]/`), "deferred/<H>/"},
	{regexp.MustCompile(`version 3\.[57]\.[0-9]+`), "version 3.5.25"},
	{regexp.MustCompile(`1[78][0-9]{8}\.V[0-9a-f]+I[0-9a-f]+M[0-9]+\.`), "<EPOCH>.V<DEV>I<INODE>M<USEC>."},
}

var queueID = regexp.MustCompile(`\b[0-9A-F]{10}\b|<QUEUEID:[0-9]+>`)

// normal replaces what differs from run to run. Queue ids become <ID>.
func normal(s string) string {
	for _, t := range tokens {
		s = t.re.ReplaceAllString(s, t.by)
	}
	return s
}

func noIDs(s string) string { return queueID.ReplaceAllString(normal(s), "<ID>") }

// canonical makes a set of log lines comparable: ids are replaced by what the
// lines with them say, and the order of the lines is dropped.
func canonical(lines []string) []string {
	colour := map[string]string{}
	for _, l := range lines {
		for _, id := range queueID.FindAllString(l, -1) {
			colour[id] = "ID"
		}
	}
	for range 3 {
		next := map[string][]string{}
		for _, l := range lines {
			shown := queueID.ReplaceAllStringFunc(l, func(id string) string { return colour[id] })
			for _, id := range queueID.FindAllString(l, -1) {
				next[id] = append(next[id], shown)
			}
		}
		for id, ls := range next {
			sort.Strings(ls)
			colour[id] = "{" + hash(strings.Join(ls, "\n")) + "}"
		}
	}
	var out []string
	for _, l := range lines {
		out = append(out, queueID.ReplaceAllStringFunc(l, func(id string) string { return colour[id] }))
	}
	sort.Strings(out)
	return out
}

func hash(s string) string {
	h := uint32(2166136261)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint32(s[i])) * 16777619
	}
	const digits = "0123456789abcdef"
	b := make([]byte, 8)
	for i := range b {
		b[i] = digits[h>>(4*i)&15]
	}
	return string(b)
}
