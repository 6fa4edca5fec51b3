package bus

import "testing"

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"Method":"Job","Unit":"x.service","Kind":"start"}`))
	f.Fuzz(func(t *testing.T, b []byte) { DecodeRequest(b) })
}
