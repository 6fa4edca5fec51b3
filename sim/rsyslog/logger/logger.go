// Package logger is the command logger(1) of util-linux.
package logger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// Version is the version of the package that logger(1) comes with on
// AlmaLinux 9.
const Version = "2.37.4"

// logger is an invocation of logger(1).
type logger struct {
	p   *host.Proc
	ctx context.Context

	priority  int
	tag       string
	pid       int // 0: none is told
	server    string
	port      string
	tcp, udp  bool // kinds of socket that are tried; both at first
	socket    string
	errors    bool // a local socket that cannot be reached is an error
	noAct     bool
	stderr    bool
	counted   bool
	prefix    bool // --prio-prefix
	skipEmpty bool
	size      int
	header    func() (string, error)
	noTime    bool
	noHost    bool
	noQuality bool
	msgID     string
	data      []string // structured data: elements without their brackets
	conn      net.Conn
	stream    bool
	head      string
}

var loggerLong = []libc.LongOption{
	{Name: "id", Arg: libc.OptionalArgument}, {Name: "file", Arg: libc.RequiredArgument, Short: "f"},
	{Name: "skip-empty", Short: "e"}, {Name: "no-act"}, {Name: "priority", Arg: libc.RequiredArgument, Short: "p"},
	{Name: "octet-count"}, {Name: "prio-prefix"}, {Name: "stderr", Short: "s"},
	{Name: "size", Arg: libc.RequiredArgument, Short: "S"}, {Name: "tag", Arg: libc.RequiredArgument, Short: "t"},
	{Name: "server", Arg: libc.RequiredArgument, Short: "n"}, {Name: "port", Arg: libc.RequiredArgument, Short: "P"},
	{Name: "tcp", Short: "T"}, {Name: "udp", Short: "d"}, {Name: "rfc3164"},
	{Name: "rfc5424", Arg: libc.OptionalArgument}, {Name: "sd-id", Arg: libc.RequiredArgument},
	{Name: "sd-param", Arg: libc.RequiredArgument}, {Name: "msgid", Arg: libc.RequiredArgument},
	{Name: "socket", Arg: libc.RequiredArgument, Short: "u"}, {Name: "socket-errors", Arg: libc.RequiredArgument},
	{Name: "journald", Arg: libc.OptionalArgument}, {Name: "help", Short: "h"}, {Name: "version", Short: "V"},
}

// failure is what ends the command with status 1.
type failure struct{ text string }

func (f failure) Error() string { return f.text }

func failf(format string, args ...any) error { return failure{fmt.Sprintf(format, args...)} }

// Program is /usr/bin/logger (logger(1)).
func Program(ctx context.Context, p *host.Proc) int {
	name := p.Name()
	options, operands, err := libc.Getopt(p.Args[1:], "dehf:in:p:P:sS:t:Tu:V", loggerLong)
	l := &logger{p: p, ctx: ctx, priority: int(syslog.Make(syslog.User, syslog.Notice)), tcp: true, udp: true, size: 1024, msgID: "-"}
	// Options count from left to right: what is wrong with the value of one is
	// told before the next that does not exist.
	set := settings{input: p.Stdin, socketErrors: "auto"}
	defer func() { set.close() }()
	for _, o := range options {
		if status, done := l.set(&set, o); done {
			return status
		}
	}
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %s\nTry '%s --help' for more information.\n", name, err, name)
		return 1
	}
	return l.run(set, operands)
}

// settings are what the options say about where messages come from.
type settings struct {
	input        io.Reader
	files        []io.Closer
	reopened     bool // input is a file
	journald     bool
	hasTag       bool
	socketErrors string
}

func (s *settings) close() {
	for _, f := range s.files {
		f.Close()
	}
}

// set takes one option. done tells that the command is over, with status.
func (l *logger) set(s *settings, o libc.Option) (status int, done bool) {
	p := l.p
	var err error
	switch o.Name {
	case "f":
		f, oerr := p.Sys.OpenFile(libc.Abs(p, o.Value), os.O_RDONLY, 0)
		if oerr != nil {
			err = failf("file %s: %s", o.Value, libc.Strerror(oerr))
			break
		}
		s.files = append(s.files, f)
		s.input, s.reopened = f, true
	case "e":
		l.skipEmpty = true
	case "i":
		l.pid = p.PID
	case "id":
		l.pid = p.PID
		if o.Given {
			n, ok := parseID(o.Value)
			if !ok {
				err = failf("failed to parse id: '%s'", o.Value)
			}
			l.pid = n
		}
	case "p":
		l.priority, err = parsePriority(o.Value)
	case "s":
		l.stderr = true
	case "t":
		l.tag, s.hasTag = o.Value, true
	case "u":
		l.socket = o.Value
	case "S":
		n, ok := parseLoggerSize(o.Value)
		if !ok {
			err = failf("failed to parse message size: '%s': Invalid argument", o.Value)
		}
		l.size = int(n)
	case "d":
		l.udp, l.tcp = true, false
	case "T":
		l.tcp, l.udp = true, false
	case "n":
		l.server = o.Value
	case "P":
		l.port = o.Value
	case "no-act":
		l.noAct = true
	case "octet-count":
		l.counted = true
	case "prio-prefix":
		l.prefix = true
	case "rfc3164":
		l.header = l.header3164
	case "rfc5424":
		l.header = l.header5424
		if o.Given {
			l.format(o.Value)
		}
	case "msgid":
		if strings.Contains(o.Value, " ") {
			err = failf("--msgid cannot contain space")
		}
		l.msgID = o.Value
	case "sd-id":
		if !validDataID(o.Value) {
			err = failf("invalid structured data ID: '%s'", o.Value)
		}
		l.data = append(l.data, o.Value)
	case "sd-param":
		if !validDataParam(o.Value) {
			err = failf("invalid structured data parameter: '%s'", o.Value)
		} else if len(l.data) == 0 {
			err = failf("--sd-id was not specified for --sd-param %s", o.Value)
		} else {
			l.data[len(l.data)-1] += " " + o.Value
		}
	case "socket-errors":
		s.socketErrors = o.Value
		if s.socketErrors != "on" && s.socketErrors != "off" && s.socketErrors != "auto" {
			l.warn("invalid argument: %s: using automatic errors", s.socketErrors)
			s.socketErrors = "auto"
		}
	case "journald":
		s.journald = true
		if o.Given {
			f, oerr := p.Sys.OpenFile(libc.Abs(p, o.Value), os.O_RDONLY, 0)
			if oerr != nil {
				err = failf("cannot open %s: %s", o.Value, libc.Strerror(oerr))
				break
			}
			s.files = append(s.files, f)
			s.input = f
		}
	case "V":
		fmt.Fprintf(p.Stdout, "%s from util-linux %s\n", p.Name(), Version)
		return 0, true
	case "h":
		fmt.Fprint(p.Stdout, loggerHelp)
		return 0, true
	}
	if err != nil {
		l.warn("%s", err)
		return 1, true
	}
	return 0, false
}

// run sends the messages.
func (l *logger) run(s settings, operands []string) int {
	p := l.p
	if s.reopened && len(operands) > 0 {
		l.warn("--file <file> and <message> are mutually exclusive, message is ignored") // it is the file that is
	}
	if s.journald {
		return l.journal(s.input)
	}
	l.errors = s.socketErrors == "on" || s.socketErrors == "auto" && (l.noAct || l.stderr || libc.Exists(p, "/run/systemd/system"))
	if !s.hasTag {
		l.tag = "<someone>"
		if u, ok := libc.UserByID(p, p.UID); ok {
			l.tag = u.Name
		} else if p.UID == 0 {
			l.tag = "root"
		}
	}
	if err := l.open(); err != nil {
		l.warn("%s", err)
		return 1
	}
	if l.conn != nil {
		defer l.conn.Close()
	}
	if len(operands) > 0 {
		l.operands(operands)
		return 0
	}
	if err := l.lines(bufio.NewReader(s.input)); err != nil {
		l.warn("%s", err)
		return 1
	}
	return 0
}

func (l *logger) warn(format string, args ...any) {
	fmt.Fprintf(l.p.Stderr, "%s: %s\n", l.p.Name(), fmt.Sprintf(format, args...))
}

// format reads the argument of --rfc5424.
func (l *logger) format(s string) {
	for _, word := range strings.Split(s, ",") {
		switch word {
		case "notime":
			l.noTime, l.noQuality = true, true
		case "notq":
			l.noQuality = true
		case "nohost":
			l.noHost = true
		case "":
		default:
			l.warn("ignoring unknown option argument: %s", word)
		}
	}
}

// open connects, and makes the header of the first message.
func (l *logger) open() error {
	if l.server != "" {
		if err := l.dialServer(); err != nil {
			return err
		}
	} else {
		if l.socket == "" {
			l.socket = "/dev/log"
		}
		if err := l.dialLocal(); err != nil && l.errors {
			return failf("socket %s: %s", l.socket, libc.Strerror(err))
		}
		if l.header == nil {
			l.header = l.headerLocal
		}
	}
	if l.header == nil {
		l.header = l.header5424
	}
	var err error
	l.head, err = l.header()
	return err
}

func (l *logger) dialLocal() error {
	var err error
	for _, network := range []string{"unixgram", "unix"} {
		if network == "unixgram" && !l.udp || network == "unix" && !l.tcp {
			continue
		}
		if l.conn, err = l.p.Sys.Dial(l.ctx, network, l.socket); err == nil {
			l.stream = network == "unix"
			return nil
		}
		l.conn = nil
	}
	return err
}

func (l *logger) dialServer() error {
	port := l.port
	for _, network := range []string{"udp", "tcp"} {
		if network == "udp" && !l.udp || network == "tcp" && !l.tcp {
			continue
		}
		if l.port == "" {
			if port = "syslog"; network == "tcp" {
				port = "syslog-conn"
			}
		}
		addrs, err := libc.LookupHost(l.ctx, l.p, l.server)
		if err != nil {
			return failf("failed to resolve name %s port %s: %v", l.server, port, err)
		}
		number, ok := libc.Port(l.p, port, network)
		if !ok && port == "syslog" && network == "udp" {
			number, ok = 514, true
		}
		if !ok {
			return failf("failed to resolve name %s port %s: Servname not supported for ai_socktype", l.server, port)
		}
		at := netip.AddrPortFrom(addrs[0], uint16(number)).String()
		if l.conn, err = l.p.Sys.Dial(l.ctx, libc.Network(network, addrs[0].String()), at); err == nil {
			l.stream = network == "tcp"
			return nil
		}
		l.conn = nil
	}
	return failf("failed to connect to %s port %s", l.server, port)
}

// The headers of the three formats.

func (l *logger) headerLocal() (string, error) {
	return fmt.Sprintf("<%d>%s %s%s: ", l.priority, libc.LocalTime(l.p).Format(time.Stamp), l.tag, l.bracketPID()), nil
}

func (l *logger) header3164() (string, error) {
	name, _, _ := strings.Cut(l.hostname(), ".")
	return fmt.Sprintf("<%d>%s %s %.200s%s: ", l.priority, libc.LocalTime(l.p).Format(time.Stamp), name, l.tag, l.bracketPID()), nil
}

func (l *logger) bracketPID() string {
	if l.pid == 0 {
		return ""
	}
	return "[" + strconv.Itoa(l.pid) + "]"
}

func (l *logger) header5424() (string, error) {
	if len(l.tag) > 48 { // RFC 5424 section 6: APP-NAME
		return "", failf("tag '%s' is too long", l.tag)
	}
	at, name, pid, data := "-", "-", "-", "-"
	if !l.noTime {
		at = libc.LocalTime(l.p).Format("2006-01-02T15:04:05.000000-07:00")
	}
	if !l.noHost {
		name = l.hostname()
	}
	if l.pid != 0 {
		pid = strconv.Itoa(l.pid)
	}
	elements := l.data
	if !l.noQuality {
		elements = append([]string{`timeQuality tzKnown="1" isSynced="0"`}, elements...)
	}
	if len(elements) > 0 {
		data = "[" + strings.Join(elements, "][") + "]"
	}
	return fmt.Sprintf("<%d>1 %s %s %s %s %s %s ", l.priority, at, name, l.tag, pid, l.msgID, data), nil
}

func (l *logger) hostname() string {
	for _, file := range []string{"/proc/sys/kernel/hostname", "/etc/hostname"} {
		if data, err := libc.ReadFile(l.p, file); err == nil {
			if s := strings.TrimSpace(string(data)); s != "" {
				return s
			}
		}
	}
	return l.p.Host.Name
}

// operands logs the words of the command line, joined by blanks and broken
// between words where they become too long.
func (l *logger) operands(words []string) {
	var b strings.Builder
	for _, word := range words {
		if b.Len() > 0 && b.Len()+len(word) > l.size-1 {
			l.send(b.String())
			b.Reset()
		}
		if len(word) > l.size {
			l.send(word[:l.size])
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
	}
	if b.Len() > 0 {
		l.send(b.String())
	}
}

// lines logs the lines of the input; with --prio-prefix a line may begin with
// its priority, which counts on for lines without one.
func (l *logger) lines(r *bufio.Reader) error {
	usual := l.priority
	buf := make([]byte, 0, 256)
	c, err := r.ReadByte()
	for err == nil {
		buf = buf[:0]
		if l.prefix && c == '<' {
			buf = append(buf, c)
			pri := 0
			for c, err = r.ReadByte(); err == nil && c >= '0' && c <= '9' && pri <= 191; c, err = r.ReadByte() {
				buf = append(buf, c)
				pri = pri*10 + int(c-'0')
			}
			if err == nil && c != '\n' {
				buf = append(buf, c)
			}
			if err == nil && c == '>' && pri <= 191 {
				buf = buf[:0]
				if pri < 8 {
					pri |= usual &^ 7 // no facility: that of -p
				}
				l.priority = pri
			} else {
				l.priority = usual
			}
			if err == nil && c != '\n' {
				c, err = r.ReadByte()
			}
		}
		for err == nil && c != '\n' && len(buf) < l.size {
			buf = append(buf, c)
			c, err = r.ReadByte()
		}
		if len(buf) > 0 || !l.skipEmpty {
			head, herr := l.header()
			if herr != nil {
				return herr
			}
			l.head = head
			l.send(string(buf))
		}
		if err == nil && c == '\n' {
			c, err = r.ReadByte()
		}
	}
	return nil
}

// send sends one message, which ends at its first NUL.
func (l *logger) send(text string) {
	text, _, _ = strings.Cut(text, "\x00")
	if !l.noAct && l.conn == nil && l.server == "" {
		l.dialLocal()
	}
	out := l.head + text
	if l.counted {
		out = strconv.Itoa(len(out)) + " " + out
	}
	if !l.noAct && l.conn != nil {
		wire := out
		if l.stream && !l.counted {
			wire += "\n"
		}
		pri := syslog.Priority(l.priority)
		over := l.socket
		if l.server != "" {
			over = l.conn.RemoteAddr().Network() + " " + l.conn.RemoteAddr().String()
		}
		l.p.Emit(trace.MessageLogged, trace.Attrs{"facility": pri.Facility().String(), "severity": pri.Severity().String(),
			"tag": l.tag, "text": text, "over": over})
		if _, err := l.conn.Write([]byte(wire)); err != nil {
			l.resend(wire, err)
		}
	}
	if l.stderr {
		if !strings.HasSuffix(out, "\n") {
			out += "\n"
		}
		io.WriteString(l.p.Stderr, out)
	}
}

// resend tries once more with a new connection. A datagram that a server
// refused is lost without a word.
func (l *logger) resend(wire string, why error) {
	l.conn.Close()
	l.conn = nil
	var err error
	if l.server != "" {
		err = l.dialServer()
	} else {
		err = l.dialLocal()
	}
	if err == nil {
		_, err = l.conn.Write([]byte(wire))
		why = err
	}
	if err != nil {
		l.warn("send message failed: %s", libc.Strerror(why))
	}
}

// journalSocket is where journald takes entries in its own protocol.
const journalSocket = "/run/systemd/journal/socket"

// journal is --journald: an entry for journald, a field a line.
func (l *logger) journal(r io.Reader) int {
	var fields []string
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			break
		}
		fields = append(fields, line)
		if err != nil {
			break
		}
	}
	if !l.noAct {
		if err := l.sendEntry(fields); err != nil {
			l.warn("journald entry could not be written")
			return 1
		}
	}
	if l.stderr {
		for _, f := range fields {
			fmt.Fprintln(l.p.Stderr, f)
		}
	}
	return 0
}

func (l *logger) sendEntry(fields []string) error {
	var b strings.Builder
	for _, f := range fields {
		if i := strings.IndexByte(f, '='); i < 1 {
			return syscall.EINVAL
		}
		b.WriteString(f)
		b.WriteByte('\n')
	}
	if b.Len() == 0 {
		return syscall.EINVAL
	}
	c, err := l.p.Sys.Dial(l.ctx, "unixgram", journalSocket)
	if errors.Is(err, syscall.ENOENT) {
		return nil // sd_journal_sendv(3) is silent where there is no journal
	}
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte(b.String()))
	return err
}
