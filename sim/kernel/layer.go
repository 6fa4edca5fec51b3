package kernel

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"enshu/sim/stub"
	"enshu/sim/stub/guest"
)

// Layers are the packages of a distribution. What they have below /usr is a
// folder of unpacked layers, shared by all labs of one user that run the same
// binary; the rest is put on each host's disk.
type Layers struct {
	dir     string
	lock    *os.File // held shared while the lab lives, so that nobody removes the folder
	machine []item
	disk    map[string][]item // by package: what it has outside /usr
	hasUsr  map[string]bool   // packages that have something below /usr
}

// OpenLayers unpacks layers into cache, unless an equal set is there already,
// and returns them. cache must be writable for the lab's root. Older sets that
// no lab uses are removed. hidden are paths below /usr of the machine that hosts must
// not see; a trailing slash means what is in the directory.
func OpenLayers(cache string, layers []Layer, hidden []string) (*Layers, error) {
	key, err := layersKey()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, fmt.Errorf("cache of host files: %w", err)
	}
	guard, err := lockFile(filepath.Join(cache, "lock"), unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer guard.Close()
	l := &Layers{dir: filepath.Join(cache, key), machine: machineItems(), disk: map[string][]item{}, hasUsr: map[string]bool{}}
	for i := range layers {
		layer := &layers[i]
		items, err := layer.items()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", layer.Name, err)
		}
		usr, disk := split(items)
		l.disk[layer.Name] = disk
		l.hasUsr[layer.Name] = len(usr)+len(layer.Programs) > 0
	}
	if _, err := os.Stat(filepath.Join(l.dir, "lock")); err != nil {
		removeUnused(cache)
		tmp := l.dir + unfinished
		if err := os.RemoveAll(tmp); err != nil {
			return nil, err
		}
		if err := unpack(tmp, layers, hidden); err != nil {
			os.RemoveAll(tmp)
			return nil, fmt.Errorf("cache of host files: %w", err)
		}
		if err := os.RemoveAll(l.dir); err != nil {
			return nil, err
		}
		if err := os.Rename(tmp, l.dir); err != nil {
			return nil, err
		}
	}
	l.lock, err = lockFile(filepath.Join(l.dir, "lock"), unix.LOCK_SH)
	return l, err
}

// unfinished ends the name of a folder that is being unpacked.
const unfinished = ".new"

func lockFile(name string, how int) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

// layersKey names what the unpacked files depend on: this very binary.
func layersKey() (string, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &st); err != nil {
		return "", fmt.Errorf("/proc/self/exe: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %d %d", st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()))
	return fmt.Sprintf("%x", sum[:8]), nil
}

// removeUnused removes sets of layers that no lab holds.
func removeUnused(cache string) {
	dirs, _ := os.ReadDir(cache)
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		name := filepath.Join(cache, d.Name())
		if strings.HasSuffix(name, unfinished) {
			os.RemoveAll(name) // whoever unpacked it was killed: we have the lock
			continue
		}
		f, err := os.OpenFile(filepath.Join(name, "lock"), os.O_RDWR, 0)
		if err == nil {
			if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
				os.RemoveAll(name)
			}
			f.Close()
		}
	}
}

func unpack(dir string, layers []Layer, hidden []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	bins := binaries{dir: dir, made: map[Entry]string{}}
	if _, err := bins.of(Entry{Mode: 0o755}); err != nil { // PID 1 has it too
		return err
	}
	for _, l := range layers {
		if err := l.unpack(filepath.Join(dir, l.Name), bins); err != nil {
			return fmt.Errorf("%s: %w", l.Name, err)
		}
	}
	if err := allPrograms(filepath.Join(dir, programsLayer), layers, bins); err != nil {
		return err
	}
	if err := maskMachine(filepath.Join(dir, ".mask"), layers, hidden); err != nil {
		return err
	}
	if err := manualLinks(filepath.Join(dir, ".mask")); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// binaries are the stubs that Programs are hard links of: one for each owner and
// mode, which links share.
type binaries struct {
	dir  string
	made map[Entry]string
}

// link makes the executable of a Program; e says what is special about it.
func (b binaries) link(e Entry, to string) error {
	kind := Entry{Mode: 0o755}
	if set := e.Mode & (fs.ModeSetuid | fs.ModeSetgid); set != 0 {
		kind = Entry{Mode: 0o755 | set, UID: e.UID, GID: e.GID}
	}
	from, err := b.of(kind)
	if err != nil {
		return err
	}
	return os.Link(from, to)
}

// plainStub is the first stub that binaries make, of root's with mode 0755.
const plainStub = ".stub0"

// of returns the stub of an owner and mode.
func (b binaries) of(kind Entry) (string, error) {
	if name, ok := b.made[kind]; ok {
		return name, nil
	}
	name := filepath.Join(b.dir, fmt.Sprintf(".stub%d", len(b.made)))
	if err := makeStub(name); err != nil {
		return "", err
	}
	b.made[kind] = name
	return name, kind.attributes(name)
}

// allPrograms makes the layer that has the Programs of every package below
// [ProgramsDir], for packages that come onto a running host.
func allPrograms(dir string, layers []Layer, bins binaries) error {
	for _, l := range layers {
		for _, p := range l.Programs {
			to := filepath.Join(dir, ProgramsDir, p)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			if err := bins.link(l.entry(p), to); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeStub makes a stub of this binary.
func makeStub(to string) error {
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err = io.Copy(f, in); err == nil {
		err = guest.MakeStub(f)
	}
	return errors.Join(err, f.Close())
}

// unpack writes what a package has below /usr to dir.
func (l *Layer) unpack(dir string, bins binaries) error {
	items, err := l.items()
	if err != nil {
		return err
	}
	usr, _ := split(items)
	for _, it := range usr {
		if err := it.put(dir); err != nil {
			return err
		}
	}
	for _, p := range l.Programs {
		if !inUsr(p) {
			return fmt.Errorf("Program %s is not below /usr", p)
		}
		to := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := bins.link(l.entry(p), to); err != nil {
			return err
		}
	}
	return nil
}

// programsLayer is right above the machine's /usr on every host.
const programsLayer = ".programs"

// ProgramsDir is where every host has the Programs of all packages, installed
// or not: a package that comes onto a running host links to them.
const ProgramsDir = stub.ProgramsDir

// maskMachine makes the layer that lies over the machine's /usr: it hides the
// machine's own copies of software that a host may or may not have installed.
// It is of whiteouts alone: what a package has in a hidden directory lies above
// the whiteout, and does not mix with what is below. So no layer needs extended
// attributes, which not every file system has.
func maskMachine(dir string, layers []Layer, hidden []string) error {
	whiteout := func(path string) error {
		if !inUsr(path) {
			return nil
		}
		full := filepath.Join(dir, path)
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		if errors.Is(err, unix.ENOTDIR) {
			return nil // in a directory that is hidden
		}
		if err != nil {
			return err
		}
		err = unix.Mknod(full, unix.S_IFCHR, 0) // a whiteout (overlayfs.rst)
		if errors.Is(err, unix.EEXIST) {
			return nil
		}
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "usr"), 0o755); err != nil {
		return err
	}
	for _, h := range hidden {
		if err := whiteout(h); err != nil {
			return err
		}
	}
	for _, l := range layers {
		for _, p := range l.Programs {
			if err := whiteout(p); err != nil {
				return err
			}
		}
		for _, e := range l.Entries { // links are other names of Programs: mail, mailq
			if e.Link == "" {
				continue
			}
			if err := whiteout(e.Path); err != nil {
				return err
			}
		}
	}
	return nil
}

// lower returns the lowerdir value of the overlay of /usr for a host with these
// packages, topmost first. The paths are relative to the folder of layers: the
// kernel takes no more than a page of options.
func (l *Layers) lower(packages []string) string {
	var dirs []string
	for _, p := range slices.Backward(packages) {
		if l.hasUsr[p] {
			dirs = append(dirs, filepath.Join(p, "usr"))
		}
	}
	dirs = append(dirs, ".mask/usr", programsLayer+"/usr", "/usr")
	return strings.Join(dirs, ":")
}

// stub returns the executable of PID 1.
func (l *Layers) stub() string { return filepath.Join(l.dir, plainStub) }
