package utmp

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

var login = Record{
	Type: UserProcess, PID: 1234, Line: "pts/0", ID: "ts/0", User: "linuc", Host: "192.0.2.1", Session: 1234,
	At: time.Date(2026, 3, 10, 4, 0, 1, 250e3, time.UTC), Addr: netip.MustParseAddr("192.0.2.1"),
}

func TestRecordAndBack(t *testing.T) {
	six := login
	six.Addr = netip.MustParseAddr("2001:db8::1")
	for _, want := range []Record{
		login, six, {},
		{Type: BootTime, Line: "~", ID: "~~", User: "reboot", Host: "5.14.0-427.13.1.el9_4.x86_64", At: login.At},
		{Type: DeadProcess, PID: 1234, Line: "pts/0", ID: "ts/0", Termination: 15, Exit: -1, At: login.At},
	} {
		b := want.Append(nil)
		if len(b) != Size() {
			t.Fatalf("%d bytes, want %d", len(b), Size())
		}
		got, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

// The offsets of <bits/utmp.h> on x86-64.
func TestLayout(t *testing.T) {
	if wide {
		t.Skip("these are the offsets of 32-bit times")
	}
	b := login.Append(nil)
	for at, want := range map[int]string{
		0: "\x07\x00\x00\x00\xd2\x04\x00\x00pts/0\x00", 40: "ts/0linuc\x00", 76: "192.0.2.1\x00",
		336: "\xd2\x04\x00\x00", 340: "\x41\x97\xaf\x69\xfa\x00\x00\x00\xc0\x00\x02\x01",
	} {
		if got := string(b[at : at+len(want)]); got != want {
			t.Errorf("at %d: %q, want %q", at, got, want)
		}
	}
}

func TestPutReplacesTheTerminalsRecord(t *testing.T) {
	boot := Record{Type: BootTime, Line: "~", ID: "~~", User: "reboot"}
	other := Record{Type: UserProcess, PID: 7, Line: "pts/1", ID: "ts/1", User: "root"}
	out := Record{Type: DeadProcess, PID: 1234, Line: "pts/0", ID: "ts/0"}
	var file []byte
	for _, r := range []Record{boot, login, other} {
		file = Put(file, r)
	}
	if got := Sessions(file); len(got) != 2 || got[0].User != "linuc" || got[1].User != "root" {
		t.Fatalf("sessions %+v", got)
	}
	before := string(file)
	after := Put(append(file, "half a record"...), out)
	if string(file) != before {
		t.Error("Put changed its argument")
	}
	if got := All(after); !reflect.DeepEqual(got, []Record{boot, out, other}) {
		t.Errorf("records %+v", got)
	}
	if got := All(Put(after, boot)); len(got) != 3 {
		t.Errorf("%d records after a second boot, want 3", len(got))
	}
}

func TestLastLogin(t *testing.T) {
	want := LastLogin{time.Date(2026, 3, 10, 4, 0, 1, 0, time.UTC), "pts/0", "192.0.2.1"}
	got, err := DecodeLast(want.Append(nil))
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := DecodeLast(nil); err == nil {
		t.Error("nothing was decoded")
	}
}

func TestLongStringsAreCut(t *testing.T) {
	long := Record{Type: UserProcess, User: "a23456789012345678901234567890123456", Line: "pts/0", ID: "12345"}
	got, err := Decode(long.Append(nil))
	if err != nil || got.User != long.User[:32] || got.ID != "1234" || got.Host != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(login.Append(nil))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range All(b) {
			again, err := Decode(r.Append(nil))
			if err != nil || !reflect.DeepEqual(again, r) {
				t.Errorf("%+v became %+v, %v", r, again, err)
			}
		}
		Put(b, login)
		DecodeLast(b)
	})
}
