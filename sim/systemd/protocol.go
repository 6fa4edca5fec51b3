package systemd

import (
	"encoding/json"
	"strings"
)

// The protocol of /run/systemd/private: the client sends one JSON object a
// line, PID 1 answers each with one. It stands for the D-Bus interface
// org.freedesktop.systemd1. Anybody may ask; to change something takes uid 0,
// as the kernel tells it of the peer.

// request is what a client sends.
type request struct {
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
}

// reply is what PID 1 answers.
type reply struct {
	Error   string      `json:",omitempty"` // a name; Text says it in words
	Text    string      `json:",omitempty"`
	Job     int         `json:",omitempty"`
	Results []jobResult `json:",omitempty"`
	Unit    *UnitState  `json:",omitempty"`
	Units   []UnitState `json:",omitempty"`
	State   string      `json:",omitempty"`
	Env     []string    `json:",omitempty"`
	Changes []change    `json:",omitempty"`
	// NoInstall: an operation on unit files found nothing to do for lack of an
	// [Install] section.
	NoInstall bool  `json:",omitempty"`
	Jobs      []Job `json:",omitempty"`
}

// Job is a line of list-jobs.
type Job struct {
	ID                int
	Unit, Kind, State string
}

const maxRequest = 1 << 20

// decodeRequest reads one line of the protocol.
func decodeRequest(line []byte) (request, error) {
	var r request
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.DisallowUnknownFields()
	err := dec.Decode(&r)
	return r, err
}

// errUnit is an error that systemctl tells its user.
type errUnit struct{ name, text string }

func (e *errUnit) Error() string { return e.text }

// Names of errors, as on D-Bus without their prefix.
const (
	errNoSuchUnit     = "NoSuchUnit"
	errLoadFailed     = "LoadFailed"
	errMasked         = "UnitMasked"
	errBadSetting     = "BadUnitSetting"
	errNotApplicable  = "JobTypeNotApplicable"
	errNoIsolation    = "NoIsolation"
	errInvalidArgs    = "InvalidArgs"
	errAuth           = "InteractiveAuthorizationRequired"
	errOnlyDependency = "OnlyByDependency"
	errNoPID          = "NoUnitForPID"
	errFileExists     = "FileExists"
	errShutdown       = "ShuttingDown"
	errConflicting    = "TransactionJobsConflicting"
	errCyclic         = "TransactionOrderIsCyclic"
	errDestructive    = "TransactionIsDestructive"
	errNoProcess      = "NoSuchProcess"
)

type jobResult struct {
	ID           int
	Unit, Result string
	UnitResult   string
}
