package login

import (
	"strings"
	"testing"
	"testing/synctest"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

func TestPasswd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		h := newHost(t, memnet.New(t), &log)
		for _, tt := range []struct {
			args, stdin, stdout, stderr string
			status                      int
		}{
			{"passwd --stdin usera", "a new secret\n", "Changing password for user usera.\npasswd: all authentication tokens updated successfully.\n", "", 0},
			{"passwd usera", "short\nshort\n", "Changing password for user usera.\nNew password: Retype new password: passwd: all authentication tokens updated successfully.\n",
				"BAD PASSWORD: The password is shorter than 8 characters\n", 0},
			{"passwd usera", "one of them\nthe other\n", "Changing password for user usera.\nNew password: Retype new password: ",
				"Sorry, passwords do not match.\npasswd: Authentication token manipulation error\n", 1},
			{"passwd -S usera", "", "usera PS 2026-11-22 0 99999 7 -1 (Password set, SHA512 crypt.)\n", "", 0},
			{"passwd -l usera", "", "Locking password for user usera.\npasswd: Success\n", "", 0},
			{"passwd -S usera", "", "usera LK 2026-11-22 0 99999 7 -1 (Password locked.)\n", "", 0},
			{"passwd -u usera", "", "Unlocking password for user usera.\npasswd: Success\n", "", 0},
			{"passwd -x 90 -w 14 usera", "", "Adjusting aging data for user usera.\npasswd: Success\n", "", 0},
			{"passwd -S usera", "", "usera PS 2026-11-22 0 90 14 -1 (Password set, SHA512 crypt.)\n", "", 0},
			{"passwd nosuch", "", "", "passwd: Unknown user name 'nosuch'.\n", 1},
			{"passwd --nosuch", "", "", "passwd: bad argument --nosuch: unknown option\n", 252},
			{"/usr/libexec/usera/passwd usera", "", "", "passwd: Only root can specify a user name.\n", 1},
			{"/usr/libexec/usera/passwd", "wrong\n", "Changing password for user usera.\nCurrent password: ", "passwd: Authentication token manipulation error\n", 1},
			{"/usr/libexec/usera/passwd", "short\na better one\na better one\n",
				"Changing password for user usera.\nCurrent password: New password: Retype new password: passwd: all authentication tokens updated successfully.\n", "", 0},
		} {
			r := h.RunCmd(host.Cmd{Args: strings.Fields(tt.args), Stdin: strings.NewReader(tt.stdin)})
			if r.Stdout != tt.stdout || r.Stderr != tt.stderr || r.Status.Shell() != tt.status {
				t.Errorf("%s: got %q, %q, %v; want %q, %q, %d", tt.args, r.Stdout, r.Stderr, r.Status, tt.stdout, tt.stderr, tt.status)
			}
		}
		hash := strings.Split(strings.Split(h.ReadFile("/etc/shadow"), "usera:")[1], ":")[0]
		if got, _ := libc.Crypt("a better one", hash); got != hash {
			t.Errorf("the password is not the last one: %s", hash)
		}
		if all := strings.Join(texts(log), "\n"); !strings.Contains(all, "pam_unix(passwd:chauthtok): password changed for usera") {
			t.Errorf("the log has nothing of it:\n%s", all)
		}
	})
}
