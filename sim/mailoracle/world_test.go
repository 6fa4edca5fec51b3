package mailoracle

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"enshu/sim/distro"
	"enshu/sim/host"
	"enshu/sim/memnet"
)

// base is BASE.yaml.
var base = func() (b struct {
	Files map[string]string `yaml:"files"`
	TLS   string            `yaml:"tls_lines_of_el9_main_cf (only in cases with tls:)"`
}) {
	data, err := os.ReadFile("testdata/BASE.yaml")
	if err != nil {
		panic(err)
	}
	if err := yaml.Unmarshal(data, &b); err != nil {
		panic(err)
	}
	return b
}()

// programs are those of the two packages, and of the machine around them.
func programs() map[string]host.Program {
	all := map[string]host.Program{}
	d := distro.New()
	for _, name := range []string{"postfix", "s-nail", "cyrus-sasl"} {
		p, _ := d.Find(name)
		for file, prog := range p.Programs {
			all[file] = prog
		}
	}
	all["/usr/bin/bash"] = shell
	all["/usr/bin/nohup"] = silent
	all["/usr/bin/sh"] = shell
	for _, name := range []string{"grep", "sed", "awk", "cut", "sort", "head", "tail", "wc", "tr", "cat", "seq", "printf", "egrep"} {
		all["/usr/bin/"+name] = filter
	}
	for _, name := range []string{"ls", "chmod", "chown", "rm", "rmdir", "mkdir", "mv", "touch", "find", "id", "env", "sleep", "file"} {
		all["/usr/bin/"+name] = tool
	}
	return all
}

// world is the hosts of one case.
type world struct {
	t     *testing.T
	c     *oracleCase
	net   *memnet.Network
	hosts map[string]*memnet.Host
	logAt map[string]int
	ips   map[string]string

	mayCrash bool // a Program that panics does not fail the test
}

func (c *oracleCase) spec(name string) (hostname, ip string) {
	var m map[string]struct{ Hostname, IP string }
	c.Hosts.Decode(&m)
	return m[name].Hostname, m[name].IP
}

func newWorld(t *testing.T, c *oracleCase) *world { return newWorldOf(t, c, false) }

func newWorldOf(t *testing.T, c *oracleCase, mayCrash bool) *world {
	w := &world{t: t, mayCrash: mayCrash, c: c, net: memnet.New(t), hosts: map[string]*memnet.Host{}, logAt: map[string]int{}, ips: map[string]string{}}
	time.Sleep(time.Until(time.Date(2026, 11, 22, 0, 51, 13, 123456000, time.UTC)))
	if c.DNS != nil {
		ns := w.net.Host(t, memnet.Config{Name: "dns", Addrs: []string{"192.0.2.53/24"}, Programs: map[string]host.Program{"/usr/sbin/named": c.nameServer}})
		ns.Start("/usr/sbin/named")
	}
	for _, name := range c.hostNames {
		w.build(name)
	}
	return w
}

func (w *world) build(name string) {
	t, c := w.t, w.c
	hostname, ip := c.spec(name)
	w.ips[name] = ip
	h := w.net.Host(t, memnet.Config{Name: name, Addrs: []string{ip + "/24"}, Programs: programs(), Seed: 7, MayCrash: w.mayCrash})
	w.hosts[name] = h
	users := []string{"root:x:0:0:root:/root:/bin/bash", "bin:x:1:1:bin:/bin:/sbin/nologin", "daemon:x:2:2:daemon:/sbin:/sbin/nologin",
		"mail:x:8:12:mail:/var/spool/mail:/sbin/nologin", "nobody:x:65534:65534:Kernel Overflow User:/:/sbin/nologin",
		"postfix:x:89:89::/var/spool/postfix:/sbin/nologin"}
	groups := []string{"root:x:0:", "mail:x:12:postfix", "nobody:x:65534:", "postdrop:x:90:", "postfix:x:89:"}
	type account struct {
		name, gecos string
		uid         int
	}
	accounts := []account{{"usera", "", 1001}, {"userb", "", 1002}, {"userc", "User Carol", 1003}}
	if c.Users != nil {
		accounts = nil
		for n, spec := range c.Users {
			var s struct {
				UID   int
				Gecos string
			}
			spec.Decode(&s)
			accounts = append(accounts, account{n, s.Gecos, s.UID})
		}
		sort.Slice(accounts, func(i, j int) bool { return accounts[i].uid < accounts[j].uid })
	}
	h.MkdirAll("/var/spool/mail", 0o775)
	h.Chown("/var/spool/mail", 0, 12)
	h.Chmod("/var/spool/mail", 0o775)
	h.Symlink("spool/mail", "/var/mail")
	h.Chmod("/root", 0o550)
	for _, a := range accounts {
		users = append(users, fmt.Sprintf("%s:x:%d:%d:%s:/home/%s:/bin/bash", a.name, a.uid, a.uid, a.gecos, a.name))
		groups = append(groups, fmt.Sprintf("%s:x:%d:", a.name, a.uid))
		h.MkdirAll("/home/"+a.name, 0o700)
		h.Chown("/home/"+a.name, a.uid, a.uid)
		box := "/var/spool/mail/" + a.name
		h.WriteFile(box, "")
		h.Chown(box, a.uid, 12)
		h.Chmod(box, 0o660)
	}
	h.WriteFile("/etc/passwd", strings.Join(users, "\n")+"\n")
	h.WriteFile("/etc/group", strings.Join(groups, "\n")+"\n")
	h.WriteFile("/etc/hostname", hostname+"\n")
	hosts := "127.0.0.1   localhost localhost.localdomain localhost4 localhost4.localdomain4\n::1         localhost localhost.localdomain localhost6 localhost6.localdomain6\n"
	if c.EtcHosts == "" {
		for _, n := range c.hostNames {
			hn, hip := c.spec(n)
			short, _, _ := strings.Cut(hn, ".")
			hosts += fmt.Sprintf("%s %s %s\n", hip, hn, short)
		}
	}
	h.WriteFile("/etc/hosts", hosts)
	if c.DNS != nil {
		h.WriteFile("/etc/resolv.conf", "nameserver 192.0.2.53\n")
	} else {
		h.WriteFile("/etc/resolv.conf", "")
	}
	zone, err := os.ReadFile("/usr/share/zoneinfo/Asia/Tokyo")
	if err == nil {
		h.MkdirAll("/usr/share/zoneinfo/Asia", 0o755)
		h.WriteFile("/usr/share/zoneinfo/Asia/Tokyo", string(zone))
	}
	h.Symlink("../usr/share/zoneinfo/Asia/Tokyo", "/etc/localtime")
	h.MkdirAll("/proc/net", 0o755)
	h.WriteFile("/proc/net/fib_trie", fmt.Sprintf("Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.0\n        /8 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.0.2.0\n        /24 link UNICAST\n     |-- %s\n        /32 host LOCAL\n", ip))
	h.WriteFile("/proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n")
	h.MkdirAll("/srv", 0o755)
	d := distro.New()
	for _, pkg := range []string{"postfix", "s-nail", "cyrus-sasl"} {
		p, _ := d.Find(pkg)
		for _, name := range sortedKeys(p.Files) {
			f := p.Files[name]
			switch {
			case f.Link != "":
				h.MkdirAll(path.Dir(name), 0o755)
				h.Symlink(f.Link, name)
			case f.Mode&fs.ModeDir != 0:
				h.MkdirAll(name, f.Mode.Perm())
			}
			if f.Link != "" {
				continue
			}
			uid, gid, err := d.Owner(f.User, f.Group)
			if err != nil {
				t.Fatal(err)
			}
			h.Chown(name, uid, gid)
			h.Chmod(name, f.Mode&^fs.ModeDir)
		}
	}
	h.MkdirAll("/usr/local/bin", 0o755)
	h.Chmod("/home/", 0o755)
	mainCf := strings.Replace(base.Files["/etc/postfix/main.cf"], "compatibility_level = 3.6", "compatibility_level = 2", 1)
	if c.TLS != "" {
		mainCf += "smtpd_tls_cert_file = /etc/pki/tls/certs/postfix.pem\nsmtpd_tls_key_file = /etc/pki/tls/private/postfix.key\nsmtpd_tls_security_level = may\nsmtp_tls_CApath = /etc/pki/tls/certs\nsmtp_tls_security_level = may\n"
		cert, key := selfSigned(t, hostname)
		h.MkdirAll("/etc/pki/tls/certs", 0o755)
		h.MkdirAll("/etc/pki/tls/private", 0o755)
		h.WriteFile("/etc/pki/tls/certs/postfix.pem", cert)
		h.WriteFile("/etc/pki/tls/private/postfix.key", key)
	}
	h.WriteFile("/etc/postfix/main.cf", editMain(mainCf, perHost[yaml.Node](c, c.MainCf, name)))
	h.WriteFile("/etc/postfix/master.cf", base.Files["/etc/postfix/master.cf"])
	h.WriteFile("/etc/aliases", base.Files["/etc/aliases"])
	rc, err := os.ReadFile("../distro/files/s-nail/etc/s-nail.rc")
	if err != nil {
		t.Fatal(err)
	}
	h.WriteFile("/etc/s-nail.rc", string(rc))
	for file, spec := range perHost[map[string]fileSpec](c, c.Files, name) {
		w.put(h, file, spec)
	}
	for _, s := range []string{"/etc", "/etc/postfix"} {
		h.Chmod(s, 0o755)
	}
	h.Spawn(host.Cmd{Args: []string{"/usr/bin/bash", "--syslogd"}, Session: true})
	time.Sleep(time.Second)
	if !w.said(name, "newaliases has NOT been run") {
		h.Run("/usr/bin/newaliases")
	}
	for _, b := range c.Before {
		text, ok := strings.CutPrefix(b, name+": root ran: ")
		if !ok {
			text, ok = strings.CutPrefix(b, "root ran: ")
		}
		if ok {
			w.sh(h, step{Run: text}, nil)
		}
	}
	if !w.said(name, "postfix is not running") {
		h.Run("/usr/sbin/postfix", "start")
	}
	time.Sleep(2 * time.Second)
}

func sortedKeys[T any](m map[string]T) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// said reports whether before: has a note for a host.
func (w *world) said(name, text string) bool {
	for _, b := range w.c.Before {
		if b == name+": "+text || b == text || strings.HasPrefix(b, text) {
			return true
		}
	}
	return false
}

func (w *world) put(h *memnet.Host, file string, s fileSpec) {
	owner := 0
	gid := 0
	if s.Owner != "" && s.Owner != "root" {
		for _, line := range strings.Split(h.ReadFile("/etc/passwd"), "\n") {
			if f := strings.Split(line, ":"); f[0] == s.Owner {
				owner, _ = strconv.Atoi(f[2])
				gid = owner
			}
		}
	}
	if s.Group == "mail" {
		gid = 12
	}
	mode := fs.FileMode(0o644)
	if s.Mode != "" {
		n, _ := strconv.ParseUint(s.Mode, 8, 32)
		mode = fs.FileMode(n)
	}
	switch s.Type {
	case "dir":
		h.MkdirAll(file, mode)
	case "symlink":
		h.Symlink(s.Target, file)
		return
	default:
		h.MkdirAll(path.Dir(file), 0o755)
		text := ""
		if s.Append != nil {
			text = h.ReadFile(file) + *s.Append
		}
		if s.Content != nil {
			text = *s.Content
		}
		if strings.HasPrefix(file, "/var/spool/mail/") {
			info, err := h.Sys().Stat(file)
			if err == nil {
				if st, ok := info.Sys().(*syscall.Stat_t); ok && s.Owner == "" {
					owner, gid = int(st.Uid), int(st.Gid)
				}
				if s.Mode == "" {
					mode = info.Mode().Perm()
				}
			}
			if s.Group == "" {
				gid = 12
			}
		}
		h.WriteFile(file, rawBytes(text))
	}
	h.Chown(file, owner, gid)
	h.Chmod(file, mode)
}

// editMain replaces settings in place and appends new ones.
func editMain(text string, n yaml.Node) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1].Value
		null := n.Content[i+1].Tag == "!!null"
		lines := strings.SplitAfter(text, "\n")
		done := false
		for j, l := range lines {
			if strings.HasPrefix(l, name+" =") {
				lines[j] = name + " = " + value + "\n"
				if null {
					lines[j] = ""
				}
				done = true
			}
		}
		if !done && !null {
			lines = append(lines, name+" = "+value+"\n")
		}
		text = strings.Join(lines, "")
	}
	return text
}

// sh runs a step's command as its user.
func (w *world) sh(h *memnet.Host, s step, term *memnet.Terminal) memnet.Result {
	user := s.User
	if user == "" {
		user = "root"
	}
	home, uid := "/root", 0
	if user != "root" {
		home = "/home/" + user
		for _, line := range strings.Split(h.ReadFile("/etc/passwd"), "\n") {
			if f := strings.Split(line, ":"); f[0] == user {
				uid, _ = strconv.Atoi(f[2])
			}
		}
	}
	env := map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME": home, "USER": user, "LOGNAME": user,
		"SHELL": "/bin/bash", "LANG": "C.UTF-8", "TERM": "xterm-256color", "MAIL": "/var/spool/mail/" + user}
	for k, v := range s.Env {
		env[k] = v
	}
	var list []string
	for _, k := range sortedKeys(env) {
		list = append(list, k+"="+env[k])
	}
	c := host.Cmd{Path: "/usr/bin/bash", Args: []string{"bash", "-c", s.Run}, Env: list, Dir: home, Cred: &host.Cred{UID: uid, GID: uid, Groups: []int{uid}}}
	if s.Stdin != "" {
		c.Stdin = strings.NewReader(s.Stdin)
	}
	if term != nil {
		// The terminal goes to the program itself: the shell would stand between.
		file, err := syntax.NewParser().Parse(strings.NewReader(s.Run), "")
		if err == nil && len(file.Stmts) == 1 {
			var words []string
			if call, ok := file.Stmts[0].Cmd.(*syntax.CallExpr); ok {
				for _, a := range call.Args {
					word, err := expand.Literal(nil, a)
					if err == nil {
						words = append(words, word)
					}
				}
				c.Path, c.Args = "", words
			}
		}
		c.Stdin, c.Stdout, c.Stderr, c.Session = term, term, term, true
	}
	return h.RunCmd(c)
}
