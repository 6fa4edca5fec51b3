package memnet

import (
	"net/netip"
	"syscall"
	"time"
)

// Hook is the place of the packet filter that judges a packet.
type Hook int

// The hooks.
const (
	InputHook Hook = iota
	OutputHook
	ForwardHook
)

// State is what connection tracking knows of a packet's flow.
type State int

// The states (nft(8), ct state).
const (
	StateNew State = iota
	StateEstablished
	StateRelated
)

// Packet is what a filter sees of a packet.
type Packet struct {
	Hook     Hook
	In, Out  string // interfaces: eth0 or lo
	Proto    string // tcp or udp; icmp for the errors of either
	Src, Dst netip.AddrPort
	State    State
	SYN      bool // opens a TCP connection
	Payload  []byte
}

// Verdict is what a filter decides.
type Verdict int

// The verdicts.
const (
	Accept      Verdict = iota
	Drop                // silently
	RejectAdmin         // icmp admin-prohibited: "No route to host"
	RejectPort          // icmp port-unreachable: "Connection refused"
	RejectReset         // tcp reset: "Connection refused"
)

func (v Verdict) errno() syscall.Errno {
	if v == RejectAdmin {
		return syscall.EHOSTUNREACH
	}
	return syscall.ECONNREFUSED
}

// SetFilter installs what judges every packet at the hooks of the host; nil
// accepts all. f must not call the network or its sockets.
func (h *Host) SetFilter(f func(Packet) Verdict) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.filter = f
}

// flow is one direction of a conversation.
type flow struct {
	proto    string
	src, dst netip.AddrPort
}

// udpFlowLife is how long an idle UDP flow is remembered
// (nf_conntrack_udp_timeout_stream).
const udpFlowLife = 120 * time.Second

// judge asks the host's filter and keeps track of flows. The caller holds mu.
func (h *Host) judge(pk Packet) Verdict {
	now := h.net.Line.Now()
	there, back := flow{pk.Proto, pk.Src, pk.Dst}, flow{pk.Proto, pk.Dst, pk.Src}
	if pk.SYN {
		delete(h.flows, back) // a reused port is a new connection
	}
	seen, ok := h.flows[back]
	if ok && pk.Proto == "udp" && now.Sub(seen) > udpFlowLife {
		delete(h.flows, back)
		ok = false
	}
	switch {
	case pk.Proto == "icmp":
		pk.State = StateRelated
	case ok:
		pk.State = StateEstablished
	default:
		pk.State = StateNew
	}
	if h.filter != nil {
		if v := h.filter(pk); v != Accept {
			return v
		}
	}
	if pk.Proto != "icmp" {
		h.flows[there] = now
	}
	return Accept
}
