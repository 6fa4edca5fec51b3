package chrony

import (
	"encoding/hex"
	"fmt"
	"strings"

	"enshu/sim/libc"
	"enshu/sim/wire/ntp"
)

// keyRing are the symmetric keys of a key file, by number.
type keyRing map[uint32]ntp.Key

// minKeyBits is the length below which a key is warned about.
const minKeyBits = 80

// parseKeys reads a key file (chrony.conf(5), keyfile) and returns the keys and
// what is wrong with it, in the words of the log.
func parseKeys(data []byte, file string) (keyRing, []string) {
	keys := keyRing{}
	var problems []string
	for i, line := range libc.Lines(data) {
		line = normalize(line)
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
			problems = append(problems, fmt.Sprintf("Invalid type in key %d", id))
			continue
		}
		secret, ok := decodeKey(value)
		if !ok {
			problems = append(problems, fmt.Sprintf("Could not decode key %d", id))
			continue
		}
		if n := t.KeyLength(); n != 0 && len(secret) != n {
			problems = append(problems, fmt.Sprintf("Invalid length of %s key %d (expected %d bits)", strings.ToUpper(typ), id, n*8))
			continue
		}
		if _, twice := keys[id]; twice {
			problems = append(problems, fmt.Sprintf("Detected duplicate key %d", id))
		}
		keys[id] = ntp.Key{Type: t, Value: secret}
	}
	return keys, problems
}

func parseKeyLine(line string) (id uint32, typ, value string, ok bool) {
	w := words(line)
	if len(w) < 2 || len(w) > 3 {
		return 0, "", "", false
	}
	n, rest, ok := scanInt(w[0])
	if !ok || rest != "" {
		return 0, "", "", false
	}
	if len(w) == 2 {
		return uint32(n), "MD5", w[1], true
	}
	return uint32(n), w[1], w[2], true
}

// decodeKey reads HEX:…, ASCII:… or plain text.
func decodeKey(s string) ([]byte, bool) {
	if h, ok := cutPrefixFold(s, "HEX:"); ok {
		b, err := hex.DecodeString(h)
		return b, err == nil && len(b) > 0
	}
	s, _ = cutPrefixFold(s, "ASCII:")
	return []byte(s), s != ""
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

// long reports whether the digest of a key is longer than an NTPv4 packet takes.
func longDigest(k ntp.Key) bool { return len(k.Digest(nil)) > 20 }
