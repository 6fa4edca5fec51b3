package journal

import (
	"strconv"
	"strings"
)

// StreamHeader are the first lines that a client writes to
// /run/systemd/journal/stdout before its output (sd_journal_stream_fd(3)).
type StreamHeader struct {
	Ident, Unit                 string
	Priority                    int  // facility*8 + severity, for lines that do not say
	Prefix                      bool // lines may begin with <N>
	ToSyslog, ToKmsg, ToConsole bool
}

// Encode returns the header as it is sent.
func (h StreamHeader) Encode() []byte {
	flag := map[bool]string{false: "0", true: "1"}
	return []byte(strings.Join([]string{h.Ident, h.Unit, strconv.Itoa(h.Priority),
		flag[h.Prefix], flag[h.ToSyslog], flag[h.ToKmsg], flag[h.ToConsole], ""}, "\n"))
}
