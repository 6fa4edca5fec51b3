package firewalld_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"enshu/sim/firewalld"
	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/nft"
)

// packetFilter is the kernel's filter of a memnet host.
type packetFilter struct {
	h     *memnet.Host
	mu    sync.Mutex
	rules *nft.Ruleset
	eng   *nft.Engine
	log   []string
}

func (f *packetFilter) Apply(r *nft.Ruleset) error {
	f.mu.Lock()
	f.rules, f.eng = r, nft.NewEngine(r)
	f.mu.Unlock()
	f.h.SetFilter(f.judge)
	return nil
}

func (f *packetFilter) judge(pk memnet.Packet) memnet.Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	proto, _ := nft.ProtocolNumber(pk.Proto)
	hook := map[memnet.Hook]nft.Hook{memnet.InputHook: nft.Input, memnet.OutputHook: nft.Output, memnet.ForwardHook: nft.Forward}[pk.Hook]
	states := map[memnet.State]nft.State{memnet.StateNew: nft.New, memnet.StateEstablished: nft.Established, memnet.StateRelated: nft.Related}
	p := nft.Packet{In: pk.In, Out: pk.Out, Proto: proto, Src: pk.Src.Addr(), Dst: pk.Dst.Addr(), SrcPort: pk.Src.Port(), DstPort: pk.Dst.Port(), State: states[pk.State]}
	if pk.SYN {
		p.TCPFlags = 2
	}
	out := f.eng.Eval(hook, &p, f.h.Clock.Now())
	for _, l := range out.Log {
		f.log = append(f.log, l.Text)
	}
	switch {
	case out.Verdict == nft.Accept:
		return memnet.Accept
	case out.Reject == nil:
		return memnet.Drop
	case out.Reject.With == nft.RejectTCPRst:
		return memnet.RejectReset
	case out.Reject.With == nft.RejectICMPX && out.Reject.Code == nft.ICMPXAdminProhibited:
		return memnet.RejectAdmin
	}
	return memnet.RejectPort
}

// machine is a host with firewalld and a shell that knows the tools of the
// transcripts.
type machine struct {
	*memnet.Host
	t      testing.TB
	filter *packetFilter
	daemon *memnet.Daemon
}

// install makes a host with the package's files.
func install(t testing.TB, n *memnet.Network, interfaces ...string) *machine {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("../distro/files/firewalld")); err != nil {
		t.Fatal(err)
	}
	h := n.Host(t, memnet.Config{Name: "server1", Addrs: []string{"192.0.2.10/24"}, Root: root, Programs: map[string]host.Program{
		"/usr/sbin/firewalld":           firewalld.Firewalld,
		"/usr/bin/firewall-cmd":         firewalld.FirewallCmd,
		"/usr/bin/firewall-offline-cmd": firewalld.FirewallOfflineCmd,
	}})
	m := &machine{Host: h, t: t, filter: &packetFilter{h: h, rules: &nft.Ruleset{}}}
	h.Host.Filter = m.filter
	for _, i := range append(interfaces, "lo") {
		h.MkdirAll("/sys/class/net/"+i, 0o755)
	}
	for _, d := range []string{"helpers", "icmptypes", "ipsets", "policies", "services", "zones"} {
		h.MkdirAll("/etc/firewalld/"+d, 0o755)
	}
	m.start()
	return m
}

func (m *machine) start() { m.daemon = m.Start("/usr/sbin/firewalld", "--nofork", "--nopid") }

// streams are where a command of the shell reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// shell runs a line as bash would, as far as the transcripts need it, and
// returns what it printed.
func (m *machine) shell(user, line string) (stdout, stderr string, status int) {
	m.t.Helper()
	file, err := syntax.NewParser().Parse(strings.NewReader(line), "")
	if err != nil {
		m.t.Fatalf("%s: %v", line, err)
	}
	var out, errs bytes.Buffer
	sh := &shell{machine: m, user: user, vars: map[string]string{"?": "0"}}
	for _, s := range file.Stmts {
		sh.stmt(s, streams{strings.NewReader(""), &out, &errs})
	}
	status, _ = strconv.Atoi(sh.vars["?"])
	return out.String(), errs.String(), status
}

type shell struct {
	*machine
	user string
	vars map[string]string
}

func (sh *shell) fields(words ...*syntax.Word) []string {
	f, err := expand.Fields(&expand.Config{Env: expand.FuncEnviron(func(name string) string { return sh.vars[name] })}, words...)
	if err != nil {
		sh.t.Fatal(err)
	}
	return f
}

func (sh *shell) stmt(s *syntax.Stmt, io streams) {
	for _, r := range s.Redirs {
		f, err := os.Create(filepath.Join(sh.Dir(), sh.fields(r.Word)[0]))
		if err != nil {
			sh.t.Fatal(err)
		}
		defer f.Close()
		io.out = f
	}
	status := 0
	switch c := s.Cmd.(type) {
	case *syntax.BinaryCmd:
		if c.Op == syntax.Pipe {
			var between bytes.Buffer
			sh.stmt(c.X, streams{io.in, &between, io.err})
			sh.stmt(c.Y, streams{&between, io.out, io.err})
		} else if sh.stmt(c.X, io); (sh.vars["?"] == "0") == (c.Op == syntax.AndStmt) {
			sh.stmt(c.Y, io)
		}
		return
	case *syntax.ForClause:
		loop := c.Loop.(*syntax.WordIter)
		for _, v := range sh.fields(loop.Items...) {
			sh.vars[loop.Name.Value] = v
			for _, s := range c.Do {
				sh.stmt(s, io)
			}
		}
		return
	case *syntax.CallExpr:
		var words []*syntax.Word
		for _, w := range c.Args {
			syntax.SplitBraces(w)
			words = append(words, expand.Braces(w)...) //lint:ignore SA1019 the words of recorded commands are few
		}
		status = sh.exec(io, sh.user, sh.fields(words...))
	default:
		sh.t.Fatalf("no %T in the test's shell", c)
	}
	sh.vars["?"] = strconv.Itoa(status)
}

func (m *machine) exec(c streams, user string, args []string) int {
	switch args[0] {
	case "firewall-cmd", "firewall-offline-cmd":
		cmd := host.Cmd{Args: args, Stdout: c.out, Stderr: c.err}
		if user != "root" {
			cmd.Cred = &host.Cred{UID: 1000, GID: 1000, Groups: []int{1000}}
		}
		return m.RunCmd(cmd).Status.Shell()
	case "sleep":
		d, _ := time.ParseDuration(args[1] + "s")
		time.Sleep(d)
		return 0
	case "echo":
		fmt.Fprintln(c.out, strings.Join(args[1:], " "))
		return 0
	case "printf":
		fmt.Fprint(c.out, strings.ReplaceAll(strings.Join(slices.DeleteFunc(args[1:], func(a string) bool { return a == "%s" }), ""), `\n`, "\n"))
		return 0
	case "systemctl":
		return m.systemctl(c, args[1:])
	case "nft":
		return m.nft(c, args[1:])
	case "cat", "ls", "grep", "head", "tail", "rm":
		real := slices.Clone(args)
		for i, a := range real[1:] {
			if strings.HasPrefix(a, "/") {
				real[i+1] = filepath.Join(m.Dir(), a)
			}
		}
		cmd := exec.Command(real[0], real[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = c.in, c.out, c.err
		if err := cmd.Run(); cmd.ProcessState == nil {
			m.t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode()
	}
	m.t.Errorf("no %s in the test's shell", args[0])
	return 127
}

func (m *machine) systemctl(c streams, args []string) int {
	running := m.daemon != nil
	switch args[0] {
	case "is-active":
		fmt.Fprintln(c.out, map[bool]string{true: "active", false: "inactive"}[running])
		return map[bool]int{true: 0, false: 3}[running]
	case "stop":
		m.daemon.Stop()
		m.daemon = nil
	case "restart":
		m.daemon.Stop()
		m.start()
	case "start":
		m.start()
	case "reload":
		m.daemon.Signal(syscall.SIGHUP)
		synctest.Wait()
	}
	return 0
}

// nft answers from the rules in force as the nft tool does.
func (m *machine) nft(c streams, args []string) int {
	m.filter.mu.Lock()
	defer m.filter.mu.Unlock()
	switch strings.Join(args[:2], " ") {
	case "list ruleset":
		fmt.Fprint(c.out, m.filter.rules)
	case "list tables":
		for _, t := range m.filter.rules.Tables {
			fmt.Fprintf(c.out, "table %s %s\n", t.Family, t.Name)
		}
	case "list chain":
		t := m.filter.rules.Table(args[2], args[3])
		fmt.Fprint(c.out, t.Wrap(t.Chain(args[4]).String()))
	case "list sets":
		for _, t := range m.filter.rules.Tables {
			body := ""
			for _, s := range t.Sets {
				body += s.String()
			}
			fmt.Fprint(c.out, t.Wrap(body))
		}
	default:
		m.t.Errorf("nft %q", args)
	}
	return 0
}

type step struct {
	Run            string
	User           string `yaml:"as_user"` // "" is root
	Host           string
	Stdout, Stderr string
	Exit           int
}

// elsewhere are commands of the transcripts that are not about firewalld's own
// programs, or that show the recording machine.
var elsewhere = regexp.MustCompile(`^(telnet|ncat|ping|curl|python3|bash|journalctl|tcpdump|systemctl (status|stop firewalld$|restart firewalld$)|ls -l|nft -|for z in ntp)`)

// marked are steps that are known to differ, with the reason.
var marked = []struct{ file, run, why string }{
	{"info_service", "cat /usr/lib/firewalld/services/", "the descriptions of services are our own"},
	{"direct_and_ipset", "nft list sets", "the table of removed direct rules goes with them"},
	{"peer_icmptypes_and_helpers", "firewall-cmd -v --info-icmptype=echo-request", "the descriptions of ICMP types are our own"},
	{"peer_icmptypes_and_helpers", "cat /etc/firewalld/icmptypes/echo-request.xml", "the descriptions of ICMP types are our own"},
	{"peer_icmptypes_and_helpers", "cat /etc/firewalld/icmptypes/timestamp-reply.xml", "the descriptions of ICMP types are our own"},
	{"peer_icmptypes_and_helpers", "firewall-cmd --permanent --helper=m2 --get-short --get-family", "one thing at a time"},
	{"peer_icmptypes_and_helpers", "firewall-cmd --permanent --helper=m2 --add-service=x", "the message"},
	{"peer_icmptypes_and_helpers", "firewall-cmd --permanent --load-helper-defaults=zz", "that the configuration failed is told first"},
	{"peer_policies", "firewall-cmd --permanent --policy=pol --set-priority=abc", "an error of Python"},
	{"peer_policies", "firewall-cmd --permanent --delete-policy=allow-host-ipv6", "an error of Python"},
	{"peer_policies", "firewall-cmd --permanent --policy=q --add-service=http --add-service=nosuch", "the message is a warning, and the rest is done"},
	{"peer_policies", "firewall-cmd --permanent --policy=q --get-target --get-short", "one thing at a time"},
	{"peer_policies", "firewall-cmd --permanent --new-policy-from-file=/tmp/w/f.xml --name=n8", "an error of Python"},
	{"peer_policies", "firewall-cmd --permanent --new-policy-from-file=/tmp/w/f.xml --name=n34", "no warning about a zone that comes twice"},
	{"peer_policies", "firewall-cmd --permanent --new-policy-from-file=/tmp/w/f.xml", "no warning about a zone that comes twice"},
	{"peer_policies", "firewall-cmd --permanent --new-policy-from-file=/nosuch.xml", "one slash before the name"},
}

// listing are commands whose rich rules come in the order of a hash table.
var listing = regexp.MustCompile(`--list-rich-rules|--list-all`)

var stamp = regexp.MustCompile(`(?m)^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d `)

func normal(run, s string) string {
	s = stamp.ReplaceAllString(s, "STAMP ")
	if listing.MatchString(run) {
		lines := strings.Split(s, "\n")
		var rules []string
		for _, l := range lines {
			if strings.HasPrefix(strings.TrimSpace(l), "rule ") {
				rules = append(rules, l)
			}
		}
		slices.Sort(rules)
		for i, l := range lines {
			if strings.HasPrefix(strings.TrimSpace(l), "rule ") {
				lines[i], rules = rules[0], rules[1:]
			}
		}
		s = strings.Join(lines, "\n")
	}
	return s
}

// TestTranscripts plays the recorded sessions of firewall-cmd: what it prints,
// its exit status, the files and the rules that come of it.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	ran := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			var doc struct {
				Steps    []step
				Sessions [][]step // each on a host of its own
			}
			if err == nil {
				err = yaml.Unmarshal(data, &doc)
			}
			if err != nil {
				t.Fatal(err)
			}
			if doc.Steps != nil {
				doc.Sessions = append(doc.Sessions, doc.Steps)
			}
			for session, steps := range doc.Sessions {
				synctest.Test(t, func(t *testing.T) {
					n := memnet.New(t)
					var interfaces []string
					if name != "nft_default_no_interface" && !strings.HasPrefix(name, "peer_") {
						interfaces = []string{"eth0"}
					}
					m := install(t, n, interfaces...)
					m.MkdirAll("/tmp/w", 0o755)
					for i, s := range steps {
						if s.User == "" {
							s.User = "root"
						}
						if s.Host == "client1" || s.User != "root" && !strings.HasPrefix(s.Run, "firewall") || elsewhere.MatchString(s.Run) && !(strings.HasPrefix(s.Run, "systemctl") && s.User == "root" && !strings.Contains(s.Run, "status")) {
							continue
						}
						out, errs, status := m.shell(s.User, s.Run)
						known := slices.ContainsFunc(marked, func(k struct{ file, run, why string }) bool {
							return k.file == name && (s.Run == k.run || strings.HasSuffix(k.run, "/") && strings.HasPrefix(s.Run, k.run))
						})
						same := normal(s.Run, out) == normal(s.Run, s.Stdout) && errs == s.Stderr && status == s.Exit
						switch {
						case known && same:
							t.Errorf("session %d, step %d: %s: is marked as different and is the same", session, i, s.Run)
						case !known && !same:
							t.Errorf("session %d, step %d: %s\nexit %d, want %d\n%s", session, i, s.Run, status, s.Exit, diff(normal(s.Run, out), normal(s.Run, s.Stdout))+diff(errs, s.Stderr))
						}
						ran++
					}
				})
			}
		})
	}
	t.Logf("%d steps ran, %d kinds are marked", ran, len(marked))
}

// diff shows the lines that differ.
func diff(got, want string) string {
	if got == want {
		return ""
	}
	return cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")) + "\n"
}
