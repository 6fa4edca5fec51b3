package distro

import (
	"io/fs"

	"enshu/sim/host"
	"enshu/sim/httpd"
)

func httpdPackage() Package {
	return Package{
		Name: "httpd", Version: "2.4.57", Release: "11.el9_4.1", Arch: "x86_64",
		Summary: "Apache HTTP Server",
		Programs: map[string]host.Program{
			"/usr/sbin/httpd":     httpd.Httpd,
			"/usr/sbin/apachectl": httpd.Apachectl,
		},
		Files: map[string]File{
			"/etc/httpd/logs":  {Link: "../../var/log/httpd"},
			"/var/log/httpd":   {Mode: fs.ModeDir | 0o700},
			"/var/www":         {Mode: fs.ModeDir | 0o755},
			"/var/www/html":    {Mode: fs.ModeDir | 0o755},
			"/var/www/cgi-bin": {Mode: fs.ModeDir | 0o755},
		},
		Users:  []string{"apache:x:48:48:Apache:/usr/share/httpd:/sbin/nologin"},
		Groups: []string{"apache:x:48:"},
	}
}
