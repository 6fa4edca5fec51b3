package kernel

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"enshu/sim/stub"
)

// Layer is the part of a root file system that one software package brings.
type Layer struct {
	Name string
	Tree fs.FS // regular files, 0644 root
	// Entries are directories, links, and what has another owner or mode; an
	// entry of a file of Tree changes it.
	Entries []Entry
	// Programs are paths of executables that the lab runs itself.
	Programs []string
}

// Entry is one directory, link or file of a layer.
type Entry struct {
	Path     string
	Mode     fs.FileMode // with ModeDir for a directory
	UID, GID int
	Link     string // target of a symbolic link
}

// Layers is a folder of unpacked layers, shared by all labs of one user that
// run the same binary.
type Layers struct {
	dir  string
	lock *os.File // held shared while the lab lives, so that nobody removes the folder
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
	l := &Layers{dir: filepath.Join(cache, key)}
	if _, err := os.Stat(filepath.Join(l.dir, "lock")); err != nil {
		removeUnused(cache)
		tmp := l.dir + ".new"
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
	for _, l := range layers {
		if err := l.unpack(filepath.Join(dir, l.Name), bins); err != nil {
			return fmt.Errorf("%s: %w", l.Name, err)
		}
	}
	if err := allPrograms(filepath.Join(dir, programsLayer), layers, bins); err != nil {
		return err
	}
	if err := copyMachine(filepath.Join(dir, machineLayer)); err != nil {
		return err
	}
	if err := maskMachine(filepath.Join(dir, ".mask"), layers, hidden); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// binaries are the copies of this binary that Programs are hard links of: one
// for each owner and mode, which links share.
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
	from, ok := b.made[kind]
	if !ok {
		from = filepath.Join(b.dir, fmt.Sprintf(".program%d", len(b.made)))
		if err := copySelf(from); err != nil {
			return err
		}
		if err := kind.put(from); err != nil {
			return err
		}
		b.made[kind] = from
	}
	return os.Link(from, to)
}

// entries returns the layer's entries by path.
func (l *Layer) entries() map[string]Entry {
	m := map[string]Entry{}
	for _, e := range l.Entries {
		m[e.Path] = e
	}
	return m
}

// allPrograms makes the layer that has the Programs of every package below
// [ProgramsDir], for packages that come onto a running host.
func allPrograms(dir string, layers []Layer, bins binaries) error {
	for _, l := range layers {
		special := l.entries()
		for _, p := range l.Programs {
			to := filepath.Join(dir, ProgramsDir, p)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			if err := bins.link(special[p], to); err != nil {
				return err
			}
		}
	}
	return nil
}

func copySelf(to string) error {
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Close())
}

// unpack writes the files of one package below dir.
func (l *Layer) unpack(dir string, bins binaries) error {
	special := l.entries()
	if err := mkdirs(dir, special, "/"); err != nil {
		return err
	}
	if l.Tree != nil {
		err := fs.WalkDir(l.Tree, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == ".keep" {
				return err
			}
			data, err := fs.ReadFile(l.Tree, name)
			if err != nil {
				return err
			}
			if err := mkdirs(dir, special, filepath.Dir("/"+name)); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, name), data, 0o644)
		})
		if err != nil {
			return err
		}
	}
	for _, p := range l.Programs {
		if err := mkdirs(dir, special, filepath.Dir(p)); err != nil {
			return err
		}
		if err := bins.link(special[p], filepath.Join(dir, p)); err != nil {
			return err
		}
		delete(special, p)
	}
	for _, e := range l.Entries {
		if _, ok := special[e.Path]; !ok {
			continue
		}
		if err := mkdirs(dir, special, filepath.Dir(e.Path)); err != nil {
			return err
		}
		if err := e.put(filepath.Join(dir, e.Path)); err != nil {
			return err
		}
	}
	return nil
}

// mkdirs makes a directory of a layer with its parents, each as its entry says.
func mkdirs(dir string, special map[string]Entry, path string) error {
	full := filepath.Join(dir, path)
	if _, err := os.Lstat(full); err == nil {
		return nil
	}
	if path != "/" {
		if err := mkdirs(dir, special, filepath.Dir(path)); err != nil {
			return err
		}
	}
	if err := os.Mkdir(full, 0o755); err != nil {
		return err
	}
	if e, ok := special[path]; ok {
		return e.put(full)
	}
	return os.Chmod(full, 0o755)
}

func (e Entry) put(full string) error {
	var err error
	switch {
	case e.Link != "":
		if err := os.Symlink(e.Link, full); err != nil {
			return err
		}
		return lchown(full, e)
	case e.Mode.IsDir():
		if err = os.Mkdir(full, 0o755); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	default:
		var f *os.File
		if f, err = os.OpenFile(full, os.O_CREATE, 0o644); err == nil {
			err = f.Close()
		}
	}
	if err != nil {
		return err
	}
	if err := lchown(full, e); err != nil {
		return err
	}
	return os.Chmod(full, e.Mode) // after chown, which clears set-id bits
}

// lchown gives an entry its owner; with a single id all belongs to that.
func lchown(full string, e Entry) error {
	if e.UID == 0 && e.GID == 0 {
		return nil
	}
	if err := os.Lchown(full, e.UID, e.GID); !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// machineLayer is the lowest layer of every host: what the machine's own
// programs, which hosts run, expect in /etc.
const machineLayer = ".machine"

// programsLayer is right above the machine's /usr on every host.
const programsLayer = ".programs"

// ProgramsDir is where every host has the Programs of all packages, installed
// or not: a package that comes onto a running host links to them.
const ProgramsDir = stub.ProgramsDir

var machineFiles = []string{"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/terminfo",
	"/etc/vim", "/etc/vimrc", "/etc/virc", "/etc/nanorc", "/etc/protocols", "/etc/services", "/etc/rpc", "/etc/man_db.conf", "/etc/manpath.config", "/etc/less", "/etc/lynx.cfg"}

func copyMachine(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range machineFiles {
		err := filepath.WalkDir(name, func(from string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // what this user may not read, a host does without
			}
			to := filepath.Join(dir, from)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			switch d.Type() {
			case fs.ModeDir:
				return os.MkdirAll(to, 0o755)
			case fs.ModeSymlink:
				target, err := os.Readlink(from)
				if err != nil {
					return nil
				}
				return os.Symlink(target, to)
			case 0:
				data, err := os.ReadFile(from)
				if err != nil {
					return nil
				}
				return os.WriteFile(to, data, 0o644)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// maskMachine makes the layer that lies over the machine's /usr: it hides the
// machine's own copies of software that a host may or may not have installed.
func maskMachine(dir string, layers []Layer, hidden []string) error {
	whiteout := func(path string) error {
		rel, below := strings.CutPrefix(path, "/usr/")
		if !below {
			return nil
		}
		full := filepath.Join(dir, "usr", rel)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		err := unix.Mknod(full, unix.S_IFCHR, 0) // a whiteout (overlayfs.rst)
		if errors.Is(err, unix.EEXIST) {
			return nil
		}
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "usr"), 0o755); err != nil {
		return err
	}
	for _, h := range hidden {
		if d, ok := strings.CutSuffix(h, "/"); ok {
			full := filepath.Join(dir, d)
			if err := os.MkdirAll(full, 0o755); err != nil {
				return err
			}
			if err := unix.Setxattr(full, "user.overlay.opaque", []byte("y"), 0); err != nil {
				return fmt.Errorf("setxattr %s: %w", full, err)
			}
			continue
		}
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

// lower returns the overlay's lowerdir value for a host with these packages, at
// a place below their root ("" or "usr"), topmost first. The paths are relative to the
// folder of layers: the kernel takes no more than a page of options.
func (l *Layers) lower(packages []string, at string) string {
	var dirs []string
	for i := len(packages) - 1; i >= 0; i-- {
		d := filepath.Join(packages[i], at)
		if _, err := os.Stat(filepath.Join(l.dir, d)); err == nil {
			dirs = append(dirs, d)
		}
	}
	if at == "usr" {
		dirs = append(dirs, ".mask/usr", programsLayer+"/usr", "/usr")
	} else {
		dirs = append(dirs, machineLayer)
	}
	return strings.Join(dirs, ":")
}
