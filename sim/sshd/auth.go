package sshd

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// failDelay is what a wrong password costs (pam_faildelay(8)).
const failDelay = 2 * time.Second

var errDenied = errors.New("permission denied")

// authentication is what the library asks of us. Its calls come on the thread
// that waits for it, which has given its token back.
func (c *client) authentication(ctx context.Context) *ssh.ServerConfig {
	held := func(f func() (*ssh.Permissions, error)) (*ssh.Permissions, error) {
		line := c.p.Clock.Timeline()
		line.Hold()
		defer line.Release()
		return f()
	}
	conf := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-OpenSSH_8.7",
		MaxAuthTries:  max(c.set.number("maxauthtries"), 1),
	}
	if c.set.yes("passwordauthentication") {
		conf.PasswordCallback = func(m ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			return held(func() (*ssh.Permissions, error) { return c.password(ctx, m.User(), string(password)) })
		}
	}
	if c.set.yes("pubkeyauthentication") {
		conf.PublicKeyCallback = func(m ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			return held(func() (*ssh.Permissions, error) { return c.publicKey(m.User(), key) })
		}
	}
	conf.BannerCallback = func(m ssh.ConnMetadata) (text string) {
		_, _ = held(func() (*ssh.Permissions, error) {
			c.meet(m.User())
			if file := c.set.one("banner"); file != "none" {
				data, _ := libc.ReadFile(c.p, file) // none that can be read is none
				text = string(data)
			}
			return nil, nil
		})
		return text
	}
	return conf
}

// meet looks at the user that the peer names, once a name.
func (c *client) meet(user string) {
	if c.user == user && user != "" {
		return
	}
	c.user, c.valid = user, false
	account, known := libc.UserByName(c.p, user)
	c.account = account
	var groups []string
	for _, g := range libc.Groups(c.p) {
		if known && (g.GID == account.GID || slices.Contains(g.Members, user)) {
			groups = append(groups, g.Name)
		}
	}
	c.set = c.conf.settings(&peer{user, groups, c.addr})
	if !known {
		c.log(syslog.Info, "Invalid user %s from %s", user, c.from())
		return
	}
	if why := c.notAllowed(groups); why != "" {
		c.log(syslog.Info, "User %s from %s not allowed because %s", user, c.addr, why)
		return
	}
	c.valid = true
}

// notAllowed says why an account may not log in, "" when it may
// (sshd_config(5), AllowUsers and its kin; the order is DenyUsers, AllowUsers,
// DenyGroups, AllowGroups).
func (c *client) notAllowed(groups []string) string {
	if shell := c.shell(); shell != "" {
		info, err := c.p.Sys.Stat(shell)
		switch {
		case err != nil:
			return "shell " + shell + " does not exist"
		case info.IsDir() || info.Mode()&0o111 == 0:
			return "shell " + shell + " is not executable"
		}
	}
	user := func(pattern string) bool {
		name, from, both := strings.Cut(pattern, "@")
		return matchPattern(c.user, name) && (!both || matchAddress(c.addr, from))
	}
	group := func(pattern string) bool {
		return slices.ContainsFunc(groups, func(g string) bool { return matchPattern(g, pattern) })
	}
	if slices.ContainsFunc(c.set.all("denyusers"), user) {
		return "listed in DenyUsers"
	}
	if allow := c.set.all("allowusers"); len(allow) > 0 && !slices.ContainsFunc(allow, user) {
		return "not listed in AllowUsers"
	}
	if slices.ContainsFunc(c.set.all("denygroups"), group) {
		return "a group is listed in DenyGroups"
	}
	if allow := c.set.all("allowgroups"); len(allow) > 0 && !slices.ContainsFunc(allow, group) {
		return "none of user's groups are listed in AllowGroups"
	}
	return ""
}

// shell is the account's.
func (c *client) shell() string {
	if c.account.Shell == "" {
		return "/bin/sh"
	}
	return c.account.Shell
}

// pam logs as pam_unix(8) does.
func (c *client) pam(sev syslog.Severity, kind, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	_ = libc.Syslog(c.p, syslog.Make(syslog.Authpriv, sev), "sshd", c.p.PID, fmt.Sprintf("pam_unix(sshd:%s): %s", kind, text))
}

// userText is the user as the log names one of whom the account says little.
func (c *client) userText() string {
	if !c.valid {
		return "invalid user " + c.user
	}
	return c.user
}

// rootMay reports whether root may log in by a method.
func (c *client) rootMay(method string) bool {
	switch strings.ToLower(c.set.one("permitrootlogin")) {
	case "yes":
		return true
	case "no":
		return false
	case "forced-commands-only":
		return method == "publickey" && c.forced != ""
	}
	return method != "password"
}

func (c *client) password(ctx context.Context, user, password string) (*ssh.Permissions, error) {
	c.meet(user)
	shadow, known := libc.ShadowByName(c.p, user)
	good := known && c.valid && shadow.Matches(password) && (password != "" || c.set.yes("permitemptypasswords"))
	if good && (c.account.UID != 0 || c.rootMay("password")) {
		if !c.expired(shadow) {
			return permissions("password", ""), nil
		}
		good = false
	}
	if !good {
		// What fails for another reason fails without a word of pam_unix.
		if !c.valid && c.account.Name == "" {
			c.pam(syslog.Notice, "auth", "check pass; user unknown")
		}
		c.failures++
		if c.failures == 1 {
			c.pam(syslog.Notice, "auth", "%s", c.failureText())
		}
		// Interrupted or not, the answer is no.
		_ = c.p.Sleep(ctx, failDelay)
	}
	c.log(syslog.Info, "Failed password for %s from %s ssh2", c.userText(), c.from())
	c.noteFailure()
	return nil, errDenied
}

// failureText is what pam_unix says of a wrong password.
func (c *client) failureText() string {
	text := fmt.Sprintf("authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%s ", c.addr)
	if c.account.Name != "" {
		text += " user=" + c.user
	}
	return text
}

// moreFailures is what pam_unix says at the end of failures after the first.
func (c *client) moreFailures() {
	if c.failures > 1 {
		s := "s"
		if c.failures == 2 {
			s = ""
		}
		_ = libc.Syslog(c.p, syslog.Make(syslog.Authpriv, syslog.Notice), "sshd", c.p.PID,
			fmt.Sprintf("PAM %d more authentication failure%s; %s", c.failures-1, s, strings.TrimPrefix(c.failureText(), "authentication failure; ")))
	}
	c.failures = 0
}

// expired reports whether the account has ended, and logs it.
func (c *client) expired(s libc.Shadow) bool {
	if s.Expire < 0 || int(c.p.Now().Unix()/86400) < s.Expire {
		return false
	}
	c.pam(syslog.Notice, "account", "account %s has expired (account expired)", c.user)
	c.log(syslog.Info, "Access denied for user %s by PAM account configuration [preauth]", c.user)
	return true
}

func (c *client) publicKey(user string, key ssh.PublicKey) (*ssh.Permissions, error) {
	c.meet(user)
	if !c.valid {
		return nil, errDenied
	}
	for _, file := range c.set.all("authorizedkeysfile") {
		if file == "none" {
			continue
		}
		file = strings.NewReplacer("%h", c.account.Dir, "%u", c.user, "%%", "%").Replace(file)
		if !strings.HasPrefix(file, "/") {
			file = path.Join(c.account.Dir, file)
		}
		data, err := libc.ReadFile(c.p, file)
		if err != nil {
			continue
		}
		if c.set.yes("strictmodes") {
			if what := badModes(c.p, c.account, file); what != "" {
				c.log(syslog.Info, "Authentication refused: bad ownership or modes for %s", what)
				continue
			}
		}
		allowed, ok := findKey(data, key)
		if !ok {
			continue
		}
		if from, limited := allowed.option("from"); limited && !matchAddress(c.addr, from) {
			c.log(syslog.Info, "Authentication tried for %s with correct key but not from a permitted host (host=%s, ip=%s, required=%s).",
				c.user, c.addr, c.addr, from)
			continue
		}
		c.forced, _ = allowed.option("command")
		_, restrict := allowed.option("restrict")
		_, noPty := allowed.option("no-pty")
		c.noPty = restrict || noPty
		if c.account.UID == 0 && !c.rootMay("publickey") {
			return nil, errDenied
		}
		kind := strings.ToUpper(strings.TrimPrefix(strings.TrimPrefix(key.Type(), "ssh-"), "ecdsa-"))
		if strings.HasPrefix(kind, "SHA2-") {
			kind = "ECDSA"
		}
		return permissions("publickey", ": "+kind+" "+ssh.FingerprintSHA256(key)), nil
	}
	return nil, errDenied
}

// permissions carries how somebody came in to the end of the authentication.
func permissions(method, detail string) *ssh.Permissions {
	return &ssh.Permissions{Extensions: map[string]string{"method": method, "detail": detail}}
}

// admit begins the session of a user who has proved to be one. It reports false
// when nobody may come in.
func (c *client) admit(p *ssh.Permissions) bool {
	c.log(syslog.Info, "Accepted %s for %s from %s ssh2%s", p.Extensions["method"], c.user, c.from(), p.Extensions["detail"])
	c.moreFailures()
	if shadow, ok := libc.ShadowByName(c.p, c.user); ok && p.Extensions["method"] != "password" && c.expired(shadow) {
		return false
	}
	if c.account.UID != 0 {
		for _, file := range []string{"/run/nologin", "/etc/nologin"} {
			if libc.Exists(c.p, file) {
				c.log(syslog.Info, "User %s not allowed because %s exists", c.user, file)
				return false
			}
		}
	}
	c.pam(syslog.Info, "session", "session opened for user %s(uid=%d) by (uid=0)", c.user, c.account.UID)
	return true
}

func (c *client) closed() { c.pam(syslog.Info, "session", "session closed for user %s", c.user) }
