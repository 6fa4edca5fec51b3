package ntp

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

type recorded struct {
	Hosts []struct {
		Files map[string]string `yaml:"config_files"`
	}
	Packets []struct {
		Hex    string
		Fields struct {
			Version, Mode, Stratum int
			Poll, Precision        int
			Refid                  string
			RootDelay              float64 `yaml:"root_delay_s"`
			RootDispersion         float64 `yaml:"root_dispersion_s"`
		}
	}
	Expected []struct {
		Request string `yaml:"request_hex"`
		Reply   string `yaml:"reply_hex"`
	}
}

func readRecorded(t testing.TB) []recorded {
	files, err := filepath.Glob("testdata/oracle/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no oracle data", err)
	}
	var all []recorded
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var r recorded
		if err := yaml.Unmarshal(data, &r); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all = append(all, r)
	}
	return all
}

func TestRecordedPackets(t *testing.T) {
	n := 0
	for _, r := range readRecorded(t) {
		for _, p := range r.Packets {
			b, err := hex.DecodeString(p.Hex)
			if err != nil || len(b) == 0 {
				continue // not a datagram: an ICMP error
			}
			n++
			pkt, err := Decode(b)
			if err != nil {
				t.Errorf("%s: %v", p.Hex, err)
				continue
			}
			if int(pkt.Version) != p.Fields.Version || int(pkt.Mode) != p.Fields.Mode || int(pkt.Stratum) != p.Fields.Stratum ||
				int(pkt.Poll) != p.Fields.Poll || int(pkt.Precision) != p.Fields.Precision ||
				pkt.RootDelay.Seconds() != p.Fields.RootDelay || pkt.RootDispersion.Seconds() != p.Fields.RootDispersion {
				t.Errorf("%s: got %+v", p.Hex, pkt)
			}
			if got := pkt.Append(nil); !bytes.Equal(got, b) {
				t.Errorf("encoded %x, want %x", got, b)
			}
		}
		for _, e := range r.Expected {
			for _, h := range []string{e.Request, e.Reply} {
				b, err := hex.DecodeString(h)
				if err != nil || len(b) == 0 {
					continue
				}
				n++
				if pkt, err := Decode(b); err == nil && !bytes.Equal(pkt.Append(nil), b) {
					t.Errorf("%s: encoded %x", h, pkt.Append(nil))
				}
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d packets", n)
	}
}

// TestRecordedMACs checks the digests of the recording with its keys.
func TestRecordedMACs(t *testing.T) {
	secret := func(s string) []byte { b, _ := hex.DecodeString(s); return b }
	keys := map[uint32]Key{
		1: {MD5, secret("B028F91EA5C38D06C2E140B26C7F41EC")},
		2: {SHA1, secret("1DC764E0791B11FA67EFC7ECBC4B0D73F68A070C")},
		3: {SHA256, secret("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F")},
		4: {AES128, secret("000102030405060708090A0B0C0D0E0F")},
		5: {MD5, []byte("secretsecret")},
	}
	seen := map[uint32]int{}
	for _, r := range readRecorded(t) {
		for _, p := range r.Packets {
			b, err := hex.DecodeString(p.Hex)
			if err != nil {
				continue
			}
			pkt, err := Decode(b)
			if err != nil || !pkt.Authenticated {
				continue
			}
			seen[pkt.KeyID]++
			if !pkt.Verify(b, keys[pkt.KeyID]) {
				t.Errorf("key %d: %s is not authentic", pkt.KeyID, p.Hex)
			}
			signed := pkt
			signed.Sign(pkt.KeyID, keys[pkt.KeyID])
			if !bytes.Equal(signed.Append(nil), b) {
				t.Errorf("key %d: signed %x, want %x", pkt.KeyID, signed.Append(nil), b)
			}
			b[len(b)-1] ^= 1
			if bad, err := Decode(b); err == nil && bad.Verify(b, keys[pkt.KeyID]) {
				t.Errorf("key %d: a changed digest is accepted", pkt.KeyID)
			}
		}
	}
	for id := range keys {
		if seen[id] == 0 {
			t.Errorf("no packet with key %d", id)
		}
	}
}

func TestTime(t *testing.T) {
	for _, s := range []string{"1970-01-01T00:00:00Z", "2026-01-01T00:00:00.123456789Z", "2036-02-07T06:28:16Z", "2040-01-01T00:00:00.999999999Z", "1960-05-05T00:00:00Z", "2107-01-01T00:00:00Z"} {
		want, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		for _, shift := range []time.Duration{0, time.Hour, -300 * 24 * time.Hour} {
			if got := FromTime(want).Near(want.Add(shift)); got.Sub(want).Abs() > time.Nanosecond {
				t.Errorf("%s near %v: %v", s, want.Add(shift), got)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, r := range readRecorded(f) {
		for _, p := range r.Packets {
			b, _ := hex.DecodeString(p.Hex)
			f.Add(b)
		}
		for _, e := range r.Expected {
			b, _ := hex.DecodeString(e.Request)
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		pkt, err := Decode(b)
		if err != nil {
			return
		}
		if got := pkt.Append(nil); !bytes.Equal(got, b) {
			t.Errorf("decoded and encoded %x to %x", b, got)
		}
		pkt.Verify(b, Key{MD5, []byte("x")})
	})
}
