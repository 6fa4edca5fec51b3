package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"enshu/sim/host"
	"enshu/sim/nft"
	"enshu/sim/nft/nftnl"
	"enshu/sim/trace"
	"enshu/sim/wire/nflog"
)

// socketBuffer is what netlink sockets ask for; a big ruleset is answered with
// as many acknowledgements as it has rules.
const socketBuffer = 8 << 20

// filter is the packet filter of a machine; it implements host.Filter.
type filter struct{ m *Machine }

// Filter returns the packet filter of the machine.
func (m *Machine) Filter() host.Filter { return filter{m} }

// Apply replaces the rules in force.
func (f filter) Apply(r *nft.Ruleset) error {
	err := f.m.inside.do(func() error {
		conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
			// As large as the machine allows: the call is refused beyond its limit.
			c.SetReadBuffer(socketBuffer)
			c.SetWriteBuffer(socketBuffer)
			return nil
		}))
		if err != nil {
			return err
		}
		defer conn.CloseLasting()
		return nftnl.Apply(conn, r)
	})
	if err != nil {
		return err
	}
	f.m.rules.set(r)
	// That somebody looks is for the trace alone: the rules are in force without.
	f.m.drops.follow(refusesInSilence(r))
	return nil
}

// LogPackets writes the packets that the machine's filter logs to its kernel's
// ring buffer, as the kernel would, and notes those that were refused, until
// ctx ends or the machine does.
func (m *Machine) LogPackets(ctx context.Context, h *host.Host) error {
	var conn *netlink.Conn
	err := m.inside.do(func() (err error) { conn, err = subscribe(); return err })
	if err != nil {
		return err
	}
	name := m.interfaceNames()
	log := packetLog{kmsg: h.Kmsg, limit: floodLimit}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	go func() {
		defer stop()
		defer conn.Close()
		for {
			msgs, err := conn.Receive()
			if errors.Is(err, unix.ENOBUFS) {
				continue // a flood: the kernel's own buffer would have lost lines too
			}
			if err != nil {
				return
			}
			for _, msg := range msgs {
				group, line, err := nflog.Line(msg.Data, name)
				level, ours := nft.LevelOfGroup(group)
				if err != nil || !ours {
					continue
				}
				log.print(int(level), line) // of the facility kern, which is 0
				if attrs, ok := refused(line); ok {
					h.Trace.Append(h.Name, "kernel", 0, trace.PacketRefused, attrs)
				}
			}
		}
	}()
	return nil
}

// floodLimit is printk's limit of messages from one place, with its interval
// (kernel.printk_ratelimit) and a burst of a hundred times its own: netfilter's lines
// are not held to that one, and what a person tries must all be there, but a flood
// must not drown the host's log, nor the lab.
var floodLimit = nflog.Ratelimit{Interval: 5 * time.Second, Burst: 1000}

// packetLog is what netfilter prints to a ring buffer.
type packetLog struct {
	kmsg  *host.Kmsg
	limit nflog.Ratelimit
}

// print prints a line, and before it how many were left out.
func (l *packetLog) print(priority int, line string) {
	ok, before := l.limit.Allow(l.kmsg.Uptime(), "nf_log_buf_close")
	if before != "" {
		const warning = 4
		l.kmsg.Append(warning, before)
	}
	if ok {
		l.kmsg.Append(priority, line)
	}
}

// interfaceNames returns a function that names the machine's interfaces by their
// index, for one goroutine at a time.
func (m *Machine) interfaceNames() func(index uint32) string {
	names := map[uint32]string{}
	return func(index uint32) string {
		if s, ok := names[index]; ok {
			return s
		}
		s := fmt.Sprintf("if%d", index)
		m.inside.do(func() error {
			i, err := net.InterfaceByIndex(int(index))
			if err == nil {
				s = i.Name
			}
			return err
		})
		names[index] = s
		return s
	}
}

// refused reads the line of a packet that firewalld's rules log before they
// reject or drop it.
func refused(line string) (trace.Attrs, bool) {
	chain, rest, ok := strings.Cut(line, ": ")
	if !ok || !strings.HasSuffix(chain, "REJECT") && !strings.HasSuffix(chain, "DROP") {
		return nil, false
	}
	f := map[string]string{}
	for _, word := range strings.Fields(rest) {
		if k, v, ok := strings.Cut(word, "="); ok {
			if _, seen := f[k]; !seen {
				f[k] = v
			}
		}
	}
	action := "reject"
	if strings.HasSuffix(chain, "DROP") {
		action = "drop"
	}
	return trace.Attrs{
		"from": net.JoinHostPort(f["SRC"], f["SPT"]), "to": net.JoinHostPort(f["DST"], f["DPT"]),
		"protocol": strings.ToLower(f["PROTO"]), "chain": chain, "action": action, "interface": f["IN"],
	}, true
}

// Numbers of linux/netfilter/nfnetlink_log.h.
const (
	nfulnlMsgConfig    = 1
	nfulaCfgCmd        = 1
	nfulaCfgMode       = 2
	nfulaCfgQthresh    = 5
	nfulnlCfgCmdBind   = 1
	nfulnlCopyPacket   = 2
	nfnlSubsysULog     = 4
	copyRange          = 0xffff
	netfilterNetlinkV0 = 0
)

// subscribe binds the NFLOG groups of all levels in the calling thread's network
// namespace. Every packet is told at once: the kernel would else keep them for
// a second.
func subscribe() (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("nflog: %w", err)
	}
	conn.SetReadBuffer(1 << 20)
	mode := append(binary.BigEndian.AppendUint32(nil, copyRange), nfulnlCopyPacket, 0)
	for level := nft.LogEmerg; level <= nft.LogDebug; level++ {
		group := nft.LogGroup(level)
		for _, attr := range []netlink.Attribute{
			{Type: nfulaCfgCmd, Data: []byte{nfulnlCfgCmdBind}},
			{Type: nfulaCfgMode, Data: mode},
			{Type: nfulaCfgQthresh, Data: binary.BigEndian.AppendUint32(nil, 1)},
		} {
			b, err := netlink.MarshalAttributes([]netlink.Attribute{attr})
			if err == nil {
				_, err = conn.Execute(netlink.Message{
					Header: netlink.Header{Type: nfnlSubsysULog<<8 | nfulnlMsgConfig, Flags: netlink.Request | netlink.Acknowledge},
					Data:   append([]byte{unix.AF_UNSPEC, netfilterNetlinkV0, byte(group >> 8), byte(group)}, b...),
				})
			}
			if err != nil {
				conn.Close()
				return nil, fmt.Errorf("nflog: %w", err)
			}
		}
	}
	return conn, nil
}
