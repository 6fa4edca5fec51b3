package mailx

import (
	"bytes"
	"testing"

	"enshu/sim/mailx/format"
	"enshu/sim/mailx/mbox"
)

func FuzzMbox(f *testing.F) {
	f.Add([]byte("From a Tue Mar  5 10:01:00 2024\nSubject: x\nStatus: RO\n\nbody\n\nFrom b Tue Mar  5 10:01:00 2024\n\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var all []byte
		for _, m := range mbox.Parse(data) {
			all = append(append(append(all, m.From...), m.Header...), m.Body...)
			m.WithStatus(true)
			m.Size()
		}
		if bytes.HasPrefix(data, []byte("From ")) && !bytes.Equal(all, data) {
			t.Fatalf("%q is not the sum of its messages", data)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add("テスト件名")
	f.Add("=?utf-8?B?44OG?= x")
	f.Fuzz(func(t *testing.T, s string) {
		format.EncodeHeader("Subject", s)
		format.Fit(format.DecodeHeader(s), 22)
		format.SplitAddresses(s)
		format.EncodeQP(s)
	})
}
