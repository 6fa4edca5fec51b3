package mailoracle

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

// dialogue plays an SMTP client and returns the transcript.
func (w *world) dialogue(h *memnet.Host, s step) []string {
	var out []string
	to := s.SMTPTo
	network := "tcp4"
	if strings.HasPrefix(to, "[") {
		network = "tcp6"
	}
	if ap, err := netip.ParseAddrPort(to); err == nil && ap.Addr().Is6() {
		network = "tcp6"
	}
	h.Do(nil, func(ctx context.Context, p *host.Proc) {
		conn, err := p.Sys.Dial(ctx, network, to)
		if err != nil {
			out = append(out, "X: connect: "+libc.Strerror(err))
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		closed := false
		read := func() bool {
			for !closed {
				conn.SetReadDeadline(p.Now().Add(60 * time.Second))
				line, err := r.ReadString('\n')
				if err != nil {
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						closed = true
						out = append(out, "S: <connection closed>")
					}
					return false
				}
				line = strings.TrimRight(line, "\r\n")
				out = append(out, "S: "+line)
				if len(line) < 4 || line[3] != '-' {
					return true
				}
			}
			return false
		}
		greeted := false
		for i, n := range s.Dialogue {
			var item struct {
				Lines    []string
				Pipeline []string
				Raw      *string
				Replies  *int
				Close    int
				Wait     int `yaml:"wait_close"`
				Sleep    float64
			}
			if n.Kind == yaml.MappingNode {
				n.Decode(&item)
			}
			if !greeted && !(i == 0 && item.Raw != nil && w.c.Case == "smtp-early-talker") {
				read()
				greeted = true
			}
			switch {
			case n.Kind == yaml.ScalarNode:
				out = append(out, "C: "+n.Value)
				conn.Write([]byte(n.Value + "\r\n"))
				read()
			case item.Lines != nil:
				var b strings.Builder
				for _, l := range item.Lines {
					out = append(out, "C: "+l)
					b.WriteString(l + "\r\n")
				}
				out = append(out, "C: .")
				conn.Write([]byte(b.String() + ".\r\n"))
				read()
			case item.Pipeline != nil:
				for _, l := range item.Pipeline {
					out = append(out, "C: "+l)
				}
				conn.Write([]byte(strings.Join(item.Pipeline, "\r\n") + "\r\n"))
				for range item.Pipeline {
					read()
				}
			case item.Raw != nil:
				out = append(out, "R: "+*item.Raw)
				conn.Write([]byte(strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\\`, `\`).Replace(*item.Raw)))
				greeted = true
				replies := 1
				if item.Replies != nil {
					replies = *item.Replies
				}
				for range replies {
					read()
				}
			case item.Close != 0:
				out = append(out, "C: <close>")
				conn.Close()
				return
			case item.Wait != 0:
				for read() {
				}
			case item.Sleep != 0:
				p.Sleep(ctx, time.Duration(item.Sleep*float64(time.Second)))
			}
		}
		if !closed {
			conn.SetReadDeadline(p.Now().Add(3 * time.Second))
			if _, err := r.ReadByte(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				out = append(out, "S: <connection closed>")
			}
		}
	})
	return out
}

// awake reads a stream of a Proc on a goroutine that is none of its threads, as
// the shell's interpreter does: it takes a wake token for each read.
type awake struct {
	line *clock.Timeline
	in   io.Reader
}

func (a *awake) Read(b []byte) (int, error) {
	a.line.Hold()
	defer a.line.Release()
	return a.in.Read(b)
}
