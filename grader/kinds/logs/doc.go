// Package logs has the kinds of checks about log messages: their way from logger
// to a file here or elsewhere, the journal, the kernel's log, and what logrotate
// does.
package logs
