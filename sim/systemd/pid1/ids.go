package pid1

// Files by which the programs of this package know each other.
const (
	runDir      = "/run/systemd"
	notifySock  = "/run/systemd/notify"
	journaldPID = "/run/systemd/journal/pid"
)
