// Package dnf is dnf(8), also called yum(8), and the queries of rpm(8), over
// the packages that the lab's distribution has. The distribution and the way
// files get onto a running host are a [Repo]; what is installed is a text file
// of the host, so that it outlives a reboot.
//
// Sources: dnf(8), dnf.conf(5), rpm(8), and recordings of dnf 4.14, which are the
// tests.
//
// # Divergences
//
//   - There is one version of a package: check-update and upgrade find nothing.
//   - Nothing is downloaded: repositories are the .repo files that are enabled,
//     their contents the distribution's, and speeds are made up.
//   - Signatures, groups, modules and plugins are not modelled. The history is a
//     file of our own; of its commands list, info and undo are.
//   - There are no package files to install; rpm -V knows of configuration files
//     that were written later than their package, and of files that are missing.
//   - What a terminal shows of progress is the last picture.
//   - Requirements are names of packages.
package dnf
