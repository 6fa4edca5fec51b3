package memnet

import (
	"context"
	"io"
	"strings"
	"sync"
	"syscall"

	"enshu/sim/clock"
	"enshu/sim/host"
)

// Terminal is a terminal at which a script types. It is Stdin, Stdout and
// Stderr at once. Lines are edited nowhere: what is typed is read by line, ^D
// (\x04) ends a file, ^C (\x03) sends SIGINT to the last process started on it.
type Terminal struct {
	line *clock.Timeline
	name string

	mu         sync.Mutex
	rows, cols int
	echo       bool
	screen     strings.Builder
	seen       int // of screen, when something was last typed
	script     []typing
	input      []byte
	hungUp     bool
	front      *process
	waits      waiters
}

// typing is text that is typed once the screen shows after.
type typing struct{ after, text string }

var _ host.Terminal = (*Terminal)(nil)

// Terminal returns a terminal of 24 rows and 80 columns with echo.
func (n *Network) Terminal(name string) *Terminal {
	return &Terminal{line: n.Line, name: name, rows: 24, cols: 80, echo: true}
}

// Type types text, once what was typed before has been; a line ends in \n.
func (t *Terminal) Type(text string) { t.TypeAfter("", text) }

// TypeAfter types text once the output since the last typing holds prompt.
func (t *Terminal) TypeAfter(prompt, text string) {
	t.mu.Lock()
	t.script = append(t.script, typing{prompt, text})
	front, sig := t.play()
	t.mu.Unlock()
	interrupt(front, sig)
}

// play types what is due and returns a signal to send. The caller holds mu.
func (t *Terminal) play() (front *process, sig bool) {
	for len(t.script) > 0 && strings.Contains(t.screen.String()[t.seen:], t.script[0].after) {
		text := t.script[0].text
		t.script = t.script[1:]
		t.seen = t.screen.Len()
		for _, c := range []byte(text) {
			if c == 3 {
				t.input, sig = nil, true
				if t.echo {
					t.screen.WriteString("^C")
				}
				continue
			}
			t.input = append(t.input, c)
			if t.echo && c != 4 || c == '\n' {
				t.screen.WriteByte(c)
			}
		}
		t.seen = t.screen.Len()
		t.waits.wake()
	}
	return t.front, sig
}

func interrupt(front *process, sig bool) {
	if sig && front != nil {
		front.sys.h.signal(front, syscall.SIGINT)
	}
}

// foreground gives the terminal to a process and returns whose it was.
func (t *Terminal) foreground(e *process) (before *process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, t.front = t.front, e
	return before
}

// release gives the terminal back when a process that had it has ended.
func (t *Terminal) release(e, before *process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.front == e {
		t.front = before
	}
}

// Hangup closes the terminal: reads end, and so do writes.
func (t *Terminal) Hangup() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hungUp = true
	t.waits.wake()
}

// Screen returns everything that was written and echoed.
func (t *Terminal) Screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen.String()
}

// Read returns typed text, at most one line, and waits for a whole one.
func (t *Terminal) Read(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		for i, c := range t.input {
			switch {
			case c == 4 && i == 0:
				t.input = t.input[1:]
				return 0, io.EOF
			case c == 4:
				k := copy(b, t.input[:i])
				t.input = t.input[k:]
				if k == i {
					t.input = t.input[1:]
				}
				return k, nil
			case c == '\n':
				k := copy(b, t.input[:i+1])
				t.input = t.input[k:]
				return k, nil
			}
		}
		if t.hungUp {
			return 0, io.EOF
		}
		w := t.line.NewWait()
		t.waits.list = append(t.waits.list, w)
		ctx := context.Background()
		if t.front != nil {
			ctx = t.front.sys.ctx
		}
		t.mu.Unlock()
		err := w.Sleep(ctx)
		t.mu.Lock()
		if err != nil {
			return 0, syscall.EIO
		}
	}
}

func (t *Terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	if t.hungUp {
		t.mu.Unlock()
		return 0, syscall.EIO
	}
	t.screen.Write(b)
	front, sig := t.play()
	t.mu.Unlock()
	interrupt(front, sig)
	return len(b), nil
}

// Size returns the size of the terminal.
func (t *Terminal) Size() (rows, cols int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows, t.cols
}

// Resize changes the size and sends SIGWINCH.
func (t *Terminal) Resize(rows, cols int) {
	t.mu.Lock()
	t.rows, t.cols = rows, cols
	front := t.front
	t.mu.Unlock()
	if front != nil {
		front.sys.h.signal(front, syscall.SIGWINCH)
	}
}

// Name is the path of the terminal.
func (t *Terminal) Name() string { return t.name }

// SetEcho turns the echo of typed characters on or off.
func (t *Terminal) SetEcho(on bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.echo = on
	return nil
}
