package sdjournal

// Where journald and its clients meet.
const (
	RunDir        = "/run/systemd/journal"
	NativeSocket  = RunDir + "/socket"             // native protocol, datagrams
	DevLogSocket  = RunDir + "/dev-log"            // what /dev/log leads to
	StdoutSocket  = RunDir + "/stdout"             // outputs of programs, streams
	SyslogSocket  = RunDir + "/syslog"             // where a syslog daemon may listen
	ControlSocket = RunDir + "/io.systemd.journal" // what journalctl --flush and its kin ask for
	FlushedFile   = RunDir + "/flushed"            // exists once the volatile journal was moved to the disk
)
