package unitfile

import (
	"enshu/sim/systemd/calendar"
	"strings"
	"syscall"
	"time"
)

// Dep is a kind of dependency (systemd.unit(5)).
type Dep string

const (
	Requires   Dep = "Requires"
	Requisite  Dep = "Requisite"
	Wants      Dep = "Wants"
	BindsTo    Dep = "BindsTo"
	PartOf     Dep = "PartOf"
	Conflicts  Dep = "Conflicts"
	Before     Dep = "Before"
	After      Dep = "After"
	OnFailure  Dep = "OnFailure"
	OnSuccess  Dep = "OnSuccess"
	Triggers   Dep = "Triggers"
	RequiredBy Dep = "RequiredBy"
	WantedBy   Dep = "WantedBy"
	BoundBy    Dep = "BoundBy"
	ConsistsOf Dep = "ConsistsOf"
	Conflicted Dep = "ConflictedBy"
	Triggered  Dep = "TriggeredBy"
	RequisiteO Dep = "RequisiteOf"
	Upholds    Dep = "Upholds"
	UpheldBy   Dep = "UpheldBy"

	PropagatesReload Dep = "PropagatesReloadTo"
	reloadFrom       Dep = "ReloadPropagatedFrom"
	PropagatesStop   Dep = "PropagatesStopTo"
	stopFrom         Dep = "StopPropagatedFrom"
	onFailureOf      Dep = "OnFailureOf"
	onSuccessOf      Dep = "OnSuccessOf"
)

// Inverse of a dependency: what the other unit has.
var Inverse = map[Dep]Dep{
	Requires: RequiredBy, Requisite: RequisiteO, Wants: WantedBy, BindsTo: BoundBy, PartOf: ConsistsOf,
	Conflicts: Conflicted, Before: After, After: Before, Triggers: Triggered, Upholds: UpheldBy,
	PropagatesReload: reloadFrom, reloadFrom: PropagatesReload, PropagatesStop: stopFrom, stopFrom: PropagatesStop,
	OnFailure: onFailureOf, OnSuccess: onSuccessOf,
}

// Command is one line of ExecStart= and the like.
type Command struct {
	Path   string
	Argv   []string
	Ignore bool // "-": a failure counts as success
	Raw    bool // ":": no expansion of variables
	Full   bool // "+": with all rights, whatever User= says
}

func (c Command) String() string { return strings.Join(c.Argv, " ") }

// Condition is one Condition...= or Assert...= line.
type Condition struct {
	Kind    string // without Condition or Assert
	Value   string
	Trigger bool // "|": one of these must hold
	Negate  bool
}

// Config is what the files of a unit say.
type Config struct {
	Description   string
	Documentation []string
	Deps          map[Dep][]string

	// AfterWanted are the units that a target comes after because it wants them,
	// if they have default dependencies.
	AfterWanted []string

	Conditions, Asserts []Condition

	NoDefaults                       bool // DefaultDependencies=no
	RefuseStart, RefuseStop, Isolate bool
	StopWhenUnneeded                 bool
	IgnoreOnIsolate                  *bool // nil: as the type of the unit has it
	LimitInterval                    time.Duration
	LimitBurst                       int
	jobTimeout                       time.Duration

	Service *Service
	Socket  *Socket
	Timer   *Timer
	Path    *PathUnit
	Install Install

	// Settings are what the files say of every setting that is no command and no
	// installation, as it was said last.
	Settings map[string]string
}

type Service struct {
	Kind            string // Type=
	RemainAfterExit bool
	Exec            map[string][]Command // by ExecStart, ExecStartPre …
	Restart         string
	RestartSec      time.Duration
	TimeoutStart    time.Duration
	TimeoutStop     time.Duration
	PidFile         string
	busName         string
	KillMode        string
	KillSignal      syscall.Signal
	FinalKillSignal syscall.Signal
	WatchdogSignal  syscall.Signal
	RuntimeMax      time.Duration // RuntimeMaxSec=, Forever for none
	Watchdog        time.Duration // WatchdogSec=, 0 for none
	SendSIGKILL     bool
	SendSIGHUP      bool
	User, Group     string
	Supplementary   []string
	Environment     []string
	EnvFiles        []string // "-" before the name: may be missing
	PassEnv         []string
	UnsetEnv        []string
	Umask           int
	Dir             string // WorkingDirectory=
	DirOptional     bool
	Stdin           string
	StdinData       []byte // StandardInputText=
	Stdout, Stderr  string
	Identifier      string // SyslogIdentifier=
	Facility        string
	Level           string
	SuccessStatus   []string
	RestartPrevent  []string
	RestartForce    []string
	GuessMainPID    bool
	RuntimeDirs     []string
	StateDirs       []string
	LogsDirs        []string
	CacheDirs       []string
	ConfigDirs      []string
	DirModes        map[string]int // of RuntimeDirectory … where …DirectoryMode= says them
	KeepRuntime     bool           // RuntimeDirectoryPreserve=
	NotifyAccess    string         // NotifyAccess=
	PlainOutput     bool           // SyslogLevelPrefix=no
	sockets         []string
	Slice           string
}

type Socket struct {
	Listens []string // "Stream /run/x"
	Service string
	Accept  bool
}

type Timer struct {
	Calendar  []string
	Monotonic []Elapse
	Unit      string
}

// PathUnit is what a path unit waits for.
type PathUnit struct {
	Watches       []Watch
	Unit          string
	MakeDirectory bool
}

// Watch is one condition of a path unit: PathExists, PathExistsGlob, PathChanged,
// PathModified or DirectoryNotEmpty.
type Watch struct{ Kind, Path string }

// Elapse is a time of a timer that counts from an event: the name of the
// setting (OnBootSec …) and its value.
type Elapse struct{ Base, Span string }

// Install is the [Install] section.
type Install struct {
	Alias, WantedBy, RequiredBy, Also []string
	DefaultInstance                   string
	present                           bool // it has something that enables
}

func NewConfig(kind string) *Config {
	c := &Config{Deps: map[Dep][]string{}, Settings: map[string]string{}, LimitInterval: 10 * time.Second, LimitBurst: 5, jobTimeout: calendar.Forever}
	switch kind {
	case "service":
		c.Service = &Service{
			Exec: map[string][]Command{}, Restart: "no", RestartSec: 100 * time.Millisecond,
			TimeoutStart: 90 * time.Second, TimeoutStop: 90 * time.Second, KillMode: "control-group",
			KillSignal: syscall.SIGTERM, FinalKillSignal: syscall.SIGKILL, WatchdogSignal: syscall.SIGABRT, RuntimeMax: calendar.Forever,
			DirModes: map[string]int{}, SendSIGKILL: true, Umask: 0o022, GuessMainPID: true,
		}
	case "socket":
		c.Socket = &Socket{}
	case "timer":
		c.Timer = &Timer{}
	case "path":
		c.Path = &PathUnit{}
	}
	return c
}

// Directories are those of a service that systemctl clean --what=kind removes.
func (v *Service) Directories(kind string) []string {
	var dirs []string
	for _, d := range []struct {
		kind, base string
		names      []string
	}{{"runtime", "/run", v.RuntimeDirs}, {"state", "/var/lib", v.StateDirs}, {"cache", "/var/cache", v.CacheDirs}, {"logs", "/var/log", v.LogsDirs}, {"configuration", "/etc", v.ConfigDirs}} {
		if kind == d.kind || kind == "all" {
			for _, n := range d.names {
				dirs = append(dirs, d.base+"/"+n)
			}
		}
	}
	return dirs
}
