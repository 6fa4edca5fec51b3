package systemd

// Active states.
const (
	active       = "active"
	reloading    = "reloading"
	inactive     = "inactive"
	failed       = "failed"
	activating   = "activating"
	deactivating = "deactivating"
)

// Results of a unit.
const (
	resultSuccess  = "success"
	resultExit     = "exit-code"
	resultSignal   = "signal"
	resultCore     = "core-dump"
	resultTimeout  = "timeout"
	resultProtocol = "protocol"
	resultLimit    = "start-limit-hit"
	resultNoFiles  = "resources"
	resultSkip     = "exec-condition"
)

// States of a service (the SUB of systemctl).
const (
	subDead         = "dead"
	subCondition    = "condition"
	subStartPre     = "start-pre"
	subStart        = "start"
	subStartPost    = "start-post"
	subRunning      = "running"
	subExited       = "exited"
	subReload       = "reload"
	subStop         = "stop"
	subStopSigterm  = "stop-sigterm"
	subStopSigkill  = "stop-sigkill"
	subStopPost     = "stop-post"
	subFinalSigterm = "final-sigterm"
	subFinalSigkill = "final-sigkill"
	subFailed       = "failed"
	subAutoRestart  = "auto-restart"
)

// Kinds of jobs.
const (
	jobStart         = "start"
	jobStop          = "stop"
	jobRestart       = "restart"
	jobReload        = "reload"
	jobTryRestart    = "try-restart"
	jobReloadOr      = "reload-or-restart"
	jobReloadOrTry   = "reload-or-try-restart"
	jobVerifyActive  = "verify-active"
	resultDone       = "done"
	resultFailed     = "failed"
	resultDependency = "dependency"
	resultCanceled   = "canceled"
	resultAssert     = "assert"
	resultSkipped    = "skipped"
	resultInvalid    = "invalid"
)

// Job modes (--job-mode=, systemctl(1)).
const (
	modeReplace    = "replace"
	modeFail       = "fail"
	modeIsolate    = "isolate"
	modeFlush      = "flush"
	modeIgnoreDeps = "ignore-dependencies"
)
