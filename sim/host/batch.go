package host

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// Batch is implemented by Files whose calls are messages to another process,
// where several of them cost hardly more than one. Programs that work on
// thousands of names use [Lstats] and [Chain], which serve all Files, as
// [ReadFile] does.
type Batch interface {
	ReadFile(name string) ([]byte, error)
	Lstats(names []string) []Stated
	Chain(steps []Step) (done int, files []*os.File, err error)
}

// Stated is what Lstat says of a name.
type Stated struct {
	Info fs.FileInfo
	Err  error
}

// Lstats calls Lstat for each of the names.
func Lstats(f Files, names []string) []Stated {
	if b, ok := f.(Batch); ok {
		return b.Lstats(names)
	}
	list := make([]Stated, len(names))
	for i, n := range names {
		list[i].Info, list[i].Err = f.Lstat(n)
	}
	return list
}

// Step is one call of a [Chain].
type Step struct {
	Call Call
	Name string
	To   string      // of Rename: the new name; of Symlink: what it leads to
	Flag int         // of Open, as of OpenFile
	Perm fs.FileMode // of Open and Create
	Time time.Time   // of Create
}

// Call is what a [Step] does.
type Call int

const (
	Rename Call = iota
	Open        // of a file that opening does not wait for
	Unlink      // of anything but a directory
	Symlink
	Create // an empty file that must not exist, with just the mode Perm and modified at Time
)

// Chain makes calls in the order given, up to the first that fails: done are
// those that did not, files what they opened, in order.
func Chain(f Files, steps ...Step) (done int, files []*os.File, err error) {
	if b, ok := f.(Batch); ok {
		return b.Chain(steps)
	}
	for i, s := range steps {
		switch s.Call {
		case Rename:
			err = f.Rename(s.Name, s.To)
		case Open:
			var file *os.File
			if file, err = f.OpenFile(s.Name, s.Flag, s.Perm); err == nil {
				files = append(files, file)
			}
		case Unlink:
			err = f.Remove(s.Name)
		case Symlink:
			err = f.Symlink(s.To, s.Name)
		case Create:
			err = create(f, s)
		}
		if err != nil {
			return i, files, err
		}
	}
	return len(steps), files, nil
}

func create(f Files, s Step) error {
	file, err := f.OpenFile(s.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, s.Perm)
	if err != nil {
		return err
	}
	// The mode that is asked for is subject to the umask.
	if err = errors.Join(file.Chmod(s.Perm), file.Close()); err != nil {
		return err
	}
	return f.Chtimes(s.Name, s.Time, s.Time)
}

// ReadFile returns the contents of a file.
func ReadFile(f Files, name string) ([]byte, error) {
	if b, ok := f.(Batch); ok {
		return b.ReadFile(name)
	}
	file, err := f.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}
