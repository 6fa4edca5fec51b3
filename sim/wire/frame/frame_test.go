package frame

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

// The frames are of a lab's wire.
const (
	toFrom  = "525400000002" + "525400000001"
	arpAsk  = toFrom + "0806" + "0001080006040001" + "525400000001c0000201" + "000000000000c0000202"
	arpTell = toFrom + "0806" + "0001080006040002" + "525400000001c0000201" + "525400000002c0000202"
	ip4     = toFrom + "0800" + "45000000000040004011" + "0000" + "c0000201" + "c0000202"
	ip4TCP  = toFrom + "0800" + "45000000000040004006" + "0000" + "c0000201" + "c0000202"
	ip4ICMP = toFrom + "0800" + "45000000000040004001" + "0000" + "c0000201" + "c0000202"
	ip6ICMP = toFrom + "86dd" + "6000000000083aff" + "fe800000000000000000000000000001" + "ff020000000000000000000000000002"
)

func TestSummary(t *testing.T) {
	for _, c := range []struct{ frame, want string }{
		{arpAsk, "52:54:00:00:00:01 > 52:54:00:00:00:02: ARP who has 192.0.2.2? tell 192.0.2.1, length 42"},
		{arpTell, "52:54:00:00:00:01 > 52:54:00:00:00:02: ARP 192.0.2.1 is at 52:54:00:00:00:01, length 42"},
		{ip4 + "8235020200140000" + hex.EncodeToString([]byte("<13>hello")), `192.0.2.1.33333 > 192.0.2.2.514: UDP, length 51 "<13>hello"`},
		{ip4 + "8235007b00380000" + "230000000000", "192.0.2.1.33333 > 192.0.2.2.123: UDP, length 48"},
		{ip4TCP + "82350019" + "0000000100000000" + "5002faf000000000", "192.0.2.1.33333 > 192.0.2.2.25: TCP [S], length 54"},
		{ip4TCP + "82350019" + "0000000100000002" + "5018faf000000000" + hex.EncodeToString([]byte("EHLO a\r\n")), `192.0.2.1.33333 > 192.0.2.2.25: TCP [P.], length 62 "EHLO a\r\n"`},
		{ip4ICMP + "0800000000010001", "192.0.2.1 > 192.0.2.2: ICMP echo request, length 42"},
		{ip6ICMP + "8500000000000000", "fe80::1 > ff02::2: ICMPv6 router solicitation, length 62"},
		{toFrom + "88cc00", "52:54:00:00:00:01 > 52:54:00:00:00:02: Ethernet type 0x88cc, length 15"},
		{"5254", "? > ?: Ethernet, length 2"},
	} {
		b, err := hex.DecodeString(c.frame)
		if err != nil {
			t.Fatal(err)
		}
		if got := Summary(b); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.frame, got, c.want)
		}
	}
}

// A text that a capture cuts in the middle of a character is a text.
func TestSummaryOfCutText(t *testing.T) {
	long := bytes.Repeat([]byte("語"), 100)
	if got := printable(long); got != string(long[:198]) {
		t.Errorf("%d bytes are text", len(got))
	}
}

func FuzzSummary(f *testing.F) {
	for _, s := range []string{arpAsk, arpTell, ip4 + "8235020200140000", ip4TCP + "82350019000000010000000050", ip6ICMP + "85"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { Summary(b) })
}

func TestWriter(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(time.Unix(1, 2000), []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	want := "d4c3b2a1" + "02000400" + "00000000" + "00000000" + "00000400" + "01000000" +
		"01000000" + "02000000" + "03000000" + "03000000" + "010203"
	if got := hex.EncodeToString(out.Bytes()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
