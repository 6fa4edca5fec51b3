package dsn

import "testing"

func FuzzLog(f *testing.F) {
	f.Add(EncodeEntry(Entry{Recipient: "a@b", Offset: 5, Status: "4.4.1", Action: "delayed", Reason: "connect"}))
	f.Fuzz(func(t *testing.T, data []byte) { DecodeLog(data) })
}
