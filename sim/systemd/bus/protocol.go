// Package bus is how clients speak to PID 1: what they ask, what it answers, and
// the words both use for states, jobs and results. It stands for the D-Bus
// interface org.freedesktop.systemd1.
package bus

import (
	"encoding/json"
	"enshu/sim/systemd/units"
	"strings"
	"time"
)

// The protocol of /run/systemd/private: the client sends one JSON object a
// line, PID 1 answers each with one. It stands for the D-Bus interface
// org.freedesktop.systemd1. Anybody may ask; to change something takes uid 0,
// as the kernel tells it of the peer.

// Request is what a client sends.
type Request struct {
	Method string
	Unit   string   `json:",omitempty"`
	Units  []string `json:",omitempty"`
	Kind   string   `json:",omitempty"` // of a job, or of a shutdown
	Signal int      `json:",omitempty"`
	Whom   string   `json:",omitempty"` // "main", "control" or "all"
	PID    int      `json:",omitempty"`
	Env    []string `json:",omitempty"`
	// Runtime, Force and Mode are of the methods that change unit files.
	Runtime bool   `json:",omitempty"`
	Force   bool   `json:",omitempty"`
	Mode    string `json:",omitempty"` // --preset-mode=
	// Shutdown is of the method Schedule.
	Shutdown *Shutdown `json:",omitempty"`
}

// Shutdown is one that is to be at a later time.
type Shutdown struct {
	Kind  string // reboot, poweroff or halt
	When  time.Time
	Wall  string // what is told to everybody besides
	Quiet bool   // nobody is told
	Dry   bool   // nothing but told
}

// Mode is what logind calls it.
func (s Shutdown) Mode() string {
	if s.Dry {
		return "dry-" + s.Kind
	}
	return s.Kind
}

// Reply is what PID 1 answers.
type Reply struct {
	Error   string         `json:",omitempty"` // a name; Text says it in words
	Text    string         `json:",omitempty"`
	Job     int            `json:",omitempty"`
	Results []JobResult    `json:",omitempty"`
	Unit    *UnitState     `json:",omitempty"`
	Units   []UnitState    `json:",omitempty"`
	State   string         `json:",omitempty"`
	Env     []string       `json:",omitempty"`
	Changes []units.Change `json:",omitempty"`
	// NoInstall: an operation on unit files found nothing to do for lack of an
	// [Install] section.
	NoInstall bool  `json:",omitempty"`
	Jobs      []Job `json:",omitempty"`
	// Shutdown is the one that is scheduled, nil when none is.
	Shutdown *Shutdown `json:",omitempty"`
}

// Job is a line of list-jobs.
type Job struct {
	ID                int
	Unit, Kind, State string
}

const MaxRequest = 1 << 20

// DecodeRequest reads one line of the protocol.
func DecodeRequest(line []byte) (Request, error) {
	var r Request
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.DisallowUnknownFields()
	err := dec.Decode(&r)
	return r, err
}

// Error is an error that systemctl tells its user.
type Error struct{ Name, Text string }

// NewError makes an error of PID 1: one of the names of this package, and the
// text that systemctl prints.
func NewError(name, text string) *Error { return &Error{name, text} }

func (e *Error) Error() string { return e.Text }

// Names of errors, as on D-Bus without their prefix.
const (
	ErrNoSuchUnit     = "NoSuchUnit"
	ErrLoadFailed     = "LoadFailed"
	ErrMasked         = "UnitMasked"
	ErrBadSetting     = "BadUnitSetting"
	ErrNotApplicable  = "JobTypeNotApplicable"
	ErrNoIsolation    = "NoIsolation"
	ErrInvalidArgs    = "InvalidArgs"
	ErrAuth           = "InteractiveAuthorizationRequired"
	ErrOnlyDependency = "OnlyByDependency"
	ErrNoPID          = "NoUnitForPID"
	ErrFileExists     = "FileExists"
	ErrShutdown       = "ShuttingDown"
	ErrConflicting    = "TransactionJobsConflicting"
	ErrCyclic         = "TransactionOrderIsCyclic"
	ErrDestructive    = "TransactionIsDestructive"
	ErrNoProcess      = "NoSuchProcess"
	ErrBusy           = "UnitBusy"
	ErrNothingToClean = "NothingToClean"
	ErrNoSuchJob      = "NoSuchJob"
)

type JobResult struct {
	ID           int
	Unit, Result string
	UnitResult   string
}
