package bus

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// Socket is where PID 1 listens for clients.
const Socket = "/run/systemd/private"

// Conn is a client's connection to PID 1.
type Conn struct {
	conn net.Conn
	in   *bufio.Reader
}

// ErrNoBus is what clients say when PID 1 is not this package's.
var ErrNoBus = errors.New("System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down") //nolint:staticcheck // the real text

func Dial(ctx context.Context, p *host.Proc) (*Conn, error) {
	conn, err := p.Sys.Dial(ctx, "unix", Socket)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNoBus
	}
	if err != nil {
		return nil, fmt.Errorf("Failed to connect to bus: %s", libc.Strerror(err)) //nolint:staticcheck // the real text
	}
	return &Conn{conn, bufio.NewReader(conn)}, nil
}

func (b *Conn) Close() { b.conn.Close() }

// Call sends a request and waits for its answer. An error of PID 1 is an *errUnit.
func (b *Conn) Call(r Request) (Reply, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return Reply{}, err
	}
	if _, err := b.conn.Write(append(line, '\n')); err != nil {
		return Reply{}, err
	}
	answer, err := b.in.ReadBytes('\n')
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = syscall.ECONNRESET
		}
		return Reply{}, err
	}
	var rep Reply
	if err := json.Unmarshal(answer, &rep); err != nil {
		return Reply{}, err
	}
	if rep.Error != "" {
		return rep, &Error{rep.Error, rep.Text}
	}
	return rep, nil
}
