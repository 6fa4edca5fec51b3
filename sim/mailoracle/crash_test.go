package mailoracle

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

// crashes is how many times TestCrash kills the mail system.
const crashes = 200

// TestCrash kills master and everything that it started at random points while
// mail flows, and starts it again: every mail that sendmail took is delivered
// exactly once. A point is just before some call of a daemon into the kernel,
// so that each step of the road of a mail is cut off some time.
func TestCrash(t *testing.T) {
	const rounds = 4 // in one life of a host
	first := uint64(0)
	if s := os.Getenv("MAIL_CRASH_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first = n
	}
	var base *oracleCase
	for _, c := range loadCases(t) {
		if c.Case == "local-root-to-usera" {
			base = c
		}
	}
	for seed := first; seed < first+crashes/rounds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { crashHost(t, newWorld(t, base), seed, rounds) })
		})
	}
}

// crashHost sends mail to a mailbox, through an alias, through a .forward file
// and to nobody, and crashes the mail system again and again meanwhile.
func crashHost(t *testing.T, w *world, seed uint64, rounds int) {
	h := w.hosts["hosta"]
	h.WriteFile("/etc/aliases", h.ReadFile("/etc/aliases")+"team: userb, userc\n")
	h.Run("/usr/bin/newaliases")
	h.WriteFile("/home/usera/.forward", "\\usera, userc\n")
	h.Chown("/home/usera/.forward", 1001, 1001)
	r := rand.New(rand.NewPCG(seed, 1))
	to := []string{"usera", "team", "userb", "nobody-here"}
	mails := 0
	for range rounds {
		var calls atomic.Int64
		at := int64(1 + r.IntN(300))
		h.OnCall(func(pid int) {
			if isPostfix(h, pid) && calls.Add(1) == at {
				killPostfix(h)
			}
		})
		for range 3 {
			res := h.RunCmd(host.Cmd{Args: []string{"/usr/sbin/sendmail", "-f", "root", to[mails%len(to)]},
				Stdin: strings.NewReader(fmt.Sprintf("Subject: mail %02d.\n\nx\n", mails))})
			if !res.Status.Success() {
				t.Fatalf("sendmail: %v %s", res.Status, res.Stderr)
			}
			mails++
		}
		time.Sleep(2 * time.Second)
		h.OnCall(nil)
		killPostfix(h) // one that has not reached its point
		time.Sleep(time.Second)
		if res := h.Run("/usr/sbin/postfix", "start"); !res.Status.Success() {
			t.Fatalf("start: %v %s", res.Status, res.Stderr)
		}
	}
	time.Sleep(6 * time.Hour) // the locks of killed processes have to grow old first
	boxes := map[string][]string{"usera": {"usera", "userc"}, "team": {"userb", "userc"}, "userb": {"userb"}, "nobody-here": {"root"}}
	for _, user := range []string{"root", "usera", "userb", "userc"} {
		box := ""
		if _, err := h.Sys().Stat("/var/spool/mail/" + user); err == nil {
			box = h.ReadFile("/var/spool/mail/" + user)
		}
		for i := range mails {
			want := 0
			for _, u := range boxes[to[i%len(to)]] {
				if u == user {
					want++
				}
			}
			if n := strings.Count(box, fmt.Sprintf("Subject: mail %02d.", i)); n != want {
				t.Errorf("mail %02d to %s was delivered %d times to %s, want %d", i, to[i%len(to)], n, user, want)
			}
		}
	}
	if t.Failed() {
		t.Log("\n" + strings.Join(w.log("hosta"), "\n"))
	}
}

func isPostfix(h *memnet.Host, pid int) bool {
	for _, p := range h.Processes() {
		if p.PID == pid {
			return strings.HasPrefix(p.Path, "/usr/libexec/postfix/")
		}
	}
	return false
}

func killPostfix(h *memnet.Host) {
	for _, p := range h.Processes() {
		if strings.HasPrefix(p.Path, "/usr/libexec/postfix/") {
			h.Sys().Kill(p.PID, syscall.SIGKILL)
		}
	}
}
