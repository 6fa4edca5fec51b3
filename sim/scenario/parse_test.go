package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The kinds of checks that the tests know: what the grader's look like.
type serviceArgs struct {
	Host   HostName `lab:"host,required"`
	Unit   UnitName `lab:"unit,required"`
	Active *bool    `lab:"active"`
}

func (a *serviceArgs) Check(report func(key, format string, args ...any)) {
	if a.Active == nil {
		report("", "service: the check expects nothing, it would always pass")
	}
}

type logArgs struct {
	Send struct {
		Host     HostName `lab:"host,required"`
		Priority Priority `lab:"priority,required"`
		Text     string   `lab:"text"`
	} `lab:"send,required"`
	Arrives struct {
		Host HostName `lab:"host,required"`
		File Path     `lab:"file,required"`
	} `lab:"arrives,required"`
}

type portArgs struct {
	Host      HostName    `lab:"host,required"`
	Listening Port        `lab:"listening,required"`
	Program   ProgramName `lab:"program"`
}

var known = Known{
	Packages: []string{"postfix", "s-nail", "rsyslog", "chrony"},
	Programs: []string{"rsyslogd", "chronyd", "master"},
	Units:    []string{"rsyslog", "chronyd", "firewalld", "postfix"},
	Users:    []string{"root", "linuc", "bin", "mail"},
	Kinds: []Kind{
		{Name: "service", Args: serviceArgs{}, Links: []string{"service-not-active"}},
		{Name: "log", Args: logArgs{}, Links: []string{"rsyslog-not-restarted", "firewall-closed"}},
		{Name: "port", Args: portArgs{}, Links: []string{"port-not-listening"}},
	},
}

func TestSkeletonParses(t *testing.T) {
	s, err := Parse("skel.yaml", Skeleton("my-lab"), known)
	if err != nil {
		t.Fatal(err)
	}
	if s.ID() != "my-lab" {
		t.Errorf("ID is %q", s.ID())
	}
}

const whole = `lab: whole
title: {ja: 全部, en: Everything}
text: {ja: "{{facility}} と {{n}}", en: "{{ facility }} and {{n}}"}
objectives: ["1.09.2", troubleshooting]
difficulty: 2
time: 1h30m
vars:
  facility: {pick: [local3, local5]}
  marker: {token: 6}
  n: {int: [2000, 3000]}
networks:
  lan: {subnet: 192.168.0.0/24, delay: 2ms, jitter: 500us, loss: 1%}
  dmz: {subnet: "fd00::/64"}
dns:
  host: server
  records:
    ntp.example.com: [192.168.0.10, "fd00::10"]
    example.com: {mx: [mail.example.com]}
hosts:
  server:
    hostname: server.example.com
    networks: {lan: 192.168.0.10, dmz: "fd00::10"}
    packages: [postfix]
    users: [usera]
    files:
      /etc/motd: "port {{n}}\n"
      /home/usera/.forward: {content: "userb\n", mode: 0600, owner: "usera:usera"}
      /etc/systemd/system/demo.service: "[Service]\nExecStart=/bin/true\n"
      /etc/localtime: {link: /usr/share/zoneinfo/UTC}
    clock: {offset: -1m30s, drift: 20ppm}
    refclock: {offset: 5ms}
    services: {chronyd: stopped, demo.service: enabled}
    timezone: UTC
    disk: 16M
    memory: 128M
    pids: 64
    setup: |
      echo {{marker}}
  client:
    networks: {lan: 192.168.0.20}
tasks:
  - id: one
    title: {ja: 一, en: One}
    points: 40
    hints: [{ja: ヒント, en: Hint}]
    checks:
      - port: {host: server, listening: "{{n}}/tcp", program: rsyslogd}
        not: true
  - id: two
    title: {ja: 二, en: Two}
    needs: [one]
    checks:
      - log:
          send: {host: client, priority: "{{facility}}.info", text: "probe {{marker}}"}
          arrives: {host: server, file: /var/log/messages}
        within: 5s
solutions:
  - name: reference
    steps:
      - {id: a, host: server, run: "true"}
      - {id: b, host: client, run: "false {{n}}", user: usera}
mistakes:
  - name: wrong
    from: reference
    without: [a]
    replace: {b: "echo b"}
    steps: [{host: client, run: "echo c"}]
    fails: {two: firewall-closed}
`

func TestParseWhole(t *testing.T) {
	s, err := Parse("whole.yaml", []byte(whole), known)
	if err != nil {
		t.Fatal(err)
	}
	lab, err := s.Draw(7)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := s.Draw(7)
	if d := cmp.Diff(lab.Values, again.Values); d != "" {
		t.Errorf("the same seed drew other values:\n%s", d)
	}
	f, m, n := lab.Values["facility"], lab.Values["marker"], lab.Values["n"]
	if f != "local3" && f != "local5" || len(m) != 6 || n < "2000" || n > "3000" {
		t.Fatalf("drew %v", lab.Values)
	}
	if want := f + " and " + n; lab.Text.EN != want {
		t.Errorf("text %q, want %q", lab.Text.EN, want)
	}
	h := lab.Host("server")
	files := []File{
		{Path: "/etc/motd", Content: "port " + n + "\n", Mode: 0o644, Owner: "root"},
		{Path: "/home/usera/.forward", Content: "userb\n", Mode: 0o600, Owner: "usera:usera"},
		{Path: "/etc/systemd/system/demo.service", Content: "[Service]\nExecStart=/bin/true\n", Mode: 0o644, Owner: "root"},
		{Path: "/etc/localtime", Link: "/usr/share/zoneinfo/UTC", Mode: 0o644, Owner: "root"},
	}
	if d := cmp.Diff(files, h.Files); d != "" {
		t.Errorf("files:\n%s", d)
	}
	if d := cmp.Diff([]Service{{"chronyd", Stopped}, {"demo", Enabled}}, h.Services); d != "" {
		t.Errorf("services:\n%s", d)
	}
	if h.Setup != "echo "+m+"\n" || h.Timezone != "UTC" || h.Disk != 16<<20 || h.Clock.Offset != Duration(-90*time.Second) || h.Clock.Drift != 20 {
		t.Errorf("host %+v clock %+v", h, h.Clock)
	}
	if h.Networks[0] != (Interface{Network: "lan", Address: netip.MustParseAddr("192.168.0.10")}) {
		t.Errorf("networks %v", h.Networks)
	}
	if lab.Shell != "server" {
		t.Errorf("the shell is on %q", lab.Shell)
	}
	if c := lab.Host("client"); c.Timezone != "Asia/Tokyo" || c.Hostname != "client" || c.Pids != DefaultPids {
		t.Errorf("defaults of client: %+v", c)
	}
	c := lab.Tasks[0].Checks[0]
	if a := c.Args.(*portArgs); !c.Not || c.Kind != "port" || a.Listening.String() != n+"/tcp" || a.Program != "rsyslogd" {
		t.Errorf("check %+v %+v", c, a)
	}
	if lab.Tasks[1].Points != DefaultPoints || lab.Tasks[1].Checks[0].Within != Duration(5*time.Second) {
		t.Errorf("task two %+v", lab.Tasks[1])
	}
	steps := lab.StepsOf(&lab.Mistakes[0])
	if len(steps) != 2 || steps[0].Run != "echo b" || steps[0].User != "usera" || steps[1].Run != "echo c" || steps[1].User != "root" {
		t.Errorf("steps of the mistake: %+v", steps)
	}
}

// TestDrawReachesEveryValue guards that seeds really vary what is drawn.
func TestDrawReachesEveryValue(t *testing.T) {
	s, err := Parse("whole.yaml", []byte(whole), known)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for seed := range uint64(40) {
		lab, err := s.Draw(seed)
		if err != nil {
			t.Fatal(err)
		}
		seen[lab.Values["facility"]] = true
		seen[lab.Values["marker"]] = true
	}
	if !seen["local3"] || !seen["local5"] || len(seen) != 42 {
		t.Errorf("40 seeds drew %d values", len(seen))
	}
}

// edit is a change of the right file that breaks it.
type edit struct{ from, to string }

func TestBrokenLabs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		edits []edit
		want  string
	}{
		{"unknown key", []edit{{"difficulty: 2", "dificulty: 2"}},
			`x.yaml:5:1: unknown key "dificulty" in the lab; did you mean "difficulty"?`},
		{"unknown key of a host", []edit{{"pids: 64", "pid: 64"}},
			`x.yaml:36:5: unknown key "pid" in hosts.server; did you mean "pids"?`},
		{"text cut by a comment", []edit{{"    title: {ja: 一, en: One}", "    title:\n      ja: 行頭の # を消す\n      en: \"Remove the # there\""}},
			"x.yaml:44:11: title: the text ends at “#”, which begins a comment; put it in quotes"},
		{"missing keys", []edit{{"title: {ja: 全部, en: Everything}", "title: {ja: 全部}"}, {"objectives: [\"1.09.2\", troubleshooting]\n", ""}},
			"x.yaml:1:1: the lab: the key \"objectives\" is missing\nx.yaml:2:8: title: the key \"en\" is missing"},
		{"duplicate key", []edit{{"time: 1h30m", "time: 1h30m\ndifficulty: 3"}},
			`x.yaml:7:1: the lab: "difficulty" is there twice; first in line 5`},
		{"unknown host", []edit{{"send: {host: client", "send: {host: cliant"}},
			`x.yaml:54:24: unknown host "cliant"; did you mean "client"?`},
		{"unknown network", []edit{{"client:\n    networks: {lan:", "client:\n    networks: {lam:"}},
			`x.yaml:40:16: unknown network "lam"; did you mean "lan"?`},
		{"unknown variable", []edit{{"echo {{marker}}", "echo {{maker}}"}},
			`x.yaml:38:12: unknown variable "maker"; did you mean "marker"?`},
		{"unknown variable in a flow", []edit{{"text: \"probe {{marker}}\"", "text: \"probe {{token}}\""}},
			`x.yaml:54:76: unknown variable "token"; known: facility, marker, n`},
		{"variable without quotes", []edit{{"priority: \"{{facility}}.info\"", "priority: {{facility}}"}},
			`x.yaml:54:42: priority: put the text with {{…}} in quotes, YAML reads { as a mapping`},
		{"unknown task", []edit{{"needs: [one]", "needs: [on]"}},
			`x.yaml:51:13: unknown task "on"; did you mean "one"?`},
		{"unknown package", []edit{{"packages: [postfix]", "packages: [postfx]"}},
			`x.yaml:23:16: unknown package "postfx"; did you mean "postfix"?`},
		{"unknown service", []edit{{"chronyd: stopped", "chrony: stopped"}},
			`x.yaml:32:16: unknown service "chrony"; did you mean "chronyd"?`},
		{"unknown state", []edit{{"chronyd: stopped", "chronyd: stop"}},
			`x.yaml:32:25: services.chronyd: unknown state "stop"; known: disabled, enabled, masked, started, stopped`},
		{"unknown program", []edit{{"program: rsyslogd", "program: syslogd"}},
			`x.yaml:47:63: unknown program "syslogd"; did you mean "rsyslogd"?`},
		{"unknown user", []edit{{"user: usera}", "user: user}"}},
			`x.yaml:61:57: unknown user "user"; did you mean "usera"?`},
		{"unknown owner", []edit{{`owner: "usera:usera"`, `owner: uesra`}},
			`x.yaml:27:69: unknown user "uesra"; did you mean "usera"?`},
		{"unknown check", []edit{{"- port: {", "- prot: {"}},
			`x.yaml:47:9: unknown check "prot"; did you mean "port"?`},
		{"check of two kinds", []edit{{"        not: true", "        service: {host: server, unit: rsyslog, active: true}"}},
			`x.yaml:48:9: a check is of one kind; "port" and "service" are two list items`},
		{"check without a kind", []edit{{"- port: {host: server, listening: \"{{n}}/tcp\", program: rsyslogd}\n        not: true", "- not: true"}},
			`x.yaml:47:9: the check names no kind; known: log, port, service`},
		{"empty expectation", []edit{{"- port: {host: server, listening: \"{{n}}/tcp\", program: rsyslogd}", "- service: {host: server, unit: rsyslog}"}},
			`x.yaml:47:18: service: the check expects nothing, it would always pass`},
		{"empty check", []edit{{"- port: {host: server, listening: \"{{n}}/tcp\", program: rsyslogd}", "- service:"}},
			`x.yaml:47:17: service: the check expects nothing, it would always pass`},
		{"no checks", []edit{{"    checks:\n      - port: {host: server, listening: \"{{n}}/tcp\", program: rsyslogd}\n        not: true\n", "    checks: []\n"}},
			`x.yaml:46:13: tasks, item 1: "checks" is empty`},
		{"unknown facility", []edit{{"pick: [local3, local5]", "pick: [locl3, local5]"}},
			`x.yaml:54:42: priority: unknown facility "locl3"; did you mean "local3"? (with `},
		{"wrong types", []edit{{"points: 40", "points: many"}, {"not: true", "not: yes"}, {"packages: [postfix]", "packages: postfix"}},
			"x.yaml:23:15: packages: expected a list, found \"postfix\"\nx.yaml:44:13: points: \"many\" is not a whole number\nx.yaml:48:14: not: \"yes\" is not true or false"},
		{"list for a text", []edit{{"lab: whole", "lab: [whole]"}},
			`x.yaml:1:6: lab: expected a text, found a list`},
		{"nothing for a text", []edit{{"lab: whole", "lab:"}},
			"x.yaml:1:5: lab: expected a text, found nothing\nx.yaml:1:5: the lab: \"lab\" is empty"},
		{"too large", []edit{{"disk: 16M", "disk: 100000G"}},
			"x.yaml:34:11: disk: from 1M to 64G"},
		{"bad values", []edit{{"delay: 2ms", "delay: 2"}, {"loss: 1%", "loss: 1"}, {"drift: 20ppm", "drift: 20"}, {"offset: -1m30s", "offset: soon"}, {"disk: 16M", "disk: big"}, {"mode: 0600", "mode: rw"}},
			"x.yaml:12:40: delay: \"2\" is not a time span; write it as 5s, 20m, -90s or 1d12h\n" +
				"x.yaml:12:64: loss: \"1\" is not a share; write it as 1% or 0.5%\n" +
				"x.yaml:27:56: mode: \"rw\" is not a file mode; write it as 0644\n" +
				"x.yaml:30:21: offset: \"soon\" is not a time span; write it as 5s, 20m, -90s or 1d12h\n" +
				"x.yaml:30:34: drift: \"20\" is not a frequency error; write it as 20ppm or -1.5ppm\n" +
				"x.yaml:34:11: disk: \"big\" is not a size; write it as 512K, 64M or 1G"},
		{"bad zone", []edit{{"timezone: UTC", "timezone: Asia/Tokio"}},
			`x.yaml:33:15: timezone: unknown time zone "Asia/Tokio"; write it as Asia/Tokyo or UTC`},
		{"relative path", []edit{{"/etc/motd:", "etc/motd:"}},
			`x.yaml:26:7: files: "etc/motd" is not an absolute path`},
		{"duplicate task", []edit{{"id: two", "id: one"}, {"fails: {two:", "fails: {one:"}},
			"x.yaml:49:9: task \"one\" is there twice; first in line 42\nx.yaml:68:18: no check of task \"one\" fails at \"firewall-closed\"; known: port-not-listening"},
		{"circle", []edit{{"    points: 40\n", "    needs: [two]\n"}},
			`x.yaml:49:5: needs go in a circle: one → two → one`},
		{"needs itself", []edit{{"needs: [one]", "needs: [two]"}},
			`x.yaml:49:5: needs go in a circle: two → two`},
		{"overlapping subnets", []edit{{`dmz: {subnet: "fd00::/64"}`, "dmz: {subnet: 192.168.0.128/25}"}, {`, dmz: "fd00::10"`, ""}},
			`x.yaml:13:17: subnet: 192.168.0.128/25 overlaps 192.168.0.0/24 of network "lan"`},
		{"host bits", []edit{{"192.168.0.0/24", "192.168.0.1/24"}},
			`x.yaml:12:17: subnet: 192.168.0.1/24 has bits of a host; did you mean "192.168.0.0/24"?`},
		{"a line faster than nothing", []edit{{"lan: 192.168.0.20", "lan: {address: 192.168.0.20, delay: 5ms, asymmetry: -11ms}"}},
			`x.yaml:40:68: asymmetry: at most twice the line's own delay, 10ms`},
		{"a line into the past", []edit{{"lan: 192.168.0.20", "lan: {address: 192.168.0.20, delay: -5ms}"}},
			`x.yaml:40:52: delay and jitter must be positive`},
		{"not a subnet", []edit{{"192.168.0.0/24", "192.168.0.0"}},
			`x.yaml:12:17: subnet: "192.168.0.0" is not a subnet; write it as 192.168.0.0/24`},
		{"address outside", []edit{{"{lan: 192.168.0.20}", "{lan: 192.168.1.20}"}},
			`x.yaml:40:21: address 192.168.1.20 is not in 192.168.0.0/24, the subnet of "lan"`},
		{"broadcast address", []edit{{"{lan: 192.168.0.20}", "{lan: 192.168.0.255}"}},
			`x.yaml:40:21: address 192.168.0.255 is not for a host: it is the first or the last of 192.168.0.0/24`},
		{"duplicate address", []edit{{"{lan: 192.168.0.20}", "{lan: 192.168.0.10}"}},
			`x.yaml:40:21: address 192.168.0.10 is that of host "server" already`},
		{"not an address", []edit{{"{lan: 192.168.0.20}", "{lan: 192.168.0}"}},
			`x.yaml:40:21: networks.lan: "192.168.0" is not an IP address`},
		{"unknown step", []edit{{"without: [a]", "without: [x]"}, {"replace: {b:", "replace: {bb:"}},
			"x.yaml:65:15: solution \"reference\" has no step \"x\"; known: a, b\nx.yaml:66:15: solution \"reference\" has no step \"bb\"; did you mean \"b\"?"},
		{"unknown solution", []edit{{"from: reference", "from: refrence"}},
			`x.yaml:64:11: unknown solution "refrence"; did you mean "reference"?`},
		{"unknown link", []edit{{"two: firewall-closed", "two: firewall-close"}},
			`x.yaml:68:18: no check of task "two" fails at "firewall-close"; did you mean "firewall-closed"?`},
		{"mistake without a change", []edit{{"    without: [a]\n    replace: {b: \"echo b\"}\n    steps: [{host: client, run: \"echo c\"}]\n", ""}},
			`x.yaml:63:5: the mistake changes nothing; it needs without, replace or steps`},
		{"alias", []edit{{"lab: whole", "lab: &a whole"}, {"hostname: server.example.com", "hostname: *a"}},
			`x.yaml:21:15: aliases (*a) are not part of a lab file; write the value out`},
		{"merge", []edit{{"  client:\n", "  client:\n    <<: {pids: 64}\n"}},
			`x.yaml:40:5: hosts.client: merging (<<) is not part of a lab file`},
		{"a tab", []edit{{"  lan: {subnet", "\tlan: {subnet"}},
			"x.yaml:12:1: not YAML: found character that cannot start any token"},
		{"two documents", []edit{{"lab: whole", "lab: whole\n---\nlab: other"}},
			`x.yaml:2:1: not YAML: a second document; a lab is one`},
		{"variable of no kind", []edit{{"{token: 6}", "{}"}},
			`x.yaml:9:11: a variable has exactly one of pick, token and int`},
		{"variable out of range", []edit{{"[2000, 3000]", "[3000, 2000]"}},
			`x.yaml:10:12: int: expected two whole numbers, the smaller first`},
		{"unknown name server", []edit{{"dns:\n  host: server", "dns:\n  host: sever"}},
			`x.yaml:15:9: unknown host "sever"; did you mean "server"?`},
		{"unknown host of the shell", []edit{{"tasks:", "shell: desk\ntasks:"}},
			`x.yaml:41:8: unknown host "desk"; known: client, server`},
		{"bad names", []edit{{"lab: whole", "lab: Whole Lab"}, {"users: [usera]", "users: [usera, User B]"}},
			"x.yaml:1:6: lab: \"Whole Lab\" is not an identifier; use lower-case words joined by hyphens, at most 64 characters\nx.yaml:24:12: users: \"User B\" is not a user name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := whole
			for _, e := range tt.edits {
				if strings.Count(src, e.from) != 1 {
					t.Fatalf("%q is %d times in the right file", e.from, strings.Count(src, e.from))
				}
				src = strings.Replace(src, e.from, e.to, 1)
			}
			_, err := Parse("x.yaml", []byte(src), known)
			var errs Errors
			if !errors.As(err, &errs) {
				t.Fatalf("no error; want %s", tt.want)
			}
			got := err.Error()
			if strings.HasSuffix(tt.want, "(with ") { // the values drawn for the other variables follow
				got = got[:min(len(got), len(tt.want))]
			}
			if got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

// TestHugeInput has what a hostile author may send.
func TestHugeInput(t *testing.T) {
	hosts := "lab: many\ntitle: {ja: あ, en: a}\nobjectives: [x]\nnetworks: {lan: {subnet: 10.0.0.0/16}}\n" +
		"tasks: [{id: t, title: {ja: あ, en: a}, checks: [{service: {host: h0, unit: rsyslog, active: true}}]}]\nhosts:\n"
	for i := range 300 {
		hosts += fmt.Sprintf("  h%d: {networks: {lan: 10.0.%d.%d}}\n", i, 1+i/200, 1+i%200)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'z'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	for _, tt := range []struct{ name, src, want string }{
		{"300 hosts", hosts, "x.yaml:7:3: hosts: 300 hosts are too many; the limit is 64"},
		{"deep flow", "lab: " + strings.Repeat("[", 100_000), "x.yaml:1:1: not YAML: exceeded max depth of 10000"},
		{"deep flow that closes", "lab: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "x.yaml:1:6: lab: expected a text, found a list"},
		{"anchor bomb", bomb, "x.yaml:1:1: the lab: the key \"hosts\" is missing"},
		{"2 MiB", strings.Repeat("# x\n", 1<<19), "x.yaml:1:1: the file has more than 1048576 bytes, the limit"},
		{"nothing", "", "x.yaml:1:1: the file is empty"},
		{"a comment", "# nothing\n", "x.yaml:1:1: the file is empty"},
		{"a list", "- a\n", "x.yaml:1:1: expected a mapping with the key \"lab\", found a list"},
		{"not UTF-8", "lab: a\ntitle: \xff\n", "x.yaml:2:8: the file is not UTF-8"},
		{"a key that is a list", "lab: a\n? [x]\n: y\n", "x.yaml:2:3: the lab: a key must be plain text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(tt.src), known)
			if err == nil || !strings.Contains("\n"+err.Error()+"\n", "\n"+tt.want+"\n") {
				t.Errorf("got:\n%.2000v\nwant the line:\n%s", err, tt.want)
			}
		})
	}
}

// TestSchema compares the generated schema with the decoder: every key that the
// schema names is a key that the decoder takes, and the other way round.
func TestSchema(t *testing.T) {
	b, err := Schema(known.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Properties map[string]any `json:"properties"`
		Required   []string       `json:"required"`
		Defs       map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"lab", "title", "objectives", "hosts", "tasks"}, s.Required); d != "" {
		t.Error(d)
	}
	for _, def := range []string{"Host", "Task", "Check", "LogCheck", "ServiceCheck", "PortCheck", "Mistake", "Solution", "Text"} {
		if s.Defs[def] == nil {
			t.Errorf("no definition of %s", def)
		}
	}
	for key := range s.Properties {
		_, err := Parse("x.yaml", []byte(key+": x\n"), known)
		if err == nil || strings.Contains(err.Error(), "unknown key") {
			t.Errorf("the schema's key %q: %v", key, err)
		}
	}
}

func TestDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"5s": 5 * time.Second, "-90s": -90 * time.Second, "1d": 24 * time.Hour, "-1d12h": -36 * time.Hour, "500us": 500 * time.Microsecond, "0s": 0,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(s)); err != nil || time.Duration(d) != want {
			t.Errorf("%q is %v, %v; want %v", s, d, err, want)
		}
	}
	for _, s := range []string{"", "5", "d", "1d-5s", "--5s", "99999999999999h", "1.5d", "65535d200000000h"} {
		var d Duration
		if err := d.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q is %v", s, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add(Skeleton("x"))
	f.Add([]byte("lab: &a [*a]\n"))
	f.Add([]byte("lab: x\nvars: {a: {int: [-9223372036854775808, 9223372036854775807]}}\n"))
	f.Add([]byte("hosts: {a: {networks: {{x}}}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("x", data, known)
		if err == nil {
			// What passed can be drawn; only a clash of two variables may refuse a seed.
			if lab, err := s.Draw(1); err == nil && lab.ID != s.ID() {
				t.Errorf("id %q became %q", s.ID(), lab.ID)
			}
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("error %T %v", err, err)
		}
		for _, e := range errs {
			if e.Line < 1 || e.Column < 1 {
				t.Errorf("no position: %v", e)
			}
		}
	})
}
