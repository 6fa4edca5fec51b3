package mailx

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"syscall"

	"enshu/sim/clock"
	"enshu/sim/host"
)

// event is what reading a line came to.
type event struct {
	line      string
	ok        bool // false at the end of the input
	interrupt bool // ^C instead
	hangup    bool // the terminal is gone, and with it the input
}

// input reads lines, and on a terminal also sees ^C. A line is only read ahead
// when one was asked for and ^C came instead: what runs in between has the
// terminal to itself.
type input struct {
	p       *host.Proc
	r       *bufio.Reader
	queue   *clock.Queue[event]
	reading bool
	catches bool
	gone    bool // the terminal hung up
}

func newInput(p *host.Proc, q *clock.Queue[event]) *input {
	return &input{p: p, r: bufio.NewReader(p.Stdin), queue: q}
}

// catch makes ^C an event from now on.
func (in *input) catch(ctx context.Context) {
	if in.catches {
		return
	}
	in.catches = true
	in.p.Catch(syscall.SIGINT, syscall.SIGHUP)
	in.p.Go(func() {
		for {
			sig, err := in.p.WaitSignal(ctx)
			if err != nil {
				return
			}
			in.queue.TryPut(event{interrupt: sig == syscall.SIGINT, hangup: sig == syscall.SIGHUP})
		}
	})
}

func (in *input) read() event {
	text, err := in.r.ReadString('\n')
	return event{line: strings.TrimSuffix(text, "\n"), ok: err == nil || text != ""}
}

// next waits for a line or an interrupt.
func (in *input) next(ctx context.Context) event {
	switch {
	case in.gone:
		return event{hangup: true}
	case !in.catches:
		return in.read()
	}
	if !in.reading {
		in.reading = true
		in.p.Go(func() {
			in.queue.TryPut(in.read())
		})
	}
	e, err := in.queue.Get(ctx)
	if err != nil {
		return event{}
	}
	in.gone = e.hangup
	if !e.interrupt && !e.hangup {
		in.reading = false
	}
	return e
}

// rest reads everything up to the end.
func (in *input) rest() string {
	var b strings.Builder
	in.r.WriteTo(&b)
	return b.String()
}

// ring is the error ring: what was complained of, which `errors' shows.
type ring struct {
	entries []ringEntry
	open    bool   // the last text has no end of line yet
	last    string // the last text but for hints, and how often it came in a row
	times   int
	since   bool // nothing was asked of the user since then
}

type ringEntry struct {
	text  string
	times int
}

// complain prints a line of error.
func (m *program) complain(format string, args ...any) {
	m.tell(fmt.Sprintf(format, args...), "\n")
}

// tell is complain with another end of line, or none. What comes several times
// in a row is counted.
func (m *program) tell(text, end string) {
	r := &m.ring
	m.complaints++
	if r.open {
		r.entries[len(r.entries)-1].text += text
		r.open = end == ""
		fmt.Fprint(m.p.Stderr, text, end)
		return
	}
	if text != r.last {
		if r.times > 1 && r.since {
			fmt.Fprintf(m.p.Stderr, "s-nail: -- Last message repeated %d times --\n", r.times)
		}
		r.last, r.times = text, 0
	}
	r.times++
	r.since = true
	if n := len(r.entries); n > 0 && r.entries[n-1].text == text {
		r.entries[n-1].times++
	} else {
		r.entries = append(r.entries, ringEntry{text, 1})
	}
	r.open = end == ""
	fmt.Fprint(m.p.Stderr, "s-nail: ", text, end)
}

// hint tells once of the error ring, before a prompt.
func (m *program) hint() {
	if m.tty && !m.hinted && len(m.ring.entries) > 0 {
		m.hinted = true
		const text = "There are messages in the error ring, manageable via `errors' command"
		m.ring.entries = append(m.ring.entries, ringEntry{text, 1})
		fmt.Fprintf(m.p.Stderr, "s-nail: %s\n", text)
	}
	m.ring.since = false
}

// interrupted takes back what the terminal showed for ^C, as the line editor of
// s-nail does not show it.
func (m *program) interrupted() { fmt.Fprint(m.p.Stdout, "\b\b  \b\b") }
