package systemd

import (
	"enshu/sim/systemd/calendar"
	"strings"
	"syscall"
	"time"
)

// dep is a kind of dependency (systemd.unit(5)).
type dep string

const (
	requires   dep = "Requires"
	requisite  dep = "Requisite"
	wants      dep = "Wants"
	bindsTo    dep = "BindsTo"
	partOf     dep = "PartOf"
	conflicts  dep = "Conflicts"
	before     dep = "Before"
	after      dep = "After"
	onFailure  dep = "OnFailure"
	onSuccess  dep = "OnSuccess"
	triggers   dep = "Triggers"
	requiredBy dep = "RequiredBy"
	wantedBy   dep = "WantedBy"
	boundBy    dep = "BoundBy"
	consistsOf dep = "ConsistsOf"
	conflicted dep = "ConflictedBy"
	triggered  dep = "TriggeredBy"
	requisiteO dep = "RequisiteOf"
	upholds    dep = "Upholds"
	upheldBy   dep = "UpheldBy"

	propagatesReload dep = "PropagatesReloadTo"
	reloadFrom       dep = "ReloadPropagatedFrom"
	propagatesStop   dep = "PropagatesStopTo"
	stopFrom         dep = "StopPropagatedFrom"
	onFailureOf      dep = "OnFailureOf"
	onSuccessOf      dep = "OnSuccessOf"
)

// inverse of a dependency: what the other unit has.
var inverse = map[dep]dep{
	requires: requiredBy, requisite: requisiteO, wants: wantedBy, bindsTo: boundBy, partOf: consistsOf,
	conflicts: conflicted, before: after, after: before, triggers: triggered, upholds: upheldBy,
	propagatesReload: reloadFrom, reloadFrom: propagatesReload, propagatesStop: stopFrom, stopFrom: propagatesStop,
	onFailure: onFailureOf, onSuccess: onSuccessOf,
}

// command is one line of ExecStart= and the like.
type command struct {
	path   string
	argv   []string
	ignore bool // "-": a failure counts as success
	raw    bool // ":": no expansion of variables
}

func (c command) String() string { return strings.Join(c.argv, " ") }

// condition is one Condition...= or Assert...= line.
type condition struct {
	kind    string // without Condition or Assert
	value   string
	trigger bool // "|": one of these must hold
	negate  bool
}

// config is what the files of a unit say.
type config struct {
	description   string
	documentation []string
	deps          map[dep][]string

	conditions, asserts []condition

	noDefaults                       bool // DefaultDependencies=no
	refuseStart, refuseStop, isolate bool
	stopWhenUnneeded                 bool
	ignoreOnIsolate                  *bool // nil: as the type of the unit has it
	limitInterval                    time.Duration
	limitBurst                       int
	jobTimeout                       time.Duration

	service *serviceConfig
	socket  *socketConfig
	timer   *timerConfig
	install installConfig
}

type serviceConfig struct {
	kind            string // Type=
	remainAfterExit bool
	exec            map[string][]command // by ExecStart, ExecStartPre …
	restart         string
	restartSec      time.Duration
	timeoutStart    time.Duration
	timeoutStop     time.Duration
	pidFile         string
	busName         string
	killMode        string
	killSignal      syscall.Signal
	sendSIGKILL     bool
	sendSIGHUP      bool
	user, group     string
	supplementary   []string
	environment     []string
	envFiles        []string // "-" before the name: may be missing
	passEnv         []string
	unsetEnv        []string
	umask           int
	dir             string // WorkingDirectory=
	dirOptional     bool
	stdin           string
	stdout, stderr  string
	identifier      string // SyslogIdentifier=
	facility        string
	level           string
	successStatus   []string
	restartPrevent  []string
	restartForce    []string
	guessMainPID    bool
	runtimeDirs     []string
	stateDirs       []string
	logsDirs        []string
	cacheDirs       []string
	notifyAccess    string // NotifyAccess=
	plainOutput     bool   // SyslogLevelPrefix=no
	sockets         []string
	slice           string
}

type socketConfig struct {
	listens []string // "Stream /run/x"
	service string
	accept  bool
}

type timerConfig struct {
	calendar   []string
	monotonic  []struct{ base, span string }
	unit       string
	persistent bool
}

// installConfig is the [Install] section.
type installConfig struct {
	alias, wantedBy, requiredBy, also []string
	defaultInstance                   string
	present                           bool // it has something that enables
}

func newConfig(kind string) *config {
	c := &config{deps: map[dep][]string{}, limitInterval: 10 * time.Second, limitBurst: 5, jobTimeout: calendar.Forever}
	switch kind {
	case "service":
		c.service = &serviceConfig{
			exec: map[string][]command{}, restart: "no", restartSec: 100 * time.Millisecond,
			timeoutStart: 90 * time.Second, timeoutStop: 90 * time.Second, killMode: "control-group",
			killSignal: syscall.SIGTERM, sendSIGKILL: true, umask: 0o022, stdin: "null", guessMainPID: true,
		}
	case "socket":
		c.socket = &socketConfig{}
	case "timer":
		c.timer = &timerConfig{}
	}
	return c
}
