package scenario

import (
	"net/netip"
	"regexp"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"enshu/sim/lang"
)

// Limits of a lab.
const (
	MaxHosts    = 64
	MaxNetworks = 16
)

var (
	labName     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	hostName    = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$`)
	networkName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,10}$`)
	dnsName     = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,62})?(\.[a-z0-9_]([a-z0-9_-]{0,62})?)*$`)
	userName    = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,30}$`)
	stepName    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
)

// UnmarshalText refuses a state that is none.
func (s *ServiceState) UnmarshalText(b []byte) error {
	states := []string{string(Started), string(Stopped), string(Enabled), string(Disabled), string(Masked)}
	if !contains(states, string(b)) {
		return lang.Errorf("状態 %q はありません%s", "unknown state %q%s", clip(string(b)), meant(string(b), states))
	}
	*s = ServiceState(b)
	return nil
}

// Pattern is for the JSON Schema.
func (ServiceState) Pattern() string { return `^(started|stopped|enabled|disabled|masked)$` }

// Check refuses numbers out of range.
func (l *Lab) Check(report func(key, ja, en string, args ...any)) {
	if l.ID != "" && (!labName.MatchString(l.ID) || len(l.ID) > 64) {
		report("lab", "lab: %q は識別子になりません。英小文字の語をハイフンでつなぎ、64 文字までにします", "lab: %q is not an identifier; use lower-case words joined by hyphens, at most 64 characters", clip(l.ID))
	}
	if l.Difficulty < 0 || l.Difficulty > 5 {
		report("difficulty", "difficulty: 1 から 5 までです（%d は使えません）", "difficulty: from 1 to 5, not %d", l.Difficulty)
	}
	if l.Time < 0 {
		report("time", "time: 時間は正の値にします", "time: a time span must be positive")
	}
	if len(l.Hosts) > MaxHosts {
		report("hosts", "hosts: ホストが %d 台あり、多すぎます。上限は %d 台です", "hosts: %d hosts are too many; the limit is %d", len(l.Hosts), MaxHosts)
	}
	if len(l.Networks) > MaxNetworks {
		report("networks", "networks: ネットワークが %d 個あり、多すぎます。上限は %d 個です", "networks: %d networks are too many; the limit is %d", len(l.Networks), MaxNetworks)
	}
}

// Check refuses a subnet that hosts could not use.
func (n *Network) Check(report func(key, ja, en string, args ...any)) {
	switch {
	case !n.Subnet.IsValid():
	case n.Subnet != n.Subnet.Masked():
		report("subnet", "subnet: %s にはホスト部のビットがあります。%q のことですか", "subnet: %s has bits of a host; did you mean %q?", n.Subnet, n.Subnet.Masked())
	case n.Subnet.Addr().BitLen()-n.Subnet.Bits() < 2:
		report("subnet", "subnet: %s には 2 台のホストが入りません", "subnet: %s has no room for two hosts", n.Subnet)
	case n.Subnet.Addr().IsLoopback() || n.Subnet.Addr().IsMulticast() || n.Subnet.Bits() == 0:
		report("subnet", "subnet: %s はホストに使えません", "subnet: %s is not for hosts", n.Subnet)
	}
	if n.Delay < 0 || n.Jitter < 0 {
		report("delay", "delay と jitter は正の値にします", "delay and jitter must be positive")
	}
}

// Check refuses a line that would be faster than nothing.
func (i *Interface) Check(report func(key, ja, en string, args ...any)) {
	switch {
	case i.Delay < 0 || i.Jitter < 0:
		report("delay", "delay と jitter は正の値にします", "delay and jitter must be positive")
	case i.Asymmetry > 2*i.Delay || i.Asymmetry < -2*i.Delay:
		report("asymmetry", "asymmetry: その回線の delay の 2 倍（%s）までです", "asymmetry: at most twice the line's own delay, %s", time.Duration(2*i.Delay))
	}
}

// Check refuses names that a machine could not have and limits it could not keep.
func (h *Host) Check(report func(key, ja, en string, args ...any)) {
	if h.Hostname != "" && (!dnsName.MatchString(h.Hostname) || len(h.Hostname) > 64) {
		report("hostname", "hostname: %q はホスト名になりません", "hostname: %q is not a host name", clip(h.Hostname))
	}
	seen := map[string]bool{}
	for _, u := range h.Users {
		if !userName.MatchString(u) {
			report("users", "users: %q はユーザー名になりません", "users: %q is not a user name", clip(u))
		}
		if seen[u] {
			report("users", "users: %q が 2 つあります", "users: %q is there twice", u)
		}
		seen[u] = true
	}
	if h.Pids < 0 || h.Pids != 0 && h.Pids < 32 || h.Pids > 32768 {
		report("pids", "pids: 32 から 32768 までです（%d は使えません）", "pids: from 32 to 32768, not %d", h.Pids)
	}
	if h.Memory != 0 && (h.Memory < 32<<20 || h.Memory > 64<<30) {
		report("memory", "memory: 32M から 64G までです", "memory: from 32M to 64G")
	}
	if h.Disk != 0 && (h.Disk < 1<<20 || h.Disk > 64<<30) {
		report("disk", "disk: 1M から 64G までです", "disk: from 1M to 64G")
	}
}

// Check refuses a file that is also a link.
func (f *File) Check(report func(key, ja, en string, args ...any)) {
	if f.Link != "" && (f.Content != "" || f.Mode != 0) {
		report("link", "link: リンクに content や mode はありません", "link: a link has neither content nor mode")
	}
	user, group, _ := strings.Cut(f.Owner, ":")
	if f.Owner != "" && (!userName.MatchString(user) || group != "" && !userName.MatchString(group)) {
		report("owner", "owner: %q はユーザーか、ユーザー:グループの形ではありません", "owner: %q is not user or user:group", clip(f.Owner))
	}
}

// Check refuses a reference identifier that does not fit.
func (r *Refclock) Check(report func(key, ja, en string, args ...any)) {
	if len(r.RefID) > 4 {
		report("refid", "refid: 4 文字までです（%q は使えません）", "refid: at most four letters, not %q", clip(r.RefID))
	}
}

// Check refuses records that no zone could hold.
func (r *DNSRecord) Check(report func(key, ja, en string, args ...any)) {
	for _, mx := range r.MX {
		if !dnsName.MatchString(mx) {
			report("mx", "mx: %q はホスト名になりません", "mx: %q is not a host name", clip(mx))
		}
	}
	if len(r.Addresses) == 0 && len(r.MX) == 0 {
		report("", "この名前にはアドレスも mx もありません", "the name has neither addresses nor mx")
	}
}

// Check refuses identifiers and points that could not be used.
func (t *Task) Check(report func(key, ja, en string, args ...any)) {
	if t.ID != "" && !stepName.MatchString(t.ID) {
		report("id", "id: %q は識別子になりません。英小文字の語をハイフンでつなぎます", "id: %q is not an identifier; use lower-case words joined by hyphens", clip(t.ID))
	}
	if t.Points < 0 || t.Points > 1000 {
		report("points", "points: 1 から 1000 までです（%d は使えません）", "points: from 1 to 1000, not %d", t.Points)
	}
}

// Check refuses a mistake that changes nothing.
func (m *Mistake) Check(report func(key, ja, en string, args ...any)) {
	if len(m.Without) == 0 && len(m.Replace) == 0 && len(m.Steps) == 0 {
		report("", "この誤答は何も変えていません。without、replace、steps のどれかが必要です", "the mistake changes nothing; it needs without, replace or steps")
	}
	if m.From == "" && (len(m.Without) > 0 || len(m.Replace) > 0) {
		report("", "without と replace にはキー \"from\" が必要です", "without and replace need the key \"from\"")
	}
}

// crossCheck finds what is wrong between parts of a lab.
func (d *decoder) crossCheck(l *Lab, root *yaml.Node) {
	d.checkNetworks(l, lookup(root, "networks"))
	d.checkHosts(l, lookup(root, "hosts"))
	d.checkDNS(l, lookup(lookup(root, "dns"), "records"))
	d.checkTasks(l, lookup(root, "tasks"))
	d.checkSolutions(l, lookup(root, "solutions"))
	d.checkMistakes(l, lookup(root, "mistakes"))
}

// keyOf returns the node of a key of a mapping, the mapping when it has none.
func keyOf(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return &yaml.Node{}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i]
		}
	}
	return n
}

// item returns the i-th item of a list.
func item(n *yaml.Node, i int) *yaml.Node {
	if n == nil || i >= len(n.Content) {
		return &yaml.Node{}
	}
	return n.Content[i]
}

func (d *decoder) checkNetworks(l *Lab, n *yaml.Node) {
	for i, a := range l.Networks {
		if !networkName.MatchString(a.Name) {
			d.errorf(keyOf(n, a.Name), "%q はネットワークの名前になりません。英小文字、数字、ハイフンで 11 文字までにします", "%q is not a name of a network; use up to 11 lower-case letters, digits and hyphens", clip(a.Name))
		}
		for _, b := range l.Networks[:i] {
			if a.Subnet.IsValid() && b.Subnet.IsValid() && a.Subnet.Overlaps(b.Subnet) {
				d.errorf(lookup(lookup(n, a.Name), "subnet"), "subnet: %s はネットワーク %[3]q の %[2]s と重なります", "subnet: %s overlaps %s of network %q", a.Subnet, b.Subnet, b.Name)
			}
		}
	}
}

func (d *decoder) checkHosts(l *Lab, n *yaml.Node) {
	subnets := map[string]netip.Prefix{}
	for _, w := range l.Networks {
		subnets[w.Name] = w.Subnet
	}
	owner := map[netip.Addr]string{}
	called := map[string]string{}
	for i := range l.Hosts {
		h := &l.Hosts[i]
		if !hostName.MatchString(h.Name) {
			d.errorf(keyOf(n, h.Name), "%q はホストの名前になりません。英小文字、数字、ハイフンで 32 文字までにします", "%q is not a name of a host; use up to 32 lower-case letters, digits and hyphens", clip(h.Name))
		}
		if other, ok := called[h.Hostname]; ok && h.Hostname != h.Name {
			d.errorf(lookup(lookup(n, h.Name), "hostname"), "hostname: ホスト %q の名前も %q です", "hostname: host %q is called %q too", other, h.Hostname)
		}
		called[h.Hostname] = h.Name
		interfaces := lookup(lookup(n, h.Name), "networks")
		for _, f := range h.Networks {
			at := lookup(interfaces, string(f.Network))
			if !f.Address.IsValid() || at == nil {
				continue
			}
			sub, ok := subnets[string(f.Network)]
			switch {
			case !ok || !sub.IsValid():
			case !sub.Contains(f.Address):
				d.errorf(at, "アドレス %s は %[3]q のサブネット %[2]s にありません", "address %s is not in %s, the subnet of %q", f.Address, sub, f.Network)
			case f.Address == sub.Masked().Addr() || f.Address == last(sub):
				d.errorf(at, "アドレス %s はホストに使えません。%s の最初か最後です", "address %s is not for a host: it is the first or the last of %s", f.Address, sub)
			case owner[f.Address] != "":
				d.errorf(at, "アドレス %s はすでにホスト %q のものです", "address %s is that of host %q already", f.Address, owner[f.Address])
			}
			owner[f.Address] = h.Name
		}
		users := append(append([]string{"root"}, d.known.Users...), h.Users...)
		for _, f := range h.Files {
			if user, _, _ := strings.Cut(f.Owner, ":"); userName.MatchString(user) && !contains(users, user) {
				d.errorf(lookup(lookup(lookup(lookup(n, h.Name), "files"), string(f.Path)), "owner"),
					"ユーザー %q はありません%s", "unknown user %q%s", user, meant(user, users))
			}
		}
	}
}

// last returns the last address of an IPv4 subnet, which is its broadcast
// address; IPv6 has none.
func last(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() {
		return netip.Addr{}
	}
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

func (d *decoder) checkDNS(l *Lab, n *yaml.Node) {
	if l.DNS == nil {
		return
	}
	for _, r := range l.DNS.Records {
		if !dnsName.MatchString(r.Name) {
			d.errorf(keyOf(n, r.Name), "%q はドメイン名ではありません", "%q is not a domain name", clip(r.Name))
		}
	}
	if h := l.Host(string(l.DNS.Host)); h != nil && len(h.Networks) == 0 {
		d.errorf(&yaml.Node{Line: h.Pos.Line, Column: h.Pos.Column}, "ネームサーバー %q がどのネットワークにもありません", "the name server %q is on no network", h.Name)
	}
}

func (d *decoder) checkTasks(l *Lab, n *yaml.Node) {
	first := map[string]int{}
	for i := range l.Tasks {
		t := &l.Tasks[i]
		if t.ID == "" {
			continue
		}
		if line, ok := first[t.ID]; ok {
			d.errorf(lookup(item(n, i), "id"), "タスク %q が 2 つあります。最初は %d 行目です", "task %q is there twice; first in line %d", t.ID, line)
			continue
		}
		first[t.ID] = t.Pos.Line
	}
	// A task is on the path while what it needs is walked: meeting it again is a circle.
	state := map[string]int{}
	var walk func(t *Task, path []string)
	walk = func(t *Task, path []string) {
		state[t.ID] = 1
		path = append(path, t.ID)
		for _, need := range t.Needs {
			other := l.Task(string(need))
			switch {
			case other == nil:
			case state[other.ID] == 0:
				walk(other, path)
			case state[other.ID] == 1:
				for i, p := range path {
					if p == other.ID {
						d.errorf(&yaml.Node{Line: t.Pos.Line, Column: t.Pos.Column}, "needs が循環しています: %s → %s", "needs go in a circle: %s → %s",
							strings.Join(path[i:], " → "), other.ID)
					}
				}
			}
		}
		state[t.ID] = 2
	}
	for i := range l.Tasks {
		if state[l.Tasks[i].ID] == 0 {
			walk(&l.Tasks[i], nil)
		}
	}
}

// checkSteps refuses step names that are no names or there twice.
func (d *decoder) checkSteps(steps []Step, n *yaml.Node) {
	seen := map[string]bool{}
	for i, s := range steps {
		if s.ID == "" {
			continue
		}
		at := lookup(item(n, i), "id")
		if !stepName.MatchString(s.ID) {
			d.errorf(at, "id: %q は識別子になりません。英小文字の語をハイフンでつなぎます", "id: %q is not an identifier; use lower-case words joined by hyphens", clip(s.ID))
		}
		if seen[s.ID] {
			d.errorf(at, "手順 %q が 2 つあります", "step %q is there twice", s.ID)
		}
		seen[s.ID] = true
	}
}

func (d *decoder) checkSolutions(l *Lab, n *yaml.Node) {
	seen := map[string]bool{}
	for i := range l.Solutions {
		s := &l.Solutions[i]
		if s.Name != "" && seen[s.Name] {
			d.errorf(lookup(item(n, i), "name"), "解答 %q が 2 つあります", "solution %q is there twice", s.Name)
		}
		seen[s.Name] = true
		d.checkSteps(s.Steps, lookup(item(n, i), "steps"))
	}
}

func (d *decoder) checkMistakes(l *Lab, n *yaml.Node) {
	var solutions []string
	for i := range l.Solutions {
		solutions = append(solutions, l.Solutions[i].Name)
	}
	seen := map[string]bool{}
	for i := range l.Mistakes {
		m, at := &l.Mistakes[i], item(n, i)
		if m.Name != "" && seen[m.Name] {
			d.errorf(lookup(at, "name"), "誤答 %q が 2 つあります", "mistake %q is there twice", m.Name)
		}
		seen[m.Name] = true
		d.checkSteps(m.Steps, lookup(at, "steps"))
		d.checkFails(l, m, lookup(at, "fails"))
		if m.From == "" {
			continue
		}
		from := l.Solution(m.From)
		if from == nil {
			d.errorf(lookup(at, "from"), "解答 %q はありません%s", "unknown solution %q%s", clip(m.From), meant(m.From, solutions))
			continue
		}
		var steps []string
		for _, s := range from.Steps {
			if s.ID != "" {
				steps = append(steps, s.ID)
			}
		}
		for j, id := range m.Without {
			if !contains(steps, id) {
				d.errorf(item(lookup(at, "without"), j), "解答 %q に手順 %q はありません%s", "solution %q has no step %q%s", m.From, clip(id), meant(id, steps))
			}
		}
		for _, r := range m.Replace {
			if !contains(steps, r.Step) {
				d.errorf(keyOf(lookup(at, "replace"), r.Step), "解答 %q に手順 %q はありません%s", "solution %q has no step %q%s", m.From, clip(r.Step), meant(r.Step, steps))
			}
		}
	}
}

// checkFails refuses a diagnosis that the checks of the task cannot give.
func (d *decoder) checkFails(l *Lab, m *Mistake, n *yaml.Node) {
	for _, f := range m.Fails {
		t := l.Task(string(f.Task))
		if t == nil || f.Link == "" {
			continue
		}
		var links []string
		for i := range t.Checks {
			if k := d.known.kind(t.Checks[i].Kind); k != nil {
				links = append(links, k.Links...)
			}
		}
		if !contains(links, f.Link) {
			at := lookup(n, string(f.Task))
			if link := lookup(at, "link"); link != nil {
				at = link
			}
			d.errorf(at, "タスク %q のどのチェックも %q では失敗しません%s", "no check of task %q fails at %q%s", t.ID, clip(f.Link), meant(f.Link, links))
		}
	}
}

func hostNames(l *Lab) (names []string) {
	for i := range l.Hosts {
		names = append(names, l.Hosts[i].Name)
	}
	return names
}

func networkNames(l *Lab) (names []string) {
	for i := range l.Networks {
		names = append(names, l.Networks[i].Name)
	}
	return names
}

func taskNames(l *Lab) (names []string) {
	for i := range l.Tasks {
		if l.Tasks[i].ID != "" {
			names = append(names, l.Tasks[i].ID)
		}
	}
	return names
}

func userNames(k *Known, l *Lab) []string {
	names := append([]string{"root"}, k.Users...)
	for i := range l.Hosts {
		for _, u := range l.Hosts[i].Users {
			if !contains(names, u) {
				names = append(names, u)
			}
		}
	}
	return names
}

// unitNames adds the units that a lab brings as files.
func unitNames(k *Known, l *Lab) []string {
	names := append([]string(nil), k.Units...)
	for i := range l.Hosts {
		for _, f := range l.Hosts[i].Files {
			dir, name, ok := cutLast(string(f.Path))
			unit, isService := strings.CutSuffix(name, ".service")
			if ok && isService && (dir == "/etc/systemd/system" || dir == "/usr/lib/systemd/system") {
				names = append(names, unit)
			}
		}
	}
	return names
}

func cutLast(p string) (dir, name string, ok bool) {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return "", p, false
	}
	return p[:i], p[i+1:], true
}
