package saslauthd

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// Version is that of the package cyrus-sasl of EL9.
const Version = "2.1.27"

// maxField bounds a string of a request.
const maxField = 1024

// Daemon is /usr/sbin/saslauthd (saslauthd(8)). The systemd unit runs it in the
// foreground, for it is ready when its socket is.
func Daemon(ctx context.Context, p *host.Proc) int {
	options, _, err := libc.Getopt(p.Args[1:], "a:cdhlm:n:O:rs:t:vV", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %s\n", p.Name(), err)
		return 1
	}
	mechanism, dir := "", "/run/saslauthd"
	for _, o := range options {
		switch o.Name {
		case "a":
			mechanism = o.Value
		case "m":
			dir = strings.TrimSuffix(o.Value, "/mux")
		case "v":
			fmt.Fprintf(p.Stderr, "saslauthd %s\nauthentication mechanisms: pam shadow\n", Version)
			return 0
		}
	}
	log := func(format string, args ...any) {
		libc.Syslog(p, syslog.Make(syslog.Auth, syslog.Info), "saslauthd", p.PID, fmt.Sprintf(format, args...))
	}
	fatal := func(text string) int {
		fmt.Fprintf(p.Stderr, "saslauthd[%d] :%s\n", p.PID, text)
		return 1
	}
	switch mechanism {
	case "pam", "shadow":
	case "":
		return fatal("no authentication mechanism specified")
	default:
		return fatal("unknown authentication mechanism: " + mechanism)
	}
	p.Sys.Mkdir(dir, 0o755)
	mux := dir + "/mux"
	p.Sys.Remove(mux)
	ln, err := p.Sys.Listen("unix", mux)
	if err != nil {
		return fatal("could not bind to socket: " + mux + ": " + libc.Strerror(err))
	}
	p.Sys.Chmod(mux, 0o777)
	log("detach_tty      : master pid is: %d", p.PID)
	log("ipc_init        : listening on socket: %s", mux)
	p.Go(func() {
		p.Clock.Timeline().NewWait().Sleep(ctx)
		p.Sys.Remove(mux)
		ln.Close()
	})
	p.Ready()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return 0
		}
		p.Go(func() {
			defer conn.Close()
			serve(ctx, p, conn, mechanism, log)
		})
	}
}

// serve answers one question.
func serve(ctx context.Context, p *host.Proc, conn net.Conn, mechanism string, log func(string, ...any)) {
	conn.SetDeadline(p.Now().Add(30 * time.Second))
	r := bufio.NewReader(conn)
	var f [4]string // user, password, service, realm
	for i := range f {
		var err error
		if f[i], err = readField(r); err != nil {
			return
		}
	}
	shadow, ok := libc.ShadowByName(p, f[0])
	today := int(p.Now().Unix() / 86400)
	switch {
	case ok && shadow.Hash != "" && shadow.Matches(f[1]) && (shadow.Expire < 0 || today < shadow.Expire):
		writeField(conn, "OK")
	default:
		p.Sleep(ctx, 2*time.Second) // pam_unix makes guessing slow
		log("do_auth         : auth failure: [user=%s] [service=%s] [realm=%s] [mech=%s] [reason=PAM auth error]", f[0], f[2], f[3], mechanism)
		writeField(conn, "NO")
	}
}

func readField(r io.Reader) (string, error) {
	var n uint16
	if err := binary.Read(r, binary.BigEndian, &n); err != nil {
		return "", err
	}
	if n > maxField {
		return "", syscall.EMSGSIZE
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return string(b), err
}

func writeField(w io.Writer, s string) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...))
	return err
}

// Test is /usr/sbin/testsaslauthd: it asks saslauthd about a user.
func Test(ctx context.Context, p *host.Proc) int {
	options, _, err := libc.Getopt(p.Args[1:], "u:p:r:s:f:R:", nil)
	mux, user, password, service, realm := "/run/saslauthd/mux", "", "", "imap", ""
	for _, o := range options {
		switch o.Name {
		case "u":
			user = o.Value
		case "p":
			password = o.Value
		case "s":
			service = o.Value
		case "r":
			realm = o.Value
		case "f":
			mux = o.Value
		}
	}
	if err != nil || user == "" || password == "" {
		fmt.Fprintf(p.Stderr, "%s: usage: %s -u username -p password\n              [-r realm] [-s servicename]\n              [-f socket path] [-R repeatnum]\n", p.Args[0], p.Args[0])
		return 254
	}
	conn, err := p.Sys.Dial(ctx, "unix", mux)
	if err != nil {
		fmt.Fprintf(p.Stdout, "0: NO \"authentication failed\"\n")
		return 255
	}
	defer conn.Close()
	for _, s := range []string{user, password, service, realm} {
		if writeField(conn, s) != nil {
			break
		}
	}
	answer, err := readField(conn)
	if err != nil || !strings.HasPrefix(answer, "OK") {
		fmt.Fprintf(p.Stdout, "0: NO \"authentication failed\"\n")
		return 255
	}
	fmt.Fprintf(p.Stdout, "0: OK \"Success.\"\n")
	return 0
}
