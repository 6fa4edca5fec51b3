// Package screen is where systemd's tools write: colours, special characters,
// ellipsis and pager, as the terminal and the locale allow.
package screen

import (
	"fmt"
	"io"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/unitfile"
)

// Screen is where a tool writes, and how.
type Screen struct {
	Out    io.Writer
	Err    io.Writer
	Colors bool
	UTF8   bool
	Links  bool // terminal hyperlinks
	Width  int  // columns, 0 when it is no terminal
	height int
	errTTY bool
	// of the terminal: sixteen colours and no more
	sixteen bool
}

// New looks at what a tool's standard output is, and at its environment.
func New(p *host.Proc) *Screen {
	s := &Screen{Out: p.Stdout, Err: p.Stderr}
	dumb := p.Getenv("TERM") == "dumb" || p.Getenv("NO_COLOR") != ""
	if t, ok := libc.Terminal(p.Stdout); ok {
		s.height, s.Width = t.Size()
		if s.Width <= 0 {
			s.Width = 80
		}
		s.Colors = !dumb
	}
	if _, s.errTTY = libc.Terminal(p.Stderr); !s.errTTY {
		s.Colors = false // a tool is on a terminal with both outputs or not at all
	}
	if v := p.Getenv("SYSTEMD_COLORS"); v != "" {
		b, ok := unitfile.ParseBool(v)
		s.Colors, s.sixteen = !ok || b, v == "16"
	}
	s.Links = s.Colors
	s.UTF8 = utf8Locale(p)
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
	Normal      = "\x1b[0m"
	Red         = "\x1b[0;1;31m"
	Green       = "\x1b[0;1;32m"
	Yellow      = "\x1b[0;1;38;5;185m"
	Bold        = "\x1b[0;1;39m"
	Grey        = "\x1b[0;38;5;245m"
	Under       = "\x1b[0;4m"
	PlainYellow = "\x1b[0;38;5;185m"
	UnderRed    = "\x1b[0;1;4;31m"
)

// Shade returns a colour as the terminal has it.
func (s *Screen) Shade(color string) string {
	if s.sixteen {
		switch color {
		case Yellow:
			return "\x1b[0;1;33m"
		case PlainYellow:
			return "\x1b[0;33m"
		case Grey:
			return "\x1b[0;90m"
		}
	}
	return color
}

// Paint colours text, where there are colours.
func (s *Screen) Paint(color, text string) string {
	if !s.Colors || color == "" {
		return text
	}
	return s.Shade(color) + text + Normal
}

// Link makes text a hyperlink, where the terminal does that.
func (s *Screen) Link(url, text string) string {
	if !s.Links {
		return text
	}
	return "\x1b]8;;" + url + "\a" + text + "\x1b]8;;\a"
}

// Glyph returns one of systemd's special characters.
func (s *Screen) Glyph(name string) string {
	g := map[string][2]string{
		"branch": {"├─", "|-"}, "right": {"└─", "`-"}, "vertical": {"│ ", "| "}, "space": {"  ", "  "},
		"arrow": {"→", "->"}, "ellipsis": {"…", "..."}, "black": {"●", "*"}, "white": {"○", "*"}, "cross": {"×", "x"},
		"circle": {"↻", "u"}, "bullet": {"•", "*"}, "shade": {"░", "-"}, "external": {"[🡕]", "[LNK]"},
	}[name]
	if s.UTF8 {
		return g[0]
	}
	return g[1]
}

// complain writes a line of an error to stderr, in colour on a terminal.
func (s *Screen) complain(color, format string, args ...any) {
	end := "\n"
	if s.errTTY {
		end = "\r\n"
	}
	for _, line := range strings.Split(fmt.Sprintf(format, args...), "\n") {
		fmt.Fprint(s.Err, s.Paint(color, line)+end)
	}
}

// Fail says an error, Warn a warning, Notice something notable, Note something
// else, each on stderr.
func (s *Screen) Fail(format string, args ...any) { s.complain(Red, format, args...) }

// Warn: see Fail.
func (s *Screen) Warn(format string, args ...any) { s.complain(Yellow, format, args...) }

// Notice: see Fail.
func (s *Screen) Notice(format string, args ...any) { s.complain(Bold, format, args...) }

// Note: see Fail.
func (s *Screen) Note(format string, args ...any) { s.complain("", format, args...) }
