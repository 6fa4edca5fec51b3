package journal

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ValidName reports whether a field may be called so: capitals, digits and
// underscores, no digit first, at most 64 bytes. A name that begins with an
// underscore is trusted and valid only where protected fields are allowed.
func ValidName(name string, protected bool) bool {
	if name == "" || len(name) > 64 || name[0] >= '0' && name[0] <= '9' || name[0] == '_' && !protected {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// Text reports whether a value can stand on a line of the export format: UTF-8
// without control characters, those of ISO 8859 included, other than tabs.
func Text(value string) bool {
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f || c == 0xc2 && i+1 < len(value) && value[i+1] < 0xa0 {
			return false
		}
	}
	return utf8.ValidString(value)
}

// AppendField appends a field in the form shared by the native protocol and
// the export format: NAME=value on a line, or for other values the name on a
// line, the length in eight bytes, the value and a line feed.
func AppendField(b []byte, f Field) []byte {
	b = append(b, f.Name...)
	if Text(f.Value) {
		b = append(b, '=')
		b = append(b, f.Value...)
	} else {
		b = append(b, '\n')
		b = binary.LittleEndian.AppendUint64(b, uint64(len(f.Value)))
		b = append(b, f.Value...)
	}
	return append(b, '\n')
}

// AppendExport appends an entry in the export format, the empty line after it
// included: the fields of its place, and those that are wanted.
func AppendExport(b []byte, e *Entry, wanted func(name string) bool) []byte {
	for _, f := range []Field{
		{"__CURSOR", e.Cursor().String()},
		{"__REALTIME_TIMESTAMP", strconv.FormatInt(e.Realtime.UnixMicro(), 10)},
		{"__MONOTONIC_TIMESTAMP", strconv.FormatInt(e.Monotonic.Microseconds(), 10)},
		{"_BOOT_ID", e.BootID.String()},
	} {
		b = AppendField(b, f)
	}
	for _, f := range e.Fields {
		if f.Name != "_BOOT_ID" && wanted(f.Name) {
			b = AppendField(b, f)
		}
	}
	return append(b, '\n')
}

// nextField cuts one field, or an empty line, from the beginning of b. A value
// that is not whole gives ok false.
func nextField(b []byte) (f Field, rest []byte, empty, ok bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return f, nil, false, false
	}
	if end == 0 {
		return f, b[1:], true, true
	}
	if eq := bytes.IndexByte(b[:end], '='); eq >= 0 {
		return Field{string(b[:eq]), string(b[eq+1 : end])}, b[end+1:], false, true
	}
	value := b[end+1:]
	if len(value) < 8 {
		return f, nil, false, false
	}
	n := binary.LittleEndian.Uint64(value)
	value = value[8:]
	if n >= uint64(len(value)) || value[n] != '\n' {
		return f, nil, false, false
	}
	return Field{string(b[:end]), string(value[:n])}, value[n+1:], false, true
}

// DecodeExport reads entries of the export format. Fields with two underscores
// are the entry's own times; the cursor is passed over. What is broken ends
// the reading: the entries before it are returned.
func DecodeExport(b []byte) []*Entry {
	var entries []*Entry
	e := new(Entry)
	done := func() {
		if len(e.Fields) > 0 {
			entries = append(entries, e)
		}
		e = new(Entry)
	}
	for len(b) > 0 {
		f, rest, empty, ok := nextField(b)
		if !ok {
			break
		}
		b = rest
		number, _ := strconv.ParseUint(f.Value, 10, 63)
		switch {
		case empty:
			done()
		case f.Name == "__REALTIME_TIMESTAMP":
			e.Realtime = time.UnixMicro(int64(number)).UTC()
		case f.Name == "__MONOTONIC_TIMESTAMP":
			e.Monotonic = micro(number)
		case strings.HasPrefix(f.Name, "__"):
		default:
			if f.Name == "_BOOT_ID" {
				e.BootID, _ = ParseID(f.Value)
			}
			e.Fields = append(e.Fields, f)
		}
	}
	done()
	return entries
}

// Limits of what a client may hand to the journal by the native protocol.
const (
	MaxFields = 1024
	MaxField  = 768 << 20
)

// DecodeNative reads the entries of one datagram of the native protocol: lists
// of fields, in their order. Noise without a line feed at the end is passed
// over; a broken binary field ends the reading and loses its entry; names that
// a client may not use are left out.
func DecodeNative(b []byte) [][]Field {
	var entries [][]Field
	var fields []Field
	done := func() {
		if len(fields) > 0 {
			entries = append(entries, fields)
		}
		fields = nil
	}
	for len(b) > 0 {
		if b[0] == '.' || b[0] == '#' {
			_, rest, ok := bytes.Cut(b, []byte{'\n'})
			if !ok {
				break
			}
			b = rest
			continue
		}
		f, rest, empty, ok := nextField(b)
		if !ok && bytes.IndexByte(b, '\n') >= 0 {
			return entries
		}
		if !ok {
			break
		}
		b = rest
		switch {
		case empty:
			done()
		case ValidName(f.Name, false) && len(fields) < MaxFields:
			fields = append(fields, f)
		}
	}
	done()
	return entries
}

// EncodeNative returns the datagram of the native protocol for one entry.
func EncodeNative(fields []Field) []byte {
	var b []byte
	for _, f := range fields {
		b = AppendField(b, f)
	}
	return b
}
