package firewalld

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"

	"enshu/sim/firewalld/conf"
	"enshu/sim/host"
)

// socketPath is where firewalld listens for firewall-cmd: one JSON request a
// line, one answer a line. It stands in for the D-Bus interface.
const socketPath = "/run/firewalld/firewalld.sock"

// request is one call, named as the options of firewall-cmd name it.
type request struct {
	Op        string    // "add", "query", "list-all" …
	Permanent bool      `json:",omitempty"`
	Zone      string    `json:",omitempty"` // "" is the default zone
	Policy    string    `json:",omitempty"` // "" when it is about a zone
	Of        conf.Kind `json:",omitempty"` // of the definition
	Kind      string    `json:",omitempty"` // of the element
	Args      []string  `json:",omitempty"`
	Timeout   int       `json:",omitempty"` // seconds, 0 for ever
}

// reply is the answer.
type reply struct {
	Error    string         `json:",omitempty"`
	Yes      bool           `json:",omitempty"`
	List     []string       `json:",omitempty"`
	Zones    []*conf.Zone   `json:",omitempty"`
	Policies []*conf.Policy `json:",omitempty"`
	Service  *conf.Service  `json:",omitempty"`
	IPSet    *conf.IPSet    `json:",omitempty"`
	ICMPType *conf.ICMPName `json:",omitempty"`
	Helper   *conf.Helper   `json:",omitempty"`
	Number   int            `json:",omitempty"`
}

// maxMessage bounds a line of the protocol.
const maxMessage = 4 << 20

// client is firewall-cmd's end of the socket.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

// errNotRunning is that nothing listens.
var errNotRunning = &conf.Error{Code: "NOT_RUNNING"}

func dial(ctx context.Context, p *host.Proc) (*client, error) {
	conn, err := p.Sys.Dial(ctx, "unix", socketPath)
	if err != nil {
		return nil, errNotRunning
	}
	return &client{conn, bufio.NewReader(conn)}, nil
}

// call asks and waits for the answer; a refusal is an [Error].
func (c *client) call(r request) (*reply, error) {
	if err := json.NewEncoder(c.conn).Encode(r); err != nil {
		return nil, errNotRunning
	}
	line, err := readLine(c.in)
	if err != nil {
		return nil, errNotRunning
	}
	var a reply
	if err := json.Unmarshal(line, &a); err != nil {
		return nil, errNotRunning
	}
	if a.Error != "" {
		return nil, conf.ParseError(a.Error)
	}
	return &a, nil
}

// readLine reads a line of at most maxMessage bytes.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > maxMessage:
			return nil, io.ErrShortBuffer
		}
	}
}
