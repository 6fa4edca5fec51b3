package bus

import (
	"enshu/sim/systemd/unitfile"
	"time"
)

// Moment is a point of time on the host's clock and since its boot.
type Moment struct {
	Real time.Time
	Mono time.Duration
}

// Proc is a process of a unit, as status shows it.
type Proc struct {
	PID     int
	Command string
}

// UnitState is what PID 1 tells of a unit.
type UnitState struct {
	Name, Description, Load, LoadReason string
	Names                               []string
	Active, Sub, Result                 string
	Fragment                            string
	DropIns                             []string
	Documentation                       []string
	NeedReload                          bool
	Invocation                          string
	Job                                 string `json:",omitempty"`
	JobID                               int    `json:",omitempty"`

	Changed, ActiveEnter, ActiveExit, InactiveEnter, InactiveExit, Condition Moment
	ConditionMet, AssertMet, DefaultDependencies                             bool
	Assert                                                                   Moment
	ConditionText                                                            string
	CanStart, CanStop, CanReload, CanIsolate                                 bool

	Deps        map[string][]string // all kinds, inverse ones too
	DepsActive  map[string]string   // active state of the units in Triggers and TriggeredBy
	Service     *ServiceState       `json:",omitempty"`
	Listens     []string            `json:",omitempty"`
	Accept      bool                `json:",omitempty"` // of a socket: a service for every connection
	Settings    map[string]string   `json:",omitempty"` // as the files have them
	Paths       []string            `json:",omitempty"` // "PathExists /run/x"
	Calendar    []string            `json:",omitempty"` // of a timer: OnCalendar=
	Elapses     []unitfile.Elapse   `json:",omitempty"` // of a timer: OnBootSec= and kin
	TimerNext   time.Time           `json:",omitzero"`
	TimerLast   time.Time           `json:",omitzero"`
	ControlPath string              // its place in the tree of control groups
	Slice       string

	Conditions []string
}

// ServiceState is what only services have.
type ServiceState struct {
	Type, Restart, PIDFile, StatusText, User, Group string
	KillMode, StandardOutput, StandardError         string
	NotifyAccess                                    string
	RestartSec, TimeoutStart, TimeoutStop           time.Duration
	RemainAfterExit                                 bool
	MainPID, ControlPID, Restarts                   int
	MainComm                                        string
	Main                                            *Run              `json:",omitempty"`
	Runs                                            []Run             // the last of each kind since the files were read, in the order of their kinds
	Exec                                            map[string][]Exec // by ExecStart …
	Environment                                     []string
	EnvironmentFiles                                []string
	Dir                                             string
	UMask                                           int
	SuccessStatus, RestartPrevent, RestartForce     []string
	RuntimeMax, Watchdog                            time.Duration
	UID, GID                                        string              // of User= and Group= while they are in use
	Directories                                     map[string][]string // by RuntimeDirectory …
	Tasks                                           int
	Memory                                          int64
	CPU                                             time.Duration
	UsageKnown                                      bool
	Processes                                       []Proc
}

// Exec is a configured command.
type Exec struct {
	Path              string
	Argv              []string
	Ignore, Raw, Full bool
}

// ExecKinds are the kinds of commands in the order of status.
var ExecKinds = []string{"ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"}

// Run is one command that was started, as systemctl status tells of it.
type Run struct {
	Kind      string // ExecStart …
	Command   string
	PID       int
	Comm      string
	Start     time.Time
	End       time.Time // zero while it runs
	Code      string    // "exited", "killed", "dumped"
	Status    int
	StatusTxt string
}
