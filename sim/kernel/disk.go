package kernel

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Layer is the part of a root file system that one software package brings.
type Layer struct {
	Name string
	Tree fs.FS // regular files, 0644 root
	// Entries are directories, links, and what has another owner or mode; an
	// entry of a file of Tree changes it.
	Entries []Entry
	// Programs are paths of executables that the lab runs itself, below /usr.
	Programs []string
}

// Entry is one directory, link or file of a layer.
type Entry struct {
	Path     string
	Mode     fs.FileMode // with ModeDir for a directory
	UID, GID int
	Link     string // target of a symbolic link
}

// entry returns what is special about a path of the layer.
func (l *Layer) entry(path string) Entry {
	for _, e := range l.Entries {
		if e.Path == path {
			return e
		}
	}
	return Entry{Path: path}
}

// item is an entry with what is in it.
type item struct {
	Entry
	data []byte
}

// items returns what a layer has besides Programs, parents first.
func (l *Layer) items() ([]item, error) {
	byPath := map[string]item{}
	if l.Tree != nil {
		err := fs.WalkDir(l.Tree, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == ".keep" {
				return err
			}
			data, err := fs.ReadFile(l.Tree, name)
			byPath["/"+name] = item{Entry{Path: "/" + name, Mode: 0o644}, data}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, e := range l.Entries {
		byPath[e.Path] = item{e, byPath[e.Path].data}
	}
	for _, p := range l.Programs {
		delete(byPath, p)
	}
	var all []item
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		all = append(all, byPath[path])
	}
	return all, nil
}

// split parts items into those below /usr and those that go on a host's disk.
func split(items []item) (usr, disk []item) {
	for _, it := range items {
		if inUsr(it.Path) {
			usr = append(usr, it)
		} else {
			disk = append(disk, it)
		}
	}
	return usr, disk
}

func inUsr(path string) bool { return strings.HasPrefix(path, "/usr/") }

// put makes the item below a directory, with its missing parents. A file that
// another package has put there is replaced.
func (it item) put(dir string) error {
	full := filepath.Join(dir, it.Path)
	err := it.create(full)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		err = it.create(full)
	}
	if err != nil {
		return err
	}
	return it.attributes(full)
}

func (it item) create(full string) error {
	err := it.createNew(full)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if it.Mode.IsDir() {
		st, err := os.Lstat(full)
		if err != nil || st.IsDir() {
			return err
		}
	}
	if err := os.Remove(full); err != nil {
		return err
	}
	return it.createNew(full)
}

func (it item) createNew(full string) error {
	switch {
	case it.Link != "":
		return os.Symlink(it.Link, full)
	case it.Mode.IsDir():
		return os.Mkdir(full, 0o755)
	}
	f, err := os.OpenFile(full, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(it.data)
	return errors.Join(err, f.Close())
}

// attributes gives a file that exists its owner and mode. With a single id all
// belongs to that.
func (e Entry) attributes(full string) error {
	if e.UID != 0 || e.GID != 0 {
		if err := os.Lchown(full, e.UID, e.GID); err != nil && !errors.Is(err, syscall.EINVAL) {
			return err
		}
	}
	if e.Link != "" {
		return nil
	}
	return os.Chmod(full, e.Mode) // after chown, which clears set-id bits
}

// machineFiles are what the machine's own programs, which hosts run, expect
// in /etc.
var machineFiles = []string{"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/terminfo",
	"/etc/vim", "/etc/vimrc", "/etc/virc", "/etc/nanorc", "/etc/rpc", "/etc/man_db.conf", "/etc/manpath.config", "/etc/less", "/etc/lynx.cfg"}

// manual is where manual pages are. Most of what is in /etc/alternatives leads
// there; the layer over the machine's /usr has a shorter way ([manualLinks]).
const manual = "/usr/share/man"

// machineItems reads them. What this user may not read, a host does without.
func machineItems() []item {
	var all []item
	for _, name := range machineFiles {
		filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			it := item{Entry: Entry{Path: path, Mode: 0o644}}
			switch d.Type() {
			case fs.ModeDir:
				it.Mode = fs.ModeDir | 0o755
			case fs.ModeSymlink:
				it.Link, err = os.Readlink(path)
				if strings.HasPrefix(it.Link, manual+"/") {
					return nil
				}
			case 0:
				it.data, err = os.ReadFile(path)
			default:
				return nil
			}
			if err == nil {
				all = append(all, it)
			}
			return nil
		})
	}
	return all
}

// manualLinks makes in a layer the links below the machine's manual that lead
// through /etc/alternatives, with what they lead to.
func manualLinks(dir string) error {
	return filepath.WalkDir(manual, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() != fs.ModeSymlink {
			return nil // what this user may not read, a host does without
		}
		to, err := os.Readlink(path)
		if err != nil || filepath.Dir(to) != "/etc/alternatives" {
			return nil
		}
		if to, err = os.Readlink(to); err != nil {
			return nil
		}
		return item{Entry: Entry{Path: path, Link: to}}.put(dir)
	})
}

// fillDisk puts what a host with these packages, base first, has outside /usr on
// its empty disk.
func (l *Layers) fillDisk(dir string, packages []string) error {
	for _, it := range l.machine {
		if err := it.put(dir); err != nil {
			return err
		}
	}
	for _, p := range packages {
		for _, it := range l.disk[p] {
			if err := it.put(dir); err != nil {
				return err
			}
		}
	}
	return nil
}
