package queue

import (
	"os"
	"time"

	"enshu/sim/libc"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/mailaddr"
)

// Item is one message as showq(8) tells of it.
type Item struct {
	Queue, ID  string
	Size       int64
	Arrival    time.Time
	Sender     string
	Recipients []ItemRecipient
}

// ItemRecipient is one who still waits, and why.
type ItemRecipient struct{ Address, Reason string }

// List reads all queues.
func List(q *Queue) []Item {
	var out []Item
	for _, name := range []string{Maildrop, Active, Incoming, Deferred, Hold} {
		for _, id := range q.Scan(name) {
			info, err := q.p.Sys.Lstat(q.Path(name, id))
			if err != nil || !Ready(info) {
				continue
			}
			m, err := q.Open(name, id, os.O_RDONLY)
			if err != nil {
				continue
			}
			m.Close()
			item := Item{Queue: name, ID: id, Size: m.Size, Arrival: m.Arrival, Sender: mailaddr.External(m.Sender)}
			if name == Maildrop && item.Size == 0 { // not one that postsuper(1) put back
				item.Size = info.Size()
			}
			reasons := map[int64]string{}
			if data, err := libc.ReadFile(q.p, q.Path(dsn.DeferLog, id)); err == nil {
				for _, e := range dsn.DecodeLog(data) {
					reasons[e.Offset] = e.Reason
				}
			}
			for _, r := range m.Recipients {
				if !r.Done {
					item.Recipients = append(item.Recipients, ItemRecipient{mailaddr.External(r.Address), reasons[r.Offset]})
				}
			}
			out = append(out, item)
		}
	}
	return out
}
