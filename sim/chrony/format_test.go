package chrony_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"enshu/sim/chrony/chronyc"
	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/wire/candm"

	"gopkg.in/yaml.v3"
)

// formatCase has replies with chosen values and what chronyc printed of them.
type formatCase struct {
	Case    string
	Replies []struct {
		Data string `yaml:"data_hex"`
	}
	Expected []struct {
		Run, Stdout, Stderr string
		Exit                int
		Data                string `yaml:"data_hex"`
		Outputs             []struct {
			Run, Stdout string
			Exit        int
		}
	}
}

// replyOf is the type of the reply to a command.
var replyOf = map[candm.Command]candm.ReplyType{
	candm.GetSourceData: candm.SourceDataReply, candm.GetTracking: candm.TrackingReply, candm.GetSourceStats: candm.SourceStatsReply,
	candm.GetRTC: candm.RTCReply, candm.GetActivity: candm.ActivityReply, candm.GetSmoothing: candm.SmoothingReply,
	candm.GetNTPData: candm.NTPDataReply, candm.SetTime: candm.SetTimeReply, candm.GetManualList: candm.ManualListReply,
	candm.GetSelectData: candm.SelectDataReply, candm.GetServerStats: candm.ServerStatsReply,
}

// answering is a daemon that answers with the data it is given: one for every
// request, or one for each index.
func answering(data [][]byte) host.Program {
	return func(ctx context.Context, p *host.Proc) int {
		conn, err := p.Sys.ListenPacket("unixgram", "/run/chrony/chronyd.sock")
		if err != nil {
			return 1
		}
		defer conn.Close()
		p.Go(func() {
			buf := make([]byte, 1024)
			for {
				n, from, err := conn.ReadFrom(buf)
				if err != nil {
					return
				}
				r, err := candm.DecodeRequest(buf[:n])
				if err != nil {
					continue
				}
				head := candm.Reply{Command: r.Command, Sequence: r.Sequence, Type: replyOf[r.Command]}
				var body []byte
				switch ix, indexed := r.Body.(*candm.Index); {
				case r.Command == candm.NSources:
					head.Type = candm.NSourcesReply
					body = binary.BigEndian.AppendUint32(nil, uint32(len(data)))
				case indexed && int(ix.Value) < len(data):
					body = data[ix.Value]
				default:
					body = data[0]
				}
				conn.WriteTo(append(head.Append(nil), body...), from)
			}
		})
		p.Ready()
		p.Sleep(ctx, 1<<62)
		return 0
	}
}

func printed(t *testing.T, data [][]byte, runs map[string]func(stdout string, exit int)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := n.Host(t, memnet.Config{Name: "c", Programs: map[string]host.Program{"/usr/sbin/answering": answering(data), "/usr/bin/chronyc": chronyc.Main}})
		h.MkdirAll("/run/chrony", 0o750)
		d := h.Start("/usr/sbin/answering")
		for run, check := range runs {
			args := splitCommand(run)
			args[0] = "/usr/bin/chronyc"
			res := h.Run(args...)
			check(res.Stdout, res.Status.Shell())
		}
		d.Stop()
	})
}

func TestReportFormats(t *testing.T) {
	files, err := filepath.Glob("testdata/oracle/candm/fmt-*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no oracle data", err)
	}
	count := 0
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var c formatCase
		if err := yaml.Unmarshal(raw, &c); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		bytesOf := func(s string) []byte {
			b, err := hex.DecodeString(s)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		t.Run(c.Case, func(t *testing.T) {
			compare := func(run, want string, exit int) func(string, int) {
				count++
				return func(got string, status int) {
					if got != want || status != exit {
						t.Errorf("%s, status %d, want %d:%s", run, status, exit, difference(got, want))
					}
				}
			}
			// Names are looked up elsewhere; -n and -c need none.
			plain := func(run string) bool { return strings.Contains(run, " -n") || strings.Contains(run, " -c") }
			switch c.Case {
			case "fmt-sources", "fmt-sourcestats", "fmt-selectdata":
				var data [][]byte
				for _, r := range c.Replies {
					data = append(data, bytesOf(r.Data))
				}
				runs := map[string]func(string, int){}
				for _, e := range c.Expected {
					if plain(e.Run) {
						runs[e.Run] = compare(e.Run, e.Stdout, e.Exit)
					}
				}
				printed(t, data, runs)
			default:
				for _, e := range c.Expected {
					if e.Data == "" {
						continue
					}
					runs := map[string]func(string, int){}
					for _, o := range e.Outputs {
						if plain(o.Run) {
							runs[o.Run] = compare(o.Run, o.Stdout, o.Exit)
						}
					}
					if len(runs) > 0 {
						printed(t, [][]byte{bytesOf(e.Data)}, runs)
					}
				}
			}
		})
	}
	if count < 100 {
		t.Errorf("only %d outputs", count)
	}
}
