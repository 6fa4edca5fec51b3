package libc_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
	"enshu/sim/wire/syslog"
)

// on runs f as a root process of a host named a.
func on(t *testing.T, setup func(h *memnet.Host), f func(ctx context.Context, p *host.Proc)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := memnet.New(t).Host(t, memnet.Config{Name: "a", Addrs: []string{"192.0.2.1/24"}})
		if setup != nil {
			setup(h)
		}
		h.Do(nil, f)
	})
}

// Every error number of the machine has the text that its C library gives.
func TestStrerror(t *testing.T) {
	perl, err := exec.LookPath("perl")
	if err != nil {
		t.Fatal("perl, which tells what the C library says, is not here: run tools/peers (make test does)")
	}
	cmd := exec.Command(perl, "-e", `for (1..133) { $! = $_; print "$!\n" }`)
	cmd.Env = []string{"LC_ALL=C"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		if got := libc.Strerror(fmt.Errorf("x: %w", syscall.Errno(i+1))); got != want {
			t.Errorf("%d: %q, want %q", i+1, got, want)
		}
	}
}

func TestStrerrorOfOthers(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "Success"},
		{syscall.ENOENT, "No such file or directory"},
		{&fs.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}, "Permission denied"},
		{errors.New("no errno"), "no errno"},
		{syscall.Errno(4095), "Unknown error 4095"},
	} {
		if got := libc.Strerror(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

func TestFiles(t *testing.T) {
	on(t, nil, func(ctx context.Context, p *host.Proc) {
		check := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		check("mkdir", libc.MkdirAll(p, "/var/lib/a/b/c/", 0o750))
		check("mkdir again", libc.MkdirAll(p, "/var/lib/a/b/c", 0o750))
		check("write", libc.WriteFile(p, "/var/lib/a/b/f", []byte("x\n"), 0o640))
		if err := libc.MkdirAll(p, "/var/lib/a/b/f", 0o750); !errors.Is(err, syscall.EEXIST) {
			t.Errorf("mkdir on a file: %v", err)
		}
		if err := libc.MkdirAll(p, "/var/lib/a/b/f/g", 0o750); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("mkdir below a file: %v", err)
		}
		check("append", libc.AppendFile(p, "/var/lib/a/b/f", []byte("y\n"), 0o640))
		data, err := libc.ReadFile(p, "/var/lib/a/b/f")
		check("read", err)
		if string(data) != "x\ny\n" {
			t.Errorf("contents %q", data)
		}
		names, err := libc.ReadDir(p, "/var/lib/a/b")
		check("readdir", err)
		if !slices.Equal(names, []string{"c", "f"}) {
			t.Errorf("names %q", names)
		}
		if _, err := libc.ReadDir(p, "/var/lib/a/b/f"); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("readdir of a file: %v", err)
		}
		if !libc.Exists(p, "/var/lib/a") || libc.Exists(p, "/var/lib/z") {
			t.Error("Exists")
		}
		info, err := p.Sys.Stat("/var/lib/a/b/f")
		check("stat", err)
		if d := p.Now().Sub(info.ModTime()); d < 0 || d > time.Millisecond {
			t.Errorf("modified %v ago", d)
		}
		p.Dir = "/var/lib"
		for name, want := range map[string]string{"/x": "/x", "x": "/var/lib/x", "../x": "/var/lib/../x"} {
			if got := libc.Abs(p, name); got != want {
				t.Errorf("Abs %s: %s", name, got)
			}
		}
	})
	for text, want := range map[string][]string{"": nil, "a": {"a"}, "a\n": {"a"}, "\n": {""}, "a\n\nb": {"a", "", "b"}} {
		if got := libc.Lines([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("Lines %q: %q", text, got)
		}
	}
}

func TestUsers(t *testing.T) {
	on(t, func(h *memnet.Host) {
		h.WriteFile("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n# comment\nbad:x:one:2::/:/bin/sh\nshort:x:1\n"+
			"usera:x:1000:1000:User A,,,:/home/usera:/bin/bash\n:x:5:5:::\ntwin:x:1000:1000::/:/sbin/nologin")
		h.WriteFile("/etc/group", "root:x:0:\nwheel:x:10:usera,root\nmail:x:12:usera\nusera:x:1000:usera\nbad:x:z:\n")
	}, func(ctx context.Context, p *host.Proc) {
		if n := len(libc.Users(p)); n != 3 {
			t.Errorf("%d accounts", n)
		}
		u, ok := libc.UserByName(p, "usera")
		if want := (libc.User{Name: "usera", UID: 1000, GID: 1000, FullName: "User A,,,", Dir: "/home/usera", Shell: "/bin/bash"}); !ok || u != want {
			t.Errorf("usera: %+v", u)
		}
		if u, ok := libc.UserByID(p, 1000); !ok || u.Name != "usera" {
			t.Errorf("uid 1000: %+v", u)
		}
		if _, ok := libc.UserByName(p, "nobody"); ok {
			t.Error("found nobody")
		}
		if got := libc.UserName(p, 0) + " " + libc.UserName(p, 4711); got != "root 4711" {
			t.Errorf("names %q", got)
		}
		if g, ok := libc.GroupByName(p, "wheel"); !ok || g.GID != 10 || !slices.Equal(g.Members, []string{"usera", "root"}) {
			t.Errorf("wheel: %+v", g)
		}
		if _, ok := libc.GroupByName(p, "bad"); ok {
			t.Error("found a bad group")
		}
		if c := libc.CredOf(p, u); c.UID != 1000 || c.GID != 1000 || !slices.Equal(c.Groups, []int{1000, 10, 12}) {
			t.Errorf("identity: %+v", c)
		}
	})
	on(t, nil, func(ctx context.Context, p *host.Proc) { // without the files
		if libc.Users(p) != nil || libc.Groups(p) != nil || libc.UserName(p, 0) != "0" {
			t.Error("accounts from nowhere")
		}
	})
}

func TestZone(t *testing.T) {
	tokyo, err := os.ReadFile("/usr/share/zoneinfo/Asia/Tokyo")
	if err != nil {
		t.Fatal("the machine has no time zone files: run tools/peers (make test does)")
	}
	at := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		setup  func(h *memnet.Host)
		tz     string
		zone   string
		offset int
	}{
		{name: "nothing", zone: "UTC"},
		{name: "localtime is a link", setup: func(h *memnet.Host) { h.Symlink("../usr/share/zoneinfo/Asia/Tokyo", "/etc/localtime") }, zone: "JST", offset: 9 * 3600},
		{name: "localtime is a file", setup: func(h *memnet.Host) { h.WriteFile("/etc/localtime", string(tokyo)) }, zone: "JST", offset: 9 * 3600},
		{name: "localtime is nonsense", setup: func(h *memnet.Host) { h.WriteFile("/etc/localtime", "nonsense") }, zone: "UTC"},
		{name: "TZ", tz: "Asia/Tokyo", zone: "JST", offset: 9 * 3600},
		{name: "TZ over localtime", setup: func(h *memnet.Host) { h.WriteFile("/etc/localtime", string(tokyo)) }, tz: "America/New_York", zone: "EDT", offset: -4 * 3600},
		{name: "TZ with a colon", tz: ":Asia/Tokyo", zone: "JST", offset: 9 * 3600},
		{name: "TZ is a file", setup: func(h *memnet.Host) { h.WriteFile("/root/tokyo", string(tokyo)) }, tz: "/root/tokyo", zone: "JST", offset: 9 * 3600},
		{name: "TZ=UTC", setup: func(h *memnet.Host) { h.WriteFile("/etc/localtime", string(tokyo)) }, tz: "UTC", zone: "UTC"},
		{name: "TZ of POSIX", setup: func(h *memnet.Host) { h.WriteFile("/etc/localtime", string(tokyo)) }, tz: "JST-9", zone: "JST", offset: 9 * 3600},
		{name: "TZ of POSIX with minutes", tz: "<+0530>-5:30", zone: "+0530", offset: 5*3600 + 1800},
		{name: "TZ of POSIX, west", tz: "EST5", zone: "EST", offset: -5 * 3600},
		{name: "TZ of POSIX with seconds", tz: "JST-9:30:15", zone: "JST", offset: 9*3600 + 1815},
		{name: "TZ of POSIX, summer time", tz: "EST5EDT,M3.2.0,M11.1.0", zone: "EDT", offset: -4 * 3600},
		{name: "TZ of POSIX, southern", tz: "AEST-10AEDT,M10.1.0,M4.1.0/3", zone: "AEST", offset: 10 * 3600},
		{name: "TZ is unknown", setup: func(h *memnet.Host) { h.WriteFile("/etc/localtime", string(tokyo)) }, tz: "Foo/Bar", zone: "Foo"},
		{name: "TZ is a name", tz: "JST", zone: "JST"},
		{name: "TZ is a short name", tz: "No/Where", zone: ""},
		{name: "TZ of POSIX, wrong", tz: "JST9x", zone: ""},
		{name: "TZ is empty", setup: func(h *memnet.Host) { h.WriteFile("/etc/localtime", string(tokyo)) }, tz: "-", zone: "UTC"},
		{name: "TZ leads out", setup: func(h *memnet.Host) { h.WriteFile("/etc/tokyo", string(tokyo)) }, tz: "../../../etc/tokyo", zone: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			on(t, func(h *memnet.Host) {
				h.WriteFile("/usr/share/zoneinfo/Asia/Tokyo", string(tokyo))
				if ny, err := os.ReadFile("/usr/share/zoneinfo/America/New_York"); err == nil {
					h.WriteFile("/usr/share/zoneinfo/America/New_York", string(ny))
				}
				if c.setup != nil {
					c.setup(h)
				}
			}, func(ctx context.Context, p *host.Proc) {
				if c.tz != "" {
					p.Env = append(p.Env, "TZ="+strings.TrimSuffix(c.tz, "-")) // "-" is an empty one
				}
				zone, offset := at.In(libc.Zone(p)).Zone()
				if zone != c.zone || offset != c.offset {
					t.Errorf("%s %+d, want %s %+d", zone, offset, c.zone, c.offset)
				}
			})
		})
	}
}

// Whatever TZ says there is a zone, as the user may type anything.
func FuzzZone(f *testing.F) {
	for _, s := range []string{"JST-9", "EST5EDT,M3.2.0,M11.1.0", "<+0530>-5:30", ":", "<", "a<b>", "AAA0BBB,J60/0,J300/24:59:59"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tz string) {
		n := memnet.New(t)
		h := n.Host(t, memnet.Config{Name: "a"})
		h.Do(nil, func(ctx context.Context, p *host.Proc) {
			p.Env = []string{"TZ=" + tz}
			if _, offset := time.Unix(1782864000, 0).In(libc.Zone(p)).Zone(); offset < -200*3600 || offset > 200*3600 {
				t.Errorf("offset %d", offset)
			}
		})
	})
}

func TestSyslog(t *testing.T) {
	on(t, nil, func(ctx context.Context, p *host.Proc) {
		if err := libc.Syslog(p, syslog.Make(syslog.User, syslog.Notice), "me", 0, "hi"); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("without /dev/log: %v", err)
		}
		l, err := p.Sys.ListenPacket("unixgram", "/dev/log")
		if err != nil {
			t.Error(err)
			return
		}
		for _, c := range []struct {
			pid  int
			want string
		}{{0, "<13>Jan  1 00:00:00 me: hi"}, {42, "<13>Jan  1 00:00:00 me[42]: hi"}} {
			if err := libc.Syslog(p, syslog.Make(syslog.User, syslog.Notice), "me", c.pid, "hi"); err != nil {
				t.Error(err)
			}
			b := make([]byte, 100)
			n, _, err := l.ReadFrom(b)
			if err != nil || string(b[:n]) != c.want {
				t.Errorf("got %q, %v", b[:n], err)
			}
		}
		if e := p.Host.Trace.Since(0); len(e) != 3 || e[0].Attrs["text"] != "hi" {
			t.Errorf("trace: %v", e)
		}
	})
}
