package stub

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"enshu/sim/clock"
)

// What a stopped program writes comes out when it goes on.
func TestStoppedProgramsWriteLater(t *testing.T) {
	line := clock.New(time.Time{})
	line.Hold()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	g := &gate{line: line}
	s := newStream(line, w, os.O_WRONLY, g, func() {}).(*stream)
	defer s.close()
	waiting := func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.waits) > 0
	}
	read := func(n int) string {
		b := make([]byte, n)
		if _, err := r.Read(b); err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	g.deliver(syscall.SIGTSTP)
	line.Hold()
	done := make(chan error)
	go func() {
		defer line.Release()
		_, err := s.Write([]byte("program"))
		done <- err
	}()
	for !waiting() {
		runtime.Gosched()
	}
	w.WriteString("shell, ")
	if got := read(7); got != "shell, " {
		t.Errorf("while the program is stopped: %q", got)
	}
	g.deliver(syscall.SIGCONT)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := read(7); got != "program" {
		t.Errorf("after it goes on: %q", got)
	}
	// The end of a stopped process does not hang in a write.
	g.deliver(syscall.SIGTSTP)
	g.end()
	if _, err := s.Write([]byte("last")); err != nil {
		t.Error(err)
	}
}
