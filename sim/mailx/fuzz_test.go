package mailx

import (
	"bytes"
	"testing"
)

func FuzzMbox(f *testing.F) {
	f.Add([]byte("From a Tue Mar  5 10:01:00 2024\nSubject: x\nStatus: RO\n\nbody\n\nFrom b Tue Mar  5 10:01:00 2024\n\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var all []byte
		for _, m := range parseMbox(data) {
			all = append(append(append(all, m.from...), m.header...), m.body...)
			m.withStatus(true)
			m.size()
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
		encodeHeader("Subject", s)
		fit(decodeHeader(s), 22)
		splitAddresses(s)
		encodeQP(s)
	})
}
