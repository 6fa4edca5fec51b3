package smtpd

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"enshu/sim/host"
	"enshu/sim/postfix/conf"
)

// AUTH (RFC 4954) with the two mechanisms that send the password itself, PLAIN
// (RFC 4616) and LOGIN. Whether a password is right is for saslauthd(8) to say,
// as /etc/sasl2/smtpd.conf has it on EL9: smtpd(8) may not read /etc/shadow.

// saslSocket is where saslauthd(8) listens.
const saslSocket = "/run/saslauthd/mux"

// saslMechanisms are what smtpd(8) offers, in the order of the EHLO reply.
var saslMechanisms = []string{"PLAIN", "LOGIN"}

var (
	errSASLDown   = errors.New("generic failure")
	errSASLDenied = errors.New("authentication failure")
)

// authMechanisms returns what a client may use now. Both mechanisms show the
// password: noplaintext among the security options leaves none.
func (c *session) authMechanisms() []string {
	if !c.Conf.Bool("smtpd_sasl_auth_enable") || c.alone || c.Conf.Bool("smtpd_tls_auth_only") && !c.tls {
		return nil
	}
	if exempt, _ := c.noAuth.Match(c.Log, c.name, c.addr.String()); exempt {
		return nil
	}
	param := "smtpd_sasl_security_options"
	if c.tls {
		param = "smtpd_sasl_tls_security_options"
	}
	for _, o := range c.Conf.List(param) {
		if o == "noplaintext" {
			return nil
		}
	}
	return saslMechanisms
}

func (c *session) cmdAUTH(ctx context.Context, arg string) bool {
	fail := func(reply string) bool { c.reply(ctx, reply); return false }
	words := strings.Fields(arg)
	switch {
	case c.helo == "":
		return fail("503 5.5.1 Error: send HELO/EHLO first")
	case !c.Conf.Bool("smtpd_sasl_auth_enable"):
		return fail("503 5.5.1 Error: authentication not enabled")
	case c.mail:
		return fail("503 5.5.1 Error: MAIL transaction in progress")
	case c.Conf.Bool("smtpd_tls_auth_only") && !c.tls:
		return fail("538 5.7.0 Encryption required for requested authentication mechanism")
	case c.user != "":
		return fail("503 5.5.1 Error: already authenticated")
	case len(words) < 1 || len(words) > 2:
		return fail("501 5.5.4 Syntax: AUTH mechanism")
	}
	mechanism := strings.ToUpper(words[0])
	offered := false
	for _, m := range c.authMechanisms() {
		offered = offered || m == mechanism
	}
	if !offered {
		return c.authFailed(ctx, words[0], "no mechanism available")
	}
	initial := ""
	if len(words) == 2 {
		initial = words[1]
	}
	user, password, err := c.credentials(ctx, mechanism, initial)
	switch {
	case errors.Is(err, errLost):
		return false
	case errors.Is(err, errAborted):
		c.Log.Warning("%s: SASL %s authentication aborted", c.namaddr(), mechanism)
		return fail("501 5.7.0 Authentication aborted")
	case err != nil:
		return c.authFailed(ctx, mechanism, err.Error())
	}
	if err := checkPassword(ctx, c.Proc, user, password, c.Conf.Get("smtpd_sasl_service"), c.Conf.Get("smtpd_sasl_local_domain")); err != nil {
		if errors.Is(err, errSASLDown) {
			c.Log.Warning("SASL authentication failure: cannot connect to saslauthd server: No such file or directory")
		}
		if mechanism == "PLAIN" {
			c.Log.Warning("SASL authentication failure: Password verification failed")
		}
		return c.authFailed(ctx, mechanism, err.Error())
	}
	c.user, c.mechanism = user, mechanism
	c.reply(ctx, "235 2.7.0 Authentication successful")
	return true
}

func (c *session) authFailed(ctx context.Context, mechanism, why string) bool {
	c.Log.Warning("%s: SASL %s authentication failed: %s", c.namaddr(), mechanism, why)
	c.mask["protocol"] = true
	c.reply(ctx, "535 5.7.8 Error: authentication failed: "+why)
	return false
}

var (
	errAborted    = errors.New("authentication aborted")
	errBadRequest = errors.New("bad protocol / cancel")
)

// credentials gets a name and a password out of the client.
func (c *session) credentials(ctx context.Context, mechanism, initial string) (user, password string, err error) {
	answer := func(challenge string) (string, error) {
		c.reply(ctx, "334 "+base64.StdEncoding.EncodeToString([]byte(challenge)))
		line, _, err := c.readLine()
		if err != nil {
			c.lost(ctx, err, "")
			c.fatal = errLost
			return "", errLost
		}
		if line == "*" {
			return "", errAborted
		}
		return line, nil
	}
	decode := func(s string) (string, error) {
		if s == "=" {
			return "", nil
		}
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil || len(s) > c.Conf.Int("smtpd_sasl_response_limit") {
			return "", errBadRequest
		}
		return string(b), nil
	}
	ask := func(challenge string) (string, error) {
		s, err := answer(challenge)
		if err != nil {
			return "", err
		}
		return decode(s)
	}
	if mechanism == "LOGIN" {
		if initial == "" {
			user, err = ask("Username:")
		} else {
			user, err = decode(initial)
		}
		if err == nil {
			password, err = ask("Password:")
		}
		return user, password, err
	}
	if initial == "" {
		initial, err = answer("")
	}
	if err != nil {
		return "", "", err
	}
	text, err := decode(initial)
	if err != nil {
		return "", "", err
	}
	f := strings.Split(text, "\x00") // authorization, authentication, password
	if len(f) != 3 || f[1] == "" || f[0] != "" && f[0] != f[1] {
		return "", "", errBadRequest
	}
	return f[1], f[2], nil
}

// checkPassword asks saslauthd(8).
func checkPassword(ctx context.Context, p *host.Proc, user, password, service, realm string) error {
	if user == "" || password == "" || len(user) > 256 || len(password) > 1000 {
		return errSASLDenied
	}
	conn, err := p.Sys.Dial(ctx, "unix", saslSocket)
	if err != nil {
		return errSASLDown
	}
	defer conn.Close()
	var b []byte
	for _, s := range []string{user, password, service, realm} {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	if _, err := conn.Write(b); err != nil {
		return errSASLDown
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(conn, head); err != nil {
		return errSASLDown
	}
	if string(head[2:]) != "OK" {
		return errSASLDenied
	}
	return nil
}

// loginMismatch is reject_sender_login_mismatch and its two halves: who may use
// a sender address is what smtpd_sender_login_maps says.
func (c *session) loginMismatch(authenticated, stranger bool) string {
	owners, _, found, err := c.senderLogins.Address(c.Log, c.sender, c.Conf.Get("recipient_delimiter"), func(string) bool { return false }, true)
	if err != nil {
		return fmt.Sprintf("451 4.3.0 <%s>: Temporary lookup failure", c.rawFrom)
	}
	if c.user == "" {
		if found && stranger {
			return fmt.Sprintf("553 5.7.1 <%s>: Sender address rejected: not logged in", c.rawFrom)
		}
		return ""
	}
	for _, o := range conf.SplitList(owners) {
		if strings.EqualFold(o, c.user) {
			return ""
		}
	}
	if authenticated && (found || c.sender != "") {
		return fmt.Sprintf("553 5.7.1 <%s>: Sender address rejected: not owned by user %s", c.rawFrom, c.user)
	}
	return ""
}
