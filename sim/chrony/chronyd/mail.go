package chronyd

import (
	"fmt"
	"math"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// sendmail is the program that takes mail on any host that has one.
const sendmail = "/usr/lib/sendmail"

// mailChange tells a user of a correction that is larger than mailonchange
// allows, through the host's sendmail.
func (d *daemon) mailChange(offset float64) {
	to := d.conf.MailUser
	if to == "" || !(math.Abs(offset) > d.conf.MailThreshold) {
		return
	}
	when := d.p.Now().In(libc.Zone(d.p))
	text := fmt.Sprintf("To: %s\nSubject: chronyd reports change to system clock on node [%s]\n\n"+
		"On %s\n  with the system clock reading %s\n\n"+
		"chronyd started to apply an adjustment of %.3f seconds to it,\n  which exceeded the reporting threshold of %.3f seconds\n\n",
		to, d.hostName(), when.Format("Monday, 02 January 2006"), when.Format("15:04:05 (MST)"), -offset, d.conf.MailThreshold)
	d.p.Go(func() {
		child, err := d.p.Start(host.Cmd{Path: sendmail, Args: []string{sendmail, "-t"}, Stdin: strings.NewReader(text)})
		var st host.Status
		if err == nil {
			st, err = child.Wait(d.ctx)
		}
		if err != nil || !st.Success() {
			d.post(func() { d.log.error("Could not send mail notification to user " + to) })
		}
	})
}

// hostName returns the host's name as the kernel has it.
func (d *daemon) hostName() string {
	if data, err := libc.ReadFile(d.p, "/proc/sys/kernel/hostname"); err == nil {
		return strings.TrimSpace(string(data))
	}
	return d.p.Host.Name
}
