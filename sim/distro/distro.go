// Package distro is the one table of what a fresh host looks like: software
// packages with their files, users, units and Programs. The default looks like
// AlmaLinux 9.
//
// A package is one file of this folder, one line in [Packages], and the folder
// files/NAME with the files it brings, at their places.
package distro

import (
	"embed"
	"io/fs"

	"enshu/sim/host"
)

//go:embed all:files
var files embed.FS

// Package is one software package.
type Package struct {
	Name, Version, Release, Arch string
	Epoch                        int // counts before the version
	Summary                      string
	Base                         bool     // installed on every host
	Requires                     []string // other packages that come with it
	// Programs are the executables that the lab runs itself, by path. A symbolic
	// link to one goes into Files.
	Programs map[string]host.Program
	// Files has what files/NAME cannot say: directories, links, owners and modes.
	// What is in files/NAME alone is 0644 root:root.
	Files map[string]File
	// Users and Groups are lines of /etc/passwd and /etc/group.
	Users, Groups []string
	// Enabled and Disabled units after the installation are told by the preset:
	// these are enabled.
	Enable []string
}

// File is a file, directory or link of a package.
type File struct {
	Mode        fs.FileMode // type bits too: fs.ModeDir|0o755; 0 is a file of mode 0644
	User, Group string      // "" is root
	Link        string      // target of a symbolic link
}

// Tree returns the files that a package brings, rooted at /; it is empty for
// one that brings none.
func (p *Package) Tree() (fs.FS, error) {
	if _, err := fs.Stat(files, "files/"+p.Name); err != nil {
		return embed.FS{}, nil
	}
	return fs.Sub(files, "files/"+p.Name)
}
