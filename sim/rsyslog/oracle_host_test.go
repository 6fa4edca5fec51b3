package rsyslog

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/rsyslog/logger"
)

func (r *oracleRun) build() {
	c := r.c
	r.net = memnet.New(r.t)
	offset := time.Until(c.Clock)
	programs := map[string]host.Program{"/usr/sbin/rsyslogd": Rsyslogd, "/usr/bin/logger": logger.Program, "/usr/local/bin/alert": alert}
	r.addJournald(programs)
	r.server = r.net.Host(r.t, memnet.Config{Name: testHost, Addrs: []string{"192.0.2.1/24", "127.0.0.1/8", "::1/128"}, Programs: programs, Offset: offset})
	r.remotes = map[string]*memnet.Host{}
	collect := r.net.Host(r.t, memnet.Config{Name: "collector", Addrs: []string{"192.0.2.10/24", "192.0.2.11/24", "192.0.2.53/24"}, Offset: offset})
	sender := r.net.Host(r.t, memnet.Config{Name: "sender", Addrs: []string{"192.0.2.20/24", "192.0.2.21/24"}, Offset: offset})
	r.remotes["192.0.2.20"], r.remotes["192.0.2.21"] = sender, sender
	r.remotes["192.0.2.1"], r.remotes["127.0.0.1"] = r.server, r.server
	r.remote = &collector{r: r, h: collect, got: map[string][]string{}}
	nameServer(r.t, collect)
	name := testHost
	if c.FQDN != "" {
		name = strings.ReplaceAll(c.FQDN, "<HOST>", testHost)
	}
	r.server.WriteFile("/etc/hostname", name+"\n")
	hosts := "127.0.0.1 localhost\n"
	for n, ip := range c.Hosts {
		hosts += ip + " " + n + "\n"
	}
	r.server.WriteFile("/etc/hosts", hosts)
	r.server.WriteFile("/etc/resolv.conf", "nameserver 192.0.2.53\n")
	passwd := "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
	for i, a := range c.Accounts {
		passwd += fmt.Sprintf("%s:x:%d:%d::/home/%s:/bin/bash\n", a, 1000+i, 1000+i, a)
	}
	r.server.WriteFile("/etc/passwd", passwd)
	r.server.WriteFile("/etc/group", "root:x:0:\nadm:x:4:\nnogroup:x:65534:\n")
	r.server.MkdirAll("/var/lib/rsyslog", 0o755)
	r.server.MkdirAll("/srv", 0o755)
	r.server.MkdirAll("/dev/pts", 0o755)
	r.server.Symlink("../run", "/var/run")
	if c.SystemdBooted {
		r.server.MkdirAll("/run/systemd/system", 0o755)
	}
	var utmp []byte
	for i, u := range c.LoggedIn {
		line := fmt.Sprintf("pts/%d", i)
		rec := make([]byte, loginSize)
		rec[0] = loginProcess
		copy(rec[loginLine:], line)
		copy(rec[loginUser:], u.User)
		utmp = append(utmp, rec...)
		r.terminal("/dev/" + line)
	}
	r.server.WriteFile("/run/utmp", string(utmp))
	if c.Journald || strings.Contains(strings.ToLower(c.Config["/etc/rsyslog.conf"]), "ratelimit") { // who sent is told
		for pid := 1; pid < 200; pid++ {
			r.server.WriteFile(fmt.Sprintf("/proc/%d/comm", pid), "logger\n")
		}
	}
	r.env = []string{"PATH=/usr/sbin:/usr/bin"}
	if c.TZ != "" && c.TZ != "UTC" {
		r.env = append(r.env, "TZ="+c.TZ)
	}
}

// terminal makes a fifo that stands for a terminal: it keeps what is written.
func (r *oracleRun) terminal(name string) {
	if err := r.server.Sys().Mkfifo(name, 0o620); err != nil {
		r.t.Fatal(err)
	}
	fd, err := syscall.Open(filepath.Join(r.server.Dir(), name), syscall.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), name)
	r.t.Cleanup(func() { f.Close() })
	r.terminals = append(r.terminals, f)
}

// alert is the program that the recording of omshell ran.
func alert(ctx context.Context, p *host.Proc) int {
	f, err := p.Sys.OpenFile("/var/log/alert.out", os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return 1
	}
	defer f.Close()
	fmt.Fprintf(f, "argc=%d\n", len(p.Args)-1)
	for _, a := range p.Args[1:] {
		fmt.Fprintf(f, "arg=[%s]\n", a)
	}
	return 0
}

func (r *oracleRun) setup(s string) {
	root := r.server.Dir()
	switch {
	case strings.HasPrefix(s, "mount") && strings.Contains(s, "small"):
		r.server.MkdirAll("/mnt/small", 0o755)
		// A device that is always full stands for a full file system.
		if err := syscall.Mknod(filepath.Join(root, "mnt/small/app.log"), syscall.S_IFCHR|0o600, 1<<8|7); err != nil {
			r.t.Skip("no right to make a device node: ", err)
		}
	default:
		if res := r.shell(s); res.status != 0 {
			r.t.Fatalf("setup %q: %s", s, res.stderr)
		}
	}
}

func (r *oracleRun) occupy(at string) {
	kind, addr, _ := strings.Cut(at, " ")
	family := "4"
	if strings.HasPrefix(addr, "[") {
		family = "6"
	}
	r.server.Go(nil, func(ctx context.Context, p *host.Proc) int {
		if kind == "udp" {
			c, err := p.Sys.ListenPacket("udp"+family, addr)
			if err == nil {
				defer c.Close()
			}
		} else if l, err := p.Sys.Listen("tcp"+family, addr); err == nil {
			defer l.Close()
		}
		p.Sleep(ctx, time.Hour)
		return 0
	})
	time.Sleep(time.Millisecond)
}

// check runs -N1.
func (r *oracleRun) check(what string, want *oracleCheck) {
	if want == nil {
		return
	}
	res := r.server.RunCmd(host.Cmd{Args: []string{"/usr/sbin/rsyslogd", "-N1", "-f", "/etc/rsyslog.conf"}, Env: r.env, Umask: r.umask()})
	if res.Status.Shell() != want.Exit {
		r.t.Errorf("%s: exit %d, want %d", what, res.Status.Shell(), want.Exit)
	}
	var got []string
	for _, l := range linesOf(res.Stderr) {
		if l != "" && !strings.Contains(l, "config validation run") {
			got = append(got, l)
		}
	}
	r.compare(what, got, want.Errors)
}

func (r *oracleRun) umask() int {
	n, _ := strconv.ParseInt(r.c.Umask, 8, 32)
	return int(n)
}

func (r *oracleRun) start() {
	r.daemon = r.server.Spawn(host.Cmd{Args: []string{"/usr/sbin/rsyslogd", "-n", "-f", "/etc/rsyslog.conf", "-i", "/var/run/rsyslogd.pid"},
		Env: r.env, Umask: r.umask(), Session: true})
	time.Sleep(800 * time.Millisecond)
	want := r.c.Output.Start
	if r.restarts > 0 {
		if len(r.c.Output.Restarts) < r.restarts {
			return
		}
		want = &r.c.Output.Restarts[r.restarts-1]
	}
	running, status := r.daemon.Running()
	if running != want.Running {
		r.t.Errorf("running %v, want %v\n%s", running, want.Running, r.daemon.Stderr)
	}
	if !running && status.Shell() != want.Exit {
		r.t.Errorf("exit %d, want %d", status.Shell(), want.Exit)
	}
	if r.restarts > 0 {
		return
	}
	for _, at := range r.c.Output.Listening {
		kind, addr, _ := strings.Cut(at, " ")
		i := strings.LastIndexByte(addr, ':')
		port, _ := strconv.Atoi(addr[i+1:])
		family := "4"
		if addr[0] == '[' {
			family = "6"
		}
		if r.server.Listening(kind+family, uint16(port)) == 0 {
			r.t.Errorf("nothing listens on %s", at)
		}
	}
	for _, b := range [][2]string{{"udp4", "udp 0.0.0.0:514"}, {"udp6", "udp [::]:514"}, {"tcp4", "tcp 0.0.0.0:514"}, {"tcp6", "tcp [::]:514"}} {
		listed := false
		for _, at := range r.c.Output.Listening {
			listed = listed || strings.HasPrefix(at, b[1][:4]) && strings.HasSuffix(at, ":514")
		}
		if !listed && r.server.Listening(b[0], 514) != 0 {
			r.t.Errorf("something listens on %s", b[1])
		}
	}
}

func (r *oracleRun) varies(what string) bool {
	for _, v := range r.c.Varies {
		if v == what {
			return true
		}
	}
	return false
}

func (r *oracleRun) input(in *oracleInput) {
	switch {
	case in.Run != "":
		r.command(in)
	case in.Sleep > 0:
		time.Sleep(time.Duration(in.Sleep * float64(time.Second)))
	case in.Restart:
		r.stopDaemon()
		for name, text := range in.Config {
			r.server.WriteFile(name, text)
		}
		r.restarts++
		r.check("restart check", in.Check)
		r.start()
	case in.Rewrite != nil:
		for name, text := range in.Rewrite {
			r.server.WriteFile(name, text)
		}
	case in.Listens != "":
		r.remote.listen(in.Listens)
	case in.Closes != "":
		r.remote.close(in.Closes)
	default:
		for range max(in.Times, 1) {
			r.send(in)
		}
	}
}

// send sends a message to the daemon.
func (r *oracleRun) send(in *oracleInput) {
	port := in.Port
	if port == 0 {
		port = 514
	}
	from := r.remotes[in.From]
	to := fmt.Sprintf("192.0.2.1:%d", port)
	if in.From == "127.0.0.1" {
		to = fmt.Sprintf("127.0.0.1:%d", port)
	}
	if in.Via == "unix" {
		r.sendLocal(in.Raw.s)
		return
	}
	from.Do(nil, func(ctx context.Context, p *host.Proc) {
		if in.Via == "udp" && in.From != "127.0.0.1" {
			c, err := p.Sys.ListenPacket("udp4", in.From+":0")
			if err != nil {
				r.t.Error(err)
				return
			}
			defer c.Close()
			a, err := p.Sys.Dial(ctx, "udp4", to)
			if err != nil {
				return
			}
			defer a.Close()
			c.WriteTo([]byte(in.Raw.s), a.RemoteAddr())
			return
		}
		c, err := p.Sys.Dial(ctx, in.Via+"4", to)
		if err != nil {
			return
		}
		defer c.Close()
		if in.Segments == nil {
			io.WriteString(c, in.Raw.s)
		}
		for i, s := range in.Segments {
			if i > 0 {
				p.Sleep(ctx, 150*time.Millisecond)
			}
			io.WriteString(c, s)
		}
	})
}

func (r *oracleRun) stopDaemon() {
	if running, _ := r.daemon.Running(); running {
		r.daemon.Stop()
	}
}
