package conf

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"enshu/sim/libc"
	"enshu/sim/wire/ntp"
)

// Keys are the symmetric keys of a key file, by number.
type Keys map[uint32]ntp.Key

// MinKeyBits is the length below which a key is warned about.
const MinKeyBits = 80

// ParseKeys reads a key file (chrony.conf(5), keyfile) and returns the keys and
// what is wrong with it, in the words of the log.
func ParseKeys(data []byte, file string) (Keys, []string) {
	keys := Keys{}
	var problems []string
	var twice []uint32
	for i, line := range libc.Lines(data) {
		line = Normalize(line)
		if line == "" {
			continue
		}
		id, typ, value, ok := parseKeyLine(line)
		if !ok {
			problems = append(problems, fmt.Sprintf("Could not parse key at line %d in file %s", i+1, file))
			continue
		}
		t, ok := ntp.ParseKeyType(typ)
		if !ok {
			what := "Invalid type in key %d"
			if slices.Contains(unsupportedHashes, typ) {
				what = "Unsupported hash function in key %d"
			}
			problems = append(problems, fmt.Sprintf(what, id))
			continue
		}
		secret, ok := decodeKey(value)
		if !ok {
			problems = append(problems, fmt.Sprintf("Could not decode key %d", id))
			continue
		}
		if n := t.KeyLength(); n != 0 && len(secret) != n {
			problems = append(problems, fmt.Sprintf("Invalid length of %s key %d (expected %d bits)", typ, id, n*8))
			continue
		}
		if _, known := keys[id]; known {
			twice = append(twice, id)
			continue
		}
		keys[id] = ntp.Key{Type: t, Value: secret}
	}
	slices.Sort(twice)
	for _, id := range twice {
		problems = append(problems, fmt.Sprintf("Detected duplicate key %d", id))
	}
	return keys, problems
}

// unsupportedHashes are names of algorithms that chronyd knows and the library
// that it is built with does not have.
var unsupportedHashes = []string{"TIGER", "WHIRLPOOL"}

func parseKeyLine(line string) (id uint32, typ, value string, ok bool) {
	w := Words(line)
	if len(w) < 2 || len(w) > 3 {
		return 0, "", "", false
	}
	n, _, ok := ScanInt(w[0])
	if !ok {
		return 0, "", "", false
	}
	if len(w) == 2 {
		return uint32(n), "MD5", w[1], true
	}
	return uint32(n), w[1], w[2], true
}

// decodeKey reads HEX:…, ASCII:… or plain text.
func decodeKey(s string) ([]byte, bool) {
	if h, ok := strings.CutPrefix(s, "HEX:"); ok {
		b, err := hex.DecodeString(h)
		return b, err == nil && len(b) > 0
	}
	s = strings.TrimPrefix(s, "ASCII:")
	return []byte(s), s != ""
}

// long reports whether the digest of a key is longer than an NTPv4 packet takes.
func LongDigest(k ntp.Key) bool { return len(k.Digest(nil)) > 20 }
