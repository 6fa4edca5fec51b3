package machine

import (
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

// ReplaceLink makes name a symbolic link to target, whatever was there.
func ReplaceLink(p *host.Proc, target, name string) error {
	tmp := path.Join(path.Dir(name), "."+path.Base(name)+".new")
	p.Sys.Remove(tmp)
	if err := p.Sys.Symlink(target, tmp); err != nil {
		return err
	}
	return p.Sys.Rename(tmp, name)
}

// ExecLink is the link about the last process that a unit started with an
// identifier.
func ExecLink(unit, ident string) string {
	return path.Join(UnitsDir, "exec:"+unit+":"+strings.ReplaceAll(ident, "/", "_"))
}
