package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/spf13/cobra"
)

func (a *app) captureCommand() *cobra.Command {
	var file string
	var count int
	c := &cobra.Command{
		Use: "capture HOST[:INTERFACE]", Short: a.text("インターフェースのパケットを表示・保存する", "Show or save the packets of an interface"), Args: a.args(1, 1), ValidArgsFunction: a.completeHost,
		Long: a.text("ホストのインターフェース(省略すると eth0)が送受信するパケットを、Ctrl-C まで表示します。\n"+
			"-w を付けると、Wireshark や tcpdump で読めるファイルに保存します。",
			"Show the packets that an interface of a host sends and receives, eth0 if none is named, until Ctrl-C;\n"+
				"with -w they are saved for Wireshark or tcpdump."),
		Example: "  enshu capture server\n  enshu capture client:eth0 -w syslog.pcap -c 20",
		RunE: func(cmd *cobra.Command, args []string) error {
			host, iface, named := strings.Cut(args[0], ":")
			if !named {
				iface = "eth0"
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			frames, err := c.Capture(cmd.Context(), host, iface)
			if err != nil {
				return err
			}
			defer frames.Close()
			each := printer(cmd.OutOrStdout())
			if file != "" {
				out, err := os.Create(file)
				if err != nil {
					return err
				}
				defer out.Close()
				w := pcapgo.NewWriter(out)
				if err := w.WriteFileHeader(snapLen, layers.LinkTypeEthernet); err != nil {
					return err
				}
				each = w.WritePacket
			}
			return capture(cmd.Context(), frames, count, each)
		},
	}
	c.Flags().StringVarP(&file, "write", "w", "", a.text("pcap ファイルに保存する", "save to a pcap file"))
	c.Flags().IntVarP(&count, "count", "c", 0, a.text("この数のパケットで終わる", "end after so many packets"))
	return c
}

const snapLen = 262144

// capture calls each for every frame until ctx ends or count is reached.
func capture(ctx context.Context, frames *os.File, count int, each func(gopacket.CaptureInfo, []byte) error) error {
	stop := context.AfterFunc(ctx, func() { frames.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, snapLen)
	for n := 0; count == 0 || n < count; n++ {
		size, err := frames.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
		info := gopacket.CaptureInfo{Timestamp: time.Now(), CaptureLength: size, Length: size}
		if err := each(info, buf[:size]); err != nil {
			return err
		}
	}
	return nil
}

// printer writes a line for each packet.
func printer(w io.Writer) func(gopacket.CaptureInfo, []byte) error {
	return func(info gopacket.CaptureInfo, data []byte) error {
		_, err := fmt.Fprintf(w, "%s %s\n", info.Timestamp.Format("15:04:05.000000"), summary(data))
		return err
	}
}

// summary is a frame in a few words: who to whom, and what it is. NewPacket
// recovers from frames that its decoders choke on.
func summary(frame []byte) string {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	from, to := "?", "?"
	if l := p.LinkLayer(); l != nil {
		from, to = l.LinkFlow().Src().String(), l.LinkFlow().Dst().String()
	}
	if n := p.NetworkLayer(); n != nil {
		from, to = n.NetworkFlow().Src().String(), n.NetworkFlow().Dst().String()
	}
	what := ""
	switch t := p.TransportLayer().(type) {
	case *layers.TCP:
		from, to = fmt.Sprintf("%s.%d", from, t.SrcPort), fmt.Sprintf("%s.%d", to, t.DstPort)
		what = "TCP " + flags(t)
	case *layers.UDP:
		from, to = fmt.Sprintf("%s.%d", from, t.SrcPort), fmt.Sprintf("%s.%d", to, t.DstPort)
		what = "UDP"
	default:
		for _, l := range p.Layers() {
			if l.LayerType() != gopacket.LayerTypePayload {
				what = l.LayerType().String()
			}
		}
	}
	line := fmt.Sprintf("%s > %s: %s, length %d", from, to, what, len(frame))
	if app := p.ApplicationLayer(); app != nil && len(app.Payload()) > 0 {
		line += fmt.Sprintf(" %.60q", app.Payload())
	}
	return line
}

// flags are the flags of a segment as tcpdump(8) writes them.
func flags(t *layers.TCP) string {
	var b strings.Builder
	for _, f := range []struct {
		set  bool
		mark string
	}{{t.SYN, "S"}, {t.FIN, "F"}, {t.RST, "R"}, {t.PSH, "P"}, {t.ACK, "."}} {
		if f.set {
			b.WriteString(f.mark)
		}
	}
	return "[" + b.String() + "]"
}
