package systemd

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/unitfile"
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
)

// inverse of a dependency: what the other unit has.
var inverse = map[dep]dep{
	requires: requiredBy, requisite: requisiteO, wants: wantedBy, bindsTo: boundBy, partOf: consistsOf,
	conflicts: conflicted, before: after, after: before, triggers: triggered,
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

// keysOf are the settings that a section may have, beyond those that this
// package acts on; systemd knows them, so they are no mistake.
var keysOf = map[string]string{
	"Unit": `Description Documentation Wants Requires Requisite BindsTo PartOf Upholds Conflicts Before After OnFailure
		OnSuccess PropagatesReloadTo ReloadPropagatedFrom PropagatesStopTo StopPropagatedFrom JoinsNamespaceOf RequiresMountsFor
		OnFailureJobMode OnSuccessJobMode IgnoreOnIsolate StopWhenUnneeded RefuseManualStart RefuseManualStop AllowIsolate
		DefaultDependencies CollectMode FailureAction SuccessAction FailureActionExitStatus SuccessActionExitStatus JobTimeoutSec
		JobRunningTimeoutSec JobTimeoutAction JobTimeoutRebootArgument StartLimitIntervalSec StartLimitInterval StartLimitBurst StartLimitAction
		RebootArgument SourcePath BindTo OnFailureIsolate SurviveFinalKillSignal`,
	"Install": `Alias WantedBy RequiredBy UpheldBy Also DefaultInstance`,
	"Service": `Type ExitType RemainAfterExit GuessMainPID PIDFile BusName ExecStart ExecStartPre ExecStartPost ExecCondition ExecReload
		ExecStop ExecStopPost RestartSec TimeoutStartSec TimeoutStopSec TimeoutAbortSec TimeoutSec TimeoutStartFailureMode TimeoutStopFailureMode
		RuntimeMaxSec RuntimeRandomizedExtraSec WatchdogSec Restart SuccessExitStatus RestartPreventExitStatus RestartForceExitStatus
		RootDirectoryStartOnly NonBlocking NotifyAccess Sockets FileDescriptorStoreMax USBFunctionDescriptors USBFunctionStrings OOMPolicy
		OpenFile ReloadSignal StartLimitInterval StartLimitBurst StartLimitAction FailureAction PermissionsStartOnly SysVStartPriority
		WorkingDirectory RootDirectory RootImage User Group DynamicUser SupplementaryGroups PAMName CapabilityBoundingSet AmbientCapabilities
		NoNewPrivileges SecureBits UMask LimitCPU LimitFSIZE LimitDATA LimitSTACK LimitCORE LimitRSS LimitNOFILE LimitAS LimitNPROC
		LimitMEMLOCK LimitLOCKS LimitSIGPENDING LimitMSGQUEUE LimitNICE LimitRTPRIO LimitRTTIME OOMScoreAdjust Nice CPUSchedulingPolicy
		CPUSchedulingPriority CPUSchedulingResetOnFork CPUAffinity IOSchedulingClass IOSchedulingPriority ProtectSystem ProtectHome
		RuntimeDirectory StateDirectory CacheDirectory LogsDirectory ConfigurationDirectory RuntimeDirectoryMode StateDirectoryMode
		CacheDirectoryMode LogsDirectoryMode ConfigurationDirectoryMode RuntimeDirectoryPreserve ReadWritePaths ReadOnlyPaths InaccessiblePaths
		ExecPaths NoExecPaths PrivateTmp PrivateDevices PrivateNetwork PrivateUsers PrivateMounts PrivateIPC ProtectHostname ProtectClock
		ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectControlGroups RestrictAddressFamilies RestrictNamespaces
		LockPersonality MemoryDenyWriteExecute RestrictRealtime RestrictSUIDSGID RemoveIPC MountFlags MountAPIVFS ProtectProc ProcSubset
		BindPaths BindReadOnlyPaths TemporaryFileSystem SystemCallFilter SystemCallErrorNumber SystemCallArchitectures SystemCallLog
		Environment EnvironmentFile PassEnvironment UnsetEnvironment StandardInput StandardOutput StandardError StandardInputText
		StandardInputData LogLevelMax LogExtraFields LogRateLimitIntervalSec LogRateLimitBurst LogNamespace SyslogIdentifier SyslogFacility
		SyslogLevel SyslogLevelPrefix TTYPath TTYReset TTYVHangup TTYVTDisallocate TTYRows TTYColumns LoadCredential SetCredential
		IgnoreSIGPIPE UtmpIdentifier UtmpMode SELinuxContext AppArmorProfile SmackProcessLabel KeyringMode TimerSlackNSec Personality
		KillMode KillSignal RestartKillSignal SendSIGHUP SendSIGKILL FinalKillSignal WatchdogSignal Slice CPUAccounting CPUWeight
		StartupCPUWeight CPUShares CPUQuota CPUQuotaPeriodSec AllowedCPUs AllowedMemoryNodes MemoryAccounting MemoryMin MemoryLow MemoryHigh
		MemoryMax MemorySwapMax MemoryLimit TasksAccounting TasksMax IOAccounting IOWeight IODeviceWeight IOReadBandwidthMax
		IOWriteBandwidthMax IPAccounting IPAddressAllow IPAddressDeny DeviceAllow DevicePolicy Delegate DisableControllers ManagedOOMSwap
		ManagedOOMMemoryPressure ManagedOOMMemoryPressureLimit ManagedOOMPreference RestrictFileSystems NetworkNamespacePath IPCNamespacePath`,
	"Socket": `ListenStream ListenDatagram ListenSequentialPacket ListenFIFO ListenSpecial ListenNetlink ListenMessageQueue SocketProtocol
		BindIPv6Only Backlog BindToDevice SocketUser SocketGroup SocketMode DirectoryMode Accept Writable FlushPending MaxConnections
		MaxConnectionsPerSource KeepAlive NoDelay Priority DeferAcceptSec ReceiveBuffer SendBuffer IPTOS IPTTL Mark ReusePort PipeSize
		FreeBind Transparent Broadcast PassCredentials PassSecurity PassPacketInfo Timestamping TCPCongestion ExecStartPre ExecStartPost
		ExecStopPre ExecStopPost TimeoutSec Service RemoveOnStop Symlinks FileDescriptorName TriggerLimitIntervalSec TriggerLimitBurst`,
	"Timer": `OnActiveSec OnBootSec OnStartupSec OnUnitActiveSec OnUnitInactiveSec OnCalendar AccuracySec RandomizedDelaySec
		FixedRandomDelay OnClockChange OnTimezoneChange Unit Persistent WakeSystem RemainAfterElapse`,
	"Path":      `PathExists PathExistsGlob PathChanged PathModified DirectoryNotEmpty Unit MakeDirectory DirectoryMode TriggerLimitIntervalSec TriggerLimitBurst`,
	"Mount":     `What Where Type Options SloppyOptions LazyUnmount ReadWriteOnly ForceUnmount DirectoryMode TimeoutSec`,
	"Automount": `Where ExtraOptions DirectoryMode TimeoutIdleSec`,
	"Swap":      `What Priority Options TimeoutSec`,
	"Slice":     ``, "Scope": `RuntimeMaxSec`,
}

// sectionsOf returns the sections that a unit of a type may have.
func sectionsOf(kind string) []string {
	s := []string{"Unit", "Install"}
	if kind != "target" && kind != "device" && kind != "" {
		s = append(s, strings.ToUpper(kind[:1])+kind[1:])
	}
	return s
}

func knownKey(section, key string) bool {
	if strings.HasPrefix(key, "X-") || strings.HasPrefix(key, "Condition") || strings.HasPrefix(key, "Assert") {
		return true
	}
	return slices.Contains(strings.Fields(keysOf[section]), key) ||
		section != "Unit" && section != "Install" && slices.Contains(strings.Fields(keysOf["Service"]), key)
}

// assign applies one setting, its specifiers resolved, and returns what is
// wrong with it.
func (c *config) assign(s unitfile.Setting) string {
	if !knownKey(s.Section, s.Key) {
		return "Unknown key '" + s.Key + "' in section [" + s.Section + "], ignoring."
	}
	switch s.Section {
	case "Unit":
		return c.assignUnit(s)
	case "Install":
		c.install.assign(s)
	case "Service":
		return c.assignService(s)
	case "Socket":
		c.assignSocket(s)
	case "Timer":
		c.assignTimer(s)
	}
	return ""
}

func (c *config) assignUnit(s unitfile.Setting) string {
	switch s.Key {
	case "Description":
		c.description = s.Value
	case "Documentation":
		if s.Value == "" {
			c.documentation = nil
		}
		c.documentation = append(c.documentation, strings.Fields(s.Value)...)
	case "Wants", "Requires", "Requisite", "BindsTo", "PartOf", "Conflicts", "Before", "After", "OnFailure", "OnSuccess":
		for _, name := range strings.Fields(s.Value) {
			if unitfile.ValidName(name) && !slices.Contains(c.deps[dep(s.Key)], name) {
				c.deps[dep(s.Key)] = append(c.deps[dep(s.Key)], name)
			} else if !unitfile.ValidName(name) {
				return "Failed to add dependency on " + name + ", ignoring: Invalid argument"
			}
		}
	case "DefaultDependencies":
		return s.Bool(func(b bool) { c.noDefaults = !b })
	case "RefuseManualStart":
		return s.Bool(func(b bool) { c.refuseStart = b })
	case "RefuseManualStop":
		return s.Bool(func(b bool) { c.refuseStop = b })
	case "AllowIsolate":
		return s.Bool(func(b bool) { c.isolate = b })
	case "StopWhenUnneeded":
		return s.Bool(func(b bool) { c.stopWhenUnneeded = b })
	case "StartLimitIntervalSec", "StartLimitInterval":
		return s.Span(&c.limitInterval)
	case "StartLimitBurst":
		n, err := strconv.Atoi(s.Value)
		if err != nil || n < 0 {
			return "Failed to parse StartLimitBurst= setting, ignoring: " + s.Value
		}
		c.limitBurst = n
	default:
		list, kind := &c.conditions, ""
		if k, ok := strings.CutPrefix(s.Key, "Condition"); ok {
			kind = k
		} else if k, ok := strings.CutPrefix(s.Key, "Assert"); ok {
			list, kind = &c.asserts, k
		}
		if kind == "" {
			return ""
		}
		if s.Value == "" {
			*list = nil
			return ""
		}
		cond := condition{kind: kind, value: s.Value}
		if v, ok := strings.CutPrefix(cond.value, "|"); ok {
			cond.trigger, cond.value = true, strings.TrimLeft(v, " \t")
		}
		if v, ok := strings.CutPrefix(cond.value, "!"); ok {
			cond.negate, cond.value = true, strings.TrimLeft(v, " \t")
		}
		*list = append(*list, cond)
	}
	return ""
}

func (c *config) assignSocket(s unitfile.Setting) {
	switch {
	case strings.HasPrefix(s.Key, "Listen"):
		kind := map[string]string{"ListenStream": "Stream", "ListenDatagram": "Datagram", "ListenSequentialPacket": "SequentialPacket",
			"ListenFIFO": "FIFO", "ListenNetlink": "Netlink", "ListenSpecial": "Special", "ListenMessageQueue": "MessageQueue"}[s.Key]
		if s.Value == "" {
			c.socket.listens = nil
		} else if kind != "" {
			v := s.Value
			if _, err := strconv.ParseUint(v, 10, 16); err == nil && kind != "Netlink" {
				v = "[::]:" + v
			}
			c.socket.listens = append(c.socket.listens, kind+" "+v)
		}
	case s.Key == "Service":
		c.socket.service = s.Value
	case s.Key == "Accept":
		c.socket.accept, _ = unitfile.ParseBool(s.Value)
	}
}

func (c *config) assignTimer(s unitfile.Setting) {
	switch s.Key {
	case "OnCalendar":
		c.timer.calendar = append(c.timer.calendar, s.Value)
	case "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec":
		c.timer.monotonic = append(c.timer.monotonic, struct{ base, span string }{s.Key, s.Value})
	case "Unit":
		c.timer.unit = s.Value
	case "Persistent":
		c.timer.persistent, _ = unitfile.ParseBool(s.Value)
	}
}

func (i *installConfig) assign(s unitfile.Setting) {
	list := map[string]*[]string{"Alias": &i.alias, "WantedBy": &i.wantedBy, "RequiredBy": &i.requiredBy, "Also": &i.also}[s.Key]
	switch {
	case list != nil && s.Value == "":
		*list = nil
	case list != nil:
		*list = append(*list, strings.Fields(s.Value)...)
	case s.Key == "DefaultInstance":
		i.defaultInstance = s.Value
	}
	i.present = len(i.alias)+len(i.wantedBy)+len(i.requiredBy)+len(i.also) > 0 || i.defaultInstance != ""
}

func (c *config) assignService(s unitfile.Setting) string {
	v := c.service
	list := func(into *[]string) string {
		if s.Value == "" {
			*into = nil
			return ""
		}
		words, ok := unitfile.SplitWords(s.Value)
		*into = append(*into, words...)
		if !ok {
			return "Invalid syntax, ignoring: " + s.Value
		}
		return ""
	}
	switch s.Key {
	case "Type":
		return s.Word(&v.kind, "service type", "simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle")
	case "ExecStart", "ExecStartPre", "ExecStartPost", "ExecCondition", "ExecReload", "ExecStop", "ExecStopPost":
		return v.assignExec(s)
	case "Restart":
		return s.Word(&v.restart, "service restart specifier", "no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always")
	case "RemainAfterExit":
		return s.Bool(func(b bool) { v.remainAfterExit = b })
	case "GuessMainPID":
		return s.Bool(func(b bool) { v.guessMainPID = b })
	case "RestartSec":
		return s.Span(&v.restartSec)
	case "TimeoutStartSec", "TimeoutStopSec", "TimeoutSec":
		d, ok := calendar.ParseSpan(s.Value, time.Second)
		if !ok {
			return "Failed to parse " + s.Key + "= parameter, ignoring: " + s.Value
		}
		if d == 0 {
			d = calendar.Forever
		}
		if s.Key != "TimeoutStopSec" {
			v.timeoutStart = d
		}
		if s.Key != "TimeoutStartSec" {
			v.timeoutStop = d
		}
	case "StartLimitInterval", "StartLimitBurst":
		s.Section = "Unit"
		return c.assignUnit(s)
	case "PIDFile":
		v.pidFile = s.Value
		if v.pidFile != "" && !strings.HasPrefix(v.pidFile, "/") {
			v.pidFile = "/run/" + v.pidFile
		}
	case "BusName":
		v.busName = s.Value
	case "KillMode":
		return s.Word(&v.killMode, "kill mode", "control-group", "process", "mixed", "none")
	case "KillSignal":
		sig, ok := parseSignal(s.Value)
		if !ok {
			return "Failed to parse kill signal, ignoring: " + s.Value
		}
		v.killSignal = sig
	case "SendSIGKILL":
		return s.Bool(func(b bool) { v.sendSIGKILL = b })
	case "SendSIGHUP":
		return s.Bool(func(b bool) { v.sendSIGHUP = b })
	case "User":
		v.user = s.Value
	case "Group":
		v.group = s.Value
	case "SupplementaryGroups":
		return list(&v.supplementary)
	case "Environment":
		return list(&v.environment)
	case "EnvironmentFile":
		if s.Value == "" {
			v.envFiles = nil
		} else {
			v.envFiles = append(v.envFiles, s.Value)
		}
	case "PassEnvironment":
		return list(&v.passEnv)
	case "UnsetEnvironment":
		return list(&v.unsetEnv)
	case "UMask":
		n, err := strconv.ParseUint(s.Value, 8, 32)
		if err != nil || n > 0o777 {
			return "Failed to parse mode value, ignoring: " + s.Value
		}
		v.umask = int(n)
	case "WorkingDirectory":
		v.dir, v.dirOptional = strings.CutPrefix(s.Value, "-")
		if v.dir != "" && v.dir != "~" && !strings.HasPrefix(v.dir, "/") {
			v.dir = ""
			return "WorkingDirectory= path is not absolute: " + s.Value
		}
	case "StandardInput":
		v.stdin = s.Value
	case "StandardOutput":
		v.stdout = outputOf(s.Value)
	case "StandardError":
		v.stderr = outputOf(s.Value)
	case "SyslogIdentifier":
		v.identifier = s.Value
	case "SyslogFacility":
		v.facility = s.Value
	case "SyslogLevel":
		v.level = s.Value
	case "SuccessExitStatus":
		return list(&v.successStatus)
	case "RestartPreventExitStatus":
		return list(&v.restartPrevent)
	case "RestartForceExitStatus":
		return list(&v.restartForce)
	case "RuntimeDirectory":
		return list(&v.runtimeDirs)
	case "StateDirectory":
		return list(&v.stateDirs)
	case "LogsDirectory":
		return list(&v.logsDirs)
	case "CacheDirectory":
		return list(&v.cacheDirs)
	case "NotifyAccess":
		return s.Word(&v.notifyAccess, "notify access specifier", "none", "main", "exec", "all")
	case "SyslogLevelPrefix":
		return s.Bool(func(b bool) { v.plainOutput = !b })
	case "Sockets":
		return list(&v.sockets)
	case "Slice":
		v.slice = s.Value
	}
	return ""
}

// outputOf gives the old names of outputs their new ones.
func outputOf(s string) string {
	switch s {
	case "syslog":
		return "journal"
	case "syslog+console":
		return "journal+console"
	}
	return s
}

// assignExec adds the commands of a line; several are parted by a word ";".
func (v *serviceConfig) assignExec(s unitfile.Setting) string {
	if s.Value == "" {
		v.exec[s.Key] = nil
		return ""
	}
	words, ok := unitfile.SplitWords(s.Value)
	if !ok {
		return "Unbalanced quoting or invalid escape, ignoring: " + s.Value
	}
	for len(words) > 0 {
		n := slices.Index(words, ";")
		line := words
		if n >= 0 {
			line, words = words[:n], words[n+1:]
		} else {
			words = nil
		}
		if len(line) == 0 {
			continue
		}
		var c command
		first := line[0]
		argv0 := false
	prefixes:
		for first != "" {
			switch first[0] {
			case '-':
				c.ignore = true
			case ':':
				c.raw = true
			case '@':
				argv0 = true
			case '+', '!':
			default:
				break prefixes
			}
			first = first[1:]
		}
		if first == "" {
			return "Empty path in command line, ignoring: " + s.Value
		}
		c.path = first
		c.argv = append([]string{first}, line[1:]...)
		if argv0 && len(c.argv) > 1 {
			c.argv = c.argv[1:]
		}
		v.exec[s.Key] = append(v.exec[s.Key], c)
	}
	return ""
}

// signals are the names of signal(7) that unit files and kill take.
var signals = map[string]syscall.Signal{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11,
	"USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21,
	"TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28, "IO": 29, "PWR": 30, "SYS": 31,
}

func parseSignal(s string) (syscall.Signal, bool) {
	if n, err := strconv.Atoi(s); err == nil {
		return syscall.Signal(n), n > 0 && n < 65
	}
	sig, ok := signals[strings.TrimPrefix(s, "SIG")]
	return sig, ok
}

// signalName returns "KILL" for SIGKILL.
func signalName(sig syscall.Signal) string {
	for name, s := range signals {
		if s == sig {
			return name
		}
	}
	if sig >= 34 {
		return "RTMIN+" + strconv.Itoa(int(sig)-34)
	}
	return strconv.Itoa(int(sig))
}

// exitNames are the exit statuses with a name (systemd.exec(5)). Those of the
// C library and of systemd itself have one everywhere; the others, of the LSB,
// only in the journal.
var exitNames = map[int]string{0: "SUCCESS", 1: "FAILURE", 200: "CHDIR", 201: "NICE", 202: "FDS", 203: "EXEC", 204: "MEMORY",
	205: "LIMITS", 206: "OOM_ADJUST", 207: "SIGNAL_MASK", 208: "STDIN", 209: "STDOUT", 210: "CHROOT", 211: "IOPRIO", 216: "GROUP",
	217: "USER", 218: "CAPABILITIES", 219: "CGROUP", 220: "SETSID", 222: "STDERR", 226: "NAMESPACE", 233: "RUNTIME_DIRECTORY",
	238: "STATE_DIRECTORY"}

var lsbNames = map[int]string{2: "INVALIDARGUMENT", 3: "NOTIMPLEMENTED", 4: "NOPERMISSION", 5: "NOTINSTALLED", 6: "NOTCONFIGURED", 7: "NOTRUNNING"}

const (
	exitChdir = 200
	exitExec  = 203
	exitStdin = 208
	exitOut   = 209
	exitGroup = 216
	exitUser  = 217
)
