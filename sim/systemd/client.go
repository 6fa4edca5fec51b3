package systemd

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

// privateSock is where PID 1 listens for clients.
const privateSock = "/run/systemd/private"

// bus is a client's connection to PID 1.
type bus struct {
	conn net.Conn
	in   *bufio.Reader
}

// errNoBus is what clients say when PID 1 is not this package's.
var errNoBus = errors.New("System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down") //nolint:staticcheck // the real text

func dialBus(ctx context.Context, p *host.Proc) (*bus, error) {
	conn, err := p.Sys.Dial(ctx, "unix", privateSock)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, errNoBus
	}
	if err != nil {
		return nil, fmt.Errorf("Failed to connect to bus: %s", libc.Strerror(err)) //nolint:staticcheck // the real text
	}
	return &bus{conn, bufio.NewReader(conn)}, nil
}

func (b *bus) close() { b.conn.Close() }

// call sends a request and waits for its answer. An error of PID 1 is an *errUnit.
func (b *bus) call(r request) (reply, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return reply{}, err
	}
	if _, err := b.conn.Write(append(line, '\n')); err != nil {
		return reply{}, err
	}
	answer, err := b.in.ReadBytes('\n')
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = syscall.ECONNRESET
		}
		return reply{}, err
	}
	var rep reply
	if err := json.Unmarshal(answer, &rep); err != nil {
		return reply{}, err
	}
	if rep.Error != "" {
		return rep, &errUnit{rep.Error, rep.Text}
	}
	return rep, nil
}
