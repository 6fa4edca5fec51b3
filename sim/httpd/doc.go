// Package httpd is a small Apache HTTP Server (httpd(8), apachectl(8)) as EL9
// installs it: static files, access and error logs, and the signals with which
// logs are rotated. It is there so that labs have a web server whose ports,
// logs and configuration errors behave as the real one's.
//
// Sources: the Apache HTTP Server 2.4 documentation (core, mod_log_config,
// mod_dir, mod_alias, mod_authz_host), RFC 9110 and 9112.
//
// # Divergences
//
//   - One process serves with threads; it stays root and asks the files' modes
//     whether User and Group may read them.
//   - Directives that are known but not modelled (modules, filters, TLS, CGI,
//     proxying, .htaccess, rewriting, piped logs) are read and have no effect.
//     Name-based virtual hosts are; their logs too.
//   - Directory listings are the plain ones, without icons and columns.
//   - No ranges, no content negotiation; If-Modified-Since is honoured.
package httpd
