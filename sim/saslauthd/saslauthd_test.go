package saslauthd

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

// TestPasswords asks about users of a host as testsaslauthd does.
func TestPasswords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := memnet.New(t).Host(t, memnet.Config{Name: "mail", Programs: map[string]host.Program{"/usr/sbin/saslauthd": Daemon, "/usr/sbin/testsaslauthd": Test}})
		hash, _ := libc.Crypt("secret", "$6$rounds=1000$salt$")
		h.WriteFile("/etc/shadow", fmt.Sprintf("usera:%s:19700:0:99999:7:::\nlocked:!%s:19700:0:99999:7:::\nnone::19700:0:99999:7:::\ngone:%s:19700:0:99999:7::1:\n", hash, hash, hash))
		h.Chmod("/etc/shadow", 0)
		if res := h.Run("/usr/sbin/testsaslauthd", "-u", "usera", "-p", "secret"); res.Status.Code != 255 {
			t.Errorf("without a daemon: status %v", res.Status)
		}
		h.Start("/usr/sbin/saslauthd", "-d", "-a", "pam")
		for _, c := range []struct {
			user, password string
			ok             bool
		}{{"usera", "secret", true}, {"usera", "Secret", false}, {"usera", strings.Repeat("x", 2000), false}, {"locked", "secret", false},
			{"none", "x", false}, {"gone", "secret", false}, {"nobody", "secret", false}} {
			res := h.Run("/usr/sbin/testsaslauthd", "-u", c.user, "-p", c.password)
			if got := res.Status.Success() && res.Stdout == "0: OK \"Success.\"\n"; got != c.ok {
				t.Errorf("user %s, password %.10s: %v %q", c.user, c.password, res.Status, res.Stdout)
			}
		}
		time.Sleep(time.Second)
	})
}

// TestArguments refuses what saslauthd does not know.
func TestArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := memnet.New(t).Host(t, memnet.Config{Name: "mail", Programs: map[string]host.Program{"/usr/sbin/saslauthd": Daemon}})
		for _, args := range [][]string{{"-d"}, {"-a", "ldap"}, {"-Z"}} {
			if res := h.Run(append([]string{"/usr/sbin/saslauthd"}, args...)...); res.Status.Success() {
				t.Errorf("%v: is taken", args)
			}
		}
	})
}
