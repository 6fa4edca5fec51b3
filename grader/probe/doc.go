// Package probe asks a host what an administrator would ask it, by the same
// commands and files, for the kinds of checks that share the question: a unit's
// state, who listens, what firewalld lets in, what rsyslogd's files say and
// whether the daemon has read them. With the questions go the advice that
// several kinds give about the answers.
package probe
