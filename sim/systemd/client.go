package systemd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// bus is a client's connection to PID 1.
type bus struct {
	conn net.Conn
	in   *bufio.Reader
}

// errNoBus is what clients say when PID 1 is not this package's.
var errNoBus = errors.New("System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down") //nolint:staticcheck // the real text

func dialBus(ctx context.Context, p *host.Proc) (*bus, error) {
	conn, err := p.Sys.Dial(ctx, "unix", privateSock)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, errNoBus
	}
	if err != nil {
		return nil, fmt.Errorf("Failed to connect to bus: %s", libc.Strerror(err)) //nolint:staticcheck // the real text
	}
	return &bus{conn, bufio.NewReader(conn)}, nil
}

func (b *bus) close() { b.conn.Close() }

// call sends a request and waits for its answer. An error of PID 1 is an *errUnit.
func (b *bus) call(r request) (reply, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return reply{}, err
	}
	if _, err := b.conn.Write(append(line, '\n')); err != nil {
		return reply{}, err
	}
	answer, err := b.in.ReadBytes('\n')
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = syscall.ECONNRESET
		}
		return reply{}, err
	}
	var rep reply
	if err := json.Unmarshal(answer, &rep); err != nil {
		return reply{}, err
	}
	if rep.Error != "" {
		return rep, &errUnit{rep.Error, rep.Text}
	}
	return rep, nil
}

// screen is where a tool writes, and how.
type screen struct {
	out    io.Writer
	err    io.Writer
	colors bool
	utf8   bool
	links  bool // terminal hyperlinks
	width  int  // columns, 0 when it is no terminal
	height int
	errTTY bool
}

func newScreen(p *host.Proc) *screen {
	s := &screen{out: p.Stdout, err: p.Stderr}
	dumb := p.Getenv("TERM") == "dumb" || p.Getenv("NO_COLOR") != ""
	if t, ok := libc.Terminal(p.Stdout); ok {
		s.height, s.width = t.Size()
		if s.width <= 0 {
			s.width = 80
		}
		s.colors = !dumb
	}
	if v := p.Getenv("SYSTEMD_COLORS"); v != "" {
		b, ok := parseBool(v)
		s.colors = !ok || b
	}
	s.links = s.colors
	_, s.errTTY = libc.Terminal(p.Stderr)
	s.utf8 = utf8Locale(p)
	return s
}

func utf8Locale(p *host.Proc) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToUpper(p.Getenv(name)); v != "" {
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return true
}

// Colours as systemd has them.
const (
	ansiNormal  = "\x1b[0m"
	ansiRed     = "\x1b[0;1;31m"
	ansiGreen   = "\x1b[0;1;32m"
	ansiYellow  = "\x1b[0;1;38;5;185m"
	ansiBold    = "\x1b[0;1;39m"
	ansiGrey    = "\x1b[0;38;5;245m"
	ansiUnder   = "\x1b[0;4m"
	ansiPlainY  = "\x1b[0;38;5;185m"
	ansiHighRed = "\x1b[0;1;4;31m"
)

// paint colours text, where there are colours.
func (s *screen) paint(color, text string) string {
	if !s.colors || color == "" {
		return text
	}
	return color + text + ansiNormal
}

// link makes text a hyperlink, where the terminal does that.
func (s *screen) link(url, text string) string {
	if !s.links {
		return text
	}
	return "\x1b]8;;" + url + "\a" + text + "\x1b]8;;\a"
}

// glyph returns one of systemd's special characters.
func (s *screen) glyph(name string) string {
	g := map[string][2]string{
		"branch": {"├─", "|-"}, "right": {"└─", "`-"}, "vertical": {"│ ", "| "}, "space": {"  ", "  "},
		"arrow": {"→", "->"}, "ellipsis": {"…", "..."}, "black": {"●", "*"}, "white": {"○", "*"}, "cross": {"×", "x"},
		"circle": {"↻", "u"}, "bullet": {"•", "*"}, "shade": {"░", "-"},
	}[name]
	if s.utf8 {
		return g[0]
	}
	return g[1]
}

// complain writes a line of an error to stderr, in colour on a terminal.
func (s *screen) complain(color, format string, args ...any) {
	for _, line := range strings.Split(fmt.Sprintf(format, args...), "\n") {
		if !s.errTTY {
			fmt.Fprintln(s.err, line)
			continue
		}
		if s.colors && color != "" {
			line = color + line + ansiNormal
		}
		fmt.Fprint(s.err, line+"\r\n")
	}
}

// fail is complain for errors.
func (s *screen) fail(format string, args ...any) { s.complain(ansiRed, format, args...) }
func (s *screen) warn(format string, args ...any) { s.complain(ansiYellow, format, args...) }
func (s *screen) note(format string, args ...any) { s.complain("", format, args...) }
