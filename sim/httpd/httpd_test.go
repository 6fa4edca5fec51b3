package httpd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

// web is a web server with its package's files, and a client.
type web struct {
	server, client *memnet.Host
	daemon         *memnet.Daemon
}

func install(t *testing.T) *web {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("../distro/files/httpd")); err != nil {
		t.Fatal(err)
	}
	n := memnet.New(t)
	w := &web{
		server: n.Host(t, memnet.Config{Name: "server", Addrs: []string{"192.0.2.10/24"}, Root: root,
			Programs: map[string]host.Program{"/usr/sbin/httpd": Httpd, "/usr/sbin/apachectl": Apachectl}}),
		client: n.Host(t, memnet.Config{Name: "client", Addrs: []string{"192.0.2.20/24"}}),
	}
	for _, dir := range []string{"/var/log/httpd", "/var/www/html"} {
		w.server.MkdirAll(dir, 0o755)
	}
	w.server.Symlink("../../var/log/httpd", "/etc/httpd/logs")
	w.server.WriteFile("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\napache:x:48:48:Apache:/usr/share/httpd:/sbin/nologin\n")
	w.server.WriteFile("/etc/group", "root:x:0:\napache:x:48:\n")
	return w
}

func (w *web) start() { w.daemon = w.server.Start("/usr/sbin/httpd", "-DFOREGROUND") }

// talk sends text to port 80 and returns all that comes back.
func (w *web) talk(t *testing.T, text string) (got string) {
	t.Helper()
	w.client.Do(nil, func(ctx context.Context, p *host.Proc) {
		c, err := p.Sys.Dial(ctx, "tcp4", "192.0.2.10:80")
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, text)
		data, _ := io.ReadAll(bufio.NewReader(c))
		got = string(data)
	})
	return got
}

func (w *web) get(t *testing.T, path string) string {
	return w.talk(t, "GET "+path+" HTTP/1.1\r\nHost: server\r\nUser-Agent: curl/7.76.1\r\nConnection: close\r\n\r\n")
}

func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := install(t)
		w.server.WriteFile("/var/www/html/index.html", "<p>hi</p>\n")
		w.server.MkdirAll("/var/www/html/dir", 0o755)
		w.server.MkdirAll("/var/www/html/list/sub", 0o755)
		w.server.WriteFile("/var/www/html/list/a&b.txt", "")
		w.server.WriteFile("/etc/httpd/conf.d/dir.conf", "<Directory /var/www/html/dir>\nOptions -Indexes\n</Directory>\n")
		w.server.WriteFile("/var/www/html/secret.txt", "x")
		w.server.Chmod("/var/www/html/secret.txt", 0o600)
		w.server.WriteFile("/var/www/html/.htpasswd", "x")
		w.start()
		for _, c := range []struct{ path, status, body string }{
			{"/", "200 OK", "<p>hi</p>\n"},
			{"/index.html?a=b", "200 OK", "<p>hi</p>\n"},
			{"/none", "404 Not Found", "The requested URL was not found on this server."},
			{"/dir", "301 Moved Permanently", "http://server/dir/"},
			{"/dir/", "403 Forbidden", "permission"},
			{"/list/", "200 OK", "<h1>Index of /list</h1>\n<ul><li><a href=\"/\"> Parent Directory</a></li>\n<li><a href=\"a&b.txt\"> a&amp;b.txt</a></li>\n<li><a href=\"sub/\"> sub/</a></li>\n</ul>"},
			{"/secret.txt", "403 Forbidden", "permission"},
			{"/.htpasswd", "403 Forbidden", "permission"},
			{"/../../etc/passwd", "404 Not Found", "not found"},
			{"/%2e%2e/%2e%2e/etc/passwd", "404 Not Found", "not found"},
			{"/a%2fb", "400 Bad Request", "could not understand"},
		} {
			got := w.get(t, c.path)
			if !strings.HasPrefix(got, "HTTP/1.1 "+c.status+"\r\n") || !strings.Contains(got, c.body) {
				t.Errorf("%s: %q", c.path, got)
			}
		}
		log := strings.Split(w.server.ReadFile("/var/log/httpd/access_log"), "\n")
		want := `192.0.2.20 - - [` + w.server.Clock.Now().Format("02/Jan/2006:15:04:05 -0700") + `] "GET / HTTP/1.1" 200 10 "-" "curl/7.76.1"`
		if log[0] != want || len(log) != 12 {
			t.Errorf("access_log has %d lines, the first\n%s\nwant\n%s", len(log)-1, log[0], want)
		}
		for _, part := range []string{"AH00489: Apache/2.4.57 (AlmaLinux) configured -- resuming normal operations", "AH00094: Command line: '/usr/sbin/httpd -D FOREGROUND'",
			"[client 192.0.2.20:", "AH01276: Cannot serve directory /var/www/html/dir/: No matching DirectoryIndex (index.html) found",
			"AH01630: client denied by server configuration: /var/www/html/.htpasswd", "(13)Permission denied: [client 192.0.2.20:"} {
			if log := w.server.ReadFile("/var/log/httpd/error_log"); !strings.Contains(log, part) {
				t.Errorf("error_log lacks %q:\n%s", part, log)
			}
		}
		two := w.talk(t, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nPUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if strings.Count(two, "HTTP/1.1 ") != 2 || !strings.Contains(two, "Content-Length: 10\r\n") || strings.Contains(two, "<p>hi") || !strings.Contains(two, " 405 ") {
			t.Errorf("keep-alive: %q", two)
		}
	})
}

func TestWelcomePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := install(t)
		w.start()
		if got := w.get(t, "/"); !strings.HasPrefix(got, "HTTP/1.1 403 ") || !strings.Contains(got, "HTTP Server Test Page") {
			t.Errorf("%q", got)
		}
	})
}

// TestRotate moves the log away: lines follow the open file until the daemon is
// told.
func TestRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := install(t)
		w.start()
		for _, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP} {
			w.get(t, "/one")
			w.server.Do(nil, func(ctx context.Context, p *host.Proc) {
				p.Sys.Rename("/var/log/httpd/access_log", "/var/log/httpd/access_log-1")
			})
			w.get(t, "/two")
			if old := w.server.ReadFile("/var/log/httpd/access_log-1"); !strings.Contains(old, "/two") {
				t.Errorf("after the rename: %q", old)
			}
			w.daemon.Signal(sig)
			synctest.Wait()
			w.get(t, "/three")
			if now := w.server.ReadFile("/var/log/httpd/access_log"); !strings.Contains(now, "/three") || strings.Contains(now, "/two") {
				t.Errorf("after %v: %q", sig, now)
			}
		}
		w.server.WriteFile("/etc/httpd/conf.d/port.conf", "Listen 8080\n")
		if r := w.server.Run("/usr/sbin/httpd", "-k", "graceful"); !r.Status.Success() {
			t.Errorf("%+v", r)
		}
		synctest.Wait()
		if w.server.Listening("tcp4", 8080) == 0 || w.server.Listening("tcp4", 80) == 0 {
			t.Error("a new port is not open after a graceful restart")
		}
		w.daemon.Signal(syscall.SIGWINCH)
		if st := w.daemon.End(); !st.Success() {
			t.Error(st)
		}
	})
}

func TestIdleClientIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := install(t)
		w.start()
		begin := time.Now()
		if got := w.talk(t, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(got, " 404 ") {
			t.Errorf("%q", got)
		}
		if d := time.Since(begin); d < keepAliveTime || d > requestTime {
			t.Errorf("closed after %v", d)
		}
	})
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct{ conf, want string }{
		{"Listen 80\n", "Syntax OK\n"},
		{"Listne 80\n", "AH00526: Syntax error on line 1 of /etc/httpd/conf/httpd.conf:\nInvalid command 'Listne', perhaps misspelled or defined by a module not included in the server configuration\n"},
		{"Listen 80\nDocumentRoot /nosuch\n", "AH00526: Syntax error on line 2 of /etc/httpd/conf/httpd.conf:\nDocumentRoot '/nosuch' is not a directory, or is not readable\n"},
		{"Listen 80\n<Directory />\nRequire all denied\n", "AH00526: Syntax error on line 2 of /etc/httpd/conf/httpd.conf:\n<Directory> was not closed.\n"},
		{"Listen 80\n<Directory />\n</Location>\n", "AH00526: Syntax error on line 3 of /etc/httpd/conf/httpd.conf:\nExpected </Directory> but saw </Location>\n"},
		{"Listen 80\nServerName\n", "AH00526: Syntax error on line 2 of /etc/httpd/conf/httpd.conf:\nServerName takes one argument\n"},
		{"Listen 99999\n", "AH00526: Syntax error on line 1 of /etc/httpd/conf/httpd.conf:\nPort must be between 1 and 65535\n"},
		{"LogLevel loud\n", "AH00526: Syntax error on line 1 of /etc/httpd/conf/httpd.conf:\nLogLevel requires level keyword: one of emerg/alert/crit/error/warn/notice/info/debug/trace1/trace2/trace3/trace4/trace5/trace6/trace7/trace8\n"},
		{"Include conf/httpd.conf\n", "Exceeded maximum include depth"},
		{"# nothing\n", "AH00014: no listening sockets available, shutting down\n"},
	} {
		t.Run(c.conf, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := install(t)
				w.server.WriteFile("/etc/httpd/conf/httpd.conf", c.conf)
				r := w.server.Run("/usr/sbin/apachectl", "configtest")
				if !strings.HasSuffix(r.Stderr, c.want) && !(strings.HasPrefix(c.want, "Exceeded") && strings.Contains(r.Stderr, c.want)) || r.Status.Success() != (c.want == "Syntax OK\n") {
					t.Errorf("%v %q, want %q", r.Status, r.Stderr, c.want)
				}
			})
		})
	}
}

func TestVirtualHostsAndAccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := install(t)
		w.server.MkdirAll("/srv/a", 0o755)
		w.server.WriteFile("/srv/a/index.html", "site a")
		w.server.WriteFile("/etc/httpd/conf.d/vhost.conf", `<VirtualHost *:80>
  ServerName a.example
  ServerAlias *.a.example
  DocumentRoot /srv/a
  CustomLog logs/a_log "%v %U %>s"
  <Directory /srv/a>
    Require ip 192.0.2.0/24
  </Directory>
  <Location /no>
    Require not ip 192.0.2.20
  </Location>
  Redirect permanent /old http://a.example/new
</VirtualHost>
<IfModule mod_nosuch.c>
  Nonsense
</IfModule>
`)
		w.start()
		ask := func(host, path string) string {
			return w.talk(t, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		}
		for _, c := range [][3]string{{"a.example", "/", "site a"}, {"www.a.example:80", "/", "site a"}, {"a.example", "/no", " 403 "}, {"a.example", "/old/x", "Location: http://a.example/new/x\r\n"}} {
			if got := ask(c[0], c[1]); !strings.Contains(got, c[2]) {
				t.Errorf("%s%s: %q", c[0], c[1], got)
			}
		}
		if log := w.server.ReadFile("/var/log/httpd/a_log"); log != "a.example / 200\na.example / 200\na.example /no 403\na.example /old/x 301\n" {
			t.Errorf("%q", log)
		}
	})
}

func TestPortTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := install(t)
		w.start()
		r := w.server.Run("/usr/sbin/httpd", "-DFOREGROUND")
		if r.Status.Code != 1 || !strings.Contains(r.Stderr, "(98)Address already in use: AH00072: make_sock: could not bind to address 0.0.0.0:80\n") {
			t.Errorf("%v %q", r.Status, r.Stderr)
		}
	})
}

// memory is a file system for the parser's fuzz test.
type memory map[string]string

func (m memory) ReadFile(name string) ([]byte, error) {
	if s, ok := m[name]; ok {
		return []byte(s), nil
	}
	return nil, &os.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
}
func (m memory) ReadDir(string) ([]string, error) { return []string{"a.conf"}, nil }
func (m memory) IsDir(name string) bool           { return !strings.Contains(name, ".") }

func FuzzConfig(f *testing.F) {
	data, err := os.ReadFile("../distro/files/httpd/etc/httpd/conf/httpd.conf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Add("Listen [::1]:80\n<VirtualHost x>\nRedirect 399 / b\nErrorDocument 404 a\n</VirtualHost>\nInclude f.conf\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig(memory{"/f.conf": text}, "/f.conf", "/", nil, nil)
		if err == nil && len(c.listens) == 0 {
			t.Error("no error and no port")
		}
		if err != nil && complaint(err) == "" {
			t.Error("an error without text")
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add("GET /a%20b/../c?d HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n", `%h %l %u %t "%r" %>s %b %{User-Agent}i %{%Y}t %!400q`)
	f.Fuzz(func(t *testing.T, text, format string) {
		q, err := readRequest(bufio.NewReaderSize(strings.NewReader(text), maxLine))
		var bad badRequest
		if err != nil && !errors.As(err, &bad) {
			return
		}
		if err == nil && (!strings.HasPrefix(q.path, "/") || strings.Contains(q.path, "/../")) {
			t.Errorf("%q: path %q", text, q.path)
		}
		e := entry{req: q, site: &site{}, headers: map[string]string{}}
		e.format(format)
		if strings.ContainsAny(e.format(`%r%U%q%{Host}i`), "\n\"") && !strings.Contains(e.format(`%r%U%q%{Host}i`), `\"`) {
			t.Errorf("%q", e.format(`%r`))
		}
	})
}
