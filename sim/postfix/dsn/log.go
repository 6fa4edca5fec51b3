package dsn

import (
	"fmt"
	"strconv"
	"strings"

	"enshu/sim/libc"
	"enshu/sim/postfix/mailaddr"
)

// The directories of the queue that tell of recipients.
const (
	DeferLog  = "defer"  // why recipients were deferred
	BounceLog = "bounce" // why recipients were returned
	TraceLog  = "trace"  // reports for sendmail -v and -bv
)

// A Entry is one recipient in a file below defer, bounce or trace.
type Entry struct {
	Recipient, Original, DSNOriginal string
	Offset                           int64
	Status, Action, Reason           string
	DiagType, DiagText, MTA          string
}

// EncodeEntry writes an entry: the address and reason for people, then
// name=value lines, then an empty line.
func EncodeEntry(e Entry) []byte {
	var b strings.Builder
	clean := func(s string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(s) }
	fmt.Fprintf(&b, "<%s>: %s\n", clean(mailaddr.External(e.Recipient)), clean(e.Reason))
	for _, f := range [][2]string{{"recipient", e.Recipient}, {"offset", strconv.FormatInt(e.Offset, 10)}, {"original_recipient", e.Original},
		{"dsn_orig_rcpt", e.DSNOriginal}, {"status", e.Status}, {"action", e.Action}, {"diag_type", e.DiagType}, {"diag_text", e.DiagText},
		{"mta_mname", e.MTA}, {"reason", e.Reason}} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%s=%s\n", f[0], clean(f[1]))
		}
	}
	b.WriteByte('\n')
	return []byte(b.String())
}

// DecodeLog reads a file below defer, bounce or trace. A recipient who stands
// in it twice, since a crash came before the queue file said that he is done
// with, counts once.
func DecodeLog(data []byte) []Entry {
	type key struct {
		offset            int64
		recipient, reason string
	}
	seen := map[key]bool{}
	var out []Entry
	var e Entry
	for _, line := range libc.Lines(data) {
		if line == "" {
			k := key{e.Offset, e.Recipient, e.Reason}
			if (e.Recipient != "" || e.Reason != "") && (k.offset == 0 || !seen[k]) {
				out = append(out, e)
			}
			seen[k] = true
			e = Entry{}
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "<") {
			continue
		}
		switch name {
		case "recipient":
			e.Recipient = value
		case "offset":
			e.Offset, _ = strconv.ParseInt(value, 10, 64)
		case "original_recipient":
			e.Original = value
		case "dsn_orig_rcpt":
			e.DSNOriginal = value
		case "status":
			e.Status = value
		case "action":
			e.Action = value
		case "diag_type":
			e.DiagType = value
		case "diag_text":
			e.DiagText = value
		case "mta_mname":
			e.MTA = value
		case "reason":
			e.Reason = value
		}
	}
	return out
}
