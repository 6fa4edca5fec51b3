package lab

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/ssh"

	"enshu/sim/kernel"
)

// sshConfig makes ssh take a host of the lab for what it says it is the first
// time, and tell of it (ssh_config(5)).
const sshConfig = `# The hosts of the lab are new each time.
Host *
	StrictHostKeyChecking accept-new
`

// writeKeys lets root and the learner log in from host to host with ssh and no
// password: all have one key, drawn from the lab's seed, and take it.
func (h *Host) writeKeys(m *kernel.Machine) error {
	if len(h.lab.Config.Scenario.Hosts) < 2 {
		return nil
	}
	seed := sha256.Sum256(fmt.Appendf(nil, "ssh %d", h.lab.Seed))
	key := ed25519.NewKeyFromSeed(seed[:])
	block, err := ssh.MarshalPrivateKey(key, h.lab.Name)
	if err != nil {
		return err
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return err
	}
	line := ssh.MarshalAuthorizedKey(public)
	if err := m.WriteFile("/etc/ssh/ssh_config.d/10-lab.conf", []byte(sshConfig), 0o644, 0, 0); err != nil {
		return err
	}
	for _, a := range h.accounts {
		if a.Name != "root" && a.Name != Learner || !h.hasHome(a) {
			continue
		}
		if err := m.Mkdir(a.Dir+"/.ssh", 0o700, a.UID, a.GID); err != nil {
			return err
		}
		for name, data := range map[string][]byte{"id_ed25519": pem.EncodeToMemory(block), "authorized_keys": line} {
			if err := m.WriteFile(a.Dir+"/.ssh/"+name, data, 0o600, a.UID, a.GID); err != nil {
				return err
			}
		}
	}
	return nil
}
