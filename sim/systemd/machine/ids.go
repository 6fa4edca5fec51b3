// Package machine is what systemd's programs know of the host they run on: its
// name and IDs, what /proc tells of a process, where configuration stands, which
// unit a process belongs to, and how a service tells PID 1 about itself.
package machine

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/journal"
)

// BootIDFile has the boot ID, which the kernel of a real machine makes.
const BootIDFile = "/run/systemd/boot-id"

// IDFile is machine-id(5).
const IDFile = "/etc/machine-id"

// Hostname is what gethostname(2) would say: /etc/hostname, else the name of
// the host in the lab.
func Hostname(p *host.Proc) string {
	data, _ := libc.ReadFile(p, "/etc/hostname")
	for _, line := range libc.Lines(data) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return line
		}
	}
	return p.Host.Name
}

// ID is the machine's ID, "" without one.
func ID(p *host.Proc) string {
	data, _ := libc.ReadFile(p, IDFile)
	if id, ok := journal.ParseID(strings.TrimSpace(string(data))); ok {
		return id.String()
	}
	return ""
}

// BootID is that of this boot; without a PID 1 that made one, it is drawn from
// the host's seed alone.
func BootID(p *host.Proc) journal.ID {
	data, _ := libc.ReadFile(p, BootIDFile)
	if id, ok := journal.ParseID(strings.TrimSpace(string(data))); ok {
		return id
	}
	return DrawID(p, "boot")
}

// DrawID makes an identifier (version 4, as sd-id128 does) out of the host's
// seed and what.
func DrawID(p *host.Proc, what ...any) journal.ID {
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
