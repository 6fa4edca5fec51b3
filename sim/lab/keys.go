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

// keyPair is the key that root and the learner log in with from host to host: the
// private one as OpenSSH keeps it, and a line of authorized_keys.
type keyPair struct{ private, authorized []byte }

// newKeyPair draws a key from the lab's seed.
func newKeyPair(seed uint64, comment string) (keyPair, error) {
	drawn := sha256.Sum256(fmt.Appendf(nil, "ssh %d", seed))
	key := ed25519.NewKeyFromSeed(drawn[:])
	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return keyPair{}, err
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return keyPair{}, err
	}
	return keyPair{pem.EncodeToMemory(block), ssh.MarshalAuthorizedKey(public)}, nil
}

// writeKeys lets root and the learner log in from host to host with ssh and no
// password: on every host both have the lab's key and take it.
func (h *Host) writeKeys(m *kernel.Machine) error {
	if len(h.lab.Config.Scenario.Hosts) < 2 {
		return nil
	}
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
		if err := m.WriteFile(a.Dir+"/.ssh/id_ed25519", h.lab.login.private, 0o600, a.UID, a.GID); err != nil {
			return err
		}
		if err := m.WriteFile(a.Dir+"/.ssh/authorized_keys", h.lab.login.authorized, 0o600, a.UID, a.GID); err != nil {
			return err
		}
	}
	return nil
}
