package libc

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"enshu/sim/host"
)

// Resolution errors, with the texts of gai_strerror(3).
var (
	ErrNoName = errors.New("Name or service not known")            //nolint:staticcheck // the C library's words
	ErrAgain  = errors.New("Temporary failure in name resolution") //nolint:staticcheck
	ErrNoData = errors.New("No address associated with hostname")  //nolint:staticcheck
)

// ResolvConf is what /etc/resolv.conf says (resolv.conf(5)).
type ResolvConf struct {
	Servers  []netip.Addr
	Search   []string
	Ndots    int
	Timeout  time.Duration
	Attempts int
}

// ReadResolvConf reads /etc/resolv.conf; a missing file has the defaults and no server.
func ReadResolvConf(p *host.Proc) ResolvConf {
	c := ResolvConf{Ndots: 1, Timeout: 5 * time.Second, Attempts: 2}
	data, _ := ReadFile(p, "/etc/resolv.conf")
	for _, line := range Lines(data) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(f[1]); err == nil && len(c.Servers) < 3 {
				c.Servers = append(c.Servers, a)
			}
		case "search", "domain":
			c.Search = f[1:]
		case "options":
			for _, o := range f[1:] {
				name, value, _ := strings.Cut(o, ":")
				n, err := strconv.Atoi(value)
				switch {
				case err != nil || n < 0:
				case name == "ndots":
					c.Ndots = n
				case name == "timeout":
					c.Timeout = time.Duration(n) * time.Second
				case name == "attempts":
					c.Attempts = n
				}
			}
		}
	}
	return c
}

// aton reads the older forms of an IPv4 address (inet_aton(3)): one to four
// numbers, decimal, octal or hexadecimal, of which the last fills the octets
// that are left.
func aton(s string) (netip.Addr, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 || strings.Contains(s, "_") {
		return netip.Addr{}, false
	}
	var v uint64
	for i, part := range parts {
		if part == "" || part[0] < '0' || part[0] > '9' || strings.ContainsAny(part, "bBoO") && !strings.HasPrefix(strings.ToLower(part), "0x") {
			return netip.Addr{}, false
		}
		n, err := strconv.ParseUint(part, 0, 32)
		last := i == len(parts)-1
		if err != nil || !last && n > 255 || last && n >= 1<<(8*(4-i)) {
			return netip.Addr{}, false
		}
		if last {
			v = v<<(8*(4-i)) | n
		} else {
			v = v<<8 | n
		}
	}
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), true
}

// LookupHost returns the addresses of a name, IPv4 first (getaddrinfo(3)):
// literals, /etc/hosts, then the name servers of /etc/resolv.conf. Its errors
// are ErrNoName, ErrAgain and ErrNoData.
func LookupHost(ctx context.Context, p *host.Proc, name string) ([]netip.Addr, error) {
	return lookupHost(ctx, p, nil, name)
}

// lookupHost is LookupHost with the text of /etc/hosts, which it reads itself
// when it is nil.
func lookupHost(ctx context.Context, p *host.Proc, hosts []byte, name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return []netip.Addr{a}, nil
	}
	if a, ok := aton(name); ok {
		return []netip.Addr{a}, nil
	}
	if name == "" || strings.ContainsAny(name, " \t/") {
		return nil, ErrNoName
	}
	if hosts == nil {
		hosts, _ = ReadFile(p, "/etc/hosts")
	}
	if addrs := hostsFile(hosts, name); len(addrs) > 0 {
		return addrs, nil
	}
	var addrs []netip.Addr
	why := ErrNoName
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, err := Query(ctx, p, name, qtype)
		if err != nil {
			if errors.Is(err, ErrAgain) {
				return addrs, err
			}
			if errors.Is(err, ErrNoData) {
				why = err
			}
			continue
		}
		for _, rr := range answer {
			switch rr := rr.(type) {
			case *dns.A:
				if a, ok := netip.AddrFromSlice(rr.A.To4()); ok {
					addrs = append(addrs, a)
				}
			case *dns.AAAA:
				if a, ok := netip.AddrFromSlice(rr.AAAA); ok {
					addrs = append(addrs, a)
				}
			}
		}
	}
	if len(addrs) == 0 {
		return nil, why
	}
	return addrs, nil
}

// LookupAddr returns the name that /etc/hosts or the DNS has for an address
// (getnameinfo(3)), or ErrNoName.
func LookupAddr(ctx context.Context, p *host.Proc, addr netip.Addr) (string, error) {
	data, _ := ReadFile(p, "/etc/hosts")
	return lookupAddr(ctx, p, data, addr)
}

// LookupPeer returns the name of an address and, to see whether it is true, the
// addresses of that name: LookupAddr and LookupHost for a server that looks at
// each of its clients so, with /etc/hosts read once. back is LookupHost's error.
func LookupPeer(ctx context.Context, p *host.Proc, addr netip.Addr) (name string, addrs []netip.Addr, err, back error) {
	data, _ := ReadFile(p, "/etc/hosts")
	name, err = lookupAddr(ctx, p, data, addr)
	if err != nil {
		return "", nil, err, nil
	}
	addrs, back = lookupHost(ctx, p, data, name)
	return name, addrs, nil, back
}

// lookupAddr is LookupAddr with the text of /etc/hosts.
func lookupAddr(ctx context.Context, p *host.Proc, hosts []byte, addr netip.Addr) (string, error) {
	for _, line := range Lines(hosts) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) > 1 {
			if a, err := netip.ParseAddr(f[0]); err == nil && a == addr {
				return f[1], nil
			}
		}
	}
	arpa, err := dns.ReverseAddr(addr.String())
	if err != nil {
		return "", ErrNoName
	}
	answer, err := Query(ctx, p, arpa, dns.TypePTR)
	if err != nil {
		return "", err
	}
	for _, rr := range answer {
		if ptr, ok := rr.(*dns.PTR); ok {
			return strings.TrimSuffix(ptr.Ptr, "."), nil
		}
	}
	return "", ErrNoName
}

// hostsFile returns the addresses that the text of /etc/hosts has for a name.
func hostsFile(data []byte, name string) []netip.Addr {
	var addrs []netip.Addr
	for _, line := range Lines(data) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		for i := 1; i < len(f); i++ {
			if strings.EqualFold(f[i], strings.TrimSuffix(name, ".")) {
				if a, err := netip.ParseAddr(f[0]); err == nil {
					addrs = append(addrs, a)
				}
				break
			}
		}
	}
	// The C library asks for both families and puts IPv4 first.
	var sorted []netip.Addr
	for _, four := range []bool{true, false} {
		for _, a := range addrs {
			if a.Is4() == four {
				sorted = append(sorted, a)
			}
		}
	}
	return sorted
}

// Query asks the host's name servers, walking the search list, and returns the
// answer section. ErrNoName is NXDOMAIN, ErrNoData an answer without records,
// ErrAgain no usable answer from any server.
func Query(ctx context.Context, p *host.Proc, name string, qtype uint16) ([]dns.RR, error) {
	c := ReadResolvConf(p)
	if len(c.Servers) == 0 {
		return nil, ErrAgain
	}
	names := []string{dns.Fqdn(name)}
	if !strings.HasSuffix(name, ".") {
		var searched []string
		for _, s := range c.Search {
			searched = append(searched, dns.Fqdn(name+"."+s))
		}
		if strings.Count(name, ".") >= c.Ndots {
			names = append(names, searched...)
		} else {
			names = append(searched, names...)
		}
	}
	why := ErrNoName
	for _, n := range names {
		answer, err := queryServers(ctx, p, c, n, qtype)
		if err == nil {
			return answer, nil
		}
		if !errors.Is(err, ErrNoName) {
			why = err
		}
		if errors.Is(err, ErrAgain) {
			break
		}
	}
	return nil, why
}

func queryServers(ctx context.Context, p *host.Proc, c ResolvConf, name string, qtype uint16) ([]dns.RR, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, qtype)
	for range max(c.Attempts, 1) {
		for _, server := range c.Servers {
			if ctx.Err() != nil {
				return nil, ErrAgain
			}
			q.Id = uint16(p.Rand().UintN(1 << 16))
			r, err := exchange(ctx, p, "udp", server, q, c.Timeout)
			if err == nil && r.Truncated {
				r, err = exchange(ctx, p, "tcp", server, q, c.Timeout)
			}
			if err != nil {
				continue
			}
			switch {
			case r.Rcode == dns.RcodeNameError:
				return nil, ErrNoName
			case r.Rcode != dns.RcodeSuccess:
				continue
			case len(r.Answer) == 0:
				return nil, ErrNoData
			}
			return r.Answer, nil
		}
	}
	return nil, ErrAgain
}

// exchange asks one server once.
func exchange(ctx context.Context, p *host.Proc, network string, server netip.Addr, q *dns.Msg, timeout time.Duration) (*dns.Msg, error) {
	family := "4"
	if server.Is6() {
		family = "6"
	}
	conn, err := p.Sys.Dial(ctx, network+family, netip.AddrPortFrom(server, 53).String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	dc := &dns.Conn{Conn: conn}
	end := p.Now().Add(timeout)
	conn.SetDeadline(end)
	if err := dc.WriteMsg(q); err != nil {
		return nil, err
	}
	for {
		r, err := dc.ReadMsg()
		if err != nil {
			return nil, err
		}
		if r.Id == q.Id {
			return r, nil
		}
		if !p.Now().Before(end) {
			return nil, os.ErrDeadlineExceeded
		}
	}
}
