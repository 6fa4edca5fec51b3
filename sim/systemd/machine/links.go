package machine

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"enshu/sim/host"
)

// UnitsDir is where PID 1 tells journald which unit a process belongs to, by
// symbolic links, since journald must not wait for PID 1:
//
//	pid:PID             → UNIT
//	exec:UNIT:IDENT     → PID, of the last process started with that identifier
//	invocation:UNIT     → its invocation ID, as with the real PID 1
const UnitsDir = "/run/systemd/units"

// Link is a symbolic link and what it leads to.
type Link struct{ Name, Target string }

// ReplaceLinks makes symbolic links, whatever was there. Whoever reads them finds
// the old or the new one.
func ReplaceLinks(p *host.Proc, links ...Link) error {
	var steps []host.Step
	for _, l := range links {
		tmp := path.Join(path.Dir(l.Name), "."+path.Base(l.Name)+".new")
		steps = append(steps, host.Step{Call: host.Symlink, Name: tmp, To: l.Target}, host.Step{Call: host.Rename, Name: tmp, To: l.Name})
	}
	for {
		done, _, err := host.Chain(p.Sys, steps...)
		steps = steps[done:]
		if !errors.Is(err, fs.ErrExist) || p.Sys.Remove(steps[0].Name) != nil {
			return err
		}
		// One was left by somebody who was killed: it is gone now.
	}
}

// ExecLink is the link about the last process that a unit started with an
// identifier.
func ExecLink(unit, ident string) string {
	return path.Join(UnitsDir, "exec:"+unit+":"+strings.ReplaceAll(ident, "/", "_"))
}
