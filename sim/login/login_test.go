package login

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

// step is one step of the recording.
type step struct {
	Run, Stdout, Stderr string
	AsUser              string `yaml:"as_user"`
	Env                 map[string]string
	Stdin               string
	Exit                int
	Pty                 *struct{ Rows, Cols int }
}

// bash is as much of a shell as the recording needs: commands between ";",
// $NAME, and lines of its input without -c.
func bash(ctx context.Context, p *host.Proc) int {
	if len(p.Args) == 1 {
		in := bufio.NewScanner(p.Stdin)
		for in.Scan() {
			if in.Text() == "exit" {
				return 0
			}
			bashLine(p, in.Text())
		}
		return 0
	}
	if p.Args[1] != "-c" {
		fmt.Fprintf(p.Stderr, "/usr/bin/%s: /usr/bin/%s: cannot execute binary file\n", p.Args[1], p.Args[1])
		return 126
	}
	return bashLine(p, p.Args[2])
}

func bashLine(p *host.Proc, line string) int {
	status := 0
	for _, command := range strings.Split(line, ";") {
		command = os.Expand(strings.TrimSpace(command), func(name string) string {
			switch name {
			case "$":
				return strconv.Itoa(p.PID)
			case "0":
				return p.Args[0]
			}
			return p.Getenv(name)
		})
		word, rest, _ := strings.Cut(command, " ")
		u, _ := libc.UserByID(p, p.UID)
		switch word {
		case "id":
			fmt.Fprintf(p.Stdout, "uid=%d(%s) gid=%d(%s) groups=%d(%s)\n", p.UID, u.Name, p.GID, u.Name, p.GID, u.Name)
		case "whoami":
			fmt.Fprintln(p.Stdout, u.Name)
		case "pwd":
			fmt.Fprintln(p.Stdout, p.Dir)
		case "echo":
			fmt.Fprintln(p.Stdout, rest)
		case "exit":
			n, _ := strconv.Atoi(rest)
			return n
		case "kill":
			p.Sys.Kill(p.PID, syscall.SIGKILL)
			p.Sleep(context.Background(), time.Second)
		default:
			fmt.Fprintf(p.Stderr, "%s: line 1: %s: command not found\n", p.Args[0], word)
			status = 127
		}
	}
	return status
}

// logd collects what arrives at /dev/log.
func logd(log *[]string) host.Program {
	return func(ctx context.Context, p *host.Proc) int {
		c, err := p.Sys.ListenPacket("unixgram", "/dev/log")
		if err != nil {
			return 1
		}
		p.Ready()
		b := make([]byte, 8192)
		for {
			n, _, err := c.ReadFrom(b)
			if err != nil {
				return 0
			}
			*log = append(*log, string(b[:n]))
		}
	}
}

var stamp = regexp.MustCompile(`^(?:<\d+>)?\w+ +\d+ [\d:]+ (?:server1 )?(\w+)\[\d+\]: `)

// texts returns the lines of a log without time, host and pid.
func texts(lines []string) []string {
	var all []string
	for _, l := range lines {
		all = append(all, strings.TrimSpace(stamp.ReplaceAllString(l, "$1: ")))
	}
	return all
}

// setuid is a set-user-ID program as a user runs it.
func setuid(prog host.Program, uid int) host.Program {
	return func(ctx context.Context, p *host.Proc) int {
		p.RUID = uid
		return prog(ctx, p)
	}
}

const sudoersText = `Defaults   !visiblepw
Defaults   env_reset
Defaults   secure_path = /usr/sbin:/usr/bin:/sbin:/bin
root	ALL=(ALL) 	ALL
%wheel	ALL=(ALL)	ALL
userb	ALL = NOPASSWD: /usr/bin/id, /usr/bin/whoami "", (usera) PASSWD: /usr/bin/tail -f /var/log/*, !/usr/bin/tail -f /var/log/secure
`

func newHost(t *testing.T, n *memnet.Network, log *[]string) *memnet.Host {
	tool := func(ctx context.Context, p *host.Proc) int {
		return bashLine(&host.Proc{Sys: p.Sys, Args: p.Args, Env: p.Env, Dir: p.Dir, UID: p.UID, GID: p.GID, Stdout: p.Stdout, Stderr: p.Stderr}, p.Name())
	}
	h := n.Host(t, memnet.Config{Name: "server1", Programs: map[string]host.Program{
		"/usr/bin/su": Su, "/usr/bin/sudo": Sudo, "/usr/bin/passwd": Passwd, "/usr/libexec/usera/passwd": setuid(Passwd, 1001), "/usr/bin/bash": bash, "/usr/bin/sh": bash, "/usr/sbin/logd": logd(log),
		"/usr/bin/id": tool, "/usr/bin/whoami": tool,
		"/usr/libexec/usera/su": setuid(Su, 1001), "/usr/libexec/usera/sudo": setuid(Sudo, 1001),
		"/usr/libexec/userb/sudo": setuid(Sudo, 1002), "/usr/libexec/student/sudo": setuid(Sudo, 1000),
		"/usr/sbin/nologin": func(_ context.Context, p *host.Proc) int {
			fmt.Fprintln(p.Stdout, "This account is currently not available.")
			return 1
		},
	}})
	h.Clock.Set(time.Date(2026, 11, 22, 2, 11, 9, 0, time.UTC))
	h.WriteFile("/etc/passwd", passwdText)
	h.WriteFile("/etc/group", "root:x:0:\nwheel:x:10:student\nstudent:x:1000:\nusera:x:1002:\nuserb:x:1003:\n")
	h.WriteFile("/etc/shadow", shadowText)
	h.WriteFile("/etc/sudoers", sudoersText)
	h.WriteFile("/etc/hostname", "server1\n")
	for _, name := range []string{"usera", "userb", "student"} {
		h.MkdirAll("/home/"+name, 0o755)
	}
	h.Start("logd")
	return h
}

const passwdText = "root:x:0:0:root:/root:/bin/bash\nstudent:x:1000:1000::/home/student:/bin/bash\nusera:x:1001:1002::/home/usera:/bin/bash\nuserb:x:1002:1003::/home/userb:/bin/bash\n"

var shadowText = func() string {
	var b strings.Builder
	for _, u := range []struct{ name, password string }{{"root", "redhat"}, {"usera", "usera"}, {"userb", "userb"}, {"student", "student"}} {
		hash, _ := libc.Crypt(u.password, "$6$rounds=1000$salt$")
		fmt.Fprintf(&b, "%s:%s:19700:0:99999:7:::\n", u.name, hash)
	}
	return b.String()
}()

// tools are what the recording changes accounts with: before and after su.
var tools = map[string]func(h *memnet.Host){
	"usermod -s /sbin/nologin userb": func(h *memnet.Host) { account(h, ":/home/userb:/bin/bash", ":/home/userb:/sbin/nologin") },
	"usermod -s /bin/nosuch userb":   func(h *memnet.Host) { account(h, ":/home/userb:/bin/bash", ":/home/userb:/bin/nosuch") },
	"usermod -s /bin/bash userb":     func(h *memnet.Host) { h.WriteFile("/etc/passwd", passwdText) },
	"passwd -l userb":                func(*memnet.Host) {},
	"passwd -u userb":                func(*memnet.Host) {},
	"chage -E 0 userb": func(h *memnet.Host) {
		h.WriteFile("/etc/shadow", strings.Replace(shadowText, ":::\nstudent", "::0:\nstudent", 1))
	},
	"chage -E -1 userb":            func(h *memnet.Host) { h.WriteFile("/etc/shadow", shadowText) },
	"usermod -d /nosuchhome userb": func(h *memnet.Host) { account(h, ":/home/userb:", ":/nosuchhome:") },
	"usermod -d /home/userb userb": func(h *memnet.Host) { h.WriteFile("/etc/passwd", passwdText) },
	"rm -rf /tmp/hh":               func(*memnet.Host) {},
}

func account(h *memnet.Host, from, to string) {
	h.WriteFile("/etc/passwd", strings.Replace(passwdText, from, to, 1))
}

// suDiffers are the steps whose output is not only su's.
var suDiffers = map[string]string{
	"su - usera -c 'id; pwd; echo HOME=$HOME USER=$USER LOGNAME=$LOGNAME SHELL=$SHELL PATH=$PATH; echo TERM=$TERM FOO=$FOO'": "PATH is set by the recorded machine's /etc/profile; EL9's differs",
}

func TestSuRecording(t *testing.T) {
	data, err := os.ReadFile("testdata/su.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rec struct{ Steps []step }
	if err := yaml.Unmarshal(data, &rec); err != nil {
		t.Fatal(err)
	}
	var log, want []string
	ran := 0
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := newHost(t, n, &log)
		for _, s := range rec.Steps {
			switch {
			case strings.HasPrefix(s.Run, "journalctl") && strings.HasSuffix(s.Run, "-t su -o short"):
				want = strings.Split(strings.TrimSuffix(s.Stdout, "\n"), "\n")
			case strings.HasPrefix(s.Run, "journalctl"), strings.HasPrefix(s.Run, "grep"), strings.HasPrefix(s.Run, "loginctl"):
			case s.Pty != nil:
				onTerminal(t, n, h, s)
			case strings.Contains(s.Run, "su"):
				ran++
				play(t, h, s)
			}
		}
	})
	if ran < 20 {
		t.Errorf("only %d steps", ran)
	}
	var ours []string
	for _, l := range texts(log) {
		if strings.HasPrefix(l, "su: ") {
			ours = append(ours, l)
		}
	}
	if diff := cmp.Diff(texts(want), ours); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// play runs "TOOL; su …; echo $?; TOOL".
func play(t *testing.T, h *memnet.Host, s step) {
	t.Helper()
	var stdout, stderr strings.Builder
	status := 0
	for _, part := range splitCommands(s.Run) {
		if f := tools[part]; f != nil {
			f(h)
			status = 0
			continue
		}
		if part == "echo $?" {
			fmt.Fprintln(&stdout, status)
			status = 0
			continue
		}
		c := host.Cmd{Args: shellWords(part), Dir: "/root", Stdin: strings.NewReader(s.Stdin),
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "TERM=xterm-256color"}}
		for k, v := range s.Env {
			c.Env = append(c.Env, k+"="+v)
		}
		if s.AsUser == "usera" {
			c.Path = "/usr/libexec/usera/su"
		}
		r := h.RunCmd(c)
		stdout.WriteString(r.Stdout)
		stderr.WriteString(r.Stderr)
		status = r.Status.Shell()
	}
	synctest.Wait()
	if suDiffers[s.Run] != "" {
		return
	}
	wantOut, wantErr := strip(s.Stdout), strip(s.Stderr)
	if got := stdout.String(); got != wantOut {
		t.Errorf("%s: stdout %q, want %q", s.Run, got, wantOut)
	}
	if got := stderr.String(); got != wantErr {
		t.Errorf("%s: stderr %q, want %q", s.Run, got, wantErr)
	}
	if status != s.Exit {
		t.Errorf("%s: exit %d, want %d", s.Run, status, s.Exit)
	}
}

// strip takes the other tools' words out of a recorded output.
func strip(s string) string {
	var kept []string
	for _, line := range strings.SplitAfter(s, "\n") {
		if !strings.HasPrefix(line, "passwd: ") && !strings.HasPrefix(line, "usermod: ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func splitCommands(s string) []string {
	var parts []string
	quoted, from := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			parts = append(parts, strings.TrimSpace(s[from:i]))
			from = i + 1
		}
	}
	return append(parts, strings.TrimSpace(s[from:]))
}

func shellWords(s string) []string {
	var all []string
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			all = append(all, part)
		} else {
			all = append(all, strings.Fields(part)...)
		}
	}
	return all
}

// onTerminal plays a step with a terminal, of which what su itself writes and
// the log are compared.
func onTerminal(t *testing.T, n *memnet.Network, h *memnet.Host, s step) {
	t.Helper()
	command := strings.Split(s.Run, "'")[1]
	if !strings.HasPrefix(command, "su") || strings.Contains(command, "sudo") {
		return
	}
	term := n.Terminal("/dev/pts/0")
	args := strings.Fields(command)
	c := host.Cmd{Args: args, Stdin: term, Stdout: term, Stderr: term}
	asked := strings.HasPrefix(s.Stdout, "Password: \r\n")
	if asked {
		c.Path = "/usr/libexec/usera/su"
		target := "redhat"
		if strings.Contains(command, "userb") {
			target = "userb"
		}
		if s.Exit != 0 {
			target = "wrong"
		}
		term.TypeAfter("Password: ", target+"\n")
	}
	if s.Exit == 0 {
		term.Type("exit\n")
	}
	r := h.RunCmd(c)
	synctest.Wait()
	if r.Status.Shell() != s.Exit {
		t.Errorf("%s: %v, want %d", s.Run, r.Status, s.Exit)
	}
	if s.Exit != 0 {
		if got, want := term.Screen(), strings.ReplaceAll(s.Stdout, "\r\n", "\n"); strings.ReplaceAll(got, "\n\n", "\n") != want {
			t.Errorf("%s: %q, want %q", s.Run, got, want)
		}
	}
}

func TestSudo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		n := memnet.New(t)
		h := newHost(t, n, &log)
		h.WriteFile(lectureDir+"/1001", "")
		synctest.Wait()
		for _, c := range []struct {
			who, args, types string
			screen           string
			status           int
			log              []string
		}{
			{"usera", "id", "usera\n", "[sudo] password for usera: \nusera is not in the sudoers file.\n", 1,
				[]string{"sudo: usera : user NOT in sudoers ; TTY=pts/0 ; PWD=/home/usera ; USER=root ; COMMAND=/usr/bin/id"}},
			{"student", "id", "student\n", lecture + "[sudo] password for student: \nuid=0(root) gid=0(root) groups=0(root)\n", 0,
				[]string{"sudo: student : TTY=pts/0 ; PWD=/home/student ; USER=root ; COMMAND=/usr/bin/id",
					"sudo: pam_unix(sudo:session): session opened for user root(uid=0) by (uid=1000)", "sudo: pam_unix(sudo:session): session closed for user root"}},
			{"student", "whoami", "", "root\n", 0, []string{"sudo: student : TTY=pts/0 ; PWD=/home/student ; USER=root ; COMMAND=/usr/bin/whoami",
				"sudo: pam_unix(sudo:session): session opened for user root(uid=0) by (uid=1000)", "sudo: pam_unix(sudo:session): session closed for user root"}},
			{"student", "-u usera whoami", "", "usera\n", 0, nil},
			{"student", "nosuch", "", "sudo: nosuch: command not found\n", 1, nil},
			{"student", "-u nosuch id", "", "sudo: unknown user: nosuch\nsudo: error initializing audit plugin sudoers_audit\n", 1, nil},
			{"student", "-i id", "", "uid=0(root) gid=0(root) groups=0(root)\n", 0, nil},
			{"student", "-k -n id", "", "sudo: a password is required\n", 1, nil},
			{"student", "id", "a\nb\nc\n", "[sudo] password for student: \nSorry, try again.\n[sudo] password for student: \nSorry, try again.\n[sudo] password for student: \nsudo: 3 incorrect password attempts\n", 1, nil},
			{"userb", "id", "", "uid=0(root) gid=0(root) groups=0(root)\n", 0, nil},
			{"userb", "whoami now", "userb\n", lecture + "[sudo] password for userb: \nSorry, user userb is not allowed to execute '/usr/bin/whoami now' as root on server1.\n", 1,
				[]string{"sudo: userb : command not allowed ; TTY=pts/0 ; PWD=/home/userb ; USER=root ; COMMAND=/usr/bin/whoami now"}},
		} {
			log = nil
			term := n.Terminal("/dev/pts/0")
			for _, line := range strings.SplitAfter(c.types, "\n") {
				if line != "" {
					term.TypeAfter("password for", line)
				}
			}
			r := h.RunCmd(host.Cmd{Path: "/usr/libexec/" + c.who + "/sudo", Args: append([]string{"sudo"}, strings.Fields(c.args)...),
				Dir: "/home/" + c.who, Stdin: term, Stdout: term, Stderr: term})
			synctest.Wait()
			// What is typed after the prompt is not shown but for its line feed.
			if got := strings.ReplaceAll(term.Screen(), ": \n\n", ": \n"); got != c.screen || r.Status.Shell() != c.status {
				t.Errorf("%s: sudo %s: %v\n got %q\nwant %q", c.who, c.args, r.Status, got, c.screen)
			}
			if c.log == nil {
				continue
			}
			if diff := cmp.Diff(c.log, squeeze(texts(log))); diff != "" {
				t.Errorf("%s: sudo %s: log (-want +got):\n%s", c.who, c.args, diff)
			}
		}
		r := h.RunCmd(host.Cmd{Path: "/usr/libexec/usera/sudo", Args: []string{"sudo", "id"}})
		if !strings.HasPrefix(r.Stderr, "sudo: a terminal is required to read the password;") || r.Status.Code != 1 {
			t.Errorf("%+v", r)
		}
		if r := h.Run("sudo", "-l"); r.Stdout != "Matching Defaults entries for root on server1:\n    !visiblepw, env_reset, secure_path=/usr/sbin\\:/usr/bin\\:/sbin\\:/bin\n\nUser root may run the following commands on server1:\n    (ALL) ALL\n" {
			t.Errorf("%q", r.Stdout)
		}
	})
}

func squeeze(lines []string) []string {
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	return lines
}

func TestSudoEnvironment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		h := newHost(t, memnet.New(t), &log)
		r := h.RunCmd(host.Cmd{Args: []string{"sudo", "-u", "usera", "A=b", "bash", "-c", "echo $HOME $USER $PATH $A $FOO $LANG $SUDO_USER $SUDO_COMMAND"},
			Env: []string{"PATH=/usr/bin", "FOO=bar", "LANG=ja_JP.UTF-8"}})
		want := "/home/usera usera /usr/sbin:/usr/bin:/sbin:/bin b  ja_JP.UTF-8 root /usr/bin/bash -c echo $HOME $USER $PATH $A $FOO $LANG $SUDO_USER $SUDO_COMMAND\n"
		if r.Stdout != want {
			t.Errorf("%q", r.Stdout+r.Stderr)
		}
	})
}

func TestSudoers(t *testing.T) {
	files := map[string]string{"/etc/sudoers.d/web": "WEB ALL = (root, ADM : wheel) NOPASSWD: SERVICES, !/usr/bin/systemctl stop *\n", "/etc/sudoers.d/x.bak": "bad\n"}
	s := parseSudoers("/etc/sudoers", `# comment
User_Alias WEB = alice, bob : OPS = %ops, !carol
Cmnd_Alias SERVICES = /usr/bin/systemctl * httpd, \
    /usr/sbin/
Runas_Alias ADM = adm
Defaults:bob passwd_tries = 2, lecture=never
Defaults env_keep += "A B"
OPS server = ALL
this is wrong
@includedir sudoers.d
`, func(f string) (string, error) { return files[f], nil },
		func(string) ([]string, error) { return []string{"web", "x.bak"}, nil })
	if len(s.bad) != 1 || s.bad[0] != (badLine{"/etc/sudoers", 9}) {
		t.Errorf("bad %v", s.bad)
	}
	if n := s.number("passwd_tries", 3, "bob"); n != 2 {
		t.Error("passwd_tries", n)
	}
	if n := s.number("passwd_tries", 3, "alice"); n != 3 {
		t.Error("passwd_tries of another", n)
	}
	for _, c := range []struct {
		user, groups, host, as, command string
		want                            answer
	}{
		{"alice", "", "x", "root", "/usr/bin/systemctl restart httpd", answer{true, true, true}},
		{"alice", "", "x", "adm", "/usr/sbin/reboot", answer{true, true, true}},
		{"alice", "", "x", "root", "/usr/bin/systemctl stop httpd", answer{true, false, true}},
		{"alice", "", "x", "nobody", "/usr/sbin/reboot", answer{true, false, false}},
		{"dave", "ops", "server", "root", "/usr/bin/id", answer{true, true, false}},
		{"carol", "ops", "server", "root", "/usr/bin/id", answer{}},
		{"dave", "ops", "client", "root", "/usr/bin/id", answer{}},
	} {
		f := strings.Fields(c.command)
		got := s.ask(request{user: c.user, groups: strings.Fields(c.groups), host: c.host, as: c.as, command: f[0], args: f[1:]})
		if got != c.want {
			t.Errorf("%s as %s: %s: %+v, want %+v", c.user, c.as, c.command, got, c.want)
		}
	}
}

func FuzzSudoers(f *testing.F) {
	f.Add(sudoersText)
	f.Add("User_Alias A = A, b\nA ALL=(ALL:ALL) NOPASSWD: !ALL, /bin/x *\n#includedir /etc/sudoers.d\n@include /etc/sudoers\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := parseSudoers("/etc/sudoers", text, func(string) (string, error) { return "", os.ErrNotExist }, func(string) ([]string, error) { return nil, os.ErrNotExist })
		s.ask(request{user: "a", host: "h", as: "root", command: "/bin/x", args: []string{"y"}})
		for _, r := range s.rules {
			_ = r.String()
		}
	})
}
