package queue

import (
	"bufio"
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

func FuzzQueueFile(f *testing.F) {
	e := &Envelope{Arrival: time.Unix(1, 0), Created: time.Unix(1, 0), Sender: "a@b", Recipients: []Recipient{{Address: "c@d", Original: "c"}}}
	f.Add(e.Encode(AppendContent(nil, []byte("Subject: x\n\nbody"), 2048)))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		if _, err := Decode(r); err == nil {
			rest, _ := io.ReadAll(r)
			appendText(nil, rest)
		}
	})
}

// TestQueueFile checks that what is written is what is read.
func TestQueueFile(t *testing.T) {
	text := "Subject: x\n\n" + strings.Repeat("y", 5000) + "\nend\n"
	e := &Envelope{Arrival: time.Unix(1700000000, 5000), Created: time.Unix(1700000001, 0), Sender: "s@x", FullName: "S",
		Attrs: []string{"rewrite_context=local"}, Recipients: []Recipient{{Address: "a@x", Original: "a", DSNOriginal: "rfc822;a@x"}, {Address: "b@x", Done: true}}}
	data := e.Encode(AppendContent(nil, []byte(text), 2048))
	r := bufio.NewReader(bytes.NewReader(data))
	got, err := Decode(r)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.Recipients {
		got.Recipients[i].Offset = 0
	}
	if got.Sender != e.Sender || !reflect.DeepEqual(got.Recipients, e.Recipients) || got.Size != e.Size {
		t.Errorf("envelope came back as %+v", got)
	}
	if n := ContentSize([]byte(text), 2048); n != got.Size {
		t.Errorf("the content takes %d bytes, and is told to take %d", got.Size, n)
	}
	rest, _ := io.ReadAll(r)
	body, err := appendText(nil, rest)
	if err != nil || string(body) != text {
		t.Errorf("content came back as %.60q, %v", body, err)
	}
}
