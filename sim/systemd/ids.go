package systemd

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/journal"
)

// Files by which the programs of this package know each other.
const (
	runDir      = "/run/systemd"
	privateSock = "/run/systemd/private"
	notifySock  = "/run/systemd/notify"
	journaldPID = "/run/systemd/journal/pid"
)

// bootIDFile has the boot ID, which the kernel of a real machine makes.
const bootIDFile = "/run/systemd/boot-id"

// unitsDir is where PID 1 tells journald which unit a process belongs to, by
// symbolic links, since journald must not wait for PID 1:
//
//	pid:PID             → UNIT
//	exec:UNIT:IDENT     → PID, of the last process started with that identifier
//	invocation:UNIT     → its invocation ID, as with the real PID 1
const unitsDir = "/run/systemd/units"

// Where journald and its clients meet.
const (
	journalDir  = "/run/systemd/journal"
	nativeSock  = journalDir + "/socket"             // native protocol, datagrams
	devLogSock  = journalDir + "/dev-log"            // what /dev/log leads to
	stdoutSock  = journalDir + "/stdout"             // outputs of programs, streams
	syslogSock  = journalDir + "/syslog"             // where a syslog daemon may listen
	journaldCtl = journalDir + "/io.systemd.journal" // what journalctl --flush and its kin ask for
	flushedFile = journalDir + "/flushed"            // exists once the volatile journal was moved to the disk
)

const machineIDFile = "/etc/machine-id"

// hostname is what gethostname(2) would say: /etc/hostname, else the name of
// the host in the lab.
func hostname(p *host.Proc) string {
	data, _ := libc.ReadFile(p, "/etc/hostname")
	for _, line := range libc.Lines(data) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return line
		}
	}
	return p.Host.Name
}

func machineID(p *host.Proc) string {
	data, _ := libc.ReadFile(p, machineIDFile)
	if id, ok := journal.ParseID(strings.TrimSpace(string(data))); ok {
		return id.String()
	}
	return ""
}

// bootID is that of this boot; without a PID 1 that made one, it is drawn from
// the host's seed alone.
func bootID(p *host.Proc) journal.ID {
	data, _ := libc.ReadFile(p, bootIDFile)
	if id, ok := journal.ParseID(strings.TrimSpace(string(data))); ok {
		return id
	}
	return drawID(p, "boot")
}

// drawID makes an identifier (version 4, as sd-id128 does) out of the host's
// seed and what.
func drawID(p *host.Proc, what ...any) journal.ID {
	h := sha256.New()
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], p.Host.Seed)
	h.Write(seed[:])
	fmt.Fprint(h, p.Host.Name)
	fmt.Fprintln(h, what...)
	id := journal.ID(h.Sum(nil)[:16])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// replaceLink makes name a symbolic link to target, whatever was there.
func replaceLink(p *host.Proc, target, name string) error {
	tmp := path.Join(path.Dir(name), "."+path.Base(name)+".new")
	p.Sys.Remove(tmp)
	if err := p.Sys.Symlink(target, tmp); err != nil {
		return err
	}
	return p.Sys.Rename(tmp, name)
}
