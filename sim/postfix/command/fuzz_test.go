package command

import (
	"bufio"
	"bytes"
	"io"
	"testing"
	"time"

	"enshu/sim/postfix/queue"
)

func FuzzPostcat(f *testing.F) {
	e := &queue.Envelope{Arrival: time.Unix(1, 0), Created: time.Unix(1, 0), Sender: "a@b", Recipients: []queue.Recipient{{Address: "c@d", Original: "c"}}}
	f.Add(e.Encode(queue.AppendContent(nil, []byte("Subject: x\n\nbody"), 2048)))
	f.Fuzz(func(t *testing.T, data []byte) {
		catFile(io.Discard, bufio.NewReader(bytes.NewReader(data)), "x", time.UTC, true, true, true)
	})
}
