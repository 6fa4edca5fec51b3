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
//   - Signatures, groups, modules, plugins and the history are not modelled and say so;
//     so are rpm's -i, -U and -V.
//   - Requirements are names of packages.
package dnf
