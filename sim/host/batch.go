package host

import (
	"io"
	"io/fs"
	"os"
)

// Batch is implemented by Files whose calls are messages to another process,
// where several of them cost hardly more than one. Programs that work on
// thousands of names use [Lstats] and [Renew], which serve all Files, as
// [ReadFile] does.
type Batch interface {
	ReadFile(name string) ([]byte, error)
	Lstats(names []string) []Stated
	Renew(from, to string, perm fs.FileMode) (f *os.File, moved bool, err error)
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

// Renew renames a file and opens a new one for reading and writing that has its
// old name, which must not exist by then. An error is that of the call that
// failed: moved tells whether the first had been made.
func Renew(f Files, from, to string, perm fs.FileMode) (file *os.File, moved bool, err error) {
	if b, ok := f.(Batch); ok {
		return b.Renew(from, to, perm)
	}
	if err := f.Rename(from, to); err != nil {
		return nil, false, err
	}
	file, err = f.OpenFile(from, os.O_CREATE|os.O_EXCL|os.O_RDWR, perm)
	return file, true, err
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
