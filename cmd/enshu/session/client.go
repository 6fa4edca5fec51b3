package session

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"enshu/sim/lang"
)

// Client is a connection to a running lab, good for one request.
type Client struct {
	Name  string
	conn  *net.UnixConn
	lines *json.Decoder
	files []*os.File // that came along with replies
}

// ErrNotRunning means that there is no such lab.
var ErrNotRunning error = lang.Errorf("は実行されていません", "is not running")

// errNotYours is the refusal to use another user's lab.
func errNotYours(name string) error {
	return lang.Errorf("ラボ %s は別のユーザーのものです", "lab %s belongs to another user", name)
}

// Dial connects to the running lab of a name; with "" to the only one there is.
func Dial(name string) (*Client, error) {
	if name == "" {
		names, err := Running()
		if err != nil {
			return nil, err
		}
		switch len(names) {
		case 0:
			return nil, lang.Errorf("実行中のラボはありません: `enshu list` で一覧を見て、`enshu start LAB` で開始してください",
				"no lab is running: `enshu list` shows what can be started, `enshu start LAB` starts one")
		case 1:
			name = names[0]
		default:
			return nil, lang.Errorf("複数のラボが実行中です (%s): --lab NAME でどれかを指定してください", "several labs run (%s): say which with --lab NAME", strings.Join(names, ", "))
		}
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socketName(name), Net: "unix"})
	if err != nil {
		return nil, lang.Errorf("ラボ %s %v: 実行中のラボは `enshu status` で分かります", "lab %s %v: `enshu status` shows what runs", name, ErrNotRunning)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	var cred *unix.Ucred
	raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || int(cred.Uid) != os.Geteuid() {
		conn.Close()
		return nil, errNotYours(name)
	}
	c := &Client{Name: name, conn: conn}
	c.lines = json.NewDecoder(reader{c})
	return c, nil
}

// reader reads the connection and keeps descriptors that come along.
type reader struct{ c *Client }

func (r reader) Read(b []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4*4))
	n, oobn, _, _, err := r.c.conn.ReadMsgUnix(b, oob)
	if scms, perr := unix.ParseSocketControlMessage(oob[:oobn]); perr == nil {
		for i := range scms {
			if fds, ferr := unix.ParseUnixRights(&scms[i]); ferr == nil {
				for _, fd := range fds {
					unix.CloseOnExec(fd)
					r.c.files = append(r.c.files, os.NewFile(uintptr(fd), "terminal"))
				}
			}
		}
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	return max(n, 0), err
}

// Close ends the connection; what the request started may go on.
func (c *Client) Close() error { return c.conn.Close() }

// ask sends a request and calls each for every reply until the last.
func (c *Client) ask(ctx context.Context, r *Request, files []*os.File, each func(*Reply) error) error {
	secret, err := key()
	if err != nil {
		return err
	}
	r.Key = secret
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	if err := sendRequest(c.conn, r, files); err != nil {
		return fmt.Errorf("lab %s: %w", c.Name, err)
	}
	for {
		var reply Reply
		if err := c.lines.Decode(&reply); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return lang.Errorf("ラボ %s が終了しました: %v", "lab %s ended: %v", c.Name, err)
		}
		if reply.Error != nil {
			return &lang.Error{Text: *reply.Error}
		}
		if each != nil {
			if err := each(&reply); err != nil {
				return err
			}
		}
		if reply.Done {
			return nil
		}
	}
}

// signal passes a signal on to the command that an exec request started.
func (c *Client) signal(number int) error {
	_, err := fmt.Fprintf(c.conn, "{\"signal\":%d}\n", number)
	return err
}
