package trace_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/clock"
	"enshu/sim/trace"
)

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := clock.New(time.Time{})
		l := trace.NewLog(line)
		if l.Last() != 0 || l.Since(0) != nil {
			t.Error("a new trace is not empty")
		}
		began := line.Now().UTC()
		if seq := l.Append("server", "rsyslogd", 7, trace.ConfigLoaded, trace.Attrs{"file": "/etc/rsyslog.conf"}); seq != 1 {
			t.Errorf("the first event has number %d", seq)
		}
		time.Sleep(time.Second)
		l.Append("client", "logger", 8, trace.MessageLogged, trace.Attrs{"text": "hi"})
		want := []trace.Event{
			{Seq: 1, At: began, Host: "server", Program: "rsyslogd", PID: 7, Kind: trace.ConfigLoaded, Attrs: map[string]string{"file": "/etc/rsyslog.conf"}},
			{Seq: 2, At: began.Add(time.Second), Host: "client", Program: "logger", PID: 8, Kind: trace.MessageLogged, Attrs: map[string]string{"text": "hi"}},
		}
		if got := l.Since(0); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if got := l.Since(1); !reflect.DeepEqual(got, want[1:]) {
			t.Errorf("since 1: %v", got)
		}
		if l.Since(2) != nil || l.Since(99) != nil {
			t.Error("events after the last one")
		}
	})
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := trace.NewLog(clock.New(time.Time{}))
		l.Append("h", "p", 1, trace.HostBooted, nil)
		if err := l.Wait(t.Context(), 0); err != nil {
			t.Error(err)
		}
		done := false
		go func() { done = l.Wait(t.Context(), 1) == nil }()
		synctest.Wait()
		if done {
			t.Error("Wait returned before there was an event")
		}
		l.Append("h", "p", 1, trace.HostDown, nil)
		synctest.Wait()
		if !done {
			t.Error("Wait missed an event")
		}
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if err := l.Wait(ctx, 2); !errors.Is(err, cause) {
			t.Errorf("Wait of an ended context: %v", err)
		}
	})
}

// Whoever appends, the numbers have no gap and the times do not go back.
func TestOrder(t *testing.T) {
	l := trace.NewLog(clock.New(time.Time{}))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 1000 {
				l.Append(fmt.Sprint("h", i), "p", i, trace.HostBooted, nil)
			}
		})
	}
	wg.Wait()
	events := l.Since(0)
	if len(events) != 8000 {
		t.Fatalf("%d events", len(events))
	}
	for i, e := range events {
		if e.Seq != uint64(i+1) || i > 0 && e.At.Before(events[i-1].At) {
			t.Fatalf("event %d: %v after %v", i, e, events[max(i-1, 0)])
		}
	}
}

func TestWriteRead(t *testing.T) {
	l := trace.NewLog(clock.New(time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)))
	l.Append("server", "rsyslogd", 7, trace.MessageWritten, trace.Attrs{"file": "/var/log/messages", "text": "日本語 \"quoted\"\n\x00"})
	l.Append("", "", 0, trace.Warped, nil)
	var b bytes.Buffer
	if err := trace.Write(&b, l.Since(0)); err != nil {
		t.Fatal(err)
	}
	got, err := trace.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range l.Since(0) {
		if !e.At.Equal(got[i].At) {
			t.Errorf("time %v became %v", e.At, got[i].At)
		}
		e.At = got[i].At
		if !reflect.DeepEqual(e, got[i]) {
			t.Errorf("%v became %v", e, got[i])
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown kind":  {`{"seq":1,"at":"2026-01-02T03:04:05Z","kind":"tea-made"}`, `unknown kind "tea-made"`},
		"same number":   {`{"seq":1,"at":"2026-01-02T03:04:05Z","kind":"warped"}{"seq":1,"at":"2026-01-02T03:04:05Z","kind":"warped"}`, "number 1 does not follow 1"},
		"cut off":       {`{"seq":1,"at":"2026-01-02T03:04:05Z","kind":"war`, "event 1"},
		"no JSON":       {`hello`, "event 1"},
		"not an object": {`[1]`, "event 1"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := trace.Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestKindsAreNamedAlike(t *testing.T) {
	for kind, attrs := range trace.Kinds {
		seen := map[string]bool{}
		for _, a := range attrs {
			if seen[a] || a == "" || a != strings.ToLower(a) {
				t.Errorf("%s: attribute %q", kind, a)
			}
			seen[a] = true
		}
		if strings.Trim(string(kind), "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("kind %q", kind)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"seq":1,"at":"2026-01-02T03:04:05Z","host":"a","kind":"warped","attrs":{"by":"1h"}}`)
	f.Add(`{"seq":2,"at":"2026-01-02T03:04:05.000000001+09:00","kind":"checked"}` + "\n" + `{"seq":9,"at":"0001-01-01T00:00:00Z","kind":"host-down"}`)
	f.Add(`{`)
	f.Fuzz(func(t *testing.T, text string) {
		events, err := trace.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := trace.Write(&b, events); err != nil {
			t.Fatal(err)
		}
		again, err := trace.Read(&b)
		if err != nil || len(again) != len(events) {
			t.Fatalf("what was read does not come back: %v", err)
		}
	})
}
