package logs

import (
	"testing"
)

func TestConfigFault(t *testing.T) {
	for line, want := range map[string]bool{
		"error: app:1 unexpected text after }": true,
		"error: error stat()ing state file /var/lib/logrotate/logrotate.status: No such file or directory": false,
		"error: stat of /var/log/app.log failed: No such file or directory":                                false,
		"considering log /var/log/error:":                                                                  false,
	} {
		if got := configFault(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
