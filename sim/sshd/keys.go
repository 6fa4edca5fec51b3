package sshd

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// hostKeys are the types that sshd uses unless HostKey says otherwise, by file.
var hostKeys = []string{"/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key"}

// keyBytes are bytes of randomness from the host's seed.
func keyBytes(r *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// generate makes a key of the type that its file name says.
func generate(r *rand.Rand, file string) crypto.Signer {
	if strings.Contains(file, "ed25519") {
		return ed25519.NewKeyFromSeed(keyBytes(r, ed25519.SeedSize))
	}
	for {
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), keyBytes(r, 32))
		if err == nil { // else it is no number below the order of the curve
			return key
		}
	}
}

// belongs reports whether a file has the group it was given: where a lab has one
// user id only it has not, and a key that the group may read would be refused.
func belongs(p *host.Proc, file string, gid int) bool {
	info, err := p.Sys.Stat(file)
	if err != nil {
		return false
	}
	_, got := libc.Owner(info)
	return got == gid
}

// makeHostKeys makes the default host keys that are missing, as ssh-keygen -A does.
func makeHostKeys(p *host.Proc) error {
	for _, file := range hostKeys {
		if libc.Exists(p, file) {
			continue
		}
		key := generate(p.Rand(), file)
		block, err := ssh.MarshalPrivateKey(key, "")
		if err != nil {
			return err
		}
		public, err := ssh.NewPublicKey(key.Public())
		if err != nil {
			return err
		}
		if err := libc.WriteFile(p, file, pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
		// EL9's ssh-keysign reads them by its group; a lab of a single id has no other.
		if g, ok := libc.GroupByName(p, "ssh_keys"); ok && p.Sys.Chown(file, 0, g.GID) == nil && belongs(p, file, g.GID) {
			if err := p.Sys.Chmod(file, 0o640); err != nil {
				return err
			}
		}
		if err := libc.WriteFile(p, file+".pub", ssh.MarshalAuthorizedKey(public), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// loadHostKeys reads the host's keys. What is wrong with one is in problems.
func loadHostKeys(p *host.Proc, s settings) (keys []ssh.Signer, problems []string) {
	files := s.all("hostkey")
	if len(files) == 0 {
		files = hostKeys
	}
	for _, file := range files {
		data, err := libc.ReadFile(p, file)
		if err != nil {
			problems = append(problems, fmt.Sprintf("Unable to load host key \"%s\": %s", file, libc.Strerror(err)),
				"Unable to load host key: "+file)
			continue
		}
		if info, err := p.Sys.Stat(file); err == nil && openToOthers(info) {
			problems = append(problems,
				"@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
				"@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @",
				"@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
				fmt.Sprintf("Permissions %#o for '%s' are too open.", info.Mode().Perm(), file),
				"It is required that your private key files are NOT accessible by others.",
				"This private key will be ignored.",
				fmt.Sprintf("Unable to load host key \"%s\": bad permissions", file), "Unable to load host key: "+file)
			continue
		}
		key, err := ssh.ParsePrivateKey(data)
		if err != nil {
			problems = append(problems, fmt.Sprintf("Unable to load host key \"%s\": invalid format", file), "Unable to load host key: "+file)
			continue
		}
		keys = append(keys, key)
	}
	return keys, problems
}

// openToOthers reports whether a private key may be read by more than its owner
// and, as on EL9, the group ssh_keys.
func openToOthers(info fs.FileInfo) bool {
	mode := info.Mode().Perm()
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Gid != 0 {
		mode &^= 0o040
	}
	return mode&0o077 != 0
}

// allowedKey is a line of authorized_keys.
type allowedKey struct {
	options []string
}

// option returns the value of an option, and whether it is there.
func (k allowedKey) option(name string) (string, bool) {
	for _, o := range k.options {
		key, value, _ := strings.Cut(o, "=")
		if strings.EqualFold(key, name) {
			return strings.ReplaceAll(strings.Trim(value, `"`), `\"`, `"`), true
		}
	}
	return "", false
}

// findKey looks for a key in the text of authorized_keys.
func findKey(data []byte, want ssh.PublicKey) (allowedKey, bool) {
	for _, text := range libc.Lines(data) {
		key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err == nil && string(key.Marshal()) == string(want.Marshal()) {
			return allowedKey{options}, true
		}
	}
	return allowedKey{}, false
}

// badModes returns which file or directory keeps a user's key file from being
// trusted (StrictModes): others may write it, or it is not the user's.
func badModes(p *host.Proc, u libc.User, file string) string {
	check := func(name string) bool {
		info, err := p.Sys.Stat(name)
		if err != nil {
			return false
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		return ok && (st.Uid == 0 || int(st.Uid) == u.UID) && info.Mode().Perm()&0o022 == 0
	}
	if !check(file) {
		return "file " + file
	}
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		if !check(dir) {
			return "directory " + dir
		}
		if dir == u.Dir || dir == "/" {
			break
		}
	}
	return ""
}
