package service

import "encoding/pem"

// TableBlock is the kind of block in which a table stands among the credentials.
const TableBlock = "POSTFIX TABLE"

// SplitCredentials takes the tables out of what master gave a service.
func SplitCredentials(data []byte) (rest []byte, tables map[string][]byte) {
	tables = map[string][]byte{}
	for {
		b, after := pem.Decode(data)
		if b == nil {
			return rest, tables
		}
		if b.Type == TableBlock {
			tables[b.Headers["File"]] = b.Bytes
		} else {
			rest = append(rest, pem.EncodeToMemory(b)...)
		}
		data = after
	}
}
