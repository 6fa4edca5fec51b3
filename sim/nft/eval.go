package nft

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Engine decides about packets as the kernel would under a ruleset. It counts
// for the limits of the rules and is for one goroutine at a time.
type Engine struct {
	rules  *Ruleset
	limits map[limitPlace]*bucket
}

// limitPlace is where a limit stands; each has a count of its own.
type limitPlace struct {
	chain    *Chain
	rule, at int
}

// bucket is a token bucket: a packet takes one of burst tokens.
type bucket struct {
	tokens float64
	at     time.Time
}

// limitBurst is nft's default.
const limitBurst = 5

// NewEngine returns an engine for a ruleset, nil being one without rules. The
// ruleset must not change any more.
func NewEngine(r *Ruleset) *Engine {
	if r == nil {
		r = &Ruleset{}
	}
	return &Engine{rules: r, limits: map[limitPlace]*bucket{}}
}

// Outcome is what became of a packet at a hook.
type Outcome struct {
	Verdict VerdictKind // Accept or Drop
	Reject  *Reject     // the error that goes back with a Drop; nil is silence
	Chain   string      // where a packet that was not accepted ended
	Rule    string      // the rule that ended it; "" is the chain's policy
	Log     []LogLine
	NAT     netip.AddrPort // a new destination; no address is this host, no port the old one
	HasNAT  bool
}

// LogLine is a kernel message that a rule wrote.
type LogLine struct {
	Level LogLevel
	Text  string
}

// Eval sends a packet through the base chains of a hook, in the order of their
// priorities. now is for the limits.
func (e *Engine) Eval(h Hook, p *Packet, now time.Time) Outcome {
	type place struct {
		t *Table
		c *Chain
	}
	var bases []place
	for _, t := range e.rules.Tables {
		if t.Family == "ip" && p.family() != IPv4 || t.Family == "ip6" && p.family() != IPv6 {
			continue
		}
		for _, c := range t.Chains {
			if c.Base != nil && c.Base.Hook == h {
				bases = append(bases, place{t, c})
			}
		}
	}
	slices.SortStableFunc(bases, func(a, b place) int { return cmp.Compare(a.c.Base.Priority, b.c.Base.Priority) })
	w := walk{engine: e, hook: h, packet: p, now: now}
	for _, b := range bases {
		w.table = b.t
		end := w.chain(b.c, 0)
		if end == Return && b.c.Base.Drop {
			w.out.Chain, w.out.Rule, end = b.c.Name, "", Drop
		}
		if end == Drop {
			w.out.Verdict = Drop
			return w.out
		}
	}
	return w.out
}

// walk is one packet on its way through one hook.
type walk struct {
	engine *Engine
	hook   Hook
	packet *Packet
	now    time.Time
	table  *Table
	out    Outcome
}

// maxJumps is the kernel's limit of nested jumps (NFT_JUMP_STACK_SIZE).
const maxJumps = 16

// chain runs the rules of a chain; Return means that it came to its end.
func (w *walk) chain(c *Chain, depth int) VerdictKind {
	if c == nil || depth > maxJumps {
		return Return
	}
	for i := range c.Rules {
		verdict, target := w.rule(c, i)
		switch verdict {
		case Accept:
			return Accept
		case Drop:
			w.out.Chain, w.out.Rule = c.Name, c.Rules[i].String()
			return Drop
		case Jump, Goto:
			end := w.chain(w.table.Chain(target), depth+1)
			if end != Return || verdict == Goto {
				return end
			}
		case Return:
			return Return
		}
	}
	return Return
}

// none is the verdict of a rule that did not match or has none.
const none VerdictKind = 255

func (w *walk) rule(c *Chain, i int) (VerdictKind, string) {
	for j, e := range c.Rules[i] {
		switch e := e.(type) {
		case Log:
			if e.Level != LogAudit {
				w.out.Log = append(w.out.Log, LogLine{e.Level, w.packet.kernelLine(w.hook, e.Prefix)})
			}
		case SetMark:
			w.packet.Mark = w.packet.Mark&e.Keep ^ e.Mark
		case NFLog:
		case ClampMSS:
		case SetHelper:
		case Masquerade:
			return Accept, ""
		case Redirect:
			w.out.NAT, w.out.HasNAT = netip.AddrPortFrom(netip.Addr{}, e.Port), true
			return Accept, ""
		case DNAT:
			w.out.NAT, w.out.HasNAT = netip.AddrPortFrom(e.Addr, e.Port), true
			return Accept, ""
		case Reject:
			if e.With == RejectTCPRst && w.packet.Proto != ProtoTCP {
				return none, ""
			}
			w.out.Reject = &e
			return Drop, ""
		case Verdict:
			return e.Kind, e.Chain
		case Limit:
			if !w.engine.take(limitPlace{c, i, j}, e, w.now) {
				return none, ""
			}
		default:
			if !w.matches(e) {
				return none, ""
			}
		}
	}
	return none, ""
}

// take reports whether a limit lets one more packet by.
func (e *Engine) take(at limitPlace, l Limit, now time.Time) bool {
	b := e.limits[at]
	if b == nil {
		b = &bucket{tokens: limitBurst, at: now}
		e.limits[at] = b
	}
	per := map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[l.Unit]
	b.tokens = min(limitBurst, b.tokens+now.Sub(b.at).Seconds()*float64(l.Rate)/per.Seconds())
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// matches reports whether the packet has what a matching expression asks for.
func (w *walk) matches(e Expr) bool {
	p := w.packet
	switch e := e.(type) {
	case IfName:
		name := p.In
		if e.Out {
			name = p.Out
		}
		want, wild := strings.CutSuffix(e.Name, "*")
		hit := name == want || wild && strings.HasPrefix(name, want)
		return hit != e.Not
	case NFProto:
		return p.family() == e.Family
	case L4Proto:
		return slices.Contains(e.Protos, p.Proto)
	case Addr:
		a := p.Src
		if e.Dst {
			a = p.Dst
		}
		if a.Is6() != e.v6() {
			return false
		}
		list := e.Prefixes
		if s := w.table.Set(e.Set); e.Set != "" && s != nil {
			list = s.Prefixes
		}
		return slices.ContainsFunc(list, func(x netip.Prefix) bool { return x.Contains(a) }) != e.Not
	case EtherSource:
		list := []MAC{e.Addr}
		if s := w.table.Set(e.Set); e.Set != "" && s != nil {
			list = s.MACs
		}
		src, ok := p.etherSource()
		return ok && slices.Contains(list, src) != e.Not
	case Port:
		port := p.DstPort
		if e.Source {
			port = p.SrcPort
		}
		return p.Proto == e.Proto && port >= e.Lo && port <= e.Hi
	case ICMPType:
		proto := uint8(ProtoICMP)
		if e.V6 {
			proto = ProtoICMPv6
		}
		return p.Proto == proto && slices.Contains(e.Types, p.ICMPType) && (!e.HasCode || p.ICMPCode == e.Code)
	case CTState:
		return slices.Contains(e.States, p.State)
	case CTStatusDNAT:
		return p.DNAT
	case RPFilter:
		return p.Spoofed
	case PktType:
		return p.Link == e.Type
	}
	return false
}
