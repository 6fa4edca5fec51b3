package distro

import "io/fs"

// filesystemPackage is the tree that everything else is put into.
func filesystemPackage() Package {
	dir := func(mode fs.FileMode) File { return File{Mode: fs.ModeDir | mode} }
	p := Package{
		Name: "filesystem", Version: "3.16", Release: "5.el9", Arch: "x86_64", Base: true,
		Summary: "The basic directory layout for a Linux system",
		Files: map[string]File{
			"/bin": {Link: "usr/bin"}, "/sbin": {Link: "usr/sbin"},
			"/lib": {Link: "usr/lib"}, "/lib64": {Link: "usr/lib64"}, "/lib32": {Link: "usr/lib32"},
			"/root": dir(0o550), "/home": dir(0o755), "/boot": dir(0o555), "/media": dir(0o755), "/mnt": dir(0o755),
			"/opt": dir(0o755), "/srv": dir(0o755), "/tmp": dir(fs.ModeSticky | 0o777),
			"/var/tmp": dir(fs.ModeSticky | 0o777), "/var/log": dir(0o755), "/var/lib": dir(0o755), "/var/cache": dir(0o755),
			"/var/spool": dir(0o755), "/var/spool/mail": {Mode: fs.ModeDir | 0o775, Group: "mail"},
			"/var/mail": {Link: "spool/mail"}, "/var/run": {Link: "../run"}, "/var/lock": {Link: "../run/lock"},
			"/var/empty": dir(0o555), "/etc/opt": dir(0o755),
			"/usr/local/bin": dir(0o755), "/usr/local/sbin": dir(0o755),
			"/etc/localtime": {Link: "../usr/share/zoneinfo/Asia/Tokyo"},
			"/etc/mtab":      {Link: "../proc/self/mounts"},
		},
	}
	return p
}

// setupPackage is what every account and shell needs.
func setupPackage() Package {
	return Package{
		Name: "setup", Version: "2.13.7", Release: "10.el9", Arch: "noarch", Base: true,
		Summary: "A set of system configuration and setup files",
		Files: map[string]File{
			"/etc/skel/.bashrc": {Mode: 0o644},
			"/var/log/wtmp":     {Mode: 0o664, Group: "utmp"},
			"/var/log/btmp":     {Mode: 0o660, Group: "utmp"},
			"/var/log/lastlog":  {Mode: 0o664, Group: "utmp"},
		},
		Users: []string{
			"root:x:0:0:root:/root:/bin/bash",
			"bin:x:1:1:bin:/bin:/sbin/nologin",
			"daemon:x:2:2:daemon:/sbin:/sbin/nologin",
			"adm:x:3:4:adm:/var/adm:/sbin/nologin",
			"lp:x:4:7:lp:/var/spool/lpd:/sbin/nologin",
			"sync:x:5:0:sync:/sbin:/bin/sync",
			"shutdown:x:6:0:shutdown:/sbin:/sbin/shutdown",
			"halt:x:7:0:halt:/sbin:/sbin/halt",
			"mail:x:8:12:mail:/var/spool/mail:/sbin/nologin",
			"operator:x:11:0:operator:/root:/sbin/nologin",
			"games:x:12:100:games:/usr/games:/sbin/nologin",
			"ftp:x:14:50:FTP User:/var/ftp:/sbin/nologin",
			"nobody:x:65534:65534:Kernel Overflow User:/:/sbin/nologin",
		},
		Groups: []string{
			"root:x:0:", "bin:x:1:", "daemon:x:2:", "sys:x:3:", "adm:x:4:", "tty:x:5:", "disk:x:6:", "lp:x:7:", "mem:x:8:",
			"kmem:x:9:", "wheel:x:10:", "cdrom:x:11:", "mail:x:12:", "man:x:15:", "dialout:x:18:", "floppy:x:19:", "games:x:20:",
			"utmp:x:22:", "tape:x:33:", "video:x:39:", "ftp:x:50:", "lock:x:54:", "audio:x:63:", "users:x:100:", "nobody:x:65534:",
		},
	}
}

// releasePackage says which distribution this is.
func releasePackage() Package {
	return Package{
		Name: "almalinux-release", Version: "9.4", Release: "1.el9", Arch: "x86_64", Base: true,
		Summary: "AlmaLinux release files",
		Files: map[string]File{
			"/etc/redhat-release": {Link: "almalinux-release"},
			"/etc/system-release": {Link: "almalinux-release"},
		},
	}
}

// tcpdumpPackage has the account that tcpdump, the machine's own program, runs as
// once it has opened its interface.
func tcpdumpPackage() Package {
	return Package{
		Name: "tcpdump", Version: "4.99.0", Release: "9.el9", Arch: "x86_64", Epoch: 14, Base: true,
		Summary: "A network traffic monitoring tool",
		Users:   []string{"tcpdump:x:72:72::/:/sbin/nologin"},
		Groups:  []string{"tcpdump:x:72:"},
	}
}
