package peer

import (
	"strings"
	"testing"
)

// TestPeersRun asks each real program for its version: whoever runs the tests
// of the suites has them, with the libraries that they load.
func TestPeersRun(t *testing.T) {
	for _, c := range []struct{ path, args, says string }{
		{"/usr/sbin/rsyslogd", "-v", "rsyslogd  8."},
		{"/usr/sbin/chronyd", "-v", "chronyd (chrony) version 4."},
		{"/usr/bin/chronyc", "-v", "chronyc (chrony) version 4."},
		{"/usr/sbin/postconf", "-c /nowhere -d mail_version", "mail_version = 3."},
		{"/usr/bin/s-nail", "-V", "v14."},
		{"/usr/bin/swaks", "--version", "swaks version"},
		{"/usr/sbin/logrotate", "--version", "logrotate 3."},
		{"/usr/bin/ntpdig", "--version", "ntpdig"},
		{"/usr/bin/logger", "--version", "util-linux"},
	} {
		t.Run(c.path, func(t *testing.T) {
			out, err := Command(t, c.path, strings.Fields(c.args)...).CombinedOutput()
			if !strings.Contains(string(out), c.says) {
				t.Errorf("%v: says %q, want %q", err, out, c.says)
			}
		})
	}
}
