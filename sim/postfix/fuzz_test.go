package postfix

import (
	"bufio"
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

func FuzzMainCf(f *testing.F) {
	for _, s := range []string{"a = b\n", "a = $b\n  c\n# x\n\n  d\nb = ${a?{x}:{y}}\n", "x\n", "= y\n", "q = ${{$a} < {2} ? {s} : {h}}\n", "m = $m\n", "a = ${a\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := newConfig("/etc/postfix", "main.cf", data, nil)
		if err != nil {
			return
		}
		for name := range c.set {
			c.get(name)
		}
		c.unused(data)
	})
}

func FuzzMasterCf(f *testing.F) {
	f.Add([]byte("smtp inet n - n - - smtpd\n  -o a=b\n"))
	f.Add([]byte("x unix - - n - - {a b} -o { c = d }\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, _ := parseMasterCf("master.cf", data)
		for _, e := range entries {
			listenAddress(e.name)
		}
	})
}

func FuzzAliases(f *testing.F) {
	for _, s := range []string{"a: b, c\n", "\"x y\": |cmd\n", "a: :include:/x, \"|y z\" (c)\n", "a:<b>\n  c\n", "(a: b\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, lines, _ := parseAliasSource("aliases", data)
		if len(entries) != len(lines) {
			t.Fatal("an entry without a line")
		}
		for _, e := range entries {
			parseAddresses(e.value)
		}
	})
}

func FuzzForward(f *testing.F) {
	f.Add([]byte("\\usera, userb\n  # not a comment\n# comment\n\"|cat > x\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, l := range logicalLines(joinComments(data)) {
			parseAddresses(l.text)
		}
	})
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"a@b", "User X <u@x> (c), y", "g: a, b;", "\"q \\\" r\"@d", "<@x,@y:u@z>", "a!b!c%d@", "[1.2.3.4]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := rewriter{origin: "h.example", domain: "example", appendOrigin: true, bangPath: true, percent: true}
		for _, m := range parseAddresses(s) {
			m.format()
			r.rewrite(m.address)
		}
		parsePath(s)
	})
}

func FuzzQueueFile(f *testing.F) {
	e := &envelope{arrival: time.Unix(1, 0), created: time.Unix(1, 0), sender: "a@b", recipients: []recipient{{Address: "c@d", Original: "c"}}}
	f.Add(e.encode(appendContent(nil, []byte("Subject: x\n\nbody"), 2048)))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		if _, err := decodeEnvelope(r); err == nil {
			io.Copy(io.Discard, &contentReader{r: r})
		}
		catFile(io.Discard, bufio.NewReader(bytes.NewReader(data)), "x", time.UTC, true, true, true)
		decodeLog(data)
	})
}

func FuzzTable(f *testing.F) {
	f.Add(encodeDB([]dbEntry{{"a", "b"}, {"", ""}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := decodeDB(data)
		if err != nil {
			return
		}
		again, err := decodeDB(encodeDB(entries))
		if err != nil || !reflect.DeepEqual(entries, again) {
			t.Fatalf("%q came back as %q, %v", entries, again, err)
		}
	})
}

// TestQueueFile checks that what is written is what is read.
func TestQueueFile(t *testing.T) {
	text := "Subject: x\n\n" + strings.Repeat("y", 5000) + "\nend\n"
	e := &envelope{arrival: time.Unix(1700000000, 5000), created: time.Unix(1700000001, 0), sender: "s@x", fullName: "S",
		attrs: []string{"rewrite_context=local"}, recipients: []recipient{{Address: "a@x", Original: "a", DSNOriginal: "rfc822;a@x"}, {Address: "b@x", Done: true}}}
	data := e.encode(appendContent(nil, []byte(text), 2048))
	r := bufio.NewReader(bytes.NewReader(data))
	got, err := decodeEnvelope(r)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.recipients {
		got.recipients[i].Offset = 0
	}
	if got.sender != e.sender || !reflect.DeepEqual(got.recipients, e.recipients) || got.size != e.size {
		t.Errorf("envelope came back as %+v", got)
	}
	body, err := io.ReadAll(&contentReader{r: r})
	if err != nil || string(body) != text {
		t.Errorf("content came back as %.60q, %v", body, err)
	}
}

// TestBackoff pins how long deferred mail waits.
func TestBackoff(t *testing.T) {
	for _, c := range []struct{ age, want time.Duration }{{0, 300 * time.Second}, {10 * time.Minute, 10 * time.Minute}, {5 * time.Hour, 4000 * time.Second}} {
		if got := backoff(c.age, 300*time.Second, 4000*time.Second); got != c.want {
			t.Errorf("backoff(%v) = %v, want %v", c.age, got, c.want)
		}
	}
}
