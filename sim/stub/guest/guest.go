// Package guest is what runs in a stub: the small real process that stands in
// a host for a Program. It thinks nothing. It tells the lab process who it is,
// lends it its stdio, performs system calls where it stands, starts children,
// passes signals on, and ends when it is told.
//
// A stub is a copy of the enshu binary that the kernel enters by another door
// ([MakeStub]): [start], in assembly, instead of the Go runtime's. There is no
// runtime then: no scheduler, no heap, no threads, no initialised packages. What it would
// take to start is several times the work of most stubs, and every command and
// every daemon of every host is one.
//
// So what run calls is Go that needs none: it works on the stack, which is as
// large as the process may have, and in the memory of a desk. It must not
// allocate, start goroutines, use maps, or panic. TestNoRuntime asks the
// compiler for the first of these; a slip in the others ends the stub at once.
package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Socket is where the lab process listens in every host.
const Socket = "/run/enshu/lab"

// RoleWait as Args[0] of a re-executed binary makes it wait on descriptor 3 for
// its id maps, then become Args[1:], and root by that.
const RoleWait = "enshu-wait"

// hostArgs are what ps(1) shows of PID 1 on the real system.
var hostArgs = [...]string{"/usr/lib/systemd/systemd", "--switched-root", "--system", "--deserialize", "31"}

// HostArgs returns the arguments that make a stub PID 1 of a host, with its
// connections to the lab as descriptors 3 and 4: first that for what happens to it.
func HostArgs() []string { return append([]string(nil), hostArgs[:]...) }

func init() {
	if len(os.Args) == 0 || os.Args[0] != RoleWait {
		return
	}
	var b [1]byte
	if n, _ := syscall.Read(3, b[:]); n == 1 {
		syscall.Close(3)
		syscall.Exec("/proc/self/exe", os.Args[1:], os.Environ())
	}
	os.Exit(1)
}

// What an ELF header says of the file and where (elf(5), 64 bits, little endian
// as both of our architectures are).
const (
	elfType   = 16 // offset of e_type
	elfExec   = 2  // ET_EXEC: the addresses of its code are those of this process
	elfEntry  = 24 // offset of e_entry
	elfHeader = 64
)

// MakeStub turns a copy of the running binary into a stub.
func MakeStub(f interface {
	io.ReaderAt
	io.WriterAt
}) error {
	head := make([]byte, elfHeader)
	if _, err := f.ReadAt(head, 0); err != nil {
		return fmt.Errorf("stub: %w", err)
	}
	if string(head[:4]) != "\x7fELF" || binary.LittleEndian.Uint16(head[elfType:]) != elfExec {
		return errors.New("stub: enshu must be built as a static executable, without -buildmode=pie and with CGO_ENABLED=0")
	}
	_, err := f.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(entry())), elfEntry)
	return err
}

// entry returns the address of start, which makes of the thread what Go code
// expects but for the runtime, and calls run.
func entry() uintptr
