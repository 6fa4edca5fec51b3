// Package session joins the command line with running labs: it starts lab
// processes, finds them, and speaks with them over their control sockets.
//
// A control socket is an abstract one, which leaves nothing behind however the
// lab process ends. Who may use it is decided twice: the client sees that the
// socket was made by its own user (SO_PEERCRED), the lab that the client can
// read its owner's key file.
package session

import (
	"bufio"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"enshu/sim/lang"
)

// nameRule is what a running lab may be called.
var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// CheckName reports what is wrong with a name for a running lab.
func CheckName(name string) error {
	if !nameRule.MatchString(name) {
		return lang.Errorf("ラボの名前 %q: 英小文字、数字、'.'、'_'、'-' で 64 文字までにしてください",
			"lab name %q: use lower-case letters, digits, '.', '_' and '-', at most 64", name)
	}
	return nil
}

func socketName(name string) string {
	return fmt.Sprintf("@enshu/%d/%s", os.Geteuid(), name)
}

// Running returns the names of the user's running labs, sorted.
func Running() ([]string, error) {
	f, err := os.Open("/proc/net/unix")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	prefix := socketName("")
	var names []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		if len(fields) < 8 {
			continue
		}
		const listening = "00010000" // __SO_ACCEPTCON
		if name, ok := strings.CutPrefix(fields[7], prefix); ok && fields[3] == listening {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// ErrRunning means that a lab of the name runs already.
var ErrRunning error = lang.Errorf("はすでに実行中です", "is running already")

// listen makes the control socket of a lab.
func listen(name string) (*os.File, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socketName(name), Net: "unix"})
	if err != nil {
		if errors.Is(err, errInUse) {
			return nil, lang.Errorf("ラボ %s %v: `enshu finish --lab %s` で終了するか、--name で別の名前を付けてください",
				"lab %s %v: `enshu finish --lab %s` ends it, --name gives this one another name", name, ErrRunning, name)
		}
		return nil, err
	}
	defer l.Close()
	return l.File()
}

// CacheDir is where unpacked software packages are kept between labs. For root
// it belongs to the ids that root's labs have.
func CacheDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/enshu", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for the cache of host files: %w", err)
	}
	return filepath.Join(dir, "enshu"), nil
}

// stateDir is where the key and the logs of labs are.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "enshu"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "enshu"), nil
}

// key returns the user's secret, which is made at its first use.
func key() (string, error) {
	dir, err := stateDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Two commands may come here at once, or one may have ended while it wrote.
	f, err := os.OpenFile(filepath.Join(dir, "key"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	old := make([]byte, 65)
	if n, _ := io.ReadFull(f, old); n == 64 {
		return string(old[:n]), nil
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	fresh := hex.EncodeToString(secret)
	if err := f.Truncate(0); err != nil {
		return "", err
	}
	if _, err := f.WriteAt([]byte(fresh), 0); err != nil {
		return "", err
	}
	return fresh, nil
}

// sameKey compares secrets in constant time.
func sameKey(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// LogFile is where a lab process writes what goes wrong in it.
func LogFile(name string) (string, error) {
	dir, err := stateDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "log", name+".log"), nil
}
