package candm

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"gopkg.in/yaml.v3"
)

// hexes returns the recorded datagrams of a kind: request_hex or reply_hex.
func hexes(t testing.TB, field string) [][]byte {
	files, err := filepath.Glob("testdata/oracle/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no oracle data", err)
	}
	re := regexp.MustCompile(`(?m)\b` + field + `: "?([0-9a-f]+)"?$`)
	var all [][]byte
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range re.FindAllSubmatch(data, -1) {
			b, err := hex.DecodeString(string(m[1]))
			if err == nil {
				all = append(all, b)
			}
		}
	}
	return all
}

func TestRecordedRequests(t *testing.T) {
	n := 0
	for _, b := range hexes(t, "request_hex") {
		r, err := DecodeRequest(b)
		if err != nil || r.Status != Success {
			continue // a malformed one
		}
		n++
		if got := r.Append(nil); len(got) == len(b) && !bytes.Equal(got[:12], b[:12]) || r.Body != nil && !bytes.HasPrefix(b[20:], got[20:]) && len(got) <= len(b) {
			t.Errorf("command %d: encoded\n%x, want\n%x", r.Command, got, b)
		}
	}
	if n < 80 {
		t.Errorf("only %d requests", n)
	}
}

func TestRecordedReplies(t *testing.T) {
	n := 0
	for _, field := range []string{"reply_hex", "udp_reply_hex", "unix_reply_hex"} {
		for _, b := range hexes(t, field) {
			r, err := DecodeReply(b)
			if err != nil {
				t.Errorf("%x: %v", b, err)
				continue
			}
			n++
			if got := r.Append(nil); !bytes.Equal(got, b) {
				t.Errorf("type %d: encoded\n%x, want\n%x", r.Type, got, b)
			}
		}
	}
	if n < 80 {
		t.Errorf("only %d replies", n)
	}
}

func TestFloats(t *testing.T) {
	data, err := os.ReadFile("testdata/oracle/float-vectors.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Expected []struct {
			Input, Encoded string
			Hex            string  `yaml:"encoded_hex"`
			Value          float64 `yaml:"decoded_value"`
		}
	}
	if err := yaml.Unmarshal(data, &c); err != nil || len(c.Expected) == 0 {
		t.Fatal("no vectors", err)
	}
	for _, e := range c.Expected {
		x, err := strconv.ParseFloat(e.Input, 64)
		if err != nil && x == 0 {
			continue
		}
		want, err := strconv.ParseUint(e.Hex, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		if got := EncodeFloat(x); got != uint32(want) {
			t.Errorf("%s: encoded %08x, want %08x", e.Input, got, want)
		}
		if got := DecodeFloat(uint32(want)); got != e.Value {
			t.Errorf("%s: decoded %v, want %v", e.Hex, got, e.Value)
		}
	}
}

func FuzzMessages(f *testing.F) {
	for _, b := range append(hexes(f, "request_hex"), hexes(f, "reply_hex")...) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeRequest(b); err == nil {
			again, err := DecodeRequest(r.Append(nil))
			if err == nil && r.Status == Success && again.Status != Success {
				t.Errorf("%x: encoded to what is refused", b)
			}
		}
		if r, err := DecodeReply(b); err == nil {
			r.Append(nil)
		}
	})
}
