// Package peer finds the real programs that tests run beside ours: rsyslogd,
// chronyd, Postfix, s-nail and others, which tools/peers unpacks below .peers/
// at the root of the module. They are not installed, so they carry the machine's
// paths only where their packages compiled them in; a test gives them
// configuration files, run-time folders and ports of its own.
//
// For tests only.
package peer

import (
	"archive/tar"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// InHost is where a test unpacks Tar in a virtual host.
const InHost = "/opt/peers"

// Root returns the folder below which the real programs stand. It fails the
// test when they are not there: a test that wants a peer is never skipped.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		root := filepath.Join(dir, ".peers")
		if _, err := os.Stat(filepath.Join(root, "stamp")); err == nil {
			return root
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("the real programs that this test runs are not here: run tools/peers (make test does)")
		}
		dir = up
	}
}

// Command returns a command that runs a real program of the machine, given by
// its path on an installed system ("/usr/sbin/rsyslogd").
func Command(t testing.TB, path string, args ...string) *exec.Cmd {
	t.Helper()
	root := Root(t)
	cmd := exec.Command(filepath.Join(root, path), args...)
	cmd.Env = append(os.Environ(), Env(root)...)
	return cmd
}

// Env returns the environment in which programs below root find the libraries
// and modules that were unpacked with them.
func Env(root string) []string {
	multiarch, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	if root == InHost {
		multiarch = []string{root + "/usr/lib/x86_64-linux-gnu", root + "/usr/lib/aarch64-linux-gnu"}
	}
	libs := append(multiarch, root+"/usr/lib", root+"/usr/lib/postfix", root+"/lib/systemd")
	return []string{
		"LD_LIBRARY_PATH=" + strings.Join(libs, ":"),
		"PYTHONPATH=" + root + "/usr/lib/python3/dist-packages",
	}
}

// Tar writes the files below the given paths of Root as a tar archive, to be
// unpacked in a virtual host: `enshu exec HOST -- tar -x -C /opt/peers`.
func Tar(t testing.TB, w io.Writer, paths ...string) {
	t.Helper()
	root, archive := Root(t), tar.NewWriter(w)
	add := func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(name); err != nil {
				return err
			}
		}
		header, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		header.Name, err = filepath.Rel(root, name)
		if err != nil {
			return err
		}
		header.Uid, header.Gid, header.Uname, header.Gname = 0, 0, "", ""
		if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
			return err
		}
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = io.Copy(archive, file)
		return err
	}
	for _, path := range paths {
		matches, err := filepath.Glob(filepath.Join(root, path))
		if err != nil || len(matches) == 0 {
			t.Fatalf("no file %s among the real programs: run tools/peers again", path)
		}
		for _, match := range matches {
			if err := filepath.WalkDir(match, add); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
}
