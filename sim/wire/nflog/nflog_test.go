package nflog

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// vector is one recorded message and the kernel's lines for the same packet.
type vector struct {
	ID    string
	NFLOG recorded `yaml:"nflog"`

	Line  string `yaml:"kernel_line"`
	All   string `yaml:"kernel_line_flags_all"`
	TCP   string `yaml:"kernel_line_flags_tcp_seq_options"`
	IP    string `yaml:"kernel_line_flags_ip_options"`
	Skuid string `yaml:"kernel_line_flags_skuid"`
	Ether string `yaml:"kernel_line_flags_ether"`
}

type recorded struct {
	Family   uint8  `yaml:"nfgen_family"`
	Protocol string `yaml:"hw_protocol"`
	Hook     uint8
	Prefix   string
	InDev    uint32  `yaml:"ifindex_indev"`
	OutDev   uint32  `yaml:"ifindex_outdev"`
	In       string  `yaml:"indev_name"`
	Out      string  `yaml:"outdev_name"`
	HWType   uint16  `yaml:"hwtype"`
	HWHeader string  `yaml:"hwheader"`
	Payload  string  `yaml:"payload"`
	Mark     uint32  `yaml:"mark"`
	UID      *uint32 `yaml:"uid"`
	GID      uint32  `yaml:"gid"`
}

func load(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = yaml.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// encode writes the message as the kernel sends it.
func (r recorded) encode(t testing.TB) []byte {
	t.Helper()
	b := []byte{r.Family, 0, 0, 12}
	attr := func(kind uint16, v []byte) {
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(v)))
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = append(b, v...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	u32 := func(kind uint16, v uint32) { attr(kind, binary.BigEndian.AppendUint32(nil, v)) }
	proto, err := strconv.ParseUint(r.Protocol, 0, 16)
	if err != nil {
		t.Fatal(err)
	}
	attr(attrPacketHeader, append(binary.BigEndian.AppendUint16(nil, uint16(proto)), r.Hook, 0))
	attr(attrPrefix, append([]byte(r.Prefix), 0))
	if r.InDev != 0 {
		u32(attrInDev, r.InDev)
	}
	if r.OutDev != 0 {
		u32(attrOutDev, r.OutDev)
	}
	if r.Mark != 0 {
		u32(attrMark, r.Mark)
	}
	if r.HWHeader != "" {
		attr(attrHWType, binary.BigEndian.AppendUint16(nil, r.HWType))
		attr(attrHWHeader, unhex(t, r.HWHeader))
	}
	if r.UID != nil {
		u32(attrUID, *r.UID)
		u32(attrGID, r.GID)
	}
	attr(attrPayload, unhex(t, r.Payload))
	return b
}

func TestVectors(t *testing.T) {
	for _, file := range []string{"nf_log_line_vectors.yaml", "nflog_in_userns_owned_netns.yaml"} {
		var doc struct{ Vectors []vector }
		load(t, file, &doc)
		if len(doc.Vectors) == 0 {
			t.Fatal(file, "has no vectors")
		}
		for _, v := range doc.Vectors {
			t.Run(v.ID, func(t *testing.T) {
				data := v.NFLOG.encode(t)
				names := map[uint32]string{v.NFLOG.InDev: v.NFLOG.In, v.NFLOG.OutDev: v.NFLOG.Out}
				group, line, err := Line(data, func(i uint32) string { return names[i] })
				if err != nil || group != 12 {
					t.Fatalf("group %d, %v", group, err)
				}
				if line != v.Line {
					t.Errorf("got  %q\nwant %q", line, v.Line)
				}
				m, _ := Decode(data)
				for flags, want := range map[Flags]string{
					AllFlags: v.All, TCPSequence | TCPOptions: v.TCP, IPOptions: v.IP, SocketUID: v.Skuid, Ether: v.Ether,
				} {
					if got := m.Line(v.NFLOG.In, v.NFLOG.Out, flags); want != "" && got != want {
						t.Errorf("flags %#x\ngot  %q\nwant %q", flags, got, want)
					}
				}
			})
		}
	}
}

func TestARPAndIngress(t *testing.T) {
	var doc struct {
		Lines []string `yaml:"kernel_lines"`
		NFLOG []recorded
	}
	load(t, "arp_and_ingress.yaml", &doc)
	for i, r := range doc.NFLOG {
		m, err := Decode(r.encode(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Line(r.In, r.Out, 0); got != doc.Lines[i] {
			t.Errorf("got  %q\nwant %q", got, doc.Lines[i])
		}
	}
}

func TestRatelimit(t *testing.T) {
	r := Ratelimit{Interval: 5 * time.Second, Burst: 2}
	for _, c := range []struct {
		at     time.Duration
		ok     bool
		before string
	}{
		{0, true, ""}, {0, true, ""}, {time.Second, false, ""}, {4 * time.Second, false, ""},
		{5 * time.Second, true, "nf_log: 2 callbacks suppressed"}, {5 * time.Second, true, ""}, {6 * time.Second, false, ""},
		{20 * time.Second, true, "nf_log: 1 callbacks suppressed"},
	} {
		if ok, before := r.Allow(c.at, "nf_log"); ok != c.ok || before != c.before {
			t.Errorf("at %v: %v %q, want %v %q", c.at, ok, before, c.ok, c.before)
		}
	}
}

func FuzzLine(f *testing.F) {
	var doc struct{ Vectors []vector }
	load(f, "nf_log_line_vectors.yaml", &doc)
	for _, v := range doc.Vectors {
		f.Add(v.NFLOG.encode(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			return
		}
		for _, flags := range []Flags{0, AllFlags} {
			if line := m.Line("eth0", "", flags); !strings.HasPrefix(line, m.Prefix+"IN=eth0 OUT= ") {
				t.Errorf("%q", line)
			}
		}
	})
}
