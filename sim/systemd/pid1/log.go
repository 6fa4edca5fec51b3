package pid1

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"enshu/sim/sdjournal"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/trace"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// Message IDs of systemd.journal-fields(7)'s catalogue that PID 1 uses.
const (
	msgStarting   = "7d4958e842da4a758f6c1cdc7b36dcc5"
	msgStarted    = "39f53479d3a045ac8e11786248231fbf"
	msgFailed     = "be02cf6855d2428ba40df7e9d022f03d"
	msgStopping   = "de5b426a63be47a7b6ac3eaac82e2f6f"
	msgStopped    = "9d1aaa27d60140bd96365438aad20286"
	msgReloading  = "d34d037fff1847e6ae669a370e694725"
	msgReloaded   = "7b05ebc668384222baa8881179cfda54"
	msgExit       = "98e322203f7a4ed290d09fe03c09fe15"
	msgResult     = "d9b373ed55a64feb8242e02dbe79a49c"
	msgSuccess    = "7ad2d189f7e94e70a38c781354912448"
	msgRestart    = "5eb03494b6584870a536b337290809b2"
	msgSkipped    = "0e4284a0caca4bfc81c0bb6786972673"
	msgStartupEnd = "b07a249cd024414a82dd00cd181378ff"
)

// journalLag is how long a line of PID 1 may be on its way into the journal.
// Where somebody will look at the journal for what was just logged, and where
// the lines before and after a moment are told apart, PID 1 lets it pass.
const journalLag = 2 * time.Millisecond

// log writes a line of PID 1 to the journal; while there is none, to the
// kernel's log, from where the journal takes it later.
func (m *manager) log(sev syslog.Severity, text string, extra ...journal.Field) {
	m.logged++
	m.p.Emit(trace.MessageLogged, trace.Attrs{
		"facility": "daemon", "severity": sev.String(), "tag": "systemd", "text": text, "over": "journal",
	})
	fields := append([]journal.Field{
		{Name: "PRIORITY", Value: strconv.Itoa(int(sev))},
		{Name: "SYSLOG_FACILITY", Value: "3"},
		{Name: "SYSLOG_IDENTIFIER", Value: "systemd"},
		{Name: "TID", Value: "1"},
	}, extra...)
	fields = append(fields, journal.Field{Name: "MESSAGE", Value: text})
	if !m.journalUp.Load() || about(extra) == journaldUnit || m.sendNative(journal.EncodeNative(fields)) != nil {
		m.p.Host.Kmsg.Append(int(syslog.Make(syslog.Daemon, sev)), "systemd[1]: "+text)
	}
}

// journaldUnit is the one unit of which PID 1 tells the kernel: the journal is
// not there to take it.
const journaldUnit = "systemd-journald.service"

// about is the unit that a line's fields name.
func about(fields []journal.Field) string {
	for _, f := range fields {
		if f.Name == "UNIT" {
			return f.Value
		}
	}
	return ""
}

// sendNative hands a datagram to journald. A journald that does not read must
// not hold PID 1 up.
func (m *manager) sendNative(b []byte) error {
	return m.journal.Send(m.p, sdjournal.NativeSocket, b, 100*time.Millisecond)
}

// log writes a line about a unit.
func (u *unit) log(sev syslog.Severity, id, text string, extra ...journal.Field) {
	fields := []journal.Field{{Name: "UNIT", Value: u.name}}
	if id != "" {
		fields = append(fields, journal.Field{Name: "MESSAGE_ID", Value: id})
	}
	if u.invocation != (journal.ID{}) {
		fields = append(fields, journal.Field{Name: "INVOCATION_ID", Value: u.invocation.String()})
	}
	u.m.log(sev, text, append(fields, extra...)...)
}

// say is log with the unit's name before the text, as most lines have it.
func (u *unit) say(sev syslog.Severity, id, format string, args ...any) {
	u.log(sev, id, u.name+": "+fmt.Sprintf(format, args...))
}

// words for the lines about jobs, by unit type where they differ.
type jobWords struct{ starting, started, failed, stopping, stopped string }

var wordsOf = map[string]jobWords{
	"service": {"Starting %s...", "Started %s.", "Failed to start %s.", "Stopping %s...", "Stopped %s."},
	"target":  {"", "Reached target %s.", "Failed to start %s.", "", "Stopped target %s."},
	"socket":  {"", "Listening on %s.", "Failed to listen on %s.", "", "Closed %s."},
	"slice":   {"", "Created slice %s.", "Failed to start %s.", "", "Removed slice %s."},
	"mount":   {"Mounting %s...", "Mounted %s.", "Failed to mount %s.", "Unmounting %s...", "Unmounted %s."},
	"timer":   {"", "Started %s.", "Failed to start %s.", "", "Stopped %s."},
	"path":    {"", "Started %s.", "Failed to start %s.", "", "Stopped %s."},
}

func (u *unit) words() jobWords {
	w, ok := wordsOf[unitfile.Type(u.name)]
	if !ok {
		w = wordsOf["service"]
	}
	if u.svc != nil && u.config().Service.Kind == "oneshot" {
		w.started = "Finished %s."
	}
	if u.svc != nil && u.result == bus.ResultSkip {
		w.started = "Condition check resulted in %s being skipped."
	}
	return w
}

// announce logs the line of a job.
func (u *unit) announce(sev syslog.Severity, id, format string, j *job, result string) {
	if format == "" {
		return
	}
	var extra []journal.Field
	if j != nil {
		extra = append(extra, journal.Field{Name: "JOB_ID", Value: strconv.Itoa(j.id)}, journal.Field{Name: "JOB_TYPE", Value: j.kind})
	}
	if result != "" {
		extra = append(extra, journal.Field{Name: "JOB_RESULT", Value: result})
	}
	u.log(sev, id, strings.Replace(format, "%s", u.description(), 1), extra...)
}
