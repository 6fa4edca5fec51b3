package conf

import (
	"context"
	"fmt"
	"net/netip"
	"sort"
	"strconv"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// localNetworks returns the addresses of this machine with the networks they
// are in, as the kernel's tables under /proc/net tell; loopback comes first.
func localNetworks(p *host.Proc) []netip.Prefix {
	var out []netip.Prefix
	data, _ := libc.ReadFile(p, "/proc/net/fib_trie")
	out = append(out, parseFibTrie(string(data))...)
	data, _ = libc.ReadFile(p, "/proc/net/if_inet6")
	for _, line := range libc.Lines(data) {
		f := strings.Fields(line)
		if len(f) < 6 || len(f[0]) != 32 {
			continue
		}
		var b [16]byte
		good := true
		for i := range b {
			n, err := strconv.ParseUint(f[0][2*i:2*i+2], 16, 8)
			good = good && err == nil
			b[i] = byte(n)
		}
		bits, err := strconv.ParseUint(f[2], 16, 8)
		if a := netip.AddrFrom16(b); good && err == nil && bits <= 128 && !a.IsLinkLocalUnicast() {
			out = append(out, netip.PrefixFrom(a, int(bits)))
		}
	}
	if len(out) == 0 {
		out = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i].Addr(), out[j].Addr()
		if a.Is4() != b.Is4() {
			return a.Is4()
		}
		return a.IsLoopback() && !b.IsLoopback()
	})
	return out
}

// parseFibTrie finds the local addresses in /proc/net/fib_trie and the widest
// of the networks on a link that hold each.
func parseFibTrie(text string) []netip.Prefix {
	var locals []netip.Addr
	var nets []netip.Prefix
	var leaf netip.Addr
	for _, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "|--":
			leaf, _ = netip.ParseAddr(f[1])
		case len(f) == 3 && strings.HasPrefix(f[0], "/") && leaf.IsValid():
			bits, err := strconv.Atoi(f[0][1:])
			if err != nil || bits < 0 || bits > 32 {
				continue
			}
			switch {
			case f[2] == "LOCAL" && bits == 32:
				seen := false
				for _, a := range locals {
					seen = seen || a == leaf
				}
				if !seen {
					locals = append(locals, leaf)
				}
			case f[2] == "LOCAL", f[1] == "link":
				nets = append(nets, netip.PrefixFrom(leaf, bits))
			}
		}
	}
	var out []netip.Prefix
	for _, a := range locals {
		bits := 32
		for _, n := range nets {
			if n.Contains(a) && n.Bits() < bits && n.Bits() > 0 {
				bits = n.Bits()
			}
		}
		out = append(out, netip.PrefixFrom(a, bits))
	}
	return out
}

// Protocols returns whether inet_protocols has IPv4 and IPv6.
func (c *Config) Protocols() (v4, v6 bool, err error) {
	value := c.Get("inet_protocols")
	for _, w := range SplitList(value) {
		switch strings.ToLower(w) {
		case "all":
			v4, v6 = true, true
		case "ipv4":
			v4 = true
		case "ipv6":
			v6 = true
		default:
			return false, false, fmt.Errorf("unknown inet_protocols value \"%s\" in \"%s\"", w, value)
		}
	}
	return v4, v6, nil
}

// ownAddresses returns the addresses that inet_interfaces names, with their
// networks.
func (c *Config) ownAddresses(ctx context.Context, p *host.Proc) ([]netip.Prefix, error) {
	v4, v6, err := c.Protocols()
	if err != nil {
		return nil, err
	}
	var have []netip.Prefix
	for _, n := range localNetworks(p) {
		if n.Addr().Is4() && v4 || n.Addr().Is6() && v6 {
			have = append(have, n)
		}
	}
	var out []netip.Prefix
	for _, name := range c.List("inet_interfaces") {
		switch name {
		case "all":
			out = append(out, have...)
			continue
		case "loopback-only":
			for _, n := range have {
				if n.Addr().IsLoopback() {
					out = append(out, n)
				}
			}
			continue
		}
		var addrs []netip.Addr
		if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
			addrs = []netip.Addr{a}
		} else if addrs, err = libc.LookupHost(ctx, p, name); err != nil {
			return nil, fmt.Errorf("config variable inet_interfaces: host not found: %s", name)
		}
		found := false
		for _, a := range addrs {
			if a.Is4() && !v4 || a.Is6() && !v6 {
				continue
			}
			for _, n := range have {
				if n.Addr() == a {
					out = append(out, n)
					found = true
				}
			}
			if !found && isLocalAddress(p, a) {
				out = append(out, netip.PrefixFrom(a, a.BitLen()))
				found = true
			}
			if !found && !a.IsLoopback() {
				return nil, fmt.Errorf("parameter inet_interfaces: no local interface found for %s", a)
			}
		}
	}
	return out, nil
}

// isLocalAddress asks the kernel by binding to the address.
func isLocalAddress(p *host.Proc, a netip.Addr) bool {
	network := "udp4"
	if a.Is6() {
		network = "udp6"
	}
	c, err := p.Sys.ListenPacket(network, netip.AddrPortFrom(a, 0).String())
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// mynetworksDefault is what mynetworks is when it is not set.
func mynetworksDefault(own []netip.Prefix, style string) string {
	var out []string
	seen := map[string]bool{}
	for _, n := range own {
		a, bits := n.Addr(), n.Bits()
		switch strings.ToLower(style) {
		case "host":
			bits = a.BitLen()
		case "class":
			if a.Is4() {
				switch b := a.As4()[0]; {
				case b < 128:
					bits = 8
				case b < 192:
					bits = 16
				default:
					bits = 24
				}
			}
		}
		net := netip.PrefixFrom(a, bits).Masked()
		text := net.String()
		if a.Is6() {
			text = "[" + net.Addr().String() + "]/" + strconv.Itoa(bits)
		}
		if !seen[text] {
			seen[text] = true
			out = append(out, text)
		}
	}
	return strings.Join(out, " ")
}

// SetNetworkDefaults fills in mynetworks; the error is a bad inet_interfaces.
func (c *Config) SetNetworkDefaults(ctx context.Context, p *host.Proc) error {
	own, err := c.ownAddresses(ctx, p)
	if err != nil {
		return err
	}
	c.Own = own
	c.defaults["mynetworks"] = mynetworksDefault(own, c.Get("mynetworks_style"))
	c.expanded = map[string]string{}
	return nil
}

// IsOwn reports whether mail for an address is mail for this machine.
func (c *Config) IsOwn(a netip.Addr) bool {
	for _, n := range c.Own {
		if n.Addr() == a {
			return true
		}
	}
	for _, item := range c.List("proxy_interfaces") {
		if b, err := netip.ParseAddr(item); err == nil && a == b {
			return true
		}
	}
	return false
}

// hostnameProblem says why a name is no host name, "" when it is one
// (valid_hostname(3)).
func hostnameProblem(name string) string {
	if name == "" {
		return "empty hostname"
	}
	label, letters := 0, false
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case IsNameByte(c):
			label++
			letters = letters || c < '0' || c > '9'
			if label > 63 {
				return "hostname label too long: " + name
			}
		case c == '.' && (i == 0 || i+1 == len(name) || name[i+1] == '.'):
			return "misplaced delimiter: " + name
		case c == '.':
			label = 0
		case c == '-':
			letters = true
			if label++; label == 1 || i+1 == len(name) || name[i+1] == '.' {
				return "misplaced hyphen: " + name
			}
		default:
			return fmt.Sprintf("invalid character %d(decimal): %s", c, name)
		}
	}
	switch {
	case !letters:
		return "numeric hostname: " + name
	case len(name) > 255:
		return fmt.Sprintf("bad length %d for %s", len(name), name)
	}
	return ""
}
