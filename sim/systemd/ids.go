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
	// bootIDFile has the boot ID, which the kernel of a real machine makes.
	bootIDFile = "/run/systemd/boot-id"
	// unitsDir tells journald which unit a process belongs to; see [manager.publish].
	unitsDir = "/run/systemd/units"

	journalDir    = "/run/systemd/journal"
	nativeSock    = "/run/systemd/journal/socket"
	devLogSock    = "/run/systemd/journal/dev-log"
	stdoutSock    = "/run/systemd/journal/stdout"
	syslogSock    = "/run/systemd/journal/syslog"
	journaldPID   = "/run/systemd/journal/pid"
	flushedFile   = "/run/systemd/journal/flushed"
	journaldCtl   = "/run/systemd/journal/io.systemd.journal"
	machineIDFile = "/etc/machine-id"
)

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
