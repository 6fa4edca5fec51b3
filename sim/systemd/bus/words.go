package bus

// Active states.
const (
	Active       = "active"
	Reloading    = "reloading"
	Inactive     = "inactive"
	Failed       = "failed"
	Activating   = "activating"
	Deactivating = "deactivating"
)

// Results of a unit.
const (
	ResultSuccess  = "success"
	ResultExit     = "exit-code"
	ResultSignal   = "signal"
	ResultCore     = "core-dump"
	ResultTimeout  = "timeout"
	ResultProtocol = "protocol"
	ResultWatchdog = "watchdog"
	ResultLimit    = "start-limit-hit"
	ResultNoFiles  = "resources"
	ResultSkip     = "exec-condition"
)

// States of a service (the SUB of systemctl).
const (
	SubDead         = "dead"
	SubCondition    = "condition"
	SubStartPre     = "start-pre"
	SubStart        = "start"
	SubStartPost    = "start-post"
	SubRunning      = "running"
	SubExited       = "exited"
	SubReload       = "reload"
	SubStop         = "stop"
	SubStopWatchdog = "stop-watchdog"
	SubStopSigterm  = "stop-sigterm"
	SubStopSigkill  = "stop-sigkill"
	SubStopPost     = "stop-post"
	SubFinalSigterm = "final-sigterm"
	SubFinalSigkill = "final-sigkill"
	SubFailed       = "failed"
	SubAutoRestart  = "auto-restart"
)

// Kinds of jobs.
const (
	JobStart         = "start"
	JobStop          = "stop"
	JobRestart       = "restart"
	JobReload        = "reload"
	JobTryRestart    = "try-restart"
	JobReloadOr      = "reload-or-restart"
	JobReloadOrTry   = "reload-or-try-restart"
	JobVerifyActive  = "verify-active"
	ResultDone       = "done"
	ResultFailed     = "failed"
	ResultDependency = "dependency"
	ResultCanceled   = "canceled"
	ResultAssert     = "assert"
	ResultSkipped    = "skipped"
	ResultInvalid    = "invalid"
)

// Job modes (--job-mode=, systemctl(1)).
const (
	ModeReplace    = "replace"
	ModeFail       = "fail"
	ModeIsolate    = "isolate"
	ModeFlush      = "flush"
	ModeIgnoreDeps = "ignore-dependencies"
)
