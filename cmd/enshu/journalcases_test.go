package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"enshu/sim/kernel"
)

// journalStep is a command of a recorded case and what it printed.
type journalStep struct {
	Run     string
	User    string `yaml:"as_user"`
	Stdout  string
	Stderr  string
	Exit    int
	PTY     *struct{ Rows, Cols int }
	During  []string `yaml:"while_running"`
	Signal  string
	EndedBy float64 `yaml:"interrupted_after"`
}

// journalHost is the host that the cases of the journal are played on.
type journalHost struct {
	*user
	boots map[string]string // boot IDs: ours, for those of the recording
	brief bool              // senders end at once: what journald learns of their process is open
}

// knownJournal are steps that differ on purpose, with the reason.
var knownJournal = map[string]string{
	"storage: journalctl --header | head -20":   "the format of the files is another",
	"follow: journalctl -f -t myappf":           "no /dev/kmsg, where the recording host had written before",
	"follow: journalctl -f --no-tail -t myappf": "no /dev/kmsg, where the recording host had written before",
	"follow: journalctl -k -f -n 0 -t myappf":   "no /dev/kmsg",
}

// TestJournalCases plays the recorded cases of the journal that need a whole
// host: a shell, PID 1, users, terminals, a reboot.
func TestJournalCases(t *testing.T) {
	if kernel.FindIDs().Single {
		t.Skip("one user id only: the cases have an ordinary user")
	}
	lab, err := filepath.Abs("testdata/recorded.yaml")
	if err != nil {
		t.Fatal(err)
	}
	holds, marked := 0, 0
	for _, name := range []string{"storage", "permissions", "follow", "rate_limit", "service_output_fields", "boots_persistent", "systemd_cat", "forward_to_wall", "logger"} {
		data, err := os.ReadFile("../../sim/systemd/journald/testdata/oracle/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		var c struct{ Steps []journalStep }
		if err := yaml.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			h := &journalHost{&user{t, t.TempDir(), os.Getuid(), fmt.Sprintf("test-journal-%d", os.Getpid())}, map[string]string{}, slices.Contains([]string{"systemd_cat", "logger", "rate_limit"}, name)}
			h.enshu(0, "start", lab, "--name", h.lab)
			defer h.enshu(0, "finish")
			for i, s := range c.Steps {
				if strings.HasSuffix(s.Run, "/boot_id") && len(h.boots) == 1 {
					h.enshu(0, "reset", "--reboot", "server1")
				}
				d := h.play(s)
				why := knownJournal[name+": "+s.Run]
				switch {
				case why != "" && d == "":
					t.Errorf("step %d: %s holds, but is marked: %s", i, s.Run, why)
				case why != "":
					marked++
				case d != "":
					t.Errorf("step %d: %s\n%s", i, s.Run, d)
				default:
					holds++
				}
			}
		})
	}
	t.Logf("%d steps hold, %d marked", holds, marked)
}

// TestJournalReaders: members of adm and wheel read the whole journal, by ACL;
// other users their own messages, once the journal is persistent.
func TestJournalReaders(t *testing.T) {
	if kernel.FindIDs().Single {
		t.Skip("one user id only")
	}
	lab, err := filepath.Abs("testdata/recorded.yaml")
	if err != nil {
		t.Fatal(err)
	}
	h := &journalHost{user: &user{t, t.TempDir(), os.Getuid(), fmt.Sprintf("test-readers-%d", os.Getpid())}}
	h.enshu(0, "start", lab, "--name", h.lab)
	defer h.enshu(0, "finish")
	read := func(want string) {
		t.Helper()
		if out, errs, _ := h.exec("usera", "journalctl -q --no-pager -o cat -t app"); out != want {
			t.Errorf("usera reads %q, want %q (%s)", out, want, errs)
		}
	}
	h.exec("root", "logger -t app of root")
	read("")
	for _, group := range []string{"adm", "wheel"} {
		h.exec("root", "usermod -G "+group+" usera")
		read("of root\n")
	}
	h.exec("root", "usermod -G '' usera; mkdir /var/log/journal; journalctl --flush")
	h.exec("usera", "logger -t app of usera; sleep 0.3")
	read("of usera\n")
	if out, _, _ := h.exec("root", "journalctl -q --no-pager -o cat -t app; stat -c %U:%G /var/log/journal/*/user-1001.journal"); out != "of root\nof usera\nroot:root\n" {
		t.Errorf("root sees %q", out)
	}
}

// play runs a step and returns how it differs.
func (h *journalHost) play(s journalStep) string {
	for recorded, ours := range h.boots {
		s.Run = strings.ReplaceAll(s.Run, recorded, ours)
	}
	var stdout, stderr string
	var status int
	switch {
	case strings.HasSuffix(s.Run, "/boot_id"):
		// /proc has the machine's.
		ours, _, _ := h.exec("root", "journalctl -n 1 -o export | sed -n s/^_BOOT_ID=//p")
		h.boots[strings.ReplaceAll(strings.TrimSpace(s.Stdout), "-", "")] = strings.TrimSpace(ours)
		return ""
	case s.PTY != nil && s.Signal == "" && strings.HasPrefix(s.Run, "script "):
		return h.session(s)
	case s.During != nil:
		stdout, stderr, status = h.follow(s)
	default:
		stdout, stderr, status = h.exec(s.User, s.Run)
	}
	for recorded, ours := range h.boots {
		stdout = strings.ReplaceAll(stdout, ours, recorded)
	}
	text := maskedJournal
	if h.brief {
		text = func(s string) string { return ofProcess.ReplaceAllString(maskedJournal(s), "") }
	}
	switch {
	case strings.HasPrefix(s.Run, "grep ") && strings.Contains(s.Run, "journald.conf"):
		// The directives; the words around them are of our own, two defaults EL9's.
		text = func(s string) string { return ownText.ReplaceAllString(s, "") }
	case byChance[s.Run] != nil:
		chance := byChance[s.Run]
		text = func(s string) string { return chance.ReplaceAllString(maskedJournal(s), "by chance") }
	case strings.HasSuffix(s.Run, "-fu rsyslog -n 3"):
		text = func(s string) string { return linesSorted(maskedJournal(s)) } // the daemon's and PID 1's lines, as they come
	case strings.Contains(s.Run, "-o json"):
		mask := text
		text = func(s string) string { return jsonSorted(mask(s)) }
	case strings.Contains(s.Run, "-o verbose"):
		mask := text
		text = func(s string) string { return fieldsSorted(mask(s)) }
	}
	if d := cmp.Diff(text(s.Stdout), text(stdout)); d != "" {
		return "stdout (-want +got):\n" + d
	}
	if s.PTY != nil {
		stderr, status = "", s.Exit // script(1) tells what it got
	}
	if d := cmp.Diff(linesSorted(maskedJournal(s.Stderr)), linesSorted(maskedJournal(stderr))); d != "" {
		return "stderr (-want +got):\n" + d
	}
	if status != s.Exit {
		return fmt.Sprintf("exit status %d, want %d", status, s.Exit)
	}
	return ""
}

// systemdRun stands for systemd-run(1), which hosts do not have: a unit of the
// command, started and waited for.
const systemdRun = `systemd-run() {
	local unit=${3#--unit=} program; shift 3
	program=$(type -P "$1"); shift
	printf '[Unit]\nDescription=%s\n[Service]\nExecStart=%s%s\n' "$program $*" "$program" "$([ $# -gt 0 ] && printf ' "%s"' "$@")" > /run/systemd/system/$unit.service
	systemctl daemon-reload; systemctl start $unit
	while systemctl -q is-active $unit; do sleep 0.05; done
}
`

// exec runs a line of shell as a user of the host.
func (h *journalHost) exec(as, line string) (stdout, stderr string, status int) {
	args := []string{"exec", "server1"}
	if as != "root" {
		args = append(args, "--user", as)
	}
	if strings.Contains(line, "systemd-run ") {
		line = systemdRun + line
	}
	var out, errs bytes.Buffer
	c := h.command(nil, append(args, "--", "bash", "-c", line)...)
	c.Stdout, c.Stderr = &out, &errs
	c.Run() // the exit status tells
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// followScript runs $1, which follows the journal, and what stands in $2 once it
// does; when as many lines came as $3 says, it gets the signal of Ctrl-C. The
// journal's readers are counted by their connections to journald.
const followScript = `
set -m
readers() { grep -c /run/systemd/journal/notify /proc/net/unix; }
before=$(readers)
eval "$1" > /tmp/followed 2> /tmp/followed.err & p=$!
until [ $(readers) -gt $before ]; do sleep 0.01; done
eval "$2"
for i in $(seq 100); do [ $(wc -l < /tmp/followed) -ge $3 ] && break; sleep 0.01; done
exec 3>&2 2> /dev/null # where bash tells of its jobs
kill -INT -- -$p
wait $p
status=$?
cat /tmp/followed; cat /tmp/followed.err >&3
exit $status`

// follow plays a step that ran until it was interrupted.
func (h *journalHost) follow(s journalStep) (stdout, stderr string, status int) {
	run := s.Run
	if s.PTY != nil {
		run = "script -qec '" + run + "' /dev/null"
	}
	lines := strings.Count(s.Stdout, "\n")
	line := "bash -c '" + strings.ReplaceAll(followScript, "'", `'\''`) + "' follow"
	for _, a := range []string{run, strings.Join(s.During, "; "), strconv.Itoa(lines)} {
		line += " '" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return h.exec("root", line)
}

// session plays what comes to the terminal of somebody who is logged in. The
// shell's own output is not compared, nor how many carriage returns two
// terminals make of one.
func (h *journalHost) session(s journalStep) string {
	c, far := h.terminal("shell", "server1")
	fmt.Fprint(far, "stty -echo; PS1=; tty; who\n")
	readUntil(h.t, far, "pts/0        ")
	got := ""
	for i, last := range []string{":disk almost full\r\n", "from wall command"} {
		h.exec("root", s.During[i])
		got += readUntil(h.t, far, last)
	}
	fmt.Fprint(far, "exit\n")
	c.Wait()
	text := func(s string) string {
		s = maskedJournal(returns.ReplaceAllString(s, "\n"))
		from, to := strings.Index(s, "\nBroadcast message from systemd-journald"), strings.Index(s, "from wall command")
		if from < 0 || to < from {
			return s
		}
		return s[from:to]
	}
	return cmp.Diff(text(s.Stdout), text(got))
}

// ofProcess are the fields that journald looks up in /proc, and those of login
// sessions, which have no scopes here.
var ofProcess = regexp.MustCompile(`(?m)^ +(?:OBJECT)?_(COMM|EXE|CMDLINE|CAP_EFFECTIVE|SYSTEMD_\w+)=.*\n|\t*"_(COMM|EXE|CMDLINE|CAP_EFFECTIVE|SYSTEMD_\w+)" : ".*",?\n`)

// ownText is what may differ in journald.conf.
var ownText = regexp.MustCompile(`(?m)^#( .*)?\n|^#(ForwardToSyslog|Audit)=.*\n`)

// byChance is what PID 1, or another service manager, happened to say last before
// what a step is about.
var byChance = map[string]*regexp.Regexp{
	"journalctl --no-pager -n 1 -o cat -t systemd": regexp.MustCompile(`(?m)^(Start|Stopp|Reach|Listen|Finish|Creat|Reload|Remov|Queu)\w+ \S.*$`),
	"journalctl --no-pager -q -n 3 -o short":       regexp.MustCompile(`^.*\n|(?m)(overlay|tmpfs)? {2,}.*$`), // and of the disk
}

var returns = regexp.MustCompile(`\r+\n?`)

// journalMasks are what differs from run to run and from host to host.
var journalMasks = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`s=[0-9a-f]{32};i=\w+;b=\w+;m=\w+;t=\w+;x=\w+`), "CURSOR"},
	{regexp.MustCompile(`\b(\w{3} \d{4}-\d\d-\d\d|\w{3} \d\d) \d\d:\d\d(:\d\d(\.\d+)?)?`), "T"},
	{regexp.MustCompile(`\[\d+\]|\[ *\d+\.\d+\]`), "[P]"},
	{regexp.MustCompile(`(?m)^ +(CODE_FILE|CODE_LINE|CODE_FUNC)=.*\n|"(CODE_FILE|CODE_LINE|CODE_FUNC)" ?: ?"[^"]*",?`), ""}, // of another program's source
	{regexp.MustCompile(`((_PID|SYSLOG_PID|OBJECT_PID|JOB_ID|_GID)=|"(?:_PID|SYSLOG_PID|__MONOTONIC_TIMESTAMP|_GID)" ?: ?")\d+`), "${1}N"},
	{regexp.MustCompile(`(_STREAM_ID|INVOCATION_ID)(=|" ?: ?")[0-9a-f]{32}`), "${1}${2}ID"},
	{regexp.MustCompile(`@[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{16}`), "@ID"},
	{regexp.MustCompile(`\b\d{16}\b`), "MICROSECONDS"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "ID"},
	{regexp.MustCompile(`swVersion="[^"]*" x-pid="\d+"|\[v8[^]]*\]`), "VERSION"},
	{regexp.MustCompile(`(Support: ).*`), "$1URL"},
	{regexp.MustCompile(`\^C`), ""}, // typed
	{regexp.MustCompile(`(?m)^.*No statefile exists.*\n`), ""},
	{regexp.MustCompile(`(CAP_EFFECTIVE(?:=|" ?: ?"))[0-9a-f]{2,}`), "${1}CAPABILITIES"},
	{regexp.MustCompile(`(_CMDLINE=)/lib/`), "${1}/usr/lib/"},
	// How much more than RateLimitBurst= goes through depends on the room that is left.
	{regexp.MustCompile(`(Suppressed |N_DROPPED=)4\d0\b`), "${1}N"},
	{regexp.MustCompile(`(?m)^(71|41)$`), "LINES"},
	{regexp.MustCompile(`(/usr/lib/systemd/systemd) [-s][^"\n]*`), "$1 OPTIONS"},
	{regexp.MustCompile(`, 'wheel'`), ""}, // EL9 has the group as well
	{regexp.MustCompile(`\b\d+\((usera|systemd-journal)\)`), "N($1)"},
	{regexp.MustCompile(`(UTC; ).*ago|(Main PID: )\d+|(Tasks: ).*|(Memory: ).*|(CPU: ).*|(└─)\d+`), "$1$2$3$4$5${6}N"},
	// Disks differ, and what ls shows of them.
	{regexp.MustCompile(`max [\d.]+[KMG], [\d.]+[KMG] free`), "max M, N free"},
	{regexp.MustCompile(`(take up \d+|freed [1-9])\.\dM`), "${1}.NM"},
	{regexp.MustCompile(`is [\d.]+m?s for \d+ entries`), "is T for N entries"},
	{regexp.MustCompile(`(?m)^total \d+`), "total N"},
	{regexp.MustCompile(`(?m)^(d[-rwxs]{9}\+? +\d+ +\w+ +\S+) +\d+`), "$1 N"},
	{regexp.MustCompile(`(\w+ +\w+) 3\d{6} `), "$1 ARCHIVED "},
}

func maskedJournal(s string) string {
	for _, m := range journalMasks {
		s = m.re.ReplaceAllString(s, m.with)
	}
	return s
}

func linesSorted(s string) string {
	l := strings.SplitAfter(s, "\n")
	slices.Sort(l)
	return strings.Join(l, "")
}

// fieldsSorted sorts the fields of each entry of -o verbose.
func fieldsSorted(s string) string {
	var out, fields []string
	flush := func() {
		slices.Sort(fields)
		out, fields = append(out, fields...), nil
	}
	for _, line := range strings.Split(s, "\n") {
		if strings.HasPrefix(line, "    ") {
			fields = append(fields, line)
			continue
		}
		flush()
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// jsonSorted sorts the fields of each entry of -o json.
func jsonSorted(s string) string {
	var out []string
	for dec := json.NewDecoder(strings.NewReader(s)); ; {
		var v map[string]any
		if dec.Decode(&v) != nil {
			slices.Sort(out) // two streams of one process are two roads
			return strings.Join(out, "\n")
		}
		line, _ := json.Marshal(v)
		out = append(out, string(line))
	}
}
