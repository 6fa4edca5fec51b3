package firewalld_test

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"enshu/sim/memnet"
	"enshu/sim/nft"
	"enshu/sim/nft/nftnl"
)

var (
	groupText  = regexp.MustCompile(` group ([0-9]+)`)
	helperText = regexp.MustCompile(`(?s)\tct helper .*?\n\t}\n\n`)
	unkept     = regexp.MustCompile(`(?m)^.*ct helper set.*\n`)
)

// TestKernelListing sets up a firewall of every kind of element, puts its rules
// into a kernel and lets the nft tool list them: it must print what the model
// says.
func TestKernelListing(t *testing.T) {
	if os.Getenv("ENSHU_TEST_NAMESPACE") == "" {
		if _, err := exec.LookPath("nft"); err != nil {
			t.Fatal("the tool nft, which this test compares with, is not here: run tools/peers (make test does)")
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestKernelListing$", "-test.v")
		cmd.Env = append(os.Environ(), "ENSHU_TEST_NAMESPACE=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		if err != nil && len(out) == 0 {
			t.Skipf("no user namespaces here: %v", err)
		}
		if t.Logf("%s", out); err != nil {
			t.Error(err)
		}
		return
	}
	var rules *nft.Ruleset
	synctest.Test(t, func(t *testing.T) {
		m := install(t, memnet.New(t), "eth0", "eth1")
		for _, run := range []string{
			"--permanent --new-ipset=bl --type=hash:net", "--permanent --ipset=bl --add-entry=198.51.100.0/24 --add-entry=203.0.113.9",
			"--permanent --new-ipset=hm --type=hash:mac", "--permanent --ipset=hm --add-entry=00:11:22:33:44:55",
			"--permanent --new-ipset=b6 --type=hash:ip --family=inet6", "--permanent --ipset=b6 --add-entry=2001:db8::9",
			"--reload", "--set-log-denied=unicast",
			"--zone=drop --add-source=ipset:bl", "--zone=drop --add-source=ipset:hm", "--zone=block --add-source=2001:db8:1::/48",
			"--zone=trusted --add-source=02:00:00:00:00:01", "--zone=dmz --change-interface=eth1", "--zone=work --add-interface=ppp+",
			"--add-port=514/udp", "--add-port=2000-2010/sctp", "--add-source-port=53/udp", "--add-protocol=gre", "--add-protocol=99",
			"--add-service=ftp", "--add-service=samba", "--add-service=llmnr", "--add-service=docker-swarm",
			"--add-icmp-block=echo-request", "--add-icmp-block=host-prohibited", "--add-icmp-block=ttl-zero-during-transit",
			"--zone=dmz --add-icmp-block-inversion", "--zone=dmz --add-icmp-block=redirect",
			"--add-masquerade", "--add-forward-port=port=80:proto=tcp:toport=8080", "--add-forward-port=port=81-90:proto=tcp:toport=8081:toaddr=192.0.2.9",
			"--add-forward-port=port=443:proto=tcp:toaddr=192.0.2.9",
			"--add-rich-rule='rule family=ipv4 source NOT address=192.0.2.0/25 port port=22 protocol=tcp log prefix=SSH level=notice limit value=3/m reject'",
			"--add-rich-rule='rule family=ipv6 source address=2001:db8::/32 service name=mdns drop'",
			"--add-rich-rule='rule family=ipv4 port port=5000 protocol=tcp reject type=tcp-reset'",
			"--add-rich-rule='rule family=ipv4 protocol value=esp reject type=icmp-host-prohibited'",
			"--add-rich-rule='rule family=ipv6 port port=5001 protocol=udp reject type=icmp6-addr-unreachable'",
			"--add-rich-rule='rule service name=http log level=debug accept limit value=9/h'",
			"--add-rich-rule='rule port port=1 protocol=tcp reject'",
			"--add-rich-rule='rule source mac=00:00:00:00:00:07 source-port port=9 protocol=udp accept'",
			"--add-rich-rule='rule source ipset=b6 drop'", "--add-rich-rule='rule source NOT ipset=hm icmp-type name=echo-reply accept'",
			"--add-rich-rule='rule priority=7 family=ipv4 log prefix=last accept'", "--add-rich-rule='rule priority=-7 service name=ssh accept'",
			"--add-rich-rule='rule family=ipv4 masquerade'", "--add-rich-rule='rule family=ipv4 source address=192.0.2.1 forward-port port=8 protocol=tcp to-port=9'",
			"--add-rich-rule='rule icmp-block name=redirect'", "--add-rich-rule='rule port port=7 protocol=tcp mark set=0x10'",
			"--add-rich-rule='rule protocol value=icmp accept'",
			"--direct --add-rule ipv4 filter INPUT 0 -p tcp --dport 514 -s 192.0.2.0/24 -j REJECT", "--panic-on",
		} {
			if out, errs, status := m.shell("root", "firewall-cmd "+run); status != 0 || errs != "" {
				t.Fatalf("%s: %d %s%s", run, status, out, errs)
			}
		}
		rules = m.filter.rules
	})
	if t.Failed() {
		return
	}
	conn, err := nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error {
		c.SetReadBuffer(8 << 20)
		return c.SetWriteBuffer(8 << 20)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := nftnl.Apply(conn, rules); err != nil {
		t.Fatal(err)
	}
	data, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	got := groupText.ReplaceAllStringFunc(string(data), func(s string) string {
		n, _ := strconv.Atoi(strings.Fields(s)[1])
		level, _ := nft.LevelOfGroup(uint16(n))
		return strings.TrimPrefix(nft.Log{Level: level}.String(), "log")
	})
	// iptables' REJECT is the default of its own family's tables.
	got = strings.Replace(got, "192.0.2.0/24 reject\n", "192.0.2.0/24 reject with icmp port-unreachable\n", 1)
	want := unkept.ReplaceAllString(helperText.ReplaceAllString(rules.String(), ""), "")
	got = strings.ReplaceAll(got, "log prefix \"\"", "log")
	for _, line := range strings.Split(want, "\n") {
		if strings.Contains(line, "ct helper") {
			t.Errorf("left: %s", line)
		}
	}
	if d := diff(got, want); d != "" {
		t.Error(d)
	}
}
