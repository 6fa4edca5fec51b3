package main

import (
	_ "embed"
	"os"
	"strings"
	"testing"

	"enshu/sim/peer"
)

// postfixFiles are the real Postfix and other people's mail clients.
var postfixFiles = []string{"usr/sbin/post*", "usr/sbin/sendmail", "usr/sbin/smtp-source", "usr/lib/postfix", "usr/bin/s-nail", "usr/bin/swaks",
	"usr/lib/*/perl5", "etc/postfix"}

//go:embed testdata/postfix-instance.sh
var postfixInstance string

//go:embed testdata/mail-ours.sh
var mailOurs string

//go:embed testdata/mail-real.sh
var mailReal string

//go:embed testdata/smtp-tls.py
var smtpTLS string

// TestRealPostfix has the real Postfix relay to ours and ours to the real one,
// both with TLS that is checked against a CA of the lab, and lets other people's
// clients hand in mail: smtp-source, sendmail, s-nail, swaks, openssl and Python's
// smtplib, with and without TLS and passwords.
func TestRealPostfix(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("real Postfix needs root")
	}
	real := newPeerLab(t, "mailpeers", "real", postfixFiles...)
	ours := real.at("ours")
	keys := ours.run("", mailOurs)
	real.run(postfixInstance, "cat > /root/instance.sh")
	real.run(smtpTLS, "cat > /root/smtp-tls.py")
	real.run(keys, "mkdir -p /root/tls && tar -x -C /root/tls")
	for _, line := range strings.Split(strings.TrimSpace(real.run("", strings.ReplaceAll(mailReal, "PEERS", peer.InHost))), "\n") {
		if line != "" {
			t.Error(line)
		}
	}
	// What arrived: each mail once, under the subject of its way.
	got := ours.run("", `for i in $(seq 300); do [ $(grep -c '^Subject: ' /var/spool/mail/usera) -ge 11 ] && break; sleep 0.1; done; grep '^Subject: ' /var/spool/mail/usera | sort`)
	want := []string{"by login over TLS", "by plain over TLS", "by python over TLS", "by real postfix", "by real postfix again", "by real s-nail", "by swaks", "by swaks over TLS", "from smtp-source", "from smtp-source", "from smtp-source"}
	if got := strings.ReplaceAll(strings.TrimSpace(got), "Subject: ", ""); got != strings.Join(want, "\n") {
		t.Errorf("the mailbox has\n%s\nwant\n%s\n%s", got, strings.Join(want, "\n"), ours.run("", "tail -50 /var/log/maillog"))
	}
	// And back: ours relays to the real one, which wants TLS.
	ours.run("", `echo one | mail -s "by ours" usera@real.example; echo two | mail -s "by ours" usera@real.example nosuch@real.example`)
	back := real.run("", `for i in $(seq 300); do [ $(grep -cs '^Subject: by ours' /root/pf/real/mail/usera) -ge 2 ] && break; sleep 0.1; done; grep -c '^Subject: by ours' /root/pf/real/mail/usera; grep -c 'with ESMTPS id' /root/pf/real/mail/usera`)
	if back != "2\n2\n" {
		t.Errorf("the real one has got (mails, over TLS): %q\n%s", back, ours.run("", "tail -30 /var/log/maillog; mailq"))
	}
	if log := ours.run("", `for i in $(seq 100); do grep -q nosuch@real.example.*bounced /var/log/maillog && break; sleep 0.1; done; grep -e 'TLS connection established to' -e nosuch@real /var/log/maillog`); !strings.Contains(log, "Verified TLS connection established to real.example[192.0.2.12]:25") ||
		!strings.Contains(log, "said: 550 5.1.1 <nosuch@real.example>: Recipient address rejected: User unknown in local recipient table (in reply to RCPT TO command)") {
		t.Errorf("the log of ours has\n%s", log)
	}
}
