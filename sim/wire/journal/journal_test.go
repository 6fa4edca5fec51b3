package journal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

func readYAML(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func fixture(t testing.TB) []byte {
	t.Helper()
	var f struct {
		Export string `yaml:"journal_export_base64"`
	}
	readYAML(t, "journalctl_fixture.yaml", &f)
	data, err := base64.StdEncoding.DecodeString(f.Export)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The cursors that journalctl 252 printed for the fixture's journal.
func TestCursorOfFixture(t *testing.T) {
	entries := DecodeExport(fixture(t))
	for i, e := range entries {
		e.SeqnumID, _ = ParseID("31c96c40a638420eb2e87023f7c34300")
		e.Seqnum = uint64(i + 1)
	}
	for number, want := range map[int]string{
		0x1a: "s=31c96c40a638420eb2e87023f7c34300;i=1a;b=b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2;m=15a32b6;t=612e67dcde8b6;x=4560c43091476a71",
		0x38: "s=31c96c40a638420eb2e87023f7c34300;i=38;b=b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2;m=182f8a56c6;t=612feabfe0cc6;x=3b0ae710e20eed80",
	} {
		got := entries[number-1].Cursor()
		if got.String() != want {
			t.Errorf("entry %#x: cursor %s, want %s", number, got, want)
		}
		back, ok := ParseCursor(want)
		if !ok || back != got {
			t.Errorf("ParseCursor(%s) = %+v, %v", want, back, ok)
		}
	}
}

func TestParseCursorRefuses(t *testing.T) {
	for _, s := range []string{"", "bogus", "s=1", "i=1a", "x=1;i=2", "t=zz", "m"} {
		if c, ok := ParseCursor(s); ok {
			t.Errorf("ParseCursor(%q) = %+v, want a refusal", s, c)
		}
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	h := Header{FileID: ID{1, 2, 3}, SeqnumID: ID{9}}
	var file []byte
	entries := DecodeExport(fixture(t))
	for i, e := range entries {
		e.SeqnumID, e.Seqnum = h.SeqnumID, uint64(i+1)
		var err error
		if file, err = h.AppendRecord(file, e); err != nil {
			t.Fatal(err)
		}
	}
	rest := file
	for i, want := range entries {
		got, err := h.DecodeRecord(rest)
		if err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("entry %d:\n%s", i, d)
		}
		size, _ := h.RecordHead(rest)
		rest = rest[size:]
	}
	if len(rest) != 0 {
		t.Errorf("%d bytes left", len(rest))
	}
	other := Header{FileID: ID{1, 2, 4}}
	if _, err := other.DecodeRecord(file); err == nil {
		t.Error("a record of one file passed for one of another")
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	want := Header{Archived: true, FileID: ID{1}, MachineID: ID{2}, SeqnumID: ID{3}, Tail: 4096}
	got, err := DecodeHeader(want.Encode())
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

// What the real journald made of datagrams. Which fields it adds is journald's
// business; here only those that came with the datagram count.
func TestNativeVectors(t *testing.T) {
	var f struct {
		Vectors []struct {
			What, Socket string
			Sent         string           `yaml:"sent_hex"`
			Entries      []map[string]any `yaml:"entries"`
		}
	}
	readYAML(t, "native_protocol_vectors.yaml", &f)
	for _, v := range f.Vectors {
		if v.Socket != "native" || v.Sent == "" || strings.HasSuffix(v.Sent, "...") {
			continue // sent by memfd, or shortened in the record
		}
		t.Run(v.What, func(t *testing.T) {
			sent, err := hex.DecodeString(v.Sent)
			if err != nil {
				t.Fatal(err)
			}
			got := DecodeNative(sent)
			if len(got) != len(v.Entries) {
				t.Fatalf("%d entries, want %d: %q", len(got), len(v.Entries), got)
			}
			for i, fields := range got {
				want := 0
				for name := range v.Entries[i] {
					if ValidName(name, false) {
						want++
					}
				}
				have := map[string][]any{}
				for _, f := range fields {
					have[f.Name] = append(have[f.Name], f.Value)
				}
				if len(have) != want {
					t.Errorf("entry %d: fields %q, want %v", i, fields, v.Entries[i])
				}
				for name, values := range have {
					if s, ok := v.Entries[i][name].(string); ok && s != values[0] {
						t.Errorf("%s = %q, want %q", name, values[0], s)
					}
				}
			}
		})
	}
}

func TestExportRoundTrip(t *testing.T) {
	want := DecodeExport(fixture(t))
	var out []byte
	for _, e := range want {
		out = AppendExport(out, e, every)
	}
	got := DecodeExport(out)
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range got {
		if !got[i].Realtime.Equal(want[i].Realtime) || len(got[i].Fields) != len(want[i].Fields) {
			t.Errorf("entry %d: %v, want %v", i, got[i], want[i])
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	h := Header{FileID: ID{1}}
	b, _ := h.AppendRecord(nil, &Entry{Seqnum: 1, Realtime: time.Unix(1, 0), Fields: []Field{{"MESSAGE", "x"}}})
	f.Add(b)
	f.Add(h.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		DecodeHeader(b)
		h.SizeBefore(b)
		h.FindMark(b, 3)
		if e, err := h.DecodeRecord(b); err == nil {
			again, err := h.AppendRecord(nil, e)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.DecodeRecord(again); err != nil {
				t.Fatalf("what was decoded cannot be decoded again: %v", err)
			}
		}
	})
}

func FuzzDecodeBody(f *testing.F) {
	h := Header{FileID: ID{1}}
	b, _ := h.AppendRecord(nil, &Entry{Seqnum: 1, Realtime: time.Unix(1, 0), Fields: []Field{{"MESSAGE", "x"}}})
	f.Add(b[recordHead : len(b)-recordTail])
	f.Fuzz(func(t *testing.T, body []byte) { h.DecodeRecord(h.frame(append(make([]byte, recordHead), body...), 0)) })
}

func FuzzDecodeNative(f *testing.F) {
	f.Add([]byte("MESSAGE=hi\nPRIORITY=6\n\nMESSAGE\n\x02\x00\x00\x00\x00\x00\x00\x00a\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, fields := range DecodeNative(b) {
			again := DecodeNative(EncodeNative(fields))
			if len(again) != 1 || !cmp.Equal(again[0], fields) {
				t.Fatalf("%q became %q", fields, again)
			}
		}
	})
}

func FuzzDecodeExport(f *testing.F) {
	f.Add([]byte("__REALTIME_TIMESTAMP=1\n_BOOT_ID=00\nMESSAGE=x\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, e := range DecodeExport(b) {
			if !bytes.HasSuffix(AppendExport(nil, e, every), []byte("\n\n")) {
				t.Fatal("no empty line after an entry")
			}
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	f.Add("s=31c96c40a638420eb2e87023f7c34300;i=1a;b=b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2;m=15a32b6;t=612e67dcde8b6;x=4560c43091476a71")
	f.Fuzz(func(t *testing.T, s string) { ParseCursor(s) })
}

func every(string) bool { return true }
