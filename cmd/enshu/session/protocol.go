package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"enshu/grader/report"
	"enshu/sim/kernel"
	"enshu/sim/lang"
	"enshu/sim/trace"
)

var errInUse = syscall.EADDRINUSE

// Request is the first message of a client: what it wants. Descriptors come
// with it.
type Request struct {
	Key  string
	Verb string

	Host     string        `json:",omitempty"`
	User     string        `json:",omitempty"`
	Args     []string      `json:",omitempty"` // exec: the command; check, hint: tasks; capture: the interface
	Env      []string      `json:",omitempty"`
	Terminal bool          `json:",omitempty"` // exec: on a terminal of the host's own
	Rows     int           `json:",omitempty"`
	Cols     int           `json:",omitempty"`
	Since    uint64        `json:",omitempty"` // events
	Follow   bool          `json:",omitempty"` // events
	About    string        `json:",omitempty"` // events: whose story is to be at its end, or at rest
	Duration time.Duration `json:",omitempty"` // clock advance
	Rate     float64       `json:",omitempty"` // clock rate
	Reboot   bool          `json:",omitempty"` // reset
	Solution string        `json:",omitempty"` // solve
}

// The verbs.
const (
	verbStatus  = "status"
	verbLaunch  = "launch"
	verbExec    = "exec"
	verbCheck   = "check"
	verbHint    = "hint"
	verbEvents  = "events"
	verbAdvance = "advance"
	verbRate    = "rate"
	verbReset   = "reset"
	verbSolve   = "solve"
	verbMistake = "mistake"
	verbFinish  = "finish"
	verbCapture = "capture"
	verbHold    = "hold"
)

// Reply is one message of the lab. The last one has Done set.
type Reply struct {
	Done     bool             `json:",omitempty"`
	Error    *lang.Text       `json:",omitempty"`
	Terminal bool             `json:",omitempty"` // a descriptor of the terminal's other side came along
	Status   *int             `json:",omitempty"` // exit status of a command, as a shell shows it
	Lab      *Status          `json:",omitempty"`
	Launch   *Launch          `json:",omitempty"`
	Events   []trace.Event    `json:",omitempty"`
	Progress *report.Progress `json:",omitempty"`
	Report   *report.Report   `json:",omitempty"`
	Hint     *Hint            `json:",omitempty"`
	Step     *Step            `json:",omitempty"`
	Log      string           `json:",omitempty"` // of the lab process, which ends
	Group    *kernel.Group    `json:",omitempty"` // its control group
}

// Status describes a running lab.
type Status struct {
	Name    string
	ID      string
	Title   lang.Text
	Seed    uint64
	PID     int // of the lab process, for the machine
	Started time.Time
	Now     time.Time // true time
	Rate    float64
	Hosts   []HostStatus
	Log     string // file
}

// HostStatus describes a host.
type HostStatus struct {
	Name      string
	Up        bool
	Addresses []string
	Local     time.Time
	Offset    time.Duration // local time less true time
	Frequency float64       // ppm, what the clock gains with its correction
	Failed    []string      // units
	Source    string        // what chronyd follows, "" for nothing
	Stratum   int
}

// Hint is one hint of a task.
type Hint struct {
	Task   string
	Number int // from 1
	Of     int
	Text   lang.Text
}

// In is the hint in a language, with where it stands.
func (h *Hint) In(language string) string {
	if language == "ja" {
		return fmt.Sprintf("%s のヒント %d/%d: %s", h.Task, h.Number, h.Of, h.Text.JA)
	}
	return fmt.Sprintf("Hint %d of %d for %s: %s", h.Number, h.Of, h.Task, h.Text.EN)
}

// Step is one step of a solution that was run.
type Step struct {
	ID, Host, Run  string
	Stdout, Stderr string
	Status         int
}

// maxRequest is the largest request.
const maxRequest = 128 << 10

// refusal is what a reply says of an error.
func refusal(err error) *lang.Text {
	return &lang.Text{JA: lang.Tell(err, "ja"), EN: lang.Tell(err, "en")}
}

// sendRequest sends a request with descriptors.
func sendRequest(c *net.UnixConn, r *Request, files []*os.File) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if len(b) >= maxRequest {
		return lang.Errorf("コマンドが長すぎます", "the command is too long")
	}
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	_, _, err = c.WriteMsgUnix(append(b, '\n'), oob, nil)
	return err
}

// receiveRequest reads a request and its descriptors.
func receiveRequest(c *net.UnixConn) (*Request, []*os.File, error) {
	var files []*os.File
	fail := func(err error) (*Request, []*os.File, error) {
		for _, f := range files {
			f.Close()
		}
		return nil, nil, err
	}
	buf, oob := make([]byte, maxRequest), make([]byte, unix.CmsgSpace(4*8))
	at := 0
	for at == 0 || buf[at-1] != '\n' {
		if at == len(buf) {
			return fail(errors.New("request too long"))
		}
		n, oobn, _, _, err := c.ReadMsgUnix(buf[at:], oob)
		if err != nil {
			return fail(err)
		}
		if n == 0 {
			return fail(errors.New("short request"))
		}
		at += n
		if scms, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
			for i := range scms {
				if fds, err := unix.ParseUnixRights(&scms[i]); err == nil {
					for _, fd := range fds {
						unix.CloseOnExec(fd)
						files = append(files, os.NewFile(uintptr(fd), "client"))
					}
				}
			}
		}
	}
	var r Request
	if err := json.Unmarshal(buf[:at], &r); err != nil {
		return fail(fmt.Errorf("request: %w", err))
	}
	return &r, files, nil
}
