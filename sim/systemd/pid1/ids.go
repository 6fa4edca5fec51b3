package pid1

// Files by which the programs of this package know each other.
const (
	runDir      = "/run/systemd"
	journaldPID = "/run/systemd/journal/pid"
)
